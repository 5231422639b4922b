"""One frame by a primal-dual interior-point method: slower than Newton's method on the dual, but more robust.

    minimise Σ |y_i|^p_i / p_i   subject to   A y = b,  lower ≤ y ≤ upper.

Where the moments leave the muscles little freedom, or are linearly dependent, the dual function is flat and Newton's
method on it does not converge. Here a barrier keeps every unknown inside its bounds and every system regular. Unknowns
that may be negative are split in two, so that no step crosses the kink of a power at 0.

At the limit of what can be met, λ grows without bound. There the moments may be missed by the allowed error,

    A y + s = b,  −allowed ≤ s ≤ allowed,

which has multipliers of moderate size; and the systems are solved in long double, where the platform has one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..problem.arrays import Array
from ..problem.problem import RedundancyProblem
from .contact import released
from .exponents import Exponents, exponent_of, part_of, units_of
from .frame import Frame, acting, positive, row_size
from .linear import attainable
from .proof import ALLOWED, Proof, prove
from .reduction import Mask

#: Of doubles or of long doubles.
Real = NDArray[np.floating[Any]]

#: Shares of the diagonal added to it, in turn: less is more exact, more is more robust.
SHARES = (1e-14, 1e-12)
#: The share in long double.
LEAST_SHARE = 1e-18
#: Shares of the allowed moment error that are reserved for rounding, in turn.
KEPT = (2e-7, 1e-2)
#: Share of the allowed error by which the relaxed moments of a finished frame may be missed.
LEFT = 1e-7
#: Largest number of steps; target share of the complementarity; share of the distance to a bound in one step.
STEPS, AIM, NEARLY = 150, 0.1, 0.99
#: A frame is done at this complementarity and unbalanced slope, relative to the cost, and missed moment.
COMPLEMENTARY, STATIONARY, MET = 1e-12, 1e-9, 1e-12
#: Unknowns are scaled so that the largest is about 1; one without bounds starts at half of ROOM.
SMALLEST, ROOM = 1e-6, 2.0


def solve_again(
    problem: RedundancyProblem, frame: int, p: Exponents, scale: Array, suspect: bool
) -> tuple[Array, Array, int, Proof] | None:
    """Unknowns (U,), multipliers (D,), steps and proof of one frame of the cost Σ |scale · x|^p / p, if certified.

    The frame is tried as it is, unless it is ``suspect`` of being infeasible; with the nearest moments that can be met;
    and with moments relaxed by the allowed error.

    Raises
    ------
    InfeasibleError
        The moments are proved to be out of reach.
    """
    one, s = problem.frames(slice(frame, frame + 1)), positive(scale)
    for y, multipliers, steps, _ in _tries(Frame.at(problem, frame), p, s, scale > 0.0, suspect):
        multipliers = released(one, (y / s)[None], multipliers[None])[0]
        proof = prove(one, p, scale[None], (y / s)[None], multipliers[None])
        if proof.certified[0]:
            return y / s, multipliers, steps, proof
    return None


def _tries(
    frame: Frame, p: Exponents, scale: Array, costs: Mask, suspect: bool
) -> Iterator[tuple[Array, Array, int, bool]]:
    if not suspect:
        yield from _with_and_without_rounding(frame, p, scale, costs)
    near = attainable(frame)[0]
    yield from _with_and_without_rounding(near, p, scale, costs)
    allowed = ALLOWED * max(1.0, float(np.abs(frame.b).max(initial=0.0)))
    for kept in KEPT:
        yield interior(frame.scaled(scale), p, allowed=(1.0 - kept) * allowed, costs=costs)


def _with_and_without_rounding(
    frame: Frame, p: Exponents, scale: Array, costs: Mask
) -> Iterator[tuple[Array, Array, int, bool]]:
    """With all effects, and without those that are rounding: moments may be met with one or the other only."""
    A = acting(frame)
    ways = (frame, replace(frame, A=A)) if (A != frame.A).any() else (frame,)
    for share, one in product(SHARES, ways):
        yield interior(one.scaled(scale), p, share, costs=costs)


def interior(
    frame: Frame, p: Exponents, share: float = LEAST_SHARE, allowed: float = 0.0, costs: Mask | None = None
) -> tuple[Array, Array, int, bool]:
    """Unknowns y (U,), multipliers (D,), steps, and whether the method converged.

    ``share`` of the diagonal is added to every system: rows may be linearly dependent. Moments may be missed by
    ``allowed``; where that is positive, the systems are solved in long double. ``costs`` (U,) marks the unknowns that
    do, by default all.
    """
    kind: type[np.floating[Any]] = np.longdouble if allowed > 0.0 else np.float64
    nonnegative, split = frame.split()
    count, low, high = len(frame.lower), nonnegative.lower, nonnegative.upper
    size = row_size(frame.A).astype(kind)
    A, b = nonnegative.A / size[:, None], frame.b / size
    cost = np.ones(len(low), dtype=bool) if costs is None else np.concatenate([costs, costs[split]])
    unit = _size(A.astype(np.float64), b.astype(np.float64), low, high)
    power, p = exponent_of(p), p if isinstance(p, float) else np.concatenate([p, p[split]])
    units = units_of(unit, p)
    A, b, low, high = A * (units / unit), b / unit, (low / units).astype(kind), (high / units).astype(kind)
    met = np.full(len(b), MET * max(1.0, float(np.abs(b).max(initial=0.0))))
    if allowed > 0.0:  # s + slack in units of slack, from 0 to 2
        slack = allowed / size / unit
        A, b, met = np.hstack([A, np.diag(slack)]), b + slack, LEFT * slack
        low, high = (np.concatenate([bound, np.full(len(b), far, kind)]) for bound, far in ((low, 0.0), (high, 2.0)))
        cost = np.concatenate([cost, np.zeros(len(b), dtype=bool)])
        p = p if isinstance(p, float) else np.concatenate([p, np.full(len(b), 2.0)])
    with np.errstate(all="ignore"):
        y, multipliers, steps, done = _walk(A, b, low, high, cost, p, met, share)
    parts = units * y[: len(nonnegative.lower)].astype(np.float64)
    whole = parts[:count]
    whole[split] -= parts[count:]
    multipliers = (unit ** (power - 1.0) * multipliers / size).astype(np.float64)
    return np.clip(whole, frame.lower, frame.upper), multipliers, steps, done


def _size(A: Array, b: Array, low: Array, high: Array) -> float:
    """Estimate of the largest unknown: the bounded by least squares, the unbounded from the remaining moments."""
    near = np.clip(np.linalg.lstsq(A, b, rcond=None)[0], low, high)
    free, rest = np.flatnonzero(np.isinf(high)), np.abs(b - A @ near)
    largest = [float(np.abs(near).max(initial=SMALLEST))]
    for column in free:
        row = int(np.argmax(np.abs(A[:, column])))
        largest.append(float(rest[row] / max(abs(A[row, column]), np.finfo(float).tiny)))
    return max(largest)


def _walk(
    A: Real, b: Real, low: Real, high: Real, cost: Mask, p: Exponents, tolerance: Real, share: float
) -> tuple[Real, Real, int, bool]:
    """Follow the barrier from the middle of the bounds low ≤ y ≤ high, low ≥ 0, until it vanishes.

    ``cost`` (U,) marks the unknowns in the cost; ``tolerance`` (D,) is that of A y = b.
    """
    bounded, fixed = np.isfinite(high), high <= low
    room = np.where(bounded, high - low, ROOM)
    over, multipliers = np.where(fixed, 1.0, 0.5 * room).astype(b.dtype), np.zeros_like(b)
    under = np.where(bounded & ~fixed, room - over, 1.0)
    left, right = np.where(fixed, 0.0, 1.0 / over), np.where(bounded & ~fixed, 1.0 / under, 0.0)
    barred, capped = left > 0.0, right > 0.0
    count = max(1, int(barred.sum() + capped.sum()))
    steps, met = 0, False
    while True:
        y = np.where(fixed, low, low + over)
        mu = float(over @ left + under @ right) / count
        missing = b - A @ y
        worth = _worth(y[cost], part_of(p, cost))
        slope, curvature = (np.where(cost, power, 0.0) for power in (y ** (p - 1.0), (p - 1.0) * y ** (p - 2.0)))
        wrong = slope - A.T @ multipliers - left + right
        met = mu * count <= COMPLEMENTARY * worth and bool((np.abs(missing) <= tolerance).all())
        met = met and float(np.abs(wrong[~fixed]) @ y[~fixed]) <= STATIONARY * worth
        if met or steps == STEPS:
            break
        steps += 1
        aim = AIM * mu
        curvature = curvature + left / over + right / under
        compliance = np.where(fixed, 0.0, 1.0 / curvature)
        pull = wrong + left - right - np.where(barred, aim / over, 0.0) + np.where(capped, aim / under, 0.0)
        normal = (A * compliance) @ A.T
        diagonal = np.diagonal(normal)
        normal = normal + np.diag(np.where(diagonal > 0.0, share * diagonal, 1.0))
        try:
            turn = _solve(normal, missing + A @ (compliance * pull))
        except np.linalg.LinAlgError:
            break
        move = compliance * (A.T @ turn - pull)
        to_left = np.where(barred, aim / over - left - left * move / over, 0.0)
        to_right = np.where(capped, aim / under - right + right * move / under, 0.0)
        length = min(
            _reach(over[barred], move[barred]), _reach(under[capped], -move[capped]),
            _reach(left[barred], to_left[barred]), _reach(right[capped], to_right[capped]),
        )  # fmt: skip
        if not np.isfinite(turn).all() or length < 1e-12:
            break
        over, under = over + length * move, np.where(capped, under - length * move, under)
        left, right, multipliers = left + length * to_left, right + length * to_right, multipliers + length * turn
    return y, multipliers, steps, bool(met)


def _worth(y: Real, p: Exponents) -> float:
    """Σ y^p / p, y ≥ 0."""
    return float(np.sum(y**p)) / p if isinstance(p, float) else float(np.sum(y**p / p))


def _reach(value: Real, change: Real) -> float:
    """The share of a change after which every value is still positive."""
    falls = change < 0.0
    return min(1.0, NEARLY * float(np.min(-value[falls] / change[falls], initial=np.inf)))


def _solve(matrix: Real, right: Real) -> Real:
    """Solve a symmetric positive system; by elimination in long double, which LAPACK does not support."""
    if matrix.dtype == np.float64:
        return np.asarray(np.linalg.solve(matrix, right))
    matrix, right = matrix.copy(), right.copy()
    for k in range(len(right)):
        factor = matrix[k + 1 :, k] / matrix[k, k]
        matrix[k + 1 :, k:] -= factor[:, None] * matrix[k, k:]
        right[k + 1 :] -= factor * right[k]
    for k in reversed(range(len(right))):
        right[k] = (right[k] - matrix[k, k + 1 :] @ right[k + 1 :]) / matrix[k, k]
    return right
