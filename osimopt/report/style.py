"""The style of every figure: colours for print and colour-blind readers, units on every axis; figures as SVG."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..problem.arrays import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Okabe & Ito's palette (https://jfly.uni-koeln.de/color/), without its yellow, which vanishes on white.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000", "#7F7F7F")
#: Lines of muscles that are drawn without a name.
GREY_LINE = {"color": "#D0D0D0", "lw": 0.8, "zorder": 1}
#: A reference line, drawn behind the others.
BEHIND = {"color": "#A0A0A0", "lw": 1.0, "zorder": 1}
#: Lines that the palette distinguishes; a figure of more muscles shows a map with one row per muscle.
MOST_LINES = len(PALETTE)
#: Opacity of a band.
PALE = 0.25
#: Letters of a caption per inch, and the separator of its parts.
LETTERS, SEPARATOR = 15, " · "
#: Margin below 0 and above the largest value, as a share of that value: half a line's width in a panel of 1.3 inches.
EDGE = 0.02
#: Width in inches of a letter of a panel's legend, and of a column without its letters.
LETTER, HANDLE = 0.067, 0.4
#: Distance from a panel's bottom to the legend under it, past the labels of its axis, in the legend's font size.
BELOW = 4.5
#: Colours of figures that a page replaces by its own variables, so that they follow its light or dark scheme.
PAGE_COLOURS = {
    "#000000": "currentColor", "#555555": "var(--muted)", "#7f7f7f": "var(--muted)", "#888888": "var(--muted)",
    "#a0a0a0": "var(--muted)", "#d0d0d0": "var(--faint)", "#e6e6e6": "var(--grid)",
}  # fmt: skip

_SETTINGS: dict[Any, Any] = {
    "font.size": 9.0, "axes.titlesize": 10.0, "axes.titleweight": "bold", "axes.titlelocation": "left",
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "axes.axisbelow": True,
    "grid.color": "#E6E6E6", "grid.linewidth": 0.6, "lines.linewidth": 1.8, "legend.frameon": False, "savefig.dpi": 200,
}  # fmt: skip


@contextmanager
def figure(
    mosaic: list[list[str]], size: tuple[float, float], layout: Literal["constrained"] | None = "constrained",
    **options: Any,
) -> Iterator[tuple[Figure, Any]]:  # fmt: skip
    """Give a figure and its axes by name, in osimopt's style and without pyplot's global state.

    With ``layout=None`` the caller sets the margins; matplotlib's constrained layout takes 10 s for 40 panels.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure as NewFigure

    with mpl.rc_context(_SETTINGS):
        drawn = NewFigure(figsize=size, layout=layout)
        yield drawn, drawn.subplot_mosaic(mosaic, **options)  # type: ignore[arg-type]


def save(drawn: Figure, path: Path) -> Path:
    """Write the figure in the format of the path's suffix; return the path."""
    drawn.savefig(path)
    return path


class Drawing:
    """A figure as SVG, once it is drawn."""

    svg: str


@contextmanager
def drawing(
    mosaic: list[list[str]], size: tuple[float, float], name: str, **options: Any
) -> Iterator[tuple[Any, Drawing]]:
    """Give axes by name and an object whose ``svg`` holds the figure afterwards, its text as text.

    ``name`` is the figure's label for screen readers, and keeps its ids apart from those of others on the page.
    """
    import matplotlib as mpl

    made = Drawing()
    # names of muscles are text, not formulas between dollar signs; the same figure has the same bytes
    settings: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": name, "text.parse_math": False}
    with mpl.rc_context(settings), figure(mosaic, size, **options) as (drawn, axes):
        yield axes, made
        buffer = io.StringIO()
        drawn.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    svg = buffer.getvalue()[buffer.getvalue().index("<svg") :]
    svg = re.sub(r' d="[^"]*"', lambda path: re.sub(r"(\.\d\d)\d+", r"\1", path[0]), svg)  # 1/100 pt, a third less
    svg = re.sub(r"#[0-9a-f]{6}", lambda colour: PAGE_COLOURS.get(colour[0], colour[0]), svg)
    svg = re.sub(r'\bid="(figure|axes|patch|line2d|text|matplotlib|xtick|ytick|legend|Fill|Line|Path)[^"]*"', "", svg)
    made.svg = svg.replace("<svg ", f'<svg role="img" aria-label="{name}" ', 1)


