"""Natural splines: SciPy's, bit by bit."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.interpolate import make_interp_spline
from scipy.linalg import lapack

from osimopt import splines


@pytest.mark.parametrize("degree", [3, 5])
@pytest.mark.parametrize("shape", [(6,), (40, 3), (500, 2, 2)])
def test_values_and_derivatives_are_scipys(degree: int, shape: tuple[int, ...]) -> None:
    random = np.random.default_rng(degree)
    time = np.cumsum(random.uniform(0.5, 1.5, shape[0])) / 100.0
    value = random.normal(size=shape)
    natural = [(order, np.zeros(shape[1:])) for order in range((degree + 1) // 2, degree)]
    expected, found = (
        make_interp_spline(time, value, degree, bc_type=(natural, natural)),
        splines.natural_spline(time, value, degree),
    )
    np.testing.assert_array_equal(found.t, expected.t)
    np.testing.assert_array_equal(found.c, expected.c)
    times = np.concatenate([time, random.uniform(time[0] - 0.1, time[-1] + 0.1, 100)])
    for order in range(degree + 1):
        np.testing.assert_array_equal(found.derivative(order)(times), expected.derivative(order)(times))
    np.testing.assert_array_equal(found(time[2]), expected(time[2]))


def test_samples_that_determine_no_spline_are_refused() -> None:
    time = np.arange(6.0)
    with pytest.raises(ValueError, match="infs or NaNs"):
        splines.natural_spline(time, np.full(6, np.nan), 5)
    with pytest.raises(ValueError, match="increase"):
        splines.natural_spline(time[::-1], time, 5)


def test_the_solver_is_found_where_scipy_keeps_it_or_by_its_public_name(monkeypatch) -> None:
    assert splines._solver().__doc__ == lapack.dgbsv.__doc__
    monkeypatch.setattr(splines.PathFinder, "find_spec", lambda *_: None)
    assert splines._solver.__wrapped__() is lapack.dgbsv
