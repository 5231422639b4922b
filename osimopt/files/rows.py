"""Rows of numbers in the text of a table, by its labels, of which some may be empty."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError, explain, some
from ..notices import warn

#: Rows of text that are read at a time.
ROWS_AT_ONCE = 5000
#: Bytes of a file from which pandas reads it: its parser takes a third of the time, its import as long as 40 MB.
LARGE = 40_000_000
#: What numbers and blanks are written with.
PLAIN = b"0123456789+-.eE \t\r\n"


def read_rows(path: Path, lines: Iterator[str], labels: list[str], read: int, strict: bool) -> np.ndarray:
    """Rows of numbers, read in blocks: the text takes ten times the memory of the numbers.

    They go into one array, which grows: many blocks that are kept leave holes in the memory of a long file.
    """
    values, count, large = np.empty((0, len(labels))), 0, path.stat().st_size > LARGE
    while block := list(islice(lines, ROWS_AT_ONCE)):
        if large and (plain := _plain_numbers(block)) is not None and plain.shape[1] == len(labels):
            whole = [plain]
        elif rows := [row for row in block if not row.isspace()]:
            parts = [_parse(rows, labels, strict)]
            if parts[0] is None and all(labels):  # rows may differ in their blanks
                parts = [_parse([row], labels, strict) for row in rows]
            whole = [part for part in parts if part is not None]
            if len(whole) < len(parts):
                wrong = next((row for row in rows if _parse([row], labels, strict) is None), rows[0])
                raise InputError(_bad_row(f"{path}, line {read + block.index(wrong) + 1}", wrong, labels))
        else:
            whole = []
        for part in whole:
            if count + len(part) > len(values):
                grown = np.empty((max(2 * count, count + len(part)), len(labels)))
                grown[:count] = values[:count]
                values = grown
            values[count : count + len(part)] = part
            count += len(part)
        read += len(block)
    if not count:
        raise InputError(explain("at least one row of numbers", "none", "Export the file again, with its rows.", path))
    values = values[:count]
    unnamed = [column for column, label in enumerate(labels) if not label]
    if filled := [column + 1 for column in unnamed if np.isfinite(values[:, column]).any()]:
        warn(f"{path}: left out: column {some(filled)}, which has no label.")
    return np.delete(values, unnamed, axis=1) if unnamed else values


def _parse(rows: list[str], labels: list[str], strict: bool) -> np.ndarray | None:
    """Numbers of some rows that are not blank, or None where a row does not hold one number per label.

    OpenSim takes any blanks as one separator. Where labels or rows have nothing between two tabs, fields are
    counted by tabs, and columns without a label hold numbers or NaN. None where the two counts contradict each other.
    """
    values = _load(rows, None)
    if values is not None and values.shape[1] == len(labels):
        return values
    named = [column for column, label in enumerate(labels) if label]
    cells = [(row.strip("\r\n") if len(named) == len(labels) else row.rstrip()).split("\t") for row in rows]
    if values is not None and values.shape[1] == len(named) and all(len(row) in (1, len(named)) for row in cells):
        spread = np.full((len(rows), len(labels)), np.nan)
        spread[:, named] = values
        return spread
    for row in cells:
        empty = [not cell.strip() for cell in row]
        gaps = sum(empty[column] for column in named) if len(row) == len(labels) else 0
        if len(row) != len(labels) or (gaps and (strict or sum(empty) == len(labels) - len(named))):
            return None
    return _load(["\t".join(cell if cell.strip() else "nan" for cell in row) for row in cells], "\t")


def _plain_numbers(rows: list[str]) -> np.ndarray | None:
    """Numbers of rows of digits and blanks alone, by pandas; None of all others."""
    text = "".join(rows).encode()
    if text.translate(None, PLAIN):
        return None
    import pandas as pd

    exact: dict[str, Any] = {"float_precision": "round_trip"} if pd.__version__ < "3" else {}  # the default of 3
    try:
        values = pd.read_csv(io.BytesIO(text), sep=r"\s+", header=None, dtype=float, **exact).to_numpy()
    except ValueError:
        return None
    return values if len(values) == len(rows) and np.isfinite(values).all() else None  # short rows would have NaN


def _load(rows: list[str], delimiter: str | None) -> np.ndarray | None:
    try:
        return np.loadtxt(rows, comments=None, ndmin=2, delimiter=delimiter)
    except ValueError:
        return None


def _bad_row(where: str, row: str, labels: list[str]) -> str:
    words, named = row.split(), [label for label in labels if label]
    if commas := [word for word in words if re.fullmatch(r"[-+]?\d+,\d+([eE][-+]?\d+)?", word)]:
        return explain("decimal points", f"decimal commas ('{commas[0]}')", "Replace ',' by '.' in the numbers.", where)
    if len(words) != len(named):
        fix = "Repair the row, or the labels if one holds a space."
        return explain(f"{len(named)} numbers, one per label", f"{len(words)}", fix, where)
    wrong = [(label, word) for label, word in zip(named, words, strict=True) if _load([word], None) is None]
    if not wrong:
        got = "an empty label, and rows from which its column cannot be determined"
        fix = "Give every column a label, or write exactly one tab between columns."
        return explain("a label for every column", got, fix, where)
    column, word = wrong[0]
    return explain("a number", f"'{word}' in column '{column}'", "Repair the value.", where)