def grid(cells: Sequence[str], columns: int) -> list[list[str]]:
    """Mosaic of cells, row by row, filled up with empty ones."""
    padded = [*cells, *["."] * (-len(cells) % columns)]
    return [padded[start : start + columns] for start in range(0, len(padded), columns)]


def label(axes: Axes, title: str, x: str, y: str) -> None:
    """Set the title, and the labels of both axes with their units."""
    axes.set_title(title)
    axes.set_xlabel(x)
    axes.set_ylabel(y)


def colour(index: int) -> str:
    """Colour of the index-th line."""
    return PALETTE[index % len(PALETTE)]


def line(index: int, name: str | None) -> dict[str, Any]:
    """Style of the index-th line; every other one is dashed and on top, so that two that coincide are both visible."""
    dashed = index % 2 == 1
    return {"color": colour(index), "label": name, "ls": (0, (4, 2)) if dashed else "-", "zorder": 3 if dashed else 2}


def dots(value: Array) -> dict[str, Any]:
    """Markers for the samples of a line (T,) without a neighbour: a single frame, or one between failed frames."""
    alone = _alone(value)
    return {"marker": "o", "ms": 4.0, "markevery": alone} if alone else {}


def band(axes: Axes, x: Array, low: Array, high: Array, color: str, name: str) -> None:
    """Fill between two lines (T,); samples without a neighbour become bars."""
    axes.fill_between(x, low, high, color=color, alpha=PALE, lw=0.0, label=name)
    alone = _alone(low + high)
    axes.vlines(x[alone], low[alone], high[alone], color=color, alpha=PALE, lw=8.0)


def _alone(value: Array) -> list[int]:
    known = np.concatenate([[False], np.isfinite(value), [False]])
    return [int(i) for i in np.flatnonzero(known[1:-1] & ~known[:-2] & ~known[2:])]


def note(axes: Axes, text: str) -> None:
    """Write in an empty panel why it is empty."""
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color="#555555")
    axes.set_yticks([])


def from_zero(axes: Axes) -> None:
    """Start the vertical axis at 0, with margins for the width of lines at 0 and at the largest value."""
    top = max(axes.get_ylim()[1], axes.dataLim.y1 * (1.0 + EDGE))
    axes.set_ylim(-EDGE * top, top)


def paths_used(provenance: Mapping[str, Any]) -> str:
    """Return the kinds of muscle paths in words, or nothing where they are not known."""
    kinds = set(provenance.get("geometry", {}).values())
    return f"{' and '.join(sorted(kinds))} paths" if kinds else ""


def caption(drawn: Figure, text: str) -> None:
    """Write a text above the panels, wrapped between its parts, or within a part longer than the figure is wide."""
    width, lines = int(LETTERS * drawn.get_figwidth()), [""]
    for part in text.split(SEPARATOR):
        joined = f"{lines[-1]}{SEPARATOR}{part}" if lines[-1] else part
        if len(joined) <= width:
            lines[-1] = joined
        else:
            done = [f"{lines[-1]}{SEPARATOR.rstrip()}"] if lines[-1] else []
            lines = [*lines[:-1], *done, *wrap(part, width)]
    drawn.suptitle("\n".join(lines), fontsize=9, x=0.01, ha="left")


def legend_under(axes: Axes, names: Sequence[str], width: float) -> None:
    """One legend under a panel of this width in inches, in as many columns as fit."""
    handles, order = _in_order(axes, names)
    if order:
        columns = max(1, int(width / (LETTER * max(map(len, order)) + HANDLE)))
        axes.legend(
            handles, order, loc="upper center", bbox_to_anchor=(0.5, 0.0), borderaxespad=BELOW, fontsize=8,
            handlelength=1.5, columnspacing=1.0, ncols=min(columns, len(order)),
        )  # fmt: skip


def legend_below(drawn: Figure, axes: Axes, names: Sequence[str]) -> None:
    """One legend under the figure, in the order of the names."""
    handles, order = _in_order(axes, names)
    if order:
        drawn.legend(handles, order, loc="outside lower center", ncols=min(len(order), 8))


def _in_order(axes: Axes, names: Sequence[str]) -> tuple[list[Any], list[str]]:
    handles, labels = axes.get_legend_handles_labels()
    by_name = dict(zip(labels, handles, strict=True))
    order = [name for name in names if name in by_name]
    return [by_name[name] for name in order], order
