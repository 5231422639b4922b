"""Tendons that stretch: forces in equilibrium, moments met, costs stationary; and volumes as weights."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import osimopt
from osimopt import solve_static
from osimopt.muscle import equilibrium
from osimopt.static.compliant import _fiber_speed


@pytest.fixture(scope="module")
def walk(two_leg: Any) -> osimopt.RedundancyProblem:
    return osimopt.load_problem(two_leg.model, two_leg.motion, two_leg.loads, passive_force=True)


def test_forces_are_those_of_equilibrium_and_meet_the_moments(walk: osimopt.RedundancyProblem) -> None:
    solution = solve_static(walk, tendon="compliant")
    assert walk.parameters is not None
    assert walk.geometry.length is not None
    force = equilibrium(walk.parameters, walk.geometry.length, solution.activation, _fiber_speed(walk))[1]
    np.testing.assert_allclose(solution.muscle_force, force, atol=1e-6)
    produced = np.einsum("tdm,tm->td", walk.moment_arm, force)
    effect = np.broadcast_to(walk.reserves.effect, (len(walk), *walk.reserves.effect.shape[1:]))
    produced += np.einsum("tdk,tk->td", effect, solution.reserve_control)
    np.testing.assert_allclose(produced, walk.generalized_force, atol=1e-6)
    assert solution.provenance["solver"]["tendon"] == "compliant"
    assert np.abs(solution.activation - solve_static(walk).activation).max() > 1e-3


def test_no_feasible_neighbour_is_better(walk: osimopt.RedundancyProblem) -> None:
    """Stationary: along directions that keep the moments to first order the cost does not fall."""
    solution = solve_static(walk, tendon="compliant")
    rng = np.random.default_rng(1)
    for frame in (0, len(walk) // 2):
        A, _ = solution.problem.system(frame)
        x = np.concatenate([solution.activation[frame], solution.reserve_control[frame]])
        lower, upper = walk.bounds()
        free = (x > lower + 1e-6) & (x < upper - 1e-6)
        basis = np.linalg.svd(A[:, free])[2][np.linalg.matrix_rank(A[:, free]) :]
        directions = rng.normal(size=(20, len(basis))) @ basis
        slope = directions @ x[free]
        np.testing.assert_allclose(slope, 0.0, atol=1e-8)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"cost": "sum_force"}, "cost 'activation_power' or 'min_max' with tendon='compliant'"),
        ({"cost": "sum_stress_squared"}, "sum_stress_squared"),
    ],
)
def test_costs_of_force_are_refused(walk: osimopt.RedundancyProblem, options: dict[str, Any], words: str) -> None:
    with pytest.raises(osimopt.InputError, match=words):
        solve_static(walk, tendon="compliant", **options)


def test_a_problem_without_a_model_is_refused() -> None:
    elbow = osimopt.RedundancyProblem.from_arrays([0.04, 0.03], [600.0, 400.0], 10.0)
    with pytest.raises(osimopt.InputError, match="a problem from a model for tendon='compliant'"):
        solve_static(elbow, tendon="compliant")


def test_volume_weighs_large_muscles_more(walk: osimopt.RedundancyProblem) -> None:
    assert walk.parameters is not None
    volume = walk.parameters.max_isometric_force * walk.parameters.optimal_fiber_length
    by_name, by_number = solve_static(walk, weights="volume"), solve_static(walk, weights=volume / volume.mean())
    np.testing.assert_array_equal(by_name.activation, by_number.activation)
    plain = solve_static(walk)
    largest = int(np.argmax(volume))
    assert by_name.activation[:, largest].mean() < plain.activation[:, largest].mean()
    elbow = osimopt.RedundancyProblem.from_arrays([0.04, 0.03], [600.0, 400.0], 10.0)
    with pytest.raises(osimopt.InputError, match="'volume' with a model"):
        solve_static(elbow, weights="volume")


def test_moments_of_known_activations_are_met(arm: Any) -> None:
    """Linearised at one activation they may seem out of reach; nothing is called infeasible that is not."""
    problem = osimopt.load_problem(arm.model, arm.motion, time_range=(0.2, 0.6), reserves=None)
    assert problem.parameters is not None
    rng = np.random.default_rng(3)
    activation = rng.uniform(0.05, 0.9, problem.max_force.shape)
    force = equilibrium(problem.parameters, np.asarray(problem.geometry.length), activation, _fiber_speed(problem))[1]
    asked = replace(problem, generalized_force=np.einsum("tdm,tm->td", problem.moment_arm, force))
    solution = solve_static(asked, tendon="compliant", on_failure="return")
    assert solution.solved.mean() > 0.9
    assert osimopt.Status.INFEASIBLE not in set(solution.status)
    cost = np.sum(activation**2, axis=1)[solution.solved]
    assert (solution.objective[solution.solved] <= cost + 1e-9).mean() > 0.9
    np.testing.assert_allclose(solution.moment_residual[solution.solved], 0.0, atol=1e-7)


def test_what_holds_for_rigid_tendons_only_is_refused(walk: osimopt.RedundancyProblem) -> None:
    solution = solve_static(walk, tendon="compliant")
    assert solution.gap is None
    assert solution.activation_error is None
    for ask in (osimopt.sensitivity, osimopt.feasible_ranges):
        with pytest.raises(osimopt.InputError, match="a solution with rigid tendons"):
            ask(solution)
    with pytest.raises(osimopt.InputError, match="no uncertainty with tendon='compliant'"):
        solve_static(walk, tendon="compliant", uncertainty={"max_isometric_force": 0.1})


def test_bands_come_with_the_solution(walk: osimopt.RedundancyProblem) -> None:
    few = walk.frames(slice(0, 3))
    solution = solve_static(few, uncertainty={"max_isometric_force": 1e-9})
    assert solution.uncertainty is not None
    for band in solution.uncertainty.muscle_force:
        np.testing.assert_allclose(band, solution.muscle_force, rtol=1e-5, atol=1e-4)
    assert solve_static(few).uncertainty is None
