"""Models whose bodies form closed loops (``loop_models``), judged by OpenSim's forward dynamics and its own tool."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import HERE, run_script

import osimopt
from osimopt.errors import ModelError

#: rad/s² or m/s² of the largest acceleration: the same dynamics, rounded differently.
ACCELERATION = 1e-8
#: rad or m: the motion's columns of dependent coordinates meet the constraints to this.
CLOSED = 1e-9
#: OpenSim's optimizer, at a tolerance of 1e-6, beside an exact answer.
ACTIVATION = 0.006
#: rad; the end of the crank (0.3 m) is 0.5 - 0.35 m from the rocker's axis, 0.4 m from its own.
DEAD_CENTRE = 0.5 * np.pi - np.arccos((0.3**2 + 0.4**2 - 0.15**2) / (2 * 0.3 * 0.4))
QUICK = ("four_bar_point",)
SLOW = ("scapula", "two_loops", "four_bar_weld", "distance", "on_line", "clavicle")
MODELS = (*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW))

pytestmark = pytest.mark.usefixtures("short_self_check")

Load = Callable[..., osimopt.RedundancyProblem]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("loops")
    run_script(HERE / "loop_models.py", made, cwd=made)
    return made


@pytest.fixture(scope="module")
def load(folder: Path) -> Load:
    known: dict[str, osimopt.RedundancyProblem] = {}

    def one(name: str, motion: Path | pd.DataFrame | None = None, **options: object) -> osimopt.RedundancyProblem:
        if motion is not None or options or name not in known:
            file = motion if motion is not None else folder / f"{name}.mot"
            problem = osimopt.load_problem(folder / f"{name}.osim", file, n_jobs=1, reserves=None, **options)
            if motion is not None or options:
                return problem
            known[name] = problem
        return known[name]

    return one


def dependents(problem: osimopt.RedundancyProblem) -> list[str]:
    motion = problem.kinematics
    assert motion is not None
    assert motion.coupling is not None
    return sorted({motion.coordinates[index] for index in motion.coupling.dependent.tolist()})


def edited(problem_motion: Path, to: Path, change: Callable[[object], object]) -> Path:
    from osimopt.files.storage import write_table

    write_table(change(osimopt.read_table(problem_motion)), to)
    return to


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_forces_put_back_give_the_motion(folder: Path, load: Load, name: str) -> None:
    """Muscle and actuator forces in OpenSim's forward dynamics, constraints enforced by it, give every acceleration."""
    problem = load(name)
    solution = osimopt.solve_static(problem)
    motion = problem.kinematics
    assert motion is not None
    np.savez(
        folder / f"{name}_in.npz",
        time=motion.time,
        coordinates=np.array(motion.coordinates),
        value=motion.value,
        speed=motion.speed,
        actuators=np.array(problem.actuators),
        force=np.hstack([solution.muscle_force, solution.reserve_force]),
    )
    run_script(HERE / "loop_models.py", folder, "judge", name, cwd=folder)
    right = np.load(folder / f"{name}_out.npz")["acceleration"]
    assert np.abs(right - motion.acceleration).max() < ACCELERATION * np.abs(motion.acceleration).max()
    given = osimopt.read_table(folder / f"{name}.mot")[list(motion.coordinates)].to_numpy()
    assert np.abs(given - motion.value).max() < CLOSED
    assert len(dependents(problem)) == len(motion.coordinates) - len(problem.coordinates)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["clavicle", "on_line"])
def test_opensim_finds_the_same_activations(folder: Path, load: Load, name: str) -> None:
    """In the frames that OpenSim's StaticOptimization solves; dependent equations stop it in the other models."""
    run_script(HERE / "loop_models.py", folder, "optimize", name, cwd=folder)
    theirs = osimopt.read_table(folder / f"{name}_StaticOptimization_activation.sto")
    failed = np.load(folder / f"{name}_failed.npz")["time"]
    solved = np.array([np.abs(failed - time).min(initial=1.0) > 1e-6 for time in theirs.index])
    assert solved.sum() > len(theirs) / 2
    problem = load(name, time_range=(0.1, 0.3))
    solution = osimopt.solve_static(problem)
    ours = np.hstack([solution.activation, solution.reserve_control])
    rows = [int(np.abs(problem.time - time).argmin()) for time in theirs.index[solved]]
    assert np.abs(ours[rows] - theirs.loc[solved, list(problem.actuators)].to_numpy()).max() < ACTIVATION


@pytest.mark.slow
@pytest.mark.parametrize("tendon", ["rigid", "compliant"])
def test_dynamic(load: Load, tendon: str) -> None:
    """Arrays at the points of the mesh are closed anew; the forces found are put back into OpenSim."""
    solution = osimopt.solve_dynamic(load("four_bar_point"), tendon=tendon, time_range=(0.1, 0.3))
    assert solution.success
    assert solution.provenance["self_check"]["solution"]["largest_difference"]["accelerations"] < 1e-6


def test_columns_of_dependent_coordinates_only_start_the_search(folder: Path, load: Load, tmp_path: Path) -> None:
    whole = load("four_bar_point")
    missing = edited(folder / "four_bar_point.mot", tmp_path / "missing.mot", lambda table: table[["q1"]])
    assert np.abs(load("four_bar_point", missing).kinematics.value - whole.kinematics.value).max() < CLOSED
    wrong = edited(folder / "four_bar_point.mot", tmp_path / "deg.mot", lambda table: table.assign(q2=57.3 * table.q2))
    with pytest.warns(UserWarning, match=r"columns q2 \(coupled\) disagree with the model"):
        problem = load("four_bar_point", wrong)
    assert np.abs(problem.kinematics.value - whole.kinematics.value).max() < CLOSED


