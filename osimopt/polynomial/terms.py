"""Terms of a polynomial in several variables up to a total degree, in the order of OpenSim's file."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import lru_cache
from math import comb
from typing import TypeVar

import numpy as np

from ..problem.arrays import Array, Index

Key = TypeVar("Key", bound=Hashable)


def grouped(keys: Sequence[Key]) -> list[tuple[Key, Index]]:
    """Return each distinct key with the positions at which it stands, in order of appearance."""
    return [(key, np.flatnonzero([other == key for other in keys])) for key in dict.fromkeys(keys)]


def count_terms(dimension: int, order: int) -> int:
    """Number of terms up to a total degree."""
    return comb(dimension + order, order)


@lru_cache(maxsize=64)
def list_exponents(dimension: int, order: int) -> Index:
    """(K, dimension) exponents of every term, those of the last variable running fastest.

    This is the order of the coefficients of OpenSim's MultivariatePolynomialFunction (opensim-core,
    OpenSim/Common/MultivariatePolynomialFunction.cpp, ``generateCombinations``).
    """
    rows: list[tuple[int, ...]] = [()]
    for _ in range(dimension):
        rows = [(*row, exponent) for row in rows for exponent in range(order - sum(row) + 1)]
    exponents = np.array(rows, dtype=np.intp).reshape(len(rows), dimension)
    exponents.setflags(write=False)
    return exponents


@lru_cache(maxsize=64)
def shift_terms(dimension: int, order: int) -> tuple[Index, Array]:
    """Differentiation of coefficients: the term each moves to, and its factor, both (dimension, K).

    ∂/∂q_j turns the coefficient c of q^e into e_j·c of q^(e − 1_j), which is a term of the same list.
    """
    exponents = list_exponents(dimension, order)
    place = {tuple(row): index for index, row in enumerate(exponents.tolist())}
    target = np.zeros((dimension, len(exponents)), dtype=np.intp)
    for variable in range(dimension):
        for index, row in enumerate(exponents.tolist()):
            lowered = (*row[:variable], max(row[variable] - 1, 0), *row[variable + 1 :])
            target[variable, index] = place[lowered]
    return target, exponents.T.astype(np.float64)


def differentiate(coefficients: Array, dimension: int, order: int) -> Array:
    """(dimension, K, ...) coefficients, in the same terms, of the derivative with respect to each variable."""
    target, factor = shift_terms(dimension, order)
    slopes = np.zeros((dimension, *coefficients.shape))
    for variable in range(dimension):
        moved = coefficients * factor[variable].reshape(-1, *[1] * (coefficients.ndim - 1))
        np.add.at(slopes[variable], target[variable], moved)
    return slopes


def raise_order(coefficients: Array, dimension: int, order: int, to: int) -> Array:
    """Coefficients of the same polynomial for the terms of a higher order."""
    if order == to:
        return coefficients
    place = {tuple(row): index for index, row in enumerate(list_exponents(dimension, to).tolist())}
    longer = np.zeros(len(place))
    longer[[place[tuple(row)] for row in list_exponents(dimension, order).tolist()]] = coefficients
    return longer


def evaluate_terms(variables: Array, order: int) -> Array:
    """(K, T) value of every term at T points; ``variables`` is (dimension, T)."""
    dimension, points = variables.shape
    exponents = list_exponents(dimension, order)
    values = np.ones((len(exponents), points))
    for variable in range(dimension):
        powers = np.ones((order + 1, points))
        np.multiply.accumulate(np.broadcast_to(variables[variable], (order, points)), axis=0, out=powers[1:])
        values *= powers[exponents[:, variable]]
    return values
