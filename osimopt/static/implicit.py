"""Linear response of an optimum: the implicit function theorem on the optimality conditions, active bounds held fixed.

A frame's optimum minimises Σ k_i |x_i|^p / p with A x = b within bounds. Where x is inside its bounds
k |x|^(p−1) sign(x) = Aᵀλ; elsewhere it stays on the bound. With the compliance w = |x|^(2−p) / ((p−1) k) of unknowns
inside their bounds and 0 of the others, a change e of b − A x and a change q of Aᵀλ − slope at fixed x and λ move the
optimum by

    dx = w (q + Aᵀ dλ),   (A w Aᵀ) dλ = e − A w q:

one small system per frame. It is factored as a singular value decomposition of A √w, whose condition is the square
root of that of A w Aᵀ, and which shows the directions of b that no unknown inside its bounds can follow.

Contact forces in the cost are unknowns of exponent 2 with rows of their own (``problem.extension``); their k is
2/p of the reserves', so that λ is that of the whole cost over p.

:class:`ScaleSlope` is the change of a cost's scale with maximum forces and moment arms.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..problem.arrays import Array
from ..problem.costs import Cost, reserve_weight
from ..problem.extension import contact_unknowns
from ..problem.problem import RedundancyProblem
from .frame import row_size
from .reduction import Mask, Places

#: Activation; unknowns nearer to a bound than this are on it. Solvers clip, so the rest is rounding.
ON_BOUND = 1e-9
#: Relative to the largest slope of the cost; a bound with less pressure is not active.
NO_PRESSURE = 1e-8
#: Activation; for p > 2 the curvature vanishes below this, and is taken here.
FLAT = 1e-8
#: Relative; singular values of A √w below this are zero.
RANK_TOLERANCE = 1e-10
#: Frames linearised at once: a few MB.
CHUNK = 256
#: Relative; moment arms that differ by less are equally large.
TIE = 1e-9


@dataclass(frozen=True, eq=False)
class Linearisation:
    """The optimum's linear response by frame.

    ``root`` (T, U) is √w; ``basis`` (T, D, U) and ``lift`` (T, D, D) factor A √w = lift⁺ basis; ``slope`` (T, U) is
    k |x|^(p−1) sign(x); ``multipliers`` λ (T, D); ``free`` (T, U) marks unknowns inside their bounds; ``kinked`` (T,)
    marks frames where the response is one-sided or not defined.
    """

    root: Array
    basis: Array
    lift: Array
    slope: Array
    multipliers: Array
    free: Mask
    kinked: Mask

    def push(self, e: Array, q: Array) -> Array:
        """Dx (T, U) for changes e (T, D) of b − A x and q (T, U) of Aᵀλ − slope."""
        u = self.root * q
        along = np.einsum("tdu,tu->td", self.basis, u)
        along = np.einsum("tde,te->td", self.lift, e) - along
        return np.asarray(self.root * (u + np.einsum("tdu,td->tu", self.basis, along)))

    def pull(self, gradient: Array) -> tuple[Array, Array]:
        """Transpose of :meth:`push`: gradients by e (T, D) and by q (T, U) from that by x (T, U)."""
        u = self.root * gradient
        along = np.einsum("tdu,tu->td", self.basis, u)
        by_e = np.einsum("tde,td->te", self.lift, along)
        return by_e, np.asarray(self.root * (u - np.einsum("tdu,td->tu", self.basis, along)))


def stiffness(problem: RedundancyProblem, cost: Cost, balance: RedundancyProblem | None = None) -> tuple[Array, Array]:
    """Cost over its exponent p₀, as Σ k |x|^p / p: k (T, U) and p (U,), which is p₀, or 2 of contact forces.

    ``balance`` is the problem with rows of contact forces, where these cost or are limited.
    """
    scale, p = cost.scale(problem), cost.exponent
    quadratic = contact_unknowns(problem if balance is None else balance)[scale.shape[1] :]
    other = reserve_weight(scale, p)[:, None] * np.where(quadratic, 2.0 / p, 1.0)
    powers = np.concatenate([np.full(scale.shape[1], p), np.where(quadratic, 2.0, p)])
    return np.hstack([problem.weights * scale**p, other]), powers


def linearise(
    problem: RedundancyProblem, x: Array, cost: Cost, balance: RedundancyProblem | None = None
) -> Linearisation:
    """Linearise the optimum x (T, U) of a separable cost with p > 1; frames of NaN are kinked and respond with 0.

    ``balance`` is the problem with rows of contact forces, where these cost or are limited.
    """
    k, p = stiffness(problem, cost, balance)
    whole = problem if balance is None else balance
    places = Places.of(whole)
    chunks = [slice(first, first + CHUNK) for first in range(0, len(problem), CHUNK)]
    parts = [_linearise(whole, places.dense(keep), x[keep], k[keep], p) for keep in chunks]
    names = ("root", "basis", "lift", "slope", "multipliers", "free", "kinked")
    return Linearisation(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def _linearise(problem: RedundancyProblem, A: Array, x: Array, k: Array, p: Array) -> Linearisation:
    lower, upper = problem.bounds()
    failed = np.asarray(np.isnan(x).any(axis=1))
    x = np.where(failed[:, None], np.clip(0.0, lower, upper), x)
    slope = k * np.sign(x) * np.abs(x) ** (p - 1.0)
    low, high = x <= lower + ON_BOUND, x >= upper - ON_BOUND
    free = ~(low | high | failed[:, None]) & (k > 0.0)
    flat = free & (np.abs(x) < FLAT) & (p > 2.0)
    root = _root(np.where(flat, FLAT, np.abs(x)), k, p, free)
    basis, lift, rank = _factor(A * root[:, None, :])
    multipliers = np.einsum("tde,td->te", lift, np.einsum("tdu,tu->td", basis, root * slope))
    reachable = _reachable(problem)
    pressure = np.abs(np.einsum("tdu,td->tu", A, multipliers) - slope)
    size = np.maximum(np.abs(slope).max(axis=1, initial=0.0), np.finfo(float).tiny)[:, None]
    stiff = (p < 2.0) & (np.abs(x) < ON_BOUND)
    loose = (low | high) & (lower < upper) & (pressure <= NO_PRESSURE * size) & ~stiff
    kinked = ((loose | flat | (k == 0.0)) & reachable).any(axis=1)
    kinked |= failed | (rank < (A != 0.0).any(axis=2).sum(axis=1))
    return Linearisation(root, basis, lift, slope, multipliers, free, kinked)


def _root(size: Array, k: Array, p: Array, free: Mask) -> Array:
    """√w, 0 for unknowns that do not move."""
    moving = free & ((size > 0.0) | (p >= 2.0))
    size, k = np.where(moving, size, 1.0), np.where(moving, k, 1.0)
    return np.asarray(np.where(moving, size ** (1.0 - 0.5 * p) / np.sqrt((p - 1.0) * k), 0.0))


def _factor(weighted: Array) -> tuple[Array, Array, NDArray[np.intp]]:
    """Basis, lift and rank of A √w (T, D, U), its rows scaled to 1 first: a floating base carries kN, a toe N·m."""
    size = row_size(weighted)
    left, singular, right = np.linalg.svd(weighted / size[:, :, None], full_matrices=False)
    kept = singular > RANK_TOLERANCE * singular.max(axis=1, keepdims=True, initial=0.0)
    inverse = np.where(kept, 1.0 / np.where(kept, singular, 1.0), 0.0)
    lift = inverse[:, :, None] * np.swapaxes(left, 1, 2) / size[:, None, :]
    return np.where(kept[:, :, None], right, 0.0), lift, np.asarray(kept.sum(axis=1))


def _reachable(problem: RedundancyProblem) -> Mask:
    """(U,) unknowns that can act in any frame: structural zeros have no derivative."""
    muscles = np.isin(np.arange(len(problem.muscles)), problem.geometry.pair_muscle)
    return np.concatenate([muscles, (problem.reserves.effect != 0.0).any(axis=(0, 1))])


@dataclass(frozen=True, eq=False)
class ScaleSlope:
    """Relative change of scale^p (T, M) with max_force (T, M) and with moment arms (T, P).

    ``by_force`` is p / max_force or 0; ``by_arm`` (T, M) is −p over the moment arm of pair ``largest`` (T, M), or 0;
    ``share`` (T, M) is each muscle's share of the weight of a reserve (``costs.reserve_weight``); ``tied`` (T,) marks
    frames where another moment arm of a muscle is as large, and the derivative is one-sided.
    """

    by_force: Array
    by_arm: Array
    largest: NDArray[np.intp]
    share: Array
    tied: NDArray[np.bool_]

    @classmethod
    def of(cls, problem: RedundancyProblem, cost: Cost) -> ScaleSlope:
        """Of a separable cost with p > 1."""
        p, nothing = cost.exponent, np.zeros_like(problem.max_force)
        power = cost.scale(problem) ** p
        total = power.sum(axis=1, keepdims=True)
        share = power / np.where(total > 0.0, total, 1.0)
        largest, tied = np.zeros(nothing.shape, dtype=np.intp), np.zeros(len(problem), dtype=bool)
        by_force = by_arm = nothing
        if cost.scales_with == "max_force":
            by_force = p / np.where(problem.max_force > 0.0, problem.max_force, np.inf)
        elif cost.scales_with == "moment_arm":
            largest, tied = _largest_pair(problem)
            by_arm = -p / np.take_along_axis(problem.geometry.moment_arms, largest, axis=1)
        return cls(by_force, by_arm, largest, share, tied)

    def push(self, d_force: Array, d_arm: Array) -> Array:
        """Relative change (T, M) under a change of max_force and moment arms."""
        relative = self.by_force * d_force
        if self.by_arm.any():
            relative = relative + self.by_arm * np.take_along_axis(d_arm, self.largest, axis=1)
        return relative

    def pull(self, relative: Array, d_force: Array, d_arm: Array) -> None:
        """Transpose of :meth:`push`: added to the gradients in place."""
        d_force += self.by_force * relative
        if self.by_arm.any():
            frame = np.arange(len(d_arm))[:, None]
            d_arm[frame, self.largest] += self.by_arm * relative


def _largest_pair(problem: RedundancyProblem) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """(T, M) the pair of each muscle's largest moment arm, and (T,) whether any muscle has two such pairs."""
    geometry = problem.geometry
    largest = np.zeros((len(problem), len(problem.muscles)), dtype=np.intp)
    tied = np.zeros(len(problem), dtype=bool)
    for muscle in range(len(problem.muscles)):
        pairs = np.flatnonzero(geometry.pair_muscle == muscle)
        arms = np.abs(geometry.moment_arms[:, pairs])
        largest[:, muscle] = pairs[arms.argmax(axis=1)]
        tied |= (arms >= (1.0 - TIE) * arms.max(axis=1, keepdims=True)).sum(axis=1) > 1
    return largest, tied
