"""EMG from C3D files that ezc3d wrote; and that ezc3d lives beside opensim, whoever is imported first."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from osimopt import InputError, read_emg

ezc3d = pytest.importorskip("ezc3d", reason="needs ezc3d (pip install 'osimopt[emg]')")


def write(path: Path, labels: list[str], values: np.ndarray, rate: float = 1000.0) -> Path:
    """A C3D file with analog channels (T, C) and one marker at a tenth of the rate."""
    file = ezc3d.c3d()
    frames = len(values) // 10
    file["parameters"]["POINT"]["RATE"]["value"] = [rate / 10.0]
    file["parameters"]["POINT"]["LABELS"]["value"] = ["toe"]
    file["data"]["points"] = np.ones((4, 1, frames))
    file["parameters"]["ANALOG"]["RATE"]["value"] = [rate]
    file["parameters"]["ANALOG"]["LABELS"]["value"] = labels
    file["parameters"]["ANALOG"]["UNITS"]["value"] = ["V"] * len(labels)
    file["data"]["analogs"] = values.T[None]
    file.write(str(path))
    return path


@pytest.fixture
def signals() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((2000, 3))


def test_channels_that_look_like_emg(tmp_path: Path, signals: np.ndarray) -> None:
    emg = read_emg(write(tmp_path / "walk.c3d", ["Force.Fz1", "EMG soleus", "EMG ta"], signals))
    assert emg.channels == ("EMG soleus", "EMG ta")
    assert emg.rate == pytest.approx(1000.0)
    assert not emg.envelope
    assert emg.value == pytest.approx(signals[:, 1:], abs=1e-4)  # a C3D holds 4 bytes
    assert len(emg.source["sha256"]) == 64


def test_all_channels_where_none_does(tmp_path: Path, signals: np.ndarray) -> None:
    path = write(tmp_path / "walk.c3d", ["a", "b", "c"], signals)
    assert read_emg(path).channels == ("a", "b", "c")
    assert read_emg(path, channels=["c"]).value[:, 0] == pytest.approx(signals[:, 2], abs=1e-4)
    with pytest.raises(InputError, match="soleus"):
        read_emg(path, channels=["soleus"])


def test_no_c3d_inside(tmp_path: Path) -> None:
    (tmp_path / "walk.c3d").write_bytes(b"not a C3D file" * 100)
    with pytest.raises(InputError, match="a C3D file"):
        read_emg(tmp_path / "walk.c3d")


@pytest.mark.parametrize("first", ["opensim", "ezc3d"])
def test_beside_opensim(tmp_path: Path, signals: np.ndarray, first: str) -> None:
    """OpenSim carries an ezc3d of its own, statically."""
    path = write(tmp_path / "walk.c3d", ["EMG a", "EMG b", "EMG c"], signals)
    code = (
        f"import {first}, osimopt, opensim, sys; emg = osimopt.read_emg(sys.argv[1]); "
        "assert emg.value.shape == (2000, 3); opensim.Model().initSystem(); print('done')"
    )
    environment = {**os.environ, "LD_LIBRARY_PATH": ""}
    command = [sys.executable, "-c", code, str(path)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "done" in done.stdout


def test_more_than_255_channels(tmp_path: Path) -> None:
    """Labels and units are continued in LABELS2 and UNITS2."""
    labels = [f"Force.{number}" for number in range(250)] + [f"EMG m{number}" for number in range(25)]
    values = np.random.default_rng(0).standard_normal((500, 275))
    file = ezc3d.c3d()
    file["parameters"]["POINT"]["RATE"]["value"] = [100.0]
    file["parameters"]["POINT"]["LABELS"]["value"] = ["toe"]
    file["data"]["points"] = np.ones((4, 1, 50))
    analog = file["parameters"]["ANALOG"]
    analog["RATE"]["value"], analog["LABELS"]["value"] = [1000.0], labels[:255]
    analog["UNITS"]["value"], analog["SCALE"]["value"], analog["OFFSET"]["value"] = ["V"] * 255, [1.0] * 255, [0] * 255
    file.add_parameter("ANALOG", "LABELS2", labels[255:])
    file["data"]["analogs"] = values.T[None]
    file.write(str(tmp_path / "many.c3d"))
    emg = read_emg(tmp_path / "many.c3d")
    assert emg.channels == tuple(labels[250:])
    np.testing.assert_allclose(emg.value, values[:, 250:], atol=1e-4)


def test_a_cropped_recording_keeps_its_times(tmp_path: Path, signals: np.ndarray) -> None:
    path = write(tmp_path / "walk.c3d", ["EMG a", "EMG b", "EMG c"], signals)
    file = ezc3d.c3d(str(path))
    file["header"]["points"]["first_frame"] = 60  # of markers at 100 Hz, from 0
    file.write(str(path))
    assert read_emg(path).time[0] == pytest.approx(0.6)


def test_units_of_channels(tmp_path: Path, signals: np.ndarray) -> None:
    path = write(tmp_path / "walk.c3d", ["EMG a", "EMG b", "EMG c"], signals)
    assert read_emg(path).source["unit"] == "V"
    file = ezc3d.c3d(str(path))
    file["parameters"]["ANALOG"]["UNITS"]["value"] = ["V", "mV", "uV"]
    file.write(str(path))
    with pytest.warns(UserWarning, match="channels in several units, V, mV, uV: all are converted to V"):
        emg = read_emg(path)
    np.testing.assert_allclose(emg.value, signals * [1.0, 1e-3, 1e-6], atol=1e-4)
