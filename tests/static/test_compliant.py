"""Tendons that stretch: forces in equilibrium, moments met, costs stationary; and volumes as weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import osimopt
from osimopt import solve_static
from osimopt.muscle.forces import equilibrium
from osimopt.static import compliant
from osimopt.static.compliant import _fiber_speed


@pytest.fixture(scope="module")
def walk(two_leg: Any) -> osimopt.RedundancyProblem:
    return osimopt.load_problem(two_leg.model, two_leg.motion, two_leg.loads, passive_force=True)


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_what_holds_for_rigid_tendons_only_is_refused(walk: osimopt.RedundancyProblem) -> None:
    solution = solve_static(walk, tendon="compliant")
    assert solution.gap is None
    assert solution.activation_error is None
    for ask in (osimopt.sensitivity, osimopt.feasible_ranges):
        with pytest.raises(osimopt.InputError, match="a solution with rigid tendons"):
            ask(solution)


@pytest.fixture(scope="module")
def damped(arm: Any) -> osimopt.RedundancyProblem:
    """De Groote muscles so damped that flexors at low activation would push."""
    problem = osimopt.load_problem(arm.model, arm.motion, time_range=(0.2, 0.4))
    return osimopt.use_degroote_muscles(
        problem, ignore_passive_fiber_force=True, active_force_width_scale=1.5, fiber_damping=0.1
    )


def force_and_where_none(problem: osimopt.RedundancyProblem, activation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Forces, and where there are none."""
    assert problem.parameters is not None
    force = equilibrium(problem.parameters, np.asarray(problem.geometry.length), activation, _fiber_speed(problem))[1]
    return force, np.isnan(force)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("faster", [1.0, 10.0])
def test_tendons_are_slack_where_fibres_would_push(damped: osimopt.RedundancyProblem, faster: float) -> None:
    """Ten times as fast, flexors are beyond their maximum speed."""
    speed = faster * np.asarray(damped.geometry.lengthening_speed)
    problem = replace(damped, geometry=replace(damped.geometry, lengthening_speed=speed))
    solution = solve_static(problem, tendon="compliant")
    force, none = force_and_where_none(problem, solution.activation)
    assert none.any()
    assert not none.all(axis=0).all()
    np.testing.assert_array_equal(solution.muscle_force[none], 0.0)
    np.testing.assert_allclose(solution.activation[none], np.broadcast_to(problem.lower, none.shape)[none])
    np.testing.assert_allclose(solution.muscle_force[~none], force[~none], atol=1e-6)
    np.testing.assert_allclose(solution.moment_residual, 0.0, atol=1e-7)
    expected = {
        frame: f"Slack tendons, as fibres shorten too fast: {', '.join(np.array(problem.muscles)[row])}."
        for frame, row in enumerate(none)
        if row.any()
    }
    assert solution.detail == expected
    slack = [f"{name} ({count})" for name, count in zip(problem.muscles, none.sum(axis=0), strict=True) if count]
    finding = f"With a slack tendon (frames): {', '.join(slack)}; their fibres are too short or shorten too fast."
    assert finding in solution.findings()


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("first", [0.02, 0.8])
def test_slack_tendons_do_not_depend_on_the_start(
    damped: osimopt.RedundancyProblem, monkeypatch: pytest.MonkeyPatch, first: float
) -> None:
    """A muscle whose tendon is slack at first still works where that costs less."""
    solution = solve_static(damped, tendon="compliant")
    working = solution.activation[~force_and_where_none(damped, solution.activation)[1]]
    assert force_and_where_none(damped, np.full(solution.activation.shape, 0.02))[1].any()
    assert (working > 0.1).any()
    monkeypatch.setattr(compliant, "FIRST", (first, *compliant.FIRST))
    np.testing.assert_allclose(solve_static(damped, tendon="compliant").activation, solution.activation, atol=1e-9)


