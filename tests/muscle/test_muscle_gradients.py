"""Derivatives by torch of rigid-tendon forces, by lengths, speeds and parameters, against central differences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from osimopt.muscle.forces import rigid_tendon_gain, rigid_tendon_passive
from osimopt.problem.arrays import MuscleParameters

#: Share of the derivative; by differences of fourth order; Millard's curves have jumps in their third derivative.
TOLERANCE, STEP = 1e-7, 1e-5
#: Share of a force by which NumPy and torch may differ: rounding, and what Millard's inverse loses.
ROUNDING = 1e-13
MUSCLES, FRAMES = 3, 40
FIELDS = ("max_isometric_force", "optimal_fiber_length", "tendon_slack_length", "pennation_angle",
          "max_contraction_velocity")  # fmt: skip
MILLARD = {
    "ActiveForceLengthCurve": {
        "min_norm_active_fiber_length": 0.4441, "transition_norm_fiber_length": 0.73,
        "max_norm_active_fiber_length": 1.8123, "shallow_ascending_slope": 0.8616, "minimum_value": 0.0,
    },
    "ForceVelocityCurve": {
        "concentric_slope_at_vmax": 0.0, "concentric_slope_near_vmax": 0.25, "isometric_slope": 5.0,
        "eccentric_slope_at_vmax": 0.0, "eccentric_slope_near_vmax": 0.15,
        "max_eccentric_velocity_force_multiplier": 1.4, "concentric_curviness": 0.6, "eccentric_curviness": 0.9,
    },
    "FiberForceLengthCurve": {
        "strain_at_zero_force": 0.0, "strain_at_one_norm_force": 0.7, "stiffness_at_low_force": 0.2,
        "stiffness_at_one_norm_force": 2.0 / 0.7, "curviness": 0.75,
    },
    "TendonForceLengthCurve": {
        "strain_at_one_norm_force": 0.049, "stiffness_at_one_norm_force": 1.375 / 0.049,
        "norm_force_at_toe_end": 2.0 / 3.0, "curviness": 0.5,
    },
}  # fmt: skip
PROPERTIES = {
    "Thelen2003Muscle": {
        "Af": 0.25, "Flen": 1.4, "FmaxMuscleStrain": 0.6, "FmaxTendonStrain": 0.033, "KshapeActive": 0.45,
        "KshapePassive": 5.0, "fv_linear_extrap_threshold": 0.95, "maximum_pennation_angle": 1.4,
    },
    "Millard2012EquilibriumMuscle": {
        "maximum_pennation_angle": 1.4, "fiber_damping": 0.1, "ignore_tendon_compliance": 0.0,
        **{f"{curve}.{name}": value for curve, own in MILLARD.items() for name, value in own.items()},
    },
    "DeGrooteFregly2016Muscle": {
        "active_force_width_scale": 1.3, "fiber_damping": 0.01, "ignore_passive_fiber_force": 0.0,
        "ignore_tendon_compliance": 0.0, "passive_fiber_strain_at_one_norm_force": 0.6,
        "tendon_strain_at_one_norm_force": 0.049,
    },
}  # fmt: skip


def muscles(kind: str) -> MuscleParameters:
    """Three muscles of a class, the last without pennation; every property a little different."""
    random = np.random.default_rng(3)
    spread = {
        name: value * random.uniform(0.98, 1.02, MUSCLES) if value else np.zeros(MUSCLES)
        for name, value in PROPERTIES[kind].items()
    }
    return MuscleParameters(
        names=tuple("abc"), classes=(kind,) * MUSCLES, max_isometric_force=random.uniform(400.0, 900.0, MUSCLES),
        optimal_fiber_length=random.uniform(0.08, 0.12, MUSCLES),
        tendon_slack_length=random.uniform(0.15, 0.25, MUSCLES), pennation_angle=np.array([0.3, 0.1, 0.0]),
        max_contraction_velocity=np.full(MUSCLES, 10.0), min_control=np.zeros(MUSCLES), max_control=np.ones(MUSCLES),
        properties=spread,
    )  # fmt: skip


def states(parameters: MuscleParameters) -> tuple[Any, Any]:
    """Lengths from fibres of 0.55 to 1.5 optimal lengths, and speeds from -0.9 to 0.9 of the fastest."""
    random = np.random.default_rng(4)
    fiber = parameters.optimal_fiber_length * random.uniform(0.55, 1.5, (FRAMES, MUSCLES))
    speed = parameters.optimal_fiber_length * 10.0 * random.uniform(-0.9, 0.9, (FRAMES, MUSCLES))
    return parameters.tendon_slack_length + fiber, speed


def compare(function: Callable[[Any], Any], at: Any) -> None:
    """The gradient along a random direction, in which every number changes by its own share."""
    random = np.random.default_rng(5)
    direction, weights = at * random.normal(size=at.shape), random.normal(size=(FRAMES, MUSCLES))
    tensor = torch.tensor(at, requires_grad=True)
    found = function(tensor)
    np.testing.assert_allclose(found.detach(), function(at), rtol=ROUNDING, atol=1e-10)
    (found * torch.tensor(weights)).sum().backward()
    slope = float((tensor.grad.numpy() * direction).sum())
    twice, once, back, far = ((function(at + s * STEP * direction) * weights).sum() for s in (2, 1, -1, -2))
    difference = (8.0 * (once - back) - twice + far) / (12.0 * STEP)
    assert slope == pytest.approx(difference, rel=TOLERANCE, abs=1e-9 * np.abs(weights).sum())


@pytest.mark.parametrize("kind", PROPERTIES)
@pytest.mark.parametrize("pennation", ["opensim", "corrected"])
def test_active_force(kind: str, pennation: Any) -> None:
    parameters = muscles(kind)
    length, speed = states(parameters)
    compare(lambda x: rigid_tendon_gain(parameters, x, speed, pennation), length)
    compare(lambda x: rigid_tendon_gain(parameters, length, x, pennation), speed)
    for name in FIELDS:

        def gain(x: Any, name: str = name) -> Any:
            return rigid_tendon_gain(replace(parameters, **{name: x}), length, speed, pennation)

        compare(gain, getattr(parameters, name))


@pytest.mark.parametrize("kind", PROPERTIES)
def test_passive_force(kind: str) -> None:
    parameters = muscles(kind)
    length, _ = states(parameters)
    compare(lambda x: rigid_tendon_passive(parameters, x), length)
    for name in FIELDS[:-1]:

        def force(x: Any, name: str = name) -> Any:
            return rigid_tendon_passive(replace(parameters, **{name: x}), length)

        compare(force, getattr(parameters, name))


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("Thelen2003Muscle", "Af"),
        ("Thelen2003Muscle", "Flen"),
        ("Thelen2003Muscle", "FmaxMuscleStrain"),
        ("Thelen2003Muscle", "KshapeActive"),
        ("Thelen2003Muscle", "KshapePassive"),
        ("DeGrooteFregly2016Muscle", "active_force_width_scale"),
        ("DeGrooteFregly2016Muscle", "passive_fiber_strain_at_one_norm_force"),
    ],
)
def test_shapes_of_curves(kind: str, name: str) -> None:
    parameters = muscles(kind)
    length, speed = states(parameters)

    def total(x: Any) -> Any:
        changed = replace(parameters, properties={**parameters.properties, name: x})
        return rigid_tendon_gain(changed, length, speed) + rigid_tendon_passive(changed, length)

    compare(total, parameters.properties[name])


@pytest.mark.parametrize("kind", PROPERTIES)
def test_no_slope_is_nan_where_a_fibre_has_no_length(kind: str) -> None:
    """Units as short as the tendon and shorter, without pennation too: the force is zero or constant."""
    parameters = muscles(kind)
    length = torch.tensor(parameters.tendon_slack_length + np.array([[0.0], [-0.02], [1e-12]]), requires_grad=True)
    leaves = {name: torch.tensor(getattr(parameters, name), requires_grad=True) for name in FIELDS}
    changed = replace(parameters, **leaves)
    force = rigid_tendon_gain(changed, length, 0.0 * length) + rigid_tendon_passive(changed, length)
    force.sum().backward()
    assert torch.isfinite(force).all()
    for leaf in (length, *leaves.values()):
        assert leaf.grad is None or torch.isfinite(leaf.grad).all()
