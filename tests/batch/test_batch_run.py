"""Studies run: rows for whatever happens, results that are the same however often it was interrupted."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest

from osimopt import InputError, fit_geometry, iterate_study, read_manifest, read_table, run_study
from osimopt.batch import runner
from osimopt.batch.journal import JOURNAL, Journal, write_manifest
from osimopt.batch.process import Limits, StoppedError, Worker
from osimopt.files.storage import write_table

METHODS = '[[methods]]\nname = "p2"\n[[methods]]\nname = "p3"\nexponent = 3\n'


@pytest.fixture
def study(arm, tmp_path: Path) -> Path:
    """Four short trials of the arm, three of them good; two methods."""
    (tmp_path / "ik").mkdir()
    shutil.copy(arm.model, tmp_path / "arm26.osim")
    motion = read_table(arm.motion)
    for number in range(3):
        part = motion.iloc[10 * number : 10 * number + 20]
        write_table(part, tmp_path / "ik" / f"t{number}.mot", in_degrees=motion.attrs["in_degrees"])
    (tmp_path / "ik" / "broken.mot").write_text("this is no motion\n")
    path = tmp_path / "study.toml"
    path.write_text(
        f'[[subjects]]\nname = "S1"\nmodel = "arm26.osim"\nmotions = "ik/*.mot"\n{METHODS}[run]\njobs = 2\n'
    )
    return path


def statuses(folder: Path) -> dict[str, str]:
    table = read_manifest(folder)
    return dict(zip(table["job"], table["status"], strict=True))


def results(folder: Path) -> dict[str, bytes]:
    """Every table of results, by path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted((folder / "results").rglob("*.sto"))}


ALL = {f"S1/{trial}/{method}": "solved" for trial in ("t0", "t1", "t2") for method in ("p2", "p3")}
BROKEN = {f"S1/broken/{method}": "wrong input" for method in ("p2", "p3")}


@pytest.fixture
def done(study: Path) -> Path:
    return run_study(study)


def test_a_study(study: Path, done: Path) -> None:
    assert statuses(done) == ALL | BROKEN
    table = read_manifest(done).set_index("job")
    assert "header ending in 'endheader'" in table.loc["S1/broken/p2", "reason"]
    good = table.loc[list(ALL)]
    assert (good["frames"] == 20).all()
    assert (good["moment_residual_max"] < 1e-8).all()
    assert (good["peak_mb"] > 10.0).all()
    assert table["key"].nunique() == 8
    assert (done / "logs" / "S1" / "t0" / "p2.log").is_file()
    assert not (done / "results" / "S1" / "broken").exists() or not any((done / "results" / "S1" / "broken").iterdir())
    pd.testing.assert_frame_equal(
        pd.read_parquet(done / "manifest.parquet")[["job", "status"]], read_manifest(done)[["job", "status"]],
        check_dtype=False,
    )  # fmt: skip


@pytest.mark.slow
def test_results_do_not_depend_on_the_number_of_processes(study: Path, done: Path) -> None:
    alone = run_study(study, done.parent / "again", jobs=1)
    assert results(alone) == results(done), "bit for bit, whoever solved them in whatever order"


@pytest.mark.slow
def test_resume_does_what_is_missing_failed_or_changed(study: Path, done: Path) -> None:
    with pytest.raises(InputError, match="--resume"):
        run_study(study)
    rows: list[str] = []
    run_study(study, resume=True, progress=lambda row, *_: rows.append(row["job"]))
    assert sorted(rows) == sorted(BROKEN)
    shutil.rmtree(done / "results" / "S1" / "t0" / "p2")
    (done / "results" / "S1" / "t1" / "p2" / "activation.sto").write_text("cut by a power failure")
    motion = study.parent / "ik" / "t2.mot"
    motion.write_text(motion.read_text() + "\n")
    rows.clear()
    run_study(study, resume=True, progress=lambda row, *_: rows.append(row["job"]))
    assert sorted(rows) == sorted([*BROKEN, "S1/t0/p2", "S1/t1/p2", "S1/t2/p2", "S1/t2/p3"])
    assert statuses(done) == ALL | BROKEN


