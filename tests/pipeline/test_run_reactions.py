"""``osimopt run`` of JointReaction analyses: OpenSim's files, of forces that are solved for or read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import Done, run_script

import osimopt
from osimopt.datasets import Example
from osimopt.errors import InputError
from osimopt.pipeline.opensim_reactions import GivenForces
from osimopt.solution.checks import FORCES_MISS

#: Share of the largest reaction: OpenSim's tool reads accelerations from the forces, here they are the motion's.
TOOL = 1e-6
#: N or N·m: twelve decimals of the forces.
DECIMALS = 1e-6

SETUP = """<?xml version="1.0" encoding="UTF-8" ?>
<OpenSimDocument Version="40600"><AnalyzeTool name="trial">
<model_file>{model}</model_file><coordinates_file>{motion}</coordinates_file>
<external_loads_file>{loads}</external_loads_file><results_directory>{folder}</results_directory>
<output_precision>12</output_precision><initial_time>{start}</initial_time><final_time>{end}</final_time>
<AnalysisSet name="Analyses"><objects>{analyses}</objects></AnalysisSet></AnalyzeTool></OpenSimDocument>
"""
OPTIMIZATION = "<StaticOptimization name='SO'></StaticOptimization>"
#: Runs setup files, in order, in one process.
SCRIPT = """
import sys, opensim
opensim.Logger.removeFileSink()
opensim.Logger.setLevelString("error")
for path in sys.argv[1:]:
    assert opensim.AnalyzeTool(path).run(), path
