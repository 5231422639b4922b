"""The derivative penalty: weights of ∫ Σ (dF/dt)² dt, and of dF/dt at the initial point, that follow from the cost.

Force and activation determine dF/dt through the equation of tendon and fibre, so the penalty only regularises. Without
it problems converge, but small forces depend on the mesh: initial tendon forces cost nothing then, and Hermite-Simpson
and trapezoidal schemes do not damp the stiff transients of wrong ones. Of an arm at 20 ms a force of 20 N alternated by
30 N from point to point, and half the mesh moved it by 98 % of its peak. A weight of Moco's 0.01 damps them, but is 4 %
of that objective, and with exponent 10, whose cost is a thousandth, 83 %.

Here weights are relative to the cost of muscles in the static solution, whatever its unit and exponent, and dF/dt at
the initial point costs where initial activations do. Half the weight then moves no force by more than 0.1 % of its peak
with exponents 2 and 3, and 0.3 % with 10. Each independent part of the model, such as a leg, has its own weights: its
forces do not depend on the other parts.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..problem.problem import RedundancyProblem
from ..solution.checks import PENALTY_SHARE
from .assemble import split
from .nodes import IndependentPart, Nodes, Unknowns
from .objective import Conditions, integrals, penalty_share

#: Penalty of the static solution as a share of its muscles' cost; that of reserves can be a thousandfold. Half the
#: weight moves forces of an arm with exponent 10, whose weak muscles cost next to nothing, by 4.7 % of their peaks with
#: 5e-5, 0.8 % with 1e-5 and 0.3 % with this.
SHARE = 2e-6
#: Cost of the initial rates in mean deactivation time constants of the static solution's cost, reserves included, were
#: they its mean rates. With 0 initial forces depend on the weight (by 5 % of their peaks for half of it) and replace
#: reserves; with 0.1 and 1 those of a walk-like motion are held still, and half the mesh moves them by 10 and 14 %.
START = 0.01
#: Mean square of dF/dt per muscle, 1/s², that the static solution has at least: constant forces give no scale.
LEAST_RATE = 0.1**2
#: Rate of the static solution's forces, as a share of these forces per s, above which the moments are noisy (16 in a
#: public walk whose moments are not filtered; 5 to 8 in that walk at 6 Hz, and in three other motions), and the weight
#: there, as SHARE: with SHARE, 0.3 s of that walk need 134 iterations in place of 40, and 2 s have no solution in 500.
NOISY, NOISY_SHARE = 12.0, 1.0
#: Largest number of solves with smaller weights.
MOST_TRIES = 3


def weighed(conditions: Conditions, nodes: Nodes, static: Unknowns) -> Conditions:
    """Conditions with the weights (M,) that follow from the static solution; a weight that was given stays."""
    if nodes.fiber is None or not conditions.weighs:
        return conditions
    muscles, whole, noisy = *np.zeros((2, len(nodes.problem.muscles))), False
    free = replace(conditions, derivative_penalty=0.0, emg=None)
    for part in split(nodes.balance, conditions):
        own = _only(static, part)
        rates = float(nodes.mesh.quadrature @ np.sum(own.force_rate**2, axis=1))
        forces = float(nodes.mesh.quadrature @ np.sum(own.force**2, axis=1))
        noisy |= rates > NOISY**2 * forces > 0.0
        least = LEAST_RATE * float(nodes.mesh.quadrature.sum()) * max(1, int(nodes.elastic[part.muscles].sum()))
        alone = replace(own, reserve=np.zeros_like(own.reserve))
        for scale, unknowns in ((muscles, alone), (whole, own)):
            scale[part.muscles] = sum(integrals(nodes, free, unknowns).values()) / max(rates, least)
    initial = START * float(nodes.dynamics[1].mean()) * whole  # windows may pay where the whole motion does not
    share = NOISY_SHARE if noisy else SHARE
    return replace(conditions, derivative_penalty=share * muscles, start_penalty=initial, noisy=noisy)


def _only(unknowns: Unknowns, part: IndependentPart) -> Unknowns:
    """Unknowns that are 0 outside a part."""
    keep = dict.fromkeys(unknowns.series(), part.muscles) | {"reserve": part.reserves}
    values = {name: np.zeros_like(whole) for name, whole in unknowns.series().items()}
    for name, columns in keep.items():
        values[name][:, columns] = unknowns.series()[name][:, columns]
    return replace(unknowns, **values)


def lighter(conditions: Conditions, nodes: Nodes, unknowns: Unknowns) -> Conditions | None:
    """Conditions with smaller weights where the penalty's share in a solution is above its limit, else None.

    A weight that was given stays.
    """
    if nodes.fiber is None or not conditions.weighs or conditions.noisy:
        return None
    share = penalty_share(integrals(nodes, conditions, unknowns))
    if share <= PENALTY_SHARE:
        return None
    return replace(conditions, derivative_penalty=np.asarray(conditions.derivative_penalty) * SHARE / share)


def penalty_record(conditions: Conditions, problem: RedundancyProblem, terms: dict[str, float]) -> dict[str, object]:
    """Weights of each independent part and share of the objective, for the provenance."""
    muscles = [part.muscles[0] for part in split(problem, conditions) if part.muscles.size]
    weights = np.broadcast_to(conditions.derivative_penalty, len(problem.muscles))
    initial = np.broadcast_to(conditions.start_penalty if conditions.pays else 0.0, len(problem.muscles))
    return {
        "weights": weights[muscles].tolist(),
        "initial_weights": initial[muscles].tolist(),
        "share": penalty_share(terms),
        "noisy": conditions.noisy,
    }
