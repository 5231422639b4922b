"""Geometry, gain and inverse dynamics along a motion, one pass over the frames."""

from __future__ import annotations

from typing import Any

import numpy as np
import opensim
from numpy.typing import NDArray

from ...problem.arrays import Kinematics
from ..messages import FrameArrays, ModelKey, Pairs, Wanted
from .geometry import make_plan, moment_arms
from .session import Session, load, warnings_since
from .state import net_force, set_posture, set_speed, to_speeds

Array = NDArray[np.float64]

#: m/s at 1 rad/s; a lengthening speed that no pair explains by more than this is no rounding (which leaves 1e-14).
UNEXPLAINED = 1e-6
#: Every so many frames (and in the first of each chunk) OpenSim is asked for all lengthening speeds, as a check.
CHECK_EVERY = 25


def extract(key: ModelKey, motion: Kinematics, pairs: Pairs, wanted: Wanted) -> FrameArrays:
    """Moment arms of the given pairs, lengths, lengthening speeds, gain and generalized forces, as far as wanted."""
    session = load(key)
    free = session.free()
    speed, acceleration, time = motion.speed, motion.acceleration, motion.time
    plan = make_plan(session, pairs.coordinate, pairs.muscle, pairs.spanned, pairs.probed)
    fixed, changing = _split_effects(session)
    turning = {index for joint in session.turning for index in joint}
    constant = not changing and all(coordinate in free and coordinate not in turning for _, coordinate, _ in fixed)
    driven = session.driven()
    rows: dict[str, list[Any]] = {name: [] for name in ("arms", "length", "speed", "gain", "passive", "tau", "effect")}
    unexplained: set[str] = set()
    for frame in range(len(time)):
        set_posture(session, time[frame], motion.value[frame])
        to_free = _to_free(motion, frame)[:, free]
        if wanted.muscles:
            rows["arms"].append(moment_arms(session, to_free, plan))
        set_speed(session, speed[frame])
        if wanted.muscles:
            rows["length"].append([session.muscles[muscle].getLength(session.state) for muscle in wanted.muscles])
            explained = _explained(rows["arms"][-1], speed[frame, free], pairs, len(session.muscles))
            asked = wanted.muscles if driven else pairs.probed
            rows["speed"].append(_lengthening_speeds(session, explained, asked)[list(wanted.muscles)])
            if frame % CHECK_EVERY == 0 and not driven:
                known = np.setdiff1d(wanted.muscles, pairs.probed)
                unexplained |= _unexplained(session, explained, speed[frame, free], known)
        if wanted.asked:
            rows["gain"].append(_gains(session, wanted.asked))
            rows["passive"].append(_passive_forces(session, wanted.asked) if wanted.passive_force else [])
        needed = wanted.generalized_force or bool(changing)
        target = net_force(session, acceleration[frame]) if needed else np.zeros(len(session.coordinates))
        if wanted.generalized_force:
            rows["tau"].append(to_free.T @ target)
        if not (constant and rows["effect"]):
            rows["effect"].append(_effects(session, to_free, acceleration[frame], fixed, changing, target))
    return FrameArrays(
        moment_arms=np.array(rows["arms"]) if wanted.muscles else None,
        length=np.array(rows["length"]) if wanted.muscles else None,
        lengthening_speed=np.array(rows["speed"]) if wanted.muscles else None,
        max_force=np.array(rows["gain"], dtype=float).reshape(len(time), len(wanted.asked)),
        passive_force=np.array(rows["passive"], dtype=float).reshape(len(time), -1),
        generalized_force=np.array(rows["tau"]) if wanted.generalized_force else None,
        effect=np.array(rows["effect"]),
        unexplained=tuple(sorted(unexplained)),
        warnings=warnings_since(),
    )


def _to_free(motion: Kinematics, frame: int) -> Array:
    """(N, N) matrix from independent speeds to all speeds."""
    matrix = np.eye(len(motion.coordinates))
    if motion.coupling is not None:
        matrix[motion.coupling.dependent, motion.coupling.independent] = motion.coupling.slope[frame]
    return matrix


def _explained(arms: Array, speed: Array, pairs: Pairs, muscles: int) -> Array:
    """l̇ = −Σ_j r_j q̇_j (M,): it holds to rounding."""
    return np.asarray(-np.bincount(pairs.muscle, arms * speed[pairs.coordinate], muscles), dtype=float)


def _lengthening_speeds(session: Session, explained: Array, asked: Any) -> Array:
    """Lengthening speeds (M,); OpenSim is asked for those that moment arms do not explain."""
    speeds = explained.copy()
    for muscle in asked:
        speeds[muscle] = session.muscles[muscle].getLengtheningSpeed(session.state)
    return speeds


def _unexplained(session: Session, explained: Array, speed: Array, known: Any) -> set[str]:
    """Muscles that lengthen faster than their moment arms explain: they act where they were not thought to.

    Muscles whose moment arm is not −∂l/∂q cannot be judged so, and are not among the ``known``.
    """
    asked = np.array([session.muscles[muscle].getLengtheningSpeed(session.state) for muscle in known])
    off = np.abs(asked - explained[known]) > UNEXPLAINED * max(1.0, float(np.abs(speed).max()))
    return {session.muscles[muscle].getName() for muscle in known[off]}


def _gains(session: Session, asked: tuple[int, ...]) -> list[float]:
    """Tendon force at activation 1 with a rigid tendon, as OpenSim's static optimization takes it."""
    return [session.muscles[m].calcInextensibleTendonActiveFiberForce(session.state, 1.0) for m in asked]


def _passive_forces(session: Session, asked: tuple[int, ...]) -> list[float]:
    """Elastic passive fibre force along the tendon; the session was loaded with inextensible tendons."""
    session.model.realizeDynamics(session.state)
    return [session.muscles[m].getPassiveFiberForceAlongTendon(session.state) for m in asked]


def _split_effects(session: Session) -> tuple[list[tuple[int, int, float]], list[int]]:
    """Actuators on a coordinate, as (column, coordinate, optimal force), and those whose effect the posture decides."""
    names = [coordinate.getName() for coordinate in session.coordinates]
    fixed, changing = [], []
    for column, actuator in enumerate(session.actuators):
        if on_coordinate := opensim.CoordinateActuator.safeDownCast(actuator):
            coordinate = names.index(on_coordinate.getCoordinate().getName())
            fixed.append((column, coordinate, actuator.getOptimalForce()))
        else:
            changing.append(column)
    return fixed, changing


def _effects(
    session: Session,
    to_free: Array,
    acceleration: Array,
    fixed: list[tuple[int, int, float]],
    changing: list[int],
    target: Array,
) -> Array:
    """Generalized force (D, K) that each scalar actuator produces per unit of control.

    One on a coordinate acts with its optimal force on the coordinate's speed. Any other (torque, point, path) is
    switched on alone in the inverse dynamics, because its effect depends on the posture.
    """
    effect = np.zeros((to_free.shape[1], len(session.actuators)))
    speeds = to_speeds(session, to_free)
    for column, coordinate, optimal_force in fixed:
        effect[:, column] = optimal_force * speeds[coordinate]
    for column in changing:
        actuator = session.actuators[column]
        actuator.setOverrideActuation(session.state, actuator.getOptimalForce())
        effect[:, column] = to_free.T @ (target - net_force(session, acceleration))
        actuator.setOverrideActuation(session.state, 0.0)
    return effect
