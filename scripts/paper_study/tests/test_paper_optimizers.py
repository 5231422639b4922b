"""Optimizers of the study: steps by their formulas; L-BFGS searches along one function, with unclipped gradients."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest
import torch
from test_surrogate_training import CENTER, CURVATURE, DECAY, FIRST, OPTIONS, RATE, ROUNDING, Point, quadratic, rows
from torch import Tensor, nn

from osimopt.surrogate.training import History, TrainingOptions, fit
from paper_study.optimizers import Optimizer, make_optimizer, rule_of

pytestmark = pytest.mark.slow

#: L-BFGS of torch ends where the loss changes by 1e-9: √(2 · 1e-9 / 0.1) of a weight with curvature 0.1, and a little.
LBFGS_ENDS = 2e-4


def fitted(optimizer: Any, network: nn.Module, loss: Any, options: TrainingOptions, count: int = 8) -> History:
    return fit(network, rows(count), rows(2), loss, options, rule=rule_of(optimizer, "constant"))


def moved(optimizer: str, steps: int) -> np.ndarray:
    """Weights after some steps, by the formulas of the optimizers' papers with the constants of torch."""
    weight, first, second = FIRST.copy(), np.zeros(3), np.zeros(3)
    for step in range(1, steps + 1):
        slope = CURVATURE * (weight - CENTER) + (0.0 if optimizer == "adamw" else DECAY * weight)
        if optimizer == "sgd":
            weight = weight - RATE * slope
        if optimizer == "momentum":
            first = slope if step == 1 else 0.9 * first + 0.1 * slope
            weight = weight - RATE * first
        if optimizer in ("adam", "adamw"):
            weight = weight * (1.0 - RATE * DECAY) if optimizer == "adamw" else weight
            first, second = 0.9 * first + 0.1 * slope, 0.999 * second + 0.001 * slope**2
            scaled = np.sqrt(second / (1.0 - 0.999**step)) + 1e-8
            weight = weight - RATE * first / (1.0 - 0.9**step) / scaled
        if optimizer == "adagrad":
            second = second + slope**2
            weight = weight - RATE * slope / (np.sqrt(second) + 1e-10)
        if optimizer == "rmsprop":
            second = 0.99 * second + 0.01 * slope**2
            weight = weight - RATE * slope / (np.sqrt(second) + 1e-8)
    return weight


@pytest.mark.parametrize("optimizer", [name for name in get_args(Optimizer) if name != "lbfgs"])
@pytest.mark.parametrize("steps", [1, 3])
def test_steps_by_their_formulas(optimizer: Any, steps: int) -> None:
    network = Point()
    history = fitted(optimizer, network, quadratic, replace(OPTIONS, epochs=steps))
    assert history.best_epoch == steps
    assert network.weight.detach().numpy() == pytest.approx(moved(optimizer, steps), abs=ROUNDING)


def test_lbfgs_begins_along_the_gradient() -> None:
    network = Point()
    optimizer = make_optimizer("lbfgs", network, OPTIONS)
    optimizer.param_groups[0]["max_iter"] = 1

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = quadratic(network, *rows())
        value.backward()
        return value

    optimizer.step(closure)  # type: ignore[arg-type]
    slope = CURVATURE * (FIRST - CENTER)
    assert np.abs(slope).sum() < 1.0
    moved_by = (FIRST - network.weight.detach().numpy()) / slope
    assert moved_by == pytest.approx(np.full(3, moved_by[0]), rel=1e-9)
    assert moved_by[0] > 0.0


@pytest.mark.parametrize("size", [1.0, 1e3])
def test_lbfgs_finds_the_least_of_a_quadratic(size: float) -> None:
    """Whatever its size: gradients that were cut would mislead the line search."""
    network = Point()
    options = replace(OPTIONS, learning_rate=1.0, weight_decay=size * DECAY)
    fitted("lbfgs", network, lambda *given: size * quadratic(*given), options)
    expected = CURVATURE * CENTER / (CURVATURE + DECAY)
    assert network.weight.detach().numpy() == pytest.approx(expected, abs=LBFGS_ENDS)


def test_lbfgs_searches_along_one_function() -> None:
    """What dropout draws is the same wherever a line search looks, and another for the next batch."""
    drawn: dict[float, set[float]] = {}

    def loss(network: nn.Module, batch: Tensor) -> Tensor:
        if network.training:
            drawn.setdefault(float(batch[0]), set()).add(float(torch.rand(())))
        return quadratic(network, batch)

    fitted("lbfgs", Point(), loss, replace(OPTIONS, batch_size=1), 2)
    assert [len(values) for values in drawn.values()] == [1, 1]
    assert drawn[0.0] != drawn[1.0]
