"""Coupled coordinates: values, speeds and accelerations that follow from the coupler functions, by the chain rule."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import opensim
from numpy.typing import NDArray

from ..messages import ModelKey
from .session import Coupler, Session, load

Array = NDArray[np.float64]


def couple(
    key: ModelKey, value: Array, speed: Array, acceleration: Array
) -> tuple[Array, Array, Array, Array, tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Overwrite the dependent columns of (T, N) values, speeds and accelerations.

    With q_d = f(q): u_d = f′u and u̇_d = f′u̇ + uᵀf″u, exactly what OpenSim's assembly and constraints
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
            value[frame, target] = _value(coupler, at)
            speed[frame, target] = gradient @ u
            acceleration[frame, target] = gradient @ acceleration[frame, sources] + u @ _hessian(coupler, at) @ u
        own: dict[int, Array] = {}
        for source, gradient in zip(sources, gradients.T, strict=True):
            for independent, slope in slopes.get(source, {source: np.ones(len(value))}).items():
                own[independent] = own.get(independent, 0.0) + gradient * slope
        slopes[target] = own
    pairs = [(target, source) for target, own in slopes.items() for source in own]
    dependents, independents = (np.array([pair[i] for pair in pairs], dtype=np.intp) for i in (0, 1))
    return value, speed, acceleration, np.stack([slopes[d][j] for d, j in pairs], axis=1), (dependents, independents)


def follow(session: Session, value: Array) -> Array:
    """Overwrite the dependent coordinates of one posture (N,)."""
    for coupler in session.couplers:
        value[coupler.dependent] = _value(coupler, value[list(coupler.independents)])
    return value


def jacobian(session: Session, value: Array) -> Array:
    """(N, N) matrix from independent speeds to all speeds at one posture: identity, plus the couplers' rows."""
    matrix = np.eye(len(session.coordinates))
    for coupler in session.couplers:
        sources = list(coupler.independents)
        matrix[coupler.dependent] = _gradient(coupler, value[sources]) @ matrix[sources]
    return matrix


def _value(coupler: Coupler, arguments: Array) -> float:
    return float(coupler.scale * coupler.function.calcValue(opensim.Vector.createFromMat(arguments)))


def _gradient(coupler: Coupler, arguments: Array) -> Array:
    at, orders = opensim.Vector.createFromMat(arguments), range(len(arguments))
    return coupler.scale * np.array([coupler.function.calcDerivative(_order(i), at) for i in orders])


def _hessian(coupler: Coupler, arguments: Array) -> Array:
    at, orders = opensim.Vector.createFromMat(arguments), range(len(arguments))
    return coupler.scale * np.array(
        [[coupler.function.calcDerivative(_order(i, j), at) for j in orders] for i in orders]
    )


@lru_cache
def _order(*indices: int) -> Any:
    order = opensim.StdVectorInt()
    for index in indices:
        order.append(index)
    return order
