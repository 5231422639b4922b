"""Why a problem has no solution: which moments cannot be met, when, and by how much."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..errors import some
from ..problem.problem import RedundancyProblem
from ..problem.reserves import ReserveActuators
from ..static.solve import solve_static
from .assemble import moment_scale
from .conditions import Conditions
from .cost import dynamic_cost
from .guess import first_guess
from .nodes import Nodes
from .solving import PartTask, Settings, solve_tasks

#: Moment of the helpers at control 1, as a share of the coordinate's peak: they are so weak that muscles come first.
WEAK = 1e-3
#: Share of a coordinate's peak moment that counts as missing.
MISSING = 0.01


def shortfall(nodes: Nodes, conditions: Conditions, settings: Settings) -> str | None:
    """Solve again with a weak unbounded helper on every coordinate; say what the helpers had to do.

    None where that fails too, or where they had nothing to do.
    """
    problem = nodes.problem
    scale = moment_scale(problem.generalized_force)
    helpers = ReserveActuators.on_coordinates(
        dict(zip(problem.coordinates, (WEAK * scale).tolist(), strict=True)), problem.coordinates
    )
    helped = replace(nodes, problem=replace(problem, reserves=problem.reserves + helpers))
    eased = replace(conditions, cost=dynamic_cost("excitation_power", 2, "rigid"))
    static = solve_static(helped.problem, on_failure="return")
    guess = first_guess("static", helped, static, conditions.emg)
    solved = solve_tasks([PartTask(helped, eased, guess)], replace(settings, progress=None))[0]
    if not solved.success:
        return None
    missing = solved.unknowns.reserve[:, -len(scale) :] * WEAK * scale
    lacking = np.flatnonzero((np.abs(missing) > MISSING * scale).any(axis=0)).tolist()
    if not lacking:
        return None
    lacking.sort(key=lambda row: -float(np.abs(missing[:, row]).max() / scale[row]))
    told = some([_one(problem, missing[:, row], row, MISSING * scale[row]) for row in lacking], 4)
    return f"These moments are beyond the muscles and reserves: {told}"


def _one(problem: RedundancyProblem, missing: np.ndarray, row: int, least: float) -> str:
    worst = int(np.abs(missing).argmax())
    short = problem.time[np.abs(missing) > least]
    name = problem.coordinates[row]
    return (
        f"{name} by up to {abs(missing[worst]):.3g} {problem.unit(name)} (at {problem.time[worst]:g} s; "
        f"{len(short)} points from {short[0]:g} to {short[-1]:g} s)"
    )
