"""From tendon forces to the rest: within bounds whatever they are, exact where they are right."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from limb_cases import fibers, force, limb
from numpy.polynomial import Polynomial

from osimopt import InputError
from osimopt.muscle.activation import activation_rate, excitation_for
from osimopt.surrogate.architecture import Architecture
from osimopt.surrogate.strides import StrideInputs, balanced, priced
from osimopt.surrogate.tendon import Rates, TendonNetwork, decode, estimate, excitation_of

Array = np.ndarray


def test_rates_are_those_of_polynomials_on_uneven_times() -> None:
    random = np.random.default_rng(1)
    time = np.cumsum(random.uniform(0.005, 0.03, 40))
    line = Polynomial(random.standard_normal(7), domain=[time[0], time[-1]])
    values = torch.as_tensor(line(time))[None, :, None]
    found = Rates.at(time, values).of(values)[0, :, 0].numpy()
    assert np.abs(found - line.deriv()(time)).max() < 1e-7 * np.abs(line.deriv()(time)).max()


@pytest.mark.parametrize("frames", [1, 2, 5, 9])
def test_rates_of_few_frames(frames: int) -> None:
    values = torch.arange(frames, dtype=torch.float64)[None, :, None]
    expected = 50.0 if frames > 1 else 0.0
    assert torch.allclose(Rates.at(0.02 * np.arange(frames), values).of(values), torch.full_like(values, expected))


def test_right_forces_give_the_equations_activations_and_excitations() -> None:
    problem = limb(step=0.01)
    time = problem.time
    strides = StrideInputs.of([problem])
    tension = torch.as_tensor(force(time))[None]
    rates = Rates.at(time, tension)
    found = decode(tension, strides, rates)
    _, active, passive = fibers(problem, force(time), rates.of(tension)[0].numpy())
    expected = (force(time) - passive) / active
    assert 0.02 < expected.min() < expected.max() < 0.98
    assert np.abs(found.activation[0].numpy() - expected).max() < 1e-6
    assert found.tendon_residual.abs().max() < 1e-6
    # and the excitation makes activation change as it does
    p = problem.parameters
    constants = [p.properties[f"{name}"] for name in (
        "activation_time_constant", "deactivation_time_constant", "activation_dynamics_smoothing",
    )]  # fmt: skip
    change = rates.of(found.activation)[0].numpy()
    exact = excitation_for(change, found.activation[0].numpy(), *constants)
    inside = (exact > 0.01) & (exact < 1.0)
    assert inside.mean() > 0.9
    assert np.abs(found.excitation[0].numpy() - exact)[inside].max() < 1e-9


def test_excitations_far_from_activations() -> None:
    strides = StrideInputs.of([limb(frames=3)])
    activation = torch.tensor([[0.01, 0.3, 0.5, 0.9, 1.0]] * 3, dtype=torch.float64)[None]
    excitation = torch.tensor([[1.0, 0.01, 0.5, 0.02, 0.3]] * 3, dtype=torch.float64)[None]
    rate = activation_rate(excitation, activation, *strides.dynamics)
    assert torch.allclose(excitation_of(rate, activation, strides), excitation, atol=1e-9)


def test_moments_hold_after_moving_forces() -> None:
    strides = StrideInputs.of([limb()])
    wrong = torch.as_tensor(force(limb().time))[None] * torch.linspace(0.8, 1.2, 5, dtype=torch.float64)
    moved, price = balanced(wrong, torch.ones_like(wrong), strides)
    made = strides.moments(moved) + (strides.reserve[:, None] @ price[..., None])[..., 0]
    assert (strides.moments(wrong) - strides.moment).abs().max() > 5.0
    assert (made - strides.moment).abs().max() < 1e-3
    assert (moved - wrong).abs().max() < 0.2


def test_muscles_that_give_nothing_stay() -> None:
    strides = StrideInputs.of([limb()])
    wrong = torch.full((1, len(limb()), 5), 0.3, dtype=torch.float64)
    give = torch.tensor([1.0, 1.0, 0.0, 1.0, 1.0], dtype=torch.float64).expand_as(wrong)
    moved, _ = balanced(wrong, give, strides)
    assert (moved[..., 2] == 0.3).all()
    assert (moved[..., 0] != 0.3).all()


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 1000),
    size=st.sampled_from([0.0, 1e-3, 1.0, 1e3, 1e30, np.inf, np.nan]),
    share=st.floats(0.0, 1.0),
    single=st.booleans(),
)
def test_bounds_hold_whatever_the_forces(seed: int, size: float, share: float, single: bool) -> None:
    random = np.random.default_rng(seed)
    problem = limb(frames=20, reserves=1.0 if seed % 2 else None)
    with np.errstate(invalid="ignore"):
        wild = size * random.standard_normal((1, 20, 5))
    values = np.where(random.uniform(size=(1, 20, 5)) < share, wild, force(problem.time)[None])
    kind = torch.float32 if single else torch.float64
    tension = torch.as_tensor(values).to(kind)
    found = decode(tension, StrideInputs.of([problem], kind), Rates.at(problem.time, tension))
    for series in (found.activation, found.excitation):
        assert ((series >= torch.tensor(0.01, dtype=kind)) & (series <= 1.0)).all()
    for series in (found.force, found.active, found.passive, found.price, found.excitation_residual):
        assert torch.isfinite(series).all()


def test_variants_of_a_motion_are_computed_as_motions_of_their_own() -> None:
    problem = limb()
    weak = problem.parameters
    from dataclasses import replace

    both = [weak, replace(weak, max_isometric_force=0.8 * weak.max_isometric_force)]
    shared = StrideInputs.of([problem]).with_muscles(both)
    apart = StrideInputs.of([replace(problem, parameters=one) for one in both])
    told, expected = estimate(shared), estimate(apart)
    assert torch.allclose(told, expected, atol=1e-9)
    network = TendonNetwork(Architecture("cnn", width=4, depth=1), 2, 0.02).double()
    assert torch.allclose(network(shared, told)[-1], network(apart, expected)[-1], atol=1e-9)
    assert torch.allclose(shared.gram(told[..., 2]), apart.gram(told[..., 2]))
    assert len(shared.arm) == 1


def test_the_estimate_is_static_optimization() -> None:
    from osimopt import solve_static, use_degroote_muscles

    problem = use_degroote_muscles(limb())
    exact = solve_static(problem)
    found = estimate(StrideInputs.of([problem]))[0, :, :, 0].numpy()
    assert np.abs(found - exact.muscle_force / problem.parameters.max_isometric_force).max() < 1e-5


def test_derivatives() -> None:
    strides = StrideInputs.of([limb(frames=9)])
    torch.manual_seed(0)
    tension = torch.rand(1, 9, 5, dtype=torch.float64, requires_grad=True)
    give = (0.5 + torch.rand(1, 9, 5, dtype=torch.float64)).requires_grad_()
    assert torch.autograd.gradcheck(lambda f, g: balanced(f, g, strides)[0], (tension, give), atol=1e-6)
    rates = Rates.at(0.02 * np.arange(9), tension)
    assert torch.autograd.gradcheck(lambda f: rates.of(f), (tension,))


def test_prices_where_rows_depend_on_each_other() -> None:
    gram = torch.tensor([[[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0]]], dtype=torch.float64)
    price = priced(gram, torch.tensor([[1.0, 1.0, 0.0]], dtype=torch.float64))
    assert torch.isfinite(price).all()
    assert torch.allclose(
        gram @ price[..., None], torch.tensor([[[1.0], [1.0], [0.0]]], dtype=torch.float64), atol=1e-5
    )


def test_other_muscles_are_refused() -> None:
    from dataclasses import replace

    problem = limb()
    with pytest.raises(InputError, match="a problem from a model"):
        StrideInputs.of([replace(problem, parameters=None)])
    millard = replace(problem.parameters, classes=("Millard2012EquilibriumMuscle",) * 5)
    with pytest.raises(InputError, match="use_degroote_muscles"):
        StrideInputs.of([replace(problem, parameters=millard)])
