"""The program of one frame: the moment balance A x = b and the bounds of its unknowns, dense."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..namespace import Tensor, namespace
from ..problem.arrays import Array, Index
from ..problem.problem import RedundancyProblem
from .reduction import Reduction, without_rounding

#: Relative; singular values of the moment balance below this are zero.
RANK_TOLERANCE = 1e-10
#: Relative; linearly dependent rows may contradict each other by rounding.
INCONSISTENT = 1e-9


class InfeasibleError(Exception):
    """The moments of some rows cannot be met; ``shortfall`` maps known rows to their signed shortfall."""

    def __init__(self, shortfall: dict[int, float]) -> None:
        super().__init__(shortfall)
        self.shortfall = shortfall


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame: A x = b, lower ≤ x ≤ upper; ``rows`` and ``columns`` are the positions before reduction."""

    A: Array
    b: Array
    lower: Array
    upper: Array
    rows: Index
    columns: Index

    @classmethod
    def of(cls, A: Array, b: Array, lower: Array, upper: Array) -> Frame:
        """Build an unreduced frame."""
        return cls(A, b, lower, upper, np.arange(len(b)), np.arange(A.shape[1]))

    @classmethod
    def at(cls, problem: RedundancyProblem, frame: int) -> Frame:
        """Take one frame of a problem."""
        return cls.of(*problem.system(frame), *problem.bounds())

    def scaled(self, scale: Array) -> Frame:
        """The same frame in y = scale · x; scale (N,) is positive."""
        return Frame(self.A / scale, self.b, self.lower * scale, self.upper * scale, self.rows, self.columns)

    def split(self) -> tuple[Frame, Index]:
        """The same frame in nonnegative unknowns; those that may be negative, returned too, add their negative part."""
        split, low, high = np.flatnonzero(self.lower < 0.0), self.lower, self.upper
        A = np.hstack([self.A, -self.A[:, split]])
        lower = np.concatenate([np.maximum(low, 0.0), np.maximum(-high[split], 0.0)])
        upper = np.concatenate([np.maximum(high, 0.0), -low[split]])
        return Frame(A, self.b, lower, upper, self.rows, np.concatenate([self.columns, self.columns[split]])), split


def row_size(A: Array) -> Array:
    """Largest absolute value of each row (..., D), 1 for rows of zeros."""
    size = np.abs(A).max(axis=-1, initial=0.0)
    return np.where(size > 0.0, size, 1.0)


def positive(scale: Array) -> Tensor:
    """The scales, 1 in place of those that are 0."""
    return namespace(scale).where(scale > 0.0, scale, 1.0)


def with_independent_rows(frame: Frame) -> Frame:
    """The same program with orthonormal rows: coordinates may be linearly dependent.

    Raises
    ------
    InfeasibleError
        Linearly dependent rows require different moments.
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
    """The frame's A (D, U) without effects that are rounding."""
    row, column = np.nonzero(frame.A)
    A = np.zeros(frame.A.shape)
    value = without_rounding(frame.A[row, column][None], row, column, frame.b[None], frame.lower, frame.upper)
    A[row, column] = value[0]
    return A


def reduce_frame(frame: Frame) -> tuple[Frame, Array]:
    """Settle what needs no optimization; return the remaining frame and the settled x (NaN where still open).

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
    bounds = frame.lower[keep], frame.upper[keep]
    rest = Frame(A[np.ix_(rows, keep)], left[0, rows], *bounds, frame.rows[rows], frame.columns[keep])
    return rest, np.where(keep, np.nan, x[0])
