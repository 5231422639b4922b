"""All muscles of public models in random postures: a length everywhere, and moment arms that are its slopes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mechanics_cases import describe

from osimopt.multibody.functions import evaluate
from osimopt.multibody.kinematics import posture
from osimopt.paths.arms import moment_arms
from osimopt.paths.arrangement import arrange
from osimopt.paths.solve import lengths, solve_paths

pytestmark = pytest.mark.slow

MODELS = (
    "arm26/arm26.osim",
    "gait_9emg/gait2392.osim",
    "knee_implant/GC5.osim",
    "walk_18muscles/subject_walk_armless_18musc.osim",
    "walk_80muscles/walk_80muscles_with_reserves.osim",
    "walk_treadmill_emg/Rajagopal_scaled_Sub1_gasAvoid.osim",
)
#: m, or m per rad; of central differences of fourth order in the median posture. A length of 1 m has 15 digits.
SLOPE = 1e-9


@pytest.mark.parametrize("name", MODELS)
def test_every_path_has_a_length_whose_slope_is_the_moment_arm(real_data: Path, name: str) -> None:
    multibody, paths = describe(real_data / name)
    arrangement, size = arrange(paths), len(multibody.coordinates)
    value = np.random.default_rng(3).uniform(-0.7, 0.7, (40, size))
    for one in multibody.couplers:
        function = np.array([one.function], dtype=np.intp)
        found = evaluate(multibody.functions, function, value[None, :, one.independent])[0][0]
        value[:, one.dependent] = one.scale * found
    there = posture(multibody, value)
    arms = moment_arms(arrangement, solve_paths(arrangement, there), there)
    step, weights = 2e-5, np.array([1.0, -8.0, 8.0, -1.0])
    error = np.zeros((len(arms.path), len(value)))
    for coordinate in np.unique(arms.coordinate):
        way = np.array([-2.0, -1.0, 1.0, 2.0])[:, None, None] * step * np.eye(size)[coordinate]
        moved = posture(multibody, (value + way).reshape(-1, size))
        length = lengths(arrangement, solve_paths(arrangement, moved)).reshape(4, len(value), -1)
        assert np.isfinite(length).all()
        slope = np.einsum("s,stm->mt", weights, length) / (12.0 * step)
        pairs = arms.coordinate == coordinate
        error[pairs] = np.abs(arms.value[pairs] + slope[arms.path[pairs]])
    assert np.median(error.max(axis=0)) < SLOPE
    assert (error > 10.0 * SLOPE).mean() < 1e-3  # postures within a step of a jump
