"""Train a static surrogate on trials, and judge it on what it has not seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..problem.problem import RedundancyProblem
from ..static.solve import solve_static
from ..surrogate.static import StaticSurrogate, decode_unconstrained
from ..surrogate.static_training import train_static
from ..surrogate.training import History, TrainingOptions
from .training_data import Split, vary

if TYPE_CHECKING:
    from ..surrogate.architecture import Architecture

Array = NDArray[np.float64]

#: Frames that are varied for training, and for validation; those of a quick run.
FRAMES, QUICK_FRAMES, HELD_OUT = 24000, 4000, 1500
#: Spreads of the variations, and the share of the frames with each.
SPREADS = ((1.0, 0.7), (0.3, 0.3))


@dataclass(frozen=True, eq=False)
class Trained:
    """A surrogate, how its training went, and what it does on trials held out (``judge_static``)."""

    surrogate: StaticSurrogate
    history: History
    accuracy: dict[str, Any]
    split: Split


def train_static_surrogate(
    problems: Sequence[RedundancyProblem],
    *,
    architecture: Architecture | None = None,
    cost: str = "activation_power",
    losses: Mapping[str, float] | None = None,
    options: TrainingOptions | None = None,
    frames: int = FRAMES,
    window: int = 1,
    checkpoint: Path | None = None,
    progress: Callable[..., None] | None = None,
) -> Trained:
    """Split trials by time, vary the training part, solve it exactly, train, and judge on the test part.

    Parameters
    ----------
    problems
        Trials, of one model or several.
    architecture, cost, losses, options, window, checkpoint, progress
        As of :func:`osimopt.surrogate.static_training.train_static`.
    frames
        Varied frames to train on, in all; the trials' own come on top.

    Raises
    ------
    InputError
        Trials too short to be split, or options that do not go together.
    """
    options = options or TrainingOptions()
    split = Split.of(problems)
    training = [*split.training, *varied(split.training, frames, options.seed, window)]
    validation = [*split.validation, *varied(split.validation, HELD_OUT, options.seed + 1, window)]
    surrogate, history = train_static(
        training, validation, architecture=architecture, cost=cost, losses=losses, options=options, window=window,
        checkpoint=checkpoint, progress=progress,
    )  # fmt: skip
    accuracy = judge_static(surrogate, split.test)
    told = {
        "frames_trained_on": sum(len(problem) for problem in training),
        "of_them_varied": frames,
        "seed": options.seed,
        "epochs": len(history.validation),
        "best_epoch": history.best_epoch,
        "trials": [problem.provenance.get("inputs", {}) for problem in problems],
        "accuracy": accuracy,
    }
    return Trained(replace(surrogate, provenance=told), history, accuracy, split)


def varied(problems: Sequence[RedundancyProblem], frames: int, seed: int, window: int = 1) -> list[RedundancyProblem]:
    """Variations of trials at several spreads, about ``frames`` in all."""
    return [
        vary(problem, max(window, int(share * frames / len(problems))), seed + 1000 * number + place, spread, window)
        for number, problem in enumerate(problems)
        for place, (spread, share) in enumerate(SPREADS)
    ]


def judge_static(surrogate: StaticSurrogate, problems: Sequence[RedundancyProblem]) -> dict[str, Any]:
    """What the network does alone, and with its Newton steps, beside the exact solver.

    ``raw`` is the network's answer decoded, ``unconstrained`` that of δ = 0, each with root mean square and largest
    error of activations and the correlation with the exact ones.
    """
    exact = [solve_static(problem, surrogate.cost, solver="newton", on_failure="return") for problem in problems]
    raw = [surrogate.predict(problem) for problem in problems]
    solved = [surrogate.solve(problem, on_failure="return") for problem in problems]
    free = [decode_unconstrained(problem, surrogate.cost) for problem in problems]
    keep = [solution.solved for solution in exact]

    def of(name: str, solutions: Sequence[Any] = solved) -> Array:
        """Values of the frames that have a solution, in a row."""
        return joined([getattr(solution, name) for solution in solutions])

    def joined(parts: Sequence[Array]) -> Array:
        return np.concatenate([np.asarray(values)[frames].ravel() for values, frames in zip(parts, keep, strict=True)])

    steps, bound, right = of("iterations"), of("activation_error"), of("activation", exact)
    certified = np.isfinite(bound)
    return {
        "frames": len(steps),
        "raw": errors(of("activation", raw), right),
        "raw_moment_residual": float(np.abs(of("moment_residual", raw)).max(initial=0.0)),
        "unconstrained": errors(joined(free), right),
        "steps_median": float(np.median(steps)),
        "steps_cold_median": float(np.median(of("iterations", exact))),
        "fallback_share": float(np.mean(steps > solved[0].provenance["surrogate"]["polish_steps"])),
        "certified_share": float(certified.mean()),
        "bound_within_1e-6_share": float(np.mean(bound[certified] <= 1e-6)) if certified.any() else 0.0,
        "largest_bound": float(bound[certified].max(initial=0.0)),
        "largest_difference_from_exact": float(np.abs(of("activation") - right).max(initial=0.0)),
        "largest_moment_residual": float(np.abs(of("moment_residual")).max(initial=0.0)),
        "outside_training_share": float(of("outside", raw).mean()),
    }


def errors(found: Array, exact: Array) -> dict[str, float]:
    """Root mean square and largest error, and the correlation over all frames and muscles."""
    difference = found - exact
    return {
        "rmse": float(np.sqrt(np.mean(difference**2))),
        "largest": float(np.abs(difference).max(initial=0.0)),
        "r": float(np.corrcoef(found.ravel(), exact.ravel())[0, 1]),
    }
