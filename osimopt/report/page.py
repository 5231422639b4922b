"""Tables and figures as one HTML page that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import MissingDependencyError, explain
from ..studies.paper.table import Table
from ..tables import write_atomically


@dataclass(frozen=True)
class Section:
    """A table with figures above it."""

    table: Table
    figures: Sequence[str] = ()

    def told(self) -> dict[str, Any]:
        """For the template."""
        columns, cells = self.table.columns, self.table.cells()
        before = [cells[0], *cells[:-1]] if len({row[0] for row in cells}) < len(cells) else cells
        rows = [{"cells": row, "look": _look(row, other)} for row, other in zip(cells, before, strict=True)]
        note = self.table.note
        return {"title": self.table.title, "note": note, "columns": columns, "rows": rows, "figures": self.figures}


def write_page(path: Path, title: str, opening: Sequence[str], sections: Sequence[Section]) -> Path:
    """Write the page; the file appears whole or not at all.

    Raises
    ------
    MissingDependencyError
        Jinja2 is not installed.
    """
    try:
        import jinja2
    except ImportError:
        fix = "pip install 'osimopt[study]'"
        raise MissingDependencyError(explain("Jinja2, for the page", "it is not installed", fix)) from None
    template = Path(__file__).with_suffix(".html.j2").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, undefined=jinja2.StrictUndefined)
    told: Mapping[str, Any] = {"title": title, "opening": opening, "sections": [one.told() for one in sections]}
    write_atomically(path, environment.from_string(template).render(**told))
    return path


def _look(row: Sequence[str], before: Sequence[str]) -> str:
    """The paper's own rows are grey, and a line is above the first of a group that shares its first cell."""
    looks = ["paper"] if "the paper" in row[:2] else []
    return " ".join([*looks, "group"] if row[0] != before[0] else looks)
