"""Shortest paths over ellipsoids: geodesics that leave for both end points along straight tangents.

Everything is in the ellipsoid's frame, components first, n pairs of points last. Divided by the radii, the points that
are seen from the start along a tangent are a circle on the unit sphere. The angle on it and the duration of the geodesic
that begins there are the two unknowns: the path is tangent at its start by construction, and right where the end lies on
the tangent of the geodesic's end.
"""

from __future__ import annotations

import math
from itertools import product
from typing import Any, NamedTuple

from ..namespace import namespace
from .contact import Array, Contact, along
from .ellipsoid_geodesic import COUNTS, PHASE, Geodesic, shoot
from .ellipsoid_start import plane_paths
from .vectors import dot, norm, unit

#: OpenSim 4.6 takes a point for inside where Σ x²/a² - 1 is below the first, and does not wrap where the cosine of the
#: angle between the directions from the center to the points is nearer to 1 than the second.
INSIDE, ONE_DIRECTION = -1e-4, 1e-4
#: What is left of the two conditions, in mean radii; of the normal's length.
TOLERANCE, DRIFT = 1e-8, 1e-9
#: Newton's steps from one start, the rough ones among them, the largest change of the angle (rad) and of the duration (as
#: a share) in one.
STEPS, ROUGH, TURN, STRETCH = 14, 2, 0.3, 0.5
#: Starts, and their kinds: in planes whose path is the shortest, or the longest, beside its neighbours.
TRIES = 6
LEAST, MOST, OTHER = 0, 1, 2


class Pairs(NamedTuple):
    """Points and radii (3, n), and the direction in the circle's plane (3, n) that the angle is counted from."""

    start: Array
    end: Array
    size: Array
    zero: Array

    def take(self, which: Array) -> Pairs:
        """Those of a mask or of indices."""
        return Pairs(*(array[:, which] for array in self))


class Shot(NamedTuple):
    """A path that is tangent at its start, and the step that would bring its end onto the tangent.

    ``turn`` (n,) rad is the change of the angle, ``more`` (n,) m that of the length, ``move`` (3, n) m that of the
    geodesic's end. ``spread`` (n,) m per m is how far the neighbours are at the path's end: positive where the path is a
    local minimum. ``left`` (n,) is what is left of the conditions, in mean radii.
    """

    geodesic: Geodesic
    turn: Array
    more: Array
    lag: Array
    wait: Array
    move: Array
    spread: Array
    left: Array


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
    first, last, arc = refine(Pairs(*part, zero), angle, duration, pieces)

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


def solve(start: Array, end: Array, size: Array, axis: Array, sign: Array) -> tuple[Array, Array, Array, Array]:
    """Zero directions (3, n), angles, durations and numbers of pieces (n,); NaN angles where nothing was found."""
    xp = namespace(start)
    planes = plane_paths(start, end, size)
    order, rank = priorities(planes.length, along(planes.middle, axis) * sign)
    every = xp.arange(start.shape[1])
    angle, duration, pieces = start[0] * math.nan, 0 * start[0], xp.ones_like(every)
    zero, best, radius = 0 * start, start[0] * 0 - math.inf, xp.min(size, axis=0)
    for finer, attempt in product((0, 2), range(order.shape[0])):
        kind = rank[order[attempt], every]
        todo = xp.nonzero(xp.isnan(angle) | ((best < 0) & (kind < OTHER) & (finer == 0)))[0]
        if todo.shape[0] == 0 or (finer == 0 and attempt > TRIES):
            continue
        plane = order[attempt][todo]
        chosen = planes.first[:, plane, todo] - start[:, todo] / size[:, todo]
        guess = planes.duration[plane, todo]
        need = 1.2 * guess / radius[todo] / PHASE
        count = 2 ** xp.astype(xp.ceil(xp.log2(xp.clip(need, min=1.0))) + finer, every.dtype)
        for number in sorted(set(count.tolist())):
            here = xp.nonzero(count == number)[0]
            there = todo[here]
            pairs = Pairs(start[:, there], end[:, there], size[:, there], chosen[:, here])
            turned, lasting = newton(pairs, guess[here], number, kind[there] != MOST)
            value = quadrant(pairs, turned, lasting, number, axis[there], sign[there])
            better = xp.nonzero(value > best[there])[0]
            there, here = there[better], here[better]
            angle[there], duration[there], pieces[there] = turned[better], lasting[better], number
            best[there], zero[:, there] = value[better], chosen[:, here]
    return zero, angle, duration, pieces


