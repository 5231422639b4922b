"""Lengths of paths in many postures, and the pulls of a unit tension along them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..multibody.kinematics import Posture
from ..namespace import alike, namespace
from ..problem.arrays import Index
from .arrangement import Arrangement, Bundle
from .contact import Array
from .lines import Lines, straight_parts
from .nodes import flat_points, handed_over, node_pulls
from .obstacles import ObjectFrames, object_frames, obstacle
from .points import points_in_ground, stand_ins
from .several_wraps import settle
from .turns import Obstacle, Turn, choose


@dataclass(frozen=True, eq=False)
class SolvedPaths:
    """The m paths of a bundle in T frames.

    ``length`` (m, T) in m. ``every`` (3, R, T) m has the places of their points in ground, in the rows ``index``
    (k, m). ``obstacles`` are the W objects, and ``turns`` how the paths turn over each, with n = m · T columns.
    ``lines`` are the straight parts of the paths. ``taken`` (k, m, T) is which point is on the path in the place of
    each, itself if it is on the path. ``touched`` (W, m, T) are objects that the path turns over, ``segment``
    (W, m, T) the points after which it does. ``contested`` (m, T) is where the rules by which OpenSim chooses objects
    contradict each other: the path is tangent to what it touches, but may lead through another object. Where no tangent
    path is found the numbers are NaN.
    """

    bundle: Bundle
    length: Array
    every: Array
    index: Index
    obstacles: tuple[Obstacle, ...]
    turns: tuple[Turn, ...]
    lines: Lines
    taken: Array
    touched: Array
    segment: Array
    contested: Array

    @property
    def points(self) -> Array:
        """Places (3, k, n) of the points in ground, of those that are on the path."""
        return flat_points(self.every, self.index)

    @property
    def place(self) -> Array:
        """Places (3, J, m, T) of the nodes: of the points, then where each object is met and left."""
        xp = namespace(self.every)
        ends = (one[:, None] for turn in self.turns for one in (turn.first, turn.last))
        return xp.reshape(xp.concat([self.points, *ends], axis=1), (3, -1, *self.length.shape))

    @cached_property
    def pull(self) -> Array:
        """Forces (3, J, m, T) of a unit tension on the nodes, 0 on those that are not on the path."""
        xp, shape = namespace(self.every), self.length.shape
        pulls = xp.reshape(node_pulls(self.points, list(self.turns)), (3, -1, *shape))
        pulls = handed_over(pulls, self.taken) if self.bundle.conditional else pulls
        return xp.where(xp.isnan(self.length), xp.nan, pulls)


def solve_paths(arrangement: Arrangement, posture: Posture) -> list[SolvedPaths]:
    """All paths in postures, bundle by bundle: straight between points, tangent to the objects between them."""
    every, number = points_in_ground(arrangement, posture)
    frames = object_frames(arrangement, posture)
    return [
        _solve_bundle(arrangement, bundle, (every, number[bundle.points.T]), posture, frames)
        for bundle in arrangement.bundles
    ]


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
    if not solved.obstacles:
        return solved.touched
    xp, points, found = namespace(solved.every), solved.points, []
    for own, touched in zip(solved.obstacles, solved.touched, strict=True):
        local = own.within(points)
        segments = [own.inside(local[:, row], local[:, row + 1]) & allowed for row, allowed in enumerate(own.allowed)]
        found.append(xp.reshape(xp.any(xp.stack(segments), axis=0), touched.shape) & ~touched)
    return xp.stack(found)


def _solve_bundle(
    arrangement: Arrangement, bundle: Bundle, places: tuple[Array, Index], posture: Posture, frames: ObjectFrames
) -> SolvedPaths:
    """The paths of a bundle; of the places (3, R, T) in ground those of its points are the rows (k, m)."""
    every, index = places
    xp, (count, paths), size = namespace(every), index.shape, every.shape[2]
    taken = np.broadcast_to(np.arange(count)[:, None, None], (count, paths, 1))
    if bundle.conditional:
        taken = stand_ins(arrangement, bundle, posture)
    if bundle.conditional:
        flat = xp.reshape(flat_points(every, index), (3, count, paths, size))
        flat = xp.take_along_axis(flat, alike(np.array(np.broadcast_to(taken, flat.shape)), flat), axis=1)
        every, index = xp.reshape(flat, (3, -1, size)), np.arange(count * paths).reshape(count, paths)
    obstacles = [obstacle(arrangement, bundle, place, frames, taken) for place in range(len(bundle.kinds))]
    points = flat_points(every, index) if obstacles else every
    turns: list[Turn] = []
    settled, contested = None, np.zeros((paths, size), dtype=bool)
    if len(obstacles) == 1:
        turns = [choose(obstacles[0], points, [])]
    elif obstacles:
        turns, settled, contested = settle(obstacles, points)
        contested = xp.reshape(contested, (paths, size))
    total, lines = straight_parts(arrangement, bundle, (every, index), points, turns, taken)
    if settled is not None:
        known = xp.reshape(settled, (paths, size))
        total, lines = xp.where(known, total, xp.nan), lines.where(known, bundle.rows)

    def collected(arrays: list[Array], kind: type) -> Array:
        shape = (len(arrays), paths, size)
        return xp.reshape(xp.stack(arrays), shape) if arrays else np.zeros(shape, dtype=kind)

    return SolvedPaths(
        bundle=bundle,
        length=total,
        every=every,
        index=index,
        obstacles=tuple(obstacles),
        turns=tuple(turns),
        lines=lines,
        taken=taken,
        touched=collected([turn.on for turn in turns], bool),
        segment=collected([turn.segment for turn in turns], int),
        contested=alike(contested, every),
    )
