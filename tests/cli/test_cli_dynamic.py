"""``osimopt solve --method dynamic``: what it prints, writes and refuses, and how it is stopped."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, Done
from test_cli import DRAWN, PNG, RESULT, files
from typer.main import get_command

import osimopt
from osimopt import SolverError
from osimopt.cli import make_app, terminal
from osimopt.files.storage import read_table, write_table

EXCITATION, FIBERS = {"excitation.sto"}, {"normalized_fiber_length.sto", "normalized_fiber_velocity.sto"}
SHORT = ("--time-range", 0.2, 0.5)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def solve(arm, call):
    """``osimopt solve`` on the arm's flexion, by default dynamically."""

    def _solve(*options: object, method: str = "dynamic", motion: Path | str = arm.motion) -> Done:
        done: Done = call("solve", arm.model, motion, "--method", method, *options)
        return done

    return _solve


def summary(folder: str = "out") -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(Path(folder, "solution.json").read_text(encoding="utf-8"))
    return loaded


@pytest.mark.slow
def test_defaults(solve) -> None:
    done = solve(*SHORT, "--figure", "--out", "out")
    assert done.code == 0, done.err
    assert files("out") == RESULT | EXCITATION | FIBERS | {"solution.png", "reserves.xml"}
    content = Path("out/solution.png").read_bytes()
    assert content.startswith(PNG)
    assert len(content) > DRAWN
    written = summary()
    assert (written["method"], written["solver"]["tendon"]) == ("dynamic", "compliant")
    assert written["cost"]["name"] == "excitation_power"
    assert written["mesh"]["transcription"] == "hermite-simpson"
    assert written["mesh"]["edges"] == {"first": 0.2, "last": 0.5, "count": 16}, "0.3 s in intervals of 0.02 s"
    assert set(written["objective"]) == {"muscles", "reserves", "derivative_penalty", "start", "total", "penalty"}
    points = written["rounds"][-1]["points"]
    assert written["frames"] == points
    assert f"{points} of {points} frames solved, cost ∫ Σ e² dt, solver ipopt" in done.out
    assert re.search(r"^Objective [\d.e-]+: muscles [\d.e-]+, reserves [\d.e-]+, derivative penalty", done.out, re.M)
    assert re.search(r"^Mesh: 15 intervals, hermite-simpson, 31 points; \d+ iterations", done.out, re.M)
    assert re.search(r"^Forward integration .* activations within [\d.e-]+", done.out, re.M)
    assert "BIClong" in done.out
    for finding in written["findings"]:
        assert finding in done.err


def test_every_option_arrives(solve, monkeypatch: pytest.MonkeyPatch) -> None:
    options = (
        *("--tendon", "rigid", "--cost", "activation_power", "-p", 3, "--mesh-interval", 0.05, "--solver", "ipopt"),
        *("--transcription", "legendre-gauss-radau-2", "--active-width", 1.5, "--no-passive-fiber-force"),
        *("--initial-guess", "midpoint", "--periodic", "--weights", "volume", "--reserves", 5),
        *("--time-constants", 0.02, 0.05, "--max-iterations", 300, "--max-refinements", 0, "--mesh-tolerance", 1e-5),
    )
    asked: list[dict[str, Any]] = []
    solve_dynamic = osimopt.solve_dynamic

    def listening(problem: Any, **given: Any) -> Any:
        asked.append(given)
        return solve_dynamic(problem, **given)

    monkeypatch.setattr("osimopt.dynamic.solve.solve_dynamic", listening)
    done = solve(*SHORT, *options, "--out", "out")
    assert done.code == 0, done.err
    assert re.search(r"^warning: The motion does not end .* r_elbow_flex by \d+%.*leave periodic= out", done.err, re.M)
    assert re.search(r"^warning: mesh_tolerance 1e-05 was not reached after 0 .* Raise max_refi", done.err, re.M)
    (given,) = asked
    assert (given["time_constants"], given["max_iterations"], given["max_refinements"]) == ((0.02, 0.05), 300, 0)
    written = summary()
    assert written["solver"]["tendon"] == "rigid"
    assert (written["cost"]["name"], written["cost"]["exponent"]) == ("activation_power", 3.0)
    assert written["mesh"]["transcription"] == "legendre-gauss-radau-2"
    assert written["mesh"]["interval"] == 0.05
    assert written["muscles"] == {"active_force_width_scale": 1.5, "ignore_passive_fiber_force": True}
    assert written["options"]["reserves"] == 5.0
    activation = read_table("out/activation.sto")
    assert activation.iloc[-1].to_numpy() == pytest.approx(activation.iloc[0].to_numpy(), abs=1e-6)


@pytest.mark.slow
def test_the_mesh_is_refined_when_asked(solve) -> None:
    done = solve(*SHORT, "--mesh-interval", 0.1, "--mesh-tolerance", 1e-4, "--derivative-penalty", 0.1, "-o", "out")
    assert done.code == 0, done.err
    counts = [one["intervals"] for one in summary()["rounds"]]
    assert len(counts) > 1
    assert f"Mesh: {' → '.join(map(str, counts))} intervals" in done.out


