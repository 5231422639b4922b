"""Lengths of paths in many postures, and the pulls of a unit tension along them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..multibody.kinematics import Posture
from ..namespace import alike, namespace, numbers
from .arrangement import Arrangement, Bundle
from .contact import Array
from .points import points_in_ground, stand_ins
from .several_wraps import settle
from .turns import Obstacle, Turn, choose, length, neighbours


@dataclass(frozen=True, eq=False)
class SolvedPaths:
    """The m paths of a bundle in T frames; their J nodes are k points, then two of each of W objects.

    ``length`` (m, T) in m. ``place`` (3, J, m, T) in m are the nodes in ground. ``pull`` (3, J, m, T) is the force of a
    unit tension on the body of each node, 0 where it is not on the path. ``taken`` (k, m, T) is which point is on the
    path in the place of each, itself if it is on the path. ``touched`` (W, m, T) are objects that the path turns over,
    ``segment`` (W, m, T) the points after which it does. ``contested`` (m, T) is where the rules by which OpenSim
    chooses objects contradict each other: the path is tangent to what it touches, but may lead through another object.
    Where no tangent path is found its numbers are NaN.
    """

    bundle: Bundle
    length: Array
    place: Array
    pull: Array
    taken: Array
    touched: Array
    segment: Array
    contested: Array


def solve_paths(arrangement: Arrangement, posture: Posture) -> list[SolvedPaths]:
    """All paths in postures, bundle by bundle: straight between points, tangent to the objects between them."""
    every, number = points_in_ground(arrangement, posture)
    xp, solved = namespace(every), []
    for bundle in arrangement.bundles:
        (paths, count), own = bundle.points.shape, alike(number[bundle.points.T.reshape(-1)], every)
        place = xp.reshape(xp.take(every, own, axis=1), (3, count, paths, every.shape[-1]))
        solved.append(_solve_bundle(arrangement, bundle, place, posture))
    return solved


def lengths(arrangement: Arrangement, solved: Sequence[SolvedPaths]) -> Array:
    """Lengths (T, M) in m of all paths in their order."""
    return _in_order(arrangement, solved, [one.length for one in solved])


def contested(arrangement: Arrangement, solved: Sequence[SolvedPaths]) -> Array:
    """Masks (T, M) of all paths in their order: where OpenSim's rules contradict each other."""
    return _in_order(arrangement, solved, [one.contested for one in solved])


def _in_order(arrangement: Arrangement, solved: Sequence[SolvedPaths], parts: Sequence[Array]) -> Array:
    """Arrays (m, T) of bundles as one (T, M) in the order of the paths."""
    order = np.zeros(len(arrangement.names), dtype=np.intp)
    order[np.concatenate([one.bundle.rows for one in solved])] = np.arange(len(order))
    return namespace(parts[0]).concat(parts)[order].T


def points_inside(arrangement: Arrangement, solved: SolvedPaths, posture: Posture) -> Array:
    """Objects (W, m, T) that paths do not turn over while a point of them is inside, as in OpenSim."""
    xp, bundle = namespace(posture.positions), solved.bundle
    points = xp.reshape(solved.place[:, : bundle.points.shape[1]], (3, bundle.points.shape[1], -1))
    found = []
    for index in range(len(bundle.kinds)):
        own = _obstacle(arrangement, bundle, index, posture, solved.taken)
        local = own.within(points)
        segments = [
            own.touch(local[:, row], local[:, row + 1]).inside & allowed for row, allowed in enumerate(own.allowed)
        ]
        found.append(xp.reshape(xp.any(xp.stack(segments), axis=0), solved.touched.shape[1:]) & ~solved.touched[index])
    return xp.stack(found) if found else solved.touched


def _solve_bundle(arrangement: Arrangement, bundle: Bundle, place: Array, posture: Posture) -> SolvedPaths:
    """The paths of a bundle; ``place`` (3, k, m, T) are the places of their points in ground."""
    xp = namespace(place)
    _, count, paths, frames = place.shape
    taken = np.broadcast_to(np.arange(count)[:, None, None], (count, paths, 1))
    if bundle.conditional:
        taken = stand_ins(arrangement, bundle, posture)
        place = xp.take_along_axis(place, xp.broadcast_to(taken, place.shape), axis=1)
    points = xp.reshape(place, (3, count, paths * frames))
    obstacles = [_obstacle(arrangement, bundle, index, posture, taken) for index in range(len(bundle.kinds))]
    turns: list[Turn] = []
    contested = xp.zeros_like(points[0, 0]) > 0.0
    if len(obstacles) == 1:
        turns = [choose(obstacles[0], points, [])]
    elif obstacles:
        turns, settled, contested = settle(obstacles, points)
    total, pulls, nodes = _tension(points, turns)
    if len(obstacles) > 1:
        total, pulls = xp.where(settled, total, xp.nan), xp.where(settled, pulls, xp.nan)
    pulls = xp.reshape(pulls, (3, -1, paths, frames))
    if bundle.conditional:
        pulls = _handed_over(pulls, taken)

    def collected(arrays: list[Array], kind: Any) -> Array:
        none = xp.astype(xp.zeros_like(place[0, :0]), kind)
        return xp.reshape(xp.stack(arrays), (len(arrays), paths, frames)) if arrays else none

    return SolvedPaths(
        bundle=bundle,
        length=xp.reshape(total, (paths, frames)),
        place=xp.reshape(nodes, (3, -1, paths, frames)),
        pull=pulls,
        taken=taken,
        touched=collected([turn.on for turn in turns], xp.bool),
        segment=collected([turn.segment for turn in turns], xp.int64),
        contested=xp.reshape(contested, (paths, frames)),
    )


