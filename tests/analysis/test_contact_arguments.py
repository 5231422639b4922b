"""Wrong arguments of the functions about contact are refused with the value that was got."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import osimopt
from osimopt.errors import InputError
from osimopt.problem.reactions import JointReactions

KNEE = osimopt.Compartments("knee", (0.0, 0.0, 0.02), (0.0, 0.0, -0.02), "knee")


@pytest.fixture(scope="module")
def solution() -> osimopt.RedundancySolution:
    problem = osimopt.RedundancyProblem.from_arrays([0.05, 0.03], [500.0, 300.0], 12.0)
    effect = [[0.0, 0.0], [-1.0, -1.0], [0.0, 0.0]]
    knee = JointReactions.from_arrays("knee", [0.0, -100.0, 0.0], effect, problem.muscles, 700.0)
    return osimopt.solve_static(replace(problem, reactions=knee))


WRONG: dict[str, tuple[Callable[[Any], Any], str]] = {
    "list of joints": (lambda s: osimopt.feasible_ranges(s, of=["knee"]), r"got \['knee'\]"),
    "direction without joint": (lambda s: osimopt.feasible_ranges(s, component=np.eye(3)[0]), "got component=array"),
    "body without joint": (lambda s: osimopt.feasible_ranges(s, on="parent"), "got on='parent' alone"),
    "compartments on": (lambda s: osimopt.feasible_ranges(s, of=KNEE, component="medial", on="parent"), "on='parent'"),
    "compartments in": (lambda s: osimopt.feasible_ranges(s, of=KNEE, component="medial", frame="ground"), "'ground'"),
    "text as measured": (lambda s: osimopt.feasible_ranges(s, of="knee").contains("a"), "got 'a'"),
    "array as measured": (lambda s: osimopt.compare_contact(s, np.ones((3, 2)), "F", joint="knee"), r"got array"),
    "problem to compare": (lambda s: osimopt.compare_contact(s.problem, "F", "F", joint="knee"), "RedundancyProblem"),
    "centres as text": (lambda s: osimopt.Compartments("knee", "abc", (0, 0, 1), "knee"), "got 'abc'"),
    "centres in mm": (lambda s: osimopt.Compartments("knee", (0, 0, 20), (0, 0, -20), "knee"), r"\(0, 0, 20\)"),
    "number as body": (lambda s: osimopt.Compartments("knee", (0, 0, 0.02), (0, 0, 0), 4), "got 4"),
    "problem of compartments": (
        lambda s: osimopt.compartment_forces(s.problem, "knee", (0, 0, 0.02), (0, 0, 0), "knee"),
        "RedundancyProblem",
    ),
    "one body": (lambda s: osimopt.joints_between(s.problem, "knee", "knee"), "'knee' twice"),
    "joints of a solution": (lambda s: osimopt.joints_between(s, "ground", "knee"), "Give solution.problem"),
    "number as joints": (
        lambda s: osimopt.propagate_uncertainty(s.problem, {"max_isometric_force": 0.1}, samples=2, joints=4),
        "got 4",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_arguments_are_refused(case: str, solution: osimopt.RedundancySolution) -> None:
    call, got = WRONG[case]
    with pytest.raises(InputError, match=got):
        call(solution)


def test_percentiles_of_a_component_are_selected_without_a_warning(solution: osimopt.RedundancySolution) -> None:
    bands = osimopt.propagate_uncertainty(solution.problem, {"max_isometric_force": 0.1}, samples=4, joints="knee")
    table = bands.to_dataframe("joint_reactions")["knee", "f"]
    np.testing.assert_array_equal(table[50.0], bands.joint_reactions[1, :, 0, -1])


@pytest.mark.parametrize(("component", "arguments"), [("axial", {"compression": "positive"}), ("fy", {})])
def test_a_measured_force_of_opposite_sign_is_noted(component: str, arguments: dict[str, Any]) -> None:
    moment = 12.0 + np.sin(np.arange(9.0))
    problem = osimopt.RedundancyProblem.from_arrays([0.05, 0.03], [500.0, 300.0], moment, time=np.arange(9.0) / 8.0)
    effect = np.tile([[0.0, 0.0], [-1.0, -1.0], [0.0, 0.0]], (9, 1, 1))
    knee = JointReactions.from_arrays("knee", np.zeros((9, 3)), effect, problem.muscles, 700.0)
    solution = osimopt.solve_static(replace(problem, reactions=knee))
    force = solution.joint_reactions(frame="child").iloc[:, [1]].set_axis(["F"], axis="columns")
    right = -force if component == "axial" else force
    for sign in (1.0, -1.0):
        found = osimopt.compare_contact(solution, sign * right, {"F": component}, joint="knee", **arguments)
        assert any("opposite sign" in note for note in found.notes) == (sign < 0.0)
