"""Products of Legendre polynomials of scaled coordinates, ordered by total degree, as a basis of fits."""

from __future__ import annotations

from functools import lru_cache
from math import comb

import numpy as np
from numpy.polynomial import legendre

from ..problem.arrays import Array, Index
from .terms import list_exponents


@lru_cache(maxsize=64)
def graded(dimension: int, order: int) -> Index:
    """(K, dimension) exponents by total degree, so that the terms of a lower order come first."""
    exponents = list_exponents(dimension, order)
    exponents = exponents[np.argsort(exponents.sum(axis=1), kind="stable")]
    exponents.setflags(write=False)
    return exponents


def basis(value: Array, low: Array, high: Array, order: int) -> Array:
    """(1 + d, K, n): values of the terms in postures (n, d), and their derivatives with respect to each coordinate.

    ``low`` and ``high`` (d,) are the range that is scaled to [−1, 1].
    """
    half = 0.5 * (high - low)
    scaled = (value - 0.5 * (high + low)) / half
    dimension, degrees = scaled.shape[1], graded(scaled.shape[1], order)
    lines = np.ascontiguousarray(legendre.legvander(scaled.T, order).transpose(0, 2, 1))  # (d, order + 1, n)
    rises = legendre.legder(np.eye(order + 1)).T @ lines[:, : order or 1] / half[:, None, None]
    parts = np.empty((1 + dimension, len(degrees), len(value)))
    before = [np.ones((len(degrees), len(value)))]
    for variable in range(dimension):
        before.append(before[-1] * lines[variable][degrees[:, variable]])
    parts[0], after = before.pop(), np.ones_like(before[0])
    for variable in reversed(range(dimension)):
        parts[1 + variable] = before.pop() * rises[variable][degrees[:, variable]] * after
        after *= lines[variable][degrees[:, variable]]
    return parts


def to_powers(coefficients: Array, low: Array, high: Array, order: int) -> Array:
    """From terms of the basis to powers of the coordinates in OpenSim's order, (K, m)."""
    dimension, center, half = len(low), 0.5 * (high + low), 0.5 * (high - low)
    cube = np.zeros((*[order + 1] * dimension, coefficients.shape[1]))
    cube[tuple(graded(dimension, order).T)] = coefficients
    for variable in range(dimension):
        powers = np.arange(order + 1)
        shifted = _binomials(order) * (-center[variable]) ** np.maximum(powers[:, None] - powers, 0)
        rows = (_powers(order) * half[variable] ** -powers.astype(float)) @ shifted
        cube = np.moveaxis(np.tensordot(rows, cube, axes=(0, variable)), 0, variable)
    return np.asarray(cube[tuple(list_exponents(dimension, order).T)])


@lru_cache(maxsize=64)
def _powers(order: int) -> Array:
    """(order + 1, order + 1) coefficients of powers in each Legendre polynomial."""
    rows = np.zeros((order + 1, order + 1))
    for degree in range(order + 1):
        rows[degree, : degree + 1] = legendre.leg2poly(np.eye(order + 1)[degree, : degree + 1])
    return rows


@lru_cache(maxsize=64)
def _binomials(order: int) -> Array:
    return np.array([[float(comb(row, column)) for column in range(order + 1)] for row in range(order + 1)])
