"""Files with unusable parts that the frames do not depend on: read as OpenSim's tools read them, with one warning."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import HERE, run_script
from numpy.typing import NDArray

from osimopt import InputError, RedundancyProblem, load_problem, solve_static
from osimopt.adapters.setup import read_setup
from osimopt.emg.read import read_emg
from osimopt.files.series import PERIODS, ROWS, ROWS_OF_LOADS, usable
from osimopt.files.table import Table
from osimopt.signals import differentiate, lowpass_padded

Array = NDArray[np.float64]
Row = Callable[[int], str]

#: OpenSim's InverseDynamicsTool differentiates the angle twice by one spline, osimopt by two: N·m of 0.12.
SPLINES = 1e-5
#: N of 4, and N·m of 0.1: tolerance of OpenSim's optimizer.
OPTIMIZER = 5e-3
#: Share of the largest acceleration of noise that depends on what is 20 rows away; of walks 4e-8.
NOISE = 5e-6
TIMES, SPAN, AT = np.arange(100) / 100.0, (0.1, 0.4), 25
HEAD = "m\nversion=1\nnRows=100\nnColumns={}\ninDegrees=no\nendheader\n"
FORCE = "F_vx\tF_vy\tF_vz\tF_px\tF_py\tF_pz"
NUMBERS = "3\t10\t0\t0.05\t-0.3\t0"


def angle(row: int) -> float:
    return 0.3 * float(np.sin(0.05 * row))


def plain(row: int) -> str:
    return f"{0.01 * row:.4f}\t{angle(row):.10f}"


def table(labels: str, row: Row) -> str:
    return HEAD.format(len(labels.split())) + "\n".join([labels, *map(row, range(100))]) + "\n"


def loads(row: Row, labels: str = FORCE) -> str:
    return table(f"time\t{labels}", lambda i: f"{0.01 * i:.4f}\t{row(i)}")


def external_force(force: str = "F_v", point: str = "F_p", torque: str = "", more: str = "") -> str:
    identifiers = {"force": force, "point": point, "torque": torque}
    tags = "".join(f"<{kind}_identifier>{name}</{kind}_identifier>" for kind, name in identifiers.items() if name)
    frames = "<applied_to_body>rod</applied_to_body><force_expressed_in_body>ground</force_expressed_in_body>"
    frames += "<point_expressed_in_body>ground</point_expressed_in_body>"
    return f'<ExternalForce name="push">{frames}{tags}{more}</ExternalForce>'


def external_loads(objects: str, data: str = "loads.mot", version: str = ' Version="40000"') -> str:
    inside = f'<ExternalLoads name="l"><objects>{objects}</objects><datafile>{data}</datafile></ExternalLoads>'
    return f'<?xml version="1.0"?>\n<OpenSimDocument{version}>{inside}</OpenSimDocument>\n'


MOTIONS = {
    "plain": ("", table("time\tq", plain)),
    "a label twice": (r"column 'z' \(label twice\)", table("time\tq\tz\tz", lambda i: f"{plain(i)}\t1\t2")),
    "two tabs": ("", table("time\t\tq\tz", lambda i: f"{plain(i)}\t2")),
    "NaN after the range": (
        r"39 rows from 0\.61 to 0\.99 s \(NaN",
        table("time\tq", lambda i: plain(i) if i <= 60 else f"{0.01 * i}\tnan"),
    ),
    "a time twice after the range": (
        r"37 rows from 0\.63 to 0\.99 s",
        table("time\tq", lambda i: f"{0.01 * (i - (i == 64))}\t{0.0 if i == 64 else angle(i)}"),
    ),
    "a step back at the end": ("1 row at 0.5 s", table("time\tq", lambda i: plain(i if i < 99 else 50))),
}
#: What OpenSim refuses.
BEYOND = ("a step back at the end",)
LOADS = {
    "loads": ("", loads(lambda _: NUMBERS), external_force()),
    "NaN load after the range": (
        r"48 rows from 0\.52 to 0\.99 s",
        loads(lambda i: NUMBERS if i < 52 else NUMBERS.replace("10", "nan")),
        external_force(),
    ),
    "NaN in an unused column": (
        r"column 'plate2' \(NaN\)",
        loads(lambda _: f"{NUMBERS}\tnan", f"{FORCE}\tplate2"),
        external_force(),
    ),
    "an unused label twice": (
        r"column 'y' \(label twice\)",
        loads(lambda _: f"{NUMBERS}\t1\t2", f"{FORCE}\ty\ty"),
        external_force(),
    ),
    "no point": (
        "no point_identifier for push",
        loads(lambda _: NUMBERS),
        external_force(point=""),
    ),
    "only a torque": (
        "",
        loads(lambda _: f"{NUMBERS}\t0\t0\t1.5", f"{FORCE}\tM_x\tM_y\tM_z"),
        external_force("", "", "M_"),
    ),
    "switched off with NaN": (
        "push switched off|column 'F_vy' .NaN.",
        loads(lambda _: NUMBERS.replace("10", "nan")),
        external_force(more="<appliesForce>false</appliesForce>"),
    ),
}


def actuator(name: str, force: float = 100.0, kind: str = "CoordinateActuator") -> str:
    return f'<{kind} name="{name}"><coordinate>q</coordinate><optimal_force>{force}</optimal_force></{kind}>'


def force_set(objects: str, root: str = "ForceSet", version: str = "40000") -> str:
    inside = f'<{root} name="s"><objects>{objects}</objects></{root}>'
    return f'<OpenSimDocument Version="{version}">{inside}</OpenSimDocument>' if version else inside


FORCE_SETS = {
    "a_set": ("", force_set(actuator("r"))),
    "no_document": ("", force_set(actuator("r"), version="")),
    "ActuatorSet": ("", force_set(actuator("r"), "ActuatorSet", "20302")),
    "ActuatorSet_of_version_1": ("", force_set(actuator("r", kind="GeneralizedForce"), "ActuatorSet", "")),
    "a_name_of_the_model": ("a of a_name_of_the_model.xml", force_set(actuator("a"))),
    "a_name_twice": ("r of a_name_twice.xml", force_set(actuator("r") + actuator("r", 50.0))),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All files, the rod, and OpenSim's answers."""
    place = tmp_path_factory.mktemp("rod")
    cases: dict[str, dict[str, str]] = {}
    for name, (_, text) in MOTIONS.items():
        (place / f"{name}.mot").write_text(text)
        if name not in BEYOND:
            cases[name] = {"motion": f"{name}.mot"}
    for name, (_, data, objects) in LOADS.items():
        (place / f"{name}.mot").write_text(data)
        (place / f"{name}.xml").write_text(external_loads(objects, f"{name}.mot"))
        cases[name] = {"motion": "plain.mot", "loads": f"{name}.xml"}
    for name, (_, text) in FORCE_SETS.items():
        (place / f"{name}.xml").write_text(text)  # OpenSim takes several files, separated by spaces
        cases[name] = {"motion": "plain.mot", "force_set": f"{name}.xml"}
    (place / "cases.json").write_text(json.dumps(cases))
    run_script(HERE / "rod_oracle.py", place, cwd=place)
    return place


