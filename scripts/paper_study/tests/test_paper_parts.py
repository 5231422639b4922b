"""Parts of the study: the paper's objective, what is measured, baselines, and networks of one size."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
import torch

from osimopt import InputError
from osimopt.surrogate.training import TrainingOptions
from paper_study.baselines import BASELINES, baselines
from paper_study.last_frame import NETWORKS, WEIGHTS, AtTheEnd, Bounded, Elman, count_weights, sized
from paper_study.measures import EDGES, errors, histogram, latency, spread
from paper_study.noise import add_noise
from paper_study.objective import loss_of, objective, violation
from paper_study.optimizers import make_optimizer
from paper_study.scaling import Scaling
from paper_study.windows import Windows

pytestmark = pytest.mark.slow


def waves(trial: str = "a", phase: float = 0.0, ahead: float = 0.02) -> Windows:
    """Windows of two sines; the load is the first, the displacement the second, ``ahead`` s later."""
    time = 0.01 * np.arange(200)
    signal = np.stack([np.sin(5.0 * time + phase), 0.5 * np.cos(3.0 * time + phase)], axis=1)
    start = np.arange(0, 150)
    inputs = np.stack([signal[first : first + 10] for first in start])
    later = 9 + round(ahead / 0.01)
    return Windows(
        "waves", 0.01, ahead, ("load", "angle"), ("load",), ("angle",), inputs, signal[start + later, :1],
        signal[start + later, 1:], np.stack([signal[start + 8], signal[start + 9]], axis=1), time[start],
        np.full(150, trial), np.full(150, "s"), np.full(150, "t"), {"load": "N·m", "angle": "rad"}, {},
    )  # fmt: skip


def test_objective_is_equation_2() -> None:
    said, asked = np.array([[1.0, 0.0, 2.0], [0.0, 1.0, 0.0]]), np.zeros((2, 3))
    loads = (1.0 + 0.0 + 0.0 + 1.0) / 4
    assert objective(said, asked, 2, 0.5) == pytest.approx(loads + 0.5 * 4.0 / 2)
    assert objective(said, asked, 3, 0.5) == pytest.approx(6.0 / 6)
    assert objective(said, asked, 0, 0.5) == pytest.approx(6.0 / 6)
    x = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda y: objective(y, torch.zeros(4, 3, dtype=torch.float64), 2, 0.3), (x,))


def test_weight_decay_of_twice_lambda_is_equation_7() -> None:
    """One step of gradient descent on L + λ ‖w‖², written out and by the option."""
    rate, penalty = 0.1, 0.03
    x, y = torch.randn(5, 4, 2), torch.randn(5, 3)

    def stepped(decay: float, written: float) -> torch.Tensor:
        torch.manual_seed(0)
        network = AtTheEnd("mlp", 2, 3, 8)
        loss = loss_of(2)(network, x, y) + written * sum((w**2).sum() for w in network.parameters())
        optimizer = make_optimizer("sgd", network, TrainingOptions(learning_rate=rate, weight_decay=decay))
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return torch.cat([w.detach().ravel() for w in network.parameters()])

    torch.testing.assert_close(stepped(2.0 * penalty, 0.0), stepped(0.0, penalty), rtol=0.0, atol=1e-7)
    assert not torch.equal(stepped(0.0, 0.0), stepped(0.0, penalty))


def test_momentum_is_equations_5_and_6() -> None:
    """v ← β v + (1 − β) g, w ← w − η v, on a quadratic; torch begins with v = g."""
    w = torch.nn.Linear(1, 1, bias=False).double()
    options = TrainingOptions(learning_rate=0.1, weight_decay=0.0)
    optimizer, value = make_optimizer("momentum", w, options), float(w.weight.detach())
    velocity = value
    for step in range(4):
        optimizer.zero_grad()
        (0.5 * w.weight**2).sum().backward()
        velocity = value if step == 0 else 0.9 * velocity + 0.1 * value
        value -= 0.1 * velocity
        optimizer.step()
        assert float(w.weight.detach()) == pytest.approx(value, abs=1e-12)


def test_elman_is_equation_1() -> None:
    """y_t = σ(W_h y_{t-1} + W_x x_t + b), written out; an LSTM of the same weights has four times as many."""
    torch.manual_seed(0)
    layer, x = Elman(3, 6, 1).double(), torch.randn(2, 9, 3, dtype=torch.float64)
    w_x, w_h, b_x, b_h = (
        getattr(layer.cells, f"{name}_l0") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    y, by_hand = torch.zeros(len(x), 6, dtype=torch.float64), []
    for t in range(x.shape[1]):
        y = torch.tanh(y @ w_h.T + x[:, t] @ w_x.T + b_x + b_h)
        by_hand.append(y)
    assert torch.allclose(layer(x), torch.stack(by_hand, dim=1), atol=1e-12)
    assert count_weights(torch.nn.LSTM(3, 6)) == 4 * count_weights(layer)


def test_elman_is_causal_and_uses_every_weight() -> None:
    torch.manual_seed(0)
    layer, x = Elman(3, 6, 2).double(), torch.randn(2, 12, 3, dtype=torch.float64)
    before = layer(x)
    before.square().sum().backward()
    assert all(weight.grad is not None and weight.grad.abs().max() > 0.0 for weight in layer.parameters())
    for frame in range(12):
        other = x.clone()
        other[:, frame + 1 :] = math.nan
        assert torch.equal(layer(other)[:, : frame + 1], before[:, : frame + 1])


def test_errors_say_what_they_are() -> None:
    random = np.random.default_rng(0)
    asked = random.uniform(size=(1000, 3))
    said = asked + 0.01 * random.standard_normal((1000, 3))
    told = errors(said, asked)
    assert told["mse"] == pytest.approx(1e-4, rel=0.1)
    assert told["psnr"] == pytest.approx(10.0 * math.log10(1.0 / told["mse"]))
    assert told["mae"] == pytest.approx(0.01 * math.sqrt(2.0 / math.pi), rel=0.1)
    assert told["r2"] == pytest.approx(1.0 - 1e-4 / (1.0 / 12.0), abs=1e-3)
    assert told["share_of_peak"] == pytest.approx(0.01, rel=0.1)
    assert errors(asked, asked)["psnr"] == math.inf
    flat = errors(np.zeros((5, 1)), np.zeros((5, 1)))
    assert math.isnan(flat["r"])
    assert sum(histogram(said, asked)) == 3000
    assert histogram(np.full((1, 1), 9.0), np.zeros((1, 1)))[-1] == 1
    assert len(EDGES) == len(histogram(said, asked)) + 1


def test_latency_and_spread() -> None:
    calls: list[int] = []
    told = latency(lambda: calls.append(1), 50)
    assert len(calls) == 80
    assert 0.0 <= told["median_ms"] <= told["p99_ms"]
    assert spread([1.0, 2.0, 3.0, None, math.nan])["median"] == 2.0
    assert spread([])["n"] == 0


def test_baselines_know_what_they_should() -> None:
    training, other = waves(), waves("b", 0.4)

    def inputs(windows: Windows) -> Any:
        return windows.inputs

    def targets(windows: Windows) -> Any:
        return windows.target

    made = baselines(training, other, inputs, targets)
    assert tuple(made) == BASELINES
    mse = {name: float(np.mean((call(other) - other.target) ** 2)) for name, call in made.items()}
    assert mse["ridge"] < 1e-6  # two sines are linear in their past
    assert mse["ridge"] < mse["linear extrapolation"] < mse["persistence"] < mse["mean"]
    assert made["mean"](other)[0] == pytest.approx(training.target.mean(axis=0))
    assert made["persistence"](other) == pytest.approx(other.inputs[:, -1])


def test_windows_join_like_with_like() -> None:
    whole = Windows.join([waves("a"), waves("b", 1.0)])
    assert len(whole) == 300
    assert whole.targets == ("load", "angle")
    assert set(whole.pick(whole.trial == "b").trial) == {"b"}
    with pytest.raises(InputError, match="one trial or more"):
        Windows.join([])
    with pytest.raises(InputError, match="windows of load, angle"):
        Windows.join([waves(), Windows(**{**vars(waves()), "signals": ("load", "speed")})])


@pytest.mark.parametrize("kind", NETWORKS)
def test_networks_are_of_one_size_and_causal(kind: str) -> None:
    network = sized(kind, 6, 5)
    assert count_weights(network) == pytest.approx(WEIGHTS, rel=0.15)
    assert network(torch.randn(3, 20, 6)).shape == (3, 5)
    with pytest.raises(InputError, match="a network among"):
        sized("transformer", 6, 5)


def test_constraints_hold_by_construction() -> None:
    """Equation (3) for activations: whatever a network says, in training and in use; gradients lead back inside."""
    torch.manual_seed(0)
    lower, upper = torch.tensor([0.0, 0.1]), torch.tensor([1.0, 0.4])
    network = Bounded(AtTheEnd("cnn", 3, 4, 8), lower, upper)
    x = 100.0 * torch.randn(50, 10, 3)
    for training in (True, False):
        said = network.train(training)(x)
        assert violation(said.detach().numpy(), lower.numpy(), upper.numpy()) <= 1e-6
    assert violation(network.network(x).detach().numpy(), lower.numpy(), upper.numpy()) > 0.1
    network.train()(x).sum().backward()
    assert all(float(w.grad.abs().sum()) > 0.0 for w in network.network.network[-1].parameters())


def test_scaling_knows_training_only_and_goes_back() -> None:
    training, other = waves(), waves("b", 1.0)
    scaling = Scaling.of(training)
    scaled = scaling.inputs(training)
    assert (scaled.min(), scaled.max()) == (0.0, 1.0)
    assert scaling.untarget(scaling.targets(other)) == pytest.approx(other.target, abs=1e-12)
    again = Scaling.from_dict(json.loads(json.dumps(scaling.to_dict())))
    assert np.array_equal(again.inputs(other), scaling.inputs(other))
    flat = Windows(**{**vars(training), "inputs": np.ones_like(training.inputs)})
    assert (Scaling.of(flat).inputs(flat) == 0.0).all()


def test_noise_is_as_much_as_said() -> None:
    clean = np.full((50, 20, 6), 0.3)
    gaussian, salted = (add_noise(clean, kind, 0) for kind in ("gaussian", "salt-and-pepper"))
    assert np.std(gaussian - clean) == pytest.approx(0.05, rel=0.05)
    assert np.mean(salted != clean) == pytest.approx(0.1, abs=0.01)
    assert set(np.unique(salted)) == {0.0, 0.3, 1.0}
    assert np.array_equal(gaussian, add_noise(clean, "gaussian", 0))
    assert not np.array_equal(gaussian, add_noise(clean, "gaussian", 1))
    assert add_noise(clean, "none", 0) is clean
    with pytest.raises(InputError, match="noise among"):
        add_noise(clean, "pink", 0)  # type: ignore[arg-type]
