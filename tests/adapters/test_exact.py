"""Paths and dynamics by arrays (geometry="exact"), beside OpenSim's and where OpenSim's are wrong."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import HERE, run_script

import osimopt
from osimopt import InputError, ModelError, fit_geometry, load_problem, muscle_table, solve_static
from osimopt.adapters import exact as adapters_exact
from osimopt.adapters import exact_differences
from osimopt.adapters.exact import ExactPaths, read_exact
from osimopt.adapters.exact_bench import Bench
from osimopt.adapters.exact_dynamics import ExactDynamics, read_dynamics
from osimopt.adapters.model import read_model
from osimopt.paths.solve import SolvedPaths, solve_paths
from osimopt.solution.checks import LENGTHS_DIFFER

#: m and relative: the same formulas, rounded differently.
ROUNDING = 1e-10
#: m; differences of lengths with a step of 1e-4 rad, and how far OpenSim's tension arm over two cylinders is off.
SLOPE, TENSION = 1e-8, 1e-3
#: m; OpenSim's length over two cylinders is off by more, that through its points by less.
LENGTH, POINTS = 5e-3, 1e-4
#: Of the largest moment: seven-point differences of OpenSim's energies.
ENERGY = 1e-7
#: Of the largest moment: rounding of second differences of places; the check itself allows 1e-6.
PLACES = 1e-8
#: s; frames in the middle of a motion of the zoo.
WINDOW = (0.24, 0.30)

#: Models of the zoo; "muscles" has two of a class without curves here, which are left to OpenSim.
ZOO = ("muscles", "loaded_free", "held_ball_coupled", "held_gimbal_prescribed", "actuators_ball", "points_ball")

pytestmark = pytest.mark.usefixtures("short_self_check")


@pytest.fixture(scope="module")
def knee(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("knee")
    run_script(HERE / "two_wraps.py", "build", folder, cwd=folder)
    return folder


@pytest.fixture(scope="module")
def exact(knee: Path) -> osimopt.RedundancyProblem:
    return load_problem(knee / "knee.osim", knee / "extend.mot", geometry="exact", n_jobs=1)


def test_a_path_over_two_cylinders(knee: Path, exact: osimopt.RedundancyProblem) -> None:
    """The moment arm is the slope of the length, and nearly OpenSim's tension arm; OpenSim's length is too short."""
    said = np.load(knee / "said.npz")
    motion = exact.kinematics
    assert motion is not None
    paths = read_exact(read_model(knee / "knee.osim"))
    step = np.full_like(motion.value, 1e-4)
    ahead, behind = (np.asarray(paths.evaluate(motion.coordinates, motion.value + s).length) for s in (step, -step))
    arm = exact.geometry.moment_arm[:, 0]
    assert np.abs(arm + (ahead - behind) / 2e-4).max() < SLOPE
    assert np.abs(arm - said["moment_arm"]).max() < TENSION
    short = np.asarray(exact.geometry.length)[:, 0] - said["length"]
    assert short.max() > LENGTH
    assert short.min() > -POINTS
    one = np.abs(said["moment_arm"][:, 0] - said["by_length"]) < 1e-5  # where it touches one cylinder only
    assert np.abs(short[one]).max() < 1e-5


def test_what_differs_from_opensim_is_named(exact: osimopt.RedundancyProblem) -> None:
    provenance = exact.provenance
    assert provenance["geometry"] == {"gastrocnemius": "exact", "hamstring": "exact"}
    assert set(provenance["lengths_off_opensim_in_ranges_mm"]) == {"gastrocnemius"}
    assert provenance["lengths_off_opensim_in_ranges_mm"]["gastrocnemius"] > 1.0
    assert provenance["warnings"] == [], "exact forces are not in doubt where OpenSim's lengths are off"
    for part in ("paths", "dynamics"):
        assert max(provenance["self_check"][part]["largest_difference"].values()) < 1e-6


def test_a_solution_is_checked_and_says_which_geometry_it_had(tmp_path: Path, exact: osimopt.RedundancyProblem) -> None:
    solution = solve_static(exact)
    assert solution.provenance["self_check"]["solution"]["largest_difference"]["accelerations"] < PLACES
    written = json.loads((solution.write(tmp_path / "out") / "solution.json").read_text())
    assert written["geometry"]["gastrocnemius"] == "exact"


def test_contested_paths_are_named_and_have_no_length_in_tables(knee: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def contest(*arguments: Any) -> list[SolvedPaths]:
        solved = solve_paths(*arguments)
        return [replace(one, contested=one.length < np.median(one.length, axis=1, keepdims=True)) for one in solved]

    monkeypatch.setattr(adapters_exact, "solve_paths", contest)
    problem = load_problem(knee / "knee.osim", knee / "extend.mot", geometry="exact", n_jobs=1)
    assert any("contradict each other" in text for text in problem.provenance["warnings"])
    length = np.asarray(problem.geometry.length)
    assert np.isfinite(length).all()
    named = problem.provenance["paths_contested"]
    for name, own in zip(problem.muscles, length.T, strict=True):
        contested = own < np.median(own)
        assert named[name] == [contested.sum(), problem.time[contested.argmax()]]
    motion = problem.kinematics
    assert motion is not None
    table = read_exact(read_model(knee / "knee.osim")).evaluate(motion.coordinates, motion.value)
    np.testing.assert_array_equal(np.isnan(np.asarray(table.length)), length < np.median(length, axis=0))


def test_at_other_times_the_paths_are_solved_again(knee: Path, exact: osimopt.RedundancyProblem) -> None:
    times = np.array([0.333, 0.501])
    found = exact.resample(times)
    motion = found.kinematics
    assert motion is not None
    paths = read_exact(read_model(knee / "knee.osim"))
    again = paths.evaluate(motion.coordinates, motion.value, motion.speed)
    assert np.abs(np.asarray(found.geometry.length) - np.asarray(again.length)).max() < ROUNDING
    assert found.provenance["resampling"]["by"] == "model"


def test_polynomials_of_exact_paths_have_their_moment_arms(knee: Path, exact: osimopt.RedundancyProblem) -> None:
    """OpenSim's own length leaves the muscle without a polynomial."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted = fit_geometry(knee / "knee.osim", [knee / "extend.mot"], geometry="exact", postures=256)
    assert not fitted.left
    motion = exact.kinematics
    assert motion is not None
    arms = fitted.evaluate(motion.coordinates, motion.value).moment_arms
    assert np.sqrt(np.mean((arms[:, 0] - exact.geometry.moment_arm[:, 0, 0]) ** 2)) < 3e-4


