"""Muscles whose tendon stretches: force is no longer affine in activation, and is linearised where the answer lies.

In every frame the fibre is in static equilibrium with its tendon, which gives a tendon force F(a). A problem with
max_force = F′(aₖ) and passive_force = F(aₖ) − F′(aₖ) aₖ is solved for aₖ₊₁, until activations no longer move. There
the moments hold for F(a) itself, and the answer meets the first-order conditions of the nonlinear program. That is not
convex: there is no certificate, and no proof that moments cannot be met.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, SolverError, explain, some
from ..muscle import activation_slope, equilibrium, supported
from ..problem import RedundancyProblem
from ..solution import RedundancySolution, Status

Array = NDArray[np.float64]

#: Activations that move by less are settled: forces then are off by F″/2 · 1e-20.
SETTLED = 1e-10
MOST_ROUNDS = 100
#: Share of the way that a frame goes at least; one that overshoots goes half as far next time.
SHORTEST = 1.0 / 16.0
#: Activations at which forces are linearised first, and where no answer is found there, next.
FIRST = (0.1, 0.4, 0.8, 0.02)


def solve_compliant(
    problem: RedundancyProblem,
    solve: Callable[[RedundancyProblem, Array | None], RedundancySolution],
    guess: Array | None,
) -> RedundancySolution:
    """Solve with tendons in equilibrium; ``solve`` solves an affine problem from a guess.

    The solution's problem is the last linear one, so that its forces are F(a).

    Raises
    ------
    InputError
        The problem has no model behind it, or a muscle whose curves osimopt does not have.
    SolverError
        A muscle has no equilibrium.
    """
    speed = _fiber_speed(problem)
    at = np.clip(np.full(problem.max_force.shape, FIRST[0]), problem.lower, problem.upper)
    tried = np.zeros(len(problem), dtype=int)
    step, moved_before = np.ones(len(problem)), np.full(len(problem), np.inf)
    solution = solve(_linearise(problem, at, speed), guess)
    for _ in range(MOST_ROUNDS):
        change = np.where(solution.solved[:, None], solution.activation - at, 0.0)
        moved = np.abs(change).max(axis=1, initial=0.0)
        stuck = ~solution.solved & (tried + 1 < len(FIRST))
        if (moved <= SETTLED).all() and not stuck.any():
            break
        step = np.clip(np.where(moved > moved_before, 0.5, 2.0) * step, SHORTEST, 1.0)
        moved_before = moved
        at = at + step[:, None] * change
        tried += stuck
        at[stuck] = np.clip(np.array(FIRST)[tried[stuck], None], problem.lower, problem.upper)
        start = None if solution.multipliers is None else np.nan_to_num(solution.multipliers)
        solution = solve(_linearise(problem, at, speed), start)
    return _without_proof(solution, moved > SETTLED)


def refuse_compliant(solution: RedundancySolution, what: str) -> None:
    """Refuse a solution with compliant tendons where forces must be affine in activation."""
    if solution.provenance.get("solver", {}).get("tendon") == "compliant":
        fix = "Solve with tendon='rigid'."
        raise InputError(explain(f"a solution with rigid tendons for {what}", "one with compliant tendons", fix))


def _fiber_speed(problem: RedundancyProblem) -> Array:
    """Speed (T, M) of the fibres in m/s as if tendons were rigid; refuses problems that cannot say it."""
    parameters, geometry = problem.parameters, problem.geometry
    if parameters is None or geometry.length is None or geometry.lengthening_speed is None:
        fix = "Use osimopt.load_problem, or tendon='rigid'."
        raise InputError(explain("a problem from a model for tendon='compliant'", "one from arrays", fix))
    if not supported(parameters).all():
        got = some(np.array(parameters.names)[~supported(parameters)])
        fix = "Use tendon='rigid'."
        raise InputError(explain("Thelen, Millard or De Groote muscles for tendon='compliant'", got, fix))
    along = geometry.length - parameters.tendon_slack_length
    height = parameters.optimal_fiber_length * np.sin(parameters.pennation_angle)
    return np.asarray(geometry.lengthening_speed * np.maximum(along, 0.0) / np.hypot(along, height))


def _linearise(problem: RedundancyProblem, at: Array, speed: Array) -> RedundancyProblem:
    assert problem.parameters is not None
    length = np.asarray(problem.geometry.length)
    fiber, force = equilibrium(problem.parameters, length, at, speed)
    slope = np.maximum(activation_slope(problem.parameters, length, at, fiber, speed), 0.0)
    lost = ~np.isfinite(force) | ~np.isfinite(slope)
    if lost.any():
        frame, muscle = np.argwhere(lost)[0]
        raise SolverError(
            f"{problem.muscles[muscle]} has no fibre-tendon equilibrium at {problem.time[frame]:g} s (in all "
            f"{some(np.array(problem.muscles)[lost.any(axis=0)])}). Check its optimal_fiber_length and "
            "tendon_slack_length against the motion, or use tendon='rigid'."
        )
    return replace(problem, max_force=slope, passive_force=force - slope * at)


def _without_proof(solution: RedundancySolution, unsettled: NDArray[np.bool_]) -> RedundancySolution:
    """Take back what only holds for the linear problem, and mark the frames whose activations still move as failed."""
    failed = unsettled | ~solution.solved
    status = solution.status.copy()
    status[failed] = Status.NOT_CONVERGED
    detail = {}
    for frame in np.flatnonzero(failed).tolist():
        moving = "Activations kept moving with the stretch of the tendons."
        missed = f"Linearised at none of {len(FIRST)} activations could forces meet the moments. "
        detail[frame] = moving if unsettled[frame] else missed + solution.detail.get(frame, "")

    def blank(values: Array) -> Array:
        return np.where(failed.reshape(-1, *[1] * (values.ndim - 1)), np.nan, values)

    return replace(
        solution,
        activation=blank(solution.activation),
        reserve_control=blank(solution.reserve_control),
        status=status,
        objective=blank(solution.objective),
        objective_terms={name: blank(term) for name, term in solution.objective_terms.items()},
        gap=None,
        activation_error=None,
        multipliers=None if solution.multipliers is None else blank(solution.multipliers),
        detail=detail,
    )
