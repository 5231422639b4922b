"""Whether a problem's arrays are still those that were read."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from .problem import RedundancyProblem

Array = NDArray[np.float64]

#: Share of the largest number by which two of the same array differ through rounding.
ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Fingerprint:
    """One number (T,) for each array of a problem and each frame: its columns, weighted at random but always alike."""

    time: Array
    numbers: dict[str, Array]

    @classmethod
    def of(cls, problem: RedundancyProblem) -> Fingerprint:
        """Take it."""
        return cls(problem.time, {name: _weighted(array) for name, array in _arrays(problem).items()})

    def changed(self, problem: RedundancyProblem, names: Collection[str] = ()) -> str:
        """Say which array of a problem has changed since, and when; empty where none has, in the frames known.

        ``names`` are the arrays to look at, all where there are none.
        """
        rows = np.minimum(np.searchsorted(self.time, problem.time), len(self.time) - 1)
        known = self.time[rows] == problem.time
        arrays = _arrays(problem)
        for name, array in ((name, arrays[name]) for name in names or arrays):
            before, now = self.numbers[name][rows], _weighted(array)
            off = np.where(known, np.abs(now - before), 0.0)
            if off.max(initial=0.0) > ROUNDING * np.abs(before).max(initial=0.0):
                return f"the problem's {name} at {problem.time[int(off.argmax())]:g} s is not what was read"
        return ""


def _arrays(problem: RedundancyProblem) -> dict[str, Array]:
    return {
        "moment arms": problem.geometry.moment_arms,
        "max_force": problem.max_force,
        "passive_force": problem.passive_force,
        "generalized_force": problem.generalized_force,
    }


def _weighted(array: Array) -> Array:
    return np.asarray(array @ np.random.default_rng(0).uniform(1.0, 2.0, array.shape[1]))
