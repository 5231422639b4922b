"""Linear programs by HiGHS: Σ y and max y, with the answer of least norm where there are many; and what can be met."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .frame import Frame, InfeasibleError, with_independent_rows
from .nonlinear import Minimum, slsqp
from .proof import ALLOWED, least_missed

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

#: Reduced costs beyond this fix an unknown to its bound in every optimal answer (HiGHS works to 1e-7).
DUAL_TOLERANCE = 1e-7
#: Width of the optimal face, in unknowns of size about 1, beyond which the minimiser is called not unique.
FACE_WIDTH = 1e-6
#: Of the largest shortfall; less is not worth a word.
SHOWN = 1e-6
#: Linear programs, each on what the one before left of the moments, and the share of what is allowed that will do.
REFINEMENTS, EXACT = 4, 1e-3


def minimise_sum(frame: Frame, weight: Array) -> tuple[Minimum, bool]:
    """Minimise Σ weight |x|; return the answer of least Σ x² and whether it is the only one.

    Unknowns that may be negative are split into two non-negative parts.
    """
    split = frame.lower < 0.0
    plus = Frame(
        frame.A,
        frame.b,
        np.maximum(frame.lower, 0.0),
        np.maximum(frame.upper, 0.0),
        frame.rows,
        frame.columns,
    )
    A = np.hstack([plus.A, -frame.A[:, split]])
    lower = np.concatenate([plus.lower, np.maximum(-frame.upper[split], 0.0)])
    upper = np.concatenate([plus.upper, -frame.lower[split]])
    cost = np.concatenate([weight, weight[split]])
    result = _highs(cost, A, frame.b, lower, upper)
    reduced = result.lower.marginals + result.upper.marginals
    fixed = np.abs(reduced) > DUAL_TOLERANCE * max(1.0, float(cost.max(initial=0.0)))
    y, unique = _least_norm(Frame.of(A, frame.b, lower, upper), result.x, fixed)
    x = y[: len(weight)].copy()
    x[split] -= y[len(weight) :]
    return Minimum(x, int(result.nit), True), unique


def minimise_largest(frame: Frame, weight: Array, floor: float) -> tuple[Minimum, bool]:
    """Minimise β = max(floor, max weight |x|); then as :func:`minimise_sum` among the optimal answers.

    Unknowns of weight 0 do not count; ``floor`` is what unknowns that are settled already reach.
    """
    count = len(weight)
    counted = np.flatnonzero(weight)
    above = np.zeros((len(counted), count + 1))
    above[np.arange(len(counted)), counted] = weight[counted]
    above[:, -1] = -1.0
    negative = counted[frame.lower[counted] < 0.0]
    below = np.zeros((len(negative), count + 1))
    below[np.arange(len(negative)), negative] = -weight[negative]
    below[:, -1] = -1.0
    A = np.hstack([frame.A, np.zeros((len(frame.b), 1))])
    cost = np.append(np.zeros(count), 1.0)
    limits = np.append(frame.lower, floor), np.append(frame.upper, np.inf)
    result = _highs(cost, A, frame.b, *limits, np.vstack([above, below]))
    x, largest = result.x[:-1], result.x[-1]
    tight = -result.ineqlin.marginals > DUAL_TOLERANCE
    fixed = np.zeros(count, dtype=bool)
    fixed[np.concatenate([counted, negative])[tight]] = True
    reduced = np.abs(result.lower.marginals + result.upper.marginals)[:-1]
    fixed |= reduced > DUAL_TOLERANCE
    reach = np.full(count, np.inf)
    reach[counted] = largest / weight[counted]
    face = Frame.of(frame.A, frame.b, np.maximum(frame.lower, -reach), np.minimum(frame.upper, reach))
    y, unique = _least_norm(face, x, fixed)
    return Minimum(y, int(result.nit), True), unique


def shortfall(frame: Frame) -> dict[int, float]:
    """What the moments miss at best, by row, as the least Σ |A y + s − b|."""
    rows, columns = frame.A.shape
    A = np.hstack([frame.A, np.eye(rows), -np.eye(rows)])
    lower = np.concatenate([frame.lower, np.zeros(2 * rows)])
    upper = np.concatenate([frame.upper, np.full(2 * rows, np.inf)])
    result = _highs(np.concatenate([np.zeros(columns), np.ones(2 * rows)]), A, frame.b, lower, upper)
    slack = result.x[columns : columns + rows] - result.x[columns + rows :]
    limit = max(ALLOWED * max(1.0, float(np.abs(frame.b).max(initial=0.0))), SHOWN * float(np.abs(slack).max()))
    return {int(frame.rows[row]): float(s) for row, s in enumerate(slack) if abs(s) > limit}


def attainable(frame: Frame) -> tuple[Frame, Array]:
    """The frame with the nearest moments that can be met (by the largest miss), and unknowns that meet them.

    A linear program, repeated on what it leaves, magnified, until that is nothing or stays. Where none is found within
    rounding, and none is proved away, moments stay as they are.

    Raises
    ------
    InfeasibleError
        It is proved that moments are missed by more than rounding.
    """
    allowed = ALLOWED * max(1.0, float(np.abs(frame.b).max(initial=0.0)))
    x = np.clip(0.0, frame.lower, frame.upper)
    for _ in range(REFINEMENTS):
        missing = frame.b - frame.A @ x
        size = float(np.abs(missing).max(initial=0.0))
        if size <= EXACT * allowed:
            break
        try:
            better, ray = _least_miss(frame, x, missing, size)
        except (ArithmeticError, InfeasibleError):  # HiGHS lost its way
            break
        if least_missed(frame.A, frame.b, frame.lower, frame.upper, ray) > allowed:
            raise InfeasibleError(_described(frame))
        left = float(np.abs(frame.b - frame.A @ better).max())
        if left >= size:
            break
        x = better
    met = frame.A @ x
    known = float(np.abs(frame.b - met).max(initial=0.0)) <= allowed
    return replace(frame, b=met) if known else frame, x


def _described(frame: Frame) -> dict[int, float]:
    """The shortfall of a frame that is proved infeasible; nothing where HiGHS loses its way."""
    try:
        return shortfall(frame)
    except (ArithmeticError, InfeasibleError):
        return {}


def _least_miss(frame: Frame, x: Array, missing: Array, size: float) -> tuple[Array, Array]:
    """Unknowns from x on that leave least of ``missing``, ``size`` at most, and the direction that says no less."""
    rows = len(frame.b)
    A = np.hstack([np.vstack([frame.A, -frame.A]), -np.ones((2 * rows, 1))])
    right = np.concatenate([missing, -missing]) / size
    lower, upper = (np.append((bound - x) / size, end) for bound, end in ((frame.lower, 0.0), (frame.upper, np.inf)))
    cost = np.append(np.zeros(len(x)), 1.0)
    result = _highs(cost, None, None, lower, upper, A, right)
    marginals = result.ineqlin.marginals
    return np.clip(x + size * result.x[:-1], frame.lower, frame.upper), marginals[:rows] - marginals[rows:]


def _highs(  # type: ignore[no-untyped-def]
    cost: Array,
    A: Array | None,
    b: Array | None,
    lower: Array,
    upper: Array,
    above: Array | None = None,
    most: Array | None = None,
):
    from scipy.optimize import linprog

    inequality = {} if above is None else {"A_ub": above, "b_ub": np.zeros(len(above)) if most is None else most}
    limits = np.column_stack([lower, upper])
    result = linprog(cost, A_eq=A, b_eq=b, bounds=limits, method="highs", **inequality)
    if result.status == 2:
        raise InfeasibleError({})
    if result.status != 0:
        raise ArithmeticError(result.message)
    return result


def _least_norm(face: Frame, x: Array, fixed: Mask) -> tuple[Array, bool]:
    """On the optimal face (``fixed`` unknowns stay where they are): the answer of least Σ x², and if it is alone.

    Every optimal answer keeps the fixed unknowns, and any feasible change of the others costs nothing
    (duality), so the face is A x = b within bounds on the others: no tolerance on the cost is needed.
    """
    open_ = ~fixed
    if not open_.any():
        return x, True
    A = face.A[:, open_]
    slack = 1e-12  # a face that is a point must not be lost to rounding
    lower, upper = face.lower[open_] - slack, face.upper[open_] + slack
    small = with_independent_rows(Frame.of(A, A @ x[open_], lower, upper))
    if len(small.b) == open_.sum():
        return x, True
    least = slsqp(small, 2.0, x[open_])
    answer = x.copy()
    if least.converged:
        answer[open_] = np.clip(least.y, face.lower[open_], face.upper[open_])
    return answer, not _has_width(small)


def _has_width(face: Frame) -> bool:
    """Whether more than one point satisfies the face: a random functional then differs between its extremes."""
    direction = np.asarray(np.random.default_rng(0).uniform(0.5, 1.0, face.A.shape[1]))
    direction *= np.where(np.arange(len(direction)) % 2, 1.0, -1.0)
    lower, upper = np.maximum(face.lower, -1e6), np.minimum(face.upper, 1e6)
    ends = [_highs(sign * direction, face.A, face.b, lower, upper).x for sign in (1.0, -1.0)]
    return bool(abs(direction @ (ends[0] - ends[1])) > FACE_WIDTH)
