"""Result folders as input of OpenSim's JointReaction: it takes them without a word, and its forces are Newton's."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import HERE, TwoLeg, run_script
from test_results import read_with_opensim

import osimopt
from osimopt import RedundancySolution, read_table, solve_to_folder
from osimopt.datasets import Example
from osimopt.solution.opensim_inputs import added_actuators, opensim_tables

#: Of the joint's peak force: COM accelerations are splines through positions, OpenSim's those of its own equations.
AGREES = 1e-3
#: Of the largest: OpenSim's tool reads the motion and the forces from files, and solves for accelerations.
BY_FILE = 1e-4
#: Of the largest: OpenSim's paths over the ellipsoids of the arm are others than exact ones, which pull elsewhere.
OTHER_PATHS = 0.02
#: s; away from the ends of a motion, where these splines know least.
MARGIN = 0.1
#: What JointReaction warns of where it does not use a file of forces, or not all of it, and what it says when it does.
COMPLAINTS = ("not contain", "not found", "not in the model", "not a valid", "constructed from the states")
TAKEN = "Ignoring fiber lengths and activations from the states since forces_file is also set"
LEG = {"ankle_r": ("foot_r", "toes_r"), "knee_l": ("tibia_l", "foot_l", "toes_l")}


def reactions(
    folder: Path, model: Path, joints: dict[str, Sequence[str]], loads: Path | None = None, forces: str = "",
    **seen: str,
) -> dict[str, np.ndarray]:  # fmt: skip
    """What AnalyzeTool and the balance of the distal bodies give; "log" is what OpenSim had to say."""
    plan = {
        "model": str(model), "loads": str(loads or ""), "joints": joints, "forces": forces or "actuator_force.sto",
        **seen,
    }  # fmt: skip
    (folder.parent / "plan.json").write_text(json.dumps(plan))
    run_script(HERE / "joint_reaction_oracle.py", folder, folder.parent / "plan.json", cwd=folder.parent)
    with np.load(folder.parent / "reactions.npz") as found:
        return dict(found)


def check(found: dict[str, np.ndarray], joints: dict[str, Sequence[str]]) -> None:
    time = found["time"]
    inside = (time > time[0] + MARGIN) & (time < time[-1] - MARGIN)
    for joint in joints:
        tool, newton = found[f"{joint}_tool"][inside], found[f"{joint}_newton"][inside]
        np.testing.assert_allclose(tool, newton, rtol=0, atol=AGREES * np.abs(newton).max(), err_msg=joint)


def complaints(found: dict[str, np.ndarray]) -> list[str]:
    """Lines of OpenSim's log about forces or actuators that are missing, or too many."""
    return [line for line in str(found["log"]).splitlines() if any(words in line for words in COMPLAINTS)]