def priorities(length: Array, value: Array) -> tuple[Array, Array]:
    """(K, n) planes in the order in which they are tried, and the kind of each: least, most or other length.

    The least in the quadrant, where ``value`` is not negative, come first, then the most in the quadrant, then the
    others by how near they come to it.
    """
    xp = namespace(length)
    before, after = xp.roll(length, 1, axis=0), xp.roll(length, -1, axis=0)
    least, most = (length <= before) & (length <= after), (length >= before) & (length >= after)
    rank = xp.where(least, LEAST + 0 * length, xp.where(most, MOST + 0 * length, OTHER + 0 * length))
    inside = value >= 0
    some = xp.any(least & inside, axis=0)
    far = 1 + xp.max(length, axis=0)
    later = xp.where(most == some, 2 * far, far)  # one after the other, as `some` says: the most, the others
    worth = length + xp.where(inside, xp.where(least, 0 * far, later), xp.where(least | most, 3 * far, 4 * far))
    return xp.argsort(worth, axis=0), rank


def newton(pairs: Pairs, duration: Array, pieces: int, least: Array) -> tuple[Array, Array]:
    """Angles and durations (n,); NaN where the steps do not converge, or not to a least path where that is wanted."""
    xp = namespace(duration)
    now, spent, left = 0 * duration, duration, xp.arange(duration.shape[0])
    result, times = now * math.nan, 0 * duration
    radius = xp.min(pairs.size, axis=0)
    longest = pieces * PHASE * radius
    for step in range(STEPS):
        shot = aim(pairs.take(left), now, spent, pieces, COUNTS[:4] if step < ROUGH else COUNTS)
        done = (shot.left < TOLERANCE) & (step >= ROUGH)
        good = done & (shot.geodesic.drift < DRIFT) & ((shot.spread > 0) | ~least[left])
        result[left[good]], times[left[good]] = now[good], spent[good]
        going = xp.nonzero(~done & (xp.abs(now) < 2 * math.pi))[0]
        if going.shape[0] == 0:
            break
        turn = xp.where((shot.spread < 0) & least[left], -shot.turn, shot.turn)  # towards shorter paths
        turn = xp.clip(turn, min=-TURN, max=TURN)
        change = shot.wait + shot.lag * turn
        change = xp.clip(change, min=-STRETCH * spent, max=STRETCH * spent + 0.1 * radius[left])
        now, spent, left = (now + turn)[going], (spent + change)[going], left[going]
        spent = xp.minimum(spent, longest[left])
    return result, times


def quadrant(pairs: Pairs, angle: Array, duration: Array, pieces: int, axis: Array, sign: Array) -> Array:
    """How far (n,) the geodesics' middles are in the quadrants, in radii; -inf where there is none."""
    xp = namespace(angle)
    missing = xp.isnan(angle)
    value = 0 * duration
    if bool(xp.any(sign != 0)):
        middle = aim(pairs, xp.where(missing, value, angle), 0.5 * duration, pieces).geodesic.point
        value = along(middle / pairs.size, axis) * sign
    return xp.where(missing, value - math.inf, value)


class Tangent(NamedTuple):
    """The tangent from the start at an angle: its point and unit direction (3, n) and how these change.

    ``reach`` (n,) m is its length, ``turning`` and ``sliding`` (n,) m per rad the velocity of the point along the
    binormal per ``reach``, which is the tangent's turning, and along the tangent. ``drive`` and ``slowing`` (n,) per
    rad are the slopes of log C and of -1/h, see ``ellipsoid_geodesic``.
    """

    point: Array
    direction: Array
    reach: Array
    turning: Array
    sliding: Array
    drive: Array
    slowing: Array


