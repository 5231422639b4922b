"""identify_cost: exponent and weights of a cost whose optimum is nearest to measured activations.

The cost is Σ wᵢ aᵢᵖ. The fit is Gauss-Newton on the activations of static optimization (scipy's least_squares), with
the exact derivatives of its optimum (``static.implicit``), started from weights that satisfy the optimality conditions
of the measured activations best. Only ratios of weights matter, and only those that the data determine are returned: a
common factor does not move the optimum, a muscle that is always off gives no information about its weight, and muscles
of two legs that share no joint cannot be compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from ..errors import InputError, check_names, explain, some
from ..problem.arrays import Array
from ..problem.costs import get_cost
from ..problem.problem import RedundancyProblem
from ..static.implicit import ON_BOUND, linearise
from ..static.solve import solve_static

if TYPE_CHECKING:
    import pandas as pd

#: Singular value, relative to the largest, below which the data do not determine a direction of the parameters.
DETERMINED = 1e-4
#: Component along an undetermined direction above which a ratio of weights is not determined.
ALONG = 1e-2
#: Exponents from which a fit may start: that whose optimality conditions are satisfied best is taken.
EXPONENTS = (1.5, 2.0, 3.0, 4.0, 6.0)
#: Rounds of least squares, between which the determined directions are updated; evaluations in each.
ROUNDS, PASSES = 3, 60


@dataclass(frozen=True, eq=False, repr=False)
class IdentifiedCost:
    """The cost that fits best, where the data determine it.

    Attributes
    ----------
    exponent : float
        The exponent p.
    exponent_identifiable : bool
        Whether the data determine p.
    weights : pandas.Series
        Weight of each group of muscles (of each muscle without groups), relative to the geometric mean of those it can
        be compared with; NaN where the data do not determine it.
    relative_error : pandas.Series
        Relative standard error of each weight. Frames are treated as independent, which neighbouring frames are not:
        multiply by the square root of the number of frames that vary together.
    comparable : tuple of tuple of str
        Sets of groups whose ratios the data determine, the largest first.
    rms, start_rms : float
        Root mean square difference of activations after the fit, and with equal weights and exponent 2 (or the given
        one).
    notes : tuple of str
        What the data do not determine.
    """

    exponent: float
    exponent_identifiable: bool
    weights: pd.Series
    relative_error: pd.Series
    comparable: tuple[tuple[str, ...], ...]
    rms: float
    start_rms: float
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Return one line."""
        known = f"{int(self.weights.notna().sum())} of {len(self.weights)} weights"
        return f"<IdentifiedCost: Σ w a^{self.exponent:.4g}, {known}, RMS {self.rms:.3g}>"


def identify_cost(
    problem: RedundancyProblem,
    activation: ArrayLike,
    *,
    exponent: float | None = None,
    groups: Mapping[str, Sequence[str]] | None = None,
    ridge: float = 1e-9,
) -> IdentifiedCost:
    """Find the exponent and weights of Σ w aᵖ whose optimum is nearest to measured activations.

    Parameters
    ----------
    problem : RedundancyProblem
        Problem with T frames and M muscles. Its own weights keep their ratios within a group.
    activation : (T, M) array_like
        Measured activations at the problem's frames; NaN where nothing was measured.
    exponent : float, optional
        Fixed exponent, above 1. By default it is fitted.
    groups : mapping of str to sequence of str, optional
        Muscles that share a weight, by name of the group; other muscles keep theirs. By default each muscle is a group.
    ridge : float
        Penalty on the logarithm of the weights, relative to one activation; use 0.01 or so for noisy measurements.

    Returns
    -------
    IdentifiedCost
        Exponent, weights with standard errors, and what the data do not determine.

    Raises
    ------
    InputError
        Shapes that do not fit, unknown muscles, an exponent that is not above 1, or data that determine nothing.

    Examples
    --------
    >>> import numpy as np, osimopt
    >>> moment = np.linspace(5.0, 12.0, 8)
    >>> problem = osimopt.RedundancyProblem.from_arrays([0.05, 0.03], [500.0, 300.0], moment)
    >>> activation = osimopt.solve_static(problem.with_weights([1.0, 4.0]), exponent=3).activation
    >>> found = osimopt.identify_cost(problem, activation, exponent=3)
    >>> float(round(found.weights["muscle_1"] / found.weights["muscle_0"], 3))
    4.0
    """
    target = np.asarray(activation, dtype=float)
    if target.shape != problem.max_force.shape:
        expected = f"activations of shape {problem.max_force.shape} (T, M)"
        raise InputError(explain(expected, f"{target.shape}", "Give one per muscle."))
    if exponent is not None and not 1.0 < exponent < np.inf:
        raise InputError(explain("an exponent above 1", f"{exponent!r}", "2 is the default of solve_static."))
    fit = CostFit(problem, target, _membership(problem, groups), exponent, ridge)
    start, theta = fit.equal(), fit.start()
    if fit.loss(start) <= fit.loss(theta):
        theta = start
    for _ in range(ROUNDS):
        theta = fit.improve(theta)
    return _describe(fit, theta, tuple(groups) if groups is not None else problem.muscles)


