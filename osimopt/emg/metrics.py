"""How two curves of activity agree: shape, amplitude, timing. Curves are (T,), one channel at even times.

A lag is positive where the simulated activity comes after the measured one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, explain

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

#: s that force may come after EMG; an activation shifted by more has another reason.
DELAY = (0.010, 0.100)
#: s within which an onset has its counterpart.
NEAR = 0.2
#: Samples below which nothing is said.
FEWEST = 5


def pearson(a: Array, b: Array) -> float:
    """Correlation of what both know; NaN where one does not vary."""
    a, b = _both(a, b)
    if len(a) < FEWEST or a.std() <= 1e-12 or b.std() <= 1e-12:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def rmse(a: Array, b: Array) -> float:
    """Root mean square difference."""
    a, b = _both(a, b)
    return float(np.sqrt(np.mean((a - b) ** 2))) if len(a) else float("nan")


def mae(a: Array, b: Array) -> float:
    """Mean absolute difference."""
    a, b = _both(a, b)
    return float(np.mean(np.abs(a - b))) if len(a) else float("nan")


def best_lag(simulated: Array, measured: Array, rate: float, least: float, most: float) -> tuple[float, float]:
    """The lag in s between ``least`` and ``most`` at which the correlation is largest, and that correlation.

    Of several channels (T, C) the mean correlation of those that have one. Between samples the maximum is that of a
    parabola through the best three. At either end of the range it is the end.

    Raises
    ------
    InputError
        A range that holds no shift by whole samples.
    """
    shifts = np.arange(np.ceil(least * rate - 1e-9), np.floor(most * rate + 1e-9) + 1).astype(int)
    if not len(shifts):
        got = f"{least:g} to {most:g} s at {rate:g} Hz"
        raise InputError(explain("lags of one sample or more", got, "Resample to a higher rate."))
    columns = list(zip(_columns(simulated), _columns(measured), strict=True))
    each = np.array([[pearson(*_shifted(a, b, shift)) for a, b in columns] for shift in shifts])
    known = np.isfinite(each).any(axis=0)
    if not known.any():
        return float("nan"), float("nan")
    r = np.nan_to_num(each[:, known]).mean(axis=1)  # where a curve does not vary, it agrees with nothing
    place = int(r.argmax())
    between = _vertex(r[place - 1 : place + 2]) if 0 < place < len(r) - 1 else (0.0, float(r[place]))
    return float((shifts[place] + between[0]) / rate), between[1]


def concordance(a: Mask, b: Mask) -> float:
    """Share of the samples in which both are on, or both off."""
    return float(np.mean(a == b)) if len(a) else float("nan")


def onset_errors(simulated: Array, measured: Array) -> Array:
    """(n,) s by which each measured onset that has a simulated one within ``NEAR`` is followed by it."""
    if not len(simulated) or not len(measured):
        return np.zeros(0)
    away = simulated[:, None] - measured
    nearest = away[np.abs(away).argmin(axis=0), np.arange(len(measured))]
    return np.asarray(nearest[np.abs(nearest) <= NEAR])


def co_contraction(a: Array, b: Array) -> float:
    """Index of antagonists: twice their common area over the sum of their areas, 0 to 1 (Winter's, not in per cent)."""
    a, b = _both(a, b)
    whole = float(np.sum(a + b))
    return float(2.0 * np.sum(np.minimum(a, b)) / whole) if whole > 0.0 else float("nan")


def _columns(curves: Array) -> list[Array]:
    return [curves] if curves.ndim == 1 else list(curves.T)


def _both(a: Array, b: Array) -> tuple[Array, Array]:
    known = np.isfinite(a) & np.isfinite(b)
    return a[known], b[known]


def _shifted(simulated: Array, measured: Array, shift: int) -> tuple[Array, Array]:
    """Where the two overlap when the simulated one is brought forward by ``shift`` samples."""
    if shift >= 0:
        return simulated[shift:], measured[: len(measured) - shift]
    return simulated[:shift], measured[-shift:]


def _vertex(r: Array) -> tuple[float, float]:
    """Offset and height of the maximum of a parabola through three samples, the middle one the largest."""
    left, middle, right = (float(value) for value in r)
    bend = left - 2.0 * middle + right
    if not np.isfinite(bend) or bend >= 0.0:
        return 0.0, middle
    offset = 0.5 * (left - right) / bend
    return offset, middle - 0.25 * (left - right) * offset
