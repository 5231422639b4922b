"""How a path lies on one object."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi
from typing import Any

from ..namespace import alike, namespace

#: Arrays of NumPy or torch.
Array = Any


@dataclass(frozen=True, eq=False)
class Touch:
    """Paths between n pairs of points over n objects of one kind, in the objects' frames.

    ``on`` (n,) is whether the path touches the object. ``first`` and ``last`` (3, n) are the points where it meets and
    leaves the object, ``arc`` (n,) m the length of the geodesic between them: where it does not touch, both are NaN and
    the length is 0. ``inside`` (n,) marks pairs of which a point is inside the object, where OpenSim does not wrap.
    ``crossed`` (n,) marks wraps that OpenSim calls mandatory: of the pairs of a path that could wrap over an object it
    takes the first such one, and where there is none the one that lengthens the path least.
    ``wound`` (n,) rad is the angle by which paths turn around cylinders and spheres, negative in the negative sense,
    about the axis z or from start to end; 0 over other objects.
    """

    on: Array
    first: Array
    last: Array
    arc: Array
    inside: Array
    crossed: Array
    wound: Array


def along(point: Array, axis: Array) -> Array:
    """Components (n,) of points (3, n) along the axes 0, 1, 2 in ``axis`` (n,)."""
    xp = namespace(point)
    return xp.where(axis == 0, point[0], xp.where(axis == 1, point[1], point[2]))


def on_side(component: Array, sign: Array) -> Array:
    """Whether components (n,) have the sign, where 0 counts as positive, as OpenSim does."""
    return (component >= 0.0) == (sign > 0)


def nearest_turn(angle: Array, other: Array) -> Array:
    """Angles (n,), whole turns added, that are nearest to others."""
    return angle + 2.0 * pi * namespace(angle).round((other - angle) / (2.0 * pi))


def columns(array: Array, index: Array) -> Array:
    """Columns of an array (…, n). NumPy's own indexing would lay them out column by column: ten times as slow later."""
    return namespace(array).take(array, alike(index, array), axis=-1)


def where_on(on: Array, first: Array, last: Array, arc: Array) -> tuple[Array, Array, Array]:
    """Points (3, n) and arcs (n,) of all pairs, from those of the pairs that are ``on``: NaN and 0 at the others."""
    xp = namespace(first)
    number = xp.cumulative_sum(xp.astype(on, xp.int64)) - 1
    number = xp.where(on, number, 0 * number)
    first, last = (xp.where(on, columns(one, number), xp.nan) for one in (first, last))
    return first, last, xp.where(on, columns(arc, number), 0.0)
