"""process_emg: envelopes from raw EMG, without a lag and with every step recorded.

Filters are Butterworth, applied forward and backward, so that they add no lag. At a cut-off the two passes together
have the gain 1/√2, for which each pass is widened.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from ..errors import InputError, explain
from ..notices import warn
from ..options import option
from ..problem.arrays import Array
from .read import read_emg
from .recording import Emg

if TYPE_CHECKING:
    import pandas as pd

#: Upper limit of a band, as a share of half the sampling rate.
NYQUIST_SHARE = 0.95
#: Width of a notch in Hz.
NOTCH_WIDTH = 2.0


@dataclass(frozen=True)
class EmgOptions:
    """Settings for :func:`osimopt.process_emg`.

    Attributes
    ----------
    band : (float, float) or None
        Band-pass in Hz; None for none. An upper end above 95 % of half the sampling rate is lowered, with a warning.
    notch : float or None
        Frequency in Hz of mains hum, which is removed with its harmonics inside the band; None for none.
    lowpass : float or None
        Cut-off in Hz of the envelope's low-pass; None for none.
    order : int
        Order of each pass of the filters, 1 to 10.
    rate : float or None
        Sampling rate in Hz of the envelope; None keeps that of the recording.
    normalise : {"none", "maximum", "mvc"}
        Divide each channel by its own maximum (``"maximum"``) or by ``maxima`` (``"mvc"``).
    maxima : tuple of (str, float)
        Envelope value of each channel in a maximum voluntary contraction (MVC), in the unit of the envelope;
        :func:`osimopt.emg.processing.maxima_of` takes them from a trial. Required with ``"mvc"``, and only then.

    Raises
    ------
    InputError
        A value out of range.

    Examples
    --------
    >>> import osimopt
    >>> osimopt.EmgOptions(notch=50.0, rate=100.0).band
    (20.0, 400.0)
    """

    band: tuple[float, float] | None = option(
        (20.0, 400.0), "Band-pass of raw EMG, Hz.", shell=tuple[float, float], metavar="LOW HIGH"
    )
    notch: float | None = option(None, "Frequency of mains hum to remove, Hz.", shell=float)
    lowpass: float | None = option(6.0, "Low-pass of raw EMG, Hz.", shell=float, flags=("--envelope-hz",))
    order: int = 4
    rate: float | None = None
    normalise: Literal["none", "maximum", "mvc"] = "none"
    maxima: tuple[tuple[str, float], ...] = ()

    def __post_init__(self) -> None:
        if self.band is not None and not 0.0 < self.band[0] < self.band[1]:
            fix = "(20, 400) is the default."
            raise InputError(explain("0 < lower < upper end of the band in Hz", f"{self.band}", fix))
        for name in ("notch", "lowpass", "rate"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, int | float) and 0.0 < value < np.inf):
                raise InputError(explain(f"{name} above 0 Hz", repr(value), "Use None for none."))
        if not (isinstance(self.order, int) and 1 <= self.order <= 10):
            raise InputError(explain("an order from 1 to 10", repr(self.order), "4 is the default."))
        if self.normalise not in ("none", "maximum", "mvc"):
            raise InputError(explain("normalise 'none', 'maximum' or 'mvc'", repr(self.normalise), "Choose one."))
        if (self.normalise == "mvc") != bool(self.maxima):
            fix = "Give maxima=(('soleus', 0.8), …) with normalise='mvc', and only then."
            got = f"{len(self.maxima)} with '{self.normalise}'"
            raise InputError(explain("maxima of the channels with 'mvc', none without", got, fix))
        if bad := [f"{name}={value}" for name, value in self.maxima if not 0.0 < value < np.inf]:
            raise InputError(explain("maxima above 0", ", ".join(bad), "Leave these channels out."))


def process_emg(emg: Emg | pd.DataFrame, options: EmgOptions = EmgOptions()) -> Emg:
    """Compute envelopes of EMG.

    Steps: remove the mean, band-pass, notch, rectify, low-pass, set negative values to 0, resample, normalise.
    Envelopes, also single ones among signals, are only resampled and normalised. Gaps (NaN) are bridged by straight
    lines for the filters and restored afterwards.

    Parameters
    ----------
    emg : Emg or pandas.DataFrame
        T samples of C channels, evenly spaced; a DataFrame as for :func:`osimopt.read_emg`.
    options : EmgOptions
        Settings of the steps.

    Returns
    -------
    Emg
        Envelopes; ``chain`` lists the steps with their settings.

    Raises
    ------
    InputError
        Samples that are not evenly spaced, too few samples or too low a rate for the filters, or a channel without a
        maximum.

    Examples
    --------
    >>> import numpy as np, osimopt
    >>> time = np.arange(4000) / 1000.0
    >>> signal = np.sin(2.0 * np.pi * 90.0 * time) * (time > 2.0)
    >>> envelope = osimopt.process_emg(osimopt.Emg(time, signal[:, None], ("soleus",)), osimopt.EmgOptions(rate=50.0))
    >>> envelope
    <Emg: 1 channels, 0 to 3.98 s at 50 Hz, envelopes>
    >>> envelope.value[[50, 150], 0].round(2)
    array([0.  , 0.64])
    """
    emg = emg if isinstance(emg, Emg) else read_emg(emg)
    if not emg.even:
        step = np.diff(emg.time)
        got = f"{step.min():.3g} to {step.max():.3g} s"
        where = emg.source.get("path")
        raise InputError(explain("evenly spaced samples of EMG", f"intervals of {got}", "Resample it first.", where))
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
            # beside steep bursts a filter undershoots by a few per cent of them
            done = done.after("no less than 0", np.maximum(done.value, 0.0), least=float(done.value.min()))
    if emg.smooth and not emg.envelope:
        kept = np.array([name in emg.smooth for name in emg.channels])
        done = done.after("keep envelopes", np.where(kept, emg.value, done.value), channels=list(emg.smooth), smooth=())
    done = done.after("restore gaps", np.where(holes, np.nan, done.value)) if holes.any() else done
    return _normalised(_resampled(done, options), options)


def maxima_of(trial: Emg, options: EmgOptions = EmgOptions()) -> tuple[tuple[str, float], ...]:
    """``maxima`` for :class:`EmgOptions`: the largest value of each channel in a trial of maximum contractions.

    The trial is processed with the filters of ``options``, as the EMG that will be divided by it.
    """
    envelope = process_emg(trial, replace(options, normalise="none", maxima=(), rate=None))
    largest = np.nanmax(envelope.value, axis=0)
    return tuple(zip(envelope.channels, largest.tolist(), strict=True))


def filtered(
    value: Array, rate: float, cutoff: float | tuple[float, float], kind: Literal["lowpass", "bandpass"], order: int
) -> Array:
    """(T, C) after a Butterworth filter, forward and backward, with a gain of 1/√2 at the cut-offs in Hz.

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
    # transients of the slowest pole decay within one or two periods of the lowest frequency
    pad = int(min(len(value) - 1, np.ceil(3.0 * rate / ends.min())))
    least = 3 * (2 * len(sos) + 1) + 1
    if len(value) < least:
        raise InputError(explain(f"at least {least} samples of EMG to filter", str(len(value)), "Give more."))
    return np.asarray(sosfiltfilt(sos, value, axis=0, padtype="odd", padlen=pad))


