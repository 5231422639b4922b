"""What must hold of every problem, on problems that Hypothesis invents."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
import strategies as ref
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st
from strategies import ALL_COSTS, POWERS, QUADRATIC, STRICT_COSTS, Case, cases

from osimopt.errors import InputError
from osimopt.problem.arrays import MuscleGeometry
from osimopt.problem.problem import RedundancyProblem
from osimopt.solution.checks import BOUND_TOLERANCE
from osimopt.solution.status import Status
from osimopt.static.power import power_answer, repaired, solve_block
from osimopt.static.proof import prove
from osimopt.static.solve import solve_static

#: Activations of two solutions of one problem with p = 2 or a linear cost: exact but for rounding, which other orders
#: and units of the same numbers change.
SAME = 1e-6
#: The same for other p: where an activation is 0 within its bounds the multipliers' Newton has no slope to follow, and
#: SLSQP's own 1e-10 of the objective is what remains.
SAME_POWER = 1e-4
#: Relative difference of objectives: SLSQP and Newton are exact, and errors of the activation enter squared.
OBJECTIVE = 1e-8
#: Relative; sums of powers.
ROUNDING = 1e-13
#: Relative; a repair that misses the moments by more has not succeeded.
REPAIRED = 1e-10
#: HiGHS meets its constraints to 1e-7; muscles weigh up to 2 against 0.25.
HIGHS = 1e-6
#: The reference's multipliers, from a linear program and Nelder–Mead, prove the optimum only this far.
PROVEN = 1e-6
#: solve_static's default: moments hold to this times the largest moment (at least 1 N·m).
MOMENT = 1e-9
#: Numbers in messages have four digits.
FOUR_DIGITS = 1e-3

COSTS = st.sampled_from(ALL_COSTS)
STRICT = st.sampled_from(STRICT_COSTS)
EXPONENTS = st.integers(12, 100).map(lambda tenths: tenths / 10.0)

#: name → how the problems are made; the properties of every feasible problem hold in all of these families.
FAMILIES = {
    "ordinary": {},
    "zero arms and gains": {"zeros": True, "coordinates": (1, 3)},
    "proportional rows": {"proportional": True, "coordinates": (2, 3)},
    "on the bounds": {"interior": False},
    "tiny and huge": {"strengths": (1e-4, 100.0)},
    "reserves far beyond the muscles": {"reserves": ("unbounded",), "loads": (100.0, 1e4)},
    "single muscles": {"muscles": (1, 1), "coordinates": (1, 1)},
}


def thorough(examples: int = 8):
    phases = (Phase.explicit, Phase.generate, Phase.shrink)
    return settings(deadline=None, max_examples=examples, derandomize=True, database=None, phases=phases)


def unknowns(solution) -> np.ndarray:
    return np.hstack([solution.activation, solution.reserve_control])


def accuracy(cost: dict) -> float:
    """Of the objective."""
    return HIGHS if ref.is_linear(cost) else OBJECTIVE


def closeness(cost: dict) -> float:
    """Of the activations."""
    return SAME if ref.is_linear(cost) or cost in QUADRATIC or cost.get("exponent") == 2.0 else SAME_POWER


def solve(problem: RedundancyProblem, cost: dict, **options):
    """Solve, leaving out what sum_moment_ratio_cubed refuses."""
    unloaded = not (problem.moment_arm != 0.0).any(axis=1).all()
    if unloaded and cost["cost"] == "sum_moment_ratio_cubed":
        with pytest.raises(InputError, match="a moment arm for every muscle"):
            solve_static(problem, **cost)
        assume(False)
    return solve_static(problem, **cost, on_failure="return", **options)


def assert_same(problem: RedundancyProblem, other: RedundancyProblem, cost: dict, order: np.ndarray | None = None):
    """Both problems have the same answer: same cost, and, where it is unique, the same activations."""
    first, second = solve(problem, cost), solve(other, cost)
    assert first.success
    assert second.success
    there = second.activation if order is None else second.activation[:, np.argsort(order)]
    np.testing.assert_allclose(there, first.activation, atol=closeness(cost))
    np.testing.assert_array_equal(second.unique, first.unique)
    return first, second


class TestFeasibleProblems:
    @pytest.mark.parametrize("family", FAMILIES)
    def test_are_solved_within_bounds_and_at_least_cost(self, family):
        @thorough(15)
        @given(cases(**FAMILIES[family]), COSTS)
        def check(case: Case, cost: dict):
            problem = case.problem
            solution = solve(problem, cost)
            assert list(solution.status) == [Status.SOLVED], solution.detail
            x = unknowns(solution)
            lower, upper = problem.bounds()
            assert np.all(x >= lower - BOUND_TOLERANCE)
            assert np.all(x <= upper + BOUND_TOLERANCE)
            allowed = MOMENT * max(1.0, np.abs(problem.generalized_force).max())
            assert np.abs(solution.moment_residual).max() <= allowed
            weight, p = ref.coefficients(problem, **cost)
            value = ref.value(weight[0], x[0], p)
            assert solution.objective[0] == pytest.approx(value, rel=OBJECTIVE, abs=1e-300)
            known = ref.value(weight[0], np.concatenate([case.activation[0], case.control[0]]), p)
            slack = accuracy(cost) * max(value, known)
            assert value <= known + slack
            assert value == pytest.approx(ref.optimum(problem, cost, x[0]), rel=PROVEN, abs=PROVEN * known)

        check()

    @thorough()
    @given(cases(coordinates=(1, 1)), st.sampled_from(POWERS))
    def test_with_one_coordinate_equal_bisection(self, case, exponent):
        problem = case.problem
        A, b = problem.system(0)
        weight, p = ref.coefficients(problem, "activation_power", exponent)
        exact = ref.bisection(A[0], b[0], *problem.bounds(), weight[0], p)
        x = unknowns(solve_static(problem, exponent=exponent))[0]
        assert ref.value(weight[0], x, p) == pytest.approx(ref.value(weight[0], exact, p), rel=OBJECTIVE)
        if p == 2.0:
            np.testing.assert_allclose(x, exact, atol=SAME)

    @thorough(15)
    @given(cases(coordinates=(2, 2), muscles=(2, 5)), st.sampled_from(QUADRATIC))
    def test_with_two_coordinates_equal_the_best_set_of_active_bounds(self, case, cost):
        weight, _ = ref.coefficients(case.problem, **cost)
        exact = ref.enumeration(*case.problem.system(0), *case.problem.bounds(), weight[0])
        np.testing.assert_allclose(unknowns(solve_static(case.problem, **cost))[0], exact, atol=SAME)

    @thorough(15)
    @given(cases(reserves=("unbounded",)), st.sampled_from(QUADRATIC))
    def test_lsq_linear_agrees_with_slsqp(self, case, cost):
        answers = [unknowns(solve_static(case.problem, **cost, solver=solver)) for solver in ("slsqp", "lsq_linear")]
        size = np.maximum(1.0, np.abs(answers[0]))
        np.testing.assert_allclose(answers[1] / size, answers[0] / size, atol=SAME)

    @pytest.mark.parametrize("family", FAMILIES)
    @pytest.mark.slow
    def test_are_solved_alike_by_newton_and_slsqp(self, family):
        """Any exponent from 1.2 to 10, by the objective; newton's own certificate covers the difference."""

        @thorough(12)
        @given(cases(**{"coordinates": (1, 3), "muscles": (1, 7)} | FAMILIES[family]), EXPONENTS)
        def check(case: Case, exponent: float):
            first, second = (solve_static(case.problem, exponent=exponent, solver=s) for s in ("newton", "slsqp"))
            known = second.objective[0]
            assert first.objective[0] == pytest.approx(known, rel=OBJECTIVE, abs=1e-300)
            if exponent <= 2.0:
                size = np.maximum(1.0, np.abs(unknowns(second)))
                np.testing.assert_allclose(unknowns(first) / size, unknowns(second) / size, atol=SAME_POWER)
            if np.isfinite(first.gap[0]):
                assert first.gap[0] >= 0.0
                assert (first.objective[0] - known) / exponent <= first.gap[0] + OBJECTIVE * known

        check()

    @thorough(12)
    @given(cases(coordinates=(1, 3), muscles=(3, 7), reserves=("none", "finite")), EXPONENTS, st.integers(0, 2**16))
    @pytest.mark.slow
    def test_certificates_of_wrong_multipliers_are_true(self, case, exponent, seed):
        """Repaired answers to multipliers that are up to 30 % off: neither cost nor activations are further away."""
        A, b = (np.asarray(array)[None] for array in case.problem.system(0))
        lower, upper = (bound[None] for bound in case.problem.bounds())
        exact = solve_block(A, b, lower, upper, exponent)
        one, muscles = np.ones_like(lower), np.arange(len(case.problem.muscles))
        own = prove(case.problem, exponent, one, exact.y, exact.multipliers)
        best = np.sum(np.abs(exact.y) ** exponent) / exponent
        assume(own.gap[0] <= OBJECTIVE * best)
        rng = np.random.default_rng(seed)
        for size in (1e-6, 1e-3, 0.3):
            multipliers = exact.multipliers * (1.0 + size * rng.normal(size=b.shape))
            z = np.einsum("td,tdn->tn", multipliers, A)
            y = np.clip(power_answer(z, exponent), lower, upper)
            y = repaired(A, b, lower, upper, exponent, y, multipliers)
            found = prove(case.problem, exponent, one, y, multipliers)
            assert found.gap[0] >= 0.0
            if np.abs(b - A[0] @ y[0]).max() <= REPAIRED * max(1.0, np.abs(b).max()):
                excess = np.sum(np.abs(y) ** exponent) / exponent - best
                assert found.gap[0] >= excess - own.gap[0] - ROUNDING * best
                error = np.abs(y - exact.y)[0, muscles].max()
                assert error <= found.activation_error[0] + own.activation_error[0] + SAME

    @thorough(15)
    @given(cases(), STRICT, st.integers(0, 2**16))
    def test_have_the_same_answer_from_any_start(self, case, cost, seed):
        guess = np.random.default_rng(seed).uniform(0.0, 1.0, len(case.problem.muscles))
        first, second = solve_static(case.problem, **cost), solve_static(case.problem, **cost, initial_guess=guess)
        np.testing.assert_allclose(second.activation, first.activation, atol=closeness(cost))
        assert second.objective[0] == pytest.approx(first.objective[0], rel=OBJECTIVE, abs=1e-300)


