"""MusclePaths: the interface of muscle paths that replace the model's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ..problem.arrays import MuscleGeometry
from .geometry import Fit

Array = NDArray[np.float64]


@runtime_checkable
class MusclePaths(Protocol):
    """Lengths of muscles as functions of the coordinates, whose negative slopes are their moment arms.

    Implemented by :class:`~osimopt.PolynomialGeometry` and by surrogates of networks: dataclasses of arrays and plain
    data, so that a problem's provenance can identify them.
    """

    kind: str

    @property
    def muscles(self) -> tuple[str, ...]:
        """Names of the muscles."""

    @property
    def coordinates(self) -> tuple[str, ...]:
        """Names of the coordinates that any muscle depends on."""

    @property
    def left(self) -> Mapping[str, float]:
        """Muscles that were not fitted because −∂l/∂q is not their moment arm, with the largest difference in m."""

    @property
    def fits(self) -> Mapping[str, Fit]:
        """Ranges and errors by muscle, where they are known."""

    def select(self, muscles: Sequence[str]) -> MusclePaths:
        """The same for these muscles, in this order; an InputError names those that are missing."""

    def evaluate(self, names: Sequence[str], value: Array, speed: Array | None = None) -> MuscleGeometry:
        """Lengths, moment arms and speeds where coordinates ``names`` have ``value`` and ``speed``, both (T, N)."""

    def outside(self, names: Sequence[str], value: Array) -> dict[str, int]:
        """Number of frames outside the fitted range, for each muscle with any."""
