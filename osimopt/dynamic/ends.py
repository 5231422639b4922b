"""Whether a motion that shall be periodic ends where it begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ..errors import some
from ..notices import warn
from ..problem.problem import RedundancyProblem
from .conditions import Conditions
from .mesh import Mesh

Array = NDArray[np.float64]

#: Share of its range over the interval by which a moment or a length may differ between the ends unsaid, and the
#: ranges that count as least: smaller ones are noise.
OPEN = 0.05
LEAST_MOMENT, LEAST_LENGTH = 1.0, 1e-3


def warn_of_open_ends(problem: RedundancyProblem, conditions: Conditions, mesh: Mesh) -> None:
    """Say which moments and lengths at the end are not those at the start, by how much, where that is above 5 %.

    States that are the same at both ends cannot meet moments that are not. A mapping of muscles does not tell which
    coordinates answer each other, so that only lengths are compared.
    """
    between = (problem.time > mesh.time[0]) & (problem.time < mesh.time[-1])
    time = np.concatenate([mesh.time[:1], problem.time[between], mesh.time[-1:]])

    def during(values: Array) -> Array:
        return np.stack([np.interp(time, problem.time, column) for column in values.T], axis=1)

    said = []
    served = np.flatnonzero(problem.geometry.served)
    if served.size and not isinstance(conditions.periodic, Mapping):
        moment = during(problem.generalized_force[:, served])
        names = [problem.coordinates[row] for row in served]
        gap, extent = moment[-1] - moment[0], np.maximum(LEAST_MOMENT, np.ptp(moment, axis=0))
        said += _told("the moments", gap, extent, names, [f"{{:.3g}} {problem.unit(name)}" for name in names])
    if problem.geometry.length is not None:
        length, follower = during(problem.geometry.length), conditions.follower(problem)
        extent = np.maximum(LEAST_LENGTH, np.maximum(np.ptp(length, axis=0), np.ptp(length[:, follower], axis=0)))
        gap = length[-1, follower] - length[0]
        said += _told("the lengths", 1e3 * gap, 1e3 * extent, problem.muscles, ["{:.2g} mm"] * len(gap))
    if said:
        warn(
            f"The motion does not end as it begins ({time[0]:g} to {time[-1]:g} s), but the states of its muscles "
            f"shall. Between its ends differ {' and '.join(said)}, as shares of their ranges. Choose a time_range of "
            "whole cycles, or leave periodic= out.",
            stacklevel=4,
        )


def _told(what: str, gap: Array, extent: Array, names: Sequence[str], form: Sequence[str]) -> list[str]:
    share = np.abs(gap) / extent
    worst = [row for row in np.argsort(-share).tolist() if share[row] > OPEN]
    if not worst:
        return []
    told = some([f"{names[row]} by {share[row]:.0%} ({form[row].format(abs(gap[row]))})" for row in worst], 4)
    return [f"{what} of {told}"]
