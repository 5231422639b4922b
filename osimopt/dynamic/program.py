"""A sparse nonlinear program of one form, in plain arrays that travel to casadi's process.

    minimise  linear_cost · x + cost · c(x)   subject to   lower ≤ linear x + nonlinear c(x) ≤ upper, bounds on x

c stacks the outputs of small functions, the same one for every muscle at every point: ``Group`` says which, and which
entries of x it takes. Everything else is linear, so that all derivatives are sparse products with those of c.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

Array = NDArray[np.float64]
Index = NDArray[np.intp]
#: Functions that ``worker.functions`` knows.
Kind = Literal["activation", "tendon", "power", "magnitude", "difference"]


@dataclass(frozen=True, eq=False)
class Group:
    """One function at many places: ``variables`` (n, v) are entries of x, ``data`` (n, p) its parameters.

    Output i of the function at place k is entry ``k`` of the group's share of c.
    """

    kind: Kind
    variables: Index
    data: Array
    exponent: float = 0.0


@dataclass(frozen=True, eq=False)
class Program:
    """See the module; ``start`` is where the solver begins; a row whose limits are equal is an equation."""

    groups: tuple[Group, ...]
    cost: Array
    linear_cost: Array
    linear: sparse.csc_matrix
    nonlinear: sparse.csc_matrix
    lower: Array
    upper: Array
    least: Array
    most: Array
    start: Array


@dataclass(eq=False)
class Builder:
    """Collects the rows, groups and costs of a program."""

    unknowns: int
    groups: list[Group] = field(default_factory=list)
    outputs: int = 0
    rows: int = 0
    _linear: list[tuple[Array, Array, Array]] = field(default_factory=list)
    _nonlinear: list[tuple[Array, Array, Array]] = field(default_factory=list)
    _costs: list[tuple[Index, Array]] = field(default_factory=list)
    _limits: list[tuple[Array, Array]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.linear_cost = np.zeros(self.unknowns)

    def add_group(self, kind: Kind, variables: list[Index], data: list[ArrayLike], exponent: float = 0.0) -> Index:
        """Add a function at places of some shape; return where in c its outputs are, in that shape."""
        shape = np.broadcast_shapes(*(index.shape for index in variables))
        flat = np.stack([np.broadcast_to(index, shape).ravel() for index in variables], axis=1)
        parameters = [np.broadcast_to(np.asarray(values, dtype=float), shape).ravel() for values in data]
        told = np.stack(parameters, axis=1) if parameters else np.zeros((len(flat), 0))
        self.groups.append(Group(kind, flat, told, exponent))
        first, self.outputs = self.outputs, self.outputs + len(flat)
        return np.arange(first, self.outputs).reshape(shape)

    def add_cost(self, outputs: Index, weights: ArrayLike) -> None:
        """Add weights · c to the objective."""
        self._costs.append((outputs.ravel(), np.broadcast_to(np.asarray(weights, float), outputs.shape).ravel()))

    def add_rows(self, shape: tuple[int, ...], lower: ArrayLike, upper: ArrayLike | None = None) -> Index:
        """Add constraints, equations where no upper limit is given; return their numbers."""
        rows = self.rows + np.arange(int(np.prod(shape))).reshape(shape)
        self.rows += rows.size
        limits = (
            np.broadcast_to(np.asarray(limit, float), shape).ravel()
            for limit in (lower, lower if upper is None else upper)
        )
        low, high = limits
        self._limits.append((low, high))
        return rows

    def put_linear(self, rows: Index, unknowns: Index, values: ArrayLike) -> None:
        """Add values · x to rows."""
        self._put(self._linear, rows, unknowns, values)

    def put_nonlinear(self, rows: Index, outputs: Index, values: ArrayLike) -> None:
        """Add values · c to rows."""
        self._put(self._nonlinear, rows, outputs, values)

    @staticmethod
    def _put(triplets: list[tuple[Array, Array, Array]], rows: Index, columns: Index, values: ArrayLike) -> None:
        shape = np.broadcast_shapes(rows.shape, columns.shape, np.shape(values))
        row, column, value = (
            np.broadcast_to(part, shape).ravel() for part in (rows, columns, np.asarray(values, float))
        )
        triplets.append((row[value != 0.0], column[value != 0.0], value[value != 0.0]))

    def build(self, least: Array, most: Array, start: Array) -> Program:
        """Close it, with the bounds of x and where to start."""
        cost = np.zeros(self.outputs)
        for outputs, weights in self._costs:
            np.add.at(cost, outputs, weights)
        lower, upper = (np.concatenate(side) for side in zip(*self._limits, strict=True))
        return Program(
            tuple(self.groups), cost, self.linear_cost, self._matrix(self._linear, self.unknowns),
            self._matrix(self._nonlinear, self.outputs), lower, upper, least, most, start,
        )  # fmt: skip

    def _matrix(self, triplets: list[tuple[Array, Array, Array]], columns: int) -> sparse.csc_matrix:
        row, column, value = (
            (np.concatenate(part) for part in zip(*triplets, strict=True)) if triplets else (np.zeros(0),) * 3
        )
        return sparse.csc_matrix((value, (row.astype(int), column.astype(int))), shape=(self.rows, columns))
