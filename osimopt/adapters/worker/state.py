"""OpenSim's state along a motion: coordinates set by name, speeds and forces about coordinates.

The speeds of a joint may differ from the rates of its coordinates: those of a Ball, Free, Ellipsoid or Scapulothoracic
joint are angular velocities, and q̇ = N(q) u. Everything outside this file is about coordinates: rates q̇,
accelerations q̈, and generalized forces and moment arms, which are N⁻ᵀ times those about speeds (virtual power is the
same: τ_q·q̇ = τ_u·u).
"""

from __future__ import annotations

import numpy as np
import opensim

from ...errors import ModelError, explain
from ...multibody.rates import SINGULAR
from ...problem.arrays import Array
from .coordinates import rates_of_speed
from .parts import Session


def set_posture(session: Session, time: float, value: Array) -> None:
    """Set time and every coordinate (N,); couplers are not enforced."""
    session.state.setTime(float(time))
    q = np.zeros(session.state.getNQ())
    q[session.place] = value
    session.state.setQ(opensim.Vector.createFromMat(q))


def to_speeds(session: Session, rates: Array) -> Array:
    """Speeds u (N, …) at rates q̇ (N, …) of the coordinates, both in the coordinates' order, in the posture set.

    Raises
    ------
    ModelError
        The posture is a singularity (gimbal lock) of a joint whose speeds are not its coordinates' rates.
    """
    if not session.turning:
        return rates
    speeds = rates.copy()
    for joint in session.turning:
        block = _rates_of_speeds(session, joint)
        if not np.linalg.cond(block) < SINGULAR:
            raise _singular(session, joint)
        speeds[joint] = np.linalg.solve(block, rates[joint])
    return speeds


def to_rates(session: Session, speeds: Array) -> Array:
    """Rates q̇ (N, …) of speeds u (N, …), in the posture set."""
    rates = speeds.copy()
    for joint in session.turning:
        rates[joint] = _rates_of_speeds(session, joint) @ speeds[joint]
    return rates


def set_speed(session: Session, rate: Array) -> None:
    """Set the rate of every coordinate (N,) and realize velocities."""
    set_speeds(session, to_speeds(session, rate))
    session.model.realizeVelocity(session.state)


def drift(session: Session) -> Array:
    """Ṅ u (N,): change of the coordinates' rates at constant speeds. Velocities must be realized."""
    change = np.zeros(len(session.place))
    if session.turning:
        out = opensim.Vector(session.state.getNQ(), 0.0)
        session.model.getMatterSubsystem().multiplyByNDot(session.state, False, session.state.getU(), out)
        change = out.to_numpy()[session.place]
    return change


def to_accelerations(session: Session, acceleration: Array) -> Array:
    """Changes u̇ (N,) of the speeds, in the system's order, at accelerations q̈ (N,); q̈ = N u̇ + Ṅ u."""
    return _in_system_order(session, to_speeds(session, acceleration - drift(session)))


def to_mobilities(session: Session, force: Array) -> Array:
    """Generalized forces about speeds (N,), in the system's order, from those about coordinates (N,)."""
    about = force.copy()
    for joint in session.turning:
        about[joint] = _rates_of_speeds(session, joint).T @ force[joint]
    return _in_system_order(session, about)


def net_force(session: Session, acceleration: Array) -> Array:
    """Inverse dynamics (N,) about the coordinates with every actuator at zero, in the order of the coordinate set.

    Springs, limit forces, bushings, ligaments and external loads stay on, as in OpenSim's static optimization.
    """
    udot = opensim.Vector.createFromMat(to_accelerations(session, acceleration))
    about = session.inverse_dynamics.solve(session.state, udot).to_numpy()[session.mobility]
    for joint in session.turning:
        about[joint] = np.linalg.solve(_rates_of_speeds(session, joint).T, about[joint])
    return np.asarray(about)


def _rates_of_speeds(session: Session, joint: list[int]) -> Array:
    """The block of N of a joint's coordinates, in the posture set."""
    model, state = session.model, session.state
    model.realizePosition(state)
    places = [session.place[index] for index in joint]
    return np.stack([rates_of_speed(model, state, session.mobility[index])[places] for index in joint], axis=1)


def set_speeds(session: Session, speed: Array) -> None:
    """Set OpenSim's speeds (N,), in the coordinates' order."""
    session.state.setU(opensim.Vector.createFromMat(_in_system_order(session, speed)))


def _in_system_order(session: Session, about: Array) -> Array:
    """Numbers (N,) by speed, from the coordinates' order to the system's."""
    ordered = np.empty(len(about))
    ordered[session.mobility] = about
    return ordered


def _singular(session: Session, joint: list[int]) -> ModelError:
    coordinates = [session.coordinates[index] for index in joint]
    at = ", ".join(f"{c.getName()} {np.rad2deg(c.getValue(session.state)):.2f}°" for c in coordinates)
    kind = coordinates[0].getJoint()
    name = f"{kind.getConcreteClassName()} '{kind.getName()}'"
    fix = (
        "Its angles do not determine its motion there: choose a time_range without this frame, or replace the joint by "
        "a CustomJoint with another sequence of rotations."
    )
    got = f"{name} at {at}, at {session.state.getTime():g} s"
    return ModelError(explain("postures away from a joint's gimbal lock", got, fix, session.key.path))
