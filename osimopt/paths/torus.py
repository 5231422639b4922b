"""Shortest paths through rings: geodesics on the inner side of a torus that leave along straight tangents.

A torus of OpenSim has the radius ``inner`` of its tube and the radius ``outer`` of the circle in its middle, around z.
Everything is in its frame, components first, n pairs of points last. Four unknowns describe a path: where the geodesic
begins, its direction and its length. Newton's steps are variations of the geodesic (Scholz et al. 2015,
doi:10.1007/s11044-015-9451-1).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ..namespace import detached, namespace
from .contact import Array, Touch, along, columns, on_side, where_on
from .cylinder import wrap_cylinder
from .extrapolation import extrapolate
from .vectors import dot

#: What is left of the four conditions, in radii of the tube; of the direction's length.
TOLERANCE, DRIFT = 1e-8, 1e-9
#: Newton's steps, the largest in radii of the tube, the arc in radii that one extrapolation follows.
STEPS, LARGEST, PIECE = 25, 0.4, 0.8
#: Points of the straight line among which its nearest to the ring is searched, and steps to it.
SAMPLES, POLISH = 33, 20
#: m, longer than any ring: OpenSim puts a cylinder of endless length at the nearest point.
ENDLESS = 1e4


class RingGeodesic(NamedTuple):
    """First points' angle on the tube and azimuth, direction from the meridian (rad), length (m): (n,) each."""

    tube: Array
    azimuth: Array
    direction: Array
    length: Array

    def take(self, which: Array) -> RingGeodesic:
        """Those of a mask or of indices."""
        return RingGeodesic(*(array[which] for array in self))


class RingPoint(NamedTuple):
    """A point, the outer normal, the direction, the vector across (3, n); curvature and twist (n,) in 1/m."""

    place: Array
    normal: Array
    forward: Array
    across: Array
    curvature: Array
    twist: Array


class RingStep(NamedTuple):
    """A curve's ends and drift, and the step to tangency: of the curve, of its first and of its last point (3, n)."""

    first: RingPoint
    last: RingPoint
    drift: Array
    change: RingGeodesic
    move_first: Array
    move_last: Array
    left: Array


def wrap_torus(start: Array, end: Array, size: Array, axis: Array, sign: Array) -> Touch:
    """Shortest paths between points through rings, on the inner side of the tube.

    Whether a path wraps is decided as OpenSim 4.6 does: by the cylinder that touches the ring where the straight line
    is nearest to it, with its quadrant towards the ring's center. OpenSim's path is a helix on that cylinder, here it
    is a geodesic of the torus. OpenSim looks for the point nearest to a circle of twice the radius, as its residual has
    a factor 2 too many; here it is the nearest to the ring.

    Parameters
    ----------
    start, end : (3, n) arrays of NumPy or torch
        Points in the rings' frames, m.
    size : (2, n) array
        Radii of the tube and of the circle in its middle, m: OpenSim's inner and outer radius.
    axis, sign : (n,) arrays of integers
        OpenSim's quadrant, axis 0, 1, 2 and sign -1, 1 or 0 for all, in which the line's point nearest to the ring
        has to be.

    Returns
    -------
    Touch
        NaN in points and arc where the path wraps and no geodesic that keeps touching the tube was found.
    """
    xp = namespace(start)
    one, two, radii = map(detached, (start, end, size))
    azimuth, found = nearest(one, two, radii, axis, sign)
    on, inside, curve = cylinder_path(one, two, radii, azimuth, found)
    if not bool(xp.any(on)):
        nowhere = xp.full_like(start, math.nan)  # start times NaN would have gradients of NaN
        return Touch(on, nowhere, nowhere, 0 * start[0], inside, on, 0 * start[0])
    which = xp.nonzero(on)[0]
    one, two, radii = (columns(array, which) for array in (one, two, radii))
    curve = newton(one, two, radii, curve.take(which))
    begin, finish, ring = (columns(array, which) for array in (start, end, size))
    step = aim(begin, finish, ring, curve)
    first, last = step.first.place + step.move_first, step.last.place + step.move_last
    found = where_on(on, first, last, curve.length + step.change.length)
    return Touch(on, *found, inside, on & ~on, 0 * start[0])


