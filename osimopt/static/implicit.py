"""How an optimum moves: the implicit function theorem on the optimality conditions, with the active bounds fixed.

A frame's optimum minimises Σ k_i |x_i|^p / p with A x = b within bounds. Where x is inside its bounds
k |x|^(p−1) sign(x) = Aᵀλ; elsewhere it stays on the bound. With the compliance w = |x|^(2−p) / ((p−1) k) of what is
inside, 0 of what is not, a change e of b − A x and a change q of Aᵀλ − slope at fixed x and λ move the optimum by

    dx = w (q + Aᵀ dλ),   (A w Aᵀ) dλ = e − A w q:

one small system per frame. It is factored as a singular value decomposition of A √w, whose condition is the square
root of that of A w Aᵀ, and which shows directions of b that nothing inside its bounds can follow.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..problem.costs import Cost, reserve_weight
from ..problem.problem import RedundancyProblem
from .reduction import Places

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

#: Activation; nearer to a bound than this is on it. Solvers clip, so answers on a bound are on it but for rounding.
ON_BOUND = 1e-9
#: Relative to the largest slope of the cost; a bound pressed by less is held by nothing.
NO_PRESSURE = 1e-8
#: Activation; for p > 2 the curvature below this counts as vanished, and is taken here.
FLAT = 1e-8
#: Relative; singular values of A √w below this are zero.
RANK_TOLERANCE = 1e-10
#: Frames worked on at once: a few MB.
CHUNK = 256


@dataclass(frozen=True, eq=False)
class Linearisation:
    """The optimum's linear response by frame.

    ``root`` (T, U) is √w; ``basis`` (T, D, U) and ``lift`` (T, D, D) factor A √w = lift⁺ basis; ``slope`` (T, U) is
    k |x|^(p−1) sign(x); ``multipliers`` λ (T, D); ``free`` (T, U) what is inside its bounds; ``kinked`` (T,) the frames
    where the response is one-sided or not defined.
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


def stiffness(problem: RedundancyProblem, cost: Cost) -> Array:
    """(T, U) k of the cost Σ k |x|^p."""
    scale = cost.scale(problem)
    reserves = (len(problem), len(problem.reserves.names))
    other = np.broadcast_to(reserve_weight(scale, cost.exponent)[:, None], reserves)
    return np.hstack([problem.weights * scale**cost.exponent, other])


def linearise(problem: RedundancyProblem, x: Array, cost: Cost) -> Linearisation:
    """Linearise the optimum x (T, U) of a separable cost with p > 1; frames of NaN are kinked and respond with 0."""
    k = stiffness(problem, cost)
    parts = [
        _linearise(problem, slice(first, first + CHUNK), x[first : first + CHUNK], k[first : first + CHUNK], cost)
        for first in range(0, len(problem), CHUNK)
    ]
    names = ("root", "basis", "lift", "slope", "multipliers", "free", "kinked")
    return Linearisation(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def _linearise(problem: RedundancyProblem, keep: slice, x: Array, k: Array, cost: Cost) -> Linearisation:
    A = Places.of(problem).dense(problem, keep)
    lower, upper = problem.bounds()
    p, failed = cost.exponent, np.asarray(np.isnan(x).any(axis=1))
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


def _root(size: Array, k: Array, p: float, free: Mask) -> Array:
    """√w, 0 of what does not move."""
    moving = free & (size > 0.0 if p < 2.0 else np.ones_like(free))
    size, k = np.where(moving, size, 1.0), np.where(moving, k, 1.0)
    return np.asarray(np.where(moving, size ** (1.0 - 0.5 * p) / np.sqrt((p - 1.0) * k), 0.0))


def _factor(weighted: Array) -> tuple[Array, Array, NDArray[np.intp]]:
    """Basis, lift and rank of A √w (T, D, U), its rows scaled to 1 first: a floating base carries kN, a toe N·m."""
    size = np.abs(weighted).max(axis=2, initial=0.0)
    size = np.where(size > 0.0, size, 1.0)
    left, singular, right = np.linalg.svd(weighted / size[:, :, None], full_matrices=False)
    kept = singular > RANK_TOLERANCE * singular.max(axis=1, keepdims=True, initial=0.0)
    inverse = np.where(kept, 1.0 / np.where(kept, singular, 1.0), 0.0)
    lift = inverse[:, :, None] * np.swapaxes(left, 1, 2) / size[:, None, :]
    return np.where(kept[:, :, None], right, 0.0), lift, np.asarray(kept.sum(axis=1))


def _reachable(problem: RedundancyProblem) -> Mask:
    """(U,) unknowns that can act at all: structural zeros have no derivative to be asked for."""
    muscles = np.isin(np.arange(len(problem.muscles)), problem.geometry.pair_muscle)
    return np.concatenate([muscles, (problem.reserves.effect != 0.0).any(axis=(0, 1))])
