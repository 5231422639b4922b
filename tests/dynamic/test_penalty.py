"""The derivative penalty: its weight follows the cost, its share is small, and answers do not depend on it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from osimopt import load_problem, solve_dynamic, use_degroote_muscles
from osimopt.dynamic import penalty
from osimopt.dynamic.nodes import strength
from osimopt.dynamic.penalty import SHARE
from osimopt.problem.problem import RedundancyProblem
from osimopt.solution.checks import IDLE, PENALTY_SHARE, percent

#: Largest change of a force, as a share of its peak, that half the weight may make.
UNMOVED = 0.01


@pytest.fixture(scope="module")
def problem(arm: Any) -> RedundancyProblem:
    known = load_problem(arm.model, arm.motion, time_range=(0.2, 0.6), reserves=1.0)
    known = use_degroote_muscles(known, fiber_damping=0.01)
    return replace(known, source=None, generalized_force=0.5 * known.generalized_force)


def moved(one: Any, other: Any) -> float:
    """Largest change of any force as a share of its peak, that of an idle muscle counting as IDLE of its strength."""
    peak = np.maximum(np.abs(other.muscle_force).max(axis=0), IDLE * strength(other.problem))
    return float((np.abs(one.muscle_force - other.muscle_force) / peak).max())


def halved(problem: RedundancyProblem, monkeypatch: pytest.MonkeyPatch, **options: Any) -> tuple[Any, Any]:
    """Solutions with the weights that follow from the cost, and with half of them."""
    whole = solve_dynamic(problem, **options)
    monkeypatch.setattr(penalty, "SHARE", 0.5 * SHARE)
    return whole, solve_dynamic(problem, **options)


@pytest.mark.parametrize("exponent", [2, 10])
def test_half_the_weight_moves_no_force(
    problem: RedundancyProblem, exponent: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Moco's weight moves them by several per cent, which its finding says."""
    problem = problem.with_reserves(20.0)  # else reserves cost a thousand times as much as muscles at exponent 10
    options: dict[str, Any] = {"exponent": exponent, "mesh_interval": 0.04}
    whole, half = halved(problem, monkeypatch, **options)
    assert moved(whole, half) < UNMOVED
    assert 0.0 < whole.penalty_share < PENALTY_SHARE
    assert not [text for text in whole.findings() if "derivative penalty" in text]
    large, less = (solve_dynamic(problem, derivative_penalty=weight, **options) for weight in (0.01, 0.005))
    assert moved(large, less) > UNMOVED
    (text,) = (text for text in large.findings() if "derivative penalty" in text)
    assert f"is {percent(large.penalty_share)} of the objective" in text


def test_the_weight_has_the_unit_of_the_cost(problem: RedundancyProblem) -> None:
    """The costs of reserves do not count: they can be a thousand times as much as those of muscles."""
    one, other = (
        solve_dynamic(each, weights=np.full(6, weight), mesh_interval=0.05)
        for each, weight in ((problem, 1.0), (problem.with_reserves(0.01), 1000.0))
    )
    ours, theirs = (solution.provenance["objective"]["penalty"] for solution in (one, other))
    ratio = np.array(theirs["weights"]) / np.array(ours["weights"])
    assert 300.0 < ratio < 3000.0


def test_a_weight_that_was_given_stays(problem: RedundancyProblem) -> None:
    solution = solve_dynamic(problem, derivative_penalty=0.5, mesh_interval=0.05)
    record = solution.provenance["objective"]["penalty"]
    assert record["weights"] == [0.5]
    assert record["initial_weights"] == [0.0]
    assert record["share"] == solution.penalty_share > PENALTY_SHARE
    assert len(solution.provenance["rounds"]) == 1
    rate = solution.tendon_force_rate
    assert solution.objective_terms["derivative_penalty"] == pytest.approx(0.5 * np.sum(rate**2, axis=1))


def test_too_large_a_share_is_solved_again(problem: RedundancyProblem, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a smaller weight, from the solution: the answer is that of the smaller weight from the start."""
    right = solve_dynamic(problem, mesh_interval=0.05)
    monkeypatch.setattr(penalty, "SHARE", 1e6 * SHARE)
    with monkeypatch.context() as patch:
        patch.setattr("osimopt.dynamic.run.MOST_TRIES", 0)
        heavy = solve_dynamic(problem, mesh_interval=0.05)
    assert heavy.penalty_share > PENALTY_SHARE
    assert moved(heavy, right) > UNMOVED
    monkeypatch.setattr("osimopt.dynamic.run.lighter", _back_to_the_share)
    again = solve_dynamic(problem, mesh_interval=0.05)
    rounds = again.provenance["rounds"]
    assert len(rounds) == 2
    assert again.penalty_share < PENALTY_SHARE
    assert moved(again, right) < UNMOVED


def _back_to_the_share(*known: Any) -> Any:
    penalty.SHARE = SHARE
    return penalty.lighter(*known)


def test_no_penalty_where_tendons_are_rigid(problem: RedundancyProblem) -> None:
    solution = solve_dynamic(problem, "rigid", mesh_interval=0.05)
    assert solution.penalty_share == 0.0
    assert "penalty" not in solution.provenance["objective"]


@pytest.mark.slow
def test_a_leg_does_not_depend_on_the_other(two_leg: Any) -> None:
    """Its weights follow from its own cost."""
    problem = replace(use_degroote_muscles(load_problem(two_leg.model, two_leg.motion, two_leg.loads)), source=None)
    right = [name.endswith("_r") for name in problem.coordinates]
    moment = problem.generalized_force.copy()
    moment[:, right] *= 0.5
    one, other = (solve_dynamic(each) for each in (problem, replace(problem, generalized_force=moment)))
    left = [name.endswith("_l") for name in problem.muscles]
    np.testing.assert_allclose(one.muscle_force[:, left], other.muscle_force[:, left], atol=0.1)
    assert np.abs(one.muscle_force - other.muscle_force).max() > 100.0
    weights = [solution.provenance["objective"]["penalty"]["weights"] for solution in (one, other)]
    assert len(weights[0]) == 2
    assert sum(np.isclose(*weights)) == 1
