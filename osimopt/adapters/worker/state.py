"""OpenSim's state along a motion: coordinates set by name, speeds and forces about coordinates, couplers followed.

The speeds of a joint may differ from the rates of its coordinates: those of a Ball, Free, Ellipsoid or Scapulothoracic
joint are angular velocities, and q̇ = N(q) u. Everything outside this file is about coordinates: rates q̇,
accelerations q̈, and generalized forces and moment arms, which are N⁻ᵀ times those about speeds (virtual power is the
same: τ_q·q̇ = τ_u·u).
"""

from __future__ import annotations

import numpy as np
import opensim

from ...errors import ModelError, explain
from ...problem.arrays import Array, Index
from ..messages import ModelKey
from .coordinates import derivative, evaluate, rates_of_speed
from .session import Coupler, Session, load

#: Largest condition number of N. Beyond it (0.6° from gimbal lock) the angles of a joint hardly determine its motion,
#: and a speed of 1 rad/s may be any rate.
SINGULAR = 200.0


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


def rates_of(key: ModelKey, value: Array, speed: Array, change: Array) -> tuple[Array, Array]:
    """Rates q̇ and accelerations q̈ (T, N) along a motion given by OpenSim's speeds u and their changes u̇ (T, N)."""
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


def couple(
    key: ModelKey, value: Array, speed: Array, acceleration: Array
) -> tuple[Array, Array, Array, Array, tuple[Index, Index]]:
    """Overwrite the dependent columns of (T, N) values, speeds and accelerations.

    With q_d = f(q): u_d = f′u and u̇_d = f′u̇ + uᵀf″u, as OpenSim's assembly and constraints
    enforce. Also returns the slopes ∂q_d/∂q_j (T, P) and the pairs (d, j), j independent of all couplers.
    """
    session = load(key)
    value, speed, acceleration = value.copy(), speed.copy(), acceleration.copy()
    slopes: dict[int, dict[int, Array]] = {}
    for coupler in session.couplers:
        sources, target = list(coupler.independents), coupler.dependent
        gradients = np.empty((len(value), len(sources)))
        for frame in range(len(value)):
            at, u = value[frame, sources], speed[frame, sources]
            gradients[frame] = gradient = _gradient(coupler, at)
            value[frame, target] = coupler.scale * evaluate(coupler.function, at)
            speed[frame, target] = gradient @ u
            acceleration[frame, target] = gradient @ acceleration[frame, sources] + u @ _hessian(coupler, at) @ u
        through: dict[int, Array] = {}
        for source, gradient in zip(sources, gradients.T, strict=True):
            for independent, slope in slopes.get(source, {source: np.ones(len(value))}).items():
                through[independent] = through.get(independent, 0.0) + gradient * slope
        slopes[target] = through
    pairs = [(target, source) for target, through in slopes.items() for source in through]
    dependents, independents = (np.array([pair[i] for pair in pairs], dtype=np.intp) for i in (0, 1))
    return value, speed, acceleration, np.stack([slopes[d][j] for d, j in pairs], axis=1), (dependents, independents)


def follow(session: Session, value: Array) -> Array:
    """A posture (N,) whose dependent coordinates have the values that their couplers give."""
    value = value.copy()
    for coupler in session.couplers:
        value[coupler.dependent] = coupler.scale * evaluate(coupler.function, value[list(coupler.independents)])
    return value


def assume(session: Session, posture: Array) -> Array:
    """Set a posture (N,), coupled coordinates following, and realize it."""
    posture = follow(session, posture)
    set_posture(session, 0.0, posture)
    session.model.realizePosition(session.state)
    return posture


def jacobian(session: Session, value: Array) -> Array:
    """(N, N) matrix from independent rates to all rates at one posture: identity, plus the couplers' rows."""
    matrix = np.eye(len(session.coordinates))
    for coupler in session.couplers:
        sources = list(coupler.independents)
        matrix[coupler.dependent] = _gradient(coupler, value[sources]) @ matrix[sources]
    return matrix


def _gradient(coupler: Coupler, at: Array) -> Array:
    orders = range(len(at))
    return coupler.scale * np.array([derivative(coupler.function, at, i) for i in orders])


def _hessian(coupler: Coupler, at: Array) -> Array:
    orders = range(len(at))
    return coupler.scale * np.array([[derivative(coupler.function, at, i, j) for j in orders] for i in orders])


def _rates_of_speeds(session: Session, joint: list[int]) -> Array:
    """The block of N of a joint's coordinates, in the posture set."""
    model, state = session.model, session.state
    model.realizePosition(state)
    places = [session.place[index] for index in joint]
    return np.stack([rates_of_speed(model, state, session.mobility[index])[places] for index in joint], axis=1)


def _set_speeds(session: Session, speed: Array) -> None:
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
