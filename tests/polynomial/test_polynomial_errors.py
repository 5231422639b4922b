"""Errors of muscle paths on held-out postures: what counts, what is told apart."""

from __future__ import annotations

import numpy as np
import pytest

from osimopt import PolynomialGeometry
from osimopt.polynomial.fit import Target
from osimopt.polynomial.fixed_order import fit_order
from osimopt.polynomial.geometry import MusclePolynomial
from osimopt.polynomial.samples import PathSamples, measure_errors
from osimopt.polynomial.terms import evaluate_terms, list_exponents

FITTED, HELD_OUT = 50, 200
#: What float64 leaves of errors made of lengths of order 1 m.
ROUNDING = 1e-12


def samples() -> PathSamples:
    """A muscle of length 0.3 + 0.05 a and one of 0.2 - 0.04 b + 0.01 a b."""
    value = np.random.default_rng(0).uniform(-1.0, 1.0, (FITTED + HELD_OUT, 2))
    a, b = value.T
    length = np.stack([0.3 + 0.05 * a, 0.2 - 0.04 * b + 0.01 * a * b], axis=1)
    slope = np.stack([np.full_like(a, 0.05), 0.01 * b, -0.04 + 0.01 * a], axis=1)
    spans = np.array([[True, True], [False, True]])
    ends = np.full(2, 1.0)
    return PathSamples(("/f/one", "/f/two"), ("/j/a", "/j/b"), spans, -ends, ends, value, length, slope, FITTED,
                       np.zeros(2))  # fmt: skip


def exact() -> PolynomialGeometry:
    one = MusclePolynomial("/f/one", ("/j/a",), 1, np.array([0.3, 0.05]))
    two = MusclePolynomial("/f/two", ("/j/a", "/j/b"), 2, np.array([0.2, -0.04, 0.0, 0.0, 0.01, 0.0]))
    return PolynomialGeometry((one, two))


def test_exact_paths_have_no_error() -> None:
    errors = measure_errors(exact(), samples())
    for measure in errors.to_dict().values():
        assert max(measure.values()) < ROUNDING
    assert errors.within(ROUNDING).all()
    assert (errors.snapped == 0.0).all()


def test_only_held_out_postures_count_unless_others_are_given() -> None:
    wrong = samples()
    wrong.length[:FITTED] += 1.0
    assert measure_errors(exact(), wrong).within(ROUNDING).all()
    assert not measure_errors(exact(), wrong, np.arange(FITTED)).within(0.9).any()


def test_measures() -> None:
    """An error in one of the slopes, and one of the lengths, of known size."""
    given = samples()
    size = np.linspace(0.0, 1e-3, HELD_OUT)
    given.slope[FITTED:, 1] += size
    given.length[FITTED:, 0] -= 1e-4
    errors = measure_errors(exact(), given)
    assert errors.moment_arm_rms[1] == pytest.approx(np.sqrt(np.mean(size**2)))
    assert errors.moment_arm_p99[1] == pytest.approx(np.percentile(size, 99.0))
    assert errors.moment_arm_max[1] == pytest.approx(1e-3)
    assert errors.moment_arm_max[0] < ROUNDING
    np.testing.assert_allclose(errors.length_rms, [1e-4, 0.0], atol=ROUNDING)
    assert list(errors.within(2e-4)) == [True, False]
    table = errors.to_dataframe()
    assert table.loc["two", "moment_arm_max_mm"] == pytest.approx(1.0)


def test_snapped_postures_count_in_the_maximum_only() -> None:
    given = samples()
    given.length[FITTED : FITTED + 10, 0] += 5e-3
    given.slope[FITTED : FITTED + 10, 0] += 0.02
    errors = measure_errors(exact(), given)
    assert errors.snapped[0] == pytest.approx(10 / HELD_OUT)
    assert errors.length_rms[0] < ROUNDING
    assert errors.moment_arm_rms[0] < ROUNDING
    assert errors.length_max[0] == pytest.approx(5e-3)
    assert errors.moment_arm_max[0] == pytest.approx(0.02)


def test_what_is_not_known_does_not_count() -> None:
    given = samples()
    given.slope[:, 1] = np.nan
    given.length[FITTED : FITTED + 5, 1] = np.nan
    assert measure_errors(exact(), given).within(ROUNDING).all()


def test_paths_that_give_no_number_are_infinitely_wrong() -> None:
    """In half of the postures, for the muscle that depends on b."""
    given = samples()
    given.value[FITTED : FITTED + 100, 1] = np.nan
    errors = measure_errors(exact(), given)
    assert errors.length_max[1] == np.inf
    assert not errors.within(1.0)[1]
    assert errors.within(ROUNDING)[0]


def test_one_order_is_fitted_by_least_squares() -> None:
    """Slopes that are not known leave their coordinate to the lengths; a low order does as many postures ask."""
    given = samples()
    target = given.targets(*given.groups()[1])[0]
    for slope in (target.slope, np.where([[[True], [False]]], np.nan, target.slope)):
        order, coefficients = fit_order(Target(target.value, target.length, slope), given.low, given.high, 2)
        assert order == 2
        np.testing.assert_allclose(coefficients[:, 0], exact().polynomials[1].coefficients, atol=ROUNDING)
    _, limited = fit_order(target, given.low, given.high, 3, factors=1, degree=1)
    assert np.abs(limited[list_exponents(2, 3)[:, 1] > 1]).max() < ROUNDING
    np.testing.assert_allclose(limited @ np.ones(1) @ evaluate_terms(target.value.T, 3), target.length[:, 0])
    few = target.postures(slice(0, 8))
    assert fit_order(few, given.low, given.high, 5)[0] == 1
