"""OpenSim's state along a motion: coordinates set by name, speeds and forces about coordinates.

A joint may have speeds of its own: those of a Ball, Free, Ellipsoid or Scapulothoracic joint are angular velocities,
and the rates of its coordinates are q̇ = N(q) u. Everything outside this file is about coordinates: rates q̇,
accelerations q̈, generalized forces and moment arms N⁻ᵀ of those about speeds (virtual power is the same:
τ_q·q̇ = τ_u·u).
"""

from __future__ import annotations

import numpy as np
import opensim
from numpy.typing import NDArray

from ...errors import ModelError, explain
from ..messages import ModelKey
from .mobility import column
from .session import Session, load

Array = NDArray[np.float64]

#: Of N: beyond this the angles of a joint hardly determine its motion (0.6° from gimbal lock), and a speed of 1 rad/s
#: may be any rate.
SINGULAR = 200.0


def set_posture(session: Session, time: float, value: Array) -> None:
    """Set time and every coordinate (N,), nothing enforced."""
    session.state.setTime(float(time))
    q = np.zeros(session.state.getNQ())
    q[session.place] = value
    session.state.setQ(opensim.Vector.createFromMat(q))


def to_speeds(session: Session, rates: Array) -> Array:
    """Speeds u (N, …) of rates q̇ (N, …) of the coordinates, both in the coordinates' order, in the posture set.

    Raises
    ------
    ModelError
        The posture is a singularity of a joint with speeds of its own.
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


def rates_of(key: ModelKey, value: Array, speed: Array, change: Array) -> tuple[Array, Array]:
    """Rates q̇ and accelerations q̈ (T, N) along a motion of OpenSim's own speeds u and u̇ (T, N)."""
    session = load(key)
    rate, acceleration = speed.copy(), change.copy()
    for frame in range(len(value)):
        set_posture(session, 0.0, value[frame])
        _set_speeds(session, speed[frame])
        session.model.realizeVelocity(session.state)
        rate[frame] = to_rates(session, speed[frame])
        acceleration[frame] = to_rates(session, change[frame]) + drift(session)
    return rate, acceleration


def set_speed(session: Session, rate: Array) -> None:
    """Set the rate of every coordinate (N,) and realize velocities."""
    _set_speeds(session, to_speeds(session, rate))
    session.model.realizeVelocity(session.state)


def drift(session: Session) -> Array:
    """Ṅ u (N,): what the rates of the coordinates change by where no speed changes. Velocities must be realized."""
    change = np.zeros(len(session.place))
    if session.turning:
        out = opensim.Vector(session.state.getNQ(), 0.0)
        session.model.getMatterSubsystem().multiplyByNDot(session.state, False, session.state.getU(), out)
        change = out.to_numpy()[session.place]
    return change


def to_accelerations(session: Session, acceleration: Array) -> Array:
    """Changes u̇ (N,) of the speeds, in the system's order, of the coordinates' q̈ (N,); q̈ = N u̇ + Ṅ u."""
    udot = np.empty(len(acceleration))
    udot[session.mobility] = to_speeds(session, acceleration - drift(session))
    return udot


def to_coordinates(session: Session, force: Array) -> Array:
    """Generalized forces about coordinates (N,), of those about speeds (N,) in the system's order."""
    about = force[session.mobility]
    for joint in session.turning:
        about[joint] = np.linalg.solve(_rates_of_speeds(session, joint).T, about[joint])
    return np.asarray(about)


def to_mobilities(session: Session, force: Array) -> Array:
    """Generalized forces about speeds (N,), in the system's order, of those about coordinates (N,)."""
    about = force.copy()
    for joint in session.turning:
        about[joint] = _rates_of_speeds(session, joint).T @ force[joint]
    ordered = np.empty(len(force))
    ordered[session.mobility] = about
    return ordered


def net_force(session: Session, acceleration: Array) -> Array:
    """Inverse dynamics (N,) about the coordinates with every actuator at zero, in the order of the coordinate set.

    Springs, limit forces, bushings, ligaments and external loads stay on, as in OpenSim's static optimization.
    """
    udot = opensim.Vector.createFromMat(to_accelerations(session, acceleration))
    return to_coordinates(session, session.inverse_dynamics.solve(session.state, udot).to_numpy())


def _rates_of_speeds(session: Session, joint: list[int]) -> Array:
    """The block of N of a joint's coordinates, in the posture set."""
    model, state = session.model, session.state
    model.realizePosition(state)
    places = [session.place[index] for index in joint]
    return np.stack([column(model, state, session.mobility[index])[places] for index in joint], axis=1)


def _set_speeds(session: Session, speed: Array) -> None:
    u = np.empty(len(speed))
    u[session.mobility] = speed
    session.state.setU(opensim.Vector.createFromMat(u))


def _singular(session: Session, joint: list[int]) -> ModelError:
    first = session.coordinates[joint[0]]
    at = ", ".join(
        f"{session.coordinates[i].getName()} {np.rad2deg(session.coordinates[i].getValue(session.state)):.2f}°"
        for i in joint
    )
    name = f"{first.getJoint().getConcreteClassName()} '{first.getJoint().getName()}'"
    fix = (
        "There its angles do not determine its motion: choose a time_range without this frame, or replace the joint by "
        "a CustomJoint with another sequence of rotations."
    )
    got = f"{name} at {at}, at {session.state.getTime():g} s"
    return ModelError(explain("postures away from a joint's gimbal lock", got, fix, session.key.path))
