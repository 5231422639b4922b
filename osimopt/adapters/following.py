"""Coordinates that follow free ones: what acts on them acts on those that they follow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..namespace import namespace
from ..problem.arrays import Array, Coupling, Index
from .messages import Mask


@dataclass(frozen=True, eq=False)
class Following:
    """Pairs (P,) of a free coordinate and of what acts on it, in the order of coordinates, from R pairs about all.

    ``source`` (Q, P) are the rows of those that are added up, R where there are fewer than Q, and ``slope`` (Q, P) the
    coupling by whose slope each is multiplied, or -1.
    """

    coordinate: Index
    acting: Index
    source: Index
    slope: Index

    def apply(self, values: Array, slopes: Array | None) -> Array:
        """Values (P, T) about the free coordinates from those (R, T) about all, with the slopes (C, T) of couplings."""
        xp, total = namespace(values), None
        for source, slope in zip(self.source, self.slope, strict=True):
            none = (source == len(values)).any()
            found = (xp.concat([values, xp.zeros_like(values[:1])]) if none else values)[source]
            if slopes is not None and (slope >= 0).any():
                found = found * xp.concat([slopes, xp.ones_like(slopes[:1])])[slope]
            total = found if total is None else total + found
        return values[:0] if total is None else total

    def any(self, marks: Mask) -> Mask:
        """(P,) where any of the marks (R,) about all coordinates is set."""
        return np.asarray(np.append(marks, False)[self.source].any(axis=0))


def following(coordinate: Index, acting: Index, free: Index, coordinates: int, coupling: Coupling | None) -> Following:
    """Pairs about the free coordinates, from R pairs of ``coordinate`` (R,) and what is ``acting`` (R,) on it."""
    row = np.full(coordinates, -1)
    row[free] = np.arange(len(free))
    rows, sources, slopes = [row[coordinate]], [np.arange(len(coordinate))], [np.full(len(coordinate), -1)]
    if coupling is not None:
        rows[0] = np.where(np.isin(coordinate, coupling.dependent), -1, rows[0])
        for number, (dependent, leader) in enumerate(zip(coupling.dependent, coupling.independent, strict=True)):
            sources.append(np.flatnonzero(coordinate == dependent))
            rows.append(np.full(len(sources[-1]), row[leader]))
            slopes.append(np.full(len(sources[-1]), number))
    target, source, slope = (np.concatenate(parts) for parts in (rows, sources, slopes))
    known = target >= 0
    target, source, slope = target[known], source[known], slope[known]
    size = int(acting.max(initial=0)) + 1
    pairs, place = np.unique(target * size + acting[source], return_inverse=True)
    order = np.argsort(place, kind="stable")
    rank = np.zeros(len(place), dtype=np.intp)
    rank[order] = np.arange(len(place)) - np.searchsorted(place[order], place[order])
    count = int(rank.max(initial=-1)) + 1
    table = np.full((2, count, len(pairs)), -1)
    table[0] = len(coordinate)
    table[:, rank, place] = source, slope
    return Following(pairs // size, pairs % size, *table)
