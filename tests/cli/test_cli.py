"""The command line: what it prints and writes, and its exit codes (0 solved, 1 some frames failed, 2 wrong input)."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from conftest import Done

import osimopt
from osimopt.files.storage import read_table, write_table

COMMANDS = ("demo", "info", "table", "extract", "solve")
RESULT = {
    "activation.sto",
    "muscle_force.sto",
    "reserve_force.sto",
    "generalized_force.sto",
    "actuator_force.sto",
    "coordinates.sto",
    "speeds.sto",
    "status.csv",
    "solution.json",
}
PNG = b"\x89PNG\r\n\x1a\n"
#: Bytes; a figure with something drawn in it is larger, an empty canvas compresses to less.
DRAWN = 10_000


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def shell(*arguments: object) -> Done:
    """The command in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "osimopt", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={**os.environ, "COLUMNS": "200"},
    )
    return Done(done.returncode, done.stdout, done.stderr)


def files(folder: str | Path) -> set[str]:
    return {path.name for path in Path(folder).iterdir()}


def check_drawn(path: Path) -> None:
    content = path.read_bytes()
    assert content.startswith(PNG)
    assert len(content) > DRAWN


@pytest.fixture
def too_heavy(arm, tmp_path: Path) -> Path:
    """Elbow moments of which the last two cannot be reached."""
    table = pd.DataFrame(
        {"r_shoulder_elev_moment": 0.0, "r_elbow_flex_moment": [3.0, 3.0, 3.0, 3.0, 1000.0, 1000.0]},
        index=pd.Index([0.0, 0.01, 0.02, 0.03, 0.04, 0.05], name="time"),
    )
    return write_table(table, tmp_path / "moments.sto")


# ------------------------------------------------------------------------------------------------- help


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command(call, command: str) -> None:
    done = call(command, "--help")
    assert done.code == 0
    assert "Usage" in done.out
    assert "--help" in done.out
    assert done.err == ""


def test_help_of_solve_lists_muscles_among_the_options_of_every_method(call) -> None:
    before, found, _ = call("solve", "--help").out.partition("--muscles ")
    assert found
    assert "Options of --method" not in before


def test_help_lists_every_command(call) -> None:
    done = call("--help")
    assert done.code == 0
    assert all(command in done.out for command in COMMANDS)


def test_no_arguments_are_answered_with_the_help(call) -> None:
    done = call()
    assert all(command in done.out + done.err for command in COMMANDS)
    assert "Traceback" not in done.err


def test_version(call) -> None:
    done = call("--version")
    assert (done.code, done.out.strip()) == (0, osimopt.__version__)


@pytest.mark.parametrize("arguments", [["walk"], ["solve"], ["info", "a", "b"], ["demo", "--nonsense"]])
def test_wrong_usage_is_exit_2(call, arguments: list[str]) -> None:
    done = call(*arguments)
    assert done.code == 2
    assert "Usage" in done.err
    assert not files(".")


# ------------------------------------------------------------------------------------------------ errors


