"""A program as CasADi functions: objective, constraints and their sparse derivatives.

Each group's function has exact derivatives by CasADi, and constant sparse matrices put them into the derivatives of the
program. CasADi could derive those from one expression, but colouring and differentiating the whole program takes ten
times as long to build.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import casadi as ca
import numpy as np
from scipy import sparse

from ...muscle.activation import activation_rate
from ...muscle.contraction import Fiber, fiber_state, imbalance
from ...muscle.metabolics import Effort, Smooth, Tissue, on_elastic_tendon
from ...problem.arrays import Index
from ..program import Group, Program

#: Below this magnitude |x|^p is smoothed to have derivatives; its value changes by less than ROUND^p. For sum_force of
#: an arm on elastic tendons, 1e-4 gave no convergence in 500 iterations and 1e-2 gave it in 47.
ROUND = 1e-2
#: Subexpressions that occur twice are evaluated once.
SHARED = {"cse": True}


def _activation(x: list[Any], p: list[Any], _: float) -> Any:
    """Rate of activation; x = (excitation, activation), p = time constants and smoothing."""
    return activation_rate(x[0], x[1], *p)


def _tendon(x: list[Any], p: list[Any], _: float) -> Any:
    """Imbalance of tendon and fibre; x = (activation, force, its rate), p = length, speed and ``Fiber``."""
    fiber = Fiber(*p[2:])
    return imbalance(x[0], x[1], fiber_state(p[0], p[1], x[1], x[2], fiber), fiber)


def _power(x: list[Any], _: list[Any], exponent: float) -> Any:
    """x^p of x ≥ 0."""
    return x[0] ** (int(exponent) if exponent == int(exponent) else exponent)


def _magnitude(x: list[Any], _: list[Any], exponent: float) -> Any:
    """|x|^p."""
    if exponent % 2.0 == 0.0:
        return x[0] ** int(exponent)
    return (x[0] ** 2 + ROUND**2) ** (0.5 * exponent) - ROUND**exponent


def _difference(x: list[Any], p: list[Any], _: float) -> Any:
    """(p x₁ - x₀)²; x = (excitation, scale factor), p = measured EMG."""
    return (p[0] * x[1] - x[0]) ** 2


def _metabolic_elastic(x: list[Any], p: list[Any], how: Smooth) -> Any:
    """Rate in W; x = (excitation, activation, force, its rate), p = length, speed, ``Fiber`` and ``Tissue``."""
    tissue = Tissue(*p[-len(Tissue._fields) :])
    excitation, activation, force, rate = x
    fiber = Fiber(*p[2 : -len(tissue)])
    effort = on_elastic_tendon(excitation, activation, force, rate, p[0], p[1], fiber, tissue.strength)
    return how.probe.rate(effort, tissue, how.smoothing)


def _metabolic_rigid(x: list[Any], p: list[Any], how: Smooth) -> Any:
    """Rate in W; x = (excitation, activation), p = state of the fibre and ``Tissue``."""
    (excitation, activation), (length, velocity, active, passive, isometric) = x, p[:5]
    effort = Effort(excitation, activation, length, velocity, active * activation, passive, isometric)
    return how.probe.rate(effort, Tissue(*p[5:]), how.smoothing)


FUNCTIONS: dict[str, Callable[[list[Any], list[Any], Any], Any]] = {
    "activation": _activation,
    "tendon": _tendon,
    "power": _power,
    "magnitude": _magnitude,
    "difference": _difference,
    "metabolic_elastic": _metabolic_elastic,
    "metabolic_rigid": _metabolic_rigid,
}


class Mapped:
    """A group's function c with its first and second derivatives, evaluated at all places in one call."""

    def __init__(self, group: Group) -> None:
        self.variables = group.variables
        places, count = group.variables.shape
        x, p = ca.SX.sym("x", count), ca.SX.sym("p", group.data.shape[1])
        how = group.exponent if group.probe is None else group.probe
        value = FUNCTIONS[group.kind](ca.vertsplit(x), ca.vertsplit(p) if group.data.shape[1] else [], how)
        multiplier = ca.SX.sym("multiplier")
        slope: Any = ca.jacobian(value, x)
        curvature: Any = ca.triu(ca.hessian(value, x)[0])
        self.slopes = np.array(slope.sparsity().get_col(), dtype=int)
        self.curvatures = (np.array(curvature.sparsity().row(), int), np.array(curvature.sparsity().get_col(), int))
        self._data = ca.DM(group.data.T)
        self._value = ca.Function("c", [x, p], [value], SHARED).map(places)
        self._slope = ca.Function("dc", [x, p], [ca.vertcat(*slope.nonzeros())], SHARED).map(places)
        product = ca.vertcat(*curvature.nonzeros()) * multiplier
        self._curvature = ca.Function("ddc", [x, p, multiplier], [product], SHARED).map(places)

    def value(self, x: Any) -> Any:
        """C (places,)."""
        return ca.vec(self._value(self._gather(x), self._data))

    def slope(self, x: Any) -> Any:
        """Nonzeros of ∂c/∂x, place by place."""
        return ca.vec(self._slope(self._gather(x), self._data))

    def curvature(self, x: Any, multipliers: Any) -> Any:
        """Nonzeros of the upper triangles of multiplier · ∂²c/∂x², place by place."""
        return ca.vec(self._curvature(self._gather(x), self._data, multipliers.T))

    def _gather(self, x: Any) -> Any:
        places, count = self.variables.shape
        return ca.reshape(x[self.variables.ravel().tolist()], count, places)


