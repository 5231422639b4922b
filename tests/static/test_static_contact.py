"""Contact forces as a cost and as limits of static optimization, judged by other code without their rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from scipy.optimize import brentq, linprog, minimize

import osimopt
from osimopt import Contact, InputError, RedundancyProblem, RedundancySolution, Status, solve_static
from osimopt.cli.solve import solve_options
from osimopt.datasets import Example
from osimopt.problem.arrays import Array
from osimopt.problem.contact import read_contacts
from osimopt.problem.costs import COSTS, contact_term, exponents, get_cost, scale_of_unknowns
from osimopt.problem.extension import extended
from osimopt.problem.reactions import JointReactions
from osimopt.static.compliant import _fiber_speed, _Forces
from osimopt.static.contact import released
from osimopt.static.frames import unit_of_cost
from osimopt.static.nonlinear import fitting_multipliers
from osimopt.static.proof import prove

WEIGHT = 700.0
#: Relative; a solution is right where its cost exceeds the judge's by no more, which is what certificates promise.
OPTIMAL = 1e-6
#: N; SciPy meets limits so closely, and moments to 1e-6 N·m.
MET = 1e-3
#: What the two ways differ by: rounding of a cost.
ROUNDING = 1e-9


def elbow(**options: Any) -> RedundancyProblem:
    """Two muscles that press the joint in −y by their forces; the second has twice the moment arm."""
    problem = RedundancyProblem.from_arrays([0.02, 0.04], [900.0, 300.0], 12.0, **options)
    return pressed(problem, np.zeros(3), np.array([[0.0, 0.0], [-1.0, -1.0], [0.0, 0.0]]))


def pressed(problem: RedundancyProblem, constant: Array, effect: Array) -> RedundancyProblem:
    """The problem with the reaction of one joint."""
    carried = JointReactions.from_arrays("knee", constant, effect, problem.muscles, WEIGHT)
    frames = np.zeros(len(problem), dtype=int)
    return replace(
        problem, reactions=carried.moved(lambda array: array[frames]) if len(carried.effect) == 1 else carried
    )


def contact_force(problem: RedundancyProblem, contact: Contact, activation: Array, control: Array) -> Array:
    """(T, C) N of the rows of a contact, by the joint's reaction."""
    assert problem.reactions is not None
    affine = problem.reactions.affine(problem, contact.joint, contact.on, contact.frame)
    forces = np.concatenate([problem.max_force * activation + problem.passive_force, control], axis=1)
    force = affine.constant[:, :3] + np.einsum("tcu,tu->tc", affine.effect[:, :3], forces)
    return np.stack([force @ row.direction for row in contact.rows()], axis=1)