def test_wrong_file_is_one_line_and_exit_2(arm) -> None:
    done = shell("solve", arm.model, "nowhere.mot")
    assert done.code == 2
    assert done.out == ""
    assert done.err.strip().splitlines() == [
        "error: nowhere.mot: expected a .sto or .mot file, got no such file. Check the path."
    ]
    assert not files(".")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["info", "nowhere.osim"], "no such file"),
        (["table", "{model}", "elbow"], "'elbow'"),
        (["table", "{model}", "r_elbow_flex", "--values", "0,1,x"], "a number in --values, got 'x'"),
        (["table", "{model}", "r_elbow_flex", "--pose", "r_shoulder_elev"], "--pose name=number"),
        (["table", "{model}", "r_elbow_flex", "--pose", "hip=3"], "'hip'"),
        (["extract", "{model}", "{model}"], "endheader"),
        (["extract", "{model}", "{motion}", "--time-range", "7", "8"], "a time_range within 0 to 1.5 s"),
        (["extract", "{model}", "{motion}", "--lowpass-hz", "60"], "between 0 and 50 Hz"),
        (["extract", "{model}", "{motion}", "--lowpass-loads-hz", "6"], "external_loads with lowpass_loads_hz"),
        (
            ["extract", "{model}", "{motion}", "--lowpass-moments-hz", "six"],
            "a number in --lowpass-moments-hz or 'motion', got",
        ),
        (["extract", "{model}", "{motion}", "-l", "l.xml", "--lowpass-loads-hz", "motion"], "expected lowpass_hz with"),
        (["extract", "{model}", "{motion}", "--jobs", "0"], "expected jobs of at least 1"),
        (["extract", "{model}", "{motion}", "-l", "{model}"], "<ExternalLoads>"),
        (["solve", "{model}", "{motion}", "--cost", "sum"], "'sum'"),
        (["solve", "{model}", "{motion}", "-p", "0.5"], "exponent"),
        (["solve", "{model}", "{motion}", "--solver", "ipopt"], "'ipopt'"),
        (["solve", "{model}", "{motion}", "--reserves", "many"], "a number in --reserves, got 'many'"),
        (["solve", "{model}", "{motion}", "--reserves", "hip=1"], "got hip"),
        (["solve", "{model}", "{motion}", "--reserves", "r_elbow_flex=-1"], "positive"),
        (["solve", "{model}", "{motion}", "--weld", "hip"], "got hip"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_input_is_a_message_and_exit_2(call, arm, arguments: list[str], words: str) -> None:
    places = {"model": arm.model, "motion": arm.motion}
    done = call(*(argument.format(**places) for argument in arguments))
    assert done.code == 2
    assert done.err.startswith("error: ")
    assert words in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert not files(".")


def test_an_existing_folder_is_refused_before_any_work(call, arm, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.tex").touch()
    for command in (["solve", arm.model, "not_read.mot"], ["extract", arm.model, "not_read.mot"], ["demo"]):
        done = call(*command, "--out", "thesis")
        assert done.code == 2
        assert "new or empty folder" in done.err
        assert "--overwrite" in done.err
    assert files(".") == {"thesis"}


@pytest.mark.slow
def test_a_folder_that_cannot_be_made_is_no_traceback(arm, tmp_path: Path) -> None:
    (tmp_path / "a_file").touch()
    done = shell("extract", arm.model, arm.motion, "--time-range", 0, 0.05, "--out", "a_file/sub")
    assert done.code == 2
    assert "Traceback" not in done.err
    assert "a_file" in done.err


@pytest.mark.parametrize("command", [["info", "{model}"], ["table", "{model}", "r_elbow_flex", "--n", "2", "-o", "t"]])
@pytest.mark.slow
def test_a_reader_who_stops_is_no_failure(arm, tmp_path: Path, command: list[str]) -> None:
    arguments = [sys.executable, "-m", "osimopt", *(word.format(model=arm.model) for word in command)]
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(arguments, stdout=writing, stderr=subprocess.PIPE, check=False, timeout=300)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")
    assert files(".") == ({"t"} if "-o" in command else set()), "what was asked for is written all the same"


def test_warnings_are_lines_too(call, arm, tmp_path: Path) -> None:
    text = arm.motion.read_text()
    assert "nRows=151" in text
    (tmp_path / "motion.mot").write_text(text.replace("nRows=151", "nRows=5"))
    done = call("extract", arm.model, "motion.mot", "--time-range", 0, 0.05)
    assert done.code == 0
    assert "warning: " in done.err
    assert "declares 5 rows, the table holds 151" in done.err
    assert "UserWarning" not in done.err


# ---------------------------------------------------------------------------------------------- commands


@pytest.mark.slow
def test_demo(tmp_path: Path) -> None:
    done = shell("demo")
    assert done.code == 0, done.err
    folder = tmp_path / "osimopt_demo"
    figures = {"elbow_muscles.png", "elbow_sharing.png", "solution.png"}
    assert files(folder) == RESULT | figures | {"report.html", "reserves.xml"}
    for figure in figures:
        check_drawn(folder / figure)
    assert all(name in done.out for name in files(folder))
    assert "151 of 151 frames solved" in done.out
    assert "Traceback" not in done.err
    assert files(".") == {"osimopt_demo"}  # and no opensim.log
    again = shell("demo")
    assert again.code == 2
    assert "--overwrite" in again.err


def test_info(two_leg) -> None:
    done = shell("info", two_leg.model)
    assert done.code == 0
    assert "two_leg: 20 muscles, 18 coordinates (14 free)" in done.out
    lines = [line.split() for line in done.out.splitlines()]
    assert ["knee_beta_r", "patellofemoral_r", "coupled"] in [line[:3] for line in lines]
    assert ["mtp_angle_l", "mtp_l", "locked"] in [line[:3] for line in lines]
    assert ["soleus_r", "DeGrooteFregly2016Muscle", "5000.0", "60.0", "275.0", "25.0"] in lines
    assert ["thigh_torque", "TorqueActuator", "15", "-1", "1"] in lines
    assert ["ankle_spring", "SpringGeneralizedForce"] in lines


def test_table(call, arm, tmp_path: Path) -> None:
    options = ["--values", "0,45,90", "--pose", "r_shoulder_elev=20", "--out", "strength", "--figure"]
    done = call("table", arm.model, "r_elbow_flex", *options)
    assert done.code == 0, done.err
    expected = osimopt.muscle_table(arm.model, "r_elbow_flex", values=[0.0, 45.0, 90.0], pose={"r_shoulder_elev": 20.0})
    written = read_table("strength/max_force.mot")
    assert written["r_elbow_flex"].tolist() == [0.0, 45.0, 90.0]
    assert written["BRA"].to_numpy() == pytest.approx(expected["BRA", "max_force"].to_numpy(), rel=1e-12)
    check_drawn(tmp_path / "strength" / "table.png")
    (line,) = [line.split() for line in done.out.splitlines() if line.startswith("BRA ")]
    best = expected["BRA", "max_moment"].abs().idxmax()
    assert float(line[1]) == pytest.approx(expected.loc[best, ("BRA", "max_moment")], abs=0.005)
    assert float(line[2]) == best
    assert files(".") == {"strength"}


@pytest.mark.slow
def test_table_looks_at_its_folder_first(call, arm, tmp_path: Path) -> None:
    (tmp_path / "strength").mkdir()
    (tmp_path / "strength" / "notes.txt").touch()
    for overwrite, words in ([], "--overwrite"), (["--overwrite"], "an earlier result folder to overwrite"):
        done = call("table", "not_read.osim", "r_elbow_flex", "--out", "strength", *overwrite)
        assert done.code == 2
        assert words in done.err
    done = call("table", arm.model, "r_elbow_flex", "--n", 3, "--out", "mine")
    again = call("table", arm.model, "r_elbow_flex", "--n", 3, "--out", "mine", "--overwrite")
    assert (done.code, again.code) == (0, 0)


def test_table_about_a_coordinate_without_muscles(call, two_leg) -> None:
    done = call("table", two_leg.model, "pelvis_tx", "--values", "0,0.1")
    assert done.code == 0, done.err
    assert done.out.strip() == "No muscle acts on pelvis_tx: every moment arm is 0."


@pytest.mark.slow
def test_fit_geometry_never_overwrites_an_input_or_anything_else(call, arm, tmp_path: Path) -> None:
    shutil.copy(arm.model, tmp_path / "arm.osim")
    shutil.copy(arm.motion, tmp_path / "arm.mot")
    shutil.copy(arm.model, tmp_path / "other.osim")
    paths = '<OpenSimDocument Version="40600"><Set_FunctionBasedPath_/></OpenSimDocument>'
    (tmp_path / "paths.xml").write_text(paths)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    for out, words in [
        ("arm.osim", "one of the files to read"),
        ("./arm.mot", "one of the files to read"),
        ("other.osim", "FunctionBasedPathSet (.xml) to overwrite, got <Model>"),
        (".", "a folder"),
    ]:
        done = call("fit-geometry", "arm.osim", "--motion", "arm.mot", "--out", out, "--overwrite")
        assert done.code == 2
        assert words in done.err
    shutil.copy(arm.motion, tmp_path / "paths2.xml")
    done = call("fit-geometry", "arm.osim", "--out", "paths2.xml", "--overwrite")
    assert "not XML" in done.err
    (tmp_path / "paths2.xml").unlink()
    assert "--overwrite" in call("fit-geometry", "arm.osim", "--out", "paths.xml").err
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    done = call("fit-geometry", "arm.osim", "--out", "paths.xml", "--overwrite", "--postures", 256)
    assert done.code == 0, done.err
    assert "MultivariatePolynomialFunction" in (tmp_path / "paths.xml").read_text()


def test_table_prints_without_writing(call, arm) -> None:
    done = call("table", arm.model, "r_elbow_flex", "--n", 5)
    assert done.code == 0
    assert all(muscle in done.out for muscle in ("BIClong", "BICshort", "BRA", "TRIlat"))
    assert not files(".")


def test_extract(call, two_leg) -> None:
    done = call("extract", two_leg.model, two_leg.motion, "-l", two_leg.loads, "--time-range", 0.1, 0.15)
    assert done.code == 0, done.err
    assert "6 frames written" in done.out
    folder = Path("osimopt_arrays")
    assert "moment_arm.sto" in files(folder)
    moments = read_table(folder / "generalized_force.sto")
    problem = osimopt.load_problem(two_leg.model, two_leg.motion, two_leg.loads, time_range=(0.1, 0.15))
    assert list(moments) == list(problem.coordinates)
    assert moments.to_numpy() == pytest.approx(problem.generalized_force, rel=1e-9, abs=1e-9)


def test_extract_with_two_processes_is_the_same(call, arm) -> None:
    for jobs in (1, 2):
        assert call("extract", arm.model, arm.motion, "--jobs", jobs, "--out", f"jobs{jobs}").code == 0
    for name in ("moment_arm", "max_force", "generalized_force"):
        one, two = (Path(f"jobs{jobs}/{name}.sto").read_text() for jobs in (1, 2))
        assert one == two


def test_solve(call, arm, tmp_path: Path) -> None:
    options = ["--time-range", 0, 0.2, "--lowpass-hz", 6, "-p", 3, "--out", "out", "--figure"]
    done = call("solve", arm.model, arm.motion, *options)
    assert done.code == 0, done.err
    assert files("out") == RESULT | {"solution.png", "reserves.xml"}
    check_drawn(tmp_path / "out" / "solution.png")
    assert "21 of 21 frames solved" in done.out
    assert "BIClong" in done.out
    summary = json.loads(Path("out/solution.json").read_text())
    assert summary["cost"]["exponent"] == 3.0
    assert summary["options"]["lowpass_hz"] == 6.0
    assert summary["status"] == {"solved": 21}
    names = ["frames solved", "agreement with a second computation", "largest reserve"]
    assert re.findall(r"^passes +([\w ]+):", done.out, re.MULTILINE) == names
    assert [check["name"] for check in summary["checks"]] == names
    assert "limit ≤ 5 % of its peak moment (osimopt's rule" in done.out


@pytest.mark.slow
def test_failed_checks_are_counted(call, two_leg) -> None:
    """The two-leg model without its ground reactions: its pelvis is held by residuals of a body weight."""
    options = ["--time-range", 0.6, 0.62, "--reserves", "knee_angle_r=500", "-o", "out"]
    done = call("solve", two_leg.model, two_leg.motion, *options)
    assert done.code == 0, done.err
    summary = json.loads(Path("out/solution.json").read_text())
    failed = [check["name"] for check in summary["checks"] if check["passes"] is False]
    assert "residual force" in failed
    assert f"Checks ({len(failed)} of {len(summary['checks'])} fail)" in done.out
    assert "not known  loads cover: no ground reactions were given" in done.out
    assert "limit ≤ 25 N (OpenSim's simulation checklist; Hicks et al. (2015)" in done.out
    told = {check["name"]: check["found"] for check in summary["checks"]}
    assert all(f"{name}: {text}" in done.out for name, text in told.items()), "the screen and the file agree"


@pytest.mark.parametrize(
    ("reserves", "names"),
    [
        ("none", []),
        ("2.5", ["reserve_r_shoulder_elev", "reserve_r_elbow_flex"]),
        ("r_elbow_flex=3", ["reserve_r_elbow_flex"]),
        ("r_shoulder_elev=1, r_elbow_flex=3", ["reserve_r_shoulder_elev", "reserve_r_elbow_flex"]),
    ],
)
def test_solve_with_reserves(call, arm, reserves: str, names: list[str]) -> None:
    done = call("solve", arm.model, arm.motion, "--time-range", 0, 0.05, "--reserves", reserves, "-o", "out")
    assert done.code in (0, 1)
    assert list(read_table("out/reserve_force.sto")) == names


def test_frames_out_of_reach_are_exit_1_with_files(call, arm, too_heavy: Path) -> None:
    options = ["-g", too_heavy, "--time-range", 0, 0.05, "--reserves", "none", "--out", "out"]
    done = call("solve", arm.model, arm.motion, *options)
    assert done.code == 1
    assert files("out") == RESULT, "no figure was asked for"
    assert "4 of 6 frames solved" in done.out
    assert "2 of 6 frames infeasible" in " ".join(done.err.split())
    forces = read_table("out/muscle_force.sto")
    assert forces.iloc[4:].isna().all(axis=None)
    assert forces.iloc[:4].notna().all(axis=None)


def test_a_figure_that_fails_loses_nothing(call, arm, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object, path: Path) -> None:
        path.write_bytes(PNG)
        raise RuntimeError("no font")

    monkeypatch.setattr("osimopt.report.figures.draw_solution", fail)
    done = call("solve", arm.model, arm.motion, "--time-range", 0, 0.05, "--figure", "--out", "out")
    assert done.code == 0
    assert "6 of 6 frames solved" in done.out
    assert files("out") == RESULT | {"reserves.xml"}, "and no part of a figure"
    assert "solution.png could not be drawn (RuntimeError: no font). The results are complete in" in done.err
    assert call("table", arm.model, "r_elbow_flex", "--figure").code == 2, "without a folder for it"


def test_a_result_is_replaced_when_asked(call, arm) -> None:
    for frames, overwrite in ((0.05, []), (0.1, ["--overwrite"])):
        done = call("solve", arm.model, arm.motion, "--time-range", 0, frames, "--out", "out", *overwrite)
        assert done.code == 0, done.err
    assert json.loads(Path("out/solution.json").read_text())["frames"] == 11


# ------------------------------------------------------------------------------------------------ parts


@pytest.mark.parametrize("method", ["static", pytest.param("dynamic", marks=pytest.mark.slow)])
def test_a_part_of_the_body_is_solved(call, arm, method: str) -> None:
    times = ("--time-range", 0.2, 0.4)
    part = (*times, "--coordinates", "r_elbow_*", "--muscles", "BIC*", "--muscles", "BRA")
    more = ("--tendon", "rigid", "--mesh-interval", "0.05") if method == "dynamic" else ()
    done = call("solve", arm.model, arm.motion, *part, "--method", method, *more, "-o", method)
    assert done.code == 0, done.err
    assert list(read_table(f"{method}/muscle_force.sto").columns) == ["BIClong", "BICshort", "BRA"]
    assert list(read_table(f"{method}/generalized_force.sto").columns) == ["r_elbow_flex"]
    assert "Added: reserve_r_elbow_flex (1)\n" in done.out
    written = json.loads(Path(method, "solution.json").read_text())
    assert any("1 of 2 coordinates are balanced, by 3 of 6 muscles." in line for line in written["findings"])
    assert written["part"]["coordinates"] == ["r_shoulder_elev"]
    assert written["options"]["muscles"] == ["BIC*", "BRA"]


def test_a_part_of_the_body_is_extracted_and_tabulated(call, arm) -> None:
    part = ("--time-range", 0.2, 0.3, "--coordinates", "right", "--muscles", "TRI*")
    done = call("extract", arm.model, arm.motion, *part)
    assert done.code == 0, done.err
    assert list(read_table("osimopt_arrays/max_force.sto").columns) == ["TRIlong", "TRIlat", "TRImed"]
    assert "2 of 2 coordinates are balanced, by 3 of 6 muscles." in " ".join((done.out + done.err).split())
    done = call("table", arm.model, "r_elbow_flex", "--muscles", "BIC*")
    assert "BIClong" in done.out
    assert "TRIlong" not in done.out


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--coordinates", "elbow"], "expected coordinates among r_shoulder_elev, r_elbow_flex, got elbow."),
        (["--muscles", "left"], "expected muscles of the left side, such as x_l or left_x, got none among TRIlong"),
        (["--left-out", "drop"], "expected left_out among ignore, residuals, got 'drop'"),
    ],
)
def test_wrong_parts_are_exit_2(call, arm, flags: list[str], words: str) -> None:
    done = call("solve", arm.model, arm.motion, "--time-range", 0.2, 0.3, *flags)
    assert done.code == 2
    assert words in " ".join(done.err.split())