def leave(pairs: Pairs, angle: Array) -> Tangent:
    """The tangents from the starts at angles (n,)."""
    xp = namespace(angle)
    one = pairs.start / pairs.size
    far = norm(one)
    height = 1 - 1 / (far * far)  # share of the way from the start to the center at which the circle's center is
    outside = height > 0
    radius = xp.where(outside, xp.sqrt(xp.where(outside, height, 1 + 0 * height)), 0 * height)
    up = one / far
    right = unit(pairs.zero - up * dot(up, pairs.zero))
    front = xp.linalg.cross(up, right, axis=0)
    ahead = right * xp.cos(angle) + front * xp.sin(angle)
    aside = pairs.size * (front * xp.cos(angle) - right * xp.sin(angle))
    point = pairs.size * (up / xp.where(outside, far, 1 + 0 * far) + radius * ahead)
    direction = pairs.size * (ahead - radius * one)
    slope = norm(direction)
    direction = direction / slope
    # C = h k: of the tangent, h = Σ x²/a⁴ and k = Σ t²/a², and their slopes
    square = pairs.size**2
    h, k = dot(point / square, point / square), dot(direction, direction / square)
    bent = (aside - direction * dot(direction, aside)) / slope
    rise = 2 * radius * dot(point / square, aside / square)
    drive = rise / h + 2 * dot(direction / square, bent) / k
    turning = dot(binormals(point, direction, pairs.size), aside) / slope
    return Tangent(point, direction, radius * slope, turning, radius * dot(direction, aside), drive, rise / h**2)


def binormals(point: Array, direction: Array, size: Array) -> Array:
    """Unit vectors (3, n) across a direction in the tangent plane."""
    return namespace(point).linalg.cross(unit(point / size**2), direction, axis=0)


def aim(pairs: Pairs, angle: Array, duration: Array, pieces: int, counts: tuple[int, ...] = COUNTS) -> Shot:
    """The path with given angles and durations (n,)."""
    xp = namespace(angle)
    tangent = leave(pairs, angle)
    last = shoot(tangent.point, tangent.direction, pairs.size, duration, tangent.reach, pieces, counts)
    rest = pairs.end - last.point
    binormal = binormals(last.point, last.direction, pairs.size)
    across = dot(rest, binormal)
    spread = last.neighbor + dot(rest, last.direction) * last.opening
    turn = across / (spread * tangent.turning)
    sideways = last.neighbor * tangent.turning
    # divided by the radii, the end is seen from the last point's height by `bend` before or after the tangent
    flat = last.direction / pairs.size
    stretch = norm(flat)
    other = pairs.end / pairs.size
    up, forth = dot(other, last.point / pairs.size), dot(other, flat / stretch)
    far = up * up + forth * forth
    outside = far > 1
    far = xp.where(outside, xp.acos(1 / xp.sqrt(xp.where(outside, far, 4 + 0 * far))), 0 * far)
    bend = (xp.atan2(forth, up) - far) / stretch
    aslant = dot(binormal / pairs.size, flat) / (stretch * stretch) * sideways
    more = bend - (tangent.sliding + aslant) * turn
    # durations at the same length: T = √C ∫ ds/h, its integrand's slope from both ends
    square = pairs.size**2
    normal, moved = last.point / square, (binormal * sideways + last.direction * tangent.sliding) / square
    h = dot(normal, normal)
    slowing = 0.5 * last.length * h / last.rate * (tangent.slowing + 2 * dot(normal, moved) / (h * h))
    lag = 0.5 * duration * tangent.drive - slowing
    move = binormal * (sideways * turn) + last.direction * (tangent.sliding * turn + more)
    left = 3 * (xp.abs(across) + xp.abs(bend)) / xp.sum(pairs.size, axis=0)
    return Shot(last, turn, more, lag - (tangent.sliding + aslant) / last.rate, bend / last.rate, move, spread, left)


def refine(pairs: Pairs, angle: Array, duration: Array, pieces: Array) -> tuple[Array, Array, Array]:
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
