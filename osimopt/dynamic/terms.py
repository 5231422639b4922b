"""Terms of the objective of a part of a problem, in the rows, groups and costs of its program."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..problem.arrays import Array, Index
from ..problem.costs import counted_reserves
from ..problem.extension import contact_reserves
from .contact import contact_weights
from .metabolic import add_metabolic, add_start
from .nodes import Layout, Nodes, Unknowns
from .objective import Conditions, cost_weights, integrands, start_cost, start_weights
from .program import Builder, Kind

#: Scaled objective of the guess above which the objective is scaled down further, and below which it is scaled up.
COSTLY, CHEAP = 200.0, 10.0
#: Largest factor by which it is scaled up: a motion without moments costs next to nothing.
STRONGEST = 1e6


def cost_scale(nodes: Nodes, conditions: Conditions, guess: Unknowns) -> float:
    """One over the cost of a muscle at full activation at an average point; other costs of a guess are scaled further.

    A walk of two legs then costs about 100. Where reserves of 1 N·m do most of the work the cost is 1e5 and more, which
    the solver's barrier does not resolve: 120 iterations instead of 34 for a model of 18 muscles. With exponent 10 it
    is 1e-3 and less: unless scaled up, objectives were 0.5 to 1.4 % above their optimum within a tolerance of 1e-6.
    """
    muscles, _ = conditions.cost.weights(nodes)
    quadrature = nodes.mesh.quadrature
    unit = float(quadrature.mean()) * max(float(muscles.mean()), 1e-12)
    whole = sum(float(quadrature @ values) for values in integrands(nodes, conditions, guess).values())
    whole = (whole + start_cost(nodes, conditions, guess)) / unit
    least = min(CHEAP / max(whole, 1e-12), STRONGEST)
    return float(np.clip(1.0, least, COSTLY / max(whole, 1e-12))) / unit


def add_cost(builder: Builder, layout: Layout, nodes: Nodes, conditions: Conditions, factor: float) -> None:
    """Cost of the muscles, of reserves and contact forces, of metabolic rate, and of rates of tendon forces."""
    cost, quadrature, part = conditions.cost, cost_weights(nodes, conditions), layout.part
    muscles, reserves = cost.weights(nodes)
    if cost.quantity == "largest":
        builder.linear_cost[layout.largest[:, 0]] = factor * quadrature
        builder.add_difference(layout.activation, layout.largest, nodes.problem.weights[part.muscles], -np.inf)
        counts = np.zeros(len(nodes.balance.reserves.names), dtype=bool)
        counts[~contact_reserves(nodes.balance)] = counted_reserves(nodes.problem)
        counted = layout.reserve[:, counts[part.reserves]]
        for sign in (1.0, -1.0):
            builder.add_difference(counted, layout.largest, sign, -np.inf)
    else:
        weights = factor * quadrature[:, None] * muscles[:, part.muscles]
        if cost.quantity == "force":
            rigid = np.flatnonzero(~nodes.elastic[part.muscles])
            _add_powers(builder, "power", layout.force, weights[:, layout.elastic], cost.exponent)
            _add_powers(builder, "power", layout.activation[:, rigid], weights[:, rigid], cost.exponent)
        else:
            _add_powers(builder, "power", getattr(layout, cost.quantity), weights, cost.exponent)
    _add_controls(builder, layout, nodes, conditions, layout.reserve, factor * (quadrature * reserves)[:, None])
    if (metabolic := conditions.metabolic) is not None and part.muscles.size:
        weights = factor * metabolic.weight * quadrature[:, None]
        add_metabolic(builder, layout, nodes, metabolic, weights)
    each = np.broadcast_to(conditions.derivative_penalty, len(nodes.problem.muscles))[layout.in_tendon]
    if each.any():
        _add_powers(builder, "magnitude", layout.force_rate, factor * quadrature[:, None] * each, 2.0)


def add_start_cost(builder: Builder, layout: Layout, nodes: Nodes, conditions: Conditions, factor: float) -> None:
    """Cost of the initial point."""
    muscles, reserves = start_weights(nodes, conditions)
    if (metabolic := conditions.metabolic) is not None and layout.part.muscles.size:
        weights = factor * metabolic.weight * nodes.dynamics[1, layout.part.muscles]
        add_start(builder, layout, nodes, metabolic, weights[None])
    exponent = conditions.cost.exponent
    if conditions.cost.quantity == "largest":
        builder.linear_cost[layout.largest[0]] += factor * reserves
    else:
        _add_powers(builder, "power", layout.activation[0], factor * muscles[layout.part.muscles], exponent)
    _add_controls(builder, layout, nodes, conditions, layout.reserve[:1], factor * reserves)
    each = np.broadcast_to(conditions.start_penalty, len(nodes.problem.muscles))[layout.in_tendon]
    if each.any():
        _add_powers(builder, "magnitude", layout.force_rate[0], factor * each, 2.0)


def _add_controls(
    builder: Builder, layout: Layout, nodes: Nodes, conditions: Conditions, reserve: Index, weights: Array | float
) -> None:
    """Cost of reserves, and of contact forces, whose exponent is 2."""
    own = contact_reserves(nodes.balance)
    if conditions.cost.quantity != "largest":
        _add_powers(builder, "magnitude", reserve[:, ~own[layout.part.reserves]], weights, conditions.cost.exponent)
    each = np.zeros(len(own))
    each[own] = contact_weights(conditions.contact)
    pressing = np.flatnonzero(each[layout.part.reserves])
    _add_powers(builder, "magnitude", reserve[:, pressing], weights * each[layout.part.reserves[pressing]], 2.0)


def _add_powers(builder: Builder, kind: Kind, unknowns: Index, weights: ArrayLike, exponent: float) -> None:
    if unknowns.size:
        builder.add_cost(builder.add_group(kind, [unknowns], [], exponent), weights)
