"""Motions that loops and couplers complete, against OpenSim's process, which asks Simbody for errors and Jacobians."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import HERE, run_script
from mechanics_cases import describe

from osimopt.adapters.model import identify
from osimopt.isolation import run
from osimopt.multibody.loops import find_closure
from osimopt.multibody.motions import complete_motion

#: rad, m and their rates: both end Newton's method below 1e-12.
CLOSED = 1e-9
WORKER = "osimopt.adapters.worker"
NAMES = ("four_bar_point", "four_bar_weld", "distance", "on_line", "two_loops", "scapula", "held_ball_coupled")


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_completed_motions(name: str, tmp_path: Path) -> None:
    run_script(HERE / "multibody_oracle.py", tmp_path, 1, name, cwd=tmp_path)
    path = tmp_path / f"{name}.osim"
    multibody, _ = describe(path)
    key = identify(path)
    model = run("opensim", f"{WORKER}.describe:describe", key, subject=path)
    free, determined = model.of_kind("free"), model.of_kind("coupled")
    start = np.array([coordinate.default for coordinate in model.coordinates])
    time = np.linspace(0.0, 1.0, 30)
    value, rate, acceleration = waves(start, list(free), time)
    closure = find_closure(multibody, list(free), list(determined), start)
    ours = complete_motion(multibody, closure, time, value, rate, acceleration)
    theirs = run("opensim", f"{WORKER}.kinematics:couple", key, time, value, rate, acceleration, subject=path)
    rows, columns = theirs[4]
    for one, other in zip((*ours[:3], ours[3][:, rows, columns]), theirs[:4], strict=True):
        np.testing.assert_allclose(one, other, rtol=0.0, atol=CLOSED * max(1.0, np.abs(other).max()))


def waves(start: np.ndarray, free: list[int], time: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values, rates and accelerations (T, N): a sine of each free coordinate, the others as by default."""
    random = np.random.default_rng(1)
    size, pace, phase = (random.uniform(*ends, len(start)) for ends in ((0.1, 0.2), (1.5, 3.0), (0.0, 3.0)))
    size = np.where(np.isin(np.arange(len(start)), free), size, 0.0)
    angle = pace * time[:, None] + phase
    return start + size * np.sin(angle), size * pace * np.cos(angle), -size * pace**2 * np.sin(angle)
