"""Figures of bands: what the moments allow each muscle, and what uncertain parameters leave of an answer."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, explain, some
from . import style

if TYPE_CHECKING:
    from ..static.ranges import FeasibleRanges
    from ..static.uncertainty import UncertaintyBands

Array = NDArray[np.float64]

#: Panels of a figure, those of the greatest forces first, and how many stand in a row.
PANELS, COLUMNS = 12, 4


def draw_ranges(ranges: FeasibleRanges, path: str | os.PathLike[str], muscles: Sequence[str] | None = None) -> Path:
    """Draw each muscle's feasible force as a band with the solution's line in it; return the path.

    By default the twelve muscles of the greatest optimal force.
    """
    optimum, low, high = (ranges.force(end) for end in (ranges.optimum, ranges.minimum, ranges.maximum))
    chosen = _chosen(ranges.muscles, muscles, optimum)

    def panel(axes: Any, index: int) -> None:
        allowed = low[:, index], high[:, index]
        style.band(axes, ranges.time, *allowed, style.colour(0), "all that meet the moments")
        line = optimum[:, index]
        axes.plot(ranges.time, line, color=style.colour(0), label="solution", **style.dots(line))

    caption = "What the moments and the bounds of activation allow, and what the cost chose"
    return _draw_panels(path, ranges.muscles, chosen, panel, caption)


def draw_uncertainty(
    bands: UncertaintyBands, path: str | os.PathLike[str], muscles: Sequence[str] | None = None
) -> Path:
    """Draw median and outermost percentiles of each muscle's force over the nominal solution; return the path.

    By default the twelve muscles of the greatest nominal force.
    """
    solution = bands.solution
    force = solution.muscle_force
    chosen = _chosen(solution.problem.muscles, muscles, force)
    least, middle, most = (int(np.argmin(np.abs(bands.percentiles - q))) for q in (0.0, 50.0, 100.0))
    names = [f"p{bands.percentiles[i]:g}" for i in (least, middle, most)]

    def panel(axes: Any, index: int) -> None:
        ends = bands.muscle_force[least, :, index], bands.muscle_force[most, :, index]
        style.band(axes, solution.time, *ends, style.colour(1), f"{names[0]} to {names[2]}")
        if middle not in (least, most):
            line = bands.muscle_force[middle, :, index]
            axes.plot(solution.time, line, color=style.colour(1), label=names[1], **style.dots(line))
        dashed = {"color": "#000000", "ls": (0, (4, 2)), "lw": 1.2, "label": "nominal"}
        axes.plot(solution.time, force[:, index], **dashed, **style.dots(force[:, index]))

    drawn = " · ".join(f"{name} {_spread(spread)}" for name, spread in bands.provenance["uncertainty"].items())
    failed = int(bands.failed.max(initial=0))
    unsolved = f" · up to {failed} of them without an answer" if failed else ""
    caption = f"{bands.samples} samples{unsolved} · {drawn}"
    return _draw_panels(path, solution.problem.muscles, chosen, panel, caption)


def _spread(spread: Any) -> str:
    return f"{100.0 * spread:g} %" if isinstance(spread, float) else "by name" if isinstance(spread, dict) else "drawn"


def _chosen(names: Sequence[str], wanted: Sequence[str] | None, force: Array) -> list[int]:
    if wanted is None:
        peak = np.nan_to_num(force, nan=-np.inf).max(axis=0)
        return [int(index) for index in np.argsort(-peak, kind="stable")[:PANELS]]
    if unknown := [name for name in wanted if name not in names]:
        raise InputError(explain(f"muscles among {some(names, 100)}", some(unknown), "Rename them."))
    return [list(names).index(name) for name in wanted]


def _draw_panels(
    path: str | os.PathLike[str], names: Sequence[str], chosen: list[int], panel: Any, caption: str
) -> Path:
    """One panel for each chosen muscle, by ``panel(axes, index)``, with one legend for all."""
    rows = max(1, -(-len(chosen) // COLUMNS))
    columns = max(1, -(-len(chosen) // rows))
    cells = [names[index] for index in chosen] + ["."] * (rows * columns - len(chosen))
    mosaic = [cells[row * columns : (row + 1) * columns] for row in range(rows)]
    size = (max(4.5, 2.6 * columns), 0.9 + 1.9 * rows)
    with style.figure(mosaic, size, sharex=True) as (drawn, axes):
        for place, index in enumerate(chosen):
            at = axes[names[index]]
            panel(at, index)
            bottom = place + columns >= len(chosen)
            style.label(at, names[index], "time (s)" if bottom else "", "force (N)" if place % columns == 0 else "")
            at.tick_params(labelbottom=bottom)
            at.set_ylim(bottom=0.0)
        if chosen:
            first = axes[names[chosen[0]]]
            style.legend_below(drawn, first, first.get_legend_handles_labels()[1])
        style.caption(drawn, caption)
        return style.save(drawn, Path(path))
