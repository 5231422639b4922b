"""Where paths turn over an object: between which of their points, and at which places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..namespace import namespace
from .contact import Array, Contact, columns
from .description import WrapKind
from .wraps import SIZES, WRAPS

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

    def touch(self, start: Array, end: Array) -> Contact:
        """How paths lie on it, between points (3, s, n) in its frame; of the contact all arrays end with (s, n)."""
        xp = namespace(start)
        shape = start.shape[1:]
        flat = xp.reshape(start, (3, -1)), xp.reshape(end, (3, -1))
        numbers = SIZES[self.kind]
        size = xp.reshape(xp.broadcast_to(self.size[:numbers, None], (numbers, *shape)), (numbers, -1))
        axis, sign = (xp.reshape(xp.broadcast_to(one, shape), (-1,)) for one in (self.axis, self.sign))
        found = WRAPS[self.kind](flat[0], flat[1], size, axis, sign)
        first, last = (xp.reshape(one, (3, *shape)) for one in (found.first, found.last))
        rest = (xp.reshape(one, shape) for one in (found.arc, found.inside, found.crossed))
        return Contact(xp.reshape(found.on, shape), first, last, *rest)

    def take(self, index: Array) -> Obstacle:
        """The same of some of the n paths."""
        arrays = (self.turn, self.origin, self.size, self.axis, self.sign, self.allowed)
        return Obstacle(self.kind, *(columns(one, index) for one in arrays))


@dataclass(frozen=True, eq=False)
class Turn:
    """How n paths turn over an object each.

    ``on`` (n,) is whether they do, ``segment`` (n,) between which of their points, ``key`` (n,) a number that is larger
    the farther along the path, from ``segment`` to ``segment + 1``. ``first``, ``last`` (3, n) m are places in ground
    where they meet and leave it, ``arc`` (n,) m the length between. Where they do not turn the numbers mean nothing,
    and ``inside`` (n,) says whether a point beside it is inside the object.
    """

    on: Array
    segment: Array
    key: Array
    first: Array
    last: Array
    arc: Array
    inside: Array


def absent(points: Array) -> Turn:
    """No turn, of paths with points (3, k, n)."""
    xp = namespace(points)
    zero = 0.0 * points[0, 0]
    off = zero != 0.0
    return Turn(off, xp.astype(off, xp.int64), zero, 0.0 * points[:, 0], 0.0 * points[:, 0], zero, off)


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
    permitted = [obstacle.allowed[s] for s in range(count - 1)] + [
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
    start, end = xp.stack(starts, axis=1), xp.stack(ends, axis=1)
    found = obstacle.touch(start, end)
    allowed = xp.stack(permitted)
    on = found.on & allowed
    change = length(found.first - start) + found.arc + length(end - found.last) - length(end - start)
    keys = xp.stack(key)
    cost = xp.where(on, xp.where(found.crossed, keys - FAR, change), xp.inf)
    best = xp.argmin(cost, axis=0)
    turn = Turn(
        on=xp.any(on, axis=0),
        segment=_taken(xp.stack(segment), best),
        key=_taken(0.5 * (keys + xp.stack(following)), best),
        first=_taken(found.first, best),
        last=_taken(found.last, best),
        arc=_taken(found.arc, best),
        inside=xp.any(found.inside & allowed, axis=0),
    )
    return _in_ground(obstacle, turn)


def _in_ground(obstacle: Obstacle, turn: Turn) -> Turn:
    """A turn whose places are in the object's frame; without NaN where there is none, also in gradients."""
    xp = namespace(turn.arc)
    first, last = (obstacle.without(xp.where(turn.on, one, 0.0)) for one in (turn.first, turn.last))
    arc = xp.where(turn.on, turn.arc, 0.0)
    return Turn(turn.on, turn.segment, turn.key, first, last, arc, turn.inside & ~turn.on)


def slide(obstacle: Obstacle, points: Array, turn: Turn, others: Sequence[Turn]) -> Turn:
    """The turn between the neighbours that it has: its places made tangent, or not ``on`` where it has none."""
    start, end, _, _ = neighbours(points, turn, others)
    local = obstacle.within(namespace(points).stack([start, end], axis=1))
    found = obstacle.touch(local[:, :1], local[:, 1:])
    on = turn.on & found.on[0]
    places = found.first[:, 0], found.last[:, 0], found.arc[0]
    return _in_ground(obstacle, Turn(on, turn.segment, turn.key, *places, turn.inside | found.inside[0]))


def neighbours(points: Array, turn: Turn, others: Sequence[Turn]) -> tuple[Array, Array, Array, Array]:
    """The places (3, n) before and after a turn, and whether (n,) each of them is a point of the path."""
    xp = namespace(points)
    start, end = _taken(points, turn.segment), _taken(points, turn.segment + 1)
    before, after = turn.segment + 0.0, turn.segment + 1.0
    for other in others:
        ahead = other.on & (other.key < turn.key) & (other.key > before)
        behind = other.on & (other.key > turn.key) & (other.key < after)
        start, before = xp.where(ahead, other.last, start), xp.where(ahead, other.key, before)
        end, after = xp.where(behind, other.first, end), xp.where(behind, other.key, after)
    return start, end, before == turn.segment, after == turn.segment + 1


def length(vector: Array) -> Array:
    """Lengths of vectors (3, …); the gradient is finite where one is zero."""
    xp = namespace(vector)
    square = xp.sum(vector * vector, axis=0)
    some = square > 0.0
    return xp.where(some, xp.sqrt(xp.where(some, square, 1.0)), 0.0 * square)


def _taken(arrays: Array, index: Array) -> Array:
    """Of arrays (…, s, n) those that ``index`` (n,) says for each column: (…, n)."""
    xp = namespace(arrays)
    taken = arrays[..., 0, :]
    for row in range(1, arrays.shape[-2]):
        taken = xp.where(index == row, arrays[..., row, :], taken)
    return taken
