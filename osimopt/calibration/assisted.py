"""EMG-assisted solution of a whole problem: activations nearest to those of EMG that produce all moments.

In a frame, minimise Σ ((a − a₀) / s)² + Σ (e / S)² over activations a within their bounds and controls e of reserves,
subject to the moment balance: a₀ and s are those of EMG where there is some, and the least activation and a wider s
elsewhere; S is the wider one. The dual has one unknown per coordinate.
"""

from __future__ import annotations

from dataclasses import replace
from time import perf_counter

import numpy as np

from ..problem.arrays import Array
from ..problem.problem import RedundancyProblem
from ..solution.solution import RedundancySolution, verified
from ..solution.status import Status, judge
from ..static.dual import DualProgram, newton, quadratic_response
from .residuals import SOLVED, WITHOUT_EMG

#: Frames that are solved together.
TOGETHER = 500
FORMULA = "Σ ((a − a_EMG) / s)²"


def assisted_solution(
    problem: RedundancyProblem, aim: Array, spread: Array, tolerance: float = 1e-9
) -> RedundancySolution:
    """Solution near the activations ``aim`` (T, M), with the standard deviations ``spread`` (M,)."""
    started, frames = perf_counter(), len(problem)
    reserves = len(problem.reserves.names)
    centre = np.hstack([aim, np.zeros((frames, reserves))])
    scale = np.concatenate([spread, np.full(reserves, WITHOUT_EMG)])
    lower, upper = problem.bounds()
    x, status = np.empty_like(centre), np.full(frames, Status.SOLVED, dtype=object)
    steps = np.zeros(frames, dtype=np.intp)
    for first in range(0, frames, TOGETHER):
        keep = slice(first, first + TOGETHER)
        A, b = problem.systems(keep)
        shape = (len(b), len(scale))
        low, high, compliance = (np.broadcast_to(one, shape) for one in (lower, upper, scale**2))
        allowed = SOLVED * np.maximum(np.abs(b).max(axis=1, initial=0.0), 1.0)
        response = quadratic_response(centre[keep], compliance)
        answer = newton(DualProgram(A, b, low, high, response, allowed), np.zeros_like(b))
        x[keep], steps[keep] = answer.y, answer.steps
        status[keep][answer.infeasible] = Status.INFEASIBLE
    detail: dict[int, str] = {}
    activation, control, status = judge(problem, x, status, tolerance, detail)
    terms = {"near EMG": np.sum(((activation - aim) / spread) ** 2, axis=1)}
    if reserves:
        terms["reserves"] = np.sum((control / WITHOUT_EMG) ** 2, axis=1)
    total = np.sum(list(terms.values()), axis=0)
    provenance = {
        **problem.provenance,
        "method": "static",
        "cost": {"name": "emg_assisted", "exponent": 2.0, "formula": FORMULA, "source": "docs/calibration.md"},
        "solver": {"asked": "newton", "used": "newton", "tolerance": tolerance, "tendon": "rigid", "device": "cpu"},
        "solve_seconds": perf_counter() - started,
    }
    unique = np.ones(frames, dtype=bool)
    solution = RedundancySolution(
        problem, activation, control, status, steps, unique, total, terms, detail=detail, provenance=provenance
    )
    return verified(replace(solution, provenance=provenance), problem.source)
