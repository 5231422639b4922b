"""Lengths and moment arms of muscle paths in many postures, and the places where a path snaps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import opensim

from ...polynomial.samples import Jump, Samples
from ...polynomial.snaps import Line, jumps_along
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


def survey(key: ModelKey, postures: Array, moving: Index) -> Array:
    """Largest |∂l/∂q| (N, M) in m/rad in postures (n, N), of muscles' lengths by the ``moving`` coordinates.

    The coordinates that do not move have zero slope.
    """
    session = load(key)
    everyone = np.arange(len(session.muscles))
    largest = np.zeros((len(session.coordinates), len(everyone)))
    for posture in postures:
        posture = assume(session, posture)
        for index in moving:
            ahead, behind = (_nearby(session, posture, np.array([index]), step, everyone) for step in (STEP, -STEP))
            largest[index] = np.fmax(largest[index], np.abs(ahead - behind) / (2.0 * STEP))
    return largest


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


def find_jumps(key: ModelKey, lines: Sequence[Line]) -> list[Jump]:
    """Where paths snap along lines: at most one jump, the largest, per muscle and line.

    Slopes are the lengthening speeds, which jump where a path does even where they are no slope of the length.
    """
    session = load(key)

    def probe(postures: Array, coordinates: Index, muscles: Index) -> Array:
        rows = zip(postures, coordinates, muscles, strict=True)
        return np.array([_at(session, posture, index, np.array([muscle]))[:, 0] for posture, index, muscle in rows])

    swept = [np.array([_at(session, one, line.coordinate, line.muscles) for one in line.postures]) for line in lines]
    return jumps_along(lines, swept, probe)


def _at(session: Session, posture: Array, coordinate: int, muscles: Index) -> Array:
    """(2, m) lengths, and lengthening speeds at unit speed of a coordinate."""
    posture = assume(session, posture)
    set_speed(session, jacobian(session, posture)[:, coordinate])
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
