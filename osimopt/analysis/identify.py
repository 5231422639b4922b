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

from ..errors import InputError, explain, some
from ..problem.problem import RedundancyProblem
from .cost_fit import CostFit, begin

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

#: Component along an undetermined direction from which on a ratio of weights is not determined.
ALONG = 1e-2
#: Exponents from which a fit begins, where it is asked for: the one whose optimality conditions are missed least.
EXPONENTS = (1.5, 2.0, 3.0, 4.0, 6.0)
#: Rounds in which what is determined is looked at again.
ROUNDS = 3


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
    fit = CostFit(problem, target, _membership(problem, groups), exponent, ridge)
    start = fit.equal()
    theta = begin(fit, EXPONENTS if exponent is None else (exponent,))
    if fit.loss(start) <= fit.loss(theta):
        theta = start
    for _ in range(ROUNDS):
        theta = fit.improve(theta)
    return _told(fit, theta, start, tuple(groups) if groups is not None else problem.muscles)


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


def _told(fit: CostFit, theta: Array, start: Array, names: Sequence[str]) -> IdentifiedCost:
    """Weights relative to those that they can be compared with."""
    import pandas as pd

    along, without = fit.directions(theta)
    sets = _comparable(along, without, len(fit.member))
    index = pd.Index(names, name="group")
    weights, error = (pd.Series(np.nan, index=index, name=name) for name in ("weight", "relative_error"))
    rows, count = fit.jacobian(theta) @ along.T, max(int(np.isfinite(fit.target).sum()), 1)
    rms = [float(np.sqrt(np.sum(fit.residual(one)[: -len(one)] ** 2) / count)) for one in (theta, start)]
    spread = rms[0] * (along.T @ np.linalg.pinv(rows))[:, : -len(theta)]  # of θ, by that of one activation
    for own in sets:
        weights.iloc[own] = np.exp(theta[own] - theta[own].mean())
        error.iloc[own] = np.linalg.norm(spread[own] - spread[own].mean(axis=0), axis=1)
    known = fit.exponent is not None or not (np.abs(without[:, -1]) > ALONG).any()
    notes = []
    if lacking := [name for name, weight in weights.items() if np.isnan(weight)]:
        notes.append(f"Nothing is known of the weights of {some(lacking, 12)}: they rest on a bound, or alone move it.")
    if not known:
        notes.append("The data do not determine the exponent: weights make up for it.")
    comparable = tuple(tuple(names[place] for place in own) for own in sets)
    return IdentifiedCost(fit.power(theta), known, weights, error, comparable, rms[0], rms[1], tuple(notes))


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
