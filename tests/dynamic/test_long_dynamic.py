"""Long motions: windows whose solutions join to one of the whole, and what is kept of them after an interruption."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from dynamic_cases import NAMES, elbow, solved

from osimopt import EmgTracking, InputError, SolverError
from osimopt.dynamic.checkpoint import SolvedWindows
from osimopt.dynamic.program import ProgramResult
from osimopt.dynamic.solution import DynamicSolution
from osimopt.dynamic.tasks import _failure
from osimopt.problem.problem import RedundancyProblem

#: s; margins are a fifth of a second.
WINDOW = {"window": 0.8, "mesh_interval": 0.03}


@pytest.fixture(autouse=True)
def few_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("osimopt.dynamic.windows.LONG", 40)


def rounds(solution: Any) -> list[int]:
    return [one["windows"] for one in solution.provenance["rounds"]]


def test_windows_join_to_the_solution_of_the_whole() -> None:
    """The judge is one program of the whole motion; moments are those of every point, ends of windows included."""
    problem = elbow(2.4)
    whole, pieces = solved(problem, **(WINDOW | {"window": None})), solved(problem, **WINDOW)
    assert (rounds(whole), rounds(pieces)) == ([1], [3])
    assert pieces.activation == pytest.approx(whole.activation, abs=1e-4)
    assert pieces.total_objective == pytest.approx(whole.total_objective, rel=1e-6)
    assert np.abs(pieces.moment_residual).max() < 1e-6
    assert pieces.check.interval_error.shape == (80,)
    assert pieces.check.interval_error == pytest.approx(whole.check.interval_error, abs=1e-4)
    known = pieces.provenance["windows"]
    assert known["count"] == 3
    assert set(known["differs"]) == set(NAMES)
    assert max(known["differs"].values()) < 1e-3


@pytest.mark.parametrize(("share", "named"), [(0.0099, False), (0.0101, True)])
def test_windows_that_differ_are_a_finding(share: float, named: bool) -> None:
    solution = solved(elbow(2.4), **WINDOW)
    windows = solution.provenance["windows"] | {"differs": {"biceps": share, "triceps": 0.0}}
    found = replace(solution, provenance=solution.provenance | {"windows": windows}).findings()
    texts = [text for text in found if "Where windows of the motion overlap" in text]
    assert [("biceps 1.0% (" in text, "triceps" in text) for text in texts] == [(True, False)] * named


def test_emg_scales_are_those_of_the_whole_motion() -> None:
    problem = elbow(2.4)
    envelope = pd.DataFrame({"BIC": 0.2 + 0.15 * np.sin(4.0 * problem.time)}, index=problem.time)
    emg = EmgTracking(envelope, {"biceps": "BIC"}, weight=5.0, scale=(0.2, 5.0))
    whole, pieces = (solved(problem, emg=emg, **(WINDOW | {"window": window})) for window in (None, 0.8))
    assert pieces.provenance["windows"]["scale_off"] < 1e-4
    assert pieces.emg_scale["BIC"] == pytest.approx(whole.emg_scale["BIC"], rel=2e-3)
    assert pieces.total_objective == pytest.approx(whole.total_objective, rel=1e-4)


def test_emg_scales_that_windows_do_not_find_are_those_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("osimopt.dynamic.run.SCALINGS", 1)
    problem = elbow(2.4)
    envelope = pd.DataFrame({"BIC": 0.2 + 0.15 * np.sin(4.0 * problem.time)}, index=problem.time)
    emg = EmgTracking(envelope, {"biceps": "BIC"}, weight=5.0, scale=(0.2, 5.0))
    whole, pieces = (solved(problem, emg=emg, **(WINDOW | {"window": window})) for window in (None, 0.8))
    assert rounds(pieces)[-1] == 1
    assert pieces.provenance["rounds"][-1]["intervals"] == 80
    assert pieces.emg_scale["BIC"] == pytest.approx(whole.emg_scale["BIC"], rel=1e-5)
    assert pieces.total_objective == pytest.approx(whole.total_objective, rel=1e-7)


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_emg_scales_with_bounds_are_those_of_the_whole_motion(weight: float) -> None:
    """Bounds that act move the optimum away from the least tracking error."""
    problem = elbow(2.4)
    envelope = pd.DataFrame({"BIC": 0.2 + 0.15 * np.sin(4.0 * problem.time)}, index=problem.time)
    emg = EmgTracking(envelope, {"biceps": "BIC"}, weight=weight, scale=(0.2, 5.0), bounds=(0.05, 0.05))
    whole, pieces = (solved(problem, emg=emg, **(WINDOW | {"window": window})) for window in (None, 0.8))
    assert rounds(pieces) == [1]
    assert pieces.emg_scale["BIC"] == pytest.approx(whole.emg_scale["BIC"], rel=1e-4)
    assert pieces.total_objective == pytest.approx(whole.total_objective, rel=1e-6)


def test_errors_of_forces_are_shares_of_the_peak_over_the_whole_motion() -> None:
    """The judge integrates from each window's first point by itself and divides by the largest force of all."""
    solution = solved(elbow(2.4), **WINDOW)
    force = solution.muscle_force
    share = np.abs(solution.check.muscle_force - force).max(axis=0) / force.max(axis=0)
    assert solution.check.force_error == pytest.approx(share, rel=1e-6)
    assert solution.check.activation_error == pytest.approx(
        np.abs(solution.check.activation - solution.activation).max(axis=0)
    )


