"""``osimopt solve --method dynamic``: what it prints, writes and refuses, and how it is stopped."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from test_cli import DRAWN, PNG, RESULT, Done, files
from typer.main import get_command

import osimopt
from osimopt.cli import app, dynamic, main
from osimopt.cli.words import in_options
from osimopt.tables import read_table, write_table

EXCITATION, FIBERS = {"excitation.sto"}, {"fiber_length.sto", "fiber_velocity.sto"}
SHORT = ("--time-range", 0.2, 0.5)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def solve(arm, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]):
    """``osimopt solve`` on the arm's flexion, by default dynamically."""

    def _solve(*options: object, method: str = "dynamic", motion: Path | str = arm.motion) -> Done:
        command = ["osimopt", "solve", arm.model, motion, "--method", method, *options]
        monkeypatch.setattr(sys, "argv", [str(word) for word in command])
        with pytest.raises(SystemExit) as exited:
            main()
        code = exited.value.code
        assert code is None or isinstance(code, int)
        return Done(code or 0, *capfd.readouterr())

    return _solve


def summary(folder: str = "out") -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(Path(folder, "solution.json").read_text(encoding="utf-8"))
    return loaded


def test_defaults(solve) -> None:
    done = solve(*SHORT, "--out", "out")
    assert done.code == 0, done.err
    assert files("out") == RESULT | EXCITATION | FIBERS | {"solution.png"}
    content = Path("out/solution.png").read_bytes()
    assert content.startswith(PNG)
    assert len(content) > DRAWN
    written = summary()
    assert (written["method"], written["solver"]["tendon"]) == ("dynamic", "compliant")
    assert written["cost"]["name"] == "excitation_power"
    assert written["mesh"]["transcription"] == "hermite-simpson"
    assert len(written["mesh"]["edges"]) == 16, "0.3 s in intervals of 0.02 s"
    assert set(written["objective"]) == {"muscles", "reserves", "derivative_penalty", "total"}
    points = written["rounds"][-1]["points"]
    assert written["frames"] == points
    assert f"{points} of {points} frames solved, cost ∫ Σ e² dt, solver ipopt" in done.out
    assert re.search(r"^Objective [\d.e-]+: muscles [\d.e-]+, reserves [\d.e-]+, derivative penalty", done.out, re.M)
    assert re.search(r"^Mesh: 15 intervals, hermite-simpson, 31 points; \d+ iterations", done.out, re.M)
    assert re.search(r"^Forward integration .* activations within [\d.e-]+", done.out, re.M)
    assert "BIClong" in done.out
    for finding in written["findings"]:
        assert in_options(finding) in done.err


def test_every_option_arrives(solve) -> None:
    options = (
        *("--tendon", "rigid", "--cost", "activation_power", "-p", 3, "--mesh-interval", 0.05, "--solver", "ipopt"),
        *("--transcription", "legendre-gauss-radau-2", "--active-width", 1.5, "--no-passive-fiber-force"),
        *("--initial-guess", "midpoint", "--periodic", "--weights", "volume", "--reserves", 5),
    )
    done = solve(*SHORT, *options, "--out", "out")
    assert done.code == 0, done.err
    written = summary()
    assert written["solver"]["tendon"] == "rigid"
    assert (written["cost"]["name"], written["cost"]["exponent"]) == ("activation_power", 3.0)
    assert written["mesh"]["transcription"] == "legendre-gauss-radau-2"
    assert written["mesh"]["interval"] == 0.05
    assert written["muscles"] == {"active_force_width_scale": 1.5, "ignore_passive_fiber_force": True}
    assert written["options"]["reserves"] == 5.0
    activation = read_table("out/activation.sto")
    assert activation.iloc[-1].to_numpy() == pytest.approx(activation.iloc[0].to_numpy(), abs=1e-6)


def test_the_mesh_is_refined_when_asked(solve) -> None:
    done = solve(*SHORT, "--mesh-interval", 0.1, "--mesh-tolerance", 1e-4, "--derivative-penalty", 0.1, "-o", "out")
    assert done.code == 0, done.err
    counts = [one["intervals"] for one in summary()["rounds"]]
    assert len(counts) > 1
    assert f"Mesh: {' → '.join(map(str, counts))} intervals" in done.out


def test_the_cache_is_that_of_load_problem(solve, arm, tmp_path: Path) -> None:
    osimopt.load_problem(arm.model, arm.motion, time_range=(0.2, 0.5), cache=tmp_path / "cache")
    before = files("cache")
    done = solve(*SHORT, "--cache", "cache", "--out", "out")
    assert done.code == 0, done.err
    assert files("cache") == before


def test_the_readme_command_exists() -> None:
    readme = (Path(__file__).resolve().parent.parent / "README.md").read_text(encoding="utf-8")
    section = readme.split("## Dynamic optimization\n")[1].split("\n## ")[0]
    (command,) = re.findall(r"^osimopt solve .*$", section, re.MULTILINE)
    known = {name for parameter in get_command(app).commands["solve"].params for name in parameter.opts}
    assert set(re.findall(r"--[a-z-]+", command)) <= known


