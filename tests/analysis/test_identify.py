"""identify_cost gives back the weights and the exponent that made activations, and says what nothing can tell."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from emg_cases import walk

from osimopt import InputError, RedundancyProblem, identify_cost, load_problem, solve_static
from osimopt.analysis.identify import CostFit, _membership


def made(problem: RedundancyProblem, power: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    weights = np.exp(0.5 * np.random.default_rng(seed).standard_normal(len(problem.muscles)))
    return weights, solve_static(problem.with_weights(weights), exponent=power).activation


def worst(found, problem: RedundancyProblem, weights: np.ndarray) -> float:
    """Largest relative error of a weight, each set relative to its geometric mean."""
    errors = [0.0]
    for own in found.comparable:
        true = weights[[problem.muscles.index(name) for name in own]]
        true = true / np.exp(np.log(true).mean())
        errors.append(float(np.abs(found.weights[list(own)].to_numpy() / true - 1.0).max()))
    return max(errors)


@pytest.mark.parametrize("power", [1.5, 2.0, 3.0])
@pytest.mark.parametrize("held", [False, True], ids=["fitted", "held"])
@pytest.mark.slow
def test_weights_and_exponent_are_given_back(power: float, held: bool) -> None:
    problem = walk().frames(slice(0, 300, 3))
    weights, activation = made(problem, power)
    found = identify_cost(problem, activation, exponent=power if held else None)
    assert found.exponent == pytest.approx(power, rel=0.01)
    assert found.exponent_identifiable
    assert len(found.comparable[0]) >= 5
    assert worst(found, problem, weights) < 0.01
    assert found.rms < 1e-5 < found.start_rms  # what the data do not determine stays where it began


@pytest.mark.slow
def test_the_arm(arm) -> None:
    """The long triceps and the brachialis rest on a bound throughout: nothing is known of their weights."""
    problem = load_problem(arm.model, arm.motion)
    weights, activation = made(problem, 2.0)
    found = identify_cost(problem, activation)
    assert found.exponent == pytest.approx(2.0, rel=0.01)
    assert worst(found, problem, weights) < 0.01
    assert found.weights.isna().any() == bool(found.notes)


def test_weights_of_groups_and_missing_muscles() -> None:
    problem = walk().frames(slice(0, 300, 3))
    weights = np.array([1.0, 1.0, 1.0, 3.0, 1.0, 3.0])
    activation = solve_static(problem.with_weights(weights)).activation.copy()
    activation[:, 2] = np.nan  # not measured
    groups = {"extensors": ["vasti_r", "recfem_r"], "hamstrings": ["hams_r"], "calf": ["soleus_r", "gas_r"]}
    found = identify_cost(problem, activation, groups=groups, exponent=2.0)
    assert found.weights["extensors"] / found.weights["calf"] == pytest.approx(3.0, rel=0.01)


@pytest.mark.slow
def test_what_cannot_be_told_is_not() -> None:
    """Two joints without a common muscle and without reserves: ratios hold within each, not between them."""
    arms = np.array([[0.04, 0.03, 0.0, 0.0], [0.0, 0.0, 0.05, 0.02]])
    moment = 10.0 + 8.0 * np.random.default_rng(0).random((40, 2))
    problem = RedundancyProblem.from_arrays(arms, np.full(4, 1000.0), moment)
    weights, activation = made(problem, 2.0)
    found = identify_cost(problem, activation, exponent=2.0)
    assert sorted(map(sorted, found.comparable)) == [["muscle_0", "muscle_1"], ["muscle_2", "muscle_3"]]
    assert worst(found, problem, weights) < 0.01
    alone = RedundancyProblem.from_arrays(np.array([0.04]), np.array([1000.0]), np.full((5, 1), 10.0))
    with pytest.raises(InputError, match="ratios of weights"):
        identify_cost(alone, solve_static(alone).activation)


@pytest.mark.slow
def test_one_frame_of_one_exponent_is_no_exponent() -> None:
    problem = walk().frames(slice(20, 21))
    _, activation = made(problem, 2.0)
    found = identify_cost(problem, activation)
    assert not found.exponent_identifiable
    assert any("exponent" in note for note in found.notes)
    assert found.rms < 1e-6


def test_errors_grow_with_noise() -> None:
    problem = walk().frames(slice(0, 300, 3))
    weights, activation = made(problem, 2.0)
    noisy = activation + 0.01 * np.random.default_rng(1).standard_normal(activation.shape)
    found = identify_cost(problem, noisy, exponent=2.0)
    true = np.log(weights) - np.log(weights).mean()
    off = np.log(found.weights.to_numpy()) - true
    assert 0.0 < found.relative_error.max() < 1.0
    assert np.sqrt(np.mean((off / found.relative_error.to_numpy()) ** 2)) < 3.0


def test_the_jacobian_is_that_of_the_residual() -> None:
    problem = walk().frames(slice(5, 105, 7))
    _, activation = made(problem, 2.5)
    fit = CostFit(problem, activation, _membership(problem, None), None, 1e-3)
    theta = 0.2 * np.random.default_rng(2).standard_normal(7)
    exact, step = fit.jacobian(theta), 1e-5
    for column, unit in enumerate(np.eye(7)):
        central = (fit.residual(theta + step * unit) - fit.residual(theta - step * unit)) / (2.0 * step)
        assert exact[:, column] == pytest.approx(central, abs=2e-5)


def test_wrong_input() -> None:
    problem = walk().frames(slice(0, 10))
    _, activation = made(problem, 2.0)
    with pytest.raises(InputError, match=r"\(T, M\)"):
        identify_cost(problem, activation[:, :3])
    with pytest.raises(InputError, match="above 1"):
        identify_cost(problem, activation, exponent=1.0)
    with pytest.raises(InputError, match="Check the names"):
        identify_cost(problem, activation, groups={"a": ["nobody"]})
    with pytest.raises(InputError, match="one group"):
        identify_cost(problem, activation, groups={"a": ["gas_r"], "b": ["gas_r"]})


@pytest.mark.filterwarnings("ignore:.*disagree with the model")
@pytest.mark.slow
def test_a_walk_of_80_muscles(real_data: Path) -> None:
    folder = real_data / "walk_80muscles"
    problem = load_problem(
        folder / "walk_80muscles_with_reserves.osim", folder / "coordinates_50hz.mot", folder / "grf_walk.xml",
        time_range=(0.49, 1.61),
    )  # fmt: skip
    problem = replace(problem.frames(slice(0, None, 2)), source=None)
    weights, activation = made(problem, 2.0)
    found = identify_cost(problem, activation, exponent=2.0)
    assert len(found.comparable[0]) >= 70
    assert worst(found, problem, weights) < 0.01
