"""The objective of dynamic optimization by term."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..costs import counted_reserves
from .conditions import Conditions
from .nodes import Nodes
from .unknowns import Unknowns

Array = NDArray[np.float64]


def integrands(nodes: Nodes, conditions: Conditions, found: Unknowns) -> dict[str, Array]:
    """The integrand (N,) of each term of the objective, with the weight that it has in the sum."""
    cost, problem = conditions.cost, nodes.problem
    muscles, reserves = cost.weights(problem)
    terms: dict[str, Array] = {}
    if cost.quantity == "largest":
        loads = np.abs(found.reserve[:, counted_reserves(problem)])
        terms["largest"] = np.max(np.hstack([problem.weights * found.activation, loads]), axis=1, initial=0.0)
    else:
        x = {"excitation": found.excitation, "activation": found.activation, "force": found.force}[cost.quantity]
        terms["muscles"] = np.sum(muscles * x**cost.exponent, axis=1)
        terms["reserves"] = reserves * np.sum(np.abs(found.reserve) ** cost.exponent, axis=1)
    if nodes.fiber is not None and conditions.derivative_penalty > 0.0:
        terms["derivative_penalty"] = conditions.derivative_penalty * np.sum(found.force_rate**2, axis=1)
    if (emg := conditions.emg) is not None and emg.weight > 0.0:
        followers, channels = emg.rows(problem.muscles)
        measured = emg.at(nodes.mesh.time)[:, channels] * found.scale[channels]
        terms["emg_tracking"] = emg.weight * np.sum((measured - found.excitation[:, followers]) ** 2, axis=1)
    return terms