def test_a_table_of_exact_paths(knee: Path) -> None:
    model, values = knee / "knee.osim", [-60.0, 0.0]
    ours, theirs = (muscle_table(model, "knee_flexion", values=values, geometry=one) for one in ("exact", "opensim"))
    other = ours["hamstring"] - theirs["hamstring"]
    assert np.abs(other[["moment_arm", "muscle_tendon_length", "fiber_length"]].to_numpy()).max() < 1e-9
    assert np.abs(other[["max_force", "max_force_active", "max_force_rigid"]].to_numpy()).max() < 1e-3
    longer = (ours["gastrocnemius"] - theirs["gastrocnemius"])["muscle_tendon_length"].to_numpy()
    assert longer[1] > LENGTH
    assert ours["gastrocnemius"]["max_force"].iloc[1] != theirs["gastrocnemius"]["max_force"].iloc[1]


EXPRESSION = """<OpenSimDocument Version="40000"><ForceSet name="more"><objects>
<ExpressionBasedCoordinateForce name="odd"><coordinate>knee_flexion</coordinate><expression>-2*q</expression>
</ExpressionBasedCoordinateForce></objects></ForceSet></OpenSimDocument>"""


def test_a_force_without_a_law_leaves_inverse_dynamics_to_opensim(tmp_path: Path, knee: Path) -> None:
    """A warning names it; the paths stay exact."""
    file = tmp_path / "more.xml"
    file.write_text(EXPRESSION)
    asked = {"force_sets": (file,), "n_jobs": 1, "time_range": (0.0, 0.2)}
    with pytest.warns(UserWarning, match="OpenSim computes the generalized forces, because of: force 'odd'"):
        found = load_problem(knee / "knee.osim", knee / "extend.mot", geometry="exact", **asked)
    theirs = load_problem(knee / "knee.osim", knee / "extend.mot", geometry="opensim", **asked)
    assert np.array_equal(found.generalized_force, theirs.generalized_force)
    assert found.provenance["geometry"]["gastrocnemius"] == "exact"
    assert "dynamics" not in found.provenance["self_check"]


