"""Static optimization with synergies: closed forms, SciPy's SLSQP, a linear program, plain solutions, refusals."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import linprog, minimize

import osimopt
from osimopt import Contact, InputError, RedundancyProblem, Synergies, solve_static
from osimopt.problem.arrays import Array
from osimopt.problem.reactions import JointReactions
from osimopt.static.proof import prove
from osimopt.static.synergies import with_rows

NAMES = tuple(f"m{k}" for k in range(8))


def random_problem(seed: int, reserves: float | None = 5.0, lower: float = 0.01, frames: int = 6) -> RedundancyProblem:
    """Eight muscles about three joints, with moments that need reserves."""
    rng = np.random.default_rng(seed)
    arms, force = rng.normal(0.0, 0.04, (3, 8)), rng.uniform(300.0, 1500.0, 8)
    moment = (arms * force) @ rng.uniform(0.0, 0.6, (frames, 8)).T
    return RedundancyProblem.from_arrays(
        arms, force, moment.T, bounds=(lower, 1.0), muscles=NAMES, reserves=reserves, weights=rng.uniform(0.5, 2.0, 8)
    )


def vectors(seed: int, muscles: tuple[str, ...] = NAMES, count: int = 3) -> Synergies:
    weights = np.random.default_rng(seed + 100).uniform(0.0, 1.0, (len(muscles), count))
    weights[weights < 0.3] = 0.0
    weights[0] = 1.0
    return Synergies(weights, muscles, tuple(f"all_{k + 1}" for k in range(count)))


def by_slsqp(problem: RedundancyProblem, synergies: Synergies, p: float, frame: int) -> tuple[float, Array]:
    """Least cost and activations of one frame by SciPy, over (h, free activations, controls)."""
    A, b = problem.system(frame)
    own = synergies.rows(problem.muscles)
    free = np.setdiff1d(np.arange(len(problem.muscles)), own)
    S, K = len(synergies.names), len(problem.reserves.names)

    def actuators(v: Array) -> Array:
        x = np.empty(A.shape[1])
        x[own], x[free] = problem.lower[own] + synergies.weights @ v[:S], v[S : S + free.size]
        x[len(problem.muscles) :] = v[S + free.size :]
        return x

    weight = np.concatenate([problem.weights, np.ones(K)])
    limits = [{"type": "eq", "fun": lambda v: (A @ actuators(v) - b) / 10.0}]
    limits.append({"type": "ineq", "fun": lambda v: (problem.upper - actuators(v)[: len(problem.muscles)])[own]})
    bounds = [(0.0, None)] * S + [(problem.lower[m], problem.upper[m]) for m in free] + [(None, None)] * K
    best = np.inf, np.zeros(0)
    for start in (np.full(S + free.size + K, 0.2), np.full(S + free.size + K, 0.5)):
        done = minimize(
            lambda v: float(weight @ np.abs(actuators(v)) ** p), start, bounds=bounds, constraints=limits,
            method="SLSQP", options={"ftol": 1e-14, "maxiter": 2000},
        )  # fmt: skip
        met = np.abs(A @ actuators(done.x) - b).max() < 1e-6
        if met and done.fun < best[0]:
            best = float(done.fun), actuators(done.x)
    return best


def test_one_synergy_has_a_closed_form() -> None:
    """A moment of one joint gives h; the reserve shares it by the least squares of (h, e)."""
    problem = RedundancyProblem.from_arrays([0.05, 0.03], [500.0, 300.0], 12.0, bounds=(0.02, 1.0), reserves=4.0)
    w, f = np.array([1.0, 0.5]), np.array([25.0, 9.0])
    solution = solve_static(problem, synergies=Synergies(w[:, None], problem.muscles, ("all_1",)))
    # minimise |0.02 + w h|² + e² with f·(0.02 + w h) + 4 e = 12
    gain, target = f @ w, 12.0 - 0.02 * f.sum()
    h = (gain * target / 16.0 - 0.02 * w.sum()) / (w @ w + gain**2 / 16.0)
    assert solution.activation[0] == pytest.approx(0.02 + w * h, abs=1e-10)
    assert solution.reserve_control[0, 0] == pytest.approx((target - gain * h) / 4.0, abs=1e-9)


@pytest.mark.parametrize("options", [{}, {"exponent": 3.0}, {"exponent": 1.5}, {"cost": "sum_force_squared"}])
def test_one_synergy_for_each_muscle_is_the_plain_solution(options: dict[str, Any]) -> None:
    problem = random_problem(1)
    identity = Synergies(np.eye(8), NAMES, NAMES)
    own, plain = solve_static(problem, synergies=identity, **options), solve_static(problem, **options)
    assert own.activation == pytest.approx(plain.activation, abs=1e-9 if options == {} else 1e-6)
    assert own.objective == pytest.approx(plain.objective, rel=1e-9)


@pytest.mark.parametrize("p", [1.5, 2.0, 3.0, 10.0])
@pytest.mark.parametrize("seed", [2, 3])
@pytest.mark.parametrize("some", [8, 5])
def test_agrees_with_slsqp(p: float, seed: int, some: int) -> None:
    """Synergies of all muscles, and of five, the others free."""
    problem, synergies = random_problem(seed), vectors(seed, NAMES[:some])
    solution = solve_static(problem, exponent=p, synergies=synergies)
    for frame in (0, 3):
        cost, x = by_slsqp(problem, synergies, p, frame)
        assert solution.objective[frame] <= cost * (1.0 + 1e-6)  # SciPy misses moments by up to 1e-6
        assert solution.objective[frame] == pytest.approx(cost, rel=1e-4)
        if p == 2.0:
            assert solution.activation[frame] == pytest.approx(x[:8], abs=1e-4)


@pytest.mark.parametrize("p", [1.2, 2.0, 4.0])
def test_activations_follow_and_gaps_are_bounds(p: float) -> None:
    problem, synergies = random_problem(4, frames=200), vectors(4)
    solution = solve_static(problem, exponent=p, synergies=synergies)
    assert solution.gap is not None
    assert (solution.gap >= 0.0).all()
    assert (solution.gap <= 1e-6 * solution.objective).all()
    h = synergies.activations(solution.activation, problem.lower)
    assert problem.lower + h @ synergies.weights.T == pytest.approx(solution.activation, abs=1e-9)
    assert (solution.activation >= problem.lower - 1e-12).all()
    assert np.abs(solution.moment_residual).max() < 1e-9 * np.abs(problem.generalized_force).max()


def test_a_wrong_solution_gets_no_certificate() -> None:
    """The certificate depends on h: a feasible but dearer point is not certified."""
    problem, synergies = random_problem(5, frames=1), vectors(5)
    whole = with_rows(problem, synergies)
    solution = solve_static(problem, synergies=synergies)
    h = synergies.activations(solution.activation, problem.lower) + 0.01
    activation = problem.lower + h @ synergies.weights.T
    A, b = problem.system(0)
    control = (b - A[:, :8] @ activation[0]) / 5.0
    x = np.concatenate([activation[0], control, h[0]])[None]
    scale = np.concatenate([np.sqrt(problem.weights), np.ones(3), np.zeros(3)])[None]
    proof = prove(whole, 2.0, scale, x, np.zeros((1, len(whole.coordinates))))
    assert proof.feasible[0]
    assert not proof.certified[0]


@pytest.mark.parametrize("options", [{"exponent": 1.0}, {"cost": "min_max"}])
def test_linear_costs_agree_with_a_linear_program_in_h(options: dict[str, Any]) -> None:
    problem, synergies = random_problem(6), vectors(6)
    solution = solve_static(problem, synergies=synergies, **options)
    A, b = problem.system(2)
    W, w, low = synergies.weights, problem.weights, problem.lower
    # unknowns h, e⁺, e⁻, β
    balance = np.hstack([A[:, :8] @ W, A[:, 8:], -A[:, 8:], np.zeros((3, 1))])
    above = np.hstack([W, np.zeros((8, 7))])
    limits, right = [above], [1.0 - low]
    if "cost" in options:
        limits += [np.hstack([w[:, None] * W, np.zeros((8, 6)), -np.ones((8, 1))])]
        limits += [np.hstack([np.zeros((3, 3)), np.eye(3), np.eye(3), -np.ones((3, 1))])]
        right += [-w * low, np.zeros(3)]
        cost, offset = np.append(np.zeros(9), 1.0), 0.0
    else:
        cost, offset = np.concatenate([w @ W, np.ones(6), [0.0]]), float(w @ low)
    done = linprog(
        cost, np.vstack(limits), np.concatenate(right), balance, b - A[:, :8] @ low, bounds=[(0.0, None)] * 10
    )
    assert solution.objective[2] == pytest.approx(done.fun + offset, rel=1e-7)
    h = synergies.activations(solution.activation, low)
    assert low + h @ W.T == pytest.approx(solution.activation, abs=1e-9)


def test_a_muscle_without_weights_stays_on_its_lower_bound_and_others_are_free() -> None:
    problem = random_problem(7)
    table = vectors(7).to_dataframe().drop(index="m7")
    table.loc["m3"] = 0.0
    solution = solve_static(problem, synergies=table)
    assert (solution.activation[:, 3] == 0.01).all()
    assert np.ptp(solution.activation[:, 7]) > 1e-3


def test_infeasible_frames_are_proved_so_and_nan() -> None:
    """Without reserves one synergy meets moments of its own direction only."""
    arms, force = np.array([[0.05, 0.0], [0.0, 0.05]]), np.array([1000.0, 1000.0])
    moments = [[10.0, 5.0], [10.0, 9.0]]
    problem = RedundancyProblem.from_arrays(arms, force, moments, muscles=("a", "b"), coordinates=("hip", "knee"))
    synergies = Synergies([[1.0], [0.5]], ("a", "b"), ("all_1",))  # type: ignore[arg-type]
    solution = solve_static(problem, synergies=synergies, on_failure="return")
    assert [status.name for status in solution.status] == ["SOLVED", "INFEASIBLE"]
    assert solution.activation[0] == pytest.approx([0.2, 0.1], abs=1e-9)
    assert np.isnan(solution.activation[1]).all()
    assert "knee is short of" in solution.detail[1] or "hip is short of" in solution.detail[1]


def test_upper_bounds_of_muscles_limit_synergies() -> None:
    problem = RedundancyProblem.from_arrays([0.05, 0.03], [500.0, 300.0], 60.0, bounds=(0.0, [0.4, 1.0]), reserves=1.0)
    synergies = Synergies(np.array([[1.0], [0.5]]), problem.muscles, ("all_1",))
    solution = solve_static(problem, synergies=synergies)
    assert solution.activation[0] == pytest.approx([0.4, 0.2], abs=1e-9)


def test_a_muscle_without_force_follows_too() -> None:
    problem = RedundancyProblem.from_arrays(
        [0.05, 0.03], [[500.0, 300.0], [500.0, 0.0]], [[12.0], [12.0]], passive_force=[[10.0, 0.0]]
    )
    synergies = Synergies(np.array([[1.0], [0.5]]), problem.muscles, ("all_1",))
    solution = solve_static(problem, synergies=synergies)
    assert solution.activation == pytest.approx(np.array([[11.5 / 29.5], [11.5 / 25.0]]) * [1.0, 0.5], abs=1e-9)


@pytest.mark.parametrize("contact", [Contact("knee", 0.5), Contact("knee", lower={"x": -900.0})])
@pytest.mark.parametrize("p", [2.0, 3.0])
def test_with_contact_forces(contact: Contact, p: float) -> None:
    """A cost, or limits, of the force through a joint beside synergies: with one for each muscle as without any."""
    plain_problem = random_problem(10)
    rng = np.random.default_rng(1)
    frames = np.zeros(len(plain_problem), dtype=int)
    effect = rng.uniform(-1.0, 0.0, (3, 8))
    carried = JointReactions.from_arrays("knee", np.zeros(3), effect, NAMES, 700.0).moved(lambda array: array[frames])
    problem = replace(plain_problem, reactions=carried)
    identity = Synergies(np.eye(8), NAMES, NAMES)
    same = solve_static(problem, synergies=identity, contact=contact, exponent=p)
    plain = solve_static(problem, contact=contact, exponent=p)
    assert same.activation == pytest.approx(plain.activation, abs=1e-5)
    assert same.objective == pytest.approx(plain.objective, rel=1e-7)
    three = solve_static(problem, synergies=vectors(10), contact=contact, exponent=p)
    assert (three.objective >= plain.objective).all()


def test_provenance_and_finding(tmp_path: Path) -> None:
    problem, synergies = random_problem(8), vectors(8)
    path = synergies.write(tmp_path / "synergies.csv")
    solution = solve_static(problem, synergies=path)
    known = solution.provenance["synergies"]
    assert known["number"] == {"all": 3}
    assert known["source"] == str(path)
    assert known["sha256"] == synergies.provenance()["sha256"]
    assert any(text.startswith("Activations follow 3 synergies of all.") for text in solution.findings())
    assert solution.provenance["solver"]["used"] == "interior"


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"synergies": pd.DataFrame({"all_1": [1.0]}, index=["elbow"])}, "m0"),
        ({"synergies": pd.DataFrame({"all_1": [-1.0]}, index=["m0"])}, "≥ 0"),
        ({"synergies": pd.DataFrame({"all_1": [0.0]}, index=["m0"])}, "positive weight"),
        ({"synergies": pd.DataFrame({"all_1": [1.0, 1.0]}, index=["m0", "m0"])}, "twice"),
        ({"synergies": 4}, "CSV"),
        ({"synergies": "nowhere.csv"}, "nowhere.csv"),
        ({"synergies": vectors(1), "solver": "slsqp"}, "solver='auto'"),
        ({"synergies": vectors(1), "device": "torch"}, "device='cpu'"),
    ],
)
def test_refusals(wrong: dict[str, Any], word: str) -> None:
    with pytest.raises(InputError, match=word):
        solve_static(random_problem(1), **wrong)


def test_a_found_object_is_taken() -> None:
    problem = random_problem(9, frames=40)
    found = osimopt.find_synergies(solve_static(problem), n=3)
    assert solve_static(problem, synergies=found).synergies is found.synergies


def test_analyses_that_know_no_synergies_refuse_them() -> None:
    solution = solve_static(random_problem(1), synergies=vectors(1))
    for analysis in (osimopt.sensitivity, osimopt.feasible_ranges):
        with pytest.raises(InputError, match="without synergies"):
            analysis(solution)
