"""What of A x = b needs no optimization, and which of the rest hang together, for some frames at once.

A row on which a single open unknown acts determines it: so the residuals of a floating base and the motors of limbs
without muscles drop out exactly, and cannot disturb the muscles' optimum. It must act there in every frame: where a
moment arm is zero in one of them the row is left to the optimization. An unknown without effect takes the value of
least cost. What is left falls into blocks that share nothing: a left and a right leg are two small problems.

A is sparse with a fixed pattern: values (T, Q) at Q places (row, column), which may be zero in some frames.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..problem.problem import RedundancyProblem

Array = NDArray[np.float64]
Index = NDArray[np.intp]
Mask = NDArray[np.bool_]

#: Relative; a moment on which nothing acts, or a determined unknown beyond its bound, by more than this is infeasible.
INFEASIBLE = 1e-9
#: Relative; what the effects that are left out as rounding can add to a moment, all together.
NEGLIGIBLE = 1e-10
#: The same of an unknown without bounds: the share of its largest effect that is rounding.
PRECISION = 1e-15
#: An unknown settles a row only with this share of its largest effect: a division by less spreads rounding.
PIVOT = 1e-3


@dataclass(frozen=True, eq=False)
class Block:
    """Rows and columns that hang together, and the places within."""

    rows: Index
    columns: Index
    places: Index
    row: Index
    column: Index

    def dense(self, value: Array, scale: Array) -> Array:
        """A (T, D, N) of the block in y = scale · x; ``value`` (T, Q) and ``scale`` (T, U) of all."""
        shape = len(value), len(self.rows), len(self.columns)
        flat = np.zeros((shape[0], shape[1] * shape[2]))
        flat[:, self.row * shape[2] + self.column] = value[:, self.places] / scale[:, self.columns[self.column]]
        return flat.reshape(shape)


@dataclass(frozen=True, eq=False)
class Reduction:
    """The order in which rows are settled, each by a column or by none (−1), and the blocks that are left.

    ``asked`` are the rows and columns for which it mattered whether the one is settled by the other, and the answers.
    """

    row: Index
    column: Index
    order: tuple[tuple[int, int], ...]
    open_rows: Mask
    open_columns: Mask
    blocks: tuple[Block, ...]
    asked: tuple[tuple[int, int, bool], ...]

    @classmethod
    def of(cls, row: Index, column: Index, value: Array, rows: int, columns: int) -> Reduction:
        """From the places (Q,) at which A may be other than zero, and its values (T, Q) there."""
        acts = np.zeros((rows, columns), dtype=bool)
        acts[row, column] = True
        open_rows: Mask = np.ones(rows, dtype=bool)
        open_columns: Mask = np.asarray(acts.any(axis=0))
        order, asked, candidates = [], [], open_rows.copy()
        count = acts[:, open_columns].sum(axis=1)
        while (todo := np.flatnonzero(candidates & (count <= 1))).size:
            settled = int(todo[0])
            candidates[settled] = False
            left = int(np.argmax(acts[settled] & open_columns)) if count[settled] else -1
            if left >= 0:
                asked.append((settled, left, _settles(row, column, value, settled, left)))
                if not asked[-1][2]:
                    continue
                open_columns[left] = False
                candidates |= open_rows & acts[:, left]
                count -= acts[:, left]
            open_rows[settled] = candidates[settled] = False
            order.append((settled, left))
        blocks = _blocks(row, column, open_rows, open_columns)
        return cls(row, column, tuple(order), open_rows, open_columns, blocks, tuple(asked))

    def holds(self, value: Array) -> bool:
        """Whether it is that of other values (T, Q) at the same places, too."""
        return all(_settles(self.row, self.column, value, row, column) is answer for row, column, answer in self.asked)

    def settle(self, value: Array, b: Array, lower: Array, upper: Array) -> tuple[Array, Array, Array]:
        """Settled unknowns x (T, U), what they leave of b (T, D), and what their rows are short of (T, D).

        ``value`` (T, Q), ``b`` (T, D), ``lower`` and ``upper`` (U,).
        """
        x = np.tile(np.clip(0.0, lower, upper), (len(b), 1))
        left, short = b.copy(), np.zeros_like(b)
        for row, column in self.order:
            if column >= 0:
                places = np.flatnonzero(self.column == column)
                effect = value[:, places[self.row[places] == row][0]]
                x[:, column] = np.clip(left[:, row] / effect, lower[column], upper[column])
                for place in places:
                    left[:, self.row[place]] -= value[:, place] * x[:, column]
            short[:, row] = left[:, row]
        allowed = INFEASIBLE * np.maximum(1.0, np.abs(b).max(axis=1, initial=0.0))
        return x, left, np.where(np.abs(short) > allowed[:, None], short, 0.0)

    def multipliers(self, value: Array, slope: Array, known: Array) -> Array:
        """(T, D) with those of settled rows: what ``slope`` (T, U) of the cost asks of the unknown that settled it."""
        found = known.copy()
        for row, column in reversed(self.order):
            if column >= 0:
                rest = slope[:, column].copy()
                for place in np.flatnonzero((self.column == column) & (self.row != row)):
                    rest -= value[:, place] * found[:, self.row[place]]
                effect = value[:, np.flatnonzero((self.column == column) & (self.row == row))[0]]
                found[:, row] = rest / effect
        return found


@dataclass(frozen=True, eq=False)
class Places:
    """Where the A of a problem's moment balance A x = b is not zero: muscle pairs, then reserve pairs."""

    pairs: Index
    effect_row: Index
    effect_column: Index

    @classmethod
    def of(cls, problem: RedundancyProblem) -> Places:
        """Muscles that have a moment arm and a gain in any frame, and reserves that act in any: where to look."""
        geometry = problem.geometry
        acts = (geometry.moment_arms != 0.0).any(axis=0) & (problem.max_force != 0.0).any(axis=0)[geometry.pair_muscle]
        return cls(np.flatnonzero(acts), *np.nonzero((problem.reserves.effect != 0.0).any(axis=0)))

    def reduction(self, problem: RedundancyProblem, value: Array) -> Reduction:
        """The structure of the frames whose values (T, Q) :meth:`system` gave."""
        rows, columns = len(problem.coordinates), len(problem.actuators)
        return Reduction.of(*self._where(problem), value, rows, columns)

    def _where(self, problem: RedundancyProblem) -> tuple[Index, Index]:
        """Row and column (Q,) of the places."""
        geometry = problem.geometry
        row = np.concatenate([geometry.pair_coordinate[self.pairs], self.effect_row])
        return row, np.concatenate([geometry.pair_muscle[self.pairs], len(problem.muscles) + self.effect_column])

    def system(self, problem: RedundancyProblem, keep: slice) -> tuple[Array, Array]:
        """Values (T, Q) of A, without those that are rounding, and b (T, D) in some frames."""
        geometry = problem.geometry
        arms, muscle = geometry.moment_arms[keep], geometry.pair_muscle
        effect = problem.reserves.frames(keep).effect[:, self.effect_row, self.effect_column]
        pairs = len(self.pairs)
        value = np.empty((len(arms), pairs + len(self.effect_row)))
        np.multiply(arms[:, self.pairs], problem.max_force[keep][:, muscle[self.pairs]], out=value[:, :pairs])
        value[:, pairs:] = effect
        b = problem.generalized_force[keep].copy()
        passive = problem.passive_force[keep]
        if passive.any():
            for pair, (row, column) in enumerate(zip(geometry.pair_coordinate, muscle, strict=True)):
                b[:, row] -= arms[:, pair] * passive[:, column]
        return without_rounding(value, *self._where(problem), b, *problem.bounds()), b

    def dense(self, problem: RedundancyProblem, keep: slice) -> Array:
        """A (T, D, U) of :meth:`system`."""
        value, b = self.system(problem, keep)
        row, column = self._where(problem)
        A = np.zeros((*b.shape, len(problem.actuators)))
        A[:, row, column] = value
        return A


