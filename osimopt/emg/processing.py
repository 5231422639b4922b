"""From raw EMG to envelopes: every setting exposed, nothing moved in time, every step written down.

Filters are Butterworth, forward and backward, so that they add no lag; a cut-off is where the two passes together let
1/√2 through, for which each pass is widened.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, explain
from ..notices import warn
from .recording import Emg

Array = NDArray[np.float64]

#: Share of half the rate that a band is cut to, where it goes beyond.
NYQUIST_SHARE = 0.95
#: Width of a notch, in Hz.
NOTCH_WIDTH = 2.0


@dataclass(frozen=True)
class EmgOptions:
    """How raw EMG becomes envelopes.

    Attributes
    ----------
    band
        Hz of the band-pass; None for none. Its upper end is cut where the rate does not allow it, which is warned of.
    notch
        Hz of mains hum to take out, with its harmonics inside the band; None for none.
    lowpass
        Hz of the envelope's low-pass; None for none.
    order
        Of the filters, of each pass.
    rate
        Samples per s of the envelope; None keeps them.
    normalise
        ``"none"``; ``"maximum"``: each channel by its own; ``"mvc"``: by ``maxima`` of maximum voluntary contractions.
    maxima
        What each channel is divided by with ``"mvc"``, in the units of its envelope: :func:`maxima_of` takes them from
        a trial.

    Raises
    ------
    InputError
        A number out of range.
    """

    band: tuple[float, float] | None = (20.0, 400.0)
    notch: float | None = None
    lowpass: float | None = 6.0
    order: int = 4
    rate: float | None = None
    normalise: Literal["none", "maximum", "mvc"] = "none"
    maxima: tuple[tuple[str, float], ...] = ()

    def __post_init__(self) -> None:
        if self.band is not None and not 0.0 < self.band[0] < self.band[1]:
            raise InputError(explain("0 < lower < upper end of the band, Hz", f"{self.band}", "(20, 400) is usual."))
        for name in ("notch", "lowpass", "rate"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, int | float) and 0.0 < value < np.inf):
                raise InputError(explain(f"{name} above 0 Hz", repr(value), "None leaves it out."))
        if not (isinstance(self.order, int) and 1 <= self.order <= 10):
            raise InputError(explain("an order from 1 to 10", repr(self.order), "4 is usual."))
        if self.normalise not in ("none", "maximum", "mvc"):
            raise InputError(explain("normalise 'none', 'maximum' or 'mvc'", repr(self.normalise), "Choose one."))
        if (self.normalise == "mvc") != bool(self.maxima):
            fix = "Give maxima=(('soleus', 0.8), …) with normalise='mvc', and only then."
            raise InputError(explain("maxima of the channels with 'mvc'", f"{len(self.maxima)}", fix))
        if bad := [name for name, value in self.maxima if not 0.0 < value < np.inf]:
            raise InputError(explain("maxima above 0", ", ".join(bad), "Leave these channels out."))


def process_emg(emg: Emg, options: EmgOptions = EmgOptions()) -> Emg:
    """Make envelopes: mean removed, band-pass, notch, rectified, low-pass, nothing below 0, resampled, normalised.

    Of what already is an envelope only the last three steps are done. Gaps (NaN) of a channel are bridged by straight
    lines for the filters and are gaps again afterwards.

    Raises
    ------
    InputError
        Samples that are not even, or too few for the filters; a low-pass beyond half the rate; a channel without a
        maximum.
    """
    if not emg.even:
        step = np.diff(emg.time)
        got = f"{step.min():.3g} to {step.max():.3g} s"
        raise InputError(
            explain("EMG samples that are equally far apart", got, "Resample it first.", emg.source.get("path"))
        )
    holes = ~np.isfinite(emg.value)
    done = emg.after("bridge gaps", _bridged(emg), samples=int(holes.sum())) if holes.any() else emg
    if not emg.envelope:
        done = done.after("remove mean", done.value - done.value.mean(axis=0))
        done = _band_passed(done, options)
        done = _notched(done, options)
        done = done.after("rectify", np.abs(done.value))
        if options.lowpass is not None:
            done = done.after(
                "low-pass", filtered(done.value, done.rate, options.lowpass, "lowpass", options.order),
                cutoff_hz=options.lowpass, order=options.order, passes=2, envelope=True,
            )  # fmt: skip
            # a filter swings below 0 beside steep bursts, by some per cent of them; activity does not
            done = done.after("no less than 0", np.maximum(done.value, 0.0), least=float(done.value.min()))
    done = done.after("restore gaps", np.where(holes, np.nan, done.value)) if holes.any() else done
    return _normalised(_resampled(done, options), options)


def maxima_of(trial: Emg, options: EmgOptions = EmgOptions()) -> tuple[tuple[str, float], ...]:
    """``maxima`` for :class:`EmgOptions`: the largest value of each channel in a trial of maximum contractions.

    The trial is processed by the options' own filters, as what is divided by it will be.
    """
    envelope = process_emg(trial, replace(options, normalise="none", maxima=(), rate=None))
    largest = np.nanmax(envelope.value, axis=0)
    return tuple((name, float(most)) for name, most in zip(envelope.channels, largest, strict=True))


def filtered(
    value: Array, rate: float, cutoff: float | tuple[float, float], kind: Literal["lowpass", "bandpass"], order: int
) -> Array:
    """(T, C) after a Butterworth filter, forward and backward; at a cut-off the two passes let 1/√2 through.

    Raises
    ------
    InputError
        A cut-off that is not between 0 and half the rate, or too few samples.
    """
    from scipy.signal import butter, sosfiltfilt

    half = 0.5 * rate
    ends = np.atleast_1d(np.asarray(cutoff, dtype=float))
    if not ((ends > 0.0) & (ends < half)).all():
        got = ", ".join(f"{end:g}" for end in ends)
        raise InputError(explain(f"cut-offs between 0 and {half:g} Hz (half the rate)", got, "Choose others."))
    sos = butter(order, _widened(ends, half, kind, order).squeeze(), kind, output="sos")
    # a transient of the slowest pole dies away within a period or two of the lowest frequency
    pad = int(min(len(value) - 1, np.ceil(3.0 * rate / ends.min())))
    if len(value) <= 3 * (2 * len(sos) + 1):
        least = 3 * (2 * len(sos) + 1) + 1
        raise InputError(explain(f"at least {least} samples of EMG to filter", str(len(value)), "Give more."))
    return np.asarray(sosfiltfilt(sos, value, axis=0, padtype="odd", padlen=pad))


def _widened(ends: Array, half: float, kind: str, order: int) -> Array:
    """Cut-offs of a single pass, as shares of half the rate: so that two passes are 3 dB down where asked.

    Each pass of a Butterworth low-pass has the gain 1/√(1 + (w/w_c)^2n) in the warped frequency w = tan(π f / rate);
    two passes give 1/√2 at w if w_c = w / (√2 − 1)^(1/2n). A band-pass is the same of its width about its centre.
    """
    share = (np.sqrt(2.0) - 1.0) ** (1.0 / (2 * order))
    warped = np.tan(0.5 * np.pi * ends / half)
    if kind == "lowpass":
        wide = warped / share
    else:
        width = (warped[1] - warped[0]) / share
        centre = warped[0] * warped[1]
        upper = 0.5 * width + np.sqrt(0.25 * width**2 + centre)
        wide = np.array([centre / upper, upper])
    return np.asarray(np.arctan(wide) / (0.5 * np.pi))


def _band_passed(emg: Emg, options: EmgOptions) -> Emg:
    if options.band is None:
        return emg
    low, high = options.band
    most = NYQUIST_SHARE * 0.5 * emg.rate
    if high > most:
        if low >= most:
            got = f"{emg.rate:g} Hz"
            fix = "Give raw EMG, or say that these are envelopes (envelope=True)."
            raise InputError(explain(f"EMG sampled at more than {2.0 * low / NYQUIST_SHARE:g} Hz", got, fix))
        warn(f"The band of {low:g} to {high:g} Hz ends beyond what {emg.rate:g} Hz can hold: cut to {most:g} Hz.")
        high = most
    value = filtered(emg.value, emg.rate, (low, high), "bandpass", options.order)
    return emg.after("band-pass", value, band_hz=[low, high], order=options.order, passes=2)


def _notched(emg: Emg, options: EmgOptions) -> Emg:
    if options.notch is None:
        return emg
    from scipy.signal import filtfilt, iirnotch

    top = min(options.band[1] if options.band else np.inf, NYQUIST_SHARE * 0.5 * emg.rate)
    value, taken = emg.value, []
    for hum in np.arange(options.notch, top, options.notch):
        b, a = iirnotch(hum, hum / NOTCH_WIDTH, emg.rate)
        value = filtfilt(b, a, value, axis=0)
        taken.append(float(hum))
    return emg.after("notch", np.asarray(value), hum_hz=taken, width_hz=NOTCH_WIDTH, passes=2)


def _resampled(emg: Emg, options: EmgOptions) -> Emg:
    if options.rate is None:
        return emg
    if options.lowpass is not None and options.rate < 2.0 * options.lowpass:
        fix = "Resample to more, or filter lower."
        raise InputError(explain(f"rate of at least {2.0 * options.lowpass:g} Hz", f"{options.rate:g} Hz", fix))
    count = int((emg.time[-1] - emg.time[0]) * options.rate + 1e-6) + 1
    time = emg.time[0] + np.arange(count) / options.rate
    columns = [np.interp(time, emg.time, emg.value[:, place]) for place in range(len(emg.channels))]
    return emg.after("resample", np.stack(columns, axis=1), time, rate_hz=options.rate, how="linear")


def _normalised(emg: Emg, options: EmgOptions) -> Emg:
    if options.normalise == "none":
        return emg
    if options.normalise == "maximum":
        largest = np.nanmax(emg.value, axis=0)
        told = "own maximum"
    else:
        given = dict(options.maxima)
        if lacking := [name for name in emg.channels if name not in given]:
            raise InputError(explain("a maximum of each channel", f"none of {', '.join(lacking)}", "Give them all."))
        largest = np.array([given[name] for name in emg.channels])
        told = "mvc"
    if flat := [name for name, most in zip(emg.channels, largest, strict=True) if not most > 0.0]:
        raise InputError(explain("channels with a maximum above 0", ", ".join(flat), "Leave these channels out."))
    by = dict(zip(emg.channels, largest.tolist(), strict=True))
    return emg.after("normalise", emg.value / largest, by=by, amplitude=told)


def _bridged(emg: Emg) -> Array:
    filled = emg.value.copy()
    for place, name in enumerate(emg.channels):
        known = np.isfinite(filled[:, place])
        if known.sum() < 2:
            raise InputError(explain(f"two samples or more of EMG channel {name}", str(known.sum()), "Leave it out."))
        filled[~known, place] = np.interp(emg.time[~known], emg.time[known], filled[known, place])
    return filled
