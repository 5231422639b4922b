"""The same jobs on a Dask cluster, whose workers need osimopt and the study's folder, nothing else."""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import InputError, MissingDependencyError, explain
from .process import Limits, Worker
from .study import RunOptions
from .task import DONE, LOST, Task, row_of

#: s to wait for the scheduler, and between looks whether the study is to stop.
PATIENCE, LOOK = 20.0, 0.05
#: Jobs that are handed over ahead of each thread of the cluster, so that none waits for the next.
AHEAD = 2

_own = threading.local()


def done_on_cluster(
    todo: Sequence[Task], run: RunOptions, folder: Path, scheduler: str, stop: Callable[[], bool]
) -> Generator[dict[str, Any], None, None]:
    """Rows as jobs end on the cluster. A job whose worker was lost is done by another.

    Raises
    ------
    MissingDependencyError
        The package distributed is not installed.
    InputError
        Nobody answers at the scheduler's address.
    """
    try:
        from distributed import Client, as_completed
    except ImportError:
        fix = "pip install 'osimopt[cluster]'"
        raise MissingDependencyError(explain("distributed, for --scheduler", "it is not installed", fix)) from None
    try:
        client: Any = Client(scheduler, timeout=PATIENCE, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        fix = "Start one (dask scheduler), or check the address, as tcp://host:8786."
        raise InputError(explain("a Dask scheduler", f"{error}", fix, scheduler)) from None
    tasks: dict[str, Task] = {}
    waiting = list(reversed(todo))

    def submit(task: Task) -> Any:
        names = [str(folder / part / task.job.name) for part in ("results", "logs")]
        future = client.submit(
            do_remotely, task.job.plain(), names[0], f"{names[1]}.log", run.timeout_s, run.memory_mb, run.recycle_mb,
            pure=False, key=f"{task.job.name} {task.attempt} {task.key[:12]}",
        )  # fmt: skip
        tasks[future.key] = task
        return future

    try:
        slots = max(1, sum(client.nthreads().values())) * (1 + AHEAD)
        first = [submit(waiting.pop()) for _ in range(min(slots, len(waiting)))]
        running: Any = as_completed(first, loop=client.loop)  # type: ignore[no-untyped-call]
        while running.count() and not stop():
            if not running.has_ready():
                time.sleep(LOOK)
                continue
            future = next(running)
            task = tasks.pop(future.key)
            row = _row(future)
            if row["status"] in LOST and task.attempt < run.attempts:
                running.add(submit(replace(task, attempt=task.attempt + 1)))
                continue
            yield row_of(task, row, folder / "results" / task.job.name)
            if waiting:
                running.add(submit(waiting.pop()))
    finally:
        client.close()


def do_remotely(
    job: Mapping[str, Any], folder: str, log: str, seconds: float, memory_mb: float, recycle_mb: float
) -> dict[str, Any]:
    """On a worker of the cluster: do a job in a process of its own, which the next job uses too."""
    worker = getattr(_own, "worker", None)
    if worker is None:
        worker = _own.worker = Worker()
        atexit.register(worker.end)
    row: dict[str, Any] = worker.do(job, folder, log, Limits(seconds, memory_mb), lambda: False)
    if row["status"] not in DONE or worker.held_mb > recycle_mb:
        worker.end()
    return row


def _row(future: Any) -> dict[str, Any]:
    """What a job came to, or that its workers were lost as often as the cluster allows."""
    error = future.exception()
    if error is None:
        row: dict[str, Any] = future.result()
        return row
    return {"status": "crashed", "reason": f"Lost by the cluster: {type(error).__name__}: {str(error)[:300]}"}
