"""Lengths and moment arms of muscle paths in many postures, and the places where a path snaps."""

from __future__ import annotations

import numpy as np
import opensim
from numpy.typing import NDArray

from ...polynomial.samples import Jump, Samples, Survey
from ..messages import ModelKey
from .couplers import follow, jacobian
from .paths import tension_arms, winding
from .session import Session, load
from .state import set_posture, set_speed

Array = NDArray[np.float64]
Index = NDArray[np.intp]
Mask = NDArray[np.bool_]

#: rad or m; step of the differences of the length. Wrapping converges to about 1e-9 m, so slopes are good to 1e-6, and
#: those to one side to 1e-4.
STEP = 1e-3
#: m; slopes ahead and behind that differ by more straddle a place where the path snaps: nothing is compared there.
STRADDLES = 5e-3
#: m; where the length departs from its neighbours' trend by so much, or the slope jumps by so much, is looked into.
LENGTH_JUMP, ARM_JUMP = 1e-4, 1e-3
#: Bisections that decide whether a jump is one: they shrink a smooth change by 64.
BISECTIONS = 6


def survey(key: ModelKey, postures: Array, moving: Index) -> Survey:
    """Find with which of the ``moving`` coordinates muscles' lengths vary.

    ``postures`` is (n, N); the coordinates that do not move have zero slope.
    """
    session = load(key)
    everyone = np.arange(len(session.muscles))
    largest = np.zeros((len(session.coordinates), len(everyone)))
    for posture in postures:
        posture = _assume(session, posture)
        for index in moving:
            ahead, behind = (_nearby(session, posture, [index], step, everyone) for step in (STEP, -STEP))
            largest[index] = np.fmax(largest[index], np.abs(ahead - behind) / (2.0 * STEP))
    return Survey(
        tuple(muscle.getAbsolutePathString() for muscle in session.muscles),
        tuple(coordinate.getAbsolutePathString() for coordinate in session.coordinates),
        largest,
    )


def sample(key: ModelKey, postures: Array, spans: Mask) -> Samples:
    """Lengths of all muscles and slopes of the pairs that ``spans`` (N, M) holds, in (n, N) postures.

    The slope is the negative of the moment arm of a tension along the path. Where the path is no chain of fixed points
    it is compared with the slope of OpenSim's length.
    """
    session = load(key)
    everyone = np.arange(len(session.muscles))
    compared = np.array([not _chain(muscle) for muscle in session.muscles])
    groups = _groups(spans)
    lengths = np.empty((len(postures), len(everyone)))
    slopes = np.empty((len(postures), int(spans.sum())))
    mismatch = np.zeros(len(everyone))
    for frame, posture in enumerate(postures):
        posture = _assume(session, posture)
        lengths[frame] = _lengths(session, everyone)
        slope = _slopes_by_tension(session, posture, spans, groups)
        slopes[frame] = slope[spans]
        sides = _slopes_by_length(session, posture, spans & compared, groups, lengths[frame])
        off = np.where(np.abs(sides[0] - sides[1]) > STRADDLES, 0.0, np.abs(sides - slope).min(axis=0))
        mismatch = np.fmax(mismatch, np.where(compared, np.fmax.reduce(off, axis=0), 0.0))
    return Samples(lengths, slopes, mismatch)


def _chain(muscle: opensim.Muscle) -> bool:
    """Whether a path runs through fixed points alone, so that its length is the integral of its moment arm."""
    return opensim.GeometryPath.safeDownCast(muscle.getPath()) is not None and not winding(muscle)


def _groups(spans: Mask) -> list[list[int]]:
    """Coordinates that can be moved at once, as no muscle spans two of them; greedy, in their order."""
    groups: list[list[int]] = []
    for index in np.flatnonzero(spans.any(axis=1)).tolist():
        group = next((own for own in groups if not (spans[own].any(axis=0) & spans[index]).any()), None)
        if group is None:
            groups.append([index])
        else:
            group.append(index)
    return groups


def _slopes_by_tension(session: Session, posture: Array, spans: Mask, groups: list[list[int]]) -> Array:
    """(N, M) negatives of the moment arms of tensions, in the posture that is set.

    They are the lengthening speeds at unit speeds, but for wrap points that a later pass of OpenSim's moved.
    """
    to_all = jacobian(session, posture)
    arms = tension_arms(session, to_all, np.flatnonzero([winding(muscle) for muscle in session.muscles]))
    by_speed = spans & ~np.isin(np.arange(len(session.muscles)), list(arms))
    slopes = np.zeros(spans.shape)
    for group in groups:
        muscles = np.flatnonzero(by_speed[group].any(axis=0))
        slopes[np.ix_(np.array(group), muscles)] = _speeds(session, to_all[:, group].sum(axis=1), muscles)
    for muscle, arm in arms.items():
        slopes[:, muscle] = -arm
    return np.where(spans, slopes, 0.0)


def _slopes_by_length(session: Session, posture: Array, spans: Mask, groups: list[list[int]], here: Array) -> Array:
    """(2, N, M) slopes of the length ahead of and behind the posture that is set, where its length is ``here`` (M,).

    Where a path sets in with a kink on one side, the other side has the slope that the tension has.
    """
    slopes = np.zeros((2, *spans.shape))
    for group in groups:
        muscles = np.flatnonzero(spans[group].any(axis=0))
        for side, step in enumerate((STEP, -STEP)):
            there = _nearby(session, posture, group, step, muscles)
            slopes[side][np.ix_(np.array(group), muscles)] = (there - here[muscles]) / step
    return np.where(spans, slopes, 0.0)


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
    return np.array([_lengths(session, muscles), _speeds(session, jacobian(session, moved)[:, coordinate], muscles)])


def _assume(session: Session, posture: Array) -> Array:
    """Set a posture, coupled coordinates following, and realize it."""
    posture = follow(session, posture.copy())
    set_posture(session, 0.0, posture)
    session.model.realizePosition(session.state)
    return posture


def _lengths(session: Session, muscles: Index) -> Array:
    return np.array([session.muscles[muscle].getLength(session.state) for muscle in muscles])


def _speeds(session: Session, rate: Array, muscles: Index) -> Array:
    """Lengthening speeds at these rates (N,) of the coordinates, in the posture that is set."""
    set_speed(session, rate)
    return np.array([session.muscles[muscle].getLengtheningSpeed(session.state) for muscle in muscles])


def _nearby(session: Session, posture: Array, coordinates: list[int], step: float, muscles: Index) -> Array:
    """Lengths with some coordinates moved, coupled ones following; the posture is then set again."""
    moved = posture.copy()
    moved[coordinates] += step
    moved = follow(session, moved)
    changed = np.flatnonzero(moved != posture)
    for index in changed:
        session.coordinates[index].setValue(session.state, float(moved[index]), False)
    session.model.realizePosition(session.state)
    lengths = _lengths(session, muscles)
    for index in changed:
        session.coordinates[index].setValue(session.state, float(posture[index]), False)
    return lengths
