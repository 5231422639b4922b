"""opensim and casadi in processes of their own: import orders, crashes, errors, silence."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import osimopt
from osimopt import InputError, ModelError, SolverError, isolation, load_problem
from osimopt.errors import MissingDependencyError

#: Both processes run the same instructions on the same numbers; JSON keeps every digit.
EXACT = 1e-12

QUIET = "import opensim; opensim.Logger.removeFileSink(); opensim.Logger.setLevelString('off')\n"
HEAVY = ("opensim", "casadi")
#: The user's script, without a __main__ guard; {before} and {after} surround osimopt's import.
SCRIPT = """
{before}
import json, sys
import osimopt
from osimopt import isolation
from osimopt.datasets import arm26
{after}
print("start")
arm = arm26()
problem = osimopt.load_problem({model}, arm.motion, time_range=(0.0, 0.05), n_jobs=2)
solution = osimopt.solve_static(problem)
root = isolation.run("casadi", "builtins:eval", {casadi!r}, subject="a root")
loaded = [name for name in ("opensim", "casadi") if name in sys.modules]
print(json.dumps([problem.max_force.tolist(), solution.muscle_force.tolist(), root, loaded]))
"""
#: IPOPT comes as a plugin that only the right libcasadi can load.
CASADI = (
    "(lambda c, x: float(c.nlpsol('s', 'ipopt', {'x': x, 'f': (x - 2) ** 2},"
    " {'print_time': 0, 'ipopt.print_level': 0, 'ipopt.sb': 'yes'})()['x']))"
    "(__import__('casadi'), __import__('casadi').MX.sym('x'))"
)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run_code(code: str, home: str = "opensim", subject: object = "walk.osim") -> None:
    """Execute code in a library's process."""
    isolation.run(home, "builtins:exec", code, subject=subject)  # type: ignore[arg-type]


def alive(home: str) -> bool:
    return isolation.run(home, "operator:add", 40, 2, subject="a sum") == 42  # type: ignore[arg-type]


# ---------------------------------------------------------------------------------------- import orders


