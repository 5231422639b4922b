"""The duality gap of a separable power cost, as a sum of terms that are never negative. NumPy or torch."""

from __future__ import annotations

from typing import Any

import array_api_compat
import numpy as np

#: Arrays of NumPy or torch.
Array = Any

#: Differences below this share of y° are integrated, those above cancel too little to matter.
NEAR = 0.01
#: Powers of less than this are taken of this: 0 to a negative power is infinite.
TINY = 1e-150


def power(size: Array, exponent: float) -> Array:
    """Size to the power of an exponent, for sizes > 0, at most 1e250: the logarithm is faster than the power."""
    xp = namespace(size)
    if exponent in (0.5, 1.0, 2.0):
        return xp.sqrt(size) if exponent == 0.5 else size if exponent == 1.0 else size * size
    logarithm = exponent * xp.log(size)
    return xp.exp(logarithm if abs(exponent) < 2.0 else -at_least(-logarithm, -575.0))


def power_answer(z: Array, p: float) -> Array:
    """The y at which the slope of |y|^p / p is z: sign(z) |z|^(1/(p−1))."""
    if p == 2.0:
        return z
    xp = namespace(z)
    size = xp.abs(z)
    return xp.where(size > TINY, xp.sign(z) * power(at_least(size, TINY), 1.0 / (p - 1.0)), 0.0)


def duality_gap(y: Array, z: Array, lower: Array, upper: Array, p: float) -> Array:
    """Gap (T,) between a feasible y and the dual value at λ, z = Aᵀλ, as a sum of terms that are never negative.

    With y° = y(λ) each unknown adds D(y, y°) + (φ′(y°) − z)(y − y°), φ = |y|^p / p: the Bregman distance, and a term
    that is zero inside the bounds and positive on them.
    """
    xp = namespace(y)
    best = xp.minimum(xp.maximum(power_answer(z, p), lower), upper)
    return xp.sum(bregman(y, best, p) + at_least((power_slope(best, p) - z) * (y - best), 0.0), axis=1)


def power_slope(y: Array, p: float) -> Array:
    """Slope of |y|^p / p."""
    if p == 2.0:
        return y
    return namespace(y).sign(y) * power(at_least(namespace(y).abs(y), TINY), p - 1.0)


def bregman(y: Array, origin: Array, p: float) -> Array:
    """φ(y) − φ(y°) − φ′(y°)(y − y°) of φ = |y|^p / p, element by element, never negative and never too small.

    For p = 2 it is half the square of the difference. Otherwise, where the difference is small against y°, half its
    square times the larger of the two curvatures, which bounds it, so that nothing cancels.
    """
    xp = namespace(y)
    change = y - origin
    if p == 2.0:
        return 0.5 * change * change
    here, there = (power(at_least(xp.abs(at), TINY), p - 2.0) for at in (y, origin))
    plain = (here * y * y - there * origin * origin) / p - there * origin * change
    bound = (0.5 * (p - 1.0)) * xp.maximum(here, there) * change * change
    return xp.where(xp.abs(change) < NEAR * xp.abs(origin), bound, at_least(plain, 0.0))


def at_least(array: Array, least: float) -> Array:
    """The array with smaller elements raised."""
    if isinstance(array, np.ndarray):
        return np.maximum(array, least)
    return namespace(array).clip(array, min=least)


def device_of(array: Array) -> Any:
    """Where the array lives, as its library wants to hear it."""
    return array_api_compat.device(array)


def namespace(array: Array) -> Any:
    """The array API of the array's library."""
    return np if isinstance(array, np.ndarray) else array_api_compat.array_namespace(array)
