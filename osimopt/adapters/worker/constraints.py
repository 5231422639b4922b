"""Coordinates that constraints determine: by couplers, by substitution; by loops of bodies, by Newton's method.

A loop is closed where the position errors p(q) of its constraints vanish. Its Jacobian G = ∂p/∂q splits into the
columns of dependent and independent coordinates: q̇_d = -G_d⁻¹ G_i q̇_i, and q̈_d follows from the constraints'
accelerations. Moments about the independent coordinates are those about all, times this matrix transposed: forces of
constraints do no work. G_d has as many columns as G has rank, chosen so that it is far from singular.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import opensim

from ...errors import ModelError, explain, some
from ...problem.arrays import Array, Index
from .coordinates import derivative, evaluate
from .parts import Coupler, Loops, Session
from .state import set_posture, set_speed, to_accelerations, to_speeds

#: m or rad; error of a closed loop, most steps of Newton's method, and the longest (rad or m).
CLOSED, STEPS, LONGEST = 1e-12, 50, 0.3
#: Largest condition number of G_d, its columns divided by their lengths. Beyond it (0.06° from a dead centre of a
#: four-bar linkage) the independent coordinates hardly determine the others.
SINGULAR = 1e3
#: Postures in which the dependent coordinates are chosen, their spread (rad or m), and the singular value that counts
#: as zero.
TRIED, SPREAD, RANK = 8, 0.2, 1e-7
#: Share of the best coordinate's independence from those already chosen that another needs to be chosen before it.
NEARLY = 0.3
#: Constraints of speeds, which OpenSim enforces in some states only.
ROLLING = ("RollingOnSurfaceConstraint",)
#: Name of the constraint by which OpenSim joins the halves of a body where joints close a loop.
_SLAVE = re.compile(r".*_slave_\d+_weld")


def find_loops(session: Session) -> Loops | None:
    """The loops of a model that is loaded, None where there are none.

    Raises
    ------
    ModelError
        A constraint of speeds (RollingOnSurface), joints that close a loop, or loops that cannot be closed near the
        model's default posture.
    """
    components = [opensim.Constraint.safeDownCast(part) for part in session.model.getComponentsList()]
    present = [part for part in components if part is not None]
    enforced = [part for part in present if part.isEnforced(session.state)]
    coupling = [part for part in enforced if opensim.CoordinateCouplerConstraint.safeDownCast(part) is not None]
    others = tuple(part for part in enforced if part.getName() not in {one.getName() for one in coupling})
    state = opensim.State(session.state)
    for part in coupling:
        part.setIsEnforced(state, False)
    for coordinate in session.coordinates:
        coordinate.setLocked(state, False)
        coordinate.setIsPrescribed(state, False)
    session.model.realizePosition(state)
    rolling = [part for part in present if part.getConcreteClassName() in ROLLING and part.get_isEnforced()]
    if rolling or state.getNUErr() != state.getNQErr():
        got = some(_described(part) for part in rolling or others)
        fix = "Set its isEnforced to false, or model the contact by forces: such a constraint has no positions."
        raise ModelError(explain("constraints of positions", got, fix, session.key.path))
    _refuse_joints(session, others)
    if not state.getNQErr():
        return None
    start = np.array([coordinate.getValue(session.state) for coordinate in session.coordinates])
    moving = session.free()
    loops = Loops(others, state, start, dict.fromkeys(moving, ()))  # to close them, all coordinates may move
    posture = follow(replace(session, loops=loops), start)
    loops = replace(loops, posture=posture)
    return replace(loops, driving=_choose(replace(session, loops=loops), moving))


def _refuse_joints(session: Session, constraints: tuple[Any, ...]) -> None:
    """Refuse loops of joints: OpenSim 4.6 cuts one body in two, each half with half of its mass but all of its inertia.

    The kinetic energy of a four-bar linkage is then 4 % more than that of the same one with a PointConstraint.
    """
    if not any(_SLAVE.fullmatch(part.getName()) for part in constraints):
        return
    children: dict[str, list[str]] = {}
    for joint in session.model.getJointList():
        children.setdefault(joint.getChildFrame().findBaseFrame().getName(), []).append(joint.getName())
    several = [name for shared in children.values() if len(shared) > 1 for name in shared]
    fix = "Replace one of them by a PointConstraint or a WeldConstraint: OpenSim doubles a body's inertia there."
    expected = "joints that form a tree"
    raise ModelError(explain(expected, f"a loop of joints ({some(several)})", fix, session.key.path))


def loop_names(session: Session) -> tuple[str, ...]:
    """Classes and names of the constraints that close loops."""
    if session.loops is None:
        return ()
    return tuple(_described(part) for part in session.loops.constraints)


def follow(session: Session, value: Array, time: float | None = None) -> Array:
    """A posture (N,) that satisfies the constraints, its independent coordinates unchanged.

    ``time`` (s) is for the message.

    Raises
    ------
    ModelError
        The loops cannot be closed.
    """
    value = _coupled(session, value)
    if session.loops is None:
        return value
    dependents = session.loops.dependents
    for _ in range(STEPS):
        error, gradient = _errors(session, value)
        step = np.linalg.lstsq(gradient[:, dependents], error, rcond=RANK)[0]
        value[dependents] -= step * min(1.0, LONGEST / max(float(np.abs(step).max()), CLOSED))
        value = _coupled(session, value)
        if np.abs(error).max() < CLOSED:  # now closed to rounding
            return value
    raise _open(session, value, time)


def jacobian(session: Session, value: Array, time: float | None = None) -> Array:
    """(N, N) matrix from independent rates to all rates at one posture; columns of dependent coordinates are zero.

    Raises
    ------
    ModelError
        The posture is singular: loops do not determine their dependent coordinates.
    """
    matrix = _coupled_rates(session, value)
    if session.loops is None:
        return matrix
    _, gradient = _errors(session, value)
    dependents, through = session.loops.dependents, np.eye(len(value))
    through[dependents] = -_solve(session, gradient[:, dependents], gradient, time)
    through[:, dependents] = 0.0
    return np.asarray(matrix @ through)


def complete(
    session: Session, time: float, value: Array, speed: Array, acceleration: Array
) -> tuple[Array, Array, Array, Array]:
    """Values, rates and accelerations (N,) of all coordinates in one frame, and the ``jacobian``.

    With q_d = f(q): u_d = f′u and u̇_d = f′u̇ + uᵀf″u, as OpenSim's assembly and constraints enforce.
    """
    value = follow(session, value, time)
    matrix = jacobian(session, value, time)
    speed = matrix @ speed
    acceleration = _coupled_acceleration(session, value, speed, acceleration)
    if session.loops is not None:
        dependents, view = session.loops.dependents, _view(session)
        acceleration[dependents] = 0.0
        acceleration = _coupled_acceleration(session, value, speed, acceleration)
        _, gradient = _errors(session, value)
        set_speed(view, speed)
        bias, change = opensim.Vector(), to_accelerations(view, acceleration)
        matter = session.model.getMatterSubsystem()
        matter.calcBiasForAccelerationConstraints(view.state, bias)
        missed = _constraint_jacobian(view) @ change + bias.to_numpy()
        acceleration[dependents] = -_solve(session, gradient[:, dependents], missed, time)
        acceleration = _coupled_acceleration(session, value, speed, acceleration)
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
    return float(np.abs(_errors(session, _coupled(session, value))[0]).max(initial=0.0))


def _view(session: Session) -> Session:
    """The model in the state in which nothing but the loops is constrained."""
    assert session.loops is not None
    return replace(session, state=session.loops.state)


def _constraint_jacobian(view: Session) -> Array:
    """Change of the position errors by OpenSim's speeds, in the system's order."""
    matrix = opensim.Matrix()
    view.model.getMatterSubsystem().calcG(view.state, matrix)
    return np.array(matrix.to_numpy())


def _errors(session: Session, value: Array) -> tuple[Array, Array]:
    """Position errors (R,) of the loops, and their change (R, N) by the coordinates' rates, couplers following."""
    view = _view(session)
    set_posture(view, 0.0, value)
    view.model.realizePosition(view.state)
    speeds = np.empty((len(value), len(value)))
    speeds[view.mobility] = to_speeds(view, _coupled_rates(session, value))
    return np.array(view.state.getQErr().to_numpy()), _constraint_jacobian(view) @ speeds


