"""Independent results of OpenSim: forward dynamics against inverse dynamics, single calls against the fast path.

Simbody's articulated-body algorithm turns forces into accelerations and shares nothing with the recursive Newton-Euler
algorithm of inverse dynamics; constraints (couplers, locked and prescribed coordinates) act in it, where inverse
dynamics projects. Differences are generalized forces, M (u̇ − u̇*), relative to the largest one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
import opensim

from ...problem.arrays import Array, Kinematics
from ..messages import Claims, Difference, ModelKey, Pairs
from .geometry import length_slopes
from .parts import Session
from .paths import pulls_within, winding
from .session import load
from .state import set_posture, set_speed, to_accelerations, to_mobilities, to_speeds

#: rad or m; step of the differences of length in loops of bodies.
NEAR = 2e-4


def check_frames(key: ModelKey, motion: Kinematics, claims: Claims, muscles: tuple[int, ...]) -> list[Difference]:
    """Compare arrays extracted at frames of a motion with OpenSim's single calls, for some muscles.

    ``computeMomentArm`` takes 0.1 to 0.3 ms for a pair of muscle and coordinate, a muscle's first call 2 ms more.
    """
    session, free = load(key), load(key).free()
    found: list[Difference] = []
    for frame in range(len(motion.time)):
        if claims.pairs is not None and claims.moment_arms is not None and session.loops and not session.driven():
            found += _arms_by_length(session, motion.value[frame], claims.pairs, claims.moment_arms[frame], frame)
        set_posture(session, motion.time[frame], motion.value[frame])
        set_speed(session, motion.speed[frame])
        found += _read_back(session, motion, frame)
        if claims.pairs is not None and claims.moment_arms is not None and _computes_moment_arms(session):
            found += _arms(session, claims.pairs, claims.moment_arms[frame], muscles, frame)
        if claims.max_force is not None:
            found.append(_gains(session, claims.max_force[frame], muscles, frame))
        if claims.generalized_force is not None:
            applied = np.zeros(len(session.coordinates))
            applied[free] = claims.generalized_force[frame]
            found.append(_missed(session, "inverse dynamics", motion.acceleration[frame], applied, frame))
    return found


def check_slopes(key: ModelKey, value: Array, pairs: Pairs, moment_arms: Array) -> dict[str, float]:
    """Largest difference (m) of moment arms (S, P) from −∂l/∂q in postures (S, N), by muscle."""
    session = load(key)
    doubtful = np.array([winding(muscle) for muscle in session.muscles])
    compared, worst = pairs.spanned & doubtful, np.zeros(len(session.muscles))
    for posture, by_pair in zip(value, moment_arms, strict=True):
        arms = np.zeros(pairs.spanned.shape)
        arms[pairs.coordinate, pairs.muscle] = by_pair
        off = np.where(compared, np.abs(arms + length_slopes(session, posture, compared)), 0.0)
        worst = np.fmax(worst, off.max(axis=0, initial=0.0))
    return {session.muscles[index].getName(): float(worst[index]) for index in np.flatnonzero(worst > 0.0)}


def check_forces(
    key: ModelKey, motion: Kinematics, muscle: Array, actuator: Array, applied: Array, wrenches: dict[str, Array]
) -> list[Difference]:
    """Difference from the accelerations of a motion at its frames when forces are put back into OpenSim.

    ``muscle`` (T, M) are tensions, ``actuator`` (T, K) outputs of the model's own actuators, ``applied`` (T, N) further
    generalized forces about coordinates, ``wrenches`` (T, 6) moments about ground's origin and forces, by body.
    """
    kept = load(key)
    session = replace(kept, state=opensim.State(kept.state))  # the copy's actuators are switched on
    forces = [*session.muscles, *session.actuators]
    for force in forces:
        force.setAppliesForce(session.state, True)
        force.overrideActuation(session.state, True)
    found = []
    for frame, outputs in enumerate(np.concatenate([muscle, actuator], axis=1)):
        set_posture(session, motion.time[frame], motion.value[frame])
        for force, output in zip(forces, outputs.tolist(), strict=True):
            force.setOverrideActuation(session.state, output)
        set_speed(session, motion.speed[frame])
        pushed = {body: wrench[frame] for body, wrench in wrenches.items()}
        found.append(_missed(session, "accelerations", motion.acceleration[frame], applied[frame], frame, pushed))
    return found


def _read_back(session: Session, motion: Kinematics, frame: int) -> list[Difference]:
    """Coordinates by name, and the rates that the speeds set give."""
    value = np.array([coordinate.getValue(session.state) for coordinate in session.coordinates])
    rate = session.state.getQDot().to_numpy()[session.place]
    off = {"coordinates": np.abs(value - motion.value[frame]), "rates": np.abs(rate - motion.speed[frame])}
    off["rates"] /= max(1.0, float(np.abs(motion.speed[frame]).max()))
    return [_largest(kind, sizes, session.coordinates, frame) for kind, sizes in off.items()]


def _computes_moment_arms(session: Session) -> bool:
    """Whether ``computeMomentArm`` is right.

    Where the model moves coordinates by functions of time it counts their speed as the muscle's, and where couplers
    join coordinates of a joint whose speeds are not its rates it confuses the two. In a loop of bodies with several
    degrees of freedom it moves more of them than one.
    """
    turning = {index for joint in session.turning for index in joint}
    joined = any(turning & {coupler.dependent, *coupler.independents} for coupler in session.couplers)
    return not session.driven() and not joined and session.loops is None


def _arms(session: Session, pairs: Pairs, arms: Array, muscles: tuple[int, ...], frame: int) -> list[Difference]:
    """Against ``computeMomentArm``, of each muscle."""
    off, free = np.zeros(len(session.muscles)), session.free()
    compared = {index for index in muscles if not pulls_within(session.muscles[index])}
    for row in np.unique(pairs.coordinate).tolist():
        places = np.flatnonzero((pairs.coordinate == row) & np.isin(pairs.muscle, sorted(compared)))
        index = pairs.muscle[places]
        single = _arms_about(session, free[row], [session.muscles[muscle] for muscle in index])
        off[index] = np.maximum(off[index], np.abs(np.array(single) - arms[places]))
    return [
        Difference("moment arms", float(off[index]), session.muscles[index].getName(), frame)
        for index in sorted({*pairs.muscle.tolist()} & compared)
    ]


def _arms_by_length(session: Session, posture: Array, pairs: Pairs, arms: Array, frame: int) -> list[Difference]:
    """Against −∂l/∂q of chains of fixed points, by differences of closed postures with two steps."""
    straight = np.array([not winding(muscle) for muscle in session.muscles])
    compared = pairs.spanned & straight
    ours = np.zeros(compared.shape)
    ours[pairs.coordinate, pairs.muscle] = arms
    near, far = (length_slopes(session, posture, compared, step) for step in (NEAR, 2.0 * NEAR))
    off = np.where(compared, np.abs(ours + (4.0 * near - far) / 3.0), 0.0).max(axis=0)
    muscles = [(index, session.muscles[index].getName()) for index in np.flatnonzero(straight).tolist()]
    return [Difference("moment arms", float(off[index]), name, frame) for index, name in muscles]


def _arms_about(session: Session, coordinate: int, muscles: list[Any]) -> list[float]:
    """Moment arms of some muscles about a coordinate by ``computeMomentArm``, in the posture set.

    ``computeMomentArm`` is about a speed; about a coordinate it is the sum over the speeds that its rate needs.
    """
    unit = np.zeros(len(session.coordinates))
    unit[coordinate] = 1.0
    shares = to_speeds(session, unit)
    moving = [(share, session.coordinates[index]) for index, share in enumerate(shares) if share != 0.0]
    return [sum(share * muscle.computeMomentArm(session.state, about) for share, about in moving) for muscle in muscles]


def _gains(session: Session, gain: Array, muscles: tuple[int, ...], frame: int) -> Difference:
    """Against ``calcInextensibleTendonActiveFiberForce``, as a share of the maximum isometric force.

    A muscle shorter than its tendon has none, although some classes of OpenSim mirror the fibre there.
    """
    off = np.zeros(len(session.muscles))
    for index in muscles:
        muscle = session.muscles[index]
        shorter = muscle.getLength(session.state) <= muscle.get_tendon_slack_length()
        if np.isnan(gain[index]):
            continue  # OpenSim computes it
        gain_of_opensim = 0.0 if shorter else muscle.calcInextensibleTendonActiveFiberForce(session.state, 1.0)
        off[index] = abs(gain_of_opensim - gain[index]) / max(muscle.get_max_isometric_force(), 1e-12)
    return _largest("maximum forces", off, session.muscles, frame)


def _missed(
    session: Session,
    kind: str,
    acceleration: Array,
    applied: Array,
    frame: int,
    wrenches: Mapping[str, Array] = MappingProxyType({}),
) -> Difference:
    """Error of the accelerations as a generalized force, as a share of the largest; the state has its speeds.

    ``acceleration`` and ``applied`` (N,) are about coordinates, ``wrenches`` (6,) on bodies about ground's origin; the
    forces of the model act too.
    """
    model, state, matter = session.model, session.state, session.model.getMatterSubsystem()
    wanted = to_accelerations(session, acceleration)
    model.realizeDynamics(state)
    size, acting = len(wanted), model.getMobilityForces(state).to_numpy()
    mobility = opensim.Vector.createFromMat(acting + to_mobilities(session, applied))
    udot, bodies, missed = opensim.Vector(size, 0.0), opensim.VectorOfSpatialVec(), opensim.Vector(size, 0.0)
    try:
        matter.calcAcceleration(state, mobility, _with_wrenches(session, wrenches), udot, bodies)
    except RuntimeError:  # a singular mass matrix: a body without mass, or an axis whose function is flat here
        return Difference(kind, float("nan"), "", frame)
    matter.multiplyByM(state, opensim.Vector.createFromMat(udot.to_numpy() - wanted), missed)
    needed = session.inverse_dynamics.solve(state, opensim.Vector.createFromMat(wanted)).to_numpy()
    largest = max(float(np.abs(needed).max(initial=0.0)), float(np.abs(applied).max(initial=0.0)), 1.0)
    off = np.abs(missed.to_numpy())[session.mobility] / largest
    return _largest(kind, off, session.coordinates, frame)


def _with_wrenches(session: Session, wrenches: Mapping[str, Array]) -> Any:
    """The forces of the model on its bodies, each at the body's origin, and further ones."""
    forces = session.model.getRigidBodyForces(session.state)
    if not wrenches:
        return forces
    total = opensim.VectorOfSpatialVec(forces)
    for body in session.model.getBodyList():
        if body.getName() in wrenches:
            moment, force = np.split(wrenches[body.getName()], 2)
            moment = moment - np.cross(body.getPositionInGround(session.state).to_numpy(), force)
            index = int(body.getMobilizedBodyIndex())
            there = total.get(index)
            parts = (there.get(i).to_numpy() + more for i, more in enumerate((moment, force)))
            total.set(index, opensim.SpatialVec(*(opensim.Vec3(*part.tolist()) for part in parts)))
    return total


def _largest(kind: str, off: Array, things: list[Any], frame: int) -> Difference:
    worst = int(np.argmax(np.where(np.isnan(off), np.inf, off))) if off.size else 0
    return Difference(kind, float(off[worst]) if off.size else 0.0, things[worst].getName() if off.size else "", frame)
