"""identify_cost: which exponent and weights would make static optimization answer as was measured?

The cost is Σ wᵢ aᵢᵖ. The fit is Gauss-Newton on what static optimization answers (scipy's least_squares), with the
exact derivatives of its optimum (``static.implicit``), begun from weights that the optimality conditions of the
measured activations ask for themselves. Weights count by their ratios, and only those that the data determine are
given: a common factor moves no optimum, a muscle that is always off shows nothing of its weight, and muscles of two
legs that share no joint cannot be compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..costs import get_cost
from ..errors import InputError, explain, some
from ..problem import RedundancyProblem
from ..static.implicit import ON_BOUND, linearise
from ..static.solve import solve_static

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

#: Relative to the largest; directions of the parameters whose singular value is below are not determined by the data.
DETERMINED = 1e-4
#: Component along an undetermined direction from which on a ratio of weights is not determined.
ALONG = 1e-2
#: Exponents from which a fit begins, where it is asked for: the one whose optimality conditions are missed least.
EXPONENTS = (1.5, 2.0, 3.0, 4.0, 6.0)
#: Rounds in which what is determined is looked at again; passes of each round.
ROUNDS, PASSES = 3, 60


@dataclass(frozen=True, eq=False, repr=False)
class IdentifiedCost:
    """The cost that fits best, as far as the data say.

    Attributes
    ----------
    exponent, exponent_identifiable
        p, and whether the data determine it.
    weights
        By group of muscles (each muscle, unless groups were given): relative to the geometric mean of those that it can
        be compared with; NaN where nothing is known.
    relative_error
        Standard error of each weight, as a share of it, that the remaining differences leave. Frames count as
        independent, which neighbours in time are not: multiply by the root of how many move together.
    comparable
        Sets of groups whose ratios the data determine, the largest first.
    rms, start_rms
        Root mean square difference of activations, at the end and with equal weights and exponent 2 (or the one given).
    notes
        Sentences.
    """

    exponent: float
    exponent_identifiable: bool
    weights: pd.Series
    relative_error: pd.Series
    comparable: tuple[tuple[str, ...], ...]
    rms: float
    start_rms: float
    notes: tuple[str, ...] = field(default=())

    def __repr__(self) -> str:
        """Return one line."""
        known = int(self.weights.notna().sum())
        return (
            f"<IdentifiedCost: Σ w a^{self.exponent:.4g}, {known} of {len(self.weights)} weights, RMS {self.rms:.3g}>"
        )


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
    problem
        What was solved: its own weights are where the fit begins in their ratios within a group.
    activation
        (T, M) at the problem's frames; NaN where nothing was measured.
    exponent
        Held at this; None: fitted.
    groups
        Muscles that share a weight, by name of the group; the others keep theirs. None: each muscle is one.
    ridge
        Pull of log-weights towards 0, relative to one activation: raise it (0.01) for noisy measurements.

    Raises
    ------
    InputError
        Shapes that do not fit, unknown muscles, an exponent that is not above 1, or data that determine nothing.
    """
    target = np.asarray(activation, dtype=float)
    if target.shape != problem.max_force.shape:
        got = f"{target.shape}"
        raise InputError(explain(f"activations of shape {problem.max_force.shape} (T, M)", got, "Give one per muscle."))
    if exponent is not None and not 1.0 < exponent < np.inf:
        raise InputError(explain("an exponent above 1", f"{exponent!r}", "2 is usual."))
    fit = _Fit(problem, target, _membership(problem, groups), exponent, ridge)
    start = fit.equal()
    theta = _begin(fit, EXPONENTS if exponent is None else (exponent,))
    if fit.loss(start) <= fit.loss(theta):
        theta = start
    for _ in range(ROUNDS):
        theta = fit.improve(theta)
    return fit.told(theta, start, tuple(groups) if groups is not None else problem.muscles)


