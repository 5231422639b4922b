"""Paths between pairs of points over spheres, in closed form."""

from __future__ import annotations

from math import pi

from ..namespace import namespace
from .contact import Array, Touch, along, nearest_turn, on_side
from .vectors import cross, dot

#: Sine of the angle at the center below which a line leads through the center, as far as its plane goes.
THROUGH = 1e-9


def wrap_sphere(start: Array, end: Array, size: Array, axis: Array, sign: Array, wound: Array | None = None) -> Touch:
    """Paths over n spheres: straight, a great circle, straight, in the plane of both points and the center.

    Whether a path wraps, and on which side, is decided as OpenSim 4.6 does: it wraps where the straight line crosses
    the sphere, the short way round; with a quadrant, and a point outside it, the long way round if this leads over the
    quadrant. Where that way is longer than half the circumference OpenSim counts its length negative; here it is
    positive. Where the line passes through the center the plane is arbitrary: OpenSim takes that of the call before.

    Parameters
    ----------
    start, end
        (3, n) m, the points in the frames of the spheres.
    size
        (1, n) m, radii.
    axis, sign
        (n,) quadrants: the axis 0, 1, 2, and the sign -1, 1, or 0 for none.
    wound
        (n,) as in ``Touch``, of paths that are held on the sphere; OpenSim's choice if not given.
    """
    xp = namespace(start)
    radius = size[0]
    square = [dot(one, one) for one in (start, end)]
    inside = (square[0] < radius * radius) | (square[1] < radius * radius)
    square = [xp.where(inside, 2.0 * radius * radius + 1.0, one) for one in square]
    free = [xp.sqrt(one - radius * radius) for one in square]
    on = ~inside if wound is not None else _crosses(start, end, radius) & ~inside

    normal = cross(start, end)  # of the plane: from start to end it is less than half a turn in the positive sense
    through = xp.sum(normal * normal, axis=0) <= THROUGH**2 * square[0] * square[1]
    normal = xp.where(through, _across(start), normal)
    normal = normal / xp.sqrt(xp.sum(xp.where(inside, 1.0, normal * normal), axis=0))
    turned = cross(normal, start), cross(normal, end)

    def touch(sense: Array) -> list[Array]:
        """Directions of the points of contact for paths in this sense."""
        one = (radius * start + sense * free[0] * turned[0]) / square[0]
        return [one, (radius * end - sense * free[1] * turned[1]) / square[1]]

    ahead = on_side(along(start, axis), sign), on_side(along(end, axis), sign)
    sense = xp.where(sign == sign, 1.0, -1.0)
    if wound is not None:
        sense = xp.where(wound < 0.0, -1.0, 1.0)
    elif bool(xp.any(sign != 0)):
        away = touch(-sense)
        reach = along(radius * (away[0] + away[1]) - start - end, axis) * sign
        sense = xp.where((sign != 0) & ~(ahead[0] & ahead[1]) & (reach >= 0.0), -sense, sense)
    first, last = touch(sense)
    angle = xp.atan2(sense * xp.sum(normal * cross(first, last), axis=0), xp.sum(first * last, axis=0))
    if wound is not None:
        angle = nearest_turn(angle, abs(wound))
    else:
        rounded = xp.where(sense > 0.0, 0.0 * angle, angle + 2.0 * pi)  # the short way is below 0 by rounding only
        angle = xp.where(angle < 0.0, rounded, angle)
    arc = xp.where(on, radius * angle, 0.0)
    first, last = (xp.where(on, radius * unit, xp.nan) for unit in (first, last))
    return Touch(on, first, last, arc, inside, on & (sign != 0) & (ahead[0] | ahead[1]), sense * angle)


def _crosses(start: Array, end: Array, radius: Array) -> Array:
    """Whether segments (n,) between points outside spheres cross them."""
    xp = namespace(start)
    way = end - start
    size = xp.sum(way * way, axis=0)
    at = -xp.sum(start * way, axis=0) / xp.where(size > 0.0, size, 1.0)
    near = start + at * way
    return (at > 0.0) & (at < 1.0) & (xp.sum(near * near, axis=0) <= radius * radius)


def _across(point: Array) -> Array:
    """A vector (3, n) across each point (3, n)."""
    xp = namespace(point)
    zero = 0.0 * point[0]
    return xp.where(
        abs(point[0]) < abs(point[1]), xp.stack([zero, point[2], -point[1]]), xp.stack([-point[2], zero, point[0]])
    )
