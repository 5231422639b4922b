"""Parts of a problem that have nothing to do with each other, such as two legs: each is solved by itself."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ..problem.problem import RedundancyProblem
from .conditions import Conditions
from .layout import Part

Index = NDArray[np.intp]


def split(problem: RedundancyProblem, conditions: Conditions) -> list[Part]:
    """Connected parts of muscles, coordinates, reserves and EMG channels, those with most muscles first.

    Muscles without any moment arm join the first part; coordinates without muscles make a last part without muscles.
    """
    muscles, coordinates, reserves = len(problem.muscles), len(problem.coordinates), len(problem.reserves.names)
    channels = 0 if conditions.emg is None else len(conditions.emg.channels)
    first = np.cumsum([0, muscles, coordinates, reserves, channels])
    links = [(problem.geometry.pair_muscle, first[1] + problem.geometry.pair_coordinate)]
    row, column = np.nonzero(problem.reserves.acts)
    links.append((first[1] + row, first[2] + column))
    if conditions.emg is not None:
        followed, channel = conditions.emg.rows(problem.muscles)
        links.append((followed, first[3] + channel))
    if conditions.periodic:
        links.append((np.arange(muscles), np.array(conditions.follower(problem), dtype=int)))
    if conditions.cost.quantity == "largest":
        links.append((np.zeros(muscles, dtype=int), np.arange(muscles)))
    ends = [np.concatenate(side) for side in zip(*links, strict=True)]
    graph = sparse.coo_matrix((np.ones(len(ends[0])), tuple(ends)), shape=(first[-1], first[-1]))
    _, label = sparse.csgraph.connected_components(graph, directed=False)
    return _sorted(label, first, problem)


def _sorted(label: Index, first: Index, problem: RedundancyProblem) -> list[Part]:
    with_muscles = [number for number in np.unique(label[: first[1]]) if np.any(label[first[1] :] == number)]
    parts = [_part(label == number, first) for number in with_muscles]
    parts.sort(key=lambda part: -part.muscles.size)
    rest = _part(~np.isin(label, with_muscles), first)
    if parts and rest.muscles.size:
        head = parts[0]
        parts[0] = Part(np.sort(np.r_[head.muscles, rest.muscles]), head.coordinates, head.reserves, head.channels)
        rest = Part(rest.muscles[:0], rest.coordinates, rest.reserves, rest.channels)
    return [*parts, rest] if rest.coordinates.size or rest.reserves.size or rest.muscles.size else parts


def _part(chosen: NDArray[np.bool_], first: Index) -> Part:
    return Part(*(np.flatnonzero(chosen[start:stop]) for start, stop in pairwise(first.tolist())))
