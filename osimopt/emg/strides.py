"""find_strides: strides of a foot from ground reactions, each from one contact to the next."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..errors import InputError, check_names, explain, some
from ..files.series import merged
from ..files.storage import read_columns
from ..problem.arrays import Array
from .metrics import without_short_runs
from .stride_choice import Postures, choose

if TYPE_CHECKING:
    import pandas as pd


#: Vertical force in N above which a foot is on the ground; plates drift by a few N.
ON_GROUND = 20.0
#: Durations in s below which a contact, and a time without force, are noise of the plate: runners' feet take turns on
#: one plate with gaps of 50 ms.
SHORTEST, GAP = 0.1, 0.03
#: Strides named in a sentence.
NAMED = 6


@dataclass(frozen=True, eq=False)
class Strides:
    """Strides of one foot.

    Attributes
    ----------
    times : tuple of (float, float)
        Start and end of each stride in s.
    left_out : tuple of (float, float)
        What is no stride, each with its entry of ``reasons``.
    column : str
        Column of the vertical force.
    reasons : tuple of str
        Why each of ``left_out`` is no stride.
    remarks : tuple of str
        How contacts of both feet were separated.
    """

    times: tuple[tuple[float, float], ...]
    left_out: tuple[tuple[float, float], ...] = ()
    column: str = ""
    reasons: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.times)

    def notes(self) -> list[str]:
        """What was decided, in sentences: how contacts were separated, and what was left out and why."""
        if not self.left_out:
            return list(self.remarks)
        pairs = zip(self.left_out, self.reasons or ("",) * len(self.left_out), strict=True)
        spans = some([f"{first:.2f} to {last:.2f} s ({why})" for (first, last), why in pairs], NAMED)
        whole = len(self.times) + len(self.left_out)
        return [*self.remarks, f"{len(self.left_out)} of {whole} strides left out: {spans}."]


def find_strides(
    loads: str | os.PathLike[str] | pd.DataFrame,
    side: Literal["r", "l"] | None = None,
    column: str | None = None,
    threshold: float = ON_GROUND,
    motion: str | os.PathLike[str] | pd.DataFrame | None = None,
) -> Strides:
    """Find strides from the vertical force under a foot.

    Every stride is checked against the period of the motion, if it is given, or the durations of its neighbours, and
    against the contacts of the other foot, if its force has a column. Where both feet meet one plate, the motion tells
    which contacts are the side's.

    Parameters
    ----------
    loads : path-like or pandas.DataFrame
        Ground reactions in N: a file (.mot, .sto; not the ExternalLoads XML), or its table with time in s as index.
    side : {"r", "l"}, optional
        Choose the column by its name: ``ground_force_r_vy``, ``l_ground_force_vy``, ``1_ground_force_vy`` (left),
        ``ground_force_vy`` (right, beside one of the left), ``calcn_l_force_vy``, ``FP_left_Fz``; a single column is of
        both sides.
    column : str, optional
        Name of the column, instead of ``side``.
    threshold : float, default 20
        Vertical force in N above which the foot is on the ground.
    motion : path-like or pandas.DataFrame, optional
        Coordinates of the same trial: a file (.mot, .sto), or its table with time in s as index.

    Returns
    -------
    Strides
        ``times`` in s. What is no stride is in ``left_out``: more than 15 % from the period of the motion around it
        (without a motion, from the median of its neighbours), or without the other foot landing within it. ``notes()``
        has the decisions.

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
    names = [str(label) for label in table.columns]
    name = column or _column(names, side, where)
    check_names("a column", [name], table.columns, where)
    second = _other(names, name)
    if where is not None:
        both = [name, *([second] if second else [])]
        table = merged(table[both], both, where)
    time = table.index.to_numpy(dtype=float)
    begins = contacts(time, table[name].to_numpy(dtype=float), threshold)
    if len(begins) < 2:
        got = f"{len(begins)} contacts in {name}"
        fix = "Give a longer recording, or the times of strides yourself."
        raise InputError(explain("one whole stride, from a contact to the next", got, fix, where))
    other = None if second is None else contacts(time, table[second].to_numpy(dtype=float), threshold)
    found = choose(begins, other, None if motion is None else _postures(motion, side or _side(name)))
    return Strides(found.times, found.left_out, name, found.reasons, found.notes)


def _postures(motion: str | os.PathLike[str] | pd.DataFrame, side: str | None) -> Postures | None:
    """Postures of a motion; None where it has fewer than three rows."""
    where = Path(motion) if isinstance(motion, str | os.PathLike) else None
    table: Any = motion if where is None else read_columns(where)
    if where is not None:
        table = merged(table, [str(name) for name in table.columns], where)
    time = table.index.to_numpy(dtype=float)
    if len(time) < 3:
        return None
    return Postures.of(time, table.to_numpy(dtype=float), [str(name) for name in table.columns], side)


def contacts(time: Array, force: Array, threshold: float = ON_GROUND) -> Array:
    """(n,) times in s at which a vertical force (T,) in N rises above the threshold, interpolated linearly.

    A foot that is on the ground at the start has no contact there.
    """
    on = without_short_runs(np.nan_to_num(force) > threshold, time, SHORTEST, GAP)
    rises = np.flatnonzero(on[1:] & ~on[:-1])
    low, high = force[rises], force[rises + 1]
    share = np.clip((threshold - low) / np.where(high > low, high - low, 1.0), 0.0, 1.0)
    return np.asarray(time[rises] + share * (time[rises + 1] - time[rises]))


def _column(names: Sequence[str], side: str | None, where: Path | None) -> str:
    vertical = _vertical(names)
    sides = _sides(vertical)
    fitting = [name for name, one in sides.items() if side is None or one == side]
    if len(vertical) == 1 and sides[vertical[0]] is None:
        return vertical[0]
    if len(fitting) != 1:
        got = some(vertical, 12) or f"no column that ends in vy, fy or fz among {some(names)}"
        raise InputError(explain(f"one vertical force of side {side}", got, "Name its column.", where))
    return fitting[0]


def _other(names: Sequence[str], column: str) -> str | None:
    """Column of the other foot's vertical force."""
    sides = _sides(_vertical(names))
    others = [name for name, one in sides.items() if one and sides.get(column) and one != sides[column]]
    return others[0] if len(others) == 1 else None


def _vertical(names: Sequence[str]) -> list[str]:
    """Columns of vertical forces: those of OpenSim, else those of force plates."""
    for ending in (r"vy", r"(?:^|[_. ])(?:fy|force_y|grf_?y)\d*", r"(?:^|[_. ])(?:fz|force_z|grf_?z)\d*"):
        if found := [name for name in names if re.search(rf"{ending}$", name.strip().lower())]:
            return found
    return []


def _sides(vertical: Sequence[str]) -> dict[str, str | None]:
    sides = {name: _side(name) for name in vertical}
    known = [one for one in sides.values() if one]
    if len(vertical) == 2 and len(known) == 1:  # the other column has the other side
        sides = {name: one or ("r" if known == ["l"] else "l") for name, one in sides.items()}
    return sides


def _side(name: str) -> str | None:
    words = re.split(r"[^a-z0-9]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.strip()).lower())
    if {"l", "left", "lt", "lft"} & set(words) or words[0] == "1":
        return "l"
    return "r" if {"r", "right", "rt", "rgt"} & set(words) else None
