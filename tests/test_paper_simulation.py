"""The simulation set: exact activations, kept problems, draws that repeat."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from osimopt import solve_static
from osimopt.studies.paper import simulation
from osimopt.studies.paper.simulation import FRAMES, HIGH, LOW, SLOW, motion, problem_of, simulated


def test_motions_stay_in_range_and_repeat() -> None:
    time, angle = motion(np.random.default_rng([0, 1]), SLOW)
    again = motion(np.random.default_rng([0, 1]), SLOW)[1]
    assert np.array_equal(angle, again)
    assert len(time) == len(angle) == 401
    assert ((angle >= LOW) & (angle <= HIGH)).all()
    assert np.ptp(angle, axis=0) == pytest.approx(0.675 * (HIGH - LOW), rel=0.5)


def test_windows_are_what_the_solver_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulation, "DURATION", 1.0)
    whole = simulated(tmp_path, 2, 0)
    assert whole.inputs.shape == (len(whole), FRAMES, 6)
    assert whole.load.shape == (len(whole), 6)
    assert set(whole.trial) == {"own-slow-0-00", "own-slow-0-01"}
    kept = sorted(path.name for path in tmp_path.iterdir())
    assert kept == ["own-slow-0-00.npz", "own-slow-0-01.npz"]
    problem = problem_of(tmp_path, whole.trial[-1])
    last = int(np.searchsorted(problem.time, whole.start[-1] - 1e-9)) + FRAMES - 1
    frame = problem.frames(slice(last, last + 1))
    assert solve_static(frame).activation[0] == pytest.approx(whole.load[-1], abs=1e-9)
    assert problem.generalized_force[last] == pytest.approx(whole.inputs[-1, -1, 4:], abs=1e-12)
    assert np.ptp(whole.load, axis=0).min() > 0.01  # every muscle takes its turn

    monkeypatch.setattr(simulation, "_problem", None)  # what is there is not made again
    again = simulated(tmp_path, 2, 0)
    assert np.array_equal(again.inputs, whole.inputs)
    assert np.array_equal(again.load, whole.load)
