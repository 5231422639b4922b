"""Static optimization with contact forces: the extended problem, and the solution of the problem that was given."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, explain
from ..namespace import Tensor, filled, namespace
from ..problem.arrays import Array
from ..problem.contact import Contact
from ..problem.costs import Cost, contact_term
from ..problem.extension import FREE, LIMITED, contact_controls, contact_reserves, moment_rows
from ..problem.problem import RedundancyProblem
from ..solution.status import Status
from .frame import Frame
from .linear import shortfall

#: Relative to the limit, one body weight at least: a contact force nearer to its limit is on it.
ON_LIMIT = 1e-6


def check_contacts(contacts: tuple[Contact, ...], cost: Cost) -> None:
    """Refuse what no solver minimises: squares beside a linear cost.

    Raises
    ------
    InputError
        A weight with a cost of exponent 1 or infinity.
    """
    if cost.linear and (own := [contact for contact in contacts if contact.weight]):
        got = f"a weight of {own[0].weight:g} for {own[0].joint} with {cost.formula}"
        fix = "Limit the force by osimopt.Contact(lower=…, upper=…, cone=…), or choose a cost with 1 < p < ∞."
        raise InputError(explain("contact forces as limits only beside a linear cost", got, fix))


def padded(start: Array, columns: int) -> Array:
    """A start (T, n) with zeros up to this many columns."""
    more = columns - start.shape[1]
    return start if more <= 0 else namespace(start).concat([start, filled((len(start), more), 0.0, start)], axis=1)


def without(x: Array, whole: RedundancyProblem) -> Array:
    """Unknowns (T, U) of an extended problem without its contact forces."""
    return x[:, : x.shape[1] - int(contact_reserves(whole).sum())]


def pressing_term(
    problem: RedundancyProblem, whole: RedundancyProblem, cost: Cost, activation: Array, control: Array
) -> Tensor:
    """(T,) term of the cost of the contact forces that activations (T, M) and controls (T, K) of a problem make.

    A solver's own may miss them by what the rows of the extended problem allow, of which a large weight makes much.
    """
    force = problem.max_force * activation + problem.passive_force
    every = namespace(control).concat([control, contact_controls(whole, force, control)], axis=1)
    return contact_term(whole, cost, every)


def explained(
    whole: RedundancyProblem, status: NDArray[np.object_], detail: dict[int, str], newtons: float
) -> dict[int, str]:
    """Details of infeasible frames of an extended problem: the limits of contact forces, where moments can be met.

    Its rows of contact forces are in units of ``newtons``.
    """
    rows, found = moment_rows(whole), dict(detail)
    infeasible = np.flatnonzero(status == Status.INFEASIBLE)
    if not infeasible.size:
        return found
    few = whole.frames(infeasible).to("cpu")
    for index, frame in enumerate(infeasible.tolist()):
        one = Frame.at(few, index)
        short = shortfall(one, np.arange(len(one.b)) >= rows)
        if parts := [f"{whole.coordinates[row]} is short of {newtons * value:.4g} N" for row, value in short.items()]:
            found[frame] = f"Where the moments are met, at best {', '.join(parts)}."
    return found


def traced(problem: RedundancyProblem, scale: Array, p: float, x: Array) -> Tensor | None:
    """Scales (T, U) with a smaller trace of cost on limits of contact forces, by the size of a first solution x (T, U).

    None where none is needed: the trace of a square is small beside Σ |scale · x|^p for p up to 2.
    """
    limited = [len(problem.muscles) + column for column in _limited(problem)]
    if not limited or p <= 2.0:
        return None
    xp, own = namespace(scale), slice(0, len(problem.muscles))
    size = xp.clip(xp.max(xp.abs(scale[:, own] * x[:, own]), axis=1), 1e-3, 1.0)
    found = scale + 0.0
    found[:, limited] = (size ** (0.5 * p - 1.0))[:, None]
    return found


def released(problem: RedundancyProblem, x: Array, multipliers: Array) -> Tensor:
    """Multipliers (T, D) without those of limits of contact forces that x (T, U) does not press on.

    Solvers give such a force a trace of cost, which the multiplier of its row shows: it is the only unknown there that
    its row's multiplier moves, by −unit. Without the trace it is 0, but on a limit that pulls the other way.
    """
    limited = _limited(problem)
    if not limited:
        return multipliers
    xp, reserves, found = namespace(multipliers), problem.reserves, multipliers + 0.0
    further = len(problem.coordinates) - len(reserves.names)  # rows and reserves of contact forces are the last ones
    for column in limited:
        low, high, at = reserves.lower[column], reserves.upper[column], x[:, len(problem.muscles) + column]
        row = column + further
        pulled = -multipliers[:, row]
        near = ON_LIMIT * max(FREE**0.5, *(abs(end) for end in (low, high) if np.isfinite(end)))
        held = (at <= low + near) & (pulled < 0.0) | (at >= high - near) & (pulled > 0.0) | bool(low == high)
        found[:, row] = xp.where(held, multipliers[:, row], 0.0)
    return found


def _limited(problem: RedundancyProblem) -> list[int]:
    """Reserves that are contact forces which cost nothing."""
    return [column for column, origin in enumerate(problem.reserves.origin) if origin == LIMITED]
