"""What data determine of a calibration's parameters: posterior intervals, combinations, profiles.

Parameters are in standard deviations of their priors, so that the sensitivity J of the weighted residuals compares data
with priors: a combination of parameters (a right singular vector of J) whose singular value is s has the share
s²/(1 + s²) of its information from the data. The covariance of the estimate about the truth, which the priors hold as
well as the data, is A⁻¹ S A⁻¹ with A = JᵀJ + 1 and S = JᵀCJ + 1: J is weighted by noise that filters make, C is the
covariance, in these weights, of noise that lasts as long as the moments that are missed show.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..problem.arrays import Array
from .fit import EVALUATIONS, Estimate, left_of, noise_at
from .noise import LONGEST

if TYPE_CHECKING:
    import pandas as pd

#: Quantile of the normal distribution for intervals of 95 %, and the rise of ½ |r|² at their ends.
NORMAL = 1.959964
RISE = 0.5 * NORMAL**2
#: Nearer to a bound than this (prior standard deviations), a parameter is at it.
AT_BOUND = 1e-3
#: Share of information from the data from which a parameter counts as determined.
DETERMINED = 0.5
#: Parameters named per combination.
NAMED = 3
#: Halvings and doublings of a profile's search.
SEARCHES = 12


@dataclass(frozen=True, eq=False)
class Identified:
    """``deviation`` (N,) of the posterior and ``determined`` (N,), the data's share of the information, 0 to 1.

    ``covariance`` (N, N) and ``singular`` values (descending) with their ``directions`` (rows) are in prior standard
    deviations; ``at_bound`` (N,) marks parameters that rest on a bound.
    """

    covariance: Array
    deviation: Array
    determined: Array
    singular: Array
    directions: Array
    at_bound: NDArray[np.bool_]


def identify(fit: Estimate) -> Identified:
    """Linearise a fit. Parameters at a bound are taken as fixed there for the others."""
    jacobian = fit.jacobian()[0]
    scatter = _scatter(fit, jacobian)
    low, high = fit.residuals.unknowns.bounds()
    at_bound = (fit.x - low < AT_BOUND) | (high - fit.x < AT_BOUND)
    free, count = ~at_bound, len(fit.x)
    covariance = np.zeros((count, count))
    information = jacobian.T @ jacobian + np.eye(count)
    inner = np.ix_(free, free)
    covariance[inner] = _sandwich(information[inner], scatter[inner])
    alone = _sandwich(information, scatter)
    deviation = np.where(at_bound, np.sqrt(np.diag(alone)), np.sqrt(np.diag(covariance)))
    deviation = np.minimum(deviation, 1.0)  # nothing is less sure than its prior
    _, singular, directions = np.linalg.svd(jacobian, full_matrices=False)
    return Identified(covariance, deviation, np.clip(1.0 - deviation**2, 0.0, 1.0), singular, directions, at_bound)


def _scatter(fit: Estimate, jacobian: Array) -> Array:
    """Covariance (N, N) of Jᵀr by noise that lasts as long as it shows, with that of the priors."""
    residuals, count = fit.residuals, jacobian.shape[1]
    if not residuals.white:
        return np.asarray(jacobian.T @ jacobian + np.eye(count))
    noise = noise_at(residuals, fit.x, LONGEST)
    passive = residuals.passive_values(fit.x)[1]
    total, first = np.eye(count) + passive.T @ passive, 0
    for left, factors in zip(left_of(residuals, fit.x), residuals.white, strict=True):
        for block, factor in zip(left.blocks(), factors, strict=True):
            pulled = np.linalg.solve(factor.T, jacobian[first : first + len(factor)])
            total += pulled.T @ noise.covariance(block) @ pulled
            first += len(factor)
    return np.asarray(total)


def _sandwich(information: Array, scatter: Array) -> Array:
    """Covariance of the estimate: A⁻¹ S A⁻¹."""
    return np.asarray(np.linalg.solve(information, np.linalg.solve(information, scatter).T))


def combinations(fit: Estimate, found: Identified) -> pd.DataFrame:
    """One row per combination, the best determined first: singular value, share of information, largest members."""
    import pandas as pd

    items, rows = fit.residuals.unknowns.items, []
    for size, direction in zip(found.singular, found.directions, strict=True):
        top = np.argsort(-np.abs(direction))[:NAMED]
        sign = 1.0 if direction[top[0]] >= 0.0 else -1.0
        text = ", ".join(f"{sign * direction[place]:+.2f} {items[place].label}" for place in top)
        rows.append({"singular_value": float(size), "from_data": float(size**2 / (1.0 + size**2)), "members": text})
    return pd.DataFrame(rows, columns=["singular_value", "from_data", "members"])


def profile(fit: Estimate, number: int, deviation: float) -> tuple[float, float]:
    """Ends of the 95 % profile interval of one unknown: where the best fit of all others has lost ``RISE``.

    A bound of the parameter ends the interval.
    """
    low, high = fit.residuals.unknowns.bounds()
    ends = []
    for direction, bound in ((-1.0, low[number]), (1.0, high[number])):
        inner, outer = 0.0, NORMAL * deviation
        limit = abs(bound - fit.x[number])
        start, reached = fit.x, False
        for _ in range(SEARCHES):
            outer = min(outer, limit)
            value, start = _held(fit, number, fit.x[number] + direction * outer, start)
            if value - fit.objective >= RISE:
                reached = True
                break
            inner = outer
            if outer >= limit:
                break
            outer *= 1.5
        while reached and outer - inner > 0.03 * outer:
            middle = 0.5 * (inner + outer)
            value, start = _held(fit, number, fit.x[number] + direction * middle, start)
            inner, outer = (inner, middle) if value - fit.objective >= RISE else (middle, outer)
        ends.append(float(fit.x[number] + direction * (0.5 * (inner + outer) if reached else limit)))
    return ends[0], ends[1]


def _held(fit: Estimate, number: int, value: float, start: Array) -> tuple[float, Array]:
    """Least objective with one unknown held at a value, and where; the search begins at ``start``."""
    from scipy.optimize import least_squares

    residuals, others = fit.residuals, np.arange(len(start)) != number
    low, high = residuals.unknowns.bounds()

    def whole(part: Array) -> Array:
        x = np.empty(len(start))
        x[others], x[number] = part, value
        return x

    found = least_squares(
        lambda part: residuals.values(whole(part)), np.clip(start[others], low[others], high[others]),
        jac=lambda part: residuals.jacobian(whole(part))[:, others], bounds=(low[others], high[others]), method="trf",
        max_nfev=EVALUATIONS, xtol=1e-6, ftol=1e-7, gtol=1e-6,
    )  # fmt: skip
    return float(found.cost), whole(np.asarray(found.x))
