"""Training of a static surrogate on trials, and its accuracy on held-out parts of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..problem.arrays import Array
from ..problem.problem import RedundancyProblem
from ..static.solve import solve_static
from ..surrogate.static import StaticSurrogate, decode_unconstrained
from ..surrogate.static_training import train_static
from ..surrogate.training import History, TrainingOptions
from ..surrogate.training_paths import paths_of
from .training_data import Split, vary

if TYPE_CHECKING:
    from ..surrogate.architecture import Architecture


#: Varied frames for training, and for validation.
FRAMES, HELD_OUT = 24000, 1500
#: Spreads of the variations, and the fraction of the frames with each.
SPREADS = ((1.0, 0.7), (0.3, 0.3))


@dataclass(frozen=True, eq=False)
class TrainedStatic:
    """A surrogate, the history of its training, and its accuracy on held-out trials (``judge_static``)."""

    surrogate: StaticSurrogate
    history: History
    accuracy: dict[str, Any]
    split: Split


def train_static_surrogate(
    problems: Sequence[RedundancyProblem], *, architecture: Architecture | None = None,
    cost: str = "activation_power", options: TrainingOptions | None = None, frames: int = FRAMES, window: int = 1,
    checkpoint: Path | None = None, progress: Callable[..., None] | None = None,
) -> TrainedStatic:  # fmt: skip
    """Train a neural network that supplies the starting point of static optimization.

    Trials are split by time. The training part is varied and solved exactly, and the accuracy is measured on the test
    part.

    Parameters
    ----------
    problems
        Trials of one model or several.
    architecture
        ``osimopt.surrogate.architecture.Architecture``; by default a ``"set"`` network, which accepts any model.
    cost
        Name of a cost of exponent 2.
    options
        ``osimopt.surrogate.training.TrainingOptions``.
    frames
        Number of varied frames to train on, in addition to those of the trials.
    window
        Number of consecutive frames that the network sees at once; of use to other architectures than ``"set"``.
    checkpoint
        Folder from which an interrupted training continues.
    progress
        Called after each epoch with (epoch, epochs, training loss, validation loss).

    Returns
    -------
    TrainedStatic
        ``surrogate``, with ``solve(problem)`` and ``save(folder)``; ``history`` of the training; ``accuracy`` on the
        test part; ``split`` of the trials.

    Raises
    ------
    InputError
        Trials too short to be split, another exponent, or other muscles.
    SolverError
        No loss of the training is finite.

    Examples
    --------
    >>> import numpy as np, osimopt
    >>> from osimopt.surrogate.training import TrainingOptions
    >>> moments = 10.0 + 10.0 * np.sin(np.linspace(0.0, 6.0, 60))
    >>> problem = osimopt.RedundancyProblem.from_arrays([0.05, 0.03], [500.0, 300.0], moments[:, None])
    >>> trained = osimopt.train_static_surrogate([problem], frames=100, options=TrainingOptions(epochs=1))
    >>> trained.surrogate.solve(problem).activation[0].round(3)
    array([0.354, 0.127])
    """
    options = options or TrainingOptions()
    split = Split.of(problems)
    training = [*split.training, *varied(split.training, frames, options.seed, window)]
    validation = [*split.validation, *varied(split.validation, HELD_OUT, options.seed + 1, window)]
    surrogate, history = train_static(
        training, validation, architecture=architecture, cost=cost, options=options, window=window,
        checkpoint=checkpoint, progress=progress,
    )  # fmt: skip
    accuracy = judge_static(surrogate, split.test)
    provenance = {
        "frames_trained_on": sum(len(problem) for problem in training), "of_them_varied": frames, "seed": options.seed,
        "epochs": len(history.validation), "best_epoch": history.best_epoch,
        "trials": [problem.provenance.get("inputs", {}) for problem in problems], "accuracy": accuracy,
        "paths": paths_of(problems),
    }  # fmt: skip
    return TrainedStatic(replace(surrogate, provenance=provenance), history, accuracy, split)


def varied(problems: Sequence[RedundancyProblem], frames: int, seed: int, window: int = 1) -> list[RedundancyProblem]:
    """Vary trials at several spreads, about ``frames`` in all."""
    return [
        vary(problem, max(window, int(share * frames / len(problems))), seed + 1000 * number + place, spread, window)
        for number, problem in enumerate(problems)
        for place, (spread, share) in enumerate(SPREADS)
    ]


def judge_static(surrogate: StaticSurrogate, problems: Sequence[RedundancyProblem]) -> dict[str, Any]:
    """Compare a surrogate with the exact solver.

    ``raw`` has the :func:`errors` of the network's activations before any Newton step, ``unconstrained`` those of the
    answer without bounds.
    """
    exact = [solve_static(problem, surrogate.cost, solver="newton", on_failure="return") for problem in problems]
    raw = [surrogate.predict(problem) for problem in problems]
    solved = [surrogate.solve(problem, on_failure="return") for problem in problems]
    free = [decode_unconstrained(problem, surrogate.cost) for problem in problems]
    keep = [solution.solved for solution in exact]

    def of(name: str, solutions: Sequence[Any] = solved) -> Array:
        """Values of the frames that have a solution."""
        return joined([getattr(solution, name) for solution in solutions])

    def joined(parts: Sequence[Array]) -> Array:
        return np.concatenate([np.asarray(values)[frames].ravel() for values, frames in zip(parts, keep, strict=True)])

    steps, bound, right = of("iterations"), of("activation_error"), of("activation", exact)
    certified = np.isfinite(bound)
    return {
        "frames": len(steps), "raw": errors(of("activation", raw), right),
        "raw_moment_residual": float(np.abs(of("moment_residual", raw)).max(initial=0.0)),
        "unconstrained": errors(joined(free), right),
        "steps_median": float(np.median(steps)), "steps_cold_median": float(np.median(of("iterations", exact))),
        "fallback_share": float(np.mean(steps > solved[0].provenance["surrogate"]["polish_steps"])),
        "certified_share": float(certified.mean()),
        "bound_within_1e-6_share": float(np.mean(bound[certified] <= 1e-6)) if certified.any() else 0.0,
        "largest_bound": float(bound[certified].max(initial=0.0)),
        "largest_difference_from_exact": float(np.abs(of("activation") - right).max(initial=0.0)),
        "largest_moment_residual": float(np.abs(of("moment_residual")).max(initial=0.0)),
        "outside_training_share": float(of("outside", raw).mean()),
    }  # fmt: skip


def errors(found: Array, exact: Array) -> dict[str, float]:
    """Root mean square and largest error, and the correlation over all frames and muscles."""
    difference = found - exact
    return {
        "rmse": float(np.sqrt(np.mean(difference**2))),
        "largest": float(np.abs(difference).max(initial=0.0)),
        "r": float(np.corrcoef(found.ravel(), exact.ravel())[0, 1]),
    }
