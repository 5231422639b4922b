"""The least squares behind identify_cost, with the exact derivatives of the optimum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, explain
from ..problem.costs import get_cost
from ..problem.problem import RedundancyProblem
from ..static.implicit import ON_BOUND, linearise
from ..static.solve import solve_static

Array = NDArray[np.float64]

#: Relative to the largest; directions of the parameters whose singular value is below are not determined by the data.
DETERMINED = 1e-4
#: Passes of a round of least squares.
PASSES = 60


@dataclass(frozen=True, eq=False)
class CostFit:
    """Least squares in parameters θ, the log-weights of the groups and, where the exponent is fitted, log(p − 1)."""

    problem: RedundancyProblem
    target: Array
    member: Array
    exponent: float | None
    ridge: float

    def equal(self) -> Array:
        """Equal weights, and exponent 2 where it is fitted: log(2 − 1) = 0."""
        return np.zeros(len(self.member) + (self.exponent is None))

    def power(self, theta: Array) -> float:
        """The exponent."""
        return float(1.0 + np.exp(theta[-1])) if self.exponent is None else self.exponent

    def weighted(self, theta: Array) -> RedundancyProblem:
        """The problem with the weights of θ."""
        return self.problem.with_weights(self.problem.weights * np.exp(theta[: len(self.member)] @ self.member))

    def residual(self, theta: Array) -> Array:
        """Differences of activations, then the pull of the ridge."""
        solved = solve_static(self.weighted(theta), exponent=self.power(theta), on_failure="return")
        off = np.where(np.isfinite(self.target), solved.activation - self.target, 0.0)
        return np.concatenate([np.nan_to_num(off, nan=1.0).ravel(), self.ridge * theta])

    def loss(self, theta: Array) -> float:
        """Sum of squares."""
        return float(np.sum(self.residual(theta) ** 2))

    def jacobian(self, theta: Array) -> Array:
        """Of the residual: exact, by the implicit function theorem."""
        weighted, power = self.weighted(theta), self.power(theta)
        cost = get_cost("activation_power", power)
        solved = solve_static(weighted, exponent=power, on_failure="return")
        x = np.hstack([solved.activation, solved.reserve_control])
        response, muscles = linearise(weighted, x, cost), len(self.problem.muscles)
        nothing = np.zeros_like(self.problem.generalized_force)
        columns = []
        for own in self.member:
            q = np.zeros_like(response.slope)
            q[:, :muscles] = -response.slope[:, :muscles] * own
            columns.append(response.push(nothing, q)[:, :muscles])
        if self.exponent is None:  # d/dp of k |x|^(p−1) is the slope times ln |x|; dp = (p − 1) dθ
            size = np.abs(np.nan_to_num(x))
            log = np.log(np.where(size > 0.0, size, 1.0))
            columns.append((power - 1.0) * response.push(nothing, -response.slope * log)[:, :muscles])
        known = np.isfinite(self.target)
        rows = np.stack([np.where(known, column, 0.0).ravel() for column in columns], axis=1)
        return np.vstack([rows, self.ridge * np.eye(len(theta))])

    def directions(self, theta: Array) -> tuple[Array, Array]:
        """Rows: directions of θ that the data determine, and those that they do not."""
        _, size, rows = np.linalg.svd(self.jacobian(theta)[: -len(theta)], full_matrices=False)
        determined = size > DETERMINED * max(float(size[0]), 1e-12)
        return rows[determined], rows[~determined]

    def improve(self, theta: Array) -> Array:
        """Least squares along what is determined."""
        from scipy.optimize import least_squares

        along, _ = self.directions(theta)
        if not len(along):
            fix = "Give frames in which muscles share moments, none of them at its bounds."
            raise InputError(explain("activations that tell weights apart", "none that do", fix))
        found = least_squares(
            lambda z: self.residual(theta + z @ along), np.zeros(len(along)),
            jac=lambda z: self.jacobian(theta + z @ along) @ along.T, method="trf", x_scale="jac", max_nfev=PASSES,
            xtol=1e-12, ftol=1e-14, gtol=1e-14,
        )  # fmt: skip
        return np.asarray(theta + found.x @ along)


def begin(fit: CostFit, exponents: Sequence[float]) -> Array:
    """Weights by the optimality conditions of the measured activations, for the exponent that misses them least."""
    best, least = fit.equal(), np.inf
    for power in exponents:
        log_weights, missed = by_conditions(fit, power)
        if missed < least:
            least = missed
            best = np.concatenate([log_weights, [np.log(power - 1.0)]]) if fit.exponent is None else log_weights
    return best


def by_conditions(fit: CostFit, power: float) -> tuple[Array, float]:
    """Log-weights that make Σ_g w_g aᵖ⁻¹ of the free muscles a combination of their moments, and how much it is not.

    With the rows of A of a frame projected out these are linear in w; the solution of size 1 that misses least is a
    singular vector. Reserves are left out: they would tell the common factor from controls of a thousandth.
    """
    problem, total = fit.problem, np.zeros((len(fit.member), len(fit.member)))
    A = problem.systems(slice(None))[0][:, :, : len(problem.muscles)]
    for frame, own in enumerate(fit.target):
        free = np.isfinite(own) & (own > problem.lower + ON_BOUND) & (own < problem.upper - ON_BOUND)
        if not free.any():
            continue
        slope = problem.weights[free] * np.maximum(own[free], 1e-6) ** (power - 1.0)
        columns = (fit.member[:, free] * (slope / np.linalg.norm(slope))).T
        _, size, rows = np.linalg.svd(A[frame][:, free], full_matrices=False)
        rows = rows[size > 1e-9 * max(float(size[0]), 1e-12)]
        columns = columns - rows.T @ (rows @ columns)
        total += columns.T @ columns
    active = np.diag(total) > 0.0
    log_weights, missed = np.zeros(len(total)), np.inf
    if active.sum() > 1:
        from scipy.optimize import nnls

        # min wᵀ K w with Σ w = n: a large row asks for the sum; signs are kept by nnls
        root = np.linalg.cholesky(total[np.ix_(active, active)] + 1e-14 * np.trace(total) * np.eye(int(active.sum()))).T
        heavy = 1e3 * np.sqrt(np.trace(total))
        stacked = np.vstack([root, np.full((1, root.shape[1]), heavy)])
        weight, _ = nnls(stacked, np.concatenate([np.zeros(len(root)), [heavy * root.shape[1]]]))
        missed = float(np.linalg.norm(root @ weight)) / max(float(np.linalg.norm(weight)), 1e-12)
        log_weights[active] = np.clip(np.log(np.maximum(weight, 1e-4)), -6.0, 6.0)
    return log_weights, missed
