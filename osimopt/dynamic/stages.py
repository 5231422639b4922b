"""A program in stages, as fatrop wants it: one for each interval, tied to the next only by ``next state - copy = 0``.

The differential equation is collocated at both ends of an interval, so that its equations hold unknowns of two stages.
Therefore what both neighbours of a point use are states of the later one, and the earlier one has copies of them among
its controls. All other unknowns are controls: those inside the interval, those at an end that only one neighbour uses,
and in the last interval those of the last point.

Stage by stage come states, then controls; and the equations that tie the next stage to this one, then all other rows.
That is the order in which CasADi's interface to fatrop wants them, with ``structure_detection="manual"``.

Vanroye L, Sathya A, De Schutter J, Decré W. FATROP: a fast constrained optimal control problem solver for robot
trajectory optimization and control. IEEE/RSJ International Conference on Intelligent Robots and Systems, 10036-10043,
2023. doi:10.1109/IROS55552.2023.10342336.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ..errors import InputError, explain
from .answer import Answer
from .layout import Layout
from .mesh import Mesh
from .program import Group, Program
from .scaling import in_units, leading_units, within

Array = NDArray[np.float64]
Index = NDArray[np.intp]

OTHER = "Use solver='ipopt'."


@dataclass(frozen=True, eq=False)
class Stages:
    """(n,) numbers of states, controls and rows other than those between stages, of each of n stages."""

    states: Index
    controls: Index
    rows: Index


@dataclass(frozen=True, eq=False)
class Staged:
    """A program in stages; where in it the ``unknowns`` and ``rows`` of the original one are, and in what ``units``."""

    program: Program
    stages: Stages
    unknowns: Index
    units: Array
    rows: Index

    def original(self, answer: Answer) -> Answer:
        """What the solver found, as an answer to the original program."""
        x = answer.x[self.unknowns] * self.units
        return replace(answer, x=x, multipliers=answer.multipliers[self.rows])


def in_stages(program: Program, layout: Layout, mesh: Mesh, near: bool = False) -> Staged:
    """Bring a program into stages, one for each interval of the mesh; ``near``: it starts near its solution.

    Raises
    ------
    InputError
        Something ties times that are not of one interval: EMG scale factors, periodicity; or a power of an activation
        that may be 0 has no value below: fatrop keeps slacks within bounds, not unknowns, and hangs where it meets NaN.
    """
    if bad := [group.exponent for group in program.groups if _ends_at_zero(group, program)]:
        raise InputError(explain("a whole exponent with solver='fatrop'", f"{bad[0]:g}", OTHER))
    first, last = _intervals(layout, mesh)
    uses = _uses(program, first, last, bool(mesh.scheme.collocated[0] == 0))
    places = _places(uses, first, last)
    count = len(mesh)
    shared = np.bincount(places.stage[places.shared], minlength=count)
    own = np.bincount(places.stage[~places.shared], minlength=count)
    stages = Stages(shared, own + np.append(shared[1:], 0), np.bincount(uses.row, minlength=count))
    units = leading_units(program, layout)
    staged = _renumbered(within(in_units(program, units), near), uses, places)
    return Staged(staged, stages, places.own, units, places.rows)


def _ends_at_zero(group: Group, program: Program) -> bool:
    return group.kind == "power" and group.exponent % 1.0 != 0.0 and bool(program.least[group.variables].min() <= 0.0)


def _intervals(layout: Layout, mesh: Mesh) -> tuple[Index, Index]:
    """First and last interval that each unknown belongs to."""
    if layout.scale.size:
        raise InputError(explain("no EMG scale factors with solver='fatrop'", f"{layout.scale.size}", OTHER))
    point = np.zeros(layout.size, dtype=np.intp)
    series = (layout.activation, layout.excitation, layout.force, layout.force_rate, layout.reserve, layout.largest)
    for unknowns in series:
        point[unknowns] = np.arange(len(unknowns))[:, None]
    inner = len(mesh.scheme.points) - 1
    return np.maximum(0, -(-point // inner) - 1), np.minimum(len(mesh) - 1, point // inner)


@dataclass(frozen=True, eq=False)
class _Uses:
    """The interval of each row and of each output's cost; pairs of (output, interval), (unknown, interval) in use."""

    row: Index
    cost: Index
    outputs: Index
    unknowns: Index


def _uses(program: Program, first: Index, last: Index, later: bool) -> _Uses:
    """Assign rows and costs to intervals; ``later``: to the later one of two, where both have all that is needed."""
    depends = _dependence(program)
    least, most = _common(depends, first, last)
    (low, high), (low_too, high_too) = _common(program.linear, first, last), _common(program.nonlinear, least, most)
    low, high = np.maximum(low, low_too), np.minimum(high, high_too)
    if np.any(low > high):
        fix = f"Leave periodic out, or {OTHER[0].lower()}{OTHER[1:]}"
        raise InputError(explain("equations within intervals with solver='fatrop'", "some between distant times", fix))
    row, cost = (high, most) if later else (low, least)
    linear, nonlinear, costly = program.linear.tocoo(), program.nonlinear.tocoo(), np.flatnonzero(program.cost)
    outputs = _pairs(np.r_[nonlinear.col, costly], np.r_[row[nonlinear.row], cost[costly]])
    needed = depends[outputs[:, 0]].tocoo()
    unknowns = _pairs(np.r_[linear.col, needed.col], np.r_[row[linear.row], outputs[needed.row, 1]])
    return _Uses(row, cost, outputs, unknowns)


