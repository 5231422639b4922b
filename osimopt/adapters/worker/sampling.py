"""Lengths of muscle paths and their slopes in many postures, and the places where a path snaps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...polynomial.samples import Jump, Samples, Survey
from ..messages import ModelKey
from .couplers import follow, jacobian
from .paths import wraps
from .session import Session, load
from .state import set_posture, set_speed

Array = NDArray[np.float64]
Index = NDArray[np.intp]

#: rad or m; step of the differences of the length. Wrapping converges to about 1e-9 m, so slopes are good to 1e-6.
STEP = 1e-3
#: m; forward and backward slopes that differ by more straddle a place where the path snaps: no slope there.
STRADDLES = 5e-3
#: m; a lengthening speed further than this from the slope of the length is not used.
DISAGREES = 1e-5
#: m; where the length departs from its neighbours' trend by so much, or the slope jumps by so much, is looked into.
LENGTH_JUMP, ARM_JUMP = 1e-4, 1e-3
#: Bisections that decide whether a jump is one: they shrink a smooth change by 64.
BISECTIONS = 6


def survey(key: ModelKey, postures: Array, moving: Index) -> Survey:
    """Find in which of the ``moving`` coordinates muscles' lengths vary, and whose moment arms to doubt.

    ``postures`` is (n, N); the coordinates that do not move have zero slope.
    """
    session = load(key)
    everyone = np.arange(len(session.muscles))
    several = [wraps(muscle) > 1 for muscle in session.muscles]
    largest = np.zeros((len(session.coordinates), len(everyone)))
    spanned = largest > DISAGREES
    doubted = np.zeros(len(everyone))
    mismatch = np.zeros(len(everyone))
    for posture in postures:
        posture = _assume(session, posture)
        slopes = np.zeros_like(largest)
        here = _lengths(session, everyone)
        for index in moving:
            slopes[index] = _difference(session, posture, index, everyone, here)
        session.model.realizePosition(session.state)
        largest = np.fmax(largest, np.abs(slopes))
        spanned = largest > DISAGREES
        for index in moving:
            crossing = np.flatnonzero(spanned[index])
            apart = np.abs(_speeds(session, posture, index, crossing) - slopes[index, crossing])
            doubted[crossing] = np.fmax(doubted[crossing], apart)
        for muscle in np.flatnonzero(several | (doubted > DISAGREES)):
            for index in np.flatnonzero(spanned[:, muscle]):
                arm = session.muscles[muscle].computeMomentArm(session.state, session.coordinates[index])
                mismatch[muscle] = np.fmax(mismatch[muscle], abs(arm + slopes[index, muscle]))
    return Survey(
        tuple(muscle.getAbsolutePathString() for muscle in session.muscles),
        tuple(coordinate.getAbsolutePathString() for coordinate in session.coordinates),
        largest,
        np.flatnonzero(several | (doubted > DISAGREES)),
        mismatch,
    )


def sample(
    key: ModelKey, postures: Array, coordinate: Index, muscle: Index, differenced: Index, pulled: Index
) -> Samples:
    """Lengths of all muscles and slopes of the pairs (coordinate, muscle), (P,) each, in (n, N) postures.

    The slope is the lengthening speed at unit speed; that of the ``differenced`` muscles is taken from differences of
    the length, and for the ``pulled`` ones it is the negative of OpenSim's own moment arm.
    """
    session = load(key)
    everyone = np.arange(len(session.muscles))
    lengths = np.empty((len(postures), len(everyone)))
    slopes = np.empty((len(postures), len(coordinate)))
    slow, by_force = np.isin(muscle, differenced), np.isin(muscle, pulled)
    by_speed, by_difference = (
        [(i, pairs) for i in np.unique(coordinate) if (pairs := np.flatnonzero(chosen & (coordinate == i))).size]
        for chosen in (~slow & ~by_force, slow & ~by_force)
    )
    for frame, posture in enumerate(postures):
        posture = _assume(session, posture)
        lengths[frame] = _lengths(session, everyone)
        for index, pairs in by_speed:
            slopes[frame, pairs] = _speeds(session, posture, index, muscle[pairs])
        for index, pairs in by_difference:
            own = muscle[pairs]
            slopes[frame, pairs] = _difference(session, posture, index, own, lengths[frame, own])
        for pair in np.flatnonzero(by_force):
            about = session.coordinates[coordinate[pair]]
            slopes[frame, pair] = -session.muscles[muscle[pair]].computeMomentArm(session.state, about)
    return Samples(lengths, slopes)


def find_jumps(key: ModelKey, postures: Array, coordinate: int, muscles: Index, steps: Array) -> list[Jump]:
    """Where paths snap as one coordinate moves through ``steps``, the others as in each of the (n, N) postures.

    At most one jump, the largest, per muscle and posture. Slopes are the lengthening speeds, which jump where a path
    does even where they are no slope of the length.
    """
    session = load(key)
    found = []
    for posture in postures:
        lines = np.array([_probe(session, posture, coordinate, step, muscles) for step in steps])
        length, arm = lines[:, 0], lines[:, 1]
        rise = np.diff(length, axis=0)
        around = np.concatenate([rise[1:2], rise, rise[-2:-1]])
        odd = np.abs(rise - 0.5 * (around[:-2] + around[2:])) > LENGTH_JUMP
        turn = np.diff(arm, axis=0)
        around = np.concatenate([turn[1:2], turn, turn[-2:-1]])
        odd |= np.abs(turn - 0.5 * (around[:-2] + around[2:])) > ARM_JUMP
        for column, muscle in enumerate(muscles):
            jumps = [
                _close_in(session, posture, coordinate, int(muscle), steps[i], steps[i + 1])
                for i in np.flatnonzero(odd[:, column])
            ]
            real = [jump for jump in jumps if jump is not None]
            if real:
                found.append(max(real, key=lambda jump: jump.size))
    return found


def _close_in(session: Session, posture: Array, coordinate: int, muscle: int, low: float, high: float) -> Jump | None:
    """Bisect towards the larger half of a change; it is a jump where it does not shrink with the interval."""
    only = np.array([muscle])
    at = {x: _probe(session, posture, coordinate, x, only)[:, 0] for x in (low, high)}
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        at[middle] = _probe(session, posture, coordinate, middle, only)[:, 0]
        left, right = _size(at[low], at[middle], middle - low), _size(at[middle], at[high], high - middle)
        low, high = (low, middle) if left > right else (middle, high)
    length, arm = _changes(at[low], at[high], high - low)
    if length > LENGTH_JUMP or arm > ARM_JUMP:
        return Jump(muscle, coordinate, 0.5 * (low + high), float(length), float(arm), posture)
    return None


def _changes(before: Array, after: Array, step: float) -> Array:
    """Change of the length that the smaller of the slopes does not explain, and change of the slope."""
    explained = np.abs(np.array([before[1], after[1]])).max() * step
    return np.array([max(abs(after[0] - before[0]) - explained, 0.0), abs(after[1] - before[1])])


def _size(before: Array, after: Array, step: float) -> float:
    length, arm = _changes(before, after, step)
    return float(length / LENGTH_JUMP + arm / ARM_JUMP)


def _probe(session: Session, posture: Array, coordinate: int, value: float, muscles: Index) -> Array:
    """(2, m) length and lengthening speed at unit speed, with one coordinate moved."""
    moved = posture.copy()
    moved[coordinate] = value
    moved = _assume(session, moved)
    return np.array([_lengths(session, muscles), _speeds(session, moved, coordinate, muscles)])


def _assume(session: Session, posture: Array) -> Array:
    """Set a posture, coupled coordinates following, and realize it."""
    posture = follow(session, posture.copy())
    set_posture(session, 0.0, posture)
    session.model.realizePosition(session.state)
    return posture


def _lengths(session: Session, muscles: Index) -> Array:
    return np.array([session.muscles[muscle].getLength(session.state) for muscle in muscles])


def _speeds(session: Session, posture: Array, coordinate: int, muscles: Index) -> Array:
    """Lengthening speeds at unit speed of one coordinate, in the posture that is set."""
    set_speed(session, jacobian(session, posture)[:, coordinate])
    return np.array([session.muscles[muscle].getLengtheningSpeed(session.state) for muscle in muscles])


def _difference(session: Session, posture: Array, coordinate: int, muscles: Index, here: Array) -> Array:
    """Slopes by central differences around the posture that is set; NaN where a path snaps in between."""
    ahead, behind = (_nearby(session, posture, coordinate, step, muscles) for step in (STEP, -STEP))
    straddles = np.abs(ahead - 2.0 * here + behind) > STRADDLES * STEP
    return np.where(straddles, np.nan, (ahead - behind) / (2.0 * STEP))


def _nearby(session: Session, posture: Array, coordinate: int, step: float, muscles: Index) -> Array:
    """Lengths with one coordinate moved, coupled ones following; the posture is then set again."""
    moved = posture.copy()
    moved[coordinate] += step
    moved = follow(session, moved)
    changed = np.flatnonzero(moved != posture)
    for index in changed:
        session.coordinates[index].setValue(session.state, float(moved[index]), False)
    session.model.realizePosition(session.state)
    lengths = _lengths(session, muscles)
    for index in changed:
        session.coordinates[index].setValue(session.state, float(posture[index]), False)
    return lengths
