"""Slopes of tendon forces by a muscle's own parameters, against finite differences of forces that others compute."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from conftest import TwoLeg

import osimopt
from osimopt.calibration.parameters import with_strain
from osimopt.muscle.fibers import equilibrium_speed
from osimopt.muscle.forces import equilibrium, rigid_tendon_gain, rigid_tendon_passive
from osimopt.muscle.parameter_slopes import SLOPES, elastic_tendon_forces, rigid_tendon_forces

STEP = 1e-6


@pytest.fixture(scope="module")
def moved(two_leg: TwoLeg) -> tuple[Any, Any, Any, Any]:
    """Muscles of three classes in motion, with activations drawn at random."""
    problem = osimopt.load_problem(two_leg.model, two_leg.motion, two_leg.loads)
    geometry = problem.geometry
    level = np.random.default_rng(0).uniform(0.05, 0.95, geometry.length.shape)
    return problem.parameters, geometry.length, geometry.lengthening_speed, level


def changed(own: Any, name: str, factor: float) -> Any:
    if name == "tendon_strain":
        return with_strain(own, np.full(len(own.names), factor))
    return replace(own, **{name: getattr(own, name) * factor})


def test_rigid_forces_are_those_of_static_optimization(moved: tuple[Any, ...]) -> None:
    own, length, speed, level = moved
    gain = rigid_tendon_gain(own, length, speed, "corrected")
    expected = gain * level + rigid_tendon_passive(own, length)
    found = rigid_tendon_forces(*moved)
    np.testing.assert_allclose(found.force, expected, rtol=1e-10, atol=1e-8)
    np.testing.assert_allclose(found.by_activation, gain, rtol=1e-10, atol=1e-8)


def test_elastic_forces_are_those_of_equilibrium(moved: tuple[Any, ...]) -> None:
    own, length, speed, level = moved
    _, force = equilibrium(own, length, level, equilibrium_speed(own, length, speed))
    np.testing.assert_allclose(elastic_tendon_forces(*moved).force, np.nan_to_num(force), rtol=1e-10, atol=1e-8)


@pytest.mark.parametrize("function", [rigid_tendon_forces, elastic_tendon_forces])
@pytest.mark.parametrize("name", SLOPES)
def test_slopes_by_parameters(moved: tuple[Any, ...], function: Any, name: str) -> None:
    own, *rest = moved
    above, below = (function(changed(own, name, np.exp(sign * STEP)), *rest).force for sign in (1.0, -1.0))
    slope = function(own, *rest).by_log[name]
    if function is rigid_tendon_forces and name == "tendon_strain":
        assert not slope.any()
        return
    assert np.abs(slope).max() > 1.0
    size = np.abs(slope).max(axis=0)
    off = np.abs(slope - (above - below) / (2.0 * STEP)) / np.maximum(size, 1.0)
    assert np.quantile(off, 0.99) < 1e-6  # corners of a curve are within a step of some frames
    assert off.max() < 1e-2


@pytest.mark.parametrize("function", [rigid_tendon_forces, elastic_tendon_forces])
def test_slopes_by_activation(moved: tuple[Any, ...], function: Any) -> None:
    own, length, speed, level = moved
    above, below = (function(own, length, speed, level + sign * STEP).force for sign in (1.0, -1.0))
    slope = function(*moved).by_activation
    np.testing.assert_allclose(slope, (above - below) / (2.0 * STEP), rtol=1e-5, atol=1e-5 * slope.max())