@pytest.mark.slow
class TestSymmetries:
    @thorough()
    @given(cases(), COSTS, st.randoms(use_true_random=False))
    def test_permuting_the_muscles_permutes_the_answer(self, case, cost, random):
        order = np.array(random.sample(range(len(case.problem.muscles)), len(case.problem.muscles)))
        assert_same(case.problem, ref.permuted_muscles(case.problem, order), cost, order)

    @thorough()
    @given(cases(coordinates=(2, 3), muscles=(3, 6)), COSTS, st.randoms(use_true_random=False))
    def test_permuting_the_coordinates_changes_nothing(self, case, cost, random):
        order = np.array(random.sample(range(len(case.problem.coordinates)), len(case.problem.coordinates)))
        assert_same(case.problem, ref.permuted_coordinates(case.problem, order), cost)

    @thorough()
    @given(
        cases(),
        COSTS,
        st.sampled_from([{"length": 1e3}, {"length": 0.01}, {"force": 1e-3}, {"force": 9.81}, {"area": 1e-4}]),
    )
    def test_units_change_nothing(self, case, cost, units):
        first, second = assert_same(case.problem, ref.in_units(case.problem, **units), cost)
        np.testing.assert_allclose(second.reserve_control, first.reserve_control, atol=closeness(cost))

    @thorough()
    @given(cases(reserves=("none",)), COSTS, st.sampled_from([0.01, 3.0, 1e4]))
    def test_a_factor_on_all_weights_changes_nothing(self, case, cost, factor):
        assert_same(case.problem, case.problem.with_weights(factor * case.problem.weights), cost)

    @thorough()
    @given(cases(), st.sampled_from(POWERS), st.data())
    def test_two_halves_of_a_muscle_with_half_its_weight_do_as_it_did(self, case, exponent, data):
        problem = case.problem
        muscle = data.draw(st.integers(0, len(problem.muscles) - 1))
        halves = np.append(np.arange(len(problem.muscles)), muscle)
        share = np.where(halves == muscle, 0.5, 1.0)
        split = replace(
            problem,
            geometry=MuscleGeometry.from_dense(
                problem.moment_arm[:, :, halves], (*problem.muscles, "other_half"), problem.coordinates
            ),
            max_force=share * problem.max_force[:, halves],
            passive_force=share * problem.passive_force[:, halves],
            weights=share * problem.weights[halves],
            **{name: getattr(problem, name)[halves] for name in ("lower", "upper", "pcsa")},
        )
        whole, parts = (solve_static(p, exponent=exponent) for p in (problem, split))
        np.testing.assert_allclose(
            parts.activation, whole.activation[:, halves], atol=closeness({"exponent": exponent})
        )
        assert parts.objective[0] == pytest.approx(whole.objective[0], rel=OBJECTIVE, abs=1e-300)

    @thorough()
    @given(cases(frames=(2, 4)), COSTS)
    def test_frames_do_not_depend_on_each_other(self, case, cost):
        together = solve(case.problem, cost)
        for frame in range(len(case.problem)):
            alone = solve(case.problem.frames(slice(frame, frame + 1)), cost)
            np.testing.assert_allclose(together.activation[frame], alone.activation[0], atol=closeness(cost))
            assert together.objective[frame] == pytest.approx(alone.objective[0], rel=accuracy(cost), abs=1e-12)


