"""EMG as it was recorded, or what processing made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, explain, some

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]
#: What amplitudes mean: nothing (volts, or a channel's own maximum), or shares of a maximum voluntary contraction.
Amplitude = Literal["raw", "own maximum", "mvc"]

#: Sample intervals within this share of their mean count as even: files print times with few digits.
EVEN = 0.05


@dataclass(frozen=True, eq=False)
class Emg:
    """Channels over time.

    Attributes
    ----------
    time
        (T,) s, increasing.
    value
        (T, C), NaN where nothing was measured.
    channels
        (C,) names.
    amplitude
        ``"mvc"`` if values are shares of a maximum voluntary contraction: only then do RMSE and MAE against activations
        mean anything. ``"own maximum"`` if each channel was divided by its own, ``"raw"`` otherwise.
    envelope
        Whether it is one already, and not an oscillating signal.
    chain
        What was done to it, step by step, with every setting.
    source
        Path and SHA-256 of the file.
    """

    time: Array
    value: Array
    channels: tuple[str, ...]
    amplitude: Amplitude = "raw"
    envelope: bool = False
    chain: tuple[Mapping[str, Any], ...] = ()
    source: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.value.shape != (len(self.time), len(self.channels)) or not self.channels or len(self.time) < 2:
            got = f"{self.value.shape} for {len(self.time)} times and {len(self.channels)} channels"
            raise InputError(
                explain("EMG values (T, C) of two samples and one channel or more", got, "Check the file.")
            )
        if not (np.isfinite(self.time).all() and (np.diff(self.time) > 0.0).all()):
            raise InputError(explain("times of EMG that increase", "some that do not", "Sort the file by time."))
        if len(set(self.channels)) < len(self.channels):
            twice = [name for name in dict.fromkeys(self.channels) if self.channels.count(name) > 1]
            raise InputError(explain("channels of EMG by different names", f"twice {some(twice)}", "Rename one."))

    def __len__(self) -> int:
        return len(self.time)

    def __repr__(self) -> str:
        """Return one line."""
        span = f"{self.time[0]:g} to {self.time[-1]:g} s at {self.rate:g} Hz"
        return f"<Emg: {len(self.channels)} channels, {span}, {'envelopes' if self.envelope else 'signals'}>"

    @property
    def rate(self) -> float:
        """Samples per s, on average."""
        return float((len(self.time) - 1) / (self.time[-1] - self.time[0]))

    @property
    def even(self) -> bool:
        """Whether samples are equally far apart, as filters need."""
        step = np.diff(self.time)
        return bool(np.abs(step - step.mean()).max() <= EVEN * step.mean())

    def of(self, channel: str) -> Array:
        """(T,) one channel."""
        return np.asarray(self.value[:, self.channels.index(channel)])

    def select(self, channels: Sequence[str]) -> Emg:
        """Some of the channels.

        Raises
        ------
        InputError
            One that there is not.
        """
        if unknown := [name for name in channels if name not in self.channels]:
            raise InputError(explain(f"channels among {some(self.channels, 100)}", some(unknown), "Check the names."))
        keep = [self.channels.index(name) for name in channels]
        return replace(self, value=self.value[:, keep], channels=tuple(channels))

    def between(self, start: float, end: float) -> Emg:
        """The samples from ``start`` to ``end`` s.

        Raises
        ------
        InputError
            Fewer than two samples there.
        """
        inside = (self.time >= start - 1e-9) & (self.time <= end + 1e-9)
        if inside.sum() < 2:
            got = f"{self.time[0]:g} to {self.time[-1]:g} s"
            raise InputError(explain(f"EMG between {start:g} and {end:g} s", got, "Check that clocks agree."))
        return replace(self, time=self.time[inside], value=self.value[inside])

    def after(self, step: str, value: Array, time: Array | None = None, **changes: Any) -> Emg:
        """The same after a step of processing, which is written down with its settings."""
        settings = {name: changes.pop(name) for name in tuple(changes) if name not in ("amplitude", "envelope")}
        chain = (*self.chain, {"step": step, **settings})
        return replace(self, time=self.time if time is None else time, value=value, chain=chain, **changes)

    def to_dataframe(self) -> pd.DataFrame:
        """One column per channel; the index is time in s."""
        import pandas as pd

        return pd.DataFrame(self.value, index=pd.Index(self.time, name="time"), columns=list(self.channels))
