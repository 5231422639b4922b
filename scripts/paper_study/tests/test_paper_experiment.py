"""Experiments: trained, judged, kept, and read back."""

from __future__ import annotations

from pathlib import Path

import pytest

from paper_study import experiment
from paper_study.experiment import Experiment, run
from paper_study.windows import Sets

from .test_paper_parts import waves

pytestmark = pytest.mark.slow


def test_results_are_kept_and_repeat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sets = Sets(waves(), waves("b", 0.5), waves("c", 1.0), {"task": waves("d", 2.0)})
    small = Experiment("waves", "mlp", epochs=5, weights=500)
    told = run(small, sets, tmp_path / "one")
    assert run(small, sets, tmp_path / "two")["test"] == told["test"]
    assert {"gaussian", "salt-and-pepper"} == set(told["noise"])
    assert told["noise"]["salt-and-pepper"]["mse"] > told["test"]["mse"]
    assert set(told["units"]) == {"load", "angle"}
    assert len(told["history"]["validation"]) == 5
    assert told["history"]["validation"][-1] < told["history"]["validation"][0]
    assert (
        run(Experiment("waves", "mlp", seed=1, epochs=5, weights=500), sets, tmp_path / "one")["test"] != told["test"]
    )
    monkeypatch.setattr(experiment, "_run", None)  # what is kept is not trained again
    assert run(small, sets, tmp_path / "one") == told
