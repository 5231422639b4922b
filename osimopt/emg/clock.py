"""estimate_clock: offset and rate of an EMG recorder's clock against that of the motion.

Simulated activities s_c(t) of C channels and measured ones m_c(t') belong together where t = t' + L + ρ (t' − t₀), with
the lag L at the middle t₀ of the trial and the rate ρ. L includes the electromechanical delay, 0 to 100 ms; in periodic
motion it is known only modulo a stride.

Two algorithms find ρ. One maximises the mean correlation over (L, ρ), and then fits a line through the lags of single
strides, whose scatter gives the errors. The other knows no simulation: it compares the stride's period in the EMG with
that in the joint moments.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..problem.arrays import Array
from . import metrics
from .metrics import DELAY

if TYPE_CHECKING:
    from .recording import Emg

#: Lead in s of the simulation over EMG above which the clocks are questioned.
EARLY = 0.03
#: Largest rate that is looked for, and the largest drift over half a trial, in strides, between rates that are tried.
RATES, DRIFT = 0.06, 0.05
#: Fewest strides for a rate.
FEWEST = 5
#: Lags of single strides are looked for within this share of a stride of the line through all.
NEAR = 0.15
#: Range in s of periods of strides, and the least autocorrelation of joint moments at one.
PERIODS, PERIODIC = (0.4, 2.5), 0.5
#: Step in s of the search over lags and rates.
COARSE = 0.02
#: Harmonics of a stride's frequency that count in its period.
HARMONICS = 5
#: A rate is a finding if both algorithms agree that it is at least this, and more than its error.
LEAST_RATE = 0.002
#: Mean correlation at the best lag below which clocks cannot be judged.
ALIKE = 0.4
#: A lag counts as wrong if the mean correlation rises by this with it.
GAIN = 0.005
#: Rates by both algorithms agree within this, and a quarter of the rate.
SAME_RATE = 0.003
#: Relative uncertainty of a rate above which a note gives it.
TOLD = 0.005


@dataclass(frozen=True)
class Clock:
    """How the times of EMG differ from those of the motion.

    Attributes
    ----------
    lag, lag_error : float
        Time in s that brings EMG to the simulation at ``middle``, and half of its 95 % interval (NaN with fewer than
        five strides). Electromechanical delay (0 to 100 ms) is a part of it.
    rate, rate_error : float
        Relative error of EMG's time axis, positive where its seconds are too short; NaN with fewer than five strides.
    rate_by_period : float
        The same by the period of strides in EMG and in joint moments.
    stride : float
        Period of the motion in s; NaN where it has none. The lag is known modulo this.
    middle : float
        Time in s of the middle of the trial.
    r, r_delay : float
        Mean correlation over channels with the lag and rate; and with EMG's own times within 0 to 100 ms.
    """

    lag: float
    lag_error: float
    rate: float
    rate_error: float
    rate_by_period: float
    stride: float
    middle: float
    r: float
    r_delay: float

    @property
    def judged(self) -> bool:
        """Whether EMG and simulation are alike enough, at any lag, to judge clocks by."""
        return bool(self.r >= ALIKE)

    @property
    def rate_is_off(self) -> bool:
        """Whether both algorithms find another rate than the motion's."""
        least, apart = min(abs(self.rate), abs(self.rate_by_period)), abs(self.rate - self.rate_by_period)
        alike = self.rate * self.rate_by_period > 0.0 and apart <= SAME_RATE + 0.25 * abs(self.rate)
        return bool(self.judged and alike and least >= LEAST_RATE and abs(self.rate) > self.rate_error)

    @property
    def lag_is_off(self) -> bool:
        """Whether the lag, or its nearest equal modulo a stride, is outside of what delay and filters explain."""
        return bool(self.judged and self.r - self.r_delay >= GAIN and not -EARLY <= self.lag <= DELAY)

    def findings(self) -> list[str]:
        """What is wrong with the clocks, as at most one sentence with numbers."""
        parts = []
        if self.rate_is_off:
            parts.append(
                f"the clock of EMG is wrong by {100.0 * self.rate:+.2f} % ± {100.0 * self.rate_error:.2f} % "
                f"({100.0 * self.rate_by_period:+.2f} % by the period of strides)"
            )
        if self.lag_is_off:
            error = "" if np.isnan(self.lag_error) else f" ± {self.lag_error:.3f} s"
            stride = "" if np.isnan(self.stride) else f", known modulo a stride of {self.stride:.2f} s"
            parts.append(f"EMG is {self._early()}{error} at {self.middle:.2f} s{stride}")
        if not parts:
            return []
        rate = self.rate if self.rate_is_off else 0.0
        lag = self.lag if self.lag_is_off else 0.0
        text = " and ".join(parts)
        fix = f"shift {lag - rate * self.middle:+.3f} s" + (f" and clock rate {rate:+.4f}" if rate else "")
        return [
            f"Clocks: {text}: mean r {self.r:.2f} with this taken out, {self.r_delay:.2f} without it, within "
            f"{1e3 * DELAY:.0f} ms. Check synchronisation and filters before agreement is read; {fix} takes it out."
        ]

    def notes(self) -> list[str]:
        """The lag of all channels, and what is not known of the clocks."""
        if not np.isfinite(self.r):
            return []
        error = "" if np.isnan(self.lag_error) else f" ± {self.lag_error:.3f}"
        found = [
            f"All channels together agree best with the simulation {self.lag:+.3f}{error} s after the EMG "
            f"(mean r {self.r:.2f}, {self.r_delay:.2f} within {1e3 * DELAY:.0f} ms)."
        ]
        if not self.judged:
            found.append(f"EMG and simulation agree too little at any lag (mean r {self.r:.2f}) to judge the clocks.")
        elif np.isnan(self.rate_error):
            found.append(f"The rate of EMG's clock cannot be determined from fewer than {FEWEST} strides.")
        elif not self.rate_is_off and max(self.rate_error, abs(self.rate - self.rate_by_period)) > TOLD:
            least = 100.0 * max(self.rate_error, abs(self.rate - self.rate_by_period))
            found.append(f"The rate of EMG's clock is known to ± {least:.1f} %: a smaller error cannot be determined.")
        return found

    def _early(self) -> str:
        return f"{abs(self.lag):.3f} s {'early' if self.lag > 0.0 else 'late'}"

    def corrected(self, emg: Emg) -> Emg:
        """EMG with the rate, and a lag outside of the delay, taken out."""
        lag = self.lag if self.lag_is_off else 0.0
        rate = self.rate if self.rate_is_off else 0.0
        return emg.retimed(lag - rate * self.middle, rate)


