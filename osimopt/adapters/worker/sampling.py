"""Lengths and moment arms of muscle paths in many postures, and the places where a path snaps."""

from __future__ import annotations

import numpy as np
import opensim

from ...polynomial.samples import Jump, Samples, Survey
from ...problem.arrays import Array, Index
from ..messages import Mask, ModelKey
from .constraints import assume, follow, jacobian
from .geometry import ArmPlan, lengthening_speeds, make_plan, moment_arms, muscle_lengths
from .parts import Session
from .paths import winding
from .session import load
from .state import set_speed

#: rad or m; step of the differences of the length. Wrapping converges to about 1e-9 m, so slopes are good to 1e-6, and
#: one-sided ones to 1e-4.
STEP = 1e-3
#: m; slopes ahead and behind that differ by more straddle a place where the path snaps: nothing is compared there.
STRADDLES = 5e-3
#: m; departure of the length from its neighbours' trend, or jump of the slope, beyond which a place is searched.
LIMITS = np.array([1e-4, 1e-3])
#: Bisections that decide whether a jump is one: they shrink a smooth change by 64.
BISECTIONS = 6


def survey(key: ModelKey, postures: Array, moving: Index) -> Survey:
    """Find the coordinates, among the ``moving`` ones, with which muscles' lengths vary.

    ``postures`` is (n, N); the coordinates that do not move have zero slope.
    """
    session = load(key)
    everyone = np.arange(len(session.muscles))
    largest = np.zeros((len(session.coordinates), len(everyone)))
    for posture in postures:
        posture = assume(session, posture)
        for index in moving:
            ahead, behind = (_nearby(session, posture, np.array([index]), step, everyone) for step in (STEP, -STEP))
            largest[index] = np.fmax(largest[index], np.abs(ahead - behind) / (2.0 * STEP))
    return Survey(
        tuple(muscle.getAbsolutePathString() for muscle in session.muscles),
        tuple(coordinate.getAbsolutePathString() for coordinate in session.coordinates),
        largest,
    )


def sample(key: ModelKey, postures: Array, spans: Mask) -> Samples:
    """Lengths of all muscles and slopes of the pairs that ``spans`` (N, M) holds, in (n, N) postures.

    The slope is the negative of the moment arm of a tension along the path (the lengthening speed at unit speed, except
    at wrap points that a later pass of OpenSim's moved). Where the path is no chain of fixed points it is compared with
    the slope of OpenSim's length.
    """
    session = load(key)
    everyone = np.arange(len(session.muscles))
    winds = np.array([winding(muscle) for muscle in session.muscles])
    points = [opensim.GeometryPath.safeDownCast(muscle.getPath()) is not None for muscle in session.muscles]
    compared = winds | ~np.array(points)  # other paths are chains of fixed points, whose lengths are exact
    plan = make_plan(spans, np.flatnonzero(winds))
    lengths = np.empty((len(postures), len(everyone)))
    slopes = np.empty((len(postures), int(spans.sum())))
    mismatch = np.zeros(len(everyone))
    for frame, posture in enumerate(postures):
        posture = assume(session, posture)
        lengths[frame] = muscle_lengths(session, everyone)
        slope = np.where(spans, -moment_arms(session, jacobian(session, posture), plan), 0.0)
        slopes[frame] = slope[spans]
        sides = _slopes_by_length(session, posture, plan, compared, lengths[frame])
        off = np.where(np.abs(sides[0] - sides[1]) > STRADDLES, 0.0, np.abs(sides - slope).min(axis=0))
        mismatch = np.fmax(mismatch, np.where(compared, np.fmax.reduce(off, axis=0), 0.0))
    return Samples(lengths, slopes, mismatch)