@pytest.fixture(scope="module")
def answers(folder: Path) -> dict[str, float | dict[str, float]]:
    found: dict[str, float | dict[str, float]] = json.loads((folder / "answers.json").read_text())
    assert None not in found.values(), "OpenSim takes every one of these files"
    return found


def load(folder: Path, motion: str = "plain.mot", loads: str | None = None, told: str = "") -> RedundancyProblem:
    """Load the problem; its warnings are those that match ``told``, separated by |, and no others."""
    external = None if loads is None else folder / loads
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        problem = load_problem(folder / "rod.osim", folder / motion, external, time_range=SPAN)
    expected, texts = told.split("|") if told else [], [str(one.message) for one in caught]
    assert len(texts) == len(expected), texts
    assert all(re.search(one, text) for one, text in zip(expected, texts, strict=True)), texts
    return problem


def moment(problem: RedundancyProblem) -> float:
    return float(problem.generalized_force[AT - 10, 0])


@pytest.mark.parametrize("name", MOTIONS)
def test_motions_that_opensim_takes(folder: Path, answers: dict[str, float], name: str) -> None:
    assert abs(moment(load(folder, f"{name}.mot", told=MOTIONS[name][0])) - answers["plain"]) < SPLINES
    assert name in BEYOND or abs(answers[name] - answers["plain"]) < SPLINES


@pytest.mark.parametrize("name", LOADS)
def test_loads_that_opensim_takes(folder: Path, answers: dict[str, float], name: str) -> None:
    assert abs(moment(load(folder, loads=f"{name}.xml", told=LOADS[name][0])) - answers[name]) < SPLINES


