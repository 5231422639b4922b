"""Coordinates that constraints determine: by couplers, by substitution; by loops of bodies, by Newton's method.

A loop is closed where the position errors p(q) of its constraints vanish. Its Jacobian G = ∂p/∂q splits into the
columns of dependent and independent coordinates: q̇_d = -G_d⁻¹ G_i q̇_i, and q̈_d follows from the constraints'
accelerations. Moments about the independent coordinates are those about all, times this matrix transposed: forces of
constraints do no work. G_d has as many columns as G has rank, chosen so that it is far from singular.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import opensim

from ...errors import ModelError, explain, some
from ...multibody.loops import CLOSED, LONGEST, RANK, SINGULAR, STAGES, STEPS
from ...problem.arrays import Array, Index
from .couplers import coupled, coupled_acceleration, coupled_rates
from .parts import Session
from .state import set_posture, set_speed, to_accelerations, to_speeds


def loop_names(session: Session) -> tuple[str, ...]:
    """Classes and names of the constraints that close loops."""
    if session.loops is None:
        return ()
    return tuple(described(part) for part in session.loops.constraints)


def follow(session: Session, value: Array, time: float | None = None) -> Array:
    """A posture (N,) that satisfies the constraints, its independent coordinates unchanged.

    ``time`` (s) is for the message.

    Raises
    ------
    ModelError
        The loops cannot be closed.
    """
    value = coupled(session, value)
    if session.loops is None:
        return value
    dependents = session.loops.dependents
    for _ in range(STEPS):
        error, gradient = errors(session, value)
        step = np.linalg.lstsq(gradient[:, dependents], error, rcond=RANK)[0]
        value[dependents] -= step * min(1.0, LONGEST / max(float(np.abs(step).max()), CLOSED))
        value = coupled(session, value)
        if np.abs(error).max() < CLOSED:  # now closed to rounding
            return value
    raise _open(session, value, time)


def reach(session: Session, value: Array, time: float | None = None) -> Array:
    """As ``follow``, each loop closed in the way of the model's default posture, in steps from there."""
    if session.loops is None:
        return follow(session, value, time)
    start = before = session.loops.posture
    for share in np.linspace(0.0, 1.0, STAGES + 1)[1:]:
        target = start + share * (value - start)
        target[session.loops.dependents] = before[session.loops.dependents]
        before = follow(session, target, time)
    return before


def jacobian(session: Session, value: Array, time: float | None = None) -> Array:
    """(N, N) matrix from independent rates to all rates at one posture; columns of dependent coordinates are zero.

    Raises
    ------
    ModelError
        The posture is singular: loops do not determine their dependent coordinates.
    """
    matrix = coupled_rates(session, value)
    if session.loops is None:
        return matrix
    _, gradient = errors(session, value)
    dependents, through = session.loops.dependents, np.eye(len(value))
    through[dependents] = -_solve(session, gradient[:, dependents], gradient, time)
    through[:, dependents] = 0.0
    return np.asarray(matrix @ through)


def complete(
    session: Session, time: float, value: Array, speed: Array, acceleration: Array
) -> tuple[Array, Array, Array, Array]:
    """Values, rates and accelerations (N,) of all coordinates in one frame, and the ``jacobian``."""
    value = follow(session, value, time)
    matrix = jacobian(session, value, time)
    speed = matrix @ speed
    acceleration = coupled_acceleration(session, value, speed, acceleration)
    if session.loops is not None:
        dependents, view = session.loops.dependents, _view(session)
        acceleration[dependents] = 0.0
        acceleration = coupled_acceleration(session, value, speed, acceleration)
        _, gradient = errors(session, value)
        set_speed(view, speed)
        bias, change = opensim.Vector(), to_accelerations(view, acceleration)
        matter = session.model.getMatterSubsystem()
        matter.calcBiasForAccelerationConstraints(view.state, bias)
        missed = _constraint_jacobian(view) @ change + bias.to_numpy()
        acceleration[dependents] = -_solve(session, gradient[:, dependents], missed, time)
        acceleration = coupled_acceleration(session, value, speed, acceleration)
    return value, speed, acceleration, matrix


