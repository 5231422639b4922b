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
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import InputError, SolverError, explain
from ..static.frames import Device
from .checkpoint import Checkpoint, digest
from .optimizer import make_optimizer, rate_at
from .options import TrainingOptions as TrainingOptions

#: Loss of a batch: (network, tensors of the batch) to a number.
Loss = Callable[..., Tensor]
#: Told (epoch, epochs, training loss, validation loss).
Progress = Callable[[int, int, float, float], None]

#: Norm that gradients are cut to: a few frames with a nearly singular matrix would spoil an epoch.
LARGEST_GRADIENT = 1.0
#: Relative difference of the loss before training beyond which a checkpoint is of another loss; another device rounds.
SAME_LOSS = 1e-3


@dataclass(eq=False)
class History:
    """Losses and learning rates by epoch, seconds in all, and the epoch (from 1) whose weights were kept.

    ``untrained`` is the validation loss before, ``skipped`` the batches whose gradients were no numbers: no step
    followed them.
    """

    training: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    rate: list[float] = field(default_factory=list)
    seconds: float = 0.0
    untrained: float = math.nan
    skipped: int = 0

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
        Tensors with one row per example, each set as many rows in all.
    loss
        Mean loss of a batch.
    options
        See :class:`TrainingOptions`.
    checkpoint
        Folder that is kept up to date after every epoch; where it holds an earlier training with the same data,
        options, loss and first weights, that is gone on with, to the result that it would have had.
    progress
        Called after each epoch.

    Raises
    ------
    InputError
        No examples, tensors of different length, or a checkpoint of another training.
    SolverError
        The validation loss is no number in any epoch, or no gradient is.
    """
    _check_rows(training=training, validation=validation)
    device = Device.of(options.device).name or "cpu"
    network.to(device)
    saved = None if checkpoint is None else Checkpoint(checkpoint, _fingerprint(network, training, validation, options))
    with torch.random.fork_rng([device] if device.startswith("cuda") else []):  # the caller's draws stay its own
        history = _run(network, training, validation, loss, options, saved, progress, device)
    batches = len(history.training) * math.ceil(len(training[0]) / options.batch_size)
    if history.best_epoch == 0 or history.skipped == batches:
        what = "validation loss is no number in any epoch" if history.best_epoch == 0 else "gradients are no numbers"
        raise SolverError(
            f"Training failed: the {what}. Lower the learning_rate, or look for such numbers in the data."
        )
    return history


def _run(
    network: nn.Module,
    training: tuple[Tensor, ...],
    validation: tuple[Tensor, ...],
    loss: Loss,
    options: TrainingOptions,
    saved: Checkpoint | None,
    progress: Progress | None,
    device: str,
) -> History:
    """All epochs that are left; the network ends with its best weights, and as it is used."""
    optimizer = make_optimizer(network, options)
    _seed(options, 0)
    history = History(untrained=evaluate(network, validation, loss, options.batch_size, device))
    best = _copy(network)
    if saved is not None and (found := saved.read(optimizer)) is not None:
        weights, best, told = found
        saved.check_loss(told["untrained"], history.untrained, SAME_LOSS)
        network.load_state_dict(weights)
        history = History(**told)
    begun = perf_counter() - history.seconds
    for epoch in range(1 + len(history.training), options.epochs + 1):
        if len(history.validation) - history.best_epoch >= options.patience:
            break
        rate = rate_at(epoch, options, history.validation)
        value, skipped = _epoch(network, training, loss, optimizer, options, epoch, rate, device)
        history.rate.append(rate)
        history.training.append(value)
        history.validation.append(evaluate(network, validation, loss, options.batch_size, device))
        history.seconds, history.skipped = perf_counter() - begun, history.skipped + skipped
        if history.best_epoch == epoch:
            best = _copy(network)
        if saved is not None:
            saved.write(network.state_dict(), best, optimizer, asdict(history))
        if progress is not None:
            progress(epoch, options.epochs, history.training[-1], history.validation[-1])
    network.load_state_dict(best)
    return history


def _epoch(
    network: nn.Module,
    training: tuple[Tensor, ...],
    loss: Loss,
    optimizer: torch.optim.Optimizer,
    options: TrainingOptions,
    epoch: int,
    rate: float,
    device: str,
) -> tuple[float, int]:
    """One pass over the examples in an order of the epoch's own; the mean loss, and the batches without a step."""
    for group in optimizer.param_groups:
        group["lr"] = rate
    _seed(options, epoch)
    network.train()
    total, skipped = 0.0, 0
    order = torch.randperm(len(training[0]))
    for batch in _batches(training, options.batch_size, device, order):
        value, made = _step(network, batch, loss, optimizer, options, device)
        total, skipped = total + value * len(batch[0]), skipped + (not made)
    return total / len(order), skipped


def _step(
    network: nn.Module,
    batch: tuple[Tensor, ...],
    loss: Loss,
    optimizer: torch.optim.Optimizer,
    options: TrainingOptions,
    device: str,
) -> tuple[float, bool]:
    """One step; the loss before it, and whether it was made: gradients that are no numbers spoil weights for good."""
    searching, made = isinstance(optimizer, torch.optim.LBFGS), True
    seed = int(torch.randint(2**62, ())) if searching else 0

    def closure() -> Tensor:
        nonlocal made
        optimizer.zero_grad()
        if searching:  # its line search needs one function: what drops out must not change on the way
            torch.manual_seed(seed)
        with torch.autocast(device.split(":")[0], torch.bfloat16, enabled=options.mixed_precision):
            value = loss(network, *batch)
        if searching:  # it has no weight decay of its own
            value = value + 0.5 * options.weight_decay * sum((weight**2).sum() for weight in network.parameters())
        value.backward()  # type: ignore[no-untyped-call]
        if not searching:  # which needs the gradient as it is
            size = nn.utils.clip_grad_norm_(network.parameters(), LARGEST_GRADIENT)
            made = bool(torch.isfinite(size))
            if not made:
                optimizer.zero_grad()  # without gradients no weight moves
        return value

    value = optimizer.step(closure)  # type: ignore[arg-type]
    return float(value.detach()), made  # type: ignore[attr-defined]


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


def _check_rows(**sets: tuple[Tensor, ...]) -> None:
    for name, tensors in sets.items():
        rows = {len(tensor) for tensor in tensors}
        if len(rows) != 1 or rows == {0}:
            got = f"{', '.join(map(str, sorted(rows))) or 'no'} rows"
            raise InputError(explain(f"tensors of {name} with one row per example", got, "Give more data."))


def _seed(options: TrainingOptions, epoch: int) -> None:
    torch.manual_seed(1_000_003 * options.seed + epoch)


def _copy(network: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def _fingerprint(
    network: nn.Module, training: tuple[Tensor, ...], validation: tuple[Tensor, ...], options: TrainingOptions
) -> str:
    tensors = [*network.state_dict().values(), *training, *validation]
    told = {name: value for name, value in asdict(options).items() if name != "device"}
    return digest(tensors, {**told, "network": str(network)})
