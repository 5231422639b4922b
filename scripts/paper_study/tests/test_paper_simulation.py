"""The simulation set: exact activations, kept problems, draws that repeat."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from osimopt import solve_static
from paper_study import simulation
from paper_study.simulation import FRAMES, HIGH, LOW, OWN, motion, problem_of, simulated

pytestmark = pytest.mark.slow


def test_motions_stay_in_range_and_repeat() -> None:
    time, angle = motion(np.random.default_rng([0, 1]), OWN.band)
    again = motion(np.random.default_rng([0, 1]), OWN.band)[1]
    assert np.array_equal(angle, again)
    assert len(time) == len(angle) == 401
    assert ((angle >= LOW) & (angle <= HIGH)).all()
    assert np.ptp(angle, axis=0) == pytest.approx(0.675 * (HIGH - LOW), rel=0.5)


def test_windows_are_what_the_solver_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulation, "DURATION", 1.0)
    whole = simulated(tmp_path, 2, 0)
    assert whole.inputs.shape == (len(whole), FRAMES, 6)
    assert whole.load.shape == (len(whole), 6)
    assert set(whole.trial) == {"own-0-000", "own-0-001"}
    kept = sorted(path.name for path in tmp_path.iterdir())
    assert kept == ["own-0-000.npz", "own-0-001.npz", "paths.fit.toml", "paths.xml"]
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


@pytest.mark.parametrize(("what", "differs"), [("task", "task"), ("subject", "subject"), ("model", "subject")])
def test_what_is_unseen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, differs: str) -> None:
    monkeypatch.setattr(simulation, "DURATION", 1.0)
    own, other = simulated(tmp_path, 1, 0), simulated(tmp_path, 1, 0, what)
    assert getattr(own, differs)[0] != getattr(other, differs)[0]
    problems = [problem_of(tmp_path, windows.trial[0]) for windows in (own, other)]
    same_strength = np.allclose(problems[0].max_force, problems[1].max_force)
    same_arms = np.allclose(problems[0].geometry.moment_arms, problems[1].geometry.moment_arms)
    assert (same_strength, same_arms) == {"task": (False, False), "subject": (False, True), "model": (True, False)}[
        what
    ]


def test_paths_do_not_jump(tmp_path: Path) -> None:
    """The model's own path of the long biceps does, where the shoulder is at 0.517 rad."""
    elbow = 1.3 * np.ones(9)
    geometry = simulation.paths(tmp_path).evaluate(
        simulation.COORDINATES, np.column_stack([0.517 + 0.002 * np.arange(-4, 5), elbow])
    )
    assert geometry.length is not None
    assert np.abs(np.diff(geometry.length, n=2, axis=0)).max() < 1e-6
