"""What failed is sealed, what is stopped says so, and an answer is not taken on the solver's word alone."""

from __future__ import annotations

import copy
import json
import os
import pickle
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import HERE
from dynamic_cases import elbow, solved

from osimopt import SolverError, Status, isolation
from osimopt.dynamic.program import Watch
from osimopt.dynamic.solution import DynamicSolution, SealedSolution

#: Attributes of a solution that a script would read.
READ = ("activation", "excitation", "muscle_force", "status", "solved", "objective", "problem", "time", "to_dataframe")


@pytest.fixture(scope="module")
def sealed() -> Any:
    """Two iterations are not enough."""
    return solved(max_iterations=2, on_failure="return")


def test_an_unfinished_solve_is_sealed(sealed: Any) -> None:
    assert isinstance(sealed, SealedSolution)
    assert not isinstance(sealed, DynamicSolution)
    assert sealed.success is False
    assert sealed.iterations == 2
    assert "Maximum_Iterations_Exceeded" in sealed.reason
    assert "max_iterations" in sealed.reason
    assert sealed.findings() == [sealed.reason]
    assert sealed.reason in repr(sealed)


@pytest.mark.parametrize("name", READ)
def test_reading_a_sealed_solution_raises(sealed: Any, name: str) -> None:
    with pytest.raises(
        SolverError, match=rf"{name} of a sealed solution: .*unseal\(\) returns the last iterate"
    ) as caught:
        getattr(sealed, name)
    assert sealed.reason in str(caught.value)


def test_a_sealed_solution_is_not_written(sealed: Any, tmp_path: Path) -> None:
    with pytest.raises(SolverError, match="write of a sealed solution"):
        sealed.write(tmp_path / "result")
    assert not (tmp_path / "result").exists()


def test_unsealing_gives_the_last_iterate_which_claims_nothing(sealed: Any) -> None:
    solution = sealed.unseal()
    assert isinstance(solution, DynamicSolution)
    assert solution.activation.shape == solution.excitation.shape == (len(solution.time), 3)
    assert np.isfinite(solution.activation).all()
    assert not solution.success
    assert not solution.solved.any()
    assert set(solution.status) == {Status.UNFINISHED}
    assert sealed.reason in solution.findings()[0]
    assert solution.provenance["rounds"][-1]["said"] == ["Maximum_Iterations_Exceeded"]
    assert solution.check is None


def test_a_sealed_solution_travels(sealed: Any) -> None:
    """Between processes, and as a copy; ``hasattr`` is a question and gets an error too."""
    for other in (copy.copy(sealed), copy.deepcopy(sealed), pickle.loads(pickle.dumps(sealed))):
        assert other.reason == sealed.reason
        assert np.array_equal(other.unseal().activation, sealed.unseal().activation)
        with pytest.raises(SolverError):
            _ = other.activation


def test_a_failed_solve_raises_with_the_seal_attached() -> None:
    with pytest.raises(
        SolverError, match=r"Maximum_Iterations_Exceeded.*'solution' is sealed: its unseal\(\)"
    ) as caught:
        solved(max_iterations=2)
    assert isinstance(caught.value.solution, SealedSolution)
    with pytest.raises(SolverError, match="activation of a sealed solution"):
        _ = caught.value.solution.activation
    assert caught.value.solution.unseal().activation.shape[1] == 3


