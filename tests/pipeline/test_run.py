"""``osimopt run``: the files of OpenSim's own AnalyzeTool, from the same setup files."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from conftest import TwoLeg, run_script

import osimopt
from osimopt.cli import main
from osimopt.datasets import Example
from osimopt.errors import InputError, ModelError
from osimopt.pipeline import opensim_files
from osimopt.pipeline.opensim_files import CODES
from osimopt.solution.status import Status

#: OpenSim's optimizer at a tolerance of 1e-6 is this far from an exact answer, in activation and in N.
ACTIVATION, FORCE = 1e-3, 3.0
#: The cubes of small activations are flat: the same tolerance leaves more room.
CUBED = 0.01
#: N, N·m or m; loads, springs and limits at the same states.
OTHER_FORCE = 1e-6
#: The public setup file, which leaves OpenSim's own tolerance of 1e-4.
ARM_ACTIVATION = 0.006
#: s; OpenSim brings a filtered motion to a grid of its smallest interval, which printed digits shorten.
GRID = 1e-5

#: Of its strength; the arm then fails in some frames of its motion.
WEAK = 0.3

Solutions = dict[str, osimopt.RedundancySolution]

#: Runs setup files, in order, in one process.
TOOL = """
import sys, opensim
opensim.Logger.removeFileSink()
opensim.Logger.setLevelString("error")
for path in sys.argv[1:]:
    assert opensim.AnalyzeTool(path).run(), path
"""
SETUP = """<?xml version="1.0" encoding="UTF-8" ?>
<OpenSimDocument Version="40500"><AnalyzeTool name="{name}">
{tool}
<results_directory>{folder}</results_directory>
<AnalysisSet name="Analyses"><objects>{others}
<StaticOptimization name="StaticOptimization">{analysis}
<optimizer_convergence_criterion>1e-6</optimizer_convergence_criterion>
<optimizer_max_iterations>500</optimizer_max_iterations></StaticOptimization>
</objects></AnalysisSet></AnalyzeTool></OpenSimDocument>
"""
ACTUATOR = "<CoordinateActuator name='{0}_reserve'><coordinate>{0}</coordinate><optimal_force>5</optimal_force>"
RESIDUAL_FORCE = (
    "<PointActuator name='F{0}'><body>pelvis</body><point>-0.04 0.1 0</point><direction>{1}</direction>"
    "<force_is_global>true</force_is_global><optimal_force>50</optimal_force></PointActuator>"
)
RESIDUAL_MOMENT = (
    "<TorqueActuator name='M{0}'><bodyA>pelvis</bodyA><bodyB>ground</bodyB><axis>{1}</axis>"
    "<torque_is_global>true</torque_is_global><optimal_force>100</optimal_force></TorqueActuator>"
)
BODY_ACTUATOR = "<BodyActuator name='push'><socket_body>/bodyset/pelvis</socket_body></BodyActuator>"
AXES = {"X": "1 0 0", "Y": "0 1 0", "Z": "0 0 1"}
SERVED = ("hip_flexion", "hip_adduction", "knee_angle", "ankle_angle")
RUNS = ("full", "sets", "replaced", "states", "filtered")


def tags(**values: object) -> str:
    return "".join(f"<{tag}>{value}</{tag}>" for tag, value in values.items())


def write_setup(folder: Path, name: str, tool: str, analysis: str = "", others: str = "") -> Path:
    path = folder / f"{name}.xml"
    path.write_text(SETUP.format(name=name, tool=tool, analysis=analysis, others=others, folder="theirs"))
    return path


def write_forces(path: Path, *more: str) -> None:
    """Residuals and reserves as they come with gait2392: forces and torques on the pelvis, actuators elsewhere."""
    reserves = [ACTUATOR.format(f"{name}_{side}") + "</CoordinateActuator>" for name in SERVED for side in "rl"]
    residuals = [form.format(*axis) for form in (RESIDUAL_FORCE, RESIDUAL_MOMENT) for axis in AXES.items()]
    objects = "".join([*residuals, *reserves, *more])
    head = '<?xml version="1.0" encoding="UTF-8" ?>\n<OpenSimDocument Version="40500">'
    path.write_text(f'{head}<ForceSet name="extra"><objects>{objects}</objects></ForceSet></OpenSimDocument>')


def muscle_text(model: Path, name: str) -> str:
    found = re.search(rf'<(\w+) name="{name}">.*?</\1>', model.read_text(), re.DOTALL)
    assert found is not None
    return found[0]


@pytest.fixture(scope="module")
def folder(two_leg: TwoLeg, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Setup files beside the two-leg model, and what OpenSim wrote for them in ``theirs``."""
    folder = tmp_path_factory.mktemp("runs")
    for path in (two_leg.model, two_leg.bare, two_leg.motion, two_leg.loads, two_leg.grf):
        shutil.copy(path, folder)
    off = re.sub(r'(name="adductor_r">)', r"\1<appliesForce>false</appliesForce>", two_leg.bare.read_text())
    (folder / "off.osim").write_text(off)
    write_forces(folder / "extra.xml")
    write_forces(folder / "all.xml", *(muscle_text(two_leg.bare, name) for name in ("soleus_r", "vasti_l")))
    usual = {"external_loads_file": "external_loads.xml", "coordinates_file": "motion.mot"}
    times = {"initial_time": 0.66, "final_time": 0.74}
    write_setup(
        folder, "full",
        tags(model_file="two_leg.osim", output_precision=12, **usual, **times),
        others="<StatesReporter name='StatesReporter'><in_degrees>false</in_degrees></StatesReporter>",
    )  # fmt: skip
    write_setup(
        folder, "sets",
        tags(model_file="off.osim", force_set_files="extra.xml", initial_time=0.2049, final_time=0.266, **usual),
        tags(step_interval=3, activation_exponent=3),
    )  # fmt: skip
    replaced = tags(model_file="two_leg.osim", force_set_files="all.xml", replace_force_set="true")
    replaced += tags(initial_time=0.2, final_time=0.22, **usual)
    write_setup(folder, "replaced", replaced, tags(use_muscle_physiology="false"))
    states = "theirs/full_StatesReporter_states.sto"
    write_setup(
        folder, "states",
        tags(model_file="two_leg.osim", external_loads_file="external_loads.xml", states_file=states, **times),
    )  # fmt: skip
    filtered = tags(model_file="two_leg.osim", lowpass_cutoff_frequency_for_coordinates=6)
    write_setup(
        folder, "filtered",
        filtered + tags(initial_time=0.4, final_time=0.5, **usual), tags(step_interval=4),
    )  # fmt: skip
    script = folder / "tool.py"
    script.write_text(TOOL)
    run_script(script, *(f"{name}.xml" for name in RUNS), cwd=folder)
    return folder


