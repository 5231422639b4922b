"""Where the search for a shortest path over an ellipsoid starts: paths in planes through both points."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ..namespace import namespace
from .contact import Array, cross
from .vectors import dot, norm, unit

#: Planes around the straight line between the points, points of the quadrature along an arc.
PLANES = 12
NODES, NODE_WEIGHTS = (np.polynomial.legendre.leggauss(4)[0] + 1) / 2, np.polynomial.legendre.leggauss(4)[1] / 2


class PlanePaths(NamedTuple):
    """Lengths (K, n) m, middles and first points (3, K, n) on the unit sphere, durations (K, n) of the geodesics."""

    length: Array
    middle: Array
    first: Array
    duration: Array


def plane_paths(start: Array, end: Array, size: Array, over: Array) -> PlanePaths:
    """Tangent paths of n pairs in K planes each, the first of them through a point ``over`` (3, n) of the ellipsoid.

    Divided by the radii, the ellipsoid is a unit sphere, which a plane cuts in a circle: tangents to it are tangents to
    the ellipsoid. The straight line between the points has to cross the ellipsoid.
    """
    xp = namespace(start)
    one, other = start / size, end / size
    along = unit(other - one)
    foot = one - along * dot(one, along)
    point = over / size - one
    across = unit(point - along * dot(point, along))
    third = cross(along, across)
    angles = xp.asarray(2 * math.pi * np.arange(PLANES) / PLANES, dtype=start.dtype, device=start.device)[:, None]
    up = across[:, None] * xp.cos(angles) + third[:, None] * xp.sin(angles)  # (3, K, n)
    level = dot(up, foot[:, None])
    radius = xp.sqrt(xp.clip(1 - dot(foot, foot) + level**2, min=0.0))

    def polar(point: Array) -> tuple[Array, Array]:
        x = dot(point, along)[None]
        far = xp.sqrt(x * x + level * level)
        return xp.atan2(level, x + 0 * level), xp.acos(xp.clip(radius / far, max=1.0))

    (turn, reach), (turn_end, reach_end) = polar(one), polar(other)
    turn = xp.where(turn < -0.5 * math.pi, turn + 2 * math.pi, turn)  # the start is on the left
    first, last = turn - reach, turn_end + reach_end
    center = foot[:, None] - up * level

    def circle(angle: Array) -> Array:
        return center + radius * (along[:, None] * xp.cos(angle) + up * xp.sin(angle))

    radii, sweep = size[:, None], xp.clip(first - last, min=0.0)
    begin, finish = circle(first), circle(last)
    straight = norm(radii * (begin - one[:, None])) + norm(radii * (finish - other[:, None]))
    arc, inverse = 0 * sweep, 0 * sweep
    for node, weight in zip(NODES.tolist(), NODE_WEIGHTS.tolist(), strict=True):
        angle = first - node * sweep
        tangent = radius * (up * xp.cos(angle) - along[:, None] * xp.sin(angle))
        place = circle(angle)
        speed = norm(radii * tangent)
        arc = arc + weight * speed
        # √C/h with C = h Σ t²/a², t a unit vector
        inverse = inverse + weight * norm(tangent) / xp.sqrt(dot(place / radii, place / radii))
    return PlanePaths(straight + sweep * arc, circle(0.5 * (first + last)), begin, sweep * inverse)