def estimate_clock(time: Array, simulated: Array, measured: Array, moments: Array) -> Clock:
    """Offset and rate between EMG and motion, from curves at evenly spaced times of the motion.

    Parameters
    ----------
    time : (T,) array
        s.
    simulated, measured : (T, C) array
        Activity of C channels; NaN where there is none.
    moments : (T, D) array
        Joint moments, whose period is the motion's.

    Returns
    -------
    Clock
        With NaN where the trial is too short or not periodic.
    """
    step, middle = float(time[1] - time[0]), 0.5 * float(time[0] + time[-1])
    stride = period_of(moments, step)
    length = float(time[-1] - time[0])
    reach = 0.5 * stride if np.isfinite(stride) else min(0.5, 0.4 * length)
    reach = min(reach, 0.4 * length)
    model, emg = _standard(simulated), _standard(measured)
    strides = length / stride if np.isfinite(stride) else 0.0
    many = strides >= FEWEST
    skip = max(1, int(COARSE / step + 1e-6))
    spacing = 2.0 * DRIFT / strides if many else None
    lag, rate = _search(model[::skip], emg[::skip], time[::skip] - middle, skip * step, reach, spacing)
    lag_error = rate_error = by_period = float("nan")
    if not many:
        near = 2.0 * skip * step
        lag += metrics.best_lag(model, _moved(emg, time - middle, lag, 0.0), 1.0 / step, -near, near)[0]
    if many:
        lag, lag_error, rate, rate_error = _line(model, emg, time - middle, stride, lag, rate)
        own = _period_near(np.nan_to_num(emg), step, stride * (1.0 - rate))
        by_period = float(_period_near(np.nan_to_num(_standard(moments)), step, stride) / own - 1.0)
    shown = rate if np.isfinite(rate) else 0.0
    r = _mean_r(model, _moved(emg, time - middle, lag, shown))
    found = [_mean_r(model, _moved(emg, time - middle, delay, 0.0)) for delay in np.linspace(0.0, DELAY, 11)]
    return Clock(
        lag, lag_error, rate if many else float("nan"), rate_error, by_period, stride, middle, r, float(np.max(found))
    )


def period_of(curves: Array, step: float) -> float:
    """Period in s of curves (T, n) at steps of ``step`` s, by their mean autocorrelation; NaN without one."""
    whole = np.nan_to_num(_standard(curves))
    whole = whole[:, np.abs(whole).max(axis=0) > 0.0]
    shifts = np.arange(round(PERIODS[0] / step), min(round(PERIODS[1] / step), round(0.6 * len(whole))))
    if len(shifts) < 3 or not whole.shape[1]:
        return float("nan")
    r = np.array([np.mean(whole[s:] * whole[: len(whole) - s]) for s in shifts])
    peaks = np.flatnonzero((r[1:-1] >= r[:-2]) & (r[1:-1] > r[2:]) & (r[1:-1] >= PERIODIC)) + 1
    if not len(peaks):
        return float("nan")
    best = peaks[np.flatnonzero(r[peaks] >= 0.9 * r[peaks].max())[0]]  # the first of equals: not two strides
    return float(shifts[best] * step)