@pytest.fixture(scope="module")
def arm_folder(arm: Example, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("arm") / "result"
    solve_to_folder(folder, arm.model, arm.motion, frames=40, lowpass_hz=6.0, joint_reactions="all")
    return folder


@pytest.mark.slow
def test_the_arm_piece_by_piece(arm: Example, arm_folder: Path) -> None:
    assert {"actuator_force.sto", "reserves.xml", "coordinates.sto", "speeds.sto"} <= {
        path.name for path in arm_folder.iterdir()
    }
    joints = {"r_elbow": ("r_ulna_radius_hand",)}
    found = reactions(arm_folder, arm.model, joints)
    assert not complaints(found)
    assert TAKEN in str(found["log"])
    check(found, joints)


@pytest.mark.slow
def test_opensim_opens_the_file_of_reactions(arm_folder: Path) -> None:
    (found,) = read_with_opensim(arm_folder / "joint_reactions.sto")
    ours = read_table(arm_folder / "joint_reactions.sto")
    assert found["labels"] == list(ours)
    np.testing.assert_array_equal(found["values"], ours.to_numpy())
    assert found["storage"] == [len(ours), 1 + 9 * 3]
    assert not found["in_degrees"]


@pytest.mark.slow
def test_without_the_added_reserves_opensim_complains(arm: Example, arm_folder: Path) -> None:
    """Given the file of muscles alone it warns in its log, and takes forces from default states."""
    joints = {"r_elbow": ("r_ulna_radius_hand",)}
    found = reactions(arm_folder, arm.model, joints, forces="muscle_force.sto")
    assert complaints(found)
    peak = np.abs(found["r_elbow_newton"]).max()
    assert np.abs(found["r_elbow_tool"] - found["r_elbow_newton"]).max() > peak


@pytest.mark.parametrize("model", ["bare", "model"])
@pytest.mark.slow
def test_two_legs(two_leg: TwoLeg, tmp_path: Path, model: str) -> None:
    """With all reserves added, and with the model's own actuators."""
    path = getattr(two_leg, model)
    solution = osimopt.solve_static(osimopt.load_problem(path, two_leg.motion, two_leg.loads), on_failure="return")
    assert solution.success
    folder = solution.write(tmp_path / "result")
    table = read_table(folder / "actuator_force.sto")
    assert list(table) == list(solution.problem.actuators)
    assert (folder / "reserves.xml").exists() is (model == "bare")
    found = reactions(folder, path, LEG, two_leg.loads)
    assert not complaints(found)
    assert TAKEN in str(found["log"])
    check(found, LEG)


@pytest.mark.parametrize("tendon", ["rigid", "compliant"])
@pytest.mark.slow
def test_dynamic_solutions_have_tendon_forces(arm: Example, tmp_path: Path, tendon: Any) -> None:
    problem = osimopt.load_problem(arm.model, arm.motion, time_range=(0.3, 0.6))
    muscles = {"ignore_passive_fiber_force": True}
    solution = osimopt.solve_dynamic(problem, muscles=muscles, mesh_interval=0.02, tendon=tendon)
    assert isinstance(solution, RedundancySolution)
    folder = solution.write(tmp_path / "result")
    table = read_table(folder / "actuator_force.sto")
    np.testing.assert_allclose(table.to_numpy()[:, :6], solution.muscle_force, rtol=1e-12)
    joints = {"r_elbow": ("r_ulna_radius_hand",)}
    found = reactions(folder, arm.model, joints)
    assert not complaints(found)
    assert TAKEN in str(found["log"])
    check(found, joints)
    ours = solution.joint_reactions("r_elbow").to_numpy()[:, :3]
    np.testing.assert_allclose(ours, found["r_elbow_tool"], rtol=0, atol=OTHER_PATHS * np.abs(ours).max())


def test_what_the_model_switches_off_is_zero(arm: Example) -> None:
    problem = osimopt.load_problem(arm.model, arm.motion, time_range=(0.3, 0.4))
    problem.provenance["switched_off"] = ["a_motor"]
    table = opensim_tables(osimopt.solve_static(problem))["actuator_force"]
    assert (table["a_motor"] == 0.0).all()


def test_without_a_model_there_is_nothing_to_hand_over() -> None:
    problem = osimopt.RedundancyProblem.from_arrays([0.05], [1000.0], [5.0, 6.0], reserves=1.0)
    assert opensim_tables(osimopt.solve_static(problem)) == {}
    assert added_actuators(problem) == ""


def test_only_actuators_of_one_coordinate_are_written(arm: Example) -> None:
    problem = osimopt.load_problem(arm.model, arm.motion, time_range=(0.3, 0.4), reserves={"r_elbow_flex": 2.5})
    text = added_actuators(problem)
    assert text.count("<CoordinateActuator ") == 1
    assert "<optimal_force>2.5</optimal_force>" in text
    both = problem.with_reserves(problem.reserves)
    both.reserves.effect[...] = 2.5
    assert added_actuators(both) == "", "OpenSim has no name for one that acts on both joints"


@pytest.mark.parametrize("model", ["bare", "model"])
@pytest.mark.slow
def test_one_leg_whose_pelvis_is_held_by_residuals(two_leg: TwoLeg, tmp_path: Path, model: str) -> None:
    path = getattr(two_leg, model)
    left = osimopt.load_problem(path, two_leg.motion, two_leg.loads, coordinates="left", left_out="residuals")
    folder = osimopt.solve_static(left).write(tmp_path / "result")
    joints = {"knee_l": LEG["knee_l"]}
    found = reactions(folder, path, joints, two_leg.loads)
    assert not complaints(found)
    check(found, joints)


@pytest.mark.parametrize(("on", "frame"), [("child", "ground"), ("parent", "child"), ("child", "parent")])
@pytest.mark.slow
def test_opensims_tool_has_the_same_labels_and_numbers(two_leg: TwoLeg, tmp_path: Path, on: Any, frame: Any) -> None:
    """Forces, moments, places, on either body, in all axes; the folder opens in OpenSim."""
    problem = osimopt.load_problem(two_leg.model, two_leg.motion, two_leg.loads)
    solution = osimopt.solve_static(problem)
    folder = solution.write(tmp_path / "result")
    joints = {**LEG, "base": ()}  # of which the frames on parent and child are apart
    found = reactions(folder, two_leg.model, joints, two_leg.loads, on=on, frame=frame)
    ours = solution.joint_reactions(list(joints), on, frame)
    assert list(ours) == found["labels"].tolist()
    for what in ("f", "m", "p"):
        columns = [place for place, label in enumerate(ours) if label.rsplit("_", 1)[1][0] == what]
        theirs = found["table"][:, columns]
        np.testing.assert_allclose(ours.to_numpy()[:, columns], theirs, rtol=0, atol=BY_FILE * np.abs(theirs).max())
