"""Training of a static surrogate on frames that the exact solver solved."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import InputError, explain
from ..problem.costs import get_cost
from ..problem.problem import RedundancyProblem
from ..static.solve import solve_static
from .architecture import Architecture, Scaler
from .dual import Whitened, frame_features, whiten
from .static import StaticSurrogate, make_network, range_features
from .training import History, TrainingOptions, fit

Problems = Sequence[RedundancyProblem]

ARCHITECTURE = Architecture(kind="set", width=32, depth=4)
#: Weights of the losses: error of y, and cross entropy of which bounds are active.
SUPERVISED, BOUNDS = 1000.0, 0.1
#: Weight of the rounds before the last.
EARLY = 0.1
#: y within this distance of a bound is at it.
AT_BOUND = 1e-9


@dataclass(frozen=True, eq=False)
class Examples:
    """Whitened frames and their exact solutions: ``answer`` y (T, U)."""

    frames: Whitened
    answer: Tensor
    muscles: tuple[str, ...]

    @classmethod
    def of(cls, problems: Problems, cost: str, window: int = 1) -> Examples:
        """Solve all frames; frames without a solution are left out, and models of different size are padded.

        Of each problem as many frames are kept as fill windows.
        """
        solved = [one for problem in problems if len((one := _solved(problem, cost, window))[1])]
        if not solved:
            fix = "Give longer trials, a shorter window, or reserves, with which every frame has a solution."
            raise InputError(explain(f"{window} solved frames or more in a trial", "fewer in each", fix))
        rows, unknowns = (max(frames.matrix.shape[axis] for frames, _ in solved) for axis in (1, 2))
        padded = [frames.padded(rows, unknowns) for frames, _ in solved]
        answers = [nn.functional.pad(answer, (0, unknowns - answer.shape[1])) for _, answer in solved]
        joined = [torch.cat(tensors) for tensors in zip(*padded, strict=True)]
        return cls(Whitened(*joined).to(torch.float32, "cpu"), torch.cat(answers).float(), problems[0].muscles)

    def windows(self, window: int) -> tuple[Tensor, ...]:
        """Tensors (n, window, …) for :func:`fit`, which shuffles rows: the frames of a window stay together."""
        return tuple(tensor.reshape(-1, window, *tensor.shape[1:]) for tensor in (*self.frames, self.answer))


def _solved(problem: RedundancyProblem, cost: str, window: int) -> tuple[Whitened, Tensor]:
    solution = solve_static(problem, cost, solver="newton", on_failure="return")
    keep = np.flatnonzero(solution.solved)
    keep = keep[: len(keep) - len(keep) % window]
    frames, whitening = whiten(problem.frames(keep), get_cost(cost))
    return frames, whitening.labels(np.hstack([solution.activation, solution.reserve_control])[keep])


def train_static(
    training: Problems, validation: Problems, *,
    architecture: Architecture | None = None, cost: str = "activation_power", options: TrainingOptions | None = None,
    window: int = 1, checkpoint: Path | None = None, progress: Callable[..., None] | None = None,
) -> tuple[StaticSurrogate, History]:  # fmt: skip
    """Train a network on the frames of problems.

    Parameters
    ----------
    training, validation
        Problems of one model or several; networks other than ``"set"`` need the same muscles in all.
    architecture
        ``"set"`` by default.
    cost
        A cost of exponent 2.
    options, checkpoint, progress
        As of :func:`osimopt.surrogate.training.fit`.
    window
        Number of consecutive frames that the network sees at once; of use to other architectures than ``"set"``.

    Raises
    ------
    InputError
        No frames, another exponent, or other muscles.
    """
    architecture, options = architecture or ARCHITECTURE, options or TrainingOptions()
    _check(training, validation, cost, architecture)
    examples, held_out = (Examples.of(problems, cost, window) for problems in (training, validation))
    scaler = None if architecture.kind == "set" else Scaler.of(frame_features(examples.frames))
    with torch.random.fork_rng(devices=[]):  # leaves the caller's generator alone
        torch.manual_seed(options.seed)
        network = make_network(architecture, len(examples.muscles), scaler, window)

    def loss(network: nn.Module, *batch: Tensor) -> Tensor:
        flat = [tensor.flatten(0, 1) for tensor in batch]
        return loss_of(network, Whitened(*flat[:-1]), flat[-1])

    by_window = replace(options, batch_size=max(1, options.batch_size // window))
    rows = examples.windows(window), held_out.windows(window)
    history = fit(network, *rows, loss, by_window, checkpoint, progress)
    ranges = Scaler.of(range_features(examples.frames))
    coordinates = tuple(dict.fromkeys(name for problem in training for name in problem.coordinates))
    return StaticSurrogate(architecture, network, cost, examples.muscles, coordinates, ranges), history


def loss_of(network: nn.Module, frames: Whitened, answer: Tensor) -> Tensor:
    """Weighted sum of the losses of a batch, with a small weight for early rounds."""
    duals, logits = network(frames)
    total = torch.zeros(())
    for number, (u, of_round) in enumerate(zip(duals, logits, strict=True), 1):
        share = 1.0 if number == len(duals) else EARLY
        total = total + share * SUPERVISED * supervised(frames, answer, u)
        total = total + share * BOUNDS * active_bounds(frames, answer, of_round)
    return total


def supervised(frames: Whitened, answer: Tensor, u: Tensor) -> Tensor:
    """Mean square error of y for muscles."""
    return (frames.muscle * (frames.answer(u) - answer) ** 2).sum() / frames.muscle.sum()


def active_bounds(frames: Whitened, answer: Tensor, logits: Tensor) -> Tensor:
    """Cross entropy of which bounds are active."""
    place = 1 - (answer <= frames.lower + AT_BOUND).long() + (answer >= frames.upper - AT_BOUND).long()
    each = nn.functional.cross_entropy(logits.flatten(0, 1), place.flatten(), reduction="none")
    return (frames.muscle.flatten() * each).sum() / frames.muscle.sum()


def _check(training: Problems, validation: Problems, cost: str, architecture: Architecture) -> None:
    if get_cost(cost).exponent != 2.0:
        fix = "Use solve_static for other costs: the network is for the dual of a quadratic cost."
        raise InputError(explain("a cost of exponent 2", cost, fix))
    if not training or not validation:
        raise InputError(explain("problems to train and to validate on", "none", "Give more trials."))
    names = {problem.muscles for problem in (*training, *validation)}
    if architecture.kind != "set" and len(names) > 1:
        raise InputError(explain("the same muscles in all problems", f"{len(names)} sets", "Use architecture 'set'."))
