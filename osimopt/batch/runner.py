"""run_study: do every job of a study that is not done, side by side, whatever happens to single ones."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import InputError, explain
from ..isolation import count_jobs
from .jobs import Hashes, Job, jobs_of
from .journal import LOCK, Journal, write_manifest
from .process import Limits, StoppedError, Worker
from .study import RunOptions, Study, read_study
from .task import DONE, LOST, Task, bytes_in, row_of

#: Rows between two writings of the manifest while a study runs.
OFTEN = 20


def run_study(
    study: Study | str | os.PathLike[str],
    folder: str | os.PathLike[str] | None = None,
    *,
    resume: bool = False,
    jobs: int | None = None,
    scheduler: str | None = None,
    stop: Callable[[], bool] = lambda: False,
    progress: Callable[[dict[str, Any], int, int], None] | None = None,
) -> Path:
    """Do a study and return its folder.

    Parameters
    ----------
    study
        A study file, or what :func:`read_study` made of it.
    folder
        To write; default ``<name>_results`` beside the study file. Holds ``manifest.csv`` (one row per job, also as
        Parquet where pyarrow is at hand), ``journal.jsonl``, ``results/<subject>/<trial>/<method>`` and ``logs``.
    resume
        Go on with a folder: only jobs that are missing, failed or changed (files, options, version) are done.
    jobs
        Workers side by side, in place of the study's.
    scheduler
        Address of a Dask scheduler (``tcp://host:8786``), whose workers do the jobs; they see the same folders.
    stop
        Asked often; once true, running jobs are ended and the study can be resumed.
    progress
        Called with each new row, how many rows there are, and how many there will be.

    Raises
    ------
    ConfigError
        Something wrong in the study.
    InputError
        A folder that is in use, or has results and ``resume`` is not said; no room for the journal.
    """
    for _ in iterate_study(study, folder, resume=resume, jobs=jobs, scheduler=scheduler, stop=stop, progress=progress):
        pass
    return _folder(study if isinstance(study, Study) else read_study(study), folder)


def iterate_study(
    study: Study | str | os.PathLike[str],
    folder: str | os.PathLike[str] | None = None,
    *,
    resume: bool = False,
    jobs: int | None = None,
    scheduler: str | None = None,
    stop: Callable[[], bool] = lambda: False,
    progress: Callable[[dict[str, Any], int, int], None] | None = None,
) -> Iterator[dict[str, Any]]:
    """The same as :func:`run_study`, row by row as jobs end. Closing the generator stops the study."""
    own = study if isinstance(study, Study) else read_study(study)
    everything, place = jobs_of(own), _folder(own, folder)
    with _locked(place):
        journal = Journal(place)
        if journal.rows and not resume:
            fix = "Say --resume (resume=True) to go on, or choose another folder."
            raise InputError(
                explain("a folder without a study's results", f"{len(journal.rows)} jobs in it", fix, place)
            )
        todo = _to_do(everything, journal, place)
        wanted = {job.name for job in everything}
        try:
            with closing(_rows(todo, own.run, place, jobs, scheduler, stop)) as rows:
                for new, row in enumerate(rows, 1):
                    journal.add(row)
                    if new % OFTEN == 0:
                        write_manifest(place, [one for name, one in journal.rows.items() if name in wanted])
                    if progress is not None:
                        progress(row, len(wanted & journal.rows.keys()), len(wanted))
                    yield row
        finally:
            write_manifest(place, [journal.rows[job.name] for job in everything if job.name in journal.rows])


def _folder(study: Study, folder: str | os.PathLike[str] | None) -> Path:
    return (study.folder / f"{study.name}_results" if folder is None else Path(folder)).absolute()


def _to_do(everything: Sequence[Job], journal: Journal, folder: Path) -> list[Task]:
    """Jobs without a row that is done, of the same key, whose results are as they were written."""
    hashes, tasks = Hashes(), []
    for job in everything:
        key, row = job.key(hashes), journal.rows.get(job.name, {})
        kept = row.get("status") in DONE and row.get("key") == key
        if not (kept and row.get("bytes") == bytes_in(folder / "results" / job.name)):
            tasks.append(Task(job, key, job.inputs(hashes)))
    return tasks


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder; the lock goes with the process, however that ends."""
    import filelock

    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder / LOCK, timeout=0)
        lock.acquire()
    except filelock.Timeout:
        fix = "Wait for it, or choose another folder."
        raise InputError(explain("a folder that no other run works in", "one that does", fix, folder)) from None
    except OSError as error:
        raise InputError(explain("a folder that can be made", str(error), "Choose another place.", folder)) from error
    try:
        yield
    finally:
        lock.release()


