"""``osimopt calibrate``: a folder for each subject; trials held out judge; errors are rows or messages."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import Done

import osimopt
from osimopt.datasets import arm26

Call = Callable[..., Done]
STUDY = """
name = "arms"
[defaults]
time_range = [0.2, 0.8]
emg = "emg_{{trial}}.csv"
[[subjects]]
name = "A"
model = "{model}"
motions = ["one.mot", "two.mot"]
[emg]
mapping = "map.toml"
[calibration]
parameters = ["gain", "max_isometric_force"]
judge = ["two"]
starts = 1
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of two trials of the arm that comes with osimopt."""
    place, arm = tmp_path_factory.mktemp("calibrate"), arm26()
    problem = osimopt.load_problem(arm.model, arm.motion, time_range=(0.1, 0.9))
    level = osimopt.solve_static(problem, exponent=3).activation
    for name, gain in (("one", 1.0), ("two", 0.8)):
        (place / f"{name}.mot").write_bytes(Path(arm.motion).read_bytes())
        table = pd.DataFrame(gain * level, columns=list(problem.muscles))
        table.insert(0, "time", problem.time)
        table.to_csv(place / f"emg_{name}.csv", index=False)
    mapping = "\n".join(f'{name} = ["{name}"]' for name in problem.muscles)
    (place / "map.toml").write_text(f"[channels]\n{mapping}\n")
    (place / "study.toml").write_text(STUDY.format(model=arm.model))
    return place


def test_a_study(folder: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    done = call("calibrate", "study.toml")
    assert done.code == 0, done.err
    assert "held out" in done.out
    out = folder / "arms_calibration" / "A"
    written = json.loads((out / "calibration.json").read_text())
    assert written["trials"] == ["one"]
    assert {row["trial"] for row in written["tables"]["judged_moments"]} == {"two"}
    muscles = pd.read_csv(out / "muscles.csv", index_col=["muscle", "parameter"])
    new = osimopt.load_problem(out / "calibrated.osim", folder / "one.mot", time_range=(0.2, 0.3)).parameters
    expected = [muscles.loc[(name, "max_isometric_force"), "calibrated"] for name in new.names]
    np.testing.assert_allclose(new.max_isometric_force, expected, rtol=1e-12)
    page = (out / "report.html").read_text()
    assert page.count("<svg") == 3
    assert "On trials that were held out" in page
    before = (out / "calibration.json").stat().st_mtime_ns
    assert call("calibrate", "study.toml", "--resume").code == 0
    assert (out / "calibration.json").stat().st_mtime_ns == before
    assert "overwrite" in call("calibrate", "study.toml").err


def test_one_subject_that_fails_keeps_no_other(folder: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    text = (folder / "study.toml").read_text()
    more = text.replace("[[subjects]]", f'[[subjects]]\nname = "B"\nmodel = "{arm26().model}"\nmotions = "one.mot"\n'
                        "[subjects.trials.one]\nemg_shift = 9.0\n[[subjects]]", 1)  # fmt: skip
    (folder / "two.toml").write_text(more)
    done = call("calibrate", "two.toml", "--out", "both")
    assert done.code == 1
    assert "B: expected EMG of one from 0.2 to 0.8 s, got 9.1 to 9.9 s" in done.err
    assert (folder / "both" / "A" / "report.html").is_file()
    assert not (folder / "both" / "B").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "expected a study file"),
        (("none.toml",), "no such file"),
        (("study.toml", "--judge", "three"), "judge = 'three', got one, two"),
        (("study.toml", "--judge", "*"), "trials with EMG that calibrate A, got 2 with EMG, all of them judges"),
        (("study.toml", "--subject", "C"), "C"),
    ],
)
def test_wrong_words(folder: Path, call: Call, monkeypatch: pytest.MonkeyPatch, words: Any, message: str) -> None:
    monkeypatch.chdir(folder)
    done = call("calibrate", *words)
    assert done.code == 2
    assert message in done.err
    assert "Traceback" not in done.err


def test_help(call: Call) -> None:
    done = call("calibrate", "--help")
    assert done.code == 0
    assert "--judge" in done.out
