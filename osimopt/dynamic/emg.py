"""Measured muscle activity that excitations track or stay close to."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError, check_names, explain, shown, some
from ..options import is_number
from ..problem.arrays import Array, Index
from .mesh import linear

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class EmgTracking:
    """EMG envelopes that excitations track in :func:`osimopt.solve_dynamic`.

    Attributes
    ----------
    envelope
        DataFrame with one column per channel and time in s as its index; values from 0 to 1 where normalized.
    muscles
        Channel of each muscle, ``{"soleus_r": "SOL"}``. Several muscles may share a channel; muscles without one are
        free.
    weight
        Weight of ∫ Σ (s · envelope - excitation)² dt in the objective; 0 for no tracking term.
    scale
        Lower and upper bound of the scale factor s, one unknown per channel; ``(1, 1)`` keeps the measured amplitude.
    bounds
        Largest difference of an excitation below and above s · envelope, ``(0.1, 0.1)``; None for no bounds.

    Raises
    ------
    InputError
        Channels that the envelope does not have, negative or missing values, or a time index that does not increase.

    Examples
    --------
    >>> import osimopt, pandas as pd
    >>> envelope = pd.DataFrame({"SOL": [0.1, 0.6, 0.2]}, index=[0.0, 0.5, 1.0])
    >>> emg = osimopt.EmgTracking(envelope, {"soleus_r": "SOL", "soleus_l": "SOL"}, weight=10.0, scale=(0.5, 2.0))
    >>> emg.channels
    ('SOL',)
    """

    envelope: pd.DataFrame
    muscles: Mapping[str, str]
    weight: float = 1.0
    scale: tuple[float, float] = (1.0, 1.0)
    bounds: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        mapped = isinstance(self.muscles, Mapping) and all(isinstance(c, Hashable) for c in self.muscles.values())
        if not (mapped and self.muscles):
            expected = "tracked muscles as a mapping of muscle names to channel names"
            raise InputError(explain(expected, shown(self.muscles), "Example: {'soleus_r': 'SOL'}."))
        _check_envelope(self.envelope, self.channels)
        for name, pair in (("scale", self.scale), ("bounds", self.bounds)):
            if not is_pair(pair) and (name == "scale" or pair is not None):
                raise InputError(explain(f"{name} of EMG as two numbers", shown(pair), "Example: (0.5, 2.0)."))
        low, high = self.scale
        if not 0.0 < low <= high < np.inf:
            fix = "(0.5, 2.0) lets the amplitude vary by a factor of 2."
            raise InputError(explain("0 < lower ≤ upper scale of EMG", f"{self.scale}", fix))
        if self.bounds is not None and not all(bound >= 0.0 for bound in self.bounds):
            raise InputError(explain("bounds below and above the EMG ≥ 0", f"{self.bounds}", "Example: (0.1, 0.1)."))
        if not (is_number(self.weight) and 0.0 <= self.weight < np.inf):
            raise InputError(explain("a weight of EMG tracking ≥ 0", shown(self.weight), "1 is the default."))

    @property
    def channels(self) -> tuple[str, ...]:
        """The channels in use, each once."""
        return tuple(dict.fromkeys(self.muscles.values()))

    def rows(self, names: tuple[str, ...]) -> tuple[Index, Index]:
        """Indices of the tracked muscles among ``names``, and of their channels among ``channels``."""
        check_names("EMG of muscles", self.muscles, names)
        muscles = np.array([names.index(muscle) for muscle in self.muscles], dtype=np.intp)
        return muscles, np.array([self.channels.index(c) for c in self.muscles.values()], dtype=np.intp)

    def at(self, time: Array) -> Array:
        """(N, C) envelopes at other times, by linear interpolation."""
        samples = self.envelope.index.to_numpy(dtype=float)
        if time[0] < samples[0] - 1e-9 or time[-1] > samples[-1] + 1e-9:
            got = f"{samples[0]:g} to {samples[-1]:g} s"
            raise InputError(explain(f"EMG from {time[0]:g} to {time[-1]:g} s", got, "Give time_range, or longer EMG."))
        return linear(time, samples, self.envelope[list(self.channels)].to_numpy(dtype=float))


def best_scale(emg: EmgTracking, weights: Array, time: Array, muscles: tuple[str, ...], excitation: Array) -> Array:
    """(C,) scale factors of least tracking error of excitations (N, M), with quadrature weights (N,) at times (N,)."""
    rows, channels = emg.rows(muscles)
    measured = emg.at(time)[:, channels]
    product, square = np.zeros(len(emg.channels)), np.zeros(len(emg.channels))
    np.add.at(product, channels, weights @ (measured * excitation[:, rows]))
    np.add.at(square, channels, weights @ measured**2)
    return np.clip(np.divide(product, square, out=np.ones_like(square), where=square > 0.0), *emg.scale)


def _check_envelope(envelope: pd.DataFrame, channels: tuple[str, ...]) -> None:
    import pandas as pd

    if not isinstance(envelope, pd.DataFrame):
        fix = "pandas.DataFrame(values, index=time, columns=names) makes one."
        got = f"{type(envelope).__name__} {shown(envelope)}"
        raise InputError(explain("the envelope of EMG as a DataFrame with time in s as its index", got, fix))
    check_names("channels of the envelope", channels, envelope.columns)
    if twice := [channel for channel in channels if (envelope.columns == channel).sum() > 1]:
        raise InputError(explain("one column per channel", f"{some(twice)} twice", "Rename its columns."))
    _check_time(envelope.index)
    values = _numbers(envelope[list(channels)])
    if values is None:
        got = some(f"{channel}: {envelope[channel].dtype}" for channel in channels)
        raise InputError(explain("EMG envelopes as numbers", got, "Convert the columns (pandas.to_numeric)."))
    if not np.isfinite(values).all() or (values < 0.0).any():
        got = "NaN or infinity" if not np.isfinite(values).all() else f"negative values down to {values.min():g}"
        fix = "Fill gaps, and clip negative values of the filter at 0."
        raise InputError(explain("finite EMG envelopes ≥ 0", got, fix))


def _check_time(index: pd.Index) -> None:
    """Refuse an index other than increasing numbers; pandas would convert dates and durations to nanoseconds."""
    time = _numbers(index)
    if time is None or not len(time):
        first = f", first {index[0]!r}" if len(index) else ""
        fix = "Convert durations by index.total_seconds()." if index.dtype.kind == "m" else "Give one time per row."
        got = f"{len(index)} values of type {index.dtype}{first}"
        raise InputError(explain("the index of the EMG as numbers, time in s", got, fix))
    if not np.isfinite(time).all():
        raise InputError(explain("finite time of the EMG", "NaN or infinity in its index", "Drop these rows."))
    if not (np.diff(time) > 0.0).all():
        raise InputError(explain("increasing time of the EMG", "times that repeat or decrease", "Sort its rows."))


def _numbers(table: pd.DataFrame | pd.Index) -> Array | None:
    """Values as floats; None unless all are real numbers."""
    values = table.to_numpy()
    if values.dtype.kind == "O" and all(is_number(value) for value in values.ravel()):
        return values.astype(float)
    return values.astype(float) if values.dtype.kind in "fiu" else None


def is_pair(value: Any) -> bool:
    """Whether the value is an ordered pair of numbers."""
    try:
        first, last = value
    except (TypeError, ValueError):
        return False
    return is_number(first) and is_number(last) and not isinstance(value, (Mapping, Set))
