"""The moment balance A x = b, and the part of it that needs no optimization.

A row on which a single open unknown acts determines that unknown. The residual actuators of a floating base and the
actuators of limbs without muscles drop out exactly, and cannot disturb the muscles' optimum. The unknown must act on
the row in every frame: where a moment arm is zero in one of them, the row is left to the optimization. An unknown
without effect takes the value of least cost. The rest falls into blocks that share neither rows nor columns: a left and
a right leg are two small problems.

A is sparse with a fixed pattern: values (T, Q) at Q places (row, column), which may be zero in some frames. Values are
arrays of NumPy or torch, places are NumPy's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..namespace import Tensor, alike, filled, namespace, plain, true_rows
from ..problem.arrays import Array, Index, Rows
from ..problem.problem import RedundancyProblem

Mask = NDArray[np.bool_]

#: Relative; a moment on which nothing acts, or a determined unknown beyond its bound, by more than this is infeasible.
INFEASIBLE = 1e-9
#: Relative; the sum of all effects that are dropped as rounding changes a moment by no more than this.
NEGLIGIBLE = 1e-10
#: For an unknown without bounds: effects below this share of its largest effect are rounding.
PRECISION = 1e-15
#: An unknown settles a row only with this share of its largest effect: a division by less amplifies rounding.
PIVOT = 1e-3


@dataclass(frozen=True, eq=False)
class Block:
    """Rows and columns that are coupled, and the places within."""

    rows: Index
    columns: Index
    places: Index
    row: Index
    column: Index

    def dense(self, value: Array, scale: Array) -> Tensor:
        """A (T, D, N) of the block in y = scale · x; ``value`` (T, Q) and ``scale`` (T, U) of the whole balance."""
        shape = len(value), len(self.rows), len(self.columns)
        flat = filled((shape[0], shape[1] * shape[2]), 0.0, value)
        flat[:, self.row * shape[2] + self.column] = value[:, self.places] / scale[:, self.columns[self.column]]
        return flat.reshape(shape)


@dataclass(frozen=True, eq=False)
class Reduction:
    """The order in which rows are settled, each by a column or by none (−1), and the blocks that remain.

    ``pivots`` are the (row, column, whether the column settles the row) on which the order depends.
    """

    row: Index
    column: Index
    order: tuple[tuple[int, int], ...]
    open_rows: Mask
    open_columns: Mask
    blocks: tuple[Block, ...]
    pivots: tuple[tuple[int, int, bool], ...]

    @classmethod
    def of(cls, row: Index, column: Index, value: Array, rows: int, columns: int) -> Reduction:
        """From the places (Q,) at which A may be nonzero, and its values (T, Q) there."""
        acts = np.zeros((rows, columns), dtype=bool)
        acts[row, column] = True
        open_rows: Mask = np.ones(rows, dtype=bool)
        open_columns: Mask = np.asarray(acts.any(axis=0))
        order, pivots, candidates = [], [], open_rows.copy()
        count = acts[:, open_columns].sum(axis=1)
        while (todo := np.flatnonzero(candidates & (count <= 1))).size:
            settled = int(todo[0])
            candidates[settled] = False
            left = int(np.argmax(acts[settled] & open_columns)) if count[settled] else -1
            if left >= 0:
                pivots.append((settled, left, _settles(row, column, value, settled, left)))
                if not pivots[-1][2]:
                    continue
                open_columns[left] = False
                candidates |= open_rows & acts[:, left]
                count -= acts[:, left]
            open_rows[settled] = candidates[settled] = False
            order.append((settled, left))
        blocks = _blocks(row, column, open_rows, open_columns)
        return cls(row, column, tuple(order), open_rows, open_columns, blocks, tuple(pivots))

    def holds(self, value: Array) -> bool:
        """Whether the reduction is also that of other values (T, Q) at the same places."""
        return all(_settles(self.row, self.column, value, row, column) is pivot for row, column, pivot in self.pivots)

    def settle(self, value: Array, b: Array, lower: Array, upper: Array) -> tuple[Array, Array, Array]:
        """Settled unknowns x (T, U), the remaining moments (T, D), and the shortfall of settled rows (T, D).

        ``value`` (T, Q), ``b`` (T, D), ``lower`` and ``upper`` (U,).
        """
        xp = namespace(b)
        x = filled((len(b), len(lower)), 0.0, b) + alike(np.clip(0.0, lower, upper), b)
        left, short = b + 0.0, filled(tuple(b.shape), 0.0, b)
        for row, column in self.order:
            if column >= 0:
                places = np.flatnonzero(self.column == column)
                effect = value[:, places[self.row[places] == row][0]]
                x[:, column] = xp.clip(left[:, row] / effect, float(lower[column]), float(upper[column]))
                for place in places:
                    left[:, self.row[place]] -= value[:, place] * x[:, column]
            short[:, row] = left[:, row]
        allowed = INFEASIBLE * largest(b)
        return x, left, xp.where(xp.abs(short) > allowed[:, None], short, 0.0)

    def multipliers(self, value: Array, slope: Array, known: Array) -> Array:
        """Multipliers (T, D), with those of settled rows from the ``slope`` (T, U) of the cost."""
        found = known + 0.0
        for row, column in reversed(self.order):
            if column >= 0:
                places = np.flatnonzero(self.column == column)
                rest = slope[:, column] + 0.0
                for place in places[self.row[places] != row]:
                    rest -= value[:, place] * found[:, self.row[place]]
                found[:, row] = rest / value[:, places[self.row[places] == row][0]]
        return found


@dataclass(frozen=True, eq=False)
class Places:
    """The places (row, column) where A of a problem may be nonzero: muscle pairs, then reserves."""

    problem: RedundancyProblem
    pairs: Index
    row: Index
    column: Index

    @classmethod
    def of(cls, problem: RedundancyProblem) -> Places:
        """Muscles that have a moment arm and a gain in any frame, and reserves that act in any frame."""
        geometry, muscle = problem.geometry, problem.geometry.pair_muscle
        acting, live, able = (
            plain((array != 0.0).any(axis=0))
            for array in (geometry.moment_arms, problem.max_force, problem.reserves.effect)
        )
        pairs = np.flatnonzero(acting & live[muscle])
        row, reserve = np.nonzero(able)
        row = np.concatenate([geometry.pair_coordinate[pairs], row])
        return cls(problem, pairs, row, np.concatenate([muscle[pairs], len(problem.muscles) + reserve]))

    def reduction(self, value: Array) -> Reduction:
        """The reduction of the frames whose values (T, Q) :meth:`system` gave."""
        return Reduction.of(self.row, self.column, value, len(self.problem.coordinates), len(self.problem.actuators))

    def system(self, keep: Rows) -> tuple[Array, Array]:
        """Values (T, Q) of A, without those that are rounding, and b (T, D) in some frames."""
        problem, geometry = self.problem, self.problem.geometry
        arms, muscle, pairs = geometry.moment_arms[keep], geometry.pair_muscle, len(self.pairs)
        value = filled((len(arms), len(self.row)), 0.0, arms)
        value[:, :pairs] = arms[:, self.pairs] * problem.max_force[keep][:, muscle[self.pairs]]
        effect = problem.reserves.frames(keep).effect
        value[:, pairs:] = alike(effect[:, self.row[pairs:], self.column[pairs:] - len(problem.muscles)], arms)
        b = problem.generalized_force[keep] + 0.0
        passive = problem.passive_force[keep]
        if passive.any():
            b = b - geometry.frames(keep).moments(passive)
        return without_rounding(value, self.row, self.column, b, *problem.bounds()), b

    def dense(self, keep: Rows) -> Tensor:
        """A (T, D, U) of :meth:`system`."""
        value, b = self.system(keep)
        A = filled((*b.shape, len(self.problem.actuators)), 0.0, b)
        A[:, self.row, self.column] = value
        return A


def largest(b: Array) -> Tensor:
    """The largest moment (T,) of b (T, D), 1 at least."""
    xp = namespace(b)
    if not b.shape[1]:
        return filled((b.shape[0],), 1.0, b)
    return xp.clip(xp.max(xp.abs(b), axis=1), 1.0, None)


def _settles(row: Index, column: Index, value: Array, settled: int, unknown: int) -> bool:
    """Whether an unknown's effect on a row is a pivot in every frame."""
    xp, own = namespace(value), np.flatnonzero(column == unknown)
    size = xp.abs(value[:, own])
    pivot = size[:, row[own] == settled][:, 0]
    return bool(xp.all((pivot > 0.0) & (pivot >= PIVOT * xp.max(size, axis=1))))