class TestShapes:
    @thorough(12)
    @given(cases(coordinates=(1, 1), reserves=("none",)), COSTS)
    def test_axes_that_can_be_left_out(self, case, cost):
        p = case.problem
        moment = float(p.generalized_force[0, 0])
        shapes = [
            (p.moment_arm, p.max_force, p.generalized_force),
            (p.moment_arm[0], p.max_force[0], p.generalized_force[0]),
            (p.moment_arm[0, 0], p.max_force[0], moment),
            (p.moment_arm[0, 0].tolist(), p.max_force.tolist(), [moment]),
        ]
        answers = [
            solve_static(RedundancyProblem.from_arrays(*s, p.pcsa, (p.lower, p.upper), p.weights), **cost)
            for s in shapes
        ]
        for answer in answers[1:]:
            np.testing.assert_array_equal(answer.activation, answers[0].activation)


class TestInfeasibleProblems:
    @thorough()
    @given(cases(coordinates=(1, 1), reserves=("none", "finite"), zeros=True), COSTS, st.sampled_from([1.0, -1.0]))
    def test_say_what_is_missing(self, case, cost, sign):
        """Half as much again as the strongest moment in one direction (at least 1 N·m more)."""
        flipped = replace(case.problem, geometry=scaled_geometry(case.problem.geometry, sign))
        strongest = sign * ref.capacity(flipped)[0]
        missing = sign * max(0.5 * abs(strongest), 1.0)
        problem = replace(case.problem, generalized_force=np.array([[strongest + missing]]))
        solution = solve(problem, cost)
        assert list(solution.status) == [Status.INFEASIBLE]
        assert np.isnan(unknowns(solution)).all()
        assert np.isnan(solution.objective).all()
        assert shortfalls(solution.detail[0]) == {"coordinate_0": pytest.approx(missing, rel=FOUR_DIGITS)}

    @thorough()
    @given(
        cases(coordinates=(1, 1), muscles=(1, 3), reserves=("none",)),
        cases(coordinates=(1, 1), muscles=(1, 3), reserves=("none",)),
        COSTS,
        st.sampled_from([0, 1]),
    )
    def test_name_only_the_coordinate_that_is_short(self, one, other, cost, short):
        """Two joints without a common muscle; one of them is overloaded."""
        cases_ = (one, other)
        arm = np.zeros((2, sum(len(c.problem.muscles) for c in cases_)))
        arm[0, : len(one.problem.muscles)] = one.problem.moment_arm[0, 0]
        arm[1, len(one.problem.muscles) :] = other.problem.moment_arm[0, 0]
        joined = {
            name: np.concatenate([np.atleast_2d(getattr(c.problem, name))[0] for c in cases_])
            for name in ("max_force", "pcsa", "weights", "lower", "upper")
        }
        target = np.array([c.problem.generalized_force[0, 0] for c in cases_])
        missing = max(0.5 * abs(target[short]), 1.0)
        target[short] = ref.capacity(cases_[short].problem)[0] + missing
        problem = RedundancyProblem.from_arrays(
            arm,
            joined["max_force"],
            target,
            joined["pcsa"],
            (joined["lower"], joined["upper"]),
            joined["weights"],
        )
        solution = solve(problem, cost)
        assert list(solution.status) == [Status.INFEASIBLE]
        assert shortfalls(solution.detail[0]) == {f"coordinate_{short}": pytest.approx(missing, rel=FOUR_DIGITS)}