def test_an_answer_that_misses_the_moments_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the solver says of it: here its answer is changed behind its back."""
    run_many = isolation.run_many

    def spoiled(home: Any, *arguments: Any, **options: Any) -> Any:
        for answer in run_many(home, *arguments, **options):
            answer.x[7] += 0.01
            yield answer

    monkeypatch.setattr(isolation, "run_many", spoiled)
    outcome = solved(on_failure="return")
    assert isinstance(outcome, SealedSolution)
    assert "misses the moments" in outcome.reason


def test_excitations_that_do_not_make_the_activations_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Moments hold, dynamics do not: forward integration says so."""
    honest = solved(mesh_interval=0.02)
    assert honest.check is not None
    assert honest.check.activation_error.max() < 0.01
    assert not [finding for finding in honest.findings() if "orward integration" in finding]
    run_many = isolation.run_many

    def spoiled(home: Any, *arguments: Any, **options: Any) -> Any:
        for answer in run_many(home, *arguments, **options):
            points = answer.x.reshape(-1, 7)  # three activations, three excitations, a reserve
            points[:, 3:6] = points[:, :3]
            yield answer

    monkeypatch.setattr(isolation, "run_many", spoiled)
    found = solved(mesh_interval=0.02)
    assert found.check.activation_error.max() > 0.05
    assert [finding for finding in found.findings() if "orward integration" in finding]


def test_the_solver_crashes_with_the_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    run_many = isolation.run_many
    monkeypatch.setattr(
        isolation, "run_many", lambda home, _, calls, **known: run_many(home, "os:abort", [() for _ in calls], **known)
    )
    with pytest.raises(SolverError, match="casadi"):
        solved()
    monkeypatch.undo()
    assert solved().success


# ---------------------------------------------------------------------------------- progress and Ctrl-C


def test_progress_is_told() -> None:
    """Counts begin anew with every mesh and with the windows of a long motion, of which this has none."""
    said: list[tuple[int, float, float]] = []
    solution = solved(elbow(), mesh_interval=0.0125, exponent=1.1, progress=lambda *line: said.append(line))
    counts = [count for count, _, _ in said]
    assert counts == sorted(set(counts))
    assert counts[-1] == solution.iterations[0]
    assert said[-1][2] < 1e-6
    assert all(np.isfinite(line).all() for line in said)


def test_a_progress_that_fails_does_not_hide_its_error() -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("no terminal")

    with pytest.raises((RuntimeError, SolverError), match="no terminal"):
        solved(progress=fail)
    assert solved().success


SCRIPT = """
import json, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that runs the tests in the background ignores it
sys.path.insert(0, {tests!r})
from dynamic_cases import elbow
import osimopt.dynamic.guess
from osimopt import solve_dynamic

osimopt.dynamic.guess.LENGTH = 10**6  # one program, of several seconds

def report(iteration, objective, violation):
    print(iteration, flush=True)

outcome = solve_dynamic(
    elbow(20.0), "rigid", mesh_interval=0.004, exponent=1.1, tolerance=1e-9,
    on_failure="return", progress=report,
)
unsealed = outcome.unseal()
print(json.dumps([outcome.success, outcome.reason, unsealed.activation.shape, bool(unsealed.solved.any())]))
"""


def test_a_second_ctrl_c_is_not_waited_for() -> None:
    with Watch(2, None) as watch:
        folders = list(watch.folders)
        assert (watch.stopped, [list(folder.iterdir()) for folder in folders]) == (False, [[], []])
        assert watch.interrupted()
        assert watch.stopped
        assert all((folder / "stop").exists() for folder in folders)
        assert not watch.interrupted()
    assert not any(folder.exists() for folder in folders)


@pytest.mark.slow
def test_ctrl_c_ends_after_the_iteration(tmp_path: Path) -> None:
    """The terminal sends it to all processes of the group."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(tests=str(HERE)))
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    started = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "TMPDIR": str(temporary)},
    )
    assert started.stdout is not None
    started.stdout.readline()
    os.killpg(started.pid, signal.SIGINT)
    out, err = started.communicate(timeout=60)
    assert started.returncode == 0, err
    success, reason, shape, any_solved = json.loads(out.splitlines()[-1])
    assert re.match(r"Stopped by the user after \d+ iterations, equations missed by up to", reason)
    assert (success, any_solved, shape[1]) == (False, False, 3)
    assert not list(temporary.glob("osimopt-dynamic-*"))
