"""Tables as time series: the columns that are used, and the rows that the splines depend on."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import numpy as np

from ..errors import InputError, explain, some
from ..notices import warn
from ..signals import REPEATED, disagreement, distinct_rows, first_rows
from .table import Table

#: s; motion and load files print times to 6-8 digits.
TIME_SLACK = 1e-6
#: Rows, and periods of a low-pass, that are needed beyond the frames: if a file ends there, accelerations of walks
#: change by 4e-8 of their largest, filtered ones by 1e-4; at half the distance by 1e-4 and 1e-2.
ROWS, PERIODS = 20, 3.0
#: Rows that a cubic spline needs beyond the frames: loads of walks change by 4e-10 of their largest.
ROWS_OF_LOADS = 10


def merged(table: Table, labels: Sequence[str], path: object, skipped: int = 0) -> Table:
    """Merge times of a table that repeat, if the columns ``labels`` agree; ``skipped`` rows came before the table.

    See :func:`distinct_rows`; ``attrs["merged"]`` is the number of rows left out.
    """
    value = table[list(labels)].to_numpy(dtype=float)
    keep = distinct_rows(table.index.to_numpy(dtype=float), value, labels, path, skipped)
    chosen = table if len(keep) == len(table) else table.rows(keep)
    chosen.attrs["merged"] = len(table) - len(keep)
    return chosen


def frame_times(table: Table) -> np.ndarray:
    """Times of a table that increase: of those that repeat the first."""
    time = table.index.to_numpy(dtype=float)
    time = time[np.isfinite(time)]
    time = time[first_rows(time)[0] == np.arange(len(time))]
    return np.asarray(time[time > np.maximum.accumulate(np.concatenate([[-np.inf], time[:-1]]))])


def usable(
    table: Table,
    labels: Sequence[str],
    path: object,
    span: tuple[float, float] | None = None,
    *,
    rows: int = ROWS,
    lowpass_hz: float | None = None,
) -> Table:
    """Drop unusable columns and rows of a table that the frames do not depend on, with one warning.

    Columns not in ``labels`` are dropped if their label repeats or they hold NaN. A row is unusable if it has NaN in a
    column of ``labels``, repeats a time with other numbers or goes back in time. Outside of ``span``, unusable rows and
    all rows beyond them are dropped if they are at least ``rows`` rows and three periods of the low-pass away from it.
    Times that repeat with the same numbers are merged.

    Parameters
    ----------
    table
        From ``read_columns``: times and labels may repeat.
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
        A label of ``labels`` repeats; unusable rows in the span or near it.
    """
    names = list(table.columns)
    if twice := [name for name in labels if names.count(name) > 1]:
        raise InputError(explain("each label once", f"{some(twice)} twice", "Rename or remove one.", path))
    value = table[list(labels)].to_numpy(dtype=float)
    time = table.index.to_numpy(dtype=float)
    bad = _unusable(time, value)
    part = slice(0, len(time)) if span is None or not bad.any() else _around(time, bad, span, rows, lowpass_hz, path)
    kept = merged(table.rows(part) if len(bad[part]) < len(time) else table, labels, path, part.start)
    refuse_gaps(kept[list(labels)], path)
    twice = sorted({name for name in names if names.count(name) > 1})
    gaps = [name for name in names if name not in twice and not np.isfinite(kept[name].to_numpy()).all()]
    notes = [f"column '{name}' (label twice)" for name in twice] + [f"column '{name}' (NaN)" for name in gaps]
    for place in (slice(0, part.start), slice(part.stop, len(time))):
        if left := len(time[place]):
            ends = [f"{end:g}" for end in (time[place][0], time[place][-1])]
            rows_at = f"1 row at {ends[0]} s" if left == 1 else f"{left} rows from {ends[0]} to {ends[1]} s"
            notes.append(f"{rows_at} (NaN, or a time that repeats or goes back)")
    if notes:
        warn(f"{path}: left out, since the frames do not depend on it: {some(notes, 12)}.")
    chosen = kept.kept([name not in (*twice, *gaps) for name in names]) if twice or gaps else kept
    chosen.attrs["cut"] = len(bad[part]) < len(time)
    chosen.attrs["as_opensim"] = bool(table.attrs.get("as_opensim")) and not notes and not kept.attrs["merged"]
    return chosen


def overlap(one: Table, other: Table) -> tuple[Table, Table]:
    """Two tables from ``usable``, cut to the times that both cover if rows of either were left out."""
    if not (one.attrs["cut"] or other.attrs["cut"]):
        return one, other
    first = max(one.index[0], other.index[0]) - TIME_SLACK
    last = min(one.index[-1], other.index[-1]) + TIME_SLACK
    within = [table[(table.index >= first) & (table.index <= last)] for table in (one, other)]
    return within[0], within[1]


def without_clashes(time: np.ndarray, value: np.ndarray, path: object) -> np.ndarray:
    """Samples (T, C), NaN where their time (T,) repeats with other numbers; a warning counts these times."""
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


def refuse_gaps(table: Table, path: object) -> None:
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
    """Rows around a span up to the next bad ones, which raise an error if too near; all rows if some in it are bad."""
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
        first, last = time[inside[0]], time[inside[-1]]
        expected = f"numbers and increasing times in the frames from {first:g} to {last:g} s and {rows} next to them"
        got = f"NaN, a repeated time or a step back in time at {time[near[0]]:g} s (row {near[0] + 1} of the table)"
        fix = "Splines through the frames depend on it: repair the row, or choose a time_range farther from it."
        raise InputError(explain(expected, got, fix, path))
    return slice(start, stop)
