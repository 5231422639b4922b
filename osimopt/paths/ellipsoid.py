"""Shortest paths over ellipsoids: geodesics that leave for both end points along straight tangents.

Everything is in the ellipsoid's frame, components first, n pairs of points last.
"""

from __future__ import annotations

import math
from typing import Any

from ..namespace import namespace
from .contact import Array, Contact
from .ellipsoid_aim import Spans, aim, leave
from .ellipsoid_search import solve
from .vectors import dot, norm

#: OpenSim 4.6 takes a point for inside where Σ x²/a² - 1 is below the first, and does not wrap where the cosine of the
#: angle between the directions from the center to the points is nearer to 1 than the second.
INSIDE, ONE_DIRECTION = -1e-4, 1e-4


def wrap_ellipsoid(start: Array, end: Array, size: Array, axis: Array, sign: Array) -> Contact:
    """Shortest paths between points over ellipsoids.

    Whether a path wraps is decided as OpenSim 4.6 does: it does where the straight line crosses the ellipsoid between
    the points. Where it lies depends on the posture alone: it is the shortest geodesic whose middle is in the quadrant,
    or, where that has none, the one that goes the long way around through it. The contact can be differentiated by the
    points and the radii.

    Parameters
    ----------
    start, end : (3, n) arrays of NumPy or torch
        Points in the ellipsoids' frames, m.
    size : (3, n) array
        Radii, m.
    axis, sign : (n,) arrays of integers
        OpenSim's quadrant: axis 0, 1, 2; sign -1 or 1, 0 for all.

    Returns
    -------
    Contact
        NaN in points and arc where the path wraps and no geodesic was found.
    """
    xp = namespace(start)
    inside, on = decide(start, end, size)
    if not bool(xp.any(on)):
        return Contact(on, start * math.nan, start * math.nan, 0 * start[0], inside, on)
    which = xp.nonzero(on)[0]
    places = xp.cumulative_sum(xp.astype(on, which.dtype)) - 1
    places = xp.where(on, places, 0 * places)
    part = [array[:, which] for array in (start, end, size)]
    fixed = [getattr(array, "detach", lambda array=array: array)() for array in part]
    zero, angle, duration, pieces = solve(*fixed, axis[which], sign[which])
    first, last, arc = refine(Spans(*part, zero), angle, duration, pieces)

    def spread(values: Array, other: float) -> Array:
        return xp.where(on, values[..., places], xp.full_like(start[0], other))

    return Contact(on, spread(first, math.nan), spread(last, math.nan), spread(arc, 0.0), inside, on)


def decide(start: Array, end: Array, size: Array) -> tuple[Array, Array]:
    """(n,) whether a point is inside, and whether the straight line crosses the ellipsoid between the points."""
    xp = namespace(start)
    one, other = start / size, end / size
    inside = (dot(one, one) - 1 < INSIDE) | (dot(other, other) - 1 < INSIDE)
    same = xp.abs(dot(start, end) / (norm(start) * norm(end)) - 1) < ONE_DIRECTION
    along = other - one
    square, half = dot(along, along), dot(along, one)
    root = half * half - square * (dot(one, one) - 1)
    crosses = root >= 0
    root = xp.sqrt(xp.where(crosses, root, 0 * root))
    crosses = crosses & (-half - root > 0) & (-half + root < square)
    return inside, crosses & ~inside & ~same


def refine(pairs: Spans, angle: Array, duration: Array, pieces: Array) -> tuple[Array, Array, Array]:
    """Contacts (3, n) twice and arcs (n,) after one more step, which carries derivatives by points and radii."""
    xp = namespace(angle)
    numbers = sorted(set(pieces.tolist()))
    parts: list[Any] = []
    order = xp.concat([xp.nonzero(pieces == number)[0] for number in numbers])
    for number in numbers:
        here = xp.nonzero(pieces == number)[0]
        some = pairs.take(here)
        shot = aim(some, angle[here], duration[here], number)
        first = leave(some, angle[here] + shot.turn).point
        parts.append((first, shot.geodesic.point + shot.move, shot.geodesic.length + shot.more))
    back = xp.argsort(order)
    return tuple(xp.concat([part[k] for part in parts], axis=-1)[..., back] for k in range(3))
