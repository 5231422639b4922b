"""The small functions of a program, as CasADi expressions with exact derivatives, mapped over all places."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import casadi as ca
import numpy as np

from ...muscle.activation import activation_rate
from ...muscle.contraction import Fiber, fiber_state, imbalance
from ..program import Group

#: Below this magnitude, |x|^p is rounded off so that it has derivatives; its value changes by less than ROUND^p. With
#: 1e-4, sum_force of an arm on elastic tendons had not converged after 500 iterations, with 1e-2 it has after 47.
ROUND = 1e-2
#: Subexpressions that appear twice are evaluated once.
SHARED = {"cse": True}


class Mapped:
    """A group's function c with its first and second derivatives, all outputs of all places in one call."""

    def __init__(self, group: Group) -> None:
        self.variables = group.variables
        places, count = group.variables.shape
        x, p = ca.SX.sym("x", count), ca.SX.sym("p", group.data.shape[1])
        value = FUNCTIONS[group.kind](ca.vertsplit(x), ca.vertsplit(p) if group.data.shape[1] else [], group.exponent)
        multiplier = ca.SX.sym("multiplier")
        slope: Any = ca.jacobian(value, x)
        curvature: Any = ca.triu(ca.hessian(value, x)[0])
        self.slopes = np.array(slope.sparsity().get_col(), dtype=int)
        self.curvatures = (np.array(curvature.sparsity().row(), int), np.array(curvature.sparsity().get_col(), int))
        self._data = ca.DM(group.data.T)
        self._value = ca.Function("c", [x, p], [value], SHARED).map(places)
        self._slope = ca.Function("dc", [x, p], [ca.vertcat(*slope.nonzeros())], SHARED).map(places)
        product = ca.vertcat(*curvature.nonzeros()) * multiplier
        self._curvature = ca.Function("ddc", [x, p, multiplier], [product], SHARED).map(places)

    def value(self, x: Any) -> Any:
        """C (places,)."""
        return ca.vec(self._value(self._gather(x), self._data))

    def slope(self, x: Any) -> Any:
        """Nonzeros of ∂c/∂x, place by place."""
        return ca.vec(self._slope(self._gather(x), self._data))

    def curvature(self, x: Any, multipliers: Any) -> Any:
        """Nonzeros of the upper triangles of multiplier · ∂²c/∂x², place by place."""
        return ca.vec(self._curvature(self._gather(x), self._data, multipliers.T))

    def _gather(self, x: Any) -> Any:
        places, count = self.variables.shape
        return ca.reshape(x[self.variables.ravel().tolist()], count, places)


def _activation(x: list[Any], p: list[Any], _: float) -> Any:
    """Rate of activation; x = (excitation, activation), p = time constants and smoothing."""
    return activation_rate(x[0], x[1], *p)


def _tendon(x: list[Any], p: list[Any], _: float) -> Any:
    """Imbalance of tendon and fibre; x = (activation, force, its rate), p = length, speed and the fibre's numbers."""
    fiber = Fiber(*p[2:])
    return imbalance(x[0], x[1], fiber_state(p[0], p[1], x[1], x[2], fiber), fiber)


def _power(x: list[Any], _: list[Any], exponent: float) -> Any:
    """x^p of what is never negative."""
    return x[0] ** (int(exponent) if exponent == int(exponent) else exponent)


def _magnitude(x: list[Any], _: list[Any], exponent: float) -> Any:
    """|x|^p."""
    if exponent % 2.0 == 0.0:
        return x[0] ** int(exponent)
    return (x[0] ** 2 + ROUND**2) ** (0.5 * exponent) - ROUND**exponent


def _difference(x: list[Any], p: list[Any], _: float) -> Any:
    """(p x₁ - x₀)²: what is tracked, times its scale factor, against what tracks it."""
    return (p[0] * x[1] - x[0]) ** 2


FUNCTIONS: dict[str, Callable[[list[Any], list[Any], float], Any]] = {
    "activation": _activation,
    "tendon": _tendon,
    "power": _power,
    "magnitude": _magnitude,
    "difference": _difference,
}
