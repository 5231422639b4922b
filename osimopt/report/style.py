"""One look for every figure: colours that survive print and colour blindness, units on every axis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Okabe & Ito's palette (https://jfly.uni-koeln.de/color/), without its yellow, which vanishes on white.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000", "#7F7F7F")
#: Lines that are only there to be seen as a crowd.
GREY_LINE = {"color": "#D0D0D0", "lw": 0.8, "zorder": 1}
#: More lines than this cannot be told apart: figures turn to a map of rows.
MOST_LINES = len(PALETTE)

_SETTINGS: dict[Any, Any] = {
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.8,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
    "savefig.dpi": 200,
}


@contextmanager
def figure(mosaic: list[list[str]], size: tuple[float, float], **options: Any) -> Iterator[tuple[Figure, Any]]:
    """Give a figure and its axes by name, in the house's style and without pyplot's global state."""
    import matplotlib as mpl
    from matplotlib.figure import Figure as NewFigure

    with mpl.rc_context(_SETTINGS):
        drawn = NewFigure(figsize=size)
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


def legend_below(drawn: Figure, axes: Axes, names: Sequence[str]) -> None:
    """One legend under the figure, in the order of the names."""
    handles, labels = axes.get_legend_handles_labels()
    by_name = dict(zip(labels, handles, strict=True))
    order = [name for name in names if name in by_name]
    drawn.legend([by_name[name] for name in order], order, loc="outside lower center", ncols=min(len(order), 8))
