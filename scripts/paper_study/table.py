"""A table of the study: cells are words, numbers, or a median with its 5th and 95th percentile over seeds."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from osimopt.files.storage import write_atomically

from .measures import spread

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Table:
    """``name`` is its file's, ``title`` and ``note`` are for readers; all rows have the same columns."""

    name: str
    title: str
    note: str
    rows: Sequence[Row]

    @property
    def columns(self) -> list[str]:
        """Names, of all rows."""
        return list(dict.fromkeys(column for row in self.rows for column in row))

    def cells(self) -> list[list[str]]:
        """As printed."""
        return [[told(row.get(column)) for column in self.columns] for row in self.rows]

    def write(self, folder: Path) -> Path:
        """As CSV; a median over seeds has its percentiles and their number in columns of their own."""
        flat = [_flat(row) for row in self.rows]
        columns = list(dict.fromkeys(column for row in flat for column in row))
        buffer = io.StringIO()
        writer = csv.DictWriter(buffer, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(flat)
        path = folder / f"{self.name}.csv"
        write_atomically(path, buffer.getvalue())
        return path


def over(results: Iterable[Mapping[str, Any]], read: Callable[[Any], Any], times: float = 1.0) -> dict[str, float]:
    """A cell: what is read of each seed's result, ``times`` a unit."""
    values = [read(result) for result in results]
    return spread([None if value is None else times * value for value in values])


def at(*keys: str) -> Callable[[Any], Any]:
    """What is at the end of a path of keys."""

    def read(result: Any) -> Any:
        for key in keys:
            result = result[key]
        return result

    return read


def ratio(above: Callable[[Any], Any], below: Callable[[Any], Any]) -> Callable[[Any], float]:
    """The ratio of two things read."""
    return lambda result: above(result) / below(result)


def told(cell: Any) -> str:
    """A cell as printed."""
    if isinstance(cell, Mapping):
        if not cell["n"]:
            return "–"
        middle = number(cell["median"])
        return middle if cell["n"] == 1 else f"{middle} [{number(cell['p5'])}, {number(cell['p95'])}]"
    if isinstance(cell, float):
        return number(cell)
    return "–" if cell is None else str(cell)


def number(value: float) -> str:
    """Three digits, without an exponent where that is short."""
    if not math.isfinite(value):
        return "–"
    if value == 0.0:
        return "0"
    if abs(value) < 1e-3 or abs(value) >= 1e5:
        return f"{value:.2e}"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _flat(row: Row) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for column, cell in row.items():
        if isinstance(cell, Mapping):
            flat |= {column: cell["median"], f"{column} p5": cell["p5"], f"{column} p95": cell["p95"]}
            flat["seeds"] = cell["n"]
        else:
            flat[column] = cell
    return flat
