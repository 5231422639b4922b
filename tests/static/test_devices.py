"""Problems whose arrays are torch's: solved where they are, with the answers of NumPy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import osimopt
from osimopt import RedundancyProblem, solve_static

#: Relative; both solve to rounding.
EQUAL = 1e-12


def leg(
    frames: int = 23, reserves: float | None = 1.0, varying: bool = False, strength: float = 1.0
) -> RedundancyProblem:
    """Two joints and six muscles with passive forces; the last frame asks for more than they have."""
    rng = np.random.default_rng(3)
    arm = rng.uniform(-0.05, 0.05, (frames, 2, 6))
    arm[:, 0, 4:] = arm[:, 1, :2] = 0.0
    force = rng.uniform(300.0, 1500.0, (frames, 6))
    moment = np.einsum("tdm,tm->td", arm, force * rng.uniform(0.05, 0.6, (frames, 6)))
    moment[-1] *= 500.0
    problem = RedundancyProblem.from_arrays(
        arm, force, moment, bounds=(0.01, 1.0), reserves=reserves, passive_force=rng.uniform(0.0, 30.0, (frames, 6))
    )
    if varying:
        turned = problem.reserves.effect * (1.0 + 0.1 * np.sin(np.arange(frames))[:, None, None])
        problem = replace(problem, reserves=replace(problem.reserves, effect=turned))
    return problem


@pytest.mark.parametrize(
    ("cost", "exponent", "reserves", "varying"),
    [
        ("activation_power", 2.0, 1.0, False),
        ("activation_power", 3.0, 1.0, True),
        ("activation_power", 1.5, None, False),
        ("sum_stress_squared", 2.0, None, False),
        ("sum_moment_ratio_cubed", 3.0, 1.0, False),
    ],
)
def test_a_problem_on_a_device_has_the_answers_of_numpy(
    cost: str, exponent: float, reserves: float | None, varying: bool
) -> None:
    problem = leg(reserves=reserves, varying=varying)
    ours = solve_static(problem, cost, exponent, on_failure="return")
    there = solve_static(problem.to("torch"), cost, exponent, on_failure="return")
    assert (ours.device, there.device, there.provenance["solver"]["device"]) == ("cpu", "torch", "torch")
    theirs = there.to("cpu")
    assert (theirs.status == ours.status).all()
    assert reserves is not None or not ours.solved[-1]
    for name in ("activation", "reserve_control", "objective", "multipliers", "muscle_force", "reserve_force"):
        own, other = getattr(ours, name), getattr(theirs, name)
        assert isinstance(other, np.ndarray)
        np.testing.assert_allclose(other, own, rtol=1e-9, atol=EQUAL * np.nanmax(np.abs(own), initial=1.0))
    np.testing.assert_array_equal(np.isnan(theirs.activation), np.isnan(ours.activation))
    assert theirs.detail.keys() == ours.detail.keys()
    assert (theirs.gap[ours.solved] < 1e-9 * (1.0 + ours.objective[ours.solved])).all()


def test_files_and_findings_are_those_of_numpy(tmp_path) -> None:
    problem = leg()
    ours, theirs = (solve_static(one, on_failure="return") for one in (problem, problem.to("torch")))
    assert theirs.findings() == ours.findings()
    assert theirs.to("cpu") is theirs.to("cpu")
    np.testing.assert_allclose(theirs.to_dataframe("muscle_force"), ours.to_dataframe("muscle_force"), rtol=1e-9)
    assert (theirs.write(tmp_path / "out") / "activation.sto").stat().st_size


def test_a_problem_goes_to_a_device_and_back() -> None:
    problem = leg(varying=True)
    back = problem.to("torch").to("cpu")
    for name in ("max_force", "passive_force", "generalized_force"):
        np.testing.assert_array_equal(getattr(back, name), getattr(problem, name))
    np.testing.assert_array_equal(back.reserves.effect, problem.reserves.effect)
    with pytest.raises(osimopt.InputError, match=r"device among .*, got 'abacus'"):
        problem.to("abacus")
    with pytest.raises(osimopt.InputError, match=r"device='cpu' for solver='slsqp', got 'torch'"):
        solve_static(problem.to("torch"), solver="slsqp")
