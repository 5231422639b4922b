"""Coupled coordinates: values, speeds and accelerations that follow from the coupler functions, by the chain rule."""

from __future__ import annotations

from typing import Any

import numpy as np
import opensim
from numpy.typing import NDArray

from ..messages import ModelKey
from .session import Coupler, Session, load

Array = NDArray[np.float64]


def couple(key: ModelKey, value: Array, speed: Array, acceleration: Array) -> tuple[Array, Array, Array]:
    """Overwrite the dependent columns of (T, N) values, speeds and accelerations.

    With q_d = f(q): u_d = f′u and u̇_d = f′u̇ + uᵀf″u, exactly what OpenSim's assembly and constraints
    enforce.
    """
    session = load(key)
    value, speed, acceleration = value.copy(), speed.copy(), acceleration.copy()
    for coupler in session.couplers:
        sources = list(coupler.independents)
        target = coupler.dependent
        for frame in range(len(value)):
            f, gradient, hessian = _expand(coupler, value[frame, sources], curvature=True)
            u = speed[frame, sources]
            value[frame, target] = f
            speed[frame, target] = gradient @ u
            acceleration[frame, target] = gradient @ acceleration[frame, sources] + u @ hessian @ u
    return value, speed, acceleration


def follow(session: Session, value: Array) -> Array:
    """Overwrite the dependent coordinates of one posture (N,)."""
    for coupler in session.couplers:
        value[coupler.dependent] = _expand(coupler, value[list(coupler.independents)])[0]
    return value


def jacobian(session: Session, value: Array) -> Array:
    """(N, N) matrix from independent speeds to all speeds at one posture: identity, plus the couplers' rows."""
    matrix = np.eye(len(session.coordinates))
    for coupler in session.couplers:
        sources = list(coupler.independents)
        _, gradient, _ = _expand(coupler, value[sources])
        matrix[coupler.dependent] = gradient @ matrix[sources]
    return matrix


def _expand(coupler: Coupler, arguments: Array, curvature: bool = False) -> tuple[float, Array, Array]:
    """Value, gradient and (where asked for) second derivatives of one coupler's function."""
    vector = opensim.Vector.createFromMat(np.ascontiguousarray(arguments))
    function, scale, n = coupler.function, coupler.scale, len(arguments)
    gradient = np.array([function.calcDerivative(_order(i), vector) for i in range(n)])
    hessian = np.zeros((n, n))
    if curvature:
        hessian = np.array([[function.calcDerivative(_order(i, j), vector) for j in range(n)] for i in range(n)])
    return scale * function.calcValue(vector), scale * gradient, scale * hessian


def _order(*indices: int) -> Any:
    order = opensim.StdVectorInt()
    for index in indices:
        order.append(index)
    return order


def project(key: ModelKey, value: Array, force: Array) -> Array:
    """Project generalized forces of all coordinates, (T, N), onto the free ones, (T, D): τ_j + Σ_d τ_d ∂q_d/∂q_j."""
    session = load(key)
    free = session.free()
    if not session.couplers:
        return force[:, free]
    return np.array([jacobian(session, q)[:, free].T @ f for q, f in zip(value, force, strict=True)])
