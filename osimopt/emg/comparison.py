"""Curves of simulated and measured activity on one time base, and the result of their comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import some
from ..problem.arrays import Array
from ..solution.checks import Check
from . import metrics
from .clock import Clock
from .metrics import interval, on_by_threshold, onsets, pieces_of
from .quality import Flag

if TYPE_CHECKING:
    import pandas as pd

Mask = NDArray[np.bool_]

#: Range in s of the search for lags where there are no strides.
AROUND = 0.5


@dataclass(frozen=True, eq=False)
class ChannelCurves:
    """Simulated and measured activity of C channels at T evenly spaced times.

    ``strides`` are (first, last) samples. ``measured`` is NaN where nothing was measured and, if there are strides,
    outside of them. ``amplitude`` is True if both are in the same unit, so that differences are meaningful.
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
        """Range in s of the search for lags: half a stride, or ``AROUND`` without strides."""
        mean = float(np.mean([last - first for first, last in self.strides])) / self.rate if self.strides else 0.0
        return min(0.5 * mean or AROUND, 0.4 * float(self.time[-1] - self.time[0]))

    def pooled(self) -> tuple[pd.DataFrame, str]:
        """One row per channel over all strides, and the pieces that the intervals are computed from, in words."""
        import pandas as pd

        pieces, description = pieces_of(len(self.time), self.rate, self.strides)
        on = self._on()
        rows = {}
        for column, channel in enumerate(self.channels):
            a, b = self.simulated[:, column], self.measured[:, column]
            low, high = _interval_of_r(a, b, pieces)
            row = {"r": metrics.pearson(a, b), "r_low": low, "r_high": high, **self._row(column, self.measured, on)}
            lag, r = metrics.best_lag(a, b, self.rate, -self.half_stride, self.half_stride)
            limit = metrics.is_limit(lag, self.rate, -self.half_stride, self.half_stride)
            rows[channel] = {**row, "lag_anywhere": lag, "lag_anywhere_at_limit": limit, "r_anywhere": r}
        table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("channel")
        by_stride = self.by_stride()["r"].groupby(level="channel", sort=False)
        return table.assign(r_stride_mean=by_stride.mean(), r_stride_sd=by_stride.std()), description

    def within(self, strides: tuple[tuple[int, int], ...]) -> ChannelCurves:
        """The same, measured within the strides only; all of it without strides."""
        if not strides:
            return self
        sample = np.arange(len(self.time))
        inside = np.any([(first <= sample) & (sample < last) for first, last in strides], axis=0)
        return replace(self, strides=strides, measured=np.where(inside[:, None], self.measured, np.nan))

    def by_stride(self) -> pd.DataFrame:
        """One row per channel and stride; empty without strides."""
        import pandas as pd

        rows, on = [], self._on()
        later = round(metrics.DELAY * self.rate)  # samples after a stride that a lag may reach
        for number, (first, last) in enumerate(self.strides):
            part = slice(first, last + later)
            measured = self.measured[part].copy()
            measured[last - first :] = np.nan
            for column, channel in enumerate(self.channels):
                begin = {"channel": channel, "stride": number, "start": float(self.time[first])}
                r = metrics.pearson(self.simulated[part, column], measured[:, column])
                rows.append({**begin, "r": r, **self._row(column, measured, on, part)})
        columns = [
            "channel",
            "stride",
            "start",
            "r",
            "lag",
            "lag_at_limit",
            "r_delay",
            "concordance",
            "onset_error",
            "rmse",
            "mae",
        ]
        return pd.DataFrame(rows, columns=columns).set_index(["channel", "stride"])

    def co_contraction(self, pairs: Sequence[tuple[str, str, str]]) -> pd.DataFrame:
        """One row per (channel, channel, coordinate): co-contraction index measured and simulated, and its error.

        Unless amplitudes are meaningful, each curve is first divided by its own maximum.
        """
        import pandas as pd

        rows = []
        for one, other, coordinate in pairs:
            columns = [self.channels.index(one), self.channels.index(other)]
            index = {}
            for name, curves in (("measured", self.measured), ("simulated", self.simulated)):
                known = np.asarray(np.isfinite(self.measured[:, columns]).all(axis=1))
                pair = np.maximum(np.where(known[:, None], curves[:, columns], np.nan), 0.0)
                top = np.nanmax(pair, axis=0, initial=0.0)
                pair = pair if self.amplitude else pair / np.where(top > 0.0, top, 1.0)
                index[name] = metrics.co_contraction(pair[:, 0], pair[:, 1])
            rows.append({"channels": f"{one} / {other}", "coordinate": coordinate, **index})
        table = pd.DataFrame(rows, columns=["channels", "coordinate", "measured", "simulated"]).set_index("channels")
        return table.assign(error=table["simulated"] - table["measured"])

    def _row(self, column: int, measured: Array, on: tuple[Mask, Mask], part: slice = slice(None)) -> dict[str, float]:
        """Lag, timing and differences of one channel over ``part``, for which ``measured`` (T, C) is given."""
        a, b = self.simulated[part, column], measured[:, column]
        known = np.isfinite(a) & np.isfinite(b)
        lag, r_delay = metrics.best_lag(a, b, self.rate, 0.0, metrics.DELAY)
        active = [np.where(known, both[part, column], False) for both in on]
        late = metrics.onset_errors(*(onsets(one, self.time[part]) for one in active))
        return {
            "lag": lag, "lag_at_limit": metrics.is_limit(lag, self.rate, 0.0, metrics.DELAY), "r_delay": r_delay,
            "concordance": metrics.concordance(*(one[known] for one in active)),
            "onset_error": float(np.median(late)) if len(late) else np.nan,
            "rmse": metrics.rmse(a, b) if self.amplitude else np.nan,
            "mae": metrics.mae(a, b) if self.amplitude else np.nan,
        }  # fmt: skip

    def _on(self) -> tuple[Mask, Mask]:
        """(T, C) where simulated and measured activity is on; thresholds are those of the compared samples."""
        known = np.isfinite(self.measured) & np.isfinite(self.simulated)
        known |= ~known.any(axis=0)  # a channel without a sample is never on
        simulated, measured = (np.where(known, np.nan_to_num(both), np.nan) for both in (self.simulated, self.measured))
        return on_by_threshold(simulated, self.rate), on_by_threshold(measured, self.rate)