def _dependence(program: Program) -> sparse.csr_matrix:
    """Which unknowns each output is a function of (C, unknowns)."""
    widths = np.concatenate([np.full(len(group.variables), group.variables.shape[1]) for group in program.groups])
    columns = np.concatenate([group.variables.ravel() for group in program.groups])
    starts = np.concatenate([[0], np.cumsum(widths)])
    return sparse.csr_matrix((np.ones(len(columns)), columns, starts), shape=(len(widths), len(program.start)))


def _common(matrix: sparse.spmatrix, first: Index, last: Index) -> tuple[Index, Index]:
    """First and last of the intervals that all entries of a row have in common; first > last: none."""
    entries = matrix.tocoo()
    low, high = np.zeros(matrix.shape[0], dtype=np.intp), np.full(matrix.shape[0], last.max())
    np.maximum.at(low, entries.row, first[entries.col])
    np.minimum.at(high, entries.row, last[entries.col])
    return low, high


def _pairs(number: Index, interval: Index) -> Index:
    """(n, 2) of number and interval, each once, sorted."""
    return np.unique(np.stack([number, interval], axis=1), axis=0)


@dataclass(frozen=True, eq=False)
class _Places:
    """Stage of each unknown, whether the stage before shares it, where it and its copy are; where rows and ties are."""

    stage: Index
    shared: NDArray[np.bool_]
    own: Index
    copy: Index
    rows: Index
    ties: Index

    def at(self, unknowns: Index, interval: Index) -> Index:
        """Where the unknowns are that an interval uses."""
        return np.where(self.stage[unknowns] == interval, self.own[unknowns], self.copy[unknowns])


def _places(uses: _Uses, first: Index, last: Index) -> _Places:
    early, late = np.zeros(len(first), dtype=bool), np.zeros(len(first), dtype=bool)
    number, interval = uses.unknowns.T
    early[number[interval == first[number]]] = True
    late[number[interval == last[number]]] = True
    shared = early & late & (first < last)
    stage = np.where(late | ~early, last, first)
    before = stage[shared] - 1
    own, copies = _sorted_by((stage, np.where(shared, 0, 1)), (before, np.full(len(before), 2)))
    copy = np.full(len(first), -1)
    copy[shared] = copies
    ties, rows = _sorted_by((before, np.zeros(len(before))), (uses.row, np.ones(len(uses.row))))
    return _Places(stage, shared, own, copy, rows, ties)


def _sorted_by(one: tuple[Index, Array], other: tuple[Index, Array]) -> tuple[Index, Index]:
    """Places of two lists when sorted together by stage, then kind, then as they are."""
    stage, kind = (np.concatenate(pair) for pair in zip(one, other, strict=True))
    place = np.empty(len(stage), dtype=np.intp)
    place[np.lexsort((kind, stage))] = np.arange(len(stage))
    return place[: len(one[0])], place[len(one[0]) :]


def _renumbered(program: Program, uses: _Uses, places: _Places) -> Program:
    """Unknowns and rows in their places, ties, and each output once for every interval that uses it."""
    state = np.flatnonzero(places.shared)
    size, count, ones = len(program.start) + len(state), len(program.lower) + len(state), np.ones(len(state))
    linear, nonlinear, costly = program.linear.tocoo(), program.nonlinear.tocoo(), np.flatnonzero(program.cost)
    rows = np.r_[places.rows[linear.row], places.ties, places.ties]
    columns = np.r_[places.at(linear.col, uses.row[linear.row]), places.own[state], places.copy[state]]
    output = _number(uses.outputs, nonlinear.col, uses.row[nonlinear.row])
    cost = np.zeros(len(uses.outputs))
    cost[_number(uses.outputs, costly, uses.cost[costly])] = program.cost[costly]
    vectors = (program.linear_cost, program.least, program.most, program.start)
    moved = [np.full(size, filler) for filler in (0.0, -np.inf, np.inf, 0.0)]
    for new, old in zip(moved, vectors, strict=True):
        new[places.own] = old
    moved[3][places.copy[state]] = program.start[state]
    limits = np.zeros((2, count))
    limits[:, places.rows] = program.lower, program.upper
    return Program(
        groups=_regrouped(program, uses, places),
        cost=cost,
        linear_cost=moved[0],
        linear=sparse.csc_matrix((np.r_[linear.data, ones, -ones], (rows, columns)), shape=(count, size)),
        nonlinear=sparse.csc_matrix((nonlinear.data, (places.rows[nonlinear.row], output)), shape=(count, len(cost))),
        lower=limits[0],
        upper=limits[1],
        least=moved[1],
        most=moved[2],
        start=moved[3],
    )


def _number(outputs: Index, number: Index, interval: Index) -> Index:
    """Which of the sorted pairs."""
    several = int(outputs[:, 1].max(initial=0)) + 1
    return np.searchsorted(outputs @ [several, 1], number * several + interval)


def _regrouped(program: Program, uses: _Uses, places: _Places) -> tuple[Group, ...]:
    groups, start = [], 0
    for group in program.groups:
        stop = start + len(group.variables)
        mine = uses.outputs[slice(*np.searchsorted(uses.outputs[:, 0], [start, stop]))]
        kept, start = mine[:, 0] - start, stop
        if len(mine):
            variables = places.at(group.variables[kept], mine[:, 1:])
            units = None if group.units is None else group.units[kept]
            groups.append(replace(group, variables=variables, data=group.data[kept], units=units))
    return tuple(groups)
