"""One frame by a primal-dual interior-point method: slower than Newton on the dual, and never at a loss.

    minimise Σ |y_i|^p / p   subject to   A y = b,  lower ≤ y ≤ upper.

Where the moments leave muscles hardly a choice, or say the same twice, the dual function is flat for ever and Newton's
method on it finds no hold. Here a barrier keeps every unknown inside its bounds and every system regular. Unknowns that
may be negative are split in two, so that no step crosses the kink of a power at 0.

At the limit of what can be met, λ grows without end: there the moments may be missed by what is allowed anyway,

    A y + s = b,  −allowed ≤ s ≤ allowed,

which has multipliers of a moderate size; and the systems are solved in long double, where the platform has one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .frame import Frame

Array = NDArray[np.float64]
#: Of doubles or of long doubles.
Real = NDArray[np.floating[Any]]
Mask = NDArray[np.bool_]

#: Added to the diagonal in long double.
LEAST_SHARE = 1e-18
#: Of what is allowed: what may be left when a frame is done.
LEFT = 1e-7
#: Steps at most; share of the complementarity aimed at; share of the way to a bound that is gone.
STEPS, AIM, NEARLY = 150, 0.1, 0.99
#: At which a frame is done: complementarity and slopes that nothing balances, relative to the cost; missed moments.
COMPLEMENTARY, STATIONARY, MET = 1e-12, 1e-9, 1e-12
#: Unknowns are scaled so that the largest is about 1; one without bounds starts at half of ROOM.
SMALLEST, ROOM = 1e-6, 2.0


@dataclass(frozen=True, eq=False)
class _Program:
    """A y = b, low ≤ y ≤ high with low ≥ 0, and which y have a cost; ``met`` (D,) may be missed when done."""

    A: Real
    b: Real
    low: Real
    high: Real
    cost: Mask
    p: float
    met: Real


def interior(frame: Frame, p: float, share: float) -> tuple[Array, Array, int, bool]:
    """Unknowns y (U,), multipliers (D,), steps, and whether they came to rest.

    ``share`` of the diagonal is added to every system: rows may depend on each other.
    """
    return _interior(frame, p, share, 0.0, np.float64)


def interior_within(frame: Frame, p: float, allowed: float) -> tuple[Array, Array, int, bool]:
    """The same among the unknowns that miss no moment by more than ``allowed``, in long double."""
    return _interior(frame, p, LEAST_SHARE, allowed, np.longdouble)


def _interior(
    frame: Frame, p: float, share: float, allowed: float, kind: type[np.floating[Any]]
) -> tuple[Array, Array, int, bool]:
    split, count = np.flatnonzero(frame.lower < 0.0), len(frame.lower)
    size = np.abs(frame.A).max(axis=1, initial=0.0)
    size = np.where(size > 0.0, size, 1.0).astype(kind)
    A = np.hstack([frame.A, -frame.A[:, split]]) / size[:, None]
    low = np.concatenate([np.maximum(frame.lower, 0.0), np.maximum(-frame.upper[split], 0.0)])
    high = np.concatenate([np.maximum(frame.upper, 0.0), -frame.lower[split]])
    b, cost = frame.b / size, np.ones(len(low), dtype=bool)
    unit = _size(A.astype(np.float64), b.astype(np.float64), low, high)
    b, low, high = b / unit, (low / unit).astype(kind), (high / unit).astype(kind)
    met = np.full(len(b), MET * max(1.0, float(np.abs(b).max(initial=0.0))))
    if allowed > 0.0:  # s + slack in units of slack, from 0 to 2
        slack = allowed / size / unit
        A, b, met = np.hstack([A, np.diag(slack)]), b + slack, LEFT * slack
        low, high = (np.concatenate([bound, np.full(len(b), far, kind)]) for bound, far in ((low, 0.0), (high, 2.0)))
        cost = np.concatenate([cost, np.zeros(len(b), dtype=bool)])
    with np.errstate(all="ignore"):
        y, multipliers, steps, done = _walk(_Program(A, b, low, high, cost, p, met), share)
    whole = unit * y[:count].astype(np.float64)
    whole[split] -= unit * y[count : count + len(split)].astype(np.float64)
    multipliers = (unit ** (p - 1.0) * multipliers / size).astype(np.float64)
    return np.clip(whole, frame.lower, frame.upper), multipliers, steps, done


def _size(A: Array, b: Array, low: Array, high: Array) -> float:
    """About how large the largest unknown will be: those with bounds as if there were none, the others for the rest."""
    near = np.clip(np.linalg.lstsq(A, b, rcond=None)[0], low, high)
    free, rest = np.flatnonzero(np.isinf(high)), np.abs(b - A @ near)
    largest = [float(np.abs(near).max(initial=SMALLEST))]
    for column in free:
        row = int(np.argmax(np.abs(A[:, column])))
        largest.append(float(rest[row] / max(abs(A[row, column]), np.finfo(float).tiny)))
    return max(largest)


def _walk(program: _Program, share: float) -> tuple[Real, Real, int, bool]:
    """From the middle of the bounds to where the barrier vanishes."""
    A, b, low, high, p = program.A, program.b, program.low, program.high, program.p
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
        worth = float(np.sum(y[program.cost] ** p)) / p
        slope, curvature = (
            np.where(program.cost, power, 0.0) for power in (y ** (p - 1.0), (p - 1.0) * y ** (p - 2.0))
        )
        wrong = slope - A.T @ multipliers - left + right
        met = mu * count <= COMPLEMENTARY * worth and bool((np.abs(missing) <= program.met).all())
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


def _reach(value: Real, change: Real) -> float:
    """The share of a change after which every value still is positive."""
    falls = change < 0.0
    return min(1.0, NEARLY * float(np.min(-value[falls] / change[falls], initial=np.inf)))


def _solve(matrix: Real, right: Real) -> Real:
    """Solve a symmetric positive system; by elimination in long double, for which LAPACK has nothing."""
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
