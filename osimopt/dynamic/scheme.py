"""Transcriptions: how a differential equation becomes equations at points.

All are collocation methods. On an interval of duration h the rate is the polynomial through its values f at the
collocation points c, the state is its integral, so that at every point i

    x_i - x_0 - h Σ_q B_iq f_q = 0,    B_iq = ∫₀^{c_i} ℓ_q(s) ds

with ℓ the Lagrange polynomials of the collocation points, and ∫ of a cost is h Σ_q b_q · cost_q, b being the last row
of B. Points 0 and 1 give the trapezoidal rule, 0, ½ and 1 Hermite-Simpson (in its Lobatto IIIA form), Radau points
Legendre-Gauss-Radau.

Kelly M. An introduction to trajectory optimization. SIAM Review 59(4), 849-904, 2017. doi:10.1137/16M1062569.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.polynomial import Polynomial, legendre
from numpy.typing import NDArray

from ..errors import InputError, explain

Array = NDArray[np.float64]

RADAU = "legendre-gauss-radau"
#: Points of Legendre-Gauss-Radau unless the name says otherwise, as in "legendre-gauss-radau-2".
RADAU_POINTS, MOST_RADAU_POINTS = 3, 9


@dataclass(frozen=True, eq=False)
class Scheme:
    """Points of an interval, on [0, 1].

    ``collocation`` (C,) are those at which the differential equation holds, the last is 1; ``order`` is that of the
    error at the interval's end, for a smooth solution.
    """

    name: str
    collocation: Array
    order: int

    @cached_property
    def points(self) -> Array:
        """(P,) collocation points and 0."""
        return self.collocation if self.collocation[0] == 0.0 else np.concatenate([[0.0], self.collocation])

    @cached_property
    def collocated(self) -> NDArray[np.intp]:
        """(C,) which points are collocation points."""
        return np.arange(len(self.points) - len(self.collocation), len(self.points))

    @cached_property
    def lagrange(self) -> tuple[Polynomial, ...]:
        """(C,) polynomials ℓ, 1 at their own collocation point and 0 at the others."""
        basis = []
        for own in self.collocation:
            others = self.collocation[self.collocation != own]
            product = Polynomial.fromroots(others) if others.size else Polynomial([1.0])
            basis.append(product / np.prod(own - others))
        return tuple(basis)

    @cached_property
    def integrals(self) -> Array:
        """B (P - 1, C), of the points after the first."""
        antiderivatives = [polynomial.integ() for polynomial in self.lagrange]
        return np.array([[whole(point) - whole(0.0) for whole in antiderivatives] for point in self.points[1:]])

    @property
    def weights(self) -> Array:
        """(C,) of the quadrature over the interval."""
        return np.asarray(self.integrals[-1])


def scheme(transcription: str) -> Scheme:
    """Look a transcription up by name.

    Raises
    ------
    InputError
        Unknown name.
    """
    if transcription == "trapezoidal":
        return Scheme(transcription, np.array([0.0, 1.0]), 2)
    if transcription == "hermite-simpson":
        return Scheme(transcription, np.array([0.0, 0.5, 1.0]), 4)
    named = re.fullmatch(rf"{RADAU}(-(\d))?", str(transcription))
    count = int(named[2] or RADAU_POINTS) if named else 0
    if not 1 <= count <= MOST_RADAU_POINTS:
        known = f"'trapezoidal', 'hermite-simpson', '{RADAU}' or '{RADAU}-1' to '-{MOST_RADAU_POINTS}'"
        raise InputError(explain(f"transcription {known}", repr(transcription), "Choose one of them."))
    return Scheme(f"{RADAU}-{count}", _radau(count), 2 * count - 1)


def _radau(count: int) -> Array:
    """Radau points on (0, 1], 1 included: 1 minus the roots of P_(n-1) + P_n on [-1, 1], brought to [0, 1]."""
    coefficients = np.zeros(count + 1)
    coefficients[-2:] = 1.0
    roots = np.sort(legendre.legroots(coefficients))
    points = np.sort(0.5 * (1.0 - roots))
    points[-1] = 1.0
    return np.asarray(points)
