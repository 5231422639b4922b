"""Lengths of paths in many postures, and the pulls of a unit tension along them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..multibody.kinematics import Posture
from ..namespace import alike, namespace
from .arrangement import Arrangement, Bundle
from .contact import Array
from .lines import Lines, straight_parts
from .obstacles import ObjectFrames, object_frames, obstacle
from .points import points_in_ground, stand_ins
from .several_wraps import settle
from .turns import Obstacle, Turn, choose


@dataclass(frozen=True, eq=False)
class SolvedPaths:
    """The m paths of a bundle in T frames.

    ``length`` (m, T) in m. ``points`` (3, k, m, T) in m are the places of their points in ground, ``obstacles`` the
    W objects and ``turns`` how they turn over each, with n = m · T columns. ``taken`` (k, m, T) is which point is on the path in the place
    of each, itself if it is on the path. ``touched`` (W, m, T) are objects that the path turns over, ``segment``
    (W, m, T) the points after which it does. ``contested`` (m, T) is where the rules by which OpenSim chooses objects
    contradict each other: the path is tangent to what it touches, but may lead through another object. ``lines`` are
    the straight parts of the paths. Where no tangent path is found the numbers are NaN.
    """

    bundle: Bundle
    length: Array
    points: Array
    obstacles: tuple[Obstacle, ...]
    turns: tuple[Turn, ...]
    lines: Lines
    taken: Array
    touched: Array
    segment: Array
    contested: Array

    @property
    def place(self) -> Array:
        """Places (3, J, m, T) in m of the nodes: of the points, then where each object is met and left."""
        shape = (3, 1, *self.length.shape)
        xp = namespace(self.points)
        ends = (xp.reshape(one, shape) for turn in self.turns for one in (turn.first, turn.last))
        return xp.concat([self.points, *ends], axis=1)


def solve_paths(arrangement: Arrangement, posture: Posture) -> list[SolvedPaths]:
    """All paths in postures, bundle by bundle: straight between points, tangent to the objects between them."""
    every, number = points_in_ground(arrangement, posture)
    xp, solved = namespace(every), []
    frames = object_frames(arrangement, posture)
    for bundle in arrangement.bundles:
        (paths, count), own = bundle.points.shape, alike(number[bundle.points.T.reshape(-1)], every)
        place = xp.reshape(xp.take(every, own, axis=1), (3, count, paths, every.shape[-1]))
        solved.append(_solve_bundle(arrangement, bundle, place, posture, frames))
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


def points_inside(solved: SolvedPaths) -> Array:
    """Objects (W, m, T) that paths do not turn over while a point of them is inside, as in OpenSim."""
    xp, found = namespace(solved.points), []
    points = xp.reshape(solved.points, (3, solved.points.shape[1], -1))
    for own, touched in zip(solved.obstacles, solved.touched, strict=True):
        local = own.within(points)
        segments = [own.inside(local[:, row], local[:, row + 1]) & allowed for row, allowed in enumerate(own.allowed)]
        found.append(xp.reshape(xp.any(xp.stack(segments), axis=0), touched.shape) & ~touched)
    return xp.stack(found) if found else solved.touched


def _solve_bundle(
    arrangement: Arrangement, bundle: Bundle, place: Array, posture: Posture, frames: ObjectFrames | None
) -> SolvedPaths:
    """The paths of a bundle; ``place`` (3, k, m, T) are the places of their points in ground."""
    xp = namespace(place)
    _, count, paths, size = place.shape
    taken = np.broadcast_to(np.arange(count)[:, None, None], (count, paths, 1))
    if bundle.conditional:
        taken = stand_ins(arrangement, bundle, posture)
        place = xp.take_along_axis(place, xp.broadcast_to(taken, place.shape), axis=1)
    points = xp.reshape(place, (3, count, paths * size))
    obstacles = [obstacle(arrangement, bundle, index, frames, taken) for index in range(len(bundle.kinds))]
    turns: list[Turn] = []
    settled, contested = None, xp.zeros_like(points[0, 0]) > 0.0
    if len(obstacles) == 1:
        turns = [choose(obstacles[0], points, [])]
    elif obstacles:
        turns, settled, contested = settle(obstacles, points)
    total, lines = straight_parts(arrangement, bundle, place, turns, taken)
    if settled is not None:
        known = xp.reshape(settled, (paths, size))
        total, lines = xp.where(known, total, xp.nan), lines.where(known, bundle.rows)

    def collected(arrays: list[Array], kind: Any) -> Array:
        none = xp.astype(xp.zeros_like(place[0, :0]), kind)
        return xp.reshape(xp.stack(arrays), (len(arrays), paths, size)) if arrays else none

    return SolvedPaths(
        bundle=bundle,
        length=total,
        points=place,
        obstacles=tuple(obstacles),
        turns=tuple(turns),
        lines=lines,
        taken=taken,
        touched=collected([turn.on for turn in turns], xp.bool),
        segment=collected([turn.segment for turn in turns], xp.int64),
        contested=xp.reshape(contested, (paths, size)),
    )
