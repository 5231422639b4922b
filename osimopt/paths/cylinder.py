"""Paths between pairs of points over cylinders, in closed form."""

from __future__ import annotations

from math import pi

from ..namespace import namespace
from .contact import Array, Touch, along, nearest_turn, on_side
from .vectors import cross

#: m: half the length of the edges that OpenSim intersects with a plane; they are in it if they rise by less than that.
EDGE, FLAT = 10.0, 1e-5


def wrap_cylinder(start: Array, end: Array, size: Array, axis: Array, sign: Array, wound: Array | None = None) -> Touch:
    """Paths over n cylinders around the z axes of their frames: straight, a helix, straight, tangent to each other.

    Whether a path wraps, and on which side, is decided as OpenSim 4.6 does; the points are exact. On the unrolled
    surface the path is one straight line. Like OpenSim's, paths leave a cylinder over an end where both of the contacts
    that it guesses at first are beyond: the exact ones may still be between the ends, or no longer.

    Parameters
    ----------
    start, end
        (3, n) m, the points in the frames of the cylinders.
    size
        (2, n) m, radii and lengths.
    axis, sign
        (n,) quadrants: the axis 0, 1, 2, and the sign -1, 1, or 0 for none.
    wound
        (n,) as in ``Touch``, of paths that are held on the cylinder; OpenSim's choice if not given.
    """
    xp = namespace(start)
    radius, length = size[0], size[1]
    square = [one[0] * one[0] + one[1] * one[1] for one in (start, end)]
    inside = (square[0] < radius * radius) | (square[1] < radius * radius)
    square = [xp.where(inside, 2.0 * radius * radius + 1.0, one) for one in square]
    free = [xp.sqrt(one - radius * radius) for one in square]

    if wound is None:
        on, turn, mandatory, grazing = _chosen(xp, (start, end), (radius, axis, sign), square, free)
    else:
        on, turn, mandatory = inside == inside, xp.where(wound < 0.0, -1.0, 1.0), inside
    first, last = _contacts((start, end), radius, square, [turn * free[0], turn * free[1]])
    angle = xp.atan2(turn * (first[0] * last[1] - first[1] * last[0]), first[0] * last[0] + first[1] * last[1])
    if wound is None:  # grazing, the angle is in [0, pi): below 0 by rounding only
        angle = xp.where(angle < 0.0, xp.where(grazing, 0.0 * angle, angle + 2.0 * pi), angle)
    else:
        angle = nearest_turn(angle, abs(wound))

    total = free[0] + radius * angle + free[1]
    rise = (end[2] - start[2]) / xp.where(on & (total > 0.0), total, 1.0)
    heights = start[2] + rise * free[0], end[2] - rise * free[1]
    on = on & ~inside
    if wound is None and bool(xp.any(on & (xp.maximum(abs(start[2]), abs(end[2])) > 0.5 * length))):
        other = _contacts((start, end), radius, square, [-turn * free[0], -turn * free[1]])
        wider = first[0] * last[0] + first[1] * last[1] < other[0][0] * other[1][0] + other[0][1] * other[1][1]
        guess = _guessed_heights(
            xp, (start, end), radius, [[radius * x for x in one] for one in (first, last)], wider & (sign != 0)
        )
        on = on & ((abs(guess[0]) <= 0.5 * length) | (abs(guess[1]) <= 0.5 * length))
    arc = xp.where(on, radius * angle * xp.sqrt(1.0 + rise * rise), 0.0)
    nan = xp.nan + 0.0 * arc
    points = [
        xp.stack([xp.where(on, one, nan) for one in (radius * unit[0], radius * unit[1], height)])
        for unit, height in ((first, heights[0]), (last, heights[1]))
    ]
    return Touch(on, points[0], points[1], arc, inside, mandatory & on, turn * angle)


def _contacts(
    points: tuple[Array, Array], radius: Array, square: list[Array], ways: list[Array]
) -> tuple[list[Array], list[Array]]:
    """Where, x and y in radii, tangents from both points touch; ``ways`` are their lengths, signed by the sense."""
    one, two = (
        [(radius * p[0] - way * p[1]) / s, (radius * p[1] + way * p[0]) / s]
        for p, s, way in zip(points, square, (ways[0], -ways[1]), strict=True)
    )
    return one, two


