"""Moment arms: which muscles act on which coordinates, and how, in one posture."""

from __future__ import annotations

from typing import Any

import numpy as np
import opensim
from numpy.typing import NDArray

from ..messages import ModelKey, Pairs
from .couplers import follow, jacobian
from .session import Session, load

Array = NDArray[np.float64]

#: rad or m; the step of the finite differences that find which muscles span which coordinates.
STEP = 1e-3
#: m; a length slope or moment arm below this in every sampled posture is zero (rounding leaves 1e-12; muscles
#: that span a coordinate show at least 1e-5 somewhere).
SPAN_THRESHOLD = 1e-7
#: m; where the lengthening speed at unit speed and −∂l/∂q differ by more, the moment arm from forces is asked too,
#: and where that differs by more than rounding (1e-11) it is used.
SUSPECT, FORCE_BASED = 1e-5, 1e-8
#: m; OpenSim's moment arm and −∂l/∂q may differ by this much before it is said.
INCONSISTENT = 1e-3
#: N; the tension that a force-based moment arm is measured with.
PROBE = 1000.0
#: Postures of the motion, and random ones, that are tried.
OWN_POSTURES, RANDOM_POSTURES = 8, 8
#: Joints whose coordinates are not the integrals of their speeds: there −∂l/∂q is no moment arm.
OWN_SPEEDS = {"BallJoint", "EllipsoidJoint", "FreeJoint"}


def find_pairs(key: ModelKey, value: Array, everything: bool = False) -> Pairs:
    """Which muscles act on which coordinates: tried in postures of the motion and in random ones within the ranges.

    Pairs with a moment arm are kept, as OpenSim computes it. Whether a muscle *spans* a coordinate is judged by its
    length instead: where a path wraps over two objects OpenSim's moment arm can be off by a centimetre, and
    not vanish even about joints that the muscle does not cross (the gastrocnemius about hip and pelvis in public
    models). Muscles whose moment arm is not −∂l/∂q are named. ``everything`` keeps all pairs.
    """
    session = load(key)
    postures = _sample(session, value)
    slopes = np.array([_length_slopes(session, posture) for posture in postures])
    quick = np.array([_all_arms(session, posture, _nobody(session)) for posture in postures])
    probed = _needing_forces(session, postures, quick, slopes)
    arms = quick if not probed.size else np.array([_all_arms(session, posture, probed) for posture in postures])
    spans = np.nan_to_num(np.abs(slopes)).max(axis=0) > SPAN_THRESHOLD
    acts = np.nan_to_num(np.abs(arms)).max(axis=0) > SPAN_THRESHOLD
    worst = np.nan_to_num(np.abs(arms + slopes))[:OWN_POSTURES].max(axis=0)
    coordinate, muscle = np.nonzero(spans | acts | everything)
    return Pairs(coordinate, muscle, spans.any(axis=1), probed, _inconsistent(session, worst))


def _needing_forces(session: Session, postures: Array, quick: Array, slopes: Array) -> NDArray[np.intp]:
    """Muscles whose quick moment arm is, or may become, another than OpenSim's own.

    Those over several wrap objects, and those caught at it in a posture of the motion.
    """
    several = np.array([_wraps(muscle) > 1 for muscle in session.muscles])
    suspect = np.flatnonzero(np.nan_to_num(np.abs(quick + slopes)).max(axis=(0, 1)) > SUSPECT)
    caught = several.copy()
    if suspect.size:
        pulled = np.array([_all_arms(session, posture, suspect) for posture in postures[:OWN_POSTURES]])
        caught |= np.nan_to_num(np.abs(pulled - quick[:OWN_POSTURES])).max(axis=(0, 1)) > FORCE_BASED
    return np.flatnonzero(caught)


def moment_arms(session: Session, to_all: Array, muscles_of: list[Any], probed: Any) -> list[Array]:
    """Moment arms of the muscles listed for each free coordinate, at the posture that is set.

    The lengthening speed at unit speed of one coordinate, the coupled ones following, is −(moment arm): quick, and
    equal to OpenSim's ``computeMomentArm`` to rounding, but for paths over several wrap objects. Those muscles
    (``probed``) are pulled instead: the moment arm is what a tension produces in the inverse dynamics.
    """
    arms = []
    for row, index in enumerate(session.free()):
        if len(muscles_of[row]):
            set_speed(session, to_all[:, index])
        speeds = [session.muscles[muscle].getLengtheningSpeed(session.state) for muscle in muscles_of[row]]
        arms.append(-np.array(speeds, dtype=float))
    if len(probed):
        set_speed(session, np.zeros(len(to_all)))
        by_muscle = _pulled(session, to_all[:, session.free()], probed)
        for row, muscles in enumerate(muscles_of):
            for place, muscle in enumerate(muscles):
                if muscle in by_muscle:
                    arms[row][place] = by_muscle[muscle][row]
    return arms


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


