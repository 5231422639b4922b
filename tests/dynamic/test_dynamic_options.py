"""Options of dynamic optimization do what they say: costs, ends, guesses, refinement."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from dynamic_cases import NEAR, elbow, solved

from osimopt import EmgTracking, load_problem, solve_dynamic, solve_static, use_degroote_muscles
from osimopt.dynamic.mesh import RADAU, Mesh, scheme
from osimopt.dynamic.objective import DYNAMIC_COSTS
from osimopt.muscle.activation import activation_rate
from osimopt.problem.costs import COSTS, get_cost
from osimopt.problem.problem import RedundancyProblem

Array = np.ndarray

#: Relative: objectives are second order in errors of activations, and IPOPT's barrier leaves 1e-9 per bound.
COST = 1e-5


# ------------------------------------------------------------------------------------------------- costs


def value(cost: str, solution: Any) -> float:
    """The cost of any solution: the integral by the mesh's own rule of what static optimization calls it."""
    if cost == "excitation_power":
        terms = get_cost("activation_power").terms(solution.problem, solution.excitation, solution.reserve_control)
        integrand = get_cost("activation_power").total(terms)
    else:
        static = get_cost(cost)
        terms = static.terms(solution.problem, solution.activation, solution.reserve_control)
        integrand = static.total(terms)
    mesh = Mesh(scheme(solution.provenance["mesh"]["transcription"]), solution.mesh_edges)
    return float(mesh.quadrature @ integrand)


@pytest.fixture(scope="module")
def each() -> dict[str, Any]:
    return {cost: solved(cost=cost, initial_activation="free") for cost in DYNAMIC_COSTS}


@pytest.mark.parametrize("cost", DYNAMIC_COSTS)
def test_nothing_costs_less_than_its_own_solution(each: dict[str, Any], cost: str) -> None:
    """All solutions are feasible for all costs; those of two costs differ by more than COST."""
    own = value(cost, each[cost])
    assert own == pytest.approx(each[cost].total_objective, rel=COST)
    others = {name: value(cost, each[name]) for name in DYNAMIC_COSTS if name != cost}
    assert all(other > own * (1.0 - COST) for other in others.values()), (own, others)
    assert max(others.values()) > 1.001 * own


@pytest.mark.parametrize("cost", COSTS)
@pytest.mark.slow
def test_static_optimization_bounds_costs_of_activation(each: dict[str, Any], cost: str) -> None:
    """Point by point nothing that meets the moments costs less, and its linear programs and SLSQP are not IPOPT."""
    solution = each[cost]
    static = solve_static(solution.problem, cost=cost)
    assert (solution.objective > static.objective - COST * static.objective.max()).all()
    slow = solved(elbow(20.0), cost=cost, mesh_interval=0.8, initial_activation="free")
    least = solve_static(slow.problem, cost=cost).objective
    assert value(cost, slow) == pytest.approx(slow.time[-1] * _mean(least, slow), rel=0.01)


def _mean(integrand: Array, solution: Any) -> float:
    mesh = Mesh(scheme(solution.provenance["mesh"]["transcription"]), solution.mesh_edges)
    return float(mesh.quadrature @ integrand / mesh.quadrature.sum())


def test_larger_exponents_share_more_evenly() -> None:
    peaks = [
        solved(exponent=exponent, initial_activation="equal").excitation.max() for exponent in (1.5, 2.0, 3.0, 8.0)
    ]
    assert peaks == sorted(peaks, reverse=True)
    assert peaks[0] > peaks[-1] + 0.05


def test_provenance_says_the_cost() -> None:
    told = solved(exponent=3.0).provenance["cost"]
    assert told["name"] == "excitation_power"
    assert told["exponent"] == 3.0
    assert told["formula"] == "∫ Σ e³ dt"
    assert "Moco" in told["source"]


@pytest.mark.parametrize("cost", DYNAMIC_COSTS)
@pytest.mark.slow
def test_every_cost_with_elastic_tendons(degroote: RedundancyProblem, cost: str) -> None:
    solution = solve_dynamic(degroote, cost=cost, mesh_interval=0.05)
    assert solution.success
    assert np.isfinite(solution.total_objective)
    assert set(solution.integrals) >= {"derivative_penalty"}


