"""Linear programs: linear costs and attainable moments of one frame by HiGHS, and thousands of small programs at once.

:func:`maximise` is the bounded primal simplex method for programs of the same size, each from a feasible x:

    maximise cᵀx   subject to   A x = b,  lower ≤ x ≤ upper          (finite bounds)

x need not be a vertex: a nonbasic variable between its bounds (a *superbasic*) stays until moving it pays. There is
thus no first phase, and the objective never falls below that of the start. The tableau B⁻¹A is updated from pivot to
pivot; its rounding shows in the bound from duality, which is computed from the given numbers at the end: with
z = c − Aᵀλ, cᵀx ≤ λᵀb + Σ max(z lower, z upper) for every λ and every feasible x.
Chvátal (1983), Linear Programming, chapter 8.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..namespace import Tensor, namespace, numbers
from ..problem.arrays import Array
from .frame import Frame, InfeasibleError, with_independent_rows
from .nonlinear import Minimum, least_power
from .proof import ALLOWED, least_missed
from .reduction import Mask

#: Reduced costs above this fix an unknown to its bound in every optimal solution (HiGHS works to 1e-7).
DUAL_TOLERANCE = 1e-7
#: Width of the optimal face, in unknowns of size about 1, above which the minimiser is not unique.
FACE_WIDTH = 1e-6
#: Relative to the largest shortfall; smaller ones are not reported.
SHOWN = 1e-6
#: Linear programs, each on the moments that the one before misses, until this share of the allowed error is left.
REFINEMENTS, EXACT = 4, 1e-3
#: Simplex, for columns scaled to 1: reduced costs below this are zero.
REDUCED_COST = 1e-11
#: Entries of the tableau below this neither block nor serve as pivots.
PIVOT = 1e-9
#: Step lengths to a bound that differ by less are equal: the largest pivot among them is taken.
TIE = 1e-12
#: Simplex steps at most, per row and column of a program; a program that needs more is cycling.
STEPS = 5


def highs(frame: Frame, scale: Array, exponent: float, start: Array | None, floor: float) -> Minimum:
    """Like :func:`osimopt.static.nonlinear.slsqp`, for linear costs: the solution of least Σ x², and its uniqueness."""
    return _minimise_largest(frame, scale, floor) if np.isinf(exponent) else _minimise_sum(frame, scale)


def _minimise_sum(frame: Frame, weight: Array) -> Minimum:
    """Minimise Σ weight |x|; unknowns that may be negative are split into two nonnegative parts."""
    nonnegative, split = frame.split()
    cost = np.concatenate([weight, weight[split]])
    result = _highs(cost, nonnegative.A, frame.b, nonnegative.lower, nonnegative.upper)
    reduced = result.lower.marginals + result.upper.marginals
    fixed = np.abs(reduced) > DUAL_TOLERANCE * max(1.0, float(cost.max(initial=0.0)))
    y, unique = _least_norm(nonnegative, result.x, fixed)
    x = y[: len(weight)].copy()
    x[split] -= y[len(weight) :]
    return Minimum(x, int(result.nit), True, unique=unique)


def _minimise_largest(frame: Frame, weight: Array, floor: float) -> Minimum:
    """Minimise β = max(floor, max weight |x|); unknowns of weight 0 do not count."""
    count, counted = len(weight), np.flatnonzero(weight)
    negative = counted[frame.lower[counted] < 0.0]
    limited = np.concatenate([counted, negative])  # weight x ≤ β, then −weight x ≤ β
    above = np.zeros((len(limited), count + 1))
    above[np.arange(len(limited)), limited] = np.concatenate([weight[counted], -weight[negative]])
    above[:, -1] = -1.0
    A = np.hstack([frame.A, np.zeros((len(frame.b), 1))])
    cost = np.append(np.zeros(count), 1.0)
    limits = np.append(frame.lower, floor), np.append(frame.upper, np.inf)
    result = _highs(cost, A, frame.b, *limits, A_ub=above, b_ub=np.zeros(len(above)))
    fixed = np.abs(result.lower.marginals + result.upper.marginals)[:-1] > DUAL_TOLERANCE
    fixed[limited[-result.ineqlin.marginals > DUAL_TOLERANCE]] = True
    reach = np.full(count, np.inf)
    reach[counted] = result.x[-1] / weight[counted]
    face = Frame.of(frame.A, frame.b, np.maximum(frame.lower, -reach), np.minimum(frame.upper, reach))
    y, unique = _least_norm(face, result.x[:-1], fixed)
    return Minimum(y, int(result.nit), True, unique=unique)


def shortfall(frame: Frame, missed: Mask | None = None) -> dict[int, float]:
    """Least shortfall Σ |s| with A y + s = b, by row; empty where HiGHS fails.

    Only rows ``missed`` (D,) may have one; by default all.
    """
    rows, columns = frame.A.shape
    free = np.full(rows, np.inf) if missed is None else np.where(missed, np.inf, 0.0)
    A = np.hstack([frame.A, np.eye(rows), -np.eye(rows)])
    lower = np.concatenate([frame.lower, np.zeros(2 * rows)])
    upper = np.concatenate([frame.upper, free, free])
    try:
        result = _highs(np.concatenate([np.zeros(columns), np.ones(2 * rows)]), A, frame.b, lower, upper)
    except (ArithmeticError, InfeasibleError):
        return {}
    slack = result.x[columns : columns + rows] - result.x[columns + rows :]
    limit = max(ALLOWED * max(1.0, float(np.abs(frame.b).max(initial=0.0))), SHOWN * float(np.abs(slack).max()))
    return {int(frame.rows[row]): float(s) for row, s in enumerate(slack) if abs(s) > limit}


def attainable(frame: Frame) -> tuple[Frame, Array]:
    """The frame with the nearest moments that can be met (least maximum error), and unknowns that meet them.

    A linear program is solved for the missed moments, magnified, until these vanish or no longer fall. Where they stay
    above rounding without a proof, the moments are not changed.

    Raises
    ------
    InfeasibleError
        The moments are proved to be missed by more than rounding.
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
        except (ArithmeticError, InfeasibleError):  # HiGHS failed
            break
        if least_missed(frame.A, frame.b, frame.lower, frame.upper, ray) > allowed:
            raise InfeasibleError(shortfall(frame))
        left = float(np.abs(frame.b - frame.A @ better).max())
        if left >= size:
            break
        x = better
    met = frame.A @ x
    known = float(np.abs(frame.b - met).max(initial=0.0)) <= allowed
    return replace(frame, b=met) if known else frame, x


