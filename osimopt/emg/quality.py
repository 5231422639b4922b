"""Faults of EMG channels that can be seen in the recording, as flags with the numbers behind them.

What cannot be determined from a recording: channels of like muscles that were exchanged (the vasti, the heads of
gastrocnemius, hamstrings); clipping or a spike before the envelope was made; drift and gain steps in trials of a few
seconds; an envelope that is a smooth multiple of what it should be. A side or a clock that is wrong is seen against a
simulation (:func:`osimopt.compare_emg`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..problem.arrays import Array
from .recording import Emg

Fault = tuple[str, str] | None

#: Share of the samples at the largest or smallest value from which a channel is clipped. Where noise was added after
#: clipping, at least FEWEST samples are within one of NEAR of the largest, and PILED times as many as as far below.
CLIPPED, PILED, NEAR, FEWEST = 0.002, 2.5, (0.02, 0.05, 0.1), 15
#: Duration in s without any change from which a channel is flat.
FLAT = 0.1
#: Share of the power within 1 Hz of 50 or 60 Hz and harmonics, above the power beside it, from which there is hum; and
#: how many times the power beside it the line has.
HUM, LINE = 0.02, 8.0
#: Correlation of two envelopes, and of two signals, at lags of up to LATE samples, above which one is a copy.
COPY, COPY_RAW, LATE = 0.9995, 0.98, 2
#: Share of the maximum that an envelope may fall below 0.
NEGATIVE = 0.005
#: Largest distance from 1 of every channel's maximum if each was divided by its own.
AT_ONE = 1e-6
#: Share by which a channel's maximum may exceed its maximum within the window.
OUTSIDE = 0.05
#: Largest share of a maximum voluntary contraction that is no percentage.
PER_CENT = 3.0
#: A spike is this many times as large as all that is further than BESIDE s from it (signals, envelopes).
SPIKE, BESIDE = 2.5, 0.02
#: Ratio of an envelope's 95th to its 5th percentile below which a channel is noise, and skewness below which it is
#: upside down.
ALIVE, UPSIDE_DOWN = 1.5, -0.2
#: Length in s of the windows of drift and gain steps, and fewest of them.
WINDOW, WINDOWS = 2.0, 8
#: Drift of the resting level, in ranges of the envelope, and its correlation with time; ratio of a gain step, and of
#: the step to the scatter of windows.
DRIFT, STEADY, STEP, SHARP = 0.25, 0.8, 1.5, 3.0


@dataclass(frozen=True)
class Flag:
    """One fault of a channel: ``kind`` for programs, ``text`` for readers."""

    channel: str
    kind: str
    text: str


def flags(emg: Emg, window: tuple[float, float] | None = None) -> list[Flag]:
    """Faults of a recording.

    Parameters
    ----------
    emg
        Raw signals or envelopes.
    window
        Start and end in s of the part that will be compared. A channel with its maximum outside of it was not
        normalised within it; that is expected only of shares of a maximum voluntary contraction.
    """
    found = [*_duplicates(emg), *_own_maximum(emg)]
    for channel in emg.channels:
        value = emg.of(channel)
        known = value[np.isfinite(value)]
        if not len(known):
            found.append(Flag(channel, "empty", "contains no numbers"))
            continue
        smooth = emg.is_envelope(channel)
        faults = [_gaps(emg, value), _flat(emg, value), _clipped(known, smooth), _spike(emg, value)]
        level = np.interp(emg.time, emg.time[np.isfinite(value)], known)
        faults += [_negative(known), _percent(emg, known)] if smooth else [_hum(emg, value)]
        level = level if smooth else _rough_envelope(level, emg.rate)
        faults.append(_noise(level) or (_inverted(level) if smooth else None))
        faults += [_drift(emg, value, level, smooth), _step(emg, level)]
        if window is not None and emg.amplitude != "mvc":
            faults.append(_outside(emg, value, window))
        found += [Flag(channel, *fault) for fault in faults if fault is not None]
    return found


def _duplicates(emg: Emg) -> list[Flag]:
    found = []
    for number, name in enumerate(emg.channels):
        for other in emg.channels[:number]:
            a, b = emg.of(name), emg.of(other)
            both = np.isfinite(a) & np.isfinite(b)
            if both.sum() < 10 or a[both].std() == 0.0 or b[both].std() == 0.0:
                continue
            enough = COPY if emg.is_envelope(name) or emg.is_envelope(other) else COPY_RAW
            r = {late: _late_r(a[both], b[both], late) for late in range(-LATE, LATE + 1)}
            late = max(r, key=lambda lag: r[lag])
            if r[late] > enough:
                how = "equal to" if np.array_equal(a[both], b[both]) else "a multiple of"
                if r[late] < 1.0 - 1e-5 or late:
                    how = f"correlated by {r[late]:.4f} with"
                found.append(Flag(name, "duplicate", f"{how} {other}: one electrode, two names"))
    return found


def _late_r(a: Array, b: Array, late: int) -> float:
    """Correlation of two channels, the first ``late`` samples later."""
    first, second = (a[late:], b[: len(b) - late]) if late >= 0 else (a[:late], b[-late:])
    return float(np.corrcoef(first, second)[0, 1])


def _own_maximum(emg: Emg) -> list[Flag]:
    """If every channel's maximum is exactly 1, each was divided by its own, whatever ``amplitude`` is."""
    if not emg.envelope or emg.amplitude == "own maximum":
        return []
    top = np.array([np.nanmax(emg.of(name), initial=-np.inf) for name in emg.channels])
    if len(top) < 2 or not (np.abs(top - 1.0) <= AT_ONE).all():
        return []
    text = "its maximum is 1, as that of every channel: each was divided by its own, and amplitude means nothing"
    return [Flag(name, "own maximum", text) for name in emg.channels]


