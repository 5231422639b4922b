"""What dynamic optimization minimises: the integral over the interval of a sum over the muscles."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, explain, some
from ..problem.costs import COSTS, Cost, get_cost, reserve_weight
from ..problem.problem import RedundancyProblem
from .nodes import strength

Array = NDArray[np.float64]
Quantity = Literal["excitation", "activation", "force", "largest"]

EXCITATION_POWER = replace(
    COSTS["activation_power"],
    name="excitation_power",
    formula="Σ eᵖ",
    source="Dembia et al. (2020), PLoS Comput Biol 16(12), e1008493 (MocoControlGoal)",
)
DYNAMIC_COSTS = (EXCITATION_POWER.name, *COSTS)


@dataclass(frozen=True)
class DynamicCost:
    """∫ Σ w (c x)^p dt + ∫ S Σ |u|^p dt over muscles and reserves, c and S as of the static cost.

    x is the ``quantity``: excitation, activation, or, with a compliant tendon, the normalised tendon ``force``.
    ``largest`` is ∫ max w a dt.
    """

    static: Cost
    quantity: Quantity

    @property
    def exponent(self) -> float:
        """p; 1 for the largest."""
        return 1.0 if self.quantity == "largest" else self.static.exponent

    @property
    def formula(self) -> str:
        """For people, at weights 1."""
        return f"∫ {self.static.formula} dt"

    def scale(self, problem: RedundancyProblem) -> Array:
        """C (N, M)."""
        if self.quantity == "force":
            problem = replace(problem, max_force=np.broadcast_to(strength(problem), problem.max_force.shape))
        return self.static.scale(problem)

    def weights(self, problem: RedundancyProblem) -> tuple[Array, Array]:
        """W c^p (N, M) of the muscles and S (N,) of the reserves."""
        scale = self.scale(problem)
        return problem.weights * scale**self.exponent, reserve_weight(scale, self.exponent)


def dynamic_cost(cost: str, exponent: float, tendon: str) -> DynamicCost:
    """Look a cost up by name: ``excitation_power``, or one of static optimization's.

    Raises
    ------
    InputError
        Unknown name, or an exponent that does not go with it.
    """
    if cost not in DYNAMIC_COSTS:
        raise InputError(explain(f"a cost among {some(DYNAMIC_COSTS, 10)}", repr(cost), "Choose one of them."))
    if cost == EXCITATION_POWER.name:
        power = get_cost("activation_power", exponent)
        named = replace(EXCITATION_POWER, exponent=power.exponent, formula=power.formula.replace("a", "e"))
        return DynamicCost(named, "excitation")
    static = get_cost(cost, exponent)
    if np.isinf(static.exponent):
        return DynamicCost(static, "largest")
    about_force = cost != "activation_power"
    return DynamicCost(static, "force" if about_force and tendon == "compliant" else "activation")
