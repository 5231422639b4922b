"""Where the search for a shortest path over an ellipsoid starts: paths in planes, the first on OpenSim's side."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ..namespace import namespace
from .contact import Array, along, on_side
from .vectors import cross, dot, norm, unit

#: Planes around the straight line between the points, points of the quadrature along an arc.
PLANES = 12
NODES = np.array([0.06943184420297371, 0.33000947820757187, 0.6699905217924281, 0.9305681557970262])
NODE_WEIGHTS = np.array([0.17392742256872679, 0.3260725774312732, 0.3260725774312732, 0.17392742256872679])
#: OpenSim's limits for the share of the line's direction along an axis, between which its two ways to find the point
#: are mixed, and the share of the line inside near whose ends the first is faded out.
LEAST, MOST, EDGE = 0.7073, 0.9, 0.3
#: Points of the line (OpenSim takes 298), and steps to the nearest point of the ellipsoid.
SAMPLES, STEPS = 6, 9
#: Step, as a share of the square of a radius, after which there is no other.
ROUNDING = 1e-15
#: Radii from the center within which a point has no nearest one.
CENTRAL = 1e-9


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
    least = xp.argmin(xp.abs(along), axis=0)
    side = xp.stack([xp.astype(least == k, start.dtype) for k in range(3)])
    point = over / size - one
    point = point - along * dot(point, along)
    across = unit(xp.where(norm(point) > 1e-9, point, side - along * dot(side, along)))
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


def leading_point(start: Array, end: Array, size: Array, axis: Array, sign: Array) -> Array:
    """Points (3, n) in m on the ellipsoids, by OpenSim's method ``hybrid``, for lines that cross them.

    A line that is nearly parallel to an axis has the point nearest to where it crosses the plane across that axis;
    others have a mean of those that are nearest to the points inside. If it is not in the quadrant, the former is
    mirrored into it, the latter put on the quadrant's border.
    """
    xp = namespace(start)
    one, way = start / size, (end - start) / size
    square, half = dot(way, way), dot(way, one)
    root = xp.sqrt(xp.clip(half * half - square * (dot(one, one) - 1), min=0.0))
    first, last = (start + (end - start) * ((-half + side * root) / square) for side in (-1, 1))
    inside = last - first

    share = xp.abs(unit(end - start))
    best = xp.argmax(share, axis=0)
    flat = xp.stack([best == k for k in range(3)])
    parallel = along(share, best)
    place = along(inside, best)
    crossing = -along(first, best) / xp.where(place == 0, 1 + 0 * place, place)
    faded = xp.clip(xp.minimum(crossing, 1 - crossing) / EDGE, min=0.0, max=1.0)
    parallel = xp.where(parallel > LEAST, LEAST + faded * (parallel - LEAST), parallel)
    single = nearest_point(xp.where(flat, 0 * inside, first + crossing * inside), size, ~flat)

    samples = xp.stack([first + (k + 0.5) / SAMPLES * inside for k in range(SAMPLES)], axis=1)
    blades = xp.sum(unit(nearest_point(samples, size[:, None]) - samples), axis=1)
    scale = (size[0] + size[1] + size[2]) / 3
    mean = nearest_point(first + 0.5 * inside + scale * blades / xp.clip(norm(blades), min=1e-12), size)

    weight = xp.clip((parallel - LEAST) / (MOST - LEAST), min=0.0, max=1.0)
    point = nearest_point(weight * single + (1 - weight) * mean, size)
    point = xp.where(weight >= 1, single, xp.where(weight <= 0, mean, point))
    wrong = (sign != 0) & ~on_side(along(point, axis), sign)
    mirrored = xp.stack([xp.where(axis == k, -weight * point[k], point[k]) for k in range(3)])
    return xp.where(wrong, nearest_point(mirrored, size), point)


def nearest_point(point: Array, size: Array, free: Array | None = None) -> Array:
    """The points of ellipsoids (3, n) that are nearest to others, where ``free`` (3, n) along some axes only.

    They are a² x / (t + a²) with the largest t for which they are on the surface, to which Newton's steps rise.
    """
    xp = namespace(point)
    square = size * size
    low = size * xp.abs(point) - square
    low = low if free is None else xp.where(free, low, xp.min(low) - 1 + 0 * low)
    t = xp.max(low, axis=0)
    for _ in range(STEPS):
        other = xp.where(t + square > 0, t + square, square) if free is not None else t + square
        other = xp.where(other > 1e-12 * square, other, 1e-12 * square)
        parts = (size * point / other) ** 2
        slope = -2 * (parts[0] / other[0] + parts[1] / other[1] + parts[2] / other[2])
        step = (parts[0] + parts[1] + parts[2] - 1) / xp.where(slope < 0, slope, -1 + 0 * slope)
        t = t - step
        if bool(xp.all(xp.abs(step) <= ROUNDING * square[0])):
            break
    other = t + square
    found = square * point / xp.where(xp.abs(other) > 1e-12 * square, other, square + 0 * other)
    whole = size + 0 * point
    least = xp.argmin(whole if free is None else xp.where(free, whole, math.inf + 0 * whole), axis=0)
    tip = xp.stack([xp.where(least == k, whole[k], 0 * whole[k]) for k in range(3)])
    found = xp.where(norm(found / size) < CENTRAL, tip, found)  # of the center: the end of the shortest axis
    return found / norm(found / size)
