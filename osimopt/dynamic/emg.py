"""Measured muscle activity that excitations track or stay close to."""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..emg.mapping import EmgMapping
from ..emg.processing import process_emg
from ..emg.read import read_emg
from ..emg.recording import Emg
from ..errors import InputError, check_names, explain, shown, some
from ..notices import warn
from ..options import check_word, is_number
from ..problem.arrays import Array, Index
from .mesh import SAME, linear

if TYPE_CHECKING:
    import pandas as pd


#: Share of a channel's maximum up to which negative values count as 0: the low-pass filters of public recordings
#: undershoot by 1 to 3 %.
UNDERSHOOT = 0.05
#: How far excitations may be from scaled EMG where it bounds them, a tenth of full excitation.
WIDTH = 0.1


@dataclass(frozen=True, eq=False, repr=False)
class EmgTracking:
    """EMG envelopes that excitations track in :func:`osimopt.solve_dynamic`.

    Attributes
    ----------
    envelope
        DataFrame with one column per channel and time in s as its index; values from 0 to 1 where normalized. Outside
        of the interval that is solved values may be negative or missing; in it negative ones of up to 5 % of the
        channel's maximum, which low-pass filters leave, count as 0, with a warning.
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
        Channels that the envelope does not have, values that are not numbers, or a time index that does not increase.

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

    def __repr__(self) -> str:
        """Return one line: channels, muscles and what excitations do."""
        near = "" if self.bounds is None else f", excitations within -{self.bounds[0]:g} and +{self.bounds[1]:g}"
        about = f"{len(self.channels)} channels, {len(self.muscles)} muscles, weight {self.weight:g}{near}"
        return f"<EmgTracking: {about}, scale {self.scale[0]:g} to {self.scale[1]:g}>"

    @classmethod
    def of(
        cls,
        emg: Emg | pd.DataFrame | str | os.PathLike[str],
        mapping: EmgMapping | Mapping[str, str | Sequence[str]] | str | os.PathLike[str],
        mode: Literal["track", "bound"] = "track",
        *,
        weight: float = 1.0,
        width: float = WIDTH,
        scale: tuple[float, float] | None = None,
        side: str | None = None,
    ) -> EmgTracking:
        """Track a recording, as :func:`osimopt.read_emg` or :func:`osimopt.process_emg` returns it.

        Parameters
        ----------
        emg
            Envelopes; or raw EMG, or its file, which is processed with the default :class:`osimopt.EmgOptions`.
        mapping
            Muscles by channel, as of :func:`osimopt.compare_emg`.
        mode
            ``"track"``: a term of the objective with ``weight``. ``"bound"``: excitations differ from s · envelope by
            at most ``width``.
        scale
            Bounds of the scale factors s. By default 0.5 to 2 where amplitudes are shares of a maximum voluntary
            contraction (MVC). Others are divided by each channel's own maximum, and s is 0.1 to 1: the largest
            excitation in the recording.
        side
            ``"r"`` or ``"l"``, for a preset and channels without a side in their name.

        Raises
        ------
        InputError
            Wrong words or numbers, unknown channels, or a channel without any activity.

        Examples
        --------
        >>> import numpy as np, osimopt
        >>> time = np.arange(101) / 100.0
        >>> recorded = osimopt.Emg(time, np.sin(3.0 * time)[:, None] ** 2, ("SOL",), envelope=True)
        >>> osimopt.EmgTracking.of(recorded, {"SOL": ["soleus_r"]}, "bound").bounds
        (0.1, 0.1)
        """
        check_word("mode", mode, ("track", "bound"))
        if not (isinstance(emg, Emg | str | os.PathLike) or hasattr(emg, "columns")):
            expected = "EMG as osimopt.Emg, a DataFrame or a file"
            raise InputError(explain(expected, shown(emg), "osimopt.read_emg reads a file."))
        recorded = emg if isinstance(emg, Emg) else read_emg(emg)
        mapped = EmgMapping.of(mapping, recorded.channels, side)
        check_names("EMG channels", mapped.muscles, recorded.channels)
        used = recorded.select(list(mapped.muscles))
        used = used if used.envelope else process_emg(used)
        by_muscle = {muscle: channel for channel, muscles in mapped.muscles.items() for muscle in muscles}
        twice = [name for name in by_muscle if sum(name in muscles for muscles in mapped.muscles.values()) > 1]
        if twice:
            raise InputError(explain("one channel for each tracked muscle", f"several for {some(twice)}", "Drop one."))
        envelope = used.to_dataframe()
        if used.amplitude != "mvc":
            largest = envelope.max()
            if silent := [str(name) for name in envelope.columns if not largest[name] > 0.0]:
                got = f"none above 0 in {some(silent)}"
                raise InputError(explain("EMG with some activity in each channel", got, "Leave these channels out."))
            envelope = envelope / largest
        limits = scale or ((0.5, 2.0) if used.amplitude == "mvc" else (0.1, 1.0))
        bounds = (width, width) if mode == "bound" else None
        return cls(envelope, by_muscle, weight if mode == "track" else 0.0, limits, bounds)

    def record(self) -> dict[str, Any]:
        """Muscles, weight and limits, for the provenance."""
        limits = {"scale": list(self.scale), "bounds": None if self.bounds is None else list(self.bounds)}
        return {"muscles": dict(self.muscles), "weight": self.weight, **limits}

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
        """(N, C) envelopes at other times, by linear interpolation; ``check`` refuses negative ones beforehand."""
        return linear(time, *self._around(time))

    def check(self, time: Array) -> None:
        """Refuse EMG that does not cover the times, or has gaps or negative values there; warn of tiny ones."""
        samples, values = self._samples()
        if time[0] < samples[0] - SAME or time[-1] > samples[-1] + SAME:
            got = f"{samples[0]:g} to {samples[-1]:g} s"
            raise InputError(explain(f"EMG from {time[0]:g} to {time[-1]:g} s", got, "Give time_range, or longer EMG."))
        inside = self._inside(samples, time)
        for channel, whole in zip(self.channels, values.T, strict=True):
            own, largest = whole[inside], float(np.max(whole[np.isfinite(whole)], initial=0.0))
            if (bad := ~np.isfinite(own)).any():
                got = f"NaN or infinity in {channel} at {samples[inside][bad.argmax()]:g} s"
                raise InputError(explain("finite EMG in the interval", got, "Fill the gap, or leave the channel out."))
            if (lowest := float(own.min())) < -UNDERSHOOT * largest:
                at = f"in {channel} at {samples[inside][own.argmin()]:g} s"
                got = f"negative values down to {lowest:.3g} (its maximum is {largest:.3g}) {at}"
                fix = "Rectify raw EMG (process_emg), or leave the channel out."
                raise InputError(explain("EMG envelopes ≥ 0 in the interval", got, fix))
            if lowest < 0.0:
                warn(
                    f"Negative values of {channel} down to {lowest:.2g} count as 0: a filter's undershoot, "
                    f"{-lowest / largest:.1%} of its maximum."
                )

    def _samples(self) -> tuple[Array, Array]:
        values = self.envelope[list(self.channels)].to_numpy(dtype=float)
        return self.envelope.index.to_numpy(dtype=float), values

    def _around(self, time: Array) -> tuple[Array, Array]:
        """Samples that interpolation at these times uses, without negative values."""
        samples, values = self._samples()
        inside = self._inside(samples, time)
        return samples[inside], np.maximum(values[inside], 0.0)

    @staticmethod
    def _inside(samples: Array, time: Array) -> slice:
        first = int(np.searchsorted(samples, time[0] + SAME, side="right")) - 1
        return slice(max(0, first), int(np.searchsorted(samples, time[-1] - SAME)) + 1)


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
    if _numbers(envelope[list(channels)]) is None:
        got = some(f"{channel}: {envelope[channel].dtype}" for channel in channels)
        raise InputError(explain("EMG envelopes as numbers", got, "Convert the columns (pandas.to_numeric)."))


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
