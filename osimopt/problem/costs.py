"""The cost functions of static optimization, by name, each equation written once.

All but ``min_max`` are separable: Σ_i w_i (c_i a_i)^p over the muscles, with a scale c_i that turns
activation into what the cost is about. A reserve's control e counts as much at 1 as an average muscle at full
activation: S Σ_k |e_k|^p with S = mean_i c_i^p, so that no unit makes reserves cheap. For
``activation_power`` c = S = 1 and the sum is that of OpenSim's StaticOptimization.

A contact force c of weight w (``contact.py``) costs S w ‖c / body weight‖², whatever p: at w = 1 a body weight costs as
much as a reserve at control 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from numbers import Real
from operator import attrgetter
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, did_you_mean, explain, some
from ..namespace import Tensor, alike, filled, namespace, plain
from .arrays import Array, acts
from .extension import COSTING, LIMITED, contact_unknowns, moment_rows
from .problem import RedundancyProblem


@dataclass(frozen=True)
class Cost:
    """One cost function.

    ``exponent`` is p (infinite for min_max); ``scale`` gives c, (T, M); ``formula`` (at weights 1), ``unit``
    and ``source`` are texts for the user. ``scales_with`` is what c depends on: it is proportional to ``"max_force"``,
    one over the largest ``"moment_arm"``, or constant (``""``).
    """

    name: str
    exponent: float
    scale: Callable[[RedundancyProblem], Array]
    formula: str
    unit: str
    source: str
    scales_with: Literal["", "max_force", "moment_arm"]

    @property
    def linear(self) -> bool:
        """Whether it is a linear program, whose minimiser need not be unique."""
        return self.exponent == 1.0 or np.isinf(self.exponent)

    def terms(self, problem: RedundancyProblem, activation: Array, control: Array) -> dict[str, Array]:
        """Objective by named term, (T,) each; their sum (for min_max: the larger) is the objective."""
        scaled, xp = self.scale(problem), namespace(activation)
        if np.isinf(self.exponent):
            loads = (problem.weights * np.abs(activation), np.abs(control) * counted_reserves(problem))
            muscles, reserves = (load.max(axis=1, initial=0.0) for load in loads)
        else:
            p = self.exponent
            muscles = xp.sum(alike(problem.weights, activation) * xp.abs(scaled * activation) ** p, axis=1)
            reserves = reserve_weight(scaled, p) * xp.sum(xp.abs(control) ** p, axis=1)
        return {"muscles": muscles, "reserves": reserves}

    def total(self, terms: dict[str, Array]) -> Array:
        """(T,) objective of the terms."""
        if np.isinf(self.exponent):
            return np.maximum(terms["muscles"], terms["reserves"])
        total = terms["muscles"] + terms["reserves"]
        return total + terms["contact"] if "contact" in terms else total


def reserve_weight(scale: Array, exponent: float) -> Tensor:
    """S, (T,): what a reserve at control 1 costs, the mean cost of a muscle at full activation."""
    return namespace(scale).mean(scale**exponent, axis=-1)


def counted_reserves(problem: RedundancyProblem) -> NDArray[np.bool_]:
    """Reserves (K,) that act where muscles do; only these count in min_max.

    The others (residuals of a floating base, an arm without muscles) are fixed by the moment balance alone,
    and the largest of them would hide the muscles.
    """
    served = problem.geometry.served[: moment_rows(problem)]
    return np.asarray(problem.reserves.acts[: len(served)][served].any(axis=0))


def exponents(problem: RedundancyProblem, cost: Cost) -> float | NDArray[np.float64]:
    """The exponent of every unknown, or (M + K,) where those of an extended problem's contact forces differ: 2."""
    contact = contact_unknowns(problem)
    if cost.exponent == 2.0 or cost.linear or not contact.any():
        return cost.exponent
    return np.where(contact, 2.0, cost.exponent)


def contact_term(problem: RedundancyProblem, cost: Cost, control: Array) -> Tensor:
    """(T,) objective of the contact forces of an extended problem: S Σ e² of the unknowns that cost."""
    xp, own = namespace(control), np.array([origin == COSTING for origin in problem.reserves.origin], dtype=bool)
    return reserve_weight(cost.scale(problem), cost.exponent) * xp.sum(control[:, np.flatnonzero(own)] ** 2, axis=1)


