"""Tasks done by worker processes: in parallel on this machine, or on a Dask cluster.

Workers of a cluster need osimopt and the study's files and folder under the same paths.
"""

from __future__ import annotations

import atexit
import json
import queue
import shutil
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import InputError, MissingDependencyError, explain
from ..isolation import count_jobs
from .jobs import Job, versions
from .journal import DONE
from .process import Limits, StoppedError, Worker
from .study import RunOptions
from .work import clear_unfinished

#: Statuses of jobs that are repeated in the same run: their process was lost.
LOST = ("crashed", "memory")
#: Seconds to wait for a scheduler, and between checks whether the study is to stop.
PATIENCE, LOOK = 20.0, 0.05
#: Jobs submitted ahead for each thread of a cluster, so that none of them waits for the next job.
AHEAD = 2

Row = dict[str, Any]
_thread = threading.local()


@dataclass(frozen=True)
class Task:
    """A job to do, with the number of the attempt."""

    job: Job
    key: str
    inputs: str
    attempt: int = 1


@dataclass(frozen=True)
class StudyRun:
    """What all tasks of a run share: options, the study's folder, and whether to stop."""

    options: RunOptions
    folder: Path
    stop: Callable[[], bool]

    def paths(self, task: Task) -> tuple[str, str]:
        """Result folder and log of a task."""
        return str(self.folder / "results" / task.job.name), str(self.folder / "logs" / f"{task.job.name}.log")

    def repeats(self, task: Task, row: Row) -> bool:
        """Whether a task is to be done again in this run."""
        return row["status"] in LOST and task.attempt < self.options.attempts

    def whole(self, task: Task, row: Row) -> Row:
        """The row with the entries of its task; where the job failed, earlier results of it are removed."""
        place = Path(self.paths(task)[0])
        if row["status"] not in DONE:
            shutil.rmtree(place, ignore_errors=True)
            clear_unfinished(place)
        names = {"job": task.job.name, "subject": task.job.subject, "trial": task.job.trial, "method": task.job.method}
        return {**names, **row, "attempts": task.attempt, "inputs": task.inputs, "key": task.key,
                "geometry_asked": task.job.geometry, "versions": json.dumps(versions()),
                "bytes": bytes_in(place)}  # fmt: skip


def bytes_in(folder: Path) -> int:
    """Size of a result folder; 0 where there is none."""
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file()) if folder.is_dir() else 0


def rows_here(tasks: Sequence[Task], run: StudyRun, jobs: int | None) -> Generator[Row, None, None]:
    """Rows as jobs end: first in parallel, then one by one those that ran out of memory."""
    count = count_jobs(jobs if jobs is not None else run.options.jobs, max(1, len(tasks)))
    while tasks and not run.stop():
        alone: list[Task] = []
        yield from _side_by_side(tasks, count, run, alone)
        tasks, count = alone, 1


def _side_by_side(tasks: Sequence[Task], count: int, run: StudyRun, alone: list[Task]) -> Iterator[Row]:
    """Rows from ``count`` workers; tasks that are to be repeated one by one go to ``alone``."""
    waiting: queue.SimpleQueue[list[Task]] = queue.SimpleQueue()
    rows: queue.SimpleQueue[Row | Future[None]] = queue.SimpleQueue()
    ended = threading.Event()
    for group in _groups(tasks, count):
        waiting.put(group)
    stoppable = replace(run, stop=lambda: ended.is_set() or run.stop())

    with ThreadPoolExecutor(count) as pool:
        try:
            left = min(count, len(tasks))
            for _ in range(left):
                pool.submit(_work, waiting, rows.put, stoppable, alone).add_done_callback(rows.put)
            while left:
                row = rows.get()
                if isinstance(row, Future):
                    row.result()  # raises its error
                    left -= 1
                else:
                    yield row
        finally:
            ended.set()


def _groups(tasks: Sequence[Task], count: int) -> list[list[Task]]:
    """Methods of one trial together, whose motion is then read once; single tasks where there are too few trials."""
    groups: dict[tuple[str, str], list[Task]] = {}
    for task in tasks:
        groups.setdefault((task.job.subject, task.job.trial), []).append(task)
    return list(groups.values()) if len(groups) >= count else [[task] for task in tasks]


def _work(waiting: queue.SimpleQueue[list[Task]], put: Callable[[Row], None], run: StudyRun, alone: list[Task]) -> None:
    """Do tasks in one worker until there are none; a process that was lost or has grown is replaced."""
    worker, group = Worker(), list[Task]()
    limits = Limits(run.options.timeout_s, run.options.memory_mb)
    try:
        while not run.stop():
            group = group or waiting.get_nowait()
            task = group.pop(0)
            row = worker.do(asdict(task.job), *run.paths(task), limits, run.stop)
            if run.repeats(task, row):
                (alone if row["status"] == "memory" else group).append(replace(task, attempt=task.attempt + 1))
            else:
                put(run.whole(task, row))
            if worker.held_mb > run.options.recycle_mb:
                worker.end()
    except (queue.Empty, StoppedError):
        return
    finally:
        worker.end()


def rows_on_cluster(tasks: Sequence[Task], run: StudyRun, scheduler: str) -> Generator[Row, None, None]:
    """Rows as jobs end on the cluster. A job whose worker was lost is done by another.

    Raises
    ------
    MissingDependencyError
        The package distributed is not installed.
    InputError
        There is no scheduler at the address.
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
    submitted: dict[str, Task] = {}
    waiting = list(reversed(tasks))

    def submit(task: Task) -> Any:
        options = (run.options.timeout_s, run.options.memory_mb, run.options.recycle_mb)
        key = f"{task.job.name} {task.attempt} {task.key[:12]}"
        future = client.submit(do_remotely, asdict(task.job), *run.paths(task), *options, pure=False, key=key)
        submitted[future.key] = task
        return future

    try:
        slots = max(1, sum(client.nthreads().values())) * (1 + AHEAD)
        first = [submit(waiting.pop()) for _ in range(min(slots, len(waiting)))]
        running: Any = as_completed(first, loop=client.loop)  # type: ignore[no-untyped-call]
        while running.count() and not run.stop():
            if not running.has_ready():
                time.sleep(LOOK)
                continue
            future = next(running)
            task, row = submitted.pop(future.key), _row(future)
            if run.repeats(task, row):
                running.add(submit(replace(task, attempt=task.attempt + 1)))
                continue
            yield run.whole(task, row)
            if waiting:
                running.add(submit(waiting.pop()))
    finally:
        client.close()


def do_remotely(
    job: Mapping[str, Any], folder: str, log: str, seconds: float, memory_mb: float, recycle_mb: float
) -> Row:
    """Do a job on a worker of the cluster, in a process that the next job uses too."""
    worker = getattr(_thread, "worker", None)
    if worker is None:
        worker = _thread.worker = Worker()
        atexit.register(worker.end)
    row: Row = worker.do(job, folder, log, Limits(seconds, memory_mb), lambda: False)
    if row["status"] not in DONE or worker.held_mb > recycle_mb:
        worker.end()
    return row


def _row(future: Any) -> Row:
    """Row of a job; "crashed" where its workers were lost as often as the cluster allows."""
    if (error := future.exception()) is not None:
        return {"status": "crashed", "reason": f"Lost by the cluster: {type(error).__name__}: {str(error)[:300]}"}
    return dict(future.result())