def test_costs_of_force_are_those_of_elastic_tendons(degroote: RedundancyProblem) -> None:
    """Passive force and all, as the tendon feels it; with rigid tendons it is active force, as in static optimization.

    The integral is that of the solver's tendon forces, which meet the fibres' to its tolerance.
    """
    elastic, rigid = (
        solve_dynamic(degroote, tendon, cost="sum_force_squared", mesh_interval=0.05)  # type: ignore[arg-type]
        for tendon in ("compliant", "rigid")
    )
    for solution, force in (
        (elastic, elastic.muscle_force),
        (rigid, rigid.activation * rigid.problem.max_force),
    ):
        mesh = Mesh(scheme("hermite-simpson"), solution.mesh_edges)
        expected = mesh.quadrature @ np.sum(force**2, axis=1)
        assert solution.integrals["muscles"] == pytest.approx(expected, rel=1e-4)


def test_the_derivative_penalty_smooths_tendon_forces(degroote: RedundancyProblem) -> None:
    rough, smooth = (
        solve_dynamic(degroote, mesh_interval=0.05, derivative_penalty=weight, initial_activation="free")
        for weight in (0.0, 1.0)
    )
    assert "derivative_penalty" not in rough.integrals
    assert np.mean(smooth.tendon_force_rate**2) < 0.8 * np.mean(rough.tendon_force_rate**2)
    assert smooth.integrals["muscles"] > rough.integrals["muscles"]


@pytest.fixture(scope="module")
def degroote(arm) -> RedundancyProblem:
    problem = load_problem(arm.model, arm.motion, time_range=(0.4, 0.8), reserves=1.0)
    return use_degroote_muscles(problem, fiber_damping=0.01)


# -------------------------------------------------------------------------------------------------- ends


@pytest.mark.parametrize("transcription", ["trapezoidal", "hermite-simpson", RADAU])
def test_periodic_states_are_equal_at_the_ends(transcription: str) -> None:
    options = {"transcription": transcription, "initial_activation": "free"}
    apart, joined = solved(**options), solved(periodic=True, **options)
    assert np.abs(apart.activation[0] - apart.activation[-1]).max() > 0.05
    assert joined.activation[0] == pytest.approx(joined.activation[-1], abs=NEAR)
    assert joined.total_objective > apart.total_objective
    if transcription != RADAU:  # whose first point no equation of motion holds at
        assert joined.excitation[0] == pytest.approx(joined.excitation[-1], abs=NEAR)


def test_periodic_tendon_forces(degroote: RedundancyProblem) -> None:
    with pytest.warns(UserWarning, match="does not end as it begins"):
        solution = solve_dynamic(degroote, mesh_interval=0.05, periodic=True)
    strength = solution.problem.parameters.max_isometric_force
    assert solution.activation[0] == pytest.approx(solution.activation[-1], abs=NEAR)
    assert (solution.muscle_force / strength)[0] == pytest.approx((solution.muscle_force / strength)[-1], abs=1e-4)


def test_half_a_cycle_with_sides_exchanged_is_the_whole_cycle() -> None:
    """Right and left leg do the same half a cycle apart, each with two muscles."""
    time = np.linspace(0.0, 1.0, 201)
    moment = np.stack([20.0 + 15.0 * np.sin(2.0 * np.pi * (time + shift) + 1.0) for shift in (0.0, 0.5)], axis=1)
    arms = np.kron(np.eye(2), [[0.05, 0.03]])
    names = ("calf_r", "thigh_r", "calf_l", "thigh_l")
    problem = RedundancyProblem.from_arrays(
        arms, [800.0, 1500.0] * 2, moment, time=time, muscles=names, coordinates=("r", "l"), reserves=1.0
    )
    options: dict[str, Any] = {"mesh_interval": 0.05, "initial_activation": "free"}
    whole = solved(problem, periodic=True, **options)
    sides = {"calf_r": "calf_l", "thigh_r": "thigh_l", "calf_l": "calf_r", "thigh_l": "thigh_r"}
    half = solved(problem, periodic=sides, time_range=(0.0, 0.5), **options)
    first = whole.time <= 0.5 + 1e-9
    assert half.activation == pytest.approx(whole.activation[first], abs=NEAR)
    assert half.activation[0] == pytest.approx(half.activation[-1, [2, 3, 0, 1]], abs=NEAR)
    assert np.abs(half.activation[0] - half.activation[-1]).max() > 0.05
    assert 2.0 * half.total_objective == pytest.approx(whole.total_objective, rel=COST)


@pytest.mark.parametrize("transcription", ["trapezoidal", "hermite-simpson"])
def test_activation_begins_at_its_excitation(transcription: str) -> None:
    resting, free = (solved(transcription=transcription, initial_activation=begin) for begin in ("equal", "free"))
    assert resting.activation[0] == pytest.approx(resting.excitation[0], abs=NEAR)
    assert np.abs(free.activation[0] - free.excitation[0]).max() > 0.05
    assert free.total_objective < resting.total_objective


