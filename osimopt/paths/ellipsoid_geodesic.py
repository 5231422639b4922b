"""Geodesics of ellipsoids and their neighbours, many at once.

The unit normal ξ along a geodesic of Σ x²/a² = 1 moves as a point on the unit sphere under the potential ½ Σ ξ²/a²
(Knörrer 1982, doi:10.1515/crll.1982.334.69) in a time τ whose rate is dτ/ds = √C/h, with h = Σ x²/a⁴ and Joachimsthal's
constant C = h Σ t²/a². Its acceleration (2 Σ ξ²/a² - 2E) ξ - ξ/a², E its energy, is a polynomial of ξ alone, so that a
few steps serve long thin ellipsoids as well. The distance j to a neighbouring geodesic follows d²j/ds² = -K j with the
Gaussian curvature K = 1/(a₁ a₂ a₃ h)². Steps are Störmer's, extrapolated in the square of their size.

A path leaves its start along a tangent. Divided by the radii, the points that are seen from there along tangents are a
circle on the unit sphere: the angle on it and the duration of the geodesic are the two unknowns of a path, and ``aim``
gives the step that makes it tangent at its end, too.
"""

from __future__ import annotations

from typing import NamedTuple

from ..namespace import namespace
from .contact import Array, columns
from .extrapolation import LANES, State, extrapolate
from .vectors import cross, dot, norm, unit

#: The phase max(1/a) τ that one extrapolation serves, to 1e-10 radii.
PHASE = 0.85


class Geodesic(NamedTuple):
    """The end of a geodesic: point and unit direction (3, n), length (n,) m.

    ``neighbor`` and ``opening`` (n,) are the distance to a neighbouring geodesic and its rate along the length,
    ``rate`` (n,) is ds/dτ in m per unit of τ, ``drift`` (n,) by how much the square of the normal is not 1.
    """

    point: Array
    direction: Array
    length: Array
    neighbor: Array
    opening: Array
    rate: Array
    drift: Array


class Field(NamedTuple):
    """What is constant along geodesics: a², 1/a² (3, 1, n); 2E, 1/√C and (a₁ a₂ a₃)⁻² / √C (1, n)."""

    square: Array
    inverse: Array
    energy: Array
    slow: Array
    gauss: Array


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
    rad are the slopes of log C and of -1/h.
    """

    point: Array
    direction: Array
    reach: Array
    turning: Array
    sliding: Array
    drive: Array
    slowing: Array


def shoot(
    point: Array,
    direction: Array,
    size: Array,
    duration: Array,
    opening: Array,
    pieces: int,
    lanes: int = LANES,
) -> Geodesic:
    """Follow geodesics from points on the surface (3, n) along unit directions (3, n) for a duration (n,) each.

    The neighbour is at the distance ``opening`` (n,) at first, and recedes by 1 m per m.
    """
    xp = namespace(point)
    square = size * size
    inverse = 1 / square
    normal = point * inverse
    h = dot(normal, normal)
    xi, bent = normal / xp.sqrt(h), direction * inverse
    root = xp.sqrt(h * dot(direction, bent))  # √C
    eta = (xp.sqrt(h) / root) * (bent - xi * dot(xi, bent))  # dξ/dτ
    energy = dot(eta, eta) + dot(xi * xi, inverse)
    constants = (square, inverse, energy, 1 / root, 1 / (square[0] * square[1] * square[2] * root))
    field = Field(*(one[..., None, :] for one in constants))
    state = (xi, eta, opening, xp.ones_like(duration), xp.zeros_like(duration))

    def stage(state: State, before: Array, after: Array) -> State:
        xi, eta, neighbor, receding, length = state
        squares, kick = xi * xi, before + after
        q = dot(field.square, squares)
        rate = field.slow / q
        neighbor = neighbor + before * rate * receding
        eta = eta + kick * (2 * dot(field.inverse, squares) - field.energy - field.inverse) * xi
        receding = receding - kick * field.gauss * q * neighbor
        return xi + 2 * after * eta, eta, neighbor + after * rate * receding, receding, length + kick * rate

    xi, eta, neighbor, receding, length = extrapolate(stage, state, duration, pieces, lanes)
    flat = square * xi
    q = dot(flat, xi)
    along = square * eta - flat * (dot(flat, eta) / q)
    along = along / norm(along)
    drift = xp.abs(dot(xi, xi) - 1)
    return Geodesic(flat / xp.sqrt(q), along, length, neighbor, receding, 1 / (root * q), drift)


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
