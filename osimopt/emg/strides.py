"""find_strides: strides of a foot from ground reactions, each from one contact to the next."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..errors import InputError, check_names, explain, some
from ..files.series import merged
from ..files.storage import read_columns
from ..problem.arrays import Array
from .metrics import without_short_runs

if TYPE_CHECKING:
    import pandas as pd


#: Vertical force in N above which a foot is on the ground; plates drift by a few N.
ON_GROUND = 20.0
#: Duration in s below which a contact or a swing is noise of the plate.
SHORTEST = 0.1
#: Largest relative deviation of a stride's duration from the median; beyond, a step met the other plate or none.
USUAL = 0.15


@dataclass(frozen=True, eq=False)
class Strides:
    """Strides of one foot.

    Attributes
    ----------
    times : tuple of (float, float)
        Start and end of each stride in s.
    left_out : tuple of (float, float)
        Strides that are much longer or shorter than the median.
    column : str
        Column of the vertical force.
    """

    times: tuple[tuple[float, float], ...]
    left_out: tuple[tuple[float, float], ...] = ()
    column: str = ""

    def __len__(self) -> int:
        return len(self.times)

    def notes(self) -> list[str]:
        """Which strides were left out, as at most one sentence."""
        if not self.left_out:
            return []
        spans = some([f"{first:.2f} to {last:.2f} s" for first, last in self.left_out])
        return [
            f"{len(self.left_out)} of {len(self.times) + len(self.left_out)} strides left out, as their duration is "
            f"more than {USUAL:.0%} from the median: {spans}."
        ]


def find_strides(
    loads: str | os.PathLike[str] | pd.DataFrame,
    side: Literal["r", "l"] | None = None,
    column: str | None = None,
    threshold: float = ON_GROUND,
) -> Strides:
    """Find strides from the vertical force under a foot.

    Parameters
    ----------
    loads : path-like or pandas.DataFrame
        Ground reactions in N: a file (.mot, .sto; not the ExternalLoads XML), or its table with time in s as index.
    side : {"r", "l"}, optional
        Choose the column by its name: ``ground_force_r_vy``, ``l_ground_force_vy``, ``1_ground_force_vy`` (left), or
        ``ground_force_vy`` (right, beside one of the left).
    column : str, optional
        Name of the column, instead of ``side``.
    threshold : float, default 20
        Vertical force in N above which the foot is on the ground.

    Returns
    -------
    Strides
        ``times`` in s; strides more than 15 % from the median duration are in ``left_out``.

    Raises
    ------
    InputError
        No such column, no single column of that side, or fewer than two contacts.

    Examples
    --------
    >>> import numpy as np, osimopt, pandas as pd
    >>> time = np.arange(400) / 100.0
    >>> force = np.maximum(0.0, 700.0 * np.sin(2.0 * np.pi * (time - 0.25)))
    >>> loads = pd.DataFrame({"ground_force_r_vy": force}, index=time)
    >>> [(round(float(start), 2), round(float(end), 2)) for start, end in osimopt.find_strides(loads, "r").times]
    [(0.25, 1.25), (1.25, 2.25), (2.25, 3.25)]
    """
    where = Path(loads) if isinstance(loads, str | os.PathLike) else None
    table: Any = loads if where is None else read_columns(where)
    name = column or _column([str(label) for label in table.columns], side, where)
    check_names("a column", [name], table.columns, where)
    if where is not None:
        table = merged(table[[name]], [name], where)
    time = table.index.to_numpy(dtype=float)
    begins = contacts(time, table[name].to_numpy(dtype=float), threshold)
    if len(begins) < 2:
        got = f"{len(begins)} contacts in {name}"
        fix = "Give a longer recording, or the times of strides yourself."
        raise InputError(explain("one whole stride, from a contact to the next", got, fix, where))
    found = list(pairwise(begins.tolist()))
    median = float(np.median(np.diff(begins)))
    odd = [stride for stride in found if abs(stride[1] - stride[0] - median) > USUAL * median]
    return Strides(tuple(stride for stride in found if stride not in odd), tuple(odd), name)


def contacts(time: Array, force: Array, threshold: float = ON_GROUND) -> Array:
    """(n,) times in s at which a vertical force (T,) in N rises above the threshold, interpolated linearly.

    A foot that is on the ground at the start has no contact there.
    """
    on = without_short_runs(np.nan_to_num(force) > threshold, time, SHORTEST)
    rises = np.flatnonzero(on[1:] & ~on[:-1])
    low, high = force[rises], force[rises + 1]
    share = np.clip((threshold - low) / np.where(high > low, high - low, 1.0), 0.0, 1.0)
    return np.asarray(time[rises] + share * (time[rises + 1] - time[rises]))


def _column(names: Sequence[str], side: str | None, where: Path | None) -> str:
    vertical = [name for name in names if name.endswith("vy")]
    sides = {name: _side(name) for name in vertical}
    known = [one for one in sides.values() if one]
    if len(vertical) == 2 and len(known) == 1:  # the other column has the other side
        sides = {name: one or ("r" if known == ["l"] else "l") for name, one in sides.items()}
    fitting = [name for name, one in sides.items() if side is None or one == side]
    if len(fitting) != 1:
        got = some(vertical, 12) or f"no column that ends in vy among {some(names)}"
        raise InputError(explain(f"one vertical force of side {side}", got, "Name its column.", where))
    return fitting[0]


def _side(name: str) -> str | None:
    words = name.lower().split("_")
    if {"l", "left"} & set(words) or words[0] == "1":
        return "l"
    return "r" if {"r", "right"} & set(words) else None
