"""Delimited text: a row of names, perhaps a row of units, and rows of numbers."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import InputError, explain

DELIMITERS = "\t;,| "
#: Names of a column of times in lower case, and the unit that may follow in brackets or after an underscore.
TIME = re.compile(r"(?:time|times|t|zeit)(?:[\s_]*[\[(]?\s*([a-zµμ]+)\s*[\])]?)?")
#: Duration in s of a unit of time, by its name.
SECONDS = {"s": 1.0, "sec": 1.0, "seconds": 1.0, "ms": 1e-3, "msec": 1e-3, "µs": 1e-6, "μs": 1e-6, "us": 1e-6}


class Delimited(NamedTuple):
    """Names (C), ``units`` (C) where a row of units follows ("" where not), and numbers (T, C)."""

    names: list[str]
    units: list[str]
    numbers: np.ndarray

    def time_unit(self) -> float | None:
        """Duration in s of the unit of the first column's times; None if it is none of times."""
        return unit_of_time(self.names[0], self.units[0])


def unit_of_time(name: str, unit: str = "") -> float | None:
    """Duration in s of a unit of time, by the name of a column or else by its unit; None if it is none of times."""
    known = TIME.fullmatch(name.strip().lower())
    if known is None or not (known[1] is None or known[1] in SECONDS):
        return None
    return SECONDS[known[1]] if known[1] else SECONDS.get(unit.strip("[]()").lower(), 1.0)


def read_delimited(path: Path) -> Delimited:
    """Read names, units and numbers.

    Tabs, semicolons, commas, bars or blanks separate; empty cells are NaN; decimal commas are read where no comma
    separates. Separators at the end of a row, without a name, are no column. Text is UTF-8, UTF-16 or Windows' Latin-1.

    Raises
    ------
    InputError
        Fewer than three rows, rows of other lengths, text where numbers belong; with file and row.
    """
    lines = [line for line in decoded(path).splitlines() if line.strip()]
    if len(lines) < 3:
        raise InputError(explain("a row of names and two of numbers", f"{len(lines)} rows", "Check the file.", path))
    delimiter = max(
        DELIMITERS, key=lambda mark: (lines[0].count(mark) == lines[-1].count(mark) > 0, lines[0].count(mark))
    )
    rows = [[word.strip() for word in row] for row in csv.reader(lines, delimiter=delimiter, skipinitialspace=True)]
    header = rows[0]
    while len(header) > 1 and not header[-1]:
        header = header[:-1]
    columns = len(header)
    rows = [row[:columns] if len(row) > columns and not any(row[columns:]) else row for row in rows]
    comma = delimiter != "," and any("," in word for word in rows[-1])
    units, first = [""] * columns, 1
    if any(_number(word, comma) is None for word in rows[1]) and all(
        _number(word, comma) is None for word in rows[1] if word
    ):
        units, first = [*rows[1], *units][:columns], 2
    numbers = [_numbers(row, columns, comma, f"{path}, row {n}") for n, row in enumerate(rows[first:], first + 1)]
    return Delimited(header, units, np.array(numbers))


def decoded(path: Path) -> str:
    """Text of a file: UTF-16 by its mark or by zeros at every other byte, UTF-8, or Latin-1 as Windows writes it."""
    content = path.read_bytes()
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16")
    for encoding, zeros in (("utf-16-le", content[1:400:2]), ("utf-16-be", content[0:400:2])):
        if len(zeros) > 4 and zeros.count(0) > 0.8 * len(zeros):
            return content.decode(encoding)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


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
