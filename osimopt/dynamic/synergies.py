"""Excitations that follow synergies, e = lower + W h with h(t) ≥ 0 unknown at the points: linear equations there."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..problem.arrays import Array, Index
from ..problem.problem import RedundancyProblem
from ..problem.synergies import Synergies
from .nodes import Layout
from .program import Builder


def links(synergies: Synergies, problem: RedundancyProblem) -> tuple[Index, Index]:
    """Pairs of a muscle of the problem and a synergy that excites it."""
    row, column = np.nonzero(synergies.weights)
    return synergies.rows(problem.muscles)[row], column


def following(synergies: Synergies | None, layout: Layout, problem: RedundancyProblem) -> tuple[Index, Array]:
    """The muscles of a part that synergies control, as positions among its muscles, and their weights (m, s)."""
    if synergies is None:
        return np.zeros(0, dtype=np.intp), np.zeros((0, 0))
    muscles = synergies.rows(problem.muscles)
    own = np.isin(muscles, layout.part.muscles)
    at = np.searchsorted(layout.part.muscles, muscles[own])
    return at, synergies.weights[np.ix_(np.flatnonzero(own), layout.part.synergies)]


def add_synergies(
    builder: Builder, layout: Layout, problem: RedundancyProblem, synergies: Synergies | None, held: bool
) -> None:
    """Rows e − W h = lower of the excited muscles at every point.

    ``held``: the excitations of the first point are those of the second, and so are its synergies instead of its rows.
    """
    at, weights = following(synergies, layout, problem)
    at, weights = at[weights.any(axis=1)], weights[weights.any(axis=1)]
    if not at.size:
        return
    first = int(held)
    lower = np.broadcast_to(problem.lower[layout.part.muscles[at]], (len(layout.excitation) - first, at.size))
    rows = builder.add_rows(lower.shape, lower)
    builder.put_linear(rows, layout.excitation[first:, at], 1.0)
    builder.put_linear(rows[:, :, None], layout.synergy[first:, None, :], -weights)
    if held:
        same = builder.add_rows(layout.synergy[0].shape, 0.0)
        builder.put_linear(same, layout.synergy[0], 1.0)
        builder.put_linear(same, layout.synergy[1], -1.0)


def bound_synergies(
    layout: Layout, problem: RedundancyProblem, synergies: Synergies | None, least: Array, most: Array
) -> None:
    """Bounds of h, and excitations on their lower bounds of muscles that no synergy excites."""
    if synergies is None:
        return
    at, weights = following(synergies, layout, problem)
    least[layout.synergy], most[layout.synergy] = 0.0, synergies.most(problem)[layout.part.synergies]
    idle = layout.excitation[:, at[~weights.any(axis=1)]]
    most[idle] = least[idle]


def first_synergies(layout: Layout, problem: RedundancyProblem, synergies: Synergies | None, x: Array) -> Array:
    """A start x with the synergies that give its excitations best."""
    if synergies is None or not layout.synergy.size:
        return x
    at, weights = following(synergies, layout, problem)
    wanted = x[layout.excitation[:, at]] - problem.lower[layout.part.muscles[at]]
    x[layout.synergy] = np.clip(wanted @ np.linalg.pinv(weights).T, 0.0, None)
    return x


def free_muscles(synergies: Synergies | None, problem: RedundancyProblem) -> NDArray[np.bool_]:
    """(M,) which muscles follow no synergies."""
    free: NDArray[np.bool_] = np.ones(len(problem.muscles), dtype=bool)
    if synergies is not None:
        free[synergies.rows(problem.muscles)] = False
    return free
