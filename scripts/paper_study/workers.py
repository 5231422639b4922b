"""Experiments side by side, in processes of one thread each; what has a result is not done again."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from .experiment import Experiment, run

#: Told (done, in all).
Progress = Callable[[int, int], None]


def train_in(folder: Path, data: Path | None, jobs: int, progress: Progress | None = None) -> Any:
    """A function that trains experiments, ``jobs`` at a time, and gives their results by experiment."""

    def train(experiments: Sequence[Experiment]) -> dict[Experiment, dict[str, Any]]:
        wanted = list(dict.fromkeys(experiments))
        told = [experiment for experiment in wanted if not (folder / "results" / f"{experiment.name}.json").is_file()]
        side_by_side(_one, [(experiment, folder, data) for experiment in _slow_first(told)], jobs, progress)
        return {one: json.loads((folder / "results" / f"{one.name}.json").read_text("utf-8")) for one in wanted}

    return train


def side_by_side(
    work: Callable[..., Any], arguments: Sequence[tuple[Any, ...]], jobs: int, progress: Progress | None = None
) -> list[Any]:
    """Results of calls, in order; with one job, here."""
    done = []
    if jobs == 1 or len(arguments) < 2:
        for count, own in enumerate(arguments, start=1):
            done.append(work(*own))
            if progress is not None:
                progress(count, len(arguments))
        return done
    from loky import ProcessPoolExecutor

    environment = {"OMP_NUM_THREADS": "1", "LD_LIBRARY_PATH": os.environ.get("LD_LIBRARY_PATH", "")}
    with ProcessPoolExecutor(max_workers=jobs, env=environment) as pool:
        waiting = [pool.submit(work, *own) for own in arguments]
        for count, future in enumerate(waiting, start=1):
            done.append(future.result())
            if progress is not None:
                progress(count, len(arguments))
    return done


@lru_cache(maxsize=8)
def sets_of(name: str, folder: Path, data: Path | None) -> Any:
    """Data sets, read once in every process."""
    from .datasets import make_sets

    return make_sets(name, folder / "sets", data)


def problems_of(dataset: str, folder: Path) -> Path | None:
    """Where the redundancy problems of a simulated set are; None for measured ones."""
    from .datasets import SIMULATED, problems

    return problems(folder / "sets") if dataset in SIMULATED else None


def _one(experiment: Experiment, folder: Path, data: Path | None) -> None:
    sets = sets_of(experiment.dataset, folder, data)
    run(experiment, sets, folder / "results", problems_of(experiment.dataset, folder))


def _slow_first(experiments: Sequence[Experiment]) -> list[Experiment]:
    """The longest trainings first, so that no process is left alone with one at the end."""
    return sorted(experiments, key=lambda one: -one.epochs * ("25 times" in one.dataset))
