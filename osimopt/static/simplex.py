"""Thousands of small linear programs at once: the bounded primal simplex method from a feasible point.

    maximise cᵀx   subject to   A x = b,  lower ≤ x ≤ upper          (finite bounds)

Programs of one batch have the same size and each starts from a feasible x of its own, which need not be a vertex:
what is neither basic nor on a bound waits at its value until it pays to move it (a *superbasic*). There is thus no
first phase, and x never gets worse than the start. The tableau B⁻¹A is updated from pivot to pivot; what rounding
leaves of that shows in the bound from duality, which is computed from the given numbers at the end: with z = c − Aᵀλ,
cᵀx ≤ λᵀb + Σ max(z lower, z upper) for every λ and every feasible x.

Textbook: Chvátal (1983), Linear Programming, chapter 8 (bounded variables).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = NDArray[np.intp]

#: Reduced costs of columns scaled to 1 that are below this are zero.
DUAL_TOLERANCE = 1e-11
#: Entries of the tableau below this do not block and are no pivots.
PIVOT = 1e-9
#: Steps to the tightest bound that differ by less are equal: the largest pivot among them is taken.
TIE = 1e-12
#: Per row and column of a program; a program that is not done by then circles.
STEPS = 5


@dataclass(frozen=True, eq=False)
class Extremum:
    """Of N programs: x (N, U), its value cᵀx (N,) and a proved upper bound of it (N,)."""

    x: Array
    value: Array
    bound: Array


def maximise(A: Array, c: Array, lower: Array, upper: Array, x: Array, basis: Index) -> Extremum:
    """Maximise c (N, U) from x (N, U) feasible for b = A x, with A (N, D, U); lower and upper (N, U).

    ``basis`` (N, D) are columns of A that are independent.
    """
    state = _Basis(A, c, lower, upper, x, basis)
    active = np.arange(len(A))
    for _ in range(STEPS * (A.shape[1] + A.shape[2])):
        active = active[state.step(active)]
        if not active.size:
            break
    value = np.einsum("nu,nu->n", c, state.x)
    columns = np.swapaxes(np.take_along_axis(A, state.basis[:, None, :], axis=2), 1, 2)
    at_basis = np.take_along_axis(c, state.basis, axis=1)
    multipliers = np.linalg.solve(columns, at_basis[:, :, None])[:, :, 0]
    return Extremum(state.x, value, dual_bound(A, c, lower, upper, x, np.asarray(multipliers, dtype=np.float64)))


def dual_bound(A: Array, c: Array, lower: Array, upper: Array, x: Array, multipliers: Array) -> Array:
    """(N,) what no feasible point passes: cᵀx + Σ max over the bounds of z (bound − x), for a feasible x and any λ."""
    z = c - np.einsum("nd,ndu->nu", multipliers, A)
    room = np.where(z > 0.0, upper, lower) - x
    return np.asarray(np.einsum("nu,nu->n", c, x) + np.einsum("nu,nu->n", z, room))


class _Basis:
    """The tableau with the reduced costs as its last row, the basis and x of every program."""

    def __init__(self, A: Array, c: Array, lower: Array, upper: Array, x: Array, basis: Index) -> None:
        rows = A.shape[1]
        columns = np.take_along_axis(A, basis[:, None, :], axis=2)
        self.tableau = np.concatenate([np.linalg.solve(columns, A), c[:, None, :]], axis=1)
        at_basis = np.take_along_axis(c, basis, axis=1)
        self.tableau[:, rows] -= np.einsum("nd,ndu->nu", at_basis, self.tableau[:, :rows])
        self.lower, self.upper, self.x, self.basis = lower, upper, x.copy(), basis.copy()

    def step(self, active: Index) -> NDArray[np.bool_]:
        """Move one column of every active program as far as it goes; return which were not optimal yet."""
        x, lower, upper = self.x[active], self.lower[active], self.upper[active]
        column, sign, improving = self._entering(active, x, lower, upper)
        n = np.arange(len(active))
        direction = -sign[:, None] * self.tableau[active, :-1, column]
        basis = self.basis[active]
        at = np.take_along_axis(x, basis, axis=1)
        limit = np.where(direction > 0.0, *(np.take_along_axis(end, basis, axis=1) for end in (upper, lower)))
        blocks = np.abs(direction) > PIVOT
        reach = np.where(blocks, np.maximum((limit - at) / np.where(blocks, direction, 1.0), 0.0), np.inf)
        own = np.where(sign > 0.0, upper[n, column] - x[n, column], x[n, column] - lower[n, column])
        length = np.minimum(own, reach.min(axis=1, initial=np.inf))
        length = np.where(improving, length, 0.0)
        at = at + length[:, None] * direction
        np.put_along_axis(x, basis, at, axis=1)
        x[n, column] += sign * length
        self.x[active] = np.clip(x, lower, upper)
        tied = reach <= (length + TIE)[:, None]
        leaving = np.where(tied, np.abs(direction), 0.0).argmax(axis=1)
        pivot = improving & tied.any(axis=1) & (own > length)
        self._pivot(active[pivot], leaving[pivot], column[pivot])
        return improving

    def _entering(self, active: Index, x: Array, lower: Array, upper: Array) -> tuple[Index, Array, NDArray[np.bool_]]:
        """The column that gains most per unit and has room, the direction in which it gains, and whether it does."""
        reduced = self.tableau[active, -1]
        gain = np.where(reduced > 0.0, np.where(x < upper, reduced, 0.0), np.where(x > lower, -reduced, 0.0))
        np.put_along_axis(gain, self.basis[active], 0.0, axis=1)
        column = gain.argmax(axis=1)
        n = np.arange(len(active))
        return column, np.sign(reduced[n, column]), gain[n, column] > DUAL_TOLERANCE

    def _pivot(self, programs: Index, row: Index, column: Index) -> None:
        """Bring columns into the basis for the rows they leave."""
        n = np.arange(len(programs))
        tableau = self.tableau[programs]
        incoming = tableau[n, row] / tableau[n, row, column][:, None]
        tableau -= tableau[n, :, column][:, :, None] * incoming[:, None, :]
        tableau[n, row] = incoming
        self.tableau[programs] = tableau
        self.basis[programs, row] = column
