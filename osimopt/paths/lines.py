"""Straight parts of paths: along which lines a unit tension pulls on which bodies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..multibody.description import Mask
from ..namespace import alike, namespace, plain
from ..problem.arrays import Index
from .arrangement import Arrangement, Bundle, Segments
from .contact import Array
from .turns import Turn, length, neighbours
from .vectors import cross


@dataclass(frozen=True, eq=False)
class Lines:
    """L straight parts of paths in T frames.

    ``value`` (6, L, T) is what a unit tension along each does to the body at its start: moment about ground's origin in
    m, and force; 0 where the part is not on its path. The body at its end has the opposite. ``path`` (L,) is the place
    of the path among all paths, ``start`` and ``end`` (L,) are bodies, ``first`` and ``last`` (L,) rows of the points
    there, -1 on objects. Parts within a body that no function moves are left out.
    """

    value: Array
    path: Index
    start: Index
    end: Index
    first: Index
    last: Index

    def where(self, known: Array, rows: Index) -> Lines:
        """The same, NaN where paths ``rows`` (m,) are not ``known`` (m, T)."""
        place = np.zeros(int(rows.max(initial=0)) + 1, dtype=np.intp)
        place[rows] = np.arange(len(rows))
        xp = namespace(self.value)
        return replace(self, value=xp.where(known[place[self.path]], self.value, xp.nan))


def joined(parts: Sequence[Lines]) -> Lines:
    """The lines of several bundles."""
    if len(parts) == 1:
        return parts[0]
    arrays = (
        np.concatenate([getattr(one, name) for one in parts]) for name in ("path", "start", "end", "first", "last")
    )
    return Lines(namespace(parts[0].value).concat([one.value for one in parts], axis=1), *arrays)


def straight_parts(
    arrangement: Arrangement,
    bundle: Bundle,
    places: tuple[Array, Index],
    points: Array,
    turns: list[Turn],
    taken: Index,
) -> tuple[Array, Lines]:  # fmt: skip
    """Lengths (m, T), arcs included, and lines of a bundle's paths.

    Of the places (3, R, T) in m those of its points are the rows (k, m); ``points`` (3, k, n) are these, where there
    are ``turns``.
    """
    every, index = places
    xp, (paths, frames) = namespace(every), (index.shape[1], every.shape[2])
    slot, row = bundle.straight.slot, bundle.straight.row
    start, end = (xp.take(every, alike(index[slot + step, row], every), axis=1) for step in (0, 1))
    unit, size = _direction(end - start)
    total = _by_path(bundle.straight, size) + _constant(arrangement, bundle, every)
    groups = _Groups(bundle, taken)
    for turn in turns:
        here = xp.reshape(turn.on, (paths, frames))[row]
        here = here & (xp.reshape(turn.segment, (paths, frames))[row] == alike(slot, every)[:, None])
        unit = xp.where(here, 0.0, unit)
    groups.between(_line(start, unit), slot, row)
    for number in range(len(turns)):
        total = total + xp.reshape(groups.around(points, turns, number), (paths, frames))
    return total, groups.lines(every)


class _Groups:
    """Lines of a bundle, collected group by group."""

    def __init__(self, bundle: Bundle, taken: Index) -> None:
        self.bundle, self.taken = bundle, taken
        self.values: list[Array] = []
        self.ends: list[tuple[Index, ...]] = []

    def lines(self, like: Array) -> Lines:
        """All of them."""
        xp, none = namespace(like), np.zeros(0, dtype=np.intp)
        if not self.values:
            return Lines(xp.concat([like[:, 0, :0]] * 2), *(none,) * 5)
        ends = (np.concatenate(parts) for parts in zip(*self.ends, strict=True))
        return Lines(self.values[0] if len(self.values) == 1 else xp.concat(self.values, axis=1), *ends)

    def between(self, value: Array, slot: Index, row: Index) -> None:
        """Add lines (6, L, T) from a point to the next on the path."""
        body, points = self.bundle.body, self.bundle.points
        if not self.bundle.conditional:
            self._add(value, row, body[row, slot], body[row, slot + 1], points[row, slot], points[row, slot + 1])
            return
        for after in range(1, body.shape[1]):  # some points are not on the path
            known = np.flatnonzero(slot + after < body.shape[1])
            ends, own = slot[known] + after, row[known]
            mask = self.taken[slot[known] + 1, own] == ends[:, None]
            self._masked(
                value, known, mask, own, body[own, slot[known]], body[own, ends], points[own, slot[known]],
                points[own, ends],
            )  # fmt: skip

    def around(self, points: Array, turns: list[Turn], index: int) -> Array:
        """Add the lines to and from an object; returns by how much (n,) the turn over it lengthens the paths."""
        xp, turn, others = namespace(points), turns[index], turns[:index] + turns[index + 1 :]
        start, end, before, after = neighbours(points, turn, others)
        from_point, to_point = before == turn.segment, after == turn.segment + 1
        (near, near_size), (far, far_size) = _direction(turn.first - start), _direction(end - turn.last)
        straight = length(end - start)
        if others:
            ends = neighbours(points, turn, [])
            straight = xp.where(from_point, length(ends[1] - ends[0]), 0.0)
        added = near_size + turn.arc + xp.where(to_point, far_size, 0.0) - straight
        paths = len(self.bundle.rows)
        near, far = (
            xp.reshape(_line(at, xp.where(turn.on, one, 0.0)), (6, paths, -1))
            for at, one in ((turn.first, near), (turn.last, far))
        )
        body, points_of = self.bundle.object_body, self.bundle.points
        first, last = self.bundle.ranges[:, index].T
        shape, nowhere = (paths, near.shape[2]), np.full(paths, -1)
        segment = plain(xp.reshape(turn.segment, shape))
        on, at_point, to_next = (plain(xp.reshape(one, shape)) for one in (turn.on, from_point, to_point))
        rows = np.arange(paths)
        for slot in range(points_of.shape[1] - 1):
            own = rows[(first <= slot) & (slot < last)]
            here = on[own] & (segment[own] == slot)
            self._masked(
                near, own, here & at_point[own], own, self.bundle.body[own, slot], body[own, index],
                points_of[own, slot], nowhere[own],
            )  # fmt: skip
            leaving = here & to_next[own]
            for following in range(slot + 1, points_of.shape[1] if self.bundle.conditional else slot + 2):
                mask = leaving & (self.taken[slot + 1, own] == following)
                self._masked(
                    far, own, mask, own, body[own, index], self.bundle.body[own, following], nowhere[own],
                    points_of[own, following],
                )  # fmt: skip
        for number, other in enumerate(turns):
            if number != index:
                between = on & ~at_point & plain(xp.reshape(other.on & (other.key == before), shape))
                self._masked(near, rows, between, rows, body[:, number], body[:, index], nowhere, nowhere)
        return xp.where(turn.on, added, 0.0)

    def _masked(self, value: Array, chosen: Index, mask: Mask, *ends: Index) -> None:
        """Add some lines (chosen,) where the mask (chosen, T) is set, as far as it is in any frame."""
        some, every = mask.any(axis=1), mask.all()
        if not some.any():
            return
        xp = namespace(value)
        found = xp.take(value, alike(chosen[some], value), axis=1)
        self._add(found if every else xp.where(alike(mask[some], value), found, 0.0), *(end[some] for end in ends))

    def _add(self, value: Array, row: Index, *ends: Index) -> None:
        self.values.append(value)
        self.ends.append((self.bundle.rows[row], *ends))


def _constant(arrangement: Arrangement, bundle: Bundle, like: Array) -> Array:
    """(m, 1) m of the segments of constant length."""
    slot, row = bundle.constant.slot, bundle.constant.row
    place = alike(arrangement.place, like)
    way = place[bundle.points[row, slot + 1]] - place[bundle.points[row, slot]]
    return _by_path(bundle.constant, length(way.T)[:, None])


def _by_path(segments: Segments, size: Array) -> Array:
    """Sums (m, T) of the segments' lengths (L, T)."""
    xp = namespace(size)
    padded = xp.concat([size, xp.zeros((1, size.shape[1]), dtype=size.dtype)])
    total = padded[segments.table[0]]
    for one in segments.table[1:]:
        total = total + padded[one]
    return total


def _direction(way: Array) -> tuple[Array, Array]:
    """Unit vectors, zero where there is no way, and lengths."""
    size = length(way)
    return way / namespace(way).where(size > 0.0, size, 1.0), size


def _line(place: Array, unit: Array) -> Array:
    """Moments about ground's origin of unit vectors (3, …) at places, and these."""
    return namespace(place).concat([cross(place, unit), unit])
