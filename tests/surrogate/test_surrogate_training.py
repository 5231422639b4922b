"""Training: steps by their formulas, stopped early, resumed to the very same result, never spoilt for good."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from osimopt import InputError, SolverError
from osimopt.surrogate.architecture import Architecture, build
from osimopt.surrogate.folder import CHECKPOINT as FILE
from osimopt.surrogate.training import History, Optimizer, TrainingOptions, UpdateRule, cosine_rate
from osimopt.surrogate.training import fit as fit_with

OPTIMIZERS = get_args(Optimizer)
#: A few operations in double precision.
ROUNDING = 1e-12
CURVATURE, CENTER = np.array([0.1, 0.5, 0.2]), np.array([0.3, -0.2, 0.5])
FIRST = np.array([1.0, -0.5, 0.8])
RATE, DECAY = 0.02, 0.03
OPTIONS = TrainingOptions(epochs=1, batch_size=64, learning_rate=RATE, weight_decay=DECAY)


def constant_rate(epoch: int, options: TrainingOptions) -> float:
    return options.learning_rate


def gradient_descent(network: nn.Module, options: TrainingOptions) -> torch.optim.Optimizer:
    return torch.optim.SGD(network.parameters(), options.learning_rate)


CONSTANT = UpdateRule(rate=constant_rate)
DESCENT = UpdateRule(gradient_descent, constant_rate)
fit = partial(fit_with, rule=CONSTANT)


class Point(nn.Module):
    """Three weights and nothing else."""

    def __init__(self, weight: Any = FIRST) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight, dtype=torch.float64))


def quadratic(network: nn.Module, rows: Tensor) -> Tensor:
    curvature, center = torch.from_numpy(CURVATURE), torch.from_numpy(CENTER)
    return 0.5 * (curvature * (network.weight - center) ** 2).sum() + 0.0 * rows.sum()


def rows(count: int = 8) -> tuple[Tensor, ...]:
    return (torch.arange(count, dtype=torch.float64),)


def moved(optimizer: str, steps: int) -> np.ndarray:
    """Weights after some steps, by the formulas of the optimizers' papers with the constants of torch."""
    weight, first, second = FIRST.copy(), np.zeros(3), np.zeros(3)
    for step in range(1, steps + 1):
        slope = CURVATURE * (weight - CENTER) + (0.0 if optimizer == "adamw" else DECAY * weight)
        weight = weight * (1.0 - RATE * DECAY) if optimizer == "adamw" else weight
        first, second = 0.9 * first + 0.1 * slope, 0.999 * second + 0.001 * slope**2
        scaled = np.sqrt(second / (1.0 - 0.999**step)) + 1e-8
        weight = weight - RATE * first / (1.0 - 0.9**step) / scaled
    return weight


# ---------------------------------------------------------------------------------------------------------- steps


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("steps", [1, 3])
def test_steps_by_their_formulas(optimizer: Any, steps: int) -> None:
    network = Point()
    history = fit(network, rows(), rows(2), quadratic, replace(OPTIONS, optimizer=optimizer, epochs=steps))
    assert history.best_epoch == steps
    assert network.weight.detach().numpy() == pytest.approx(moved(optimizer, steps), abs=ROUNDING)


def test_large_gradients_are_cut() -> None:
    network = Point()
    fit(network, rows(), rows(2), lambda *given: 1e6 * quadratic(*given), OPTIONS, rule=DESCENT)
    step = FIRST - network.weight.detach().numpy()
    assert np.linalg.norm(step) == pytest.approx(RATE, rel=1e-9)
    slope = CURVATURE * (FIRST - CENTER)
    assert step / np.linalg.norm(step) == pytest.approx(slope / np.linalg.norm(slope), rel=1e-9)


def test_every_example_once_an_epoch_in_another_order() -> None:
    seen: list[list[float]] = []

    def loss(network: nn.Module, batch: Tensor) -> Tensor:
        if network.training:
            seen.append(batch.tolist())
        return batch.mean() + 0.0 * network.weight.sum()

    def orders(seed: int) -> list[list[float]]:
        seen.clear()
        history = fit(Point(), rows(10), rows(3), loss, replace(OPTIONS, epochs=2, batch_size=4, seed=seed))
        assert [len(batch) for batch in seen] == [4, 4, 2, 4, 4, 2]
        assert history.training == pytest.approx([4.5, 4.5], abs=ROUNDING)
        assert history.validation == pytest.approx([1.0, 1.0], abs=ROUNDING)
        return [[*chain(*seen[:3])], [*chain(*seen[3:])]]

    first = orders(0)
    assert all(sorted(order) == list(range(10)) for order in first)
    assert first[0] != first[1]
    assert orders(0) == first
    assert orders(1) != first


