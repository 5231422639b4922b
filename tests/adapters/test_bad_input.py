"""Wrong files and options through the public functions: the right exception, words that help, nothing written."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import osimopt
from osimopt import InputError, ModelError, SolverError, Status, load_problem, muscle_table, solve_static
from osimopt.files.storage import read_table, write_table

Change = Callable[[pd.DataFrame], pd.DataFrame]


@pytest.fixture(autouse=True)
def _nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every test here runs in an empty folder, and leaves it empty: no results, no opensim.log."""
    here = tmp_path / "cwd"
    here.mkdir()
    monkeypatch.chdir(here)
    yield
    assert list(here.iterdir()) == []


@dataclass
class Files:
    """Good inputs, and a folder for bad copies of them."""

    arm: Any
    two_leg: Any
    folder: Path

    def text(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        return path

    def table(self, name: str, source: Path, change: Change, *, in_degrees: bool = False) -> Path:
        return write_table(change(read_table(source)), self.folder / name, in_degrees=in_degrees)

    def motion(self, change: Change) -> Path:
        return self.table("motion.mot", self.arm.motion, change, in_degrees=True)

    def muscle(self, tag: str, value: str) -> Path:
        """The arm with another value of one of the brachialis's properties."""
        pattern = rf'(name="BRA".*?<{tag}>)[^<]*<'
        text, count = re.subn(pattern, rf"\g<1>{value}<", self.arm.model.read_text(), flags=re.DOTALL)
        assert count == 1
        return self.text("arm.osim", text)

    def loads(self, old: str = "", new: str = "", change: Change = lambda table: table) -> Path:
        """The two-leg model's external loads, in a folder of their own, with a change."""
        self.table("grf.mot", self.two_leg.grf, change)
        text = self.two_leg.loads.read_text()
        assert old in text
        return self.text("loads.xml", text.replace(old, new))

    def moments(self, change: Change = lambda table: table) -> Path:
        """Moments for the two-leg model, as OpenSim's InverseDynamicsTool labels them."""
        table = read_table(self.two_leg.motion)
        labels = [f"{name}_{'force' if name[:8] == 'pelvis_t' and len(name) == 9 else 'moment'}" for name in table]
        return write_table(change(table.set_axis(labels, axis=1)), self.folder / "moments.sto")


def time_twice(table: pd.DataFrame) -> pd.DataFrame:
    """The third row at the time of the second, with its own numbers."""
    return table.set_index(table.index.where(table.index != table.index[2], table.index[1]))


@pytest.fixture
def files(arm, two_leg, tmp_path: Path) -> Files:
    folder = tmp_path / "inputs"
    folder.mkdir()
    return Files(arm, two_leg, folder)


# ------------------------------------------------------------------------------------------- model files


def other_class(files: Files, kind: str) -> Path:
    """The arm with a brachialis of another class."""
    old = "Thelen2003Muscle"
    pattern = rf'<{old} name="BRA">(.*?)</{old}>'
    text, count = re.subn(pattern, rf'<{kind} name="BRA">\1</{kind}>', files.arm.model.read_text(), flags=re.DOTALL)
    assert count == 1
    return files.text("arm.osim", text)


def outside_force_set(files: Files, kind: str) -> Path:
    """The arm with a brachialis of another class among the model's components."""
    text = other_class(files, kind).read_text()
    muscle = re.search(rf'<{kind} name="BRA">.*?</{kind}>', text, flags=re.DOTALL)
    assert muscle is not None
    without = re.sub(r"<PathWrapSet.*?</PathWrapSet>", "", muscle[0], flags=re.DOTALL)
    moved = f"<components>{without}</components>"
    return files.text("arm.osim", re.sub(r"(<Model [^>]*>)", rf"\1{moved}", text.replace(muscle[0], ""), count=1))


def other_actuator(files: Files, kind: str) -> Path:
    """The two-leg model with an actuator of another class along the path of a muscle."""
    path = re.search(r"<GeometryPath name=.*?</GeometryPath>", files.two_leg.model.read_text(), flags=re.DOTALL)
    assert path is not None
    opening = '<ForceSet name="forceset">\n\t\t\t<objects>'
    return swap(files, opening, f'{opening}<{kind} name="extra">{path[0]}</{kind}>')


def swap(files: Files, old: str, new: str) -> Path:
    """The two-leg model with the first occurrence of a text replaced."""
    text = files.two_leg.model.read_text()
    assert old in text
    return files.text("two_leg.osim", text.replace(old, new, 1))


def unknown_path_point(files: Files) -> Path:
    first = re.search(r"<PathPoint name.*?</PathPoint>", files.two_leg.model.read_text(), re.DOTALL)
    assert first is not None
    return swap(files, first[0], first[0].replace("PathPoint", "MagicPathPoint"))


def rolling(files: Files) -> Path:
    glue = (
        '<objects><RollingOnSurfaceConstraint name="glue"><socket_rolling_body>/bodyset/foot_r</socket_rolling_body>'
        "<socket_surface_body>/ground</socket_surface_body></RollingOnSurfaceConstraint>"
    )
    opening = '<ConstraintSet name="constraintset">\n\t\t\t<objects>'
    return swap(files, opening, opening.replace("<objects>", glue))


def vector_actuator(files: Files) -> Path:
    """An actuator with six controls."""
    six = '<BodyActuator name="hand_of_god"><socket_body>/bodyset/pelvis</socket_body></BodyActuator>'
    opening = '<ForceSet name="forceset">\n\t\t\t<objects>'
    return swap(files, opening, opening + six)


MODELS = [
    pytest.param(lambda f: f.folder / "nowhere.osim", InputError, ["nowhere.osim", "no such file"], id="missing"),
    pytest.param(lambda f: f.folder, InputError, ["no such file"], id="folder"),
    pytest.param(lambda f: f.text("a.osim", "time\n1\n"), InputError, ["a.osim, line 1", "not XML"], id="not XML"),
    pytest.param(lambda f: f.text("a.osim", ""), InputError, ["a.osim, line 1", "not XML"], id="empty"),
    pytest.param(
        lambda f: f.text("a.osim", f.arm.model.read_text()[:9000]),
        InputError,
        [r"a\.osim, line \d+, column \d+", "not XML"],
        id="truncated",
    ),
    pytest.param(
        lambda f: f.two_leg.loads, InputError, ["external_loads.xml", "got <ExternalLoads>"], id="other document"
    ),
    pytest.param(
        lambda f: other_class(f, "MagicMuscle"),
        ModelError,
        ["arm.osim", r"MagicMuscle \(BRA\)", "Replace it"],
        id="unknown class",
    ),
    pytest.param(
        lambda f: outside_force_set(f, "Schutte1993Muscle_Deprecated"),
        ModelError,
        ["arm.osim", "Thelen2003Muscle", "got Schutte1993Muscle_Deprecated 'BRA'", "Move it .* into its ForceSet"],
        id="unsupported class",
    ),
    pytest.param(
        lambda f: other_actuator(f, "McKibbenActuator"),
        ModelError,
        ["two_leg.osim", "optimal force times their control", "got McKibbenActuator 'extra'", "appliesForce to false"],
        id="actuator that is not linear",
    ),
    pytest.param(
        unknown_path_point,
        ModelError,
        ["two_leg.osim", r"MagicPathPoint \(iliopsoas_r_0\)", "Replace it"],
        id="unknown geometry",
    ),
    pytest.param(
        lambda f: f.muscle("minimum_activation", "0"),
        ModelError,
        ["arm.osim", "valid <minimum_activation>", "less than 0.01", "'BRA'", "older OpenSim accepted it"],
        id="old model",
    ),
    pytest.param(
        lambda f: f.muscle("optimal_fiber_length", "0"),
        ModelError,
        ["arm.osim", "optimal_fiber_length", "BRA", "greater than zero"],
        id="zero fibre length",
    ),
    pytest.param(
        lambda f: f.muscle("optimal_fiber_length", "NaN"),
        ModelError,
        ["arm.osim", "optimal_fiber_length", "BRA"],
        id="NaN in the model",
    ),
    pytest.param(
        rolling,
        ModelError,
        ["two_leg.osim", "constraints of positions", "got RollingOnSurfaceConstraint 'glue'", "isEnforced"],
        id="constraint",
    ),
    pytest.param(
        vector_actuator,
        ModelError,
        ["two_leg.osim", "scalar actuators", "BodyActuator 'hand_of_god'", "appliesForce"],
        id="vector actuator",
    ),
    pytest.param(
        lambda f: swap(f, "/bodyset/pelvis</socket_parent_frame>", "/bodyset/pelvic</socket_parent_frame>"),
        ModelError,
        ["two_leg.osim", "'/bodyset/pelvic'", "iliopsoas_r"],
        id="path on no body",
    ),
    pytest.param(
        lambda f: f.text("a.osim", '<OpenSimDocument Version="40600"><Model name="x"/></OpenSimDocument>'),
        ModelError,
        ["a.osim", "at least one muscle"],
        id="no muscles",
    ),
]


def check(caught: pytest.ExceptionInfo[BaseException], words: list[str]) -> None:
    text = str(caught.value)
    for word in words:
        assert re.search(word, text), f"no {word!r} in: {text}"
    assert "Thrown at" not in text  # OpenSim's source lines help nobody
    assert isinstance(caught.value, osimopt.OsimoptError)


@pytest.mark.parametrize(("build", "error", "words"), MODELS)
def test_model_file(files: Files, build, error: type[Exception], words: list[str]) -> None:
    path = build(files)
    with pytest.raises(error) as caught:
        load_problem(path, files.arm.motion)
    check(caught, [*words, "expected .* got "])
    with pytest.raises(error) as again:
        muscle_table(path, "r_elbow_flex", values=[90.0])
    assert str(again.value) == str(caught.value)


def test_a_word_for_a_number_in_the_model_is_opensims_warning(files: Files) -> None:
    """OpenSim ignores it and takes the default: that must not pass unseen."""
    problem = load_problem(files.muscle("optimal_fiber_length", "long"), files.arm.motion, time_range=(0, 0.1))
    assert any("'optimal_fiber_length' with input 'long'" in text for text in problem.provenance["warnings"])


def test_after_a_refused_model_the_next_one_works(files: Files) -> None:
    with pytest.raises(ModelError):
        load_problem(other_class(files, "MagicMuscle"), files.arm.motion)
    assert len(load_problem(files.arm.model, files.arm.motion, time_range=(0.0, 0.05))) == 6


def test_a_repaired_file_is_read_again(files: Files) -> None:
    """A model is kept by path and time of change: a repair under the same name must be seen."""
    path = files.muscle("minimum_activation", "0")
    with pytest.raises(ModelError):
        muscle_table(path, "r_elbow_flex", values=[90.0])
    shutil.copy(files.arm.model, path)
    assert muscle_table(path, "r_elbow_flex", values=[90.0]).attrs["model"] == str(path)


# ------------------------------------------------------------------------------------------ motion files


def cell(row: int, column: int, value: float) -> Change:
    def change(table: pd.DataFrame) -> pd.DataFrame:
        table.iloc[row, column] = value
        return table

    return change


MOTIONS = [
    pytest.param(lambda f: f.folder / "no.mot", [r"no\.mot", "no such file", "Check the path"], id="missing"),
    pytest.param(lambda f: f.arm.model, [r"arm26\.osim", "endheader"], id="a model instead"),
    pytest.param(
        lambda f: f.motion(lambda t: t.drop(columns="r_shoulder_elev")),
        [r"motion\.mot", "none for r_shoulder_elev", "weld="],
        id="coordinate lacking",
    ),
    pytest.param(
        lambda f: f.motion(cell(7, 1, np.nan)),
        [r"motion\.mot", "NaN in 'r_elbow_flex' at 0.07 s", "row 8", "Fill the gap"],
        id="NaN",
    ),
    pytest.param(lambda f: f.motion(cell(7, 0, np.inf)), [r"motion\.mot", "r_shoulder_elev", "row 8"], id="infinity"),
    pytest.param(
        lambda f: f.motion(time_twice),
        [r"motion\.mot", "a time twice: 0.01 s", "rows 2 and 3", "Remove"],
        id="duplicate time",
    ),
    pytest.param(
        lambda f: f.motion(lambda t: t.iloc[::-1]),
        [r"motion\.mot", "a step back: 1.5 s then 1.49 s", "sort"],
        id="decreasing time",
    ),
    pytest.param(
        lambda f: f.text("a.mot", f.arm.motion.read_text() + "1.51\t1\n"),
        [r"a\.mot, line 159", "expected 3 numbers", "got 2"],
        id="ragged row",
    ),
    pytest.param(
        lambda f: f.text("a.mot", f.arm.motion.read_text() + "1,51\t1,5\t0\n"),
        [r"a\.mot, line 159", "decimal commas", "Replace"],
        id="decimal comma",
    ),
    pytest.param(
        lambda f: f.text("a.mot", f.arm.motion.read_text() + "1.51\tone\t0\n"),
        [r"a\.mot, line 159", "'one' in column 'r_shoulder_elev'"],
        id="word",
    ),
    pytest.param(
        lambda f: f.text("a.mot", "".join(f.arm.motion.read_text().splitlines(keepends=True)[:7])),
        [r"a\.mot", "at least one row"],
        id="empty table",
    ),
    pytest.param(
        lambda f: f.text("a.mot", f.arm.motion.read_text().replace("inDegrees=yes", "inDegrees=no")),
        [r"a\.mot", "radians, as the header declares", "'r_shoulder_elev' reaching 15", "inDegrees=yes"],
        id="degrees as radians",
    ),
    pytest.param(lambda f: f.motion(lambda t: t.iloc[:5]), ["at least 6 frames, got 5"], id="too short"),
    pytest.param(lambda f: f.two_leg.motion, [r"motion\.mot", "a motion of this model"], id="another model's"),
]


@pytest.mark.parametrize(("build", "words"), MOTIONS)
@pytest.mark.filterwarnings("ignore:.*header declares:UserWarning")  # rows were added below a true header
def test_motion_file(files: Files, build, words: list[str]) -> None:
    path = build(files)
    with pytest.raises(InputError) as caught:
        load_problem(files.arm.model, path)
    check(caught, [*words, "expected .* got "])


# ------------------------------------------------------------------------------- loads and moments files

LOADS = [
    pytest.param(lambda f: f.folder / "no.xml", [r"no\.xml", "no such file"], id="missing"),
    pytest.param(lambda f: f.two_leg.grf, [r"grf\.mot, line 1", "not XML"], id="a table instead"),
    pytest.param(lambda f: f.two_leg.model, [r"two_leg\.osim", "<ExternalLoads>, got <Model>"], id="a model instead"),
    pytest.param(
        lambda f: f.loads("<datafile>grf.mot", "<datafile>gone.mot"),
        [r"loads\.xml", "no file 'gone.mot'", "Put it into .*inputs or correct <datafile>"],
        id="no such data file",
    ),
    pytest.param(lambda f: f.loads("<datafile>grf.mot</datafile>", ""), ["a <datafile>, got none"], id="no data file"),
    pytest.param(
        lambda f: f.loads("ground_force_l_p", "cop_l_"),
        [r"loads\.xml, ExternalForce 'grf_l'", "<point_identifier> 'cop_l_'", "no cop_l_x, cop_l_y, cop_l_z"],
        id="columns missing",
    ),
    pytest.param(lambda f: f.loads("foot_l<", "hoof_l<"), [r"loads\.xml", "grf_l", "'hoof_l'"], id="no such body"),
    pytest.param(
        lambda f: f.loads(change=lambda t: t.iloc[5:]),
        [r"grf\.mot", "loads' 0.15 to 0.79 s", "frames from 0.1 to 0.79 s", "time_range"],
        id="not covering the frames",
    ),
    pytest.param(
        lambda f: f.loads(change=lambda t: t.set_index(t.index + 10.0)),
        [r"grf\.mot", "10.1 to 10.79 s", "0.1 to 0.79 s"],
        id="another trial's time",
    ),
    pytest.param(
        lambda f: f.loads(change=cell(3, 1, np.nan)), [r"grf\.mot", "NaN in 'ground_force_r_vy' at"], id="NaN"
    ),
    pytest.param(
        lambda f: f.loads(change=time_twice),
        [r"grf\.mot", "a time twice: 0.11 s"],
        id="duplicate time",
    ),
    pytest.param(lambda f: f.loads(change=lambda t: t.iloc[::-1]), [r"grf\.mot", "a step back"], id="decreasing time"),
]


@pytest.mark.parametrize(("build", "words"), LOADS)
def test_external_loads(files: Files, build, words: list[str]) -> None:
    path = build(files)
    with pytest.raises(osimopt.OsimoptError) as caught:
        load_problem(files.two_leg.model, files.two_leg.motion, path)
    check(caught, [*words, "expected .* got "])


def test_loads_that_cover_the_time_range_are_enough(files: Files) -> None:
    loads = files.loads(change=lambda table: table.iloc[5:])
    part = load_problem(files.two_leg.model, files.two_leg.motion, loads, time_range=(0.15, 0.2))
    assert len(part) == 6


@pytest.mark.parametrize("geometry", ["opensim", "exact"])
@pytest.mark.parametrize("tag", ["applied_to_body", "force_expressed_in_body", "point_expressed_in_body"])
def test_a_body_of_the_loads_that_the_model_does_not_have(files: Files, tag: str, geometry: str) -> None:
    body = "foot_r" if tag == "applied_to_body" else "ground"
    loads = files.loads(f"<{tag}>{body}", f"<{tag}>foot")
    with pytest.raises(ModelError, match=r"loads\.xml: expected a body of the model \(ground, .*\), got 'foot' in Ext"):
        load_problem(files.two_leg.model, files.two_leg.motion, loads, time_range=(0.1, 0.12), geometry=geometry)


def retitled(files: Files, title: str) -> Path:
    """Moments of the two-leg model under the bare names of its coordinates, in a file of this title."""
    return write_table(read_table(files.two_leg.motion), files.folder / "bare.sto", name=title)


MOMENTS = [
    pytest.param(lambda f: f.folder / "no.sto", [r"no\.sto", "no such file"], id="missing"),
    pytest.param(
        lambda f: f.moments(lambda t: t.add_prefix("arm_")),
        [r"moments\.sto", "columns like 'knee_angle_r_moment', got arm_pelvis_tilt_moment", "InverseDynamicsTool"],
        id="no matching column",
    ),
    pytest.param(
        lambda f: f.moments(cell(3, 6, np.nan)),
        [r"moments\.sto", "NaN", "hip_flexion_r", r"0\.13 s|row 4"],
        id="NaN",
    ),
    pytest.param(
        lambda f: f.moments(time_twice),
        [r"moments\.sto", "a time twice: 0.11 s"],
        id="duplicate time",
    ),
    pytest.param(lambda f: f.moments(lambda t: t.iloc[::-1]), [r"moments\.sto", "a step back"], id="decreasing time"),
    pytest.param(
        lambda f: f.moments(lambda t: t.set_index(t.index + 10.0)),
        [r"moments\.sto", "10.1 to 10.79 s", "0.1 to 0.79 s", "time_range"],
        id="times that do not overlap",
    ),
    pytest.param(
        lambda f: f.two_leg.motion,
        [r"motion\.mot", "generalized forces, got columns named like coordinates", "inDegrees=yes", "add _moment"],
        id="the motion instead",
    ),
    pytest.param(
        lambda f: retitled(f, "Coordinates"), [r"bare\.sto", "with the title 'Coordinates'"], id="a motion in radians"
    ),
    pytest.param(
        lambda f: f.moments(lambda t: t.set_axis([f"/jointset/joint/{c.rsplit('_', 1)[0]}/value" for c in t], axis=1)),
        [r"moments\.sto", "with a label '/jointset/joint/.*/value'"],
        id="states",
    ),
    pytest.param(lambda f: f.moments(lambda t: t.iloc[10:]), ["0.2 to 0.79 s", "0.1 to 0.79 s"], id="starting late"),
]


@pytest.mark.parametrize(("build", "words"), MOMENTS)
def test_generalized_force(files: Files, build, words: list[str]) -> None:
    path = build(files)
    with pytest.raises(InputError) as caught:
        load_problem(files.two_leg.model, files.two_leg.motion, generalized_force=path)
    check(caught, [*words, "expected .* got "])


def test_moments_with_nan_outside_the_time_range(files: Files) -> None:
    """The message about NaN advises a time_range: following it must help."""
    path = files.moments(cell(60, 6, np.nan))
    problem = load_problem(files.two_leg.model, files.two_leg.motion, generalized_force=path, time_range=(0.1, 0.2))
    assert len(problem) == 11


def test_coordinates_without_a_moment_are_left_out_with_a_warning(files: Files) -> None:
    path = files.moments(lambda table: table[["knee_angle_r_moment", "hip_flexion_r_moment"]])
    with pytest.warns(UserWarning, match=r"moments\.sto: no column for .*ankle_angle_l.* left out"):
        problem = load_problem(
            files.two_leg.model, files.two_leg.motion, generalized_force=path, time_range=(0.1, 0.12)
        )
    assert set(problem.coordinates) == {"knee_angle_r", "hip_flexion_r"}


def test_bare_names_are_moments_with_a_warning(files: Files) -> None:
    model, motion = files.two_leg.model, files.two_leg.motion
    with pytest.warns(UserWarning, match=r"bare\.sto: pelvis_tilt.* taken as generalized forces in N·m or N"):
        load_problem(model, motion, generalized_force=retitled(files, "moments"), time_range=(0.1, 0.12))
    own = retitled(files, "generalized_force")  # the title that osimopt extract gives its own file
    assert len(load_problem(model, motion, generalized_force=own, time_range=(0.1, 0.12))) == 3


def test_loads_and_moments_exclude_each_other(files: Files) -> None:
    with pytest.raises(InputError) as caught:
        load_problem(files.two_leg.model, files.two_leg.motion, files.two_leg.loads, files.moments())
    check(caught, ["external_loads or generalized_force, got both", "leave external_loads out"])


# ---------------------------------------------------------------------------------------------- options

OPTIONS = [
    ({"time_range": (5.0, 6.0)}, [r"arm26_elbow_flexion\.mot", "within 0 to 1.5 s", "5 to 6 s"]),
    ({"time_range": (1.0, 0.5)}, ["within 0 to 1.5 s", "1 to 0.5 s, which ends before it starts"]),
    ({"lowpass_hz": 0.0}, ["lowpass_hz as a finite number above 0 Hz", "got 0.0"]),
    ({"lowpass_hz": -6.0}, ["lowpass_hz as a finite number above 0 Hz", "got -6.0"]),
    ({"lowpass_hz": 50.0}, ["between 0 and 50 Hz", "Lower lowpass_hz"]),
    ({"reserves": "autoo"}, ["reserves='auto'", "'autoo'"]),
    ({"reserves": True}, ["reserves='auto'", "True"]),
    ({"reserves": -1.0}, ["positive optimal forces", "r_elbow_flex"]),
    ({"reserves": float("nan")}, ["positive optimal forces", "r_elbow_flex"]),
    ({"reserves": {"elbow": 1.0}}, ["r_shoulder_elev, r_elbow_flex", "got elbow", "Did you mean r_elbow_flex"]),
    ({"reserves": {"r_elbow_flex": 0.0}}, ["positive optimal forces", "r_elbow_flex"]),
    ({"weld": "r_elbow"}, ["sequence of joint names", r"weld=\('r_elbow',\)"]),
    ({"force_sets": "forces.xml"}, ["sequence of files", r"force_sets=\('forces\.xml',\)"]),
    ({"weld": ("elbow",)}, [r"arm26\.osim", "r_shoulder, r_elbow", "got elbow"]),
    ({"gain": "osimopt"}, ["gain among opensim, corrected, isometric", "'osimopt'"]),
    ({"geometry": 3}, ["geometry as 'exact'", "3"]),
    ({"n_jobs": 0}, ["jobs of at least 1", "0"]),
    ({"n_jobs": "2"}, ["jobs of at least 1", "'2'"]),
]


@pytest.mark.parametrize(("options", "words"), OPTIONS, ids=[str(option) for option, _ in OPTIONS])
def test_options_of_load_problem(files: Files, options: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(osimopt.OsimoptError) as caught:
        load_problem(files.arm.model, files.arm.motion, **options)
    check(caught, [*words, "expected .* got "])


def test_reserves_are_checked_even_where_the_model_has_its_own(files: Files) -> None:
    """Every coordinate of the two-leg model has an actuator, but a reserve of -1 N·m is nonsense all the same."""
    with pytest.raises(InputError, match="positive"):
        load_problem(files.two_leg.model, files.two_leg.motion, reserves=-1.0, time_range=(0.1, 0.12))


TABLES = [
    ("elbow", {}, ["arm26.osim", "r_shoulder_elev, r_elbow_flex", "'elbow'"]),
    ("r_elbow_flex", {"pose": {"shoulder": 1.0}}, ["pose", "r_shoulder_elev", "'shoulder'"]),
    ("r_elbow_flex", {"pose": {"r_elbow_flex": 1.0}}, ["pose", "it moves in this table"]),
    ("r_elbow_flex", {"pose": {"r_shoulder_elev": float("nan")}}, ["pose", "r_shoulder_elev", "(?i)nan"]),
    ("r_elbow_flex", {"values": []}, ["finite values", "Correct"]),
    ("r_elbow_flex", {"values": [0.0, float("nan")]}, ["finite values", "(?i)got .*nan"]),
    ("r_elbow_flex", {"values": [[0.0, 1.0]]}, [r"finite values \(n,\)", r"shape \(1, 2\)"]),
    ("r_elbow_flex", {"n": 0}, ["n of at least 1", "0"]),
    ("r_elbow_flex", {"weld": ("r_elbow",)}, ["a free coordinate", "'r_elbow_flex', which is locked"]),
]


@pytest.mark.parametrize(("coordinate", "options", "words"), TABLES, ids=[str(option) for _, option, _ in TABLES])
def test_options_of_muscle_table(files: Files, coordinate: str, options: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        muscle_table(files.arm.model, coordinate, **options)
    check(caught, [*words, "expected .* got "])


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"values": [0.0, 150.0]}, r"r_elbow_flex by up to 20 deg in 1 of 2 \(range 0 to 130\)"),
        ({"values": [10.0], "pose": {"r_shoulder_elev": 190.0}}, r"r_shoulder_elev by up to 10 deg in 1 of 1"),
    ],
)
def test_a_muscle_table_outside_the_joints_range_is_said(files: Files, options: dict[str, Any], told: str) -> None:
    with pytest.warns(UserWarning, match=rf"arm26\.osim: outside the model's range, in values: {told}"):
        muscle_table(files.arm.model, "r_elbow_flex", **options)