def nearest(start: Array, end: Array, size: Array, axis: Array, sign: Array) -> tuple[Array, Array]:
    """Azimuths (n,) of the points of straight lines that are nearest to the rings, and whether (n,) there is one."""
    xp = namespace(start)
    share = xp.asarray(np.linspace(0.0, 1.0, SAMPLES), dtype=start.dtype, device=start.device)[:, None]

    def distance(share: Array) -> tuple[Array, Array]:
        point = start[:, None] + share * (end - start)[:, None]
        height = xp.sqrt(point[0] ** 2 + point[1] ** 2) - size[1]
        allowed = (sign == 0) | on_side(along(point, axis), sign)
        return xp.where(allowed, height**2 + point[2] ** 2, math.inf + 0 * height), point

    sampled = distance(share)[0]
    found = xp.any(sampled < math.inf, axis=0)
    best = share[xp.argmin(sampled, axis=0), 0]
    low, high = xp.clip(best - 1 / (SAMPLES - 1), min=0.0), xp.clip(best + 1 / (SAMPLES - 1), max=1.0)
    for _ in range(POLISH):  # golden section
        one, two = high - 0.6180339887498949 * (high - low), low + 0.6180339887498949 * (high - low)
        values = distance(xp.stack([one, two]))[0]
        left = values[0] <= values[1]
        low, high = xp.where(left, low, one), xp.where(left, two, high)
    point = distance((0.5 * (low + high))[None])[1][:, 0]
    return xp.atan2(point[1], point[0]), found


def cylinder_path(
    start: Array, end: Array, size: Array, azimuth: Array, found: Array
) -> tuple[Array, Array, RingGeodesic]:
    """Whether (n,) paths wrap over OpenSim's cylinders, a point is inside the tube, and where the search starts."""
    xp = namespace(start)
    cosine, sine = xp.cos(azimuth), xp.sin(azimuth)
    local = []  # the cylinder's x is towards the center, its y against z
    for point in (start, end):
        radial, tangential = cosine * point[0] + sine * point[1], cosine * point[1] - sine * point[0]
        local.append(xp.stack([size[1] - radial, -point[2], tangential]))
    inside = xp.any(
        xp.stack([(xp.hypot(p[0], p[1]) - size[1]) ** 2 + p[2] ** 2 < size[0] ** 2 for p in (start, end)]), axis=0
    )
    ones = xp.ones_like(azimuth)
    whole = xp.astype(ones, xp.int64)
    cylinder = xp.stack([size[0], ENDLESS * ones])
    contact = wrap_cylinder(local[0], local[1], cylinder, 0 * whole, whole)
    on = contact.on & found & ~inside
    first, last = (xp.where(on, one, 1 + 0 * one) for one in (contact.first, contact.last))
    tubes = [xp.atan2(-one[1], -one[0]) for one in (first, last)]
    turn = contact.arc**2 - (last[2] - first[2]) ** 2
    turn = xp.sqrt(xp.clip(turn, min=0.0)) / size[0]
    short = xp.atan2(xp.sin(tubes[1] - tubes[0]), xp.cos(tubes[1] - tubes[0]))
    sense = xp.where((short >= 0) == (turn < math.pi), 1.0 + 0 * short, -1.0 + 0 * short)
    direction = xp.atan2(last[2] - first[2], xp.where(turn > 1e-12, sense * size[0] * turn, sense))
    shifted = azimuth + xp.atan2(first[2], size[1] - first[0])
    return on, inside, RingGeodesic(tubes[0], shifted, direction, contact.arc)


def newton(start: Array, end: Array, size: Array, curve: RingGeodesic) -> RingGeodesic:
    """Curves with tangents to both points; NaN where none is found."""
    xp = namespace(start)
    result = [curve.tube * math.nan for _ in curve]
    left = xp.arange(start.shape[1], device=start.device)
    for _ in range(STEPS):
        one, two, radii = (columns(array, left) for array in (start, end, size))
        step = aim(one, two, radii, curve)
        done = step.left < TOLERANCE
        pressed = (step.first.curvature > 0) & (step.last.curvature > 0)
        good = done & (step.drift < DRIFT) & pressed & (curve.length >= 0)
        for values, own in zip(result, curve, strict=True):
            values[left[good]] = own[good]
        going = xp.nonzero(~done & (step.left < math.inf))[0]
        if going.shape[0] == 0:
            break
        radius = size[0][left]
        largest = (xp.abs(step.change.tube) + xp.abs(step.change.direction)) * radius + xp.abs(step.change.length)
        share = LARGEST * radius / xp.maximum(largest, LARGEST * radius)
        curve = RingGeodesic(*((own + share * change)[going] for own, change in zip(curve, step.change, strict=True)))
        left = left[going]
        curve = RingGeodesic(*curve[:3], xp.minimum(xp.clip(curve.length, min=0.0), 2 * math.pi * size[0][left]))
    return RingGeodesic(*result)


