"""The objective of dynamic optimization by term."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..problem.costs import counted_reserves
from .conditions import Conditions
from .nodes import Nodes
from .unknowns import Unknowns

Array = NDArray[np.float64]

#: Weight in the cost of a first point that is no collocation point (Radau) and whose activations equal its
#: excitations, as a share of its interval: or nothing would decide them.
FIRST = 0.01


def cost_weights(nodes: Nodes, conditions: Conditions) -> Array:
    """Quadrature (N,) by which the cost is minimised."""
    weights = nodes.mesh.quadrature.copy()
    if conditions.initial_activation == "equal" and weights[0] == 0.0:
        weights[0] = FIRST * nodes.mesh.durations[0]
    return weights


def start_weights(nodes: Nodes, conditions: Conditions) -> tuple[Array, float]:
    """What the first point weighs beside the integral: (M,) of the muscles' powers, and of the reserves'.

    Each muscle's is its deactivation time constant: so long does activation outlast the excitation that made it.
    Reserves are priced alike, or they would do at the first point what muscles do.
    """
    muscles, reserves = conditions.cost.weights(nodes.problem)
    outlasts = nodes.dynamics[1]
    mean = float(outlasts.mean())
    return outlasts * muscles[0], mean if conditions.cost.quantity == "largest" else mean * float(reserves[0])


def start_cost(nodes: Nodes, conditions: Conditions, found: Unknowns) -> float:
    """The term of the objective for the activations at the first point."""
    if not conditions.pays:
        return 0.0
    muscles, reserves = start_weights(nodes, conditions)
    if conditions.cost.quantity == "largest":
        return reserves * float(integrands(nodes, conditions, found)["largest"][0])
    power = conditions.cost.exponent
    return float(muscles @ found.activation[0] ** power + reserves * np.sum(np.abs(found.reserve[0]) ** power))


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
