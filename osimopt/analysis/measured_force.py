"""MeasuredForce: forces of an instrumented implant over time or over per cent of a stride."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from ..errors import InputError, check_names, explain, shown, some
from ..files.delimited import read_delimited, unit_of_time
from ..files.given import is_frame
from ..files.series import TIME_SLACK
from ..files.storage import READERS, read_columns, sha256
from ..options import check_word
from ..problem.arrays import Array
from .contact_force import PRESSED

if TYPE_CHECKING:
    import pandas as pd

#: What the first column counts: s, or per cent of a stride.
Axis = Literal["time", "percent"]
#: Unit of forces: how many N, or how many body weights it is.
Unit = Literal["N", "kN", "BW", "%BW"]
NEWTONS = {"N": 1.0, "kN": 1000.0}
WEIGHTS = {"BW": 1.0, "%BW": 0.01}
#: Parts of the name of a column of per cent of a stride, in lower case.
PERCENT = ("%", "percent", "per cent", "per_cent", "pct", "cycle", "stride", "phase")
#: Which way a measured force counts, and the share of the sum of its sizes that must have one sign to be that.
Sign = Literal["positive", "negative"]
ONE_SIGN = 0.9
#: Points of one stride.
POINTS = 101
#: Shares of a stride end below this, per cent above it.
SHARES = 1.5
#: Share of a stride that may lack at its ends.
ENDS = 0.1
#: A step of this many usual steps is a gap: what lies in it was not measured.
GAP = 3.0
#: Body weights above which no activity loads a joint; forces in N that are below it, and below LEAST body weights, are
#: taken for body weights.
LARGEST, LEAST = 10.0, 0.02
#: kN; larger numbers are taken for N.
MOST_KN = 100.0


@dataclass(frozen=True, eq=False)
class MeasuredForce:
    """Forces of C columns at N times in s, or at N shares of a stride.

    Attributes
    ----------
    place
        (N,) increasing: s, or 0 to 1 where ``by_stride``.
    value
        (N, C), NaN where nothing was measured.
    columns
        C names.
    by_stride
        Whether ``place`` counts shares of a stride.
    notes
        What was found out about the file, as sentences.
    source
        Path and SHA-256.
    """

    place: Array
    value: Array
    columns: tuple[str, ...]
    by_stride: bool
    notes: tuple[str, ...]
    source: dict[str, str]

    @classmethod
    def read(
        cls, measured: pd.DataFrame | str | os.PathLike[str], columns: Sequence[str], axis: Axis | None = None
    ) -> MeasuredForce:
        """Read columns of a .sto, .mot or delimited text, or of a DataFrame, or sums of them ("a + b"), and its axis.

        The axis is the first column (or the index), or one called time. Without ``axis`` its name decides; an unknown
        name is taken for per cent where the column runs from 0 to 100, and 101 rows without such a column for 0 to
        100 %.
        """
        if axis is not None:
            check_word("axis", axis, get_args(Axis))
        names, unit, values, where, source = _table(measured)
        parts = [[name] if name in names else [part.strip() for part in name.split("+")] for name in columns]
        used = [part for own in parts for part in own]
        check_names("columns of the measured force", used, names, where)
        if twice := [name for name in used if names.count(name) > 1]:
            got = f"{some(twice)} more than once"
            raise InputError(explain("columns of different names", got, "Rename one.", where))
        at, kind, note = _axis(names, values, used, axis, where)
        place = np.linspace(0.0, 1.0, len(values)) if at is None else values[:, at].astype(float)
        _check_increasing(place, where)
        second = (unit_of_time(names[0], unit) or 1.0) if at == 0 else 1.0
        place = second * place if kind == "time" else _shares(place, where)
        chosen = np.stack([values[:, [names.index(part) for part in own]].sum(axis=1) for own in parts], axis=1)
        value = np.where(np.isfinite(chosen), chosen, np.nan)
        return cls(place, value, tuple(columns), kind == "percent", (note,) if note else (), source)

    def in_newtons(self, unit: Unit, body_weight: float | None) -> MeasuredForce:
        """The same forces in N, of ``unit``."""
        check_word("unit", unit, get_args(Unit))
        largest = float(np.nanmax(np.abs(self.value), initial=0.0))
        if unit in NEWTONS:
            newtons = NEWTONS[unit] * largest
            if 0.0 < newtons < min(LARGEST, LEAST * (body_weight or 0.0)):
                got, fix = (
                    f"{largest:.3g} at most",
                    'Give unit="BW" if these are body weights, unit="kN" if kilonewtons.',
                )
                raise InputError(explain(f"measured forces in {unit}", got, fix, self.source["path"]))
            if unit == "kN" and largest > MOST_KN:
                got, fix = f"{largest:.4g}", 'Give unit="N" if these are newtons.'
                raise InputError(explain("measured forces in kN", got, fix, self.source["path"]))
            return replace(self, value=NEWTONS[unit] * self.value)
        if WEIGHTS[unit] * largest > LARGEST:
            got = f"{largest:.4g}, that is {WEIGHTS[unit] * largest:.4g} body weights"
            fix = 'Give unit="N" (or "%BW") if these are newtons (or per cent).'
            raise InputError(explain(f"measured forces in {unit}", got, fix, self.source["path"]))
        if body_weight is None:
            fix = "Give body_weight= in N."
            raise InputError(explain("a body weight for forces in body weights", "none", fix, self.source["path"]))
        return replace(self, value=WEIGHTS[unit] * body_weight * self.value)

    def compressive(self, components: Sequence[str], sign: Sign | None) -> MeasuredForce:
        """The same with compression positive in the columns of ``PRESSED`` components; a note says what was found."""
        if sign is not None:
            check_word("compression", sign, get_args(Sign))
        where = self.source["path"]
        least = np.nanmin(self.value, axis=0, initial=np.inf)
        if "norm" in components and least[components.index("norm")] < 0.0:
            got = f"{least[components.index('norm')]:.4g}"
            raise InputError(explain("a norm that is not negative", got, "Is it a component?", where))
        own = [column for column, name in enumerate(components) if name in PRESSED]
        if not own:
            return self
        force, notes = np.nan_to_num(self.value[:, own]), self.notes
        if sign is None:
            share = float(np.maximum(force, 0.0).sum() / max(float(np.abs(force).sum()), 1e-300))
            if 1.0 - ONE_SIGN < share < ONE_SIGN:
                got, fix = f"{share:.0%} of their sum positive", 'Give compression="positive" or "negative".'
                raise InputError(explain("measured forces of one sign", got, fix, where))
            sign = "positive" if share >= ONE_SIGN else "negative"
            if sign == "negative":
                names = some([self.columns[column] for column in own])
                notes = (*notes, f"Compression is negative in the measured force, and was made positive: {names}.")
        value = self.value.copy()
        value[:, own] *= 1.0 if sign == "positive" else -1.0
        return replace(self, value=value, notes=notes)

    def onto(self, time: Array, strides: Sequence[tuple[float, float]]) -> Array:
        """(T, C) at ``time`` in s, NaN in gaps and outside; per cent are of each of the strides (first, last) in s."""
        if not self.by_stride:
            return known_between(self.place, self.value, time)
        found = np.full((len(time), len(self.columns)), np.nan)
        for first, last in strides:
            inside = (time >= first - TIME_SLACK) & (time <= last + TIME_SLACK)
            share = np.clip((time[inside] - first) / (last - first), 0.0, 1.0)
            found[inside] = known_between(self.place, self.value, share)
        return found


def known_between(at: Array, value: Array, wanted: Array, gap: float = GAP) -> Array:
    """(T, C) values (N, C) between samples that are known and at most ``gap`` usual steps apart; NaN elsewhere."""
    step, slack = np.diff(at), 1e-9 * max(1.0, float(np.abs(at).max()))
    usual = float(np.median(step)) if len(step) else 0.0
    right = np.clip(np.searchsorted(at, wanted - slack), 1, max(1, len(at) - 1))
    left = right - 1
    share = np.clip((wanted - at[left]) / (at[right] - at[left]), 0.0, 1.0)[:, None]
    low, high = value[left], value[right]
    between = (1.0 - share) * low + share * high
    between[at[right] - at[left] > gap * usual] = np.nan
    near = [np.abs(wanted - at[end]) <= slack for end in (left, right)]
    exact = np.where(near[0][:, None], low, np.where(near[1][:, None], high, between))
    outside = (wanted < at[0] - slack) | (wanted > at[-1] + slack)
    return np.where(outside[:, None], np.nan, exact)


def _table(measured: Any) -> tuple[list[str], str, Array, str, dict[str, str]]:
    """Names, unit of the first column, numbers, where they are from in words, and the source."""
    if is_frame(measured):
        return _frame(measured)
    if not isinstance(measured, str | os.PathLike):
        fix = "Make it a DataFrame whose first column is time or per cent."
        raise InputError(explain("measured forces as a path or a DataFrame", shown(measured), fix))
    path = Path(measured)
    if not path.is_file():
        raise InputError(explain("a file with measured forces", "no such file", "Check the path.", path))
    source = {"path": str(path), "sha256": sha256(path)}
    if path.suffix.lower() in READERS:
        table = read_columns(path)
        values = np.column_stack([table.index.to_numpy(dtype=float), table.to_numpy(dtype=float)])
        return ["time", *map(str, table.columns)], "s", values, str(path), source
    read = read_delimited(path)
    return read.names, read.units[0], read.numbers, str(path), source


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


def _axis(
    names: Sequence[str], values: Array, columns: Sequence[str], axis: Axis | None, where: str
) -> tuple[int | None, Axis, str]:
    """Number of the column that orders the rows, if any, what it counts, and a sentence where that was found out."""
    name, first, free = names[0].lower(), values[:, 0], names[0] not in columns
    times = [place for place, one in enumerate(names) if unit_of_time(one) is not None and one not in columns]
    if axis is not None and (free or axis == "time"):
        return (times[0] if axis == "time" and times else 0), axis, ""
    if times and axis is None:
        return times[0], "time", ""
    if free and any(part in name for part in PERCENT) and "stance" not in name:
        return 0, "percent", ""
    if free and _to_hundred(first):
        return 0, "percent", f"The first column of the measured force, '{names[0]}', is taken for per cent of a stride."
    if len(values) == POINTS and not (free and (np.diff(first) > 0.0).all()):
        return None, "percent", f"{POINTS} rows without times are taken for 0 to 100 % of a stride."
    fix = 'Name it time or percent, or give axis="time" (s) or axis="percent" (of a stride).'
    got = repr(names[0]) if free else f"{len(values)} rows without such a column"
    raise InputError(explain("a first column of times or of per cent of a stride", got, fix, where))


def _to_hundred(value: Array) -> bool:
    """Whether numbers increase from 0 to 100."""
    return bool(len(value) > 2 and value[0] == 0.0 and value[-1] == 100.0 and (np.diff(value) > 0.0).all())


def _check_increasing(place: Array, where: str) -> None:
    if len(place) < 2:
        raise InputError(explain("two rows of measured forces or more", str(len(place)), "Check the file.", where))
    wrong = np.flatnonzero(~(np.isfinite(place[1:]) & (np.diff(place) > 0.0)))
    if len(wrong) or not np.isfinite(place[0]):
        row = int(wrong[0]) + 1 if len(wrong) else 0
        got = f"{place[row]:g} in row {row + 1}" + (f", after {place[row - 1]:g}" if row else "")
        fix = "Sort the rows, and remove repeated ones."
        raise InputError(explain("times or per cent that increase", got, fix, where))


def _shares(percent: Array, where: str) -> Array:
    """Shares of a stride, of per cent or of shares; they must be those of nearly a whole one."""
    share = percent / (100.0 if percent[-1] > SHARES else 1.0)
    if not (-TIME_SLACK <= share[0] <= ENDS and 1.0 - ENDS <= share[-1] <= 1.0 + TIME_SLACK):
        got, fix = f"{percent[0]:g} to {percent[-1]:g}", 'Give axis="time" if these are s.'
        raise InputError(explain("per cent of a stride, from 0 to 100 or from 0 to 1", got, fix, where))
    return np.asarray(share)
