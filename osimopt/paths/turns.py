"""Where paths turn over an object: between which of their points, and at which places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..namespace import namespace
from .contact import Array, Touch, columns
from .description import WrapKind
from .vectors import dot
from .wraps import HOLDS, INSIDE, MAY_WRAP, SIZES, WRAPS

#: m, more than any path is lengthened by a wrap: wraps that are mandatory count as shorter.
FAR = 1e6


@dataclass(frozen=True, eq=False)
class Obstacle:
    """One object of each of n paths, all of one kind.

    ``turn`` (3, 3, n) and ``origin`` (3, n) are its frame in ground; ``size`` (3, n), ``axis``, ``sign`` (n,) as in
    ``Arrangement``. ``allowed`` (k - 1, n) are the segments of the path that it may touch.
    """

    kind: WrapKind
    turn: Array
    origin: Array
    size: Array
    axis: Array
    sign: Array
    allowed: Array

    def within(self, points: Array) -> Array:
        """Points (3, s, n) of ground in the object's frame."""
        return namespace(points).einsum("jin,jsn->isn", self.turn, points - self.origin[:, None])

    def without(self, point: Array) -> Array:
        """Points (3, n) of the object's frame in ground."""
        return namespace(point).einsum("ijn,jn->in", self.turn, point) + self.origin

    def inside(self, point: Array, after: Array) -> Array:
        """Whether one of two points (3, n) of its frame is inside, where OpenSim does not wrap."""
        if self.kind not in INSIDE:
            return self.touch(point, after).inside
        return INSIDE[self.kind](point, self.size) | INSIDE[self.kind](after, self.size)

    def touch(self, start: Array, end: Array, index: Array | None = None, wound: Array | None = None) -> Touch:
        """How the paths ``index`` (r,), all if not given, lie on it between points (3, r) in its frame.

        Those that are ``wound`` (r,) around it stay on it, where its kind can hold them.
        """
        arrays = (self.size[: SIZES[self.kind]], self.axis, self.sign)
        own = arrays if index is None else [columns(one, index) for one in arrays]
        return WRAPS[self.kind](start, end, *own, *([wound] if wound is not None and self.kind in HOLDS else []))

    def may_touch(self, start: Array, end: Array) -> Array:
        """Whether (s, n) paths may touch it between points (3, s, n) in its frame: elsewhere they do not."""
        if self.kind not in MAY_WRAP:
            return namespace(start).isfinite(start[0])
        return MAY_WRAP[self.kind](start, end, self.size[: SIZES[self.kind]], self.axis, self.sign)

    def take(self, index: Array) -> Obstacle:
        """The same of some of the n paths."""
        arrays = (self.turn, self.origin, self.size, self.axis, self.sign, self.allowed)
        return Obstacle(self.kind, *(columns(one, index) for one in arrays))


@dataclass(frozen=True, eq=False)
class Turn:
    """How n paths turn over an object each.

    ``on`` (n,) is whether they do, ``segment`` (n,) between which of their points, ``key`` (n,) a number that is larger
    the farther along the path, from ``segment`` to ``segment + 1``. ``first``, ``last`` (3, n) m are places in ground
    where they meet and leave it, ``arc`` (n,) m the length between. ``wound`` (n,) rad is as in ``Touch``. Where they
    do not turn the numbers mean nothing.
    """

    on: Array
    segment: Array
    key: Array
    first: Array
    last: Array
    arc: Array
    wound: Array


def absent(points: Array) -> Turn:
    """No turn, of paths with points (3, k, n)."""
    xp = namespace(points)
    zero = 0.0 * points[0, 0]
    off = zero != 0.0
    return Turn(off, xp.astype(off, xp.int64), zero, 0.0 * points[:, 0], 0.0 * points[:, 0], zero, zero)


def choose(obstacle: Obstacle, points: Array, others: Sequence[Turn]) -> Turn:
    """The turn over an object of paths with points (3, k, n), in ground, that turn over other objects as they do.

    All pairs of neighbours along the path are tried: the first whose straight line crosses the object is taken, where
    there is none the one that is lengthened least, as OpenSim does.
    """
    xp = namespace(points)
    count = points.shape[1]
    local = obstacle.within(
        xp.concat([points, *(one[:, None] for turn in others for one in (turn.first, turn.last))], axis=1)
    )
    whole = 0.0 * points[0, 0]
    starts = [local[:, s] for s in range(count - 1)] + [local[:, count + 2 * i + 1] for i in range(len(others))]
    segment = [s + xp.astype(whole, xp.int64) for s in range(count - 1)] + [turn.segment for turn in others]
    key = [s + whole for s in range(count - 1)] + [turn.key for turn in others]
    allowed = [obstacle.allowed[s] for s in range(count - 1)] + [
        turn.on & _taken(obstacle.allowed, turn.segment) for turn in others
    ]
    ends, following = [], []
    for slot, (own, at) in enumerate(zip(segment, key, strict=True)):
        end = local[:, slot + 1] if slot < count - 1 else _taken(local[:, :count], own + 1)
        after = own + 1.0
        for i, turn in enumerate(others):
            nearer = turn.on & (turn.key > at) & (turn.key < after)
            end, after = xp.where(nearer, local[:, count + 2 * i], end), xp.where(nearer, turn.key, after)
        ends.append(end)
        following.append(after)
    start, end, keys = xp.stack(starts, axis=1), xp.stack(ends, axis=1), xp.stack(key)
    cost, place, found = _tried(obstacle, start, end, keys, xp.stack(allowed))
    best = xp.argmin(cost, axis=0)
    placed = (_taken(xp.stack(segment), best), _taken(0.5 * (keys + xp.stack(following)), best))
    chosen = _taken(place, best)
    on = ~(_taken(cost, best) == xp.inf)  # also where the cost is NaN, that of a geodesic that was not found
    return _turn(obstacle, on, placed, [columns(one, chosen) for one in found])


