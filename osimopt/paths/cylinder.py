"""Paths between pairs of points over cylinders, in closed form."""

from __future__ import annotations

from math import pi

from ..namespace import namespace
from .contact import Array, Contact, along, columns, on_side


def wrap_cylinder(start: Array, end: Array, size: Array, axis: Array, sign: Array) -> Contact:
    """Paths over n cylinders around the z axes of their frames: straight, a helix, straight, tangent to each other.

    Whether a path wraps, and on which side, is decided as OpenSim 4.6 does; the points are exact. On the unrolled
    surface the path is one straight line. OpenSim compares the ends of the cylinder with points of contact that it
    finds by an approximation, so it may lift a path off an end in a slightly different posture.

    Parameters
    ----------
    start, end
        (3, n) m, the points in the frames of the cylinders.
    size
        (2, n) m, radii and lengths.
    axis, sign
        (n,) quadrants: the axis 0, 1, 2, and the sign -1, 1, or 0 for none.
    """
    xp = namespace(start)
    radius, length = size[0], size[1]
    square = [one[0] * one[0] + one[1] * one[1] for one in (start, end)]
    inside = (square[0] < radius * radius) | (square[1] < radius * radius)
    between, near = _nearest(start, end)
    crossed = between & (near[0] * near[0] + near[1] * near[1] < radius * radius) & ~inside
    short = xp.where(start[0] * end[1] - start[1] * end[0] > 0.0, 1.0, -1.0)
    on, turn, mandatory, held = crossed, short, crossed, sign != 0
    if bool(xp.any(held)):
        touched, side, ahead = _held((start, end), near, crossed, (radius, axis, sign), square)
        on, turn = xp.where(held, touched & ~inside, crossed), xp.where(held, side, short)
        mandatory = crossed & (~held | ahead)
    which = xp.nonzero(on)[0]
    if not len(which):
        return Contact(on, xp.nan * start, xp.nan * start, 0.0 * start[0], inside, on)
    grazing = (crossed & (turn == short))[which]
    first, last, arc = _tangent(columns(start, which), columns(end, which), radius[which], turn[which], grazing)
    reached = (abs(first[2]) <= 0.5 * length[which]) | (abs(last[2]) <= 0.5 * length[which])
    number = xp.cumulative_sum(xp.astype(on, xp.int64)) - 1  # place among those that are computed
    number = xp.where(on, number, 0 * number)
    on = on & reached[number]
    places = [xp.where(on, columns(one, number), xp.nan) for one in (first, last)]
    return Contact(on, places[0], places[1], xp.where(on, arc[number], 0.0), inside, on & mandatory)


def _tangent(start: Array, end: Array, radius: Array, turn: Array, grazing: Array) -> tuple[Array, Array, Array]:
    """Places where paths in the sense ``turn`` (n,) meet and leave cylinders, and the lengths between.

    Of those that are ``grazing`` the angle is in [0, pi), below 0 by rounding only.
    """
    xp = namespace(start)
    square = [one[0] * one[0] + one[1] * one[1] for one in (start, end)]
    free = [xp.sqrt(one - radius * radius) for one in square]
    first, last = (
        [(radius * p[0] - way * p[1]) / s, (radius * p[1] + way * p[0]) / s]
        for p, s, way in ((start, square[0], turn * free[0]), (end, square[1], -turn * free[1]))
    )
    angle = xp.atan2(turn * (first[0] * last[1] - first[1] * last[0]), first[0] * last[0] + first[1] * last[1])
    angle = xp.where(angle < 0.0, xp.where(grazing, 0.0 * angle, angle + 2.0 * pi), angle)
    rise = (end[2] - start[2]) / (free[0] + radius * angle + free[1])
    places = [
        xp.stack([radius * unit[0], radius * unit[1], height])
        for unit, height in ((first, start[2] + rise * free[0]), (last, end[2] - rise * free[1]))
    ]
    return places[0], places[1], radius * angle * xp.sqrt(1.0 + rise * rise)


def _nearest(start: Array, end: Array) -> tuple[Array, Array]:
    """Whether each line is nearest to the axis between its points, and where (3, n)."""
    xp = namespace(start)
    way = end - start
    size = way[0] * way[0] + way[1] * way[1]
    at = -(start[0] * way[0] + start[1] * way[1]) / xp.where(size > 0.0, size, 1.0)
    return (at > 0.0) & (at < 1.0) & (size > 0.0), start + at * way


def _held(
    points: tuple[Array, Array], near: Array, crossed: Array, quadrant: tuple[Array, Array, Array], square: list[Array]
) -> tuple[Array, Array, Array]:
    """OpenSim's choice for cylinders with a quadrant: if paths wrap, their sense, 1 or -1, and if a point is in it.

    Of either point a tangent leads to the cylinder in the positive sense and another in the negative sense; the path
    takes those that touch it on the side of the quadrant.
    """
    xp = namespace(near)
    radius, axis, sign = quadrant
    ahead = [on_side(along(point, axis), sign) for point in points]
    touched = crossed | ~(ahead[0] | ahead[1]) | ((ahead[0] != ahead[1]) & ~on_side(along(near, axis), sign))
    positive, negative = [], []
    for point, size in zip(points, square, strict=True):
        way = xp.sqrt(xp.where(size > radius * radius, size - radius * radius, 0.0))
        own = radius * along(point, axis)
        turned = way * along(xp.stack([-point[1], point[0], 0.0 * point[2]]), axis)
        positive.append(on_side(own + turned, sign))
        negative.append(on_side(own - turned, sign))
    wider = points[0][0] * points[1][1] - points[0][1] * points[1][0] < 0.0  # the positive sense is the longer way
    neither = ~positive[1] & (negative[1] | wider)
    sense = xp.where(negative[0], positive[0] & ~positive[1], positive[0] | neither)
    return touched, xp.where(sense, 1.0, -1.0), ahead[0] | ahead[1]
