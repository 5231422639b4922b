"""Forces and effects of actuators with torch: the same numbers, and gradients as central differences have them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
import torch

from osimopt.multibody.actuators import ON_BODIES as BY_ACTUATORS
from osimopt.multibody.description import ForceLaw, Functions
from osimopt.multibody.forces import ALONG_PATHS, ON_BODIES, ON_COORDINATES
from osimopt.multibody.placement import MotionState

#: Of the largest: the same law in another library.
SAME = 1e-13
#: Relative, of central differences with steps of STEP.
GRADIENT, STEP = 1e-6, 1e-6
FRAMES = 7

#: A cubic and a sine, the cubic in two pieces.
FUNCTIONS = Functions(
    breaks=np.array([[0.1], [np.inf]]),
    origin=np.array([[0.0, 0.1], [0.0, 0.0]]),
    coefficients=np.array([[[0.0, 1.0, 0.5, 2.0], [0.107, 1.16, 1.1, 3.0]], [[0.2, 0.0, 0.0, 0.0]] * 2]),
    sine=np.array([[0.0, 1.0, 0.0], [1.5, 2.0, 0.3]]),
)
VECTORS = {
    "BushingForce": ("rotational_stiffness", "translational_stiffness", "rotational_damping", "translational_damping"),
    "FunctionBasedBushingForce": ("rotational_damping", "translational_damping"),
    "PointToPointSpring": ("point1", "point2"),
    "PointActuator": ("point", "direction"),
    "PointToPointActuator": ("pointA", "pointB"),
    "TorqueActuator": ("axis",),
}
NUMBERS = {
    "CoordinateLimitForce": {
        "upper_limit": 0.2, "lower_limit": -0.2, "upper_stiffness": 3.0, "lower_stiffness": 4.0, "transition": 0.4,
        "damping": 0.6,
    },
    "SpringGeneralizedForce": {"stiffness": 2.0, "rest_length": 0.1, "viscosity": 0.3},
    "PointToPointSpring": {"stiffness": 2.0, "rest_length": 0.1},
    "PathSpring": {"stiffness": 2.0, "resting_length": 0.3, "dissipation": 0.3},
    "Ligament": {"resting_length": 0.3, "pcsa_force": 3.0},
    "Blankevoort1991Ligament": {
        "slack_length": 0.3, "linear_stiffness": 4.0, "transition_strain": 0.8, "damping_coefficient": 0.2,
    },
}  # fmt: skip
SWITCHES = {
    "PrescribedForce": {"forceIsGlobal": 0.0, "pointIsGlobal": 0.0},
    "PointActuator": {"force_is_global": 0.0, "point_is_global": 0.0},
    "PointToPointActuator": {"points_are_global": 0.0},
    "TorqueActuator": {"torque_is_global": 0.0},
}
ROWS = {"FunctionBasedBushingForce": (0, 1, 0, 1, 0, 1), "PrescribedForce": (0, 1) * 4 + (0,), "Ligament": (0,)}


def case(kind: str) -> tuple[ForceLaw, MotionState]:
    """A force between two bodies, and random states; everything that is differentiated by is an array of them."""
    random = np.random.default_rng(len(kind))
    turns = np.linalg.qr(random.normal(size=(2, FRAMES, 3, 3)))[0]
    turns = turns * np.sign(np.linalg.det(turns))[..., None, None]
    numbers = {name: random.uniform(0.3, 1.0, 3) for name in VECTORS.get(kind, ())}
    numbers |= {name: np.array(value) for name, value in NUMBERS.get(kind, {}).items()}
    frames = np.tile(np.eye(4), (2, 1, 1))
    frames[:, :3, 3] = random.uniform(-0.1, 0.1, (2, 3))
    bodies = (0,) if kind in ("PrescribedForce", "PointActuator") else (0, 1)
    law = ForceLaw("force", kind, bodies, frames, 0, 0, ROWS.get(kind, ()), numbers)
    value, speed = random.uniform(-1.0, 1.0, (2, 1, FRAMES))
    places, twists = random.uniform(-0.5, 0.5, (2, 3, FRAMES)), random.uniform(-0.5, 0.5, (2, 6, FRAMES))
    time = random.uniform(0.0, 2.0, FRAMES)
    return law, MotionState(time, value, speed, np.moveaxis(turns, 1, -1), places, twists)


def act(law: ForceLaw, state: MotionState) -> list[Any]:
    """What the force does in the states; paths have the length 0.5 + 0.3 value."""
    known = replace(law, numbers=law.numbers | {k: np.array(v) for k, v in SWITCHES.get(law.kind, {}).items()})
    if law.kind in ON_COORDINATES:
        return [ON_COORDINATES[law.kind](known, state.value[0], state.speed[0])]
    if law.kind in ALONG_PATHS:
        return [ALONG_PATHS[law.kind](known, FUNCTIONS, 0.5 + 0.3 * state.value[0], 0.3 * state.speed[0])]
    if law.kind in BY_ACTUATORS:
        return BY_ACTUATORS[law.kind](known, state)
    return ON_BODIES[law.kind](known, FUNCTIONS, state)


def changed(law: ForceLaw, state: MotionState, change: Callable[[Any], Any]) -> tuple[ForceLaw, MotionState]:
    """The same with every number of the law and every array of the state changed."""
    numbers = {name: change(value) for name, value in law.numbers.items()}
    arrays = {field.name: change(getattr(state, field.name)) for field in fields(state)}
    return replace(law, numbers=numbers, frames=change(law.frames)), MotionState(**arrays)


@pytest.mark.parametrize("kind", [*ON_COORDINATES, *ALONG_PATHS, *ON_BODIES, *BY_ACTUATORS])
def test_torch(kind: str) -> None:
    law, state = case(kind)
    ours = act(law, state)
    leaves: list[torch.Tensor] = []

    def leaf(array: np.ndarray) -> torch.Tensor:
        leaves.append(torch.tensor(array, requires_grad=True))
        return leaves[-1]

    found = act(*changed(law, state, leaf))
    for one, other in zip(found, ours, strict=True):
        np.testing.assert_allclose(one.detach().numpy(), other, rtol=0.0, atol=SAME * np.abs(other).max())

    random = np.random.default_rng(2)
    weights = [random.normal(size=part.shape) for part in ours]
    sum((torch.tensor(w) * part).sum() for w, part in zip(weights, found, strict=True)).backward()
    directions = [random.normal(size=one.shape) for one in leaves]
    slope = sum(
        float((one.grad * torch.tensor(way)).sum())
        for one, way in zip(leaves, directions, strict=True)
        if one.grad is not None
    )

    def total(step: float) -> float:
        ways = iter(directions)
        moved = act(*changed(law, state, lambda array: array + step * next(ways)))
        return float(sum((w * part).sum() for w, part in zip(weights, moved, strict=True)))

    difference = (total(STEP) - total(-STEP)) / (2.0 * STEP)
    assert abs(slope) > 1e-3
    assert abs(slope - difference) <= GRADIENT * abs(difference)
