"""What a study amounts to: peaks and curves in long form, a page with failures first, EMG and strides by trial."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, run_script
from test_batch_run import ALL, study  # noqa: F401

import osimopt
from osimopt import Result, read_manifest, read_table, run_study
from osimopt.batch.journal import Verdict
from osimopt.files.storage import write_table
from osimopt.report.batch import POINTS, gather, long_table, write_study_report


@pytest.fixture
def done(study: Path) -> Path:  # noqa: F811
    return run_study(study)


@pytest.mark.slow
def test_peaks_and_curves(done: Path) -> None:
    peaks, ensembles = gather(done)
    assert set(peaks["job"]) == set(ALL)
    row = peaks[(peaks["job"] == "S1/t1/p3") & (peaks["muscle"] == "BIClong")].iloc[0]
    force = read_table(done / "results" / "S1" / "t1" / "p3" / "muscle_force.sto")["BIClong"]
    assert row["peak_force_N"] == pytest.approx(force.max())
    assert row["impulse_Ns"] == pytest.approx(np.trapezoid(force, force.index), rel=1e-6)
    (own,) = ensembles
    assert own.curves.shape == (6, POINTS, 6)
    long = long_table(ensembles)
    assert len(long) == 2 * 6 * POINTS
    assert (long["trials"] == 3).all()
    one = long.query("method == 'p2' and muscle == 'BRA' and percent == 100").iloc[0]
    ends = [read_table(done / "results" / "S1" / f"t{n}" / "p2" / "muscle_force.sto")["BRA"].iloc[-1] for n in range(3)]
    assert one["force_mean_N"] == pytest.approx(np.mean(ends))
    assert one["force_sd_N"] == pytest.approx(np.std(ends, ddof=1))


@pytest.mark.slow
def test_the_page(done: Path, call) -> None:
    answer = call("report", done)
    assert answer.code == 0, answer.err
    assert "In all: 6 solved, 2 wrong input." in answer.out
    text = (done / "report.html").read_text()
    assert (
        text.index("6 of 8 jobs solved")
        < text.index("Failures")
        < text.index("S1/broken/p2")
        < text.index("Muscle forces")
    )
    assert "<script" not in text
    assert pd.read_csv(done / "peaks.csv").shape == (36, 9)
    assert pd.read_parquet(done / "curves.parquet").shape[0] == 2 * 6 * POINTS
    assert "--overwrite" in call("report", done).err
    assert call("report", done, "--overwrite", "--title", "Arms").code == 0
    assert "--emg" in call("report", done, "--emg", "x.sto", "--overwrite").err
    assert write_study_report(done, done.parent / "page.html").is_file()


@pytest.mark.slow
def test_failed_checks_are_counted_wherever_a_study_is_summed_up(two_leg, tmp_path: Path, call) -> None:
    """Solved, but on residuals of a body weight: no green line, neither on the screen nor on the page."""
    (tmp_path / "study.toml").write_text(
        f'[[subjects]]\nname = "S"\nmodel = "{two_leg.model}"\nmotions = "{two_leg.motion}"\n'
        'time_range = [0.6, 0.62]\n[[methods]]\nname = "p2"\n[[methods]]\nname = "p3"\nexponent = 3\n[run]\njobs = 1\n'
    )
    done = call("batch", tmp_path / "study.toml", "--out", tmp_path / "study")
    assert done.code == 0, done.err
    table = read_manifest(tmp_path / "study")
    assert (table["residual_force_N"] > 100.0).all()
    assert table["checks_failed"].str.contains("residual force").all()
    told = str(Verdict.of(table))
    assert told.startswith("2 solved, 2 fail a check (residual force 2")
    assert f"In all: {told}." in done.out
    assert not Verdict.of(table).good
    assert f"In all: {told}." in call("report", tmp_path / "study").out
    page = (tmp_path / "study" / "report.html").read_text()
    assert told in page
    assert "Checks that fail" in page
    assert 'class="verdict bad"' in page


def test_a_good_study_is_good() -> None:
    table = pd.DataFrame({"status": ["solved", "solved"], "checks_failed": ["", ""]})
    assert (str(Verdict.of(table)), Verdict.of(table).good) == ("2 solved", True)
    assert not Verdict.of(table.assign(status=["solved", "partly"])).good
    one = Verdict.of(table.assign(checks_failed=["", "largest reserve"]))
    assert str(one) == "2 solved, 1 fails a check (largest reserve 1)"


@pytest.mark.slow
def test_emg_and_strides_of_each_trial(arm, tmp_path: Path) -> None:
    """EMG made of the arm's own activations, and a foot that touches down every 0.4 s."""
    solution = osimopt.solve_static(osimopt.load_problem(arm.model, arm.motion))
    own = solution.to_dataframe()
    write_table(own[["BIClong", "TRIlat"]].set_axis(["biceps", "triceps"], axis=1), tmp_path / "emg.sto")
    time = np.arange(301) / 200.0
    force = np.where((time - 0.05) % 0.4 < 0.25, 500.0, 0.0)
    write_table(pd.DataFrame({"ground_force_r_vy": force}, index=pd.Index(time, name="time")), tmp_path / "grf.mot")
    (tmp_path / "map.toml").write_text('[channels]\nbiceps = "BIClong"\ntriceps = "TRIlat"\n')
    (tmp_path / "study.toml").write_text(
        f'[[subjects]]\nname = "S"\nmodel = "{arm.model}"\nmotions = "{arm.motion}"\nemg = "emg.sto"\n'
        'strides = "grf.mot"\n[[methods]]\nname = "p2"\n[emg]\nmapping = "map.toml"\nside = "r"\namplitude = "mvc"\n'
    )
    folder = run_study(tmp_path / "study.toml")
    row = read_manifest(folder).iloc[0]
    assert row["status"] == "solved", row["reason"]
    assert row["emg_r_median"] > 0.8
    assert row["emg_r biceps"] > 0.8
    assert len(json.loads(row["strides"])) == 3
    _, (ensemble,) = gather(folder)
    result = Result.read(folder / "results" / "S" / Path(arm.motion).stem / "p2")
    assert ensemble.curves[0].max() <= result.muscle_force.max() + 1e-9


def test_a_trial_called_nan(tmp_path: Path) -> None:
    from osimopt.batch.journal import write_manifest

    write_manifest(tmp_path, [{"job": "s/nan/p", "trial": "nan", "status": "solved", "seconds": None}])
    table = read_manifest(tmp_path)
    assert table["trial"].tolist() == ["nan"]
    assert table["reason"].tolist() == [""]
    assert table["seconds"].isna().all()


@pytest.mark.slow
def test_the_script(study: Path) -> None:  # noqa: F811
    run_script(ROOT / "scripts" / "batch_process.py", study, cwd=study.parent)
    assert len(read_manifest(study.parent / "study_results")) == 8
