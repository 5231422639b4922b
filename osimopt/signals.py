"""Time series: filters and derivatives equal to those of OpenSim's tools, splines, and checks of their times."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .errors import InputError, explain, some
from .notices import warn
from .splines import BSpline, natural_spline

Array = NDArray[np.float64]

#: Sample intervals within this share of their mean count as uniform (files print times to 6-8 digits).
UNIFORM_TOLERANCE = 1e-3
#: Share of the sampling interval (the median step) below which two times are one: files print a millionth of it.
REPEATED = 1e-3
#: Share of a column's largest magnitude, and a magnitude in any unit (m, rad, deg, N, N·m, V), that are its rounding.
ROUNDING, NOTHING = 1e-6, 1e-9
#: Above this many samples in all, columns are differentiated so many at a time.
MANY, TOGETHER = 2_000_000, 8
#: A spline of degree 5 needs one sample more than its degree.
MINIMUM_FRAMES = 6


def differentiate(time: Array, value: Array) -> tuple[Array, Array]:
    """Speeds and accelerations as OpenSim's AnalyzeTool derives them.

    The speed is the first derivative of the natural quintic interpolating spline through the values
    (OpenSim's ``GCVSplineSet`` of degree 5 with error variance 0); the acceleration is the first derivative
    of a second such spline through the sampled *speeds*, not the second derivative of the first.

    Parameters
    ----------
    time
        (T,) increasing times in s, T ≥ 6; need not be uniform.
    value
        (T, N) samples.

    Returns
    -------
    speed, acceleration
        (T, N) each, per second and per second squared.

    References
    ----------
    Woltring (1986), doi:10.1016/0141-1195(86)90098-7
    """
    if value.size > MANY and value.shape[1] > TOGETHER:  # a spline takes five times the memory of its values
        parts = [differentiate(time, value[:, i : i + TOGETHER]) for i in range(0, value.shape[1], TOGETHER)]
        speed, acceleration = (np.concatenate(found, axis=1) for found in zip(*parts, strict=True))
        return speed, acceleration
    speed = quintic_spline(time, value, derivative=1)(time)
    return speed, quintic_spline(time, speed, derivative=1)(time)


def quintic_spline(time: Array, value: Array, derivative: int = 0) -> BSpline:
    """Natural quintic interpolating spline (third and fourth derivative zero at the ends), or its derivative."""
    if len(time) < MINIMUM_FRAMES:
        fix = "Give a longer motion: derivatives come from a spline of degree 5."
        raise InputError(explain(f"at least {MINIMUM_FRAMES} frames", str(len(time)), fix))
    return natural_spline(time, value, 5).derivative(derivative)


def natural_cubic_spline(time: Array, value: Array) -> BSpline:
    """Cubic interpolating spline with second derivative zero at the ends: OpenSim's ExternalForce between samples."""
    return natural_spline(time, value, 3)


def lowpass(time: Array, value: Array, cutoff_hz: float, option: str = "lowpass_hz") -> Array:
    """Zero-phase low-pass as OpenSim's tools do it: third-order Butterworth, forward and backward.

    The signal is padded by half its length with its odd reflection. As in OpenSim the cutoff is
    not corrected for the double pass (the gain at ``cutoff_hz`` is 1/2, not 1/√2). Samples that are not
    uniform are padded, brought to a uniform grid of the smallest interval (quintic spline), filtered and
    evaluated at their own times.

    Parameters
    ----------
    time, value
        (T,) in s and (T, N).
    cutoff_hz
        Between 0 and half the sampling rate, exclusive.
    option
        The option that gave it, for messages.

    Returns
    -------
    (T, N) filtered samples.
    """
    return lowpass_padded(time, value, cutoff_hz, 0, option)[1]


def lowpass_padded(
    time: Array, value: Array, cutoff_hz: float, keep: int, option: str = "lowpass_hz"
) -> tuple[Array, Array]:
    """Times and filtered samples as from :func:`lowpass`, with ``keep`` samples of the padding left at either end.

    OpenSim's AnalyzeTool differentiates with the padding (half the length) still there, which matters near the ends.
    """
    if len(time) < MINIMUM_FRAMES:
        fix = "Give a longer file to filter."
        raise InputError(explain(f"at least {MINIMUM_FRAMES} frames", str(len(time)), fix))
    step = np.diff(time)
    uniform = bool(np.all(np.abs(step - step.mean()) <= UNIFORM_TOLERANCE * step.mean()))
    interval = float(step.mean() if uniform else step.min())
    nyquist = 0.5 / interval
    if not 0.0 < cutoff_hz < nyquist:
        fix = f"Lower {option}, or leave it out."
        raise InputError(explain(f"a cutoff between 0 and {nyquist:.4g} Hz (half the rate)", f"{cutoff_hz:g} Hz", fix))
    pad = len(time) // 2
    times = np.pad(time, pad, mode="reflect", reflect_type="odd")
    samples = np.pad(value, ((pad, pad), (0, 0)), mode="reflect", reflect_type="odd")
    wanted = slice(pad - keep, pad + len(time) + keep)
    if uniform:
        return times[wanted], np.ascontiguousarray(_both_ways(samples, cutoff_hz / nyquist)[wanted])
    grid = times[0] + interval * np.arange(int((times[-1] - times[0]) / interval) + 1)
    filtered = _both_ways(np.asarray(quintic_spline(times, samples)(grid)), cutoff_hz / nyquist)
    return times[wanted], np.asarray(quintic_spline(grid, filtered)(times[wanted]))


def _both_ways(value: Array, relative_cutoff: float) -> Array:
    """Third-order Butterworth low-pass, forward and backward; as in OpenSim the first three outputs are the inputs."""
    from scipy.signal import butter, lfilter, lfiltic

    numerator, denominator = butter(3, relative_cutoff)
    for _ in range(2):
        first = value[:3]
        state = np.column_stack([lfiltic(numerator, denominator, y[::-1], y[::-1]) for y in first.T])
        rest, _ = lfilter(numerator, denominator, value[3:], axis=0, zi=state)
        value = np.concatenate([first, rest])[::-1]
    return value


def interpolate(time: Array, value: Array, times: Array) -> Array:
    """(N, …) values at other times of (T, …) samples: quintic interpolating spline with natural ends.

    Beside not-a-knot ends, within walks of 20 frames at 50 and 100 Hz, natural ones leave half the error in moment
    arms, maximum forces and moments of the first and last interval, whose curves have kinks, and 10 times that in
    angles, which is 5e-4 rad at most.

    Below 6 frames the polynomial through all of them. At a sample's own time the sample comes back bit by bit.
    """
    if value.size == 0:
        return np.empty((len(times), *value.shape[1:]))
    if len(time) < MINIMUM_FRAMES:
        from scipy.interpolate import make_interp_spline

        found = np.asarray(make_interp_spline(time, value, k=len(time) - 1)(times))
    else:
        found = np.asarray(quintic_spline(time, value)(times))
    rows = np.minimum(np.searchsorted(time, times), len(time) - 1)
    known = time[rows] == times
    found[known] = value[rows[known]]
    return found


def distinct_rows(
    time: np.ndarray, value: np.ndarray, labels: Sequence[object], path: object, skipped: int = 0
) -> np.ndarray:
    """Rows of a time series that leave its times increasing: of times that repeat, the first.

    OpenSim's tools write some rows twice, the second 1e-13 s later or at the same time; a spline through both has
    slopes of any size. Times closer than a thousandth of the median step are one, where the rows agree: no column
    differs by more than it changes in so short a time anywhere in the file, or than its rounding. A warning names them.

    Parameters
    ----------
    time
        (T,) s.
    value, labels
        (T, C) and the names of the columns.
    path, skipped
        The file, and how many of its rows come before these, for messages.

    Raises
    ------
    InputError
        Times that are not finite or go back, and rows that repeat a time with other numbers.
    """
    if not np.isfinite(time).all():
        row = int(np.argmin(np.isfinite(time)))
        got = f"{time[row]} in row {skipped + row + 1} of the table"
        raise InputError(explain("finite times", got, "Repair it.", path))
    first, interval = first_rows(time)
    keep = first == np.arange(len(time))
    _check_times(time[keep], path, skipped + np.flatnonzero(keep))
    again = np.flatnonzero(~keep)
    if again.size:
        _check_agreement(time, value, labels, again, first[again], REPEATED * interval, path, skipped)
        rows = [(first[row] + skipped + 1, row + skipped + 1) for row in again]
        pairs = [f"{time[row]:.9g} s in rows {a} and {b}" for row, (a, b) in zip(again, rows, strict=True)]
        warn(
            f"{path}: {again.size} of {len(time)} times repeat, by less than a thousandth of the sampling interval "
            f"({interval:.3g} s): {some(pairs)} of the table. The rows agree; the first of each was used."
        )
    return np.flatnonzero(keep)


def first_rows(time: np.ndarray) -> tuple[np.ndarray, float]:
    """(T,) row of the first of the times (T,) that are one, their own for others, and the median step in s."""
    step = np.diff(time)
    interval = float(np.median(step[step > 0.0])) if (step > 0.0).any() else 0.0
    first = np.arange(len(time))
    for row in (np.flatnonzero(np.abs(step) < REPEATED * interval) + 1).tolist():
        if time[row] - time[first[row - 1]] < REPEATED * interval:
            first[row] = first[row - 1]
    return first, interval


def _check_times(time: np.ndarray, path: object, rows: np.ndarray) -> None:
    """Refuse times that do not increase, naming the first that does not; ``rows`` are their row numbers, from 0."""
    step = np.diff(time)
    if (step > 0).all():
        return
    row = int(np.argmin(step > 0))
    kind = "a time twice" if step[row] == 0 else "a step back"
    fix = "Remove the row (pandas: table[~table.index.duplicated()]) or sort the file by time."
    where = f"rows {rows[row] + 1} and {rows[row + 1] + 1} of the table"
    got = f"{kind}: {time[row]:g} s then {time[row + 1]:g} s in {where}"
    raise InputError(explain("times that increase", got, fix, path))


def disagreement(time: Array, value: Array, again: np.ndarray, first: np.ndarray, close: float) -> Array:
    """(R, C) difference of rows that repeat the times of others, in multiples of what is allowed."""
    step = np.diff(time)
    apart = step >= close
    with np.errstate(invalid="ignore"):
        rate = np.abs(np.diff(value, axis=0)[apart]) / step[apart, None]
        difference = np.abs(value[again] - value[first])
    known = np.isfinite(value)
    rate = np.nan_to_num(rate, nan=0.0, posinf=0.0).max(axis=0, initial=0.0)
    largest = np.abs(np.where(known, value, 0.0)).max(axis=0, initial=0.0)
    allowed = np.maximum(close * rate, np.maximum(ROUNDING * largest, NOTHING))
    both, neither = known[again] & known[first], ~known[again] & ~known[first]
    return np.asarray(np.where(both, difference / allowed, np.where(neither, 0.0, np.inf)))


def _check_agreement(
    time: Array,
    value: Array,
    labels: Sequence[object],
    again: np.ndarray,
    first: np.ndarray,
    close: float,
    path: object,
    skipped: int,
) -> None:
    """Refuse rows that repeat the time of an earlier one with other numbers, naming the column that differs most."""
    excess = disagreement(time, value, again, first, close)
    if not (excess > 1.0).any():
        return
    pair, column = divmod(int(np.argmax(excess)), excess.shape[1])
    row, other = int(again[pair]), int(first[pair])
    gap = time[row] - time[other]
    kind = "a time twice" if gap == 0.0 else f"times {gap:.2g} s apart"
    rows = f"rows {skipped + other + 1} and {skipped + row + 1} of the table"
    got = (
        f"{kind}: {time[other]:.9g} s in {rows}, where '{labels[column]}' is "
        f"{value[other, column]:.6g} and {value[row, column]:.6g}"
    )
    many = int((excess > 1.0).any(axis=1).sum())
    got += f" ({many} such pairs)" if many > 1 else ""
    fix = "Remove the row that is wrong; if the times were rounded, write them with more digits."
    raise InputError(explain("rows that agree where their times repeat", got, fix, path))
