"""Scaling of inputs and targets by the training windows, and nothing else of what the network may see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from osimopt.surrogate.architecture import CONSTANT

from .windows import Windows

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Scaling:
    """Least value and range of each signal (C,) and each target (K,) in training; the range of a constant is 1.

    Of inputs that are standardised: mean and standard deviation.
    """

    input_low: Array
    input_range: Array
    target_low: Array
    target_range: Array

    @classmethod
    def of(cls, training: Windows, inputs: Literal["min-max", "standard"] = "min-max") -> Scaling:
        """From training windows; values that were not measured (NaN) do not count. Targets are always in [0, 1]."""
        signals = training.inputs.reshape(-1, training.inputs.shape[-1])
        return cls(*(_limits(signals) if inputs == "min-max" else _moments(signals)), *_limits(training.target))

    def inputs(self, windows: Windows) -> Array:
        """(N, T, C) signals, 0 to 1 in training."""
        return np.asarray((windows.inputs - self.input_low) / self.input_range)

    def targets(self, windows: Windows) -> Array:
        """(N, K) targets, 0 to 1 in training."""
        return self.target(windows.target)

    def target(self, values: Any) -> Array:
        """Scale targets (…, K) in their units."""
        return np.asarray((values - self.target_low) / self.target_range)

    def untarget(self, scaled: Any) -> Array:
        """The inverse of :meth:`target`."""
        return np.asarray(scaled * self.target_range + self.target_low)

    def to_dict(self) -> dict[str, list[float]]:
        """As plain data, for :meth:`from_dict`."""
        return {name: getattr(self, name).tolist() for name in _ARRAYS}

    @classmethod
    def from_dict(cls, told: dict[str, Any]) -> Scaling:
        """From plain data."""
        return cls(*(np.asarray(told[name], dtype=float) for name in _ARRAYS))


_ARRAYS = ("input_low", "input_range", "target_low", "target_range")


def _limits(values: Array) -> tuple[Array, Array]:
    low, high = np.nanmin(values, axis=0), np.nanmax(values, axis=0)
    return low, _unless_constant(high - low, low)


def _moments(values: Array) -> tuple[Array, Array]:
    mean = np.nanmean(values, axis=0)
    return mean, _unless_constant(np.nanstd(values, axis=0), mean)


def _unless_constant(size: Array, about: Array) -> Array:
    return np.where(size <= CONSTANT * np.maximum(1.0, np.abs(about)), 1.0, size)
