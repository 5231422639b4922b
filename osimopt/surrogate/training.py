"""Training of a network: seeded, stopped early, and resumed to the same result.

Random numbers of an epoch are drawn from seed and epoch, and the learning rate follows from the epoch, so that weights,
the optimizer's state and the history determine how a training continues.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from ..devices import Device
from ..errors import InputError, SolverError, explain
from .architecture import check_whole
from .folder import Checkpoint, digest

#: Loss of a batch: (network, tensors of the batch) to a number.
Loss = Callable[..., Tensor]
#: Called with (epoch, epochs, training loss, validation loss).
Progress = Callable[[int, int, float, float], None]
Optimizer = Literal["adam", "adamw"]
Tensors = tuple[Tensor, ...]

#: Norm to which gradients are clipped: a few frames with a nearly singular matrix would spoil an epoch.
LARGEST_GRADIENT = 1.0
#: Relative difference of the loss before training above which a checkpoint is of another loss; devices round apart.
SAME_LOSS = 1e-3
#: Fraction of the epochs in which the learning rate rises, and fraction of it at which it begins and ends.
WARM_UP, LEAST_RATE = 0.1, 0.02


@dataclass(frozen=True)
class TrainingOptions:
    """How to train a network.

    The learning rate rises during the first tenth of the epochs to ``learning_rate`` and then falls to a fiftieth of
    it. Training ends after ``patience`` epochs without a smaller validation loss. Weight decay is L2, for ``"adamw"``
    decoupled.
    """

    epochs: int = 30
    batch_size: int = 256
    optimizer: Optimizer = "adamw"
    learning_rate: float = 4e-3
    patience: int = 15
    weight_decay: float = 1e-5
    seed: int = 0
    device: str = "cpu"
    mixed_precision: bool = False

    def __post_init__(self) -> None:
        if self.optimizer not in get_args(Optimizer):
            expected = f"optimizer among {', '.join(get_args(Optimizer))}"
            raise InputError(explain(expected, repr(self.optimizer), "Choose one of them."))
        for name, least in (("epochs", 1), ("batch_size", 1), ("patience", 1), ("seed", 0)):
            check_whole(name, getattr(self, name), least)
        for name, rule in (("learning_rate", "above 0"), ("weight_decay", "0 or more")):
            value = getattr(self, name)
            finite = isinstance(value, int | float) and 0.0 <= value < math.inf
            if not finite or (name == "learning_rate" and value == 0.0):
                raise InputError(explain(f"{name} {rule}", repr(value), "Leave it out."))
        if self.mixed_precision and self.device in ("cpu", "torch"):
            fix = "Leave it out, or name a device."
            raise InputError(explain("mixed_precision on an accelerator", f"device={self.device!r}", fix))


def adam(network: nn.Module, options: TrainingOptions) -> torch.optim.Optimizer:
    """Make the optimizer of the options."""
    kind = torch.optim.AdamW if options.optimizer == "adamw" else torch.optim.Adam
    return kind(network.parameters(), options.learning_rate, weight_decay=options.weight_decay)


def cosine_rate(epoch: int, options: TrainingOptions) -> float:
    """Learning rate of an epoch, counted from 1."""
    done = (epoch - 0.5) / options.epochs
    if done < WARM_UP:
        return options.learning_rate * (LEAST_RATE + (1.0 - LEAST_RATE) * done / WARM_UP)
    falling = 0.5 * (1.0 + math.cos(math.pi * (done - WARM_UP) / (1.0 - WARM_UP)))
    return options.learning_rate * (LEAST_RATE + (1.0 - LEAST_RATE) * falling)


def gradient_step(
    network: nn.Module, optimizer: torch.optim.Optimizer, loss: Callable[[], Tensor]
) -> tuple[float, bool]:
    """Return the loss and whether a step was made: gradients that are not finite would spoil the weights for good."""
    optimizer.zero_grad()
    value = loss()
    value.backward()  # type: ignore[no-untyped-call]
    finite = bool(torch.isfinite(nn.utils.clip_grad_norm_(network.parameters(), LARGEST_GRADIENT)))
    if finite:
        optimizer.step()
    return float(value.detach()), finite


@dataclass(frozen=True)
class UpdateRule:
    """How weights change: the optimizer, its learning rate by epoch, and a step on a batch."""

    optimizer: Callable[[nn.Module, TrainingOptions], torch.optim.Optimizer] = adam
    rate: Callable[[int, TrainingOptions], float] = cosine_rate
    step: Callable[[nn.Module, torch.optim.Optimizer, Callable[[], Tensor]], tuple[float, bool]] = gradient_step


ADAM = UpdateRule()


@dataclass(eq=False)
class History:
    """Losses and learning rates by epoch, and the training time in s.

    ``untrained`` is the validation loss before training, ``skipped`` the number of batches without a step because
    their gradients were not finite.
    """

    training: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    rate: list[float] = field(default_factory=list)
    seconds: float = 0.0
    untrained: float = math.nan
    skipped: int = 0

    @property
    def best_epoch(self) -> int:
        """The epoch (from 1) with the smallest validation loss, whose weights are kept; 0 if no loss is finite."""
        finite = [value if math.isfinite(value) else math.inf for value in self.validation]
        return 1 + finite.index(min(finite)) if finite and min(finite) < math.inf else 0


def fit(
    network: nn.Module, training: Tensors, validation: Tensors, loss: Loss, options: TrainingOptions,
    checkpoint: Path | None = None, progress: Progress | None = None, rule: UpdateRule = ADAM,
) -> History:  # fmt: skip
    """Train a network in place; it ends with the weights of the smallest validation loss.

    Parameters
    ----------
    network
        With its initial weights.
    training, validation
        Tensors with one row per example.
    loss
        Mean loss of a batch.
    options
        See :class:`TrainingOptions`.
    checkpoint
        Folder that is updated after every epoch. If it holds an interrupted training with the same data, options, loss
        and initial weights, that training continues, to the result that it would have had.
    progress
        Called after each epoch.
    rule
        How weights change; Adam by default.

    Raises
    ------
    InputError
        No examples, tensors of different length, or a checkpoint of another training.
    SolverError
        No validation loss, or no gradient, is finite.
    """
    for name, tensors in (("training", training), ("validation", validation)):
        rows = {len(tensor) for tensor in tensors}
        if len(rows) != 1 or rows == {0}:
            got = f"{', '.join(map(str, sorted(rows))) or 'no'} rows"
            raise InputError(explain(f"tensors of {name} with one row per example", got, "Give more data."))
    device = Device.of(options.device).name or "cpu"
    network.to(device)
    saved = None if checkpoint is None else Checkpoint(checkpoint, _known(network, training, validation, options))
    loop = _Loop(network, loss, options, rule, device)
    with torch.random.fork_rng([device] if device.startswith("cuda") else []):  # leaves the caller's generator alone
        history = loop.run(training, validation, saved, progress)
    batches = len(history.training) * math.ceil(len(training[0]) / options.batch_size)
    if history.best_epoch == 0 or history.skipped == batches:
        what = "the validation loss" if history.best_epoch == 0 else "the gradient"
        text = f"Training failed: {what} is not finite in any epoch."
        raise SolverError(f"{text} Lower the learning_rate, or look for NaN and infinity in the data.")
    return history


@dataclass(eq=False)
class _Loop:
    """The epochs of one training."""

    network: nn.Module
    loss: Loss
    options: TrainingOptions
    rule: UpdateRule
    device: str

    def run(
        self, training: Tensors, validation: Tensors, saved: Checkpoint | None, progress: Progress | None
    ) -> History:
        """Run all epochs that are left."""
        network, options = self.network, self.options
        optimizer = self.rule.optimizer(network, options)
        self.seed(0)
        history = History(untrained=self.evaluate(validation))
        best = deepcopy(network.state_dict())
        if saved is not None and (found := saved.read(optimizer)) is not None:
            weights, best, earlier = found
            saved.check_loss(earlier["untrained"], history.untrained, SAME_LOSS)
            network.load_state_dict(weights)
            history = History(**earlier)
        begun = perf_counter() - history.seconds
        for epoch in range(1 + len(history.training), options.epochs + 1):
            if len(history.validation) - history.best_epoch >= options.patience:
                break
            history.rate.append(self.rule.rate(epoch, options))
            self.epoch(training, optimizer, epoch, history)
            history.validation.append(self.evaluate(validation))
            history.seconds = perf_counter() - begun
            if history.best_epoch == epoch:
                best = deepcopy(network.state_dict())
            if saved is not None:
                saved.write(network.state_dict(), best, optimizer, asdict(history))
            if progress is not None:
                progress(epoch, options.epochs, history.training[-1], history.validation[-1])
        network.load_state_dict(best)
        return history

    def epoch(self, training: Tensors, optimizer: torch.optim.Optimizer, epoch: int, history: History) -> None:
        """Pass over all examples once, in the order of this epoch."""
        for group in optimizer.param_groups:
            group["lr"] = history.rate[-1]
        self.seed(epoch)
        self.network.train()
        total = 0.0
        order = torch.randperm(len(training[0]))
        for batch in self.batches(training, order):
            value, stepped = self.rule.step(self.network, optimizer, partial(self.value, batch))
            total += value * len(batch[0])
            history.skipped += not stepped
        history.training.append(total / len(order))

    def value(self, batch: Tensors) -> Tensor:
        """Loss of a batch."""
        with torch.autocast(self.device.split(":")[0], torch.bfloat16, enabled=self.options.mixed_precision):
            return self.loss(self.network, *batch)

    def evaluate(self, tensors: Tensors) -> float:
        """Mean loss, without training."""
        self.network.eval()
        with torch.no_grad():
            parts = [(float(self.loss(self.network, *batch)), len(batch[0])) for batch in self.batches(tensors)]
        return sum(value * count for value, count in parts) / sum(count for _, count in parts)

    def batches(self, tensors: Tensors, order: Tensor | None = None) -> Iterator[Tensors]:
        """Batches on the device."""
        size = self.options.batch_size
        for first in range(0, len(tensors[0]), size):
            rows: Any = slice(first, first + size) if order is None else order[first : first + size]
            yield tuple(tensor[rows].to(self.device) for tensor in tensors)

    def seed(self, epoch: int) -> None:
        """Seed torch for an epoch."""
        torch.manual_seed(1_000_003 * self.options.seed + epoch)


def _known(network: nn.Module, training: Tensors, validation: Tensors, options: TrainingOptions) -> dict[str, Any]:
    """What identifies a training, wherever it runs."""
    data, first = [*training, *validation], list(network.state_dict().values())
    plain: dict[str, Any] = {name: value for name, value in asdict(options).items() if name != "device"}
    return {**plain, "network": str(network), "data": digest(data, {}), "first weights": digest(first, {})}