@pytest.mark.parametrize(
    ("coordinate", "words"),
    [
        ("knee_beta_r", ["'knee_beta_r', which is coupled", "Sweep the coordinate it follows"]),
        ("mtp_angle_l", ["'mtp_angle_l', which is locked", "Free it"]),
    ],
)
def test_muscle_table_needs_a_free_coordinate(files: Files, coordinate: str, words: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        muscle_table(files.two_leg.model, coordinate)
    check(caught, ["two_leg.osim", *words])


SOLVE = [
    ({"cost": "sum_forces"}, ["sum_force, sum_force_squared", "'sum_forces'"]),
    ({"exponent": 0.5}, ["exponent ≥ 1", "0.5"]),
    ({"exponent": float("nan")}, ["exponent ≥ 1", "nan"]),
    ({"solver": "ipopt"}, ["slsqp", "'ipopt'"]),
    ({"solver": "highs"}, ["solver='newton' or 'slsqp' or 'lsq_linear' for", "solver='highs'"]),
    ({"solver": "lsq_linear", "exponent": 3}, ["solver='newton' or 'slsqp' for Σ a³", "got solver='lsq_linear'"]),
    ({"cost": "sum_force", "solver": "slsqp"}, ["solver='highs' for", "solver='slsqp'"]),
    ({"tendon": "elastic"}, ["tendon among", "'elastic'"]),
    ({"device": "gpu"}, ["device among", "'gpu'"]),
    ({"on_failure": "ignore"}, ["on_failure among", "'ignore'"]),
    ({"tolerance": -1.0}, ["tolerance", "-1"]),
    ({"tolerance": float("nan")}, ["tolerance", "nan"]),
    ({"weights": [1.0, 2.0]}, [r"weights of shape \(6,\)", r"\(2,\)"]),
    ({"weights": -1.0}, ["positive weights", "TRIlong"]),
    ({"initial_guess": [0.5]}, [r"\(6, 6\) or \(6,\)", r"shape \(1,\)"]),
    ({"initial_guess": np.full(6, np.nan)}, ["finite initial_guess", "NaN"]),
]


@pytest.fixture(scope="module")
def problem(arm) -> osimopt.RedundancyProblem:
    return load_problem(arm.model, arm.motion, time_range=(0.0, 0.05))


@pytest.mark.parametrize(("options", "words"), SOLVE, ids=[str(option) for option, _ in SOLVE])
def test_options_of_solve_static(problem, options: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        solve_static(problem, **options)
    check(caught, [*words, "expected .* got "])


# --------------------------------------------------------------------------------- moments out of reach


@pytest.fixture
def out_of_reach(files: Files) -> osimopt.RedundancyProblem:
    """The arm without reserves, asked for 1000 N·m at the elbow in its last two frames."""

    def moments(table: pd.DataFrame) -> pd.DataFrame:
        table = table.iloc[:6].assign(r_elbow_flex_moment=3.0)[["r_elbow_flex_moment"]]
        table.iloc[4:] = 1000.0
        return table

    path = files.table("moments.sto", files.arm.motion, moments)
    with pytest.warns(UserWarning, match="no column for r_shoulder_elev"):
        return load_problem(
            files.arm.model, files.arm.motion, generalized_force=path, time_range=(0, 0.05), reserves=None
        )


@pytest.mark.parametrize("cost", ["activation_power", "sum_force", "min_max"])
def test_moments_out_of_reach_are_a_status_and_nan(out_of_reach, cost: str) -> None:
    solution = solve_static(out_of_reach, cost, on_failure="return")
    assert list(solution.status) == [Status.SOLVED] * 4 + [Status.INFEASIBLE] * 2
    assert np.isfinite(solution.activation[:4]).all()
    for array in (solution.activation, solution.muscle_force, solution.objective):
        assert np.isnan(array[4:]).all()
    assert "r_elbow_flex is short of" in solution.detail[4]


def test_moments_out_of_reach_raise_with_the_solution_attached(out_of_reach) -> None:
    with pytest.raises(SolverError) as caught:
        solve_static(out_of_reach)
    check(caught, ["2 of 6 frames infeasible, the first at 0.04 s", "add reserves", "r_elbow_flex is short of"])
    assert caught.value.solution.status[4] is Status.INFEASIBLE
    assert caught.value.__cause__ is None
