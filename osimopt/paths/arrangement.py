"""Paths sorted into bundles of one shape, whose frames are computed together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ..multibody.description import Mask
from ..problem.arrays import Array, Index
from .description import Path, Paths, Wrap, WrapKind


@dataclass(frozen=True, eq=False)
class Segments:
    """L segments of m paths: the point ``slot`` (L,) that each is after, and its path ``row`` (L,).

    ``table`` (r, m) has the segments of each path, L after the last.
    """

    slot: Index
    row: Index
    table: Index


@dataclass(frozen=True, eq=False)
class Bundle:
    """m paths with k points each that wrap over as many objects W of the same kinds.

    Paths of fewer points have their last one several times: that changes nothing, and there are fewer bundles.
    ``rows`` (m,) are their places among all of these paths, ``points`` (m, k) and ``body`` (m, k) of each point
    its place among all points and its body. ``conditional`` is whether any point is. ``objects`` (m, W) are rows of
    the objects. ``ranges`` (m, W, 2) are the first and last point of the path that an object may touch it between.
    ``moving`` (m, k) are points that move on their bodies.
    """

    kinds: tuple[WrapKind, ...]
    rows: Index
    points: Index
    body: Index
    conditional: bool
    objects: Index
    ranges: Index
    moving: Mask
    object_body: Index

    @cached_property
    def straight(self) -> Segments:
        """Segments of which the length changes, or on which an object may be."""
        return _segments(~self._rigid)

    @cached_property
    def constant(self) -> Segments:
        """Segments of constant length: no object may be on them, and neither of their points moves on the body."""
        return _segments(self._rigid)

    @property
    def _rigid(self) -> Mask:
        slot = np.arange(self.body.shape[1] - 1)
        first, last = self.ranges[..., 0, None], self.ranges[..., 1, None]
        free = ~((first <= slot) & (slot < last)).any(axis=1) & ~self.moving[:, 1:] & ~self.moving[:, :-1]
        free &= self.body[:, 1:] == self.body[:, :-1]
        return np.asarray((free | (self.points[:, 1:] == self.points[:, :-1])) & (not self.conditional), dtype=bool)

    def part(self, own: Mask, rows: Index) -> Bundle:
        """Those of the paths that are in the mask (m,), with other ``rows``."""
        arrays = {
            name: getattr(self, name)[own] for name in ("points", "body", "objects", "ranges", "moving", "object_body")
        }
        return replace(self, rows=rows, **arrays)


@dataclass(frozen=True, eq=False)
class Arrangement:
    """All paths of a model that are described.

    Of all P points: ``body`` (P,), ``place`` (P, 3) m, ``stretch`` (P, 3), by which the functions of moving ones are
    multiplied, and ``condition``, ``range``, ``mover``, ``mover_function`` as in ``Path``. Of all O objects: ``frame``
    (O, 4, 4), ``size`` (O, 3) m with zeros after those the kind has, ``axis``, ``sign`` (O,). ``place``, ``stretch``,
    ``frame`` and ``size`` may be replaced by tensors, to differentiate by them.
    """

    names: tuple[str, ...]
    bundles: tuple[Bundle, ...]
    body: Index
    place: Array
    stretch: Array
    condition: Index
    range: Array
    mover: Index
    mover_function: Index
    frame: Array
    size: Array
    axis: Index
    sign: Index

    @property
    def moving(self) -> Mask:
        """(P,) which points move on their bodies."""
        return np.asarray((self.mover_function >= 0).any(axis=1), dtype=bool)

    def select(self, paths: Index) -> Arrangement:
        """Some of the paths, by their places, in this order."""
        place = np.full(len(self.names), -1)
        place[paths] = np.arange(len(paths))
        kept = [(bundle, place[bundle.rows] >= 0) for bundle in self.bundles]
        bundles = tuple(bundle.part(own, place[bundle.rows[own]]) for bundle, own in kept if own.any())
        return replace(self, names=tuple(self.names[path] for path in paths), bundles=bundles)


def arrange(paths: Paths, chosen: Sequence[Path] | None = None) -> Arrangement:
    """The arrangement of paths: of all that are described, muscles first, or of those ``chosen``."""
    listed = list(chosen) if chosen is not None else [path for path in (*paths.muscles, *paths.others) if path]
    offset = np.cumsum([0, *(len(path.body) for path in listed)])
    members: dict[tuple[int, bool, tuple[WrapKind, ...]], list[int]] = defaultdict(list)
    for row, path in enumerate(listed):
        kinds = tuple(paths.objects[wrap.object].kind for wrap in _active(paths, path))
        conditional = bool(path.conditional.any())
        members[_padded(len(path.body)) if kinds or conditional else 0, conditional, kinds].append(row)
    bundles = [
        _bundle(paths, [listed[row] for row in rows], np.array(rows), offset, conditional, kinds)
        for (_, conditional, kinds), rows in members.items()
    ]
    size = np.array([[*one.size, *[0.0] * (3 - len(one.size))] for one in paths.objects]).reshape(-1, 3)
    return Arrangement(
        names=tuple(path.name for path in listed),
        bundles=tuple(bundles),
        body=_joined([path.body for path in listed], (0,)).astype(np.intp),
        place=_joined([path.place for path in listed], (0, 3)),
        stretch=np.ones((offset[-1], 3)),
        condition=_joined([path.condition for path in listed], (0,)).astype(np.intp),
        range=_joined([path.range for path in listed], (0, 2)),
        mover=_joined([path.mover for path in listed], (0, 3)).astype(np.intp),
        mover_function=_joined([path.mover_function for path in listed], (0, 3)).astype(np.intp),
        frame=np.array([one.frame for one in paths.objects]).reshape(-1, 4, 4),
        size=size,
        axis=np.array([one.axis for one in paths.objects], dtype=np.intp),
        sign=np.array([one.sign for one in paths.objects], dtype=np.intp),
    )


def _bundle(
    paths: Paths, own: list[Path], rows: Index, offset: Index, conditional: bool, kinds: tuple[WrapKind, ...]
) -> Bundle:
    wraps = [_active(paths, path) for path in own]
    counts = [len(path.body) for path in own]
    place = np.minimum(np.arange(max(counts)), np.array(counts)[:, None] - 1)
    ranges = [
        [(max(one.first, 1) - 1, (one.last if one.last >= 1 else count) - 1) for one in each]
        for each, count in zip(wraps, counts, strict=True)
    ]
    objects = [[one.object for one in each] for each in wraps]
    return Bundle(
        kinds=kinds,
        rows=rows,
        points=offset[rows][:, None] + place,
        body=np.array([path.body[row] for path, row in zip(own, place, strict=True)], dtype=np.intp),
        conditional=conditional,
        objects=np.array(objects, dtype=np.intp).reshape(len(own), len(kinds)),
        moving=np.array([(path.mover_function[row] >= 0).any(axis=1) for path, row in zip(own, place, strict=True)]),
        ranges=np.array(ranges, dtype=np.intp).reshape(len(own), len(kinds), 2),
        object_body=np.array([[paths.objects[one].body for one in each] for each in objects], dtype=np.intp).reshape(
            len(own), len(kinds)
        ),
    )


def _segments(chosen: Mask) -> Segments:
    """The segments (m, k - 1) that are chosen."""
    slot, row = np.nonzero(chosen.T)
    rank = chosen.cumsum(axis=1)[row, slot] - 1
    table = np.full((int(rank.max(initial=0)) + 1, len(chosen)), len(row))
    table[rank, row] = np.arange(len(row))
    return Segments(slot, row, table)


def _padded(count: int) -> int:
    """Paths of 3 and 4, 5 to 8, … points are in one bundle."""
    return int(2 ** np.ceil(np.log2(count)))


def _active(paths: Paths, path: Path) -> list[Wrap]:
    return [wrap for wrap in path.wraps if paths.objects[wrap.object].active]


def _joined(arrays: list[Array] | list[Index], shape: tuple[int, ...]) -> Array:
    return np.concatenate([np.zeros(shape), *arrays])
