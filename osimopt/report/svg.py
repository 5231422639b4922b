"""Figures as SVG within a page: their text stays text, and black and greys follow the page's colours."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from . import style

#: Colours of the house's figures that are those of the page, by its variables; others are the same on any ground.
OF_PAGE = {
    "#000000": "currentColor", "#555555": "var(--muted)", "#7f7f7f": "var(--muted)", "#888888": "var(--muted)",
    "#a0a0a0": "var(--muted)", "#d0d0d0": "var(--faint)", "#e6e6e6": "var(--grid)",
}  # fmt: skip


class Drawing:
    """An SVG in the making."""

    svg = ""


@contextmanager
def drawing(
    mosaic: list[list[str]], size: tuple[float, float], name: str, **options: Any
) -> Iterator[tuple[Any, Drawing]]:
    """Give axes by name and what will hold the SVG; ``name`` keeps its ids apart from those of others on the page."""
    import matplotlib as mpl

    made = Drawing()
    # names of muscles are text, not formulas between dollars; the same figure has the same bytes
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": name, "text.parse_math": False}):
        with style.figure(mosaic, size, **options) as (drawn, axes):
            yield axes, made
            buffer = io.StringIO()
            drawn.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
        whole = buffer.getvalue()
        made.svg = _of_page(whole[whole.index("<svg") :], name)


def _of_page(svg: str, name: str) -> str:
    svg = re.sub(r' d="[^"]*"', lambda found: re.sub(r"(\.\d\d)\d+", r"\1", found[0]), svg)  # 1/100 pt, a third less
    svg = re.sub(r"#[0-9a-f]{6}", lambda found: OF_PAGE.get(found[0], found[0]), svg)
    svg = re.sub(r'\bid="(figure|axes|patch|line2d|text|matplotlib|xtick|ytick|legend|Fill|Line|Path)[^"]*"', "", svg)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{name}" ', 1)
