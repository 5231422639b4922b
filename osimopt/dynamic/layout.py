"""Which unknowns a program has, and where in x they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Index = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Part:
    """Muscles, coordinates, reserves and EMG channels, by number, that no others have anything to do with."""

    muscles: Index
    coordinates: Index
    reserves: Index
    channels: Index


@dataclass(frozen=True, eq=False)
class Layout:
    """Entries of x, point by point: (N, m) of the muscles, (N, k) of the reserves, (N, 1) of the largest activation.

    ``force`` and ``force_rate`` are empty with rigid tendons, ``largest`` unless the cost is about it; ``scale`` has
    one entry for each EMG channel, at the end.
    """

    size: int
    activation: Index
    excitation: Index
    force: Index
    force_rate: Index
    reserve: Index
    largest: Index
    scale: Index

    @classmethod
    def of(cls, part: Part, points: int, compliant: bool, largest: bool) -> Layout:
        """Lay out the unknowns of a part."""
        muscles = part.muscles.size
        widths = (muscles, muscles, muscles * compliant, muscles * compliant, part.reserves.size, int(largest))
        starts = np.concatenate([[0], np.cumsum(widths)])
        first = np.arange(points)[:, None] * starts[-1]
        activation, excitation, force, force_rate, reserve, highest = (
            first + start + np.arange(width) for start, width in zip(starts[:-1], widths, strict=True)
        )
        size = points * int(starts[-1])
        scale = size + np.arange(part.channels.size)
        return cls(size + scale.size, activation, excitation, force, force_rate, reserve, highest, scale)