@pytest.mark.slow
def test_a_file_that_an_option_names_is_found_beside_the_study_and_hashed(
    study: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Fitted paths: whatever folder the command runs in, and done again once they are others."""
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    model, motions, paths = study.parent / "arm26.osim", [study.parent / "ik" / "t0.mot"], study.parent / "paths.xml"
    study.write_text(f'[defaults]\ngeometry = "paths.xml"\n{study.read_text()}')
    rows: list[str] = []

    def solved() -> dict[str, bytes]:
        rows.clear()
        folder = run_study(study, resume=True, progress=lambda row, *_: rows.append(row["job"]))
        assert statuses(folder) == ALL | BROKEN
        return results(folder)

    fit_geometry(model, motions, max_order=2, postures=32).write(paths)
    before = solved()
    assert solved() == before
    assert sorted(rows) == sorted(BROKEN), "the same paths, the same results"
    fit_geometry(model, motions, max_order=3, postures=32).write(paths)
    after = solved()
    assert all(before[name] != after[name] for name in before if name.endswith("muscle_force.sto"))


@pytest.mark.slow
def test_a_generator(study: Path) -> None:
    seen = []
    for row in iterate_study(study):
        seen.append(row["job"])
        if len(seen) == 2:
            break
    folder = study.parent / "study_results"
    assert len(Journal(folder).rows) == 2
    run_study(study, resume=True)
    assert statuses(folder) == ALL | BROKEN


@pytest.mark.slow
def test_one_run_at_a_time(study: Path) -> None:
    rows = iterate_study(study)
    next(rows)
    with pytest.raises(InputError, match="no other run works in"):
        run_study(study, resume=True)
    rows.close()
    run_study(study, resume=True)


def children(process: psutil.Process, words: str) -> list[psutil.Process]:
    found = []
    for one in process.children(recursive=True):
        try:
            if words in " ".join(one.cmdline()):
                found.append(one)
        except psutil.Error:
            continue
    return found


def killing(folder: Path, stop: threading.Event) -> threading.Thread:
    """Kill every worker once, as soon as a job of a motion that can be read has begun to print."""

    def run() -> None:
        while not stop.is_set():
            if any(path.parent.name.startswith("t") for path in folder.glob("logs/S1/*/*.log")):
                for one in children(psutil.Process(), "osimopt.batch.process"):
                    with contextlib.suppress(psutil.NoSuchProcess):
                        one.send_signal(signal.SIGKILL)
                return
            time.sleep(0.002)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


@pytest.mark.slow
def test_workers_that_are_killed_are_replaced(study: Path, done: Path) -> None:
    stop = threading.Event()
    thread = killing(study.parent / "killed", stop)
    folder = run_study(study, study.parent / "killed")
    stop.set()
    thread.join()
    assert statuses(folder) == ALL | BROKEN
    assert results(folder) == results(done)
    assert read_manifest(folder)["attempts"].max() == 2


@pytest.mark.slow
def test_a_job_that_kills_its_process_is_one_row(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process of every try dies: the row says by which signal, the others are solved."""
    real = Worker.do

    def deadly(self: Worker, job, *more):  # type: ignore[no-untyped-def]
        if job["trial"] == "t1":
            process = self._started()
            process.send_signal(signal.SIGSTOP)  # so that it dies with the job in hand
            while psutil.Process(process.pid).status() != psutil.STATUS_STOPPED:
                time.sleep(0.01)

            def die() -> None:
                process.send_signal(signal.SIGSEGV)
                process.send_signal(signal.SIGCONT)

            threading.Timer(0.5, die).start()
        return real(self, job, *more)

    monkeypatch.setattr(Worker, "do", deadly)
    folder = run_study(study)
    crashed = {"S1/t1/p2": "crashed", "S1/t1/p3": "crashed"}
    assert statuses(folder) == ALL | BROKEN | crashed
    table = read_manifest(folder).set_index("job")
    assert "SIGSEGV" in table.loc["S1/t1/p2", "reason"]
    assert table.loc["S1/t1/p2", "attempts"] == 2


@pytest.mark.slow
def test_too_slow_and_too_large(study: Path) -> None:
    """A limit that nothing can keep: every job is ended and is a row; memory is tried once more, alone."""
    text = study.read_text()
    study.write_text(text.replace("jobs = 2", "jobs = 2\ntimeout_s = 0.2"))
    folder = run_study(study, study.parent / "slow")
    assert set(statuses(folder).values()) <= {"timeout", "wrong input", "solved"}
    assert "timeout" in statuses(folder).values()
    assert "timeout_s" in read_manifest(folder).set_index("status").loc[["timeout"], "reason"].iloc[0]
    study.write_text(text.replace("jobs = 2", "jobs = 2\nmemory_mb = 20"))
    folder = run_study(study, study.parent / "large")
    large = read_manifest(folder).query("status == 'memory'")
    assert len(large) > 0
    assert (large["attempts"] == 2).all()
    assert large["reason"].str.contains("memory_mb").all()
    study.write_text(text)
    run_study(study, folder, resume=True)
    assert statuses(folder) == ALL | BROKEN


@pytest.mark.slow
def test_a_worker_that_grew_is_replaced(study: Path) -> None:
    study.write_text(study.read_text().replace("jobs = 2", "jobs = 1\nrecycle_mb = 1"))
    ended = []
    real = Worker.end

    def end(self: Worker) -> None:
        ended.append(self._process is not None)
        real(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Worker, "end", end)
        folder = run_study(study)
    assert statuses(folder) == ALL | BROKEN
    assert sum(ended) >= 8, "a process a job"


#: Copies of a trial, each done in a few hundredths of a second: enough to be interrupted.
COPIES = 20


def command(study: Path, *words: str) -> subprocess.Popen[str]:
    code = "import sys; from osimopt.cli import main; main()"
    return subprocess.Popen(
        [sys.executable, "-c", code, "batch", str(study), *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, env={**os.environ, "LD_LIBRARY_PATH": ""},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)], ids=["int", "term", "kill"]
)
@pytest.mark.slow
def test_ended_from_outside(study: Path, number: int, code: int) -> None:
    """Whatever ends the command, its workers end too, and --resume comes to the same as a run without it."""
    for copy in range(COPIES):
        shutil.copy(study.parent / "ik" / "t0.mot", study.parent / "ik" / f"copy{copy}.mot")
    every = ALL | {f"S1/copy{copy}/{method}": "solved" for copy in range(COPIES) for method in ("p2", "p3")}
    done, folder = run_study(study), study.parent / "ended"
    process = command(study, "--out", str(folder), "--jobs", "1")
    journal = folder / JOURNAL
    while process.poll() is None and not (journal.is_file() and journal.read_text().count("\n") >= 2):
        time.sleep(0.05)
    workers = children(psutil.Process(process.pid), "osimopt.batch.process")
    process.send_signal(number)
    assert process.wait(timeout=30) == code
    process.communicate()
    _, alive = psutil.wait_procs(workers, timeout=15)
    assert not alive
    assert 2 <= len(Journal(folder).rows) < len(every)
    resumed = command(study, "--out", str(folder), "--resume")
    out, err = resumed.communicate(timeout=120)
    assert resumed.returncode == 1, err
    assert "Not solved (2)" in out
    assert statuses(folder) == every | BROKEN
    assert results(folder) == results(done)
    lines = [json.loads(line)["job"] for line in journal.read_text().splitlines()]
    assert set(lines) == set(every | BROKEN)
    assert [lines.count(job) for job in every] == [1] * len(every), "what was solved before is not solved again"