def test_a_problem_without_choice() -> None:
    """One muscle: its moment determines all, also what a window begins with."""
    time_ = np.linspace(0.0, 2.4, 101)
    moment = 10.0 + 2.0 * np.sin(3.0 * time_)
    problem = RedundancyProblem.from_arrays([0.05], [1000.0], moment, time=time_, muscles=["brachialis"])
    whole, pieces = (solved(problem, **(WINDOW | {"window": window})) for window in (None, 0.8))
    assert pieces.success
    assert pieces.activation == pytest.approx(whole.activation, abs=1e-5)


def test_a_failure_names_the_window() -> None:
    problem = elbow(2.4, reserves=None)
    moment = problem.generalized_force.copy()
    moment[60:64] = 1e3
    with pytest.raises(SolverError, match=r"beyond the muscles and reserves|no solution in") as caught:
        solved(replace(problem, generalized_force=moment), **WINDOW)
    assert "1.5 s" in str(caught.value)


def test_a_whole_that_fails_from_windows_starts_as_without_them() -> None:
    """Periodic states with exponent 1.5: the solver ended at 500 iterations from the windows' solution."""
    options = {"periodic": True, "exponent": 1.5, "cost": "activation_power", "initial_activation": "free"}
    options |= {"transcription": "legendre-gauss-radau", "mesh_interval": 0.04, "max_iterations": 100}
    whole, pieces = (solved(elbow(2.4), window=window, **options) for window in (None, 1.0))
    assert rounds(pieces) == [2, 1, 1]
    assert pieces.activation == pytest.approx(whole.activation, abs=1e-6)


def test_windows_that_are_kept_are_not_solved_again(tmp_path: Path) -> None:
    """The same call reads them and ends with the same bytes; other options use other files."""
    problem, kept = elbow(2.4), tmp_path / "kept"
    plain = solved(problem, **WINDOW)
    done: list[tuple[int, int]] = []

    def stop(count: int, total: int) -> None:
        done.append((count, total))
        if count == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        solved(problem, checkpoint=kept, on_window=stop, **WINDOW)
    assert done == [(1, 3), (2, 3)]
    files = sorted(kept.iterdir())
    assert len(files) >= 2
    damaged = files[0].read_bytes()
    again = solved(problem, checkpoint=kept, **WINDOW)
    assert again.activation.tobytes() == plain.activation.tobytes()
    assert again.excitation.tobytes() == plain.excitation.tobytes()
    assert not kept.exists()  # all that the call wrote is deleted with its end
    kept.mkdir()
    files[0].write_bytes(damaged[:100])
    with pytest.raises(InputError, match="Delete it"):
        solved(problem, checkpoint=kept, **WINDOW)
    other = solved(problem, checkpoint=kept, exponent=3, **WINDOW)
    assert other.success
    assert files[0].exists()