@dataclass(frozen=True, eq=False)
class CostFit:
    """Least squares in the parameters θ: log-weights of the G groups and, if ``exponent`` is None, log(p − 1).

    ``target`` (T, M) are the measured activations; ``member`` (G, M) is 1 where a muscle belongs to a group.
    """

    problem: RedundancyProblem
    target: Array
    member: Array
    exponent: float | None
    ridge: float

    def equal(self) -> Array:
        """Θ of equal weights, and of exponent 2 where it is fitted: log(2 − 1) = 0."""
        return np.zeros(len(self.member) + (self.exponent is None))

    def power(self, theta: Array) -> float:
        """The exponent."""
        return float(1.0 + np.exp(theta[-1])) if self.exponent is None else self.exponent

    def weighted(self, theta: Array) -> RedundancyProblem:
        """The problem with the weights of θ."""
        return self.problem.with_weights(self.problem.weights * np.exp(theta[: len(self.member)] @ self.member))

    def residual(self, theta: Array) -> Array:
        """Differences of activations, followed by the penalty on θ."""
        solved = solve_static(self.weighted(theta), exponent=self.power(theta), on_failure="return")
        off = np.where(np.isfinite(self.target), solved.activation - self.target, 0.0)
        return np.concatenate([np.nan_to_num(off, nan=1.0).ravel(), self.ridge * theta])

    def loss(self, theta: Array) -> float:
        """Sum of squares of the residual."""
        return float(np.sum(self.residual(theta) ** 2))

    def jacobian(self, theta: Array) -> Array:
        """Derivative of the residual by θ, exact by the implicit function theorem."""
        weighted, power = self.weighted(theta), self.power(theta)
        solved = solve_static(weighted, exponent=power, on_failure="return")
        x = np.hstack([solved.activation, solved.reserve_control])
        response = linearise(weighted, x, get_cost("activation_power", power))
        muscles, nothing = len(self.problem.muscles), np.zeros_like(self.problem.generalized_force)
        relative = np.zeros((len(theta), *x.shape))  # change of the slope by θ, as a share of it
        relative[: len(self.member), :, :muscles] = self.member[:, None]
        if self.exponent is None:  # d/dp of k |x|^(p−1) is the slope times ln |x|; dp = (p − 1) dθ
            size = np.abs(np.nan_to_num(x))
            relative[-1] = (power - 1.0) * np.log(np.where(size > 0.0, size, 1.0))
        columns = [response.push(nothing, -response.slope * part)[:, :muscles] for part in relative]
        known = np.isfinite(self.target)
        rows = np.stack([np.where(known, column, 0.0).ravel() for column in columns], axis=1)
        return np.vstack([rows, self.ridge * np.eye(len(theta))])

    def directions(self, theta: Array) -> tuple[Array, Array]:
        """Directions of θ, one per row: those that the data determine, and those that they do not."""
        _, size, rows = np.linalg.svd(self.jacobian(theta)[: -len(theta)], full_matrices=False)
        determined = size > DETERMINED * max(float(size[0]), 1e-12)
        return rows[determined], rows[~determined]

    def improve(self, theta: Array) -> Array:
        """Θ after least squares along the determined directions."""
        from scipy.optimize import least_squares

        along, _ = self.directions(theta)
        if not len(along):
            fix = "Give frames in which muscles share moments, none of them at its bounds."
            raise InputError(explain("activations that depend on the ratios of weights", "none that do", fix))
        found = least_squares(
            lambda z: self.residual(theta + z @ along), np.zeros(len(along)),
            jac=lambda z: self.jacobian(theta + z @ along) @ along.T, method="trf", x_scale="jac", max_nfev=PASSES,
            xtol=1e-12, ftol=1e-14, gtol=1e-14,
        )  # fmt: skip
        return np.asarray(theta + found.x @ along)

    def start(self) -> Array:
        """Θ by the optimality conditions of the measured activations, for the exponent that violates them least."""
        best, least = self.equal(), np.inf
        for power in EXPONENTS if self.exponent is None else (self.exponent,):
            log_weights, violation = self.by_conditions(power)
            if violation < least:
                least, best[: len(log_weights)] = violation, log_weights
                if self.exponent is None:
                    best[-1] = np.log(power - 1.0)
        return best

    def by_conditions(self, power: float) -> tuple[Array, float]:
        """Log-weights for which Σ_g w_g aᵖ⁻¹ of the free muscles is nearest to a combination of their moments.

        Also returns the remaining distance. With the rows of A of a frame projected out the conditions are linear in
        w. Reserves are left out: their controls of about a thousandth would determine the common factor.
        """
        problem, total = self.problem, np.zeros((len(self.member), len(self.member)))
        A = problem.systems(slice(None))[0][:, :, : len(problem.muscles)]
        for frame, active in enumerate(self.target):
            inside = (active > problem.lower + ON_BOUND) & (active < problem.upper - ON_BOUND)
            free = np.isfinite(active) & inside
            if not free.any():
                continue
            slope = problem.weights[free] * np.maximum(active[free], 1e-6) ** (power - 1.0)
            columns = (self.member[:, free] * (slope / np.linalg.norm(slope))).T
            _, size, rows = np.linalg.svd(A[frame][:, free], full_matrices=False)
            rows = rows[size > 1e-9 * max(float(size[0]), 1e-12)]
            columns = columns - rows.T @ (rows @ columns)
            total += columns.T @ columns
        log_weights, used = np.zeros(len(total)), np.diag(total) > 0.0
        if used.sum() < 2:
            return log_weights, np.inf
        from scipy.optimize import nnls

        # min wᵀ K w with Σ w = n, w ≥ 0: nnls with the sum as one heavy row
        root = np.linalg.cholesky(total[np.ix_(used, used)] + 1e-14 * np.trace(total) * np.eye(int(used.sum()))).T
        heavy = 1e3 * np.sqrt(np.trace(total))
        stacked = np.vstack([root, np.full((1, root.shape[1]), heavy)])
        weight, _ = nnls(stacked, np.concatenate([np.zeros(len(root)), [heavy * root.shape[1]]]))
        log_weights[used] = np.clip(np.log(np.maximum(weight, 1e-4)), -6.0, 6.0)
        return log_weights, float(np.linalg.norm(root @ weight)) / max(float(np.linalg.norm(weight)), 1e-12)