@pytest.mark.slow
def test_a_full_disk_stops_the_study_and_loses_nothing(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, written = os.fsync, []

    def fsync(descriptor: int) -> None:
        written.append(descriptor)
        if len(written) == 4:
            raise OSError(28, "No space left on device")
        real(descriptor)

    monkeypatch.setattr("osimopt.batch.journal.os.fsync", fsync)
    with pytest.raises(InputError, match=r"No space left.*--resume"):
        run_study(study)
    monkeypatch.undo()
    folder = study.parent / "study_results"
    assert len(read_manifest(folder)) >= 3
    run_study(study, resume=True)
    assert statuses(folder) == ALL | BROKEN


@pytest.mark.slow
def test_no_room_for_the_manifest(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("osimopt.files.storage.write_atomically", full)
        with pytest.raises(InputError, match=r"manifest, got No space left.*--resume"):
            run_study(study)
    run_study(study, resume=True)
    assert statuses(study.parent / "study_results") == ALL | BROKEN


def test_a_line_that_was_cut_is_no_row(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for name in "abc":
        journal.add({"job": name, "status": "solved"})
    path = tmp_path / JOURNAL
    path.write_bytes(path.read_bytes()[:-7])
    torn = Journal(tmp_path)
    assert list(torn.rows) == ["a", "b"]
    torn.add({"job": "d", "status": "solved"})
    assert list(Journal(tmp_path).rows) == ["a", "b", "d"]


def test_ten_thousand_rows(tmp_path: Path) -> None:
    """Time is for the benchmark; here every row comes back."""
    rows = [{"job": f"s/{place}/p", "subject": "s", "trial": str(place), "status": "solved", "seconds": place * 0.5}
            for place in range(10_000)]  # fmt: skip
    write_manifest(tmp_path, rows)
    table = read_manifest(tmp_path)
    assert len(table) == 10_000
    np.testing.assert_array_equal(table["seconds"], [row["seconds"] for row in rows])


def test_a_worker_is_stopped_while_it_works(study: Path, tmp_path: Path) -> None:
    worker, begin = Worker(), time.monotonic()
    job = runner.jobs_of(runner.read_study(study))[0]
    with pytest.raises(StoppedError):
        worker.do(
            asdict(job),
            str(tmp_path / "r"),
            str(tmp_path / "l"),
            Limits(60, 4000),
            lambda: time.monotonic() > begin + 0.01,  # a quick machine does the job in 0.3 s
        )
    assert worker.memory_mb() == 0.0


def test_no_manifest(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"manifest\.csv"):
        read_manifest(tmp_path)
