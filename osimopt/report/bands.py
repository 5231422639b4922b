"""Figures of bands: what the moments allow each muscle, and what uncertain parameters leave of an answer."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from . import style
from .panels import chosen_muscles, draw_panels

if TYPE_CHECKING:
    from ..analysis.ranges import FeasibleRanges
    from ..analysis.uncertainty import UncertaintyBands

Array = NDArray[np.float64]

#: Panels of a figure, those of the greatest forces first.
PANELS = 12


def draw_ranges(ranges: FeasibleRanges, path: str | os.PathLike[str], muscles: Sequence[str] | None = None) -> Path:
    """Draw each muscle's feasible force as a band with the solution's line in it; return the path.

    By default the twelve muscles of the greatest optimal force.
    """
    optimum, low, high = (ranges.force(end) for end in (ranges.optimum, ranges.minimum, ranges.maximum))
    chosen = chosen_muscles(ranges.muscles, muscles, optimum, PANELS)

    def panel(axes: Any, index: int) -> None:
        allowed = low[:, index], high[:, index]
        style.band(axes, ranges.time, *allowed, style.colour(0), "all that meet the moments")
        line = optimum[:, index]
        axes.plot(ranges.time, line, color=style.colour(0), label="solution", **style.dots(line))

    caption = "What the moments and the bounds of activation allow, and what the cost chose"
    return draw_panels(path, ranges.muscles, chosen, panel, caption)


def draw_uncertainty(
    bands: UncertaintyBands, path: str | os.PathLike[str], muscles: Sequence[str] | None = None
) -> Path:
    """Draw median and outermost percentiles of each muscle's force over the nominal solution; return the path.

    By default the twelve muscles of the greatest nominal force.
    """
    solution = bands.solution
    force = solution.muscle_force
    chosen = chosen_muscles(solution.problem.muscles, muscles, force, PANELS)
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
    return draw_panels(path, solution.problem.muscles, chosen, panel, caption)


def _spread(spread: Any) -> str:
    return f"{100.0 * spread:g} %" if isinstance(spread, float) else "by name" if isinstance(spread, dict) else "drawn"