@pytest.mark.parametrize("name", FORCE_SETS)
def test_force_sets_that_opensim_takes(folder: Path, answers: dict[str, dict[str, float]], name: str) -> None:
    """The first of two forces of one name acts, the model's own before that of a set."""
    told, _ = FORCE_SETS[name]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        problem = load_problem(
            folder / "rod.osim", folder / "plain.mot", time_range=(0.2, 0.25), reserves=None,
            force_sets=(folder / f"{name}.xml",),
        )  # fmt: skip
    texts = [str(one.message) for one in caught]
    assert len(texts) == bool(told), texts
    assert all(text.endswith(f"has forces of these names: {told}.") for text in texts), texts
    solution = solve_static(problem)
    found = {name: solution.muscle_force[-1, i] for i, name in enumerate(problem.muscles)}
    found |= {name: solution.reserve_force[-1, i] for i, name in enumerate(problem.reserves.names)}
    assert found == pytest.approx(answers[name], abs=OPTIMIZER)


# ----------------------------------------------------------------------------------------- other dialects

LABELS = ["Time\tq", "time\t/jointset/j/q/value", "time\tj/q/value", "time\tq/value", "time\t\tq", "\ttime\t\tq"]


@pytest.mark.parametrize("labels", LABELS)
def test_labels_of_other_versions(folder: Path, labels: str) -> None:
    (folder / "other.mot").write_text(table(labels, plain))
    assert moment(load(folder, "other.mot")) == moment(load(folder))


@pytest.mark.parametrize("labels", ["q_u", "/jointset/j/q/speed", "j/q/speed", "q/speed"])
def test_labels_of_speeds(folder: Path, labels: str) -> None:
    """Rows away from the range may be missing in the speeds, too."""
    rate = [f"{0.01 * i:.4f}\t{'nan' if i > 60 else 1.5 * np.cos(0.05 * i)}" for i in range(100)]
    (folder / "speeds.sto").write_text(table(f"time\t{labels}", rate.__getitem__))
    with pytest.warns(UserWarning, match=r"speeds\.sto: left out, .*39 rows") as caught:
        problem = load_problem(folder / "rod.osim", folder / "plain.mot", speeds=folder / "speeds.sto", time_range=SPAN)
    assert len(caught) == 1
    assert abs(moment(problem) - moment(load(folder))) < SPLINES


@pytest.mark.parametrize("data", [r"sub\loads.mot", r".\sub\loads.mot"])
def test_names_of_files_as_windows_writes_them(folder: Path, data: str) -> None:
    (folder / "sub").mkdir(exist_ok=True)
    (folder / "sub" / "loads.mot").write_text(LOADS["loads"][1])
    (folder / "windows.xml").write_text(external_loads(external_force(), data))
    assert moment(load(folder, loads="windows.xml")) == moment(load(folder, loads="loads.xml"))


@pytest.mark.parametrize("name", ["moments", "moments at other times"])
def test_moments_away_from_the_range(folder: Path, name: str) -> None:
    """Where their times are the motion's, no frame depends on others."""
    late = 0.0 if name == "moments" else 0.005
    bad = 42 if name == "moments" else 62
    rows = [f"{0.01 * i + late:.4f}\t{'nan' if i > bad else 0.1 + i}\tnan" for i in range(100)]
    (folder / f"{name}.sto").write_text(table("time\tq_moment\tother", rows.__getitem__))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        problem = load_problem(
            folder / "rod.osim", folder / "plain.mot", time_range=SPAN, generalized_force=folder / f"{name}.sto"
        )
    texts = [str(one.message) for one in caught]
    assert [bool(re.search("left out.*37 rows|interpolated", text)) for text in texts] == [True] * 2 * (late > 0.0)
    assert moment(problem) == pytest.approx(0.1 + AT - 100.0 * late, abs=1e-9)


@pytest.mark.parametrize("frames", [SPAN, (0.24, 0.26)], ids=["sampled", "as they are"])
def test_loads_that_opensim_would_misread(folder: Path, frames: tuple[float, float]) -> None:
    """Few frames have the loads as they are: through another file where OpenSim needs another time label."""
    text = LOADS["loads"][1]
    moments = []
    for name, data in (("right", text), ("capitals", text.replace("time", "Time"))):
        (folder / f"{name}.mot").write_text(data)
        (folder / f"{name}.xml").write_text(external_loads(external_force(), f"{name}.mot").replace("40000", "20302"))
        found = load_problem(folder / "rod.osim", folder / "plain.mot", folder / f"{name}.xml", time_range=frames)
        moments.append(found.generalized_force)
    assert np.array_equal(*moments)