def _widened(ends: Array, half: float, kind: str, order: int) -> Array:
    """Cut-offs of a single pass, as shares of half the rate, so that two passes are 3 dB down at ``ends``.

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
            fix = "Give raw EMG, or read it with envelope=True if these are envelopes."
            raise InputError(explain(f"EMG sampled at more than {2.0 * low / NYQUIST_SHARE:g} Hz", got, fix))
        warn(
            f"The band of {low:g} to {high:g} Hz is too wide for a sampling rate of {emg.rate:g} Hz: "
            f"its upper end was lowered to {most:g} Hz."
        )
        high = most
    value = filtered(emg.value, emg.rate, (low, high), "bandpass", options.order)
    return emg.after("band-pass", value, band_hz=[low, high], order=options.order, passes=2)


def _notched(emg: Emg, options: EmgOptions) -> Emg:
    if options.notch is None:
        return emg
    from scipy.signal import filtfilt, iirnotch

    top = min(options.band[1] if options.band else np.inf, NYQUIST_SHARE * 0.5 * emg.rate)
    value, harmonics = emg.value, np.arange(options.notch, top, options.notch).tolist()
    for hum in harmonics:
        value = filtfilt(*iirnotch(hum, hum / NOTCH_WIDTH, emg.rate), value, axis=0)
    return emg.after("notch", np.asarray(value), hum_hz=harmonics, width_hz=NOTCH_WIDTH, passes=2)


def _resampled(emg: Emg, options: EmgOptions) -> Emg:
    if options.rate is None:
        return emg
    if options.lowpass is not None and options.rate < 2.0 * options.lowpass:
        fix = "Resample to more, or filter lower."
        raise InputError(explain(f"a rate of at least {2.0 * options.lowpass:g} Hz", f"{options.rate:g} Hz", fix))
    count = int((emg.time[-1] - emg.time[0]) * options.rate + 1e-6) + 1
    time = emg.time[0] + np.arange(count) / options.rate
    columns = [np.interp(time, emg.time, emg.value[:, place]) for place in range(len(emg.channels))]
    return emg.after("resample", np.stack(columns, axis=1), time, rate_hz=options.rate, how="linear")


def _normalised(emg: Emg, options: EmgOptions) -> Emg:
    if options.normalise == "none":
        return emg
    if options.normalise == "maximum":
        amplitude, maxima = "own maximum", dict(zip(emg.channels, np.nanmax(emg.value, axis=0).tolist(), strict=True))
    else:
        amplitude, maxima = "mvc", dict(options.maxima)
    if lacking := [name for name in emg.channels if name not in maxima]:
        raise InputError(explain("a maximum of each channel", f"none of {', '.join(lacking)}", "Give them all."))
    by = {name: maxima[name] for name in emg.channels}
    if flat := [name for name, most in by.items() if not most > 0.0]:
        raise InputError(explain("channels with a maximum above 0", ", ".join(flat), "Leave these channels out."))
    return emg.after("normalise", emg.value / list(by.values()), by=by, amplitude=amplitude)


def _bridged(emg: Emg) -> Array:
    filled = emg.value.copy()
    for place, name in enumerate(emg.channels):
        known = np.isfinite(filled[:, place])
        if known.sum() < 2:
            raise InputError(explain(f"at least two samples of EMG channel {name}", str(known.sum()), "Leave it out."))
        filled[~known, place] = np.interp(emg.time[~known], emg.time[known], filled[known, place])
    return filled
