"""OpenSim's .sto and .mot tables to and from pandas, without opensim.

The format is a header (a name, ``key=value`` lines or SIMM's ``key value`` lines, ``endheader``), a row of
labels and rows of numbers. Real files break its rules, so that errors name the line that is wrong,
and a warning is given where the header disagrees with the table.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError, explain, some
from ..notices import warn
from ..signals import distinct_rows

if TYPE_CHECKING:
    import pandas as pd

#: Rows of text that are read at a time.
ROWS_AT_ONCE = 5000
_ROWS = ("nRows", "nr", "datarows")
_COLUMNS = ("nColumns", "nc", "datacolumns")


def read_table(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read a .sto or .mot file.

    Parameters
    ----------
    path
        An OpenSim storage or a SIMM motion file.

    Returns
    -------
    pandas.DataFrame
        One column per label (padding removed), the index is ``time`` in s. ``attrs`` holds ``path``,
        ``header`` (a dict of strings), ``in_degrees`` and ``padded`` (labels that had spaces around them). Values are
        as in the file: nothing is converted.

    Raises
    ------
    InputError
        The file is missing, has no header or no rows, ragged rows, decimal commas, words where numbers
        belong, or two columns of one name; with file, line and column.

    Notes
    -----
    Without an ``inDegrees`` line OpenSim's rule holds: a ``.mot`` without ``version`` is in degrees, anything
    else in radians. A header whose nRows or nColumns disagrees with the table is a warning.

    Examples
    --------
    >>> import osimopt
    >>> from osimopt.datasets import arm26
    >>> table = osimopt.read_table(arm26().motion)
    >>> list(table.columns)
    ['r_shoulder_elev', 'r_elbow_flex']
    >>> table.attrs["in_degrees"]
    True
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(explain("a .sto or .mot file", "no such file", "Check the path.", path))
    return READERS.get(path.suffix.lower(), read_storage)(path)


def read_storage(path: Path) -> pd.DataFrame:
    """Read an OpenSim storage or a SIMM motion file; see :func:`read_table`."""
    try:
        with path.open(encoding="utf-8-sig") as lines:
            header, written, read = _header(path, lines)
            labels = [label.strip() for label in written]
            _check_labels(path, labels, read)
            values = _numbers(path, lines, labels, read)
    except UnicodeDecodeError as error:
        raise InputError(explain("a text file", "bytes that are not text", "Is it a C3D?", path)) from error
    _compare_with_header(path, header, values.shape)
    time = labels.index("time")
    others = [label for label in labels if label != "time"]
    table = time_table(values[:, time], np.delete(values, time, axis=1), others)
    padded = [label for label, own in zip(labels, written, strict=True) if label != own]
    table.attrs.update(path=str(path), header=header, in_degrees=_in_degrees(path, header), padded=padded)
    return table


#: Readers by suffix; a file of any other suffix is read as a storage. Each gives a table as ``read_table`` describes.
READERS: dict[str, Callable[[Path], pd.DataFrame]] = {".sto": read_storage, ".mot": read_storage}


def time_table(time: np.ndarray, values: np.ndarray, labels: Iterable[object]) -> pd.DataFrame:
    """Table of values (T, C) whose index is ``time`` (T,) in s."""
    import pandas as pd

    return pd.DataFrame(values, index=pd.Index(time, name="time"), columns=list(labels))


def read_series(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read a table as :func:`read_table` does, to be differentiated or interpolated: times that repeat are merged.

    See :func:`distinct_rows`; ``attrs["merged"]`` is how many rows were left out.
    """
    table = read_table(path)
    time = table.index.to_numpy(dtype=float)
    keep = distinct_rows(time, table.to_numpy(), list(table.columns), path)
    chosen = table if len(keep) == len(table) else table.iloc[keep]
    chosen.attrs["merged"] = len(table) - len(keep)
    return chosen


def write_table(
    table: pd.DataFrame, path: str | os.PathLike[str], *, name: str = "osimopt", in_degrees: bool = False
) -> Path:
    """Write a table whose index is time (s) as .sto or .mot, so that OpenSim opens it.

    The file appears whole or not at all. Column labels may not hold tabs; numbers keep all their digits.
    Returns the path.
    """
    path = Path(path)
    if bad := [column for column in table.columns if "\t" in str(column) or str(column) == "time"]:
        raise InputError(explain("column labels without tabs, none called 'time'", some(bad), "Rename them.", path))
    head = table_head(name, len(table), list(table.columns), in_degrees)
    write_atomically(path, head + table_rows(table.index.to_numpy(dtype=float), table.to_numpy(dtype=float)))
    return path


def write_records(table: pd.DataFrame, path: Path) -> None:
    """Write a table without its index as ``<path>.csv`` and, if pyarrow is installed, as ``<path>.parquet``."""
    text = io.StringIO()
    table.to_csv(text, index=False, lineterminator="\n")
    write_atomically(path.with_suffix(".csv"), text.getvalue())
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        return
    packed = io.BytesIO()
    table.to_parquet(packed, index=False)
    write_atomically(path.with_suffix(".parquet"), packed.getvalue())


