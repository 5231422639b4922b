"""Frame by frame: each a small program of its own, reduced, solved by SciPy, and recorded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, explain
from ..problem.costs import Cost
from ..problem.problem import RedundancyProblem
from ..solution.solution import Status
from .frame import Frame, InfeasibleError, acting, reduce_frame
from .linear import attainable, minimise_largest, minimise_sum
from .nonlinear import Minimum, eliminable, fitting_multipliers, lsq_linear, slsqp
from .proof import Proof, prove

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
    multipliers: Array

    @classmethod
    def nothing(cls, frames: int, unknowns: int, rows: int) -> Found:
        """Nothing solved yet."""
        x = np.full((frames, unknowns), np.nan)
        status = np.full(frames, Status.NOT_CONVERGED, dtype=object)
        counts, yes = np.zeros(frames, dtype=np.intp), np.ones(frames, dtype=bool)
        gap, error, multipliers = (np.full(shape, np.nan) for shape in (frames, frames, (frames, rows)))
        return cls(x, status, counts, yes, {}, gap, error, multipliers)

    def keep_proof(self, proof: Proof, unit: Array) -> None:
        """Write down what is proved; ``unit`` (T,) is what the cost is in units of Σ |scale · x|^p."""
        self.gap = np.where(proof.certified, unit * proof.gap, np.nan)
        self.activation_error = np.where(proof.certified, proof.activation_error, np.nan)


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

    found = Found.nothing(len(problem), len(problem.actuators), len(problem.coordinates))
    start = None
    with threadpool_limits(1):  # matrices this small gain nothing from BLAS threads; beside a busy core they cost 2x
        for frame in range(len(problem)):
            start = guess[frame] if guess is not None else start
            start = _solve_into(found, problem, frame, cost, method, scale[frame], start)
            if progress is not None and (frame % 20 == 19 or frame + 1 == len(problem)):
                progress(frame + 1, len(problem))
    if not cost.linear:
        for frame in np.flatnonzero(found.status == Status.SOLVED).tolist():
            A, bounds = acting(Frame.of(*problem.system(frame), *problem.bounds())), problem.bounds()
            found.multipliers[frame] = fitting_multipliers(A, *bounds, cost.exponent, scale[frame], found.x[frame])
        found.keep_proof(prove(problem, cost.exponent, scale, found.x, found.multipliers), unit_of_cost(problem, cost))
    return found


def _solve_into(
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
) -> tuple[Minimum, bool]:
    """Answer in x (activations, then controls) and whether it is unique."""
    whole = Frame.of(*problem.system(frame), *problem.bounds())
    try:
        answer, unique = solve_reduced(whole, cost, method, scale, start)
        if answer.converged:
            return answer, unique
    except InfeasibleError:  # by structure, or to a solver's own tolerance: no proof
        pass
    moved, _ = attainable(whole)
    try:
        return solve_reduced(moved, cost, method, scale, start)
    except InfeasibleError:
        raise ArithmeticError("The moments can be met to within rounding only.") from None


def solve_reduced(whole: Frame, cost: Cost, method: str, scale: Array, start: Array | None) -> tuple[Minimum, bool]:
    """The frame's answer in x, and whether it is unique; ``start`` (U,) in x, or None."""
    rest, x = reduce_frame(whole)
    if not rest.columns.size:
        return Minimum(x, 0, True), True
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


def _solve_power(frame: Frame, exponent: float, method: str, start: Array | None) -> Minimum:
    if method == "lsq_linear":
        if frame.b.size and not eliminable(frame).size:
            fix = "Add unbounded reserves or use solver='slsqp'."
            raise InputError(explain("an unbounded reserve on every coordinate for 'lsq_linear'", "none on some", fix))
        return lsq_linear(frame)
    answer = slsqp(frame, exponent, start)
    if not answer.converged and start is not None:
        answer = slsqp(frame, exponent, None)
    return answer


def unit_of_cost(problem: RedundancyProblem, cost: Cost) -> Array:
    """(T,) what the cost is in units of Σ |scale · x|^p: the p-th power of the size by which scales are divided."""
    size = np.mean(cost.scale(problem) * problem.weights ** (1.0 / cost.exponent), axis=1)
    return np.asarray(np.where(size > 0.0, size, 1.0) ** cost.exponent)


def describe_shortfall(problem: RedundancyProblem, missing: dict[int, float]) -> str:
    """Say in words what the moments miss at best, by coordinate."""
    names = problem.coordinates
    parts = [f"{names[row]} is short of {value:.4g} {problem.unit(names[row])}" for row, value in missing.items()]
    return "At best, " + ", ".join(parts) + "." if parts else ""
