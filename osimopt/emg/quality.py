"""What is wrong with a channel, as far as it can be seen: flags, with the numbers that raised them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .recording import Emg

Array = NDArray[np.float64]

#: Share of the samples that sit at the largest or smallest value, beyond which an amplifier was at its end.
CLIPPED = 0.002
#: s without any change, or without a number, beyond which a channel was not connected.
FLAT = 0.1
#: Share of the power within 1 Hz of 50 or 60 Hz and harmonics, above what is beside it, that is hum.
HUM = 0.1
#: Correlation of two channels beyond which one is a copy of the other.
COPY = 0.99999
#: Share of a channel's maximum below 0 at which an envelope is negative.
NEGATIVE = 1e-6
#: Distance of every channel's maximum from 1 at which each was divided by its own.
AT_ONE = 1e-6
#: A channel's maximum may exceed what it is within a window by this share before that is said.
OUTSIDE = 0.05


@dataclass(frozen=True)
class Flag:
    """One finding: ``kind`` for programs, ``text`` for readers."""

    channel: str
    kind: str
    text: str


def flags(emg: Emg, window: tuple[float, float] | None = None) -> list[Flag]:
    """What is to be seen in a recording.

    Parameters
    ----------
    emg
        Raw or envelopes.
    window
        s of the part that will be compared: a channel whose maximum lies outside it was normalised by something else,
        which is as it should be of shares of a maximum voluntary contraction.
    """
    found = [*_duplicates(emg), *_padded(emg), *_own_maximum(emg)]
    for channel in emg.channels:
        value = emg.of(channel)
        known = value[np.isfinite(value)]
        if not len(known):
            found.append(Flag(channel, "empty", "no number in it"))
            continue
        checks = [_gaps(emg, value), _flat(emg, value), _clipped(emg, known)]
        checks.append(_negative(known) if emg.envelope else _hum(emg, value))
        if window is not None and emg.amplitude != "mvc":
            checks.append(_outside(emg, value, window))
        found += [Flag(channel, kind, text) for kind, text in filter(None, checks)]
    return found


def _duplicates(emg: Emg) -> list[Flag]:
    found = []
    for place, name in enumerate(emg.channels):
        for other in emg.channels[:place]:
            a, b = emg.of(name), emg.of(other)
            both = np.isfinite(a) & np.isfinite(b)
            if both.sum() < 3 or a[both].std() == 0.0 or b[both].std() == 0.0:
                continue
            if np.corrcoef(a[both], b[both])[0, 1] > COPY:
                how = "equal to" if np.array_equal(a[both], b[both]) else "a multiple of"
                found.append(Flag(name, "duplicate", f"{how} {other}: one electrode, two names"))
    return found


def _padded(emg: Emg) -> list[Flag]:
    told = [name for name in emg.source.get("padded", "").split("\n") if name in emg.channels]
    return [Flag(name, "padded", "spaces around its name in the file were dropped") for name in told]


def _own_maximum(emg: Emg) -> list[Flag]:
    """Where every channel reaches 1 exactly, each was divided by its own maximum, whatever is said of amplitudes."""
    if not emg.envelope or emg.amplitude == "own maximum":
        return []
    top = np.array([np.nanmax(emg.of(name), initial=-np.inf) for name in emg.channels])
    if len(top) < 2 or not (np.abs(top - 1.0) <= AT_ONE).all():
        return []
    text = "its maximum is 1, as that of every channel: each was divided by its own, and amplitude means nothing"
    return [Flag(name, "own maximum", text) for name in emg.channels]


def _gaps(emg: Emg, value: Array) -> tuple[str, str] | None:
    missing = ~np.isfinite(value)
    if not missing.any():
        return None
    longest = _longest(missing) / emg.rate
    return "gap", f"{missing.mean():.1%} of the samples missing, {longest:.2g} s in a row"


def _flat(emg: Emg, value: Array) -> tuple[str, str] | None:
    still = np.concatenate([[False], np.diff(value) == 0.0])
    longest = _longest(still) / emg.rate
    if longest < FLAT:
        return None
    return "flat", f"does not change for {longest:.2g} s"


def _clipped(emg: Emg, known: Array) -> tuple[str, str] | None:
    """An amplifier at its end repeats its largest value; a maximum of a signal is reached once, or a few times."""
    high, low = float(np.mean(known == known.max())), float(np.mean(known == known.min()))
    ends = [high] if emg.envelope else [high, low]  # envelopes rest at 0
    if known.max() == known.min() or max(ends) < max(CLIPPED, 3.0 / len(known)):
        return None
    return "clipped", f"{max(ends):.1%} of the samples are at the very same extreme"


def _negative(known: Array) -> tuple[str, str] | None:
    if known.min() >= -NEGATIVE * max(float(known.max()), 1e-300):
        return None
    return "negative", f"an envelope that falls to {known.min():.3g}"


def _hum(emg: Emg, value: Array) -> tuple[str, str] | None:
    from scipy.signal import welch

    if emg.rate < 150.0 or len(value) < emg.rate:
        return None
    power_of, hz = {}, np.zeros(0)
    filled = np.nan_to_num(value - np.nanmean(value))
    hz, power = welch(filled, emg.rate, nperseg=int(min(len(filled), 2 * emg.rate)))
    for mains in (50.0, 60.0):
        lines = np.zeros(len(hz), dtype=bool)
        excess = 0.0
        for harmonic in np.arange(mains, min(4.5 * mains, 0.5 * emg.rate - 5.0), mains):
            line, beside = np.abs(hz - harmonic) <= 1.0, (np.abs(hz - harmonic) > 2.0) & (np.abs(hz - harmonic) <= 6.0)
            excess += max(0.0, float(power[line].sum() - line.sum() * np.median(power[beside])))
            lines |= line
        power_of[mains] = excess / float(power.sum())
    mains = max(power_of, key=lambda own: power_of[own])
    if power_of[mains] < HUM:
        return None
    return "hum", f"{power_of[mains]:.0%} of its power is mains hum of {mains:g} Hz: process it with notch={mains:g}"


def _outside(emg: Emg, value: Array, window: tuple[float, float]) -> tuple[str, str] | None:
    inside = (emg.time >= window[0]) & (emg.time <= window[1])
    if not inside.any() or not np.isfinite(value[inside]).any():
        return "outside", "no samples in the window"
    most, own = float(np.nanmax(value)), float(np.nanmax(value[inside]))
    if own >= (1.0 - OUTSIDE) * most:
        return None
    return "outside", f"its maximum is outside the window, where it reaches {own / most:.0%} of it"


def _longest(true: NDArray[np.bool_]) -> int:
    """Length of the longest run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], true, [False]])))
    return int((edges[1::2] - edges[::2]).max(initial=0))