@dataclass(frozen=True)
class Storage:
    head: str
    labels: list[str]
    values: np.ndarray
    widths: list[int]


def read_storage(path: Path) -> Storage:
    head, body = path.read_text().split("endheader\n")
    labels, *rows = body.splitlines()
    words = [row.split("\t") for row in rows]
    widths = [len(word) for word in words[0]]
    return Storage(head, labels.split("\t"), np.array([[float(word) for word in row] for row in words]), widths)


def both(folder: Path, name: str, suffix: str) -> tuple[Storage, Storage]:
    file = f"{name}_StaticOptimization_{suffix}.sto"
    return read_storage(folder / "ours" / file), read_storage(folder / "theirs" / file)


@pytest.fixture(scope="module")
def solutions(folder: Path) -> Solutions:
    return {name: osimopt.run_setup(folder / f"{name}.xml", folder / "ours", compare=False) for name in RUNS}


def tolerance(label: str, suffix: str, name: str, actuators: tuple[str, ...]) -> float:
    if label == "time":
        return GRID
    if suffix == "activation":
        return CUBED if name == "sets" else ACTIVATION
    return FORCE if label in actuators else OTHER_FORCE


@pytest.mark.parametrize("suffix", ["activation", "force"])
@pytest.mark.parametrize("name", RUNS)
def test_files_are_those_of_opensim(folder: Path, solutions: Solutions, name: str, suffix: str) -> None:
    assert solutions[name].success
    ours, theirs = both(folder, name, suffix)
    assert ours.head == theirs.head
    assert ours.labels == theirs.labels
    assert ours.widths == theirs.widths
    for label, column, expected in zip(ours.labels, ours.values.T, theirs.values.T, strict=True):
        allowed = tolerance(label, suffix, name, solutions[name].problem.actuators)
        np.testing.assert_allclose(column, expected, rtol=0, atol=allowed, err_msg=label)


@pytest.mark.parametrize("name", RUNS)
def test_controls_are_those_of_opensim(folder: Path, solutions: Solutions, name: str) -> None:
    file = f"{name}_StaticOptimization_controls.xml"
    ours, theirs = ((folder / place / file).read_text() for place in ("ours", "theirs"))
    number = re.compile(r"<(t|value)>([^<]*)</")
    assert number.sub("", ours) == number.sub("", theirs)
    values = [float(found[1]) for found in number.findall(ours) if found[0] == "value"]
    solution = solutions[name]
    assert len(values) == len(solution.time) * len(solution.problem.actuators)
    written = np.array(values).reshape(-1, len(solution.time)).T
    control = np.hstack([solution.activation, solution.reserve_control])
    np.testing.assert_array_equal(np.sort(written), np.sort(control))


