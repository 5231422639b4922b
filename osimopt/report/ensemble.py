"""Curves as a page can show them: over the stride as mean and band, or over time; muscles by what they are parts of."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..solution.reader import Result

Array = NDArray[np.float64]

#: Points of a curve: over a stride, and at most over time.
STRIDE, TIME = 101, 400
#: A band needs this many strides.
ENOUGH = 2


@dataclass(frozen=True, eq=False)
class Curve:
    """(N,) mean with a band: a standard deviation about it over strides, least and most over time; NaN for none."""

    x: Array
    mean: Array
    low: Array
    high: Array


@dataclass(frozen=True, eq=False)
class Axis:
    """What is along the horizontal axis: times, or shares of the strides (first, last), both in s."""

    strides: tuple[tuple[float, float], ...] = ()

    @property
    def label(self) -> str:
        """Of the axis, with its unit."""
        return "stride (%)" if self.strides else "time (s)"

    @property
    def band(self) -> str:
        """What bands are, in words."""
        if len(self.strides) >= ENOUGH:
            return f"bands: ± one standard deviation over {len(self.strides)} strides"
        return ""

    def within(self, time: Array) -> Axis:
        """With the strides that a time axis (T,) has whole; none left means time itself."""
        step = float(np.median(np.diff(time))) if len(time) > 1 else 0.0
        kept = [own for own in self.strides if time[0] - step <= own[0] and own[1] <= time[-1] + step]
        return Axis(tuple(kept))

    def curve(self, time: Array, value: Array) -> Curve:
        """Of a quantity (T,) at times (T,); NaN where there is none."""
        if not self.strides:
            return _over_time(time, value)
        share = np.linspace(0.0, 1.0, STRIDE)
        each = np.array([np.interp(first + share * (last - first), time, value) for first, last in self.strides])
        known = np.isfinite(each)
        count = known.sum(axis=0)
        mean = np.where(count > 0, np.where(known, each, 0.0).sum(axis=0) / np.maximum(count, 1), np.nan)
        spread = np.sqrt(np.where(known, (each - mean) ** 2, 0.0).sum(axis=0) / np.maximum(count - 1, 1))
        spread = np.where(count >= ENOUGH, spread, np.nan)
        return Curve(100.0 * share, mean, mean - spread, mean + spread)


def _over_time(time: Array, value: Array) -> Curve:
    """As it is, or means of blocks of a long one, with their least and most."""
    if len(time) <= TIME:
        nothing = np.full(len(time), np.nan)
        return Curve(time, value, nothing, nothing)
    edges = np.linspace(0, len(time), TIME + 1).astype(int)
    count = np.diff(edges)
    x, mean = (np.add.reduceat(values, edges[:-1]) / count for values in (time, value))
    return Curve(x, mean, np.minimum.reduceat(value, edges[:-1]), np.maximum.reduceat(value, edges[:-1]))


def side_of(name: str) -> str:
    """``"r"`` or ``"l"`` where a name ends, or begins, with its side, else nothing."""
    words = name.lower().split("_")
    return next((word[0] for word in (words[-1], words[0]) if word in ("r", "l", "right", "left")), "")


def stem_of(name: str) -> str:
    """A name without its side."""
    return re.sub(r"(?i)(_(r|l|right|left)$|^(r|l|right|left)_)", "", name)


def muscle_groups(muscles: Sequence[str]) -> dict[str, dict[str, list[int]]]:
    """Places of muscles by group and side: ``glmax1_r``, ``glmax2_r`` are parts of ``glmax``; a lone number stays."""
    stems = [stem_of(name) for name in muscles]
    trunks = [re.sub(r"\d+$", "", stem) for stem in stems]
    parts = {trunk: {stem for stem, own in zip(stems, trunks, strict=True) if own == trunk} for trunk in set(trunks)}
    groups: dict[str, dict[str, list[int]]] = {}
    for place, (name, stem, trunk) in enumerate(zip(muscles, stems, trunks, strict=True)):
        group = trunk if trunk and len(parts[trunk]) > 1 else stem
        groups.setdefault(group, {}).setdefault(side_of(name), []).append(place)
    return groups


def group_force(result: Result, places: Sequence[int]) -> Array:
    """(T,) N, of all parts together."""
    return np.asarray(result.muscle_force[:, list(places)].sum(axis=1))


def group_activation(result: Result, places: Sequence[int]) -> Array:
    """(T,) area-weighted mean of the parts."""
    area = result.pcsa[list(places)]
    return np.asarray(result.activation[:, list(places)] @ (area / area.sum()))
