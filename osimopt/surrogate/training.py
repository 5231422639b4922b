"""The training loop: seeded, stopped early, and resumed to the very same result.

Everything random in an epoch is drawn from seed and epoch, and learning rates follow from the losses so far, so that a
checkpoint holds weights, the optimizer's state and the losses, and nothing else decides.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from ..errors import InputError, SolverError, explain
from ..static.device import Device
from .checkpoint import Checkpoint, digest

Optimizer = Literal["adam", "adamw", "sgd", "momentum", "adagrad", "rmsprop", "lbfgs"]
Schedule = Literal["cosine", "plateau", "constant"]
#: Loss of a batch: (network, tensors of the batch) to a number.
Loss = Callable[..., Tensor]
#: Told (epoch, epochs, training loss, validation loss).
Progress = Callable[[int, int, float, float], None]

#: Share of the epochs in which the cosine schedule rises, and of the rate at which it begins and ends.
WARM_UP, LEAST_RATE = 0.1, 0.02
#: Epochs without a better validation loss after which the plateau schedule halves the rate.
PLATEAU = 5
#: Norm that gradients are cut to: a few frames with a nearly singular matrix would spoil an epoch.
LARGEST_GRADIENT = 1.0
MOMENTUM = 0.9


@dataclass(frozen=True)
class TrainingOptions:
    """How to train. ``"momentum"`` averages gradients (v ← β v + (1 − β) g), ``"sgd"`` does not.

    ``schedule`` of the learning rate: ``"cosine"`` rises in the first tenth and falls to a fiftieth, ``"plateau"``
    halves it where validation stalls. ``patience`` are epochs without a better validation loss before it ends.
    """

    epochs: int = 30
    batch_size: int = 256
    optimizer: Optimizer = "adamw"
    learning_rate: float = 4e-3
    schedule: Schedule = "cosine"
    patience: int = 15
    weight_decay: float = 1e-5
    seed: int = 0
    device: str = "cpu"
    mixed_precision: bool = False

    def __post_init__(self) -> None:
        for name, allowed in (("optimizer", get_args(Optimizer)), ("schedule", get_args(Schedule))):
            if getattr(self, name) not in allowed:
                got = repr(getattr(self, name))
                raise InputError(explain(f"{name} among {', '.join(allowed)}", got, "Choose one of them."))
        for name in ("epochs", "batch_size", "patience"):
            value = getattr(self, name)
            if not (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
                raise InputError(explain(f"{name} as a whole number ≥ 1", repr(value), "Leave it out."))
        for name, least in (("learning_rate", "above 0"), ("weight_decay", "0 or more")):
            value = getattr(self, name)
            if not (0.0 <= value < math.inf) or (name == "learning_rate" and value == 0.0):
                raise InputError(explain(f"{name} {least}", repr(value), "Leave it out."))
        if self.mixed_precision and self.device == "cpu":
            fix = "Leave it out, or name a device."
            raise InputError(explain("mixed_precision on an accelerator", "device='cpu'", fix))


@dataclass(eq=False)
class History:
    """Losses and learning rates by epoch, seconds in all, and the epoch (from 1) whose weights were kept."""

    training: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    rate: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def best_epoch(self) -> int:
        """The epoch with the least validation loss; 0 where there is none."""
        known = [value if math.isfinite(value) else math.inf for value in self.validation]
        return 1 + known.index(min(known)) if known and min(known) < math.inf else 0


def fit(
    network: nn.Module,
    training: tuple[Tensor, ...],
    validation: tuple[Tensor, ...],
    loss: Loss,
    options: TrainingOptions,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> History:
    """Train a network in place; it ends with the weights of the least validation loss.

    Parameters
    ----------
    network
        With its first weights.
    training, validation
        Tensors with one row per example.
    loss
        Mean loss of a batch.
    options
        See :class:`TrainingOptions`.
    checkpoint
        Folder that is kept up to date after every epoch; where it holds an earlier training with the same data, options
        and weights, that is gone on with, to the result that it would have had.
    progress
        Called after each epoch.

    Raises
    ------
    InputError
        The checkpoint is of another training.
    SolverError
        The loss is no number from the first epoch on.
    """
    device = Device.of(options.device).name or "cpu"
    network.to(device)
    optimizer = make_optimizer(network, options)
    history, first = History(), 1
    best = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    saved = None if checkpoint is None else Checkpoint(checkpoint, _fingerprint(network, training, validation, options))
    if saved is not None and (found := saved.read(optimizer)) is not None:
        weights, best, told = found
        network.load_state_dict(weights)
        history = History(**told)
        first = 1 + len(history.training)
    begun = perf_counter() - history.seconds
    for epoch in range(first, options.epochs + 1):
        if len(history.validation) - history.best_epoch >= options.patience:
            break
        rate = rate_at(epoch, options, history)
        history.rate.append(rate)
        history.training.append(_epoch(network, training, loss, optimizer, options, epoch, rate, device))
        history.validation.append(evaluate(network, validation, loss, options.batch_size, device))
        history.seconds = perf_counter() - begun
        if history.best_epoch == epoch:
            best = {name: tensor.clone() for name, tensor in network.state_dict().items()}
        if saved is not None:
            saved.write(network.state_dict(), best, optimizer, asdict(history))
        if progress is not None:
            progress(epoch, options.epochs, history.training[-1], history.validation[-1])
    if history.best_epoch == 0:
        raise SolverError("Training failed: the validation loss is no number in any epoch. Lower the learning_rate.")
    network.load_state_dict(best)
    return history


def make_optimizer(network: nn.Module, options: TrainingOptions) -> torch.optim.Optimizer:
    """The optimizer of torch for these options; weight decay is L2 but for ``adamw``, where it is decoupled."""
    weights, rate, decay = list(network.parameters()), options.learning_rate, options.weight_decay
    makers: dict[str, Callable[[], torch.optim.Optimizer]] = {
        "adam": lambda: torch.optim.Adam(weights, rate, weight_decay=decay),
        "adamw": lambda: torch.optim.AdamW(weights, rate, weight_decay=decay),
        "sgd": lambda: torch.optim.SGD(weights, rate, weight_decay=decay),
        "momentum": lambda: torch.optim.SGD(weights, rate, momentum=MOMENTUM, dampening=MOMENTUM, weight_decay=decay),
        "adagrad": lambda: torch.optim.Adagrad(weights, rate, weight_decay=decay),
        "rmsprop": lambda: torch.optim.RMSprop(weights, rate, weight_decay=decay),
        "lbfgs": lambda: torch.optim.LBFGS(weights, rate, line_search_fn="strong_wolfe"),
    }
    return makers[options.optimizer]()


def rate_at(epoch: int, options: TrainingOptions, history: History) -> float:
    """Learning rate of an epoch (from 1), from what came before."""
    rate = options.learning_rate
    if options.schedule == "cosine":
        done, warm = (epoch - 0.5) / options.epochs, WARM_UP
        rising = LEAST_RATE + (1.0 - LEAST_RATE) * done / warm
        falling = LEAST_RATE + (1.0 - LEAST_RATE) * 0.5 * (1.0 + math.cos(math.pi * (done - warm) / (1.0 - warm)))
        return rate * (rising if done < warm else falling)
    if options.schedule == "plateau":
        return float(rate * 0.5 ** _stalls(history.validation))
    return rate


def _stalls(losses: list[float]) -> int:
    """How often PLATEAU epochs in a row brought nothing better."""
    best, since, stalls = math.inf, 0, 0
    for value in losses:
        if value < best:
            best, since = value, 0
        else:
            since += 1
            stalls, since = (stalls + 1, 0) if since == PLATEAU else (stalls, since)
    return stalls


def _epoch(
    network: nn.Module,
    training: tuple[Tensor, ...],
    loss: Loss,
    optimizer: torch.optim.Optimizer,
    options: TrainingOptions,
    epoch: int,
    rate: float,
    device: str,
) -> float:
    """One pass over the examples in an order of the epoch's own; the mean loss."""
    for group in optimizer.param_groups:
        group["lr"] = rate
    torch.manual_seed(1_000_003 * options.seed + epoch)
    network.train()
    total = 0.0
    order = torch.randperm(len(training[0]))
    for batch in _batches(training, options.batch_size, device, order):

        def closure(batch: tuple[Tensor, ...] = batch) -> Tensor:
            optimizer.zero_grad()
            with torch.autocast(device.split(":")[0], torch.bfloat16, enabled=options.mixed_precision):
                value = loss(network, *batch)
            value.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(network.parameters(), LARGEST_GRADIENT)
            return value

        total += float(optimizer.step(closure).detach()) * len(batch[0])  # type: ignore[arg-type, attr-defined]
    return total / len(order)


def evaluate(network: nn.Module, tensors: tuple[Tensor, ...], loss: Loss, batch_size: int, device: str) -> float:
    """The mean loss, without learning from it."""
    network.eval()
    with torch.no_grad():
        parts = [(float(loss(network, *batch)), len(batch[0])) for batch in _batches(tensors, batch_size, device)]
    return sum(value * count for value, count in parts) / sum(count for _, count in parts)


def _batches(
    tensors: tuple[Tensor, ...], size: int, device: str, order: Tensor | None = None
) -> Iterator[tuple[Tensor, ...]]:
    for first in range(0, len(tensors[0]), size):
        keep: Any = slice(first, first + size) if order is None else order[first : first + size]
        yield tuple(tensor[keep].to(device) for tensor in tensors)


def _fingerprint(
    network: nn.Module, training: tuple[Tensor, ...], validation: tuple[Tensor, ...], options: TrainingOptions
) -> str:
    tensors = [*network.state_dict().values(), *training, *validation]
    return digest(tensors, {name: value for name, value in asdict(options).items() if name != "device"})