def _interval_of_r(a: Array, b: Array, pieces: Sequence[NDArray[np.intp]]) -> tuple[float, float]:
    """95 % interval of the correlation; NaN if too few pieces have samples."""
    known = [piece for piece in pieces if np.isfinite(a[piece] * b[piece]).sum() >= metrics.FEWEST]
    if len(known) < metrics.ENOUGH:
        return float("nan"), float("nan")
    return interval(lambda keep: metrics.pearson(a[keep], b[keep]), known, correlation=True)


@dataclass(frozen=True, eq=False, repr=False)
class EmgComparison:
    """Agreement of a solution with EMG, as returned by :func:`osimopt.compare_emg`.

    Attributes
    ----------
    curves : ChannelCurves
        Simulated and measured activity of C channels at evenly spaced times, and the strides.
    table : pandas.DataFrame
        One row per channel: ``r`` (Pearson's, at no lag) with its 95 % interval ``r_low`` and ``r_high``; ``lag`` (s,
        positive where the simulation is later) with the largest correlation within 0 to 100 ms, and ``r_delay`` there;
        ``lag_at_limit`` where it is 0 or 100 ms, so that the best one may lie beyond (so ``lag_anywhere_at_limit``);
        ``concordance`` (share of samples both on or both off); ``onset_error`` (s, median); ``rmse`` and ``mae`` (NaN
        unless amplitudes are shares of an MVC); ``lag_anywhere`` (s) within ± half a stride and ``r_anywhere`` there;
        ``r_stride_mean`` and ``r_stride_sd`` over strides.
    by_stride : pandas.DataFrame
        The same for each channel and stride.
    co_contraction : pandas.DataFrame
        One row per pair of antagonist channels: co-contraction index measured and simulated (0 to 1), and its error.
    coverage : pandas.DataFrame
        Muscles with their channels; muscles without a channel and channels without a muscle have an empty cell.
    flags : tuple of Flag
        Faults of channels.
    checks : tuple of Check
        Checks that must pass before agreement is meaningful.
    footing : str
        How activation and EMG were made comparable.
    clock : Clock
        Lag and rate of EMG's clock against the motion's, from the whole trial.
    notes : tuple of str
        Remarks on the method and on lags.
    provenance : dict
        Source and processing of the EMG, and the mapping.

    Examples
    --------
    >>> import numpy as np, osimopt
    >>> time = np.arange(301) / 100.0
    >>> moment = 12.0 + 8.0 * np.sin(2.0 * np.pi * time)
    >>> problem = osimopt.RedundancyProblem.from_arrays([0.05, 0.03], [500.0, 300.0], moment, time=time)
    >>> solution = osimopt.solve_static(problem)
    >>> emg = osimopt.Emg(time, solution.activation[:, :1], ("flexor",), envelope=True)
    >>> comparison = osimopt.compare_emg(solution, emg, {"flexor": "muscle_0"}, dynamics=False)
    >>> comparison
    <EmgComparison: 1 channels, 0 strides, median r 1.00, 1 flags>
    >>> comparison.flagged()
    ['flexor: 1.0% of the samples are at the very same extreme.']
    """

    curves: ChannelCurves
    table: pd.DataFrame
    by_stride: pd.DataFrame
    co_contraction: pd.DataFrame
    coverage: pd.DataFrame
    flags: tuple[Flag, ...]
    checks: tuple[Check, ...]
    footing: str
    clock: Clock
    notes: tuple[str, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        """Return one line."""
        channels, strides = len(self.curves.channels), len(self.curves.strides)
        middle = f"median r {self.table['r'].median():.2f}"
        return f"<EmgComparison: {channels} channels, {strides} strides, {middle}, {len(self.flags)} flags>"

    def measured_activation(self, time: Array, muscles: Sequence[str]) -> Array:
        """(T, M) measured activity of muscles at ``time`` in s; NaN for muscles without a channel.

        Input for :func:`osimopt.identify_cost`, if amplitudes are shares of a maximum voluntary contraction.
        """
        values = np.full((len(time), len(muscles)), np.nan)
        for column, channel in enumerate(self.curves.channels):
            measured = np.interp(time, self.curves.time, self.curves.measured[:, column], left=np.nan, right=np.nan)
            for name in self.provenance["mapping"][channel]:
                values[:, list(muscles).index(name)] = measured
        return values

    def findings(self) -> list[str]:
        """Failed checks, flags and notes, as sentences."""
        failed = [check for check in self.checks if check.passes is False]
        return [
            *(f"{check.name}: {check.found}, the limit is {check.limit}." for check in failed),
            *self.clock.findings(),
            *self.flagged(),
            *self.notes,
        ]

    def flagged(self) -> list[str]:
        """Flags as sentences, one for all channels with the same text."""
        by_text: dict[str, list[str]] = {}
        for flag in self.flags:
            by_text.setdefault(flag.text, []).append(flag.channel)
        ends = {text: "" if text.endswith("?") else "." for text in by_text}
        return [f"{some(channels, 4)}: {text}{ends[text]}" for text, channels in by_text.items()]

    def summary(self) -> dict[str, Any]:
        """Tables as lists of rows, findings and provenance, ready for JSON."""
        tables = {name: getattr(self, name).reset_index() for name in ("table", "co_contraction", "coverage")}
        return {
            "footing": self.footing,
            "clock": {name: None if np.isnan(value) else value for name, value in asdict(self.clock).items()},
            "strides": [[float(self.curves.time[sample]) for sample in stride] for stride in self.curves.strides],
            **{name: t.astype(object).where(t.notna(), None).to_dict("records") for name, t in tables.items()},
            "findings": self.findings(),
            **self.provenance,
        }
