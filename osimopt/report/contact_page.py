"""Sections of a page about contact forces: agreement with measured ones, and those of every joint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..analysis.contact_comparison import PEAKS, ContactComparison
from ..solution.reader import Result
from .contact_figures import draw_compared, draw_reactions
from .curves import Axis
from .page import Section, number

if TYPE_CHECKING:
    from ..analysis.contact_ranges import ContactRanges

NOTE = (
    "Differences are simulated less measured; r is Pearson's, at no lag. Peaks, simulated / measured, are means over "
    "strides: the largest forces on both sides of the deepest valley in the middle half of stance. Agreement can come "
    "from a wrong cause: parameters that were chosen on a measured force cannot be judged by it."
)
RANGES = " Band: all forces that the moments and the limits of muscles allow."
REACTIONS = (
    "What joints transmit: muscles, ligaments and other forces of the model, weight, inertia and loads. Ligaments that "
    "the model does not have, and muscles that work against each other beyond what the cost asks for, are missing."
)


def contact_sections(
    measured: Mapping[str, ContactComparison], ranges: Mapping[str, ContactRanges] | None
) -> list[Section]:
    """Agreement with measured contact forces; nothing without any."""
    if not measured:
        return []
    many = len(measured) > 1
    rows = [
        [component, *([name] if many else []), *_cells(comparison, component)]
        for component in next(iter(measured.values())).table.index
        for name, comparison in measured.items() if component in comparison.table.index
    ]  # fmt: skip
    columns = [
        "component", *(["solution"] if many else []), "r", "RMSE (N)", "RMSE (BW)", "RMSE by stride (N)", "bias (N)",
        *(f"{peak} peak {what}" for peak in PEAKS for what in ("(N)", "(BW)", "at (% of the stride)")),
    ]  # fmt: skip
    note = NOTE + RANGES * bool(ranges)
    figures = [draw_compared(measured, ranges)]
    return [
        Section(
            "Agreement with measured contact forces", note, figures=figures, columns=columns, rows=rows, grouped=many
        )
    ]


def _cells(comparison: ContactComparison, component: Any) -> list[str]:
    row, peaks = comparison.table.loc[component], comparison.peaks
    cells = [number(row["r"]), number(row["rmse"], "{:.0f}"), number(row["rmse_bw"])]
    spread = (number(row[f"rmse_{name}"], "{:.0f}") for name in ("mean", "sd"))
    cells.append(" ± ".join(spread) if np.isfinite(row["rmse_mean"]) else "–")
    cells.append(number(row["bias"], "{:+.0f}"))
    for peak in PEAKS:
        if not len(peaks):
            cells += ["–"] * 3
            continue
        rows = peaks.loc[[component]].xs(peak, level="peak")
        for unit, form in (("", "{:.0f}"), ("_bw", "{:.2f}"), ("_percent", "{:.0f}")):
            cells.append(" / ".join(number(rows[f"{name}{unit}"].mean(), form) for name in ("simulated", "measured")))
    return cells


def reaction_sections(results: Mapping[str, Result], axis: Axis) -> list[Section]:
    """Contact forces of the joints whose reactions solutions have; nothing without any."""
    figures = draw_reactions(results, axis)
    return [Section("Joint contact forces", REACTIONS, figures=figures)] if figures else []
