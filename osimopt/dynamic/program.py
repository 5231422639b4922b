"""Data exchanged with casadi's process: a sparse nonlinear program, its result, and the progress of the solver.

    minimize  linear_cost · x + cost · c(x)   subject to   lower ≤ linear x + nonlinear c(x) ≤ upper, bounds on x

c stacks the outputs of small functions, the same one for every muscle at every point: ``Group`` names the function and
the entries of x that it takes. All other terms are linear, so all derivatives are sparse products with those of c.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from ..muscle.metabolics import Smooth
from ..problem.arrays import Array, Index

#: Functions that ``worker.derivatives`` implements.
Kind = Literal["activation", "tendon", "power", "magnitude", "difference", "metabolic_elastic", "metabolic_rigid"]
#: Function of iteration, objective and largest violation of a constraint, of all parts that have begun: the largest
#: count, the sum of the objectives, the largest violation. Each round (the windows of a long motion, the whole, each
#: finer mesh) begins with iteration 0.
Progress = Callable[[int, float, float], None]


#: File in a part's folder that requests it to stop.
STOP = "stop"


@dataclass(frozen=True, eq=False)
class Group:
    """One function at n places: ``variables`` (n, v) are entries of x, ``data`` (n, p) parameters.

    The output at place k is entry k of the group's section of c.
    """

    kind: Kind
    variables: Index
    data: Array
    exponent: float = 0.0
    probe: Smooth | None = None


@dataclass(frozen=True, eq=False)
class Program:
    """The program above; ``least`` and ``most`` bound x, ``start`` is the starting point."""

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


@dataclass(frozen=True, eq=False)
class ProgramResult:
    """The last iterate of the solver.

    ``solved`` and ``message`` are the solver's own verdict. ``violation`` is the largest of a constraint,
    ``stationarity`` the largest of a first-order condition, both scaled like the program.
    """

    x: Array
    solved: bool
    message: str
    iterations: int
    violation: float
    stationarity: float
    build_seconds: float
    solve_seconds: float


class Builder:
    """Collects the rows, groups and costs of a program."""

    def __init__(self, unknowns: int) -> None:
        self.linear_cost = np.zeros(unknowns)
        self.groups: list[Group] = []
        self.rows, self.outputs = 0, 0
        self._linear: list[tuple[Any, ...]] = []
        self._nonlinear: list[tuple[Any, ...]] = []
        self._costs: list[tuple[Any, ...]] = []
        self._limits: list[tuple[Any, ...]] = []
        self._left_out: list[int] = []

    def add_group(
        self,
        kind: Kind,
        variables: list[Index],
        data: list[ArrayLike],
        exponent: float = 0.0,
        probe: Smooth | None = None,
    ) -> Index:
        """Add a function at places of some shape; return the positions of its outputs in c, in that shape."""
        shape = np.broadcast_shapes(*(index.shape for index in variables))
        entries = np.stack(_flat(shape, *variables), axis=1)
        parameters = np.stack(_flat(shape, *data), axis=1) if data else np.zeros((len(entries), 0))
        self.groups.append(Group(kind, entries, parameters.astype(float), exponent, probe))
        first, self.outputs = self.outputs, self.outputs + len(entries)
        return np.arange(first, self.outputs).reshape(shape)

    def add_cost(self, outputs: Index, weights: ArrayLike) -> None:
        """Add weights · c to the objective."""
        self._costs.append(_flat(outputs.shape, outputs, weights))

    def add_rows(self, shape: tuple[int, ...], lower: ArrayLike, upper: ArrayLike | None = None) -> Index:
        """Add constraints, equations where there is no upper limit; return their row numbers."""
        rows = self.rows + np.arange(int(np.prod(shape))).reshape(shape)
        self.rows += rows.size
        self._limits.append(_flat(shape, lower, lower if upper is None else upper))
        return rows

    def add_difference(self, left: Index, right: Index, factor: ArrayLike = 1.0, lower: float = 0.0) -> Index:
        """Add constraints lower ≤ factor · left - right ≤ 0."""
        rows = self.add_rows(left.shape, lower, 0.0)
        self.put_linear(rows, left, factor)
        self.put_linear(rows, right, -1.0)
        return rows

    def leave_out(self, rows: Index) -> None:
        """Leave out constraints that others imply."""
        self._left_out += rows.tolist()

    def put_linear(self, rows: Index, unknowns: Index, values: ArrayLike) -> None:
        """Add values · x to rows."""
        _put(self._linear, rows, unknowns, values)

    def put_nonlinear(self, rows: Index, outputs: Index, values: ArrayLike) -> None:
        """Add values · c to rows."""
        _put(self._nonlinear, rows, outputs, values)

    def build(self, least: Array, most: Array, start: Array) -> Program:
        """Make the program, with the bounds of x and the starting point.

        Rows whose unknowns all have a fixed value are left out: they hold, or no solver could make them hold.
        """
        cost = np.zeros(self.outputs)
        for outputs, weights in self._costs:
            np.add.at(cost, outputs, weights)
        lower, upper = (np.concatenate(side).astype(float) for side in zip(*self._limits, strict=True))
        linear, nonlinear = (
            self._matrix(self._linear, len(self.linear_cost)),
            self._matrix(self._nonlinear, self.outputs),
        )
        free = (least < most).astype(float)
        moves = [free[group.variables].any(axis=1) for group in self.groups]
        moved = np.abs(linear) @ free
        if moves:
            moved += np.abs(nonlinear) @ np.concatenate(moves).astype(float)
        stays = np.ones(self.rows, dtype=bool) if free.all() else moved > 0.0
        stays[self._left_out] = False
        rows = np.flatnonzero(stays) if not stays.all() else slice(None)
        return Program(
            tuple(self.groups), cost, self.linear_cost, linear.tocsr()[rows].tocsc(), nonlinear.tocsr()[rows].tocsc(),
            lower[rows], upper[rows], least, most, start,
        )  # fmt: skip

    def _matrix(self, triplets: list[tuple[Any, ...]], columns: int) -> sparse.csc_matrix:
        none = np.zeros(0, int)
        row, column, value = map(np.concatenate, zip((none, none, np.zeros(0)), *triplets, strict=True))
        return sparse.csc_matrix((value, (row, column)), shape=(self.rows, columns))


def _flat(shape: tuple[int, ...], *parts: ArrayLike) -> tuple[Any, ...]:
    return tuple(np.broadcast_to(np.asarray(part), shape).ravel() for part in parts)


def _put(triplets: list[tuple[Any, ...]], rows: Index, columns: Index, values: ArrayLike) -> None:
    shape = np.broadcast_shapes(rows.shape, columns.shape, np.shape(values))
    entries = _flat(shape, rows, columns, values)
    nonzero = entries[2] != 0.0
    triplets.append(tuple(part[nonzero] for part in entries))


class Watch:
    """One folder per part of a problem, in which the part's process writes a line per iteration; see ``worker.solve``.

    The first Ctrl-C requests that all parts stop after their current iteration; the second interrupts at once. An
    exception of ``progress`` requests a stop, too; it is kept as ``raised``.
    """

    def __init__(self, parts: int, progress: Progress | None) -> None:
        self._root = tempfile.TemporaryDirectory(prefix="osimopt-dynamic-", ignore_cleanup_errors=True)
        self.folders = [Path(self._root.name) / str(number) for number in range(parts)]
        for folder in self.folders:
            folder.mkdir()
        self._progress = progress
        self._reported = -1
        self.stopped = False
        self.raised: Exception | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._root.cleanup()

    def tick(self) -> None:
        """Report new iterations, and always the first."""
        if self._progress is None:
            return
        known = [lines for folder in self.folders if (lines := _lines(folder / "progress"))]
        for lines in ([each[0] for each in known], [each[-1] for each in known]):
            count = max((int(line[0]) for line in lines), default=-1)
            if count <= self._reported or self.raised is not None:
                continue
            self._reported = count
            try:
                self._progress(count, sum(line[1] for line in lines), max(line[2] for line in lines))
            except Exception as error:
                self.raised = error
                self.interrupted()

    def interrupted(self) -> bool:
        """Request a stop; False where that was done before."""
        if self.stopped:
            return False
        self.stopped = True
        for folder in self.folders:
            (folder / STOP).touch()
        return True


def _lines(path: Path) -> list[tuple[float, ...]]:
    """Numbers of all complete lines."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    except OSError:
        return []
    return [tuple(float(word) for word in line.split()) for line in lines]
