"""What is sampled of a model's muscle paths: plain arrays, importable in the user's process and in opensim's."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .fit import Target

Array = NDArray[np.float64]
Index = NDArray[np.intp]


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
class PathSamples:
    """What M muscles' paths do in n postures of N coordinates; the first ``fitted`` are to fit to, the others held out.

    ``muscle_paths`` and ``coordinate_paths`` are absolute paths in the model; ``spans`` (N, M) says which muscle
    depends on what, ``low`` and ``high`` (N,) the range that postures are from. ``value`` (n, N) in rad or m,
    ``length`` (n, M) in m and ``slope`` (n, P), ∂l/∂q of the pairs in the order of ``np.nonzero(spans)``, NaN where a
    path has none. ``mismatch`` (M,) is how far OpenSim's own moment arm is from −∂l/∂q, in m.
    """

    muscle_paths: tuple[str, ...]
    coordinate_paths: tuple[str, ...]
    spans: NDArray[np.bool_]
    low: Array
    high: Array
    value: Array
    length: Array
    slope: Array
    fitted: int
    mismatch: Array

    @property
    def muscles(self) -> tuple[str, ...]:
        """Names of the muscles."""
        return tuple(path.rsplit("/", 1)[-1] for path in self.muscle_paths)

    @property
    def coordinates(self) -> tuple[str, ...]:
        """Names of the coordinates."""
        return tuple(path.rsplit("/", 1)[-1] for path in self.coordinate_paths)

    def groups(self) -> list[tuple[Index, Index]]:
        """Muscles that span the same coordinates, and these."""
        sets: dict[tuple[int, ...], list[int]] = {}
        for muscle in range(self.spans.shape[1]):
            sets.setdefault(tuple(np.flatnonzero(self.spans[:, muscle]).tolist()), []).append(muscle)
        return [(np.array(members, dtype=np.intp), np.array(own, dtype=np.intp)) for own, members in sets.items()]

    def targets(self, members: Index, own: Index) -> tuple[Target, Target]:
        """A group in the postures to fit to, and in those held out."""
        pair = np.cumsum(self.spans.ravel()).reshape(self.spans.shape) - 1
        slope = self.slope[:, pair[np.ix_(own, members)]]
        everywhere = Target(self.value[:, own], self.length[:, members], slope)
        return everywhere.postures(slice(None, self.fitted)), everywhere.postures(slice(self.fitted, None))

    def first(self, count: int) -> PathSamples:
        """The same with at most so many postures to fit to, and all that are held out."""
        keep = np.r_[0 : min(count, self.fitted), self.fitted : len(self.value)]
        arrays = {name: getattr(self, name)[keep] for name in ("value", "length", "slope")}
        return replace(self, **arrays, fitted=min(count, self.fitted))


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