def _guessed_heights(
    xp: Array, points: tuple[Array, Array], radius: Array, contacts: list[list[Array]], far: Array
) -> list[Array]:
    """Heights (n,) of the contacts by which OpenSim decides whether paths are beyond the ends, before it improves them.

    They are in the plane of both points and of an apex on the cylinder: above the middle of the line between the
    points or, of paths that lead ``far`` around, on the other side.
    """
    start, end = points
    reach = [xp.sqrt(one[0] * one[0] + one[1] * one[1]) for one in points]
    middle = start + reach[0] / (reach[0] + reach[1]) * (end - start)
    up = xp.stack([0.0 * radius, 0.0 * radius, middle[2]])
    normal = cross(start - up, end - up)
    level = xp.sqrt(normal[0] * normal[0] + normal[1] * normal[1])
    across = xp.stack([-normal[1], normal[0], 0.0 * level]) / xp.where(level > 0.0, level, 1.0)
    near = across[0] * middle[0] + across[1] * middle[1] > 0.0
    apex = up + xp.where(near != far, radius, -radius) * across
    plane = cross(start - apex, end - apex)
    size = xp.sqrt(xp.sum(plane * plane, axis=0))
    flat = 2.0 * EDGE * abs(plane[2]) < FLAT * size
    steep = xp.where(flat, 1.0, plane[2])
    heights = []
    for (x, y), own, other in zip(contacts, (start[2], end[2]), (end[2], start[2]), strict=True):
        height = start[2] - ((x - start[0]) * plane[0] + (y - start[1]) * plane[1]) / steep
        met = ~flat & (abs(height - own) <= EDGE) & (abs(height - other) < abs(own - other))
        heights.append(xp.where(met, height, own))
    return heights


def _chosen(
    xp: Array, points: tuple[Array, Array], quadrant: tuple[Array, Array, Array], square: list[Array], free: list[Array]
) -> tuple[Array, Array, Array, Array]:
    """OpenSim's choice: whether paths wrap, in which sense, whether they have to, and whether by less than half a turn.

    It is for cylinders that are long enough.
    """
    radius, axis, sign = quadrant
    start, end = points
    between, near = _nearest(xp, start, end)
    crossed = between & (near[0] * near[0] + near[1] * near[1] < radius * radius)
    short = xp.where(start[0] * end[1] - start[1] * end[0] > 0.0, 1.0, -1.0)
    held = sign != 0
    if not bool(xp.any(held)):
        return crossed, short, crossed, crossed
    touched, side = _held(xp, points, near, crossed, quadrant, square, free)
    on, turn = xp.where(held, touched, crossed), xp.where(held, side, short)
    ahead = on_side(along(start, axis), sign) | on_side(along(end, axis), sign)
    return on, turn, crossed & (~held | ahead), crossed & (turn == short)


def may_wrap_cylinder(start: Array, end: Array, size: Array, axis: Array, sign: Array) -> Array:
    """Whether paths wrap over cylinders that are long enough; arguments as of ``wrap_cylinder``, also (3, s, n)."""
    xp, square = namespace(start), size[0] * size[0]
    outside = (start[0] * start[0] + start[1] * start[1] >= square) & (end[0] * end[0] + end[1] * end[1] >= square)
    between, near = _nearest(xp, start, end)
    crossed = between & (near[0] * near[0] + near[1] * near[1] < square)
    held = sign != 0
    if bool(xp.any(held)):
        crossed = xp.where(held, _touched((start, end), near, crossed, axis, sign), crossed)
    return crossed & outside


def _touched(points: tuple[Array, Array], near: Array, crossed: Array, axis: Array, sign: Array) -> Array:
    """Whether paths wrap over cylinders with a quadrant, if those are long enough."""
    ahead = [on_side(along(point, axis), sign) for point in points]
    behind = (ahead[0] != ahead[1]) & ~on_side(along(near, axis), sign)
    return crossed | ~(ahead[0] | ahead[1]) | behind


def _nearest(xp: Array, start: Array, end: Array) -> tuple[Array, Array]:
    """Whether each line is nearest to the axis between its points, and where (3, n)."""
    way = end - start
    size = way[0] * way[0] + way[1] * way[1]
    at = -(start[0] * way[0] + start[1] * way[1]) / xp.where(size > 0.0, size, 1.0)
    return (at > 0.0) & (at < 1.0) & (size > 0.0), start + at * way


def _held(
    xp: Array,
    points: tuple[Array, Array],
    near: Array,
    crossed: Array,
    quadrant: tuple[Array, Array, Array],
    square: list[Array],
    free: list[Array],
) -> tuple[Array, Array]:
    """OpenSim's choice for cylinders with a quadrant: whether paths wrap, and their sense, 1 or -1.

    Of either point a tangent leads to the cylinder in the positive sense and another in the negative sense; the path
    takes those that touch it on the side of the quadrant.
    """
    radius, axis, sign = quadrant
    touched = _touched(points, near, crossed, axis, sign)
    positive, negative = [], []
    for point, way in zip(points, free, strict=True):
        own = radius * along(point, axis)
        turned = way * along(xp.stack([-point[1], point[0], 0.0 * point[2]]), axis)
        positive.append(on_side(own + turned, sign))
        negative.append(on_side(own - turned, sign))
    wider = points[0][0] * points[1][1] - points[0][1] * points[1][0] < 0.0  # the positive sense is the longer way
    neither = ~positive[1] & (negative[1] | wider)
    sense = xp.where(negative[0], positive[0] & ~positive[1], positive[0] | neither)
    return touched, xp.where(sense, 1.0, -1.0)