def _settles(row: Index, column: Index, value: Array, settled: int, unknown: int) -> bool:
    """Whether an unknown's effect on a row is a pivot in every frame."""
    own = np.flatnonzero(column == unknown)
    if own.size == 1:
        return bool((value[:, own[0]] != 0.0).all())
    size = np.abs(value[:, own])
    pivot = size[:, row[own] == settled][:, 0]
    return bool(((pivot > 0.0) & (pivot >= PIVOT * size.max(axis=1))).all())


def without_rounding(value: Array, row: Index, column: Index, b: Array, lower: Array, upper: Array) -> Array:
    """Values (T, Q) with those set to 0 that, over the whole range of their unknowns, move no moment to speak of."""
    size, reach = np.abs(value), np.maximum(np.abs(lower), np.abs(upper))[column]
    limit = NEGLIGIBLE * np.maximum(1.0, np.abs(b).max(axis=1, initial=0.0))[:, None]
    bounded = np.isfinite(reach)
    most = size * np.where(bounded, reach, 1e300)
    for unknown in np.flatnonzero(np.bincount(column[~bounded]) > 1):
        own = np.flatnonzero(column == unknown)
        most[:, own] = np.where(size[:, own] > PRECISION * size[:, own].max(axis=1, keepdims=True), np.inf, 0.0)
    small = (most <= limit) & (size > 0.0)
    frames = np.flatnonzero(small.any(axis=1))
    if not frames.size:
        return value
    onto = np.zeros((len(row), b.shape[1]))
    onto[np.arange(len(row)), row] = 1.0
    share = limit[frames] / np.maximum(1.0, small[frames] @ onto)[:, row]
    value = value.copy()
    value[frames] = np.where(small[frames] & (most[frames] <= share), 0.0, value[frames])
    return value


def _blocks(row: Index, column: Index, open_rows: Mask, open_columns: Mask) -> tuple[Block, ...]:
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    size, columns = len(open_rows) + len(open_columns), len(open_columns)
    inside = np.flatnonzero(open_rows[row] & open_columns[column])
    ends = (column[inside], columns + row[inside])
    graph = csr_array((np.ones(len(inside)), ends), shape=(size, size))
    _, label = connected_components(graph, directed=False)
    blocks = []
    for name in np.unique(label[columns:][open_rows]):
        own_rows = np.flatnonzero(open_rows & (label[columns:] == name))
        own_columns = np.flatnonzero(open_columns & (label[:columns] == name))
        places = inside[label[columns + row[inside]] == name]
        within = np.searchsorted(own_rows, row[places]), np.searchsorted(own_columns, column[places])
        blocks.append(Block(own_rows, own_columns, places, *within))
    return tuple(blocks)