def assume(session: Session, posture: Array) -> Array:
    """Set a posture (N,), dependent coordinates following, and realize it."""
    posture = follow(session, posture)
    set_posture(session, 0.0, posture)
    session.model.realizePosition(session.state)
    return posture


def dependent_pairs(session: Session) -> tuple[Index, Index]:
    """Dependent coordinates and the independent ones that they follow: where ``jacobian`` may be nonzero."""
    size = len(session.coordinates)
    coupled, looped = np.eye(size, dtype=int), np.eye(size, dtype=int)
    for coupler in session.couplers:
        coupled[coupler.dependent] = coupled[list(coupler.independents)].any(axis=0)
    for dependent, driving in session.loops.driving.items() if session.loops else ():
        looped[dependent] = np.isin(np.arange(size), driving)
    rows = np.isin(np.arange(size), list(session.dependents()))
    below, above = np.nonzero((coupled @ looped > 0) & rows[:, None])
    return below, above


def openness(session: Session, value: Array) -> float:
    """Largest position error of the loops in a posture (N,), in m or rad."""
    return float(np.abs(errors(session, coupled(session, value))[0]).max(initial=0.0))


def _view(session: Session) -> Session:
    """The model in the state in which nothing but the loops is constrained."""
    return replace(session, state=session.closed.state)


def _constraint_jacobian(view: Session) -> Array:
    """Change of the position errors by OpenSim's speeds, in the system's order."""
    matrix = opensim.Matrix()
    view.model.getMatterSubsystem().calcG(view.state, matrix)
    return np.array(matrix.to_numpy())


def errors(session: Session, value: Array) -> tuple[Array, Array]:
    """Position errors (R,) of the loops, and their change (R, N) by the coordinates' rates, couplers following."""
    view = _view(session)
    set_posture(view, 0.0, value)
    view.model.realizePosition(view.state)
    speeds = np.empty((len(value), len(value)))
    speeds[view.mobility] = to_speeds(view, coupled_rates(session, value))
    return np.array(view.state.getQErr().to_numpy()), _constraint_jacobian(view) @ speeds


def _solve(session: Session, gradient: Array, right: Array, time: float | None) -> Array:
    """Solve G_d x = right, unless G_d is singular."""
    size = np.linalg.norm(gradient, axis=0)
    if not (size > 0.0).all() or not np.linalg.cond(gradient / size) < SINGULAR:
        which = some(session.coordinates[index].getName() for index in session.closed.dependents)
        fix = (
            "Near it, small changes of the independent coordinates cause large changes of the dependent ones: choose a "
            "time_range without it, lock a coordinate of the loop, or set the constraint's isEnforced to false."
        )
        got = f"a singular one{_at(time)}, in which {some(loop_names(session))} does not determine {which}"
        raise ModelError(explain("postures in which constraints determine coordinates", got, fix, session.key.path))
    return np.asarray(np.linalg.lstsq(gradient, right, rcond=None)[0])


def _open(session: Session, value: Array, time: float | None) -> ModelError:
    """Error for a loop that cannot be closed: by how much each constraint is missed."""
    missed = []
    for number, part in enumerate(session.closed.constraints):
        state = opensim.State(session.closed.state)
        for index, other in enumerate(session.closed.constraints):
            other.setIsEnforced(state, index == number)
        set_posture(replace(session, state=state), 0.0, value)
        session.model.realizePosition(state)
        size = float(np.abs(state.getQErr().to_numpy()).max(initial=0.0))
        missed += [f"{described(part)} is missed by {size:.3g} m (or rad)"] if size > CLOSED else []
    got = f"none{_at(time)}: {some(missed or loop_names(session))}"
    driving = dict.fromkeys(session.coordinates[i].getName() for d in session.closed.driving.values() for i in d)
    fix = f"Check the motion's units and values of {some(driving)}, or the constraint in the model."
    if not driving:  # the model's default cannot be closed
        fix = "Check the default values of coordinates, which locks and welds hold, or the constraint in the model."
    return ModelError(explain("a posture that satisfies the model's constraints", got, fix, session.key.path))


def _at(time: float | None) -> str:
    return "" if time is None else f" at {time:g} s"


def described(part: Any) -> str:
    """Class and name of a constraint, as messages have it."""
    return f"{part.getConcreteClassName()} '{part.getName()}'"