def test_the_callers_random_numbers_are_its_own() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    fit(Point(), rows(), rows(2), quadratic, OPTIONS)
    assert torch.equal(torch.rand(3), expected)


# --------------------------------------------------------------------------------------------------- learning rate


def test_cosine_rises_and_falls() -> None:
    options = TrainingOptions(epochs=200, learning_rate=2.0)
    rates = [cosine_rate(epoch, options) for epoch in range(1, 201)]
    peak = int(np.argmax(rates))
    assert 18 <= peak <= 21
    assert (np.diff(rates[: peak + 1]) > 0.0).all()
    assert (np.diff(rates[peak:]) < 0.0).all()
    assert max(rates) == pytest.approx(2.0, rel=0.03)
    assert rates[-1] == pytest.approx(0.04, rel=0.01)


def test_history_has_the_rates() -> None:
    options = replace(OPTIONS, epochs=5)
    history = fit_with(Point(), rows(), rows(2), quadratic, options)
    assert history.rate == [cosine_rate(epoch, options) for epoch in range(1, 6)]


# ------------------------------------------------------------------------------------------------- early stopping


def scripted(losses: list[float]) -> Callable[..., Tensor]:
    """Validation losses as they are listed, the first before training; each epoch of one batch moves weights by 1."""
    left: Iterator[float] = iter(losses)

    def loss(network: nn.Module, batch: Tensor) -> Tensor:
        return network.weight.sum() / math.sqrt(3.0) if network.training else torch.tensor(next(left))

    return loss


def stepped(losses: list[float], epochs: int, patience: int) -> tuple[History, float]:
    """The history, and by how many steps the weights that were kept had moved."""
    network = Point()
    options = replace(OPTIONS, epochs=epochs, patience=patience)
    history = fit(network, rows(), rows(2), scripted(losses), options, rule=DESCENT)
    return history, float(np.linalg.norm(FIRST - network.weight.detach().numpy())) / RATE


@pytest.mark.parametrize(
    ("losses", "patience", "best", "stopped"),
    [
        ([9.0, 5.0, 4.0, 3.0, 2.0, 1.0, 0.5], 2, 6, 6),
        ([9.0, 5.0, 4.0, 6.0, 7.0, 1.0, 0.5], 2, 2, 4),
        ([9.0, 5.0, 4.0, 6.0, 7.0, 1.0, 0.5], 3, 6, 6),
        ([9.0, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0], 4, 1, 5),
        ([9.0, math.nan, 4.0, math.nan, math.inf, 6.0, 6.0], 4, 2, 6),
    ],
)
def test_it_ends_where_nothing_gets_better(losses: list[float], patience: int, best: int, stopped: int) -> None:
    history, steps = stepped(losses, 6, patience)
    assert history.best_epoch == best
    assert len(history.validation) == len(history.training) == len(history.rate) == stopped
    assert steps == pytest.approx(best, rel=1e-5)
    assert history.untrained == 9.0


def test_no_loss_that_is_a_number() -> None:
    with pytest.raises(SolverError, match="the validation loss is not finite in any epoch"):
        stepped([math.nan] * 4, 3, 5)


def test_gradients_that_are_no_numbers_move_nothing() -> None:
    def loss(network: nn.Module, batch: Tensor) -> Tensor:
        spoilt = (network.weight[:1] * 0.0).sqrt().sum() if network.training and 3.0 in batch else 0.0
        return quadratic(network, batch) + spoilt

    network = Point()
    history = fit(network, rows(4), rows(2), loss, replace(OPTIONS, optimizer="adam", batch_size=1))
    assert history.skipped == 1
    assert network.weight.detach().numpy() == pytest.approx(moved("adam", 3), abs=ROUNDING)
    with pytest.raises(SolverError, match="the gradient is not finite"):
        fit(Point(), rows(4), rows(2), loss, OPTIONS)


def test_progress_and_the_state_it_ends_in() -> None:
    told: list[Any] = []
    network = build(Architecture(width=4, dropout=0.5), 3, 2)
    history = fit(network, *examples(), mean_square, replace(OPTIONS, epochs=3), None, lambda *said: told.append(said))
    assert told == [(n + 1, 3, history.training[n], history.validation[n]) for n in range(3)]
    assert not network.training
    assert history.seconds > 0.0


