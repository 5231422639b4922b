"""What is sampled of a model's muscle paths: plain arrays, importable in the user's process and in opensim's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .fit import Target

Array = NDArray[np.float64]
Index = NDArray[np.intp]

#: m; a muscle whose moment arm is further than this from −∂l/∂q, in any posture, has no potential worth fitting.
INCONSISTENT = 1e-3


@dataclass(frozen=True, eq=False)
class Survey:
    """What a few postures show of M muscles and N coordinates of a model.

    ``muscle_paths`` and ``coordinate_paths`` are absolute paths in the model. ``slope`` (N, M) is the largest
    |∂l/∂q| found, in m/rad.
    """

    muscle_paths: tuple[str, ...]
    coordinate_paths: tuple[str, ...]
    slope: Array


@dataclass(frozen=True, eq=False)
class Samples:
    """Lengths (n, M) in m and slopes (n, P) of pairs in n postures, and the mismatch (M,) in m there.

    All as in :class:`PathSamples`.
    """

    length: Array
    slope: Array
    mismatch: Array


@dataclass(frozen=True, eq=False)
class PathSamples:
    """What M muscles' paths do in n postures of N coordinates; the first ``fitted`` are to fit to, the others held out.

    ``muscle_paths`` and ``coordinate_paths`` are absolute paths in the model; ``spans`` (N, M) says which muscle
    depends on what, ``low`` and ``high`` (N,) the range that postures are from. ``value`` (n, N) in rad or m,
    ``length`` (n, M) in m and ``slope`` (n, P) in m/rad, minus the moment arm that a tension along the path has, of the
    pairs in the order of ``np.nonzero(spans)``; NaN where a path has none. ``mismatch`` (M,) is how far that moment arm
    is from −∂l/∂q of the model's own length in the worst posture, in m.
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

    @property
    def left(self) -> dict[str, float]:
        """The mismatch, in m, of each muscle whose length is no integral of its moment arm: not to be fitted."""
        pairs = zip(self.muscles, self.mismatch.tolist(), strict=True)
        return {name: mismatch for name, mismatch in pairs if mismatch > INCONSISTENT}

    def consistent(self) -> PathSamples:
        """The same without the muscles that are ``left``."""
        return self.keep([name for name in self.muscles if name not in self.left])

    def keep(self, muscles: Sequence[str]) -> PathSamples:
        """The same of these muscles only."""
        kept = np.isin(self.muscles, muscles)
        return replace(
            self,
            muscle_paths=tuple(path for path, own in zip(self.muscle_paths, kept, strict=True) if own),
            spans=self.spans[:, kept],
            length=self.length[:, kept],
            slope=self.slope[:, kept[np.nonzero(self.spans)[1]]],
            mismatch=self.mismatch[kept],
        )

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