@pytest.mark.parametrize("cost", ["excitation_power", "activation_power", "sum_force_squared", "min_max"])
@pytest.mark.slow
def test_the_price_of_the_start(cost: str) -> None:
    """What the static cost of the first point is, for as long as activation outlasts excitation."""
    solution = solved(cost=cost)
    static = get_cost("activation_power" if cost == "excitation_power" else cost)
    first = static.total(static.terms(solution.problem, solution.activation, solution.reserve_control))[0]
    assert solution.integrals["start"] == pytest.approx(0.060 * first, rel=COST)
    assert solution.total_objective == pytest.approx(sum(solution.integrals.values()))
    assert "start" not in solved(cost=cost, initial_activation="free").integrals
    assert "start" not in solved(cost=cost, periodic=True).integrals


@pytest.mark.parametrize("transcription", ["trapezoidal", "hermite-simpson", RADAU])
@pytest.mark.slow
def test_a_paid_start_is_near_what_a_longer_interval_gives(transcription: str) -> None:
    long = solved(transcription=transcription, mesh_interval=0.01)
    at = np.searchsorted(long.time, 0.3 - 1e-9)

    def error(start: str) -> float:
        begin = solved(transcription=transcription, mesh_interval=0.01, time_range=(0.3, 1.0), initial_activation=start)
        return float(np.abs(begin.activation[0] - long.activation[at]).max())

    paid = error("paid")
    assert paid < 0.5 * error("equal")
    assert paid < 0.2 * error("free")


@pytest.mark.parametrize("transcription", ["trapezoidal", "hermite-simpson"])
def test_excitations_that_moments_determine_do_not_ring(transcription: str) -> None:
    time = np.linspace(-0.1, 1.1, 241)
    moment = 50.0 * (0.3 + 0.2 * np.sin(4.0 * np.pi * time))
    problem = RedundancyProblem.from_arrays([[0.05]], [1000.0], moment, time=time)

    def roughness(start: str) -> float:
        found = solve_dynamic(problem, "rigid", transcription, time_range=(0.0, 1.0), initial_activation=start)  # type: ignore[arg-type]
        return float(np.abs(np.diff(found.excitation[:, 0], 2)).max())

    assert roughness("paid") < 0.2 * roughness("equal")


def test_slower_muscles_need_earlier_excitations() -> None:
    """Excitation and activation differ in proportion to time constants, here both ten times as long."""
    quick, slow = (solved(periodic=True, time_constants=times) for times in ((0.005, 0.02), (0.05, 0.2)))
    leads = [np.abs(one.excitation - one.activation).max() for one in (quick, slow)]
    assert leads[1] > 5.0 * leads[0]
    moved = activation_rate(slow.excitation, slow.activation, 0.05, 0.2, 0.1)  # type: ignore[arg-type]
    mesh = Mesh(scheme("hermite-simpson"), slow.mesh_edges)
    gained = np.einsum("n,pc,ncm->npm", mesh.durations, mesh.scheme.integrals, moved[mesh.collocation])
    begin = slow.activation[mesh.points[:, :1]]
    assert slow.activation[mesh.points[:, 1:]] == pytest.approx(begin + gained, abs=1e-6)


# ------------------------------------------------------------------------------------ guesses and solving


@pytest.mark.slow
def test_every_guess_leads_to_the_same(degroote: RedundancyProblem) -> None:
    reference = solved()
    points = reference.activation.shape
    other = solved(mesh_interval=0.1, transcription="trapezoidal")
    guesses: tuple[Any, ...] = ("midpoint", [0.1, 0.5, 0.9], np.full(points, 0.3), reference, other)
    for guess in (*guesses, solve_static(elbow())):
        found = solved(initial_guess=guess)
        assert found.activation == pytest.approx(reference.activation, abs=NEAR)
        assert found.total_objective == pytest.approx(reference.total_objective, rel=COST)
    assert solved(initial_guess=reference).iterations[0] < reference.iterations[0]
    first = solve_dynamic(degroote, mesh_interval=0.05)
    again = solve_dynamic(degroote, mesh_interval=0.05, initial_guess=first)
    assert again.activation == pytest.approx(first.activation, abs=1e-4)
    assert again.iterations[0] < first.iterations[0]


def test_transcriptions_agree_on_a_fine_mesh() -> None:
    costs = [
        solved(transcription=name, mesh_interval=0.01, periodic=True, initial_activation="free").total_objective
        for name in ("trapezoidal", "hermite-simpson", RADAU, f"{RADAU}-2")
    ]
    assert costs == pytest.approx([costs[2]] * 4, rel=2e-3)
    assert costs[1] == pytest.approx(costs[2], rel=2e-4)