@dataclass
class Case:
    """A random problem, its contact, and the map to the joint's force."""

    problem: RedundancyProblem
    contact: Contact
    exponent: float
    effect: Array
    constant: Array

    @classmethod
    def random(cls, rng: np.random.Generator, exponents: tuple[float, ...] = (2.0, 1.5, 3.0, 5.0, 1.2, 8.0)) -> Case:
        frames, rows, muscles = int(rng.integers(1, 4)), int(rng.integers(1, 5)), int(rng.integers(3, 14))
        arm = np.where(rng.random((frames, rows, muscles)) < 0.4, 0.0, rng.normal(0.0, 0.05, (frames, rows, muscles)))
        force, low = rng.uniform(100.0, 2000.0, (frames, muscles)), float(rng.choice([0.0, 0.01]))
        made = force * rng.uniform(low, rng.choice([0.2, 0.6, 1.0]), (frames, muscles))
        problem = RedundancyProblem.from_arrays(
            arm, force, np.einsum("tdm,tm->td", arm, made), bounds=(low, 1.0), weights=rng.uniform(0.3, 3.0, muscles),
            reserves=[None, 5.0][int(rng.integers(2))],
        )  # fmt: skip
        effect, constant = rng.normal(0.0, 0.6, (frames, 3, muscles)), rng.normal(0.0, 500.0, (frames, 3))
        effect[:, :, rng.random(muscles) < 0.3] = 0.0
        known = constant + np.einsum("tcm,tm->tc", effect, made)
        limits: dict[str, Any] = {}
        kind, axis = int(rng.integers(4)), int(rng.integers(3))
        if kind in (1, 3):
            off = rng.uniform(-300.0, 300.0)
            name, end = ("lower", np.min) if rng.random() < 0.5 else ("upper", np.max)
            limits[name] = {"xyz"[axis]: float(end(known[:, axis]) + off)}
        if kind in (2, 3):
            normals = rng.normal(size=(int(rng.integers(1, 5)), 3))
            limits["cone"] = normals * np.sign(normals @ known.mean(axis=0))[:, None]
        weight = float(rng.choice([0.0, 0.01, 0.1, 1.0, 10.0])) if limits else 0.3
        contact = Contact("knee", weight, str(rng.choice(["xyz", "y", "xz"])), frame="ground", **limits)
        return cls(pressed(problem, constant, effect), contact, float(rng.choice(exponents)), effect, constant)

    def limits(self, frame: int) -> tuple[Array, Array, Array]:
        """Rows and right sides of G x ≥ h for the limits, and the map (3, U) of x to the force."""
        problem, one = self.problem, self.contact
        onto = np.zeros((3, len(problem.actuators)))
        onto[:, : len(problem.muscles)] = self.effect[frame] * problem.max_force[frame]
        rows = [(+np.eye(3)["xyz".index(axis)], limit) for axis, limit in (one.lower or {}).items()]
        rows += [(-np.eye(3)["xyz".index(axis)], -limit) for axis, limit in (one.upper or {}).items()]
        rows += [(np.array(normal) / np.linalg.norm(normal), 0.0) for normal in one.cone]
        directions = np.array([row for row, _ in rows]).reshape(-1, 3)
        return directions @ onto, np.array([end for _, end in rows]) - directions @ self.constant[frame], onto

    def cost(self, frame: int, x: Array) -> tuple[float, Array]:
        """The objective and its gradient, in activations and controls alone."""
        p, onto = self.exponent, self.limits(frame)[2]
        each = np.concatenate([self.problem.weights, np.ones(len(self.problem.reserves.names))])
        counted = np.array([self.contact.weight if axis in self.contact.axes else 0.0 for axis in "xyz"])
        force = (self.constant[frame] + onto @ x) / WEIGHT
        slope = each * p * np.sign(x) * np.abs(x) ** (p - 1.0) + 2.0 * onto.T @ (counted * force) / WEIGHT
        return float(each @ np.abs(x) ** p + counted @ force**2), slope

    def judged(self, frame: int) -> float | None:
        """The least cost by SLSQP from two starts; infinite where HiGHS finds that there is none, None if unknown."""
        (A, b), (low, high), (rows, right, _) = self.problem.system(frame), self.problem.bounds(), self.limits(frame)
        bounds = np.column_stack([low, high])
        above: dict[str, Any] = {"A_ub": -rows, "b_ub": -right} if len(rows) else {}
        start = linprog(np.zeros(A.shape[1]), A_eq=A, b_eq=b, bounds=bounds, method="highs", **above)
        if start.status == 2:
            return np.inf
        constraints: list[dict[str, Any]] = [{"type": "eq", "fun": lambda x: A @ x - b, "jac": lambda x: A}]
        if len(rows):
            limited = {"fun": lambda x: (rows @ x - right) / WEIGHT, "jac": lambda x: rows / WEIGHT}
            constraints.append({"type": "ineq", **limited})
        found = []
        for x in (np.clip(np.linalg.lstsq(A, b, rcond=None)[0], low, high), start.x):
            answer = minimize(
                lambda x: self.cost(frame, x), x, jac=True, method="SLSQP", bounds=bounds, constraints=constraints,
                options={"ftol": 1e-14, "maxiter": 1000},
            )  # fmt: skip
            met = np.abs(A @ answer.x - b).max() < 1e-6 and (not len(rows) or (rows @ answer.x - right).min() > -MET)
            found += [answer.fun] if met else []
        return min(found, default=None)

    def wrong(self, solution: RedundancySolution, frame: int) -> str:
        """What is wrong with a frame; nothing where all is right."""
        least, status = self.judged(frame), solution.status[frame]
        if least is None:
            return ""
        if status != Status.SOLVED:
            return "" if status == Status.INFEASIBLE and np.isinf(least) else f"{status.name} where {least} is found"
        if np.isinf(least):
            return "solved what is infeasible"
        x = np.concatenate([solution.activation[frame], solution.reserve_control[frame]])
        rows, right, _ = self.limits(frame)
        made, excess = self.cost(frame, x)[0], self.cost(frame, x)[0] - least
        if len(rows) and (rows @ x - right).min() < -1e-4:
            return f"passes a limit by {-(rows @ x - right).min()} N"
        if abs(solution.objective[frame] - made) > ROUNDING * max(1.0, made):
            return f"objective {solution.objective[frame]} where it is {made}"
        if excess > OPTIMAL * least + ROUNDING:
            return f"costs {made} where {least} is possible"
        assert solution.gap is not None
        if excess > self.exponent * solution.gap[frame] + 1e-7 * least + ROUNDING:
            return f"a gap of {solution.gap[frame]} below the excess {excess}"
        return ""