# ----------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("method", "options", "words"),
    [
        ("dynamic", ["--device", "cuda"], "no --device with --method dynamic, got cuda"),
        ("static", ["--mesh-interval", 0.02], "no --mesh-interval with --method static, got 0.02"),
        ("static", ["--transcription", "trapezoidal"], "no --transcription with --method static"),
        ("static", ["--mesh-tolerance", 1e-3], "no --mesh-tolerance with --method static"),
        ("static", ["--initial-guess", "static"], "no --initial-guess with --method static"),
        ("static", ["--derivative-penalty", 0], "no --derivative-penalty with --method static, got 0.0"),
        ("static", ["--periodic"], "no --periodic with --method static"),
        ("static", ["--active-width", 1.5], "no --active-width with --method static"),
        ("static", ["--no-passive-fiber-force"], "no --no-passive-fiber-force with --method static"),
        ("static", ["--cost", "excitation_power"], "--method dynamic"),
        ("dynamic", ["--cost", "sum"], "excitation_power"),
        ("dynamic", ["-p", 0.5], "exponent"),
        ("dynamic", ["--transcription", "euler"], "'euler'"),
        ("dynamic", ["--passive-force"], "own muscles with --tendon compliant, got --passive-force"),
        ("dynamic", ["--gain", "isometric"], "got --gain isometric"),
        ("dynamic", ["--gain", "corrected", "--tendon", "rigid", "--active-width", 1.5], "with --active-width or"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, list) else "",
)
def test_refused_before_anything_is_read(solve, method: str, options: list[object], words: str) -> None:
    done = solve(*options, method=method, motion="not_read.mot")
    assert done.code == 2
    assert done.err.startswith("error: expected ")
    assert words in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert not files(".")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--solver", "newton"], "'newton'"),
        (["--tendon", "elastic"], "'elastic'"),
        (["--initial-guess", "nothing"], "--initial-guess 'static' or 'midpoint', got 'nothing'"),
        (["--mesh-interval", 9], "--mesh-interval up to the motion's 0.3 s, got 9 s"),
        (["--mesh-interval", -1], "a positive --mesh-interval"),
        (["--active-width", 0.1], "--active-width: expected a number ≥ 1"),
        (["--derivative-penalty", -1], "a --derivative-penalty ≥ 0"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, list) else "",
)
def test_wrong_values_are_exit_2(solve, options: list[object], words: str) -> None:
    done = solve(*SHORT, *options)
    assert done.code == 2
    assert words in done.err
    assert not files(".")


def test_an_existing_folder_is_refused_first(solve, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.tex").touch()
    done = solve("--out", "thesis", "--time-range", 7, 8)
    assert done.code == 2
    assert "new or empty folder" in done.err


# ----------------------------------------------------------------------------------- failures and Ctrl-C


def test_a_failure_is_exit_1_and_writes_nothing(solve, tmp_path: Path) -> None:
    moments = pd.DataFrame(
        {"r_shoulder_elev_moment": 0.0, "r_elbow_flex_moment": [3.0, 3.0, 3.0, 1000.0, 3.0, 3.0]},
        index=pd.Index([0.2, 0.21, 0.22, 0.23, 0.24, 0.25], name="time"),
    )
    moments = write_table(moments, tmp_path / "moments.sto")
    options = ("-g", moments, "--time-range", 0.2, 0.25, "--reserves", "none", "--tendon", "rigid")
    done = solve(*options, "--out", "out")
    assert done.code == 1
    assert done.out == ""
    last = done.err.splitlines()[-1]
    assert last.startswith("error: ")
    assert last.endswith("Nothing was written.")
    assert "r_elbow_flex" in last
    assert files(".") == {"moments.sto"}


def test_ctrl_c_ends_after_the_iteration(solve, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if it were pressed when the first iterations are shown; the fine mesh takes longer than they do."""
    told: list[int] = []

    @contextmanager
    def impatient() -> Iterator[Any]:
        def moved(iteration: int, objective: float, violation: float) -> None:
            told.append(iteration)
            if len(told) == 1:
                raise KeyboardInterrupt

        yield moved

    monkeypatch.setattr(dynamic, "iterations", impatient)
    done = solve("--mesh-interval", 0.003, "--out", "out")
    assert done.code == 1
    assert re.search(r"^error: Stopped by the user after \d+ iterations.* Nothing was written\.$", done.err, re.M)
    assert not files(".")


def test_progress_is_a_line_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    from io import StringIO

    from rich.console import Console

    for terminal in (True, False):
        shown = StringIO()
        monkeypatch.setattr(dynamic, "messages", Console(file=shown, force_terminal=terminal, width=120))
        with dynamic.iterations() as moved:
            moved(7, 1.25, 3e-4)
        expected = "iteration 7, objective 1.25, equations missed by 3.0e-04"
        assert (expected in shown.getvalue()) == terminal
