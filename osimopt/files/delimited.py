"""Delimited text: a row of names, perhaps a row of units, and rows of numbers."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import InputError, explain

DELIMITERS = "\t;,| "
#: Names of a column of times in lower case.
TIMES = ("time", "t", "times", "time_s", "time (s)", "time [s]", "zeit")
#: Duration in s of a unit of time, by its name in a row of units.
SECONDS = {"s": 1.0, "sec": 1.0, "seconds": 1.0, "ms": 1e-3, "msec": 1e-3}


def read_delimited(path: Path) -> tuple[list[str], str, np.ndarray]:
    """Names (C), unit of the first column where a row of units follows ("s" where not), and numbers (T, C).

    Tabs, semicolons, commas, bars or blanks separate; empty cells are NaN; decimal commas are read where no comma
    separates.

    Raises
    ------
    InputError
        Fewer than three rows, rows of other lengths, text where numbers belong; with file and row.
    """
    lines = [line for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    if len(lines) < 3:
        raise InputError(explain("a row of names and two of numbers", f"{len(lines)} rows", "Check the file.", path))
    delimiter = max(
        DELIMITERS, key=lambda mark: (lines[0].count(mark) == lines[-1].count(mark) > 0, lines[0].count(mark))
    )
    rows = [[word.strip() for word in row] for row in csv.reader(lines, delimiter=delimiter, skipinitialspace=True)]
    comma = delimiter != "," and any("," in word for word in rows[-1])
    header, unit, first = rows[0], "s", 1
    if _number(rows[1][-1], comma) is None:
        unit, first = rows[1][0].strip("[]()").lower(), 2
    numbers = [_numbers(row, len(header), comma, f"{path}, row {n}") for n, row in enumerate(rows[first:], first + 1)]
    return header, unit, np.array(numbers)


def _numbers(row: Sequence[str], columns: int, comma: bool, where: str) -> list[float]:
    if len(row) != columns:
        raise InputError(explain(f"{columns} columns, as in the first row", str(len(row)), "Correct this row.", where))
    numbers = []
    for word in row:
        number = _number(word, comma)
        if number is None:
            raise InputError(explain("a number", repr(word), "Correct or empty this cell.", where))
        numbers.append(number)
    return numbers


def _number(word: str, comma: bool) -> float | None:
    """Number in a cell, NaN in an empty one, None in any other."""
    try:
        return float(word.replace(",", ".") if comma else word) if word else np.nan
    except ValueError:
        return None
