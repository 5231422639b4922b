"""Setup files of OpenSim's AnalyzeTool: what is read from them, and what is refused in words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from osimopt.adapters.setup import Setup, read_setup
from osimopt.errors import ConfigError, InputError
from osimopt.pipeline.opensim_tool import choose_rows

OPTIMIZATION = "<StaticOptimization name='StaticOptimization'>{}</StaticOptimization>"


def document(tool: str = "", analysis: str = "", *, analyses: str = OPTIMIZATION, defaults: str = "") -> str:
    """A setup file with the usual files, unless ``tool`` names others before them."""
    usual = "<model_file>model.osim</model_file><coordinates_file>motion.mot</coordinates_file>"
    objects = f"<AnalysisSet name='Analyses'><objects>{analyses.replace('{}', analysis)}</objects></AnalysisSet>"
    head = f"<OpenSimDocument Version='40000'><defaults>{defaults}</defaults>"
    return f"{head}<AnalyzeTool name='trial'>{tool}{usual}{objects}</AnalyzeTool></OpenSimDocument>"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sub").mkdir()
    for name in ("model.osim", "motion.mot", "states.sto", "speeds.sto", "loads.xml", "sub/a.xml", "b.xml"):
        (tmp_path / name).write_text("")
    return tmp_path


def read(folder: Path, text: str) -> Setup:
    path = folder / "setup.xml"
    path.write_text(text)
    return read_setup(path)


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as refused:
        read(folder, text)
    return str(refused.value)


def test_defaults_are_those_of_opensim(folder: Path) -> None:
    setup = read(folder, document())
    assert (setup.name, setup.analysis) == ("trial", "StaticOptimization")
    assert (setup.model, setup.motion) == (folder / "model.osim", folder / "motion.mot")
    assert (setup.start, setup.end, setup.step_interval) == (0.0, 1.0, 1)
    assert (setup.exponent, setup.muscle_physiology, setup.precision) == (2.0, True, 8)
    assert setup.lowpass_hz is None
    assert setup.speeds is None
    assert setup.external_loads is None
    assert setup.force_sets == ()
    assert not setup.replace_force_set
    assert setup.results == folder
    assert setup.skipped == ()


def test_everything_is_read(folder: Path) -> None:
    tool = (
        "<replace_force_set> true </replace_force_set><force_set_files>sub\\a.xml b.xml</force_set_files>"
        "<results_directory> ../out </results_directory><output_precision>12</output_precision>"
        "<initial_time>0.5</initial_time><final_time>0.75</final_time><speeds_file>speeds.sto</speeds_file>"
        "<external_loads_file> loads.xml</external_loads_file><states_file>Unassigned</states_file>"
        "<lowpass_cutoff_frequency_for_coordinates>6</lowpass_cutoff_frequency_for_coordinates>"
    )
    analysis = (
        "<step_interval>3</step_interval><activation_exponent>2.5</activation_exponent>"
        "<use_muscle_physiology>false</use_muscle_physiology><in_degrees>true</in_degrees>"
        "<optimizer_max_iterations>50</optimizer_max_iterations>"
    )
    setup = read(folder, document(tool, analysis))
    assert setup.force_sets == (folder / "sub/a.xml", folder / "b.xml")
    assert setup.replace_force_set
    assert setup.results == folder.parent / "out"
    assert (setup.precision, setup.start, setup.end, setup.lowpass_hz) == (12, 0.5, 0.75, 6.0)
    assert (setup.speeds, setup.external_loads) == (folder / "speeds.sto", folder / "loads.xml")
    assert (setup.step_interval, setup.exponent, setup.muscle_physiology) == (3, 2.5, False)
    assert setup.unused == {"in_degrees": "true", "optimizer_max_iterations": "50"}


def test_defaults_block(folder: Path) -> None:
    """An object's own element comes before that of its class in the block, here and in a file without a document."""
    block = (
        "<AnalyzeTool name='default'><output_precision>5</output_precision><final_time>9</final_time></AnalyzeTool>"
        "<StaticOptimization name='default'><activation_exponent>4</activation_exponent></StaticOptimization>"
    )
    new = document("<final_time>2</final_time>", defaults=block)
    bare = new[new.index("<AnalyzeTool name='trial'>") :].removesuffix("</OpenSimDocument>")
    old = bare.replace("name='trial'>", f"name='trial'><defaults>{block}</defaults>", 1)
    for text in (new, old):
        setup = read(folder, text)
        assert (setup.precision, setup.end, setup.exponent) == (5, 2.0, 4.0)


def test_names_of_older_versions(folder: Path) -> None:
    tool = "<replace_actuator_set>true</replace_actuator_set><actuator_set_files>b.xml</actuator_set_files>"
    setup = read(folder, document(tool))
    assert setup.replace_force_set
    assert setup.force_sets == (folder / "b.xml",)
    assert "use_model_force_set" in refusal(folder, document("", "<use_model_actuator_set>0</use_model_actuator_set>"))


