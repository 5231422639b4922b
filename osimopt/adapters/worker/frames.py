"""Along a motion, frame by frame: moment arms, lengths, gains and inverse dynamics, and the records of other forces."""

from __future__ import annotations

from typing import Any

import numpy as np
import opensim

from ...problem.arrays import Array, Kinematics
from ..messages import ForceRecord, FrameArrays, ModelKey, Pairs, Wanted
from .geometry import lengthening_speeds, make_plan, moment_arms, muscle_lengths
from .parts import Session
from .session import load, warnings_since
from .state import net_force, set_posture, set_speed, to_speeds

#: m/s at 1 rad/s; largest lengthening speed that moment arms may leave unexplained (rounding is 1e-14).
UNEXPLAINED = 1e-6
#: Interval in frames, from the first of each chunk, at which all lengthening speeds are compared with moment arms.
CHECK_EVERY = 25


def extract(key: ModelKey, motion: Kinematics, pairs: Pairs, wanted: Wanted) -> FrameArrays:
    """Moment arms of the given pairs, lengths, lengthening speeds, gain and generalized forces, as far as wanted."""
    session = load(key)
    free, driven = session.free(), session.driven()
    plan = make_plan(pairs.spanned, pairs.probed)
    fixed, changing = _split_effects(session)
    turning = {index for joint in session.turning for index in joint}
    constant = not changing and {coordinate for coordinate, _ in fixed.values()} <= set(free) - turning
    rows: dict[str, list[Any]] = {}
    unexplained: set[str] = set()
    for frame, (speed, acceleration) in enumerate(zip(motion.speed, motion.acceleration, strict=True)):
        row: dict[str, Any] = {}
        set_posture(session, motion.time[frame], motion.value[frame])
        to_free = _to_free(motion, frame)[:, free]
        if wanted.muscles:
            arms = row["moment_arms"] = moment_arms(session, to_free, plan)[pairs.coordinate, pairs.muscle]
        set_speed(session, speed)
        if wanted.muscles:
            row["length"] = muscle_lengths(session, wanted.muscles)
            explained = _explained(pairs, arms, speed[free], len(session.muscles))
            by_model = wanted.muscles if driven else pairs.probed
            row["lengthening_speed"] = _lengthening_speeds(session, explained, by_model)[list(wanted.muscles)]
            if frame % CHECK_EVERY == 0 and not driven:
                known = np.setdiff1d(wanted.muscles, pairs.probed)
                unexplained |= _unexplained(session, explained, speed[free], known)
        gains = [session.muscles[index] for index in wanted.gains]
        row["max_force"] = [muscle.calcInextensibleTendonActiveFiberForce(session.state, 1.0) for muscle in gains]
        if wanted.passive_force:  # the tendons are inextensible in this session
            session.model.realizeDynamics(session.state)
            row["passive_force"] = [muscle.getPassiveFiberForceAlongTendon(session.state) for muscle in gains]
        target = np.zeros(len(speed))
        if wanted.generalized_force or changing:
            target = net_force(session, acceleration)
            row["generalized_force"] = to_free.T @ target
        if frame == 0 or not constant:
            row["effect"] = _effects(session, to_free, fixed)
            for column in changing:
                effect = target - _net_force_with(session, session.actuators[column], acceleration)
                row["effect"][:, column] = to_free.T @ effect
        for name, values in row.items():
            rows.setdefault(name, []).append(values)
    arrays = {name: np.array(values, dtype=float) for name, values in rows.items()}
    return FrameArrays(arrays, tuple(sorted(unexplained)), warnings_since())


def _to_free(motion: Kinematics, frame: int) -> Array:
    """(N, N) matrix from independent rates to all rates."""
    matrix = np.eye(len(motion.coordinates))
    if motion.coupling is not None:
        matrix[motion.coupling.dependent, motion.coupling.independent] = motion.coupling.slope[frame]
    return matrix


