"""Tables as time series: the columns that are used, in the rows that splines through the frames depend on."""

from __future__ import annotations

import os
from collections.abc import Sequence
from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError, explain, some
from ..notices import warn
from ..signals import REPEATED, disagreement, distinct_rows, first_rows
from .storage import read_table

if TYPE_CHECKING:
    import pandas as pd

#: s; motion and load files print times to 6-8 digits.
TIME_SLACK = 1e-6
#: Rows, and periods of a low-pass, beyond the frames that are enough: where a file ends there, accelerations of walks
#: change by 4e-8 of their largest, filtered ones by 1e-4; at half as far by 1e-4 and 1e-2.
ROWS, PERIODS = 20, 3.0
#: Rows that are enough for a cubic spline: loads of walks change by 4e-10 of their largest.
ROWS_OF_LOADS = 10


def read_series(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read a table as ``read_table`` does, to be differentiated or interpolated: times that repeat are merged.

    See :func:`distinct_rows`; ``attrs["merged"]`` is how many rows were left out.
    """
    table = read_table(path)
    return merged(table, list(table.columns), path)


def merged(table: pd.DataFrame, labels: Sequence[str], path: object, skipped: int = 0) -> pd.DataFrame:
    """A table in which times that repeat are merged where these columns agree; ``skipped`` rows came before it."""
    value = table[list(labels)].to_numpy(dtype=float)
    keep = distinct_rows(table.index.to_numpy(dtype=float), value, labels, path, skipped)
    chosen = table if len(keep) == len(table) else table.iloc[keep]
    chosen.attrs["merged"] = len(table) - len(keep)
    return chosen


def frame_times(table: pd.DataFrame) -> np.ndarray:
    """Times of a table that increase: of those that repeat the first."""
    time = table.index.to_numpy(dtype=float)
    time = time[np.isfinite(time)]
    time = time[first_rows(time)[0] == np.arange(len(time))]
    return np.asarray(time[time > np.maximum.accumulate(np.concatenate([[-np.inf], time[:-1]]))])


def usable(
    table: pd.DataFrame,
    labels: Sequence[str],
    path: object,
    span: tuple[float, float] | None = None,
    *,
    rows: int = ROWS,
    lowpass_hz: float | None = None,
) -> pd.DataFrame:
    """Leave out of a table what nothing depends on and cannot be used, with one warning.

    That is any column but those of ``labels`` whose label repeats or that holds NaN. And, where there is a ``span``,
    rows before or after it from the first on that has NaN in a column of ``labels``, repeats a time with other numbers
    or goes back in time, if 20 ``rows`` and three periods of the low-pass lie between that row and the span. Times that
    repeat are merged.

    Parameters
    ----------
    table
        As ``read_columns`` gives it: times may repeat, labels too.
    labels
        Columns that are used.
    path
        The file, for messages.
    span
        First and last time in s of the frames.
    rows, lowpass_hz
        Rows next to the span that are needed; cutoff in Hz of a filter that follows.

    Raises
    ------
    InputError
        A label that is used and repeats; rows that cannot be used, in the span or near it.
    """
    names = list(table.columns)
    if twice := [name for name in labels if names.count(name) > 1]:
        raise InputError(explain("each label once", f"{some(twice)} twice", "Rename or remove one.", path))
    value = table[list(labels)].to_numpy(dtype=float)
    time = table.index.to_numpy(dtype=float)
    bad = _unusable(time, value)
    part = slice(0, len(time)) if span is None or not bad.any() else _around(time, bad, span, rows, lowpass_hz, path)
    kept = merged(table.iloc[part] if len(bad[part]) < len(time) else table, labels, path, part.start)
    refuse_gaps(kept[list(labels)], path)
    twice = sorted({name for name in names if names.count(name) > 1})
    gaps = [name for name in names if name not in twice and not np.isfinite(kept[name].to_numpy()).all()]
    notes = [f"column '{name}' (label twice)" for name in twice] + [f"column '{name}' (NaN)" for name in gaps]
    for place in (slice(0, part.start), slice(part.stop, len(time))):
        if left := len(time[place]):
            ends = f"from {time[place][0]:g} to {time[place][-1]:g} s"
            notes.append(f"{left} rows {ends} (NaN, or a time that repeats or goes back)")
    if notes:
        warn(f"{path}: left out, since nothing depends on it: {some(notes, 12)}.")
    chosen = kept.loc[:, [name not in (*twice, *gaps) for name in names]] if twice or gaps else kept
    chosen.attrs["cut"] = len(bad[part]) < len(time)
    chosen.attrs["as_opensim"] = bool(table.attrs.get("as_opensim")) and not notes and not kept.attrs["merged"]
    return chosen


def overlap(one: pd.DataFrame, other: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two tables of ``usable``, in the times of both if rows of either were left out."""
    if not (one.attrs["cut"] or other.attrs["cut"]):
        return one, other
    first = max(one.index[0], other.index[0]) - TIME_SLACK
    last = min(one.index[-1], other.index[-1]) + TIME_SLACK
    within = [table[(table.index >= first) & (table.index <= last)] for table in (one, other)]
    return within[0], within[1]


def without_clashes(time: np.ndarray, value: np.ndarray, path: object) -> np.ndarray:
    """Samples (T, C) with NaN where the time (T,) of others repeats with other numbers, which a warning counts."""
    first, interval = first_rows(time)
    again = np.flatnonzero(first != np.arange(len(time)))
    if not again.size:
        return value
    apart = disagreement(time, value, again, first[again], REPEATED * interval) > 1.0
    if apart.any():
        value = value.copy()
        for row, columns in zip(again, apart, strict=True):
            value[np.ix_([row, first[row]], columns)] = np.nan
        warn(f"{path}: left out: samples of {int(apart.any(axis=1).sum())} times that repeat with other numbers.")
    return value


def refuse_gaps(table: pd.DataFrame, path: object) -> None:
    """Refuse NaN and infinities, naming the first column, with time (s) and row."""
    finite = np.isfinite(table.to_numpy())
    if not finite.all():
        column = int(np.argmin(finite.all(axis=0)))
        row = int(np.argmin(finite[:, column]))
        got = f"NaN in '{table.columns[column]}' at {table.index[row]:g} s (row {row + 1} of the table)"
        raise InputError(explain("numbers in every frame", got, "Fill the gap or cut the file.", path))


def _unusable(time: np.ndarray, value: np.ndarray) -> np.ndarray:
    """(T,) rows that hold NaN, go back in time, or repeat a time with other numbers."""
    first, interval = first_rows(time)
    own = first == np.arange(len(time))
    bad = ~(np.isfinite(value).all(axis=1) & np.isfinite(time))
    bad[np.flatnonzero(own)[1:][~(np.diff(time[own]) > 0.0)]] = True
    again = np.flatnonzero(~own)
    if again.size:
        apart = (disagreement(time, value, again, first[again], REPEATED * interval) > 1.0).any(axis=1)
        bad[again[apart]] = bad[first[again[apart]]] = True
    return np.asarray(bad)


def _around(
    time: np.ndarray, bad: np.ndarray, span: tuple[float, float], rows: int, lowpass_hz: float | None, path: object
) -> slice:
    """Rows around a span up to the next bad ones, if enough of them lie between; all rows if bad ones are inside."""
    inside = np.flatnonzero((time >= span[0] - TIME_SLACK) & (time <= span[1] + TIME_SLACK))
    if not inside.size or bad[inside[0] : inside[-1] + 1].any():
        return slice(0, len(time))
    before, after = np.flatnonzero(bad[: inside[0]]), inside[-1] + 1 + np.flatnonzero(bad[inside[-1] + 1 :])
    start, stop = (int(before[-1]) + 1 if before.size else 0), (int(after[0]) if after.size else len(time))
    if lowpass_hz is not None:
        rows = max(rows, ceil(PERIODS / lowpass_hz / first_rows(time)[1]))
    near = [int(before[-1])] if before.size and inside[0] - start < rows else []
    near += [int(after[0])] if after.size and stop - 1 - inside[-1] < rows else []
    if near:
        expected = f"rows that can be used in the frames from {span[0]:g} to {span[1]:g} s and in {rows} next to them"
        got = f"NaN, a time that repeats with other numbers or a step back at {time[near[0]]:g} s (row {near[0] + 1})"
        fix = "Splines through the frames depend on it: repair the row, or choose a time_range farther from it."
        raise InputError(explain(expected, got, fix, path))
    return slice(start, stop)
