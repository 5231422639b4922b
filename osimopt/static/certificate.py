"""How far an answer can be from the optimum, proved frame by frame.

For a feasible ỹ and any λ the gap P(ỹ) − g(λ) bounds P(ỹ) − P*. An answer y(λ) misses the moments by ρ; it is repaired
first, by what stands free: the unknowns inside their bounds take ρ, weighted by their slope. Where that would pass a
bound the frame is left uncertified. The gap is a sum of Bregman distances, computed without cancellation.

From the gap follows how far each activation can be from its optimum, by the strong convexity of |y|^p / p within the
bounds of the muscles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..problem import RedundancyProblem
from .gap import duality_gap

Array = NDArray[np.float64]

#: Relative; a repaired answer that still misses the moments by more than rounding is not feasible.
FEASIBLE = 1e-12


@dataclass(eq=False)
class Certificate:
    """By frame (T,): duality gap in units of the cost over p, bound on the error of any activation, and validity."""

    gap: Array
    activation_error: Array
    valid: NDArray[np.bool_]

    @classmethod
    def empty(cls, frames: int) -> Certificate:
        """Of nothing yet: no gap, no error, valid."""
        return cls(np.zeros(frames), np.zeros(frames), np.ones(frames, dtype=bool))

    @classmethod
    def join(cls, parts: Sequence[Certificate]) -> Certificate:
        """One after the other."""
        arrays = [[getattr(part, name) for part in parts] for name in ("gap", "activation_error", "valid")]
        return cls(*(np.concatenate(array) for array in arrays))


def certify(
    certificate: Certificate,
    A: Array,
    b: Array,
    lower: Array,
    upper: Array,
    p: float,
    y: Array,
    multipliers: Array,
    scale: Array,
    columns: NDArray[np.intp],
    problem: RedundancyProblem,
) -> Array:
    """Repair a block's answer, add its gap and error to the certificate, and return the repaired y (T, N)."""
    z = np.einsum("td,tdn->tn", multipliers, A)
    repaired = _repair(A, b, lower, upper, p, y)
    missed = np.abs(b - np.einsum("tdn,tn->td", A, repaired)).max(axis=1)
    feasible = missed <= FEASIBLE * np.maximum(1.0, np.abs(b).max(axis=1))
    gap = np.asarray(duality_gap(repaired, z, lower, upper, p))
    certificate.gap += gap
    certificate.valid &= feasible
    muscles = columns < len(problem.muscles)
    if muscles.any():
        low = np.maximum(lower[:, muscles], 0.0).min(axis=1)
        high = np.maximum(np.abs(lower[:, muscles]), np.abs(upper[:, muscles])).max(axis=1)
        error = distance_bound(gap, p, low, high) / scale[:, muscles].min(axis=1)
        certificate.activation_error = np.maximum(certificate.activation_error, error)
    return repaired


def distance_bound(gap: Array, p: float, smallest: Array, largest: Array) -> Array:
    """Bound (T,) on ‖ỹ − y*‖ (in the p-norm where p > 2) of unknowns with smallest ≤ |y| ≤ largest, from the gap.

    p = 2: √(2 gap). p > 2: (p 2^(p−2) gap)^(1/p), or √(2 gap / ((p−1) smallest^(p−2))) where that is less.
    p < 2: √(2 gap / ((p−1) largest^(p−2))).
    """
    if p <= 2.0:
        return np.asarray(np.sqrt(2.0 * gap / ((p - 1.0) * largest ** (p - 2.0))))
    anywhere = (p * 2.0 ** (p - 2.0) * gap) ** (1.0 / p)
    stiffness = (p - 1.0) * smallest ** (p - 2.0)
    away = np.sqrt(2.0 * gap / np.where(stiffness > 0.0, stiffness, 1.0))
    return np.asarray(np.where(stiffness > 0.0, np.minimum(anywhere, away), anywhere))


def _repair(A: Array, b: Array, lower: Array, upper: Array, p: float, y: Array) -> Array:
    """Give what is missing to the unknowns inside their bounds, twice for rounding; never pass a bound."""
    repaired = y
    for _ in range(2):
        missing = b - np.einsum("tdn,tn->td", A, repaired)
        inside = (repaired > lower) & (repaired < upper)
        weight = np.where(inside, np.clip(np.abs(repaired), 1e-6, 1e6) ** (2.0 - p), 0.0)
        weight /= np.maximum(weight.max(axis=1, keepdims=True), 1e-300)
        curvature = np.einsum("tdn,ten->tde", A * weight[:, None, :], A)
        trace = np.einsum("tdd->t", curvature)
        curvature += np.where(trace > 0.0, 1e-14 * trace, 1.0)[:, None, None] * np.eye(A.shape[1])
        step = np.linalg.solve(curvature, missing[:, :, None])[:, :, 0]
        repaired = np.clip(repaired + weight * np.einsum("td,tdn->tn", step, A), lower, upper)
    return repaired