def test_a_name_with_spaces(folder: Path) -> None:
    (folder / "my reserves.xml").write_text("")
    setup = read(folder, document("<force_set_files>my reserves.xml</force_set_files>"))
    assert setup.force_sets == (folder / "my reserves.xml",)


def test_states_come_before_coordinates(folder: Path) -> None:
    tool = "<states_file>states.sto</states_file><speeds_file>gone.sto</speeds_file>"
    filtered = "<lowpass_cutoff_frequency_for_coordinates>6</lowpass_cutoff_frequency_for_coordinates>"
    setup = read(folder, document(tool + filtered))
    assert setup.motion == setup.speeds == folder / "states.sto"
    assert setup.lowpass_hz is None
    skipped = " ".join(setup.skipped)
    assert "coordinates_file" in skipped
    assert "speeds_file" in skipped
    assert "low-pass" in skipped


def test_skipped_parts_are_recorded(folder: Path) -> None:
    tool = "<ControllerSet><objects><ControlSetController/></objects></ControllerSet>"
    setup = read(folder, document(tool, analyses="<Kinematics name='k'/>" + OPTIMIZATION))
    assert "Kinematics 'k'" in setup.skipped[0]
    assert "Controllers" in setup.skipped[1]


@pytest.mark.parametrize(
    "tag", ["model_file", "coordinates_file", "states_file", "external_loads_file", "speeds_file", "force_set_files"]
)
def test_a_missing_file(folder: Path, tag: str) -> None:
    text = refusal(folder, document(f"<{tag}>sub/gone.file</{tag}>"))
    assert f"<{tag}>" in text
    assert str(folder / "sub" / "gone.file") in text


@pytest.mark.parametrize(
    ("tag", "value", "expected"),
    [
        ("initial_time", "0,5", "a number"),
        ("output_precision", "0", "at least 1"),
        ("output_precision", "eight", "a number"),
        ("output_precision", "nan", "a number"),
        ("output_precision", "inf", "a whole number"),
        ("output_precision", "7.5", "a whole number"),
        ("initial_time", "nan", "a number"),
        ("final_time", "NaN", "a number"),
        ("lowpass_cutoff_frequency_for_coordinates", "nan", "a number"),
        ("lowpass_cutoff_frequency_for_coordinates", "inf", "a finite number"),
        ("replace_force_set", "yes", "true or false"),
    ],
)
def test_a_wrong_value(folder: Path, tag: str, value: str, expected: str) -> None:
    text = refusal(folder, document(f"<{tag}>{value}</{tag}>"))
    assert f"<{tag}>" in text
    assert f"'{value}'" in text
    assert expected in text


@pytest.mark.parametrize("value", ["0", "1.5", "-1", "inf", "-inf"])
def test_a_wrong_step(folder: Path, value: str) -> None:
    assert "at least 1" in refusal(folder, document("", f"<step_interval>{value}</step_interval>"))


@pytest.mark.parametrize("tag", ["step_interval", "activation_exponent"])
def test_no_number_in_the_analysis(folder: Path, tag: str) -> None:
    assert "a number" in refusal(folder, document("", f"<{tag}>nan</{tag}>"))


@pytest.mark.parametrize(
    ("analyses", "got"),
    [
        ("", "no analysis"),
        ("<MuscleAnalysis name='m'/>", "MuscleAnalysis 'm'"),
        (OPTIMIZATION * 2, "got 2"),
        ("<StaticOptimization name='s'><on>false</on></StaticOptimization>", "switched off"),
    ],
)
def test_an_analysis_that_is_not_one_static_optimization(folder: Path, analyses: str, got: str) -> None:
    text = refusal(folder, document(analyses=analyses))
    assert "one StaticOptimization" in text
    assert got in text


@pytest.mark.parametrize("tool", ["CMCTool", "InverseDynamicsTool"])
def test_another_tool(folder: Path, tool: str) -> None:
    assert f"got <{tool}>" in refusal(folder, document().replace("AnalyzeTool", tool))
    assert f"got <{tool}>" in refusal(folder, f"<{tool}/>")


def test_no_model_no_motion_no_forces(folder: Path) -> None:
    assert "<model_file>" in refusal(folder, document("<model_file/>"))
    assert "<states_file>" in refusal(folder, document("<coordinates_file>Unassigned</coordinates_file>"))
    text = refusal(folder, document("", "<use_model_force_set>false</use_model_force_set>"))
    assert "InverseDynamicsTool" in text