@pytest.mark.slow
def test_the_cache_is_that_of_load_problem(solve, arm, tmp_path: Path) -> None:
    osimopt.load_problem(arm.model, arm.motion, time_range=(0.2, 0.5), cache=tmp_path / "cache")
    before = files("cache")
    done = solve(*SHORT, "--cache", "cache", "--out", "out")
    assert done.code == 0, done.err
    assert files("cache") == before


def test_the_readme_command_exists() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = readme.split("## Dynamic optimization\n")[1].split("\n## ")[0]
    (command,) = re.findall(r"^osimopt solve .*$", section, re.MULTILINE)
    known = {name for parameter in get_command(make_app()).commands["solve"].params for name in parameter.opts}
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
        ("static", ["--derivative-penalty", 0], "no --derivative-penalty with --method static, got 0"),
        ("static", ["--max-iterations", 9], "no --max-iterations with --method static, got 9"),
        ("static", ["--max-refinements", 0], "no --max-refinements with --method static, got 0"),
        ("static", ["--time-constants", 0.01, 0.04], "no --time-constants with --method static"),
        ("static", ["--periodic"], "no --periodic with --method static"),
        ("static", ["--active-width", 1.5], "no --active-width with --method static"),
        ("static", ["--no-passive-fiber-force"], "no --no-passive-fiber-force with --method static"),
        ("static", ["--cost", "excitation_power"], "--method dynamic"),
        ("dynamic", ["--cost", "sum"], "excitation_power"),
        ("dynamic", ["-p", 0.5], "exponent"),
        ("dynamic", ["--transcription", "euler"], "'euler'"),
        ("dynamic", ["--solver", "newton"], "'newton'"),
        ("dynamic", ["--tendon", "elastic"], "'elastic'"),
        (
            "dynamic",
            ["--initial-guess", "nothing"],
            "initial_guess 'static' or 'midpoint', activations, or a solution, got 'nothing'",
        ),
        ("dynamic", ["--derivative-penalty", -1], "derivative_penalty as a finite number ≥ 0, or 'auto', got -1.0"),
        ("dynamic", ["--derivative-penalty", 1, "--tendon", "rigid"], "no derivative_penalty with tendon='rigid'"),
        ("dynamic", ["--max-iterations", 0], "max_iterations as a whole number ≥ 1, got 0"),
        ("dynamic", ["--max-refinements", -1], "max_refinements as a whole number ≥ 0, got -1"),
        ("dynamic", ["--mesh-tolerance", "nan"], "mesh_tolerance as a finite number ≥ 1e-05, or None, got nan"),
        ("dynamic", ["--time-constants", 0, 0.04], "time_constants as two positive finite numbers in s"),
        ("dynamic", ["--passive-force"], "own muscles with compliant tendons, got passive_force=True"),
        ("dynamic", ["--gain", "isometric"], "got gain='isometric'"),
        (
            "dynamic",
            ["--gain", "corrected", "--tendon", "rigid", "--active-width", 1.5],
            "with muscles={'active_force_width_scale': 1.5}, got gain",
        ),
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
        (["--mesh-interval", 9], "mesh_interval up to the motion's 0.3 s, got 9 s"),
        (["--mesh-interval", -1], "mesh_interval as a finite number above 0 s, got -1.0"),
        (["--active-width", 0.1], "active_force_width_scale: expected a number ≥ 1"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, list) else "",
)
def test_wrong_values_are_exit_2(solve, options: list[object], words: str) -> None:
    done = solve(*SHORT, *options)
    assert done.code == 2
    assert words in done.err
    assert not files(".")


@pytest.mark.parametrize("ends", [(0.2, 1.6), (-0.5, 0.5)])
def test_an_interval_beyond_the_motion_is_refused(solve, ends: tuple[float, float]) -> None:
    done = solve("--time-range", *ends)
    assert done.code == 2
    (line,) = done.err.strip().splitlines()
    assert "expected time_range within 0 to 1.5 s" in line
    assert f"got {ends[0]:g} to {ends[1]:g} s" in line
    assert not files(".")


def test_an_interval_between_frames_or_with_open_ends_is_not_beyond(solve) -> None:
    done = solve("--time-range", 1.195, "inf", "--tendon", "rigid", "--out", "out")
    assert done.code == 0, done.err
    assert summary()["mesh"]["edges"]["first"] == pytest.approx(1.2)
    assert summary()["mesh"]["edges"]["last"] == pytest.approx(1.5)


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


@pytest.mark.slow
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

    monkeypatch.setattr("osimopt.cli.solve.iterations", impatient)
    done = solve("--mesh-interval", 0.003, "--out", "out")
    assert done.code == 1
    assert re.search(r"^error: Stopped by the user after \d+ iterations.* Nothing was written\.$", done.err, re.M)
    assert not files(".")


