"""solve_static: the front door of static optimization."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..costs import Cost, get_cost, scale_of_unknowns
from ..errors import InputError, SolverError, explain
from ..problem import RedundancyProblem
from ..solution import RedundancySolution, Status, judge
from .batched import LARGEST_EXPONENT, solve_batched
from .frame import Frame
from .framewise import Found, describe_shortfall, solve_frames, solve_into
from .linear import shortfall

Array = NDArray[np.float64]
Solver = Literal["auto", "newton", "slsqp", "lsq_linear", "highs"]

SOLVERS = ("auto", "newton", "slsqp", "lsq_linear", "highs")


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
        ``"newton"`` (1 < p ≤ 5): all frames at once on the dual problem, with a certificate; ``"slsqp"`` (any p > 1),
        frame by frame; ``"lsq_linear"`` (p = 2 where every coordinate has an unbounded reserve of
        its own), ``"highs"`` (linear costs). ``"auto"`` takes highs for linear costs, newton
        up to p = 5, slsqp beyond and where an initial_guess is given; ``provenance["solver"]["used"]`` says which.
    device
        ``"cpu"``.
    tolerance
        A frame whose moments are missed by more than tolerance · max(1 N·m, largest moment) is not
        solved.
    on_failure
        ``"raise"`` a :class:`SolverError` with the solution attached if any frame failed, or ``"return"`` it.
    initial_guess
        (M,) or (T, M) activations for slsqp to start from; by default each frame starts from the one before.
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
    guess = _guess(initial_guess, problem)
    method = _choose(solver, chosen, guess is not None)
    started = perf_counter()
    scale = scale_of_unknowns(problem, chosen)
    if method == "newton":
        found = _solve_batched(problem, chosen, scale, progress)
    else:
        found = solve_frames(problem, chosen, method, scale, guess, progress)
    activation, control, status = judge(problem, found.x, found.status, tolerance, found.detail)
    solved = np.array([frame.ok for frame in status], dtype=bool)
    terms = {n: np.where(solved, term, np.nan) for n, term in chosen.terms(problem, activation, control).items()}
    solution = RedundancySolution(
        problem, activation, control, status, found.iterations, found.unique, chosen.total(terms), terms,
        found.gap, found.activation_error, found.detail,
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


def _solve_batched(
    problem: RedundancyProblem, cost: Cost, scale: Array, progress: Callable[[int, int], None] | None
) -> Found:
    """All frames at once; those that do not come out right are solved again one by one."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        batch = solve_batched(problem, cost, scale, progress=progress)
        found = Found.nothing(len(problem), len(problem.actuators))
        found.x, found.iterations = batch.x, batch.steps
        found.gap = np.where(batch.certificate.valid, batch.certificate.gap, np.nan)
        found.activation_error = np.where(batch.certificate.valid, batch.certificate.activation_error, np.nan)
        for frame in range(len(problem)):
            if batch.infeasible[frame]:
                found.status[frame] = Status.INFEASIBLE
                whole = Frame.of(*problem.system(frame), *problem.bounds())
                found.detail[frame] = describe_shortfall(problem, shortfall(whole))
            elif batch.solved[frame]:
                found.status[frame] = Status.SOLVED
            else:
                found.gap[frame] = found.activation_error[frame] = np.nan
                solve_into(found, problem, frame, cost, "slsqp", scale[frame], None)
    return found


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


def _choose(solver: str, cost: Cost, guessed: bool) -> str:
    if solver not in SOLVERS:
        raise InputError(explain(f"a solver among {', '.join(SOLVERS)}", repr(solver), "Choose one of them."))
    chosen = solver
    if solver == "auto":
        batched = 1.0 < cost.exponent <= LARGEST_EXPONENT and not guessed
        chosen = "highs" if cost.linear else "newton" if batched else "slsqp"
    if cost.linear != (chosen == "highs"):
        right = "solver='highs'" if cost.linear else "solver='newton' or 'slsqp'"
        raise InputError(explain(f"{right} for {cost.formula}", f"solver='{solver}'", "Leave it at 'auto'."))
    if chosen == "newton" and guessed:
        fix = "Leave initial_guess out: the answer does not depend on it."
        raise InputError(explain("no initial_guess for solver='newton'", "one", fix))
    if chosen == "newton" and cost.exponent > LARGEST_EXPONENT:
        got = f"{cost.exponent:g}"
        raise InputError(explain(f"an exponent ≤ {LARGEST_EXPONENT:g} for solver='newton'", got, "Use 'slsqp'."))
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