def test_what_the_runs_are_about(folder: Path, solutions: Solutions) -> None:
    """So that the comparison is not one of empty files."""
    labels = {name: both(folder, name, "force")[1].labels for name in RUNS}
    assert {"thigh_torque", "knee_limit", "ankle_spring_Force", "foot_r_grf_r_Fy"} <= set(labels["full"])
    assert "adductor_r" not in labels["sets"]
    assert labels["sets"].index("FX") > labels["sets"].index("soleus_l")
    assert labels["replaced"].index("FX") < labels["replaced"].index("soleus_r"), "so that their order matters"
    strength = solutions["replaced"].problem.parameters.max_isometric_force
    assert (solutions["replaced"].problem.max_force == strength).all()
    assert solutions["sets"].time.tolist() == pytest.approx([0.2, 0.22, 0.25, 0.26])
    assert solutions["filtered"].time.tolist() == pytest.approx([0.4, 0.43, 0.47, 0.5])
    knee = both(folder, "full", "force")[0]
    assert np.abs(knee.values[:, knee.labels.index("knee_limit")]).max() > 0.0


def test_status_file(folder: Path, solutions: Solutions) -> None:
    table = osimopt.read_table(folder / "ours" / "full_StaticOptimization_status.sto")
    solution = solutions["full"]
    np.testing.assert_allclose(table.index, solution.time)
    np.testing.assert_allclose(table["objective"], solution.objective, rtol=1e-8)
    np.testing.assert_array_equal(table["iterations"], solution.iterations)
    assert solution.activation_error is not None
    np.testing.assert_allclose(table["activation_error"], solution.activation_error, rtol=1e-8)
    assert (table["status"] == 0).all()
    assert (table["moment_residual"] < 1e-6).all()


@pytest.fixture
def arm_setup(arm: Example, tmp_path: Path) -> Callable[..., Path]:
    """A setup file for the arm that comes with osimopt, its muscles weakened by a factor."""

    def _setup(tool: str = "", strength: float = 1.0, motion: Path = arm.motion, analysis: str = "") -> Path:
        def weaken(found: re.Match[str]) -> str:
            return f"{found[1]}{strength * float(found[2])}<"

        text = re.sub(r"(<max_isometric_force>)\s*([^<]+)<", weaken, arm.model.read_text())
        (tmp_path / "arm.osim").write_text(text)
        usual = tags(model_file="arm.osim", coordinates_file=motion, final_time=9)
        return write_setup(tmp_path, "arm", tool + usual, analysis)

    return _setup


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Exit code and all output of the command."""

    def _call(*arguments: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["osimopt", "run", *map(str, arguments)])
        monkeypatch.setattr("osimopt.cli.terminal._warned", set())  # as in a process of its own
        with pytest.raises(SystemExit) as exited:
            main()
        printed = capsys.readouterr()
        code = exited.value.code
        assert code is None or isinstance(code, int)
        return code or 0, printed.out + printed.err

    return _call


def test_command(arm_setup: Callable[..., Path], call: Callable[..., tuple[int, str]]) -> None:
    path = arm_setup()
    code, printed = call(path)
    assert code == 0
    suffixes = ("activation.sto", "force.sto", "controls.xml", "status.sto")
    written = sorted(file.name for file in (path.parent / "theirs").iterdir())
    assert written == sorted(f"arm_StaticOptimization_{suffix}" for suffix in suffixes)
    assert "arm_StaticOptimization_status.sto" in printed
    assert re.findall(r"^(?:passes|fails) +([\w ]+):", printed, re.MULTILINE) == [
        "frames solved", "agreement with a second computation", "largest reserve"
    ]  # fmt: skip
    head = (path.parent / "theirs" / "arm_StaticOptimization_status.sto").read_text().split("endheader")[0]
    assert re.findall(r"^check (\w+): ([\w ]+):", head, re.MULTILINE) == [
        ("passes", "frames solved"), ("passes", "agreement with a second computation"), ("passes", "largest reserve")
    ]  # fmt: skip
    assert "the motion has" in printed, "the setup file asks for more time than there is"
    first = osimopt.read_table(path.parent / "theirs" / written[0])
    code, _ = call(path, "--exponent", 4, "--results", path.parent / "other")
    assert code == 0
    fourth = osimopt.read_table(path.parent / "other" / written[0])
    assert np.abs(fourth - first).to_numpy().max() > 0.02


def test_exact_paths_are_compared(
    arm_setup: Callable[..., Path], call: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newtons are those between two runs, and the files are the same with and without."""
    path = arm_setup()
    code, printed = call(path, "--results", path.parent / "compared")
    assert code == 0
    plain, exact = (
        osimopt.run_setup(path, path.parent / geometry, geometry=geometry, compare=False)
        for geometry in ("opensim", "exact")
    )
    apart = exact.muscle_force - plain.muscle_force
    worst, column = np.unravel_index(np.abs(apart).argmax(), apart.shape)
    muscle = plain.problem.muscles[column]
    assert abs(apart[worst, column]) > 1.0
    named = f"{muscle} ({apart[worst, column]:+.3g} N at {plain.time[worst]:.4g} s)"
    assert re.search(rf"Exact muscle paths .* by more than 1 N and 1% of the peak: {re.escape(named)}", printed)
    files = sorted((path.parent / "compared").glob("*"))
    assert len(files) == 4
    for file in files:
        same = file.read_bytes() == (path.parent / "opensim" / file.name).read_bytes()
        assert same is not file.name.endswith("status.sto"), "the status file alone names the muscles"
    assert "Exact muscle paths" in files[-1].read_text()

    def refuse(*_: object) -> None:
        raise ModelError("nothing is exact today")

    monkeypatch.setattr("osimopt.adapters.load.read_exact", refuse)
    refused = osimopt.run_setup(path, path.parent / "refused")
    assert refused.provenance["exact_paths"] == {"not_compared": "nothing is exact today"}
    assert "Forces were not compared with those of exact paths: nothing is exact today" in refused.findings()
    np.testing.assert_array_equal(refused.activation, plain.activation)