@pytest.mark.parametrize(
    ("before", "after", "model", "loaded"),
    [
        pytest.param("", "", "arm.model", [], id="osimopt alone"),
        pytest.param(QUIET, "", "arm.model", ["opensim"], id="opensim first"),
        pytest.param("", QUIET, "arm.model", ["opensim"], id="opensim second"),
        pytest.param("import casadi", "", "arm.model", ["casadi"], id="casadi first"),
        pytest.param("", "import casadi", "arm.model", ["casadi"], id="casadi second"),
        pytest.param(QUIET, "", "opensim.Model(str(arm.model))", ["opensim"], id="live model"),
    ],
)
@pytest.mark.slow
def test_the_users_script_may_import_either(
    tmp_path: Path, arm, before: str, after: str, model: str, loaded: list[str]
) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(before=before, after=after, model=model, casadi=CASADI))
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    done = subprocess.run(
        [sys.executable, script.name],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={**os.environ, "TMPDIR": str(temporary)},
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    start, answer = done.stdout.splitlines()  # the script ran once: no worker ran it again
    assert start == "start"
    max_force, muscle_force, root, found = json.loads(answer)
    expected = osimopt.solve_static(load_problem(arm.model, arm.motion, time_range=(0.0, 0.05)))
    assert np.array(max_force) == pytest.approx(expected.problem.max_force, rel=EXACT)
    assert np.array(muscle_force) == pytest.approx(expected.muscle_force, rel=1e-6)
    assert root == pytest.approx(2.0)
    assert found == loaded
    assert {path.name for path in tmp_path.iterdir()} == {"script.py", "temporary"}  # no opensim.log
    assert not list(temporary.glob("osimopt-*"))


@pytest.mark.slow
def test_code_that_is_not_a_file(arm) -> None:
    """From ``python -c``, as from a notebook, there is no script to import."""
    code = (
        "import osimopt; from osimopt.datasets import arm26; arm = arm26();"
        "print(len(osimopt.load_problem(arm.model, arm.motion, time_range=(0, 0.05))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=300)
    assert (done.returncode, done.stdout, done.stderr) == (0, "6\n", "")


def test_this_process_imports_neither(arm) -> None:
    load_problem(arm.model, arm.motion, time_range=(0.0, 0.01))
    assert alive("casadi")
    assert not [name for name in HEAVY if name in sys.modules]


def test_each_library_has_its_own_process() -> None:
    opensim, casadi = (isolation.run(home, "os:getpid", subject="a number") for home in ("opensim", "casadi"))
    assert len({opensim, casadi, os.getpid()}) == 3
    assert isolation.run("opensim", "os:getpid", subject="a number") == opensim  # and keeps it


def test_casadi_works() -> None:
    assert isolation.run("casadi", "builtins:eval", CASADI, subject="a root") == pytest.approx(2.0)


# ---------------------------------------------------------------------------------------------- crashes


@pytest.mark.parametrize(("home", "error"), [("opensim", ModelError), ("casadi", SolverError)])
def test_a_native_crash_names_the_subject_and_the_next_call_works(home, error: type[Exception]) -> None:
    with pytest.raises(error, match=rf"walk\.osim: the {home} process died") as caught:
        isolation.run(home, "os:abort", subject="walk.osim")
    assert "The next call starts a new one" in str(caught.value)
    assert alive(home)


def test_a_crash_quotes_the_last_words() -> None:
    with pytest.raises(ModelError, match="Its last words: Assertion failed: mass > 0"):
        run_code("import os; os.write(2, b'Assertion failed: mass > 0\\n'); os.abort()")
    with pytest.raises(ModelError) as caught:
        run_code("import os; os.abort()")
    assert "mass > 0" not in str(caught.value)  # the words of the last process, not of this one


def test_a_killed_process_is_an_error_and_the_next_call_works(tmp_path: Path) -> None:
    """As the kernel does it when memory runs out: in the middle of a call."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)

    def kill() -> None:
        os.kill(int(fifo.read_text()), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    tell_and_wait = f"import os, signal; open({str(fifo)!r}, 'w').write(str(os.getpid())); signal.pause()"
    with pytest.raises(ModelError, match=r"big\.osim: the opensim process died .*killed for memory"):
        run_code(tell_and_wait, subject="big.osim")
    killer.join()
    assert alive("opensim")


def test_a_crash_in_one_of_many_calls() -> None:
    """Results before the crash have been handed out; the rest is one error."""
    calls = [("1 + 1",), ("__import__('os').abort()",), ("3 + 3",)]
    results = isolation.run_many("opensim", "builtins:eval", calls, subject="walk.osim")
    with pytest.raises(ModelError, match=r"walk\.osim"):
        list(results)
    assert alive("opensim")


def test_one_of_several_processes_dies_behind_others_results() -> None:
    """Its death comes up when more work is handed to it, while the other process is still at its own."""
    wait, die = "__import__('time').sleep(0.5)", "__import__('os').write(2, b'no memory') and __import__('os').abort()"
    calls = [(wait,), ("1",), (wait,), (die,), *[("1",)] * 8]
    with pytest.raises(SolverError, match=r"a solve: the casadi process died .*last words: no memory"):
        list(isolation.run_many("casadi", "builtins:eval", calls, subject="a solve", n_jobs=2))
    assert alive("casadi")


def test_a_call_that_ends_with_anothers_crash() -> None:
    """Two threads share the processes, which a crash of either's call ends: both are told the same."""
    told: list[str] = []
    begun = threading.Event()

    def ask(code: str) -> None:
        answers = isolation.run_many("casadi", "builtins:eval", [("1",), (code,)], subject="a solve", n_jobs=2)
        with pytest.raises(SolverError) as caught:  # noqa: PT012
            next(answers)  # may already stand behind the crash, if both calls went to one process
            begun.set()  # both calls are with their processes before the first result is handed out
            next(answers)
        told.append(str(caught.value))

    assert alive("casadi")
    wait, die = "__import__('time').sleep(60)", "__import__('time').sleep(2) or __import__('os').abort()"
    other = threading.Thread(target=ask, args=(die,))
    other.start()
    assert begun.wait(60.0)  # in the other order the sleeper would be done before the crash
    ask(wait)
    other.join()
    assert len(told) == 2
    assert all("a solve: the casadi process died" in text for text in told)


def test_idle_processes_outlive_the_death_of_another() -> None:
    def pid(worker: int) -> int:
        found: int = isolation._submit("casadi", worker, "os:getpid", ())[0].result()
        return found

    first = [pid(0), pid(1)]
    pool = isolation._pools[os.getpid(), "casadi", 0][0]
    os.kill(first[0], signal.SIGKILL)
    while not pool._flags.broken:
        time.sleep(0.01)
    assert pid(0) != first[0]
    assert pid(1) == first[1]


@pytest.mark.slow
def test_a_model_works_after_a_crash(arm) -> None:
    before = load_problem(arm.model, arm.motion, time_range=(0.0, 0.05))
    with pytest.raises(ModelError):
        isolation.run("opensim", "os:abort", subject="walk.osim")
    after = load_problem(arm.model, arm.motion, time_range=(0.0, 0.05))
    assert np.array_equal(after.max_force, before.max_force)


def test_an_early_exit_of_the_worker_is_an_error_too() -> None:
    with pytest.raises(SolverError, match="a solve: the casadi process died"):
        isolation.run("casadi", "os:_exit", 0, subject="a solve")
    assert alive("casadi")


def test_many_calls_keep_their_order() -> None:
    calls = [(f"{i} ** 2",) for i in range(20)]
    results = isolation.run_many("opensim", "builtins:eval", calls, subject="squares", n_jobs=2)
    assert list(results) == [i**2 for i in range(20)]


def test_calls_that_nobody_waits_for_do_no_harm() -> None:
    results = isolation.run_many("opensim", "builtins:eval", [("1",), ("2",), ("3",)], subject="numbers")
    assert next(results) == 1
    results.close()  # type: ignore[attr-defined]
    assert alive("opensim")


def test_close_ends_the_process_and_its_log() -> None:
    pid = isolation.run("casadi", "os:getpid", subject="a number")
    log = isolation.run("casadi", "os:readlink", "/proc/self/fd/2", subject="a path")
    assert Path(log).name.startswith("osimopt-casadi-")
    isolation.close("casadi")
    isolation.close("casadi")  # twice does no harm
    assert not Path(log).exists()
    assert isolation.run("casadi", "os:getpid", subject="a number") != pid


# ------------------------------------------------------------------------------------------------ errors


@pytest.mark.parametrize("home", ["opensim", "casadi"])
@pytest.mark.parametrize("kind", [InputError, ModelError, SolverError, MissingDependencyError])
def test_our_errors_cross_with_their_type_and_text(home: str, kind: type[Exception]) -> None:
    code = f"from osimopt.errors import {kind.__name__}; raise {kind.__name__}('knee.mot: expected a, got b.')"
    with pytest.raises(kind) as caught:
        run_code(code, home)
    assert type(caught.value) is kind
    assert str(caught.value) == "knee.mot: expected a, got b."
    assert caught.value.__cause__ is None


def test_an_errors_solution_crosses_too() -> None:
    with pytest.raises(SolverError) as caught:
        run_code("from osimopt.errors import SolverError; raise SolverError('2 frames failed', [1, 2])", "casadi")
    assert caught.value.solution == [1, 2]


@pytest.mark.parametrize(("home", "error"), [("opensim", ModelError), ("casadi", SolverError)])
@pytest.mark.parametrize(
    ("raised", "words"), [("ValueError('no such muscle')", "no such muscle"), ("KeyError", "KeyError")]
)
def test_other_errors_become_ours_and_name_the_subject(home, error, raised: str, words: str) -> None:
    with pytest.raises(error, match=rf"walk\.osim: {home} reports: .*{words}"):
        run_code(f"raise {raised}", home)


def test_an_error_of_a_file_read_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.sto: .*no such file"):
        isolation.run("opensim", "osimopt.files.storage:read_table", tmp_path / "nowhere.sto", subject="a table")


# ----------------------------------------------------------------------------------------------- silence


def with_missing_meshes(two_leg, folder: Path) -> Path:
    text = two_leg.model.read_text()
    opening = '<Body name="pelvis">'
    assert opening in text
    mesh = '<Mesh name="bone"><mesh_file>nowhere_pelvis.vtp</mesh_file></Mesh>'
    path = folder / "meshes.osim"
    path.write_text(text.replace(opening, f"{opening}<attached_geometry>{mesh}</attached_geometry>"))
    return path


def test_opensim_is_silent_and_leaves_nothing(two_leg, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    isolation.close("opensim")  # so that loading the library is part of it
    inputs = tmp_path / "inputs"
    inputs.mkdir()
    model = with_missing_meshes(two_leg, inputs)
    before = {path: set(path.iterdir()) for path in (tmp_path, inputs, two_leg.folder)}
    problem = load_problem(model, two_leg.motion, two_leg.loads, time_range=(0.1, 0.15))
    assert capfd.readouterr() == ("", "")
    assert {path: set(path.iterdir()) for path in before} == before  # no opensim.log
    assert not [text for text in problem.provenance["warnings"] if re.search("vtp|mesh|geometry", text)]


def test_what_a_worker_prints_does_not_reach_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    run_code("import os; print('out', flush=True); os.write(1, b'raw'); os.write(2, b'noise')")
    assert capfd.readouterr() == ("", "")


def test_a_body_of_which_opensim_only_warns_is_refused(two_leg, tmp_path: Path) -> None:
    """OpenSim takes ground in its place."""
    text = two_leg.loads.read_text().replace("<force_expressed_in_body>ground", "<force_expressed_in_body>heaven")
    (tmp_path / "grf.mot").write_bytes(two_leg.grf.read_bytes())
    (tmp_path / "loads.xml").write_text(text)
    for geometry in ("exact", "opensim"):
        with pytest.raises(ModelError, match=r"expected a body of the model .*got 'heaven' in ExternalForce"):
            load_problem(two_leg.model, two_leg.motion, tmp_path / "loads.xml", geometry=geometry)
        clean = load_problem(two_leg.model, two_leg.motion, two_leg.loads, time_range=(0.1, 0.11), geometry=geometry)
        assert clean.provenance["warnings"] == []


def test_warnings_of_a_model_are_told_every_time(two_leg, tmp_path: Path) -> None:
    """The model stays loaded between calls; a second problem from it must not lose its warnings."""
    path = tmp_path / "odd.osim"
    text = two_leg.model.read_text()
    tag = "<max_isometric_force>2600</max_isometric_force>"
    assert tag in text
    path.write_text(text.replace(tag, "<max_isometric_force>strong</max_isometric_force>", 1))
    said = [load_problem(path, two_leg.motion, time_range=(0.1, 0.11)).provenance["warnings"] for _ in range(2)]
    assert any("max_isometric_force" in warning for warning in said[0])
    assert said[1] == said[0]


def test_a_library_that_is_missing_is_named_with_a_remedy() -> None:
    missing = "raise ModuleNotFoundError('No module named {0}', name='{0}')"
    with pytest.raises(MissingDependencyError, match=r"m\.osim: expected the package opensim.*OSIMOPT_CACHE"):
        isolation.run("opensim", "builtins:exec", missing.format("opensim"), subject="m.osim")
    with pytest.raises(ModelError, match="No module named another"):
        isolation.run("opensim", "builtins:exec", missing.format("another"), subject="m.osim")
