"""Motions that arrays complete, against OpenSim's process: its functions, Simbody's errors, Jacobians and rates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import HERE, run_script

from osimopt.adapters import completion
from osimopt.adapters.model import read_model

#: Share of the largest value: rounding of Newton's method, of couplers and of functions in pieces.
ROUNDING = 1e-12
NAMES = (
    "four_bar_point", "four_bar_weld", "distance", "on_line", "two_loops", "scapula", "held_ball_coupled",
    "held_gimbal_coupled", "held_gimbal_prescribed", "held_ball_prescribed", "chain", "joint_free", "joint_ellipsoid",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_completed_motions(name: str, tmp_path: Path) -> None:
    """Geometry ``"opensim"`` completes its motions by arrays, too: its answers must not differ."""
    run_script(HERE / "multibody_oracle.py", tmp_path, 1, name, cwd=tmp_path)
    model = read_model(tmp_path / f"{name}.osim")
    description, time = model.description, np.linspace(0.0, 1.0, 30)
    start = np.array([coordinate.default for coordinate in description.coordinates])
    value, rate, acceleration = waves(start, list(description.free), time)
    if description.of_kind("prescribed") or description.coupling:
        ours = completion.follow(model, time, value, rate, acceleration)
        for index in description.of_kind("prescribed"):
            columns = model.run("describe:prescribed_values", index, time)
            same([part[:, index] for part in (ours.value, ours.speed, ours.acceleration)], columns)
    if description.coupling:
        *theirs, pairs = model.run("kinematics:couple", time, ours.value, ours.speed, ours.acceleration)
        assert ours.coupling is not None
        np.testing.assert_array_equal(pairs, (ours.coupling.dependent, ours.coupling.independent))
        same((ours.value, ours.speed, ours.acceleration, ours.coupling.slope), theirs)
        apart = value[::6]
        posture = completion.closed(model, apart)
        assert posture.coupling is not None
        same((posture.value, posture.coupling.slope), model.run("kinematics:close", apart, False)[:2])
    if any(coordinate.turning for coordinate in description.coordinates):
        multibody = model.described.multibody
        ours = (
            completion.to_rates(multibody, value, rate),
            completion.to_accelerations(multibody, value, rate, acceleration),
        )
        same(ours, model.run("kinematics:rates_of", value, rate, acceleration))


def same(ours: Any, theirs: Any) -> None:
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=0.0, atol=ROUNDING * max(1.0, np.abs(other).max()))


def waves(start: np.ndarray, free: list[int], time: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values, rates and accelerations (T, N): a sine of each free coordinate, the others as by default."""
    random = np.random.default_rng(1)
    size, pace, phase = (random.uniform(*ends, len(start)) for ends in ((0.1, 0.2), (1.5, 3.0), (0.0, 3.0)))
    size = np.where(np.isin(np.arange(len(start)), free), size, 0.0)
    angle = pace * time[:, None] + phase
    return start + size * np.sin(angle), size * pace * np.cos(angle), -size * pace**2 * np.sin(angle)