def _solve(session: Session, gradient: Array, right: Array, time: float | None) -> Array:
    """Solve G_d x = right, unless G_d is singular."""
    size = np.linalg.norm(gradient, axis=0)
    if not (size > 0.0).all() or not np.linalg.cond(gradient / size) < SINGULAR:
        assert session.loops is not None
        which = some(session.coordinates[index].getName() for index in session.loops.dependents)
        fix = (
            "There a small change of the others moves them far: choose a time_range without it, lock a coordinate of "
            "the loop, or set the constraint's isEnforced to false."
        )
        got = f"a singular one{_at(time)}, where {some(loop_names(session))} does not determine {which}"
        raise ModelError(explain("postures in which constraints determine coordinates", got, fix, session.key.path))
    return np.asarray(np.linalg.lstsq(gradient, right, rcond=None)[0])


def _open(session: Session, value: Array, time: float | None) -> ModelError:
    """Error for a loop that cannot be closed: by how much each constraint is missed."""
    assert session.loops is not None
    missed = []
    for part in session.loops.constraints:
        state = opensim.State(session.loops.state)
        for other in session.loops.constraints:
            other.setIsEnforced(state, other.getName() == part.getName())
        set_posture(replace(session, state=state), 0.0, value)
        session.model.realizePosition(state)
        size = float(np.abs(state.getQErr().to_numpy()).max(initial=0.0))
        missed += [f"{_described(part)} is missed by {size:.3g} m (or rad)"] if size > CLOSED else []
    got = f"none{_at(time)}: {some(missed or loop_names(session))}"
    driving = dict.fromkeys(session.coordinates[i].getName() for d in session.loops.driving.values() for i in d)
    fix = f"Check the motion's units and values of {some(driving)}, or the constraint in the model."
    if not driving:  # the model's default cannot be closed
        fix = "Check the default values of coordinates, which locks and welds hold, or the constraint in the model."
    return ModelError(explain("a posture that satisfies the model's constraints", got, fix, session.key.path))


