"""Largest forces through joints, over consecutive pieces of a motion."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .checks import Peaks

if TYPE_CHECKING:
    from .solution import RedundancySolution


@dataclass(frozen=True, eq=False)
class JointPeaks:
    """Largest size of the force through each of J joints, in N; ``body_weight`` is in N."""

    joints: tuple[str, ...]
    peaks: Peaks
    body_weight: float

    @classmethod
    def of(cls, solution: RedundancySolution) -> JointPeaks | None:
        """Of the joints whose reactions the problem carries; None where it carries none."""
        problem, known = solution.problem, solution.problem.reactions
        if known is None:
            return None
        found = known.transmitted(problem, solution.muscle_force, solution.reserve_control)[:, :, :3]
        size = np.where(solution.solved[:, None], np.linalg.norm(found, axis=2), np.nan)
        return cls(known.joints, Peaks.of(size, solution.time), known.body_weight)

    def __or__(self, later: JointPeaks) -> JointPeaks:
        """Both together, this one first."""
        return replace(self, peaks=self.peaks | later.peaks)

    def rows(self) -> list[tuple[str, float, float, float]]:
        """Joint, peak in N and in body weights, and its time in s."""
        size, time = self.peaks.size.tolist(), self.peaks.time.tolist()
        return [
            (joint, peak, peak / self.body_weight, at) for joint, peak, at in zip(self.joints, size, time, strict=True)
        ]

    def plain(self) -> dict[str, Any]:
        """Plain data for ``solution.json``."""
        return {
            joint: {"N": round(peak, 3), "body_weights": round(weights, 5), "time_s": at}
            for joint, peak, weights, at in self.rows()
        }
