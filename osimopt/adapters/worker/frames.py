"""Lengths, gain and inverse dynamics along a motion, one pass over the frames."""

from __future__ import annotations

from typing import Any

import numpy as np
import opensim
from numpy.typing import NDArray

from ..messages import FrameArrays, ModelKey, Pairs, Wanted
from .couplers import jacobian
from .geometry import moment_arms, net_force, set_posture, set_speed
from .session import Session, load, warnings_since

Array = NDArray[np.float64]

#: m/s at 1 rad/s; a lengthening speed that no pair explains by more than this is no rounding (which leaves 1e-14).
UNEXPLAINED = 1e-6


def extract(
    key: ModelKey, time: Array, value: Array, speed: Array, acceleration: Array, pairs: Pairs, wanted: Wanted
) -> FrameArrays:
    """Moment arms of the given pairs, lengths, gain and, where wanted, passive and generalized forces."""
    session = load(key)
    free = session.free()
    by_row = [pairs.muscle[pairs.coordinate == row] for row in range(len(free))]
    rows: dict[str, list[Any]] = {name: [] for name in ("arms", "length", "speed", "gain", "passive", "tau", "effect")}
    for frame in range(len(time)):
        set_posture(session, time[frame], value[frame])
        to_all = jacobian(session, value[frame])
        rows["arms"].append(np.concatenate(moment_arms(session, to_all, by_row, pairs.probed)))
        set_speed(session, speed[frame])
        rows["length"].append([muscle.getLength(session.state) for muscle in session.muscles])
        rows["speed"].append([muscle.getLengtheningSpeed(session.state) for muscle in session.muscles])
        rows["gain"].append(_gains(session))
        if wanted.passive_force:
            rows["passive"].append(_passive_forces(session))
        if wanted.generalized_force:
            tau, effect = _generalized_force(session, to_all[:, free], acceleration[frame])
            rows["tau"].append(tau)
            rows["effect"].append(effect)
        elif session.actuators:
            rows["effect"].append(_effects(session, to_all[:, free], acceleration[frame]))
    arrays = {name: np.array(row, dtype=float) if row else None for name, row in rows.items()}
    return FrameArrays(
        moment_arms=_required(arrays["arms"]),
        length=_required(arrays["length"]),
        lengthening_speed=_required(arrays["speed"]),
        max_force=_required(arrays["gain"]),
        passive_force=arrays["passive"],
        generalized_force=arrays["tau"],
        effect=arrays["effect"],
        missed=_missed(pairs, arrays, speed[:, free]),
        warnings=warnings_since(),
    )


def _missed(pairs: Pairs, arrays: dict[str, Array | None], speed: Array) -> bool:
    """Whether a muscle lengthens faster than its moment arms explain: then it acts where no pair was found for it.

    l̇ = −Σ_j r_j q̇_j holds to rounding; muscles whose moment arm is not −∂l/∂q cannot be judged so.
    """
    explained = np.zeros_like(_required(arrays["speed"]))
    for pair, (row, muscle) in enumerate(zip(pairs.coordinate, pairs.muscle, strict=True)):
        explained[:, muscle] -= _required(arrays["arms"])[:, pair] * speed[:, row]
    unexplained = np.abs(_required(arrays["speed"]) - explained)
    unexplained[:, pairs.probed] = 0.0
    return bool((unexplained > UNEXPLAINED * np.maximum(1.0, np.abs(speed).max(axis=1, keepdims=True))).any())


def _required(array: Array | None) -> Array:
    return np.zeros((0, 0)) if array is None else array


def _gains(session: Session) -> list[float]:
    """Tendon force at activation 1 with a rigid tendon, as OpenSim's static optimization takes it."""
    return [m.calcInextensibleTendonActiveFiberForce(session.state, 1.0) for m in session.muscles]


def _passive_forces(session: Session) -> list[float]:
    """Elastic passive fibre force along the tendon, with a rigid tendon.

    The session was loaded with inextensible tendons, except for Thelen's muscle, which does not know them:
    its fibre is set to the length that a tendon at slack length leaves it.
    """
    state = session.state
    for muscle in session.muscles:
        if elastic := opensim.Thelen2003Muscle.safeDownCast(muscle):
            along = muscle.getLength(state) - muscle.get_tendon_slack_length()
            height = muscle.get_optimal_fiber_length() * np.sin(muscle.get_pennation_angle_at_optimal())
            elastic.setFiberLength(state, float(np.hypot(max(along, 0.0), height)))
    session.model.realizeDynamics(state)
    return [_elastic_passive_force(muscle, state) for muscle in session.muscles]


def _elastic_passive_force(muscle: Any, state: Any) -> float:
    for damped in (opensim.Millard2012EquilibriumMuscle, opensim.DeGrooteFregly2016Muscle):
        if own := damped.safeDownCast(muscle):  # their passive force counts damping in; the others have none
            return float(own.getPassiveFiberElasticForceAlongTendon(state))
    return float(muscle.getPassiveFiberForceAlongTendon(state))


def _generalized_force(session: Session, to_all: Array, acceleration: Array) -> tuple[Array, Array]:
    """Generalized force (D,) that the actuators must produce, and the effect (D, K) of each other actuator."""
    target = net_force(session, acceleration)
    return to_all.T @ target, _effects(session, to_all, acceleration, target)


def _effects(session: Session, to_all: Array, acceleration: Array, target: Array | None = None) -> Array:
    """Generalized force (D, K) that each scalar actuator produces per unit of control.

    One on a coordinate acts with its optimal force there. Any other (torque, point, path) is switched on
    alone in the inverse dynamics, because its effect depends on the posture.
    """
    effect = np.zeros((to_all.shape[1], len(session.actuators)))
    for column, actuator in enumerate(session.actuators):
        optimal_force = actuator.getOptimalForce()
        if on_coordinate := opensim.CoordinateActuator.safeDownCast(actuator):
            name = on_coordinate.getCoordinate().getName()
            row = next(i for i, c in enumerate(session.coordinates) if c.getName() == name)
            effect[:, column] = optimal_force * to_all[row]
            continue
        target = net_force(session, acceleration) if target is None else target
        actuator.setOverrideActuation(session.state, optimal_force)
        effect[:, column] = to_all.T @ (target - net_force(session, acceleration))
        actuator.setOverrideActuation(session.state, 0.0)
    return effect
