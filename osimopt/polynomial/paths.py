"""What a problem asks of muscle paths that take the place of the model's own, whoever made them."""

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

    A :class:`~osimopt.PolynomialGeometry` is one, and so is a network of them. It is a dataclass of arrays and plain
    data, so that a problem's provenance can tell it from another.
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
        """Muscles that were not fitted because −∂l/∂q is not their moment arm, and by how much it is off in m."""

    @property
    def fits(self) -> Mapping[str, Fit]:
        """Ranges and errors of the muscles whose fit is known, by name."""

    def select(self, muscles: Sequence[str]) -> MusclePaths:
        """The same for these muscles, in this order; an InputError names those that are missing."""

    def evaluate(self, names: Sequence[str], value: Array, speed: Array | None = None) -> MuscleGeometry:
        """Lengths, moment arms and speeds where coordinates ``names`` have ``value`` and ``speed``, both (T, N)."""

    def outside(self, names: Sequence[str], value: Array) -> dict[str, int]:
        """Number of frames outside the range that a muscle was fitted in, for those that leave it."""
