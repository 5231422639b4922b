"""Contact forces in dynamic optimization: static optimization as the limit, objectives from arrays, limits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from dynamic_cases import NAMES, elbow, solved

import osimopt
from osimopt import InputError, RedundancyProblem, solve_dynamic, solve_static
from osimopt.datasets import Example
from osimopt.dynamic.contact import balance_of
from osimopt.dynamic.mesh import Mesh, scheme
from osimopt.dynamic.nodes import Nodes
from osimopt.dynamic.solution import _judge_limits
from osimopt.problem.contact import Contact
from osimopt.problem.reactions import JointReactions
from osimopt.solution.status import Status

BODY_WEIGHT = 700.0
#: s; so fast that activations are not bound to each other by their dynamics.
INSTANT = (1e-4, 1e-4)
#: IPOPT stops where no variable has more than 1e-8 (scaled) to gain: activations of a flat minimum are that exact.
FLAT = 2e-4
#: Relative; the same sums in another order.
ROUNDING = 1e-9
#: Body weights; limits hold to the solver's tolerance of an equation.
HELD = 1e-6


def jointed(problem: RedundancyProblem, joint: str = "elbow") -> RedundancyProblem:
    """A joint that muscles press (−y) and shear (x), by directions that change along the motion."""
    time, count = problem.time, len(problem.muscles)
    share = np.linspace(0.0, 1.0, count)
    effect = np.zeros((len(time), 3, count))
    effect[:, 1] = -(0.95 - 0.3 * share)
    effect[:, 0] = 0.4 * np.cos(time)[:, None] * (0.5 - share)
    constant = np.stack([20.0 * np.sin(3.0 * time), -30.0 + 0.0 * time, 0.0 * time], axis=1)
    return replace(problem, reactions=JointReactions.from_arrays(joint, constant, effect, problem.muscles, BODY_WEIGHT))


def axial(solution: Any, axis: int = 1, joint: str = "elbow") -> np.ndarray:
    return solution.reaction_table(joint, frame="child").to_numpy()[:, axis]


CASES = {
    "all axes": Contact("elbow", 0.5),
    "axial, sheared less": Contact("elbow", 0.1, axes="y", upper={"x": 40.0}),
    "pressed less": Contact("elbow", lower={"y": -600.0}),
    "cone": Contact("elbow", cone=[[1.0, -0.04, 0.0], [-1.0, -0.04, 0.0]]),
}


@pytest.mark.parametrize(
    "name", [name if name == "axial, sheared less" else pytest.param(name, marks=pytest.mark.slow) for name in CASES]
)
def test_fast_muscles_share_as_in_static_optimization(name: str) -> None:
    """Rigid tendons and a cost of activations leave each point by itself; the objective is that of the arrays."""
    problem, contact = jointed(elbow()), CASES[name]
    found = solved(problem, cost="activation_power", contact=contact, time_constants=INSTANT)
    static = solve_static(found.problem, contact=contact)
    np.testing.assert_allclose(found.activation, static.activation, atol=FLAT)
    assert np.abs(solve_static(found.problem).activation - static.activation).max() > 100.0 * FLAT
    assert found.problem.coordinates == problem.coordinates
    assert found.reserve_control.shape == (len(found.time), 1)
    assert found.contact == (contact,)
    own = ["xyz".index(axis) for axis in contact.axes if contact.weight]
    pressed = found.reaction_table("elbow", frame="child").to_numpy()[:, own]
    wanted = contact.weight * np.sum((pressed / BODY_WEIGHT) ** 2, axis=1)
    np.testing.assert_allclose(found.objective_terms.get("contact", 0.0 * wanted), wanted, rtol=ROUNDING, atol=ROUNDING)
    assert ("contact" in found.objective_terms) == (contact.weight > 0.0) == ("contact" in static.objective_terms)
    np.testing.assert_allclose(found.objective_terms["muscles"], np.sum(found.activation**2, axis=1), rtol=ROUNDING)
    np.testing.assert_allclose(found.objective, sum(found.objective_terms.values()), rtol=ROUNDING)
    for row, (axis, limit) in enumerate([*(contact.lower or {}).items(), *(contact.upper or {}).items()]):
        away = axial(found, "xyz".index(axis)) - limit
        away = away if axis in (contact.lower or {}) else -away
        assert -HELD * BODY_WEIGHT <= away.min() < 1.0, row
    for normal in contact.cone:
        assert (axial(found, 0) * normal[0] + axial(found) * normal[1]).min() >= -HELD * BODY_WEIGHT


@pytest.mark.slow
@pytest.mark.parametrize("start", ["paid", "equal", "free"])
def test_contact_falls_as_its_weight_grows(start: str) -> None:
    """For minima of f + w g the g falls and f rises with w; at w = 0 it is the solution without contact."""
    problem = jointed(elbow())
    runs = [
        solved(problem, contact=[Contact("elbow", weight)] if weight else None, initial_activation=start)
        for weight in (0.0, 1e-6, 0.1, 1.0)
    ]
    np.testing.assert_allclose(runs[1].activation, runs[0].activation, atol=FLAT)

    def both(run: Any, weight: float) -> tuple[float, float]:
        mesh = Mesh(scheme("hermite-simpson"), run.mesh_edges)
        contact = run.integrals["contact"] / weight
        begin = np.sum((run.reaction_table("elbow").to_numpy()[0, :3] / BODY_WEIGHT) ** 2)
        paid = 0.06 * begin if start == "paid" else 0.0
        assert mesh.quadrature @ run.objective_terms["contact"] == pytest.approx(run.integrals["contact"])
        return contact + paid, run.total_objective - weight * (contact + paid)

    pairs = [both(run, weight) for run, weight in zip(runs[1:], (1e-6, 0.1, 1.0), strict=True)]
    assert pairs[0][0] > pairs[1][0] > pairs[2][0]
    assert pairs[0][1] < pairs[1][1] < pairs[2][1]


@pytest.mark.slow
@pytest.mark.parametrize("cost", [{"cost": "sum_force_squared"}, {"exponent": 3}, {"cost": "min_max"}])
def test_other_costs_and_exponents(cost: dict[str, Any]) -> None:
    """Contact costs its square whatever the exponent, times the weight of a reserve."""
    problem = jointed(elbow())
    contact = Contact("elbow", 0.5, axes="y")
    found = solved(problem, **cost, contact=contact)
    unit = 1.0 if cost.get("cost") != "sum_force_squared" else np.mean(found.problem.max_force**2, axis=1)
    wanted = 0.5 * unit * (axial(found) / BODY_WEIGHT) ** 2
    np.testing.assert_allclose(found.objective_terms["contact"], wanted, rtol=ROUNDING)
    assert np.abs(axial(found)).mean() < np.abs(axial(solved(problem, **cost))).mean()


@pytest.mark.slow
def test_meshes_windows_and_warm_starts() -> None:
    """Refinement, windows of a long motion, and an earlier solution as the start lead to the same."""
    contact = Contact("elbow", 0.3, lower={"y": -620.0})
    long = jointed(elbow(duration=4.2))
    cold = solved(long, contact=contact)
    assert cold.provenance["windows"]["count"] == 2
    warm = solved(long, contact=contact, initial_guess=cold)
    assert warm.provenance["rounds"][-1]["iterations"] < cold.provenance["rounds"][0]["iterations"]
    np.testing.assert_allclose(warm.activation, cold.activation, atol=FLAT)
    short = jointed(elbow())
    fine = solved(short, contact=contact, mesh_interval=0.1, mesh_tolerance=2e-3)
    assert len(fine.provenance["rounds"]) > 1
    assert axial(fine).min() >= -620.0 - HELD * BODY_WEIGHT
    for guess in ("midpoint", solve_static(short), np.full(3, 0.3)):
        other = solved(short, contact=contact, initial_guess=guess)
        np.testing.assert_allclose(other.total_objective, solved(short, contact=contact).total_objective, rtol=1e-5)


@pytest.mark.slow
def test_periodic_motions_and_emg_keep_their_conditions() -> None:
    import pandas as pd

    problem, contact = jointed(elbow()), Contact("elbow", 0.3)
    found = solved(problem, contact=contact, periodic=True)
    np.testing.assert_allclose(found.activation[0], found.activation[-1], atol=1e-6)
    envelope = pd.DataFrame({"BIC": 0.3 + 0.1 * np.sin(np.linspace(0.0, 6.0, 101))}, index=problem.time)
    emg = osimopt.EmgTracking(envelope, {"biceps": "BIC"}, weight=0.0, scale=(1.0, 1.0), bounds=(0.1, 0.1))
    tracked = solved(problem, contact=contact, emg=emg)
    off = tracked.excitation[:, NAMES.index("biceps")] - np.interp(tracked.time, problem.time, envelope["BIC"])
    assert np.abs(off).max() < 0.1 + 1e-3
    assert {"contact", "start"} <= set(tracked.integrals)


def test_wrong_contact_is_refused() -> None:
    problem = jointed(elbow())
    with pytest.raises(InputError, match="elbow"):
        solve_dynamic(problem, "rigid", contact={"knee": 1.0})
    with pytest.raises(InputError, match="joint_reactions"):
        solve_dynamic(elbow(), "rigid", contact={"elbow": 1.0})
    with pytest.raises(InputError, match="contact"):
        solve_dynamic(problem, "rigid", contact=3.0)


@pytest.mark.slow
@pytest.mark.parametrize("tendon", ["compliant", {"BIC*": "compliant", "*": "rigid"}], ids=["compliant", "mixed"])
def test_elastic_tendons_press_with_their_own_force(arm: Example, tendon: Any) -> None:
    """Rows of contact hold the tendon forces that the muscles' equations give, and pay for them."""
    problem = osimopt.load_problem(arm.model, arm.motion, time_range=(0.2, 0.8), joint_reactions="r_elbow")
    problem = problem.with_reserves(20.0)
    weight = {"r_elbow": 0.05}
    free, found = (
        solve_dynamic(problem, tendon, mesh_interval=0.05, contact=contact, tolerance=1e-7)
        for contact in (None, weight)
    )
    assert found.elastic.any()
    pressed = found.reaction_table("r_elbow", frame="child").to_numpy()[:, :3]
    wanted = 0.05 * np.sum((pressed / problem.reactions.body_weight) ** 2, axis=1)
    np.testing.assert_allclose(found.objective_terms["contact"], wanted, rtol=1e-5)
    before = free.reaction_table("r_elbow").to_numpy()[:, :3]
    assert np.linalg.norm(pressed, axis=1).mean() < 0.95 * np.linalg.norm(before, axis=1).mean()
    limit = float(0.9 * before.min(axis=0)[1])
    held = solve_dynamic(
        problem, tendon, mesh_interval=0.05, contact=osimopt.Contact("r_elbow", lower={"y": limit}, frame="ground")
    )
    lowest = held.reaction_table("r_elbow").to_numpy()[:, 1].min()
    assert lowest >= limit - 1e-3 * problem.reactions.body_weight
    assert held.contact[0].lower == {"y": limit}