def check(seed: int, cases: int, **options: Any) -> None:
    rng = np.random.default_rng(seed)
    for number in range(cases):
        case = Case.random(rng)
        solution = solve_static(
            case.problem, exponent=case.exponent, contact=case.contact, on_failure="return", **options
        )
        for frame in range(len(case.problem)):
            assert not case.wrong(solution, frame), (number, frame, case.exponent, case.wrong(solution, frame))


class TestCost:
    @pytest.mark.parametrize("p", [1.5, 2.0, 3.0, 5.0])
    @pytest.mark.parametrize("weight", [0.01, 1.0, 30.0])
    def test_two_muscles_against_the_root_of_the_slope(self, p: float, weight: float) -> None:
        def slope(a: float) -> float:  # a₂ = 1 − 1.5 a, force 900 a + 300 a₂ = 300 + 450 a
            b = 1.0 - 1.5 * a
            return float(
                p * a ** (p - 1.0) - 1.5 * p * b ** (p - 1.0) + 2.0 * weight * (300.0 + 450.0 * a) * 450.0 / WEIGHT**2
            )

        right = brentq(slope, 0.0, 2.0 / 3.0, xtol=1e-14) if slope(0.0) < 0.0 else 0.0
        solution = solve_static(elbow(), exponent=p, contact={"knee": weight})
        np.testing.assert_allclose(solution.activation, [[right, 1.0 - 1.5 * right]], atol=1e-7)
        force = solution.muscle_force.sum()
        assert solution.objective_terms["contact"][0] == pytest.approx(weight * (force / WEIGHT) ** 2)
        assert solution.objective[0] == pytest.approx(sum(term[0] for term in solution.objective_terms.values()))
        assert solution.gap is not None
        assert solution.gap[0] <= OPTIMAL * solution.objective[0]

    def test_random_problems_against_slsqp(self) -> None:
        check(0, 8)

    @pytest.mark.slow
    @pytest.mark.parametrize("seed", range(1, 5))
    def test_many_random_problems_against_slsqp(self, seed: int) -> None:
        check(seed, 60)

    @pytest.mark.slow
    @pytest.mark.parametrize("solver", ["slsqp", "newton"])
    def test_every_solver_and_a_warm_start(self, solver: str) -> None:
        rng = np.random.default_rng(8)
        for _ in range(25):
            case = Case.random(rng)
            options: dict[str, Any] = {"exponent": case.exponent, "contact": case.contact, "on_failure": "return"}
            right = solve_static(case.problem, **options)
            again = solve_static(case.problem, initial_guess=right, solver=solver, **options)
            np.testing.assert_array_equal(again.status, right.status)
            np.testing.assert_allclose(again.objective, right.objective, rtol=2.0 * OPTIMAL)

    @pytest.mark.parametrize("name", ["sum_force_squared", "sum_stress_squared", "sum_moment_ratio_cubed"])
    def test_a_body_weight_costs_as_much_as_a_reserve_at_control_1(self, name: str) -> None:
        """Whatever the unit of the cost: S (c / body weight)²."""
        problem = elbow(pcsa=[3.0, 9.0], reserves=1.0)
        cost = get_cost(name)
        solution = solve_static(problem, name, contact={"knee": 0.5})
        unit = cost.terms(problem, np.zeros((1, 2)), np.ones((1, 1)))["reserves"]
        force = solution.muscle_force.sum(axis=1)
        np.testing.assert_allclose(solution.objective_terms["contact"], 0.5 * unit * (force / WEIGHT) ** 2)
        free = solve_static(problem, name)
        terms = cost.total(cost.terms(problem, free.activation, free.reserve_control))
        assert solution.objective[0] < (terms + 0.5 * unit * (free.muscle_force.sum(axis=1) / WEIGHT) ** 2)[0]

    def test_moment_ratios_do_not_count_rows_of_contact_forces_as_moment_arms(self) -> None:
        problem = elbow()
        cost, whole = COSTS["sum_moment_ratio_cubed"], extended(problem, [Contact("knee", 1.0)])
        np.testing.assert_array_equal(cost.scale(whole), cost.scale(problem))

    @pytest.mark.parametrize("p", [1.5, 2.0, 4.0])
    def test_more_weight_means_less_force_within_the_bound(self, p: float) -> None:
        """‖c_w‖² falls, P rises, and 0 ≤ ‖c_w‖² − c²min ≤ (P(x_min) − P(x_w)) / w, with c in body weights."""
        rng = np.random.default_rng(3)
        case = Case.random(rng)
        while len(case.problem) < 3 or case.contact.lower or case.contact.upper or case.contact.cone:
            case = Case.random(rng)
        weights = [1e-3, 1e-2, 0.1, 1.0, 10.0, 1e6]
        found = [solve_static(case.problem, exponent=p, contact={"knee": weight}) for weight in weights]
        square = np.array([one.objective_terms["contact"] for one in found]) / np.array(weights)[:, None]
        cost = np.array([one.objective_terms["muscles"] + one.objective_terms["reserves"] for one in found])
        assert (np.diff(square, axis=0) <= 1e-9).all()
        assert (np.diff(cost, axis=0) >= -1e-9).all()
        over = square[:-1] - square[-1]
        assert (over >= -1e-9).all()
        assert (over <= (cost[-1] - cost[:-1]) / np.array(weights[:-1])[:, None] + 1e-9).all()

    def test_the_answer_is_that_of_the_problem_that_was_given(self) -> None:
        problem = elbow(reserves=1.0)
        solution = solve_static(problem, contact=Contact("knee", 0.2, "y", lower={"y": -400.0}))
        assert solution.problem is problem
        assert solution.reserve_control.shape == (1, 1)
        assert solution.multipliers is not None
        assert solution.multipliers.shape == (1, 1)
        assert solution.contact[0].weight == 0.2
        assert list(solution.objective_terms) == ["muscles", "reserves", "contact"]
        known = solution.provenance["cost"]
        assert known["formula"] == "Σ a² + w ‖c / body weight‖²"
        assert known["contact"]["joints"] == [
            {"joint": "knee", "weight": 0.2, "axes": "y", "lower": {"y": -400.0}, "on": "child", "frame": "child"}
        ]
        assert "doi" in known["contact"]["source"]
        assert known["contact"]["body_weight"] == WEIGHT
        force = contact_force(problem, solution.contact[0], solution.activation, solution.reserve_control)
        np.testing.assert_allclose(force[:, 0], -solution.muscle_force.sum(axis=1))

    @pytest.mark.slow
    def test_on_a_device(self) -> None:
        pytest.importorskip("torch")
        rng = np.random.default_rng(5)
        for _ in range(6):
            case = Case.random(rng)
            options: dict[str, Any] = {"exponent": case.exponent, "contact": case.contact, "on_failure": "return"}
            right = solve_static(case.problem, **options)
            for own in (
                solve_static(case.problem, device="torch", **options),
                solve_static(case.problem.to("torch"), **options).to("cpu"),
            ):
                np.testing.assert_array_equal(own.status, right.status)
                np.testing.assert_allclose(own.activation, right.activation, atol=1e-6)


