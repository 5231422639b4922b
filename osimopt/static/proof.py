"""The certificate of a solution, from the problem, the cost, x and λ alone, by code that no solver shares.

For any multipliers λ, with z = Aᵀλ, the cost of any x that meets A x = b within bounds is at least

    g(λ) = bᵀλ − Σ_i ψ_i(z_i),   ψ_i(z) = max z x − φ_i(x) over lower_i ≤ x ≤ upper_i.

For an x that misses b by ρ, P(x) − g(λ) = Σ_i [φ_i(x_i) + ψ_i(z_i) − z_i x_i] − λᵀρ. Each bracket is nonnegative
(Fenchel and Young). With y the maximiser of ψ it is the integral of φ′ − z from y to x. It has two upper bounds, which
do not suffer from cancellation at the same x: (φ′(x) − z)(x − y), and the difference of the integral's ends plus its
rounding error. The moment error of x and its rounding are added with absolute values, multiplied by |λ|.

At the limit of what can be met λ is large, and a solution may miss moments by the whole allowed error. Among all x
within the allowed error, the least cost is at least g(λ) − allowed ‖λ‖₁. So P(x) exceeds it, and exceeds the least cost
for the given moments, by at most the brackets plus Σ_d allowed |λ_d| − λ_d ρ_d, whose terms are nonnegative.

The gap bounds the distance of each activation from its optimum, for moments within rounding of the given ones: by the
strong convexity of |y|^p within the bounds, and for p > 2 also for each unknown, because the brackets of the optimum
sum to at most the gap.

Exponents may differ by unknown: squares of contact forces beside powers of activations. Brackets, their sum and the
bounds of muscles hold as they are. An unknown without cost has φ = 0 and ψ(z) = max z x, which is finite where its
bounds are, and 0 for z = 0.

A direction d proves that no x within bounds meets A x = b: ‖b − A x‖∞ ‖d‖₁ ≥ dᵀb − max dᵀA x.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..devices import Device
from ..namespace import Tensor, alike, filled, frames_last, namespace, true_rows
from ..problem.arrays import Array
from ..problem.problem import RedundancyProblem

Mask = NDArray[np.bool_]
Sums = Callable[[Array], Array]

#: Relative to the largest moment (1 N·m at least): the allowed moment error; a frame is infeasible only beyond it.
ALLOWED = 1e-9
#: Relative to the cost; a solution with a larger gap is not certified.
OPTIMAL = 1e-6
#: Activation; a gap of at most the cost of this activation is certified too.
SMALL = 1e-9
#: Rounding error of a sum of some hundred products, relative to their size.
ROUNDING = 1e-15
#: A control without bounds is assumed to produce at most this many times the moments.
UNBOUNDED = 1e6
#: Frames checked at once with NumPy: arrays that stay in the cache.
CHUNK = 256


@dataclass(frozen=True, eq=False)
class Proof:
    """By frame (T,): upper bounds on the excess of the cost Σ |scale · x|^p / p and on the error of any activation.

    ``feasible`` where moments and bounds hold, ``certified`` where the gap is small too; elsewhere the numbers are no
    bounds.
    """

    gap: Array
    activation_error: Array
    feasible: Mask
    certified: Mask


def prove(
    problem: RedundancyProblem, exponent: float | NDArray[np.float64], scale: Array, x: Array, multipliers: Array
) -> Proof:
    """Check solutions x (T, U) by multipliers λ (T, D) for the cost Σ |scale · x|^p / p, ``scale`` (T, U), p > 1.

    p is one number, or (U,) with the same of all muscles.
    """
    xp, geometry = namespace(x), problem.geometry
    gap, error = (filled((len(problem),), np.inf, x) for _ in range(2))
    known = xp.all(xp.isfinite(x), axis=1) & xp.all(xp.isfinite(multipliers), axis=1)
    feasible, certified = known & False, known & False
    by_row = _sums(geometry.pair_coordinate, len(problem.coordinates))
    by_muscle = _sums(geometry.pair_muscle, len(problem.muscles))
    together = CHUNK if isinstance(x, np.ndarray) else Device.at(x).together(len(geometry.pair_muscle))
    for first in range(0, len(problem), together):
        keep = slice(first, first + together)
        claim = _numbers(x[keep]), _numbers(multipliers[keep])
        found = _prove(problem, keep, exponent, scale[keep], *claim, by_row, by_muscle)
        gap[keep], error[keep], feasible[keep], certified[keep] = found
    return Proof(gap, error, feasible & known, certified & known)


def least_missed(A: Array, b: Array, lower: Array, upper: Array, ray: Array) -> float:
    """Lower bound on ‖b − A x‖∞ over all x within bounds, by a direction d (D,) of the moments."""
    size = np.abs(A).max(axis=0, initial=0.0)
    far = UNBOUNDED * max(1.0, float(np.abs(b).max(initial=0.0))) / np.where(size > 0.0, size, 1.0)
    lower, upper = np.maximum(lower, -far), np.minimum(upper, far)
    along, most = ray @ A, np.abs(ray) @ np.abs(A) @ np.maximum(np.abs(lower), np.abs(upper))
    above = float(ray @ b - np.maximum(along * lower, along * upper).sum())
    above -= ROUNDING * float(most + np.abs(ray) @ np.abs(b))
    length = float(np.abs(ray).sum())
    return above / length if length > 0.0 else 0.0


def distance(gap: Array, p: float, least: Array, largest: Array) -> Tensor:
    """Bound on |y − y*| of unknowns with least ≤ |y| ≤ largest, from the gap of Σ |y|^p / p.

    p = 2: √(2 gap). p > 2: (p 2^(p−2) gap)^(1/p), or √(2 gap / ((p−1) least^(p−2))) where that is less.
    p < 2: √(2 gap / ((p−1) largest^(p−2))).
    """
    xp = namespace(gap)
    if p == 2.0:
        return xp.sqrt(2.0 * gap)
    if p < 2.0:
        return xp.sqrt(2.0 * gap / (p - 1.0) * largest ** (2.0 - p))
    anywhere = (p * 2.0 ** (p - 2.0) * gap) ** (1.0 / p)
    stiffness = (p - 1.0) * least ** (p - 2.0) + xp.zeros_like(gap)
    away = xp.sqrt(2.0 * gap / xp.where(stiffness > 0.0, stiffness, 1.0))
    return xp.where(stiffness > 0.0, xp.minimum(anywhere, away), anywhere)


def _prove(
    problem: RedundancyProblem,
    keep: slice,
    exponent: float | NDArray[np.float64],
    scale: Array,
    x: Array,
    multipliers: Array,
    by_row: Sums,
    by_muscle: Sums,
) -> tuple[Array, Array, Mask, Mask]:
    """Gap, bound on the activations' error, and whether the frames are feasible and certified."""
    xp = namespace(x)
    lower, upper = (alike(bound, x) for bound in problem.bounds())
    inside = xp.minimum(xp.maximum(x, lower), upper)
    beyond = _most(xp.abs(x - inside))
    residual, noise, z, largest = _balance(problem, keep, inside, multipliers, by_row, by_muscle)
    missed, allowed = xp.abs(residual), ALLOWED * largest
    free = scale <= 0.0
    s = xp.where(free, 1.0, scale)
    y, low, high, slope = s * inside, s * lower, s * upper, z / s
    p = float(exponent if isinstance(exponent, (int, float)) else exponent[0])
    best, cost, brackets = _by_exponent(exponent, y, slope, low, high)
    if free.any():  # unknowns without cost: ψ is linear
        cost, brackets = xp.where(free, 0.0, cost), xp.where(free, _linear(inside, z, lower, upper), brackets)
    price = xp.abs(multipliers)
    total, apart = xp.sum(cost, axis=1), xp.sum(brackets, axis=1)
    hidden, enough = xp.sum(price * noise, axis=1) + ROUNDING * total, OPTIMAL * total + SMALL**p
    short = apart + xp.sum(price * missed, axis=1)
    gap = short + hidden
    feasible = (_most(missed) <= allowed) & (beyond <= ALLOWED)
    limit = true_rows(feasible & (gap > enough))
    if limit.shape[0]:
        unused = xp.clip(allowed[limit, None] * price[limit] - multipliers[limit] * residual[limit], 0.0, None)
        among = apart[limit] + hidden[limit] + xp.sum(unused, axis=1)
        better = limit[among <= enough[limit]]
        gap[better], short[better] = among[among <= enough[limit]], apart[better]
    certified = feasible & (gap <= enough)
    own = slice(0, len(problem.muscles))
    error = _error(short, p, *(array[:, own] for array in (y, best, slope, low, high)))
    error = _most(xp.where(free[:, own], 0.0, error / s[:, own]))
    return gap, error, feasible, certified


