"""The same study on a Dask scheduler with two worker processes, one of which is killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_batch_run import ALL, BROKEN, results, statuses, study  # noqa: F401

from osimopt import InputError, run_study
from osimopt.batch.journal import JOURNAL

pytest.importorskip("distributed", reason="needs distributed (pip install 'osimopt[cluster]')")


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """Address of a scheduler on loopback, and its two workers of one thread each."""
    place = tmp_path / "scheduler.json"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    environment = {**os.environ, "LD_LIBRARY_PATH": ""}
    module = [sys.executable, "-m"]
    options = ["--scheduler-file", str(place), "--no-dashboard"]
    scheduler = subprocess.Popen(
        [*module, "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", *options],
        env=environment,
        **quiet,
    )
    while not place.is_file() or not place.read_text():
        time.sleep(0.05)
    workers = [
        subprocess.Popen(
            [
                *module,
                "distributed.cli.dask_worker",
                "--nthreads",
                "1",
                "--no-nanny",
                "--local-directory",
                str(tmp_path / f"dask{number}"),
                *options,
            ],
            env=environment,
            **quiet,
        )
        for number in range(2)
    ]
    yield json.loads(place.read_text())["address"], workers
    for process in [*workers, scheduler]:
        process.kill()
        process.wait()


@pytest.mark.slow
def test_a_study_on_a_cluster(study: Path, cluster) -> None:  # noqa: F811
    address, workers = cluster
    here = run_study(study, study.parent / "here")

    def lose(row: dict[str, object], done: int, _: int) -> None:
        if done == 2:
            workers[0].kill()

    there = run_study(study, study.parent / "there", scheduler=address, progress=lose)
    assert statuses(there) == ALL | BROKEN
    assert results(there) == results(here)
    lines = [json.loads(line)["job"] for line in (there / JOURNAL).read_text().splitlines()]
    assert sorted(lines) == sorted(ALL | BROKEN), "every job once"


def test_nobody_answers(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setattr("osimopt.batch.tasks.PATIENCE", 1.0)
    with pytest.raises(InputError, match="a Dask scheduler"):
        run_study(study, scheduler="tcp://127.0.0.1:9")
    with pytest.raises(InputError, match="a Dask scheduler"):
        run_study(study, resume=True, scheduler="nonsense://here")
