"""Pulls of paths on their nodes, one by one: a second way beside lines, for checks."""

from __future__ import annotations

import numpy as np

from ..namespace import alike, namespace
from ..problem.arrays import Index
from .contact import Array
from .turns import Turn, length, neighbours


def flat_points(every: Array, index: Index) -> Array:
    """Places (3, k, n) of points, n = m · T, in the rows ``index`` (k, m) of all places (3, R, T)."""
    xp = namespace(every)
    return xp.reshape(xp.take(every, alike(index.reshape(-1), every), axis=1), (3, len(index), -1))


def node_pulls(points: Array, turns: list[Turn]) -> Array:
    """Forces (3, J, n) of a unit tension on nodes of paths: their k points, then where objects are met and left."""
    xp = namespace(points)
    way = points[:, 1:] - points[:, :-1]
    size = length(way)
    unit = way / xp.where(size > 0.0, size, 1.0)
    leaving, arriving, own_pulls = unit, unit, []
    for index, turn in enumerate(turns):
        start, end, before, after = neighbours(points, turn, turns[:index] + turns[index + 1 :])
        near, far = turn.first - start, end - turn.last
        one, two = (part / xp.where(turn.on, length(part), 1.0) for part in (near, far))
        here = turn.on & (turn.segment == alike(np.arange(way.shape[1])[:, None], turn.segment))
        leaving = xp.where(here & (before == turn.segment), one[:, None], leaving)
        arriving = xp.where(here & (after == turn.segment + 1), two[:, None], arriving)
        own_pulls.append(xp.where(turn.on, xp.stack([-one, two], axis=1), 0.0))
    zero = 0.0 * points[:, :1]
    pulls = xp.concat([leaving, zero], axis=1) - xp.concat([zero, arriving], axis=1)
    return xp.concat([pulls, *own_pulls], axis=1)


def handed_over(pulls: Array, taken: Array) -> Array:
    """Pulls (3, J, m, T) on points that are not on the path are on those in their places."""
    xp = namespace(pulls)
    rows = [pulls[:, row] for row in range(pulls.shape[1])]
    for row, own in enumerate(taken):
        for other in range(len(taken)):
            if other != row and (given := own == other).any():
                rows[other] = rows[other] + xp.where(alike(given, pulls), rows[row], 0.0)
        rows[row] = xp.where(alike(own == row, pulls), rows[row], 0.0)
    return xp.stack(rows, axis=1)