def _rows(
    todo: Sequence[Task],
    run: RunOptions,
    folder: Path,
    jobs: int | None,
    scheduler: str | None,
    stop: Callable[[], bool],
) -> Generator[dict[str, Any], None, None]:
    """From workers here, or from those of a cluster."""
    if scheduler is None:
        return _done(todo, run, folder, jobs, stop)
    from .cluster import done_on_cluster

    return done_on_cluster(todo, run, folder, scheduler, stop)


def _done(
    todo: Sequence[Task], run: RunOptions, folder: Path, jobs: int | None, stop: Callable[[], bool]
) -> Generator[dict[str, Any], None, None]:
    """Rows as jobs end: first side by side, then one by one those that were lost for memory."""
    count = count_jobs(jobs if jobs is not None else run.jobs, max(1, len(todo)))
    while todo and not stop():
        lost: list[Task] = []
        yield from _side_by_side(todo, count, run, folder, stop, lost)
        todo, count = lost, 1


def _side_by_side(
    tasks: Sequence[Task], count: int, run: RunOptions, folder: Path, stop: Callable[[], bool], lost: list[Task]
) -> Iterator[dict[str, Any]]:
    """Rows from ``count`` workers; tasks that are to be done alone go to ``lost``."""
    waiting: queue.SimpleQueue[list[Task]] = queue.SimpleQueue()
    rows: queue.SimpleQueue[dict[str, Any] | BaseException | None] = queue.SimpleQueue()
    ended = threading.Event()
    for group in _groups(tasks, count):
        waiting.put(group)

    def halted() -> bool:
        return ended.is_set() or stop()

    def work() -> None:
        try:
            _work(waiting, rows, run, folder, halted, lost)
        except BaseException as error:
            rows.put(error)
        rows.put(None)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(count, len(tasks)))]
    for thread in threads:
        thread.start()
    try:
        left = len(threads)
        while left:
            row = rows.get()
            if isinstance(row, BaseException):
                raise row
            if row is None:
                left -= 1
            else:
                yield row
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def _groups(tasks: Sequence[Task], count: int) -> list[list[Task]]:
    """Methods of one trial together, whose motion is read once then; single tasks where trials are too few for that."""
    groups: dict[str, list[Task]] = {}
    for task in tasks:
        groups.setdefault(f"{task.job.subject}/{task.job.trial}", []).append(task)
    return list(groups.values()) if len(groups) >= count else [[task] for task in tasks]


def _work(
    waiting: queue.SimpleQueue[list[Task]], rows: queue.SimpleQueue[Any], run: RunOptions, folder: Path,
    halted: Callable[[], bool], lost: list[Task],
) -> None:  # fmt: skip
    """One worker: jobs until there are none; a lost process is replaced, one that has grown too."""
    worker, group = Worker(), list[Task]()
    limits = Limits(run.timeout_s, run.memory_mb)
    try:
        while not halted():
            try:
                group = group or waiting.get_nowait()
            except queue.Empty:
                return
            task = group.pop(0)
            try:
                row = do_task(worker, task, folder, limits, halted)
            except StoppedError:
                return
            if row["status"] in LOST and task.attempt < run.attempts:
                again = replace(task, attempt=task.attempt + 1)
                (lost if row["status"] == "memory" else group).append(again)
            else:
                rows.put(row)
            if worker.held_mb > run.recycle_mb:
                worker.end()
    finally:
        worker.end()


def do_task(worker: Worker, task: Task, folder: Path, limits: Limits, halted: Callable[[], bool]) -> dict[str, Any]:
    """Do a job and return its whole row."""
    place = folder / "results" / task.job.name
    log = folder / "logs" / f"{task.job.name}.log"
    return row_of(task, worker.do(task.job.plain(), str(place), str(log), limits, halted), place)
