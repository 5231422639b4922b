"""Uncertainty, ranges and Newton steps of surrogates on torch's CPU, guarded as a GPU would be; NumPy judges."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from device_guard import on_the_device

import osimopt
from osimopt import RedundancyProblem, feasible_ranges, propagate_uncertainty, solve_static
from osimopt.surrogate.architecture import Architecture, Scaler
from osimopt.surrogate.dual import SetNetwork
from osimopt.surrogate.static import StaticSurrogate

#: Relative to the largest; activations of a linear program.
EQUAL, PROGRAM = 1e-11, 1e-8
#: Frames, a number that no other axis has.
FRAMES = 11


@pytest.fixture
def problem() -> RedundancyProblem:
    rng = np.random.default_rng(5)
    arm = rng.uniform(0.02, 0.05, (FRAMES, 2, 6)) * rng.choice([1.0, -1.0], (2, 6))
    force = rng.uniform(400.0, 2000.0, (FRAMES, 6))
    moment = np.einsum("tdm,tm->td", arm, force * rng.uniform(0.1, 0.5, (FRAMES, 6)))
    return RedundancyProblem.from_arrays(arm, force, moment, reserves=20.0, passive_force=0.01 * force)


def test_uncertainty_on_a_device_has_the_bands_of_numpy(problem: RedundancyProblem) -> None:
    spread, samples = {"max_isometric_force": 0.1, "moment_arm": 0.05, "generalized_force": 0.03}, 40
    ours = propagate_uncertainty(problem, spread, samples)
    theirs = propagate_uncertainty(problem, spread, samples, device="torch")
    for name in ("activation", "muscle_force"):
        own, other = getattr(ours, name), getattr(theirs, name)
        assert isinstance(other, np.ndarray)
        np.testing.assert_allclose(other, own, rtol=0.0, atol=EQUAL * np.abs(own).max())
    assert (theirs.failed == ours.failed).all()
    there, nominal = problem.to("torch"), ours.solution
    with on_the_device(samples * FRAMES):
        propagate_uncertainty(there, spread, samples, nominal=nominal)


def test_ranges_on_a_device_are_those_of_numpy(problem: RedundancyProblem) -> None:
    solution = solve_static(problem)
    ours, theirs = feasible_ranges(solution), feasible_ranges(solution, device="torch")
    for name in ("minimum", "optimum", "maximum", "max_force"):
        np.testing.assert_allclose(getattr(theirs, name), getattr(ours, name), rtol=EQUAL, atol=PROGRAM)
    with on_the_device(2 * 6 * FRAMES):  # programs
        feasible_ranges(solution.to("torch"))


def test_newton_steps_of_a_surrogate_are_on_its_device(problem: RedundancyProblem) -> None:
    torch.manual_seed(1)
    architecture = Architecture(kind="set", width=8, depth=1)
    names = problem.muscles, problem.coordinates, Scaler.of(np.ones((3, 6)))
    surrogate = StaticSurrogate(architecture, SetNetwork(architecture), "activation_power", *names)
    ours, theirs = surrogate.solve(problem), surrogate.solve(problem.to("torch"))
    assert (ours.device, theirs.device) == ("cpu", "torch")
    exact = solve_static(problem)
    for found in (ours, theirs.to("cpu")):
        np.testing.assert_allclose(found.activation, exact.activation, atol=EQUAL)


@pytest.mark.parametrize("call", [propagate_uncertainty, feasible_ranges])
def test_a_device_that_is_not_there_is_refused(problem: RedundancyProblem, call) -> None:
    more = ({"moment_arm": 0.1},) if call is propagate_uncertainty else ()
    with pytest.raises(osimopt.InputError, match="expected device among"):
        call(problem, *more, device="cuda:99")
