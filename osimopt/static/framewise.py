"""Frame by frame: each a small program of its own, reduced, solved by SciPy, and recorded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..costs import Cost
from ..errors import InputError, explain
from ..problem import RedundancyProblem
from ..solution import Status
from .frame import Frame, InfeasibleError, reduce_frame
from .linear import minimise_largest, minimise_sum, shortfall
from .nonlinear import Answer, eliminable, lsq_linear, slsqp

Array = NDArray[np.float64]


@dataclass(eq=False)
class Found:
    """What the solvers claim, by frame: unknowns (T, M + K), status, iterations, uniqueness, detail, certificate."""

    x: Array
    status: NDArray[np.object_]
    iterations: NDArray[np.intp]
    unique: NDArray[np.bool_]
    detail: dict[int, str]
    gap: Array
    activation_error: Array
    multipliers: Array | None = None

    @classmethod
    def nothing(cls, frames: int, unknowns: int) -> Found:
        """Nothing solved yet."""
        x = np.full((frames, unknowns), np.nan)
        status = np.full(frames, Status.NOT_CONVERGED, dtype=object)
        counts, yes = np.zeros(frames, dtype=np.intp), np.ones(frames, dtype=bool)
        return cls(x, status, counts, yes, {}, *np.full((2, frames), np.nan))


def solve_frames(
    problem: RedundancyProblem,
    cost: Cost,
    method: str,
    scale: Array,
    guess: Array | None,
    progress: Callable[[int, int], None] | None,
) -> Found:
    """Solve every frame; each starts from ``guess`` (T, U), or else from the one before."""
    from threadpoolctl import threadpool_limits

    found = Found.nothing(len(problem), len(problem.actuators))
    start = None
    with threadpool_limits(1):  # matrices this small gain nothing from BLAS threads; beside a busy core they cost 2x
        for frame in range(len(problem)):
            start = guess[frame] if guess is not None else start
            start = solve_into(found, problem, frame, cost, method, scale[frame], start)
            if progress is not None and (frame % 20 == 19 or frame + 1 == len(problem)):
                progress(frame + 1, len(problem))
    return found


def solve_into(
    found: Found,
    problem: RedundancyProblem,
    frame: int,
    cost: Cost,
    method: str,
    scale: Array,
    start: Array | None,
) -> Array | None:
    """Solve one frame, record it, and return what the next one may start from."""
    try:
        answer, found.unique[frame] = _solve_frame(problem, frame, cost, method, scale, start)
    except InfeasibleError as error:
        found.status[frame] = Status.INFEASIBLE
        found.detail[frame] = describe_shortfall(problem, error.shortfall)
        return None
    except ArithmeticError as error:
        found.detail[frame] = str(error)
        return None
    found.x[frame], found.iterations[frame] = answer.y, answer.iterations
    if not answer.converged:
        found.detail[frame] = answer.message
        return None
    found.status[frame] = Status.SOLVED
    return answer.y


def _solve_frame(
    problem: RedundancyProblem, frame: int, cost: Cost, method: str, scale: Array, start: Array | None
) -> tuple[Answer, bool]:
    """Answer in x (activations, then controls) and whether it is unique."""
    whole = Frame.of(*problem.system(frame), *problem.bounds())
    try:
        answer, unique = _solve_reduced(whole, cost, method, scale, start)
    except InfeasibleError as error:
        raise InfeasibleError(shortfall(whole) or error.shortfall) from None
    if not answer.converged and (missing := shortfall(whole)):
        raise InfeasibleError(missing)
    return answer, unique


def _solve_reduced(whole: Frame, cost: Cost, method: str, scale: Array, start: Array | None) -> tuple[Answer, bool]:
    rest, x = reduce_frame(whole)
    if not rest.columns.size:
        return Answer(x, 0, True), True
    weight, unique = scale[rest.columns], True
    if method != "highs":
        first = None if start is None else (start * scale)[rest.columns]
        answer = _solve_power(rest.scaled(scale), cost.exponent, method, first)
        x[rest.columns] = answer.y / weight
    else:
        if np.isinf(cost.exponent):
            answer, unique = minimise_largest(rest, weight, float(np.nanmax(scale * np.abs(x), initial=0.0)))
        else:
            answer, unique = minimise_sum(rest, weight)
        x[rest.columns] = answer.y
    return replace(answer, y=x), unique


def _solve_power(frame: Frame, exponent: float, method: str, start: Array | None) -> Answer:
    if method == "lsq_linear":
        if frame.b.size and not eliminable(frame).size:
            fix = "Add unbounded reserves or use solver='slsqp'."
            raise InputError(explain("an unbounded reserve on every coordinate for 'lsq_linear'", "none on some", fix))
        return lsq_linear(frame)
    answer = slsqp(frame, exponent, start)
    if not answer.converged and start is not None:
        answer = slsqp(frame, exponent, None)
    return answer


def describe_shortfall(problem: RedundancyProblem, missing: dict[int, float]) -> str:
    """Say in words what the moments miss at best, by coordinate."""
    names = problem.coordinates
    parts = [f"{names[row]} is short of {value:.4g} {problem.unit(names[row])}" for row, value in missing.items()]
    return "At best, " + ", ".join(parts) + "." if parts else ""
