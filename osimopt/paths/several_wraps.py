"""Paths that turn over several objects, tangent to all of them at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..namespace import alike, namespace, plain
from ..problem.arrays import Index
from .contact import Array, columns
from .turns import Obstacle, Turn, absent, choose, slide

#: Times that the objects and their order are chosen again, before a path counts as not settled.
ROUNDS = 6
#: Passes over all objects in turn after which OpenSim takes the path that it has.
PASSES = 8
#: Steps to tangency between two choices.
STEPS = 40
#: m: places of contact that a step moves by less are tangent.
TANGENT = 1e-13
#: Above this share of the step before, the secant method is given up for plain steps.
GROWTH = 4.0


def settle(obstacles: Sequence[Obstacle], points: Array) -> tuple[list[Turn], Array, Array]:
    """Turns of n paths with points (3, k, n) over all obstacles, whether (n,) they are tangent, and contested (n,).

    From the straight path on each object in turn is placed between its neighbours, until all of them stay: the length
    of the path is then stationary in every place of contact. No posture depends on another one. Contested are paths
    that do not stay: tangent to what they touch, they would touch other objects.
    """
    turns = [absent(points) for _ in obstacles]
    turns, _ = _again(obstacles, points, turns)
    # what touches the first object alone, or none, would be chosen again alike
    lone = np.all([~plain(turn.on) for turn in turns[1:]], axis=0)
    settled = alike(lone, points)
    seen, tangible = turns, settled  # the last that were tangent, if any were
    left = np.flatnonzero(~lone)
    if not len(left):
        return turns, settled, ~settled
    single = sum(plain(turn.on)[left].astype(int) for turn in turns) <= 1
    for _ in range(ROUNDS):
        part = [one.take(left) for one in obstacles], columns(points, left), [_some(turn, left) for turn in turns]
        placed, tangent = _tangent(*part, known=single)
        chosen, same = _again(part[0], part[1], placed)
        done = tangent & same
        seen = [
            _merged(one, left, _where(tangent, two, _some(one, left))) for one, two in zip(seen, placed, strict=True)
        ]
        tangible = _put(tangible, left, tangent | columns(tangible, left))
        turns = [
            _merged(turn, left, _where(done, before, after))
            for turn, before, after in zip(turns, placed, chosen, strict=True)
        ]
        settled = _put(settled, left, done)
        left = left[~plain(done)]
        single = np.zeros(len(left), dtype=bool)  # others may have moved since they were placed
        if not len(left):
            return turns, settled, ~settled
    agreed = settled
    last, held = _arbitrated([one.take(left) for one in obstacles], columns(points, left))
    last = [_where(held, one, _some(turn, left)) for one, turn in zip(last, seen, strict=True)]
    settled = _put(settled, left, held | columns(tangible, left))
    return [_merged(turn, left, one) for turn, one in zip(turns, last, strict=True)], settled, ~agreed


def _arbitrated(obstacles: Sequence[Obstacle], points: Array) -> tuple[list[Turn], Array]:
    """Turns of n paths whose choice contradicts itself, and whether (n,) they are tangent.

    Tangent to the objects that it touches, such a path would touch others, or on their other sides: no path agrees with
    the rules by which objects are chosen. OpenSim stops after some passes; what it touches then is held here, but for
    objects that the path lifts off. If that is not tangent either, as where objects overlap, the last path is taken
    that was.
    """
    turns = [absent(points) for _ in obstacles]
    for _ in range(PASSES):
        turns, _ = _again(obstacles, points, turns)
    settled = turns[0].on & ~turns[0].on
    for _ in range(len(obstacles) + 1):
        turns, done = _tangent(obstacles, points, turns, settled)
        settled = settled | done
        turns = [replace(turn, on=turn.on & ~(~settled & (turn.arc < 0.0))) for turn in turns]
    return turns, settled


def _again(obstacles: Sequence[Obstacle], points: Array, turns: list[Turn]) -> tuple[list[Turn], Array]:
    """The turns chosen once more, one after the other, and whether (n,) they are the same, in the same order."""
    before = turns
    for index, obstacle in enumerate(obstacles):
        others = turns[:index] + turns[index + 1 :]
        turns = [*turns[:index], choose(obstacle, points, others), *turns[index + 1 :]]
    same = before[0].on == before[0].on
    for index, (one, two) in enumerate(zip(before, turns, strict=True)):
        same = same & (one.on == two.on)
        same = same & (~one.on | ((one.segment == two.segment) & ((one.wound < 0.0) == (two.wound < 0.0))))
        for other, later in zip(before[:index], turns[:index], strict=True):
            both = one.on & other.on
            same = same & (~both | ((one.key > other.key) == (two.key > later.key)))
    return turns, same


def _tangent(obstacles: Sequence[Obstacle], points: Array, turns: list[Turn], known: Array) -> tuple[list[Turn], Array]:
    """The same turns made tangent to each other's, and whether (n,) they are; of some it is ``known`` (n,)."""
    tangent = turns[0].on == turns[0].on
    rest = np.flatnonzero(~known)
    if not len(rest):
        return turns, tangent
    own, between = [one.take(rest) for one in obstacles], columns(points, rest)
    part = [_some(turn, rest) for turn in turns]
    moved, lost = _sweep(own, between, part)
    moved, done = _secant(own, between, moved, _places(moved) - _places(part), lost)
    placed = [_merged(turn, rest, replace(one, on=old.on)) for turn, one, old in zip(turns, moved, part, strict=True)]
    return placed, _put(tangent, rest, done)