def _explained(pairs: Pairs, arms: Array, speed: Array, muscles: int) -> Array:
    """Lengthening speeds (M,) by moment arms: −Σ_j r_j q̇_j."""
    return np.asarray(-np.bincount(pairs.muscle, arms * speed[pairs.coordinate], muscles), dtype=float)


def _lengthening_speeds(session: Session, explained: Array, by_model: Any) -> Array:
    """Lengthening speeds (M,): those of OpenSim for the muscles ``by_model``, those by moment arms for others."""
    speeds = explained.copy()
    speeds[np.array(by_model, dtype=np.intp)] = lengthening_speeds(session, by_model)
    return speeds


def _unexplained(session: Session, explained: Array, speed: Array, known: Any) -> set[str]:
    """Muscles that lengthen at another speed than their moment arms give: they act on other coordinates too.

    Only for muscles ``known`` to have a moment arm that is −∂l/∂q.
    """
    off = np.abs(_lengthening_speeds(session, explained, known) - explained)
    off = np.flatnonzero(off > UNEXPLAINED * max(1.0, float(np.abs(speed).max())))
    return {session.muscles[muscle].getName() for muscle in off}


def _split_effects(session: Session) -> tuple[dict[int, tuple[int, float]], list[int]]:
    """Coordinate and optimal force of the actuators on one, by column, and those whose effect depends on posture."""
    names = [coordinate.getName() for coordinate in session.coordinates]
    fixed, changing = {}, []
    for column, actuator in enumerate(session.actuators):
        if on_coordinate := opensim.CoordinateActuator.safeDownCast(actuator):
            fixed[column] = names.index(on_coordinate.getCoordinate().getName()), actuator.getOptimalForce()
        else:
            changing.append(column)
    return fixed, changing


def _effects(session: Session, to_free: Array, fixed: dict[int, tuple[int, float]]) -> Array:
    """Generalized force (D, K) per unit control of actuators on coordinates: their optimal force on its speed."""
    effect = np.zeros((to_free.shape[1], len(session.actuators)))
    speeds = to_speeds(session, to_free)
    for column, (coordinate, optimal_force) in fixed.items():
        effect[:, column] = optimal_force * speeds[coordinate]
    return effect


def _net_force_with(session: Session, actuator: Any, acceleration: Array) -> Array:
    """Inverse dynamics (N,) with a torque, point or path actuator at control 1: its effect depends on the posture."""
    actuator.setOverrideActuation(session.state, actuator.getOptimalForce())
    force = net_force(session, acceleration)
    actuator.setOverrideActuation(session.state, 0.0)
    return force


def force_records(key: ModelKey, motion: Kinematics) -> list[ForceRecord]:
    """Record every applied force as OpenSim's ForceReporter does, in the order of the model's components.

    The values of muscles and other actuators are None: they are unknown here.
    """
    session = load(key)
    forces = _applied(session)
    rows: list[list[list[float]]] = [[] for _ in forces]
    reporting = [index for index, force in enumerate(forces) if opensim.Actuator.safeDownCast(force) is None]
    for frame in range(len(motion.time) if reporting else 0):
        set_posture(session, motion.time[frame], motion.value[frame])
        set_speed(session, motion.speed[frame])
        session.model.realizeDynamics(session.state)
        for index in reporting:
            values = forces[index].getRecordValues(session.state)
            rows[index].append([values.get(column) for column in range(values.getSize())])
    return [
        ForceRecord(force.getName(), _labels(force), np.array(rows[index]) if index in reporting else None)
        for index, force in enumerate(forces)
    ]


def _applied(session: Session) -> list[Any]:
    """Forces that are switched on in the model; its actuators have been silenced in the session's state."""
    actuators = {force.getName() for force in (*session.muscles, *session.actuators)}
    return [
        force
        for force in session.forces
        if (force.getName() in actuators if opensim.Actuator.safeDownCast(force) else force.appliesForce(session.state))
    ]


def _labels(force: opensim.Force) -> tuple[str, ...]:
    labels = force.getRecordLabels()
    return tuple(labels.get(index) for index in range(labels.getSize()))