def _tried(
    obstacle: Obstacle, start: Array, end: Array, keys: Array, allowed: Array
) -> tuple[Array, Array, list[Array]]:
    """What turns between points (3, s, n) cost (s, n), infinite where there is none, and all turns that were tried.

    These are places ``first`` and ``last`` (3, r + 1), ``arc`` and ``wound`` (r + 1,), of which the last column means
    nothing; the second result (s, n) is where the turn between two points stands among them.
    """
    xp = namespace(start)
    tried = xp.reshape(allowed & obstacle.may_touch(start, end), (-1,))
    rows = xp.nonzero(tried)[0]
    start, end = (columns(xp.reshape(one, (3, -1)), rows) for one in (start, end))
    found = obstacle.touch(start, end, rows % allowed.shape[1])
    change = length(found.first - start) + found.arc + length(end - found.last) - length(end - start)
    cost = xp.where(found.on, xp.where(found.crossed, xp.reshape(keys, (-1,))[rows] - FAR, change), xp.inf)
    place = xp.reshape(xp.where(tried, xp.cumsum(xp.astype(tried, xp.int64), 0) - 1, len(rows)), allowed.shape)
    nothing = xp.zeros_like(keys[0, :1])
    cost = xp.concat([cost, nothing + xp.inf])[place]
    ends = [xp.concat([one, xp.stack([nothing] * 3)], axis=1) for one in (found.first, found.last)]
    return cost, place, [*ends, *(xp.concat([one, nothing]) for one in (found.arc, found.wound))]


def _turn(obstacle: Obstacle, on: Array, placed: tuple[Array, Array], found: Sequence[Array]) -> Turn:
    xp = namespace(on)
    first, last = (obstacle.without(xp.where(on, one, 0.0)) for one in found[:2])  # no NaN, also in gradients
    return Turn(on, *placed, first, last, *(xp.where(on, one, 0.0) for one in found[2:]))


def slide(obstacle: Obstacle, points: Array, turn: Turn, others: Sequence[Turn]) -> Turn:
    """The turn between the neighbours that it has: its places made tangent, or not ``on`` where it has none.

    The path stays on cylinders and spheres, in its sense; where it would lift off, its arc is negative.
    """
    start, end, _, _ = neighbours(points, turn, others)
    local = obstacle.within(namespace(points).stack([start, end], axis=1))
    found = obstacle.touch(local[:, 0], local[:, 1], wound=turn.wound)
    places = found.first, found.last, found.arc, turn.wound
    return _turn(obstacle, turn.on & found.on, (turn.segment, turn.key), places)


def neighbours(points: Array, turn: Turn, others: Sequence[Turn]) -> tuple[Array, Array, Array, Array]:
    """The places (3, n) before and after a turn, and their keys (n,), whole numbers for points of the path."""
    xp = namespace(points)
    start, end = _taken(points, turn.segment), _taken(points, turn.segment + 1)
    before, after = turn.segment + 0.0, turn.segment + 1.0
    for other in others:
        ahead = other.on & (other.key < turn.key) & (other.key > before)
        behind = other.on & (other.key > turn.key) & (other.key < after)
        start, before = xp.where(ahead, other.last, start), xp.where(ahead, other.key, before)
        end, after = xp.where(behind, other.first, end), xp.where(behind, other.key, after)
    return start, end, before, after


def length(vector: Array) -> Array:
    """Lengths of vectors (3, …); the gradient is finite where one is zero."""
    xp = namespace(vector)
    square = dot(vector, vector)
    some = square > 0.0
    return xp.where(some, xp.sqrt(xp.where(some, square, 1.0)), 0.0 * square)


def _taken(arrays: Array, index: Array) -> Array:
    """Of arrays (…, s, n) those that ``index`` (n,) says for each column: (…, n)."""
    xp = namespace(arrays)
    taken = arrays[..., 0, :]
    for row in range(1, arrays.shape[-2]):
        taken = xp.where(index == row, arrays[..., row, :], taken)
    return taken
