"""EMG from files: OpenSim's tables, text of any delimiter, C3D."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, MissingDependencyError, explain
from ..files.storage import read_table, sha256
from ..signals import distinct_rows
from .recording import Amplitude, Emg

Array = NDArray[np.float64]

#: What the first column of a text file may be called, in lower case, and the delimiters that are tried.
TIMES, DELIMITERS = ("time", "t", "times", "time_s", "time (s)", "time [s]", "zeit"), "\t;,| "
#: s in a unit of time, by its name in a units row.
SECONDS = {"s": 1.0, "sec": 1.0, "seconds": 1.0, "ms": 1e-3, "msec": 1e-3}


def read_emg(
    path: str | os.PathLike[str],
    *,
    channels: Sequence[str] | None = None,
    envelope: bool | None = None,
    amplitude: Amplitude = "raw",
    rate: float | None = None,
) -> Emg:
    """Read EMG from .sto, .mot, .csv, .txt, .tsv or .c3d.

    Parameters
    ----------
    path
        A table with a column of times in s (in ms where a units row says so), or a C3D file with analog channels.
    channels
        Those to keep, in this order; default all (of a C3D: those whose names or units look like EMG).
    envelope
        Whether the file holds envelopes. By default a file of a rate below 250 Hz does, and one of which no channel
        ever gets clearly negative.
    amplitude
        What the file's amplitudes are; see :class:`osimopt.emg.recording.Emg`.
    rate
        Samples per s of a text file without times.

    Raises
    ------
    InputError
        No such file, words where numbers belong, no times, unknown channels; with file and line.
    MissingDependencyError
        A .c3d without the package ezc3d.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(explain("a file with EMG", "no such file", "Check the path.", path))
    padded: list[str] = []
    if path.suffix.lower() == ".c3d":
        time, value, names = _read_c3d(path)
    elif path.suffix.lower() in (".sto", ".mot"):
        table = read_table(path)
        names = tuple(str(name) for name in table.columns)
        padded = table.attrs["padded"]
        time, value = table.index.to_numpy(dtype=float), table.to_numpy(dtype=float)
    else:
        time, value, names = _read_text(path, rate)
    keep = distinct_rows(time, value, names, path)
    time, value = time[keep], value[keep]
    source = {"path": str(path), "sha256": sha256(path)}
    if padded:
        source["padded"] = "\n".join(padded)
    emg = Emg(time, value, names, amplitude, source=source)
    emg = emg if channels is None else emg.select(channels)
    return replace(emg, envelope=_looks_like_envelopes(emg) if envelope is None else envelope)


def _looks_like_envelopes(emg: Emg) -> bool:
    low, high = np.nanmin(emg.value, axis=0), np.nanmax(emg.value, axis=0)
    return emg.rate < 250.0 or bool((low > -0.25 * np.maximum(high, 1e-300)).all())


def _read_text(path: Path, rate: float | None) -> tuple[Array, Array, tuple[str, ...]]:
    lines = [line for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    if len(lines) < 3:
        raise InputError(explain("a row of names and two of numbers", f"{len(lines)} rows", "Check the file.", path))
    delimiter = max(
        DELIMITERS, key=lambda mark: (lines[0].count(mark) == lines[-1].count(mark) > 0, lines[0].count(mark))
    )
    rows = [[word.strip() for word in row] for row in csv.reader(lines, delimiter=delimiter, skipinitialspace=True)]
    comma = delimiter != "," and any("," in word for word in rows[-1])
    header, units, first = rows[0], None, 1
    if not _is_number(rows[1][-1], comma):
        units, first = rows[1], 2
    numbers = np.array(
        [_numbers(row, len(header), comma, path, place) for place, row in enumerate(rows[first:], first + 1)]
    )
    if header[0].lower() in TIMES:
        unit = units[0].strip("[]()").lower() if units else "s"
        return SECONDS.get(unit, 1.0) * numbers[:, 0], numbers[:, 1:], tuple(header[1:])
    if rate is None:
        fix = "Name the first column time, or give the samples per s with rate=."
        raise InputError(explain("a first column of times", repr(header[0]), fix, path))
    return np.arange(len(numbers)) / rate, numbers, tuple(header)


def _numbers(row: Sequence[str], columns: int, comma: bool, path: Path, line: int) -> list[float]:
    if len(row) != columns:
        where = f"{path}, row {line}"
        raise InputError(explain(f"{columns} columns, as in the first row", str(len(row)), "Mend this row.", where))
    try:
        return [float(word.replace(",", ".") if comma else word) if word else np.nan for word in row]
    except ValueError:
        bad = next(word for word in row if word and not _is_number(word, comma))
        raise InputError(explain("a number", repr(bad), "Mend or empty this cell.", f"{path}, row {line}")) from None


def _is_number(word: str, comma: bool) -> bool:
    try:
        float(word.replace(",", ".") if comma else word)
    except ValueError:
        return not word
    return True


def _read_c3d(path: Path) -> tuple[Array, Array, tuple[str, ...]]:
    """Analog channels that look like EMG, by ezc3d; all, where none does."""
    try:
        import ezc3d
    except ImportError:
        fix = "pip install 'osimopt[emg]'"
        raise MissingDependencyError(explain("ezc3d, to read .c3d", "it is not installed", fix, path)) from None
    try:
        content: Any = ezc3d.c3d(str(path))
    except Exception as error:  # ezc3d raises whatever C++ did
        raise InputError(explain("a C3D file", f"{error}", "Export it again.", path)) from error
    analog = content["parameters"]["ANALOG"]
    names = [str(name).strip() for name in analog["LABELS"]["value"]]
    value = np.asarray(content["data"]["analogs"][0]).T
    if not names or not value.size:
        raise InputError(explain("analog channels", "none", "EMG is in another file of the trial.", path))
    keep = [place for place, name in enumerate(names) if "emg" in name.lower()] or list(range(len(names)))
    if len(set(names)) < len(names):
        names = [f"{name} {place}" if names.count(name) > 1 else name for place, name in enumerate(names)]
    return (
        np.arange(len(value)) / float(analog["RATE"]["value"][0]),
        value[:, keep],
        tuple(names[place] for place in keep),
    )
