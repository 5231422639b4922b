"""Lengths and moment arms of exact paths in many postures, and the places where these paths snap."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..polynomial.samples import Jump, Samples
from ..polynomial.snaps import Line, jumps_along
from ..polynomial.terms import grouped
from ..problem.arrays import Array, Index
from .completion import closed
from .exact import ExactPaths
from .messages import Mask
from .model import Model


def paths_in(paths: ExactPaths, model: Model, postures: Array) -> tuple[Array, Array]:
    """Lengths (n, M) and slopes ∂l/∂q (n, N, M) of all muscles of a model in postures (n, N).

    Dependent coordinates follow, and have no slopes of their own. Muscles without an exact path are 0.
    """
    motion, every = closed(model, postures), model.description.muscles.names
    given = paths.evaluate(motion.coordinates, motion.value)
    own = np.array([every.index(name) for name in given.muscles], dtype=np.intp)
    lengths, slopes = np.zeros((len(postures), len(every))), np.zeros((len(postures), postures.shape[1], len(every)))
    lengths[:, own] = np.asarray(given.length)
    rows = np.array([motion.coordinates.index(name) for name in given.coordinates], dtype=np.intp)
    slopes[:, rows[given.pair_coordinate], own[given.pair_muscle]] = -given.moment_arms
    if motion.coupling is not None:
        dependent, independent, slope = motion.coupling.dependent, motion.coupling.independent, motion.coupling.slope
        for below, above, factor in zip(dependent, independent, slope.T, strict=True):
            slopes[:, above] += factor[:, None] * slopes[:, below]
        slopes[:, np.unique(dependent)] = 0.0
    return lengths, slopes


def survey(paths: ExactPaths, model: Model, postures: Array) -> Array:
    """Largest |∂l/∂q| (N, M) in the postures; of muscles without an exact path 0."""
    return np.asarray(np.fmax.reduce(np.abs(paths_in(paths, model, postures)[1]), axis=0))


def sample(paths: ExactPaths, model: Model, postures: Array, spans: Mask, by_opensim: Samples | None) -> Samples:
    """Lengths and slopes of the pairs that ``spans`` (N, M) holds; of muscles without an exact path OpenSim's."""
    lengths, slopes = paths_in(paths, model, postures)
    found = Samples(lengths, slopes[:, spans], np.zeros(lengths.shape[1]))
    if by_opensim is None:
        return found
    exact = is_exact(paths, model)
    return Samples(
        np.where(exact, found.length, by_opensim.length),
        np.where(exact[np.nonzero(spans)[1]], found.slope, by_opensim.slope),
        np.where(exact, found.mismatch, by_opensim.mismatch),
    )


def find_jumps(paths: ExactPaths, model: Model, lines: Sequence[Line]) -> list[Jump]:
    """As ``worker.sampling.find_jumps``, of muscles with exact paths; lines of the same muscles are swept together."""
    names, found = model.description.muscles.names, list[Jump]()

    def solved(postures: Array, muscles: Index) -> tuple[Array, Array]:
        return paths_in(paths.select([names[muscle] for muscle in muscles]), model, postures)

    def probe(postures: Array, coordinates: Index, muscles: Index) -> Array:
        lengths, slopes = solved(postures, np.unique(muscles))
        rows = np.arange(len(postures))
        return np.stack([lengths[rows, muscles], slopes[rows, coordinates, muscles]], axis=1)

    for muscles, members in grouped([tuple(line.muscles.tolist()) for line in lines]):
        own = [lines[member] for member in members]
        lengths, slopes = solved(np.concatenate([line.postures for line in own]), np.array(muscles))
        ends, swept = np.cumsum([len(line.steps) for line in own]), []
        for line, last in zip(own, ends, strict=True):
            rows = slice(last - len(line.steps), last)
            swept.append(np.stack([lengths[rows][:, muscles], slopes[rows, line.coordinate][:, muscles]], axis=1))
        found += jumps_along(own, swept, probe)
    return found


def is_exact(paths: ExactPaths, model: Model) -> Mask:
    """(M,) which muscles of the model have an exact path."""
    return np.isin(model.description.muscles.names, paths.muscles)
