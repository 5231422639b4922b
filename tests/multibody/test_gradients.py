"""Derivatives by torch of what NumPy computes, against central differences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from multibody_cases import branched, four_bar, joint_reactions, states

from osimopt.multibody.dynamics import inverse_dynamics, mass_matrix
from osimopt.multibody.kinematics import posture, velocity
from osimopt.multibody.loops import find_closure
from osimopt.multibody.motions import complete_motion
from osimopt.multibody.rates import to_coordinates

#: Share of the derivative; differences of fourth order reach 1e-10.
TOLERANCE, STEP = 1e-8, 1e-3
#: Share of the largest by which NumPy and torch may differ: rounding.
ROUNDING = 1e-13


def along(function: Callable[[np.ndarray], float], at: np.ndarray, direction: np.ndarray) -> float:
    """Derivative along a direction, by differences."""
    twice, once, back, far = (function(at + steps * STEP * direction) for steps in (2, 1, -1, -2))
    return (8.0 * (once - back) - twice + far) / (12.0 * STEP)


def compare(function: Callable[[Any], Any], at: np.ndarray) -> None:
    """The gradient along a random direction, in which every number changes."""
    tensor = torch.tensor(at, requires_grad=True)
    found = function(tensor)
    assert float(found.detach()) == pytest.approx(function(at), rel=ROUNDING)
    found.backward()
    direction = np.random.default_rng(2).normal(size=at.shape)
    derivative = float((tensor.grad.numpy() * direction).sum())
    assert derivative == pytest.approx(along(function, at, direction), rel=TOLERANCE)


def weighed(things: Any) -> Any:
    """One number that all entries go into, each with a weight of its own."""
    shape = tuple(things.shape)
    weights = np.random.default_rng(7).normal(size=shape)
    return (things * (torch.as_tensor(weights) if isinstance(things, torch.Tensor) else weights)).sum()


def of(name: str) -> Callable[..., Any]:
    """A number that depends on everything."""
    multibody = branched()
    value, speed, change = states(multibody, 3)

    def number(array: Any) -> Any:
        tree = multibody.tree
        if name in ("value", "speed", "change"):
            given = [array if name == one else _like(other, array) for one, other in
                     (("value", value), ("speed", speed), ("change", change))]  # fmt: skip
        else:
            tree = replace(tree, **{name: array})
            given = [_like(one, array) for one in (value, speed, change)]
        changed = replace(multibody, tree=tree)
        at = posture(changed, given[0])
        force = inverse_dynamics(changed, *given)
        reaction = joint_reactions(at, velocity(at, given[1], given[2]), ["custom", "ellipsoid"])
        parts = (force, to_coordinates(changed, given[0], force), mass_matrix(at), reaction, at.positions)
        return sum(weighed(part) for part in parts)

    return number


def _like(array: np.ndarray, other: Any) -> Any:
    return torch.as_tensor(array) if isinstance(other, torch.Tensor) else array


@pytest.mark.parametrize(
    "name", ["value", "speed", "change", "mass", "center", "inertia", "inboard", "outboard", "radii", "axes"]
)
def test_derivatives(name: str) -> None:
    multibody, function = branched(), of(name)
    given = dict(zip(("value", "speed", "change"), states(multibody, 3), strict=True))
    at = given[name] if name in given else np.array(getattr(multibody.tree, name))
    compare(function, at)


@pytest.mark.slow
def test_derivatives_of_what_loops_determine() -> None:
    """Values, rates and accelerations of a linkage, through Newton's method."""
    multibody = four_bar((0.2, 0.45, 0.3), 0.4)
    closure = find_closure(multibody, [0], [1, 2], np.array([0.4, 1.2, 1.0]))
    time, ones = np.arange(2.0), np.ones((2, 3))

    def number(array: Any) -> Any:
        rates = _like(ones, array)
        return sum(weighed(part) for part in complete_motion(multibody, closure, time, array, rates, 2.0 * rates))

    compare(number, np.array([[0.4, 1.2, 1.0], [0.1, 1.2, 1.0]]))