def _standard(curves: Array) -> Array:
    """Columns with mean 0 and variance 1; those that are constant or unknown are NaN."""
    known = np.isfinite(curves)
    count = np.maximum(known.sum(axis=0), 1)
    centred = np.where(known, curves - np.where(known, curves, 0.0).sum(axis=0) / count, np.nan)
    size = np.sqrt(np.where(known, centred, 0.0).__pow__(2).sum(axis=0) / count)
    return np.asarray(np.where(size > 1e-12, centred / np.where(size > 1e-12, size, 1.0), np.nan))


def _moved(emg: Array, about: Array, lag: float, rate: float) -> Array:
    """EMG at the times of the motion, NaN outside: t' with t = t' + L + ρ (t' − t₀)."""
    at = (about - lag) / (1.0 + rate)
    return np.stack([np.interp(at, about, column, left=np.nan, right=np.nan) for column in emg.T], axis=1)


def _mean_r(model: Array, emg: Array) -> float:
    each = [metrics.pearson(a, b) for a, b in zip(model.T, emg.T, strict=True)]
    return float(np.nanmean(each)) if np.isfinite(each).any() else float("nan")


def _search(
    model: Array, emg: Array, about: Array, step: float, reach: float, spacing: float | None
) -> tuple[float, float]:
    """Lag and rate of the largest mean correlation, on a grid; no rate without ``spacing``."""
    rates = np.zeros(1) if spacing is None else np.linspace(-RATES, RATES, 2 * int(np.ceil(RATES / spacing)) + 1)
    shifts = np.arange(np.ceil((0.5 * DELAY - reach) / step), np.floor((0.5 * DELAY + reach) / step) + 1).astype(int)
    size = 1 << int(np.ceil(np.log2(2 * len(about))))
    seen = np.fft.rfft(np.nan_to_num(model), size, axis=0)
    best = (-np.inf, 0.0, 0.0)
    for rate in rates:
        other = np.fft.rfft(np.nan_to_num(_moved(emg, about, 0.0, float(rate))), size, axis=0)
        common = np.fft.irfft((seen * other.conj()).sum(axis=1), size)[shifts] / (len(about) - np.abs(shifts))
        if common.max() > best[0]:
            best = (float(common.max()), float(shifts[common.argmax()] * step), float(rate))
    return best[1], best[2]


def _line(
    model: Array, emg: Array, about: Array, stride: float, lag: float, rate: float
) -> tuple[float, float, float, float]:
    """Lag and rate, each with half of its 95 % interval, by a line through the lags of single strides."""
    from scipy.stats import t as student

    step = float(about[1] - about[0])
    samples = max(round(stride / step), 3)
    for _ in range(2):
        emg_here, at, off = _moved(emg, about, lag, rate), [], []
        for first in range(0, len(about) - samples + 1, samples):
            part = slice(first, first + samples)
            late, r = metrics.best_lag(model[part], emg_here[part], 1.0 / step, -NEAR * stride, NEAR * stride)
            if np.isfinite(late) and r > 0.0 and abs(late) < NEAR * stride - step:
                at.append(float(about[part].mean()))
                off.append(late)
        if len(at) < FEWEST:
            return lag, float("nan"), rate, float("nan")
        x, y = np.array(at), np.array(off)
        keep = np.abs(y - np.median(y)) <= 4.0 * max(1.4826 * float(np.median(np.abs(y - np.median(y)))), step)
        x, y = x[keep], y[keep]
        if len(x) < FEWEST:
            return lag, float("nan"), rate, float("nan")
        slope, level = np.polyfit(x, y, 1)
        lag, rate = lag + float(level), rate + float(slope)
    spread = np.sqrt(np.sum((y - np.polyval((slope, level), x)) ** 2) / (len(x) - 2))
    factor = float(student.ppf(0.975, len(x) - 2)) * spread
    return lag, float(factor / np.sqrt(len(x))), rate, float(factor / np.sqrt(np.sum((x - x.mean()) ** 2)))


def _period_near(curves: Array, step: float, period: float) -> float:
    """Period in s near another: the largest power of the first harmonics together, over all curves."""
    time = np.arange(len(curves)) * step
    window = np.hanning(len(curves))[:, None] * curves
    span = time[-1]

    def power(frequency: float) -> float:
        phase = np.exp(-2j * np.pi * frequency * np.outer(np.arange(1, HARMONICS + 1), time))
        return float(np.sum(np.abs(phase @ window) ** 2))

    from scipy.optimize import minimize_scalar

    width = 0.7 / span
    grid = 1.0 / period + np.linspace(-width, width, 41)
    best = grid[int(np.argmax([power(f) for f in grid]))]
    found = minimize_scalar(lambda f: -power(f), bounds=(best - width / 20.0, best + width / 20.0), method="bounded",
                            options={"xatol": 1e-7})  # fmt: skip
    return float(1.0 / found.x)
