"""Several problems at once, each in its parts, shared among casadi's processes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .. import isolation
from .answer import Answer
from .assemble import assemble
from .conditions import Conditions
from .nodes import Nodes
from .parts import split
from .unknowns import Unknowns
from .watch import Progress, Watch

SOLVE = "osimopt.dynamic.worker.solve:solve"


@dataclass(frozen=True)
class Settings:
    """How to solve: to what tolerance, for how long, on how many processes."""

    tolerance: float
    max_iterations: int
    n_jobs: int | None
    progress: Progress | None


@dataclass(frozen=True, eq=False)
class PartTask:
    """A problem to solve, and where to begin: ``off`` by which share of its bounds, None where nobody knows."""

    nodes: Nodes
    conditions: Conditions
    guess: Unknowns
    off: float | None = None


@dataclass(frozen=True, eq=False)
class Solved:
    """The last iterate, what the solver says of each part, and whether the user stopped it."""

    unknowns: Unknowns
    answers: list[Answer]
    stopped: bool

    @property
    def success(self) -> bool:
        """Whether every part was solved."""
        return all(answer.solved for answer in self.answers)


def solve_tasks(tasks: Sequence[PartTask], settings: Settings) -> list[Solved]:
    """Solve every part that has muscles; the others keep their guess, static optimization, which is exact for them.

    What ``settings.progress`` raises is raised, after the solver was stopped.
    """
    parts = [[part for part in split(task.nodes.problem, task.conditions) if part.muscles.size] for task in tasks]
    jobs = [(task, part) for task, own in zip(tasks, parts, strict=True) for part in own]
    assembled = [assemble(task.nodes, task.conditions, part, task.guess) for task, part in jobs]
    with Watch(len(jobs), settings.progress) as watch:
        calls: list[tuple[Any, ...]] = [
            (program, settings.tolerance, settings.max_iterations, task.off, folder)
            for (task, _), (_, program), folder in zip(jobs, assembled, watch.folders, strict=True)
        ]
        processes = isolation.count_jobs(settings.n_jobs, len(jobs))
        answers: list[Answer] = list(
            isolation.run_many("casadi", SOLVE, calls, subject="this problem", n_jobs=processes, waiter=watch)
        )
        watch.tick()
    if watch.raised is not None:
        raise watch.raised
    solved, first = [], 0
    for task, own in zip(tasks, parts, strict=True):
        mine = slice(first, first + len(own))
        layouts = [layout for layout, _ in assembled[mine]]
        unknowns = task.guess.updated(own, layouts, [answer.x for answer in answers[mine]])
        solved.append(Solved(unknowns, answers[mine], watch.stopped))
        first += len(own)
    return solved
