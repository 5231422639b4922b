"""Functions in pieces: values, slopes and curvatures."""

from __future__ import annotations

import numpy as np
from multibody_cases import CURVED, IDENTITY, functions

from osimopt.multibody.description import Functions
from osimopt.multibody.functions import evaluate

ROUNDING = 1e-14


def test_pieces_and_sine_in_closed_form() -> None:
    x = np.array([[-0.7, 0.1, 0.2, 0.9]])
    value, slope, curvature = evaluate(functions(), np.array([CURVED]), x)
    low, high = np.polynomial.Polynomial([0.1, 0.4, -0.3, 0.2]), np.polynomial.Polynomial([0.12, 0.46, 0.3, -0.1])
    sine = [0.15 * np.sin(2 * x + 0.3), 0.3 * np.cos(2 * x + 0.3), -0.6 * np.sin(2 * x + 0.3)]
    for order, found in enumerate((value, slope, curvature)):
        pieces = np.where(x < 0.2, low.deriv(order)(x), high.deriv(order)(x - 0.2)) if order else np.where(
            x < 0.2, low(x), high(x - 0.2)
        )  # fmt: skip
        np.testing.assert_allclose(found, pieces + sine[order], rtol=0.0, atol=ROUNDING)


def test_functions_of_several_kinds_keep_their_order() -> None:
    rows = np.array([CURVED, IDENTITY, CURVED, IDENTITY])
    x = np.random.default_rng(0).uniform(-1.0, 1.0, (4, 5))
    together = evaluate(functions(), rows, x)
    for row in range(4):
        alone = evaluate(functions(), rows[row : row + 1], x[row : row + 1])
        for one, other in zip(together, alone, strict=True):
            np.testing.assert_array_equal(one[row], other[0])


def test_many_breaks_and_constants() -> None:
    """A staircase of ten steps beside a constant, one of them with unused ends of its breaks."""
    breaks = np.full((2, 9), np.inf)
    breaks[0] = np.arange(1, 10)
    coefficients = np.zeros((2, 10, 1))
    coefficients[0, :, 0], coefficients[1, 0, 0] = np.arange(10) ** 2, 7.0
    stairs = Functions(breaks, np.zeros((2, 10)), coefficients, np.zeros((2, 3)))
    x = np.tile(np.linspace(-1.0, 11.0, 25), (2, 1))
    value, slope, curvature = evaluate(stairs, np.array([0, 1]), x)
    np.testing.assert_array_equal(value[0], np.clip(np.floor(x[0]), 0, 9) ** 2)
    np.testing.assert_array_equal(value[1], 7.0)
    assert not slope.any()
    assert not curvature.any()


def test_none_at_all() -> None:
    assert [part.shape for part in evaluate(functions(), np.zeros(0, dtype=int), np.zeros((0, 3)))] == [(0, 3)] * 3


def test_an_argument_that_is_not_known_has_no_value() -> None:
    value, _, _ = evaluate(functions(), np.array([CURVED, IDENTITY]), np.array([[0.1, np.nan], [np.nan, 0.3]]))
    np.testing.assert_array_equal(np.isnan(value), [[False, True], [True, False]])
