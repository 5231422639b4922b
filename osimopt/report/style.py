"""One look for every figure: colours that survive print and colour blindness, units on every axis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[np.float64]

#: Okabe & Ito's palette (https://jfly.uni-koeln.de/color/), without its yellow, which vanishes on white.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000", "#7F7F7F")
#: Lines that are only there to be seen as a crowd.
GREY_LINE = {"color": "#D0D0D0", "lw": 0.8, "zorder": 1}
#: A line behind another, of the same panel's quantity.
BEHIND = {"color": "#A0A0A0", "lw": 1.0, "zorder": 1}
#: More lines than this cannot be told apart: figures turn to a map of rows.
MOST_LINES = len(PALETTE)
#: Opacity of a band.
PALE = 0.25
#: Letters of a caption in an inch, and what stands between its parts.
LETTERS, SEPARATOR = 15, " · "
#: Room below 0 and above the top of lines, as a share of the top: half a line's width in a panel of 1.3 inches.
EDGE = 0.02
#: Width in inches of a letter of a panel's legend, and of a column without its letters.
LETTER, HANDLE = 0.067, 0.4
#: From a panel's bottom to the legend under it, past the labels of its axis, in the legend's letters.
BELOW = 4.5

_SETTINGS: dict[Any, Any] = {
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.8,
    "legend.frameon": False,
    "savefig.dpi": 200,
}


@contextmanager
def figure(
    mosaic: list[list[str]], size: tuple[float, float], layout: Literal["constrained"] | None = "constrained",
    **options: Any,
) -> Iterator[tuple[Figure, Any]]:  # fmt: skip
    """Give a figure and its axes by name, in the house's style and without pyplot's global state.

    ``layout=None``: whoever draws leaves room for labels; matplotlib takes ten seconds for that of 40 panels.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure as NewFigure

    with mpl.rc_context(_SETTINGS):
        drawn = NewFigure(figsize=size, layout=layout)
        yield drawn, drawn.subplot_mosaic(mosaic, **options)  # type: ignore[arg-type]


def save(drawn: Figure, path: Path) -> Path:
    """Write the figure; the suffix chooses the format."""
    drawn.savefig(path)
    return path


def label(axes: Axes, title: str, x: str, y: str) -> None:
    """Title and axes with their units."""
    axes.set_title(title)
    axes.set_xlabel(x)
    axes.set_ylabel(y)


def aside(axes: Axes, text: str) -> None:
    """Say something small at the right end of a panel's title."""
    axes.set_title(text, loc="right", fontsize=8, fontweight="normal", color="#555555")


def colour(index: int) -> str:
    """Colour of the index-th line."""
    return PALETTE[index % len(PALETTE)]


def line(index: int, name: str | None) -> dict[str, Any]:
    """Look of the index-th line; every other one is dashed and on top, so that two that coincide are both seen."""
    dashed = index % 2 == 1
    return {
        "color": colour(index),
        "label": name,
        "ls": (0, (4, 2)) if dashed else "-",
        "zorder": 3 if dashed else 2,
    }


def dots(value: Array) -> dict[str, Any]:
    """Mark the samples of a line (T,) that no line leads to: a single frame, or one between failed ones."""
    alone = _alone(value)
    return {"marker": "o", "ms": 4.0, "markevery": alone} if alone else {}


def band(axes: Axes, x: Array, low: Array, high: Array, color: str, name: str) -> None:
    """Fill between two lines (T,); samples without a neighbour become bars."""
    axes.fill_between(x, low, high, color=color, alpha=PALE, lw=0.0, label=name)
    alone = _alone(low + high)
    axes.vlines(x[alone], low[alone], high[alone], color=color, alpha=PALE, lw=8.0)


def _alone(value: Array) -> list[int]:
    there = np.concatenate([[False], np.isfinite(value), [False]])
    return [int(i) for i in np.flatnonzero(there[1:-1] & ~there[:-2] & ~there[2:])]


def note(axes: Axes, text: str) -> None:
    """Say in an empty panel why it is empty."""
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color="#555555")
    axes.set_yticks([])


def from_zero(axes: Axes) -> None:
    """Let the vertical axis begin at 0, with room for the whole width of lines at 0 and at the top."""
    top = max(axes.get_ylim()[1], axes.dataLim.y1 * (1.0 + EDGE))
    axes.set_ylim(-EDGE * top, top)


def caption(drawn: Figure, text: str) -> None:
    """One line above everything, broken between its parts where the figure ends, or within one that is longer."""
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
    """One legend under a panel of this width in inches, in as many columns as its names leave room for."""
    handles, order = _in_order(axes, names)
    if order:
        columns = int(width / (LETTER * max(map(len, order)) + HANDLE))
        look: dict[str, Any] = {"fontsize": 8, "handlelength": 1.5, "columnspacing": 1.0}
        ncols = min(max(columns, 1), len(order))
        axes.legend(
            handles, order, loc="upper center", bbox_to_anchor=(0.5, 0.0), borderaxespad=BELOW, ncols=ncols, **look
        )


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
