"""One solve, from a mesh to a solution: guess, parts, casadi's processes, check, refinement."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .. import isolation
from ..errors import some
from ..problem import RedundancyProblem
from ..solution import RedundancySolution, Status
from ..static.solve import solve_static
from .answer import Answer
from .assemble import assemble
from .check import Check, check_answer
from .conditions import Conditions
from .guess import first_guess
from .mesh import Mesh
from .nodes import Nodes
from .outcome import solution_of
from .parts import split
from .refine import Refinement
from .solution import DynamicSolution
from .unknowns import Unknowns
from .watch import Progress, Watch

SOLVE = "osimopt.dynamic.worker.solve:solve"
#: IPOPT's first barrier parameter from a guess, and from the solution on a coarser mesh.
BARRIER, LATER_BARRIER = 1e-2, 1e-4
#: Exponents that static optimization solves in a few steps; guesses for others come from 2.
QUICK = (1.2, 5.0)


@dataclass(eq=False)
class Run:
    """Options of a solve; ``failure`` says afterwards why there is no answer, None where there is one."""

    problem: RedundancyProblem
    conditions: Conditions
    tendon: str
    time_constants: tuple[float, float] | None
    solver: str
    tolerance: float
    max_iterations: int
    n_jobs: int | None
    progress: Progress | None
    provenance: dict[str, Any]
    failure: str | None = None
    rounds: list[dict[str, Any]] = field(default_factory=list)

    def solve(self, mesh: Mesh, initial_guess: Any, refinement: Refinement) -> DynamicSolution:
        """Solve on a mesh, and on finer ones until refinement is content."""
        nodes = self._nodes(mesh)
        static = self._static(nodes)
        unknowns = first_guess(initial_guess, nodes, static, self.conditions.emg)
        self.failure = None if nodes.fiber is not None else _impossible(static)
        barrier, check = BARRIER, None
        while self.failure is None:
            unknowns = self._solve_parts(nodes, unknowns, barrier)
            if self.failure is not None:
                break
            check = check_answer(nodes, unknowns)
            self.rounds[-1]["integration_error"] = float(check.interval_error.max())
            finer = refinement.finer(nodes.mesh, check.interval_error)
            if finer is None:
                break
            unknowns, nodes, barrier = unknowns.moved(nodes.mesh, finer), self._nodes(finer), LATER_BARRIER
        return self._solution(nodes, unknowns, check)

    def _nodes(self, mesh: Mesh) -> Nodes:
        return Nodes.of(self.problem, mesh, self.tendon == "compliant", self.time_constants)

    def _static(self, nodes: Nodes) -> RedundancySolution:
        """Static optimization with rigid tendons at the points of the mesh."""
        exponent = self.conditions.cost.exponent
        quick = exponent if QUICK[0] <= exponent <= QUICK[1] else 2.0
        return solve_static(nodes.problem, exponent=quick, on_failure="return")

    def _solve_parts(self, nodes: Nodes, guess: Unknowns, barrier: float) -> Unknowns:
        """Solve every part that has muscles; the others are those of static optimization, which is exact for them."""
        parts = [part for part in split(nodes.problem, self.conditions) if part.muscles.size]
        layouts, programs = zip(*(assemble(nodes, self.conditions, part, guess) for part in parts), strict=True)
        solver = "ipopt" if self.solver == "auto" else self.solver
        with Watch(len(parts), self.progress) as watch:
            calls = [
                (program, solver, self.tolerance, self.max_iterations, barrier, folder)
                for program, folder in zip(programs, watch.folders, strict=True)
            ]
            jobs = min(len(parts), self.n_jobs or _cores())
            answers: list[Answer] = list(
                isolation.run_many("casadi", SOLVE, calls, subject="this problem", n_jobs=jobs, waiter=watch)
            )
            watch.tick()
        self._note(nodes, solver, answers)
        self.failure = _failure(answers, watch.stopped)
        return guess.updated(parts, layouts, [answer.x for answer in answers])

    def _note(self, nodes: Nodes, solver: str, answers: list[Answer]) -> None:
        self.rounds.append(
            {
                "solver": solver,
                "intervals": len(nodes.mesh),
                "points": len(nodes.mesh.time),
                "parts": len(answers),
                "iterations": max(answer.iterations for answer in answers),
                "said": list(dict.fromkeys(answer.said for answer in answers)),
                "violation": max(answer.violation for answer in answers),
                "stationarity": max(answer.stationarity for answer in answers),
                "build_seconds": max(answer.build_seconds for answer in answers),
                "solve_seconds": max(answer.solve_seconds for answer in answers),
            }
        )

    def _solution(self, nodes: Nodes, unknowns: Unknowns, check: Check | None) -> DynamicSolution:
        provenance = {**nodes.problem.provenance, "method": "dynamic", **self.provenance, "rounds": self.rounds}
        provenance["mesh"]["edges"] = nodes.mesh.edges.tolist()
        iterations = sum(int(one["iterations"]) for one in self.rounds)
        solved = self.failure is None
        solution = solution_of(nodes, self.conditions, unknowns, solved, self.tolerance, iterations, provenance)
        provenance["objective"] = {**solution.integrals, "total": solution.total_objective}
        if solution.emg_scale:
            provenance["emg_scale"] = solution.emg_scale
        if check is not None:
            provenance["forward_integration"] = check.summary()
        return replace(solution, check=check)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _impossible(static: RedundancySolution) -> str | None:
    """Say why no activations can meet the moments on rigid tendons, whatever their history."""
    frames = np.flatnonzero(static.status == Status.INFEASIBLE).tolist()
    if not frames:
        return None
    told = some([f"at {static.time[frame]:g} s {static.detail.get(frame, '')}".strip() for frame in frames], 3)
    return f"{Status.INFEASIBLE.value} {len(frames)} of {len(static.time)} points of the mesh: {told}"


def _failure(answers: list[Answer], stopped: bool) -> str | None:
    failed = [answer for answer in answers if not answer.solved]
    if not failed:
        return None
    worst = max(failed, key=lambda answer: answer.violation)
    far = f"after {worst.iterations} iterations, equations missed by up to {worst.violation:.2g} (scaled)"
    if stopped:
        return f"Stopped by the user {far}."
    return (
        f"The solver ended with '{worst.said}' {far}. Try another initial_guess or a finer mesh_interval, or give the "
        "coordinates reserves (reserves='auto')."
    )
