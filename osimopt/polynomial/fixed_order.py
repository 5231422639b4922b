"""Polynomials of one order, by least squares, of terms that are chosen before."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..problem.arrays import Array
from .basis import basis, graded, to_powers
from .fit import MAX_TERMS, Target, known_equations


def fit_order(
    target: Target, low: Array, high: Array, order: int, factors: int = 0, degree: int = 0
) -> tuple[int, Array]:
    """Polynomials of one order, or of a lower one that the postures determine, by least squares.

    Parameters
    ----------
    target
        m muscles. Postures and slopes that are NaN for one of them are left out: coordinates without any slope are
        fitted by lengths alone.
    low, high
        (d,) range of the coordinates, which is scaled to [−1, 1].
    order
        Highest total degree; lower where there would be more terms than half the postures, or than ``MAX_TERMS``.
    factors, degree
        The total degree in the last ``factors`` coordinates, which have few values, is at most ``degree``.

    Returns
    -------
    order, coefficients
        Coefficients are (K, m), those of excluded terms 0.
    """
    most = min(MAX_TERMS, int(np.isfinite(target.length).all(axis=1).sum()) // 2)

    def allowed(order: int) -> NDArray[np.bool_]:
        last = graded(len(low), order)[:, len(low) - factors :]
        return np.asarray((last.sum(axis=1) <= degree) | (factors == 0))

    while order > 1 and int(allowed(order).sum()) > most:
        order -= 1
    keep, used = allowed(order), known_equations(target.equations)
    design = basis(target.value, low, high, order)[:, keep].transpose(0, 2, 1)[used]
    triangle = np.asarray(np.linalg.qr(np.concatenate([design, target.equations[used]], axis=1), mode="r"))
    size = int(keep.sum())
    coefficients = np.zeros((len(keep), target.length.shape[1]))
    coefficients[keep] = np.linalg.lstsq(triangle[:size, :size], triangle[:size, size:], rcond=None)[0]
    return order, to_powers(coefficients, low, high, order)