@pytest.mark.slow
def test_with_elastic_tendons_against_the_nonlinear_program(arm: Example) -> None:
    """Forces of fibres in equilibrium, in moments and contact force, by SLSQP on activations and controls."""
    weight, times = 0.02, (0.4, 0.42)
    problem = osimopt.load_problem(arm.model, arm.motion, time_range=times, joint_reactions=("r_elbow",)).frames(
        slice(1)
    )
    solution = solve_static(problem, contact={"r_elbow": weight}, tendon="compliant")
    elastic, muscles = np.ones(len(problem.muscles), dtype=bool), len(problem.muscles)
    assert problem.reactions is not None
    affine, speed = problem.reactions.affine(problem, "r_elbow", frame="child"), _fiber_speed(problem, elastic)
    body_weight, effect = problem.reactions.body_weight, np.hstack([problem.moment_arm[0], problem.reserves.effect[0]])

    def force(x: Array) -> Array:
        return np.append(_Forces.at(problem, x[None, :muscles], speed, elastic).force[0], x[muscles:])

    def cost(x: Array) -> float:
        pressing = affine.constant[0, :3] + affine.effect[0, :3] @ force(x)
        return float(x @ x + weight * pressing @ pressing / body_weight**2)

    low, high = problem.bounds()
    right = minimize(
        cost, np.append(np.full(muscles, 0.1), np.zeros(len(low) - muscles)), method="SLSQP",
        bounds=np.column_stack([low, high]), options={"ftol": 1e-14, "maxiter": 500},
        constraints={"type": "eq", "fun": lambda x: effect @ force(x) - problem.generalized_force[0]},
    )  # fmt: skip
    found = np.concatenate([solution.activation[0], solution.reserve_control[0]])
    np.testing.assert_allclose(found, right.x, atol=1e-5)
    assert solution.objective[0] == pytest.approx(right.fun, rel=1e-7)


