"""How far muscle paths are from what was sampled of a model, muscle by muscle, on postures held out."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .fit import SNAPPED, UNUSUAL
from .paths import MusclePaths
from .samples import PathSamples

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]


MEASURES = ("length_rms", "length_p99", "length_max", "moment_arm_rms", "moment_arm_p99", "moment_arm_max")


@dataclass(frozen=True, eq=False)
class PathErrors:
    """Errors (M,) in m of length and of moment arm, −∂l/∂q, about the worst coordinate (m/m about a translation).

    Root mean squares and the 99th percentiles are over the postures in which OpenSim's path has not snapped off or over
    a wrap object (``snapped``, their share: the length is off by more than 0.5 mm and eight times its median error);
    maxima are over all.
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
        """(M,) whether both root mean squares are."""
        return np.asarray(np.fmax(self.length_rms, self.moment_arm_rms) <= tolerance)

    def to_dict(self) -> dict[str, dict[str, float]]:
        """The measures in m by name, of each muscle by name."""
        return {name: dict(zip(self.muscles, getattr(self, name).tolist(), strict=True)) for name in MEASURES}

    def to_dataframe(self) -> pd.DataFrame:
        """One row per muscle; mm and percent."""
        import pandas as pd

        table = pd.DataFrame({f"{name}_mm": 1e3 * getattr(self, name) for name in MEASURES})
        table["snapped_percent"] = 100.0 * self.snapped
        return table.set_index(pd.Index(self.muscles, name="muscle"))


def measure_errors(paths: MusclePaths, samples: PathSamples, postures: NDArray[np.intp] | None = None) -> PathErrors:
    """Errors of paths in sampled postures: those held out, unless others are given by number."""
    keep = np.arange(samples.fitted, len(samples.value)) if postures is None else postures
    given = paths.select(samples.muscles).evaluate(samples.coordinates, samples.value[keep])
    length = _distance(np.asarray(given.length), samples.length[keep])
    slope = _slopes(samples, keep)
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


def _slopes(samples: PathSamples, keep: NDArray[np.intp]) -> dict[tuple[str, int], Array]:
    """∂l/∂q in these postures by coordinate and muscle."""
    pairs = zip(*np.nonzero(samples.spans), samples.slope[keep].T, strict=True)
    return {(samples.coordinates[row], int(muscle)): slope for row, muscle, slope in pairs}


def _summary(errors: Array, snapped: NDArray[np.bool_]) -> tuple[float, float, float]:
    """Root mean square, 99th percentile, maximum."""
    usual = errors[~snapped]
    rms = math.sqrt(_over(np.mean, usual**2))
    return rms, _over(lambda values: np.percentile(values, 99.0), usual), _over(np.max, errors)


def _over(statistic: Callable[[Array], Any], errors: Array) -> float:
    """Of the errors that are known: NaN where none is, infinite where paths gave no number."""
    known = errors[~np.isnan(errors)]
    if not known.size:
        return math.nan
    return float(statistic(known)) if np.isfinite(known).all() else math.inf


def _distance(found: Array, expected: Array) -> Array:
    """|error|: NaN where nothing is expected, infinite where nothing was found."""
    return np.where(np.isnan(expected), np.nan, np.nan_to_num(np.abs(found - expected), nan=np.inf))