@pytest.fixture(scope="module")
def passive(damped: osimopt.RedundancyProblem) -> osimopt.RedundancyProblem:
    assert damped.parameters is not None
    pulls = {**damped.parameters.properties, "ignore_passive_fiber_force": np.zeros(len(damped.muscles))}
    return replace(damped, parameters=replace(damped.parameters, properties=pulls))


def with_length(problem: osimopt.RedundancyProblem, changed: dict[tuple[int, int], float]) -> osimopt.RedundancyProblem:
    """The same with muscles, by frame and index, of some optimal fibre lengths plus the tendon's slack length."""
    assert problem.parameters is not None
    length = np.array(problem.geometry.length)
    for (frame, muscle), fibers in changed.items():
        fiber, tendon = problem.parameters.optimal_fiber_length, problem.parameters.tendon_slack_length
        length[frame, muscle] = tendon[muscle] + fibers * fiber[muscle]
    return replace(problem, geometry=replace(problem.geometry, length=length))


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_frames_without_equilibrium_fail_alone(passive: osimopt.RedundancyProblem) -> None:
    """A muscle so long that it pulls with over five times its strength; one shorter than its tendon is slack."""
    broken = with_length(passive, {(3, 0): 3.0, (5, 1): 3.0, (6, 1): -0.1})
    solution, whole = (solve_static(p, tendon="compliant", on_failure="return") for p in (broken, passive))
    assert np.flatnonzero(~solution.solved).tolist() == [3, 5]
    assert solution.muscle_force[6, 1] == 0.0
    assert not [line for line in solution.findings() if "slack tendon (" in line or "Without any force" in line]
    kept = solution.solved
    same = kept & (np.arange(len(kept)) != 6)
    np.testing.assert_allclose(solution.activation[same], whole.activation[same], atol=1e-9)
    for frame, name in ((3, passive.muscles[0]), (5, passive.muscles[1])):
        assert solution.status[frame] is osimopt.Status.NOT_CONVERGED
        assert np.isnan(solution.activation[frame]).all()
        assert np.isnan(solution.muscle_force[frame]).all()
        assert np.isnan(solution.objective[frame])
        detail = solution.detail[frame]
        assert detail.startswith(f"No fibre-tendon equilibrium of {name}. Check optimal_fiber_length and tendon_slack")
        assert detail.endswith("or use tendon='rigid'.")
    with pytest.raises(osimopt.SolverError, match=f"equilibrium of {passive.muscles[0]}") as caught:
        solve_static(broken, tendon="compliant")
    np.testing.assert_array_equal(caught.value.solution.solved, kept)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_equilibrium_at_another_activation_is_found(
    passive: osimopt.RedundancyProblem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stretched to 1.886 optimal lengths it carries 4.97 times its strength at rest, and over five times at 1."""
    monkeypatch.setattr(compliant, "FIRST", (1.0, 0.1))
    stretched = with_length(passive, {(5, 1): 1.886})
    assert force_and_where_none(stretched, np.ones(stretched.max_force.shape))[1][5, 1]
    assert solve_static(stretched, tendon="compliant").success


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.slow
def test_walking_is_solved_where_a_tendon_is_slack(real_data: Path) -> None:
    folder = real_data / "walk_80muscles"
    if not folder.is_dir():
        pytest.skip("needs walk_80muscles")
    problem = osimopt.load_problem(
        folder / "subject_walk_scaled.osim",
        folder / "coordinates_100hz.mot",
        folder / "grf_walk.xml",
        time_range=(0.70, 0.74),
        weld=("mtp_r", "mtp_l"),
        geometry=folder / "subject_walk_scaled_FunctionBasedPathSet.xml",
    )
    walk = osimopt.use_degroote_muscles(problem, active_force_width_scale=1.5, ignore_passive_fiber_force=True)
    solution = solve_static(walk, tendon="compliant")
    force = solution.muscle_force[:, walk.muscles.index("recfem_l")]
    np.testing.assert_array_equal(force > 0.0, [True, False, False, False, False])
    np.testing.assert_array_equal(force[1:], 0.0)
    np.testing.assert_allclose(solution.moment_residual, 0.0, atol=1e-7)