def _tension(points: Array, turns: list[Turn]) -> tuple[Array, Array, Array]:
    """Lengths (n,), and pulls and places (3, J, n) of the nodes of n paths."""
    xp = namespace(points)
    way = points[:, 1:] - points[:, :-1]
    size = length(way)
    unit = way / xp.where(size > 0.0, size, 1.0)
    total, leaving, arriving, nodes, own_pulls = xp.sum(size, axis=0), unit, unit, [points], []
    for index, turn in enumerate(turns):
        start, end, from_point, to_point = neighbours(points, turn, turns[:index] + turns[index + 1 :])
        near, far = turn.first - start, end - turn.last
        sizes = length(near), length(far)
        one, two = (part / xp.where(turn.on, own, 1.0) for part, own in zip((near, far), sizes, strict=True))
        here = turn.on & (turn.segment == alike(np.arange(way.shape[1])[:, None], turn.segment))
        straight = xp.sum(xp.where(here, size, 0.0), axis=0) * xp.where(from_point, 1.0, 0.0)
        added = sizes[0] + turn.arc + xp.where(to_point, sizes[1], 0.0)
        total = total + xp.where(turn.on, added - straight, 0.0)
        leaving = xp.where(here & from_point, one[:, None], leaving)
        arriving = xp.where(here & to_point, two[:, None], arriving)
        nodes.append(xp.stack([turn.first, turn.last], axis=1))
        own_pulls.append(xp.where(turn.on, xp.stack([-one, two], axis=1), 0.0))
    zero = 0.0 * points[:, :1]
    pulls = xp.concat([leaving, zero], axis=1) - xp.concat([zero, arriving], axis=1)
    return total, xp.concat([pulls, *own_pulls], axis=1), xp.concat(nodes, axis=1)


def _obstacle(arrangement: Arrangement, bundle: Bundle, index: int, posture: Posture, taken: Array) -> Obstacle:
    xp = namespace(posture.positions)
    own, body = bundle.objects[:, index], bundle.object_body[:, index]
    frame = alike(arrangement.frame[own], posture.positions)
    base, frames = posture.rotations[body], posture.positions.shape[-1]
    turn = xp.einsum("mijt,mjk->ikmt", base, frame[:, :3, :3])
    origin = xp.einsum("mijt,mj->imt", base, frame[:, :3, 3]) + xp.moveaxis(posture.positions[body], 1, 0)

    def spread(array: Array) -> Array:
        """(…, m) as (…, n)."""
        wide = xp.broadcast_to(alike(array, posture.positions)[..., None], (*array.shape, frames))
        return xp.reshape(wide, (*array.shape[:-1], -1))

    first, last = alike(bundle.ranges[:, index, :, None].transpose(1, 0, 2), taken)
    before = numbers(len(taken) - 1, taken)[:, None, None]
    allowed = (taken[:-1] == before) & (before >= first) & (taken[1:] > before) & (taken[1:] <= last)
    allowed = xp.broadcast_to(alike(allowed, posture.positions), (*allowed.shape[:2], frames))
    return Obstacle(
        bundle.kinds[index],
        xp.reshape(turn, (3, 3, -1)),
        xp.reshape(origin, (3, -1)),
        spread(arrangement.size[own].T),
        spread(arrangement.axis[own]),
        spread(arrangement.sign[own]),
        xp.reshape(allowed, (len(allowed), -1)),
    )


def _handed_over(pulls: Array, taken: Array) -> Array:
    """Pulls (3, J, m, T) on points that are not on the path are on those in their places."""
    xp = namespace(pulls)
    rows = [pulls[:, row] for row in range(pulls.shape[1])]
    for row, own in enumerate(taken):
        for other in range(len(taken)):
            if other != row and (given := own == other).any():
                rows[other] = rows[other] + xp.where(alike(given, pulls), rows[row], 0.0)
        rows[row] = xp.where(alike(own == row, pulls), rows[row], 0.0)
    return xp.stack(rows, axis=1)
