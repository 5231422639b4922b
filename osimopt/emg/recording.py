"""Emg: signals or envelopes of several channels over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..errors import InputError, check_names, explain, some
from ..files.storage import time_table
from ..problem.arrays import Array

if TYPE_CHECKING:
    import pandas as pd

#: Unit of the values: the recorder's, shares of each channel's own maximum, or of a maximum voluntary contraction.
Amplitude = Literal["raw", "own maximum", "mvc"]

#: Relative deviation up to which sample intervals count as equal, since files print times with few digits.
EVEN = 0.05


@dataclass(frozen=True, eq=False)
class Emg:
    """EMG of C channels at T times.

    Attributes
    ----------
    time : (T,) array
        Times in s, increasing.
    value : (T, C) array
        Signals or envelopes, NaN where nothing was measured.
    channels : tuple of str
        Names of the C channels.
    amplitude : {"raw", "own maximum", "mvc"}
        ``"mvc"`` for shares of a maximum voluntary contraction, the only unit in which RMSE and MAE against activations
        have a meaning; ``"own maximum"`` if each channel was divided by its own maximum; ``"raw"`` for other units.
    envelope : bool
        True for envelopes, False for oscillating signals.
    chain : tuple of dict
        Processing steps with their settings.
    source : dict
        Path and SHA-256 of the file.
    smooth : tuple of str
        Channels that are envelopes in a recording of signals.

    Raises
    ------
    InputError
        Shapes that do not fit, times that do not increase, or two channels of one name.

    Examples
    --------
    >>> import numpy as np, osimopt
    >>> time = np.arange(1001) / 1000.0
    >>> emg = osimopt.Emg(time, np.sin(500.0 * time)[:, None], ("soleus",))
    >>> emg
    <Emg: 1 channels, 0 to 1 s at 1000 Hz, signals>
    >>> emg.between(0.2, 0.5)
    <Emg: 1 channels, 0.2 to 0.5 s at 1000 Hz, signals>
    """

    time: Array
    value: Array
    channels: tuple[str, ...]
    amplitude: Amplitude = "raw"
    envelope: bool = False
    chain: tuple[Mapping[str, Any], ...] = ()
    source: Mapping[str, str] = field(default_factory=dict)
    smooth: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.value.shape != (len(self.time), len(self.channels)) or not self.channels or len(self.time) < 2:
            got = f"{self.value.shape} for {len(self.time)} times and {len(self.channels)} channels"
            expected = "EMG values (T, C) of at least two samples and one channel"
            raise InputError(explain(expected, got, "Check the file."))
        step = np.diff(self.time)
        wrong = np.flatnonzero(~((step > 0.0) & np.isfinite(step)))
        if len(wrong):
            got = f"{self.time[wrong[0] + 1]:g} s after {self.time[wrong[0]]:g} s"
            raise InputError(explain("times of EMG that increase", got, "Sort the file by time."))
        if twice := [name for name in dict.fromkeys(self.channels) if self.channels.count(name) > 1]:
            got = f"{some(twice)} more than once"
            raise InputError(explain("channels of EMG by different names", got, "Rename one."))

    def __len__(self) -> int:
        return len(self.time)

    def __repr__(self) -> str:
        """Return one line."""
        span = f"{self.time[0]:g} to {self.time[-1]:g} s at {self.rate:g} Hz"
        return f"<Emg: {len(self.channels)} channels, {span}, {'envelopes' if self.envelope else 'signals'}>"

    @property
    def rate(self) -> float:
        """Mean sampling rate in Hz."""
        return float((len(self.time) - 1) / (self.time[-1] - self.time[0]))

    @property
    def even(self) -> bool:
        """Whether samples are evenly spaced, as filters require."""
        step = np.diff(self.time)
        return bool(np.abs(step - step.mean()).max() <= EVEN * step.mean())

    def of(self, channel: str) -> Array:
        """(T,) values of one channel."""
        return np.asarray(self.value[:, self.channels.index(channel)])

    def select(self, channels: Sequence[str]) -> Emg:
        """These channels, in this order; an InputError names unknown ones."""
        check_names("channels", channels, self.channels)
        keep = [self.channels.index(name) for name in channels]
        smooth = tuple(name for name in self.smooth if name in channels)
        return replace(self, value=self.value[:, keep], channels=tuple(channels), smooth=smooth)

    def is_envelope(self, channel: str) -> bool:
        """Whether a channel is an envelope."""
        return self.envelope or channel in self.smooth

    def between(self, start: float, end: float) -> Emg:
        """Samples from ``start`` to ``end`` s; an InputError if there are fewer than two."""
        inside = (self.time >= start - 1e-9) & (self.time <= end + 1e-9)
        if inside.sum() < 2:
            got = f"{self.time[0]:g} to {self.time[-1]:g} s"
            raise InputError(explain(f"EMG between {start:g} and {end:g} s", got, "Check that the clocks agree."))
        return replace(self, time=self.time[inside], value=self.value[inside])

    def retimed(self, shift: float = 0.0, rate: float = 0.0) -> Emg:
        """The same samples at (1 + rate) times their times, plus ``shift`` s; the step stands in ``chain``.

        Raises
        ------
        InputError
            Numbers that are not finite, or a rate beyond ±50 %.
        """
        if not (np.isfinite(shift) and np.isfinite(rate) and abs(rate) < 0.5):
            got = f"shift {shift:g} s, rate {rate:g}"
            raise InputError(explain("a finite shift in s and a rate within ±0.5", got, "0.01 is 1 %."))
        if shift == 0.0 and rate == 0.0:
            return self
        return self.after("clock", self.value, (1.0 + rate) * self.time + shift, shift=float(shift), rate=float(rate))

    def after(self, step: str, value: Array, time: Array | None = None, **changes: Any) -> Emg:
        """Result of a processing step, which is appended to ``chain`` with its settings."""
        settings = {
            name: changes.pop(name) for name in tuple(changes) if name not in ("amplitude", "envelope", "smooth")
        }
        chain = (*self.chain, {"step": step, **settings})
        return replace(self, time=self.time if time is None else time, value=value, chain=chain, **changes)

    def to_dataframe(self) -> pd.DataFrame:
        """Values with a column per channel; the index is time in s."""
        return time_table(self.time, self.value, self.channels)
