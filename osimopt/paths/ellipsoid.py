"""Shortest paths over ellipsoids: geodesics that leave for both end points along straight tangents.

Everything is in the ellipsoid's frame, components first, n pairs of points last.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

from ..namespace import detached, namespace, plain
from .contact import Array, Touch, columns, where_on
from .ellipsoid_geodesic import PHASE, Spans, aim, ends_of
from .ellipsoid_start import PLANES, leading_point, plane_paths
from .extrapolation import LANES
from .vectors import dot, norm

#: OpenSim 4.6 takes a point for inside where Σ x²/a² - 1 is below the first, and does not wrap where the cosine of the
#: angle between the directions from the center to the points is nearer to 1 than the second.
INSIDE, ONE_DIRECTION = -1e-4, 1e-4
#: What is left of the two conditions, in mean radii; of the normal's length.
TOLERANCE, DRIFT = 1e-8, 1e-8
#: Newton's steps from one start, the rough ones among them, the largest change of the angle (rad) and of the duration
#: (as a share) in one.
STEPS, ROUGH, TURN, STRETCH = 14, 2, 0.3, 0.5
#: Planes beside that of the shortest path, or of the longest, in which starts are tried.
ASIDE = (0, 1, -1, 2, -2, 3, -3)


class Geodesics(NamedTuple):
    """Zero directions (3, n), angles, durations and numbers of pieces (n,), contacts and arcs (7, n); NaN if none."""

    zero: Array
    angle: Array
    duration: Array
    pieces: Array
    ends: Array


def wrap_ellipsoid(start: Array, end: Array, size: Array, axis: Array, sign: Array) -> Touch:
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
    Touch
        NaN in points and arc where the path wraps and no geodesic was found.
    """
    xp = namespace(start)
    inside, on = decide(start, end, size)
    if not bool(xp.any(on)):
        nowhere = xp.full_like(start, math.nan)  # start times NaN would have gradients of NaN
        return Touch(on, nowhere, nowhere, 0 * start[0], inside, on, 0 * start[0])
    which = xp.nonzero(on)[0]
    begin, finish, radii = (columns(array, which) for array in (start, end, size))
    found = solve(detached(begin), detached(finish), detached(radii), axis[which], sign[which])
    ends = found.ends
    if any(getattr(array, "requires_grad", False) for array in (start, end, size)):
        ends = refine(Spans(begin, finish, radii, found.zero), found)
    return Touch(on, *where_on(on, ends[:3], ends[3:6], ends[6]), inside, on, 0 * start[0])


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


def solve(start: Array, end: Array, size: Array, axis: Array, sign: Array) -> Geodesics:
    """The geodesics between points whose straight line crosses the ellipsoid."""
    xp = namespace(start)
    planes = plane_paths(start, end, size, leading_point(start, end, size, axis, sign))
    every = xp.arange(start.shape[1], device=start.device)
    low, high = (settled_plane(side * planes.length) for side in (1, -1))
    rise, fall = planes.length[0] - planes.length[low, every], planes.length[high, every] - planes.length[0]
    least = (sign == 0) | (rise <= fall)
    middle = xp.where(least, low, high)
    angle, duration, pieces = start[0] * math.nan, 0 * start[0], xp.ones_like(every)
    ends = xp.concat([start, end, angle[None]], axis=0) * math.nan
    zero, radius = planes.first[:, middle, every] - start / size, xp.min(size, axis=0)
    for finer, aside in product((0, 2), ASIDE):
        todo = xp.nonzero(xp.isnan(angle))[0]
        if todo.shape[0] == 0:
            break
        plane = (middle[todo] + aside) % PLANES
        zero[:, todo] = planes.first[:, plane, todo] - start[:, todo] / size[:, todo]
        guess = planes.duration[plane, todo]
        need = xp.clip(1.2 * guess / radius[todo] / PHASE, min=1.0)
        pieces[todo] = 2 ** xp.astype(xp.ceil(xp.log2(need)) + finer, every.dtype)
        for number, here in _by_pieces(pieces[todo]):
            there = todo[here]
            spans = Spans(start, end, size, zero).take(there)
            angle[there], duration[there], ends[:, there] = newton(spans, guess[here], number, least[there])
    return Geodesics(zero, angle, duration, pieces, ends)


def settled_plane(height: Array) -> Array:
    """Indices (n,) of planes: from the first, of heights (K, n), down to the next lowest one."""
    xp = namespace(height)
    ahead = xp.astype(height[1] < height[-1], xp.int64)
    every = xp.arange(height.shape[1], device=height.device)
    plane = 0 * every
    for _ in range(PLANES // 2):
        following = (plane + 2 * ahead - 1) % PLANES
        plane = xp.where(height[following, every] < height[plane, every], following, plane)
    return plane


def newton(spans: Spans, duration: Array, pieces: int, least: Array) -> tuple[Array, Array, Array]:
    """Angles and durations (n,), contacts and arcs (7, n).

    NaN where the steps do not converge, or not to a least path where that is wanted.
    """
    xp = namespace(duration)
    now, spent, left = 0 * duration, duration, xp.arange(duration.shape[0], device=duration.device)
    result, times = now * math.nan, 0 * duration
    ends = xp.stack([result] * 7)
    radius = xp.min(spans.size, axis=0)
    longest = pieces * PHASE * radius
    for step in range(STEPS):
        shot = aim(spans.take(left), now, spent, pieces, 4 if step < ROUGH else LANES)
        done = (shot.left < TOLERANCE) & (step >= ROUGH)
        good = done & (shot.geodesic.drift < DRIFT) & ((shot.spread > 0) | ~least[left])
        if bool(xp.any(good)):
            result[left[good]], times[left[good]] = now[good], spent[good]
            ends[:, left[good]] = ends_of(spans.take(left), now, shot)[:, good]
        going = xp.nonzero(~done & (xp.abs(now) < 2 * math.pi))[0]
        if going.shape[0] == 0:
            break
        turn = xp.where((shot.spread < 0) & least[left], -shot.turn, shot.turn)  # towards shorter paths
        turn = xp.clip(turn, min=-TURN, max=TURN)
        change = shot.wait + shot.lag * turn
        change = xp.clip(change, min=-STRETCH * spent, max=STRETCH * spent + 0.1 * radius[left])
        now, spent, left = (now + turn)[going], (spent + change)[going], left[going]
        spent = xp.minimum(spent, longest[left])
    return result, times, ends


def refine(spans: Spans, found: Geodesics) -> Array:
    """Contacts and arcs (7, n) after one more step, which carries derivatives by points and radii."""
    xp = namespace(found.angle)
    parts, order = [], []
    for number, here in _by_pieces(found.pieces):
        some, angle = spans.take(here), found.angle[here]
        parts.append(ends_of(some, angle, aim(some, angle, found.duration[here], number)))
        order.append(here)
    return columns(xp.concat(parts, axis=-1), xp.argsort(xp.concat(order)))


def _by_pieces(pieces: Array) -> Iterator[tuple[int, Array]]:
    """Numbers of pieces, and the places (m,) of those that have them."""
    for number in plain(namespace(pieces).unique_values(pieces)).tolist():
        yield number, namespace(pieces).nonzero(pieces == number)[0]
