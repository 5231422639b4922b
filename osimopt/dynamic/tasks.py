"""Tasks of the solver: a problem at the points of a mesh and a starting point, solved part by part by processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from .. import isolation
from .assemble import split
from .checkpoint import SolvedWindows
from .nodes import IndependentPart, Layout, Nodes, Unknowns
from .objective import Conditions
from .program import ProgramResult, Progress, Watch

#: Of records of several windows the largest counts, of all other numbers the sum.
LARGEST = ("iterations", "violation", "stationarity")
SOLVE = "osimopt.dynamic.worker.solve:solve_part"


@dataclass(frozen=True, eq=False)
class SolverTask:
    """A problem and its starting point; ``distance`` from the solution is a share of the bounds, None if unknown.

    ``name`` tells tasks apart in messages.
    """

    nodes: Nodes
    conditions: Conditions
    guess: Unknowns
    distance: float | None = None
    name: str = ""


@dataclass(frozen=True, eq=False)
class Outcome:
    """Unknowns of a task and what the solver reports of its parts; ``failure`` is None of success."""

    task: SolverTask
    unknowns: Unknowns
    results: list[ProgramResult]
    failure: str | None

    @property
    def iterations(self) -> int:
        """The largest number of any part."""
        return max((result.iterations for result in self.results), default=0)


@dataclass(eq=False)
class Solver:
    """Solves tasks in casadi's processes; ``rounds`` records each call of ``solve``.

    ``on_window`` is called with the numbers of windows that are done and of all. Windows are kept in ``checkpoint``.
    """

    tolerance: float
    max_iterations: int
    n_jobs: int | None = None
    progress: Progress | None = None
    on_window: isolation.Progress | None = None
    checkpoint: SolvedWindows | None = None
    stopped: bool = False
    rounds: list[dict[str, Any]] = field(default_factory=list)

    def solve(self, tasks: Sequence[SolverTask], done: int = 0, windows: int = 0) -> list[Outcome]:
        """Solve the parts with muscles of all tasks; other parts keep their guess.

        ``done`` of all ``windows`` have been solved before. Exceptions of the user's ``progress`` are raised after the
        solver has stopped.
        """
        begun, outcomes = perf_counter(), list[Outcome]()
        parts = [[part for part in split(task.nodes.balance, task.conditions) if part.muscles.size] for task in tasks]
        with Watch(sum(map(len, parts)), self.progress) as watch:
            found = self._found(tasks, parts, watch)
            for number, (task, own) in enumerate(zip(tasks, parts, strict=True), done + 1):
                outcomes.append(self._outcome(task, own, [next(found) for _ in own], watch))
                if self.on_window is not None and windows:
                    self.on_window(number, windows)
            watch.tick()
        if watch.raised is not None:
            raise watch.raised
        self.stopped = watch.stopped
        self._record(outcomes, perf_counter() - begun)
        return outcomes

    def _found(
        self, tasks: Sequence[SolverTask], parts: Sequence[Sequence[IndependentPart]], watch: Watch
    ) -> Iterator[ProgramResult]:
        """Results of all parts in order, from the checkpoint or solved; each is kept there."""
        jobs = [(task, part) for task, own in zip(tasks, parts, strict=True) for part in own]
        keep = self.checkpoint
        keys = ["" if keep is None else keep.key(*job, self.tolerance, self.max_iterations) for job in jobs]
        # all at once: another call with the same folder deletes them at its end
        known = [None if keep is None else keep.read(key) for key in keys]
        calls = (
            (task.nodes, task.conditions, part, task.guess, self.tolerance, self.max_iterations, task.distance, folder)
            for (task, part), folder, there in zip(jobs, watch.folders, known, strict=True)
            if there is None
        )
        processes = isolation.count_jobs(self.n_jobs, max(1, known.count(None)))
        solved = isolation.run_many("casadi", SOLVE, calls, subject="this problem", n_jobs=processes, waiter=watch)
        for key, there in zip(keys, known, strict=True):
            result = next(solved) if there is None else there
            if keep is not None and there is None and result.solved:
                keep.write(key, result)
            yield result

    def _outcome(
        self, task: SolverTask, parts: Sequence[IndependentPart], results: list[ProgramResult], watch: Watch
    ) -> Outcome:
        largest = task.conditions.cost.quantity == "largest"
        layouts = [Layout.of(part, task.nodes, largest) for part in parts]
        solutions = [(layout, result.x) for layout, result in zip(layouts, results, strict=True)]
        return Outcome(task, task.guess.updated(solutions), results, _failure(task.name, results, watch.stopped))

    def join_rounds(self, first: int) -> None:
        """Make one record of those from ``first`` on, which are of windows."""
        own = self.rounds[first:]
        joined = {name: sum(one[name] for one in own) for name in own[0] if name not in ("said", *LARGEST)}
        joined |= {name: max(one[name] for one in own) for name in LARGEST}
        joined["said"] = list(dict.fromkeys(word for one in own for word in one["said"]))
        self.rounds[first:] = [joined]

    def _record(self, outcomes: Sequence[Outcome], seconds: float) -> None:
        mesh = [outcome.task.nodes.mesh for outcome in outcomes]
        sizes = {"intervals": sum(map(len, mesh)), "points": sum(len(one.time) for one in mesh), "windows": len(mesh)}
        results = [result for outcome in outcomes for result in outcome.results]
        self.rounds.append({**sizes, **_summary(results), "wall_seconds": seconds})


def _summary(results: list[ProgramResult]) -> dict[str, Any]:
    """Record of a round in the provenance."""
    return {
        "parts": len(results),
        "iterations": max((result.iterations for result in results), default=0),
        "said": list(dict.fromkeys(result.message for result in results)),
        "violation": max((result.violation for result in results), default=0.0),
        "stationarity": max((result.stationarity for result in results), default=0.0),
        "build_seconds": sum(result.build_seconds for result in results),
        "solve_seconds": sum(result.solve_seconds for result in results),
    }


def _failure(name: str, results: list[ProgramResult], stopped: bool) -> str | None:
    failed = [result for result in results if not result.solved]
    if not failed:
        return None
    begun = [result for result in failed if result.iterations] or failed  # parts that waited for their turn have none
    worst = max(begun, key=lambda result: result.violation)
    how = "Stopped by the user" if stopped else f"The solver ended with '{worst.message}'"
    where = f"; window from {name}" if name else ""
    missed = f"equations missed by up to {worst.violation:.2g} (scaled){where}."
    return f"{how} after {worst.iterations} iterations, {missed}"
