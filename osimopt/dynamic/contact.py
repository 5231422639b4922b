"""Contact forces of joints in dynamic optimization: further rows of the moment balance, further unknowns.

The rows of ``problem.contact.extended`` hold at every point of the mesh, with the tendon forces of rigid and elastic
tendons like those of the moments. Here an unknown is a force in body weights, as bounds and starting points of the
solver need numbers of the order of 1 also of forces that are limited and cost nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..problem.arrays import Array
from ..problem.contact import FREE, Contact, contact_unknowns, extended
from ..problem.problem import RedundancyProblem


def balance_of(problem: RedundancyProblem, contacts: Sequence[Contact]) -> RedundancyProblem:
    """The problem with rows of contact forces, which are further reserves in body weights; itself without any."""
    if not contacts:
        return problem
    balance = extended(problem, contacts)
    reserves, own = balance.reserves, are_contact(balance)
    unit = np.ones(len(own))
    unit[own] = [np.sqrt(weight or FREE) for _, _, weight, _, _ in rows_of(contacts)]
    return replace(
        balance,
        reserves=replace(
            reserves, effect=reserves.effect * unit, optimal_force=reserves.optimal_force * unit,
            lower=reserves.lower / unit, upper=reserves.upper / unit,
        ),
    )  # fmt: skip


def rows_of(contacts: Sequence[Contact]) -> list[tuple[str, Array, float, float, float]]:
    """Name, direction, weight and limits of the rows of all contacts."""
    return [row for contact in contacts for row in contact.rows()]


def contact_weights(contacts: Sequence[Contact]) -> Array:
    """(C,) weights of the squares of contact forces in body weights."""
    return np.array([weight for _, _, weight, _, _ in rows_of(contacts)])


def limited(contacts: Sequence[Contact]) -> bool:
    """Whether any contact force has limits."""
    return any(np.isfinite(row[3:]).any() for row in rows_of(contacts))


def are_contact(balance: RedundancyProblem) -> NDArray[np.bool_]:
    """(K + C,) which reserves of a balance are contact forces."""
    return contact_unknowns(balance)[len(balance.muscles) :]


def forces_in_contact(balance: RedundancyProblem, force: Array, control: Array) -> Array:
    """(N, C) contact forces in body weights, of tendon forces (N, M) and controls (N, K + C) but for their own."""
    own = are_contact(balance)
    rows = slice(len(balance.coordinates) - int(own.sum()), None)
    through = np.einsum("tdk,tk->td", balance.reserves.effect[:, rows][:, :, ~own], control[:, ~own])
    found = balance.geometry.moments(force)[:, rows] + through - balance.generalized_force[:, rows]
    return np.asarray(found / balance.reserves.optimal_force[own])


def moment_scale(balance: RedundancyProblem) -> Array:
    """(D + C,) the largest moment of each coordinate, at least 1 N·m; of contact forces at least a body weight."""
    least = np.ones(len(balance.coordinates))
    if (own := are_contact(balance)).any():
        least[-int(own.sum()) :] = balance.reserves.optimal_force[own]
    return np.asarray(np.maximum(least, np.abs(balance.generalized_force).max(axis=0)))
