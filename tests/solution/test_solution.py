"""The solution judges itself: tampered answers, failed frames, findings, tables."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import strategies as ref
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from strategies import ALL_COSTS, cases, label

from osimopt.errors import InputError, SolverError
from osimopt.problem.problem import RedundancyProblem
from osimopt.solution.checks import BOUND_TOLERANCE, RESERVE_SHARE
from osimopt.solution.solution import RedundancySolution
from osimopt.solution.status import Status, judge, moment_residual
from osimopt.static.solve import solve_static

#: solve_static's default
TOLERANCE = 1e-9
MUSCLES = ("brachialis", "biceps", "triceps")


def elbow(*moments: float, reserves=None) -> RedundancyProblem:
    """Flexors of 20 + 28 N·m and an extensor of 30 N·m."""
    return RedundancyProblem.from_arrays(
        [0.02, 0.04, -0.03],
        [1000.0, 700.0, 1000.0],
        moments,
        muscles=MUSCLES,
        coordinates=["elbow"],
        reserves=reserves,
        time=0.1 * np.arange(len(moments)),
    )


def solved(*moments: float, reserves=None, **options) -> RedundancySolution:
    return solve_static(elbow(*moments, reserves=reserves), on_failure="return", **options)


def tampered(change: float, column: int = 0, frame: int = 1) -> tuple[RedundancySolution, tuple]:
    """A good answer with one number changed, and what judge says of it."""
    good = solved(5.0, 10.0, 15.0, reserves=2.0)
    x = np.hstack([good.activation, good.reserve_control])
    x[frame, column] += change
    detail: dict[int, str] = {}
    return good, (*judge(good.problem, x, [Status.SOLVED] * 3, TOLERANCE, detail), detail)


class TestJudge:
    @pytest.mark.parametrize("column", [0, 1, 3], ids=["muscle", "other muscle", "reserve"])
    @pytest.mark.parametrize("change", [1e-3, -1e-3, 1e-7, np.nan])
    def test_an_answer_that_misses_the_moments_is_downgraded(self, change, column):
        good, (activation, control, status, detail) = tampered(change, column)
        assert list(status) == [Status.SOLVED, Status.RESIDUAL, Status.SOLVED]
        assert np.isnan(activation[1]).all()
        assert np.isnan(control[1]).all()
        assert_array_equal(activation[[0, 2]], good.activation[[0, 2]])
        assert "Missed by" in detail[1]
        assert "allowed 1e-08" in detail[1]

    def test_rounding_is_not_a_miss(self):
        _, (_, _, status, detail) = tampered(1e-11)
        assert all(s.ok for s in status)
        assert not detail

    @pytest.mark.parametrize("beyond", [-0.3, 1.4])
    def test_an_answer_beyond_its_bounds_is_downgraded(self, beyond):
        """The moments hold, but an activation is not between 0 and 1."""
        problem = elbow(10.0, 10.0, reserves=2.0)
        x = np.array([[0.5, 0.0, 0.0, 0.0], [beyond, 0.0, 0.0, (10.0 - 20.0 * beyond) / 2.0]])
        activation, _, status = judge(problem, x, [Status.SOLVED] * 2, TOLERANCE, {})
        assert list(status) == [Status.SOLVED, Status.OUT_OF_BOUNDS]
        assert np.isnan(activation[1]).all()

    def test_the_bounds_of_reserves_count_too(self):
        problem = elbow(10.0).with_reserves(2.0, (-1.0, 1.0))
        _, control, status = judge(problem, np.array([[0.4, 0.0, 0.0, 1.0]]), [Status.SOLVED], TOLERANCE, {})
        assert list(status) == [Status.SOLVED]
        assert control[0, 0] == 1.0
        _, _, status = judge(problem, np.array([[0.2, 0.0, 0.0, 3.0]]), [Status.SOLVED], TOLERANCE, {})
        assert list(status) == [Status.OUT_OF_BOUNDS]

    def test_an_activation_clipped_with_rounding_is_on_its_bound(self):
        x = np.array([[-0.5 * BOUND_TOLERANCE, 0.25, 0.0]])
        _, _, status = judge(elbow(7.0), x, [Status.SOLVED], 1e-6, {})
        assert list(status) == [Status.SOLVED]

    @pytest.mark.parametrize("status", [s for s in Status if not s.ok])
    def test_a_failure_stays_what_it_was_and_shows_no_last_iterate(self, status):
        activation, _, checked = judge(elbow(7.0), np.array([[0.0, 0.25, 0.0]]), [status], TOLERANCE, {})
        assert list(checked) == [status]
        assert np.isnan(activation).all()

    def test_the_given_arrays_are_left_alone(self):
        x, status = np.array([[9.0, 0.0, 0.0]]), [Status.SOLVED]
        judge(elbow(7.0), x, status, TOLERANCE, {})
        assert_array_equal(x, [[9.0, 0.0, 0.0]])
        assert status == [Status.SOLVED]

    def test_the_tolerance_is_relative_to_the_largest_moment_of_the_frame_but_one(self):
        """28 N·m in another frame change nothing."""
        x = np.array([[0.0, 0.25 + 1e-6 / 28.0, 0.0], [0.0, 1.0, 0.0]])
        for tolerance, ok in ((1e-6 / 7.0 * 1.01, True), (1e-6 / 7.0 * 0.99, False)):
            *_, status = judge(elbow(7.0, 28.0), x, [Status.SOLVED] * 2, tolerance, {})
            assert status[0].ok == ok
            assert status[1].ok
        *_, status = judge(elbow(7e-3), np.array([[0.0, 2.5e-4 + 1e-7, 0.0]]), [Status.SOLVED], 1e-5, {})
        assert status[0].ok

    @settings(deadline=None, max_examples=60, derandomize=True, database=None)
    @given(cases(frames=(1, 3), coordinates=(1, 3), muscles=(3, 5)))
    def test_residual_is_that_of_the_system(self, case):
        missed = moment_residual(case.problem, 0.5 * case.activation, case.control)
        x = np.hstack([0.5 * case.activation, case.control])
        for frame, row in enumerate(missed):
            A, b = case.problem.system(frame)
            np.testing.assert_allclose(row, A @ x[frame] - b, atol=1e-9)


class TestStatus:
    def test_only_solved_is_ok(self):
        assert [status for status in Status if status.ok] == [Status.SOLVED]

    @pytest.mark.parametrize("status", Status)
    def test_each_says_what_it_means_and_what_to_do(self, status):
        assert status.value.endswith(".")
        assert status.ok or len(status.value) > 60


class TestFailedFrames:
    def test_are_nan_everywhere(self):
        bounded = elbow(10.0, 99.0, 20.0).with_reserves(2.0, (-1.0, 1.0))
        solution = solve_static(bounded, on_failure="return")
        assert solution.solved.tolist() == [True, False, True]
        assert not solution.success
        failed = [
            solution.activation,
            solution.muscle_force,
            solution.reserve_control,
            solution.reserve_force,
            solution.moment_residual,
            *(a[:, None] for a in (solution.objective, *solution.objective_terms.values())),
        ]
        for array in failed:
            assert np.isnan(array[1]).all()
            assert np.isfinite(array[[0, 2]]).all()

    @pytest.mark.parametrize("quantity", ["activation", "muscle_force", "reserve_force"])
    def test_are_nan_in_tables(self, quantity):
        problem = elbow(10.0, 99.0, 20.0).with_reserves(2.0, (-1.0, 1.0))
        table = solve_static(problem, on_failure="return").to_dataframe(quantity)
        assert table.iloc[1].isna().all()
        assert table.iloc[[0, 2]].notna().all().all()

    def test_raise_unless_asked_otherwise(self):
        problem = elbow(10.0, 99.0, 20.0)
        with pytest.raises(SolverError, match=r"1 of 3 frames infeasible, the first at 0\.1 s") as caught:
            solve_static(problem)
        assert "elbow is short of 51 N·m" in str(caught.value)
        solution = caught.value.solution
        assert solution.solved.tolist() == [True, False, True]
        assert_array_equal(solution.activation, solve_static(problem, on_failure="return").activation)

    def test_all_of_them(self):
        solution = solved(99.0, 98.0, reserves=None)
        assert not solution.solved.any()
        assert solution.reserve_share() == {}
        assert len(solution.findings()) == 1
        bounded = solve_static(elbow(99.0).with_reserves(2.0, (-1.0, 1.0)), on_failure="return")
        assert bounded.reserve_share() == {}


class TestObjective:
    @pytest.mark.parametrize("cost", ALL_COSTS, ids=label)
    def test_is_made_of_named_terms(self, cost):
        solution = solved(10.0, 60.0, -5.0, reserves=5.0, **cost)
        assert solution.success
        terms = solution.objective_terms
        assert list(terms) == ["muscles", "reserves"]
        joined = np.maximum(*terms.values()) if cost["cost"] == "min_max" else sum(terms.values())
        np.testing.assert_allclose(solution.objective, joined)
        weight, p = ref.coefficients(solution.problem, **cost)
        x = np.hstack([solution.activation, solution.reserve_control])
        np.testing.assert_allclose(
            solution.objective, [ref.value(w, row, p) for w, row in zip(weight, x, strict=True)], rtol=1e-9
        )

    @settings(deadline=None, max_examples=40, derandomize=True, database=None)
    @given(cases(frames=(1, 3), lower=(0.0, 0.01)), st.sampled_from(ALL_COSTS))
    def test_is_recomputed_from_the_answer(self, case, cost):
        solution = solve_static(case.problem, **cost)
        weight, p = ref.coefficients(case.problem, **cost)
        x = np.hstack([solution.activation, solution.reserve_control])
        expected = [ref.value(w, row, p) for w, row in zip(weight, x, strict=True)]
        np.testing.assert_allclose(solution.objective, expected, rtol=1e-9)


class TestFindings:
    def test_a_plain_answer_has_none(self):
        assert solved(5.0, 10.0).findings() == []

    def test_failures_come_first_with_time_remedy_and_detail(self):
        said = solved(10.0, 99.0, 98.0).findings()
        assert said[0].startswith("2 of 3 frames infeasible, the first at 0.1 s. No activations within their bounds")
        assert said[0].endswith("elbow is short of 51 N·m (N).")

    def test_reserves_beyond_their_share_are_named(self):
        said = solved(10.0, 20.0, reserves=20.0).findings()
        share = solved(10.0, 20.0, reserves=20.0).reserve_share()["reserve_elbow"][1]
        told = f"reserve_elbow carries {100 * share:.3g} % of the peak moment of elbow (the limit is 5 %)."
        assert said == [told]

    def test_reserves_within_their_share_are_not(self):
        solution = solved(10.0, 20.0, reserves=1.0)
        assert 0.0 < solution.reserve_share()["reserve_elbow"][1] < RESERVE_SHARE
        assert solution.findings() == []

    def test_answers_that_are_not_unique_are_counted(self):
        twins = RedundancyProblem.from_arrays([0.05, 0.05], [400.0, 300.0], [10.0, 0.0, 12.0])
        said = solve_static(twins, "sum_force").findings()
        assert said == ["In 2 frames the minimiser is not unique; the one of least norm is given."]

    def test_muscles_at_their_upper_bound_are_named(self):
        said = solved(47.9999, 48.0, 10.0).findings()
        assert said == ["At their upper bound (frames): brachialis (1), biceps (2)."]


class TestReserveShare:
    def test_is_the_peak_of_the_reserve_over_the_peak_of_the_moment(self):
        solution = solved(10.0, -20.0, reserves=20.0)
        coordinate, share = solution.reserve_share()["reserve_elbow"]
        assert coordinate == "elbow"
        assert share == pytest.approx(np.abs(solution.reserve_force).max() / 20.0)

    def test_failed_frames_do_not_hide_the_others(self):
        bounded = elbow(10.0, 99.0).with_reserves(20.0, (-1.0, 1.0))
        solution = solve_static(bounded, on_failure="return")
        share = solution.reserve_share()["reserve_elbow"][1]
        assert share == pytest.approx(abs(solution.reserve_force[0, 0]) / 99.0)

    def test_residuals_where_no_muscle_serves_are_left_out(self):
        arm = np.array([[0.02, 0.04], [0.0, 0.0]])
        problem = RedundancyProblem.from_arrays(
            arm, [1000.0, 700.0], [10.0, 900.0], coordinates=["elbow", "pelvis_ty"], reserves=10.0
        )
        assert list(solve_static(problem).reserve_share()) == ["reserve_elbow"]


class TestQuantities:
    def test_forces_are_gain_times_activation_and_what_is_passive(self):
        problem = replace(elbow(10.0, 12.0), passive_force=np.array([[5.0, 0.0, 1.0], [6.0, 2.0, 0.0]]))
        solution = solve_static(problem)
        np.testing.assert_allclose(
            solution.muscle_force, problem.max_force * solution.activation + problem.passive_force
        )
        moment = np.einsum("tdm,tm->td", problem.moment_arm, solution.muscle_force)
        np.testing.assert_allclose(moment, problem.generalized_force)
        assert np.abs(solution.moment_residual).max() <= TOLERANCE * 12.0

    def test_reserve_force_is_control_times_optimal_force(self):
        solution = solved(10.0, reserves=4.0)
        assert_array_equal(solution.reserve_force, 4.0 * solution.reserve_control)
        assert_array_equal(solution.time, [0.0])

    @pytest.mark.parametrize(
        ("quantity", "columns"),
        [("activation", MUSCLES), ("muscle_force", MUSCLES), ("reserve_force", ("reserve_elbow",))],
    )
    def test_tables_have_names_and_time(self, quantity, columns):
        solution = solved(10.0, 12.0, reserves=4.0)
        table = solution.to_dataframe(quantity)
        assert isinstance(table, pd.DataFrame)
        assert tuple(table.columns) == columns
        assert table.index.name == "time"
        assert_array_equal(table.index, [0.0, 0.1])
        assert_array_equal(table.to_numpy(), getattr(solution, quantity))

    def test_activation_is_the_table_unless_asked(self):
        solution = solved(10.0)
        pd.testing.assert_frame_equal(solution.to_dataframe(), solution.to_dataframe("activation"))

    def test_unknown_quantities_are_refused(self):
        with pytest.raises(InputError, match=r"expected a quantity among activation, .*, got excitation"):
            solved(10.0).to_dataframe("excitation")
