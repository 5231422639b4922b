"""A program as CasADi functions: objective, constraints and their sparse derivatives.

CasADi could derive them from expressions, but would colour and differentiate the whole; here the derivatives of the
small functions are put in their places by constant sparse matrices, which takes a tenth of the time to build.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import casadi as ca
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ..program import Program
from .functions import Mapped

Index = NDArray[np.intp]


class Derivatives:
    """Functions of a program by the names that ``casadi.nlpsol`` wants; each evaluates only the groups it needs."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._groups = [Mapped(group) for group in program.groups]
        ends = np.cumsum([0, *(len(group.variables) for group in self._groups)]).tolist()
        self._outputs = [slice(first, last) for first, last in pairwise(ends)]
        self._x, self._p = ca.MX.sym("x", len(program.start)), ca.MX.sym("p", 0)
        used = np.diff(program.nonlinear.indptr) > 0
        self._in_cost = [bool((program.cost[own] != 0.0).any()) for own in self._outputs]
        self._in_rows = [bool(used[own].any()) for own in self._outputs]
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
        """All outputs, those of groups that are not needed as zeros."""
        parts = [
            group.value(self._x) if wanted else ca.MX.zeros(len(group.variables))
            for group, wanted in zip(self._groups, needed, strict=True)
        ]
        return ca.vertcat(*parts)

    def _slopes(self, needed: list[bool]) -> tuple[Index, Index, Any]:
        """Output, unknown and value of each nonzero of ∂c/∂x of the groups that are needed."""
        rows, columns, values = [np.zeros(0, int)], [np.zeros(0, int)], [ca.MX.zeros(0)]
        for group, own, wanted in zip(self._groups, self._outputs, needed, strict=True):
            if wanted:
                rows.append(np.repeat(np.arange(own.start, own.stop), len(group.slopes)))
                columns.append(group.variables[:, group.slopes].ravel())
                values.append(group.slope(self._x))
        return np.concatenate(rows), np.concatenate(columns), ca.vertcat(*values)

    def _gradient(self) -> Any:
        rows, columns, slopes = self._slopes(self._in_cost)
        shape = len(self._program.start), len(rows)
        spread = sparse.csc_matrix((self._program.cost[rows], (columns, np.arange(len(rows)))), shape=shape)
        return ca.densify(ca.mtimes(_constant(spread), slopes)) + ca.DM(self._program.linear_cost)

    def _jacobian(self) -> Any:
        """Linear + nonlinear · ∂c/∂x: each slope goes wherever its output appears."""
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
        """Upper triangle of the Lagrangian's."""
        weight = ca.DM(self._program.cost) * factor
        weight += ca.mtimes(_constant(self._program.nonlinear.T.tocsc()), multipliers)
        parts, rows, columns = [], [], []
        for group, own in zip(self._groups, self._outputs, strict=True):
            parts.append(group.curvature(self._x, weight[own]))
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
    """Sparse matrix: at (row, column) the sum of factor · values[which] of ``moving``, and of ``fixed``."""
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
    pattern = ca.Sparsity(matrix.shape[0], matrix.shape[1], matrix.indptr.tolist(), matrix.indices.tolist())
    return ca.DM(pattern, matrix.data)