def scale_of_unknowns(problem: RedundancyProblem, cost: Cost) -> Tensor:
    """(T, M + K) s with cost term |s x|^p, or the linear weights; up to one factor per frame, which moves no optimum.

    Scales are divided by their mean over the muscles: SLSQP's stopping rule is absolute. With exponents of their own
    (:func:`exponents`), the terms are |s x|^q · p / q. Contact forces that are only limited have s = 0.
    """
    muscles = cost.scale(problem)
    reserves = len(problem.reserves.names)
    if np.isinf(cost.exponent):
        counted = np.broadcast_to(counted_reserves(problem).astype(float), (len(problem), reserves))
        return np.hstack([np.broadcast_to(problem.weights, muscles.shape), counted])
    p, xp = cost.exponent, namespace(muscles)
    other = xp.broadcast_to(reserve_weight(muscles, p)[:, None] ** (1.0 / p), (len(problem), reserves))
    scale = xp.concat([muscles * alike(problem.weights ** (1.0 / p), muscles), other], axis=1)
    size = xp.mean(scale[:, : muscles.shape[1]], axis=1, keepdims=True)
    scale = scale / xp.where(size > 0.0, size, 1.0)
    for column, origin in enumerate(problem.reserves.origin, muscles.shape[1]):
        if origin == COSTING and p != 2.0:
            scale[:, column] = (2.0 / p) ** 0.5 * scale[:, column] ** (0.5 * p)
        elif origin == LIMITED:
            scale[:, column] = 0.0
    return scale


def get_cost(cost: str, exponent: float = 2.0) -> Cost:
    """Look a cost up by name; ``exponent`` belongs to ``activation_power`` (any p ≥ 1).

    Raises
    ------
    InputError
        Unknown name, exponent below 1, or an exponent given to a cost that has its own.
    """
    if cost not in COSTS:
        fix = did_you_mean([cost], COSTS, "Choose one of them.")
        raise InputError(explain(f"a cost among {some(COSTS, 10)}", repr(cost), fix))
    if cost == "activation_power":
        if not (isinstance(exponent, Real) and np.isfinite(exponent) and exponent >= 1.0):
            fix = "Use cost='min_max' for the limit of large exponents."
            raise InputError(explain("a finite exponent ≥ 1", f"{exponent!r}", fix))
        return replace(COSTS[cost], exponent=float(exponent), formula=f"Σ a{_superscript(exponent)}")
    if exponent not in (2.0, COSTS[cost].exponent):
        raise InputError(explain(f"no exponent for cost='{cost}'", f"{exponent}", "Its exponent is part of its name."))
    return COSTS[cost]


def _superscript(exponent: float) -> str:
    """Write ² for 2 and ^1.5 for 1.5; 1 is nothing."""
    text = f"{exponent:g}"
    if text == "1":
        return ""
    return text.translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")) if text.isdigit() else f"^{text}"


def _activation(problem: RedundancyProblem) -> Tensor:
    return filled(tuple(problem.max_force.shape), 1.0, problem.max_force)


def _stress(problem: RedundancyProblem) -> Tensor:
    return problem.max_force / alike(problem.pcsa, problem.max_force)


def _moment_ratio(problem: RedundancyProblem) -> Tensor:
    """F_i / Mmax_i per unit activation, Mmax_i = F_max,i · max_j |r_ij|: one over the largest moment arm."""
    arm = problem.geometry.largest_moment_arm(moment_rows(problem))
    unloaded = ~plain(acts(arm).all(axis=0))
    if unloaded.any():
        got = f"none for {some(np.array(problem.muscles)[unloaded])}"
        fix = "Leave these muscles out or choose another cost: their maximum moment is zero."
        raise InputError(explain("a moment arm for every muscle (cost 'sum_moment_ratio_cubed')", got, fix))
    return 1.0 / arm


COSTS = {
    cost.name: cost
    for cost in (
        Cost(
            "sum_force", 1.0, attrgetter("max_force"), "Σ F", "N",
            "Seireg & Arvikar (1973), J Biomech 6, 313-326", "max_force",
        ),
        Cost(
            "sum_force_squared", 2.0, attrgetter("max_force"), "Σ F²", "N²",
            "Pedotti, Krishnan & Stark (1978), Math Biosci 38, 57-76", "max_force",
        ),
        Cost(
            "sum_stress_squared", 2.0, _stress, "Σ (F/pcsa)²", "(N/cm²)²",
            "Crowninshield & Brand (1981), J Biomech 14, 793-801", "max_force",
        ),
        Cost(
            "sum_moment_ratio_cubed", 3.0, _moment_ratio, "Σ (F/Mmax)³", "1/m³",
            "Herzog (1987), J Neurosci Methods 21, 167-179", "moment_arm",
        ),
        Cost(
            "activation_power", 2.0, _activation, "Σ aᵖ", "1",
            "Anderson & Pandy (2001), doi:10.1016/S0021-9290(00)00155-X", "",
        ),
        Cost(
            "min_max", np.inf, _activation, "max a", "1",
            "Rasmussen, Damsgaard & Voigt (2001), doi:10.1016/S0021-9290(00)00191-3", "",
        ),
    )
}  # fmt: skip