def test_ctrl_c_in_windows_names_the_iteration() -> None:
    begun: list[int] = []

    def pressed(iteration: int, objective: float, violation: float) -> None:
        begun.append(iteration)
        if iteration >= 2 and max(begun[:-1], default=0) < 2:
            raise KeyboardInterrupt

    sealed = solved(elbow(9.6), on_failure="return", progress=pressed, n_jobs=1, window=0.8, mesh_interval=0.005)
    found = re.match(r"Stopped by the user after (\d+) iterations.* window from 0 to ", sealed.reason)
    assert found, sealed.reason
    assert "of 12 windows were solved" in sealed.reason
    assert sealed.iterations >= max(begun) >= 2
    assert sealed.unseal().activation.shape == (3841, 3)


def test_parts_that_waited_for_their_turn_do_not_count() -> None:
    """They have no iterations: reasons had 0 iterations after half a minute of work of the others."""
    idle = ProgramResult(np.zeros(0), False, "Not begun", 0, 0.0, 0.0, 0.0, 0.0)
    busy = replace(idle, message="User_Requested_Stop", iterations=25, violation=3e-4)
    assert "after 25 iterations, equations missed by up to 0.0003" in str(_failure("0 to 1 s", [idle, busy], True))
    assert _failure("", [replace(busy, solved=True)], True) is None


def test_keys_differ_where_inputs_do(tmp_path: Path) -> None:
    keep = SolvedWindows(tmp_path)
    values = [1.0, 1, "1", np.ones(1), np.ones((1, 1)), (1.0,), {"a": 1.0}, {"b": 1.0}, None, (1.0, 1.0)]
    assert len({keep.key(value) for value in values}) == len(values)
    assert keep.key(elbow(2.4)) == keep.key(elbow(2.4))
    assert keep.key(elbow(2.4)) != keep.key(elbow(2.41))
    (tmp_path / "file").write_text("")
    for folder in ("file", "file/within"):
        with pytest.raises(InputError, match="folder"):
            SolvedWindows(tmp_path / folder)


def test_a_call_that_ends_deletes_windows_under_another(tmp_path: Path) -> None:
    """Both have the same folder: the second one goes on with what it has read."""
    problem, kept, begun = elbow(2.4), tmp_path / "kept", list[int]()
    plain = solved(problem, **WINDOW)

    def stop(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    def delete(done: int, total: int) -> None:
        begun.append(len(list(kept.iterdir())))
        for path in kept.iterdir():
            path.unlink()

    with pytest.raises(KeyboardInterrupt):
        solved(problem, checkpoint=kept, on_window=stop, **WINDOW)
    again = solved(problem, checkpoint=kept, on_window=delete, **WINDOW)
    assert begun[0] >= 2
    assert again.activation.tobytes() == plain.activation.tobytes()


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_killed_call_continues(tmp_path: Path) -> None:
    script = (
        "import sys; sys.path.insert(0, sys.argv[2])\n"
        "from dynamic_cases import elbow, solved\n"
        "from osimopt.dynamic import windows\n"
        "windows.LONG = 40\n"
        "solved(elbow(9.6), window=0.8, mesh_interval=0.01, checkpoint=sys.argv[1])\n"
    )
    kept = tmp_path / "kept"
    command = [sys.executable, "-c", script, str(kept), str(Path(__file__).parents[1])]
    process = subprocess.Popen(command, env={**os.environ})
    until = time.monotonic() + 60.0
    while not (kept.is_dir() and len(list(kept.glob("window-*.npz"))) >= 2) and time.monotonic() < until:
        time.sleep(0.05)
    process.kill()
    process.wait()
    there = {path: path.stat().st_mtime_ns for path in kept.glob("window-*.npz")}
    assert there
    seen: list[tuple[int, int]] = []
    solution = solved(
        elbow(9.6), checkpoint=kept, on_window=lambda *both: seen.append(both), window=0.8, mesh_interval=0.01
    )
    assert isinstance(solution, DynamicSolution)
    assert seen[-1] == (12, 12)
    assert not kept.exists()
