"""Ranges of training: constants, and values outside of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from osimopt import InputError
from osimopt.surrogate.architecture import SLACK, Scaler


def samples(seed: int = 0, count: int = 200) -> np.ndarray:
    """A constant, a column whose mean is far larger than what it varies by, and ordinary ones."""
    random = np.random.default_rng(seed)
    columns = random.standard_normal((count, 4)) * [1.0, 1e-4, 1e3, 2.0] + [0.0, 5.0, -1e4, 3.0]
    return np.column_stack([columns, np.full(count, 7.0)])


def test_moments_of_the_samples() -> None:
    values = samples()
    scaler = Scaler.of(values)
    assert np.array_equal(scaler.mean, values.mean(axis=0))
    assert np.array_equal(scaler.std[:4], values.std(axis=0)[:4])
    assert scaler.std[4] == 1.0
    assert Scaler.of(0.1 * np.ones((3, 1))).std[0] == 1.0


def test_tensors_are_judged_as_arrays() -> None:
    values, scaler = samples(1), Scaler.of(samples())
    outside = scaler.outside(torch.from_numpy(values).requires_grad_())
    assert np.array_equal(outside, scaler.outside(values))
    assert outside.any()


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


@pytest.mark.parametrize(
    ("values", "names", "said"),
    [
        (np.zeros((0, 3)), (), r"shape \(0, 3\)"),
        (np.zeros((3, 0)), (), r"shape \(3, 0\)"),
        (np.zeros(3), (), r"shape \(3,\)"),
        ([[1.0, np.nan]], (), "with 1 values that are not"),
    ],
)
def test_wrong_samples(values: Any, names: tuple[str, ...], said: str) -> None:
    with pytest.raises(InputError, match=said):
        Scaler.of(values, names)
