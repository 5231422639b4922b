"""Training of a static surrogate on frames that the exact solver solved."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import InputError, explain, some
from ..problem.costs import get_cost
from ..problem.problem import RedundancyProblem
from ..static.solve import solve_static
from .architecture import Architecture
from .dual_network import FrameNetwork, SetNetwork, frame_features
from .scaler import Scaler
from .static import StaticSurrogate, told_of
from .training import History, TrainingOptions, fit
from .whitened import Whitened, whiten

#: Weights of the losses, by name: mean square error of activations, cross entropy of which bounds hold, missing moments
#: (whitened), and the Newton decrement.
LOSSES = {"supervised": 1000.0, "bounds": 0.1, "physics": 0.0, "newton_decrement": 0.0}
#: Weight of the rounds before the last.
EARLY = 0.1
#: y within this of a bound rests on it.
AT_BOUND = 1e-9


@dataclass(frozen=True, eq=False)
class Examples:
    """Whitened frames and what the exact solver made of them: ``answer`` y (T, U)."""

    frames: Whitened
    answer: Tensor
    muscles: tuple[str, ...]

    @classmethod
    def of(cls, problems: Sequence[RedundancyProblem], cost: str, window: int = 1) -> Examples:
        """Solve all frames; those without a solution are left out. Models of different size are filled up.

        Of each problem as many frames are kept as fill windows.
        """
        made = [one for problem in problems if len((one := _solved(problem, cost, window))[1])]
        if not made:
            fix = "Give longer trials, a shorter window, or reserves, with which every frame has a solution."
            raise InputError(explain(f"{window} solved frames or more in a trial", "fewer in each", fix))
        rows = max(frames.matrix.shape[1] for frames, _ in made)
        unknowns = max(frames.matrix.shape[2] for frames, _ in made)
        padded = [frames.padded(rows, unknowns) for frames, _ in made]
        answers = [nn.functional.pad(answer, (0, unknowns - answer.shape[1])) for _, answer in made]
        joined = [torch.cat(tensors) for tensors in zip(*(frames.tensors for frames in padded), strict=True)]
        return cls(Whitened(*joined).to(torch.float32, "cpu"), torch.cat(answers).float(), problems[0].muscles)

    def windows(self, window: int) -> tuple[Tensor, ...]:
        """For :func:`fit`, which shuffles rows: (n, window, …), so that neighbours stay together."""
        return tuple(tensor.reshape(-1, window, *tensor.shape[1:]) for tensor in (*self.frames.tensors, self.answer))


def _solved(problem: RedundancyProblem, cost: str, window: int) -> tuple[Whitened, Tensor]:
    solution = solve_static(problem, cost, solver="newton", on_failure="return")
    keep = np.flatnonzero(solution.solved)
    keep = keep[: len(keep) - len(keep) % window]
    frames, whitening = whiten(problem.frames(keep), get_cost(cost))
    return frames, whitening.labels(np.hstack([solution.activation, solution.reserve_control])[keep])


def train_static(
    training: Sequence[RedundancyProblem],
    validation: Sequence[RedundancyProblem],
    *,
    architecture: Architecture | None = None,
    cost: str = "activation_power",
    losses: Mapping[str, float] | None = None,
    options: TrainingOptions | None = None,
    window: int = 1,
    checkpoint: Path | None = None,
    progress: Callable[..., None] | None = None,
) -> tuple[StaticSurrogate, History]:
    """Train a network on the frames of problems.

    Parameters
    ----------
    training, validation
        Problems, of one model or several; ``"set"`` networks learn from all, others need the same muscles.
    architecture
        ``"set"`` by default.
    cost
        One of exponent 2.
    losses
        Weights by name, see ``LOSSES``; those not named are 0.
    options, checkpoint, progress
        As of :func:`osimopt.surrogate.training.fit`.
    window
        Consecutive frames that an architecture with a history sees.

    Raises
    ------
    InputError
        No frames, another exponent, unknown losses, or other muscles.
    """
    architecture = architecture or Architecture(kind="set", width=32, depth=4)
    weights = dict(LOSSES if losses is None else dict.fromkeys(LOSSES, 0.0) | dict(losses))
    _check(training, validation, cost, weights, architecture)
    examples, held_out = (Examples.of(problems, cost, window) for problems in (training, validation))
    network: SetNetwork | FrameNetwork
    options = options or TrainingOptions()
    with torch.random.fork_rng(devices=[]):  # the caller's own draws stay what they would have been
        torch.manual_seed(options.seed)
        if architecture.kind == "set":
            network = SetNetwork(architecture)
        else:
            told = frame_features(examples.frames).numpy()
            network = FrameNetwork(architecture, len(examples.muscles), Scaler.of(told), window)

    def loss(network: nn.Module, *batch: Tensor) -> Tensor:
        flat = [tensor.flatten(0, 1) for tensor in batch]
        return loss_of(network, Whitened(*flat[:-1]), flat[-1], weights)

    by_window = replace(options, batch_size=max(1, options.batch_size // window))
    rows = examples.windows(window), held_out.windows(window)
    history = fit(network, *rows, loss, by_window, checkpoint, progress)
    ranges = Scaler.of(told_of(examples.frames))
    coordinates = tuple(dict.fromkeys(name for problem in training for name in problem.coordinates))
    return StaticSurrogate(architecture, network, cost, examples.muscles, coordinates, ranges), history


def loss_of(network: nn.Module, frames: Whitened, answer: Tensor, weights: Mapping[str, float]) -> Tensor:
    """The weighted sum of losses over a batch, in which early rounds count a little."""
    duals, says = network(frames)
    total = torch.zeros(())
    for count, (u, logits) in enumerate(zip(duals, says, strict=True), 1):
        share = 1.0 if count == len(duals) else EARLY
        for name, weight in weights.items():
            if weight:
                total = total + share * weight * LOSS_OF[name](frames, answer, u, logits)
    return total


def _supervised(frames: Whitened, answer: Tensor, u: Tensor, logits: Tensor) -> Tensor:
    """Mean square error of the decoded activations."""
    return (frames.muscle * (frames.answer(u) - answer) ** 2).sum() / frames.muscle.sum()


def _bounds(frames: Whitened, answer: Tensor, u: Tensor, logits: Tensor) -> Tensor:
    """Cross entropy of which bounds hold."""
    place = 1 - (answer <= frames.lower + AT_BOUND).long() + (answer >= frames.upper - AT_BOUND).long()
    each = nn.functional.cross_entropy(logits.flatten(0, 1), place.flatten(), reduction="none")
    return (frames.muscle.flatten() * each).sum() / frames.muscle.sum()


def _physics(frames: Whitened, answer: Tensor, u: Tensor, logits: Tensor) -> Tensor:
    """Mean square of the missing moments, whitened: no labels needed."""
    return (frames.missing(u) ** 2).sum(dim=1).mean()


def _newton_decrement(frames: Whitened, answer: Tensor, u: Tensor, logits: Tensor) -> Tensor:
    """What a Newton step promises to gain of the dual function: no labels needed, and no units."""
    missing, z = frames.missing(u), frames.unbounded(u)
    free = ((z > frames.lower) & (z < frames.upper)).to(z.dtype)
    curvature = (frames.matrix * free[:, None]) @ frames.matrix.transpose(1, 2)
    ridge = 1e-3 * torch.eye(curvature.shape[1], dtype=z.dtype, device=z.device)
    step: Tensor = torch.linalg.solve_ex(curvature + ridge, missing)[0]
    return (missing * step).sum(dim=1).mean()


LOSS_OF: dict[str, Callable[[Whitened, Tensor, Tensor, Tensor], Tensor]] = {
    "supervised": _supervised,
    "bounds": _bounds,
    "physics": _physics,
    "newton_decrement": _newton_decrement,
}


def _check(
    training: Sequence[RedundancyProblem],
    validation: Sequence[RedundancyProblem],
    cost: str,
    weights: Mapping[str, Any],
    architecture: Architecture,
) -> None:
    if unknown := [name for name in weights if name not in LOSSES]:
        raise InputError(explain(f"losses among {', '.join(LOSSES)}", some(unknown), "Rename them."))
    if get_cost(cost).exponent != 2.0:
        fix = "Use solve_static for others: its whitened dual is that of a quadratic cost."
        raise InputError(explain("a cost of exponent 2", cost, fix))
    if not training or not validation:
        raise InputError(explain("problems to train and to validate on", "none", "Give more trials."))
    names = {problem.muscles for problem in (*training, *validation)}
    if architecture.kind != "set" and len(names) > 1:
        raise InputError(explain("the same muscles in all problems", f"{len(names)} sets", "Use architecture 'set'."))