def test_time_range_cuts_the_motion() -> None:
    solution = solved(time_range=(0.25, 0.75))
    assert (solution.time[0], solution.time[-1]) == (0.25, 0.75)
    assert solution.mesh_edges == pytest.approx(np.linspace(0.25, 0.75, 14))
    own = elbow().resample(solution.time)
    assert solution.problem.generalized_force == pytest.approx(own.generalized_force, abs=1e-12)


def test_refinement_ends_where_the_error_is_below_the_tolerance() -> None:
    coarse = solved(mesh_interval=0.1)
    assert coarse.check is not None
    tolerance = 0.02 * float(coarse.check.interval_error.max())
    fine = solved(mesh_interval=0.1, mesh_tolerance=tolerance, max_refinements=10)
    rounds = fine.provenance["rounds"]
    assert fine.check.interval_error.max() <= tolerance
    assert [one["integration_error"] > tolerance for one in rounds] == [True] * (len(rounds) - 1) + [False]
    assert [one["intervals"] for one in rounds] == sorted({one["intervals"] for one in rounds})
    assert set(coarse.mesh_edges.round(9)) < set(fine.mesh_edges.round(9))  # intervals are divided, not moved
    tolerance = float(np.median(coarse.check.interval_error))
    once = solved(mesh_interval=0.1, mesh_tolerance=tolerance, max_refinements=1)
    assert len(once.provenance["rounds"]) == 2
    pieces = [
        np.sum((once.mesh_edges > a + 1e-9) & (once.mesh_edges < b + 1e-9)) for a, b in pairwise(coarse.mesh_edges)
    ]
    assert ((np.array(pieces) > 1) == (coarse.check.interval_error > tolerance)).all()
    never = solved(mesh_interval=0.1, mesh_tolerance=tolerance, max_refinements=0)
    assert np.array_equal(never.mesh_edges, coarse.mesh_edges)


ENVELOPE = pd.DataFrame({"EMG": 0.2 + 0.1 * np.sin(np.linspace(0.0, 14.4, 241))}, index=np.linspace(0.0, 2.4, 241))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"periodic": True},
        {"transcription": RADAU},
        {"emg": EmgTracking(ENVELOPE, {"biceps": "EMG"}, weight=10.0)},
        {"cost": "min_max"},
        {"initial_activation": "equal"},
    ],
    ids=lambda options: next(iter(options), "plain"),
)
@pytest.mark.slow
def test_long_motions_begin_from_windows_and_end_the_same(
    options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = elbow(2.4)
    whole = solved(problem, mesh_interval=0.03, **options)
    assert [one["windows"] for one in whole.provenance["rounds"]] == [1]
    monkeypatch.setattr("osimopt.dynamic.windows.LONG", 40)
    pieces = solved(problem, mesh_interval=0.03, window=0.8, **options)
    assert [one["windows"] for one in pieces.provenance["rounds"]] == ([3, 1] if "periodic" in options else [3])
    flat = "cost" in options  # the largest activation leaves the others open, at the ends of windows too
    assert pieces.total_objective == pytest.approx(whole.total_objective, rel=50.0 * COST if flat else COST)
    assert flat or pieces.activation == pytest.approx(whole.activation, abs=1e-3)


@pytest.mark.slow
def test_windows_with_elastic_tendons(degroote: RedundancyProblem, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = solve_dynamic(degroote, mesh_interval=0.01)
    monkeypatch.setattr("osimopt.dynamic.windows.LONG", 40)
    pieces = solve_dynamic(degroote, mesh_interval=0.01, window=0.2)
    assert [one["windows"] for one in pieces.provenance["rounds"]] == [2]
    assert pieces.total_objective == pytest.approx(whole.total_objective, rel=5.0 * COST)  # margins of 0.05 s


def test_a_tolerance_below_what_ipopt_moves_bounds_by() -> None:
    """1e-8; muscles at their bounds must not be taken for moments that are missed."""
    solution = solved(tolerance=1e-10)
    assert solution.success
    assert solution.activation == pytest.approx(solved().activation, abs=NEAR)


def test_a_mesh_tolerance_that_is_not_reached_is_said() -> None:
    solution = solved(mesh_interval=0.2, mesh_tolerance=1e-5, max_refinements=1)
    assert any("mesh_tolerance 1e-05 was not reached after 1 refinements" in line for line in solution.findings())
