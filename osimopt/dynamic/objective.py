"""The objective of dynamic optimization: a cost integrated over the interval, and further terms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ..muscle.tendons import Tendons
from ..options import check_word
from ..problem.arrays import Array
from ..problem.contact import Contact
from ..problem.costs import COSTS, Cost, counted_reserves, get_cost, reserve_weight
from ..problem.extension import contact_reserves
from ..problem.problem import RedundancyProblem
from ..problem.synergies import Synergies
from .contact import contact_weights
from .emg import EmgTracking
from .metabolic import MetabolicCost, metabolic_rates, start_rates
from .nodes import Nodes, Unknowns, strength

Quantity = Literal["excitation", "activation", "force", "largest"]
#: Conditions on the activations at the first point; see :func:`osimopt.solve_dynamic`.
Start = Literal["paid", "equal", "free"]

EXCITATION_POWER = replace(
    COSTS["activation_power"],
    name="excitation_power",
    formula="Σ eᵖ",
    source="Dembia et al. (2020), PLoS Comput Biol 16(12), e1008493 (MocoControlGoal)",
)
DYNAMIC_COSTS = (EXCITATION_POWER.name, *COSTS)
#: Weight of a first point that is no collocation point (Radau) and whose activations equal its excitations, as a share
#: of its interval. Without it no term of the objective determines them.
FIRST = 0.01


@dataclass(frozen=True)
class DynamicCost:
    """∫ Σ w (c x)^p dt + ∫ S Σ |u|^p dt over muscles and reserves, with c and S of the static cost.

    x is the ``quantity``: excitation, activation, or ``force``, the normalised force of elastic tendons and the
    activation of muscles with rigid ones. ``largest`` is ∫ max w a dt.
    """

    static: Cost
    quantity: Quantity

    @property
    def exponent(self) -> float:
        """p; 1 of the largest activation."""
        return 1.0 if self.quantity == "largest" else self.static.exponent

    def weights(self, nodes: Nodes) -> tuple[Array, Array]:
        """W c^p (N, M) of the muscles and S (N,) of the reserves."""
        problem = nodes.problem
        if self.quantity == "force":
            problem = replace(problem, max_force=np.where(nodes.elastic, strength(problem), problem.max_force))
        scale = self.static.scale(problem)
        return problem.weights * scale**self.exponent, reserve_weight(scale, self.exponent)

    def values(self, nodes: Nodes, unknowns: Unknowns) -> Array:
        """(N, M) x of the muscles."""
        if self.quantity == "force":
            return np.where(nodes.elastic, unknowns.force, unknowns.activation)
        return np.asarray(getattr(unknowns, self.quantity))


def dynamic_cost(cost: str, exponent: float, tendon: Tendons) -> DynamicCost:
    """Look up a cost by name: ``excitation_power`` or a cost of static optimization.

    Raises
    ------
    InputError
        Unknown name, or an exponent that this cost does not have.
    """
    check_word("cost", cost, DYNAMIC_COSTS)
    if cost == EXCITATION_POWER.name:
        power = get_cost("activation_power", exponent)
        named = replace(EXCITATION_POWER, exponent=power.exponent, formula=power.formula.replace("a", "e"))
        return DynamicCost(named, "excitation")
    static = get_cost(cost, exponent)
    if np.isinf(static.exponent):
        return DynamicCost(static, "largest")
    of_force = tendon != "rigid" and cost != "activation_power"
    return DynamicCost(static, "force" if of_force else "activation")


@dataclass(frozen=True)
class Conditions:
    """Options of :func:`osimopt.solve_dynamic` that define the objective and the constraints.

    ``window``: length in s of the segments of a long motion, None if it is never divided.
    ``given``: whether all unknowns of the first point keep the values of the starting point, as in a window after
    another; ``given_scale``: whether EMG scales do.
    ``weighs``: the weights of dF/dt of elastic tendons, numbers or (M,), follow from the static solution
    (``penalty.py``): ``derivative_penalty``, and ``start_penalty`` at the initial point;
    ``noisy``: these are large, as moments are noisy.
    """

    cost: DynamicCost
    derivative_penalty: float | Array = 0.0
    initial_activation: Start = "paid"
    periodic: bool | Mapping[str, str] = False
    emg: EmgTracking | None = None
    contact: tuple[Contact, ...] = ()
    metabolic: MetabolicCost | None = None
    synergies: Synergies | None = None
    window: float | None = None
    given: bool = False
    given_scale: bool = False
    weighs: bool = False
    noisy: bool = False
    start_penalty: float | Array = 0.0

    @property
    def pays(self) -> bool:
        """Whether the cost includes the initial activations; periodic ones follow from the last point."""
        return self.initial_activation == "paid" and not self.periodic and not self.given

    def follower(self, problem: RedundancyProblem) -> list[int]:
        """(M,) index of the muscle whose state at the end equals this muscle's state at the start, where periodic."""
        mapping = self.periodic if isinstance(self.periodic, Mapping) else {}
        return [problem.muscles.index(mapping.get(name, name)) for name in problem.muscles]


