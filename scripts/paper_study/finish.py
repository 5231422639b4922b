"""What the simulation set alone can tell: by how much activations miss the moments, and what finishing them takes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from osimopt.problem.problem import RedundancyProblem
from osimopt.solution.status import moment_residual
from osimopt.static.solve import Multipliers, solve_static
from osimopt.training.training_data import pick

from .simulation import COORDINATES, FRAMES, problem_of
from .windows import Windows

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Asked:
    """The redundancy problem whose frames (N,) are the last frames of windows."""

    problem: RedundancyProblem

    @classmethod
    def of(cls, windows: Windows, folder: Path) -> Asked:
        """From the problems of the trials in ``folder``; windows of a trial are in a row."""
        parts = []
        for trial in dict.fromkeys(windows.trial.tolist()):
            whole = problem_of(folder, trial)
            first = np.searchsorted(whole.time, windows.start[windows.trial == trial] - 1e-9)
            parts.append(pick(whole, first + FRAMES - 1))
        return cls(_joined(parts))

    def missed(self, activation: Array) -> Array:
        """(N, 2) N·m by which activations (N, M) miss the moments, with no reserve to help."""
        none = np.zeros((len(self.problem), len(self.problem.reserves.names)))
        rows = [self.problem.coordinates.index(name) for name in COORDINATES]
        return np.asarray(moment_residual(self.problem, activation, none)[:, rows])

    def finished(self, activation: Array) -> Any:
        """The exact solution, started from activations (N, M)."""
        start = Multipliers(self.multipliers(activation))
        return solve_static(self.problem, solver="newton", initial_guess=start, on_failure="return")

    def multipliers(self, activation: Array) -> Array:
        """(N, D) for which Σ a² is least, by the muscles between their bounds: 2 a = F Rᵀλ (least squares)."""
        problem = self.problem
        free = (activation > problem.lower + 1e-3) & (activation < problem.upper - 1e-3)
        slope = problem.geometry.moment_arm * (problem.max_force * free)[:, None, :]
        return np.asarray(
            np.einsum("tdm,tm->td", np.linalg.pinv(slope.transpose(0, 2, 1), rcond=1e-6), 2.0 * activation * free)
        )


def judge(activation: Array, windows: Windows, folder: Path) -> dict[str, float]:
    """Moments missed as they are, N·m; Newton steps to the exact answer, cold and from here; what is then left."""
    asked = Asked.of(windows, folder)
    activation = np.clip(activation, asked.problem.lower, asked.problem.upper)
    missed = np.abs(asked.missed(activation))
    done = asked.finished(activation)
    cold = solve_static(asked.problem, solver="newton", on_failure="return")
    return {
        "moment_missed_rms": float(np.sqrt(np.mean(missed**2))),
        "moment_missed_largest": float(missed.max()),
        "moment_rms": float(np.sqrt(np.mean(asked.problem.generalized_force**2))),
        "steps": float(np.mean(done.iterations)),
        "steps_cold": float(np.mean(cold.iterations)),
        "solved_share": float(done.solved.mean()),
        "finished_mse": float(np.nanmean((done.activation - windows.load) ** 2)),
    }


def _joined(parts: list[RedundancyProblem]) -> RedundancyProblem:
    """Frames of several trials of one model after each other."""
    first = parts[0]

    def stacked(read: Any) -> Array:
        return np.concatenate([np.broadcast_to(read(part), (len(part), *read(part).shape[1:])) for part in parts])

    frames: dict[str, Any] = {
        name: stacked(lambda part, name=name: getattr(part, name))
        for name in ("max_force", "generalized_force", "passive_force")
    }
    arms = stacked(lambda part: part.geometry.moment_arms)
    effect = first.reserves.effect
    if len(effect) > 1:
        effect = stacked(lambda part: part.reserves.effect)
    return replace(
        first, time=np.arange(len(arms), dtype=float), geometry=replace(first.geometry, moment_arms=arms),
        reserves=replace(first.reserves, effect=effect), **frames,
    )  # fmt: skip
