"""Scaling by what the training data were, and saying what lies beyond them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, explain

Array = NDArray[np.float64]

#: Share of its training range by which a feature may be beyond it.
SLACK = 0.05
#: A feature that varies by less, relative to its size, does not vary.
CONSTANT = 1e-9


@dataclass(frozen=True, eq=False)
class Scaler:
    """Mean, standard deviation (1 of constants), least and largest value of each feature (F,) in training."""

    mean: Array
    std: Array
    low: Array
    high: Array
    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, samples: Any, names: Sequence[str] = ()) -> Scaler:
        """From samples (n, F) of the training data, and no others.

        Raises
        ------
        InputError
            None, some that are no numbers, or other names than features.
        """
        samples = _numpy(samples)
        if samples.ndim != 2 or not samples.size or not np.isfinite(samples).all():
            got = f"shape {samples.shape}, {np.sum(~np.isfinite(samples))} no numbers"
            raise InputError(explain("samples (n, F) to scale by, all finite", got, "Leave out what is missing."))
        if names and len(names) != samples.shape[1]:
            got = f"{len(names)} for {samples.shape[1]}"
            raise InputError(explain("a name for each feature", got, "Name them all, or none."))
        mean, std = samples.mean(axis=0), samples.std(axis=0)
        still = std <= CONSTANT * np.maximum(1.0, np.abs(mean))
        return cls(mean, np.where(still, 1.0, std), samples.min(axis=0), samples.max(axis=0), tuple(names))

    def scale(self, values: Any) -> Any:
        """Features (…, F) with mean 0 and standard deviation 1; NumPy or torch."""
        return (values - self._like(self.mean, values)) / self._like(self.std, values)

    def unscale(self, values: Any) -> Any:
        """The inverse of :meth:`scale`."""
        return values * self._like(self.std, values) + self._like(self.mean, values)

    def outside(self, values: Any) -> NDArray[np.bool_]:
        """(…, F) whether features lie beyond the range of training, or are no numbers; NumPy or torch."""
        values = _numpy(values)
        slack = SLACK * (self.high - self.low) + CONSTANT * np.maximum(1.0, np.abs(self.mean))
        return np.asarray(~((values >= self.low - slack) & (values <= self.high + slack)))

    def arrays(self) -> dict[str, Array]:
        """For a file, and :meth:`from_arrays`."""
        return {"mean": self.mean, "std": self.std, "low": self.low, "high": self.high}

    @classmethod
    def from_arrays(cls, arrays: dict[str, Any], names: Sequence[str] = ()) -> Scaler:
        """From what :meth:`arrays` gave."""
        mean, std, low, high = (np.asarray(arrays[name], dtype=float) for name in ("mean", "std", "low", "high"))
        return cls(mean, std, low, high, tuple(names))

    @staticmethod
    def _like(array: Array, values: Any) -> Any:
        return array if isinstance(values, np.ndarray) else values.new_tensor(array)


def _numpy(values: Any) -> Array:
    """NumPy of what may be torch's, on any device."""
    there = hasattr(values, "detach")
    return np.asarray(values.detach().cpu() if there else values, dtype=float)