def _membership(problem: RedundancyProblem, groups: Mapping[str, Sequence[str]] | None) -> Array:
    """(G, M) 1 where a muscle belongs to a group."""
    if groups is None:
        return np.eye(len(problem.muscles))
    named = [name for members in groups.values() for name in members]
    check_names("muscles", named, problem.muscles)
    if twice := sorted({name for name in named if named.count(name) > 1}):
        raise InputError(explain("each muscle in one group", f"{some(twice)} in two", "Remove it from one."))
    return np.array([[float(name in members) for name in problem.muscles] for members in groups.values()])


def _describe(fit: CostFit, theta: Array, names: Sequence[str]) -> IdentifiedCost:
    """Weights relative to those they can be compared with, and their errors."""
    import pandas as pd

    along, without = fit.directions(theta)
    sets = _comparable(along, without, len(fit.member))
    index = pd.Index(names, name="group")
    weights, error = (pd.Series(np.nan, index=index, name=name) for name in ("weight", "relative_error"))
    rows, count = fit.jacobian(theta) @ along.T, max(int(np.isfinite(fit.target).sum()), 1)
    rms = [float(np.sqrt(np.sum(fit.residual(at)[: -len(at)] ** 2) / count)) for at in (theta, fit.equal())]
    spread = rms[0] * (along.T @ np.linalg.pinv(rows))[:, : -len(theta)]  # of θ, by that of one activation
    for members in sets:
        weights.iloc[members] = np.exp(theta[members] - theta[members].mean())
        error.iloc[members] = np.linalg.norm(spread[members] - spread[members].mean(axis=0), axis=1)
    known = fit.exponent is not None or not (np.abs(without[:, -1]) > ALONG).any()
    notes = []
    if lacking := weights.index[weights.isna()].tolist():
        notes.append(
            f"The data do not determine the weights of {some(lacking, 12)}: these muscles rest on a bound, or share no "
            "moment with others."
        )
    if not known:
        notes.append("The data do not determine the exponent: weights can compensate for it.")
    comparable = tuple(tuple(names[group] for group in members) for members in sets)
    return IdentifiedCost(fit.power(theta), known, weights, error, comparable, rms[0], rms[1], tuple(notes))


def _comparable(along: Array, without: Array, groups: int) -> list[list[int]]:
    """Sets of groups whose differences of log-weights have no undetermined component, the largest first."""
    seen = np.linalg.norm(along[:, :groups], axis=0) > ALONG
    left, sets = np.flatnonzero(seen).tolist(), []
    while left:
        near = [group for group in left if np.linalg.norm(without[:, group] - without[:, left[0]]) <= ALONG]
        left = [group for group in left if group not in near]
        if len(near) > 1:
            sets.append(near)
    return sorted(sets, key=len, reverse=True)
