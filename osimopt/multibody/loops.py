"""Loops of bodies: postures that close them, and the coordinates that they and couplers determine.

A loop is closed where the errors p(q) of its constraints vanish. Its Jacobian G = ∂p/∂q splits into the columns of
dependent and independent coordinates: q̇_d = -G_d⁻¹ G_i q̇_i, and q̈_d follows from the constraints' accelerations.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..errors import ModelError, explain, some
from ..namespace import alike, frames_first, frames_last, namespace
from ..problem.arrays import Array
from .constraints import ConstraintRows, constraint_bias, constraint_jacobian, constraint_rows
from .couplers import coupled, coupled_accelerations, coupled_rates
from .description import Constraint, ConstraintKind, Multibody
from .kinematics import Posture, posture, velocity
from .rates import speeds_at, to_changes, to_speeds
from .vectors import Tensor, combine

#: m or rad; error of a closed loop, most steps of Newton's method, and the longest (rad or m).
CLOSED, STEPS, LONGEST = 1e-12, 50, 0.3
#: Steps from the model's default posture to another.
STAGES = 20
#: Largest condition number of G_d, its columns divided by their lengths. Beyond it (0.06° from a dead centre of a
#: four-bar linkage) the independent coordinates hardly determine the others.
SINGULAR = 1e3
#: Singular value that counts as zero.
RANK = 1e-7
#: OpenSim's classes of constraints.
CLASSES: dict[ConstraintKind, str] = {
    "point": "PointConstraint",
    "weld": "WeldConstraint",
    "distance": "ConstantDistanceConstraint",
    "line": "PointOnLineConstraint",
}


@dataclass(frozen=True, eq=False)
class Closure:
    """Coordinates that loops determine, and a posture (N,) that closes them, from which others are reached.

    ``given`` are the coordinates that a motion gives.
    """

    dependents: tuple[int, ...]
    posture: Array
    given: tuple[int, ...] = ()


def find_closure(multibody: Multibody, free: list[int], determined: list[int], start: Array) -> Closure:
    """The loops of a model, closed near its default posture ``start`` (N,).

    ``free`` are coordinates that a motion gives, ``determined`` those that constraints do, as the model's description
    has them. To close the loops here, both may move.

    Raises
    ------
    ModelError
        A coordinate that is determined by what is not described in arrays, or loops that cannot be closed.
    """
    followers = {coupler.dependent for coupler in multibody.couplers}
    dependents = tuple(sorted(set(determined) - followers))
    missing = multibody.gaps("joint", "coupler", "constraint")
    if missing or followers - set(determined) or (dependents and not multibody.constraints):
        names = [multibody.coordinates[i] for i in (followers - set(determined) or dependents)]
        got = f"{some(names) or 'none'}, and not in arrays {some(missing) or 'nothing'}"
        expected = "coordinates that constraints determine which are described in arrays"
        raise ModelError(explain(expected, got, "Use geometry='opensim'."))
    moving = Closure((*free, *dependents), start)
    closed = follow(multibody, moving, start[None]) if multibody.constraints else coupled(multibody, start[:, None]).T
    return Closure(dependents, np.asarray(closed)[0], tuple(free))


def close(multibody: Multibody, closure: Closure, value: Tensor) -> tuple[Tensor, Tensor]:
    """Postures (T, N) that satisfy the constraints, the independent coordinates unchanged; in which frames they do."""
    value = coupled(multibody, frames_last(value))
    xp = namespace(value)
    closed = xp.any(xp.isnan(value), axis=0)[None]  # nothing to close there
    if not multibody.constraints:
        closed = xp.ones_like(closed)
    chosen = np.zeros((len(multibody.coordinates), len(closure.dependents)))
    chosen[list(closure.dependents), np.arange(len(closure.dependents))] = 1.0
    for _ in range(STEPS):
        if bool(xp.all(closed)):
            break
        error, gradient, _ = _errors(multibody, value)
        step = _least_squares(gradient[:, list(closure.dependents)], error)
        longest = xp.max(xp.abs(step), axis=0)
        step = step * xp.minimum(xp.ones_like(longest), LONGEST / xp.maximum(longest, CLOSED * xp.ones_like(longest)))
        moved = coupled(multibody, value - combine(chosen, step))
        value = xp.where(closed, value, moved)
        closed = closed | (xp.max(xp.abs(error), axis=0) < CLOSED)[None]  # now closed to rounding
    return frames_first(value), closed[0]


def follow(multibody: Multibody, closure: Closure, value: Tensor, time: Tensor | None = None) -> Tensor:
    """Postures (T, N) that satisfy the constraints, the independent coordinates unchanged.

    ``time`` (T,) in s is for the message.

    Raises
    ------
    ModelError
        The loops cannot be closed.
    """
    found, closed = close(multibody, closure, value)
    _refuse_open(multibody, closure, found, closed, time)
    return found


def reach(multibody: Multibody, closure: Closure, value: Tensor) -> tuple[Tensor, Tensor]:
    """As ``close``, each loop closed in the way of the model's default posture, in steps from there."""
    if not multibody.constraints:
        return close(multibody, closure, value)
    xp, start = namespace(value), alike(closure.posture, value)
    given = np.ones(len(multibody.coordinates), dtype=bool)
    given[list(closure.dependents)] = False
    before = xp.zeros_like(value) + start
    closed = xp.ones_like(value[:, 0]) > 0.0
    for share in np.linspace(0.0, 1.0, STAGES + 1)[1:]:
        target = xp.where(alike(given, value), start + float(share) * (value - start), before)
        before, now = close(multibody, closure, target)
        closed = closed & now
    return before, closed