def _gaps(emg: Emg, value: Array) -> Fault:
    missing = ~np.isfinite(value)
    if not missing.any():
        return None
    return "gap", f"{missing.mean():.1%} of the samples missing, {_longest(missing) / emg.rate:.2g} s in a row"


def _flat(emg: Emg, value: Array) -> Fault:
    longest = _longest(np.concatenate([[False], np.diff(value) == 0.0])) / emg.rate
    return ("flat", f"does not change for {longest:.2g} s") if longest >= FLAT else None


def _clipped(known: Array, smooth: bool) -> Fault:
    """A saturated amplifier repeats its extreme value; a signal reaches its maximum once or a few times."""
    high, low = float(np.mean(known == known.max())), float(np.mean(known == known.min()))
    share = high if smooth else max(high, low)  # envelopes rest at 0
    if known.max() == known.min():
        return None
    if share >= max(CLIPPED, 3.0 / len(known)):
        return "clipped", f"{share:.1%} of the samples are at the very same extreme"
    if smooth:
        return None
    size = np.abs(known - np.median(known))
    for near in NEAR:
        top, whole = (int(np.sum(size >= (1.0 - share * near) * size.max())) for share in (1, 2))
        if top >= FEWEST and top >= PILED * (whole - top):
            return (
                "clipped",
                f"{top} samples are within {near:.0%} of the largest, {whole - top} in the {near:.0%} below",
            )
    return None


def _spike(emg: Emg, value: Array) -> Fault:
    size = np.abs(np.nan_to_num(value - np.nanmedian(value)))
    top = int(size.argmax())
    rest = float(size[np.abs(emg.time - emg.time[top]) > BESIDE].max(initial=0.0))
    if not 0.0 < SPIKE * rest < size[top] or len(size) < 100:
        return None
    return "spike", f"one peak at {emg.time[top]:.3f} s is {size[top] / rest:.1f} times as large as all others"


def _negative(known: Array) -> Fault:
    if known.min() >= -NEGATIVE * max(float(known.max()), 1e-300):
        return None
    return "negative", f"an envelope that falls to {known.min():.3g}"


def _percent(emg: Emg, known: Array) -> Fault:
    if emg.amplitude != "mvc" or known.max() <= PER_CENT:
        return None
    return "per cent", f"reaches {known.max():.3g} maximum contractions: are these per cent? Divide by 100"


def _rough_envelope(value: Array, rate: float) -> Array:
    """Mean size of a signal over 0.1 s."""
    width = max(1, round(0.1 * rate))
    size = np.abs(value - np.convolve(value, np.ones(width) / width, "same"))
    return np.asarray(np.convolve(size, np.ones(width) / width, "valid"))


def _noise(level: Array) -> Fault:
    """Muscles rest at times; noise does not."""
    low, high = np.quantile(level, [0.05, 0.95])
    if len(level) < 50 or low <= 0.0 or high / low >= ALIVE or np.ptp(level) == 0.0:
        return None
    return "noise", f"its level only changes by a factor of {high / low:.1f}: noise without muscle activity?"


