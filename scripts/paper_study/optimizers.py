"""Optimizers and schedules that the study compares, for :func:`osimopt.surrogate.training.fit`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from osimopt.surrogate.training import TrainingOptions, UpdateRule, cosine_rate, gradient_step

Optimizer = Literal["adam", "adamw", "sgd", "momentum", "adagrad", "rmsprop", "lbfgs"]
Schedule = Literal["cosine", "constant"]

#: β of equation (5): v ← β v + (1 − β) g, with v = g at first.
MOMENTUM = 0.9


def rule_of(optimizer: Optimizer, schedule: Schedule) -> UpdateRule:
    """Return how weights change with an optimizer and a schedule of the learning rate."""
    rate = cosine_rate if schedule == "cosine" else constant_rate
    return UpdateRule(partial(make_optimizer, optimizer), rate, line_search if optimizer == "lbfgs" else gradient_step)


def make_optimizer(name: Optimizer, network: nn.Module, options: TrainingOptions) -> torch.optim.Optimizer:
    """Make the optimizer of torch with this name.

    Weight decay is L2, for ``"adamw"`` decoupled; ``"lbfgs"`` has none of its own, and :func:`line_search` adds it.
    """
    weights, rate, decay = list(network.parameters()), options.learning_rate, options.weight_decay
    makers: dict[str, Callable[[], torch.optim.Optimizer]] = {
        "adam": lambda: torch.optim.Adam(weights, rate, weight_decay=decay),
        "adamw": lambda: torch.optim.AdamW(weights, rate, weight_decay=decay),
        "sgd": lambda: torch.optim.SGD(weights, rate, weight_decay=decay),
        "momentum": lambda: torch.optim.SGD(weights, rate, momentum=MOMENTUM, dampening=MOMENTUM, weight_decay=decay),
        "adagrad": lambda: torch.optim.Adagrad(weights, rate, weight_decay=decay),
        "rmsprop": lambda: torch.optim.RMSprop(weights, rate, weight_decay=decay),
        "lbfgs": lambda: _with_decay(torch.optim.LBFGS(weights, rate, line_search_fn="strong_wolfe"), decay),
    }
    return makers[name]()


def _with_decay(optimizer: torch.optim.Optimizer, decay: float) -> torch.optim.Optimizer:
    optimizer.param_groups[0]["decay"] = decay
    return optimizer


def constant_rate(epoch: int, options: TrainingOptions) -> float:
    """The learning rate of the options, in every epoch."""
    return options.learning_rate


def line_search(network: nn.Module, optimizer: torch.optim.Optimizer, loss: Callable[[], Tensor]) -> tuple[float, bool]:
    """A step of L-BFGS, which needs gradients that are not clipped, of one function: dropout must not change."""
    seed, decay = int(torch.randint(2**62, ())), optimizer.param_groups[0]["decay"]

    def closure() -> Tensor:
        optimizer.zero_grad()
        torch.manual_seed(seed)
        value: Tensor = loss() + 0.5 * decay * sum((weight**2).sum() for weight in network.parameters())
        value.backward()  # type: ignore[no-untyped-call]
        return value

    value = optimizer.step(closure)  # type: ignore[arg-type]
    return float(value.detach()), True  # type: ignore[attr-defined]