def _least_miss(frame: Frame, x: Array, missing: Array, size: float) -> tuple[Array, Array]:
    """Unknowns whose change from x leaves least of ``missing`` (at most ``size``), and the direction that proves it."""
    rows = len(frame.b)
    A = np.hstack([np.vstack([frame.A, -frame.A]), -np.ones((2 * rows, 1))])
    right = np.concatenate([missing, -missing]) / size
    lower, upper = (np.append((bound - x) / size, end) for bound, end in ((frame.lower, 0.0), (frame.upper, np.inf)))
    cost = np.append(np.zeros(len(x)), 1.0)
    result = _highs(cost, None, None, lower, upper, A_ub=A, b_ub=right)
    marginals = result.ineqlin.marginals
    return np.clip(x + size * result.x[:-1], frame.lower, frame.upper), marginals[:rows] - marginals[rows:]


def _highs(cost: Array, A: Array | None, b: Array | None, lower: Array, upper: Array, **above: Array) -> Any:
    from scipy.optimize import linprog

    limits = np.column_stack([lower, upper])
    result = linprog(cost, A_eq=A, b_eq=b, bounds=limits, method="highs", **above)
    if result.status == 2:
        raise InfeasibleError({})
    if result.status != 0:
        raise ArithmeticError(result.message)
    return result