def _inverted(level: Array) -> Fault:
    """Bursts rise from rest, so that envelopes have a long tail above."""
    spread = float(level.std())
    skew = float(np.mean((level - level.mean()) ** 3)) / spread**3 if spread > 0.0 else 0.0
    if len(level) < 50 or skew >= UPSIDE_DOWN:
        return None
    return "inverted", f"rests high and falls in bursts (skewness {skew:.1f}): upside down?"


def _windows(emg: Emg, value: Array) -> list[Array]:
    count = int(len(value) / (WINDOW * emg.rate))
    return np.array_split(value, count) if count >= WINDOWS else []


def _drift(emg: Emg, value: Array, level: Array, smooth: bool) -> Fault:
    """The resting level of an envelope, or the mean of a signal, that moves steadily."""
    parts = _windows(emg, level if smooth else value)
    if not parts:
        return None
    rest = np.array([np.nanquantile(part, 0.1) if smooth else np.nanmean(part) for part in parts])
    size = float(np.ptp(np.quantile(level, [0.05, 0.95]))) if smooth else float(np.nanstd(value))
    place = np.arange(len(rest))
    slope = float(np.polyfit(place, rest, 1)[0]) * (len(rest) - 1)
    if rest.std() == 0.0 or abs(slope) < DRIFT * size or abs(np.corrcoef(place, rest)[0, 1]) < STEADY:
        return None
    return "drift", f"its resting level drifts by {slope / size:+.0%} of its range"


def _step(emg: Emg, level: Array) -> Fault:
    """The height of bursts that changes at once, and stays."""
    parts = _windows(emg, level)
    if not parts:
        return None
    height = np.log(np.maximum([np.quantile(part, 0.9) for part in parts], 1e-300))
    best, at = 0.0, 0
    for cut in range(3, len(height) - 2):
        before, after = height[:cut], height[cut:]
        jump = abs(float(np.median(after) - np.median(before)))
        scatter = float(np.median(np.abs(np.concatenate([before - np.median(before), after - np.median(after)]))))
        near = abs(float(np.median(height[cut : cut + 3]) - np.median(height[cut - 3 : cut])))
        if jump > best and jump > SHARP * 1.4826 * scatter and near > 0.7 * jump:
            best, at = jump, cut
    if best < np.log(STEP):
        return None
    when = float(emg.time[0] + at * (emg.time[-1] - emg.time[0]) / len(height))
    return "gain step", f"its bursts change by a factor of {np.exp(best):.1f} at about {when:.0f} s, and stay"


def _hum(emg: Emg, value: Array) -> Fault:
    from scipy.signal import welch

    if emg.rate < 150.0 or len(value) < emg.rate:
        return None
    centred = np.nan_to_num(value - np.nanmean(value))
    hz, power = welch(centred, emg.rate, nperseg=int(min(len(centred), 2 * emg.rate)))
    shares = {}
    for mains in (50.0, 60.0):
        excess, line_ratio = 0.0, 0.0
        for harmonic in np.arange(mains, min(4.5 * mains, 0.5 * emg.rate - 5.0), mains):
            away = np.abs(hz - harmonic)
            line, beside = away <= 1.0, (away > 2.0) & (away <= 6.0)
            floor = float(np.median(power[beside]))
            excess += max(0.0, float(power[line].sum() - line.sum() * floor))
            line_ratio = max(line_ratio, float(power[line].max()) / max(floor, 1e-300))
        shares[mains] = excess / float(power.sum()) if line_ratio >= LINE else 0.0
    mains, share = max(shares.items(), key=lambda item: item[1])
    if share < HUM:
        return None
    return "hum", f"{share:.0%} of its power is mains hum of {mains:g} Hz: process it with notch={mains:g}"


def _outside(emg: Emg, value: Array, window: tuple[float, float]) -> Fault:
    inside = value[(emg.time >= window[0]) & (emg.time <= window[1])]
    if not np.isfinite(inside).any():
        return "outside", "no samples in the window"
    whole, part = float(np.nanmax(value)), float(np.nanmax(inside))
    if part >= (1.0 - OUTSIDE) * whole:
        return None
    return "outside", f"its maximum is outside the window, where it reaches {part / whole:.0%} of it"


def _longest(true: NDArray[np.bool_]) -> int:
    """Length of the longest run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], true, [False]])))
    return int((edges[1::2] - edges[::2]).max(initial=0))
