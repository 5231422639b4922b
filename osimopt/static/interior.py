"""One frame by a primal-dual interior-point method: slower than Newton on the dual, and never at a loss.

    minimise Σ |y_i|^p / p   subject to   A y = b,  lower ≤ y ≤ upper.

Where the moments leave muscles hardly a choice, or say the same twice, the dual function is flat for ever and Newton's
method on it finds no hold. Here a barrier keeps every unknown inside its bounds and every system regular. Unknowns that
may be negative are split in two, so that no step crosses the kink of a power at 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .frame import Frame

Array = NDArray[np.float64]

#: Steps at most; share of the complementarity aimed at; share of the way to a bound that is gone.
STEPS, AIM, NEARLY = 100, 0.1, 0.99
#: Relative to the cost, and to the moments: complementarity and missed moments at which a frame is done.
COMPLEMENTARY, MET = 1e-12, 1e-12
#: Unknowns are scaled so that the largest is about 1; one without bounds starts at half of ROOM.
SMALLEST, ROOM = 1e-6, 2.0


def interior(frame: Frame, p: float, share: float) -> tuple[Array, Array, int, bool]:
    """Unknowns y (U,), multipliers (D,), steps, and whether they came to rest.

    ``share`` of the diagonal is added to every system: rows may depend on each other.
    """
    split = np.flatnonzero(frame.lower < 0.0)
    size = np.abs(frame.A).max(axis=1, initial=0.0)
    size = np.where(size > 0.0, size, 1.0)
    A = np.hstack([frame.A, -frame.A[:, split]]) / size[:, None]
    low = np.concatenate([np.maximum(frame.lower, 0.0), np.maximum(-frame.upper[split], 0.0)])
    high = np.concatenate([np.maximum(frame.upper, 0.0), -frame.lower[split]])
    b = frame.b / size
    unit = _size(A, b, low, high)
    with np.errstate(all="ignore"):
        y, multipliers, steps, met = _walk(A, b / unit, low / unit, high / unit, p, share)
    whole = unit * y[: len(frame.lower)]
    whole[split] -= unit * y[len(frame.lower) :]
    return np.clip(whole, frame.lower, frame.upper), unit ** (p - 1.0) * multipliers / size, steps, met


def _size(A: Array, b: Array, low: Array, high: Array) -> float:
    """About how large the largest unknown will be: those with bounds as if there were none, the others for the rest."""
    near = np.clip(np.linalg.lstsq(A, b, rcond=None)[0], low, high)
    free, rest = np.flatnonzero(np.isinf(high)), np.abs(b - A @ near)
    largest = [float(np.abs(near).max(initial=SMALLEST))]
    for column in free:
        row = int(np.argmax(np.abs(A[:, column])))
        largest.append(float(rest[row] / max(abs(A[row, column]), np.finfo(float).tiny)))
    return max(largest)


def _walk(A: Array, b: Array, low: Array, high: Array, p: float, share: float) -> tuple[Array, Array, int, bool]:
    """From the middle of the bounds to where the barrier vanishes."""
    bounded, fixed = np.isfinite(high), high <= low
    far = max(1.0, float(np.abs(b).max(initial=0.0)))
    room = np.where(bounded, high - low, ROOM)
    over, multipliers = np.where(fixed, 1.0, 0.5 * room), np.zeros_like(b)
    under = np.where(bounded & ~fixed, room - over, 1.0)
    left, right = np.where(fixed, 0.0, 1.0), np.where(bounded & ~fixed, 1.0, 0.0)
    barred, capped = left > 0.0, right > 0.0
    count = max(1, int(barred.sum() + capped.sum()))
    steps, met = 0, False
    while True:
        y = np.where(fixed, low, low + over)
        mu = float(over @ left + under @ right) / count
        missing = b - A @ y
        met = mu * count <= COMPLEMENTARY * float(np.sum(y**p)) / p and np.abs(missing).max(initial=0.0) <= MET * far
        if met or steps == STEPS:
            break
        steps += 1
        aim = AIM * mu
        curvature = (p - 1.0) * y ** (p - 2.0) + left / over + right / under
        compliance = np.where(fixed, 0.0, 1.0 / curvature)
        pull = (
            y ** (p - 1.0) - A.T @ multipliers - np.where(barred, aim / over, 0.0) + np.where(capped, aim / under, 0.0)
        )
        normal = (A * compliance) @ A.T
        diagonal = np.diagonal(normal)
        normal = normal + np.diag(np.where(diagonal > 0.0, share * diagonal, 1.0))
        try:
            turn = np.linalg.solve(normal, missing + A @ (compliance * pull))
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


def _reach(value: Array, change: Array) -> float:
    """The share of a change after which every value still is positive."""
    falls = change < 0.0
    return min(1.0, NEARLY * float(np.min(-value[falls] / change[falls], initial=np.inf)))
