"""Static optimization with contact forces: the extended problem, and the solution of the problem that was given."""

from __future__ import annotations

import numpy as np

from ..errors import InputError, explain
from ..namespace import Tensor, alike, filled, namespace
from ..problem.arrays import Array
from ..problem.contact import Contact, contact_force, contact_unknowns
from ..problem.costs import Cost
from ..problem.problem import RedundancyProblem
from ..solution.status import Status
from .linear import shortfall
from .reduction import Frame


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
    return x[:, : x.shape[1] - int(contact_unknowns(whole).sum())]


def pressing_controls(
    problem: RedundancyProblem,
    whole: RedundancyProblem,
    contacts: tuple[Contact, ...],
    activation: Array,
    control: Array,
) -> Tensor:
    """Controls of an extended problem, where contact forces are those of activations and controls to rounding.

    A solver's own may miss them by what the rows of the balance allow, which a large weight makes much of.
    """
    force, count = contact_force(problem, contacts, activation, control), len(problem.reserves.names)
    units = alike(whole.reserves.optimal_force[count:], force)
    return namespace(force).concat([control, force / units], axis=1)


def explained(whole: RedundancyProblem, status: Array, detail: dict[int, str], newtons: float) -> dict[int, str]:
    """Details of infeasible frames of an extended problem: the limits of contact forces, where moments can be met.

    Its rows of contact forces are in units of ``newtons``.
    """
    rows, found = len(whole.coordinates) - int(contact_unknowns(whole).sum()), dict(detail)
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
