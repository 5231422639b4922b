"""Derivatives of the optimum: against solving again, their transposes, and the frames where there are none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st
from strategies import Case, cases, label

import osimopt
from osimopt import InputError, RedundancyProblem, solve_static
from osimopt.analysis.sensitivity import Change, Sensitivity

#: Relative; a step of 1e-5 leaves 1e-10 of curvature, and the solver's 1e-12 becomes 1e-7.
DIFFERENCES = 1e-4
STEP = 1e-5
#: Relative; the same sums in another order.
ROUNDING = 1e-9
COSTS: list[dict[str, Any]] = [
    {"cost": "sum_force_squared"},
    {"cost": "sum_stress_squared"},
    {"cost": "sum_moment_ratio_cubed"},
    *({"cost": "activation_power", "exponent": p} for p in (1.2, 1.5, 2.0, 3.0, 5.0)),
]


def several(examples: int = 25):
    phases = (Phase.explicit, Phase.generate, Phase.shrink)
    return settings(deadline=None, max_examples=examples, derandomize=True, database=None, phases=phases)


def directions(problem: RedundancyProblem, seed: int = 0) -> dict[str, np.ndarray]:
    """A joint change of everything, of the size of what it changes."""
    rng = np.random.default_rng(seed)
    arms = problem.geometry.moment_arms
    size = np.maximum(1.0, np.abs(problem.generalized_force))
    return {
        "d_generalized_force": rng.uniform(-1.0, 1.0, size.shape) * size,
        "d_max_force": rng.uniform(-1.0, 1.0, problem.max_force.shape) * problem.max_force,
        "d_moment_arm": rng.uniform(-1.0, 1.0, arms.shape) * arms,
        "d_weights": rng.uniform(-1.0, 1.0, len(problem.muscles)) * problem.weights,
    }


def moved(problem: RedundancyProblem, step: float, change: dict[str, np.ndarray]) -> RedundancyProblem:
    geometry = problem.geometry
    return replace(
        problem,
        geometry=replace(geometry, moment_arms=geometry.moment_arms + step * change.get("d_moment_arm", 0.0)),
        max_force=problem.max_force + step * change.get("d_max_force", 0.0),
        generalized_force=problem.generalized_force + step * change.get("d_generalized_force", 0.0),
        weights=problem.weights + step * change.get("d_weights", 0.0),
    )


def differences(
    problem: RedundancyProblem, change: dict[str, np.ndarray], cost: dict[str, Any], step: float = STEP
) -> tuple[Change, np.ndarray, bool]:
    """Central differences of the optimum and its objective, and whether the same muscles were on bounds throughout."""
    ends = [solve_static(moved(problem, sign * step, change), **cost, on_failure="return") for sign in (1.0, -1.0)]
    free = [osimopt.sensitivity(end).response.free for end in ends]

    def slope(name: str) -> np.ndarray:
        return (getattr(ends[0], name) - getattr(ends[1], name)) / (2.0 * step)

    same = all(end.success for end in ends) and bool((free[0] == free[1]).all())
    return Change(slope("activation"), slope("reserve_control"), slope("muscle_force")), slope("objective"), same


def random_problem(seed: int = 0, frames: int = 4, reserves: float | None = 30.0) -> RedundancyProblem:
    """Eight muscles over three coordinates, one idle, with passive forces; some end on a bound."""
    rng = np.random.default_rng(seed)
    arm = rng.uniform(0.01, 0.06, (frames, 3, 8)) * rng.choice([1.0, -1.0], (3, 8)) * (rng.random((3, 8)) < 0.7)
    arm[:, :, 3] = 0.0
    arm[:, 0, :3], arm[:, 0, 4] = 0.04 + 0.001 * rng.random((frames, 3)), -0.03
    force = rng.uniform(300.0, 3000.0, (frames, 8))
    passive = rng.uniform(0.0, 40.0, (frames, 8))
    produced = np.einsum("tdm,tm->td", arm, force * rng.uniform(0.0, 0.6, (frames, 8)) + passive)
    problem = RedundancyProblem.from_arrays(
        arm, force, produced, pcsa=rng.uniform(5.0, 60.0, 8), bounds=(0.02, 1.0), weights=rng.uniform(0.5, 2.0, 8),
        passive_force=passive,
    )  # fmt: skip
    return problem.with_reserves(reserves)


def close(found: np.ndarray, wanted: np.ndarray, tolerance: float) -> None:
    assert np.abs(found - wanted).max(initial=0.0) <= tolerance * max(1.0, np.abs(wanted).max(initial=0.0))


@pytest.mark.parametrize("cost", COSTS, ids=label)
@pytest.mark.parametrize("reserves", [30.0, None], ids=["reserves", "none"])
@pytest.mark.slow
def test_derivatives_are_those_of_solving_again(cost: dict[str, Any], reserves: float | None) -> None:
    problem = random_problem(reserves=reserves)
    if cost["cost"] == "sum_moment_ratio_cubed":
        keep = [i for i in range(8) if i != 3]
        problem = without_idle(problem, keep)
    found = osimopt.sensitivity(solve_static(problem, **cost))
    assert not found.nondifferentiable.any()
    for name, part in directions(problem).items():
        change = {name: part}
        wanted, _, same = differences(problem, change, cost)
        assert same
        got = found.jvp(**change)
        for quantity in ("activation", "reserve_control", "muscle_force"):
            close(getattr(got, quantity), getattr(wanted, quantity), DIFFERENCES)


def without_idle(problem: RedundancyProblem, keep: list[int]) -> RedundancyProblem:
    bare = RedundancyProblem.from_arrays(
        problem.moment_arm[:, :, keep], problem.max_force[:, keep], problem.generalized_force,
        pcsa=problem.pcsa[keep], bounds=(0.02, 1.0), weights=problem.weights[keep],
        passive_force=problem.passive_force[:, keep],
    )  # fmt: skip
    return replace(bare, reserves=problem.reserves)


@several()
@given(
    case=cases(
        coordinates=(1, 3), muscles=(2, 6), frames=(1, 2), reserves=("unbounded", "none"), lower=(0.0, 0.01, -0.5)
    ),
    cost=st.sampled_from(COSTS),
    seed=st.integers(0, 5),
)
@pytest.mark.slow
def test_derivatives_of_invented_problems(case: Case, cost: dict[str, Any], seed: int) -> None:
    solution = solve_static(case.problem, **cost, on_failure="return")
    assume(solution.success)
    found = osimopt.sensitivity(solution)
    assume(not found.nondifferentiable.any())
    change = directions(case.problem, seed)
    got = found.jvp(**change)
    size = max(np.abs(got.activation).max(), np.abs(got.reserve_control).max(initial=0.0), 1.0)
    wanted, _, same = differences(case.problem, change, cost, STEP / size)
    wider, _, also = differences(case.problem, change, cost, 10.0 * STEP / size)
    straight = np.abs(wanted.activation - wider.activation).max() <= DIFFERENCES * size
    assume(same and also and straight)  # a difference across a kink, or of a steep power at 0, is no derivative
    close(got.activation, wanted.activation, 10.0 * DIFFERENCES)


@pytest.mark.parametrize("cost", COSTS, ids=label)
def test_gradients_are_the_transpose(cost: dict[str, Any]) -> None:
    problem = without_idle(random_problem(1), [0, 1, 2, 4, 5, 6, 7])
    found = osimopt.sensitivity(solve_static(problem, **cost))
    rng = np.random.default_rng(2)
    shapes = {"activation": (4, 7), "reserve_control": (4, 3), "muscle_force": (4, 7)}
    seed = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    gradient, change = found.vjp(**seed), directions(problem)
    forward = found.jvp(**change)
    left = sum(float(np.sum(seed[name] * getattr(forward, name))) for name in shapes)
    right = sum(float(np.sum(part * getattr(gradient, name.removeprefix("d_")))) for name, part in change.items())
    assert left == pytest.approx(right, rel=ROUNDING)


@pytest.mark.parametrize("of", ["activation", "muscle_force"])
def test_jacobians_hold_the_directional_products(of: str) -> None:
    problem = random_problem(3)
    found = osimopt.sensitivity(solve_static(problem))
    for name, part in directions(problem).items():
        jacobian = found.jacobian(name.removeprefix("d_"), of=of)
        assert jacobian.shape[:2] == (4, 8)
        product = np.einsum("tmx,tx->tm", jacobian, np.broadcast_to(part, (4, jacobian.shape[2])))
        close(product, getattr(found.jvp(**{name: part}), of), ROUNDING)
        few = found.jacobian(name.removeprefix("d_"), of=of, muscles=["muscle_5", "muscle_0"])
        np.testing.assert_array_equal(few, jacobian[:, [5, 0]])


def test_moments_are_met_to_first_order() -> None:
    """R dF + effect de = dτ."""
    problem = random_problem(4)
    change = np.ones_like(problem.generalized_force)
    got = osimopt.sensitivity(solve_static(problem)).jvp(d_generalized_force=change)
    produced = np.einsum("tdm,tm->td", problem.moment_arm, got.muscle_force)
    produced += np.einsum("dk,tk->td", problem.reserves.effect[0], got.reserve_control)
    close(produced, change, ROUNDING)


def test_dense_moment_arms_are_taken_too() -> None:
    problem = random_problem(5)
    found, arm = osimopt.sensitivity(solve_static(problem)), problem.moment_arm
    got = found.jvp(d_moment_arm=0.1 * arm)
    wanted = found.jvp(d_moment_arm=0.1 * problem.geometry.moment_arms)
    np.testing.assert_array_equal(got.activation, wanted.activation)


def test_two_equal_muscles_in_closed_form() -> None:
    """One moment, two equal muscles: a = τ / (2 r F), and a weight of one takes from it what the other gets."""
    problem = RedundancyProblem.from_arrays([0.05, 0.05], [1000.0, 1000.0], [20.0, 40.0])
    found = osimopt.sensitivity(solve_static(problem))
    np.testing.assert_allclose(found.jacobian("generalized_force")[:, :, 0], np.full((2, 2), 0.01), rtol=ROUNDING)
    share = np.array([0.2, 0.4])[:, None, None] / 2.0 * np.array([[-1.0, 1.0], [1.0, -1.0]])
    np.testing.assert_allclose(found.jacobian("weights"), share, rtol=ROUNDING)
    np.testing.assert_allclose(found.price[:, 0], 2.0 * np.array([0.2, 0.4]) / 50.0, rtol=ROUNDING)


@pytest.mark.parametrize("cost", COSTS, ids=label)
def test_price_of_a_moment(cost: dict[str, Any]) -> None:
    problem = without_idle(random_problem(6), [0, 1, 2, 4, 5, 6, 7])
    change = {"d_generalized_force": np.array([1.0, -0.5, 0.3])}
    _, objective, _ = differences(problem, change, cost)
    close(osimopt.sensitivity(solve_static(problem, **cost)).price @ change["d_generalized_force"], objective, 1e-6)


def test_muscles_on_a_bound_stay() -> None:
    problem = RedundancyProblem.from_arrays([0.05, 0.05, -0.05], [100.0, 1000.0, 500.0], 30.0)
    found = osimopt.sensitivity(solve_static(problem, weights=[0.02, 1.0, 1.0]))
    np.testing.assert_allclose(found.activation, [[1.0, 0.5, 0.0]], rtol=ROUNDING, atol=ROUNDING)
    expected = [[[0.0], [0.02], [0.0]]]
    np.testing.assert_allclose(found.jacobian("generalized_force"), expected, rtol=ROUNDING, atol=ROUNDING)
    assert not found.nondifferentiable.any()


def test_kinks_are_flagged() -> None:
    """At rest nothing presses a muscle on its bound (p = 2), a reserve has no curvature (3), or is infinitely stiff."""
    problem = RedundancyProblem.from_arrays([0.05, -0.05], [100.0, 100.0], [0.0, 1.0], reserves=1.0)
    for exponent in (2.0, 3.0, 1.5):
        found = osimopt.sensitivity(solve_static(problem, exponent=exponent))
        assert found.nondifferentiable.tolist() == [True, False]
    signed = RedundancyProblem.from_arrays([0.05, 0.04], [100.0, 100.0], [0.0, 1.0], bounds=(-1.0, 1.0))
    assert osimopt.sensitivity(solve_static(signed, exponent=3)).nondifferentiable.tolist() == [True, False]
    assert not osimopt.sensitivity(solve_static(signed)).nondifferentiable.any()


def test_a_muscle_that_can_do_nothing_is_no_kink() -> None:
    problem = RedundancyProblem.from_arrays([0.05, 0.03, 0.0], [100.0, 100.0, 100.0], 1.0)
    assert not osimopt.sensitivity(solve_static(problem)).nondifferentiable.any()


def test_moments_that_cannot_all_be_followed_are_flagged() -> None:
    """Two coordinates that say the same, and a frame with a single muscle inside its bounds for two moments."""
    twice = RedundancyProblem.from_arrays([[0.05, 0.03], [0.1, 0.06]], [100.0, 100.0], [[2.0, 4.0]])
    assert osimopt.sensitivity(solve_static(twice)).nondifferentiable.all()
    bound = RedundancyProblem.from_arrays([[0.05, 0.0], [0.0, 0.05]], [100.0, 100.0], [[5.0, 2.0]])
    assert osimopt.sensitivity(solve_static(bound)).nondifferentiable.all()


def test_equal_largest_moment_arms_are_flagged() -> None:
    problem = RedundancyProblem.from_arrays([[0.05, 0.02], [0.05, -0.04]], [500.0, 500.0], [[12.0, 5.0]], reserves=5.0)
    cubed = solve_static(problem, "sum_moment_ratio_cubed")
    assert osimopt.sensitivity(cubed).nondifferentiable.all()
    assert not osimopt.sensitivity(solve_static(problem)).nondifferentiable.any()


def test_failed_frames_are_nan_and_flagged() -> None:
    problem = RedundancyProblem.from_arrays([0.05, 0.04], [100.0, 100.0], [3.0, 300.0, 4.0])
    found = osimopt.sensitivity(solve_static(problem, on_failure="return"))
    assert found.nondifferentiable.tolist() == [False, True, False]
    got, gradient = found.jvp(d_max_force=1.0), found.vjp(activation=1.0)
    for part in (got.activation, gradient.max_force, gradient.moment_arm, found.price):
        assert np.isnan(part[1]).all()
        assert np.isfinite(part[[0, 2]]).all()


def test_fewer_frames_and_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    solution = solve_static(random_problem(7, frames=9))
    whole = osimopt.sensitivity(solution).jacobian("max_force")
    few = osimopt.sensitivity(solution, frames=slice(2, None, 3)).jacobian("max_force")
    np.testing.assert_array_equal(few, whole[2::3])
    monkeypatch.setattr("osimopt.static.implicit.CHUNK", 4)
    np.testing.assert_allclose(osimopt.sensitivity(solution).jacobian("max_force"), whole, rtol=ROUNDING)


def test_wrong_questions_are_refused() -> None:
    problem = random_problem(8)
    for linear in ("sum_force", "min_max"):
        with pytest.raises(InputError, match=r"1 < p < ∞.*feasible_ranges"):
            osimopt.sensitivity(solve_static(problem, linear))
    solution = solve_static(problem)
    with pytest.raises(InputError, match="solve_static"):
        osimopt.sensitivity(replace(solution, provenance={}))
    found: Sensitivity = osimopt.sensitivity(solution)
    with pytest.raises(InputError, match="wrt among generalized_force"):
        found.jacobian("moments")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="muscle_force"):
        found.jacobian("weights", of="control")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="soleus"):
        found.jacobian("weights", muscles=["soleus"])
    with pytest.raises(InputError, match="d_max_force of shape"):
        found.jvp(d_max_force=np.ones(7))
