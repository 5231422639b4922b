"""Scaling: there and back, constants, and what lies beyond training."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from osimopt import InputError
from osimopt.surrogate.scaler import SLACK, Scaler

#: Of values relative to the largest in their column: a few roundings.
ROUND_TRIP = 1e-12


def samples(seed: int = 0, count: int = 200) -> np.ndarray:
    """A constant, a column whose mean is far larger than what it varies by, and ordinary ones."""
    random = np.random.default_rng(seed)
    columns = random.standard_normal((count, 4)) * [1.0, 1e-4, 1e3, 2.0] + [0.0, 5.0, -1e4, 3.0]
    return np.column_stack([columns, np.full(count, 7.0)])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 50))
def test_there_and_back(seed: int, count: int) -> None:
    values = samples(seed, count)
    scaler = Scaler.of(values)
    for other in (values, samples(seed + 1, count)):
        size = np.abs(other).max(axis=0)
        assert (np.abs(scaler.unscale(scaler.scale(other)) - other) <= ROUND_TRIP * size).all()


def test_scaled_samples_have_mean_0_and_deviation_1() -> None:
    values = samples()
    scaled = Scaler.of(values).scale(values)
    assert scaled.mean(axis=0) == pytest.approx(np.zeros(5), abs=1e-9)
    assert scaled.std(axis=0) == pytest.approx([1.0, 1.0, 1.0, 1.0, 0.0], abs=1e-9)


def test_constants_are_moved_only() -> None:
    scaler = Scaler.of(samples())
    assert scaler.std[4] == 1.0
    assert scaler.scale(np.full((1, 5), 9.0))[0, 4] == pytest.approx(2.0)
    assert Scaler.of(0.1 * np.ones((3, 1))).std[0] == 1.0


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_torch_is_numpy(kind: torch.dtype) -> None:
    values, scaler = samples(), Scaler.of(samples())
    tensor = torch.from_numpy(values).to(kind)
    scaled = scaler.scale(tensor)
    assert scaled.dtype == kind
    if kind == torch.float64:
        assert np.array_equal(scaled.numpy(), scaler.scale(values))
        assert np.array_equal(scaler.unscale(scaled).numpy(), scaler.unscale(scaler.scale(values)))
    assert np.array_equal(scaler.outside(tensor.requires_grad_()), scaler.outside(tensor.detach().numpy()))


def test_gradients_pass() -> None:
    scaler = Scaler.of(samples())
    value = torch.ones(2, 5, dtype=torch.float64, requires_grad=True)
    scaler.scale(value).sum().backward()
    assert value.grad is not None
    assert value.grad.numpy() == pytest.approx(np.tile(1.0 / scaler.std, (2, 1)), rel=1e-12)


# ------------------------------------------------------------------------------------------------ beyond training


def test_training_is_inside() -> None:
    values = samples()
    assert not Scaler.of(values).outside(values).any()


@pytest.mark.parametrize("beyond", [0.5, 0.99, 1.01, 2.0])
@pytest.mark.parametrize("end", ["low", "high"])
def test_a_slack_at_both_ends(beyond: float, end: str) -> None:
    scaler = Scaler.of(np.linspace(2.0, 4.0, 20)[:, None])
    edge, sign = (scaler.high, 1.0) if end == "high" else (scaler.low, -1.0)
    value = edge + sign * beyond * SLACK * (scaler.high - scaler.low)
    assert scaler.outside(value[None]).tolist() == [[beyond > 1.0]]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_outside(value: float) -> None:
    values = samples(count=3)
    values[1, 2] = value
    outside = Scaler.of(samples()).outside(values)
    assert outside[1, 2]


def test_a_constant_that_changes_is_outside() -> None:
    scaler = Scaler.of(np.full((5, 1), 7.0))
    assert scaler.outside([[7.0], [7.0 + 1e-12], [7.001], [6.999]]).ravel().tolist() == [False, False, True, True]


# ---------------------------------------------------------------------------------------------------------- files


def test_as_arrays_and_back() -> None:
    scaler = Scaler.of(samples(), ["a", "b", "c", "d", "e"])
    told = {name: torch.as_tensor(array) for name, array in scaler.arrays().items()}
    again = Scaler.from_arrays(told, scaler.names)
    assert again.names == ("a", "b", "c", "d", "e")
    for name in ("mean", "std", "low", "high"):
        assert np.array_equal(getattr(again, name), getattr(scaler, name))


@pytest.mark.parametrize(
    ("values", "names", "said"),
    [
        (np.zeros((0, 3)), (), r"shape \(0, 3\)"),
        (np.zeros((3, 0)), (), r"shape \(3, 0\)"),
        (np.zeros(3), (), r"shape \(3,\)"),
        ([[1.0, np.nan]], (), "1 no numbers"),
        ([[1.0, 2.0]], ("a",), "a name for each feature, got 1 for 2"),
    ],
)
def test_wrong_samples(values: Any, names: tuple[str, ...], said: str) -> None:
    with pytest.raises(InputError, match=said):
        Scaler.of(values, names)