def without_rounding(value: Array, row: Index, column: Index, b: Array, lower: Array, upper: Array) -> Array:
    """Values (T, Q), 0 in place of those that change no moment by more than rounding at any x within its bounds."""
    xp = namespace(value)
    size, reach = xp.abs(value), np.maximum(np.abs(lower), np.abs(upper))[column]
    limit = NEGLIGIBLE * largest(b)[:, None]
    bounded = np.isfinite(reach)
    most = size * alike(np.where(bounded, reach, 1e300), value)
    for unknown in np.flatnonzero(np.bincount(column[~bounded]) > 1):
        own = np.flatnonzero(column == unknown)
        felt = size[:, own] > PRECISION * xp.max(size[:, own], axis=1, keepdims=True)
        most[:, own] = xp.where(felt, np.inf, 0.0 * size[:, own])
    small = (most <= limit) & (size > 0.0)
    frames = true_rows(xp.any(small, axis=1))
    if not frames.shape[0]:
        return value
    onto = np.zeros((len(row), b.shape[1]))
    onto[np.arange(len(row)), row] = 1.0
    counted = xp.astype(small[frames], value.dtype) @ alike(onto, value)
    share = limit[frames] / xp.clip(counted, 1.0, None)[:, row]
    value = value + 0.0
    value[frames] = xp.where(small[frames] & (most[frames] <= share), 0.0, value[frames])
    return value


def _blocks(row: Index, column: Index, open_rows: Mask, open_columns: Mask) -> tuple[Block, ...]:
    inside = np.flatnonzero(open_rows[row] & open_columns[column])
    rows, columns = _connected(row[inside], column[inside], len(open_rows), len(open_columns))
    blocks = []
    for label in np.unique(rows[open_rows]):
        own_rows = np.flatnonzero(open_rows & (rows == label))
        own_columns = np.flatnonzero(open_columns & (columns == label))
        places = inside[rows[row[inside]] == label]
        within = np.searchsorted(own_rows, row[places]), np.searchsorted(own_columns, column[places])
        blocks.append(Block(own_rows, own_columns, places, *within))
    return tuple(blocks)


def _connected(row: Index, column: Index, rows: int, columns: int) -> tuple[Index, Index]:
    """Labels of rows (R,) and columns (C,), one for all that entries join: their first column; C + row without any."""
    of_column = np.arange(columns)
    while True:
        of_row = columns + np.arange(rows)
        np.minimum.at(of_row, row, of_column[column])
        found = of_column.copy()
        np.minimum.at(found, column, of_row[row])
        if (found == of_column).all():
            return of_row, of_column
        of_column = found