# --------------------------------------------------------------------------------------------------------- resumed


def examples() -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    random = torch.Generator().manual_seed(7)
    x = torch.randn(40, 5, 3, generator=random)
    y = torch.stack([x.prod(dim=2), x[..., 0].abs()], dim=2)
    return (x[:30], y[:30]), (x[30:], y[30:])


def mean_square(network: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    out: Tensor = ((network(x) - y) ** 2).mean()
    return out


def trained(
    options: TrainingOptions, folder: Path | None, stop: int | None = None, loss: Any = mean_square
) -> tuple[nn.Module, History]:
    """A network with first weights that are always the same; ``stop`` raises after so many epochs."""
    torch.manual_seed(11)
    network = build(Architecture("cnn+lstm", width=6, depth=1, kernel=3, dropout=0.2), 3, 2)
    torch.rand(3 if stop is None else stop)

    def progress(epoch: int, *_: object) -> None:
        if epoch == stop:
            raise KeyboardInterrupt

    return network, fit_with(network, *examples(), loss, options, folder, progress)


def same(one: tuple[nn.Module, History], other: tuple[nn.Module, History]) -> bool:
    weights = [network.state_dict() for network, _ in (one, other)]
    told = [str({**vars(history), "seconds": 0.0}) for _, history in (one, other)]
    return told[0] == told[1] and all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.slow
def test_resumed_is_uninterrupted_bit_for_bit(optimizer: Any, tmp_path: Path) -> None:
    options = TrainingOptions(epochs=3, batch_size=20, optimizer=optimizer, learning_rate=0.01)
    whole = trained(options, None)
    assert same(whole, trained(options, None))
    for stop in (1, 2):
        with pytest.raises(KeyboardInterrupt):
            trained(options, tmp_path, stop)
    assert same(whole, trained(options, tmp_path))
    assert same(whole, trained(options, tmp_path))


@pytest.mark.slow
def test_resumed_and_stopped_early(tmp_path: Path) -> None:
    options = TrainingOptions(epochs=30, batch_size=8, learning_rate=3.0, patience=4)
    whole = trained(options, None)
    epochs = len(whole[1].training)
    assert 4 < epochs < 30
    for stop in range(1, epochs, 2):
        with pytest.raises(KeyboardInterrupt):
            trained(options, tmp_path, stop)
    assert same(whole, trained(options, tmp_path))


def test_resumed_after_an_epoch_that_broke_off(tmp_path: Path) -> None:
    options = TrainingOptions(epochs=4, batch_size=8, learning_rate=0.01)
    calls = 0

    def breaking(*given: Any) -> Tensor:
        nonlocal calls
        calls += 1
        if calls == 15:
            raise KeyboardInterrupt
        return mean_square(*given)

    with pytest.raises(KeyboardInterrupt):
        trained(options, tmp_path, loss=breaking)
    assert (tmp_path / FILE).is_file()
    assert same(trained(options, None), trained(options, tmp_path))


def test_a_training_that_has_ended_is_not_repeated(tmp_path: Path) -> None:
    options = TrainingOptions(epochs=2, batch_size=8)
    first = trained(options, tmp_path)
    again = trained(options, tmp_path, stop=1)
    assert same(first, again)
    assert not again[0].training


def test_a_checkpoint_that_cannot_be_written_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = TrainingOptions(epochs=3, batch_size=8)
    with pytest.raises(KeyboardInterrupt):
        trained(options, tmp_path, 2)
    before = (tmp_path / FILE).read_bytes()

    def full(*_: object) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as patched:
        patched.setattr("pathlib.Path.replace", full)
        with pytest.raises(OSError, match="no space left"):
            trained(options, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
    assert (tmp_path / FILE).read_bytes() == before


# ----------------------------------------------------------------------------------------------------- checkpoints


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    with pytest.raises(KeyboardInterrupt):
        trained(TrainingOptions(epochs=3, batch_size=8), tmp_path, 1)
    return tmp_path


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"seed": 1}, "seed 0 in place of 1"),
        ({"epochs": 4}, "epochs 3 in place of 4"),
        ({"optimizer": "adam"}, "optimizer 'adamw' in place of 'adam'"),
        ({"learning_rate": 1e-3}, "learning_rate .* in place of 0.001"),
    ],
)
def test_a_checkpoint_of_other_options(stopped: Path, other: dict[str, Any], said: str) -> None:
    before = (stopped / FILE).read_bytes()
    with pytest.raises(InputError, match=rf"checkpoint\.safetensors: .*got that of another training: {said}.*Give the"):
        trained(replace(TrainingOptions(epochs=3, batch_size=8), **other), stopped)
    assert (stopped / FILE).read_bytes() == before


