"""solve_static: static optimization of a redundancy problem."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from ..devices import Device
from ..errors import InputError, SolverError, explain, shown
from ..muscle.tendons import Tendons, compliant, tendon_text
from ..namespace import plain
from ..options import check_values, check_word, documented
from ..problem.arrays import Array
from ..problem.contact import Contact, carrying, contact_provenance, formula_with, read_contacts, with_contact
from ..problem.costs import COSTS, Cost, get_cost, scale_of_unknowns
from ..problem.extension import FREE, extended
from ..problem.problem import RedundancyProblem
from ..problem.synergies import read_synergies
from ..solution.solution import RedundancySolution, verified
from ..solution.status import judge
from . import SOLVERS
from .compliant import solve_compliant
from .contact import check_contacts, explained, padded, pressing_term, without
from .frames import solve_frames
from .options import StaticOptions
from .synergies import check_synergies, solve_following


@dataclass(frozen=True, eq=False)
class Multipliers:
    """Multipliers (T, D), as of a solution, from which Newton's method starts; frames with NaN start cold."""

    multipliers: Array


@documented(StaticOptions)
def solve_static(
    problem: RedundancyProblem,
    cost: str = "activation_power",
    exponent: float = 2,
    weights: ArrayLike | Mapping[str, float] | Literal["volume"] | None = None,
    tendon: Tendons = "rigid",
    solver: str = "auto",
    device: str = "cpu",
    tolerance: float = 1e-9,
    on_failure: Literal["raise", "return"] = "raise",
    *,
    contact: Contact | Sequence[Contact] | Mapping[str, float] | str | None = None,
    synergies: Any = None,
    initial_guess: ArrayLike | RedundancySolution | Multipliers | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> RedundancySolution:
    """Find the activations of least cost that produce the joint moments, frame by frame.

    Each frame is a separate optimization problem [1]_: minimise the cost subject to
    Σ_i r_i F_i(a_i) + Σ_k f_k e_k = τ for every coordinate and to the bounds of the activations a and of the controls e
    of the reserves. Forces that joints transmit are affine in activations and controls: as part of the cost, or within
    limits, they keep a problem convex, with the same certificate (:class:`osimopt.Contact`).

    Parameters
    ----------
    problem
        T frames, D coordinates and M muscles, from :func:`osimopt.load_problem` or
        :meth:`RedundancyProblem.from_arrays`. A problem on a device (:meth:`RedundancyProblem.to`) is solved there, and
        its solution stays there.
    {options}
    on_failure
        ``"raise"`` a :class:`SolverError` with the solution attached if any frame failed, or ``"return"`` the solution.
    initial_guess
        (M,) or (T, M) activations for slsqp to start from; by default each frame starts from the one before. Or
        the solution of a similar problem with the same frames: newton starts from its multipliers, slsqp from
        its activations and controls.
    progress
        Called with (frames done, number of frames).

    Returns
    -------
    RedundancySolution
        NaN and a :class:`Status` in frames that failed. Where the minimiser is not unique (linear costs with
        muscles that can replace each other), ``unique`` is False and the solution is that of least
        Σ a² + Σ e². ``gap`` and ``activation_error`` (T,) bound the distance from the optimum (not for linear costs).
        With ``contact`` they are those of the whole cost, ``objective_terms`` has "contact", and a frame whose limits
        cannot be met is infeasible.

    Raises
    ------
    InputError
        Unknown names or options that cannot be combined, before solving.
    SolverError
        Frames failed and ``on_failure="raise"``.

    References
    ----------
    .. [1] Anderson & Pandy (2001), Static and dynamic optimization solutions for gait are practically equivalent,
       doi:10.1016/S0021-9290(00)00155-X

    Examples
    --------
    Two muscles with moment arms of 5 and 3 cm produce 12 N·m:

    >>> import osimopt
    >>> problem = osimopt.RedundancyProblem.from_arrays([0.05, 0.03], [500.0, 300.0], 12.0)
    >>> solution = osimopt.solve_static(problem)
    >>> solution.activation.round(3)
    array([[0.425, 0.153]])
    >>> solution.muscle_force.round(1)
    array([[212.5,  45.9]])
    >>> bool(solution.gap[0] < 1e-12)
    True
    """
    chosen = get_cost(cost, exponent)
    check_values(StaticOptions, locals())
    check_word("on_failure", on_failure, ("raise", "return"))
    elastic = compliant(tendon, problem.muscles)
    _check_tendon(bool(elastic.any()), chosen)
    contacts, vectors = read_contacts(contact), read_synergies(synergies)
    check_contacts(contacts, chosen)
    problem = problem if weights is None else problem.with_weights(weights)
    check_synergies(vectors, solver, device, problem)
    guessed = initial_guess is not None and not isinstance(initial_guess, (RedundancySolution, Multipliers))
    device = problem.device if device == "cpu" else device
    name = _choose(solver, chosen, device, guessed)
    method, place, started = SOLVERS[name], Device.of(device), perf_counter()
    batched = method.batched and vectors is None
    guess = _read_guess(initial_guess, problem, method.batched)
    problem = with_contact(problem, contacts)
    pressing = carrying(problem, contacts) if contacts else None
    weight = 1.0 if pressing is None else pressing.body_weight

    def solve(given: RedundancyProblem, guess: Array | None) -> RedundancySolution:
        """Solve a problem whose forces are affine in activation, where it is or on the device."""
        own = given if place.name is None else replace(given, kinematics=None).to(device)
        trace = 1.0 if chosen.linear else FREE  # linear programs need none, but unknowns of size about 1
        problem = own if pressing is None else extended(replace(own, reactions=pressing), contacts, trace, weight)
        scale = scale_of_unknowns(problem, chosen)
        start = (
            None if guess is None else padded(guess, len(problem.coordinates if method.batched else problem.actuators))
        )
        if vectors is not None:
            found = solve_following(problem, chosen, scale, vectors, progress)
        elif method.batched:
            start = None if start is None else place.put(start)
            found = method.load()(problem, chosen, scale, start, progress)
        else:
            found = solve_frames(problem, chosen, method.load(), scale, start, progress)
        activation, control, status = judge(problem, found.x, found.status, tolerance, found.detail)
        terms, detail = {}, found.detail
        if contacts:  # of the problem that was given, too
            detail = explained(problem, found.status, detail, weight) if vectors is None else detail
            activation, control, status = judge(own, without(found.x, problem), status, tolerance, detail)
            if any(one.weight for one in contacts):
                terms["contact"] = pressing_term(own, problem, chosen, activation, control)
        terms = chosen.terms(own, activation, control) | terms  # NaN in frames that failed
        return RedundancySolution(
            given, activation, control, status, found.iterations, found.unique, chosen.total(terms), terms,
            found.gap, found.activation_error, detail, multipliers=found.multipliers if batched else None,
            contact=contacts, synergies=vectors,
        ).to(given.device)  # fmt: skip

    named = tendon_text(tendon) if elastic.any() else "rigid"
    if named == "rigid":
        solution = solve(problem, guess)
    else:  # fibres in equilibrium are found on the CPU
        solution = solve_compliant(problem.to("cpu"), solve, guess, elastic).to(problem.device)
    if contacts and solution.multipliers is not None:  # those of contact forces were of use to compliant tendons only
        solution = replace(solution, multipliers=solution.multipliers[:, : len(problem.coordinates)])
    used = name if vectors is None or chosen.linear else "interior"
    formula = formula_with(chosen.formula, contacts)
    known = {"name": cost, "exponent": chosen.exponent, "formula": formula, "source": chosen.source}
    if contacts:
        known["contact"] = contact_provenance(contacts, weight)
    provenance = {
        **problem.provenance,
        "method": "static",
        "cost": known,
        "solver": {"asked": solver, "used": used, "tolerance": tolerance, "tendon": named, "device": device},
        "solve_seconds": perf_counter() - started,
    }
    if vectors is not None:
        provenance["synergies"] = vectors.provenance()
    solution = verified(replace(solution, provenance=provenance), problem.source)
    if on_failure == "raise" and not solution.success:
        raise SolverError(
            f"{solution.findings()[0]} on_failure='return' gives the other frames; they are also in the exception's "
            "'solution'.",
            solution,
        )
    return solution


def _check_tendon(elastic: bool, cost: Cost) -> None:
    if elastic and cost.scales_with:
        names = " or ".join(repr(other.name) for other in COSTS.values() if not other.scales_with)
        fix = "Use tendon='rigid': the cost depends on a force that is affine in activation."
        raise InputError(explain(f"cost {names} with tendon='compliant'", repr(cost.name), fix))


def _choose(solver: str, cost: Cost, device: str, guessed: bool) -> str:
    """Name of the solver; ``guessed`` where the initial guess is an array of activations."""
    check_word("solver", solver, ("auto", *SOLVERS))
    suitable = [name for name, entry in SOLVERS.items() if entry.minimises(cost.exponent)]
    name = solver
    if solver == "auto":
        name = next(name for name in suitable if not (guessed and SOLVERS[name].batched))
    elif solver not in suitable:
        right = f"solver={' or '.join(map(repr, suitable))} for {cost.formula}"
        raise InputError(explain(right, f"solver={solver!r}", "Leave it at 'auto'."))
    if guessed and SOLVERS[name].batched:
        fix = f"Give a solution of solver {name!r}, or leave it out: the solution does not depend on it."
        got = "an array of activations"
        raise InputError(explain(f"initial_guess=None or a solution for solver={name!r}", got, fix))
    if device != "cpu" and not SOLVERS[name].batched:
        batched = " and ".join(repr(other) for other, entry in SOLVERS.items() if entry.batched)
        fix = f"Other devices are for solver {batched}."
        raise InputError(explain(f"device='cpu' for solver={name!r}", repr(device), fix))
    return name


def activations_of(guess: Any, frames: int, muscles: int) -> Array:
    """An initial guess (T, M) of activations from (M,) or (T, M) numbers.

    Raises
    ------
    InputError
        Another type or shape, or NaN.
    """
    shape = frames, muscles
    try:
        array = np.asarray(guess, dtype=float)
    except (TypeError, ValueError):
        fix = "Give activations, or an earlier solution."
        raise InputError(explain("activations as initial_guess", shown(guess), fix)) from None
    if array.shape not in (shape, shape[1:]) or not np.isfinite(array).all():
        got = f"shape {array.shape}" if array.shape not in (shape, shape[1:]) else "NaN or infinity"
        fix = "Give activations at these frames or points, or an earlier solution."
        raise InputError(explain(f"finite initial_guess of shape {shape} or {shape[1:]}", got, fix))
    return np.array(np.broadcast_to(array, shape))


def _read_guess(
    guess: ArrayLike | RedundancySolution | Multipliers | None, problem: RedundancyProblem, batched: bool
) -> Array | None:
    """The solver's start: multipliers (T, D) for batched solvers, unknowns (T, M + K) for the others."""
    if guess is None:
        return None
    frames, muscles = len(problem), len(problem.muscles)
    if not isinstance(guess, (RedundancySolution, Multipliers)):
        activation = activations_of(guess, frames, muscles)
        return np.hstack([activation, np.zeros((frames, len(problem.reserves.names)))])
    if batched:
        start, shape, what = guess.multipliers, (frames, len(problem.coordinates)), "multipliers"
    else:
        start, shape, what = None, (frames, len(problem.actuators)), "unknowns"
        if isinstance(guess, RedundancySolution):
            start = np.nan_to_num(np.hstack([plain(guess.activation), plain(guess.reserve_control)]))
    if start is None or tuple(start.shape) != shape:
        got = f"no {what}" if start is None else f"shape {tuple(start.shape)}"
        fix = "Give the solution of solver 'newton' of a problem with these frames, coordinates and actuators."
        raise InputError(explain(f"an initial_guess with {what} of shape {shape}", got, fix))
    return start