"""
REAL = {
    "arm26": ("arm26.osim", "arm26_InverseKinematics.mot", "", 0.0, 1.0, "r_shoulder r_elbow", "/bodyset/r_humerus"),
    "walk_80muscles": (
        "walk_80muscles_with_reserves.osim", "coordinates_50hz.mot", "grf_walk.xml", 0.49, 0.69,
        "walker_knee_l patellofemoral_r", "tibia_r",
    ),
}  # fmt: skip


def reaction(name: str, **properties: str) -> str:
    inside = "".join(f"<{tag}>{value}</{tag}>" for tag, value in properties.items())
    return f"<JointReaction name='{name}'>{inside}</JointReaction>"


def write(folder: Path, name: str, analyses: str, files: tuple, results: str = "ours") -> Path:
    model, motion, loads, start, end = files[:5]
    path = folder / f"{name}.xml"
    path.write_text(SETUP.format(
        model=model, motion=motion, loads=loads, folder=results, start=start, end=end, analyses=analyses
    ))  # fmt: skip
    return path


def loads(path: Path) -> tuple[str, list[str], np.ndarray]:
    """Head, labels and numbers of a file."""
    head, body = path.read_text().split("endheader\n")
    lines = body.splitlines()
    return head, lines[0].split("\t"), np.array([[float(word) for word in line.split("\t")] for line in lines[1:]])


def arm_files(arm: Example) -> tuple:
    return arm.model, arm.motion, "", 0.2, 0.4


def test_forces_solved_for_and_read(arm: Example, tmp_path: Path, call) -> None:
    """Both in one setup file; then the file of forces alone, with a row that is NaN."""
    analyses = OPTIMIZATION + reaction("All") + reaction(
        "Elbow", joint_names="r_elbow", apply_on_bodies="Parent", express_in_frame="child", step_interval="5",
    )  # fmt: skip
    solution = osimopt.run_setup(write(tmp_path, "both", analyses, arm_files(arm)), compare=False)
    assert isinstance(solution, osimopt.RedundancySolution)
    assert [Path(file).name for file in solution.provenance["files"][-2:]] == [
        "trial_All_ReactionLoads.sto", "trial_Elbow_ReactionLoads.sto"
    ]  # fmt: skip
    _, labels, values = loads(tmp_path / "ours" / "trial_All_ReactionLoads.sto")
    table = solution.joint_reactions()
    assert labels == ["time", *table.columns]
    np.testing.assert_allclose(values[:, 1:], table.to_numpy(), rtol=0.0, atol=DECIMALS)
    _, labels, some = loads(tmp_path / "ours" / "trial_Elbow_ReactionLoads.sto")
    table = solution.joint_reactions("r_elbow", on="parent", frame="child")
    assert labels == ["time", *table.columns]
    rows = np.flatnonzero(np.isin(values[:, 0], some[:, 0]))
    assert 1 < len(rows) < len(values)
    np.testing.assert_allclose(some[:, 1:], table.to_numpy()[rows], rtol=0.0, atol=DECIMALS)

    lines = (tmp_path / "ours" / "trial_SO_force.sto").read_text().splitlines()
    words = lines[-3].split("\t")
    lines[-3] = "\t".join([words[0], "nan", *words[2:]])
    (tmp_path / "forces.sto").write_text("\n".join(lines) + "\n")
    given = write(tmp_path, "given", reaction("All", forces_file="forces.sto"), arm_files(arm), "read")
    forces = osimopt.run_setup(given)
    assert isinstance(forces, GivenForces)
    assert not forces.success
    assert [text for text in forces.findings() if "no reactions" in text] == [
        f"1 of {len(values)} frames have no reactions, as the file has no forces: first at {values[-3, 0]:g} s."
    ]
    _, _, again = loads(tmp_path / "read" / "trial_All_ReactionLoads.sto")
    lost = np.isnan(again).any(axis=1)
    assert np.flatnonzero(lost).tolist() == [len(values) - 3]
    np.testing.assert_allclose(again[~lost], values[~lost], rtol=0.0, atol=DECIMALS)
    done: Done = call("run", given)
    assert done.code == 1
    assert "trial_All_ReactionLoads.sto" in done.out
    assert "1 of" in done.err


def test_what_cannot_be_is_said_before_anything_is_written(arm: Example, tmp_path: Path) -> None:
    problem = osimopt.load_problem(arm.model, arm.motion, time_range=(0.2, 0.4), reserves=None)
    head = "forces\nversion=1\nnRows={}\nnColumns={}\ninDegrees=no\nendheader\n"

    def table(name: str, time: np.ndarray, columns: tuple[str, ...], size: float = 1.0) -> None:
        rows = np.column_stack([time, np.full((len(time), len(columns)), size)])
        text = head.format(*rows.shape) + "\t".join(["time", *columns]) + "\n"
        (tmp_path / name).write_text(text + "\n".join("\t".join(map(repr, row)) for row in rows.tolist()) + "\n")

    table("short.sto", problem.time[:-3], problem.actuators)
    table("without.sto", problem.time, problem.actuators[1:])
    table("forces.sto", problem.time, problem.actuators)
    for properties, says in (
        ({"forces_file": "short.sto"}, r"short\.sto: expected forces from 0\.2 to 0\.4 s, got 0\.2 to"),
        ({"forces_file": "without.sto"}, "for every muscle and actuator that applies force, got none for TRIlong"),
        ({"forces_file": "forces.sto", "joint_names": "r_elbow knee"}, "expected joints among .*, got knee"),
        ({"forces_file": "forces.sto", "express_in_frame": "r_ulna"}, "expected frames among ground, .*, got r_ulna"),
        (
            {"forces_file": "forces.sto", "apply_on_bodies": "child child"},
            "expected 1 or 3 entries, got 2: child child",
        ),
    ):
        with pytest.raises((InputError, osimopt.ConfigError), match=says):
            osimopt.run_setup(write(tmp_path, "wrong", reaction("All", **properties), arm_files(arm)))
    assert not (tmp_path / "ours").exists()
    given = osimopt.run_setup(write(tmp_path, "given", reaction("All", forces_file="forces.sto"), arm_files(arm)))
    assert isinstance(given, GivenForces)
    largest = np.abs(given.moment_residual).max()
    assert any(f"The forces miss the moments by up to {largest:.3g} N·m" in text for text in given.findings())


@pytest.mark.parametrize(("share", "told"), [(0.99, False), (1.01, True)])
def test_moments_that_forces_miss_are_told_from_a_limit_on(share: float, told: bool) -> None:
    problem = osimopt.RedundancyProblem.from_arrays([0.05], [500.0], [[20.0]])
    force = np.array([[(20.0 + 20.0 * FORCES_MISS * share) / 0.05]])
    given = GivenForces(problem, force, np.zeros((1, 0)), {"warnings": []})
    assert any("The forces miss the moments" in text for text in given.findings()) == told


@pytest.mark.slow
@pytest.mark.parametrize("name", REAL)
def test_files_are_those_of_opensims_tool(name: str, real_data: Path, tmp_path: Path) -> None:
    """The forces of our static optimization, which meet the moments, through OpenSim's tool."""
    folder, (*files, joints, frame) = real_data / name, REAL[name]
    if not folder.exists():
        pytest.skip(f"needs {name}")
    files = [str(folder / file) if isinstance(file, str) and file else file for file in files]
    alone = {
        "All": {},
        "Listed": {"joint_names": joints, "apply_on_bodies": "child PARENT", "express_in_frame": f"Child {frame}"},
        "Parents": {"apply_on_bodies": "parent", "express_in_frame": "parent", "step_interval": "3"},
        "Times": {"joint_names": joints, "start_time": "0.55", "end_time": "0.6", "in_degrees": "true"},
    }
    osimopt.run_setup(write(tmp_path, "both", OPTIMIZATION + reaction("All"), tuple(files)), compare=False)
    both = loads(tmp_path / "ours" / "trial_All_ReactionLoads.sto")
    analyses = [reaction(key, forces_file="ours/trial_SO_force.sto", **own) for key, own in alone.items()]
    osimopt.run_setup(write(tmp_path, "alone", "".join(analyses), tuple(files), "read"))
    script = tmp_path / "tool.py"
    script.write_text(SCRIPT)
    run_script(script, write(tmp_path, "theirs", "".join(analyses), tuple(files), "theirs"), cwd=tmp_path)
    for key in alone:
        ours, theirs = (loads(tmp_path / who / f"trial_{key}_ReactionLoads.sto") for who in ("read", "theirs"))
        assert ours[:2] == theirs[:2], key
        size = np.abs(theirs[2][:, 1:]).max()
        np.testing.assert_allclose(ours[2], theirs[2], rtol=0.0, atol=TOOL * size, err_msg=key)
        if key == "All":
            assert both[:2] == theirs[:2]
            np.testing.assert_allclose(both[2], theirs[2], rtol=0.0, atol=TOOL * size)
