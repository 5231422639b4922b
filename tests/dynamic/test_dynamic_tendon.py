"""Elastic tendons: a muscle whose excitation is known, from the moment that SciPy's integration says it makes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from osimopt import Status, solve_dynamic, use_degroote_muscles
from osimopt.dynamic.mesh import RADAU
from osimopt.dynamic.solution import DynamicSolution
from osimopt.muscle.activation import activation_rate
from osimopt.muscle.contraction import Fiber, tendon_force_rate
from osimopt.muscle.degroote import DEGROOTE
from osimopt.problem.arrays import MuscleParameters
from osimopt.problem.problem import RedundancyProblem

Array = np.ndarray

TIMES = (0.05, 0.1, 0.1)
ARM, STRENGTH = 0.05, 1000.0


def parameters(count: int) -> MuscleParameters:
    """Muscles with a tendon twice as long as their fibres."""

    def each(value: float) -> Array:
        return np.full(count, value)

    properties = {
        "activation_time_constant": TIMES[0],
        "deactivation_time_constant": TIMES[1],
        "activation_dynamics_smoothing": TIMES[2],
        "active_force_width_scale": 1.0,
        "fiber_damping": 0.05,
        "passive_fiber_strain_at_one_norm_force": 0.6,
        "tendon_strain_at_one_norm_force": 0.06,
        "ignore_passive_fiber_force": 0.0,
        "ignore_tendon_compliance": 0.0,
    }
    return MuscleParameters(
        names=tuple(f"muscle_{index}" for index in range(count)),
        classes=(DEGROOTE.name,) * count,
        max_isometric_force=each(STRENGTH),
        optimal_fiber_length=each(0.1),
        tendon_slack_length=each(0.2),
        pennation_angle=each(0.2),
        max_contraction_velocity=each(10.0),
        min_control=each(0.0),
        max_control=each(1.0),
        properties={name: each(value) for name, value in properties.items()},
    )


def length(time: Array) -> Array:
    """Muscle-tendon length in m."""
    return 0.295 + 0.012 * np.sin(2.0 * np.pi * time)


def lengthening(time: Array) -> Array:
    return 0.024 * np.pi * np.cos(2.0 * np.pi * time)


def excitation(time: Array) -> Array:
    return 0.4 + 0.2 * np.sin(3.0 * np.pi * time) + 0.1 * np.cos(2.0 * np.pi * time)


@dataclass(frozen=True)
class Known:
    problem: RedundancyProblem
    activation: Callable[[Array], Array]
    force: Callable[[Array], Array]


def problem_of(time: Array, moment: Array, count: int = 1) -> RedundancyProblem:
    """Muscles side by side about one joint."""
    muscles = parameters(count)
    plain = RedundancyProblem.from_arrays(
        [[ARM] * count], [STRENGTH] * count, moment, time=time, muscles=list(muscles.names)
    )
    geometry = replace(
        plain.geometry,
        length=np.repeat(length(time)[:, None], count, axis=1),
        lengthening_speed=np.repeat(lengthening(time)[:, None], count, axis=1),
    )
    return replace(plain, geometry=geometry, parameters=muscles)


@pytest.fixture(scope="module")
def known() -> Known:
    """Everything is forgotten in a second before the motion."""
    fiber = Fiber(*(float(np.asarray(value).ravel()[0]) for value in Fiber.of(parameters(1))))

    def rates(time: float, states: Array) -> list[float]:
        activation, force = states
        now = np.array(time)
        faster = activation_rate(excitation(now), activation, *TIMES)  # type: ignore[arg-type]
        return [float(faster), float(tendon_force_rate(activation, force, length(now), lengthening(now), fiber))]

    run = solve_ivp(
        rates, (-1.0, 1.02), [0.4, 0.4], method="Radau", rtol=1e-10, atol=1e-12, max_step=0.005, dense_output=True
    )
    time = np.linspace(-0.02, 1.02, 417)
    problem = problem_of(time, ARM * STRENGTH * run.sol(time)[1])
    return Known(problem, lambda t: run.sol(t)[0], lambda t: run.sol(t)[1])


def solved(problem: RedundancyProblem, **options: Any) -> Any:
    given: dict[str, Any] = {
        "tolerance": 1e-8,
        "time_range": (0.0, 1.0),
        "derivative_penalty": 0.0,
        "initial_activation": "free",
    }
    return solve_dynamic(problem, "compliant", **(given | options))


def errors(known: Known, transcription: str, interval: float) -> tuple[float, float, float]:
    """Of force, activation and excitation, after 0.2 s: with Radau nothing says what activation is at the start."""
    solution = solved(known.problem, transcription=transcription, mesh_interval=interval)
    late = solution.time > 0.2
    time = solution.time[late]
    return (
        float(np.abs(solution.muscle_force[late, 0] / STRENGTH - known.force(time)).max()),
        float(np.abs(solution.activation[late, 0] - known.activation(time)).max()),
        float(np.abs(solution.excitation[late, 0] - excitation(time)).max()),
    )


@pytest.mark.parametrize(
    ("transcription", "order", "near", "excited"),
    [
        ("trapezoidal", 2, 3e-5, 5e-4),
        ("hermite-simpson", 2, 8e-6, 6e-3),  # excitations, second rates of the moments, alternate by 0.004
        (RADAU, 3, 1e-6, 3e-5),
    ],
)
def test_what_is_behind_a_moment_is_found(
    known: Known, transcription: str, order: int, near: float, excited: float
) -> None:
    """Force is known, its rate says what activation is and that what excitation is: each costs an order."""
    found = np.array([errors(known, transcription, interval) for interval in (0.04, 0.02, 0.01)])
    assert (found[:, 0] < 1e-8).all()
    assert (-np.diff(np.log2(found[:, 1])) > order - 0.35).all(), found
    assert found[-1, 1] < near
    assert found[-1, 2] < excited


def test_fibres_and_tendons_are_those_of_the_muscle(known: Known) -> None:
    solution = solved(known.problem)
    time, step = solution.time[1:-1], 1e-4
    rate = (known.force(time + step) - known.force(time - step)) / (2.0 * step)
    assert solution.tendon_force_rate is not None
    assert solution.tendon_force_rate[1:-1, 0] == pytest.approx(rate, abs=2e-3)
    fiber = 0.1 * solution.normalized_fiber_length[:, 0]
    along = np.sqrt(fiber**2 - (0.1 * np.sin(0.2)) ** 2)
    stretch = (length(solution.time) - along) / 0.2
    force = 0.2 * (np.exp(np.log(6.0) / 0.06 * (stretch - 1.0)) - 1.0)  # 1 at a strain of 0.06
    assert solution.muscle_force[:, 0] / STRENGTH == pytest.approx(force, abs=1e-8)
    velocity = np.gradient(fiber, solution.time)[2:-2] / (10.0 * 0.1)
    assert solution.normalized_fiber_velocity[2:-2, 0] == pytest.approx(velocity, abs=2e-4)


def test_equal_muscles_share_equally(known: Known) -> None:
    time = known.problem.time
    both = problem_of(time, 2.0 * ARM * STRENGTH * known.force(time), 2)
    solution = solved(both)
    late = solution.time > 0.2
    assert solution.activation[:, 0] == pytest.approx(solution.activation[:, 1], abs=1e-4)
    assert solution.activation[late, 0] == pytest.approx(known.activation(solution.time[late]), abs=1e-3)


def test_stiff_tendons_are_rigid() -> None:
    """A strain of 0.06 at maximum force, then a tenth and a hundredth of it."""
    time = np.linspace(-0.02, 1.02, 417)
    moment = 15.0 + 8.0 * np.sin(2.0 * np.pi * time)
    off = []
    for strain in (0.06, 0.006, 0.0006):
        problem = problem_of(time, moment)
        assert problem.parameters is not None
        properties = {**problem.parameters.properties, "tendon_strain_at_one_norm_force": np.array([strain])}
        problem = replace(problem, parameters=replace(problem.parameters, properties=properties))
        rigid = use_degroote_muscles(problem, ignore_tendon_compliance=True)
        elastic = solved(problem)
        direct = solve_dynamic(rigid, "rigid", time_range=(0.0, 1.0), initial_activation="free")
        off.append(np.abs(elastic.activation - direct.activation).max())
    assert off[0] > 5.0 * off[1] > 25.0 * off[2]
    assert off[2] < 1e-3


@pytest.mark.parametrize(("share", "found"), [(0.7e-4, 0), (1.5e-4, 1)])
def test_muscles_that_push_are_a_finding(share: float, found: int) -> None:
    """From 1e-4 of their strength on."""
    time = np.linspace(0.0, 1.0, 5)
    problem = replace(problem_of(time, np.zeros(5)), passive_force=np.full((5, 1), -share * STRENGTH))
    none = np.zeros((5, 1))
    status, iterations = np.full(5, Status.SOLVED, dtype=object), np.zeros(5, dtype=int)
    solution = DynamicSolution(
        problem, none, none[:, :0], status, iterations, None, none[:, 0], {}, tendon_force_rate=none
    )
    pushing = [line for line in solution.findings() if "push on their tendons" in line]
    assert len(pushing) == found
    assert all("muscle_0 (5), by up to 0.0% of their strength" in line for line in pushing)
