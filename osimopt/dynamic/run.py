"""A run of the solver: guess, windows, whole motion, check and refinement; and the diagnosis of a failed run."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import isolation
from ..errors import some
from ..problem.problem import RedundancyProblem
from ..problem.reserves import ReserveActuators
from ..solution.solution import RedundancySolution
from ..solution.status import Status
from ..static.solve import solve_static
from .assemble import assemble, split
from .contact import limited, moment_scale
from .guess import first_guess, joined, windows
from .integrate import ForwardCheck, check_solution
from .mesh import Mesh, Refinement
from .nodes import Nodes, Unknowns
from .objective import Conditions, dynamic_cost
from .program import ProgramResult, Progress, Watch
from .solution import DynamicSolution, solution_of

SOLVE = "osimopt.dynamic.worker.solve:solve"
#: Range of exponents that static optimization solves in a few steps; guesses of other exponents use 2.
QUICK = (1.2, 5.0)
#: Distance of a starting point from the solution, as a share of the bounds: a solution (on a similar mesh, or in
#: windows), and a prediction.
SOLVED, PREDICTED = 1e-5, 1e-2
#: Share of frames of a prediction that must hold for PREDICTED to apply.
MOST = 0.9
#: Violation of an equation (scaled) above which a failed solve is diagnosed.
LOST = 1e-4
#: Moment of the diagnosis' reserves at control 1, as a share of the coordinate's peak: so weak that muscles come first.
WEAK = 1e-3
#: Share of a coordinate's peak moment that counts as missing.
MISSING = 0.01
RELIEF = "Check units and loads, give these coordinates reserves (reserves='auto'), or strengthen their muscles."
RETRY = "Try another initial_guess or mesh_interval, more max_iterations, or reserves='auto'."
LIMITS = "Limits of contact forces may be out of reach: feasible_ranges of a solution without them shows that."


@dataclass(frozen=True, eq=False)
class SolverTask:
    """A problem and its starting point; ``distance`` from the solution is a share of the bounds, None if unknown."""

    nodes: Nodes
    conditions: Conditions
    guess: Unknowns
    distance: float | None = None


@dataclass(eq=False)
class Run:
    """A solve; afterwards ``failure`` is the reason of its failure, None of success."""

    problem: RedundancyProblem
    conditions: Conditions
    elastic: NDArray[np.bool_]
    time_constants: tuple[float, float] | None
    tolerance: float
    max_iterations: int
    n_jobs: int | None
    progress: Progress | None
    provenance: dict[str, Any]
    failure: str | None = None
    stopped: bool = False
    rounds: list[dict[str, Any]] = field(default_factory=list)

    def solve(self, mesh: Mesh, initial_guess: Any, refinement: Refinement) -> DynamicSolution:
        """Solve on a mesh, and on finer meshes until the refinement ends."""
        nodes = self._nodes(mesh)
        static = self._static(nodes)
        guess = first_guess(initial_guess, nodes, self._following(nodes, static), self.conditions.emg)
        unknowns = self._with_exact_reserves(guess, nodes, static)
        infeasible = int(np.sum(static.status == Status.INFEASIBLE))
        if nodes.fiber is None and infeasible:
            points = f"{infeasible} of {len(mesh.time)} points of the mesh"
            self.failure = f"Static optimization has no solution in {points}."
            if limited(self.conditions.contact):
                frame = next(iter(static.detail))
                self.failure += f" At {static.time[frame]:g} s: {static.detail[frame]}"
        distance, check = _distance(initial_guess), None
        while self.failure is None:
            unknowns = self._solve(nodes, unknowns, distance)
            if self.failure is not None:
                break
            check = check_solution(nodes, unknowns)
            self.rounds[-1]["integration_error"] = float(check.interval_error.max())
            finer = refinement.finer(nodes.mesh, check.interval_error)
            if finer is None or self.stopped:
                if (unmet := refinement.unmet(nodes.mesh, check.interval_error)) is not None:
                    self.provenance["mesh"]["unmet"] = unmet
                break
            moved = unknowns.moved(nodes.mesh, finer, self.problem)
            nodes, distance = self._nodes(finer), SOLVED
            unknowns = self._with_exact_reserves(moved, nodes, self._static(nodes))
        return self._finish(nodes, unknowns, check)

    def _nodes(self, mesh: Mesh) -> Nodes:
        return Nodes.of(self.problem, mesh, self.elastic, self.time_constants, self.conditions.contact)

    def _static(self, nodes: Nodes) -> RedundancySolution:
        """Static optimization with rigid tendons at the points of the mesh."""
        exponent = self.conditions.cost.exponent
        quick = exponent if QUICK[0] <= exponent <= QUICK[1] else 2.0
        return solve_static(nodes.problem, exponent=quick, contact=self.conditions.contact, on_failure="return")

    def _following(self, nodes: Nodes, static: RedundancySolution) -> RedundancySolution:
        """Static optimization with the synergies, for a guess; without where it has none of those.

        With both legs' synergies a walk of 80 muscles needs 58 iterations from there in place of 93.
        """
        synergies, contact = self.conditions.synergies, self.conditions.contact
        if synergies is None:
            return static
        found = solve_static(nodes.problem, synergies=synergies, contact=contact, on_failure="return")
        return found if found.solved.mean() > MOST else static

    def _with_exact_reserves(self, unknowns: Unknowns, nodes: Nodes, static: RedundancySolution) -> Unknowns:
        """Reserves on coordinates without muscles are not solved for: static optimization determines them exactly."""
        reserve, control = unknowns.reserve.copy(), static.reserve_control
        for part in split(nodes.balance, self.conditions):
            if not part.muscles.size:
                own = part.reserves[part.reserves < control.shape[1]]  # the others are contact forces
                exact = control[:, own]
                reserve[:, own] = np.where(np.isfinite(exact), exact, reserve[:, own])
        return nodes.completed(replace(unknowns, reserve=reserve))

    def _solve(self, nodes: Nodes, guess: Unknowns, distance: float | None) -> Unknowns:
        """Solve on one mesh; a long motion starts from the solutions of its windows, unless it has a good guess."""
        pieces = windows(nodes, self.conditions) if distance is None else []
        if pieces:
            tasks = [SolverTask(piece.nodes, piece.conditions, piece.cut(guess)) for piece in pieces]
            found = self.solve_tasks(nodes, tasks)
            guess = joined(guess, list(zip(pieces, found, strict=True)))
            if self.stopped:
                self.failure = self.failure or "Stopped by the user."
                return guess
            distance = SOLVED if self.failure is None else None
        return self.solve_tasks(nodes, [SolverTask(nodes, self.conditions, guess, distance)])[0]

    def solve_tasks(self, nodes: Nodes, tasks: list[SolverTask]) -> list[Unknowns]:
        """Solve all parts with muscles in casadi's processes; other parts keep their guess. Sets ``failure``.

        Exceptions of the user's ``progress`` are raised after the solver has stopped.
        """
        begun = perf_counter()
        jobs = [
            (task, *assemble(task.nodes, task.conditions, part, task.guess))
            for task in tasks
            for part in split(task.nodes.balance, task.conditions)
            if part.muscles.size
        ]
        with Watch(len(jobs), self.progress) as watch:
            calls = [
                (program, self.tolerance, self.max_iterations, task.distance, folder)
                for (task, _, program), folder in zip(jobs, watch.folders, strict=True)
            ]
            processes, subject = isolation.count_jobs(self.n_jobs, len(jobs)), "this problem"
            results: list[ProgramResult] = list(
                isolation.run_many("casadi", SOLVE, calls, subject=subject, n_jobs=processes, waiter=watch)
            )
            watch.tick()
        if watch.raised is not None:
            raise watch.raised
        self.stopped, self.failure = watch.stopped, _failure(results, watch.stopped)
        sizes = {"intervals": len(nodes.mesh), "points": len(nodes.mesh.time), "windows": len(tasks)}
        self.rounds.append({**sizes, **_summary(results), "wall_seconds": perf_counter() - begun})
        solved = list(zip(jobs, results, strict=True))
        return [
            task.guess.updated([(layout, result.x) for (job, layout, _), result in solved if job is task])
            for task in tasks
        ]

    def _finish(self, nodes: Nodes, unknowns: Unknowns, check: ForwardCheck | None) -> DynamicSolution:
        """The solution with its provenance; completes the reason of a failure."""
        provenance = {**nodes.problem.provenance, **self.provenance, "rounds": self.rounds}
        iterations = sum(int(one["iterations"]) for one in self.rounds)
        solved = self.failure is None
        solution = solution_of(nodes, self.conditions, unknowns, solved, self.tolerance, iterations, provenance)
        provenance["mesh"]["edges"] = nodes.mesh.summary()
        provenance["objective"] = {**solution.integrals, "total": solution.total_objective}
        if solution.emg_scale:
            provenance["emg_scale"] = solution.emg_scale
        if check is not None:
            provenance["forward_integration"] = check.summary()
        if solved and not solution.success:
            self.failure = solution.findings()[0]
        if self.failure is not None and not self.stopped:
            met = bool(self.rounds) and self.rounds[-1]["violation"] < LOST  # only iterations were too few
            missing = None if met else _missing_moments(self, nodes)
            retry = f"{RETRY} {LIMITS}" if limited(self.conditions.contact) else RETRY
            self.failure = f"{self.failure} {retry}" if missing is None else f"{missing}. {RELIEF} {self.failure}"
        if self.failure is not None:
            provenance["failure"] = solution.detail[0] = self.failure
        return replace(solution, check=check)


def _summary(results: list[ProgramResult]) -> dict[str, Any]:
    """Record of a round in the provenance."""
    return {
        "parts": len(results),
        "iterations": max(result.iterations for result in results),
        "said": list(dict.fromkeys(result.message for result in results)),
        "violation": max(result.violation for result in results),
        "stationarity": max(result.stationarity for result in results),
        "build_seconds": sum(result.build_seconds for result in results),
        "solve_seconds": sum(result.solve_seconds for result in results),
    }


def _failure(results: list[ProgramResult], stopped: bool) -> str | None:
    failed = [result for result in results if not result.solved]
    if not failed:
        return None
    worst = max(failed, key=lambda result: result.violation)
    how = "Stopped by the user" if stopped else f"The solver ended with '{worst.message}'"
    return f"{how} after {worst.iterations} iterations, equations missed by up to {worst.violation:.2g} (scaled)."


def _distance(initial_guess: Any) -> float | None:
    """Distance of an initial guess from the solution, as a share of the bounds; None if unknown."""
    if isinstance(initial_guess, DynamicSolution):
        return SOLVED if initial_guess.success else None
    predicted = isinstance(initial_guess, RedundancySolution) and hasattr(initial_guess, "excitation")
    return PREDICTED if predicted and initial_guess.solved.mean() >= MOST else None


def _missing_moments(run: Run, nodes: Nodes) -> str | None:
    """Solve again with a weak unbounded reserve on every coordinate, and describe the moments of these reserves.

    None where that fails too, or where these reserves have nothing to do.
    """
    problem = nodes.problem
    scale = moment_scale(problem)
    weak = dict(zip(problem.coordinates, (WEAK * scale).tolist(), strict=True))
    reserves = problem.reserves + ReserveActuators.on_coordinates(weak, problem.coordinates)
    helped = replace(nodes, problem=replace(problem, reserves=reserves), extension=None)
    eased = replace(run.conditions, cost=dynamic_cost("excitation_power", 2, "rigid"), contact=())
    guess = first_guess("static", helped, solve_static(helped.problem, on_failure="return"), eased.emg)
    again = replace(run, progress=None, rounds=[])
    unknowns = again.solve_tasks(helped, [SolverTask(helped, eased, guess)])[0]
    if again.failure is not None:
        return None
    missing = np.abs(unknowns.reserve[:, -len(scale) :] * WEAK * scale)
    share = missing / scale
    rows = [row for row in np.argsort(-share.max(axis=0)).tolist() if (share[:, row] > MISSING).any()]
    if not rows:
        return None
    described = []
    for row in rows:
        name, time = problem.coordinates[row], problem.time[share[:, row] > MISSING]
        worst = int(missing[:, row].argmax())
        described.append(
            f"{name} by up to {missing[worst, row]:.3g} {problem.unit(name)} (at {problem.time[worst]:g} s; "
            f"{len(time)} points from {time[0]:g} to {time[-1]:g} s)"
        )
    return f"These moments are beyond the muscles and reserves: {some(described, 4)}"
