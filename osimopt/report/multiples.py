"""Small multiples of a page: one panel per name, five in a row, one legend for all, room left by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import style
from .ensemble import Curve
from .svg import drawing

#: A line: its name, the number of its look, its curve.
Line = tuple[str, int, Curve]

#: Panels in a row, and their height and width in inches.
COLUMNS, HEIGHT, WIDTH = 5, 1.5, 2.3
#: Inches above the panels, for caption and titles, and below, for the axis and a legend.
TOP, BOTTOM = 0.6, 0.75
GREY = "#7F7F7F"


@dataclass(frozen=True, eq=False)
class Panel:
    """Lines under a title; ``dotted`` ones of the same looks, a grey band ``behind``, a smaller line ``aside``."""

    title: str
    lines: Sequence[Line]
    dotted: Sequence[Line] = ()
    behind: Curve | None = None
    aside: str = ""


def draw_panels(
    panels: Sequence[Panel], x: str, unit: str, name: str, caption: str = "", *, top: float | None = None,
    from_zero: bool = True,
) -> str:  # fmt: skip
    """The figure as SVG; ``x`` and ``unit`` are its axes, ``top`` a common upper end. Nothing of no panels."""
    if not panels:
        return ""
    rows = -(-len(panels) // COLUMNS)
    cells = [str(place) for place in range(len(panels))] + ["."] * (rows * COLUMNS - len(panels))
    mosaic = [cells[row * COLUMNS : (row + 1) * COLUMNS] for row in range(rows)]
    above = TOP if caption or any(own.aside for own in panels) else 0.5 * TOP
    size = (COLUMNS * WIDTH, above + HEIGHT * rows + BOTTOM)
    with drawing(mosaic, size, name, layout=None) as (axes, made):
        for place, panel in enumerate(panels):
            at = axes[str(place)]
            _draw(at, panel)
            bottom, first = place + COLUMNS >= len(panels), place % COLUMNS == 0
            _label(at, panel, x if bottom else "", unit if first else "")
            if from_zero:
                style.from_zero(at)
            if top is not None:
                at.set_ylim(-style.EDGE * top, top * (1.0 + style.EDGE))
        _arrange(axes["0"].figure, list(axes.values()), size, above, caption)
    return made.svg


def _draw(at: Any, panel: Panel) -> None:
    behind = panel.behind
    if behind is not None:
        at.plot(behind.x, behind.mean, color=GREY, lw=1.2, label="EMG", zorder=1)
        banded = bool(np.isfinite(behind.low).any())
        low, high = (behind.low, behind.high) if banded else (np.zeros_like(behind.mean), behind.mean)
        at.fill_between(behind.x, np.maximum(low, 0.0), high, color=GREY, alpha=0.3, lw=0.0)
    for label, number, curve in panel.lines:
        look = style.line(number, label or None)
        at.plot(curve.x, curve.mean, **{**look, "lw": 1.4})
        if np.isfinite(curve.low).any():
            at.fill_between(curve.x, curve.low, curve.high, color=look["color"], alpha=0.18, lw=0.0)
    for _, number, curve in panel.dotted:
        at.plot(curve.x, curve.mean, color=style.colour(number), ls=":", lw=1.4)
    at.locator_params(nbins=4)
    at.margins(x=0.02)


def _label(at: Any, panel: Panel, x: str, y: str) -> None:
    """Title, a smaller line under it, units."""
    at.set_title(panel.title, fontsize=8.5, y=1.0, pad=13.0 if panel.aside else 4.0)  # a given y: none is looked for
    at.text(0.0, 1.03, panel.aside, transform=at.transAxes, fontsize=7, color="#555555")
    at.set_xlabel(x, fontsize=8)
    at.set_ylabel(y, fontsize=8)
    at.tick_params(labelbottom=bool(x), labelsize=7)


def _arrange(figure: Any, everyone: Sequence[Any], size: tuple[float, float], above: float, caption: str) -> None:
    """Margins in inches, a caption above and one legend below."""
    width, height = size
    figure.subplots_adjust(
        left=0.6 / width, right=1.0 - 0.1 / width, top=1.0 - above / height, bottom=BOTTOM / height, wspace=0.36,
        hspace=0.5,
    )  # fmt: skip
    figure.text(0.1 / width, 1.0 - 0.06 / height, caption, fontsize=8, va="top")
    named: dict[str, Any] = {}
    for at in everyone:
        for handle, label in zip(*at.get_legend_handles_labels(), strict=True):
            named.setdefault(label, handle)
    if len(named) > 1 or "EMG" in named:
        figure.legend(list(named.values()), list(named), loc="lower center", ncols=min(len(named), 6))
