"""Shortest paths over ellipsoids: geodesics that leave for both end points along straight tangents.

Everything is in the ellipsoid's frame, components first, n pairs of points last.
"""

from __future__ import annotations

import math

from ..namespace import detached, namespace
from .contact import Array, Contact, columns
from .ellipsoid_aim import Spans, aim, ends_of
from .ellipsoid_search import Found, solve
from .vectors import dot, norm

#: OpenSim 4.6 takes a point for inside where Σ x²/a² - 1 is below the first, and does not wrap where the cosine of the
#: angle between the directions from the center to the points is nearer to 1 than the second.
INSIDE, ONE_DIRECTION = -1e-4, 1e-4


def wrap_ellipsoid(start: Array, end: Array, size: Array, axis: Array, sign: Array) -> Contact:
    """Shortest paths between points over ellipsoids.

    Whether a path wraps, and on which side, is decided as OpenSim 4.6 does. It wraps where the straight line crosses
    the ellipsoid between the points. OpenSim leads it, by its method ``hybrid``, through a point of the ellipsoid, in a
    plane; where that point is on a quadrant's border its path is not stationary. Here it is the geodesic into which
    that path settles: the shortest on this side, which may leave the quadrant, or with a quadrant, if OpenSim's path is
    nearer to it in length, the one that leads the long way around. The posture alone decides. The contact can be
    differentiated by the points and the radii.

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
        return Contact(on, start * math.nan, start * math.nan, 0 * start[0], inside, on, 0 * start[0])
    which = xp.nonzero(on)[0]
    places = xp.cumulative_sum(xp.astype(on, which.dtype)) - 1
    places = xp.where(on, places, 0 * places)
    spans = [columns(array, which) for array in (start, end, size)]
    found = solve(*map(detached, spans), axis[which], sign[which])
    ends = found.ends
    if any(getattr(array, "requires_grad", False) for array in (start, end, size)):
        ends = refine(Spans(*spans, found.zero), found)
    first, last, arc = ends[:3], ends[3:6], ends[6]

    def spread(values: Array, other: float) -> Array:
        return xp.where(on, columns(values, places), other)

    return Contact(on, spread(first, math.nan), spread(last, math.nan), spread(arc, 0.0), inside, on, 0 * start[0])


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


def refine(spans: Spans, found: Found) -> Array:
    """Contacts and arcs (7, n) after one more step, which carries derivatives by points and radii."""
    xp = namespace(found.angle)
    parts, order = [], []
    for number in sorted(set(found.pieces.tolist())):
        here = xp.nonzero(found.pieces == number)[0]
        some, angle = spans.take(here), found.angle[here]
        parts.append(ends_of(some, angle, aim(some, angle, found.duration[here], number)))
        order.append(here)
    return xp.concat(parts, axis=-1)[:, xp.argsort(xp.concat(order))]
