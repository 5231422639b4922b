"""read_emg: EMG from OpenSim's tables, delimited text and C3D files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from ..errors import InputError, MissingDependencyError, explain, some
from ..files.delimited import read_delimited
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
#: Rates in Hz between which times of EMG can be.
SLOWEST, FASTEST = 5.0, 100_000.0
#: Samples from which a rate is judged.
ENOUGH = 20
#: Volts of a unit, by its name.
VOLTS = {"v": 1.0, "volt": 1.0, "volts": 1.0, "mv": 1e-3, "µv": 1e-6, "uv": 1e-6}
#: A channel that never falls below this multiple of its maximum is an envelope.
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
        A table with a column of times in s, or in ms according to its name, ``Time (ms)``, or a row of units; or a C3D
        file with analog channels, whose times begin at the first frame of a cropped recording. A DataFrame has times
        in s as its index or in a column ``time``.
    channels : sequence of str, optional
        Channels to keep, in this order. Default: all; of a C3D file those with ``emg`` in their name, if there are any.
    envelope : bool, optional
        Whether the file holds envelopes. Default: True if its rate is below 250 Hz; else each channel is one that never
        falls below −25 % of its maximum.
    amplitude : {"raw", "own maximum", "mvc"}
        Unit of the values; see :class:`osimopt.Emg`.
    rate : float, optional
        Sampling rate in Hz of a text file without times.

    Returns
    -------
    Emg
        T samples of C channels; ``source`` has the file's path and SHA-256, and the unit of the values where the file
        has one. A sample whose time repeats with other numbers is NaN, and channels of one name are left out unless
        ``channels`` has it; a warning names them.

    Raises
    ------
    InputError
        No such file, text where numbers are expected, no times or impossible ones, or unknown channels; with file
        and line.
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
    read = _read(source, rate)
    names, value = read.names, read.value
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if wanted := [name for name in twice if name in (channels or ())]:
        got = f"{some(wanted)} more than once"
        raise InputError(explain("EMG channels with different names", got, "Rename one.", source))
    if twice:
        warn(f"{source}: left out: {some(twice)}, since several channels have this name.")
        kept = [column for column, name in enumerate(names) if name not in twice]
        value, names = value[:, kept], tuple(names[column] for column in kept)
    value = without_clashes(read.time, value, source)
    keep = distinct_rows(read.time, value, names, source)
    time, value = read.time[keep], value[keep]
    emg = Emg(time, value, names, amplitude, source={"path": str(source), "sha256": sha256(source), **read.about})
    _check_rate(emg, source)
    emg = emg if channels is None else emg.select(channels)
    if envelope is not None:
        return replace(emg, envelope=envelope)
    smooth = _envelopes(emg)
    if smooth and len(smooth) < len(emg.channels):
        warn(
            f"{source}: {some(smooth)} are taken as envelopes, the other channels as raw EMG: they never swing below 0."
        )
    return replace(
        emg, envelope=len(smooth) == len(emg.channels), smooth=smooth if len(smooth) < len(emg.channels) else ()
    )


class _Recorded(NamedTuple):
    """Times in s, values (T, C), names, and what is said of them."""

    time: Array
    value: Array
    names: tuple[str, ...]
    about: dict[str, str]


def _read(source: Path | GivenTable, rate: float | None) -> _Recorded:
    if isinstance(source, Path):
        if not source.is_file():
            raise InputError(explain("a file with EMG", "no such file", "Check the path.", source))
        if source.suffix.lower() == ".c3d":
            return _read_c3d(source)
        if source.suffix.lower() not in (".sto", ".mot"):
            return _read_text(source, rate)
    table = read_columns(source)
    names = tuple(str(name).strip() for name in table.columns)
    return _Recorded(table.index.to_numpy(dtype=float), table.to_numpy(dtype=float), names, {})


def _check_rate(emg: Emg, source: Path | GivenTable) -> None:
    """Refuse times that no EMG has."""
    if SLOWEST <= emg.rate <= FASTEST or len(emg) < ENOUGH:
        return
    got = f"times from {emg.time[0]:g} to {emg.time[-1]:g}, {len(emg)} samples, that is {emg.rate:.4g} Hz"
    fix = "Correct the times; a column of milliseconds is named Time (ms), or has ms below its name."
    raise InputError(explain(f"EMG at {SLOWEST:g} Hz to {FASTEST / 1e3:g} kHz, with times in s", got, fix, source))


def _envelopes(emg: Emg) -> tuple[str, ...]:
    """Channels that are envelopes: all at a low rate, else those that never fall far below 0."""
    if emg.rate < RAW_RATE:
        return emg.channels
    found = []
    for channel in emg.channels:
        value = emg.of(channel)
        low, high = np.nanmin(value, initial=np.inf), np.nanmax(value, initial=-np.inf)
        if not np.isfinite(low) or low > SWING * max(high, 1e-300):
            found.append(channel)
    known = [name for name in found if np.isfinite(emg.of(name)).any()]
    return tuple(found if known else ())


def _read_text(path: Path, rate: float | None) -> _Recorded:
    read = read_delimited(path)
    second, names = read.time_unit(), tuple(name.strip() for name in read.names)
    if second is None and rate is None:
        fix = "Name the first column time, or give the sampling rate in Hz with rate=."
        raise InputError(explain("a first column of times", repr(names[0]), fix, path))
    if second is None:
        time, first = np.arange(len(read.numbers)) / cast(float, rate), 0
    else:
        time, first = second * read.numbers[:, 0], 1
    value, about = _in_one_unit(read.numbers[:, first:], read.units[first:], names[first:], path)
    return _Recorded(time, value, names[first:], about)


def _in_one_unit(value: Array, units: Sequence[str], names: Sequence[str], path: Path) -> tuple[Array, dict[str, str]]:
    """Values in one unit of voltage, and that unit, where channels have one."""
    known = [VOLTS.get(unit.strip("[]() ").replace("μ", "µ").lower()) for unit in units]
    if not any(known):
        return value, {}
    if None in known or len(set(known)) == 1:
        return value, {"unit": units[known.index(next(filter(None, known)))].strip("[]() ")}
    warn(f"{path}: channels in several units, {some(dict.fromkeys(units))}: all are converted to V.")
    return value * np.array(known, dtype=float), {"unit": "V"}


def _read_c3d(path: Path) -> _Recorded:
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
    names = [name.strip() for name in _continued(analog, "LABELS")]
    value = np.asarray(content["data"]["analogs"][0]).T
    if not names or not value.size:
        raise InputError(explain("analog channels", "none", "EMG is in another file of the trial.", path))
    if len(names) != value.shape[1]:
        got, fix = f"{len(names)} labels for {value.shape[1]} channels", "Export it again."
        raise InputError(explain("a label for each analog channel", got, fix, path))
    units = _continued(analog, "UNITS")
    units = [*units, *[""] * (len(names) - len(units))]
    keep = [column for column, name in enumerate(names) if "emg" in name.lower()] or list(range(len(names)))
    if len(set(names)) < len(names):
        names = [f"{name} {column}" if names.count(name) > 1 else name for column, name in enumerate(names)]
    rate = float(analog["RATE"]["value"][0])
    header = content["header"]
    start = float(header["points"]["first_frame"]) / float(header["points"]["frame_rate"] or 1.0)
    kept = tuple(names[column] for column in keep)
    value, about = _in_one_unit(value[:, keep], [units[column] for column in keep], kept, path)
    if left := [name for column, name in enumerate(names) if column not in keep]:
        about["left_out"] = "\n".join(left)
    return _Recorded(start + np.arange(len(value)) / rate, value, kept, about)


def _continued(group: Any, name: str) -> list[str]:
    """A list of texts, continued in LABELS2, LABELS3, … after the 255 entries that one parameter holds."""
    found, number = [], 1
    while (key := name if number == 1 else f"{name}{number}") in group:
        found += [str(text) for text in group[key]["value"]]
        number += 1
    return found
