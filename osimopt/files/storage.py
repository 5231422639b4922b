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
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError, explain, some
from ..notices import warn
from .given import GivenTable, Origin
from .rows import read_rows
from .table import Table

if TYPE_CHECKING:
    import pandas as pd

_ROWS = ("nRows", "nr", "datarows")
_COLUMNS = ("nColumns", "nc", "datacolumns")
#: Numbers in a table from which they are written by compiled code, whose import takes as long as 50,000 by repr.
MANY = 20_000
#: Bytes that are copied at once.
COPIED = 1 << 20


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
    else in radians. A header whose nRows or nColumns disagrees with the table is a warning. The label of the times may
    be in capitals. Two tabs between columns are one separator; a column of numbers without a label is left out, with a
    warning.

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
    return read_columns(path, strict=True).to_dataframe()


def read_columns(path: Origin, strict: bool = False) -> Table:
    """Read a table as :func:`read_table` does; unless ``strict``, labels may repeat, and cells be empty (NaN)."""
    if isinstance(path, GivenTable):
        return path.table()
    path = Path(path)
    if not path.is_file():
        raise InputError(explain("a .sto or .mot file", "no such file", "Check the path.", path))
    return READERS.get(path.suffix.lower(), read_storage)(path, strict)


def read_storage(path: Path, strict: bool = False) -> Table:
    """Read an OpenSim storage or a SIMM motion file; see :func:`read_columns`."""
    try:
        with path.open(encoding="utf-8-sig") as lines:
            title = next(lines, "")
            header, written, read = _header(path, chain([title], lines))
            labels = [label.strip() for label in written]
            _check_labels(path, labels, read, strict)
            values = read_rows(path, lines, labels, read, strict)
    except UnicodeDecodeError as error:
        raise InputError(explain("a text file", "bytes that are not text", "Is it a C3D?", path)) from error
    named = [label for label in labels if label]
    _compare_with_header(path, header, len(values), {len(labels), len(named)})
    time = next(column for column, label in enumerate(named) if label.lower() == "time")
    others = named[:time] + named[time + 1 :]
    table = Table(np.delete(values, time, axis=1), values[:, time].copy(), others)  # a view would keep all columns
    padded = [label for label, own in zip(labels, written, strict=True) if label != own and label]
    table.attrs.update(path=str(path), header=header, in_degrees=_in_degrees(path, header), padded=padded)
    table.attrs["title"] = title.strip()
    table.attrs["as_opensim"] = labels == ["time", *others]  # OpenSim reads the same columns from this file
    return table


#: Readers by suffix; a file of any other suffix is read as a storage. Each gives a table as ``read_columns`` describes.
READERS: dict[str, Callable[[Path, bool], Table]] = {".sto": read_storage, ".mot": read_storage}


def time_table(time: np.ndarray, values: np.ndarray, labels: Iterable[object]) -> pd.DataFrame:
    """Table of values (T, C) whose index is ``time`` (T,) in s."""
    return Table(values, time, labels).to_dataframe()


def write_table(
    table: pd.DataFrame | Table, path: str | os.PathLike[str], *, name: str = "osimopt", in_degrees: bool = False
) -> Path:
    """Write a table whose index is time (s) as .sto or .mot, so that OpenSim opens it.

    The file appears whole or not at all. Column labels may not hold tabs; numbers keep all their digits.
    Returns the path.
    """
    path = Path(path)
    if bad := [column for column in table.columns if "\t" in str(column) or str(column) == "time"]:
        raise InputError(explain("column labels without tabs, none called 'time'", some(bad), "Rename them.", path))
    write_atomically(path, table_text(table, name, in_degrees))
    return path


def table_text(table: pd.DataFrame | Table, name: str, in_degrees: bool = False) -> bytes:
    """The text of a table whose index is time (s)."""
    head = table_head(name, len(table), list(table.columns), in_degrees).encode()
    return head + table_rows(table.index.to_numpy(dtype=float)[:, None], table.to_numpy(dtype=float))


def append(rows: bytes | Path, path: Path) -> None:
    """Append text to a file, or a file, which is then removed."""
    with path.open("ab") as file:
        if isinstance(rows, bytes):
            file.write(rows)
            return
        with rows.open("rb") as part:
            shutil.copyfileobj(part, file, COPIED)
    rows.unlink()


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


