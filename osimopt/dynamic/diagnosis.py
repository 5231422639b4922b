"""The diagnosis of a failed solve: moments that muscles and reserves cannot produce."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..errors import some
from ..problem.reserves import ReserveActuators
from ..static.solve import solve_static
from .contact import moment_scale
from .guess import first_guess
from .nodes import Nodes
from .objective import Conditions, dynamic_cost
from .penalty import weighed
from .tasks import Solver, SolverTask

#: Moment of the diagnosis' reserves at control 1, as a share of the coordinate's peak: so weak that muscles come first.
WEAK = 1e-3
#: Share of a coordinate's peak moment that counts as missing.
MISSING = 0.01


def missing_moments(solver: Solver, conditions: Conditions, nodes: Nodes) -> str | None:
    """Solve again with a weak unbounded reserve on every coordinate, and describe the moments of these reserves.

    None where that fails too, or where these reserves have nothing to do.
    """
    problem = nodes.problem
    scale = moment_scale(problem)
    weak = dict(zip(problem.coordinates, (WEAK * scale).tolist(), strict=True))
    reserves = problem.reserves + ReserveActuators.on_coordinates(weak, problem.coordinates)
    helped = replace(nodes, problem=replace(problem, reserves=reserves), extension=None)
    effort = dynamic_cost("excitation_power", 2, "rigid")
    eased = replace(conditions, cost=effort, contact=(), metabolic=None, weighs=True)
    guess = first_guess("static", helped, solve_static(helped.problem, on_failure="return"), eased.emg)
    eased = weighed(eased, helped, guess)
    again = replace(solver, progress=None, on_window=None, checkpoint=None, rounds=[])
    outcome = again.solve([SolverTask(helped.bare(), eased, guess)])[0]
    if outcome.failure is not None:
        return None
    missing = np.abs(outcome.unknowns.reserve[:, -len(scale) :] * WEAK * scale)
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
