"""Derivatives of what a joint transmits: against solving again, closed forms, transposes; with contact in the cost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_sensitivity import DIFFERENCES, ROUNDING, STEP, close, directions, moved, random_problem, without_idle

import osimopt
from osimopt import InputError, RedundancyProblem, RedundancySolution, solve_static
from osimopt.problem.contact import Contact
from osimopt.problem.reactions import JointReactions

BODY_WEIGHT = 700.0


def jointed(problem: RedundancyProblem, seed: int = 0) -> RedundancyProblem:
    """A joint that muscles press together (−y), which also transmits what an actuator of the model does to bodies."""
    rng = np.random.default_rng(seed)
    count, reserves = len(problem.muscles), problem.reserves
    effect = rng.uniform(-0.4, 0.4, (len(problem), 6, count))
    effect[:, 1] = -rng.uniform(0.3, 1.0, (len(problem), count))
    constant = rng.uniform(-300.0, 300.0, (len(problem), 6))
    reactions = JointReactions.from_arrays("knee", constant, effect, problem.muscles, BODY_WEIGHT)
    acting = replace(
        reactions, actuators=reserves.names[:1], pair_joint=np.append(reactions.pair_joint, 0),
        pair_source=np.append(reactions.pair_source, count),
        effect=np.concatenate([reactions.effect, rng.uniform(-30.0, 30.0, (len(problem), 1, 6))], axis=1),
    )  # fmt: skip
    own = replace(reserves, origin=("model", *reserves.origin[1:]))
    return replace(problem, reactions=acting, reserves=own)


def again(problem: RedundancyProblem, contacts: tuple[Contact, ...], **cost: Any) -> RedundancySolution:
    return solve_static(problem, **cost, contact=contacts)


def reaction(solution: RedundancySolution) -> np.ndarray:
    return solution.reaction_table("knee", on="child", frame="ground").to_numpy()[:, :6]


COSTS: list[dict[str, Any]] = [
    {"cost": "sum_force_squared"},
    {"cost": "sum_moment_ratio_cubed"},
    *({"cost": "activation_power", "exponent": p} for p in (1.5, 2.0, 3.0)),
]
LIMITED = {
    "weighted": (Contact("knee", 0.3),),
    "axial and limited": (Contact("knee", 0.1, axes="y", upper={"x": 80.0}),),
    "cone": (Contact("knee", 0.05, cone=[[0.5, -1.0, 0.0], [-0.5, -1.0, 0.0]]),),
}


@pytest.mark.parametrize("name", LIMITED)
def test_contact_in_the_cost_is_part_of_what_is_linearised(name: str) -> None:
    """Derivatives of everything against solving again with the same contact; without its rows they would be others."""
    problem, contacts = jointed(random_problem()), LIMITED[name]
    solution = again(problem, contacts)
    found = osimopt.sensitivity(solution)
    assert not found.nondifferentiable.any()
    knee = found.reaction("knee")
    for parameter, part in directions(problem).items():
        change = {parameter: part}
        ends = [again(moved(problem, sign * STEP, change), contacts) for sign in (1.0, -1.0)]
        got = found.jvp(**change)
        for quantity in ("activation", "reserve_control", "muscle_force"):
            slope = (getattr(ends[0], quantity) - getattr(ends[1], quantity)) / (2.0 * STEP)
            close(getattr(got, quantity), slope, DIFFERENCES)
        slope = (reaction(ends[0]) - reaction(ends[1])) / (2.0 * STEP)
        close(knee.jvp(**change), slope, DIFFERENCES)
    plain = osimopt.sensitivity(replace(solution, contact=()))
    change = {"d_max_force": directions(problem)["d_max_force"]}
    assert np.abs(plain.jvp(**change).activation - found.jvp(**change).activation).max() > 10.0 * DIFFERENCES


@pytest.mark.parametrize("cost", COSTS, ids=lambda cost: f"{cost['cost']}-{cost.get('exponent', '')}")
@pytest.mark.parametrize("contacts", [(), LIMITED["axial and limited"]], ids=["free", "limited"])
@pytest.mark.slow
def test_reactions_follow_solving_again(cost: dict[str, Any], contacts: tuple[Contact, ...]) -> None:
    problem = random_problem(2)
    if cost["cost"] == "sum_moment_ratio_cubed":
        problem = without_idle(problem, [i for i in range(8) if i != 3])
    problem = jointed(problem)
    found = osimopt.sensitivity(again(problem, contacts, **cost))
    assert not found.nondifferentiable.any()
    for parameter, part in directions(problem).items():
        ends = [again(moved(problem, sign * STEP, {parameter: part}), contacts, **cost) for sign in (1.0, -1.0)]
        slope = (reaction(ends[0]) - reaction(ends[1])) / (2.0 * STEP)
        close(found.reaction("knee").jvp(**{parameter: part}), slope, DIFFERENCES)
        objective = (ends[0].objective - ends[1].objective) / (2.0 * STEP)
        if parameter == "d_generalized_force":
            close(np.sum(found.price * part, axis=1), objective, 1e-5)


def test_gradients_are_the_transpose_and_jacobians_their_rows() -> None:
    problem = jointed(random_problem(1))
    knee = osimopt.sensitivity(again(problem, LIMITED["axial and limited"])).reaction("knee", "parent", "child")
    rng = np.random.default_rng(3)
    by, change = rng.normal(size=(4, 6)), directions(problem)
    forward, gradient = knee.jvp(**change), knee.vjp(by)
    right = sum(float(np.sum(part * getattr(gradient, name.removeprefix("d_")))) for name, part in change.items())
    assert float(np.sum(by * forward)) == pytest.approx(right, rel=ROUNDING)
    for name, part in change.items():
        jacobian = knee.jacobian(name.removeprefix("d_"))
        assert jacobian.shape[:2] == (4, 6)
        product = np.einsum("tcx,tx->tc", jacobian, np.broadcast_to(part, (4, jacobian.shape[2])))
        close(product, knee.jvp(**{name: part}), ROUNDING)
        np.testing.assert_array_equal(knee.jacobian(name.removeprefix("d_"), ["mz", "fy"]), jacobian[:, [5, 1]])


def test_one_muscle_in_closed_form() -> None:
    """F = τ / r presses: dc/dτ = −1/r, dc/dr = τ/r², and strength changes nothing; c₀ stays."""
    problem = RedundancyProblem.from_arrays([0.05], [1000.0], [10.0, 20.0])
    knee = JointReactions.from_arrays("knee", [[0.0, 150.0, 0.0]] * 2, [[0.0], [-1.0], [0.0]], problem.muscles)
    found = osimopt.sensitivity(solve_static(replace(problem, reactions=knee))).reaction("knee")
    for parameter, wanted in (
        ("generalized_force", [-20.0, -20.0]), ("moment_arm", [4000.0, 8000.0]), ("max_force", [0.0, 0.0])
    ):  # fmt: skip
        np.testing.assert_allclose(found.jacobian(parameter, ["fy"])[:, 0, 0], wanted, rtol=ROUNDING, atol=ROUNDING)  # type: ignore[arg-type]


def test_two_muscles_that_share_by_contact_in_closed_form() -> None:
    """Minimise a₁² + a₂² + w (F₁/W)²: two equal arms, of which one presses the joint; a₁ = (τ/rF) / (2 + k)."""
    weight, strength, arm = 0.5, 1000.0, 0.05
    problem = RedundancyProblem.from_arrays([arm, arm], [strength, strength], [20.0])
    knee = JointReactions.from_arrays("knee", np.zeros(3), [[0, 0], [-1.0, 0], [0, 0]], problem.muscles, BODY_WEIGHT)
    contact = (Contact("knee", weight, axes="y"),)
    found = osimopt.sensitivity(again(replace(problem, reactions=knee), contact))
    k = weight * (strength / BODY_WEIGHT) ** 2
    np.testing.assert_allclose(found.activation, [[0.4 / (2.0 + k), 0.4 * (1.0 + k) / (2.0 + k)]], rtol=1e-7)
    by_moment = found.reaction("knee").jacobian("generalized_force", ["fy"])
    np.testing.assert_allclose(by_moment.item(), -1.0 / (arm * (2.0 + k)), rtol=1e-7)


def test_a_limited_component_does_not_move() -> None:
    problem = jointed(random_problem())
    free = reaction(again(problem, ()))[:, 1]
    contacts = (Contact("knee", lower={"y": float(0.97 * free.min())}, frame="ground"),)
    solution = again(problem, contacts)
    held = reaction(solution)[:, 1] <= 0.97 * free.min() + 1e-3
    assert held.any()
    moves = osimopt.sensitivity(solution).reaction("knee").jacobian("max_force", ["fy"])
    assert np.abs(moves[held]).max() < 1e-7
    assert np.abs(moves[~held]).max() > 1e-3


def test_wrong_questions_of_joints_are_refused() -> None:
    found = osimopt.sensitivity(solve_static(jointed(random_problem(8))))
    with pytest.raises(InputError, match="joints among knee"):
        found.reaction("hip")
    with pytest.raises(InputError, match="fx"):
        found.reaction("knee").jacobian("weights", ["norm"])
    with pytest.raises(InputError, match="wrt among"):
        found.reaction("knee").jacobian("moments")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="gradient of shape"):
        found.reaction("knee").vjp([1.0, 2.0])
    bare = osimopt.sensitivity(solve_static(random_problem(8)))
    with pytest.raises(InputError, match="joint_reactions"):
        bare.reaction("knee")


@pytest.mark.slow
@pytest.mark.parametrize("exponent", [2.0, 3.0])
def test_knee_forces_of_a_walk_follow_solving_again(real_data: Path, exponent: float) -> None:
    """80 muscles, reactions of a model, both knees in the cost."""
    files = [real_data / "walk_80muscles" / name for name in ("walk_80muscles_with_reserves.osim", "grf_walk.xml")]
    problem = osimopt.load_problem(
        files[0], files[0].parent / "coordinates_50hz.mot", external_loads=files[1], geometry="exact", lowpass_hz=6.0,
        time_range=(0.7, 1.0), joint_reactions=("walker_knee_l", "walker_knee_r"),
    )  # fmt: skip
    contact = {"walker_knee_l": 0.1, "walker_knee_r": 0.1}
    solution = solve_static(problem, exponent=exponent, contact=contact)
    found = osimopt.sensitivity(solution)
    assert not found.nondifferentiable.any()
    for name, part in directions(problem).items():
        if name in ("d_moment_arm", "d_weights"):
            continue
        ends = [
            solve_static(
                replace(moved(problem, sign * STEP, {name: part}), source=None), exponent=exponent, contact=contact
            )
            for sign in (1.0, -1.0)
        ]
        for joint in contact:
            first, second = (end.reaction_table(joint, frame="parent").to_numpy()[:, :6] for end in ends)
            got = found.reaction(joint, frame="parent").jvp(**{name: part})
            close(got, (first - second) / (2.0 * STEP), DIFFERENCES)
