"""CoordinateCouplerConstraints: coordinates that are functions of others, by substitution."""

from __future__ import annotations

from typing import Any

import numpy as np
import opensim

from ...errors import ModelError, explain, some
from ...problem.arrays import Array
from .coordinates import derivative, evaluate
from .parts import Coupler, Session


def find_couplers(parts: list[Any], state: Any, coordinates: list[Any]) -> list[Coupler]:
    """The couplers that are enforced, each after those that its independents follow.

    Raises
    ------
    ModelError
        A cycle of couplers.
    """
    names = [coordinate.getName() for coordinate in coordinates]
    couplers = []
    for part in parts:
        coupler = opensim.CoordinateCouplerConstraint.safeDownCast(part)
        if coupler is None or not coupler.isEnforced(state):
            continue
        independent = coupler.getIndependentCoordinateNames()
        sources = tuple(names.index(independent.get(i)) for i in range(independent.getSize()))
        scale = float(coupler.getPropertyByName("scale_factor").toString())
        dependent = names.index(coupler.getDependentCoordinateName())
        couplers.append(Coupler(coupler.getName(), dependent, sources, coupler.getFunction(), scale))
    return _in_order(couplers)


def _in_order(couplers: list[Coupler]) -> list[Coupler]:
    """Order the couplers so that each one's independents are known before it is evaluated."""
    waiting, ordered = list(couplers), []
    while waiting:
        blocked = {coupler.dependent for coupler in waiting}
        ready = [coupler for coupler in waiting if not blocked & set(coupler.independents)]
        if not ready:
            raise ModelError(explain("couplers without a cycle", some(c.name for c in waiting), "Break the cycle."))
        ordered += ready
        waiting = [coupler for coupler in waiting if coupler not in ready]
    return ordered


def coupled(session: Session, value: Array) -> Array:
    """A posture (N,) with the coordinates that couplers determine."""
    value = value.copy()
    for coupler in session.couplers:
        value[coupler.dependent] = coupler.scale * evaluate(coupler.function, value[list(coupler.independents)])
    return value


def coupled_rates(session: Session, value: Array) -> Array:
    """(N, N) matrix from the rates of all others to those of coupled coordinates, whose columns are zero."""
    matrix = np.eye(len(session.coordinates))
    for coupler in session.couplers:
        sources = list(coupler.independents)
        matrix[coupler.dependent] = _gradient(coupler, value[sources]) @ matrix[sources]
    return matrix


def coupled_acceleration(session: Session, value: Array, speed: Array, acceleration: Array) -> Array:
    """Accelerations (N,) with those that couplers determine: with q_d = f(q), q̈_d = f′q̈ + q̇ᵀf″q̇."""
    acceleration = acceleration.copy()
    for coupler in session.couplers:
        sources = list(coupler.independents)
        at, u = value[sources], speed[sources]
        acceleration[coupler.dependent] = _gradient(coupler, at) @ acceleration[sources] + u @ _hessian(coupler, at) @ u
    return acceleration


def _gradient(coupler: Coupler, at: Array) -> Array:
    orders = range(len(at))
    return coupler.scale * np.array([derivative(coupler.function, at, i) for i in orders])


def _hessian(coupler: Coupler, at: Array) -> Array:
    orders = range(len(at))
    return coupler.scale * np.array([[derivative(coupler.function, at, i, j) for j in orders] for i in orders])