def _membership(problem: RedundancyProblem, groups: Mapping[str, Sequence[str]] | None) -> Array:
    """(G, M) 1 where a muscle belongs to a group."""
    if groups is None:
        return np.eye(len(problem.muscles))
    named = [name for own in groups.values() for name in own]
    if unknown := [name for name in named if name not in problem.muscles]:
        raise InputError(explain(f"muscles among {some(problem.muscles, 12)}", some(unknown), "Rename them."))
    if twice := sorted({name for name in named if named.count(name) > 1}):
        raise InputError(explain("each muscle in one group", f"{some(twice)} in two", "Leave one out."))
    return np.array([[float(name in own) for name in problem.muscles] for own in groups.values()])


@dataclass(frozen=True, eq=False)
class _Fit:
    """Parameters θ are the log-weights of the groups and, where the exponent is fitted, log(p − 1)."""

    problem: RedundancyProblem
    target: Array
    member: Array
    exponent: float | None
    ridge: float

    def equal(self) -> Array:
        """Equal weights, and exponent 2 where it is fitted: log(2 − 1) = 0."""
        return np.zeros(len(self.member) + (self.exponent is None))

    def power(self, theta: Array) -> float:
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

    def told(self, theta: Array, start: Array, names: Sequence[str]) -> IdentifiedCost:
        """Weights relative to those that they can be compared with."""
        import pandas as pd

        along, without = self.directions(theta)
        sets = _comparable(along, without, len(self.member))
        index = pd.Index(names, name="group")
        weights, error = (pd.Series(np.nan, index=index, name=name) for name in ("weight", "relative_error"))
        rows, count = self.jacobian(theta) @ along.T, max(int(np.isfinite(self.target).sum()), 1)
        rms = [float(np.sqrt(np.sum(self.residual(one)[: -len(one)] ** 2) / count)) for one in (theta, start)]
        spread = rms[0] * (along.T @ np.linalg.pinv(rows))[:, : -len(theta)]  # of θ, by that of one activation
        for own in sets:
            weights.iloc[own] = np.exp(theta[own] - theta[own].mean())
            error.iloc[own] = np.linalg.norm(spread[own] - spread[own].mean(axis=0), axis=1)
        known = self.exponent is not None or not (np.abs(without[:, -1]) > ALONG).any()
        notes = []
        if lacking := [name for name, weight in weights.items() if np.isnan(weight)]:
            notes.append(
                f"Nothing is known of the weights of {some(lacking, 12)}: they rest on a bound, or alone move it."
            )
        if not known:
            notes.append("The data do not determine the exponent: weights make up for it.")
        comparable = tuple(tuple(names[place] for place in own) for own in sets)
        return IdentifiedCost(self.power(theta), known, weights, error, comparable, rms[0], rms[1], tuple(notes))


def _comparable(along: Array, without: Array, groups: int) -> list[list[int]]:
    """Sets of groups whose differences of log-weights have no component that is not determined, the largest first."""
    seen = np.linalg.norm(along[:, :groups], axis=0) > ALONG
    left, sets = [int(place) for place in np.flatnonzero(seen)], []
    while left:
        first = left[0]
        own = [place for place in left if np.linalg.norm(without[:, place] - without[:, first]) <= ALONG]
        left = [place for place in left if place not in own]
        if len(own) > 1:
            sets.append(own)
    return sorted(sets, key=len, reverse=True)


def _begin(fit: _Fit, exponents: Sequence[float]) -> Array:
    """Weights by the optimality conditions of the measured activations, for the exponent that misses them least."""
    best, least = fit.equal(), np.inf
    for power in exponents:
        log_weights, missed = _by_conditions(fit, power)
        if missed < least:
            least = missed
            best = np.concatenate([log_weights, [np.log(power - 1.0)]]) if fit.exponent is None else log_weights
    return best


def _by_conditions(fit: _Fit, power: float) -> tuple[Array, float]:
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
