"""How a cost's own scale moves with maximum forces and moment arms: Σ F² of a stronger muscle is another cost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..problem.costs import Cost
from ..problem.problem import RedundancyProblem

Array = NDArray[np.float64]

#: Costs whose scale is proportional to max_force, and those whose scale is one over the largest moment arm.
SCALED_BY_FORCE, SCALED_BY_ARM = ("sum_force_squared", "sum_stress_squared"), ("sum_moment_ratio_cubed",)
#: Relative; moment arms that differ by less are equally large.
TIE = 1e-9


@dataclass(frozen=True, eq=False)
class ScaleSlope:
    """Relative change of scale^p, (T, M), by max_force (T, M) and by moment arms (T, P).

    ``by_force`` is p / max_force or 0; ``by_arm`` (T, M) is −p over the moment arm of pair ``largest`` (T, M), or 0;
    ``share`` (T, M) is each muscle's share of what a reserve's control counts (``costs.reserve_weight``); ``tied`` (T,)
    are the frames where another moment arm of a muscle is as large, and the derivative one-sided.
    """

    by_force: Array
    by_arm: Array
    largest: NDArray[np.intp]
    share: Array
    tied: NDArray[np.bool_]

    @classmethod
    def of(cls, problem: RedundancyProblem, cost: Cost) -> ScaleSlope:
        """Of a separable cost."""
        p, nothing = cost.exponent, np.zeros_like(problem.max_force)
        power = cost.scale(problem) ** p
        total = power.sum(axis=1, keepdims=True)
        share = power / np.where(total > 0.0, total, 1.0)
        largest, tied = np.zeros(nothing.shape, dtype=np.intp), np.zeros(len(problem), dtype=bool)
        by_force = by_arm = nothing
        if cost.name in SCALED_BY_FORCE:
            by_force = p / np.where(problem.max_force > 0.0, problem.max_force, np.inf)
        elif cost.name in SCALED_BY_ARM:
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
    """(T, M) the pair of each muscle's largest moment arm, which the cost requires, and (T,) where there are two."""
    geometry = problem.geometry
    largest = np.zeros((len(problem), len(problem.muscles)), dtype=np.intp)
    tied = np.zeros(len(problem), dtype=bool)
    for muscle in range(len(problem.muscles)):
        pairs = np.flatnonzero(geometry.pair_muscle == muscle)
        arms = np.abs(geometry.moment_arms[:, pairs])
        largest[:, muscle] = pairs[arms.argmax(axis=1)]
        tied |= (arms >= (1.0 - TIE) * arms.max(axis=1, keepdims=True)).sum(axis=1) > 1
    return largest, tied
