"""What must not change the answer of dynamic optimization, and what must."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from dynamic_cases import elbow

from osimopt import load_problem, solve_dynamic, use_degroote_muscles
from osimopt.dynamic.assemble import split
from osimopt.problem.problem import RedundancyProblem

Array = np.ndarray

#: Of activations and excitations of the same program in other words, where IPOPT's tolerance is FINE's: 2e-6 are left.
SAME = 1e-5
FINE = {"tendon": "rigid", "mesh_interval": 0.05, "tolerance": 1e-8}
MUSCLES = ("hamstring", "vastus", "rectus", "iliacus", "gluteus")


def leg(seed: int = 0) -> RedundancyProblem:
    """Five muscles about two joints, with moments that random activations make."""
    rng = np.random.default_rng(seed)
    time = np.linspace(0.0, 0.6, 61)
    arms = np.array([[-0.04, 0.0, 0.045, 0.04, -0.05], [-0.03, 0.045, 0.04, 0.0, 0.0]])
    strength = rng.uniform(500.0, 2000.0, 5)
    swing = np.sin(2.0 * np.pi * (time[:, None] / 0.6 + rng.uniform(0.0, 1.0, 5)))
    activation = 0.3 + 0.25 * swing
    return RedundancyProblem.from_arrays(
        arms,
        strength,
        (activation * strength) @ arms.T,
        time=time,
        muscles=MUSCLES,
        coordinates=("hip", "knee"),
        bounds=(0.01, 1.0),
        reserves=5.0,
    )


def solved(problem: RedundancyProblem, **options: Any) -> Any:
    return solve_dynamic(problem, **(FINE | options))  # type: ignore[arg-type]


def same(one: Any, other: Any, muscles: Any = slice(None)) -> None:
    """Activations, excitations and objective of two solutions, of the second some muscles."""
    assert one.activation == pytest.approx(other.activation[:, muscles], abs=SAME)
    assert one.excitation == pytest.approx(other.excitation[:, muscles], abs=SAME)
    assert one.total_objective == pytest.approx(other.total_objective, rel=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_muscles_and_coordinates_is_of_no_importance(seed: int) -> None:
    problem, order = leg(seed), [3, 0, 4, 2, 1]
    turned = RedundancyProblem.from_arrays(
        problem.moment_arm[0][::-1, order],
        problem.max_force[0, order],
        problem.generalized_force[:, ::-1],
        time=problem.time,
        muscles=[MUSCLES[index] for index in order],
        coordinates=("knee", "hip"),
        bounds=(0.01, 1.0),
        reserves=5.0,
    )
    one, other = solved(turned), solved(problem)
    same(one, other, order)
    assert one.reserve_control[:, ::-1] == pytest.approx(other.reserve_control, abs=SAME)


@pytest.mark.parametrize("factor", [0.1, 10.0])
def test_stronger_muscles_and_larger_moments(factor: float) -> None:
    """Reserves of the same strength in proportion; below 1 N·m moments are not scaled up, so that there are more."""
    problem = leg()
    stronger = replace(
        problem, max_force=factor * problem.max_force, generalized_force=factor * problem.generalized_force
    )
    same(solved(stronger.with_reserves(5.0 * factor)), solved(problem))


def test_the_sign_of_a_coordinate_and_the_zero_of_time() -> None:
    problem = leg()
    mirrored = RedundancyProblem.from_arrays(
        problem.moment_arm[0] * [[-1.0], [1.0]],
        problem.max_force[0],
        problem.generalized_force * [-1.0, 1.0],
        time=problem.time + 100.0,
        bounds=(0.01, 1.0),
        reserves=5.0,
    )
    same(solved(mirrored), solved(problem))


def test_passive_force_that_moments_include() -> None:
    problem = leg()
    passive = np.linspace(0.0, 300.0, len(problem))[:, None] * np.array([1.0, 0.5, 0.0, 0.2, 0.0])
    moment = problem.generalized_force + passive @ problem.moment_arm[0].T
    one, other = solved(replace(problem, passive_force=passive, generalized_force=moment)), solved(problem)
    same(one, other)
    assert one.muscle_force == pytest.approx(
        one.problem.max_force * one.activation + one.problem.passive_force, abs=1e-9
    )


def test_weights_by_name_and_by_number() -> None:
    weights = {"vastus": 5.0, "iliacus": 0.2}
    one = solved(leg(), weights=weights)
    other = solved(leg(), weights=[1.0, 5.0, 1.0, 0.2, 1.0])
    assert np.array_equal(one.excitation, other.excitation)
    plain = solved(leg())
    assert one.activation[:, 1].mean() < plain.activation[:, 1].mean() - 0.01  # the dearer vastus
    assert one.activation[:, 2].mean() > plain.activation[:, 2].mean() + 0.01  # the other extensor of the knee


def test_weights_all_seven_times_as_large() -> None:
    """Change nothing where there are no reserves, whose cost they are not part of."""
    problem = leg().with_reserves(None)
    one, other = solved(problem, weights=np.full(5, 7.0)), solved(problem)
    assert one.activation == pytest.approx(other.activation, abs=SAME)
    assert one.integrals["muscles"] == pytest.approx(7.0 * other.integrals["muscles"], rel=1e-5)


def test_a_muscle_without_moment_arm_rests() -> None:
    problem = leg()
    arms = np.hstack([problem.moment_arm[0], np.zeros((2, 1))])
    idle = RedundancyProblem.from_arrays(
        arms,
        np.append(problem.max_force[0], 1000.0),
        problem.generalized_force,
        time=problem.time,
        bounds=([0.01] * 5 + [0.03], 1.0),
        reserves=5.0,
    )
    one, other = solved(idle), solved(problem)
    assert one.activation[:, 5] == pytest.approx(0.03, abs=SAME)
    assert one.excitation[:, 5] == pytest.approx(0.03, abs=SAME)
    assert one.activation[:, :5] == pytest.approx(other.activation, abs=SAME)


def test_a_stronger_reserve_takes_more_and_costs_less() -> None:
    answers = [solved(leg().with_reserves(strength)) for strength in (1.0, 10.0, 100.0)]
    shares = [np.abs(answer.reserve_force).mean() for answer in answers]
    costs = [answer.total_objective for answer in answers]
    assert shares == sorted(shares)
    assert costs == sorted(costs, reverse=True)


@pytest.mark.parametrize("transcription", ["trapezoidal", "hermite-simpson", "legendre-gauss-radau"])
def test_equations_hold_at_every_point(transcription: str) -> None:
    solution = solved(leg(), transcription=transcription)
    problem = solution.problem
    assert np.abs(solution.moment_residual).max() < 1e-5
    for values in (solution.activation, solution.excitation):
        assert (values >= problem.lower - 1e-9).all()
        assert (values <= problem.upper + 1e-9).all()
    assert solution.provenance["rounds"][-1]["violation"] < 1e-7
    assert solution.success


def test_meshes_approach_one_cost() -> None:
    costs = [solved(leg(), mesh_interval=interval).total_objective for interval in (0.06, 0.03, 0.015)]
    assert costs[1] == pytest.approx(costs[2], rel=0.02)
    assert abs(costs[1] - costs[2]) < abs(costs[0] - costs[2])


# ------------------------------------------------------------------------------------------------- parts


def two_legs(joined: bool) -> RedundancyProblem:
    """Two legs side by side; a weak muscle from one to the other joins them."""
    left, right = leg(1), leg(2)
    arms = np.zeros((4, 11))
    arms[:2, :5], arms[2:, 5:10] = left.moment_arm[0], right.moment_arm[0]
    arms[[0, 2], 10] = 0.01 if joined else 0.0
    chosen = slice(None) if joined else slice(10)
    names = [f"{name}_{side}" for side in "lr" for name in MUSCLES] + ["bridge"]
    return RedundancyProblem.from_arrays(
        arms[:, chosen],
        np.concatenate([left.max_force[0], right.max_force[0], [1e-3]])[chosen],
        np.hstack([left.generalized_force, right.generalized_force]),
        time=left.time,
        muscles=names[chosen],
        bounds=(0.01, 1.0),
        reserves=5.0,
    )


def test_two_legs_are_solved_apart_and_give_the_same() -> None:
    """Against each leg alone, and against both in one program, which a muscle of 1 mN makes them."""
    both = solved(two_legs(joined=False), n_jobs=1)
    assert both.provenance["rounds"][-1]["parts"] == 2
    alone = [solved(leg(seed)) for seed in (1, 2)]
    assert np.hstack([one.activation for one in alone]) == pytest.approx(both.activation, abs=SAME)
    assert np.hstack([one.excitation for one in alone]) == pytest.approx(both.excitation, abs=SAME)
    assert sum(one.total_objective for one in alone) == pytest.approx(both.total_objective, rel=1e-5)
    one_program = solved(two_legs(joined=True))
    assert one_program.provenance["rounds"][-1]["parts"] == 1
    assert one_program.activation[:, :10] == pytest.approx(both.activation, abs=SAME)


def test_parts_on_two_processes() -> None:
    one, other = (solved(two_legs(joined=False), n_jobs=jobs) for jobs in (1, 2))
    assert np.array_equal(one.excitation, other.excitation)


def parts(problem: RedundancyProblem, **options: Any) -> list[Any]:
    from osimopt.dynamic.objective import Conditions, dynamic_cost

    cost = dynamic_cost(options.pop("cost", "excitation_power"), 2.0, "rigid")
    return split(problem, Conditions(cost, **options))


def test_what_joins_parts() -> None:
    """A muscle, a mapping of periodicity, a cost that is a maximum; EMG: see the tests of that."""
    apart = two_legs(joined=False)
    left, right = apart.muscles[:5], apart.muscles[5:]
    swapped = dict(zip(left + right, right + left, strict=True))
    assert [part.muscles.size for part in parts(apart)] == [5, 5]
    assert [part.muscles.size for part in parts(apart, periodic=True)] == [5, 5]
    assert [part.muscles.size for part in parts(apart, periodic=swapped)] == [10]
    assert [part.muscles.size for part in parts(apart, cost="min_max")] == [10]
    assert [part.muscles.size for part in parts(two_legs(joined=True))] == [11]


def test_a_coordinate_without_muscles_is_left_to_its_reserve() -> None:
    problem = leg()
    arms = np.vstack([problem.moment_arm[0], np.zeros((1, 5))])
    moment = np.column_stack([problem.generalized_force, 30.0 * np.cos(problem.time)])
    floating = RedundancyProblem.from_arrays(
        arms, problem.max_force[0], moment, time=problem.time, bounds=(0.01, 1.0), reserves=5.0
    )
    one, other = solved(floating), solved(problem)
    assert one.activation == pytest.approx(other.activation, abs=SAME)
    assert one.reserve_force[:, 2] == pytest.approx(one.problem.generalized_force[:, 2], abs=1e-6)


# --------------------------------------------------------------------------------------- elastic tendons


@pytest.fixture(scope="module")
def degroote(arm) -> RedundancyProblem:
    problem = load_problem(arm.model, arm.motion, time_range=(0.5, 0.9), reserves=1.0)
    return use_degroote_muscles(problem, fiber_damping=0.01)


def test_stronger_arms_with_elastic_tendons(degroote: RedundancyProblem) -> None:
    """All forces and moments ten times as large, all else as it was."""
    assert degroote.parameters is not None
    parameters = replace(degroote.parameters, max_isometric_force=10.0 * degroote.parameters.max_isometric_force)
    stronger = replace(
        degroote,
        parameters=parameters,
        max_force=10.0 * degroote.max_force,
        passive_force=10.0 * degroote.passive_force,
        generalized_force=10.0 * degroote.generalized_force,
        source=None,
    ).with_reserves(10.0)
    one, other = (
        solve_dynamic(problem, mesh_interval=0.04, tolerance=1e-8)
        for problem in (stronger, replace(degroote, source=None))
    )
    same(one, other)
    assert one.muscle_force == pytest.approx(10.0 * other.muscle_force, abs=1.0)


def test_equations_hold_with_elastic_tendons(degroote: RedundancyProblem) -> None:
    """Moments are those of forces recomputed from fibres, which the solver's own tendon forces meet."""
    solution = solve_dynamic(degroote, mesh_interval=0.04)
    assert np.abs(solution.moment_residual).max() < 1e-3
    assert ((solution.normalized_fiber_length > 0.4) & (solution.normalized_fiber_length < 1.6)).all()
    assert (np.abs(solution.normalized_fiber_velocity) < 1.0).all()
    assert np.abs(solution.tendon_force_rate).max() < 1000.0
    assert set(solution.integrals) == {"muscles", "reserves", "derivative_penalty", "start"}


@pytest.mark.parametrize("exponent", [3.0, 10.0])
def test_the_tolerance_holds_relative_to_the_cost(exponent: float) -> None:
    """Where activations of 0.3 with exponent 10 cost 1e-5, the optimum is as exact as where they cost 1.

    The judge is the same program with a tolerance of 1e-11.
    """
    coarse, fine = (
        solved(elbow(), mesh_interval=0.04, exponent=exponent, tolerance=tolerance) for tolerance in (1e-6, 1e-11)
    )
    assert coarse.total_objective == pytest.approx(fine.total_objective, rel=1e-5)
