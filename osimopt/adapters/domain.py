"""The postures that a geometry is fitted in: which coordinates move, how far, and quasi-random points of that range."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, ModelError, explain, some
from .model import Model
from .motion import read_motion

Array = NDArray[np.float64]

#: rad, and m, by which postures go beyond the motions given.
MARGIN = np.deg2rad(10.0), 0.01
#: rad; a joint's range is not believed beyond this (OpenSim's default is ±10 rad).
WIDEST = np.pi
#: m (or m/rad); a muscle whose length changes less with a coordinate anywhere does not depend on it.
SPANS = 1e-6


@dataclass(frozen=True, eq=False)
class Domain:
    """The postures that are fitted: defaults and range (N,) of every coordinate, and which of them move."""

    default: Array
    low: Array
    high: Array
    moving: NDArray[np.intp]

    def postures(self, count: int) -> Array:
        """(count, N) quasi-random postures: a Sobol sequence, shifted so that it does not start in a corner."""
        from scipy.stats import qmc

        size = max(1, len(self.moving))
        bits = int(np.ceil(np.log2(count)))
        points = qmc.Sobol(size, scramble=False).random_base2(bits)[:count]
        points = (points + np.random.default_rng(0).random(size)) % 1.0
        postures = np.repeat(self.default[None], count, axis=0)
        low, high = self.low[self.moving], self.high[self.moving]
        postures[:, self.moving] = low + (high - low) * points[:, : len(self.moving)]
        return postures


def mobile(model: Model) -> NDArray[np.intp]:
    """Coordinates that a motion moves by itself."""
    indices = [*model.description.free, *model.description.of_kind("prescribed")]
    return np.array(sorted(indices), dtype=np.intp)


def choose_domain(model: Model, motions: Sequence[str | os.PathLike[str]]) -> Domain:
    """Ranges of motion: the model's, or where motions are given theirs and a margin.

    Raises
    ------
    InputError
        A motion that is not one of this model.
    """
    coordinates = model.description.coordinates
    default = np.array([c.default for c in coordinates])
    widest = np.array([WIDEST if c.rotational else np.inf for c in coordinates])
    low = np.maximum([c.range[0] for c in coordinates], -widest)
    high = np.minimum([c.range[1] for c in coordinates], widest)
    if isinstance(motions, (str, os.PathLike)):
        raise InputError(explain("motions as a sequence of files", repr(motions), f"Write motions=[{motions!r}]."))
    if motions:
        values = np.concatenate([read_motion(path, model).value for path in motions])
        margin = np.array([MARGIN[0] if c.rotational else MARGIN[1] for c in coordinates])
        first, last = values.min(axis=0), values.max(axis=0)
        low = np.minimum(first, np.maximum(low, first - margin))
        high = np.maximum(last, np.minimum(high, last + margin))
    return Domain(default, low, high, _usable(model, low, high))


def _usable(model: Model, low: Array, high: Array) -> NDArray[np.intp]:
    free = np.array(sorted(model.description.free), dtype=np.intp)
    return free[np.isfinite(low[free]) & np.isfinite(high[free]) & (high[free] > low[free])]


def narrow(model: Model, domain: Domain, slope: Array) -> tuple[Domain, NDArray[np.bool_]]:
    """Keep the coordinates that muscles span, (N, M) saying which; a muscle that spans none gets one of them.

    ``slope`` (N, M) is the largest |∂l/∂q| found.

    Raises
    ------
    ModelError
        A muscle spans a coordinate that is not free or has no finite range; no muscle spans any.
    """
    coordinates = model.description.coordinates
    spans = slope > SPANS
    for index in np.flatnonzero(spans.any(axis=1)):
        if index not in domain.moving:
            c = coordinates[index]
            muscles = some(np.array(model.description.muscles.names)[spans[index]])
            got = f"'{c.name}' ({c.kind}, {domain.low[index]:g} to {domain.high[index]:g}), which {muscles} span"
            fix = "Free or lock it in the model, and give it a finite range (or give motions)."
            raise ModelError(explain("free coordinates with a finite range under every muscle", got, fix, model.path))
    if not spans.any():
        raise ModelError(explain("muscles that span coordinates", "none", "Is this the right model?", model.path))
    spans[np.argmax(spans.any(axis=1)), ~spans.any(axis=0)] = True
    return replace(domain, moving=np.flatnonzero(spans.any(axis=1))), spans
