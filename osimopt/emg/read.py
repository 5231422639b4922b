"""read_emg: EMG from OpenSim's tables, delimited text and C3D files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ..errors import InputError, MissingDependencyError, explain, some
from ..files.delimited import SECONDS, TIMES, read_delimited
from ..files.given import GivenTable, is_frame
from ..files.series import without_clashes
from ..files.storage import read_columns, sha256
from ..notices import warn
from ..problem.arrays import Array
from ..signals import distinct_rows
from .recording import Amplitude, Emg

if TYPE_CHECKING:
    import pandas as pd

#: Sampling rate in Hz below which a file holds envelopes.
RAW_RATE = 250.0
#: A file in which no channel falls below this multiple of its maximum holds envelopes.
SWING = -0.25


def read_emg(
    path: str | os.PathLike[str] | pd.DataFrame,
    *,
    channels: Sequence[str] | None = None,
    envelope: bool | None = None,
    amplitude: Amplitude = "raw",
    rate: float | None = None,
) -> Emg:
    """Read EMG from a file (.sto, .mot, .csv, .txt, .tsv or .c3d) or a DataFrame.

    Parameters
    ----------
    path : path-like or pandas.DataFrame
        A table with a column of times in s, or in ms according to a row of units; or a C3D file with analog channels. A
        DataFrame has times in s as its index or in a column ``time``.
    channels : sequence of str, optional
        Channels to keep, in this order. Default: all; of a C3D file those with ``emg`` in their name, if there are any.
    envelope : bool, optional
        Whether the file holds envelopes. Default: True if its rate is below 250 Hz, or if no channel falls below
        −25 % of its maximum.
    amplitude : {"raw", "own maximum", "mvc"}
        Unit of the values; see :class:`osimopt.Emg`.
    rate : float, optional
        Sampling rate in Hz of a text file without times.

    Returns
    -------
    Emg
        T samples of C channels, with the file's path and SHA-256 in ``source``. A sample whose time repeats with other
        numbers is NaN, and channels of one name are left out unless ``channels`` has it; a warning names them.

    Raises
    ------
    InputError
        No such file, text where numbers are expected, no times, or unknown channels; with file and line.
    MissingDependencyError
        A C3D file without the package ezc3d.

    Examples
    --------
    >>> import numpy as np, osimopt
    >>> emg = osimopt.Emg(np.arange(101) / 100.0, np.full((101, 1), 0.2), ("soleus",))
    >>> emg.to_dataframe().to_csv("emg.csv")
    >>> osimopt.read_emg("emg.csv")
    <Emg: 1 channels, 0 to 1 s at 100 Hz, envelopes>
    """
    source = GivenTable(path, "EMG") if is_frame(path) else Path(cast(str, path))
    time, value, names, padded = _read(source, rate)
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if wanted := [name for name in twice if name in (channels or ())]:
        got = f"{some(wanted)} more than once"
        raise InputError(explain("EMG channels with different names", got, "Rename one.", source))
    if twice:
        warn(f"{source}: left out: {some(twice)}, since several channels have this name.")
        kept = [column for column, name in enumerate(names) if name not in twice]
        value, names = value[:, kept], tuple(names[column] for column in kept)
    value = without_clashes(time, value, source)
    keep = distinct_rows(time, value, names, source)
    time, value = time[keep], value[keep]
    origin = {"path": str(source), "sha256": sha256(source)}
    if padded:
        origin["padded"] = "\n".join(padded)
    emg = Emg(time, value, names, amplitude, source=origin)
    emg = emg if channels is None else emg.select(channels)
    return replace(emg, envelope=_looks_like_envelopes(emg) if envelope is None else envelope)


def _read(source: Path | GivenTable, rate: float | None) -> tuple[Array, Array, tuple[str, ...], list[str]]:
    """Times, values, names, and labels that had spaces around them."""
    if isinstance(source, Path):
        if not source.is_file():
            raise InputError(explain("a file with EMG", "no such file", "Check the path.", source))
        if source.suffix.lower() == ".c3d":
            return *_read_c3d(source), []
        if source.suffix.lower() not in (".sto", ".mot"):
            return *_read_text(source, rate), []
    table = read_columns(source)
    names = tuple(str(name) for name in table.columns)
    return table.index.to_numpy(dtype=float), table.to_numpy(dtype=float), names, table.attrs["padded"]


def _looks_like_envelopes(emg: Emg) -> bool:
    low, high = np.nanmin(emg.value, axis=0), np.nanmax(emg.value, axis=0)
    return emg.rate < RAW_RATE or bool((low > SWING * np.maximum(high, 1e-300)).all())


def _read_text(path: Path, rate: float | None) -> tuple[Array, Array, tuple[str, ...]]:
    header, unit, numbers = read_delimited(path)
    if header[0].lower() in TIMES:
        return SECONDS.get(unit, 1.0) * numbers[:, 0], numbers[:, 1:], tuple(header[1:])
    if rate is None:
        fix = "Name the first column time, or give the sampling rate in Hz with rate=."
        raise InputError(explain("a first column of times", repr(header[0]), fix, path))
    return np.arange(len(numbers)) / rate, numbers, tuple(header)


def _read_c3d(path: Path) -> tuple[Array, Array, tuple[str, ...]]:
    """Analog channels with ``emg`` in their name, or all if there are none."""
    try:
        import ezc3d
    except ImportError:
        fix = "pip install 'osimopt[emg]'"
        raise MissingDependencyError(
            explain("the package ezc3d, to read .c3d", "it is not installed", fix, path)
        ) from None
    try:
        content: Any = ezc3d.c3d(str(path))
    except Exception as error:  # ezc3d passes on exceptions of its C++ code
        raise InputError(explain("a C3D file", f"{error}", "Export it again.", path)) from error
    analog = content["parameters"]["ANALOG"]
    names = [str(name).strip() for name in analog["LABELS"]["value"]]
    value = np.asarray(content["data"]["analogs"][0]).T
    if not names or not value.size:
        raise InputError(explain("analog channels", "none", "EMG is in another file of the trial.", path))
    keep = [column for column, name in enumerate(names) if "emg" in name.lower()] or list(range(len(names)))
    if len(set(names)) < len(names):
        names = [f"{name} {column}" if names.count(name) > 1 else name for column, name in enumerate(names)]
    time = np.arange(len(value)) / float(analog["RATE"]["value"][0])
    return time, value[:, keep], tuple(names[column] for column in keep)
