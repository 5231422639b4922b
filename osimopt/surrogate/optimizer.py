"""Optimizers of torch by name, and how learning rates change."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import nn

from .options import TrainingOptions

#: Share of the epochs in which the cosine schedule rises, and of the rate at which it begins and ends.
WARM_UP, LEAST_RATE = 0.1, 0.02
#: Epochs without a better validation loss after which the plateau schedule halves the rate.
PLATEAU = 5
MOMENTUM = 0.9


def make_optimizer(network: nn.Module, options: TrainingOptions) -> torch.optim.Optimizer:
    """The optimizer of torch for these options.

    Weight decay is L2, for ``"adamw"`` decoupled; to ``"lbfgs"``, which has none of its own, training adds it.
    """
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


def rate_at(epoch: int, options: TrainingOptions, losses: list[float]) -> float:
    """Learning rate of an epoch (from 1), from the validation losses of those before."""
    rate = options.learning_rate
    if options.schedule == "cosine":
        done, warm = (epoch - 0.5) / options.epochs, WARM_UP
        rising = LEAST_RATE + (1.0 - LEAST_RATE) * done / warm
        falling = LEAST_RATE + (1.0 - LEAST_RATE) * 0.5 * (1.0 + math.cos(math.pi * (done - warm) / (1.0 - warm)))
        return rate * (rising if done < warm else falling)
    if options.schedule == "plateau":
        return float(rate * 0.5 ** _stalls(losses))
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