def _least_norm(face: Frame, x: Array, fixed: Mask) -> tuple[Array, bool]:
    """The point of least Σ x² on the optimal face, and whether it is the only point of the face.

    Every optimal solution keeps the ``fixed`` unknowns, and any feasible change of the others costs nothing (duality),
    so the face is A x = b within bounds on the others: no tolerance on the cost is needed.
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
    least = least_power(small, 2.0, x[open_])
    answer = x.copy()
    if least.converged:
        answer[open_] = np.clip(least.y, face.lower[open_], face.upper[open_])
    return answer, not _has_width(small)


def _has_width(face: Frame) -> bool:
    """Whether the face has more than one point: a random functional then differs between its extremes."""
    direction = np.asarray(np.random.default_rng(0).uniform(0.5, 1.0, face.A.shape[1]))
    direction *= np.where(np.arange(len(direction)) % 2, 1.0, -1.0)
    lower, upper = np.maximum(face.lower, -1e6), np.minimum(face.upper, 1e6)
    ends = [_highs(sign * direction, face.A, face.b, lower, upper).x for sign in (1.0, -1.0)]
    return bool(abs(direction @ (ends[0] - ends[1])) > FACE_WIDTH)


@dataclass(frozen=True, eq=False)
class Extremum:
    """Solution of N programs: x (N, U), its value cᵀx (N,) and a proved upper bound on the maximum (N,)."""

    x: Array
    value: Array
    bound: Array


def maximise(A: Array, c: Array, lower: Array, upper: Array, x: Array, basis: Array) -> Extremum:
    """Maximise cᵀx, c (N, U), from a feasible x (N, U) of b = A x, A (N, D, U); lower and upper (N, U); NumPy or torch.

    ``basis`` (N, D) are linearly independent columns of A.
    """
    xp, state = namespace(A), _Basis(A, c, lower, upper, x, basis)
    active = numbers(A.shape[0], A)
    for _ in range(STEPS * (A.shape[1] + A.shape[2])):
        active = active[state.step(active)]
        if not active.shape[0]:
            break
    value = xp.vecdot(c, state.x)
    columns = xp.matrix_transpose(_taken(A, state.basis))
    at_basis = xp.take_along_axis(c, state.basis, axis=1)
    multipliers = xp.linalg.solve(columns, at_basis[:, :, None])[:, :, 0]
    return Extremum(state.x, value, dual_bound(A, c, lower, upper, x, multipliers))


def dual_bound(A: Array, c: Array, lower: Array, upper: Array, x: Array, multipliers: Array) -> Tensor:
    """Upper bound (N,) of the maximum: cᵀx + Σ max over the bounds of z (bound − x), for a feasible x and any λ."""
    xp = namespace(A)
    z = c - xp.matmul(multipliers[:, None, :], A)[:, 0]
    room = xp.where(z > 0.0, upper, lower) - x
    return xp.vecdot(c, x) + xp.vecdot(z, room)


def _taken(A: Array, basis: Array) -> Tensor:
    """Columns (N, D, D) of A (N, D, U) by their numbers (N, D)."""
    xp = namespace(A)
    return xp.take_along_axis(A, xp.broadcast_to(basis[:, None, :], (*A.shape[:2], basis.shape[1])), axis=2)


class _Basis:
    """Tableau with the reduced costs as its last row, basis and x of every program."""

    def __init__(self, A: Array, c: Array, lower: Array, upper: Array, x: Array, basis: Array) -> None:
        xp, rows = namespace(A), A.shape[1]
        self.tableau = xp.concat([xp.linalg.solve(_taken(A, basis), A), c[:, None, :]], axis=1)
        at_basis = xp.take_along_axis(c, basis, axis=1)
        self.tableau[:, rows] -= xp.matmul(at_basis[:, None, :], self.tableau[:, :rows])[:, 0]
        self.lower, self.upper, self.x, self.basis = lower, upper, x + 0.0, basis + 0

    def step(self, active: Array) -> Array:
        """Move one column of every active program as far as possible; return which programs were not optimal."""
        xp, x, lower, upper = namespace(self.x), self.x[active], self.lower[active], self.upper[active]
        column, sign, improving = self._entering(active, x, lower, upper)
        n = numbers(active.shape[0], active)
        direction = -sign[:, None] * self.tableau[active, :-1, column]
        basis = self.basis[active]
        at = xp.take_along_axis(x, basis, axis=1)
        limit = xp.where(direction > 0.0, *(xp.take_along_axis(end, basis, axis=1) for end in (upper, lower)))
        blocks = xp.abs(direction) > PIVOT
        reach = xp.where(blocks, xp.clip((limit - at) / xp.where(blocks, direction, 1.0), 0.0, None), xp.inf)
        own = xp.where(sign > 0.0, upper[n, column] - x[n, column], x[n, column] - lower[n, column])
        length = xp.minimum(own, xp.min(reach, axis=1)) if reach.shape[1] else own
        length = xp.where(improving, length, 0.0)
        x[n[:, None], basis] = at + length[:, None] * direction
        x[n, column] += sign * length
        self.x[active] = xp.minimum(xp.maximum(x, lower), upper)
        if reach.shape[1]:
            tied = reach <= (length + TIE)[:, None]
            leaving = xp.argmax(xp.where(tied, xp.abs(direction), 0.0), axis=1)
            pivot = improving & xp.any(tied, axis=1) & (own > length)
            self._pivot(active[pivot], leaving[pivot], column[pivot])
        return improving

    def _entering(self, active: Array, x: Array, lower: Array, upper: Array) -> tuple[Array, Array, Array]:
        """The column of largest gain per unit that can move, the sign of its move, and whether it gains."""
        xp, reduced, n = namespace(x), self.tableau[active, -1], numbers(active.shape[0], active)
        gain = xp.where(reduced > 0.0, xp.where(x < upper, reduced, 0.0), xp.where(x > lower, -reduced, 0.0))
        gain[n[:, None], self.basis[active]] = 0.0
        column = xp.argmax(gain, axis=1)
        return column, xp.sign(reduced[n, column]), gain[n, column] > REDUCED_COST

    def _pivot(self, programs: Array, row: Array, column: Array) -> None:
        """Replace the basic columns of rows by entering columns."""
        n = numbers(programs.shape[0], programs)
        tableau = self.tableau[programs]
        incoming = tableau[n, row] / tableau[n, row, column][:, None]
        tableau -= tableau[n, :, column][:, :, None] * incoming[:, None, :]
        tableau[n, row] = incoming
        self.tableau[programs] = tableau
        self.basis[programs, row] = column