def test_the_other_way_to_close_a_loop_is_kept(folder: Path, load: Load, tmp_path: Path) -> None:
    """A linkage closes in two ways: a motion that begins with the coupler on the other side stays there."""

    def mirrored(table: object) -> object:
        crank = np.stack([0.3 * np.sin(table.q1), -0.3 * np.cos(table.q1)], axis=1)
        line = np.array([0.4, 0.0]) - crank
        along = np.arctan2(line[:, 1], line[:, 0])
        flipped = 2.0 * (along + 0.5 * np.pi) - (table.q1 + table.q2)
        end = crank + 0.5 * np.stack([np.sin(flipped), -np.cos(flipped)], axis=1)
        rocker = np.arctan2(end[:, 0] - 0.4, -end[:, 1])
        return table.assign(q2=flipped - table.q1, q3=rocker)

    other = edited(folder / "four_bar_point.mot", tmp_path / "other.mot", mirrored)
    value = load("four_bar_point", other).kinematics.value
    given = mirrored(osimopt.read_table(folder / "four_bar_point.mot"))[["q1", "q2", "q3"]].to_numpy()
    turns = np.round((value - given) / (2.0 * np.pi))
    assert np.abs(value - given - 2.0 * np.pi * turns).max() < CLOSED
    assert np.abs(given[:, 1] - load("four_bar_point").kinematics.value[:, 1]).min() > 0.5


def test_the_way_to_close_a_loop_does_not_change_between_chunks(
    folder: Path, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the default posture Newton's method finds the other way to close the slider in the middle of the motion."""
    time = np.linspace(0.0, 2.0, 41)
    there_and_back = 0.5 * (1.0 - np.cos(np.pi * time))
    table = pd.DataFrame({"q1": 0.5 - 1.2 * there_and_back, "q3": 0.4}, index=time)
    whole = load("on_line", table).kinematics.value
    monkeypatch.setattr("osimopt.adapters.completion.CHUNK", 20)
    assert np.abs(load("on_line", table).kinematics.value - whole).max() < CLOSED
    assert np.abs(np.diff(whole, axis=0)).max() < 0.2


def test_the_way_a_loop_closes_does_not_depend_on_the_frames_that_are_kept(load: Load) -> None:
    """Without columns of dependent coordinates a slider-crank closes as followed from the file's first time."""
    time = np.arange(81) * 0.025
    table = pd.DataFrame({"q1": 0.5 - 0.6 * (1.0 - np.cos(np.pi * time)), "q3": 0.4}, index=time)
    whole = load("on_line", table, lowpass_hz=6.0).kinematics
    part = load("on_line", table, lowpass_hz=6.0, time_range=(0.9, 1.1)).kinematics
    rows = np.searchsorted(whole.time, part.time - 1e-6)
    assert np.abs(whole.value[rows] - part.value).max() < CLOSED


def test_a_loop_closes_in_steps_from_the_default_posture(load: Load) -> None:
    table = pd.DataFrame({"q1": np.full(31, -1.2)}, index=np.arange(31) * 0.01)
    far = load("four_bar_weld", table).kinematics.value[0]
    assert np.abs(far[:3] - load("four_bar_point", table).kinematics.value[0]).max() < CLOSED


@pytest.mark.parametrize(
    ("angle", "words"),
    [
        pytest.param(
            1.4,
            ["a posture that satisfies", "got none at 0", "PointConstraint 'end' is missed by", "q1"],
            id="open",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            DEAD_CENTRE,
            ["postures in which constraints determine", "a singular one at 0 s", "q2, q3"],
            id="dead centre",
        ),
    ],
)
def test_postures_without_an_answer_are_named(
    folder: Path, load: Load, tmp_path: Path, angle: float, words: list[str]
) -> None:
    """Beyond the dead centre, where coupler and rocker are in line, the linkage does not reach."""
    motion = edited(folder / "four_bar_point.mot", tmp_path / "far.mot", lambda table: table[["q1"]] * 0.0 + angle)
    with pytest.raises(ModelError) as caught:
        load("four_bar_point", motion)
    assert all(word in str(caught.value) for word in words), caught.value


def test_locks_that_leave_a_loop_open_are_named(load: Load) -> None:
    words = "PointConstraint 'end' is missed by .* Check the default values of coordinates, which locks"
    with pytest.raises(ModelError, match=words):
        load("four_bar_point", weld=("q2_joint",))


def test_a_loop_of_joints_is_refused(folder: Path) -> None:
    """OpenSim 4.6 gives both halves of the body that it cuts all of its inertia."""
    with pytest.raises(ModelError, match=r"joints that form a tree, got a loop of joints \(q3_joint, q4_joint\)"):
        osimopt.load_problem(folder / "four_bar_joint.osim", folder / "four_bar_joint.mot")


def test_table_of_a_loop(folder: Path) -> None:
    with pytest.warns(UserWarning, match=r"q1 = .*90 deg no posture satisfies PointConstraint 'end', .*: NaN"):
        table = osimopt.muscle_table(folder / "four_bar_point.osim", "q1", values=[20.0, 90.0])
    length = table["through"]["muscle_tendon_length"]
    assert np.isfinite(length.iloc[0])
    assert np.isnan(table.iloc[1]).all()
    near = osimopt.muscle_table(folder / "four_bar_point.osim", "q1", values=[19.99, 20.01])["through"]
    slope = np.diff(near["muscle_tendon_length"])[0] / np.deg2rad(0.02)
    assert table["through"]["moment_arm"].iloc[0] == pytest.approx(-slope, abs=1e-7)
