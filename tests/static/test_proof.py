"""What is proved of answers, on the whole problem: closed forms, forged claims, and frames of different patterns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from osimopt import RedundancyProblem, Status, solve_static
from osimopt.static.frame import Frame, InfeasibleError
from osimopt.static.interior import interior
from osimopt.static.linear import attainable
from osimopt.static.proof import ALLOWED, distance, least_missed, prove

POWERS = [1.2, 1.5, 2.0, 3.0, 5.0]
#: Activation; answers that may miss the moments by 1e-12 of them, and a flat cost for large p.
CLOSE = 1e-6
#: Relative; two ways to the same optimum.
SAME = 1e-6
#: Relative; sums of powers.
ROUNDING = 1e-12


def ankle(arm: float = 0.0, moment: float = 0.0) -> RedundancyProblem:
    """Two muscles of a knee, the first of which acts on the ankle too; in frame 1 its ankle arm is ``arm``."""
    arms = np.array([[[0.05, 0.05], [0.03, 0.0]], [[0.05, 0.05], [arm, 0.0]]])
    return RedundancyProblem.from_arrays(arms, [1000.0, 1000.0], [[20.0, 6.0], [20.0, moment]])


def sparse(seed: int, frames: int = 3) -> RedundancyProblem:
    """Frames that can be met, in each of which half of the arms are 0 and some are next to nothing."""
    rng = np.random.default_rng(seed)
    rows, muscles = int(rng.integers(2, 5)), int(rng.integers(2, 9))
    arm = rng.normal(0.0, 0.05, (frames, rows, muscles))
    tiny = rng.random(arm.shape) < 0.1
    arm = np.where(tiny, 10.0 ** rng.uniform(-17.0, -6.0, arm.shape), arm) * (rng.random(arm.shape) < 0.5)
    force = rng.uniform(100.0, 2000.0, (frames, muscles))
    moment = np.einsum("tdm,tm->td", arm, force * rng.uniform(0.05, 0.95, (frames, muscles)))
    problem = RedundancyProblem.from_arrays(arm, force, moment)
    return problem.with_reserves(0.1) if seed % 3 == 0 else problem


class TestPatterns:
    @pytest.mark.parametrize("solver", ["auto", "slsqp"])
    @pytest.mark.parametrize("p", POWERS)
    @pytest.mark.parametrize("arm", [0.0, 1e-17, 1e-12])
    def test_a_muscle_is_free_where_its_arm_is_nothing(self, arm, p, solver):
        solution = solve_static(ankle(arm), exponent=p, solver=solver)
        np.testing.assert_allclose(solution.activation, [[0.2, 0.2], [0.2, 0.2]], atol=CLOSE)
        assert solution.gap is not None
        assert (solution.gap <= SAME * solution.objective).all()

    @pytest.mark.parametrize("solver", ["auto", "slsqp"])
    @pytest.mark.parametrize("p", POWERS)
    def test_what_moves_a_moment_by_more_than_rounding_counts(self, p, solver):
        """An arm of 1e-9 m and 1000 N are 1e-6 N·m: 0.2 of them is asked for, or nothing."""
        for moment, expected in ((2e-7, [0.2, 0.2]), (0.0, [0.0, 0.4])):
            solution = solve_static(ankle(1e-9, moment), exponent=p, solver=solver)
            np.testing.assert_allclose(solution.activation[1], expected, atol=1e-4)

    @pytest.mark.parametrize("p", [1.5, 2.0, 6.0])
    def test_a_frame_has_the_same_optimum_alone_and_among_others(self, p):
        """Each of 12 batches of 3 patterns; all can be met, and none costs more than it does alone."""
        for seed in range(12):
            problem = sparse(seed)
            together = solve_static(problem, exponent=p)
            for frame in range(len(problem)):
                alone = solve_static(problem.frames(slice(frame, frame + 1)), exponent=p)
                assert together.objective[frame] == pytest.approx(alone.objective[0], rel=SAME, abs=1e-12)

    def test_linear_costs_too(self):
        for cost in ("sum_force", "min_max"):
            np.testing.assert_allclose(solve_static(ankle(), cost=cost).activation[1], [0.2, 0.2], atol=CLOSE)


class TestProof:
    @pytest.mark.parametrize("p", POWERS)
    def test_gap_is_the_closed_form(self, p):
        """One muscle between its bounds, λ that is not its own: φ(a) + ψ(z) − z a."""
        problem = RedundancyProblem.from_arrays([0.05], [1000.0], [20.0])
        one = np.ones((1, 1))
        for slope in (0.1, 0.3, 2.0):  # of the cost at a = y(λ), which is beyond its bound for 2
            y = min(slope ** (1.0 / (p - 1.0)), 1.0)
            expected = 0.4**p / p + slope * y - y**p / p - slope * 0.4
            gap = prove(problem, p, one, np.array([[0.4]]), np.array([[slope / 50.0]])).gap[0]
            assert gap >= expected * (1.0 - ROUNDING)
            assert gap <= expected * (1.0 + SAME) + ROUNDING

    def test_what_is_missed_is_counted(self):
        problem = RedundancyProblem.from_arrays([0.05], [1000.0], [20.0])
        own, away = (prove(problem, 2.0, np.ones((1, 1)), np.array([[x]]), np.array([[x / 50.0]])) for x in (0.4, 0.41))
        assert own.certified[0]
        assert own.gap[0] <= ROUNDING
        assert not away.certified[0]
        assert away.gap[0] >= 0.5 * 0.41 / 50.0

    @pytest.mark.parametrize("p", POWERS)
    def test_forged_claims_are_refuted(self, p):
        """The answer of the issue with its own multipliers, a worse answer with the right ones, wrong multipliers."""
        problem, scale = ankle().frames(slice(1, 2)), np.ones((1, 2))
        right = solve_static(problem, exponent=p)
        assert prove(problem, p, scale, right.activation, right.multipliers).certified[0]
        forged = np.array([[0.0, 0.4]])
        of_forged = np.array([[0.4 ** (p - 1.0) / 50.0, 0.0]])
        for x, multipliers in (
            (forged, of_forged),
            (forged, right.multipliers),
            (right.activation, 1.1 * right.multipliers),
            (right.activation + np.array([[0.01, 0.0]]), right.multipliers),
            (np.array([[1.2, -0.8]]), right.multipliers),
            (np.full((1, 2), np.nan), right.multipliers),
        ):
            assert not prove(problem, p, scale, x, multipliers).certified[0]

    @pytest.mark.parametrize("p", [1.3, 2.0, 2.7, 8.0])
    def test_gap_and_distance_are_never_too_small(self, p):
        """Of answers that meet the moments by reserves, for any multipliers; the optimum is known to 1e-13."""
        rng = np.random.default_rng(0)
        arm, force = rng.normal(0.0, 0.05, (20, 2, 6)), rng.uniform(100.0, 2000.0, (20, 6))
        problem = RedundancyProblem.from_arrays(arm, force, rng.normal(0.0, 30.0, (20, 2)), reserves=10.0)
        best, scale = solve_static(problem, exponent=p), np.ones((20, 8))
        own = np.hstack([best.activation, best.reserve_control])
        assert best.multipliers is not None
        for size in (1e-9, 1e-5, 1e-2, 0.5):
            a = np.clip(best.activation + size * rng.normal(size=(20, 6)), 0.0, 1.0)
            left = problem.generalized_force - np.einsum("tdm,tm->td", arm, force * a)
            x = np.hstack([a, left / 10.0])
            multipliers = best.multipliers * (1.0 + size * rng.normal(size=(20, 2)))
            found = prove(problem, p, scale, x, multipliers)
            excess = (np.sum(np.abs(x) ** p, axis=1) - np.sum(np.abs(own) ** p, axis=1)) / p
            assert best.gap is not None
            assert best.activation_error is not None
            assert (found.gap >= excess - best.gap - ROUNDING * best.objective).all()
            away = np.abs(a - best.activation).max(axis=1)
            assert (found.activation_error >= away - best.activation_error - ROUNDING).all()

    def test_what_costs_nothing_has_no_bracket_and_no_error(self):
        """No gain, no cost of force: the muscle says nothing."""
        problem = RedundancyProblem.from_arrays([0.05, 0.04], [[1000.0, 0.0], [1000.0, 500.0]], [20.0, 20.0])
        solution = solve_static(problem, cost="sum_force_squared")
        assert solution.gap is not None
        assert (solution.gap <= SAME * solution.objective).all()
        np.testing.assert_allclose(solution.activation[0], [0.4, 0.0], atol=CLOSE)

    def test_distance_shrinks_with_the_gap(self):
        for p in POWERS:
            assert distance(np.array([1e-12]), p, 0.1, 1.0) < distance(np.array([1e-6]), p, 0.1, 1.0)


class TestInfeasible:
    def test_a_direction_proves_what_is_missed(self):
        A, b = np.array([[50.0, 40.0]]), np.array([100.0])
        zero, one = np.zeros(2), np.ones(2)
        assert least_missed(A, b, zero, one, np.array([1.0])) == pytest.approx(10.0)
        assert least_missed(A, b, zero, one, np.array([-1.0])) < 0.0
        assert least_missed(A, b, zero, np.array([1.0, np.inf]), np.array([1.0])) < 0.0

    def test_moments_beside_what_can_be_met_are_refused_only_beyond_rounding(self):
        A, b = np.array([[50.0, 40.0], [50.0, 40.0]]), np.array([45.0, 45.0])
        for beside, refused in ((1e-9, False), (1e-7, True)):
            frame = Frame.of(A, b + np.array([beside, 0.0]), np.zeros(2), np.ones(2))
            if refused:
                with pytest.raises(InfeasibleError):
                    attainable(frame)
            else:
                near, x = attainable(frame)
                np.testing.assert_allclose(near.b, A @ x, atol=1e-12)
                assert np.abs(near.b - frame.b).max() <= 0.6 * beside

    @pytest.mark.parametrize("solver", ["newton", "slsqp"])
    def test_frames_are_refused_alone_and_among_others_alike(self, solver):
        problem = ankle()
        twice = replace(problem, generalized_force=np.array([[20.0, 6.0], [120.0, 0.0]]))
        for one in (twice, twice.frames(slice(1, 2))):
            solution = solve_static(one, solver=solver, on_failure="return")
            assert solution.status[-1] is Status.INFEASIBLE
            assert "short of 20" in solution.detail[len(one) - 1]


@pytest.mark.parametrize("p", [1.2, 2.0, 4.0])
def test_the_interior_point_needs_no_freedom(p: float) -> None:
    """More moments than muscles, all met by one answer that rests on a bound: its multipliers prove it."""
    rng = np.random.default_rng(3)
    arm, a = rng.normal(0.0, 0.05, (1, 6, 4)), np.array([[0.0, 0.3, 1.0, 0.6]])
    problem = RedundancyProblem.from_arrays(arm, np.full(4, 1000.0), np.einsum("tdm,tm->td", arm, 1000.0 * a))
    y, multipliers, _, met = interior(Frame.of(*problem.system(0), *problem.bounds()), p, 1e-14)
    assert met
    np.testing.assert_allclose(y[None], a, atol=CLOSE)
    assert prove(problem, p, np.ones((1, 4)), y[None], multipliers[None]).certified[0]


class TestLimit:
    """Moments that can be met only by missing some of what is allowed, or whose exact answer has huge multipliers."""

    @pytest.mark.parametrize("p", [1.3, 2.0, 6.0])
    def test_what_may_be_missed_is_used_where_it_saves(self, p):
        """Two muscles on one moment: both take what is allowed off their share of 20 N·m."""
        frame = Frame.of(np.array([[50.0, 50.0]]), np.array([20.0]), np.zeros(2), np.ones(2))
        y, multipliers, _, met = interior(frame, p, allowed=1e-3)
        assert met
        np.testing.assert_allclose(y, 0.2 - 1e-5, rtol=CLOSE)
        np.testing.assert_allclose(50.0 * multipliers, (0.2 - 1e-5) ** (p - 1.0), rtol=CLOSE)

    @pytest.mark.parametrize("p", [1.3, 2.0, 6.0])
    @pytest.mark.parametrize("beside", [0.5, 1.5, 1.99])
    def test_rows_that_contradict_each_other_by_what_is_allowed_are_solved_and_proved(self, p, beside):
        moment = np.array([[40.0, 40.0 * (1.0 + beside * ALLOWED)]])
        arm = np.array([[[0.05, 0.05, 0.02], [0.05, 0.05, 0.02]]])
        solution = solve_static(RedundancyProblem.from_arrays(arm, np.full(3, 1000.0), moment), exponent=p)
        assert solution.gap is not None
        assert solution.gap[0] <= SAME * solution.objective[0]
        assert np.abs(solution.moment_residual).max() <= 40.0 * ALLOWED * (1.0 + beside * ALLOWED)

    @pytest.mark.parametrize("beside", [2.1, 10.0])
    def test_and_beyond_it_they_are_refused(self, beside):
        moment = np.array([[40.0, 40.0 * (1.0 + beside * ALLOWED)]])
        arm = np.array([[[0.05, 0.05], [0.05, 0.05]]])
        problem = RedundancyProblem.from_arrays(arm, np.full(2, 1000.0), moment)
        assert solve_static(problem, on_failure="return").status[0] is Status.INFEASIBLE

    @pytest.mark.parametrize("p", [2.0, 6.0])
    def test_an_answer_without_freedom_is_the_cheapest_of_those_allowed(self, p):
        """Rows that differ by 1e-7: the second muscle's share is known to some percent only, and the least is taken."""
        A = np.array([[50.0, 50.0], [50.0, 50.0 + 5e-6]])
        problem = RedundancyProblem.from_arrays((A / 1000.0)[None], np.full(2, 1000.0), (A @ [0.1, 0.7])[None])
        solution = solve_static(problem, exponent=p)
        assert solution.gap is not None
        exact = 0.1**p + 0.7**p
        assert solution.objective[0] <= exact * (1.0 + SAME)
        proof = prove(problem, p, np.ones((1, 2)), solution.activation, solution.multipliers)
        assert proof.certified[0]
        assert not prove(problem, p, np.ones((1, 2)), np.array([[0.0, 0.8]]), solution.multipliers).certified[0]

    def test_an_answer_that_is_allowed_but_dear_is_refuted(self):
        """It misses what is allowed the wrong way: it costs more than the optimum for the moments asked for."""
        problem = RedundancyProblem.from_arrays([0.05], [1000.0], [20.0])
        right = solve_static(problem)
        assert right.multipliers is not None
        for miss, sure in ((-0.999 * ALLOWED, True), (0.999 * ALLOWED, True), (2.0 * ALLOWED, False)):
            proof = prove(problem, 2.0, np.ones((1, 1)), right.activation * (1.0 + miss), right.multipliers)
            assert bool(proof.certified[0]) is sure
            assert proof.gap[0] >= 0.5 * (0.4 * (1.0 + miss)) ** 2 - 0.5 * 0.4**2
