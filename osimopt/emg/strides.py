"""Strides from ground reactions: from one contact of a foot to its next."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, explain, some
from ..files.storage import read_series

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

#: N of vertical force above which a foot is on the ground: plates drift by a few.
ON_GROUND = 20.0
#: s below which a contact, or a swing, is noise of the plate.
SHORTEST = 0.1
#: Share of the median by which a stride's duration may differ: beyond, a step met the other plate, or none.
USUAL = 0.15


@dataclass(frozen=True, eq=False)
class Strides:
    """Strides of one foot.

    Attributes
    ----------
    times
        (first, last) s of each.
    left_out
        The same of those that are much longer or shorter than most.
    column
        Of the loads, by which they were found.
    """

    times: tuple[tuple[float, float], ...]
    left_out: tuple[tuple[float, float], ...] = ()
    column: str = ""

    def __len__(self) -> int:
        return len(self.times)

    def halves(self) -> tuple[Strides, Strides]:
        """Every other one, and the rest: for choosing, and for judging what was chosen."""
        return Strides(self.times[::2], (), self.column), Strides(self.times[1::2], (), self.column)

    def notes(self) -> list[str]:
        """Sentences."""
        if not self.left_out:
            return []
        told = some([f"{first:.2f} to {last:.2f} s" for first, last in self.left_out])
        return [
            f"{len(self.left_out)} of {len(self.times) + len(self.left_out)} strides left out, as their duration is "
            f"more than {USUAL:.0%} from the median: {told}."
        ]


def find_strides(
    loads: str | os.PathLike[str] | pd.DataFrame,
    side: Literal["r", "l"] | None = None,
    column: str | None = None,
    threshold: float = ON_GROUND,
) -> Strides:
    """Strides from the vertical force under a foot.

    Parameters
    ----------
    loads
        Ground reactions (.mot, .sto), the file itself and not the ExternalLoads XML; or such a table.
    side
        ``"r"`` or ``"l"``: the column is chosen by its name (``ground_force_r_vy``, ``l_ground_force_vy``,
        ``1_ground_force_vy`` for left, ``ground_force_vy`` beside one of these for right).
    column
        Or its name.
    threshold
        N, above which the foot is on the ground.

    Raises
    ------
    InputError
        No such column, a side whose column cannot be told, or not one whole stride.
    """
    table = loads if not isinstance(loads, str | os.PathLike) else read_series(loads)
    where = None if table is loads else Path(loads)  # type: ignore[arg-type]
    name = column or _column([str(own) for own in table.columns], side, where)
    if name not in table:
        raise InputError(explain(f"a column among {some(table.columns, 40)}", repr(name), "Check the name.", where))
    time = table.index.to_numpy(dtype=float)
    begins = contacts(time, table[name].to_numpy(dtype=float), threshold)
    if len(begins) < 2:
        got = f"{len(begins)} contacts in {name}"
        fix = "Give a longer recording, or the times of strides yourself."
        raise InputError(explain("one whole stride, from a contact to the next", got, fix, where))
    found = list(pairwise(begins.tolist()))
    usual = float(np.median(np.diff(begins)))
    odd = [own for own in found if abs(own[1] - own[0] - usual) > USUAL * usual]
    return Strides(tuple(own for own in found if own not in odd), tuple(odd), name)


def contacts(time: Array, force: Array, threshold: float = ON_GROUND) -> Array:
    """(n,) s at which a vertical force (T,) in N rises above the threshold, between samples by a straight line.

    A foot that is on the ground at the start has no contact there.
    """
    on = np.nan_to_num(force) > threshold
    for state in (False, True):
        edges = np.flatnonzero(np.diff(on)) + 1
        for first, last in pairwise(edges.tolist()):
            if on[first] == state and time[last] - time[first] < SHORTEST:
                on[first:last] = not state
    rises = np.flatnonzero(on[1:] & ~on[:-1])
    low, high = force[rises], force[rises + 1]
    share = np.clip((threshold - low) / np.where(high > low, high - low, 1.0), 0.0, 1.0)
    return np.asarray(time[rises] + share * (time[rises + 1] - time[rises]))


def _column(names: Sequence[str], side: str | None, where: Path | None) -> str:
    vertical = [name for name in names if name.endswith("vy")]
    sides = {name: _side(name) for name in vertical}
    if len(vertical) == 2 and sorted(map(str, sides.values())) in (["None", "l"], ["None", "r"]):
        told = next(own for own in sides.values() if own)
        sides = {name: own or ("r" if told == "l" else "l") for name, own in sides.items()}
    fitting = [name for name, own in sides.items() if side is None or own == side]
    if len(fitting) != 1:
        got = some(vertical, 12) or f"no column that ends in vy among {some(names)}"
        raise InputError(explain(f"one vertical force of side {side}", got, "Name its column.", where))
    return fitting[0]


def _side(name: str) -> str | None:
    words = name.lower().split("_")
    if {"l", "left"} & set(words) or words[0] == "1":
        return "l"
    return "r" if {"r", "right"} & set(words) else None
