"""Measured muscle activity that excitations follow, or stay close to."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, explain, some
from .values import is_number, is_pair, shown

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]
Index = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class EmgTracking:
    """Envelopes of EMG, and how excitations relate to them.

    Attributes
    ----------
    envelope
        DataFrame of channels, index time in s; 0 to 1 where normalised.
    muscles
        Which channel each muscle follows, ``{"soleus_r": "SOL"}``; a channel may serve several muscles.
    weight
        Of ∫ Σ (s · envelope - excitation)² dt in the cost; 0 for none.
    scale
        Least and most of the scale factor s, one unknown for each channel; ``(1, 1)`` trusts the amplitude.
    bounds
        How far below and above s · envelope an excitation may be, as ``(0.1, 0.1)``; None for no bounds.
    """

    envelope: pd.DataFrame
    muscles: Mapping[str, str]
    weight: float = 1.0
    scale: tuple[float, float] = (1.0, 1.0)
    bounds: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        _check_muscles(self.muscles)
        _check_envelope(self.envelope, self.channels)
        for name, pair in (("scale", self.scale), ("bounds", self.bounds)):
            if not is_pair(pair) and (name == "scale" or pair is not None):
                raise InputError(explain(f"{name} of EMG as two numbers", shown(pair), "(0.5, 2.0), for instance."))
        low, high = self.scale
        if not 0.0 < low <= high < np.inf:
            raise InputError(explain("0 < least ≤ most scale of EMG", f"{self.scale}", "(0.5, 2) frees amplitude."))
        if self.bounds is not None and not all(bound >= 0.0 for bound in self.bounds):
            raise InputError(explain("bounds below and above the EMG ≥ 0", f"{self.bounds}", "(0.1, 0.1) is a start."))
        if not (is_number(self.weight) and 0.0 <= self.weight < np.inf):
            raise InputError(explain("a weight of EMG tracking ≥ 0", shown(self.weight), "1 is the default."))

    @property
    def channels(self) -> tuple[str, ...]:
        """The channels in use, each once."""
        return tuple(dict.fromkeys(self.muscles.values()))

    def rows(self, names: tuple[str, ...]) -> tuple[Index, Index]:
        """Index among ``names`` of each muscle that is followed, and of its channel among ``channels``."""
        if unknown := [muscle for muscle in self.muscles if muscle not in names]:
            raise InputError(explain(f"EMG of muscles among {some(names, 100)}", some(unknown), "Rename them."))
        muscles = np.array([names.index(muscle) for muscle in self.muscles], dtype=np.intp)
        return muscles, np.array([self.channels.index(c) for c in self.muscles.values()], dtype=np.intp)

    def at(self, time: Array) -> Array:
        """(N, C) linear between the samples."""
        given = self.envelope.index.to_numpy(dtype=float)
        if time[0] < given[0] - 1e-9 or time[-1] > given[-1] + 1e-9:
            got = f"{given[0]:g} to {given[-1]:g} s"
            raise InputError(explain(f"EMG from {time[0]:g} to {time[-1]:g} s", got, "Give time_range, or longer EMG."))
        columns = [np.interp(time, given, self.envelope[channel].to_numpy(dtype=float)) for channel in self.channels]
        return np.stack(columns, axis=1)


def _check_muscles(muscles: Mapping[str, str]) -> None:
    fix = "{'soleus_r': 'SOL'}, for instance."
    expected = "muscles that follow EMG as a mapping of their names to those of channels"
    if not (isinstance(muscles, Mapping) and all(isinstance(channel, Hashable) for channel in muscles.values())):
        raise InputError(explain(expected, shown(muscles), fix))
    if not muscles:
        raise InputError(explain(expected, "no muscle", fix))


def _check_envelope(envelope: pd.DataFrame, channels: tuple[str, ...]) -> None:
    """Refuse what is no table of numbers over time."""
    import pandas as pd

    if not isinstance(envelope, pd.DataFrame):
        fix = "pandas.DataFrame(values, index=time, columns=names) makes one."
        got = f"{type(envelope).__name__} {shown(envelope)}"
        raise InputError(explain("the envelope of EMG as a DataFrame, its index time in s", got, fix))
    if unknown := [channel for channel in channels if channel not in envelope.columns]:
        got = f"{some(unknown)} among {some(envelope.columns, 20)}"
        raise InputError(explain("channels that the envelope has", got, "Rename them."))
    if twice := [channel for channel in channels if (envelope.columns == channel).sum() > 1]:
        raise InputError(explain("channels that the envelope has once", f"{some(twice)} twice", "Rename its columns."))
    _check_time(envelope.index)
    values = _numbers(envelope[list(channels)])
    if values is None:
        got = some(f"{channel}: {envelope[channel].dtype}" for channel in channels)
        raise InputError(explain("EMG envelopes as numbers", got, "Convert the columns (pandas.to_numeric)."))
    if not np.isfinite(values).all() or (values < 0.0).any():
        fix = "Fill gaps and clip slight negatives of the filter at 0."
        raise InputError(explain("finite EMG envelopes ≥ 0", "NaN or negative values", fix))


def _check_time(index: pd.Index) -> None:
    """Refuse an index that is not increasing time; dates and durations would be read in nanoseconds."""
    time = _numbers(index)
    if time is None or not len(time):
        first = f", first {index[0]!r}" if len(index) else ""
        fix = "Of durations, index.total_seconds() are." if index.dtype.kind == "m" else "Give one for each row."
        got = f"{len(index)} of {index.dtype}{first}"
        raise InputError(explain("the index of the EMG as numbers, time in s", got, fix))
    if not np.isfinite(time).all():
        raise InputError(explain("finite time of the EMG", "NaN or infinity in its index", "Drop these rows."))
    if not (np.diff(time) > 0.0).all():
        raise InputError(explain("increasing time of the EMG", "times that repeat or decrease", "Sort its rows."))


def _numbers(table: pd.DataFrame | pd.Index) -> Array | None:
    """The values as they are, None where they are something else than real numbers."""
    values = table.to_numpy()
    if values.dtype.kind == "O" and all(is_number(value) for value in values.ravel()):
        return values.astype(float)
    return values.astype(float) if values.dtype.kind in "fiu" else None
