"""Geometry, gain and inverse dynamics along a motion, one pass over the frames."""

from __future__ import annotations

from typing import Any

import numpy as np
import opensim
from numpy.typing import NDArray

from ..messages import FrameArrays, ModelKey, Pairs, Wanted
from .couplers import follow, jacobian
from .session import Session, load, warnings_since

Array = NDArray[np.float64]

#: rad or m; the step of the finite differences that find which muscles span which coordinates.
STEP = 1e-3
#: m; a length slope or moment arm below this in every sampled posture is zero (rounding leaves 1e-12; muscles
#: that span a coordinate show at least 1e-5 somewhere).
SPAN_THRESHOLD = 1e-7
#: m; OpenSim's moment arm and −∂l/∂q may differ by this much before it is said.
INCONSISTENT = 1e-3
#: Postures of the motion, and random ones, that are tried.
OWN_POSTURES, RANDOM_POSTURES = 10, 12


def find_pairs(key: ModelKey, value: Array) -> Pairs:
    """Which muscles act on which coordinates: tried in postures of the motion and in random ones within the ranges.

    Pairs with a moment arm are kept, as OpenSim computes it. Whether a muscle *spans* a coordinate is judged
    by its length instead: where a path wraps over two objects OpenSim's moment arm can be off by a
    centimetre, and not vanish even about joints that the muscle does not cross (the gastrocnemius about hip
    and pelvis in public models). Muscles whose moment arm is not −∂l/∂q are named.
    """
    session = load(key)
    free = session.free()
    rng = np.random.default_rng(0)
    own = value[np.unique(np.linspace(0, len(value) - 1, OWN_POSTURES).astype(int))]
    low = np.array([max(c.getRangeMin(), -np.pi) for c in session.coordinates])
    high = np.array([min(c.getRangeMax(), np.pi) for c in session.coordinates])
    random = np.repeat(own[:1], RANDOM_POSTURES, axis=0)
    random[:, free] = rng.uniform(low, np.maximum(high, low), (RANDOM_POSTURES, len(low)))[:, free]
    postures = np.concatenate([own, random])
    slopes = np.array([_length_slopes(session, posture) for posture in postures])
    arms = np.array([_all_arms(session, posture) for posture in postures])
    spans = np.abs(slopes).max(axis=0) > SPAN_THRESHOLD
    acts = np.abs(arms).max(axis=0) > SPAN_THRESHOLD
    worst = np.abs(arms + slopes)[: len(own)].max(axis=0)
    coordinate, muscle = np.nonzero(spans | acts)
    return Pairs(coordinate, muscle, spans.any(axis=1), _inconsistent(session, worst))


def _all_arms(session: Session, posture: Array) -> Array:
    """(D, M) moment arms of every pair."""
    set_posture(session, 0.0, posture)
    return np.array(
        unit_speed_arms(session, jacobian(session, posture), [np.arange(len(session.muscles))] * len(session.free()))
    )


def _length_slopes(session: Session, posture: Array) -> Array:
    """(D, M) ∂l/∂q by central differences, coupled coordinates following."""
    slopes = []
    for index in session.free():
        lengths = []
        for step in (STEP, -STEP):
            moved = posture.copy()
            moved[index] += step
            set_posture(session, 0.0, follow(session, moved))
            session.model.realizePosition(session.state)
            lengths.append([muscle.getLength(session.state) for muscle in session.muscles])
        slopes.append((np.array(lengths[0]) - np.array(lengths[1])) / (2.0 * STEP))
    return np.array(slopes)


def _inconsistent(session: Session, worst: Array) -> list[str]:
    """Sentences about muscles whose OpenSim moment arm is not the slope of their length, (D, M) being how far."""
    names = [session.coordinates[index].getName() for index in session.free()]
    said = []
    for muscle in np.flatnonzero(worst.max(axis=0) > INCONSISTENT):
        row = int(np.argmax(worst[:, muscle]))
        said.append(
            f"{session.muscles[muscle].getName()}: OpenSim's moment arm about {names[row]} differs from -dl/dq by "
            f"up to {1e3 * worst[row, muscle]:.1f} mm in this motion (imperfect wrapping); OpenSim's value is used."
        )
    return said


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
        rows["arms"].append(np.concatenate(unit_speed_arms(session, to_all, by_row)))
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
        warnings=warnings_since(),
    )


def _required(array: Array | None) -> Array:
    return np.zeros((0, 0)) if array is None else array


def set_posture(session: Session, time: float, value: Array) -> None:
    """Set time and every coordinate, nothing enforced."""
    session.state.setTime(float(time))
    for coordinate, q in zip(session.coordinates, value, strict=True):
        coordinate.setValue(session.state, float(q), False)


def set_speed(session: Session, speed: Array) -> None:
    """Set every speed and realize velocities."""
    u = np.empty(len(speed))
    u[session.mobility] = speed
    session.state.setU(opensim.Vector.createFromMat(u))
    session.model.realizeVelocity(session.state)


def unit_speed_arms(session: Session, to_all: Array, muscles_of: list[Any]) -> list[Array]:
    """Moment arms −∂l/∂q: the lengthening speed at unit speed of one free coordinate, the coupled ones following."""
    arms = []
    for row, index in enumerate(session.free()):
        if len(muscles_of[row]):
            set_speed(session, to_all[:, index])
        speeds = [session.muscles[muscle].getLengtheningSpeed(session.state) for muscle in muscles_of[row]]
        arms.append(-np.array(speeds, dtype=float))
    return arms


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
    target = _net_force(session, acceleration)
    return to_all.T @ target, _effects(session, to_all, acceleration, target)


def _net_force(session: Session, acceleration: Array) -> Array:
    """Inverse dynamics with every actuator switched off, in the order of the coordinate set.

    Springs, limit forces, bushings, ligaments and external loads stay on, as in OpenSim's static
    optimization.
    """
    udot = np.empty(len(acceleration))
    udot[session.mobility] = acceleration
    force = session.inverse_dynamics.solve(session.state, opensim.Vector.createFromMat(udot))
    return np.asarray(force.to_numpy())[session.mobility]


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
        target = _net_force(session, acceleration) if target is None else target
        actuator.setOverrideActuation(session.state, optimal_force)
        effect[:, column] = to_all.T @ (target - _net_force(session, acceleration))
        actuator.setOverrideActuation(session.state, 0.0)
    return effect
