"""One solve, from a mesh to a solution: guess, windows, the whole, check, refinement."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any

import numpy as np

from ..problem.problem import RedundancyProblem
from ..solution.solution import RedundancySolution, Status
from ..static.solve import solve_static
from .check import ForwardCheck, check_answer
from .conditions import Conditions
from .guess import first_guess
from .mesh import Mesh
from .nodes import Nodes
from .outcome import solution_of
from .parts import split
from .refine import Refinement
from .shortfall import shortfall
from .solution import DynamicSolution
from .solving import PartTask, Settings, Solved, solve_tasks
from .unknowns import Unknowns
from .windows import cut, joined, windows

#: Exponents that static optimization solves in a few steps; guesses for others come from 2.
QUICK = (1.2, 5.0)
#: Shares of their bounds by which unknowns may be off: solved for, on a like mesh or in parts, and predicted.
SOLVED, PREDICTED = 1e-5, 1e-2
#: Share of the frames of a prediction that must hold for it to be more than a guess.
MOST = 0.9
#: Violation of an equation (scaled) from which a failed solve is asked what it lacks.
LOST = 1e-4
RELIEF = "Check units and loads, give these coordinates reserves (reserves='auto'), or strengthen their muscles."
RETRY = "Try another initial_guess or mesh_interval, more max_iterations, or reserves='auto'."


@dataclass(eq=False)
class Run:
    """A solve; ``failure`` says afterwards why there is no answer, None where there is one."""

    problem: RedundancyProblem
    conditions: Conditions
    tendon: str
    time_constants: tuple[float, float] | None
    settings: Settings
    provenance: dict[str, Any]
    failure: str | None = None
    stopped: bool = False
    unmet: str | None = None
    rounds: list[dict[str, Any]] = field(default_factory=list)

    def solve(self, mesh: Mesh, initial_guess: Any, refinement: Refinement) -> DynamicSolution:
        """Solve on a mesh, and on finer ones until refinement is content."""
        nodes = self._nodes(mesh)
        static = self._static(nodes)
        unknowns = self._alone(first_guess(initial_guess, nodes, static, self.conditions.emg), nodes, static)
        self.failure = None if nodes.fiber is not None else _impossible(static)
        off = _off(initial_guess)
        check: ForwardCheck | None = None
        while self.failure is None:
            if off is None:
                unknowns, off = self._from_windows(nodes, unknowns)
            unknowns = self._solve(nodes, unknowns, off)
            if self.failure is not None:
                break
            check = check_answer(nodes, unknowns)
            self.rounds[-1]["integration_error"] = float(check.interval_error.max())
            finer = refinement.finer(nodes.mesh, check.interval_error)
            if finer is None or self.stopped:
                self.unmet = refinement.unmet(nodes.mesh, check.interval_error)
                break
            moved = unknowns.moved(nodes.mesh, finer).within(self.problem.lower, self.problem.upper)
            nodes, off = self._nodes(finer), SOLVED
            unknowns = self._alone(moved, nodes, self._static(nodes))
        solution = self._solution(nodes, unknowns, check)
        if self.failure is None and not solution.success:
            self.failure = solution.findings()[0]
        if self.failure is not None and not self.stopped:
            missing = self._shortfall(nodes)
            self.failure = f"{self.failure} {RETRY}" if missing is None else f"{missing}. {RELIEF} {self.failure}"
        return solution

    def _nodes(self, mesh: Mesh) -> Nodes:
        return Nodes.of(self.problem, mesh, self.tendon == "compliant", self.time_constants)

    def _static(self, nodes: Nodes) -> RedundancySolution:
        """Static optimization with rigid tendons at the points of the mesh."""
        exponent = self.conditions.cost.exponent
        quick = exponent if QUICK[0] <= exponent <= QUICK[1] else 2.0
        return solve_static(nodes.problem, exponent=quick, on_failure="return")

    def _alone(self, unknowns: Unknowns, nodes: Nodes, static: RedundancySolution) -> Unknowns:
        """Reserves that act beside no muscle are not solved for: those of static optimization are exact."""
        alone = [part.reserves for part in split(nodes.problem, self.conditions) if not part.muscles.size]
        reserve, control = unknowns.reserve.copy(), static.reserve_control
        for own in alone:
            reserve[:, own] = np.where(np.isfinite(control[:, own]), control[:, own], reserve[:, own])
        return replace(unknowns, reserve=reserve)

    def _from_windows(self, nodes: Nodes, guess: Unknowns) -> tuple[Unknowns, float | None]:
        """A guess near the solution of a long motion; whatever a window that failed came to is a guess too."""
        pieces = windows(nodes, self.conditions)
        if not pieces:
            return guess, None
        tasks = [PartTask(piece.nodes, piece.conditions, cut(guess, piece)) for piece in pieces]
        solved = self._solve_tasks(nodes, tasks)
        if self.stopped:
            self.failure = _failure(solved) or "Stopped by the user."
        found = [(piece, one.unknowns) for piece, one in zip(pieces, solved, strict=True)]
        return joined(guess, found), SOLVED if all(one.success for one in solved) else None

    def _solve(self, nodes: Nodes, guess: Unknowns, off: float | None) -> Unknowns:
        if self.failure is not None:
            return guess
        solved = self._solve_tasks(nodes, [PartTask(nodes, self.conditions, guess, off)])
        self.failure = _failure(solved)
        return solved[0].unknowns

    def _solve_tasks(self, nodes: Nodes, tasks: list[PartTask]) -> list[Solved]:
        begun = perf_counter()
        solved = solve_tasks(tasks, self.settings)
        self.stopped = solved[0].stopped
        answers = [answer for one in solved for answer in one.answers]
        self.rounds.append(
            {
                "intervals": len(nodes.mesh),
                "points": len(nodes.mesh.time),
                "windows": len(solved),
                "parts": len(answers),
                "iterations": max(answer.iterations for answer in answers),
                "said": list(dict.fromkeys(answer.said for answer in answers)),
                "violation": max(answer.violation for answer in answers),
                "stationarity": max(answer.stationarity for answer in answers),
                "build_seconds": sum(answer.build_seconds for answer in answers),
                "solve_seconds": sum(answer.solve_seconds for answer in answers),
                "wall_seconds": perf_counter() - begun,
            }
        )
        return solved

    def _shortfall(self, nodes: Nodes) -> str | None:
        """What could not be met; not asked where the equations were, but the solver ran out of iterations."""
        if self.rounds and self.rounds[-1]["violation"] < LOST:
            return None
        return shortfall(nodes, self.conditions, self.settings)

    def _solution(self, nodes: Nodes, unknowns: Unknowns, check: ForwardCheck | None) -> DynamicSolution:
        provenance = {**nodes.problem.provenance, "method": "dynamic", **self.provenance, "rounds": self.rounds}
        if self.unmet is not None:
            provenance["mesh"]["unmet"] = self.unmet
        iterations = sum(int(one["iterations"]) for one in self.rounds)
        solved, tolerance = self.failure is None, self.settings.tolerance
        solution = solution_of(nodes, self.conditions, unknowns, solved, tolerance, iterations, provenance)
        provenance["objective"] = {**solution.integrals, "total": solution.total_objective}
        if solution.emg_scale:
            provenance["emg_scale"] = solution.emg_scale
        if check is not None:
            provenance["forward_integration"] = check.summary()
        return replace(solution, check=check)


def _impossible(static: RedundancySolution) -> str | None:
    """Say that no activations can meet the moments on rigid tendons, whatever their history."""
    frames = int(np.sum(static.status == Status.INFEASIBLE))
    if not frames:
        return None
    return f"Static optimization has no solution in {frames} of {len(static.time)} points of the mesh."


def _failure(solved: list[Solved]) -> str | None:
    failed = [answer for one in solved for answer in one.answers if not answer.solved]
    if not failed:
        return None
    worst = max(failed, key=lambda answer: answer.violation)
    far = f"after {worst.iterations} iterations, equations missed by up to {worst.violation:.2g} (scaled)"
    if solved[0].stopped:
        return f"Stopped by the user {far}."
    return f"The solver ended with '{worst.said}' {far}."


def _off(initial_guess: Any) -> float | None:
    """By how much an initial guess is off, None where nobody knows."""
    if isinstance(initial_guess, DynamicSolution):
        return SOLVED if initial_guess.success else None
    if isinstance(initial_guess, RedundancySolution) and hasattr(initial_guess, "excitation"):
        return PREDICTED if initial_guess.solved.mean() >= MOST else None
    return None
