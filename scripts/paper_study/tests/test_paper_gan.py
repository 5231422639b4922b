"""Augmentation: a generative network that learns, windows of the model that are exact, shares of trials."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from osimopt import InputError
from paper_study import simulation
from paper_study.augmentation import Augmentation, augmented, moment_missed, some_trials
from paper_study.finish import judge
from paper_study.gan import train_gan
from paper_study.scaling import Scaling
from paper_study.simulation import posed, problem_of, simulated
from paper_study.windows import Windows

from .test_paper_parts import waves

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def arm_windows(tmp_path_factory: pytest.TempPathFactory) -> tuple[Windows, Path]:
    folder = tmp_path_factory.mktemp("problems")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulation, "DURATION", 1.0)
        return simulated(folder, 4, 0), folder


def test_samples_are_like_what_was_learned() -> None:
    windows = waves()
    scaling = Scaling.of(windows)
    inputs, targets = scaling.inputs(windows), scaling.targets(windows)
    gan = train_gan(inputs, targets, seed=0, steps=300)
    made, asked = gan.sample(400, seed=1)
    assert made.shape == (400, *inputs.shape[1:])
    assert asked.shape == (400, targets.shape[1])
    # it was asked to end near the last frames that it knows, and what it makes of them goes with these
    ends = made[:, -1]
    nearest = np.argmin(((ends[:, None] - inputs[None, :, -1]) ** 2).sum(axis=2), axis=1)
    assert np.abs(ends - inputs[nearest, -1]).max() < 0.15
    assert np.sqrt(np.mean((asked - targets[nearest]) ** 2)) < 0.5 * targets.std()
    again = train_gan(inputs, targets, seed=0, steps=300).sample(400, seed=1)
    assert np.array_equal(again[0], made)


@pytest.mark.parametrize("spoil", ["few", "nan"])
def test_what_cannot_be_learned_from(spoil: str) -> None:
    inputs, targets = np.zeros((1 if spoil == "few" else 5, 10, 2)), np.zeros((1 if spoil == "few" else 5, 1))
    inputs[0, 0, 0] = np.nan if spoil == "nan" else 0.0
    with pytest.raises(InputError, match="two windows"):
        train_gan(inputs, targets, 0)


def test_shares_are_whole_trials() -> None:
    whole = Windows.join([waves(name) for name in "abcde"])
    assert some_trials(whole, 1.0, 0) is whole
    few = some_trials(whole, 0.4, 0)
    assert len(few) == 2 * len(waves())
    assert len(set(few.trial)) == 2
    assert len(set(some_trials(whole, 0.01, 0).trial)) == 1
    assert set(some_trials(whole, 0.4, 0).trial) == set(few.trial)


def test_physics_is_exact(arm_windows: tuple[Windows, Path]) -> None:
    own, folder = arm_windows
    scaling = Scaling.of(own)
    inputs, targets, told = augmented(Augmentation("physics", 20, 0), own, scaling, folder)
    assert len(inputs) == len(targets) == len(own) + 20
    assert told["added"] == 20
    solver = moment_missed(scaling.inputs(own), scaling.targets(own), scaling, folder)
    assert told["moment_missed_rms"] == pytest.approx(solver, rel=2.0)
    assert solver < 0.1  # what the reserve carries
    wrong = np.clip(scaling.targets(own) + 0.1, 0.0, None)
    assert moment_missed(scaling.inputs(own), wrong, scaling, folder) > 5.0 * solver


def test_posed_is_the_problem_itself(arm_windows: tuple[Windows, Path]) -> None:
    own, folder = arm_windows
    problem = problem_of(folder, own.trial[0])
    frame = simulation.FRAMES - 1
    found = posed(folder, own.inputs[:1, -1])
    assert found.max_force[0] == pytest.approx(problem.max_force[frame], rel=1e-9)
    assert found.geometry.moment_arm[0] == pytest.approx(problem.geometry.moment_arm[frame], abs=1e-12)
    assert found.generalized_force[0] == pytest.approx(problem.generalized_force[frame], abs=1e-12)


def test_answers_are_finished_exactly(arm_windows: tuple[Windows, Path]) -> None:
    own, folder = arm_windows
    right = judge(own.load, own, folder)
    off = judge(own.load + 0.05, own, folder)
    assert right["moment_missed_rms"] < 0.1 < off["moment_missed_rms"]
    for told in (right, off):
        assert told["finished_mse"] < 1e-20
        assert told["solved_share"] == 1.0
    assert right["steps"] <= off["steps"] + 1e-9


def test_physics_needs_a_model() -> None:
    with pytest.raises(InputError, match="simulated set"):
        augmented(Augmentation("physics", 5, 0), waves(), Scaling.of(waves()), None)
