"""GivenTable: a pandas.DataFrame given in place of a file."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard

import numpy as np

from ..errors import InputError, explain, shown
from .table import Table

if TYPE_CHECKING:
    import pandas as pd


#: Sources of a table.
Origin: TypeAlias = "str | os.PathLike[str] | GivenTable"


def is_frame(value: Any) -> TypeGuard[pd.DataFrame]:
    """Whether a value is a pandas.DataFrame; pandas is not loaded for that."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(value, pandas.DataFrame)


class GivenTable:
    """A DataFrame that was given as an argument, read as a file is.

    Times in s are its index, or a column ``time``; other columns are numbers, in the order of the file they replace.
    Angles are in radians unless ``attrs["in_degrees"]`` is true, as set by ``read_table``. Messages use ``str``,
    provenance and caches ``name`` and ``sha256`` (of labels, numbers and unit).

    Raises
    ------
    InputError
        No times, or something that is no number.
    """

    name = stem = "DataFrame"

    def __init__(self, frame: pd.DataFrame, argument: str) -> None:
        self._argument = argument
        self._table = self._read(frame)
        title, in_degrees = str(frame.attrs.get("title", "")), frame.attrs.get("in_degrees", False)
        if not isinstance(in_degrees, bool):
            expected, got = 'True or False in attrs["in_degrees"]', shown(in_degrees)
            raise InputError(explain(expected, got, "Set it to True for degrees, or to False for radians.", self))
        self._table.attrs = {"path": str(self), "header": {}, "padded": [], "as_opensim": False}
        self._table.attrs |= {"title": title, "in_degrees": in_degrees}
        digest = hashlib.sha256(json.dumps([list(self._table.columns), title, in_degrees]).encode())
        digest.update(self._table.index.to_numpy().tobytes() + self._table.to_numpy().tobytes())
        self.sha256 = digest.hexdigest()

    def __str__(self) -> str:
        return f"the DataFrame given as {self._argument}"

    def table(self) -> Table:
        """The table as ``read_columns`` would read it from a file."""
        return self._table.rows(slice(None))

    def _read(self, frame: pd.DataFrame) -> Table:
        import pandas as pd

        labels = [str(label).strip() for label in frame.columns]
        times = [column for column, label in enumerate(labels) if label.lower() == "time"]
        if len(times) > 1 or frame.columns.nlevels > 1 or frame.index.nlevels > 1:
            got = f"{len(times)} columns 'time'" if len(times) > 1 else "labels of several levels"
            raise InputError(explain("times in s and one label a column", got, "Rename or flatten them.", self))
        time = frame.iloc[:, times[0]] if times else frame.index
        if isinstance(time, pd.RangeIndex):
            got = f"row numbers 0 to {len(frame) - 1}, and no column 'time'"
            raise InputError(explain("times in s as the index", got, "Set them with frame.set_index(times).", self))
        if not len(frame) or not len(labels) - len(times):
            fix = "Give a DataFrame with both."
            raise InputError(explain("rows and columns of numbers", f"shape {frame.shape}", fix, self))
        others = [column for column in range(len(labels)) if column not in times]
        values = [self._numbers(frame.iloc[:, column], f"column '{labels[column]}'") for column in others]
        return Table(np.column_stack(values), self._numbers(time, "the times"), [labels[column] for column in others])

    def _numbers(self, column: Any, what: str) -> np.ndarray:
        values = column.to_numpy()
        try:
            if values.dtype.kind not in "iufO":  # datetimes would become nanoseconds, booleans 0 and 1
                raise ValueError
            return np.asarray(values, dtype=float)
        except (TypeError, ValueError):
            got = f"{values.dtype} such as {shown(values[0])}"
            fix = "Convert them to float, times to seconds."
            raise InputError(explain(f"numbers in {what}", got, fix, self)) from None
