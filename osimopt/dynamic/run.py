"""A run: guess, windows, whole motion, check and refinement; and the diagnosis of a failed run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import isolation
from ..problem.arrays import Array
from ..problem.problem import RedundancyProblem
from ..solution.solution import RedundancySolution
from ..solution.status import Status
from ..static.solve import solve_static
from .assemble import split
from .contact import limited
from .diagnosis import missing_moments
from .emg import EmgTracking, best_scale
from .guess import first_guess
from .integrate import ForwardCheck, check_solution
from .mesh import Mesh, Refinement
from .metabolic import metabolic_provenance
from .nodes import Nodes, Unknowns
from .objective import Conditions
from .penalty import MOST_TRIES, lighter, penalty_record, weighed
from .solution import DynamicSolution, solution_of
from .tasks import Outcome, Solver, SolverTask
from .windows import Window, joined, overlap, windows

CHECK = "osimopt.dynamic.integrate:check_solution"
#: Range of exponents that static optimization solves in a few steps; guesses of other exponents use 2.
QUICK = (1.2, 5.0)
#: Distance of a starting point from the solution, as a share of the bounds: a solution (on a similar mesh, or in
#: windows), and a prediction.
SOLVED, PREDICTED = 1e-5, 1e-2
#: Share of frames of a prediction that must hold for PREDICTED to apply.
HOLD = 0.9
#: Rounds in which EMG scales of a long motion are found, and how far they may then be from those of least error.
SCALINGS, SCALE = 6, 1e-4
#: Intervals up to which a motion is solved as a whole where windows fail.
MOST = 500
#: Violation of an equation (scaled) above which a failed solve is diagnosed.
LOST = 1e-4
RELIEF = "Check units and loads, give these coordinates reserves (reserves='auto'), or strengthen their muscles."
RETRY = "Try another initial_guess or mesh_interval, more max_iterations, or reserves='auto'."
LIMITS = "Limits of contact forces may be out of reach: feasible_ranges of a solution without them shows that."


@dataclass(eq=False)
class Run:
    """A solve; afterwards ``failure`` is the reason of its failure, None of success."""

    problem: RedundancyProblem
    conditions: Conditions
    elastic: NDArray[np.bool_]
    time_constants: tuple[float, float] | None
    solver: Solver
    provenance: dict[str, Any]
    failure: str | None = None
    #: The window of a long motion that failed.
    failed: Nodes | None = None

    def solve(self, mesh: Mesh, initial_guess: Any, refinement: Refinement) -> DynamicSolution:
        """Solve on a mesh, and on finer meshes until the refinement ends."""
        nodes = self._nodes(mesh)
        static = self._static(nodes)
        following = self._following(nodes, static)
        unknowns, rigid = (
            self._with_exact_reserves(first_guess(guess, nodes, following, self.conditions.emg), nodes, static)
            for guess in (initial_guess, "static")
        )
        self.conditions = weighed(self.conditions, nodes, rigid)
        infeasible = int(np.sum(static.status == Status.INFEASIBLE))
        if nodes.fiber is None and infeasible:
            points = f"{infeasible} of {len(mesh.time)} points of the mesh"
            self.failure = f"Static optimization has no solution in {points}."
            if limited(self.conditions.contact):
                frame = next(iter(static.detail))
                self.failure += f" At {static.time[frame]:g} s: {static.detail[frame]}"
        distance, check = _distance(initial_guess), None
        while self.failure is None:
            unknowns = self._solve_lightly(nodes, unknowns, distance)
            if self.failure is not None:
                break
            check = self._check(nodes, unknowns)
            self.solver.rounds[-1]["integration_error"] = float(check.interval_error.max())
            finer = refinement.finer(nodes.mesh, check.interval_error)
            if finer is None or self.solver.stopped:
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
        return found if found.solved.mean() > HOLD else static

    def _with_exact_reserves(self, unknowns: Unknowns, nodes: Nodes, static: RedundancySolution) -> Unknowns:
        """Reserves on coordinates without muscles are not solved for: static optimization determines them exactly."""
        reserve, control = unknowns.reserve.copy(), static.reserve_control
        for part in split(nodes.balance, self.conditions):
            if not part.muscles.size:
                own = part.reserves[part.reserves < control.shape[1]]  # the others are contact forces
                exact = control[:, own]
                reserve[:, own] = np.where(np.isfinite(exact), exact, reserve[:, own])
        return nodes.completed(replace(unknowns, reserve=reserve))

    def _solve_lightly(self, nodes: Nodes, guess: Unknowns, distance: float | None) -> Unknowns:
        """Solve on one mesh, and again with a smaller derivative penalty where its share is above the limit."""
        unknowns = self._solve(nodes, guess, distance)
        for _ in range(MOST_TRIES):
            less = None if self.failure or self.solver.stopped else lighter(self.conditions, nodes, unknowns)
            if less is None:
                break
            self.conditions = less
            unknowns = self._solve(nodes, unknowns, SOLVED)
        return unknowns

    def _solve(self, nodes: Nodes, guess: Unknowns, distance: float | None) -> Unknowns:
        """Solve on one mesh: a long motion window by window.

        Windows are the starting point of the whole where something else couples all points: periodic states, and EMG
        scales that windows do not find. EMG scales with bounds, whose least tracking error is not the optimum, are
        found with the whole.
        """
        emg = self.conditions.emg
        scales = emg is not None and emg.scale[0] < emg.scale[1]
        if not windows(nodes, self.conditions) or (scales and emg is not None and emg.bounds is not None):
            return self._whole(nodes, guess, distance)
        joint, coupled = self._windows(nodes, self.conditions, guess, distance), bool(self.conditions.periodic)
        if scales and not coupled and emg is not None and self.failure is None:
            joint = self._scaled(nodes, emg, joint)
            coupled = self.failure is None and self.provenance["windows"]["scale_off"] >= SCALE
        again: tuple[Unknowns, float | None] = (joint, None)
        if self.failure is None and coupled:
            joint, again = self._whole(nodes, joint, None if scales else SOLVED), (guess, distance)
        stuck = self.failure is not None and not self.solver.stopped and len(nodes.mesh) <= MOST
        return self._whole(nodes, *again) if stuck else joint

    def _whole(self, nodes: Nodes, guess: Unknowns, distance: float | None) -> Unknowns:
        outcome = self.solver.solve([SolverTask(nodes.bare(), self.conditions, guess, distance)])[0]
        self.failure, self.failed = outcome.failure, None
        return outcome.unknowns

    def _scaled(self, nodes: Nodes, emg: EmgTracking, guess: Unknowns) -> Unknowns:
        """Solve windows with common EMG scales, which are moved until they are those of least tracking error.

        At the optimum of the whole motion the derivative of the tracking error by each scale is zero. It is found by
        secants, which take the channels one by one.
        """
        held, before = replace(self.conditions, given_scale=True), None
        for _ in range(SCALINGS):
            guess = self._windows(nodes, held, guess, SOLVED)
            if self.failure is not None:
                break
            mesh, scale = nodes.mesh, guess.scale
            off = best_scale(emg, mesh.quadrature, mesh.time, nodes.problem.muscles, guess.excitation) - scale
            self.provenance["windows"]["scale_off"] = float(np.abs(off).max())
            if np.abs(off).max() < SCALE:
                break
            step = off if before is None else _secant(scale - before[0], off - before[1]) * off
            before = (scale, off)
            guess = replace(guess, scale=np.clip(scale + step, *emg.scale))
        return guess

    def _windows(self, nodes: Nodes, conditions: Conditions, guess: Unknowns, distance: float | None) -> Unknowns:
        """Solve the windows one after the other, and record how far they differ in the margins."""
        solved: list[tuple[Window, Unknowns]] = []
        pieces, before = windows(nodes, conditions), len(self.solver.rounds)
        for number, one in enumerate(pieces):
            task = SolverTask(one.nodes, one.conditions, one.cut(guess), distance, one.text)
            outcome = self._tried(task, number, len(pieces))
            solved.append((one, outcome.unknowns))
            guess = joined(guess, one, outcome.unknowns)
            if outcome.failure is not None or self.solver.stopped:
                stopped = f"Stopped by the user after {outcome.iterations} iterations of the window from {one.text}."
                done, self.failed = number + (outcome.failure is None), task.nodes
                self.failure = f"{outcome.failure or stopped} {done} of {len(pieces)} windows were solved."
                break
        self.solver.join_rounds(before)
        if self.failure is None:
            differs = overlap(nodes, guess, solved)
            largest = dict(zip(nodes.problem.muscles, differs.tolist(), strict=True))
            self.provenance["windows"] = {"count": len(pieces), "seconds": conditions.window, "differs": largest}
        return replace(guess, scale=np.mean([unknowns.scale for _, unknowns in solved], axis=0))

    def _tried(self, task: SolverTask, number: int, windows: int) -> Outcome:
        """Solve a window, once more where that fails, in the solver's other way of starting."""
        outcome = self.solver.solve([task], number, windows)[0]
        if outcome.failure is None or self.solver.stopped:
            return outcome
        other = replace(task, distance=PREDICTED if task.distance is None else None)
        return self.solver.solve([other], number, windows)[0]

    def _check(self, nodes: Nodes, unknowns: Unknowns) -> ForwardCheck:
        """Integrate forward, a long motion window by window."""
        pieces = windows(nodes, self.conditions)
        if not pieces or self.conditions.periodic:
            return check_solution(nodes, unknowns)
        calls = ((one.nodes.within(one.inside), unknowns.frames(one.kept)) for one in pieces)
        jobs = isolation.count_jobs(self.solver.n_jobs, len(pieces))
        found = isolation.run_many("casadi", CHECK, calls, subject="this problem", n_jobs=jobs)
        return ForwardCheck.of_windows(list(found), nodes, unknowns)

    def _finish(self, nodes: Nodes, unknowns: Unknowns, check: ForwardCheck | None) -> DynamicSolution:
        """The solution with its provenance; completes the reason of a failure."""
        provenance = {**nodes.problem.provenance, **self.provenance, "rounds": self.solver.rounds}
        iterations = sum(int(one["iterations"]) for one in self.solver.rounds)
        solved = self.failure is None
        solution = solution_of(nodes, self.conditions, unknowns, solved, self.solver.tolerance, iterations, provenance)
        provenance["mesh"]["edges"] = nodes.mesh.summary()
        provenance["objective"] = {**solution.integrals, "total": solution.total_objective}
        if nodes.fiber is not None:
            record = penalty_record(self.conditions, nodes.balance, solution.integrals)
            provenance["objective"]["penalty"] = record
        if (metabolic := self.conditions.metabolic) is not None:
            provenance["metabolic"] = metabolic_provenance(metabolic, solution)
        if solution.emg_scale:
            provenance["emg_scale"] = solution.emg_scale
        if check is not None:
            provenance["forward_integration"] = check.summary()
        if solved and not solution.success:
            self.failure = solution.findings()[0]
        if self.failure is not None and not self.solver.stopped:
            rounds = self.solver.rounds
            met = bool(rounds) and rounds[-1]["violation"] < LOST  # only iterations were too few
            where = self.failed or nodes.bare()
            missing = None if met else missing_moments(self.solver, self.conditions, where)
            retry = f"{RETRY} {LIMITS}" if limited(self.conditions.contact) else RETRY
            self.failure = f"{self.failure} {retry}" if missing is None else f"{missing}. {RELIEF} {self.failure}"
        if self.failure is not None:
            provenance["failure"] = solution.detail[0] = self.failure
        return replace(solution, check=check)


def _secant(moved: Array, changed: Array) -> Array:
    """Steps of a secant per unit of what is left; between 1 and 20, as excitations follow a scale in part."""
    ratio = np.divide(-moved, changed, out=np.ones_like(moved), where=np.abs(changed) > 1e-9)
    return np.clip(ratio, 1.0, 20.0)


def _distance(initial_guess: Any) -> float | None:
    """Distance of an initial guess from the solution, as a share of the bounds; None if unknown."""
    if isinstance(initial_guess, DynamicSolution):
        return SOLVED if initial_guess.success else None
    predicted = isinstance(initial_guess, RedundancySolution) and hasattr(initial_guess, "excitation")
    return PREDICTED if predicted and initial_guess.solved.mean() >= HOLD else None
