"""Sentences, tables and figures as one HTML page that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..files.storage import write_atomically

#: Cells that are drawn in the colours of their meaning.
MEANINGS = {"yes": "yes", "no": "no", "passes": "yes", "fails": "no"}

#: Letters up to which a cell is not broken.
SHORT = 24


@dataclass(frozen=True)
class Section:
    """A title, then what there is of: a note, sentences, figures (SVG), a table, a text that is folded away.

    ``grouped``: rows of one first cell belong together. ``quoted``: places of rows that are others' figures.
    """

    title: str
    note: str = ""
    items: Sequence[str] = ()
    figures: Sequence[str] = ()
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    folded: Mapping[str, str] | None = None
    grouped: bool = False
    quoted: Sequence[int] = ()

    def told(self) -> dict[str, Any]:
        """For the template."""
        before = [self.rows[:1] and self.rows[0], *self.rows[:-1]] if self.grouped else self.rows
        rows = []
        for place, (row, other) in enumerate(zip(self.rows, before, strict=True)):
            looks = [*(["quoted"] if place in self.quoted else []), *(["group"] if row[0] != other[0] else [])]
            rows.append({"look": " ".join(looks), "cells": [(cell, _look(cell)) for cell in row]})
        figures = [figure for figure in self.figures if figure]
        return {
            "title": self.title, "note": self.note, "items": self.items, "figures": figures, "columns": self.columns,
            "rows": rows, "folded": self.folded or {},
        }  # fmt: skip


def _look(cell: str) -> str:
    """Class of a cell: its meaning, or that it is not to be broken."""
    return MEANINGS.get(cell, "short" if len(cell) <= SHORT else "")


def write_page(path: Path, title: str, opening: Sequence[str], sections: Sequence[Section], verdict: str = "") -> Path:
    """Write the page; the file appears whole or not at all. ``verdict``: "good", "bad" or "" colours the opening."""
    import jinja2

    template = Path(__file__).with_suffix(".html.j2").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, undefined=jinja2.StrictUndefined)
    told = {"title": title, "opening": opening, "verdict": verdict, "sections": [one.told() for one in sections]}
    write_atomically(path, environment.from_string(template).render(**told))
    return path
