"""Lengths of all paths in all frames, and the pulls of a unit tension along them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..multibody.description import Functions
from ..multibody.functions import evaluate
from ..namespace import alike, namespace
from .contact import Array
from .layout import Group, Layout
from .several import settle
from .turns import Obstacle, Turn, absent, choose, length, neighbours


@dataclass(frozen=True, eq=False)
class Strands:
    """The paths of one group in all frames: m paths, T frames, J nodes.

    ``length`` (m, T) in m. ``place`` (3, J, m, T) in m are the nodes in ground: the points of the path, then two of
    each object. ``pull`` (3, J, m, T) is the force of a unit tension on the body of each node: zero of points that are
    not on the path, and of objects that are not touched. ``used`` (k, m, T) are the points on the path, ``touched``
    (W, m, T) the objects. ``segment`` (W, m, T) is the point after which each object is.
    """

    group: Group
    length: Array
    place: Array
    pull: Array
    used: Array
    touched: Array
    segment: Array


@dataclass(frozen=True, eq=False)
class Positions:
    """Places of all points on their bodies: (P, 3), or (P, 3, T) with their slopes by their coordinates if some move."""

    place: Array
    slope: Array | None


def solve_paths(layout: Layout, functions: Functions, value: Array, turn: Array, origin: Array) -> list[Strands]:
    """All paths in postures, group by group.

    Parameters
    ----------
    layout, functions
        The paths; the functions of the model, for points that move.
    value
        (N, T) values of the coordinates.
    turn, origin
        (B, 3, 3, T) and (B, 3, T), the frames of the bodies in ground.

    Returns
    -------
    list of Strands
        Frames whose path does not settle have NaN.
    """
    return [_strands(layout, functions, group, value, turn, origin) for group in layout.groups]


def _strands(layout: Layout, functions: Functions, group: Group, value: Array, turn: Array, origin: Array) -> Strands:
    xp = namespace(value)
    paths, count = group.points.shape
    frames = value.shape[1]
    place = _places(layout, functions, group, value, turn, origin)
    used = taken = None
    if group.conditional:
        used, taken = _taken(layout, group, value)
        place = xp.take_along_axis(place, alike(taken[None], place), axis=1)
    flat = xp.reshape(place, (3, count, paths * frames))
    obstacles = [_obstacle(layout, group, index, turn, origin, used, taken) for index in range(len(group.kinds))]
    turns: list[Turn] = []
    settled = None
    if len(obstacles) == 1:
        turns = [choose(obstacles[0], flat, [])]
    elif obstacles:
        turns, settled = settle(obstacles, flat)
    total, leaving, arriving = _straight(flat)
    nodes, pulls = [flat], []
    for index, own in enumerate(turns):
        start, end, from_point, to_point = neighbours(flat, own, turns[:index] + turns[index + 1 :])
        near, far = own.first - start, end - own.last
        sizes = length(near), length(far)
        one, two = near / xp.where(own.on, sizes[0], 1.0), far / xp.where(own.on, sizes[1], 1.0)
        here = [own.on & (own.segment == row) for row in range(count - 1)]
        total = [xp.where(on, 0.0, size) for on, size in zip(here, total, strict=True)]
        total.append(xp.where(own.on, sizes[0] + own.arc + xp.where(to_point, sizes[1], 0.0), 0.0))
        leaving = [xp.where(on & from_point, one, old) for on, old in zip(here, leaving, strict=True)]
        arriving = [xp.where(on & to_point, two, old) for on, old in zip(here, arriving, strict=True)]
        nodes.append(xp.stack([own.first, own.last], axis=1))
        pulls += [xp.where(own.on, -one, 0.0), xp.where(own.on, two, 0.0)]
        ...
    raise NotImplementedError
