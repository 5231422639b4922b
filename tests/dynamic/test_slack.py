"""Muscles that are shorter than their tendons for a while: no force there, all else as before, and a finding."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from osimopt import RedundancySolution, load_problem, solve_dynamic, solve_static, use_degroote_muscles
from osimopt.muscle import contraction, degroote
from osimopt.muscle.contraction import Fiber, fiber_state, imbalance, tendon_force_rate
from osimopt.problem.problem import RedundancyProblem
from osimopt.solution.summary import Summary

Array = np.ndarray

#: The muscle of the arm that is made slack.
NAME = "TRIlat"
#: Share of strength: a slack muscle may still be on its way to 0, and others may differ by IPOPT's tolerance.
NOTHING = 1e-4
#: Five muscles, with and without pennation, passive force and damping.
FIBER = Fiber(
    optimal=np.array([0.1, 0.05, 0.2, 0.03, 0.08]),
    slack=np.array([0.2, 0.3, 0.02, 0.3, 0.4]),
    height=np.array([0.0, 0.02, 0.05, 0.015, 0.0]),
    fastest=np.array([1.0, 0.5, 2.0, 0.3, 0.8]),
    active_force_width_scale=np.array([1.0, 1.5, 1.0, 1.5, 1.2]),
    passive_fiber_strain_at_one_norm_force=np.full(5, 0.6),
    passive_share=np.array([1.0, 0.0, 1.0, 0.0, 1.0]),
    tendon_strain_at_one_norm_force=np.array([0.049, 0.06, 0.03, 0.049, 0.1]),
    damping=np.array([0.01, 0.0, 0.1, 0.01, 0.0]),
)


@pytest.fixture(scope="module")
def arm_problem(arm: Any) -> RedundancyProblem:
    problem = load_problem(arm.model, arm.motion, time_range=(0.3, 0.7), reserves=1.0)
    return replace(use_degroote_muscles(problem), source=None)


def lengthened(problem: RedundancyProblem, share: float, name: str = NAME) -> RedundancyProblem:
    """The problem with a tendon so long that the unit is shorter in about this share of the frames."""
    assert problem.parameters is not None
    slack, index = problem.parameters.tendon_slack_length.copy(), problem.muscles.index(name)
    length = np.asarray(problem.geometry.length)[:, index]
    slack[index] = np.quantile(length, share) + (0.001 if share == 1.0 else 0.0)
    return use_degroote_muscles(replace(problem, parameters=replace(problem.parameters, tendon_slack_length=slack)))


def without(problem: RedundancyProblem, name: str = NAME) -> RedundancyProblem:
    """The problem with a muscle that moves nothing."""
    arms = problem.geometry.moment_arms * (problem.geometry.pair_muscle != problem.muscles.index(name))
    return replace(problem, geometry=replace(problem.geometry, moment_arms=arms))


def found(solution: RedundancySolution) -> list[str]:
    return [text for text in solution.findings() if text.startswith("Shorter than their tendons")]


# -------------------------------------------------------------------------------------------- equations


def states(random: np.random.Generator, low: float, high: float) -> tuple[Array, ...]:
    """Activation, force, its rate, length and speed (2000, 5); fibres along their tendons in optimal lengths."""
    shape = (2000, 5)
    activation, force = random.uniform(0.01, 1.0, shape), random.uniform(-0.1, 1.5, shape)
    along = FIBER.optimal * random.uniform(low, high, shape)
    length = along + FIBER.slack * degroote.tendon_length(force, FIBER.tendon_strain_at_one_norm_force)
    return activation, force, random.uniform(-50.0, 50.0, shape), length, FIBER.fastest * random.normal(0.0, 0.5, shape)


def test_taut_fibres_are_de_grootes() -> None:
    """From 0.1 optimal lengths on no number differs from the published equations, not by a bit."""
    activation, force, rate, length, speed = states(np.random.default_rng(0), 0.1001, 1.6)
    strain = FIBER.tendon_strain_at_one_norm_force
    stretch = degroote.tendon_length(force, strain)
    along = length - FIBER.slack * stretch
    fiber = np.sqrt(along**2 + FIBER.height**2)
    tendon_speed = FIBER.slack * rate / degroote.tendon_force_length_slope(stretch, strain)
    velocity = (speed - tendon_speed) * (along / fiber) / FIBER.fastest
    active = degroote.active_force_length(fiber / FIBER.optimal, FIBER.active_force_width_scale)
    passive = degroote.passive_force_length(fiber / FIBER.optimal, FIBER.passive_fiber_strain_at_one_norm_force)
    pull = activation * (active * degroote.force_velocity(velocity))
    pull = pull + (FIBER.passive_share * passive + FIBER.damping * velocity)
    state = fiber_state(length, speed, force, rate, FIBER)
    np.testing.assert_array_equal(imbalance(activation, force, state, FIBER), force - pull * (along / fiber))


@pytest.mark.parametrize(("low", "high"), [(0.02, 0.1), (-3.0, 0.02), (-20.0, -3.0)])
def test_both_forms_of_the_equations_agree_where_fibres_fade(low: float, high: float) -> None:
    activation, force, _, length, speed = states(np.random.default_rng(1), low, high)
    rate = tendon_force_rate(activation, force, length, speed, FIBER)
    state = fiber_state(length, speed, force, rate, FIBER)
    within = np.abs(state.velocity) < 1000.0  # faster ones are limited: they would carry more than they can
    assert within.mean() > 0.9
    assert np.abs(imbalance(activation, force, state, FIBER))[within].max() < 1e-9
    if high <= 0.02:
        np.testing.assert_allclose(rate, -force / 0.001, rtol=1e-9, atol=1e-9)


def test_one_force_and_one_rate_are_in_equilibrium() -> None:
    """The imbalance rises with the force, and with its rate, everywhere."""
    activation, force, rate, length, speed = states(np.random.default_rng(2), -0.3, 0.3)
    step = 1e-6

    def missed(force: Array, rate: Array) -> Array:
        return np.asarray(imbalance(activation, force, fiber_state(length, speed, force, rate, FIBER), FIBER))

    with np.errstate(invalid="ignore"):
        by_rate = missed(force, rate + 1.0) - missed(force, rate)
        still = rate * 0.0
        slower = np.abs(fiber_state(length, speed, force, still, FIBER).velocity) < 1.0
        by_force = missed(force + step, still) - missed(force, still)
    assert (by_rate > 0.0).all()
    assert slower.mean() > 0.9
    assert (by_force > 0.0)[slower].all()


def test_fading_is_smooth() -> None:
    """The share has two continuous derivatives: third differences are those of a bounded third derivative."""
    along = np.arange(0.0, 0.12, 1e-4)
    taut = np.asarray(contraction._taut(0.1 * along, Fiber(*(values[0] for values in FIBER)))[1])
    assert (np.diff(taut) >= 0.0).all()
    assert taut[0] == 0.0
    assert taut[-1] == 1.0
    third = np.diff(taut, 3) / 1e-4**3
    assert np.abs(third).max() < 1.01 * 60.0 / 0.08**3


@pytest.mark.parametrize(
    ("width", "degrees", "most"), [(1.0, 0, 0.004), (1.0, 25, 0.0075), (1.5, 0, 0.026), (1.5, 25, 0.094)]
)
def test_fading_fibres_are_weak(width: float, degrees: float, most: float) -> None:
    """As documented: isometric force along the tendon up to 0.1 optimal lengths, in shares of strength."""
    along, height = np.linspace(1e-6, 0.1, 101), np.sin(np.radians(degrees))
    force = degroote.active_force_length(np.hypot(along, height), width) * along / np.hypot(along, height)
    assert 0.9 * most < force.max() < most


def test_a_slack_tendon_has_no_force_to_begin_with(arm_problem: RedundancyProblem) -> None:
    """Otherwise any initial force would cost nothing where only moments are constrained."""
    problem = lengthened(arm_problem, 1.0)
    solution = solve_dynamic(problem, derivative_penalty=0.0, mesh_interval=0.02, time_range=(0.3, 0.5))
    np.testing.assert_allclose(solution.muscle_force[:, problem.muscles.index(NAME)], 0.0, atol=1e-9)


# -------------------------------------------------------------------------------------------- solutions


@pytest.mark.parametrize("tendon", ["rigid", "compliant"])
@pytest.mark.slow
def test_a_muscle_that_is_always_slack_is_like_none(arm_problem: RedundancyProblem, tendon: Any) -> None:
    problem = lengthened(arm_problem, 1.0)
    solution, twin = (solve_dynamic(one, tendon, mesh_interval=0.04) for one in (problem, without(problem)))
    assert problem.parameters is not None
    share = (solution.muscle_force - twin.muscle_force) / problem.parameters.max_isometric_force
    assert np.abs(share).max() < NOTHING
    index = problem.muscles.index(NAME)
    np.testing.assert_allclose(solution.muscle_force[:, index], 0.0, atol=1e-6)
    np.testing.assert_allclose(solution.excitation[:, index], problem.lower[index], atol=1e-4)
    assert np.isnan(solution.normalized_fiber_length[:, index]).all()
    assert f"{NAME} (all {len(solution.time)} frames from 0.3 to 0.7 s" in found(solution)[0]


@pytest.mark.parametrize("tendon", ["rigid", "compliant"])
def test_a_muscle_that_is_slack_for_a_while(arm_problem: RedundancyProblem, tendon: Any, tmp_path: Path) -> None:
    problem = lengthened(arm_problem, 0.5)
    assert problem.parameters is not None
    solution = solve_dynamic(problem, tendon)
    index = problem.muscles.index(NAME)
    missing = problem.parameters.tendon_slack_length - np.asarray(solution.problem.geometry.length)
    short = missing[:, index] > 0.0
    assert 0.3 < short.mean() < 0.7
    np.testing.assert_array_equal(solution.slack, np.maximum(missing, 0.0))
    # a spline through the frames leaves some force of a rigid tendon beside the moment at which it becomes slack
    nothing = {"rigid": 1e-3, "compliant": NOTHING}[tendon] * problem.parameters.max_isometric_force[index]
    assert np.abs(solution.muscle_force[short, index]).max() < nothing
    time, most = solution.time[short], 1e3 * missing[:, index].max()
    (text,) = found(solution)
    assert f"{NAME} ({short.sum()} frames from {time[0]:g} to {time[-1]:g} s, by up to {most:.3g} mm)" in text
    assert solution.check is not None
    assert solution.check.activation_error.max() < 0.01
    counts = pd.read_csv(solution.write(tmp_path / "result") / "status.csv")["slack_muscles"]
    np.testing.assert_array_equal(counts, short)


@pytest.mark.slow
def test_slack_and_taut_again_on_a_finer_mesh(arm_problem: RedundancyProblem) -> None:
    """Two transcriptions agree where the tendon becomes slack and taut."""
    problem = lengthened(arm_problem, 0.5)
    assert problem.parameters is not None
    fine = solve_dynamic(problem, mesh_interval=0.005)
    other = solve_dynamic(problem, mesh_interval=0.01, transcription="legendre-gauss-radau")
    at = np.stack([np.interp(fine.time, other.time, force) for force in other.muscle_force.T], axis=1)
    share = (at - fine.muscle_force) / problem.parameters.max_isometric_force
    assert np.sqrt(np.mean(share**2)) < 0.005


@pytest.mark.parametrize("tendon", ["rigid", "compliant"])
def test_static_optimization_has_no_force_of_a_slack_muscle(arm_problem: RedundancyProblem, tendon: Any) -> None:
    problem = lengthened(arm_problem, 0.5)
    solution, twin = (solve_static(one, tendon=tendon) for one in (problem, without(problem)))
    index, slack = problem.muscles.index(NAME), np.asarray(solution.slack)
    short = slack[:, index] > 0.0
    assert 0.3 < short.mean() < 0.7
    np.testing.assert_array_equal(solution.muscle_force[short, index], 0.0)
    np.testing.assert_allclose(solution.activation[short], twin.activation[short], atol=1e-8)
    assert f"{NAME} ({short.sum()} frames" in found(solution)[0]
    also = sum(int(one.names.get(NAME, 0)) for one in Summary.of(solution).entries() if one.code == "slack_tendons")
    assert also <= np.sum(~short & (solution.muscle_force[:, index] == 0.0))
    pieces = Summary.of(solution) + Summary.of(solution)
    assert found(solution)[0].replace(f"({short.sum()} frames", f"({2 * short.sum()} frames") in pieces.findings()


@pytest.mark.slow
def test_slack_muscles_without_damping(two_leg: Any) -> None:
    """In as many iterations as others: their forces may pass 0 on the way to it."""
    problem = replace(use_degroote_muscles(load_problem(two_leg.model, two_leg.motion, two_leg.loads)), source=None)
    assert problem.parameters is not None
    for name in ("gastroc_r", "gastroc_l"):
        assert problem.parameters.properties["fiber_damping"][problem.muscles.index(name)] == 0.0
        problem = lengthened(problem, 0.3, name)
    solution = solve_dynamic(problem)
    assert solution.iterations[0] < 50
    assert solution.check is not None
    assert np.isfinite(solution.check.force_error).all()


@pytest.mark.parametrize("tendon", ["rigid", "compliant"])
@pytest.mark.slow
def test_slack_hamstrings_of_a_walk(two_leg: Any, tendon: Any) -> None:
    """The other leg's forces are those of the walk whose hamstrings are taut, to 0.03 N."""
    problem = load_problem(two_leg.model, two_leg.motion, two_leg.loads)
    problem = replace(use_degroote_muscles(problem), source=None)
    solution, taut = (
        solve_dynamic(one, tendon, n_jobs=1) for one in (lengthened(problem, 0.2, "hamstrings_r"), problem)
    )
    other = [name.endswith("_l") for name in problem.muscles]
    both = solution.muscle_force[:, other], taut.muscle_force[:, other]
    np.testing.assert_allclose(*both, atol=0.03)  # the objective of both legs scales the tolerance
    assert "hamstrings_r (" in found(solution)[0]
    assert "_l (" not in found(solution)[0]
    index = problem.muscles.index("hamstrings_r")
    short = np.asarray(solution.slack)[:, index] > 0.0
    assert 0.1 < short.mean() < 0.3
    assert np.abs(solution.muscle_force[short, index]).max() < 1e-3 * 3000.0
    assert solution.muscle_force[~short, index].max() > 30.0
