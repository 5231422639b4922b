"""The measured sets: what windows hold, that blocks do not touch, and the real recordings where there are any."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from osimopt import InputError
from osimopt.files.storage import write_table
from paper_study import datasets
from paper_study.baselines import baselines
from paper_study.datasets import available, make_sets
from paper_study.measured import AHEAD, FRAMES, STEP
from paper_study.measures import errors
from paper_study.scaling import Scaling
from paper_study.windows import Sets, Windows

pytestmark = pytest.mark.slow

JOINTS = ("hip_flexion", "hip_adduction", "hip_rotation", "knee_angle", "ankle_angle")


@pytest.fixture(scope="module")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recordings(tmp_path_factory.mktemp("data"))


def recordings(data: Path) -> Path:
    """Files of the public data's names: angles in degrees are waves, moments others, EMG partly below 0."""
    time = np.round(np.arange(0.0, 20.0, 0.01), 6)
    index = pd.Index(time, name="time")
    waves = {
        f"{joint}_{side}": 30.0 * np.sin(time * (2.0 + place)) for side in "rl" for place, joint in enumerate(JOINTS)
    }
    moments = {f"{name}_moment": 50.0 * np.cos(time) for name in waves}
    folder = data / "gait_9emg"
    folder.mkdir()
    write_table(pd.DataFrame(waves, index=index), folder / "ik.sto", in_degrees=True)
    write_table(pd.DataFrame(moments, index=index), folder / "id.sto")
    channels = {f"m{number}": 0.5 * np.sin(time + number) + 0.4 for number in range(9)}
    write_table(pd.DataFrame(channels, index=index), folder / "emgFilt.sto")
    return data


@pytest.mark.parametrize(("name", "signals", "targets"), [("gait", 6, 6), ("emg", 9, 9), ("running", 10, 10)])
def test_windows_are_what_was_recorded(made_up: Path, tmp_path: Path, name: str, signals: int, targets: int) -> None:
    sets = make_sets(name, tmp_path, made_up)
    for own in (sets.training, sets.validation, sets.test):
        assert own.inputs.shape[1:] == (FRAMES, signals)
        assert own.target.shape == (len(own), targets)
    ends = [{(w.start.min(), w.start.max() + FRAMES * STEP + AHEAD) for w in _trials(part)} for part in _parts(sets)]
    assert max(end for _, end in ends[0]) <= min(start for start, _ in ends[1]) + 0.011
    assert max(end for _, end in ends[1]) <= min(start for start, _ in ends[2]) + 0.011
    assert all("sha256" not in key for key in sets.training.provenance)
    assert all(len(digest) == 64 for digest in sets.training.provenance["files"].values())
    again = make_sets(name, tmp_path, None)  # kept
    assert np.array_equal(again.test.inputs, sets.test.inputs)
    assert again.test.provenance == sets.test.provenance
    assert set(again.unseen) == set(sets.unseen)


def test_gait_angles_speeds_and_what_is_asked(made_up: Path, tmp_path: Path) -> None:
    own = make_sets("gait", tmp_path, made_up).training
    last = own.start + (FRAMES - 1) * STEP
    hip = np.deg2rad(30.0) * np.sin(2.0 * last)
    column = own.signals.index("hip_flexion angle")
    assert own.inputs[:, -1, column] == pytest.approx(hip, abs=1e-6)
    speed = own.inputs[:, -1, own.signals.index("hip_flexion speed")]
    before = np.deg2rad(30.0) * np.sin(2.0 * (last - STEP))
    assert speed == pytest.approx((hip - before) / STEP, abs=1e-4)  # what is known by then, and no more
    assert own.load[:, 0] == pytest.approx(50.0 * np.cos(last + AHEAD), abs=1e-4)
    assert own.displacement[:, 0] == pytest.approx(np.deg2rad(30.0) * np.sin(2.0 * (last + AHEAD)), abs=1e-6)
    assert own.recent[:, 1, :1] == pytest.approx(50.0 * np.cos(last)[:, None], abs=1e-4)


def test_running_is_walking_played_faster(made_up: Path, tmp_path: Path) -> None:
    sets = make_sets("running", tmp_path, made_up)
    own, other = sets.test, sets.unseen["task"]
    for windows, rate in ((own, 1.6), (other, 2.0)):
        last = windows.start + (FRAMES - 1) * STEP
        assert windows.inputs[:, -1, 0] == pytest.approx(np.deg2rad(30.0) * np.sin(2.0 * rate * last), abs=1e-4)
    assert own.task[0] != other.task[0]


def test_emg_is_not_negative(made_up: Path, tmp_path: Path) -> None:
    own = make_sets("emg", tmp_path, made_up).training
    assert own.inputs.min() >= -1e-3  # a spline through what was clipped
    assert own.displacement.shape[1] == 0


def test_linear_extrapolation_knows_how_far_it_is(made_up: Path, tmp_path: Path) -> None:
    sets = make_sets("gait", tmp_path, made_up)
    scaling = Scaling.of(sets.training)
    made = baselines(sets.training, sets.validation, scaling.inputs, scaling.targets)
    wrong = {name: errors(made[name](sets.test), scaling.targets(sets.test))["mse"] for name in made}
    assert wrong["linear extrapolation"] < 0.3 * wrong["persistence"] < 0.3 * wrong["mean"]
    assert wrong["ridge"] < wrong["mean"]


def test_without_data(tmp_path: Path) -> None:
    assert available(None) == available(tmp_path) == ["simulation"]
    with pytest.raises(InputError, match="--data"):
        make_sets("gait", tmp_path)
    with pytest.raises(InputError, match="gait, emg, running, simulation"):
        make_sets("swimming", tmp_path)
    with pytest.raises(InputError, match=r"emgFilt\.sto"):
        make_sets("emg", tmp_path, tmp_path)


def test_a_simulated_set_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sets = make_sets("simulation, tiny", tmp_path)
    assert set(sets.unseen) == {"task", "subject", "model"}
    trials = [set(part.trial.tolist()) for part in (*_parts(sets), *sets.unseen.values())]
    assert sum(map(len, trials)) == len(set().union(*trials))
    monkeypatch.setattr(datasets, "simulated", None)
    again = make_sets("simulation, tiny", tmp_path)
    assert np.array_equal(again.training.load, sets.training.load)
    assert again.training.units == sets.training.units


def test_real_recordings(real_data: Path, tmp_path: Path) -> None:
    assert available(real_data) == ["gait", "emg", "running", "simulation"]
    for name, least in (("gait", 1000), ("emg", 800), ("running", 1200)):
        sets = make_sets(name, tmp_path, real_data)
        assert sum(len(part) for part in _parts(sets)) >= least  # the paper's numbers of samples
    gait = make_sets("gait", tmp_path)
    assert set(gait.unseen) == {"leg", "subject and model"}
    knee = gait.training.signals.index("knee_angle angle")
    for windows in (gait.training, *gait.unseen.values()):  # flexion has one sign in all
        assert windows.inputs[..., knee].min() < -0.8
        assert windows.inputs[..., knee].max() < 0.2


def _parts(sets: Sets) -> tuple[Windows, Windows, Windows]:
    return sets.training, sets.validation, sets.test


def _trials(windows: Windows) -> list[Windows]:
    return [windows.pick(windows.trial == trial) for trial in dict.fromkeys(windows.trial.tolist())]