def table_head(name: str, rows: int, labels: Sequence[object], in_degrees: bool = False) -> str:
    """Header and labels of a table whose first column is time."""
    head = [
        name.replace("\n", " "),
        "version=1",
        f"nRows={rows}",
        f"nColumns={1 + len(labels)}",
        f"inDegrees={'yes' if in_degrees else 'no'}",
        "endheader",
        "\t".join(["time", *map(str, labels)]),
    ]
    return "\n".join(head) + "\n"


def table_rows(time: np.ndarray, values: np.ndarray) -> str:
    """Rows of a table, every digit kept."""
    rows = np.column_stack([time, values]).tolist()
    return "".join("\t".join(map(repr, row)) + "\n" for row in rows)


def sha256(path: str | os.PathLike[str]) -> str:
    """Digest of a file's bytes."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write text or bytes so that a reader finds the old file or the new one, never half of it."""
    if not path.parent.is_dir():
        raise InputError(explain("an existing folder", f"{path.parent}", "Create it first.", path))
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content.encode("utf-8") if isinstance(content, str) else content)
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _header(path: Path, lines: Iterator[str]) -> tuple[dict[str, str], list[str], int]:
    """Entries of the header, labels of the columns with their padding, and the number of lines read."""
    header: dict[str, str] = {}
    ended = False
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if ended and text:
            labels = line.rstrip("\t \n").split("\t")
            return header, line.split() if len(labels) == 1 else labels, number
        ended = ended or text.lower() == "endheader"
        match = re.match(r"([A-Za-z_]\w*)\s*[=\s]\s*(\S.*)$", text)
        if match and ("=" in text or match[1] in _ROWS + _COLUMNS + ("range", "otherdata", "units")):
            header[match[1]] = match[2].strip()
    fix = "Export it again as OpenSim .sto or .mot (a CSV must be converted first)."
    raise InputError(explain("a header ending in 'endheader' and a row of labels", "none", fix, path))


def _check_labels(path: Path, labels: list[str], line: int) -> None:
    where = f"{path}, line {line}"
    if "time" not in labels:
        raise InputError(explain("a column 'time'", some(labels), "Name the time column 'time'.", where))
    if twice := sorted({label for label in labels if labels.count(label) > 1}):
        raise InputError(explain("each label once", f"{some(twice)} twice", "Rename or remove one.", where))


def _numbers(path: Path, lines: Iterator[str], labels: list[str], read: int) -> np.ndarray:
    """Rows of numbers, a block at a time: text takes ten times the memory of the numbers in it."""
    blocks = []
    while block := list(islice(lines, ROWS_AT_ONCE)):
        if rows := [row for row in block if not row.isspace()]:
            values = _parse(rows, len(labels))
            if values is None:
                row = next(i for i, row in enumerate(block) if not row.isspace() and _parse([row], len(labels)) is None)
                raise InputError(_bad_row(f"{path}, line {read + row + 1}", block[row].split(), labels))
            blocks.append(values)
        read += len(block)
    if not blocks:
        raise InputError(explain("at least one row of numbers", "none", "Is the export complete?", path))
    return np.concatenate(blocks)


def _parse(rows: list[str], columns: int) -> np.ndarray | None:
    """Numbers of some rows that are not blank, or None where a row does not hold one number per column."""
    try:
        values = np.loadtxt(rows, comments=None, ndmin=2)
    except ValueError:
        return None
    return values if values.shape == (len(rows), columns) else None


def _bad_row(where: str, words: list[str], labels: list[str]) -> str:
    if any(re.fullmatch(r"[-+]?\d+,\d+([eE][-+]?\d+)?", word) for word in words):
        return explain("decimal points", "decimal commas", "Replace ',' by '.' in the numbers.", where)
    if len(words) != len(labels):
        fix = "Repair the row, or the labels if one holds a space."
        return explain(f"{len(labels)} numbers, one per label", f"{len(words)}", fix, where)
    column, word = next((c, w) for c, w in zip(labels, words, strict=True) if _parse([w], 1) is None)
    return explain("a number", f"'{word}' in column '{column}'", "Repair the value.", where)


def _compare_with_header(path: Path, header: dict[str, str], shape: tuple[int, ...]) -> None:
    for keys, found, what in ((_ROWS, shape[0], "rows"), (_COLUMNS, shape[1], "columns")):
        declared = next((header[key] for key in keys if key in header), None)
        if declared is not None and declared != str(found):
            warn(f"{path}: the header declares {declared} {what}, the table holds {found}; the table is used.")


def _in_degrees(path: Path, header: dict[str, str]) -> bool:
    declared = header.get("inDegrees")
    if declared is None:
        return path.suffix.lower() == ".mot" and "version" not in header
    if declared.lower() in ("yes", "no"):
        return declared.lower() == "yes"
    raise InputError(explain("inDegrees=yes or inDegrees=no", f"'{declared}'", "Repair the header.", path))
