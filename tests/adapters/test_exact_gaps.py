"""What the arrays cannot do (geometry="exact") goes to OpenSim by name: joints, couplers, points inside objects."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import HERE, run_script

from osimopt import ModelError, RedundancyProblem, fit_geometry, load_problem, muscle_table, solve_static
from osimopt.adapters import exact
from osimopt.adapters.exact import ExactPaths
from osimopt.adapters.model import Model

#: The same numbers, rounded differently; m, and of the largest.
ROUNDING = 1e-12
WINDOW = (0.24, 0.30)
#: m per rad; of the length that is a function.
SLOPE = 0.02

pytestmark = pytest.mark.usefixtures("short_self_check")


@pytest.fixture(scope="module")
def gaps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gaps")
    run_script(HERE / "gap_models.py", folder, cwd=folder)
    return folder


def read(folder: Path, name: str, geometry: str) -> tuple[RedundancyProblem, list[str]]:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        problem = load_problem(
            folder / f"{name}.osim", folder / f"{name}.mot", time_range=WINDOW, geometry=geometry, n_jobs=1
        )
    return problem, [str(one.message) for one in said]


@pytest.mark.parametrize("name", ["gap", pytest.param("gap_coupled", marks=pytest.mark.slow)])
def test_a_joint_that_is_not_described(gaps: Path, name: str) -> None:
    """Paths across it and inverse dynamics are OpenSim's; those on either side are exact, also of a moved body."""
    (ours, said), (theirs, _) = (read(gaps, name, geometry) for geometry in ("exact", "opensim"))
    left = {muscle for muscle, kind in ours.provenance["geometry"].items() if kind == "opensim"}
    assert left == {"m_ActiveForceLengthCurve", "across"}
    assert any("m_ActiveForceLengthCurve (it spans the joint 'joint_1', which" in line for line in said)
    assert any("OpenSim computes the generalized forces, because of: joint 'joint_1' (its fun" in line for line in said)
    assert np.array_equal(ours.generalized_force, theirs.generalized_force)
    assert np.abs(ours.geometry.moment_arm - theirs.geometry.moment_arm).max() < ROUNDING
    assert np.abs(np.asarray(ours.geometry.length) - np.asarray(theirs.geometry.length)).max() < ROUNDING
    solution = solve_static(ours)
    assert solution.provenance["self_check"]["solution"]["largest_difference"]["accelerations"] < 1e-9


def test_forces_that_are_no_numbers_in_opensim_are_named(tmp_path: Path) -> None:
    """A CoordinateLimitForce without a stiffness: OpenSim divides by it. The arrays do not, and say what they did."""
    run_script(HERE / "model_zoo.py", tmp_path, "passive_gimbal", cwd=tmp_path)
    model = tmp_path / "passive_gimbal.osim"
    before, name, after = model.read_text().partition('CoordinateLimitForce name="limit_knee"')
    model.write_text(before + name + after.replace("<upper_stiffness>2<", "<upper_stiffness>0<", 1))
    with pytest.raises(ModelError, match=r"got NaN or infinity at 0\.24 s, by limit_knee\. Correct"):
        read(tmp_path, "passive_gimbal", "opensim")
    ours, _ = read(tmp_path, "passive_gimbal", "exact")
    assert np.isfinite(ours.generalized_force).all()
    said = "Generalized forces were not compared with OpenSim, which has NaN for: limit_knee."
    assert said in ours.provenance["warnings"]


RIGID = """
import sys
import opensim as osim

model = osim.Model()
body = osim.Body("body", 1.0, osim.Vec3(0), osim.Inertia(1.0, 1.0, 1.0))
model.addBody(body)
model.addJoint(osim.WeldJoint("weld", model.getGround(), body))
muscle = osim.Millard2012EquilibriumMuscle("muscle", 100.0, 0.1, 0.1, 0.0)
muscle.addNewPathPoint("one", model.getGround(), osim.Vec3(0))
muscle.addNewPathPoint("other", body, osim.Vec3(0.0, 0.2, 0.0))
model.addForce(muscle)
model.finalizeConnections()
model.printToXML(sys.argv[1])
"""


def test_a_model_without_coordinates_is_refused(tmp_path: Path) -> None:
    script, model = tmp_path / "rigid.py", tmp_path / "rigid.osim"
    script.write_text(RIGID)
    run_script(script, model, cwd=tmp_path)
    with pytest.raises(ModelError, match=r"rigid\.osim: expected a model with coordinates, got none"):
        muscle_table(model, "knee", geometry="exact")


def test_a_point_inside_a_wrap_object_is_named(tmp_path: Path) -> None:
    """The path is straight there, as OpenSim's."""
    run_script(HERE / "model_zoo.py", tmp_path, "wraps_gimbal", cwd=tmp_path)
    model = tmp_path / "wraps_gimbal.osim"
    before, name, after = model.read_text().partition('<PathPoint name="over_sphere_0">')
    place = "0.02 -0.37 0.01"  # in the sphere of 45 mm around (0.02, -0.4, 0)
    model.write_text(before + name + re.sub(r"<location>[^<]*", f"<location>{place}", after, count=1))
    ours, _ = read(tmp_path, "wraps_gimbal", "exact")
    assert ours.provenance["points_inside_s"] == {"over_sphere": {"sphere_wrap": 0.24}}
    assert any("over_sphere (in sphere_wrap from 0.24 s)" in line for line in ours.provenance["warnings"])
    theirs, _ = read(tmp_path, "wraps_gimbal", "opensim")
    column = ours.muscles.index("over_sphere")
    assert np.abs(np.asarray(ours.geometry.length - theirs.geometry.length)[:, column]).max() < ROUNDING