def test_another_root_and_forces_outside_of_objects(folder: Path) -> None:
    """OpenSim reads a set of any name, and nothing beside <objects>."""
    (folder / "loads.mot").write_text(LOADS["loads"][1])
    text = external_loads(external_force())
    (folder / "root.xml").write_text(text.replace("ExternalLoads", "ForceSet"))
    assert moment(load(folder, loads="root.xml")) == moment(load(folder, loads="loads.xml"))
    (folder / "out.xml").write_text(re.sub("</?objects>", "", text))
    assert moment(load(folder, loads="out.xml", told="left out: push, which OpenSim does not")) == moment(load(folder))


def test_a_setup_file_as_windows_writes_it(folder: Path) -> None:
    (folder / "sub").mkdir(exist_ok=True)
    (folder / "sub" / "set.xml").write_text(FORCE_SETS["a_set"][1])
    analysis = "<AnalysisSet><objects><StaticOptimization/></objects></AnalysisSet>"
    files = "<model_file>.\\rod.osim</model_file><coordinates_file>.\\plain.mot</coordinates_file>"
    files += "<force_set_files>sub\\set.xml</force_set_files><results_directory>.\\sub\\out</results_directory>"
    (folder / "setup.xml").write_text(f"<AnalyzeTool name='w'>{files}{analysis}</AnalyzeTool>")
    setup = read_setup(folder / "setup.xml")
    assert setup.force_sets == ((folder / "sub" / "set.xml").resolve(),)
    assert setup.results == (folder / "sub" / "out").resolve()


# ------------------------------------------------------------------------------------------------ refused

WRONG = {
    "no identifier": (external_force("", ""), "", r"'push': expected a <force_identifier> or a .*, got neither"),
    "only a point": (external_force("", "F_p"), "", "'push': .*neither"),
    "a torque and a point": (external_force("", "F_p", "F_v"), "", "'push': .*only <point_identifier> 'F_p'"),
    "switched off": (external_force("", "", more="<appliesForce>false</appliesForce>"), "", "'push': .*neither"),
    "another force": (external_force() + '<PrescribedForce name="p"/>', "", "got PrescribedForce 'p'"),
    "an old version": (external_force(), ' Version="10901"', "version 20301 or later, got version '10901'"),
}


@pytest.mark.parametrize("name", WRONG)
def test_loads_that_opensim_refuses(folder: Path, name: str) -> None:
    objects, version, words = WRONG[name]
    (folder / "wrong.xml").write_text(external_loads(objects, version=version or ' Version="40000"'))
    (folder / "loads.mot").write_text(LOADS["loads"][1])
    with pytest.raises(InputError, match=rf"wrong\.xml.*{words}"):
        load(folder, loads="wrong.xml")


def test_loads_without_a_force(folder: Path) -> None:
    (folder / "none.xml").write_text(external_loads("", "loads.mot"))
    assert moment(load(folder, loads="none.xml", told="no ExternalForce in <objects>")) == moment(load(folder))


@pytest.mark.parametrize(("bad", "found"), [(40, "NaN in 'q' at 0.4 s"), (60, r"20 next to them.*at 0\.6 s")])
def test_rows_on_which_frames_depend_are_refused(folder: Path, bad: int, found: str) -> None:
    (folder / "bad.mot").write_text(table("time\tq", lambda i: plain(i) if i != bad else f"{0.01 * i}\tnan"))
    with pytest.raises(InputError, match=found):
        load(folder, "bad.mot")


def test_a_label_that_is_used_may_not_repeat(folder: Path) -> None:
    (folder / "loads.mot").write_text(loads(lambda _: f"{NUMBERS}\t1", f"{FORCE}\tF_vx"))
    (folder / "twice.xml").write_text(external_loads(external_force()))
    with pytest.raises(InputError, match=r"loads\.mot: expected each label once, got F_vx twice"):
        load(folder, loads="twice.xml")


SHIFTED = {
    "an empty field elsewhere": ("time\tq\t\tz", lambda i: f"{0.01 * i}\t\t1\t{angle(i)}", "a label for every column"),
    "a tab at the end": ("time\t\tq\tz\tw", lambda i: f"{0.01 * i}\t{'' if i == 9 else 1}\t2\t3\t", "line 17"),
    "a number too many": ("time\t\tq\tz", lambda i: f"{0.01 * i}\t1\t2" + "\t3" * (i == 9), "a label for every"),
}


