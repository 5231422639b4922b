"""A job to do in a run of a study, and its row of the manifest."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .jobs import Job
from .work import clear_unfinished

#: Statuses after which a job is tried again in the same run: the process was lost, not the job's input wrong.
LOST = ("crashed", "memory")
#: Statuses of jobs that are not done again by ``resume``.
DONE = ("solved", "partly")


@dataclass(frozen=True)
class Task:
    """A job to do, for the which-th time."""

    job: Job
    key: str
    inputs: str
    attempt: int = 1


def row_of(task: Task, row: dict[str, Any], place: Path) -> dict[str, Any]:
    """The whole row of a job; results of an earlier time are removed where it failed now."""
    if row["status"] not in DONE:
        shutil.rmtree(place, ignore_errors=True)
        clear_unfinished(place)
    own = {"job": task.job.name, "subject": task.job.subject, "trial": task.job.trial, "method": task.job.method}
    return {**own, **row, "attempts": task.attempt, "inputs": task.inputs, "key": task.key,
            "bytes": bytes_in(place)}  # fmt: skip


def bytes_in(folder: Path) -> int:
    """Size of a result folder; 0 of none."""
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file()) if folder.is_dir() else 0