def _secant(
    obstacles: Sequence[Obstacle], points: Array, turns: list[Turn], residual: Array, lost: Array
) -> tuple[list[Turn], Array]:
    """Turns that sliding does not move any more, and whether (n,) they are; ``residual`` is what it moved them by.

    The places on all objects but the first determine, sliding one object after the other, the same places again. Where
    this is repeated it converges, slowly if two objects are near each other; Broyden's method speeds it up.
    """
    xp = namespace(points)
    x = _places(turns)
    turns, gone = _sweep(obstacles, points, turns)
    before, residual, lost = residual, _places(turns) - x, lost | gone
    size, step = _size(residual), before
    updates: list[tuple[Array, Array]] = []  # of minus one, towards the inverse of the slope of the residual
    direct = lost
    for _ in range(STEPS):
        change = residual - before
        forward = _updated([(two, one) for one, two in updates], step)
        scale = xp.sum(forward * change, axis=0)
        direct = direct | (scale == 0.0)
        error = step - _updated(updates, change)
        updates.append((error, forward / xp.where(scale == 0.0, 1.0, scale)))
        if bool(xp.all((size <= TANGENT) | lost)):
            break
        step = xp.where(direct, residual, -_updated(updates, residual))
        x = x + step
        turns, gone = _sweep(obstacles, points, _placed(turns, x))
        before, residual = residual, _places(turns) - x
        direct, lost = direct | ~(_size(residual) <= GROWTH * size), lost | gone
        size = _size(residual)
    for turn in turns:
        lost = lost | (turn.on & (turn.arc < 0.0))
    return turns, (size <= TANGENT) & ~lost


def _updated(updates: list[tuple[Array, Array]], vector: Array) -> Array:
    """Minus one, plus the products of the pairs ``updates``, times vectors (i, n)."""
    found = -vector
    for one, two in updates:
        found = found + one * namespace(vector).sum(two * vector, axis=0)
    return found


def _size(residual: Array) -> Array:
    return namespace(residual).max(abs(residual), axis=0)


def _sweep(obstacles: Sequence[Obstacle], points: Array, turns: list[Turn]) -> tuple[list[Turn], Array]:
    """Each turn once between its neighbours, and whether (n,) an object is no longer touched."""
    lost = turns[0].on & ~turns[0].on
    for index, obstacle in enumerate(obstacles):
        own = slide(obstacle, points, turns[index], turns[:index] + turns[index + 1 :])
        lost = lost | (turns[index].on & ~own.on)
        turns = [*turns[:index], own, *turns[index + 1 :]]
    return turns, lost


def _places(turns: Sequence[Turn]) -> Array:
    """Places (6 (W - 1), n) where all objects but the first are met and left."""
    return namespace(turns[0].arc).concat([one for turn in turns[1:] for one in (turn.first, turn.last)], axis=0)


def _placed(turns: list[Turn], places: Array) -> list[Turn]:
    """The turns with these places."""
    moved = [
        replace(one, first=places[6 * i : 6 * i + 3], last=places[6 * i + 3 : 6 * i + 6])
        for i, one in enumerate(turns[1:])
    ]
    return [turns[0], *moved]


def _parts(turn: Turn) -> tuple[Array, ...]:
    return turn.on, turn.segment, turn.key, turn.first, turn.last, turn.arc, turn.wound


def _some(turn: Turn, index: Array) -> Turn:
    return Turn(*(columns(one, index) for one in _parts(turn)))


def _where(condition: Array, one: Turn, two: Turn) -> Turn:
    xp = namespace(condition)
    return Turn(*(xp.where(condition, a, b) for a, b in zip(_parts(one), _parts(two), strict=True)))


def _merged(turn: Turn, index: Array, part: Turn) -> Turn:
    return Turn(*(_put(one, index, new) for one, new in zip(_parts(turn), _parts(part), strict=True)))


def _put(array: Array, index: Index, new: Array) -> Array:
    """An array (…, n) with new columns."""
    number = np.arange(array.shape[-1])
    number[index] = len(number) + np.arange(len(index))
    return columns(namespace(array).concat([array, new], axis=-1), number)