def _by_exponent(
    exponent: float | NDArray[np.float64], y: Array, slope: Array, low: Array, high: Array
) -> tuple[Tensor, Tensor, Tensor]:
    """The maximisers of ψ, the terms of the cost and the brackets (T, U), by unknowns of the same exponent."""
    xp = namespace(y)
    if isinstance(exponent, (int, float)):
        best = xp.minimum(xp.maximum(_answer(slope, exponent), low), high)
        cost = xp.abs(y) ** exponent / exponent
        return best, cost, _bracket(y, best, slope, cost, exponent)
    whole = tuple(filled(tuple(y.shape), 0.0, y) for _ in range(3))
    for power in np.unique(exponent).tolist():
        own = np.flatnonzero(exponent == power)
        arrays = (y[:, own], slope[:, own], low[:, own], high[:, own])
        for array, part in zip(whole, _by_exponent(power, *arrays), strict=True):
            array[:, own] = part
    return whole


def _balance(
    problem: RedundancyProblem, keep: slice, x: Array, multipliers: Array, by_row: Sums, by_muscle: Sums
) -> tuple[Array, Array, Array, Array]:
    """Moment error of x (T, D), its rounding error, z = Aᵀλ (T, U), and the largest moment (T,), 1 at least."""
    xp, geometry, muscles = namespace(x), problem.geometry, len(problem.muscles)
    row, muscle = geometry.pair_coordinate, geometry.pair_muscle
    arms, passive = frames_last(geometry.moment_arms[keep]), problem.passive_force[keep]
    value = arms * frames_last(problem.max_force[keep])[muscle]
    moved = value * frames_last(x)[muscle]
    target = problem.generalized_force[keep]
    if passive.any():
        target = target - by_row(arms * frames_last(passive)[muscle])
    effect, control = alike(problem.reserves.frames(keep).effect, x), x[:, muscles:, None]
    residual = target - by_row(moved) - xp.matmul(effect, control)[:, :, 0]
    size = by_row(xp.abs(moved)) + xp.matmul(xp.abs(effect), xp.abs(control))[:, :, 0] + xp.abs(target)
    pulled = by_muscle(value * frames_last(multipliers)[row])
    z = xp.concat([pulled, xp.matmul(multipliers[:, None, :], effect)[:, 0]], axis=1)
    return residual, ROUNDING * size, z, xp.clip(_most(xp.abs(target)), 1.0, None)


