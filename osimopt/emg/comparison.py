"""What a comparison with EMG found: tables, flags, checks, sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import some
from ..solution.checks import Check
from .channel import ChannelCurves
from .quality import Flag

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class EmgComparison:
    """Agreement of a solution with EMG.

    Attributes
    ----------
    curves
        What was compared: both activities at even times, on one footing, and the strides.
    table
        One row per channel: ``r`` (at no lag) with its 95 % interval ``r_low`` and ``r_high``, ``lag`` (s, positive:
        simulated later) within the electromechanical delay and ``r_delay`` there, ``concordance`` of on and off,
        ``onset_error`` (s, median), ``rmse`` and ``mae`` (NaN where amplitude means nothing), ``lag_anywhere`` over ±
        half a stride and ``r_anywhere`` there, mean and standard deviation of r over strides.
    by_stride
        The same of each stride.
    co_contraction
        One row per pair of antagonists: index measured and simulated, and its error.
    coverage
        Which muscles have no EMG, and which EMG no muscle.
    flags
        What is wrong with channels.
    gates
        What must hold before agreement means anything.
    footing
        In words, how activation and EMG were brought together.
    notes
        Sentences for a reader.
    """

    curves: ChannelCurves
    table: pd.DataFrame
    by_stride: pd.DataFrame
    co_contraction: pd.DataFrame
    coverage: pd.DataFrame
    flags: tuple[Flag, ...]
    gates: tuple[Check, ...]
    footing: str
    notes: tuple[str, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        """Return one line."""
        channels, strides = len(self.curves.channels), len(self.curves.strides)
        middle = f"median r {self.table['r'].median():.2f}"
        return f"<EmgComparison: {channels} channels, {strides} strides, {middle}, {len(self.flags)} flags>"

    def measured_activation(self, time: Array, muscles: Sequence[str]) -> Array:
        """(T, M) what EMG says of muscles at other times (s): each its channel's; NaN where nothing does.

        For :func:`osimopt.identify_cost`, where amplitudes are shares of a maximum voluntary contraction.
        """
        values = np.full((len(time), len(muscles)), np.nan)
        for place, channel in enumerate(self.curves.channels):
            own = np.interp(time, self.curves.time, self.curves.measured[:, place], left=np.nan, right=np.nan)
            for name in self.provenance["mapping"][channel]:
                values[:, list(muscles).index(name)] = own
        return values

    def findings(self) -> list[str]:
        """Checks that fail, flags, notes: in sentences."""
        failed = [check for check in self.gates if check.passes is False]
        told = [f"{check.name}: {check.found}, the limit is {check.limit}." for check in failed]
        return [*told, *self.flagged(), *self.notes]

    def flagged(self) -> list[str]:
        """Flags, one sentence for all channels of one."""
        by_text: dict[str, list[str]] = {}
        for flag in self.flags:
            by_text.setdefault(flag.text, []).append(flag.channel)
        ends = {text: "" if text.endswith("?") else "." for text in by_text}
        return [f"{some(channels, 4)}: {text}{ends[text]}" for text, channels in by_text.items()]

    def summary(self) -> dict[str, Any]:
        """Plain data: tables as lists of rows, findings, how it was done."""
        tables = {name: getattr(self, name).reset_index() for name in ("table", "co_contraction", "coverage")}
        plain = {
            name: table.astype(object).where(table.notna(), None).to_dict("records") for name, table in tables.items()
        }
        return {
            "footing": self.footing, "strides": [[float(self.curves.time[place]) for place in own]
            for own in self.curves.strides], **plain, "findings": self.findings(), **self.provenance,
        }  # fmt: skip
