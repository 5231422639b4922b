"""Feasible ranges: against HiGHS one program at a time, closed forms, and what cannot be ranged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from strategies import Case, cases

import osimopt
from osimopt import InputError, RedundancyProblem, RedundancySolution, solve_static
from osimopt.analysis import feasible

#: HiGHS meets its constraints to 1e-7, relative to rows that are scaled to 1.
HIGHS = 1e-6
#: Closed forms, and programs that are proved to 1e-8.
EXACT = 1e-8
FAMILIES = {
    "ordinary": {},
    "zero arms and gains": {"zeros": True},
    "proportional rows": {"proportional": True, "coordinates": (2, 3)},
    "on the bounds": {"interior": False},
    "tiny and huge": {"strengths": (1e-4, 100.0)},
}


def several(examples: int = 15):
    phases = (Phase.explicit, Phase.generate, Phase.shrink)
    return settings(deadline=None, max_examples=examples, derandomize=True, database=None, phases=phases)


def by_highs(solution: RedundancySolution, frame: int, muscle: int, leave: str = "-") -> tuple[float, float]:
    """Least and greatest activation, by two linear programs that know nothing of the optimum but its reserves.

    Coordinates on which no muscle acts, or whose name begins with ``leave``, are left out.
    """
    problem = solution.problem
    A, b = problem.system(frame)
    count = len(problem.muscles)
    b = b - A[:, count:] @ solution.reserve_control[frame]
    A = A[:, :count]
    kept = (A != 0.0).any(axis=1) & [not name.startswith(leave) for name in problem.coordinates]
    A, b = A[kept], b[kept]
    size = np.abs(A).max(axis=1)
    cost = np.eye(count)[muscle]
    bounds = np.column_stack([problem.lower, problem.upper])
    found = [linprog(sign * cost, A_eq=A / size[:, None], b_eq=b / size, bounds=bounds) for sign in (1.0, -1.0)]
    assert all(one.status == 0 for one in found)
    return found[0].fun, -found[1].fun


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.slow
def test_ranges_are_those_of_single_linear_programs(family: str) -> None:
    options = {"coordinates": (1, 3), "muscles": (1, 7), "frames": (1, 2), **FAMILIES[family]}

    @several()
    @given(case=cases(**options), cost=st.sampled_from(["activation_power", "sum_force"]))
    def check(case: Case, cost: str) -> None:
        solution = solve_static(case.problem, cost, on_failure="return")
        found = osimopt.feasible_ranges(solution)
        for frame in np.flatnonzero(solution.solved):
            assert (found.gap[frame] <= EXACT).all()
            assert (found.minimum[frame] <= found.optimum[frame]).all()
            assert (found.optimum[frame] <= found.maximum[frame]).all()
            for muscle in range(len(case.problem.muscles)):
                low, high = by_highs(solution, frame, muscle)
                assert found.minimum[frame, muscle] == pytest.approx(low, abs=HIGHS)
                assert found.maximum[frame, muscle] == pytest.approx(high, abs=HIGHS)

    check()


def many_muscles(frames: int = 3) -> RedundancyProblem:
    """Twelve muscles over four coordinates."""
    rng = np.random.default_rng(0)
    arm = rng.normal(size=(frames, 4, 12)) * 0.04 * (rng.random((4, 12)) < 0.6)
    force = rng.uniform(200.0, 3000.0, 12)
    produced = np.einsum("tdm,m->td", arm, force * rng.uniform(0.0, 0.7, 12))
    return RedundancyProblem.from_arrays(arm, force, produced, passive_force=rng.uniform(0.0, 20.0, 12), reserves=10.0)


def test_antagonists_in_closed_form() -> None:
    """20 N·m by 50 a₀ − 40 a₁: the antagonist may be anything up to (50 − 20)/40, and the agonist follows."""
    problem = RedundancyProblem.from_arrays(
        [0.05, -0.04], [1000.0, 1000.0], 20.0 + 0.35, passive_force=[7.0, 0.0], muscles=["agonist", "antagonist"]
    )
    found = osimopt.feasible_ranges(problem)
    np.testing.assert_allclose(found.minimum, [[0.4, 0.0]], atol=EXACT)
    np.testing.assert_allclose(found.maximum, [[1.0, 0.75]], atol=EXACT)
    low, high = found.to_dataframes()
    np.testing.assert_allclose(low.to_numpy(), [[407.0, 0.0]], atol=1e3 * EXACT)
    np.testing.assert_allclose(high.to_numpy(), [[1007.0, 750.0]], atol=1e3 * EXACT)
    summary = found.summary()
    assert summary["demanded"].to_dict() == {"agonist": 1.0, "antagonist": 0.0}
    assert summary.loc["agonist", "optimum"] == pytest.approx(407.0)


def test_a_determined_muscle_has_no_range_and_an_idle_one_all() -> None:
    problem = RedundancyProblem.from_arrays([[0.05, 0.0]], [1000.0, 500.0], 20.0)
    found = osimopt.feasible_ranges(problem)
    np.testing.assert_allclose(found.minimum, [[0.4, 0.0]], atol=EXACT)
    np.testing.assert_allclose(found.maximum, [[0.4, 1.0]], atol=EXACT)


def test_without_any_moment_to_meet_all_activations_are_feasible() -> None:
    found = osimopt.feasible_ranges(RedundancyProblem.from_arrays([0.0, 0.0], [1000.0, 500.0], 0.0))
    np.testing.assert_allclose([found.minimum[0], found.maximum[0]], [[0.0, 0.0], [1.0, 1.0]], atol=EXACT)


def test_reserves_are_held() -> None:
    """A reserve that could carry everything would leave the muscle free."""
    solution = solve_static(RedundancyProblem.from_arrays([0.05], [1000.0], 20.0, reserves=1000.0))
    found = osimopt.feasible_ranges(solution)
    np.testing.assert_allclose([found.minimum, found.maximum], [solution.activation] * 2, atol=EXACT)


@pytest.mark.parametrize("bound", [np.inf, 100.0, 5.0])
def test_actuators_of_joints_that_no_muscle_crosses_follow(bound: float) -> None:
    """A wrapping error of 0.1 mm about the pelvis is for its actuator, unless that is at its limit."""
    arm = [[0.05, -0.04], [1e-4, 0.0]]
    problem = RedundancyProblem.from_arrays(arm, [1000.0, 1000.0], [[20.0, 5.0]])
    problem = problem.with_reserves({"coordinate_1": 1.0}, (-bound, bound))
    problem = replace(problem, geometry=replace(problem.geometry, spanned=np.array([True, False])))
    found = osimopt.feasible_ranges(problem)
    wanted = [[1.0, 0.75]] if bound > 5.0 else found.optimum
    np.testing.assert_allclose(found.maximum, wanted, atol=EXACT)


def test_failed_frames_are_nan() -> None:
    solution = solve_static(RedundancyProblem.from_arrays([0.05], [1000.0], [20.0, 90.0, 30.0]), on_failure="return")
    found = osimopt.feasible_ranges(solution)
    for array in (found.minimum, found.maximum, found.gap, found.optimum):
        assert np.isnan(array[:, 0]).tolist() == [False, True, False]
    assert found.summary().loc["muscle_0", "optimum"] == pytest.approx(600.0)
    none = osimopt.feasible_ranges(RedundancyProblem.from_arrays([0.05], [1000.0], [90.0]))
    assert np.isnan(none.minimum).all()


def test_muscles_frames_and_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = many_muscles(frames=7)
    solution = solve_static(problem)
    whole = osimopt.feasible_ranges(solution)
    assert whole.muscles == problem.muscles
    few = osimopt.feasible_ranges(solution, muscles=["muscle_7", "muscle_2"], frames=slice(1, None, 2))
    assert few.muscles == ("muscle_7", "muscle_2")
    np.testing.assert_array_equal(few.time, problem.time[1::2])
    for name in ("minimum", "optimum", "maximum"):
        np.testing.assert_allclose(getattr(few, name), getattr(whole, name)[1::2][:, [7, 2]], atol=EXACT)
    monkeypatch.setattr(feasible, "CHUNK", 30)
    np.testing.assert_allclose(osimopt.feasible_ranges(problem).maximum, whole.maximum, atol=EXACT)
    thinned = osimopt.feasible_ranges(problem, frames=slice(0, 2))
    np.testing.assert_allclose(thinned.minimum, whole.minimum[:2], atol=EXACT)


def test_ordinary_problems_do_not_need_highs(monkeypatch: pytest.MonkeyPatch) -> None:
    solution = solve_static(many_muscles())

    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError("solved again")

    monkeypatch.setattr("scipy.optimize.linprog", refuse)
    assert osimopt.feasible_ranges(solution).gap.max() < EXACT


@pytest.mark.parametrize("broken", ["unproved", "circling"])
def test_what_is_not_proved_is_solved_again(monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    solution = solve_static(many_muscles())
    good = osimopt.feasible_ranges(solution)
    assert good.gap.max() < 1e-9
    if broken == "unproved":
        monkeypatch.setattr(feasible, "PROVED", -1.0)
    else:
        monkeypatch.setattr("osimopt.static.linear.STEPS", 0)
    again = osimopt.feasible_ranges(solution)
    np.testing.assert_allclose(again.minimum, good.minimum, atol=HIGHS)
    np.testing.assert_allclose(again.maximum, good.maximum, atol=HIGHS)
    assert again.gap.max() < HIGHS


def test_wrong_questions_are_refused() -> None:
    with pytest.raises(InputError, match=r"muscles among muscle_0.*soleus"):
        osimopt.feasible_ranges(many_muscles(), muscles=["soleus"])
    with pytest.raises(InputError, match="muscle_force"):
        osimopt.feasible_ranges(many_muscles()).to_dataframes("force")  # type: ignore[arg-type]


@pytest.mark.slow
def test_walk(real_data: Path) -> None:
    """All 80 muscles of every tenth frame, proved; a sample of them by HiGHS too."""
    folder = real_data / "walk_80muscles"
    files = [folder / name for name in ("walk_80muscles_with_reserves.osim", "coordinates_100hz.mot", "grf_walk.xml")]
    problem = osimopt.load_problem(*files, time_range=(0.49, 1.61), reserves=None)
    solution = solve_static(problem.frames(slice(None, None, 10)))
    found = osimopt.feasible_ranges(solution)
    assert found.gap.max() < EXACT
    assert (found.minimum <= found.optimum).all()
    assert (found.optimum <= found.maximum).all()
    for frame, muscle in np.random.default_rng(0).integers([len(solution.time), 80], size=(15, 2)):
        low, high = by_highs(solution, frame, muscle, leave="pelvis")
        assert found.minimum[frame, muscle] == pytest.approx(low, abs=HIGHS)
        assert found.maximum[frame, muscle] == pytest.approx(high, abs=HIGHS)