def shortfalls(detail: str) -> dict[str, float]:
    """Coordinate → amount, as the detail of a frame says."""
    return {name: float(amount) for name, amount in re.findall(r"(\w+) is short of (\S+) N", detail)}


def scaled_geometry(geometry: MuscleGeometry, factor: float) -> MuscleGeometry:
    return replace(geometry, moment_arms=factor * geometry.moment_arms)


class TestLinearCosts:
    @thorough(15)
    @given(
        st.lists(st.tuples(st.sampled_from([0.02, 0.03, 0.05]), st.integers(1, 20)), min_size=1, max_size=6),
        st.integers(1, 99),
    )
    def test_sum_force_fills_the_longest_arms_first(self, muscles, percent):
        """Muscles in the order of their arms; those of one arm share by least Σ a², and then there are many answers."""
        arm = np.array([r for r, _ in muscles])
        force = np.array([100.0 * f for _, f in muscles])
        moment = percent / 100.0 * float(arm @ force)
        expected, unique, rest = np.zeros(len(arm)), True, moment
        for length in sorted(set(arm), reverse=True):
            group = arm == length
            full = length * force[group].sum()
            share = min(rest, full)
            assume(abs(rest - full) > 1e-6 * moment)  # one or the other, not both by rounding
            if 0.0 < share < full:
                unique = group.sum() == 1
                expected[group] = ref.bisection(
                    length * force[group], share, np.zeros(group.sum()), np.ones(group.sum()), np.ones(group.sum()), 2.0
                )
                break
            expected[group] = 1.0
            rest -= share
        solution = solve_static(RedundancyProblem.from_arrays(arm, force, moment), "sum_force")
        np.testing.assert_allclose(solution.activation[0], expected, atol=HIGHS)
        assert solution.unique[0] == unique

    @thorough()
    @given(cases(coordinates=(1, 1), muscles=(1, 5), lower=(0.0,), reserves=("none",)))
    def test_min_max_raises_all_agonists_alike(self, case):
        problem = case.problem
        A, b = problem.system(0)
        assume(abs(b[0]) > 1e-3)
        agonists = np.sign(A[0]) == np.sign(b[0])

        def produced(level: float) -> float:
            return float(np.abs(A[0, agonists]) @ np.minimum(level / problem.weights[agonists], 1.0))

        solution = solve_static(problem, "min_max")
        assert solution.unique[0] or produced(solution.objective[0]) > abs(b[0]) - HIGHS * abs(b[0])
        assert produced(solution.objective[0]) == pytest.approx(abs(b[0]), rel=HIGHS)
        np.testing.assert_allclose(solution.activation[0, ~agonists], 0.0, atol=HIGHS)
        expected = np.minimum(solution.objective[0] / problem.weights[agonists], 1.0)
        np.testing.assert_allclose(solution.activation[0, agonists], expected, atol=HIGHS)
