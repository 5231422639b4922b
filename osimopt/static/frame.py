"""One frame as a small convex program, reduced to what needs solving.

In variables y_i = s_i x_i that make every term of the cost |y_i|^p:

    minimise Σ |y_i|^p / p   subject to   A y = b,  lower ≤ y ≤ upper.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .reduction import Reduction, without_rounding

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

#: Relative; singular values of the moment balance below this are zero.
RANK_TOLERANCE = 1e-10
#: Relative; rows that depend on each other may disagree by rounding.
INCONSISTENT = 1e-9


class InfeasibleError(Exception):
    """The moments of some rows cannot be met: row → signed shortfall, for those known at this point."""

    def __init__(self, shortfall: dict[int, float]) -> None:
        super().__init__(shortfall)
        self.shortfall = shortfall


@dataclass(frozen=True, eq=False)
class Frame:
    """The program; ``rows`` and ``columns`` say where its rows and columns stood before reduction."""

    A: Array
    b: Array
    lower: Array
    upper: Array
    rows: NDArray[np.intp]
    columns: NDArray[np.intp]

    @classmethod
    def of(cls, A: Array, b: Array, lower: Array, upper: Array) -> Frame:
        """Build an unreduced frame."""
        return cls(A, b, lower, upper, np.arange(len(b)), np.arange(A.shape[1]))

    def scaled(self, scale: Array) -> Frame:
        """The same frame in y = scale · x (all scales positive)."""
        s = scale[self.columns]
        return Frame(self.A / s, self.b, self.lower * s, self.upper * s, self.rows, self.columns)


def with_independent_rows(frame: Frame) -> Frame:
    """The same program with orthonormal rows: two coordinates may say the same, which no solver likes.

    Raises
    ------
    InfeasibleError
        Rows that depend on each other ask for different moments.
    """
    size = np.maximum(np.abs(frame.A).max(axis=1, initial=0.0), 1e-300)
    left, singular, right = np.linalg.svd(frame.A / size[:, None], full_matrices=False)
    rank = int(np.sum(singular > RANK_TOLERANCE * singular.max(initial=0.0)))
    target = left.T @ (frame.b / size)
    unmet = (frame.b / size) - left[:, :rank] @ target[:rank]
    if np.abs(unmet * size).max(initial=0.0) > INCONSISTENT * max(1.0, float(np.abs(frame.b).max(initial=0.0))):
        raise InfeasibleError({})
    rows = np.arange(rank)
    return Frame(right[:rank], target[:rank] / singular[:rank], frame.lower, frame.upper, rows, frame.columns)


def acting(frame: Frame) -> Array:
    """The frame's A (D, U) without what is rounding."""
    row, column = np.nonzero(frame.A)
    value = without_rounding(frame.A[row, column][None], row, column, frame.b[None], frame.lower, frame.upper)
    A = np.zeros(frame.A.shape)
    A[row, column] = value[0]
    return A


def reduce_frame(frame: Frame) -> tuple[Frame, Array]:
    """Settle what needs no optimization; return the rest and the settled x (NaN where still open).

    See :mod:`osimopt.static.reduction`.

    Raises
    ------
    InfeasibleError
        A determined unknown would pass its bounds, or nothing acts on a row that has a moment.
    """
    A = acting(frame)
    row, column = np.nonzero(A)
    value = A[row, column][None]
    reduction = Reduction.of(row, column, value, *A.shape)
    x, left, short = reduction.settle(value, frame.b[None], frame.lower, frame.upper)
    if short.any():
        raise InfeasibleError({int(frame.rows[row]): float(short[0, row]) for row in np.flatnonzero(short[0])})
    rows, keep = reduction.open_rows, reduction.open_columns
    rest = Frame(
        A[np.ix_(rows, keep)],
        left[0, rows],
        frame.lower[keep],
        frame.upper[keep],
        frame.rows[rows],
        frame.columns[keep],
    )
    return rest, np.where(keep, np.nan, x[0])