def net_force(session: Session, acceleration: Array) -> Array:
    """Inverse dynamics with every actuator at zero, in the order of the coordinate set.

    Springs, limit forces, bushings, ligaments and external loads stay on, as in OpenSim's static optimization.
    """
    udot = np.empty(len(acceleration))
    udot[session.mobility] = acceleration
    force = session.inverse_dynamics.solve(session.state, opensim.Vector.createFromMat(udot))
    return np.asarray(force.to_numpy())[session.mobility]


def _pulled(session: Session, to_free: Array, probed: Any) -> dict[int, Array]:
    """Moment arms (D,) of some muscles, by the moments that a tension in each of them takes off inverse dynamics."""
    state = session.state
    for muscle in probed:
        force = session.muscles[muscle]
        if not force.appliesForce(state):
            force.setAppliesForce(state, True)
            force.overrideActuation(state, True)
            force.setOverrideActuation(state, 0.0)
    still = np.zeros(len(session.coordinates))
    session.model.realizeVelocity(state)
    unloaded = net_force(session, still)
    arms = {}
    for muscle in probed:
        session.muscles[muscle].setOverrideActuation(state, PROBE)
        arms[int(muscle)] = to_free.T @ (unloaded - net_force(session, still)) / PROBE
        session.muscles[muscle].setOverrideActuation(state, 0.0)
    return arms


def _nobody(session: Session) -> Any:
    return np.zeros(0, dtype=int)


def _wraps(muscle: Any) -> int:
    path = opensim.GeometryPath.safeDownCast(muscle.getPath())
    return 0 if path is None else int(path.getWrapSet().getSize())


def _sample(session: Session, value: Array) -> Array:
    free = session.free()
    rng = np.random.default_rng(0)
    own = value[np.unique(np.linspace(0, len(value) - 1, OWN_POSTURES).astype(int))]
    low = np.array([max(c.getRangeMin(), -np.pi) for c in session.coordinates])
    high = np.array([min(c.getRangeMax(), np.pi) for c in session.coordinates])
    random = np.repeat(own[:1], RANDOM_POSTURES, axis=0)
    random[:, free] = rng.uniform(low, np.maximum(high, low), (RANDOM_POSTURES, len(low)))[:, free]
    return np.concatenate([own, random])


def _all_arms(session: Session, posture: Array, probed: Any) -> Array:
    """(D, M) moment arms of every pair."""
    posture = follow(session, posture.copy())
    set_posture(session, 0.0, posture)
    everyone = [np.arange(len(session.muscles))] * len(session.free())
    return np.array(moment_arms(session, jacobian(session, posture), everyone, probed))


def _length_slopes(session: Session, posture: Array) -> Array:
    """(D, M) ∂l/∂q by central differences, coupled coordinates following."""
    posture = follow(session, posture.copy())
    set_posture(session, 0.0, posture)
    slopes = []
    for index in session.free():
        lengths = []
        for step in (STEP, -STEP):
            moved = posture.copy()
            moved[index] += step
            _move(session, posture, follow(session, moved))
            session.model.realizePosition(session.state)
            lengths.append([muscle.getLength(session.state) for muscle in session.muscles])
            _move(session, moved, posture)
        slopes.append((np.array(lengths[0]) - np.array(lengths[1])) / (2.0 * STEP))
    return np.array(slopes)


def _move(session: Session, old: Array, new: Array) -> None:
    """Set the coordinates that differ."""
    for index in np.flatnonzero(old != new):
        session.coordinates[index].setValue(session.state, float(new[index]), False)


def _inconsistent(session: Session, worst: Array) -> list[str]:
    """Sentences about muscles whose OpenSim moment arm is not the slope of their length, (D, M) being how far."""
    coordinates = [session.coordinates[index] for index in session.free()]
    own_speeds = [c.getJoint().getConcreteClassName() in OWN_SPEEDS for c in coordinates]
    worst = np.where(np.array(own_speeds)[:, None], 0.0, worst)
    said = []
    for muscle in np.flatnonzero(worst.max(axis=0) > INCONSISTENT):
        row = int(np.argmax(worst[:, muscle]))
        name, about, size = session.muscles[muscle].getName(), coordinates[row].getName(), 1e3 * worst[row, muscle]
        said.append(
            f"{name}: OpenSim's moment arm about {about} differs from -dl/dq by up to {size:.1f} mm in this motion "
            "(imperfect wrapping); OpenSim's value is used."
        )
    return said
