"""Text, tables and figures as one HTML page without external resources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from ..errors import InputError, explain
from ..files.storage import write_atomically

#: Cells that are coloured by their meaning.
MEANINGS = {"yes": "yes", "no": "no", "passes": "yes", "fails": "no"}

#: Cells of at most this many letters are not broken.
SHORT = 24


@dataclass(frozen=True)
class Section:
    """A title, then whatever is given of: a note, list items, figures (SVG), a table, texts that are folded away.

    With ``grouped``, rows with the same first cell form a group. ``quoted``: indices of rows from other publications.
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

    def styled_rows(self) -> list[tuple[str, list[tuple[str, str]]]]:
        """CSS class of each row, and its cells, each with its CSS class."""
        styled = []
        for place, row in enumerate(self.rows):
            new = self.grouped and place > 0 and row[0] != self.rows[place - 1][0]
            look = " ".join([*(["quoted"] if place in self.quoted else []), *(["group"] if new else [])])
            styled.append((look, [(cell, MEANINGS.get(cell, "short" if len(cell) <= SHORT else "")) for cell in row]))
        return styled


def number(value: float, form: str = "{:.2f}") -> str:
    """A cell of a table; a dash where the value is not finite."""
    return form.format(value) if isfinite(value) else "–"


def check_new(path: Path, overwrite: bool) -> None:
    """Raise an InputError where the page exists already and is not to be overwritten."""
    if path.exists() and not overwrite:
        fix = "Choose another name, or overwrite it with overwrite=True (--overwrite)."
        raise InputError(explain("a new file for the report", "an existing file", fix, path))


def write_page(path: Path, title: str, opening: Sequence[str], sections: Sequence[Section], verdict: str = "") -> Path:
    """Write the page; the file appears whole or not at all. ``verdict``: "good", "bad" or "" colours the opening."""
    import jinja2

    template = Path(__file__).with_suffix(".html.j2").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, undefined=jinja2.StrictUndefined)
    page = environment.from_string(template).render(title=title, opening=opening, verdict=verdict, sections=sections)
    write_atomically(path, page)
    return path
