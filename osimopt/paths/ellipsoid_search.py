"""The search for the shortest geodesic over an ellipsoid, from paths in planes."""

from __future__ import annotations

import math
from itertools import product

from ..namespace import namespace
from .contact import Array, along
from .ellipsoid_aim import Spans, aim
from .ellipsoid_geodesic import PHASE
from .ellipsoid_start import plane_paths
from .extrapolation import COUNTS

#: What is left of the two conditions, in mean radii; of the normal's length.
TOLERANCE, DRIFT = 1e-8, 1e-9
#: Newton's steps from one start, the rough ones among them, the largest change of the angle (rad) and of the duration
#: (as a share) in one.
STEPS, ROUGH, TURN, STRETCH = 14, 2, 0.3, 0.5
#: Starts, and their kinds: in planes whose path is the shortest, or the longest, beside its neighbours.
TRIES = 6
LEAST, MOST, OTHER = 0, 1, 2


def solve(start: Array, end: Array, size: Array, axis: Array, sign: Array) -> tuple[Array, Array, Array, Array]:
    """Zero directions (3, n), angles, durations and numbers of pieces (n,); NaN angles where nothing was found."""
    xp = namespace(start)
    planes = plane_paths(start, end, size)
    order, rank = priorities(planes.length, along(planes.middle, axis) * sign)
    every = xp.arange(start.shape[1])
    angle, duration, pieces = start[0] * math.nan, 0 * start[0], xp.ones_like(every)
    best, radius = start[0] * 0 - math.inf, xp.min(size, axis=0)
    zero = planes.first[:, order[0], every] - start / size
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
            pairs = Spans(start[:, there], end[:, there], size[:, there], chosen[:, here])
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


def newton(pairs: Spans, duration: Array, pieces: int, least: Array) -> tuple[Array, Array]:
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


def quadrant(pairs: Spans, angle: Array, duration: Array, pieces: int, axis: Array, sign: Array) -> Array:
    """How far (n,) the geodesics' middles are in the quadrants, in radii; -inf where there is none."""
    xp = namespace(angle)
    missing = xp.isnan(angle)
    value = 0 * duration
    if bool(xp.any(sign != 0)):
        middle = aim(pairs, xp.where(missing, value, angle), 0.5 * duration, pieces).geodesic.point
        value = along(middle / pairs.size, axis) * sign
    return xp.where(missing, value - math.inf, value)
