"""The duality gap of a separable power cost, as a sum of terms that are never negative. NumPy or torch."""

from __future__ import annotations

from typing import Any

#: Arrays of NumPy or torch.
Array = Any

#: Gauss–Legendre nodes and weights on [0, 1].
_NODES = (0.04691007703066802, 0.23076534494715845, 0.5, 0.7692346550528415, 0.9530899229693319)
_WEIGHTS = (0.11846344252809454, 0.23931433524968324, 0.28444444444444444, 0.23931433524968324, 0.11846344252809454)


def power_answer(z: Array, p: float) -> Array:
    """The y at which the slope of |y|^p / p is z: sign(z) |z|^(1/(p−1))."""
    if p == 2.0:
        return z
    xp = namespace(z)
    return xp.sign(z) * xp.abs(z) ** (1.0 / (p - 1.0))


def duality_gap(y: Array, z: Array, lower: Array, upper: Array, p: float) -> Array:
    """Gap (T,) between a feasible y and the dual value at λ, z = Aᵀλ, as a sum of terms that are never negative.

    With y° = y(λ) each unknown adds D(y, y°) + (φ′(y°) − z)(y − y°), φ = |y|^p / p: the Bregman distance, computed
    as an integral so that nothing cancels, and a term that is zero inside the bounds and positive on them.
    """
    xp = namespace(y)
    best = xp.clip(power_answer(z, p), lower, upper)
    return xp.sum(bregman(y, best, p) + _complementarity(xp, y, best, z, p), axis=1)


def _complementarity(xp: Any, y: Array, best: Array, z: Array, p: float) -> Array:
    slope = xp.sign(best) * xp.abs(best) ** (p - 1.0)
    return xp.clip((slope - z) * (y - best), 0.0, None)


def bregman(y: Array, origin: Array, p: float) -> Array:
    """φ(y) − φ(y°) − φ′(y°)(y − y°) of φ = |y|^p / p, element by element, never negative.

    For p = 2 it is half the square of the difference; otherwise (y − y°)² ∫ (1 − t) φ″(y° + t (y − y°)) dt where the
    difference is small against y°, and the plain formula, which then cancels nothing, where it is not.
    """
    xp = namespace(y)
    change = y - origin
    if p == 2.0:
        return 0.5 * change * change
    power = xp.abs(y) ** p / p - xp.abs(origin) ** p / p - xp.sign(origin) * xp.abs(origin) ** (p - 1.0) * change
    integral = xp.zeros_like(change)
    for at, weight in zip(_NODES, _WEIGHTS, strict=True):
        between = xp.clip(xp.abs(origin + at * change), 1e-300, None)
        integral = integral + weight * (1.0 - at) * (p - 1.0) * between ** (p - 2.0)
    near = xp.abs(change) < 0.5 * xp.abs(origin)
    return xp.where(near, change * change * integral, xp.clip(power, 0.0, None))


def namespace(array: Array) -> Any:
    """The array API of the array's library."""
    from array_api_compat import array_namespace

    return array_namespace(array)