def cost_weights(nodes: Nodes, conditions: Conditions) -> Array:
    """(N,) quadrature weights of the minimized cost."""
    weights = nodes.mesh.quadrature.copy()
    if conditions.initial_activation == "equal" and weights[0] == 0.0:
        weights[0] = FIRST * nodes.mesh.durations[0]
    return weights


def start_weights(nodes: Nodes, conditions: Conditions) -> tuple[Array, float]:
    """Weights of the initial point beside the integral: (M,) of the muscles, and of the reserves.

    The weight of a muscle is its deactivation time constant, the time by which activation outlasts excitation.
    Reserves have the mean, as they would otherwise replace the muscles at the initial point.
    """
    muscles, reserves = conditions.cost.weights(nodes)
    deactivation = nodes.dynamics[1]
    mean = float(deactivation.mean())
    return deactivation * muscles[0], mean if conditions.cost.quantity == "largest" else mean * float(reserves[0])


def start_cost(nodes: Nodes, conditions: Conditions, unknowns: Unknowns) -> float:
    """Term of the objective for the initial point: activations, reserves, and rates of elastic tendons' forces."""
    if not conditions.pays:
        return 0.0
    muscles, reserves = start_weights(nodes, conditions)
    power, own = conditions.cost.exponent, contact_reserves(nodes.balance)
    rates = float(np.sum(conditions.start_penalty * unknowns.force_rate[0] ** 2))
    pressing = rates + reserves * float(unknowns.reserve[0, own] ** 2 @ contact_weights(conditions.contact))
    if (metabolic := conditions.metabolic) is not None:
        pressing += metabolic.weight * float(nodes.dynamics[1] @ start_rates(nodes, metabolic, unknowns))
    if conditions.cost.quantity == "largest":
        return pressing + reserves * float(integrands(nodes, conditions, unknowns)["largest"][0])
    control = np.sum(np.abs(unknowns.reserve[0, ~own]) ** power)
    return pressing + float(muscles @ unknowns.activation[0] ** power + reserves * control)


def integrands(nodes: Nodes, conditions: Conditions, unknowns: Unknowns) -> dict[str, Array]:
    """Integrand (N,) of each term of the objective, with the term's weight in the sum."""
    cost, problem, own = conditions.cost, nodes.problem, contact_reserves(nodes.balance)
    muscles, reserves = cost.weights(nodes)
    control, terms = unknowns.reserve[:, ~own], dict[str, Array]()
    if cost.quantity == "largest":
        loads = np.abs(control[:, counted_reserves(problem)])
        terms["largest"] = np.max(np.hstack([problem.weights * unknowns.activation, loads]), axis=1, initial=0.0)
    else:
        terms["muscles"] = np.sum(muscles * cost.values(nodes, unknowns) ** cost.exponent, axis=1)
        terms["reserves"] = reserves * np.sum(np.abs(control) ** cost.exponent, axis=1)
    if (weights := contact_weights(conditions.contact)).any():
        terms["contact"] = reserves * (unknowns.reserve[:, own] ** 2 @ weights)
    if (metabolic := conditions.metabolic) is not None:
        terms["metabolic"] = metabolic.weight * metabolic_rates(nodes, metabolic, unknowns).sum(axis=1)
    if nodes.fiber is not None and np.any(conditions.derivative_penalty):
        terms["derivative_penalty"] = np.sum(conditions.derivative_penalty * unknowns.force_rate**2, axis=1)
    if (emg := conditions.emg) is not None and emg.weight > 0.0:
        muscles_followed, channels = emg.rows(problem.muscles)
        measured = emg.at(nodes.mesh.time)[:, channels] * unknowns.scale[channels]
        missed = measured - unknowns.excitation[:, muscles_followed]
        terms["emg_tracking"] = emg.weight * np.sum(missed**2, axis=1)
    return terms


def integrals(nodes: Nodes, conditions: Conditions, unknowns: Unknowns) -> dict[str, float]:
    """Integral of each term of the objective, and the term ``start`` of the initial point."""
    terms = integrands(nodes, conditions, unknowns)
    found = {name: float(nodes.mesh.quadrature @ values) for name, values in terms.items()}
    return {**found, "start": start_cost(nodes, conditions, unknowns)} if conditions.pays else found


def penalty_share(terms: Mapping[str, float]) -> float:
    """Share of the derivative penalty in an objective with these integrals."""
    penalty = terms.get("derivative_penalty", 0.0)
    return penalty / sum(terms.values()) if penalty > 0.0 else 0.0
