"""run_study and iterate_study: do every job of a study that is not done; one that fails does not stop the others."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from ..errors import InputError, explain
from ..notices import warn
from .jobs import Job, content_hash, jobs_of
from .journal import DONE, LOCK, Journal, write_manifest
from .study import Study, read_study
from .tasks import StudyRun, Task, bytes_in, rows_here, rows_on_cluster

#: The manifest is written after every so many rows while a study runs.
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
    r"""Do every job of a study: each trial of each subject by each method, in processes of their own.

    Parameters
    ----------
    study
        Study file (.toml), or the result of ``read_study``; ``osimopt batch --init`` writes an example.
    folder
        Folder to write; default ``<name>_results`` beside the study file. It holds ``manifest.csv`` (one row per job,
        also as Parquet where pyarrow is installed), ``journal.jsonl``, ``results/<subject>/<trial>/<method>`` and
        ``logs``.
    resume
        Continue a folder: only jobs that are missing, failed or changed (files, options, version) are done.
    jobs
        Number of parallel processes, instead of the study's.
    scheduler
        Address of a Dask scheduler (``tcp://host:8786``), whose workers do the jobs; they see the same folders.
    stop
        Called several times per second; once it returns True, running jobs are ended. The study can be resumed.
    progress
        Called after each job with its row, the number of rows so far and their final number.

    Returns
    -------
    pathlib.Path
        The folder; :func:`osimopt.read_manifest` reads its manifest.

    Raises
    ------
    ConfigError
        The study file or a file that it names is wrong. All errors are listed.
    InputError
        Another run uses the folder, it has results and ``resume`` is False, or there is no space for the journal.
    MissingDependencyError
        ``scheduler`` is given and the package distributed is not installed.

    Examples
    --------
    >>> import osimopt
    >>> from osimopt.datasets import arm26
    >>> arm = arm26()
    >>> toml = f'subjects = [{{name = "S1", model = "{arm.model}", motions = "{arm.motion}", time_range = [0.2, 0.3]}}]'
    >>> with open("study.toml", "w") as file:
    ...     _ = file.write(toml + '\nmethods = [{name = "p2"}, {name = "p3", exponent = 3}]')
    >>> folder = osimopt.run_study("study.toml")
    >>> osimopt.read_manifest(folder)[["trial", "method", "status", "frames"]]
                       trial method  status  frames
    0  arm26_elbow_flexion     p2  solved      11
    1  arm26_elbow_flexion     p3  solved      11
    """
    study = study if isinstance(study, Study) else read_study(study)
    for _ in iterate_study(study, folder, resume=resume, jobs=jobs, scheduler=scheduler, stop=stop, progress=progress):
        pass
    return _folder(study, folder)


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
    r"""Do every job of a study as :func:`run_study` does, and yield the row of each job when it ends.

    Closing the generator ends the running jobs; the study can be resumed. Errors are raised by the first ``next``.

    Parameters
    ----------
    study, folder, resume, jobs, scheduler, stop, progress
        As those of :func:`run_study`.

    Yields
    ------
    dict
        A row of the manifest: ``job``, ``status``, ``reason``, ``frames``, … (:func:`osimopt.read_manifest`).

    Raises
    ------
    ConfigError, InputError, MissingDependencyError
        As those of :func:`run_study`.

    Examples
    --------
    >>> import osimopt
    >>> from osimopt.datasets import arm26
    >>> arm = arm26()
    >>> toml = f'subjects = [{{name = "S1", model = "{arm.model}", motions = "{arm.motion}", time_range = [0.2, 0.3]}}]'
    >>> with open("study.toml", "w") as file:
    ...     _ = file.write(toml + '\nmethods = [{name = "p2"}]')
    >>> [(row["job"], row["status"]) for row in osimopt.iterate_study("study.toml")]
    [('S1/arm26_elbow_flexion/p2', 'solved')]
    """
    study = study if isinstance(study, Study) else read_study(study)
    everything, place = jobs_of(study), _folder(study, folder)
    with _locked(place):
        journal = Journal(place)
        if journal.rows and not resume:
            fix = "Continue with --resume (resume=True), or choose another folder."
            got = f"{len(journal.rows)} jobs in it"
            raise InputError(explain("a folder without a study's results", got, fix, place))
        tasks, run = _to_do(everything, journal, place), StudyRun(study.run, place, stop)
        wanted = {job.name for job in everything}
        rows = rows_here(tasks, run, jobs) if scheduler is None else rows_on_cluster(tasks, run, scheduler)
        try:
            with closing(rows):
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
    """Jobs except those with results of the same key, whose folders are as they were written.

    A warning tells of those that were made by other versions, or with other muscle paths.
    """
    hash_of, tasks, again = cache(content_hash), list[Task](), Counter[str]()
    for job in everything:
        key, row = job.key(hash_of), journal.rows.get(job.name, {})
        kept = row.get("status") in DONE and row.get("key") == key
        if row.get("status") in DONE and (otherwise := job.made_otherwise(row)):
            again[otherwise] += 1
        if not (kept and row.get("bytes") == bytes_in(folder / "results" / job.name)):
            tasks.append(Task(job, key, job.inputs(hash_of)))
    if again:
        made = "; ".join(f"{count} {otherwise}" for otherwise, count in again.most_common())
        warn(f"{folder}: finished jobs that were made otherwise are done again: {made}.")
    return tasks


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder; the lock ends with the process, however that ends."""
    import filelock

    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder / LOCK, timeout=0)
        lock.acquire()
    except filelock.Timeout:
        fix = "Wait until it ends, or choose another folder."
        raise InputError(explain("a folder that no other run works in", "a running study", fix, folder)) from None
    except OSError as error:
        raise InputError(explain("a folder that can be made", str(error), "Choose another place.", folder)) from error
    try:
        yield
    finally:
        lock.release()