def test_failed_frames(arm_setup: Callable[..., Path], call: Callable[..., tuple[int, str]]) -> None:
    """Part of the motion needs more than a third of the arm's strength."""
    path = arm_setup(strength=WEAK)
    code, printed = call(path)
    assert code == 1
    assert "infeasible" in printed
    assert "GUI" in printed
    folder = path.parent / "theirs"
    status = osimopt.read_table(folder / "arm_StaticOptimization_status.sto")
    failed = status["status"].to_numpy() == CODES.index(Status.INFEASIBLE)
    assert 0 < failed.sum() < len(status)
    for suffix in ("activation", "force"):
        table = osimopt.read_table(folder / f"arm_StaticOptimization_{suffix}.sto")
        np.testing.assert_array_equal(np.isnan(table.to_numpy()), np.repeat(failed[:, None], table.shape[1], axis=1))
    controls = (folder / "arm_StaticOptimization_controls.xml").read_text()
    assert controls.count("<value>NaN</value>") == failed.sum() * table.shape[1]
    header = (folder / "arm_StaticOptimization_status.sto").read_text().split("endheader")[0]
    assert "infeasible" in header
    entries = [line.split("=")[0] for line in header.splitlines() if "=" in line]
    assert entries == ["version", "nRows", "nColumns", "inDegrees"], "sentences of other lines are no entries"
    assert "add reserves (reserves 'auto' gives" in header
    assert "Try another solver or initial_guess, or an exponent" in header


def test_sentences_of_the_status_file_are_readable() -> None:
    text = "p = 2, x >= 0.5, weld=('hip',), solver='newton', tolerance= or n_jobs=4. Or solver=."
    assert opensim_files._plain(text) == (
        "p is 2, x at least 0.5, weld ('hip',), solver 'newton', tolerance or n_jobs 4. Or solver."
    )
    assert opensim_files._plain("{x}") == "{x}", "texts are not templates"


def test_wrong_input_leaves_nothing(arm_setup: Callable[..., Path], call: Callable[..., tuple[int, str]]) -> None:
    path = arm_setup("<external_loads_file>gone.xml</external_loads_file>")
    code, printed = call(path)
    assert code == 2
    assert "<external_loads_file>" in printed
    assert not (path.parent / "theirs").exists()


def test_exponent_is_checked_first(arm_setup: Callable[..., Path]) -> None:
    path = arm_setup(analysis="<activation_exponent>0.5</activation_exponent>")
    with pytest.raises(InputError, match="exponent"):
        osimopt.run_setup(path)
    assert not (path.parent / "theirs").exists()


def test_missing_column_is_refused(arm: Example, arm_setup: Callable[..., Path], tmp_path: Path) -> None:
    """OpenSim would take zeros."""
    table = osimopt.read_table(arm.motion)
    name = table.columns[0]
    motion = osimopt.files.storage.write_table(table.drop(columns=name), tmp_path / "less.mot")
    with pytest.raises(InputError, match=f"none for {name}"):
        osimopt.run_setup(arm_setup(motion=motion))


