"""EMG that excitations follow in a study: the method's table, the trials' files, what the manifest has."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from osimopt import read_manifest, run_study
from osimopt.batch.study import read_study
from osimopt.files.storage import read_table, write_table

STUDY = """
[defaults]
time_range = [0.2, 0.4]
emg = "emg.sto"
[[subjects]]
name = "S"
model = "{model}"
motions = "{motion}"
[[methods]]
name = "effort"
method = "dynamic"
tendon = "rigid"
[[methods]]
name = "track"
method = "dynamic"
tendon = "rigid"
emg = {{ mode = "track", weight = 1000.0, scale = [0.3, 0.3] }}
[[methods]]
name = "bound"
method = "dynamic"
tendon = "rigid"
emg = {{ mode = "bound", width = 0.05, scale = [0.3, 0.3] }}
[emg]
mapping = "map.toml"
"""


@pytest.mark.slow
def test_trials_follow_their_emg(arm, tmp_path: Path) -> None:
    time = np.arange(0.0, 1.0, 0.01)
    measured = 0.5 + 0.3 * np.sin(8.0 * time)
    write_table(pd.DataFrame({"brachialis": measured}, index=pd.Index(time, name="time")), tmp_path / "emg.sto")
    (tmp_path / "map.toml").write_text('[channels]\nbrachialis = "BRA"\n')
    (tmp_path / "study.toml").write_text(STUDY.format(model=arm.model, motion=arm.motion))
    assert read_study(tmp_path / "study.toml").methods[2].model_dump()["emg"]["width"] == 0.05
    folder = run_study(tmp_path / "study.toml")
    manifest = read_manifest(folder)
    assert manifest["status"].tolist() == ["solved"] * 3, manifest["reason"].tolist()
    off = {}
    for method in ("effort", "track", "bound"):
        found = read_table(folder / "results" / "S" / Path(arm.motion).stem / method / "excitation.sto")["BRA"]
        followed = 0.3 * np.interp(found.index, time, measured / measured.max())
        off[method] = float(np.abs(found - followed).max())
    assert off["track"] < 0.02
    assert off["bound"] <= 0.05 + 1e-3
    assert off["effort"] > 0.1