class TestLimits:
    @pytest.mark.parametrize("p", [1.5, 2.0, 3.0, 5.0, 9.0])
    def test_an_active_limit_settles_the_muscles(self, p: float) -> None:
        """300 + 450 a ≤ 330 N."""
        solution = solve_static(elbow(), exponent=p, contact=Contact("knee", lower={"y": -330.0}))
        np.testing.assert_allclose(solution.activation, [[1.0 / 15.0, 0.9]], atol=1e-9)
        assert list(solution.objective_terms) == ["muscles", "reserves"]
        assert solution.gap is not None
        assert solution.gap[0] < 1e-9

    @pytest.mark.parametrize("p", [1.5, 2.0, 3.0, 5.0, 9.0])
    def test_an_idle_limit_changes_nothing(self, p: float) -> None:
        """The trace of cost that solvers give its force is not in the answer beyond its proved error."""
        right = solve_static(elbow(), exponent=p)
        idle = Contact("knee", lower={"y": -5000.0}, upper={"x": 9000.0}, cone=[(0.0, -1.0, 0.0)])
        solution = solve_static(elbow(), exponent=p, contact=idle)
        np.testing.assert_allclose(solution.activation, right.activation, atol=2e-6)
        np.testing.assert_allclose(solution.objective, right.objective, rtol=OPTIMAL)

    def test_limits_out_of_reach_are_named_with_what_they_lack(self) -> None:
        """At least 300 N press, and at most 600 where the moment is made."""
        problem = elbow()
        for limits, text in (
            ({"lower": {"y": -100.0}}, "knee_fy is short of 200 N"),
            ({"upper": {"y": -900.0}}, "knee_fy is short of -300 N"),
            ({"cone": [(0.0, 3.0, 0.0)]}, "knee_cone0 is short of 300 N"),
        ):
            for p in (2.0, 3.0):
                contact = Contact("knee", **limits)  # type: ignore[arg-type]
                solution = solve_static(problem, exponent=p, contact=contact, on_failure="return")
                assert solution.status[0] == Status.INFEASIBLE
                assert text in solution.detail[0]

    def test_moments_out_of_reach_are_not_blamed_on_limits(self) -> None:
        problem = replace(elbow(), generalized_force=np.array([[50.0]]))
        solution = solve_static(problem, contact=Contact("knee", lower={"y": -5000.0}), on_failure="return")
        assert solution.status[0] == Status.INFEASIBLE
        assert "coordinate_0 is short of 20" in solution.detail[0]

    @pytest.mark.parametrize("name", ["sum_force", "min_max", "activation_power"])
    def test_beside_linear_costs(self, name: str) -> None:
        exponent = 1.0 if name == "activation_power" else 2.0
        contact = Contact("knee", lower={"y": -330.0})
        solution = solve_static(elbow(), name, exponent, contact=contact)
        assert solution.muscle_force.sum() <= 330.0 + 1e-6
        rng, seen = np.random.default_rng(2), 0
        while seen < 3:
            case = Case.random(rng)
            if case.contact.weight or case.problem.reserves.names:
                continue
            found, seen = (
                solve_static(case.problem, name, exponent, contact=case.contact, on_failure="return"),
                seen + 1,
            )
            scale = get_cost(name, exponent).scale(case.problem)
            for frame in range(len(case.problem)):
                (A, b), (low, high), (rows, right, _) = (
                    case.problem.system(frame), case.problem.bounds(), case.limits(frame),
                )  # fmt: skip
                weight, size = case.problem.weights * scale[frame], A.shape[1]
                if name == "min_max":  # the largest of weight · a is one more unknown
                    A, cost = np.hstack([A, np.zeros((len(A), 1))]), np.append(np.zeros(size), 1.0)
                    above = np.vstack(
                        [
                            np.hstack([-rows, np.zeros((len(rows), 1))]),
                            np.hstack([np.diag(weight), -np.ones((size, 1))]),
                        ]
                    )
                    below, bounds = (
                        np.append(-right, np.zeros(size)),
                        np.column_stack([np.append(low, 0.0), np.append(high, np.inf)]),
                    )
                else:
                    cost, above, below, bounds = weight, -rows, -right, np.column_stack([low, high])
                least = linprog(cost, A_ub=above, b_ub=below, A_eq=A, b_eq=b, bounds=bounds, method="highs")
                assert (found.status[frame] == Status.INFEASIBLE) == (least.status == 2)
                if least.status == 0:
                    assert found.objective[frame] == pytest.approx(least.fun, rel=1e-6)