def _at(time: float | None) -> str:
    return "" if time is None else f" at {time:g} s"


def _described(part: Any) -> str:
    return f"{part.getConcreteClassName()} '{part.getName()}'"


def _choose(session: Session, moving: list[int]) -> dict[int, tuple[int, ...]]:
    """The coordinates that loops determine, each with the free ones in its loop.

    As many as G has rank, one after the other: of those that are most independent of the ones before, in several
    postures, the last in the multibody tree.
    """
    gradients = np.array([gradient[:, moving] for gradient in _gradients(session, moving)])
    scale = np.linalg.norm(gradients, axis=1).max(axis=0)
    left = gradients / np.where(scale > RANK, scale, 1.0)
    chosen: list[int] = []
    for _ in range(max(int(np.linalg.matrix_rank(one, RANK)) for one in left)):
        size = np.linalg.norm(left, axis=1).min(axis=0)
        size[chosen] = 0.0
        column = int(np.flatnonzero(size >= NEARLY * size.max())[-1])
        pivot = left[:, :, column] / np.linalg.norm(left[:, :, column], axis=1)[:, None]
        left = left - pivot[:, :, None] * np.einsum("pr,prc->pc", pivot, left)[:, None, :]
        chosen.append(column)
    linked = np.abs(gradients).max(axis=0) > RANK
    together = linked.T.astype(int) @ linked
    for _ in moving:
        together = np.minimum(together @ together, 1)
    driving = {}
    for column in sorted(chosen):
        others = [other for other in np.flatnonzero(together[column]).tolist() if other not in chosen]
        driving[moving[column]] = tuple(moving[other] for other in others)
    return driving


def _gradients(session: Session, moving: list[int]) -> Iterator[Array]:
    """Jacobians (R, N) of the loops in the model's default posture and others near it."""
    assert session.loops is not None
    random = np.random.default_rng(0)
    yield _errors(session, session.loops.posture)[1]
    for _ in range(TRIED):
        value = session.loops.posture.copy()
        value[moving] += random.uniform(-SPREAD, SPREAD, len(moving))
        with contextlib.suppress(ModelError):
            yield _errors(session, follow(session, value))[1]


def _coupled(session: Session, value: Array) -> Array:
    """A posture (N,) with the coordinates that couplers determine."""
    value = value.copy()
    for coupler in session.couplers:
        value[coupler.dependent] = coupler.scale * evaluate(coupler.function, value[list(coupler.independents)])
    return value


def _coupled_rates(session: Session, value: Array) -> Array:
    """(N, N) matrix from the rates of all others to those of coupled coordinates, whose columns are zero."""
    matrix = np.eye(len(session.coordinates))
    for coupler in session.couplers:
        sources = list(coupler.independents)
        matrix[coupler.dependent] = _gradient(coupler, value[sources]) @ matrix[sources]
    return matrix


def _coupled_acceleration(session: Session, value: Array, speed: Array, acceleration: Array) -> Array:
    acceleration = acceleration.copy()
    for coupler in session.couplers:
        sources = list(coupler.independents)
        at, u = value[sources], speed[sources]
        acceleration[coupler.dependent] = _gradient(coupler, at) @ acceleration[sources] + u @ _hessian(coupler, at) @ u
    return acceleration


def _gradient(coupler: Coupler, at: Array) -> Array:
    orders = range(len(at))
    return coupler.scale * np.array([derivative(coupler.function, at, i) for i in orders])


def _hessian(coupler: Coupler, at: Array) -> Array:
    orders = range(len(at))
    return coupler.scale * np.array([[derivative(coupler.function, at, i, j) for j in orders] for i in orders])
