"""solve_static: the front door of static optimization."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from time import perf_counter
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InputError, SolverError, explain
from ..problem.costs import Cost, get_cost, scale_of_unknowns
from ..problem.problem import RedundancyProblem
from ..solution.solution import RedundancySolution, Status, judge, verified
from .again import solve_again
from .batched import solve_batched
from .compliant import solve_compliant
from .device import Device
from .framewise import Found, solve_frames, unit_of_cost
from .proof import prove
from .start import Multipliers, is_solution, read_guess

Array = NDArray[np.float64]
Solver = Literal["auto", "newton", "slsqp", "lsq_linear", "highs"]

SOLVERS = ("auto", "newton", "slsqp", "lsq_linear", "highs")


def solve_static(
    problem: RedundancyProblem,
    cost: str = "activation_power",
    exponent: float = 2,
    weights: ArrayLike | Mapping[str, float] | Literal["volume"] | None = None,
    tendon: Literal["rigid", "compliant"] = "rigid",
    solver: Solver = "auto",
    device: str = "cpu",
    tolerance: float = 1e-9,
    on_failure: Literal["raise", "return"] = "raise",
    *,
    initial_guess: ArrayLike | RedundancySolution | Multipliers | None = None,
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
        (M,) positive weights in place of the problem's, or those of some muscles by name. ``"volume"``:
        max_isometric_force · optimal_fiber_length over their mean, a cost per volume of muscle.
    tendon
        ``"rigid"``: force is max_force · activation, plus passive_force where the problem has it. ``"compliant"``:
        force of a fibre in equilibrium with its elastic tendon, passive force included, at the fibre speed of a rigid
        tendon; for ``activation_power`` and ``min_max``. A De Groote tendon that its fibre would push is slack and
        carries nothing; frames where a muscle has no equilibrium fail.
    solver
        ``"newton"`` (any p > 1): all frames at once on the dual problem; a frame whose answer is not proved optimal
        goes to an interior-point method, at the limit of what can be met within what moments may be missed by, and
        ``detail`` says so; without proof it is not solved. ``"slsqp"`` (any p > 1), frame by frame; ``"lsq_linear"``
        (p = 2 where every coordinate has an unbounded reserve of its own), ``"highs"`` (linear costs). ``"auto"``
        takes highs for linear costs, slsqp where activations are given as initial_guess, and newton otherwise;
        ``provenance["solver"]["used"]`` says which.
    device
        Where newton computes: ``"cpu"`` (NumPy), ``"torch"`` (torch on the CPU), or what torch calls an accelerator:
        ``"cuda"``, ``"cuda:1"``, …. In double precision everywhere.
    tolerance
        A frame whose moments are missed by more than tolerance · max(1 N·m, largest moment) is not
        solved.
    on_failure
        ``"raise"`` a :class:`SolverError` with the solution attached if any frame failed, or ``"return"`` it.
    initial_guess
        (M,) or (T, M) activations for slsqp to start from; by default each frame starts from the one before. Or
        the solution of a problem like this one, with the same frames: newton starts from its multipliers, slsqp from
        its activations and controls.
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
    problem, chosen = _prepare(problem, cost, exponent, weights, tendon, on_failure, tolerance)
    method = _choose(solver, chosen, device, initial_guess is not None and not is_solution(initial_guess))
    guess = read_guess(initial_guess, problem, method)
    place = Device.of(device)
    started = perf_counter()

    def solve(problem: RedundancyProblem, guess: Array | None) -> RedundancySolution:
        return _solve(problem, chosen, method, tolerance, guess, place, progress)

    solution = solve(problem, guess) if tendon == "rigid" else solve_compliant(problem, solve, guess)
    provenance = {
        **problem.provenance,
        "method": "static",
        "cost": {"name": cost, "exponent": chosen.exponent, "formula": chosen.formula, "source": chosen.source},
        "solver": {"asked": solver, "used": method, "tolerance": tolerance, "tendon": tendon, "device": device},
        "solve_seconds": perf_counter() - started,
    }
    solution = verified(replace(solution, provenance=provenance), problem.source)
    if on_failure == "raise" and not solution.success:
        raise SolverError(
            f"{solution.findings()[0]} on_failure='return' gives the other frames; they are also in the exception's "
            "'solution'.",
            solution,
        )
    return solution


def _solve(
    problem: RedundancyProblem,
    cost: Cost,
    method: str,
    tolerance: float,
    guess: Array | None,
    device: Device,
    progress: Callable[[int, int], None] | None,
) -> RedundancySolution:
    """Solve a problem whose forces are affine in activation, and judge the answer."""
    scale = scale_of_unknowns(problem, cost)
    if method == "newton":
        found = _solve_batched(problem, cost, scale, guess, progress, device)
    else:
        found = solve_frames(problem, cost, method, scale, guess, progress)
    activation, control, status = judge(problem, found.x, found.status, tolerance, found.detail)
    terms = cost.terms(problem, activation, control)  # NaN in frames that failed
    return RedundancySolution(
        problem, activation, control, status, found.iterations, found.unique, cost.total(terms), terms,
        found.gap, found.activation_error, found.detail,
        multipliers=found.multipliers if method == "newton" else None,
    )  # fmt: skip


def _solve_batched(
    problem: RedundancyProblem,
    cost: Cost,
    scale: Array,
    start: Array | None,
    progress: Callable[[int, int], None] | None,
    device: Device,
) -> Found:
    """All frames at once; those that are not proved are solved again one by one."""
    from threadpoolctl import threadpool_limits

    p, unit = cost.exponent, unit_of_cost(problem, cost)
    begin = None if start is None else start / unit[:, None]
    with threadpool_limits(1):
        batch = solve_batched(problem, p, scale, begin, progress, device)
        batch.multipliers[~(scale > 0.0).any(axis=1)] = 0.0  # where nothing costs, no moment does
        found = Found.nothing(len(problem), len(problem.actuators), len(problem.coordinates))
        found.x, found.iterations, found.multipliers = batch.x, batch.steps, unit[:, None] * batch.multipliers
        proof = prove(problem, p, scale, batch.x, batch.multipliers)
        found.keep_proof(proof, unit)
        found.status[proof.certified] = Status.SOLVED
        for frame in np.flatnonzero(~proof.certified).tolist():
            solve_again(found, problem, frame, cost, scale[frame], float(unit[frame]), bool(batch.infeasible[frame]))
    return found


def _prepare(
    problem: RedundancyProblem,
    cost: str,
    exponent: float,
    weights: ArrayLike | Mapping[str, float] | Literal["volume"] | None,
    tendon: str,
    on_failure: str,
    tolerance: float,
) -> tuple[RedundancyProblem, Cost]:
    for name, value, allowed in (
        ("tendon", tendon, ("rigid", "compliant")),
        ("on_failure", on_failure, ("raise", "return")),
    ):
        if value not in allowed:
            raise InputError(explain(f"{name} among {allowed}", repr(value), "Choose one of them."))
    if not (isinstance(tolerance, (int, float)) and 0.0 < tolerance < np.inf):
        raise InputError(explain("a positive tolerance", repr(tolerance), "1e-9 is the default."))
    if tendon == "compliant" and cost not in ("activation_power", "min_max"):
        fix = "The other costs are about forces that a rigid tendon makes affine in activation."
        raise InputError(explain("cost 'activation_power' or 'min_max' with tendon='compliant'", repr(cost), fix))
    if weights is not None:
        problem = problem.with_weights(weights)
    return problem, get_cost(cost, exponent)


def _choose(solver: str, cost: Cost, device: str, guessed: bool) -> str:
    """Name the solver; ``guessed`` where activations are given to start from."""
    if solver not in SOLVERS:
        raise InputError(explain(f"a solver among {', '.join(SOLVERS)}", repr(solver), "Choose one of them."))
    chosen = solver
    if solver == "auto":
        chosen = "highs" if cost.linear else "slsqp" if guessed else "newton"
    if cost.linear != (chosen == "highs"):
        right = "solver='highs'" if cost.linear else "solver='newton' or 'slsqp'"
        raise InputError(explain(f"{right} for {cost.formula}", f"solver='{solver}'", "Leave it at 'auto'."))
    if chosen == "newton" and guessed:
        fix = "Give a solution of solver 'newton', or leave it out: the answer does not depend on it."
        raise InputError(
            explain("initial_guess=None or a solution for solver='newton'", "an array of activations", fix)
        )
    if chosen == "lsq_linear" and cost.exponent != 2.0:
        raise InputError(explain("exponent 2 for solver='lsq_linear'", f"{cost.exponent:g}", "Use 'slsqp'."))
    if device != "cpu" and chosen != "newton":
        raise InputError(explain(f"device='cpu' for solver='{chosen}'", repr(device), "Only 'newton' has others."))
    return chosen
