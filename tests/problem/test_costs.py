"""The cost functions: values from their definitions, names, and what they refuse."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
import strategies as ref
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import ALL_COSTS, cases, label

from osimopt.errors import InputError
from osimopt.problem.costs import COSTS, counted_reserves, get_cost, reserve_weight
from osimopt.problem.problem import RedundancyProblem

#: two coordinates, three muscles, a reserve on each
PROBLEM = RedundancyProblem.from_arrays(
    [[0.02, 0.05, -0.04], [0.01, 0.0, 0.08]],
    [1000.0, 250.0, 700.0],
    [10.0, 3.0],
    pcsa=[33.0, 8.0, 23.0],
    weights=[1.0, 2.0, 3.0],
    reserves={"coordinate_0": 5.0, "coordinate_1": 8.0},
)
ACTIVATION, CONTROL = np.array([[0.2, 0.4, 0.6]]), np.array([[0.5, -0.25]])
#: scales c, written out: force, stress, 1 / largest moment arm, 1
FORCE = np.array([1000.0, 250.0, 700.0])
STRESS = np.array([1000.0 / 33.0, 250.0 / 8.0, 700.0 / 23.0])
RATIO = np.array([1.0 / 0.02, 1.0 / 0.05, 1.0 / 0.08])
ONE = np.ones(3)


@pytest.mark.parametrize(
    ("name", "exponent", "scale", "p"),
    [
        ("sum_force", 2.0, FORCE, 1.0),
        ("sum_force_squared", 2.0, FORCE, 2.0),
        ("sum_stress_squared", 2.0, STRESS, 2.0),
        ("sum_moment_ratio_cubed", 2.0, RATIO, 3.0),
        ("activation_power", 2.0, ONE, 2.0),
        ("activation_power", 3.0, ONE, 3.0),
        ("activation_power", 1.5, ONE, 1.5),
        ("activation_power", 1.0, ONE, 1.0),
    ],
)
def test_terms_are_those_of_the_formula(name, exponent, scale, p):
    cost = get_cost(name, exponent)
    terms = cost.terms(PROBLEM, ACTIVATION, CONTROL)
    weights = np.array([1.0, 2.0, 3.0])
    assert terms["muscles"][0] == pytest.approx(np.sum(weights * (scale * ACTIVATION[0]) ** p))
    assert terms["reserves"][0] == pytest.approx(np.mean(scale**p) * (0.5**p + 0.25**p))
    assert cost.total(terms)[0] == pytest.approx(terms["muscles"][0] + terms["reserves"][0])


def test_min_max_is_the_largest_of_all():
    cost = get_cost("min_max")
    terms = cost.terms(PROBLEM, ACTIVATION, CONTROL)
    assert terms["muscles"][0] == pytest.approx(1.8)
    assert terms["reserves"][0] == pytest.approx(0.5)
    assert cost.total(terms)[0] == pytest.approx(1.8)
    assert cost.total(cost.terms(PROBLEM, 0.1 * ACTIVATION, CONTROL))[0] == pytest.approx(0.5)


def test_min_max_measures_the_size_of_an_activation_as_the_other_costs_do():
    """What the solver minimises is the largest |a|."""
    terms = get_cost("min_max").terms(PROBLEM, -ACTIVATION, CONTROL)
    assert terms["muscles"][0] == pytest.approx(1.8)


def test_a_reserve_at_one_costs_what_an_average_muscle_costs_at_one():
    for name in COSTS:
        cost = get_cost(name)
        if cost.exponent == np.inf:
            continue
        unweighted = PROBLEM.with_weights(1.0)
        full = cost.terms(unweighted, np.ones((1, 3)), np.ones((1, 2)))
        assert full["reserves"][0] / 2 == pytest.approx(full["muscles"][0] / 3)


def test_reserve_weight_is_taken_frame_by_frame():
    scale = np.array([[1.0, 3.0], [2.0, 2.0]])
    np.testing.assert_allclose(reserve_weight(scale, 2.0), [5.0, 4.0])
    np.testing.assert_allclose(reserve_weight(scale, 1.0), [2.0, 2.0])


@settings(deadline=None, max_examples=60, derandomize=True, database=None)
@given(cases(frames=(1, 3)), st.sampled_from(ALL_COSTS))
def test_the_total_is_that_of_an_independent_formula(case, kwargs):
    cost = get_cost(kwargs["cost"], kwargs.get("exponent", 2.0))
    total = cost.total(cost.terms(case.problem, np.abs(case.activation), case.control))
    weight, p = ref.coefficients(case.problem, **kwargs)
    x = np.hstack([case.activation, case.control])
    assert total == pytest.approx([ref.value(w, row, p) for w, row in zip(weight, x, strict=True)])


def test_nan_stays_nan():
    for name in COSTS:
        cost = get_cost(name)
        terms = cost.terms(PROBLEM, np.full((1, 3), np.nan), np.full((1, 2), np.nan))
        assert np.isnan(cost.total(terms)).all()


class TestNames:
    def test_every_cost_has_a_formula_a_unit_and_a_source(self):
        for name, cost in COSTS.items():
            assert cost.name == name
            assert cost.formula
            assert cost.unit
            assert re.search(r"\(\d{4}\), (doi:10\.\S+|.+ \d+, \d+-\d+)$", cost.source), (
                "a DOI, or journal, volume and pages"
            )

    @pytest.mark.parametrize(
        ("exponent", "formula"),
        [(2, "Σ a²"), (3.0, "Σ a³"), (10, "Σ a¹⁰"), (1.5, "Σ a^1.5"), (1, "Σ a")],
    )
    def test_the_exponent_is_part_of_the_formula(self, exponent, formula):
        cost = get_cost("activation_power", exponent)
        assert cost.formula == formula
        assert cost.exponent == exponent
        assert get_cost("activation_power").exponent == 2.0  # the table itself is not changed

    @pytest.mark.parametrize(
        ("cost", "linear"),
        [({"cost": "min_max"}, True), *((cost, ref.is_linear(cost)) for cost in ALL_COSTS)],
        ids=lambda value: label(value) if isinstance(value, dict) else str(value),
    )
    def test_which_are_linear(self, cost, linear):
        assert get_cost(**cost).linear == linear

    @pytest.mark.parametrize(
        ("name", "exponent", "message"),
        [
            (
                "sum_forces",
                2,
                r"expected a cost among sum_force, sum_force_squared, .*, got 'sum_forces'\. Did you mean sum_force",
            ),
            ("activation_power", 0.99, r"expected a finite exponent ≥ 1, got 0\.99"),
            ("activation_power", -2, r"expected a finite exponent ≥ 1, got -2"),
            ("activation_power", np.nan, r"expected a finite exponent ≥ 1, got nan"),
            ("activation_power", np.inf, r"expected a finite exponent ≥ 1, got inf\. Use cost='min_max'"),
            ("sum_stress_squared", 3, r"expected no exponent for cost='sum_stress_squared', got 3"),
            ("min_max", 5, r"expected no exponent for cost='min_max', got 5"),
        ],
    )
    def test_others_are_refused(self, name, exponent, message):
        with pytest.raises(InputError, match=message):
            get_cost(name, exponent)

    @pytest.mark.parametrize(("name", "own"), [("sum_force", 1), ("sum_moment_ratio_cubed", 3), ("min_max", np.inf)])
    def test_its_own_exponent_may_be_said(self, name, own):
        assert get_cost(name, own) is COSTS[name]


class TestMomentRatio:
    def test_several_coordinates_count_by_the_largest_arm(self):
        np.testing.assert_allclose(COSTS["sum_moment_ratio_cubed"].scale(PROBLEM)[0], RATIO)

    def test_an_unloaded_muscle_is_refused_by_name(self):
        problem = RedundancyProblem.from_arrays(
            [[0.02, 0.0, 0.04]], [1000.0, 250.0, 700.0], 10.0, muscles=["BRA", "BRD", "BIC"]
        )
        message = r"expected a moment arm for every muscle \(cost 'sum_moment_ratio_cubed'\), got none for BRD\. Leave"
        with pytest.raises(InputError, match=message):
            COSTS["sum_moment_ratio_cubed"].scale(problem)

    def test_a_muscle_unloaded_in_one_frame_is_refused_too(self):
        arm = np.array([[[0.02, 0.03]], [[0.02, 0.0]]])
        with pytest.raises(InputError, match="got none for muscle_1"):
            COSTS["sum_moment_ratio_cubed"].scale(RedundancyProblem.from_arrays(arm, [500.0, 600.0], 5.0))


class TestCountedReserves:
    def test_only_reserves_beside_muscles_count_in_min_max(self):
        arm = np.array([[0.02, 0.03], [0.0, 0.0]])
        problem = RedundancyProblem.from_arrays(arm, [500.0, 600.0], [5.0, 900.0], reserves=10.0)
        assert counted_reserves(problem).tolist() == [True, False]
        terms = COSTS["min_max"].terms(problem, np.array([[0.1, 0.2]]), np.array([[0.3, 90.0]]))
        assert COSTS["min_max"].total(terms)[0] == pytest.approx(0.3)

    def test_what_the_model_says_it_spans_decides(self):
        """OpenSim's wrapping can leave moment arms about joints that no muscle crosses."""
        problem = PROBLEM
        spanned = replace(problem, geometry=replace(problem.geometry, spanned=np.array([True, False])))
        assert counted_reserves(spanned).tolist() == [True, False]