def test_no_setup_file(folder: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_setup(folder / "gone.xml")
    with pytest.raises(InputError, match="not XML"):
        read(folder, "coordinates\nendheader")


def setup_of(folder: Path, start: float, end: float, interval: int, cutoff: float) -> Setup:
    times = f"<initial_time>{start!r}</initial_time><final_time>{end!r}</final_time>"
    lowpass = f"<lowpass_cutoff_frequency_for_coordinates>{cutoff}</lowpass_cutoff_frequency_for_coordinates>"
    return read(folder, document(times + lowpass, f"<step_interval>{interval}</step_interval>"))


@given(
    start=st.floats(0.0, 2.0),
    length=st.floats(0.0, 2.0),
    interval=st.integers(1, 7),
    cutoff=st.sampled_from([-1.0, 6.0]),
    count=st.integers(6, 40),
)
def test_rows_are_those_of_opensim(
    tmp_path_factory: pytest.TempPathFactory, start: float, length: float, interval: int, cutoff: float, count: int
) -> None:
    """OpenSim's loops, told as they are: findIndex, then begin, step and end."""
    folder = tmp_path_factory.mktemp("rows")
    for name in ("model.osim", "motion.mot"):
        (folder / name).write_text("")
    time = 2.5 * np.arange(count) / (count - 1)
    setup = setup_of(folder, start, start + length, interval, cutoff)

    def find_index(wanted: float) -> int:
        return max([index for index in range(count) if time[index] <= wanted], default=0)

    first, last = find_index(start), find_index(start + length)
    padding = count // 2 if cutoff > 0 else 0
    expected = [i for i in range(first, last + 1) if i in (first, last) or (i + padding) % interval == 0]
    assert choose_rows(setup, time, setup.step_interval).tolist() == expected


def test_times_outside_the_motion(folder: Path) -> None:
    time = np.linspace(0.0, 1.0, 11)
    for start, end in ((1.5, 2.0), (-2.0, -1.0), (0.8, 0.2)):
        with pytest.raises(ConfigError, match="times within the motion's 0 to 1 s"):
            choose_rows(setup_of(folder, start, end, 1, -1.0), time, 1)
    assert len(choose_rows(setup_of(folder, -1.0, 9.0, 1, -1.0), time, 1)) == 11
    assert len(choose_rows(setup_of(folder, float("-inf"), float("inf"), 1, -1.0), time, 1)) == 11


REACTION = "<JointReaction name='Loads'><forces_file>{}</forces_file>{}</JointReaction>"


def test_joint_reactions_alone(folder: Path) -> None:
    (folder / "forces.sto").write_text("")
    more = (
        "<joint_names> knee hip </joint_names><apply_on_bodies>Parent child</apply_on_bodies>"
        "<express_in_frame>Child /bodyset/pelvis</express_in_frame><step_interval>4</step_interval>"
        "<start_time>0.3</start_time>"
    )
    two = REACTION.format("forces.sto", more) + REACTION.format("forces.sto", "").replace("Loads", "All")
    setup = read(folder, document(analyses=two))
    assert setup.analysis is None
    one, other = setup.reactions
    assert (one.name, one.joints, one.step_interval) == ("Loads", ("knee", "hip"), 4)
    assert (one.on, one.frames, one.forces) == (
        ("parent", "child"),
        ("child", "/bodyset/pelvis"),
        folder / "forces.sto",
    )
    assert [one.on_of(number) for number in (0, 1)] == ["parent", "child"]
    assert (other.joints, other.on, other.frames) == (None, ("child",), ("ground",))
    assert [other.frame_of(number) for number in (0, 3)] == ["ground", "ground"]


@pytest.mark.parametrize("name", ["", "Unassigned", "trial_StaticOptimization_force.sto"])
def test_joint_reactions_of_the_forces_that_are_solved_for(folder: Path, name: str) -> None:
    setup = read(folder, document(analyses=OPTIMIZATION.format("") + REACTION.format(name, "")))
    assert setup.analysis == "StaticOptimization"
    assert [one.forces for one in setup.reactions] == [None]


@pytest.mark.parametrize(
    ("forces", "more", "says"),
    [
        ("", "", "<forces_file>: expected a file of forces, got ''. Name the _force.sto"),
        ("none.sto", "", "<forces_file>: expected the name of a file, got 'none.sto'"),
        ("f.sto", "<apply_on_bodies>femur</apply_on_bodies>", "expected child or parent, got 'femur'"),
        (
            "f.sto", "<joint_names>a b c</joint_names><apply_on_bodies>child parent</apply_on_bodies>",
            "<apply_on_bodies>: expected 1 or 3 entries, got 2: child parent",
        ),
        (
            "f.sto", "<joint_names>a b</joint_names><express_in_frame>child child child</express_in_frame>",
            "<express_in_frame>: expected 1 or 2 entries, got 3: child child child",
        ),
        ("f.sto", "<on>false</on>", "or JointReactions with a <forces_file>, got all switched off"),
        ("f.sto", "<step_interval>0</step_interval>", "expected a whole number of at least 1"),
    ],
)  # fmt: skip
def test_joint_reactions_that_cannot_be(folder: Path, forces: str, more: str, says: str) -> None:
    (folder / "f.sto").write_text("")
    assert says in refusal(folder, document(analyses=REACTION.format(forces, more)))


def test_two_joint_reactions_of_one_name(folder: Path) -> None:
    (folder / "f.sto").write_text("")
    text = refusal(folder, document(analyses=2 * REACTION.format("f.sto", "")))
    assert "expected JointReactions of different names, got two of Loads" in text