def aim(start: Array, end: Array, size: Array, curve: RingGeodesic) -> RingStep:
    """The ends of curves, and the step that would make both tangents meet their points."""
    xp = namespace(start)
    first = point_of(size, curve.tube, curve.azimuth, xp.cos(curve.direction), xp.sin(curve.direction))
    last, jacobi, drift = follow(size, curve)
    back, rest = start - first.place, end - last.place
    near, far = -dot(back, first.forward), dot(rest, last.forward)
    # the neighbour's distance at first, and the opening there: both straight parts have to meet their points
    one, two = jacobi[0] + far * jacobi[1], jacobi[2] + far * jacobi[3]
    sideways = dot(back, first.across)
    opening = (dot(rest, last.across) - one * sideways) / (one * near + two)
    aside = sideways + near * opening
    slide = (dot(back, first.normal) / near - first.twist * aside) / first.curvature
    beyond = jacobi[0] * aside + jacobi[2] * opening
    more = (-dot(rest, last.normal) / far - last.twist * beyond) / last.curvature
    move_first = first.forward * slide + first.across * aside
    move_last = last.forward * more + last.across * beyond
    ring = size[1] + size[0] * xp.cos(curve.tube)
    cosine, sine = xp.cos(curve.direction), xp.sin(curve.direction)
    tube = (cosine * slide + sine * aside) / size[0]
    azimuth = (sine * slide - cosine * aside) / ring
    # the frame of meridian and parallel turns against parallel directions
    turned = -opening + xp.sin(curve.tube) * azimuth
    change = RingGeodesic(tube, azimuth, turned, more - slide)
    left = sum(
        xp.abs(dot(miss, way))
        for miss, end_of in ((back, first), (rest, last))
        for way in (end_of.normal, end_of.across)
    )
    return RingStep(first, last, drift, change, move_first, move_last, left / size[0])


def point_of(size: Array, tube: Array, azimuth: Array, meridian: Array, parallel: Array) -> RingPoint:
    """Points at angles (n,), with directions whose shares along the meridian and the parallel are given (n,)."""
    xp = namespace(tube)
    u, v, cosine, sine = xp.cos(tube), xp.sin(tube), xp.cos(azimuth), xp.sin(azimuth)
    ring = size[1] + size[0] * u
    normal = xp.stack([u * cosine, u * sine, v])
    place = xp.stack([ring * cosine, ring * sine, size[0] * v])
    around = xp.stack([-v * cosine, -v * sine, u]), xp.stack([-sine, cosine, 0 * u])
    forward = meridian * around[0] + parallel * around[1]
    across = parallel * around[0] - meridian * around[1]
    bends = 1 / size[0], u / ring
    curvature = meridian**2 * bends[0] + parallel**2 * bends[1]
    return RingPoint(place, normal, forward, across, curvature, meridian * parallel * (bends[0] - bends[1]))


def follow(size: Array, curve: RingGeodesic) -> tuple[RingPoint, tuple[Array, Array, Array, Array], Array]:
    """The last points of geodesics; distances and openings of two neighbours each; the drift.

    The first neighbour begins 1 m aside and parallel, the second at the same point and opens by 1 m per m.
    """
    xp = namespace(curve.tube)
    ring = size[1] + size[0] * xp.cos(curve.tube)
    turning = ring * xp.sin(curve.direction)  # Clairaut's constant
    arc = curve.length / detached(size)[0]
    arc = xp.where(xp.isnan(arc), xp.zeros_like(arc), arc)
    pieces = max(1, math.ceil(float(xp.max(arc)) / PIECE))
    zero = 0 * curve.length
    state = (curve.tube, xp.cos(curve.direction) / size[0], curve.azimuth, zero + 1, zero, zero, zero + 1)

    def stage(state: tuple[Array, ...], before: Array, after: Array) -> tuple[Array, ...]:
        tube, rate, azimuth, one, one_rate, two, two_rate = state
        kick, ring = before + after, size[1] + size[0] * xp.cos(tube)
        azimuth = azimuth + kick * turning / (ring * ring)
        rate = rate - kick * (turning * turning) * xp.sin(tube) / (size[0] * ring**3)
        bend, drift = kick * xp.cos(tube) / (size[0] * ring), 2 * after
        one_rate, two_rate = one_rate - bend * one, two_rate - bend * two
        return (
            tube + drift * rate, rate, azimuth, one + drift * one_rate, one_rate, two + drift * two_rate, two_rate,
        )  # fmt: skip

    tube, rate, azimuth, one, one_rate, two, two_rate = extrapolate(stage, state, curve.length, pieces)
    ring = size[1] + size[0] * xp.cos(tube)
    meridian, parallel = size[0] * rate, turning / ring
    unit = xp.sqrt(meridian**2 + parallel**2)
    last = point_of(size, tube, azimuth, meridian / unit, parallel / unit)
    return last, (one, one_rate, two, two_rate), xp.abs(unit - 1)
