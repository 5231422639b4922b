"""A surrogate trained on several bodies, and bodies that it has not seen: within its range, and beyond."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import osimopt
from osimopt.adapters.twin import BodyScale, twin
from osimopt.surrogate.architecture import Architecture
from osimopt.surrogate.training import TrainingOptions
from osimopt.training.dynamic_surrogate import TrainedDynamic, share_of_peak
from osimopt.training.subjects import stronger

PAGE = Path(__file__).resolve().parents[2] / "docs" / "dynamic_surrogates.md"
#: Of the bodies that are trained on.
SIZES, STRENGTHS = (0.9, 1.1), (0.8, 1.3)


@pytest.fixture(scope="module")
def elbow(arm: Any) -> osimopt.RedundancyProblem:
    return osimopt.load_problem(arm.model, arm.motion)


@pytest.fixture(scope="module")
def trained(elbow: osimopt.RedundancyProblem, tmp_path_factory: pytest.TempPathFactory) -> TrainedDynamic:
    torch.set_num_threads(1)
    return osimopt.train_dynamic_surrogate(
        [elbow], tmp_path_factory.mktemp("solutions"), counts=(14, 2, 4), sizes=SIZES, strengths=STRENGTHS,
        architecture=Architecture("cnn", width=8, depth=2, kernel=5),
        options=TrainingOptions(epochs=15, batch_size=4, learning_rate=1e-2),
    )  # fmt: skip


def body(elbow: osimopt.RedundancyProblem, size: float, strength: float) -> osimopt.RedundancyProblem:
    """The last third of the motion by a similar body."""
    return osimopt.use_degroote_muscles(
        stronger(twin(elbow.frames(slice(95, 151)), BodyScale(size, size**3)), strength * size**2)
    )


@pytest.mark.slow
def test_unseen_bodies_within_the_range(trained: TrainedDynamic, elbow: osimopt.RedundancyProblem) -> None:
    """Tests are of other bodies and another part of the motion: collocation judges."""
    accuracy = trained.accuracy
    assert accuracy["force"]["mean"] < 0.05
    assert accuracy["force"]["mean"] < 0.25 * accuracy["mean"]["mean"]
    assert accuracy["solved_share"] > 0.9
    sizes = [sample.notes["size"] for sample in trained.test]
    assert np.ptp(sizes) > 0.02
    problem = body(elbow, 1.04, 1.1)
    assert not trained.surrogate.bodies.beyond(problem.parameters)
    exact: Any = osimopt.solve_dynamic(problem, n_jobs=1)
    found = trained.surrogate.solve(problem, times=exact.time, tolerance=1e9)
    strength = exact.problem.parameters.max_isometric_force
    inside = (exact.time >= exact.time[0] + 0.12) & (exact.time <= exact.time[-1] - 0.12)
    error = share_of_peak([found.muscle_force[inside] / strength], [exact.muscle_force[inside] / strength])
    assert error["mean"] < 0.1


@pytest.mark.slow
@pytest.mark.parametrize(("size", "strength"), [(1.3, 1.0), (0.7, 1.0), (1.0, 0.4), (1.0, 2.5)])
def test_bodies_beyond_the_range_are_never_silent(
    trained: TrainedDynamic, elbow: osimopt.RedundancyProblem, size: float, strength: float
) -> None:
    problem = body(elbow, size, strength)
    with pytest.warns(UserWarning, match="trained on other bodies"):
        found = trained.surrogate.solve(problem)
    assert found.outside.all()
    assert "lie beyond what the surrogate was trained on" in " ".join(found.findings())
    residual = np.abs(found.moment_residual[found.solved])
    peak = np.maximum(np.abs(problem.generalized_force).max(axis=0), 1.0)
    assert (residual <= 0.02 * peak + 1e-9).all()
    assert np.isnan(found.muscle_force[~found.solved]).all()


@pytest.mark.slow
def test_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    torch.set_num_threads(1)
    names: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        exec(compile(block, PAGE.name, "exec"), names)
    found = re.search(r"sizes ([\d.]+) to ([\d.]+), strengths", capsys.readouterr().out)
    assert found is not None
    assert 0.8 < float(found[1]) < float(found[2]) < 1.25
    assert osimopt.Surrogate.load("network").muscles[0] == "TRIlong"