class TestCertificate:
    def test_of_mixed_exponents_is_never_below_the_excess(self) -> None:
        """Points of other exponents, which cost more, with multipliers at random and near the optimum's."""
        rng, seen = np.random.default_rng(4), 0
        while seen < 12:
            case = Case.random(rng, (1.5, 3.0, 5.0))
            cost, whole = get_cost("activation_power", case.exponent), extended(case.problem, [case.contact])
            p, scale, unit = exponents(whole, cost), scale_of_unknowns(whole, cost), unit_of_cost(whole, cost)
            options: dict[str, Any] = {"contact": case.contact, "on_failure": "return"}
            right = solve_static(case.problem, exponent=case.exponent, **options)
            other = solve_static(case.problem, exponent=2.5, **options)
            for frame in np.flatnonzero(right.solved & other.solved).tolist():
                own = slice(frame, frame + 1)
                own_x = np.concatenate([other.activation[frame], other.reserve_control[frame]])
                force = contact_force(case.problem, case.contact, other.activation, other.reserve_control)[own]
                x = np.append(own_x, force / whole.reserves.optimal_force[-force.shape[1] :])[None]
                excess = (case.cost(frame, own_x)[0] - right.objective[frame]) / case.exponent
                fitted = fitting_multipliers(whole.system(frame)[0], *whole.bounds(), p, scale[frame], x[0])
                size = np.abs(whole.system(frame)[0]).max(axis=1)
                for away in (0.0, 1e-3, 0.1):
                    multipliers = released(
                        whole.frames(own), x, (fitted + rng.normal(0.0, away, len(size)) / size)[None]
                    )
                    found = prove(whole.frames(own), p, scale[own], x, multipliers)
                    assert found.gap[0] * unit[frame] >= excess - ROUNDING * right.objective[frame]
                    assert not (found.certified[0] and excess > 2.0 * OPTIMAL * right.objective[frame])
                seen += 1


