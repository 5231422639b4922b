"""The section of a report about costs ranked by EMG: figures of every cost and channel, and the table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from . import style
from .page import Section

if TYPE_CHECKING:
    from ..analysis.cost_ranking import CostRanking

#: Inches of a cell of the table of r, of a panel of curves, and of margins.
CELL, ROW, PANEL, HIGH, MARGIN = 0.55, 0.3, 1.25, 0.75, 2.2
#: Points of a curve in a small panel.
POINTS = 101
#: Letters of a channel's or cost's name in a figure.
LETTERS = 26


def ranking_sections(ranking: CostRanking) -> list[Section]:
    """Figures and table of two costs or more."""
    import pandas as pd

    if len(ranking.table) < 2:
        return []
    rows = []
    for name, row in ranking.table.iterrows():
        cells = ["–"] * 5
        if not row["reason"]:
            low, high, failed = row["behind_low"], row["behind_high"], row["failed"]
            cells = [
                *(f"{row[column]:.3f}" for column in ("chosen_r", "judged_r", "behind")),
                "–" if pd.isna(low) else f"{low:.3f} to {high:.3f}", "–" if pd.isna(failed) else f"{failed:.0f}",
            ]  # fmt: skip
        rows.append([name, *cells, row["reason"]])
    columns = [
        "cost", "mean r, ranked by", "mean r, held out", "behind the first", "95 %", "frames failed", "not tried"
    ]  # fmt: skip
    figures = [draw_table(ranking), draw_costs(ranking)]
    note = "r at no lag, over all strides. Below it, the mean over channels if EMG were earlier or later."
    title = "Which cost agrees best with EMG"
    return [Section(title, note, items=ranking.notes, figures=figures, columns=columns, rows=rows)]


def draw_table(ranking: CostRanking) -> str:
    """Table of colours: r of every cost and channel; and the mean r of every cost over offsets of the clock."""
    costs = list(ranking.by_offset.columns)
    channels = list(next(iter(ranking.comparisons.values())).table.index)
    r = np.array([ranking.comparisons[cost].table["r"].reindex(channels).to_numpy() for cost in costs])
    size = (MARGIN + CELL * max(len(channels), 8), 1.6 + ROW * len(costs) + 2.4)
    ratios = {"height_ratios": [0.8 + ROW * len(costs), 2.4]}
    with style.drawing([["r"], ["offset"]], size, "Agreement of costs with EMG", gridspec_kw=ratios) as (axes, made):
        at = axes["r"]
        at.pcolormesh(np.ma.masked_invalid(r), cmap="RdBu", vmin=-1.0, vmax=1.0, edgecolors="white", lw=0.8)
        at.invert_yaxis()
        at.grid(False)
        for (row, column), value in np.ndenumerate(r):
            text, pale = (f"{value:.2f}" if np.isfinite(value) else "–"), not abs(value) > 0.6
            at.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=8,
                    color="#111111" if pale else "white")  # fmt: skip
        at.set_xticks(
            np.arange(len(channels)) + 0.5, [str(name)[:LETTERS] for name in channels], rotation=35, ha="right"
        )
        at.set_yticks(np.arange(len(costs)) + 0.5, [cost[:LETTERS] for cost in costs])
        at.set_title("r of each cost and channel")
        for index, cost in enumerate(costs):
            axes["offset"].plot(1e3 * ranking.by_offset.index, ranking.by_offset[cost], **style.line(index, cost))
        style.label(axes["offset"], "Mean r, if EMG were later", "EMG later (ms)", "mean r")
        axes["offset"].legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return made.svg


def draw_costs(ranking: CostRanking) -> str:
    """Simulated activity of every cost (rows) over EMG, channel by channel (columns), each panel on its own scale."""
    costs = list(ranking.by_offset.columns)
    first = ranking.comparisons[costs[0]].curves
    mosaic = [[f"{row} {column}" for column in range(len(first.channels))] for row in range(len(costs))]
    size = (MARGIN + PANEL * len(first.channels), 0.9 + HIGH * len(costs))
    with style.drawing(mosaic, size, "Costs over EMG", layout=None) as (axes, made):
        drawn = axes["0 0"].figure
        drawn.subplots_adjust(left=MARGIN / size[0], right=0.99, bottom=0.5 / size[1], top=1.0 - 0.4 / size[1],
                              wspace=0.1, hspace=0.15)  # fmt: skip
        for row, cost in enumerate(costs):
            curves = ranking.comparisons[cost].curves
            for column, channel in enumerate(first.channels):
                panel = axes[f"{row} {column}"]
                x, simulated, measured = _cycle(curves, column)
                top = float(np.nanmax(simulated, initial=0.0))
                height = float(np.nanmax(measured, initial=0.0))
                scale = 1.0 if curves.amplitude else top / max(height, 1e-12)
                panel.fill_between(x, 0.0, scale * measured, color="#7F7F7F", alpha=0.35, lw=0.0)
                panel.plot(x, simulated, color=style.colour(0), lw=1.2)
                panel.set_xticks([])
                panel.set_yticks([])
                panel.set_ylim(0.0, None)
                panel.grid(False)
                if row == 0:
                    panel.set_title(str(channel)[:LETTERS], fontsize=7.5)
                if column == 0:
                    panel.set_ylabel(cost[:LETTERS], rotation=0, ha="right", va="center", fontsize=8)
        unit = "each over one stride" if first.strides else "over time"
        drawn.supxlabel(f"Simulated activation (line) over EMG (grey), {unit}, on its own scale", fontsize=8)
    return made.svg


def _cycle(curves: Any, column: int) -> tuple[Any, Any, Any]:
    """Mean over strides of a channel's activities, or both over time."""
    a, b = curves.simulated[:, column], curves.measured[:, column]
    if not curves.strides:
        return curves.time, a, np.maximum(b, 0.0)
    share = np.linspace(0.0, 1.0, POINTS)
    sample = np.arange(len(a))
    at = [first + share * (last - 1 - first) for first, last in curves.strides]
    simulated, measured = (np.nan_to_num(np.array([np.interp(one, sample, value) for one in at])) for value in (a, b))
    return share, simulated.mean(axis=0), np.maximum(measured.mean(axis=0), 0.0)