def _numbers(array: Array) -> Tensor:
    """The array with 0 in place of what is not finite."""
    xp = namespace(array)
    return xp.where(xp.isfinite(array), array, 0.0)


def _most(array: Array) -> Tensor:
    """The largest (T,) of nonnegative numbers (T, N), 0 without any."""
    return namespace(array).max(array, axis=1) if array.shape[1] else filled((array.shape[0],), 0.0, array)


def _sums(label: NDArray[np.intp], count: int) -> Sums:
    """The function that sums terms (P, T) by label (P,), to (T, count)."""
    own = [np.flatnonzero(label == name) for name in range(count)]
    onto = (np.arange(count)[:, None] == label).astype(float)

    def sums(terms: Array) -> Array:
        if isinstance(terms, np.ndarray):
            return np.array([terms[places].sum(axis=0) for places in own]).reshape(count, terms.shape[1]).T
        return namespace(terms).matrix_transpose(alike(onto, terms) @ terms)

    return sums


def _answer(slope: Array, p: float) -> Array:
    """The y at which |y|^p / p has this slope."""
    xp = namespace(slope)
    return slope if p == 2.0 else xp.sign(slope) * xp.abs(slope) ** (1.0 / (p - 1.0))


def _bracket(y: Array, best: Array, slope: Array, cost: Array, p: float) -> Tensor:
    """Upper bound on φ(y) − φ(best) − slope (y − best): the lower of two bounds (see the module's docstring)."""
    xp, change = namespace(y), y - best
    if p == 2.0:
        return xp.clip(change * (0.5 * (y + best) - slope), 0.0, None)
    linear = slope * change
    least = xp.abs(best) ** p / p
    ends = cost - least - linear + ROUNDING * (cost + least + xp.abs(linear))
    steep = change * xp.sign(y) * xp.abs(y) ** (p - 1.0) - linear
    return xp.clip(xp.minimum(ends, steep + ROUNDING * xp.abs(linear)), 0.0, None)


def _linear(x: Array, z: Array, lower: Array, upper: Array) -> Tensor:
    """The bracket of an unknown without cost: max z x within bounds, minus z x."""
    xp = namespace(z)
    far = xp.where(z > 0.0, upper, lower)
    return xp.where(z == 0.0, 0.0, z * (xp.where(z == 0.0, 0.0, far) - x))


def _error(gap: Array, p: float, y: Array, best: Array, slope: Array, low: Array, high: Array) -> Tensor:
    """Bound (T, N) on |y − y*| of each unknown.

    Both y and y* have a bracket of at most the gap. So |y* − best| is at most gap / |φ′(best) − slope| on a bound, and
    for p > 2 at most r = √(2 gap / ((p−1) (|best|/2)^(p−2))) where r ≤ |best|/2.
    """
    xp = namespace(y)
    if p == 2.0:
        return xp.broadcast_to(xp.sqrt(2.0 * gap)[:, None], y.shape)
    least = xp.clip(xp.maximum(low, -high), 0.0, None)
    anywhere = distance(gap[:, None], p, least, xp.maximum(xp.abs(low), xp.abs(high)))
    if p < 2.0:
        return anywhere
    half = 0.5 * xp.abs(best)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        near = xp.sqrt(2.0 * gap[:, None] / ((p - 1.0) * half ** (p - 2.0)))
        pressed = xp.abs(xp.sign(best) * (2.0 * half) ** (p - 1.0) - slope) - ROUNDING * xp.abs(slope)
        onto = ((best == low) | (best == high)) & (pressed > 0.0)
        held = xp.where(onto, gap[:, None] / pressed, xp.inf)
    reach = xp.minimum(xp.where(near <= half, near, xp.inf), held)
    return xp.minimum(anywhere, reach + xp.abs(y - best))
