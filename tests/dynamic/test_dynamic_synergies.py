"""Dynamic optimization with synergies: excitations follow, plain solutions, a reduced twin, legs, ends, meshes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from dynamic_cases import FINE, NAMES, NEAR, elbow, solved

from osimopt import DynamicSolution, InputError, RedundancyProblem, Synergies, find_synergies, solve_dynamic
from osimopt.dynamic.assemble import split
from osimopt.dynamic.objective import Conditions, dynamic_cost
from osimopt.problem.arrays import Array

VECTORS = Synergies(np.array([[1.0, 0.0], [0.4, 0.1], [0.0, 1.0]]), NAMES, ("all_1", "all_2"))


def follows(solution: DynamicSolution, synergies: Synergies) -> float:
    """Largest distance of excitations from lower + W h, h ≥ 0."""
    rows = synergies.rows(solution.problem.muscles)
    lower = solution.problem.lower[rows]
    h = synergies.activations(solution.excitation[:, rows], lower)
    return float(np.abs(lower + h @ synergies.weights.T - solution.excitation[:, rows]).max())


def test_one_synergy_for_each_muscle_is_the_plain_solution() -> None:
    own, plain = solved(synergies=Synergies(np.eye(3), NAMES, NAMES)), solved()
    assert own.excitation == pytest.approx(plain.excitation, abs=NEAR)
    assert own.total_objective == pytest.approx(plain.total_objective, rel=1e-7)


@pytest.mark.parametrize("transcription", ["trapezoidal", "hermite-simpson", "legendre-gauss-radau"])
@pytest.mark.parametrize("initial", ["paid", "equal", "free"])
def test_excitations_follow_and_moments_hold(transcription: str, initial: str) -> None:
    solution = solved(synergies=VECTORS, transcription=transcription, initial_activation=initial)
    assert follows(solution, VECTORS) < 1e-7
    assert np.abs(solution.moment_residual).max() < 1e-5
    assert solution.total_objective > solved(transcription=transcription, initial_activation=initial).total_objective


def test_one_synergy_is_one_muscle_of_their_sum() -> None:
    """Muscles of one synergy and one time course are as one muscle: a model of it has the same solution."""
    problem = elbow()
    w = np.array([1.0, 0.5])
    pair = RedundancyProblem.from_arrays(
        [[0.05, 0.05]], [800.0, 800.0], np.abs(problem.generalized_force), time=problem.time, reserves=1.0,
        muscles=("a", "b"),
    )  # fmt: skip
    equal = Synergies(np.ones((2, 1)), ("a", "b"), ("all_1",))
    one = RedundancyProblem.from_arrays(
        [[0.05]], [1600.0], np.abs(problem.generalized_force), time=problem.time, reserves=1.0, weights=[2.0]
    )
    own, twin = solved(pair, synergies=equal), solved(one)
    assert own.excitation == pytest.approx(np.repeat(twin.excitation, 2, axis=1), abs=NEAR)
    unequal = solved(pair, synergies=Synergies(w[:, None], ("a", "b"), ("all_1",)))
    assert unequal.excitation[:, 1] == pytest.approx(0.5 * unequal.excitation[:, 0], abs=1e-7)


@pytest.mark.parametrize("options", [{"periodic": True}, {"cost": "min_max"}, {"exponent": 3.0}, {"cost": "sum_force"}])
def test_with_other_options(options: dict[str, Any]) -> None:
    solution = solved(elbow(), synergies=VECTORS, **options)
    assert follows(solution, VECTORS) < 1e-6
    if "periodic" in options:
        assert solution.activation[0] == pytest.approx(solution.activation[-1], abs=1e-7)


def test_an_idle_muscle_and_a_free_one() -> None:
    table = pd.DataFrame({"all_1": [1.0, 0.0]}, index=["biceps", "brachialis"])
    problem = elbow()
    solution = solved(problem, synergies=table)
    assert (solution.excitation[:, 1] == 0.0).all()
    assert np.ptp(solution.excitation[:, 2]) > 0.01


def legs() -> RedundancyProblem:
    time = np.linspace(0.0, 0.4, 41)
    arms = np.array([[0.05, 0.03, 0.0, 0.0], [0.0, 0.0, 0.05, 0.03]])
    moment = np.column_stack([8.0 + 4.0 * np.sin(10.0 * time), 8.0 + 4.0 * np.cos(10.0 * time)])
    names = ("hip_l", "knee_l", "hip_r", "knee_r")
    return RedundancyProblem.from_arrays(arms, [500.0] * 4, moment, time=time, reserves=2.0, muscles=names)


def test_legs_stay_separate_unless_a_synergy_joins_them() -> None:
    problem, names = legs(), ("left_1", "right_1")
    apart = Synergies(np.array([[1.0, 0.0], [0.5, 0.0], [0.0, 1.0], [0.0, 0.5]]), problem.muscles, names)
    joined = Synergies(np.array([[1.0, 0.2], [0.5, 0.0], [0.0, 1.0], [0.0, 0.5]]), problem.muscles, names)
    cost = dynamic_cost("excitation_power", 2, "rigid")
    for synergies, parts in ((apart, 2), (joined, 1)):
        found = split(problem, Conditions(cost, synergies=synergies))
        assert len(found) == parts
        assert sorted(np.concatenate([part.synergies for part in found]).tolist()) == [0, 1]
    both = solved(problem, synergies=apart)
    for side in ("left", "right"):
        rows = [side in name for name in ("left", "left", "right", "right")]
        leg = problem.part(muscles=side)
        own = apart.to_dataframe().loc[list(leg.muscles), [f"{side}_1"]]
        assert solved(leg, synergies=own).excitation == pytest.approx(both.excitation[:, rows], abs=NEAR)
    assert follows(solved(problem, synergies=joined), joined) < 1e-7


def test_found_in_a_solution_they_give_it_back() -> None:
    """Excitations of two synergies are factorised, and solving with what was found costs as much."""
    problem = elbow()
    first = solved(problem, synergies=VECTORS)
    found = find_synergies(first, n=2)
    assert found.vaf["all"] > 0.9999
    again = solved(problem, synergies=found)
    assert again.total_objective == pytest.approx(first.total_objective, rel=1e-3)
    assert again.provenance["synergies"]["vaf"] == found.vaf
    assert any(text.startswith("Excitations follow 2 synergies of all, which account for") for text in again.findings())


def test_refusals() -> None:
    with pytest.raises(InputError, match="brachialis2"):
        solve_dynamic(elbow(), "rigid", synergies=pd.DataFrame({"all_1": [1.0]}, index=["brachialis2"]))


def test_lower_bounds_are_the_origin() -> None:
    time = np.linspace(0.0, 0.4, 41)
    problem = RedundancyProblem.from_arrays(
        [[0.05, 0.03]], [500.0, 300.0], 6.0 + 0.0 * time, time=time, bounds=(0.05, 1.0), reserves=1.0
    )
    own = Synergies(np.array([[1.0], [0.5]]), problem.muscles, ("all_1",))
    solution = solved(problem, synergies=own, tolerance=FINE)
    above: Array = solution.excitation - 0.05
    assert above[:, 1] == pytest.approx(0.5 * above[:, 0], abs=1e-7)
