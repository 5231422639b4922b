"""MeasuredForce: forces of an instrumented implant over time or over per cent of a stride."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from ..emg.strides import Strides
from ..errors import InputError, check_names, explain, shown, some
from ..files.delimited import SECONDS, TIMES, read_delimited
from ..files.given import is_frame
from ..files.series import TIME_SLACK
from ..files.storage import READERS, read_columns, sha256
from ..options import check_word
from ..problem.arrays import Array

if TYPE_CHECKING:
    import pandas as pd

#: What the first column counts: s, or per cent of a stride.
Axis = Literal["time", "percent"]
#: Unit of forces, and how many body weights it is; N is absolute.
Unit = Literal["N", "BW", "%BW"]
WEIGHTS = {"BW": 1.0, "%BW": 0.01}
#: Parts of the name of a column of per cent of a stride, in lower case.
PERCENT = ("%", "percent", "per cent", "per_cent", "pct", "cycle", "stride", "phase")
#: Points of one stride.
POINTS = 101
#: Shares of a stride end below this, per cent above it.
SHARES = 1.5
#: A step of this many usual steps is a gap: what lies in it was not measured.
GAP = 3.0
#: Body weights above which no activity loads a joint; forces in N that are below it, and below LEAST body weights, are
#: taken for body weights.
LARGEST, LEAST = 10.0, 0.02


@dataclass(frozen=True, eq=False)
class MeasuredForce:
    """Forces of C columns at N times in s, or at N shares of a stride.

    Attributes
    ----------
    at
        (N,) increasing: s, or 0 to 1 where ``by_stride``.
    value
        (N, C), NaN where nothing was measured.
    columns
        C names.
    by_stride
        Whether ``at`` counts shares of a stride.
    notes
        What was found out about the file, as sentences.
    source
        Path and SHA-256.
    """

    at: Array
    value: Array
    columns: tuple[str, ...]
    by_stride: bool
    notes: tuple[str, ...]
    source: dict[str, str]

    @classmethod
    def read(cls, measured: pd.DataFrame | str | os.PathLike[str], axis: Axis | None = None) -> MeasuredForce:
        """Read a .sto, .mot or delimited text, or a DataFrame, whose first column (or index) is the axis.

        Without ``axis`` its name decides; an unknown name is taken for per cent where the column runs from 0 to 100,
        and 101 rows without such a column for 0 to 100 %.
        """
        if axis is not None:
            check_word("axis", axis, get_args(Axis))
        names, unit, values, where, source = _table(measured)
        kind, has, note = _kind(names, values, axis, where)
        at = values[:, 0].astype(float) if has else np.linspace(0.0, 1.0, len(values))
        if has:
            values, names = values[:, 1:], names[1:]
            at = at * (SECONDS.get(unit, 1.0) if kind == "time" else 0.01 if np.nanmax(at) > SHARES else 1.0)
        _check_axis(at, kind, where)
        value = np.where(np.isfinite(values), values, np.nan)
        return cls(at, value, tuple(names), kind == "percent", (note,) if note else (), source)

    def pick(self, columns: Sequence[str]) -> MeasuredForce:
        """These columns, in this order."""
        check_names("columns of the measured force", columns, self.columns, self.source["path"])
        if twice := [name for name in columns if self.columns.count(name) > 1]:
            got, where = f"{some(twice)} more than once", self.source["path"]
            raise InputError(explain("columns of different names", got, "Rename one.", where))
        return replace(
            self, value=self.value[:, [self.columns.index(name) for name in columns]], columns=tuple(columns)
        )

    def in_newtons(self, unit: Unit, body_weight: float | None) -> MeasuredForce:
        """The same forces in N, of ``unit``."""
        check_word("unit", unit, get_args(Unit))
        largest = float(np.nanmax(np.abs(self.value), initial=0.0))
        if unit == "N":
            if largest < min(LARGEST, LEAST * (body_weight or 0.0)):
                got, fix = f"{largest:.3g} at most", 'Give unit="BW" if these are body weights.'
                raise InputError(explain("measured forces in N", got, fix, self.source["path"]))
            return self
        if WEIGHTS[unit] * largest > LARGEST:
            got = f"{largest:.4g}, that is {WEIGHTS[unit] * largest:.4g} body weights"
            fix = 'Give unit="N" (or "%BW") if these are newtons (or per cent).'
            raise InputError(explain(f"measured forces in {unit}", got, fix, self.source["path"]))
        if body_weight is None:
            fix = "Give body_weight= in N."
            raise InputError(explain("a body weight for forces in body weights", "none", fix, self.source["path"]))
        return replace(self, value=WEIGHTS[unit] * body_weight * self.value)

    def onto(self, time: Array, strides: Sequence[tuple[float, float]]) -> Array:
        """(T, C) at ``time`` in s, NaN in gaps and outside; per cent are of each of the strides (first, last) in s."""
        if not self.by_stride:
            return known_between(self.at, self.value, time)
        found = np.full((len(time), len(self.columns)), np.nan)
        for first, last in strides:
            inside = (time >= first - TIME_SLACK) & (time <= last + TIME_SLACK)
            share = np.clip((time[inside] - first) / (last - first), 0.0, 1.0)
            found[inside] = known_between(self.at, self.value, share)
        return found


def known_between(at: Array, value: Array, wanted: Array) -> Array:
    """(T, C) values (N, C) between samples that are known and no further apart than a gap; NaN elsewhere."""
    step, slack = np.diff(at), 1e-9 * max(1.0, float(np.abs(at).max()))
    usual = float(np.median(step)) if len(step) else 0.0
    right = np.clip(np.searchsorted(at, wanted - slack), 1, max(1, len(at) - 1))
    left = right - 1
    share = np.clip((wanted - at[left]) / (at[right] - at[left]), 0.0, 1.0)[:, None]
    low, high = value[left], value[right]
    between = (1.0 - share) * low + share * high
    between[at[right] - at[left] > GAP * usual] = np.nan
    near = [np.abs(wanted - at[end]) <= slack for end in (left, right)]
    exact = np.where(near[0][:, None], low, np.where(near[1][:, None], high, between))
    outside = (wanted < at[0] - slack) | (wanted > at[-1] + slack)
    return np.where(outside[:, None], np.nan, exact)


def spans_of(strides: Strides | Sequence[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """(first, last) in s of each stride."""
    given = strides.times if isinstance(strides, Strides) else strides
    try:
        spans = tuple((float(first), float(last)) for first, last in given)
    except (TypeError, ValueError):
        fix = "Write for example strides=[(0.0, 1.1)]."
        raise InputError(explain("strides as pairs of times in s", shown(given), fix)) from None
    if wrong := [span for span in spans if not span[0] < span[1] < np.inf]:
        raise InputError(explain("strides that end after they begin", shown(wrong[0]), "Check their times."))
    return spans


def _table(measured: Any) -> tuple[list[str], str, Array, str, dict[str, str]]:
    """Names, unit of the first column, numbers, where they are from in words, and the source."""
    if is_frame(measured):
        return _frame(measured)
    path = Path(measured)
    if not path.is_file():
        raise InputError(explain("a file with measured forces", "no such file", "Check the path.", path))
    source = {"path": str(path), "sha256": sha256(path)}
    if path.suffix.lower() in READERS:
        table = read_columns(path)
        values = np.column_stack([table.index.to_numpy(dtype=float), table.to_numpy(dtype=float)])
        return ["time", *map(str, table.columns)], "s", values, str(path), source
    names, unit, values = read_delimited(path)
    return names, unit, values, str(path), source


def _frame(frame: pd.DataFrame) -> tuple[list[str], str, Array, str, dict[str, str]]:
    """The same of a DataFrame: its index counts as the first column, unless it is row numbers."""
    import pandas as pd

    where = "the DataFrame given as measured"
    given = frame if isinstance(frame.index, pd.RangeIndex) and frame.index.name is None else frame.reset_index()
    names = [str(label).strip() for label in given.columns]
    if given is not frame and frame.index.name is None:
        names[0] = "time" if not _to_hundred(np.asarray(frame.index, dtype=float)) else ""
    try:
        values = given.to_numpy(dtype=float)
    except (TypeError, ValueError) as error:
        raise InputError(explain("numbers in every column", str(error), "Leave other columns out.", where)) from None
    return names, "s", values, where, {"path": where}


def _kind(names: Sequence[str], values: Array, axis: Axis | None, where: str) -> tuple[Axis, bool, str]:
    """What the rows count, whether the first column says so, and a sentence where that was found out."""
    name, first = names[0].lower(), values[:, 0]
    if axis is not None:
        return axis, True, ""
    if name in TIMES:
        return "time", True, ""
    if any(part in name for part in PERCENT) and "stance" not in name:
        return "percent", True, ""
    if _to_hundred(first):
        return "percent", True, f"The first column of the measured force, '{names[0]}', is taken for per cent of a stride."
    if len(values) == POINTS and not (np.diff(first) > 0.0).all():
        return "percent", False, f"{POINTS} rows without times are taken for 0 to 100 % of a stride."
    fix = 'Name it time or percent, or give axis="time" (s) or axis="percent" (of a stride).'
    raise InputError(explain("a first column of times or of per cent of a stride", repr(names[0]), fix, where))


def _to_hundred(value: Array) -> bool:
    """Whether numbers increase from 0 to 100."""
    return bool(len(value) > 2 and value[0] == 0.0 and value[-1] == 100.0 and (np.diff(value) > 0.0).all())


def _check_axis(at: Array, kind: Axis, where: str) -> None:
    if len(at) < 2:
        raise InputError(explain("two rows of measured forces or more", str(len(at)), "Check the file.", where))
    wrong = np.flatnonzero(~(np.isfinite(at[1:]) & (np.diff(at) > 0.0)))
    if len(wrong) or not np.isfinite(at[0]):
        row = int(wrong[0]) + 1 if len(wrong) else 0
        got = f"{at[row]:g} in row {row + 1}" + (f", after {at[row - 1]:g}" if row else "")
        raise InputError(explain("a first column that increases", got, "Sort the rows, and remove repeated ones.", where))
    if kind == "percent" and (at[0] < -1e-6 or at[-1] > 1.0 + 1e-6):
        got = f"{100.0 * at[0]:g} to {100.0 * at[-1]:g} %"
        raise InputError(explain("per cent of a stride, 0 to 100 or 0 to 1", got, 'axis="time" are times.', where))
