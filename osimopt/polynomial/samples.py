"""Samples of a model's muscle paths, and errors of other paths on them.

Plain arrays, importable in the user's process and in opensim's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..problem.arrays import Array, Index
from .fit import SNAPPED, UNUSUAL, Target
from .muscle_paths import MusclePaths
from .terms import grouped

if TYPE_CHECKING:
    import pandas as pd


#: Difference in m between moment arm and −∂l/∂q, in any posture, above which a muscle is not fitted.
INCONSISTENT = 1e-3
MEASURES = ("length_rms", "length_p99", "length_max", "moment_arm_rms", "moment_arm_p99", "moment_arm_max")


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
    """Paths of M muscles in n postures of N coordinates; the first ``fitted`` are to fit to, the others held out.

    ``muscle_paths`` and ``coordinate_paths`` are absolute paths in the model; ``spans`` (N, M) is True where a muscle
    depends on a coordinate; ``low`` and ``high`` (N,) are the range of the postures. ``value`` (n, N) is in rad or m,
    ``length`` (n, M) in m; ``slope`` (n, P) in m/rad is minus the moment arm of a tension along the path, for the pairs
    in the order of ``np.nonzero(spans)``, NaN where a path has none. ``mismatch`` (M,) is the largest difference in m
    between that moment arm and −∂l/∂q of the model's own length.
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
        """Mismatch in m of the muscles that are not fitted, since their length is no integral of their moment arm."""
        pairs = zip(self.muscles, self.mismatch.tolist(), strict=True)
        return {name: mismatch for name, mismatch in pairs if mismatch > INCONSISTENT}

    def consistent(self) -> PathSamples:
        """The same without the muscles that are ``left``."""
        return self.keep([name for name in self.muscles if name not in self.left])

    def keep(self, muscles: Sequence[str]) -> PathSamples:
        """The same for these muscles only."""
        kept = np.isin(self.muscles, muscles)
        return replace(
            self,
            muscle_paths=tuple(path for path, keep in zip(self.muscle_paths, kept, strict=True) if keep),
            spans=self.spans[:, kept],
            length=self.length[:, kept],
            slope=self.slope[:, kept[np.nonzero(self.spans)[1]]],
            mismatch=self.mismatch[kept],
        )

    def groups(self) -> list[tuple[Index, Index]]:
        """Groups of muscles that span the same coordinates: (muscles, coordinates)."""
        spanned = [tuple(column) for column in self.spans.T.tolist()]
        return [(members, np.flatnonzero(spans)) for spans, members in grouped(spanned)]

    def targets(self, members: Index, spanned: Index) -> tuple[Target, Target]:
        """A group of muscles in the postures to fit to, and in those held out."""
        pair = np.cumsum(self.spans.ravel()).reshape(self.spans.shape) - 1
        slope = self.slope[:, pair[np.ix_(spanned, members)]]
        everywhere = Target(self.value[:, spanned], self.length[:, members], slope)
        return everywhere.postures(slice(None, self.fitted)), everywhere.postures(slice(self.fitted, None))


@dataclass(frozen=True, eq=False)
class Jump:
    """A jump in m of a muscle's length or moment arm where one coordinate passes a value in rad or m.

    ``posture`` (N,) are the values of all coordinates.
    """

    muscle: int
    coordinate: int
    value: float
    length: float
    moment_arm: float
    posture: Array

    @property
    def size(self) -> float:
        """Severity: a jump of the length is worse than one of the moment arm."""
        return max(self.moment_arm, 10.0 * self.length)


@dataclass(frozen=True, eq=False)
class PathErrors:
    """Errors (M,) in m of length, and of moment arm about the worst coordinate (m/m about a translation).

    Root mean squares and 99th percentiles leave out the share ``snapped`` of the postures, in which the length is off
    by more than 0.5 mm and eight times its median error: there OpenSim's path has snapped off or over a wrap object.
    Maxima are over all postures.
    """

    muscles: tuple[str, ...]
    length_rms: Array
    length_p99: Array
    length_max: Array
    moment_arm_rms: Array
    moment_arm_p99: Array
    moment_arm_max: Array
    snapped: Array

    def within(self, tolerance: float) -> NDArray[np.bool_]:
        """(M,) True where both root mean squares are within the tolerance in m."""
        return np.asarray(np.fmax(self.length_rms, self.moment_arm_rms) <= tolerance)

    def to_dict(self) -> dict[str, dict[str, float]]:
        """Each measure in m by name, and within it each muscle by name."""
        return {name: dict(zip(self.muscles, getattr(self, name).tolist(), strict=True)) for name in MEASURES}

    def to_dataframe(self) -> pd.DataFrame:
        """One row per muscle, in mm and percent."""
        import pandas as pd

        table = pd.DataFrame({f"{name}_mm": 1e3 * getattr(self, name) for name in MEASURES})
        table["snapped_percent"] = 100.0 * self.snapped
        return table.set_index(pd.Index(self.muscles, name="muscle"))


def measure_errors(paths: MusclePaths, samples: PathSamples, postures: Index | None = None) -> PathErrors:
    """Errors of paths in the held-out postures, or in those given by number."""
    keep = np.arange(samples.fitted, len(samples.value)) if postures is None else postures
    given = paths.select(samples.muscles).evaluate(samples.coordinates, samples.value[keep])
    length = _distance(np.asarray(given.length), samples.length[keep])
    pairs = zip(*np.nonzero(samples.spans), samples.slope[keep].T, strict=True)
    slope = {(samples.coordinates[row], int(muscle)): column for row, muscle, column in pairs}
    median = np.array([_over(np.median, column) for column in length.T])
    snapped = length > np.fmax(SNAPPED, UNUSUAL * median)
    arms = np.full((length.shape[1], 3), np.nan)
    for coordinate, muscle, arm in zip(given.pair_coordinate, given.pair_muscle, given.moment_arms.T, strict=True):
        known = slope.get((given.coordinates[coordinate], int(muscle)))
        if known is not None:
            arms[muscle] = np.fmax(arms[muscle], _summary(_distance(arm, -known), snapped[:, muscle]))
    lengths = [_summary(column, snapped[:, muscle]) for muscle, column in enumerate(length.T)]
    columns = dict(zip(MEASURES, [*np.array(lengths).T, *arms.T], strict=True))
    return PathErrors(samples.muscles, snapped=np.mean(snapped, axis=0), **columns)


def _summary(errors: Array, snapped: NDArray[np.bool_]) -> tuple[float, float, float]:
    """Root mean square, 99th percentile, maximum."""
    usual = errors[~snapped]
    rms = math.sqrt(_over(np.mean, usual**2))
    return rms, _over(lambda values: np.percentile(values, 99.0), usual), _over(np.max, errors)


def _over(statistic: Callable[[Array], Any], errors: Array) -> float:
    """Statistic of the known errors: NaN if there are none, infinite if paths gave no number."""
    known = errors[~np.isnan(errors)]
    if not known.size:
        return math.nan
    return float(statistic(known)) if np.isfinite(known).all() else math.inf


def _distance(found: Array, expected: Array) -> Array:
    """|error|: NaN without an expected value, infinite without a found one."""
    return np.where(np.isnan(expected), np.nan, np.nan_to_num(np.abs(found - expected), nan=np.inf))