def _slopes_by_length(session: Session, posture: Array, plan: ArmPlan, compared: Mask, here: Array) -> Array:
    """(2, N, M) slopes of the length ahead of and behind the posture that is set, of the muscles that are compared.

    The length in the posture is ``here`` (M,). Where a path begins to wrap with a kink on one side, the other side has
    the slope that the tension has.
    """
    slopes = np.zeros((2, *plan.spanned.shape))
    for group, spanning in plan.groups:
        muscles = spanning[compared[spanning]]
        for side, step in enumerate((STEP, -STEP)):
            there = _nearby(session, posture, group, step, muscles)
            slopes[side][np.ix_(group, muscles)] = (there - here[muscles]) / step
    return np.where(plan.spanned & compared, slopes, 0.0)


def find_jumps(key: ModelKey, postures: Array, coordinate: int, muscles: Index, steps: Array) -> list[Jump]:
    """Where paths snap as one coordinate moves through ``steps``, the others as in each of the (n, N) postures.

    At most one jump, the largest, per muscle and posture. Slopes are the lengthening speeds, which jump where a path
    does even where they are no slope of the length.
    """
    session = load(key)
    found = []
    for posture in postures:
        lines = np.array([_probe(session, posture, coordinate, step, muscles) for step in steps])
        rise = np.diff(lines, axis=0)
        around = np.concatenate([rise[1:2], rise, rise[-2:-1]])
        beyond = np.abs(rise - 0.5 * (around[:-2] + around[2:])) > LIMITS[:, None]
        odd = beyond.any(axis=1)
        for column, muscle in enumerate(muscles):
            jumps = [
                _close_in(session, posture, coordinate, int(muscle), steps[i], steps[i + 1])
                for i in np.flatnonzero(odd[:, column])
            ]
            if real := [jump for jump in jumps if jump is not None]:
                found.append(max(real, key=lambda jump: jump.size))
    return found


def _close_in(session: Session, posture: Array, coordinate: int, muscle: int, low: float, high: float) -> Jump | None:
    """Bisect towards the larger half of a change; it is a jump where it does not shrink with the interval."""
    only = np.array([muscle])
    at = {x: _probe(session, posture, coordinate, x, only)[:, 0] for x in (low, high)}
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        at[middle] = _probe(session, posture, coordinate, middle, only)[:, 0]
        left, right = _changes(at[low], at[middle], middle - low), _changes(at[middle], at[high], high - middle)
        low, high = (low, middle) if (left / LIMITS).sum() > (right / LIMITS).sum() else (middle, high)
    length, arm = _changes(at[low], at[high], high - low)
    if length > LIMITS[0] or arm > LIMITS[1]:
        return Jump(muscle, coordinate, 0.5 * (low + high), float(length), float(arm), posture)
    return None


def _changes(before: Array, after: Array, step: float) -> Array:
    """Change of the length that the larger of the slopes does not explain, and change of the slope."""
    explained = np.abs([before[1], after[1]]).max() * step
    return np.array([max(abs(after[0] - before[0]) - explained, 0.0), abs(after[1] - before[1])])


def _probe(session: Session, posture: Array, coordinate: int, value: float, muscles: Index) -> Array:
    """(2, m) length and lengthening speed at unit speed, with one coordinate moved."""
    moved = posture.copy()
    moved[coordinate] = value
    moved = assume(session, moved)
    set_speed(session, jacobian(session, moved)[:, coordinate])
    return np.array([muscle_lengths(session, muscles), lengthening_speeds(session, muscles)])


def _nearby(session: Session, posture: Array, coordinates: Index, step: float, muscles: Index) -> Array:
    """Lengths with some coordinates moved, coupled ones following; the posture is then set again."""
    moved = posture.copy()
    moved[coordinates] += step
    moved = follow(session, moved)
    changed = np.flatnonzero(moved != posture)
    for index in changed:
        session.coordinates[index].setValue(session.state, float(moved[index]), False)
    session.model.realizePosition(session.state)
    lengths = muscle_lengths(session, muscles)
    for index in changed:
        session.coordinates[index].setValue(session.state, float(posture[index]), False)
    return lengths