@pytest.mark.parametrize("name", SHIFTED)
def test_empty_fields_under_other_labels_are_refused(folder: Path, name: str) -> None:
    """One way of counting would take the numbers of a neighbour."""
    labels, row, words = SHIFTED[name]
    (folder / "shifted.mot").write_text(table(labels, row))
    with pytest.raises(InputError, match=words):
        load(folder, "shifted.mot")


@pytest.mark.parametrize("kind", ["moments", "loads"])
def test_a_low_pass_needs_three_periods(folder: Path, kind: str) -> None:
    """Of 12 Hz they are 25 rows: what follows them does not matter, what precedes them may."""
    (folder / "low.xml").write_text(external_loads(external_force("", "", "M_"), "low.mot"))

    option = {"moments": "generalized_force", "loads": "external_loads"}[kind]
    labels = {"moments": "time\tx\ty\tq_moment", "loads": "time\tM_x\tM_y\tM_z"}[kind]
    files = {"moments": folder / "low.mot", "loads": folder / "low.xml"}

    def low(bad: int) -> Array:
        wave = [f"{0.01 * i:.4f}\t0\t0\t{'nan' if i == bad else np.sin(0.1 * i) + (i % 3)}" for i in range(100)]
        (folder / "low.mot").write_text(table(labels, wave.__getitem__))
        inputs: dict[str, Any] = {option: files[kind], f"lowpass_{kind}_hz": 12.0}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return load_problem(folder / "rod.osim", folder / "plain.mot", time_range=SPAN, **inputs).generalized_force

    assert np.abs(low(66) - low(100)).max() < 1e-3
    with pytest.raises(InputError, match=r"low\.mot: .*25 next to them.*at 0\.65 s"):
        low(65)


# ------------------------------------------------------------------------------------------------- limits


@pytest.mark.parametrize("before", [False, True])
def test_rows_between_the_frames_and_a_gap(before: bool) -> None:
    def cut(rows: int, lowpass_hz: float | None = None) -> int:
        value = np.sin(TIMES)[:, None]
        value[30 - rows - 1 if before else 60 + rows + 1] = np.nan
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return len(usable(Table(value, TIMES, ["q"]), ["q"], "motion", (0.3, 0.6), lowpass_hz=lowpass_hz))

    assert cut(ROWS) == (90 if before else 81)
    with pytest.raises(InputError, match="20 next to them"):
        cut(ROWS - 1)
    assert cut(25, 12.0) == (95 if before else 86), "three periods of 12 Hz are 25 rows"
    with pytest.raises(InputError, match="25 next to them"):
        cut(24, 12.0)


def test_what_lies_beyond_those_rows_does_not_matter() -> None:
    """The end of the file there, against the rest of it: noise is the worst rest."""
    time = np.arange(400) / 100.0
    value = np.random.default_rng(3).normal(size=(400, 50))
    frames, scale = slice(100, 200), np.abs(differentiate(time, value)[1]).max(axis=0)
    end = 200 + ROWS
    for whole, part in zip(differentiate(time, value), differentiate(time[:end], value[:end]), strict=True):
        assert (np.abs(whole[frames] - part[frames]).max(axis=0) < NOISE * scale).all()
    smooth = np.cumsum(value, axis=0)
    cutoff, end = 6.0, 200 + int(np.ceil(PERIODS / 6.0 * 100.0))
    kept, filtered = (lowpass_padded(time[:n], smooth[:n], cutoff, 0)[1][frames] for n in (400, end))
    assert np.abs(kept - filtered).max() < 1e-3 * np.abs(smooth).max()
    assert ROWS_OF_LOADS < ROWS


def test_emg_whose_times_and_channels_repeat(tmp_path: Path) -> None:
    rows = [f"{0.01 * (i - (i == 64))}\t{i % 7}\t{5 if i == 64 else i - (i == 64)}\t1\t2" for i in range(100)]
    (tmp_path / "emg.sto").write_text(table("time\tsol\ttib\tx\tx", rows.__getitem__))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        emg = read_emg(tmp_path / "emg.sto")
    texts = [str(one.message).split(": ", 1)[1] for one in caught]
    assert texts[:2] == [
        "left out: x, since several channels have this name.",
        "left out: samples of 1 times that repeat with other numbers.",
    ]
    assert emg.channels == ("sol", "tib")
    assert np.flatnonzero(np.isnan(emg.of("tib"))).tolist() == [63]
    with pytest.raises(InputError, match="x more than once"):
        read_emg(tmp_path / "emg.sto", channels=["x"])
