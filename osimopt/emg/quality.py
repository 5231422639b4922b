"""Faults of EMG channels that can be seen in the recording, as flags with the numbers behind them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..problem.arrays import Array
from .recording import Emg

Fault = tuple[str, str] | None

#: Share of the samples at the largest or smallest value from which a channel is clipped.
CLIPPED = 0.002
#: Duration in s without any change from which a channel is flat.
FLAT = 0.1
#: Share of the power within 1 Hz of 50 or 60 Hz and harmonics, above the power beside it, from which there is hum.
HUM = 0.1
#: Correlation of two channels above which one is a copy of the other.
COPY = 0.99999
#: Share of the maximum that an envelope may fall below 0.
NEGATIVE = 1e-6
#: Largest distance from 1 of every channel's maximum if each was divided by its own.
AT_ONE = 1e-6
#: Share by which a channel's maximum may exceed its maximum within the window.
OUTSIDE = 0.05


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
        faults = [_gaps(emg, value), _flat(emg, value), _clipped(emg, known)]
        faults.append(_negative(known) if emg.envelope else _hum(emg, value))
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
            if both.sum() < 3 or a[both].std() == 0.0 or b[both].std() == 0.0:
                continue
            if np.corrcoef(a[both], b[both])[0, 1] > COPY:
                how = "equal to" if np.array_equal(a[both], b[both]) else "a multiple of"
                found.append(Flag(name, "duplicate", f"{how} {other}: one electrode, two names"))
    return found


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


def _clipped(emg: Emg, known: Array) -> Fault:
    """A saturated amplifier repeats its extreme value; a signal reaches its maximum once or a few times."""
    high, low = float(np.mean(known == known.max())), float(np.mean(known == known.min()))
    share = high if emg.envelope else max(high, low)  # envelopes rest at 0
    if known.max() == known.min() or share < max(CLIPPED, 3.0 / len(known)):
        return None
    return "clipped", f"{share:.1%} of the samples are at the very same extreme"


def _negative(known: Array) -> Fault:
    if known.min() >= -NEGATIVE * max(float(known.max()), 1e-300):
        return None
    return "negative", f"an envelope that falls to {known.min():.3g}"


def _hum(emg: Emg, value: Array) -> Fault:
    from scipy.signal import welch

    if emg.rate < 150.0 or len(value) < emg.rate:
        return None
    centred = np.nan_to_num(value - np.nanmean(value))
    hz, power = welch(centred, emg.rate, nperseg=int(min(len(centred), 2 * emg.rate)))
    shares = {}
    for mains in (50.0, 60.0):
        excess = 0.0
        for harmonic in np.arange(mains, min(4.5 * mains, 0.5 * emg.rate - 5.0), mains):
            away = np.abs(hz - harmonic)
            line, beside = away <= 1.0, (away > 2.0) & (away <= 6.0)
            excess += max(0.0, float(power[line].sum() - line.sum() * np.median(power[beside])))
        shares[mains] = excess / float(power.sum())
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
