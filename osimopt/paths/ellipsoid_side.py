"""The point of an ellipsoid that OpenSim's path leads over: it says on which side the geodesic is."""

from __future__ import annotations

import math

from ..namespace import namespace
from .contact import Array, along, on_side
from .vectors import dot, norm, unit

#: OpenSim's limits for the share of the line's direction along an axis, between which its two ways to find the point
#: are mixed, and the share of the line inside near whose ends the first is faded out.
LEAST, MOST, EDGE = 0.7073, 0.9, 0.3
#: Points of the line (OpenSim takes 298), and steps to the nearest point of the ellipsoid.
SAMPLES, STEPS = 6, 9
#: Step, as a share of the square of a radius, after which there is no other.
ROUNDING = 1e-15
#: Radii from the center within which a point has no nearest one.
CENTRAL = 1e-9


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