def independence(multibody: Multibody, closure: Closure, value: Tensor, time: Tensor | None = None) -> Tensor:
    """(T, N, N) matrices from independent rates to all rates; columns of dependent coordinates are zero.

    Raises
    ------
    ModelError
        A singular posture: loops do not determine their dependent coordinates.
    """
    value = frames_last(value)
    matrix = coupled_rates(multibody, value)
    if not multibody.constraints:
        return frames_first(matrix)
    xp, dependents = namespace(value), list(closure.dependents)
    _, gradient, _ = _errors(multibody, value)
    slope = -_solve(multibody, closure, gradient, gradient, time)
    others = alike(np.array([i not in dependents for i in range(len(multibody.coordinates))], dtype=float), value)
    rows = list(xp.zeros_like(matrix) + alike(np.eye(len(value)), value)[:, :, None])
    for number, dependent in enumerate(dependents):
        rows[dependent] = slope[number]
    through = xp.stack(rows) * others[:, None]
    return frames_first(xp.einsum("ijt,jkt->ikt", matrix, through))


def complete(
    multibody: Multibody, closure: Closure, value: Tensor, rate: Tensor, acceleration: Tensor,
    time: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """Rates and accelerations (T, N) of all coordinates in closed postures (T, N), and the ``independence``.

    Raises
    ------
    ModelError
        A singular posture.
    """
    matrix = independence(multibody, closure, value, time)
    xp = namespace(value)
    rate = xp.einsum("tij,tj->ti", matrix, rate)
    q, v, a = (frames_last(part) for part in (value, rate, acceleration))
    if multibody.constraints:
        dependents = np.isin(np.arange(len(multibody.coordinates)), list(closure.dependents))
        a = xp.where(alike(dependents, a)[:, None], xp.zeros_like(a), a)
        a = coupled_accelerations(multibody, q, v, a)
        _, gradient, rows = _errors(multibody, q)
        at = posture(multibody, value)
        change = to_changes(multibody, value, rate, frames_first(a))
        bias = constraint_bias(at, velocity(at, to_speeds(multibody, value, rate)))
        missed = xp.einsum("rnt,tn->rt", constraint_jacobian(at, rows), change) + bias
        found = -_solve(multibody, closure, gradient, missed[:, None], time)[:, 0]
        parts = list(a)
        for number, dependent in enumerate(closure.dependents):
            parts[dependent] = found[number]
        a = xp.stack(parts)
    return rate, frames_first(coupled_accelerations(multibody, q, v, a)), matrix


def openness(multibody: Multibody, value: Tensor) -> Tensor:
    """Largest error (T,) of the loops in postures (T, N), in m or rad."""
    rows = constraint_rows(posture(multibody, frames_first(coupled(multibody, frames_last(value)))))
    xp = namespace(rows.errors)
    return xp.max(xp.abs(rows.errors), axis=0) if rows.errors.shape[0] else xp.zeros_like(value[:, 0])


def _errors(multibody: Multibody, value: Tensor) -> tuple[Tensor, Tensor, ConstraintRows]:
    """Errors (R, T) of the loops, and their change (R, N, T) by the coordinates' rates, couplers following."""
    at: Posture = posture(multibody, frames_first(value))
    rows = constraint_rows(at)
    by_rate = speeds_at(multibody, value, coupled_rates(multibody, value))
    gradient = namespace(value).einsum("rnt,nkt->rkt", constraint_jacobian(at, rows), by_rate)
    return rows.errors, gradient, rows


def _least_squares(matrix: Tensor, right: Tensor) -> Tensor:
    """Least-norm solutions (D, T) of matrices (R, D, T) and right sides (R, T)."""
    xp = namespace(matrix)
    return xp.einsum("tdr,rt->dt", xp.linalg.pinv(_known(matrix), rtol=RANK), right)


def _known(matrix: Tensor) -> Tensor:
    """Matrices (T, R, D), those of frames that are not known zero: a decomposition of NaN is an error."""
    xp = namespace(matrix)
    return xp.moveaxis(xp.where(xp.isnan(matrix), xp.zeros_like(matrix), matrix), -1, 0)


def determined(multibody: Multibody, closure: Closure, value: Tensor) -> Tensor:
    """(T,) in which closed postures (T, N) the independent coordinates determine the others."""
    return ~_singular(_errors(multibody, frames_last(value))[1][:, list(closure.dependents)])


def _singular(matrix: Tensor) -> Tensor:
    """(T,) in which frames matrices G_d (R, D, T) are singular."""
    xp = namespace(matrix)
    size = xp.sqrt(xp.sum(matrix**2, axis=0))
    values = xp.linalg.svdvals(_known(matrix / xp.where(size > 0.0, size, xp.ones_like(size))))
    singular = ~(values[:, 0] < SINGULAR * values[:, -1]) | ~xp.all(size > 0.0, axis=0)
    return singular & ~xp.any(xp.isnan(size), axis=0)


def _solve(multibody: Multibody, closure: Closure, gradient: Tensor, right: Tensor, time: Tensor | None) -> Tensor:
    """Solutions (D, K, T) of G_d x = right (R, K, T), unless G_d is singular somewhere."""
    xp = namespace(gradient)
    matrix = gradient[:, list(closure.dependents)]
    singular = _singular(matrix)
    if bool(xp.any(singular)):
        which = some(multibody.coordinates[index] for index in closure.dependents)
        names = some(map(_named, multibody.constraints))
        fix = (
            "Near it, small changes of the independent coordinates cause large changes of the dependent ones: choose a "
            "time_range without it, lock a coordinate of the loop, or set the constraint's isEnforced to false."
        )
        got = f"a singular one{_at(singular, time)}, in which {names} does not determine {which}"
        raise ModelError(explain("postures in which constraints determine coordinates", got, fix))
    return xp.einsum("tdr,rkt->dkt", xp.linalg.pinv(_known(matrix)), right)


def _refuse_open(multibody: Multibody, closure: Closure, value: Tensor, closed: Tensor, time: Tensor | None) -> None:
    """Refuse frames in which loops are open: by how much each constraint is missed in the first."""
    xp = namespace(value)
    if bool(xp.all(closed | xp.any(xp.isnan(value), axis=1))):
        return
    frame = int(xp.argmax(xp.astype(~closed, xp.int64)))
    missed = []
    for constraint in multibody.constraints:
        alone = replace(multibody, constraints=(constraint,))
        size = float(openness(alone, value[frame : frame + 1])[0])
        missed += [f"{_named(constraint)} is missed by {size:.3g} m (or rad)"] if size > CLOSED else []
    got = f"none{_at(~closed, time)}: {some(missed)}"
    moving = xp.any(xp.abs(_errors(multibody, value[frame : frame + 1].T)[1]) > RANK, axis=0)[:, 0].tolist()
    names = [multibody.coordinates[index] for index in closure.given if moving[index]]
    fix = f"Check the motion's units and values of {some(names)}, or the constraint in the model."
    if not names:  # the model's default cannot be closed
        fix = "Check the default values of coordinates, which locks and welds hold, or the constraint in the model."
    raise ModelError(explain("a posture that satisfies the model's constraints", got, fix))


def _named(constraint: Constraint) -> str:
    """Class and name of a constraint, as OpenSim has them."""
    return f"{CLASSES[constraint.kind]} '{constraint.name}'"


def _at(frames: Tensor, time: Tensor | None) -> str:
    """The first of the frames (T,), for a message."""
    frame = int(namespace(frames).argmax(namespace(frames).astype(frames, namespace(frames).int64)))
    return f" in frame {frame}" if time is None else f" at {float(time[frame]):g} s"