def test_a_misspelt_geometry_is_refused(knee: Path) -> None:
    with pytest.raises(InputError, match=r"geometry among exact, opensim, polynomial.*'exat'.*Did you mean exact"):
        load_problem(knee / "knee.osim", knee / "extend.mot", geometry="exat")


@pytest.mark.parametrize("wrong", ["length", "moment arm", "dynamics"])
def test_wrong_arrays_are_refused(monkeypatch: pytest.MonkeyPatch, knee: Path, wrong: str) -> None:
    """By differences of lengths, distances of points, or the work of the motion."""
    solved, moments = ExactPaths.measured, ExactDynamics.about_free

    def off(self: ExactPaths, *posture: Any) -> tuple[np.ndarray, np.ndarray]:
        length, arms = solved(self, *posture)
        return length + 1e-7 * (wrong == "length"), arms + 1e-5 * (wrong == "moment arm")

    monkeypatch.setattr(ExactPaths, "measured", off)
    if wrong == "dynamics":
        monkeypatch.setattr(ExactDynamics, "about_free", lambda *given: 1.00001 * moments(*given))
    words = {"length": "lengths of paths without wrap", "moment arm": "slopes of the lengths", "dynamics": "the work"}
    with pytest.raises(ModelError, match=words[wrong]):
        load_problem(knee / "knee.osim", knee / "extend.mot", geometry="exact", n_jobs=1)


def test_wrong_pulls_on_bodies_are_refused(monkeypatch: pytest.MonkeyPatch, exact: osimopt.RedundancyProblem) -> None:
    pulled = Bench.pulled
    monkeypatch.setattr(Bench, "pulled", lambda *given: 1.001 * pulled(*given))
    with pytest.raises(ModelError, match="forces that give the motion's accelerations"):
        solve_static(exact)


def test_a_joint_whose_angle_turns_about_several_axes(tmp_path: Path) -> None:
    """The arrays give what OpenSim's own energies do; OpenSim's inverse dynamics does not, and a warning says so."""
    run_script(HERE / "turning_knee.py", tmp_path, cwd=tmp_path)
    said = np.load(tmp_path / "said.npz")
    model, motion, largest = tmp_path / "knee.osim", tmp_path / "swing.mot", np.abs(said["right"]).max()
    dynamics, read = read_dynamics(read_model(model), None), load_problem(model, motion, geometry="exact", n_jobs=1)
    kinematics, pace = read.kinematics, 5.0
    assert dynamics is not None
    assert kinematics is not None
    assert dynamics.mistaken == ("knee",)
    value = 0.8 * np.sin(pace * kinematics.time)[:, None]  # the file's splines are not as exact
    rate = 0.8 * pace * np.cos(pace * kinematics.time)[:, None]
    right = replace(kinematics, value=value, speed=rate, acceleration=-(pace**2) * value)
    ours = dynamics.arrays(right, True)["generalized_force"][:, 0]
    assert np.abs(ours - said["right"]).max() < ENERGY * largest
    assert np.abs(said["opensim"] - said["right"]).max() > 0.01 * largest
    (text,) = [line for line in read.provenance["warnings"] if line.startswith("Generalized forces differ")]
    assert "accelerations of knee are not the derivatives" in text
    assert solve_static(read).provenance["self_check"]["solution"]["largest_difference"]["accelerations"] < PLACES


@pytest.mark.parametrize(("factor", "named"), [(0.9, False), (1.1, True)])
def test_limits_of_differences(factor: float, named: bool) -> None:
    assert ("soleus" in exact_differences.beyond(["soleus"], [factor * LENGTHS_DIFFER])) is named