def test_speeds_file(folder: Path, tmp_path: Path) -> None:
    """Speeds from a states file beside coordinates give what the states file gives; other labels are refused."""
    states = osimopt.read_table(folder / "theirs" / "full_StatesReporter_states.sto")
    value = states[[label for label in states.columns if label.endswith("/value")]]
    value = value.set_axis([label.split("/")[-2] for label in value.columns], axis=1)
    speed = states[[label for label in states.columns if label.endswith("/speed")]]
    speed = speed.set_axis([label.split("/")[-2] + "_u" for label in speed.columns], axis=1)
    osimopt.files.storage.write_table(value, tmp_path / "value.sto")
    tool = tags(
        model_file=folder / "two_leg.osim", external_loads_file=folder / "external_loads.xml",
        coordinates_file="value.sto", speeds_file="speed.sto", initial_time=0.66, final_time=0.74,
    )  # fmt: skip
    path = write_setup(tmp_path, "states", tool)
    osimopt.files.storage.write_table(speed, tmp_path / "speed.sto")
    solution = osimopt.run_setup(path)
    theirs = read_storage(folder / "theirs" / "states_StaticOptimization_activation.sto")
    order = [theirs.labels.index(name) for name in solution.problem.muscles]
    np.testing.assert_allclose(solution.activation, theirs.values[:, order], rtol=0, atol=ACTIVATION)
    osimopt.files.storage.write_table(value, tmp_path / "speed.sto")
    with pytest.raises(InputError, match="the speed of every free coordinate"):
        osimopt.run_setup(path)
    osimopt.files.storage.write_table(speed.iloc[1:], tmp_path / "speed.sto")
    with pytest.raises(InputError, match="speeds at the motion's 9 times"):
        osimopt.run_setup(path)


def test_force_sets_that_cannot_be(folder: Path, tmp_path: Path) -> None:
    write_forces(tmp_path / "forces.xml", BODY_ACTUATOR)
    tool = tags(
        model_file=folder / "two_leg_bare.osim", coordinates_file=folder / "motion.mot", force_set_files="forces.xml"
    )
    with pytest.raises(ModelError, match="BodyActuator 'push'"):
        osimopt.run_setup(write_setup(tmp_path, "wrong", tool))


def test_too_few_actuators(folder: Path, tmp_path: Path) -> None:
    """The pelvis floats and nothing acts on it: OpenSim's over-constrained system, by name."""
    tool = tags(model_file=folder / "two_leg_bare.osim", coordinates_file=folder / "motion.mot")
    with pytest.raises(InputError, match=r"none on pelvis_.*force_set_files"):
        osimopt.run_setup(write_setup(tmp_path, "bare", tool))
    (tmp_path / "loads.xml").write_text("<OpenSimDocument/>")
    with pytest.raises(InputError, match="ForceSet"):
        osimopt.run_setup(write_setup(tmp_path, "bare", tool + tags(force_set_files="loads.xml")))


def test_no_muscle_is_left(folder: Path, tmp_path: Path) -> None:
    write_forces(tmp_path / "forces.xml")
    usual = {"model_file": folder / "two_leg.osim", "coordinates_file": folder / "motion.mot"}
    tool = tags(force_set_files="forces.xml", replace_force_set="true", **usual)
    with pytest.raises(ModelError, match=r"at least one muscle.*took the place"):
        osimopt.run_setup(write_setup(tmp_path, "none", tool))


def test_public_arm26(real_data: Path, tmp_path: Path) -> None:
    """What OpenSim 4.6 wrote for the public setup file."""
    reference = real_data.parent / "reference" / "arm26_static_optimization"
    if not reference.is_dir():
        pytest.skip("needs the answers of OpenSim's tools in 'reference' beside the data")
    solution = osimopt.run_setup(real_data / "arm26" / "arm26_Setup_StaticOptimization.xml", tmp_path)
    for suffix, allowed in (("activation", ARM_ACTIVATION), ("force", FORCE)):
        ours, theirs = (
            read_storage(place / f"arm26_StaticOptimization_{suffix}.sto") for place in (tmp_path, reference)
        )
        assert (ours.head, ours.labels, ours.widths) == (theirs.head, theirs.labels, theirs.widths)
        np.testing.assert_allclose(ours.values[:, 0], theirs.values[:, 0], rtol=0, atol=GRID)
        np.testing.assert_allclose(ours.values, theirs.values, rtol=0, atol=allowed)
    assert solution.provenance["setup"]["unused"]["in_degrees"] == "true"