class TestInput:
    @pytest.mark.parametrize(
        ("given", "text"),
        [
            ({"weight": -1.0}, "a finite weight ≥ 0, got -1.0"),
            ({"weight": "much"}, "a finite weight ≥ 0"),
            ({"weight": np.nan}, "a finite weight ≥ 0"),
            ({"axes": "yy"}, "axes as 'xyz', 'y' or the like, got 'yy'"),
            ({"axes": "q"}, "axes as"),
            ({"lower": {"w": 1.0}}, "axes of lower limits among x, y, z, got w"),
            ({"lower": {"y": np.nan}}, "lower limits in N"),
            ({"upper": 5.0}, "upper limits in N"),
            ({"lower": {"y": 5.0}, "upper": {"y": -5.0}}, "5 above -5 N for y"),
            ({"cone": [(1.0, 2.0)]}, "a cone as normals of three numbers"),
            ({"cone": [(0.0, 0.0, 0.0)]}, "not all 0"),
            ({"on": "leg"}, "on among parent, child"),
            ({"frame": "world"}, "frame among ground, parent, child"),
            ({"joint": ""}, "the name of a joint"),
        ],
    )
    def test_wrong_contacts_are_refused(self, given: dict[str, Any], text: str) -> None:
        with pytest.raises(InputError, match="expected") as error:
            Contact(**{"joint": "knee", **given})
        assert text in str(error.value)

    def test_contacts_are_read_from_what_a_user_gives(self) -> None:
        assert [(one.joint, one.weight) for one in read_contacts("knee_l=0.1, knee_r=2")] == [
            ("knee_l", 0.1),
            ("knee_r", 2.0),
        ]
        assert read_contacts(None) == ()
        assert read_contacts(Contact("knee", 1.0))[0].joint == "knee"
        for wrong, text in (
            (5, "weights by joint"),
            ("knee", "joint=weight"),
            ("knee=a", "a finite weight"),
            ("knee=1,knee=2", "each joint once"),
            ("knee_*=1", "one joint"),
            ({"knee": 0.0}, "a weight, limits or a cone"),
        ):
            with pytest.raises(InputError, match=text):
                read_contacts(wrong)

    def test_what_cannot_be_solved_is_refused(self) -> None:
        with pytest.raises(InputError, match="limits only beside a linear cost"):
            solve_static(elbow(), "min_max", contact={"knee": 1.0})
        with pytest.raises(InputError, match="hip"):
            solve_static(elbow(), contact={"hip": 1.0})
        with pytest.raises(InputError, match="joint_reactions"):
            solve_static(replace(elbow(), reactions=None), contact={"knee": 1.0})

    def test_rows_have_names_of_their_own_and_newtons(self) -> None:
        frames = [
            Contact("knee", 1.0),
            Contact("knee", cone=[(0.0, -1.0, 0.0)]),
            Contact("knee", lower={"y": -9e3}, on="parent"),
        ]
        whole = extended(elbow(), frames)
        assert whole.coordinates[1:] == ("knee_fx", "knee_fy", "knee_fz", "knee_cone0", "knee_fy_2")
        assert {whole.unit(name) for name in whole.coordinates[1:]} == {"N"}
        assert whole.reserves.origin == ("contact",) * 3 + ("limit",) * 2

    def test_the_flag(self) -> None:
        assert solve_options("static", {"joint_contact": "knee=0.1"}).contact == "knee=0.1"  # type: ignore[union-attr]
        with pytest.raises(InputError, match="--joint-contact"):
            solve_options("surrogate", {"joint_contact": "knee=0.1"})


def test_the_term_of_an_extended_problem() -> None:
    problem = elbow()
    whole, cost = extended(problem, [Contact("knee", 2.0, "y", lower={"x": -1e3})]), get_cost("activation_power", 3.0)
    control = np.array([[5.0, 3.0]])  # x is only limited
    assert contact_term(whole, cost, control) == pytest.approx([9.0])
    assert osimopt.Contact is Contact


def test_the_term_of_the_cost_is_that_of_the_forces() -> None:
    """A solver's own contact force may miss that of the muscles by what the balance allows."""
    weight, problem = 1e5, elbow()
    solution = solve_static(problem, exponent=1.5, contact={"knee": weight})
    pressing = solution.muscle_force.sum(axis=1) / WEIGHT
    np.testing.assert_allclose(solution.objective_terms["contact"], weight * pressing**2, rtol=1e-13)


def test_what_contact_forces_lack_or_contradict_is_found(arm: Example) -> None:
    problem = osimopt.load_problem(arm.model, arm.motion, time_range=(0.2, 0.22))
    lacking = solve_static(problem.part(muscles=["BRA"]), contact={"r_elbow": 0.1}).findings()
    assert any("without the force of muscles" in text and "TRIlat" in text for text in lacking)
    for factor in (1.0, 1.1):
        own = problem if factor == 1.0 else replace(problem, generalized_force=factor * problem.generalized_force)
        told = " ".join(solve_static(own, contact={"r_elbow": 0.1}).findings())
        assert ("forces that meet others: the problem's generalized_force" in told) is (factor != 1.0)
