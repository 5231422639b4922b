"""Agreement of single channels: over all strides, and stride by stride."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from . import metrics
from .intervals import ENOUGH, interval, pieces_of
from .onset import on_by_threshold, onsets

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

#: s that lags are looked for over, where no stride says how long one is.
AROUND = 0.5


@dataclass(frozen=True, eq=False)
class ChannelCurves:
    """Both activities of C channels over T even times, and the strides among them as (first, last) samples.

    ``measured`` is NaN where nothing was measured, and between strides where there are any. ``amplitude`` says whether
    differences between the two mean anything.
    """

    time: Array
    rate: float
    simulated: Array
    measured: Array
    channels: tuple[str, ...]
    strides: tuple[tuple[int, int], ...]
    amplitude: bool

    @property
    def half_stride(self) -> float:
        """S over which a curve may be shifted to look for a lag."""
        long = 0.5 * float(np.mean([last - first for first, last in self.strides])) / self.rate if self.strides else 0.0
        return min(long or AROUND, 0.4 * float(self.time[-1] - self.time[0]))

    def pooled(self) -> tuple[pd.DataFrame, str]:
        """One row per channel, and in words what its intervals are over."""
        import pandas as pd

        pieces, drawn = pieces_of(len(self.time), self.rate, self.strides)
        on = self._on()
        rows = {}
        for place, channel in enumerate(self.channels):
            a, b = self.simulated[:, place], self.measured[:, place]
            low, high = _interval(a, b, pieces)
            row = {"r": metrics.pearson(a, b), "r_low": low, "r_high": high, **self._row(place, self.measured, on)}
            lag, r = metrics.best_lag(a, b, self.rate, -self.half_stride, self.half_stride)
            rows[channel] = {**row, "lag_anywhere": lag, "r_anywhere": r}
        table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("channel")
        by_stride = self.by_stride()["r"].groupby(level="channel", sort=False)
        return table.assign(r_stride_mean=by_stride.mean(), r_stride_sd=by_stride.std()), drawn

    def common_lag(self) -> tuple[float, float, float]:
        """Lag in s at which all channels together agree best, their mean r there, and within the delay."""
        lag, r = metrics.best_lag(self.simulated, self.measured, self.rate, -self.half_stride, self.half_stride)
        return lag, r, metrics.best_lag(self.simulated, self.measured, self.rate, 0.0, metrics.DELAY[1])[1]

    def by_stride(self) -> pd.DataFrame:
        """One row per channel and stride; none where there are no strides."""
        import pandas as pd

        rows, on = [], self._on()
        later = round(metrics.DELAY[1] * self.rate)  # samples after a stride that lags look at
        for number, (first, last) in enumerate(self.strides):
            part = slice(first, last + later)
            own = self.measured[part].copy()
            own[last - first :] = np.nan
            for place, channel in enumerate(self.channels):
                begin = {"channel": channel, "stride": number, "start": float(self.time[first])}
                r = metrics.pearson(self.simulated[part, place], own[:, place])
                rows.append({**begin, "r": r, **self._row(place, own, on, part)})
        columns = ["channel", "stride", "start", "r", "lag", "r_delay", *LATER]
        return pd.DataFrame(rows, columns=columns).set_index(["channel", "stride"])

    def _row(self, place: int, measured: Array, on: tuple[Mask, Mask], part: slice = slice(None)) -> dict[str, float]:
        """What is said of a channel where ``measured`` (T, C), of a part of the times, is known."""
        a, b = self.simulated[part, place], measured[:, place]
        known = np.isfinite(a) & np.isfinite(b)
        lag, r_delay = metrics.best_lag(a, b, self.rate, 0.0, metrics.DELAY[1])
        inside = [np.where(known, own[part, place], False) for own in on]
        late = metrics.onset_errors(*(onsets(own, self.time[part]) for own in inside))
        return {
            "lag": lag, "r_delay": r_delay, "concordance": metrics.concordance(*(own[known] for own in inside)),
            "onset_error": float(np.median(late)) if len(late) else np.nan,
            "rmse": metrics.rmse(a, b) if self.amplitude else np.nan,
            "mae": metrics.mae(a, b) if self.amplitude else np.nan,
        }  # fmt: skip

    def _on(self) -> tuple[Mask, Mask]:
        """(T, C) when either is on; thresholds are those of the samples that are compared."""
        known = np.isfinite(self.measured) & np.isfinite(self.simulated)
        known |= ~known.any(axis=0)  # a channel of which nothing is known is never on
        simulated, measured = (np.where(known, np.nan_to_num(own), np.nan) for own in (self.simulated, self.measured))
        return on_by_threshold(simulated, self.rate), on_by_threshold(measured, self.rate)


LATER = ("concordance", "onset_error", "rmse", "mae")


def _interval(a: Array, b: Array, pieces: Sequence[Any]) -> tuple[float, float]:
    """Of the correlation; NaN where too few pieces have numbers."""
    known = [piece for piece in pieces if np.isfinite(a[piece] * b[piece]).sum() >= metrics.FEWEST]
    if len(known) < ENOUGH:
        return float("nan"), float("nan")
    return interval(lambda keep: metrics.pearson(a[keep], b[keep]), known, correlation=True)
