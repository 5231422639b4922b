"""The search for the shortest geodesic over an ellipsoid, from paths in planes."""

from __future__ import annotations

import math
from itertools import product
from typing import NamedTuple

from ..namespace import namespace
from .contact import Array
from .ellipsoid_aim import Spans, aim, ends_of
from .ellipsoid_geodesic import PHASE
from .ellipsoid_side import leading_point
from .ellipsoid_start import PLANES, plane_paths
from .extrapolation import LANES

#: What is left of the two conditions, in mean radii; of the normal's length.
TOLERANCE, DRIFT = 1e-8, 1e-8
#: Newton's steps from one start, the rough ones among them, the largest change of the angle (rad) and of the duration
#: (as a share) in one.
STEPS, ROUGH, TURN, STRETCH = 14, 2, 0.3, 0.5
#: Planes beside that of the shortest path, or of the longest, in which starts are tried.
ASIDE = (0, 1, -1, 2, -2, 3, -3)


class Found(NamedTuple):
    """Zero directions (3, n), angles, durations and numbers of pieces (n,), contacts and arcs (7, n); NaN if none."""

    zero: Array
    angle: Array
    duration: Array
    pieces: Array
    ends: Array


def solve(start: Array, end: Array, size: Array, axis: Array, sign: Array) -> Found:
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
        for number in sorted(set(pieces[todo].tolist())):
            here = xp.nonzero(pieces[todo] == number)[0]
            there = todo[here]
            spans = Spans(start, end, size, zero).take(there)
            angle[there], duration[there], ends[:, there] = newton(spans, guess[here], number, least[there])
    return Found(zero, angle, duration, pieces, ends)


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