def table_rows(*parts: np.ndarray | list[bytes]) -> bytes:
    """Rows of a table, every digit kept, from its columns (T, C) side by side, time first, or their :func:`cells`."""
    columns = [cells(part) if isinstance(part, np.ndarray) else part for part in parts]
    return b"\n".join(map(b"\t".join, zip(*(part for part in columns if part[:1] != [b""]), strict=True))) + b"\n"


def cells(values: np.ndarray) -> list[bytes]:
    """Text of each row of numbers (T, C): the shortest texts that are read as the same numbers, between tabs."""
    if values.size < MANY:
        return ["\t".join(map(repr, row)).encode() for row in values.tolist()]
    return _text(values)[2:-2].replace(b",", b"\t").split(b"]\t[")


def _text(values: np.ndarray) -> bytes:
    """Numbers as JSON has them, but for nan and inf, which it has not."""
    from pydantic_core import to_json

    text = to_json(values.tolist(), inf_nan_mode="constants")
    return text if np.isfinite(values).all() else text.replace(b"NaN", b"nan").replace(b"Infinity", b"inf")


def csv_rows(columns: Iterable[Iterable[object]]) -> bytes:
    """Rows of a .csv, every digit kept; NaN and None are empty."""
    lists = [list(column) for column in columns]
    numbers = [set(map(type, items)) == {float} for items in lists]
    many = sum(map(len, lists)) >= MANY
    texts = [_csv_numbers(items, many) if own else _csv_words(items) for items, own in zip(lists, numbers, strict=True)]
    return b"\n".join(map(b",".join, zip(*texts, strict=True))) + b"\n"


def _csv_numbers(items: list[Any], many: bool) -> list[bytes]:
    texts = _text(np.array(items))[1:-1].split(b",") if many else [repr(item).encode() for item in items]
    return [b"" if text == b"nan" else text for text in texts] if b"nan" in texts else texts


def _csv_words(items: list[object]) -> list[bytes]:
    known: dict[object, bytes] = {}
    for item in dict.fromkeys(items):
        known[item] = _csv_word(item)
    return [known[item] for item in items]


def _csv_word(word: object) -> bytes:
    text = "" if word is None or word != word else str(word)
    return ('"' + text.replace('"', '""') + '"' if set(text) & set(',"\n\r') else text).encode()


def sha256(path: Origin) -> str:
    """Digest of a file's bytes, or of a given table's content."""
    if isinstance(path, GivenTable):
        return path.sha256
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write text or bytes so that a reader finds the old file or the new one, never half of it."""
    if not path.parent.is_dir():
        raise InputError(explain("an existing folder", f"{path.parent}", "Create it first.", path))
    if path.is_dir():
        raise InputError(explain("the name of a file", "that of a folder", "Choose another name.", path))
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


def _check_labels(path: Path, labels: list[str], line: int, strict: bool) -> None:
    where = f"{path}, line {line}"
    times = [label for label in labels if label.lower() == "time"]
    if not times:
        raise InputError(explain("a column 'time'", some(labels), "Name the time column 'time'.", where))
    known = times if not strict else [label for label in labels if label]
    if twice := sorted({label for label in known if known.count(label) > 1}):
        raise InputError(explain("each label once", f"{some(twice)} twice", "Rename or remove one.", where))
    if len(times) > 1:
        raise InputError(explain("one column of times", some(times), "Rename or remove one.", where))


def _compare_with_header(path: Path, header: dict[str, str], rows: int, columns: set[int]) -> None:
    for keys, found, what in ((_ROWS, {rows}, "rows"), (_COLUMNS, columns, "columns")):
        declared = next((header[key] for key in keys if key in header), None)
        if declared is not None and declared not in map(str, found):
            warn(f"{path}: the header declares {declared} {what}, the table holds {min(found)}; the table is used.")


def _in_degrees(path: Path, header: dict[str, str]) -> bool:
    declared = header.get("inDegrees")
    if declared is None:
        return path.suffix.lower() == ".mot" and "version" not in header
    if declared.lower() in ("yes", "no"):
        return declared.lower() == "yes"
    raise InputError(explain("inDegrees=yes or inDegrees=no", f"'{declared}'", "Repair the header.", path))
