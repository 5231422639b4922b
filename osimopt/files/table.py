"""Table: numbers by time and label, as pandas has them, which takes 0.3 s to import."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd


class Numbers(np.ndarray):
    """Times, or a column, of a :class:`Table`."""

    def to_numpy(self, dtype: type | None = None) -> np.ndarray:
        """The same as a plain array."""
        return np.asarray(self, dtype=dtype)

    def fillna(self, value: float) -> np.ndarray:
        """The same with a value in place of NaN."""
        return np.where(np.isnan(self), value, self)


class Table:
    """A table (T, C) by time in s and label, with the methods of a pandas.DataFrame that reading and writing need.

    Labels may repeat; one that does cannot be taken alone.
    """

    def __init__(
        self, values: np.ndarray, index: np.ndarray, columns: Iterable[Any], attrs: dict[str, Any] | None = None
    ) -> None:
        self._values = np.asarray(values, dtype=float)
        self.index = np.asarray(index, dtype=float).view(Numbers)
        self.columns = list(columns)
        self.attrs = dict(attrs or {})

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.index)

    def __getitem__(self, key: Any) -> Any:
        """Return a column (T,) by its label, a table by a list of labels, or rows by a mask (T,)."""
        if isinstance(key, list):
            places = [place for label in key for place in self._places(label)]
            return Table(self._values[:, places], self.index, [self.columns[place] for place in places], self.attrs)
        if isinstance(key, np.ndarray):
            return self.rows(key)
        (place,) = self._places(key)
        return self._values[:, place].view(Numbers)

    def _places(self, label: object) -> list[int]:
        places = [place for place, own in enumerate(self.columns) if own == label]
        if not places:
            raise KeyError(label)
        return places

    def rows(self, chosen: np.ndarray | slice) -> Table:
        """Rows by a mask, by their numbers or by a slice."""
        return Table(self._values[chosen], self.index.to_numpy()[chosen], self.columns, self.attrs)

    def kept(self, mask: Sequence[bool]) -> Table:
        """Columns by a mask (C,)."""
        labels = [label for label, own in zip(self.columns, mask, strict=True) if own]
        return Table(self._values[:, np.asarray(mask, dtype=bool)], self.index, labels, self.attrs)

    def renamed(self, labels: Iterable[Any]) -> Table:
        """The same numbers under other labels."""
        return Table(self._values, self.index, labels, self.attrs)

    def replaced(self, columns: dict[str, Any]) -> Table:
        """The same with other numbers in some columns, or further columns at the end."""
        values = [self._values.copy()]
        for label, own in columns.items():
            if label in self.columns:
                values[0][:, self._places(label)] = np.reshape(own, (-1, 1))
            else:
                values.append(np.broadcast_to(np.reshape(own, (-1, 1)), (len(self), 1)))
        further = [label for label in columns if label not in self.columns]
        return Table(np.hstack(values), self.index, [*self.columns, *further], self.attrs)

    def to_numpy(self, dtype: type | None = None) -> np.ndarray:
        """All numbers (T, C)."""
        return np.asarray(self._values, dtype=dtype)

    def to_dataframe(self) -> pd.DataFrame:
        """The same as pandas has it."""
        import pandas as pd

        frame = pd.DataFrame(self._values, index=pd.Index(self.index.to_numpy(), name="time"), columns=self.columns)
        frame.attrs.update(self.attrs)
        return frame
