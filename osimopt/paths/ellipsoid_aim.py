"""Paths that are tangent to an ellipsoid at their start, and the step that makes them tangent at their end.

Divided by the radii, the points that are seen from the start along a tangent are a circle on the unit sphere. The angle
on it and the duration of the geodesic that begins there are the two unknowns of a path.
"""

from __future__ import annotations

from typing import NamedTuple

from ..namespace import namespace
from .contact import Array, columns, cross
from .ellipsoid_geodesic import Geodesic, shoot
from .extrapolation import LANES
from .vectors import dot, norm, unit


class Spans(NamedTuple):
    """Points and radii (3, n), and the direction in the circle's plane (3, n) that the angle is counted from."""

    start: Array
    end: Array
    size: Array
    zero: Array

    def take(self, which: Array) -> Spans:
        """Those of indices."""
        return Spans(*(columns(array, which) for array in self))


class Shot(NamedTuple):
    """A path that is tangent at its start, and the step that would bring its end onto the tangent.

    ``turn`` (n,) rad is the change of the angle, ``more`` (n,) m that of the length, ``move`` (3, n) m that of the
    geodesic's end. The duration changes by ``wait`` (n,) and by ``lag`` (n,) per rad of the turn. ``spread`` (n,) m per
    rad is how far the neighbours are at the path's end: positive where the path is a local minimum. ``left`` (n,) is
    what is left of the conditions, in mean radii.
    """

    geodesic: Geodesic
    turn: Array
    more: Array
    lag: Array
    wait: Array
    move: Array
    spread: Array
    left: Array


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


def leave(spans: Spans, angle: Array) -> Tangent:
    """The tangents from the starts at angles (n,)."""
    xp = namespace(angle)
    one = spans.start / spans.size
    far = norm(one)
    height = 1 - 1 / (far * far)  # share of the way from the start to the center at which the circle's center is
    outside = height > 0
    radius = xp.where(outside, xp.sqrt(xp.where(outside, height, 1 + 0 * height)), 0 * height)
    up = one / far
    right = unit(spans.zero - up * dot(up, spans.zero))
    front = cross(up, right)
    ahead = right * xp.cos(angle) + front * xp.sin(angle)
    aside = spans.size * (front * xp.cos(angle) - right * xp.sin(angle))
    point = spans.size * (up / xp.where(outside, far, 1 + 0 * far) + radius * ahead)
    direction = spans.size * (ahead - radius * one)
    slope = norm(direction)
    direction = direction / slope
    # C = h k: of the tangent, h = Σ x²/a⁴ and k = Σ t²/a², and their slopes
    square = spans.size**2
    h, k = dot(point / square, point / square), dot(direction, direction / square)
    bent = (aside - direction * dot(direction, aside)) / slope
    rise = 2 * radius * dot(point / square, aside / square)
    drive = rise / h + 2 * dot(direction / square, bent) / k
    turning = dot(binormals(point, direction, spans.size), aside) / slope
    return Tangent(point, direction, radius * slope, turning, radius * dot(direction, aside), drive, rise / h**2)


def binormals(point: Array, direction: Array, size: Array) -> Array:
    """Unit vectors (3, n) across a direction in the tangent plane."""
    return cross(unit(point / size**2), direction)


def aim(spans: Spans, angle: Array, duration: Array, pieces: int, lanes: int = LANES) -> Shot:
    """The path with given angles and durations (n,)."""
    xp = namespace(angle)
    tangent = leave(spans, angle)
    last = shoot(tangent.point, tangent.direction, spans.size, duration, tangent.reach, pieces, lanes)
    rest = spans.end - last.point
    binormal = binormals(last.point, last.direction, spans.size)
    across = dot(rest, binormal)
    spread = last.neighbor + dot(rest, last.direction) * last.opening
    turn = across / (spread * tangent.turning)
    sideways = last.neighbor * tangent.turning
    # divided by the radii, the end is seen from the last point's height by `bend` before or after the tangent
    flat = last.direction / spans.size
    stretch = norm(flat)
    other = spans.end / spans.size
    up, forth = dot(other, last.point / spans.size), dot(other, flat / stretch)
    far = up * up + forth * forth
    outside = far > 1
    far = xp.where(outside, xp.acos(1 / xp.sqrt(xp.where(outside, far, 4 + 0 * far))), 0 * far)
    bend = (xp.atan2(forth, up) - far) / stretch
    aslant = dot(binormal / spans.size, flat) / (stretch * stretch) * sideways
    more = bend - (tangent.sliding + aslant) * turn
    # durations at the same length: T = √C ∫ ds/h, its integrand's slope from both ends
    square = spans.size**2
    normal, moved = last.point / square, (binormal * sideways + last.direction * tangent.sliding) / square
    h = dot(normal, normal)
    slowing = 0.5 * last.length * h / last.rate * (tangent.slowing + 2 * dot(normal, moved) / (h * h))
    lag = 0.5 * duration * tangent.drive - slowing
    move = binormal * (sideways * turn) + last.direction * (tangent.sliding * turn + more)
    left = 3 * (xp.abs(across) + xp.abs(bend)) / xp.sum(spans.size, axis=0)
    return Shot(last, turn, more, lag - (tangent.sliding + aslant) / last.rate, bend / last.rate, move, spread, left)


def ends_of(spans: Spans, angle: Array, shot: Shot) -> Array:
    """Points of contact and arcs (7, n) after the shot's step."""
    first = leave(spans, angle + shot.turn).point
    last, arc = shot.geodesic.point + shot.move, shot.geodesic.length + shot.more
    return namespace(angle).concat([first, last, arc[None]], axis=0)