@pytest.mark.parametrize(("beyond", "status"), [(0.99e-4, Status.SOLVED), (1.01e-4, Status.OUT_OF_BOUNDS)])
def test_limits_hold_to_100_tolerances_of_a_body_weight(beyond: float, status: Status) -> None:
    """A muscle of 700 N presses with its force: at full activation with a body weight."""
    problem = RedundancyProblem.from_arrays([0.05], [BODY_WEIGHT], 10.0, reserves=1.0)
    pressing = JointReactions.from_arrays("elbow", np.zeros(3), [[0.0], [-1.0], [0.0]], ["muscle_0"], BODY_WEIGHT)
    problem = replace(problem, reactions=pressing)
    balance = balance_of(problem, [Contact("elbow", lower={"y": -0.5 * BODY_WEIGHT})])
    nodes = Nodes(Mesh(scheme("trapezoidal"), np.array([0.0, 1.0])), problem, np.ones((3, 1)), None, extension=balance)
    statuses, detail = np.array([Status.SOLVED], dtype=object), dict[int, str]()
    activation, control = np.array([[0.5 + beyond]]), np.zeros((1, 1))
    _judge_limits(nodes, problem, activation, control, statuses, 1e-4, detail)
    assert statuses.tolist() == [status]
    assert np.isnan(activation).all() == bool(detail) == (status is not Status.SOLVED)


def test_limits_out_of_reach_are_a_failure_that_names_them() -> None:
    problem = jointed(elbow(duration=0.4, reserves=None))
    contact = Contact("elbow", lower={"y": -100.0})
    sealed = solve_dynamic(problem, "rigid", contact=contact, mesh_interval=0.1, on_failure="return")
    assert not sealed.success
    assert "elbow_fy" in sealed.reason
