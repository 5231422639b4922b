"""Which bodies a surrogate was trained on: their sizes and strengths, as their muscles show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..problem.arrays import Array, MuscleParameters
from .architecture import SLACK

#: What is measured of a body: of all muscles together, then the least and largest of single ones.
MEASURES = ("size", "strength", "least muscle size", "largest muscle size", "least muscle strength",
            "largest muscle strength")  # fmt: skip
#: Fraction of its training range by which a single muscle may exceed it: extremes of a few draws vary.
SINGLE = 0.25
#: Logarithm by which a body may exceed the training range of one that hardly varies.
ROUNDING = 0.005


@dataclass(frozen=True)
class BodyRanges:
    """Ranges of bodies in training, relative to a reference of the same muscles.

    A muscle's size is its rest length (optimal fibre length and tendon slack length) over that of the reference, its
    strength its maximum isometric force over that of the reference and the square of the body's size; a body's are the
    geometric means of its muscles'. ``rest_length`` in m and ``strength`` in N are of the reference, ``low`` and
    ``high`` the ends of ``MEASURES`` in training; single muscles are relative to the body.
    """

    rest_length: tuple[float, ...]
    strength: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    @classmethod
    def of(cls, bodies: Sequence[MuscleParameters], reference: MuscleParameters | None = None) -> BodyRanges:
        """Measure the bodies of training; the reference is the first of them by default."""
        first = bodies[0] if reference is None else reference
        empty = cls(_plain(rest_length(first)), _plain(first.max_isometric_force), (), ())
        measured = np.array([empty.measure(body) for body in bodies])
        return cls(empty.rest_length, empty.strength, _plain(measured.min(axis=0)), _plain(measured.max(axis=0)))

    def measure(self, body: MuscleParameters) -> Array:
        """``MEASURES`` of a body with the muscles of the reference, in their order."""
        longer = np.log(rest_length(body) / np.array(self.rest_length))
        size = longer.mean()
        stronger = np.log(body.max_isometric_force / np.array(self.strength)) - 2.0 * size
        strength = stronger.mean()
        single = [end(values - mean) for values, mean in ((longer, size), (stronger, strength)) for end in (min, max)]
        return np.exp([size, strength, *single])

    def beyond(self, body: MuscleParameters) -> list[str]:
        """What of a body lies outside the training range: sentences, none for a body within it."""
        low, high = np.log(self.low), np.log(self.high)
        share = np.array([SLACK if name in MEASURES[:2] else SINGLE for name in MEASURES])
        slack = share * (high - low) + ROUNDING
        found = self.measure(body)
        out = (np.log(found) < low - slack) | (np.log(found) > high + slack)
        return [
            f"{MEASURES[i]} {found[i]:.3g} (in training {self.low[i]:.3g} to {self.high[i]:.3g})"
            for i in np.flatnonzero(out | ~np.isfinite(found))
        ]

    def __str__(self) -> str:
        """Return the ranges of size and strength in words."""
        return ", ".join(f"{MEASURES[i]}s {self.low[i]:.3g} to {self.high[i]:.3g}" for i in range(2))

    def plain(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)

    @classmethod
    def read(cls, data: dict[str, Any]) -> BodyRanges:
        """Invert ``plain``."""
        return cls(**{name: tuple(map(float, values)) for name, values in data.items()})


def rest_length(body: MuscleParameters) -> Array:
    """(M,) m."""
    return np.asarray(body.optimal_fiber_length + body.tendon_slack_length)


def _plain(values: Array) -> tuple[float, ...]:
    return tuple(np.asarray(values, dtype=float).tolist())