def test_a_checkpoint_of_another_loss(stopped: Path) -> None:
    with pytest.raises(InputError, match="a checkpoint of the same loss"):
        trained(TrainingOptions(epochs=3, batch_size=8), stopped, loss=lambda *given: 1.1 * mean_square(*given))


@pytest.mark.parametrize("change", ["weights", "training", "validation", "dropout"])
def test_a_checkpoint_of_other_data_or_weights(stopped: Path, change: str) -> None:
    torch.manual_seed(12 if change == "weights" else 11)
    dropout = 0.3 if change == "dropout" else 0.2
    network = build(Architecture("cnn+lstm", width=6, depth=1, kernel=3, dropout=dropout), 3, 2)
    training, validation = examples()
    if change in ("training", "validation"):
        (training if change == "training" else validation)[0][0, 0, 0] += 1e-6
    with pytest.raises(InputError, match="another training"):
        fit(network, training, validation, mean_square, TrainingOptions(epochs=3, batch_size=8), stopped)


@pytest.mark.parametrize("place", [0.0, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.999])
def test_a_checkpoint_with_a_flipped_byte(stopped: Path, place: float) -> None:
    content = bytearray((stopped / FILE).read_bytes())
    content[int(place * len(content))] ^= 1
    (stopped / FILE).write_bytes(content)
    with pytest.raises(InputError, match=r"checkpoint\.safetensors"):
        trained(TrainingOptions(epochs=3, batch_size=8), stopped)


@pytest.mark.parametrize("length", [0, 4, 100, -1])
def test_a_checkpoint_cut_short(stopped: Path, length: int) -> None:
    (stopped / FILE).write_bytes((stopped / FILE).read_bytes()[:length])
    with pytest.raises(InputError, match="a checkpoint of a training"):
        trained(TrainingOptions(epochs=3, batch_size=8), stopped)


def test_a_checkpoint_of_something_else(stopped: Path) -> None:
    assert "training" in load_file(stopped / FILE)
    save_file({"weight": torch.ones(3)}, stopped / FILE)
    with pytest.raises(InputError, match="a checkpoint of a training"):
        trained(TrainingOptions(epochs=3, batch_size=8), stopped)


# ------------------------------------------------------------------------------------------------------ wrong input


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"optimizer": "magic"}, r"optimizer among adam, adamw, got 'magic'"),
        ({"epochs": 0}, "epochs as a whole number ≥ 1"),
        ({"batch_size": 2.5}, "batch_size as a whole number"),
        ({"patience": True}, "patience as a whole number"),
        ({"seed": -1}, "seed as a whole number ≥ 0"),
        ({"learning_rate": 0.0}, "learning_rate above 0"),
        ({"learning_rate": math.nan}, "learning_rate above 0"),
        ({"learning_rate": "fast"}, "learning_rate above 0, got 'fast'"),
        ({"weight_decay": -1.0}, "weight_decay 0 or more"),
        ({"mixed_precision": True}, "mixed_precision on an accelerator"),
        ({"mixed_precision": True, "device": "torch"}, "mixed_precision on an accelerator, got device='torch'"),
    ],
)
def test_wrong_options(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        TrainingOptions(**options)


@pytest.mark.parametrize(
    ("training", "validation", "said"),
    [
        (rows(0), rows(2), "tensors of training.*got 0 rows"),
        (rows(4), rows(0), "tensors of validation.*got 0 rows"),
        ((*rows(4), *rows(3)), rows(2), "tensors of training.*got 3, 4 rows"),
        ((), rows(2), "tensors of training.*got no rows"),
    ],
)
def test_wrong_examples(training: Any, validation: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        fit(Point(), training, validation, quadratic, OPTIONS)


def test_no_such_device() -> None:
    with pytest.raises(InputError, match="device among 'cpu'"):
        fit(Point(), rows(), rows(2), quadratic, replace(OPTIONS, device="nowhere"))


def test_an_empty_history_has_no_best_epoch() -> None:
    assert History().best_epoch == 0
    assert History(validation=[math.nan, math.inf]).best_epoch == 0
    assert History(validation=[math.nan, 2.0, 1.0, 1.0]).best_epoch == 3