def test_a_failure_says_what_a_checkpoint_keeps(solve, monkeypatch: pytest.MonkeyPatch) -> None:
    def failed(*_: Any, **__: Any) -> None:
        raise SolverError("Stopped by the user. 1 of 3 windows were solved.")

    monkeypatch.setattr("osimopt.pipeline.solve.solve_problem", failed)
    options = (*SHORT, "--checkpoint", "kept", "--out", "out")
    assert solve(*options).err.endswith("1 of 3 windows were solved. Nothing was written.\n")
    Path("kept").mkdir()
    Path("kept", "window-0.npz").touch()
    done = solve(*options)
    assert done.code == 1
    kept = "No results were written; kept keeps the solved windows: the same call continues there."
    assert done.err.endswith(f"1 of 3 windows were solved. {kept}\n")


def test_a_word_that_is_no_number_is_refused_with_the_words_there_are(solve) -> None:
    done = solve(*SHORT, "--derivative-penalty", "aut")
    assert (done.code, "a number in --derivative-penalty or 'auto', got 'aut'" in done.err) == (2, True)


@pytest.mark.parametrize("method", ["dynamic", "static"])
def test_ctrl_c_while_reading_leaves_nothing(solve, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    """As if it were pressed when frames are read; the folders that the result was to lie in are gone, too."""

    def pressed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("osimopt.adapters.trial.Extraction.frames", pressed)
    done = solve("--out", "new/results/out", method=method)
    assert (done.code, done.out, done.err) == (130, "", "error: Stopped by the user. Nothing was written.\n")
    assert not files(".")


def test_ctrl_c_after_writing_says_where_the_results_are(
    solve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def pressed(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("osimopt.report.figures.draw_solution", pressed)
    done = solve(*SHORT, "--figure", "--out", "out", method="static")
    assert done.code == 130
    assert f"error: Stopped by the user. Results are in {tmp_path / 'out'}.\n" in done.err
    assert "solution.json" in files("out")


def windowed(windows: list[int], intervals: list[int], mesh: int) -> Any:
    rounds = [
        {"windows": w, "intervals": n, "points": 2 * n + 1, "iterations": 10 + w, "parts": w}
        for w, n in zip(windows, intervals, strict=True)
    ]
    known = {"rounds": rounds, "mesh": {"transcription": "trapezoidal", "interval": 0.02}, "windows": {"count": 7}}
    time = np.linspace(0.0, 3.0, mesh + 1)
    return SimpleNamespace(provenance=known, mesh_edges=time, time=time)


def test_windows_are_no_mesh() -> None:
    assert terminal._mesh(windowed([3, 1, 1], [170, 150, 200], 200)) == (
        "Mesh: 150 → 200 intervals, trapezoidal, 401 points; 35 iterations, 13 of them in 3 windows that went ahead."
    )
    assert terminal._mesh(windowed([1], [150], 150)) == "Mesh: 150 intervals, trapezoidal, 301 points; 11 iterations."


@pytest.mark.parametrize("windows", [[4, 3], [2, 1], [4, 1, 3]])
def test_the_mesh_of_a_long_motion_is_that_of_the_whole(windows: list[int]) -> None:
    line = terminal._mesh(windowed(windows, [40 * number for number in windows], 150))
    most = 10 + max(windows)
    assert line == f"Mesh: 150 intervals, trapezoidal, 151 points; 7 windows, of at most {most} iterations."


@pytest.mark.slow
def test_a_long_motion_is_solved_and_described(solve, monkeypatch: pytest.MonkeyPatch) -> None:
    """With windows alone, of which none is the whole."""
    monkeypatch.setattr("osimopt.dynamic.windows.LONG", 40)
    done = solve("--time-range", 0.2, 1.1, "--window", 0.4, "--out", "out")
    assert done.code == 0, done.err
    assert [one["windows"] for one in summary()["rounds"]] == [2]
    assert re.search(r"^Mesh: 45 intervals, hermite-simpson, 91 points; \d windows, of at most \d+", done.out, re.M)


def test_an_integration_that_failed_is_not_within_nan() -> None:
    error = np.array([1e-4, 2e-3])
    checks = [SimpleNamespace(activation_error=error, force_error=e) for e in (error, error * np.nan)]
    lines = [terminal._integrated(SimpleNamespace(check=check)) for check in [*checks, None]]  # type: ignore[arg-type]
    assert "activations within 0.002, tendon forces within 0.2 % of their peaks" in lines[0][0]
    assert lines[1:] == [[], []]


def test_progress_is_a_line_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    from io import StringIO

    from rich.console import Console

    for interactive in (True, False):
        shown = StringIO()
        monkeypatch.setattr(terminal, "messages", Console(file=shown, force_terminal=interactive, width=120))
        with terminal.iterations() as moved:
            for iteration in (0, 9, 0, 7):
                moved(iteration, 1.25, 3e-4)
        expected = "round 2: iteration 7, objective 1.25, equations missed by 3.0e-04"
        assert (expected in shown.getvalue()) == interactive