def test_jumps_are_named() -> None:
    found = exact_differences.PathFindings({"soleus": [(0.5, 0.2), (0.7, -1.2)]})
    assert found.texts() == [
        "Lengths jump where paths leave wrap objects, or conditional points come or go: soleus (-1.2 mm at 0.7 s)."
    ]
    assert json.loads(json.dumps(found.plain()))["path_jumps_s_mm"] == {"soleus": [[0.5, 0.2], [0.7, -1.2]]}


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("zoo")
    lines = ["import model_zoo", *(f"model_zoo.write({name!r}, {str(folder)!r})" for name in ZOO)]
    script = folder / "write.py"
    script.write_text("\n".join(["import sys", f"sys.path.insert(0, {str(HERE)!r})", *lines]))
    run_script(script, cwd=folder)
    return folder


@pytest.mark.parametrize("name", [*ZOO[:2], *(pytest.param(one, marks=pytest.mark.slow) for one in ZOO[2:])])
def test_models_of_the_zoo(zoo: Path, name: str) -> None:
    """Joints with speeds of their own, couplers, prescribed coordinates, loads, actuators, moving points."""
    loads = zoo / f"{name}_loads.xml"
    problems = []
    for geometry in ("opensim", "exact"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            problems.append(load_problem(
                zoo / f"{name}.osim", zoo / f"{name}.mot", loads if loads.exists() else None, time_range=WINDOW,
                reserves=None, n_jobs=1, passive_force=True, geometry=geometry,
            ))  # fmt: skip
    theirs, ours = problems
    largest = np.abs(theirs.generalized_force).max()
    assert np.abs(ours.generalized_force - theirs.generalized_force).max() < ROUNDING * largest
    assert np.abs(ours.reserves.effect - theirs.reserves.effect).max(initial=0.0) < ROUNDING
    assert np.abs(ours.geometry.moment_arm - theirs.geometry.moment_arm).max() < ROUNDING
    assert np.abs(ours.geometry.length - theirs.geometry.length).max() < ROUNDING
    assert np.abs(ours.geometry.lengthening_speed - theirs.geometry.lengthening_speed).max() < ROUNDING
    assert np.abs(ours.max_force - theirs.max_force).max() < 1e-6
    assert np.abs(ours.passive_force - theirs.passive_force).max() < 1e-6
    assert np.array_equal(ours.geometry.crosses, theirs.geometry.crosses)
    left = {muscle for muscle, kind in ours.provenance["geometry"].items() if kind == "opensim"}
    assert left == {muscle for muscle in ours.muscles if "RigidTendonMuscle" in muscle}
    solve_static(ours, on_failure="return")


@pytest.mark.slow
def test_a_walk_of_80_muscles(real_data: Path) -> None:
    """OpenSim's gastrocnemii are up to 6 mm short; all else is the same, and is checked against OpenSim."""
    folder = real_data / "knee_implant"
    files = folder / "GC5.osim", folder / "GC5_ss1.mot", folder / "GC5_ss1_loads.xml"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        ours, theirs = (load_problem(*files, n_jobs=1, geometry=one) for one in ("exact", "opensim"))
    short = 1e3 * (np.asarray(ours.geometry.length) - np.asarray(theirs.geometry.length))
    largest = dict(zip(ours.muscles, short.max(axis=0), strict=True))
    assert 5.5 < largest["gasmed_r"] < 6.5
    assert 3.5 < largest["gasmed_l"] < 5.0
    others = [name for name in ours.muscles if not name.startswith("gas")]
    assert max(largest[name] for name in others) < 0.01
    assert -short.min() < 0.2  # of long helices, whose ends OpenSim only approximates
    assert np.abs(ours.geometry.moment_arm - theirs.geometry.moment_arm).max() < TENSION
    assert set(ours.provenance["geometry"].values()) == {"exact"}
    solution = solve_static(ours)
    assert solution.provenance["self_check"]["solution"]["largest_difference"]["accelerations"] < PLACES