class Derivatives:
    """Functions of a program by the names of ``casadi.nlpsol``; each evaluates only the groups that it needs."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._groups = [Mapped(group) for group in program.groups]
        ends = np.cumsum([0, *(len(group.variables) for group in self._groups)]).tolist()
        self._outputs = [slice(first, last) for first, last in pairwise(ends)]
        self._x, self._p = ca.MX.sym("x", len(program.start)), ca.MX.sym("p", 0)
        used = np.diff(program.nonlinear.indptr) > 0
        self._in_cost = [bool((program.cost[outputs] != 0.0).any()) for outputs in self._outputs]
        self._in_rows = [bool(used[outputs].any()) for outputs in self._outputs]
        self._f = ca.dot(ca.DM(program.cost), self._c(self._in_cost)) + ca.dot(ca.DM(program.linear_cost), self._x)
        self._g = ca.mtimes(_constant(program.linear), self._x)
        self._g += ca.mtimes(_constant(program.nonlinear), self._c(self._in_rows))

    def nlp(self) -> Any:
        """Objective and constraints."""
        return ca.Function("nlp", [self._x, self._p], [self._f, self._g], ["x", "p"], ["f", "g"])

    def options(self) -> dict[str, Any]:
        """Exact derivatives, as options of ``nlpsol``."""
        x, p = self._x, self._p
        factor, multipliers = ca.MX.sym("lam_f"), ca.MX.sym("lam_g", len(self._program.lower))
        inputs, names = [x, p, factor, multipliers], ["x", "p", "lam_f", "lam_g"]
        hessian = self._hessian(factor, multipliers)
        return {
            "grad_f": ca.Function("nlp_grad_f", [x, p], [self._f, self._gradient()], ["x", "p"], ["f", "grad_f_x"]),
            "jac_g": ca.Function("nlp_jac_g", [x, p], [self._g, self._jacobian()], ["x", "p"], ["g", "jac_g_x"]),
            "hess_lag": ca.Function("nlp_hess_l", inputs, [hessian], names, ["triu_hess_gamma_x_x"]),
        }

    def _c(self, needed: list[bool]) -> Any:
        """All outputs, with zeros for the groups that are not needed."""
        parts = [
            group.value(self._x) if use else ca.MX.zeros(len(group.variables))
            for group, use in zip(self._groups, needed, strict=True)
        ]
        return ca.vertcat(*parts)

    def _slopes(self, needed: list[bool]) -> tuple[Index, Index, Any]:
        """Output, unknown and value of each nonzero of ∂c/∂x of the needed groups."""
        rows, columns, values = [np.zeros(0, int)], [np.zeros(0, int)], [ca.MX.zeros(0)]
        for group, outputs, use in zip(self._groups, self._outputs, needed, strict=True):
            if use:
                rows.append(np.repeat(np.arange(outputs.start, outputs.stop), len(group.slopes)))
                columns.append(group.variables[:, group.slopes].ravel())
                values.append(group.slope(self._x))
        return np.concatenate(rows), np.concatenate(columns), ca.vertcat(*values)

    def _gradient(self) -> Any:
        rows, columns, slopes = self._slopes(self._in_cost)
        shape = len(self._program.start), len(rows)
        spread = sparse.csc_matrix((self._program.cost[rows], (columns, np.arange(len(rows)))), shape=shape)
        return ca.densify(ca.mtimes(_constant(spread), slopes)) + ca.DM(self._program.linear_cost)

    def _jacobian(self) -> Any:
        """Linear + nonlinear · ∂c/∂x: each slope goes to all rows that have its output."""
        rows, columns, slopes = self._slopes(self._in_rows)
        nonlinear, linear = self._program.nonlinear, self._program.linear.tocoo()
        uses = np.diff(nonlinear.indptr)[rows]
        slope = np.repeat(np.arange(len(rows)), uses)
        entry = np.arange(len(slope)) - np.repeat(np.cumsum(uses) - uses, uses) + nonlinear.indptr[rows][slope]
        return _assemble(
            nonlinear.shape[0], len(self._program.start),
            (nonlinear.indices[entry], columns[slope], nonlinear.data[entry], slope), slopes,
            (linear.row, linear.col, linear.data),
        )  # fmt: skip

    def _hessian(self, factor: Any, multipliers: Any) -> Any:
        """Upper triangle of the Hessian of the Lagrangian."""
        weight = ca.DM(self._program.cost) * factor
        weight += ca.mtimes(_constant(self._program.nonlinear.T.tocsc()), multipliers)
        parts, rows, columns = [], [], []
        for group, outputs in zip(self._groups, self._outputs, strict=True):
            parts.append(group.curvature(self._x, weight[outputs]))
            pair = [group.variables[:, index].ravel() for index in group.curvatures]
            rows.append(np.minimum(*pair))
            columns.append(np.maximum(*pair))
        row, column = np.concatenate(rows), np.concatenate(columns)
        size, every = len(self._program.start), np.arange(len(row))
        none = (np.zeros(0, int), np.zeros(0, int), np.zeros(0))
        return _assemble(size, size, (row, column, np.ones(len(row)), every), ca.vertcat(*parts), none)


def _assemble(
    rows: int, columns: int, moving: tuple[Any, Any, Any, Any], values: Any, fixed: tuple[Any, Any, Any]
) -> Any:
    """Sparse matrix: the sum of factor · values[which] of ``moving`` at (row, column), and of the ``fixed`` entries."""
    row, column, factor, which = moving
    keys = column.astype(np.int64) * rows + row
    constant = fixed[1].astype(np.int64) * rows + fixed[0]
    pattern = np.unique(np.concatenate([keys, constant]))
    spread = sparse.csc_matrix((factor, (np.searchsorted(pattern, keys), which)), shape=(len(pattern), values.shape[0]))
    base = np.zeros(len(pattern))
    np.add.at(base, np.searchsorted(pattern, constant), fixed[2])
    starts = np.searchsorted(pattern, np.arange(columns + 1) * rows)
    sparsity = ca.Sparsity(rows, columns, starts.tolist(), (pattern % rows).tolist())
    return ca.MX(sparsity, ca.densify(ca.mtimes(_constant(spread), values)) + ca.DM(base))


def _constant(matrix: sparse.csc_matrix) -> Any:
    matrix = matrix.tocsc()
    matrix.sort_indices()
    return ca.DM(matrix)
