"""What is sampled of a model's muscle paths: plain arrays, importable in the user's process and in opensim's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Survey:
    """What a few postures say about M muscles and N coordinates of a model.

    ``muscle_paths`` and ``coordinate_paths`` are absolute paths in the model. ``slope`` (N, M) is the largest
    |∂l/∂q| found, in m/rad. ``differenced`` are the muscles whose lengthening speed is not the slope of their
    length (wrapping over several objects), so that the slope must be taken from differences of the length;
    ``mismatch`` (M,) is how far OpenSim's own moment arm is from −∂l/∂q there, in m.
    """

    muscle_paths: tuple[str, ...]
    coordinate_paths: tuple[str, ...]
    slope: Array
    differenced: NDArray[np.intp]
    mismatch: Array


@dataclass(frozen=True, eq=False)
class Samples:
    """Lengths (n, M) in m and slopes ∂l/∂q (n, P) of chosen pairs, in n postures; NaN where a path has none."""

    length: Array
    slope: Array


@dataclass(frozen=True, eq=False)
class Jump:
    """A place where a path snaps: length or moment arm jump (m) as one coordinate passes a value (rad or m).

    ``posture`` (N,) is where the other coordinates are.
    """

    muscle: int
    coordinate: int
    value: float
    length: float
    moment_arm: float
    posture: Array

    @property
    def size(self) -> float:
        """What to sort by: a length that jumps is worse than a moment arm that does."""
        return max(self.moment_arm, 10.0 * self.length)
