"""Contact forces of joints in dynamic optimization: further rows of the moment balance, further unknowns.

The rows of ``problem.extension`` hold at every point of the mesh, with the tendon forces of rigid and elastic
tendons like those of the moments. Here an unknown is a force in body weights, as bounds and starting points of the
solver need numbers of the order of 1 also of forces that are limited and cost nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..problem.arrays import Array
from ..problem.contact import Contact, rows_of
from ..problem.extension import FREE, contact_reserves, extended, moment_rows
from ..problem.problem import RedundancyProblem


def balance_of(problem: RedundancyProblem, contacts: Sequence[Contact]) -> RedundancyProblem:
    """The problem with rows of contact forces, which are further reserves in body weights."""
    balance = extended(problem, contacts)
    reserves, own = balance.reserves, contact_reserves(balance)
    unit = np.ones(len(own))
    unit[own] = [np.sqrt(row.weight or FREE) for row in rows_of(contacts)]
    return replace(
        balance,
        reserves=replace(
            reserves, effect=reserves.effect * unit, optimal_force=reserves.optimal_force * unit,
            lower=reserves.lower / unit, upper=reserves.upper / unit,
        ),
    )  # fmt: skip


def contact_weights(contacts: Sequence[Contact]) -> Array:
    """(C,) weights of the squares of contact forces in body weights."""
    return np.array([row.weight for row in rows_of(contacts)])


def limited(contacts: Sequence[Contact]) -> bool:
    """Whether any contact force has limits."""
    return any(np.isfinite((row.lower, row.upper)).any() for row in rows_of(contacts))


def moment_scale(balance: RedundancyProblem) -> Array:
    """(D + C,) the largest moment of each coordinate, at least 1 N·m; of contact forces at least a body weight."""
    least = np.ones(len(balance.coordinates))
    least[moment_rows(balance) :] = balance.reserves.optimal_force[contact_reserves(balance)]
    return np.asarray(np.maximum(least, np.abs(balance.generalized_force).max(axis=0)))