def test_a_path_that_does_not_settle_between_frames_is_named(gaps: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The arrays there are splines, and say why."""
    ours, _ = read(gaps, "gap", "exact")
    solved = ExactPaths.measured

    def lost(self: ExactPaths, *posture: Any) -> tuple[np.ndarray, np.ndarray]:
        length, arms = solved(self, *posture)
        return np.where(np.arange(len(length))[:, None] == 1, np.nan, length), arms

    monkeypatch.setattr(ExactPaths, "measured", lost)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        found = ours.resample(np.array([0.25, 0.27]))
    assert "length in every frame, got none for m_Sine at 0.2" in found.provenance["resampling"]["why"]


@pytest.mark.slow
def test_a_folder_with_the_name_of_a_geometry(gaps: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The word means the geometry, not networks in a folder."""
    (tmp_path / "exact").mkdir()
    monkeypatch.chdir(tmp_path)
    assert "exact" in read(gaps, "gap", "exact")[0].provenance["geometry"].values()


@pytest.mark.slow
def test_moving_points_at_the_ends_of_their_range(tmp_path: Path) -> None:
    """OpenSim clamps the coordinate there; the slope at an end is that inside, in both. So is the table's last row."""
    run_script(HERE / "model_zoo.py", tmp_path, "points_gimbal", cwd=tmp_path)
    model = tmp_path / "points_gimbal.osim"
    ours, theirs = (muscle_table(model, "knee", n=3, geometry=geometry) for geometry in ("exact", "opensim"))
    arms = [table.xs("moment_arm", axis=1, level=1).to_numpy() for table in (ours, theirs)]
    assert np.abs(arms[0] - arms[1]).max() < ROUNDING * np.abs(arms[1]).max()


def test_a_table_names_paths_that_do_not_settle(gaps: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    solved = ExactPaths.measured

    def lost(self: ExactPaths, *posture: Any) -> tuple[np.ndarray, np.ndarray]:
        length, arms = solved(self, *posture)
        return np.where(np.array(self.muscles) == "m_Sine", np.nan, length), arms

    monkeypatch.setattr(ExactPaths, "measured", lost)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        table = muscle_table(gaps / "gap.osim", "q_LinearFunction", values=[0.0], geometry="exact")
    assert "The paths of m_Sine do not settle in some postures: NaN." in [str(one.message) for one in said]
    assert table.isna().any(axis=None)
    assert not table["m_LinearFunction"].isna().any(axis=None)


def test_a_length_that_is_a_function_of_a_coordinate(gaps: Path) -> None:
    """A FunctionBasedPath is OpenSim's, by name; the other muscles are exact."""
    ours, said = read(gaps, "function_path", "exact")
    assert [name for name, kind in ours.provenance["geometry"].items() if kind == "opensim"] == ["by_function"]
    assert any("by_function (its path is of class FunctionBasedPath)" in line for line in said)
    row, column = ours.coordinates.index("knee"), ours.muscles.index("by_function")
    np.testing.assert_allclose(np.abs(ours.geometry.moment_arm[:, row, column]), SLOPE, rtol=0.0, atol=ROUNDING)


def test_a_muscle_that_moves_nothing(gaps: Path) -> None:
    ours, _ = read(gaps, "idle", "exact")
    theirs, _ = read(gaps, "idle", "opensim")
    assert not ours.geometry.moment_arm.any()
    assert np.abs(np.asarray(ours.geometry.length - theirs.geometry.length)).max() < ROUNDING


@pytest.mark.parametrize("geometry", ["exact", "opensim"])
def test_a_model_that_cannot_move_is_refused(gaps: Path, geometry: str) -> None:
    with pytest.raises(ModelError, match="expected a model with a free coordinate, got all of them locked"):
        read(gaps, "all_locked", geometry)


def test_a_model_none_of_whose_muscles_has_an_exact_path(arm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenSim's paths by name, beside inverse dynamics by arrays; tables and fits are those of OpenSim's paths."""

    def none(model: Model, *_: object) -> dict[str, str]:
        return dict.fromkeys(model.description.muscles.names, "for a test")

    monkeypatch.setattr(exact, "_not_described", none)
    said = r"muscles without exact paths, which keep OpenSim's: TRIlong \(for a test\), "
    with pytest.warns(UserWarning, match=said):
        found = load_problem(arm.model, arm.motion, time_range=(0.2, 0.25), n_jobs=1)
    theirs = load_problem(arm.model, arm.motion, time_range=(0.2, 0.25), geometry="opensim", n_jobs=1)
    assert set(found.provenance["geometry"].values()) == {"opensim"}
    np.testing.assert_array_equal(found.geometry.moment_arms, theirs.geometry.moment_arms)
    assert {"dynamics", "trial"} <= found.provenance["self_check"].keys()
    assert solve_static(found).provenance["self_check"]["solution"]["largest_difference"]["accelerations"] < 1e-9
    asked: dict[str, Any] = {"values": [60.0], "muscles": ["BRA"]}
    with pytest.warns(UserWarning, match=said):
        table = muscle_table(arm.model, "r_elbow_flex", **asked)
    assert table.equals(muscle_table(arm.model, "r_elbow_flex", geometry="opensim", **asked))
    with pytest.warns(UserWarning, match=said):
        fitted = fit_geometry(arm.model, [arm.motion], postures=32, max_order=1)
    assert set(fitted.record.geometry.values()) == {"opensim"}
