"""solve_static: the front door of static optimization."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..costs import Cost, counted_reserves, get_cost, reserve_weight
from ..errors import InputError, SolverError, explain
from ..problem import RedundancyProblem
from ..solution import RedundancySolution, Status, judge
from .frame import Frame, InfeasibleError, reduce_frame
from .linear import minimise_largest, minimise_sum, shortfall
from .nonlinear import Answer, eliminable, lsq_linear, slsqp

Array = NDArray[np.float64]
Solver = Literal["auto", "slsqp", "lsq_linear", "highs"]

SOLVERS = ("auto", "slsqp", "lsq_linear", "highs")


def solve_static(
    problem: RedundancyProblem,
    cost: str = "activation_power",
    exponent: float = 2,
    weights: ArrayLike | None = None,
    tendon: Literal["rigid"] = "rigid",
    solver: Solver = "auto",
    device: Literal["cpu"] = "cpu",
    tolerance: float = 1e-9,
    on_failure: Literal["raise", "return"] = "raise",
    *,
    initial_guess: ArrayLike | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> RedundancySolution:
    """Find the activations of least cost that meet the moments, frame by frame.

    Parameters
    ----------
    problem
        From :func:`osimopt.load_problem` or :meth:`RedundancyProblem.from_arrays`.
    cost
        ``activation_power`` Σ w a^p, ``sum_force`` Σ w F, ``sum_force_squared`` Σ w F²,
        ``sum_stress_squared`` Σ w (F/pcsa)², ``sum_moment_ratio_cubed`` Σ w (F/Mmax)³, ``min_max`` max w a; F
        is active muscle force.
    exponent
        p ≥ 1 of ``activation_power``.
    weights
        (M,) positive weights in place of the problem's.
    tendon
        ``"rigid"``: force is max_force · activation.
    solver
        ``"slsqp"`` (any p > 1), ``"lsq_linear"`` (p = 2 where every coordinate has an unbounded reserve of
        its own), ``"highs"`` (linear costs). ``"auto"`` takes highs for linear costs, slsqp for the others.
    device
        ``"cpu"``.
    tolerance
        A frame whose moments are missed by more than tolerance · max(1 N·m, largest moment) is not
        solved.
    on_failure
        ``"raise"`` a :class:`SolverError` with the solution attached if any frame failed, or ``"return"`` it.
    initial_guess
        (M,) or (T, M) activations to start from. By default each frame starts from the one before.
    progress
        Called with (frames done, frames in all).

    Returns
    -------
    RedundancySolution
        NaN and a :class:`Status` in frames that failed. Where the minimiser is not unique (linear costs with
        muscles that can replace each other), ``unique`` is False and the answer is that of least
        Σ a² + Σ e².

    Raises
    ------
    InputError
        Unknown names or options that do not go together, before solving.
    SolverError
        Frames failed and ``on_failure="raise"``.
    """
    problem, chosen = _prepare(problem, cost, exponent, weights, tendon, device, on_failure, tolerance)
    method = _choose(solver, chosen)
    started = perf_counter()
    found = _solve_frames(problem, chosen, method, _guess(initial_guess, problem), progress)
    activation, control, status = judge(problem, found.x, found.status, tolerance, found.detail)
    solved = np.array([frame.ok for frame in status], dtype=bool)
    terms = {n: np.where(solved, term, np.nan) for n, term in chosen.terms(problem, activation, control).items()}
    solution = RedundancySolution(
        problem, activation, control, status, found.iterations, found.unique, chosen.total(terms), terms, found.detail,
        provenance={
            **problem.provenance,
            "method": "static",
            "cost": {"name": cost, "exponent": chosen.exponent, "formula": chosen.formula, "source": chosen.source},
            "solver": {"asked": solver, "used": method, "tolerance": tolerance, "tendon": tendon, "device": device},
            "solve_seconds": perf_counter() - started,
        },
    )  # fmt: skip
    if on_failure == "raise" and not solution.success:
        raise SolverError(
            f"{solution.findings()[0]} on_failure='return' gives the other frames; they are also in the exception's "
            "'solution'.",
            solution,
        )
    return solution


@dataclass(eq=False)
class _Found:
    """What the solvers claim, by frame: unknowns (T, M + K), status, iterations, uniqueness, detail."""

    x: Array
    status: list[Status]
    iterations: NDArray[np.intp]
    unique: NDArray[np.bool_]
    detail: dict[int, str]

    @classmethod
    def nothing(cls, frames: int, unknowns: int) -> _Found:
        x = np.full((frames, unknowns), np.nan)
        counts = np.zeros(frames, dtype=np.intp)
        return cls(x, [Status.NOT_CONVERGED] * frames, counts, np.ones(frames, dtype=bool), {})


def _solve_frames(
    problem: RedundancyProblem,
    cost: Cost,
    method: str,
    guess: Array | None,
    progress: Callable[[int, int], None] | None,
) -> _Found:
    from threadpoolctl import threadpool_limits

    scale = _scale(problem, cost)
    found = _Found.nothing(len(problem), len(problem.actuators))
    start = None
    with threadpool_limits(1):  # a frame's matrices are small: BLAS threads cost up to 400 times what they save
        for frame in range(len(problem)):
            start = guess[frame] if guess is not None else start
            start = _solve_into(found, problem, frame, cost, method, scale[frame], start)
            if progress is not None and (frame % 20 == 19 or frame + 1 == len(problem)):
                progress(frame + 1, len(problem))
    return found


def _solve_into(
    found: _Found,
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
        found.detail[frame] = _describe_shortfall(problem, error.shortfall)
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


def _prepare(
    problem: RedundancyProblem,
    cost: str,
    exponent: float,
    weights: ArrayLike | None,
    tendon: str,
    device: str,
    on_failure: str,
    tolerance: float,
) -> tuple[RedundancyProblem, Cost]:
    for name, value, allowed in (
        ("tendon", tendon, ("rigid",)),
        ("device", device, ("cpu",)),
        ("on_failure", on_failure, ("raise", "return")),
    ):
        if value not in allowed:
            raise InputError(explain(f"{name} among {allowed}", repr(value), "Choose one of them."))
    if not (isinstance(tolerance, (int, float)) and 0.0 < tolerance < np.inf):
        raise InputError(explain("a positive tolerance", repr(tolerance), "1e-9 is the default."))
    if weights is not None:
        problem = problem.with_weights(weights)
    return problem, get_cost(cost, exponent)


def _choose(solver: str, cost: Cost) -> str:
    if solver not in SOLVERS:
        raise InputError(explain(f"a solver among {', '.join(SOLVERS)}", repr(solver), "Choose one of them."))
    chosen = ("highs" if cost.linear else "slsqp") if solver == "auto" else solver
    if cost.linear != (chosen == "highs"):
        right = "solver='highs'" if cost.linear else "solver='slsqp'"
        raise InputError(explain(f"{right} for {cost.formula}", f"solver='{solver}'", "Leave it at 'auto'."))
    if chosen == "lsq_linear" and cost.exponent != 2.0:
        raise InputError(explain("exponent 2 for solver='lsq_linear'", f"{cost.exponent:g}", "Use 'slsqp'."))
    return chosen


def _guess(initial_guess: ArrayLike | None, problem: RedundancyProblem) -> Array | None:
    if initial_guess is None:
        return None
    guess = np.asarray(initial_guess, dtype=float)
    shape = (len(problem), len(problem.muscles))
    if guess.shape not in (shape, shape[1:]) or not np.isfinite(guess).all():
        got = f"shape {guess.shape}" if guess.shape not in (shape, shape[1:]) else "NaN or infinity"
        raise InputError(explain(f"finite initial_guess of shape {shape} or {shape[1:]}", got, "Give activations."))
    return np.hstack([np.broadcast_to(guess, shape), np.zeros((shape[0], len(problem.reserves.names)))])


def _scale(problem: RedundancyProblem, cost: Cost) -> Array:
    """(T, M + K) s with cost term |s x|^p, or the linear weights; up to one factor per frame, which moves no optimum.

    Scales are divided by their mean over the muscles: SLSQP's stopping rule is absolute.
    """
    muscles = cost.scale(problem)
    reserves = len(problem.reserves.names)
    if np.isinf(cost.exponent):
        counted = np.broadcast_to(counted_reserves(problem).astype(float), (len(problem), reserves))
        return np.hstack([np.broadcast_to(problem.weights, muscles.shape), counted])
    p = cost.exponent
    other = np.repeat(reserve_weight(muscles, p)[:, None] ** (1.0 / p), reserves, axis=1)
    scale = np.hstack([muscles * problem.weights ** (1.0 / p), other])
    size = np.mean(scale[:, : muscles.shape[1]], axis=1, keepdims=True)
    return np.asarray(scale / np.where(size > 0.0, size, 1.0))


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


def _describe_shortfall(problem: RedundancyProblem, missing: dict[int, float]) -> str:
    parts = [f"{problem.coordinates[row]} is short of {value:.4g} N·m (N)" for row, value in missing.items()]
    return "At best, " + ", ".join(parts) + "." if parts else ""
