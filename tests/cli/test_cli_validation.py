"""``osimopt validate``, ``report`` and ``fetch``: what they write, print and refuse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_cli import files

import osimopt
from osimopt.files.storage import write_table

VALIDATION = {
    "ranking.csv", "offsets.csv", "agreement.csv", "by_stride.csv", "co_contraction.csv", "coverage.csv",
    "flags.csv", "report.html", "emg.json",
}  # fmt: skip
MAPPING = (
    '[channels]\nbiceps = ["BIClong", "BICshort"]\nbrachialis = "BRA"\ntriceps = ["TRIlong", "TRIlat", "TRImed"]\n'
)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def emg(arm) -> Path:
    """What the arm's muscles show by Σ a³, as a file, with the mapping beside it."""
    solution = osimopt.solve_static(osimopt.load_problem(arm.model, arm.motion), exponent=3)
    own = solution.to_dataframe()
    table = pd.DataFrame(
        {"biceps": own[["BIClong", "BICshort"]].mean(axis=1), "brachialis": own["BRA"],
         "triceps": own[["TRIlong", "TRIlat", "TRImed"]].mean(axis=1)}
    )  # fmt: skip
    Path("map.toml").write_text(MAPPING)
    return write_table(table, Path("emg.sto"))


@pytest.mark.slow
def test_validate(arm, call, emg: Path) -> None:
    done = call(
        "validate", arm.model, arm.motion, emg, "-m", "map.toml", "--mvc", "yes", "--costs",
        "activation_power:2, activation_power:3, min_max", "-o", "out",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert files(Path("out")) == VALIDATION
    ranking = pd.read_csv("out/ranking.csv", index_col="cost")
    assert set(ranking.index) == {"activation_power:2", "activation_power:3", "min_max"}
    agreement = pd.read_csv("out/agreement.csv", index_col=["cost", "channel"])
    assert agreement.loc["activation_power:3", "r"].min() > 0.85
    assert np.isfinite(agreement["rmse"]).all()
    assert "Costs by mean r" in done.out
    assert "Too few strides" in done.out
    text = Path("out/report.html").read_text()
    assert "Which cost agrees best with EMG" in text
    again = call("validate", arm.model, arm.motion, emg, "-m", "map.toml", "-o", "out")
    assert again.code == 2
    assert "--overwrite" in again.err
    done = call("validate", arm.model, arm.motion, emg, "-m", "arm26", "-o", "out", "--overwrite", "--costs", "min_max")
    assert done.code == 0, done.err
    assert "Which cost" not in Path("out/report.html").read_text()


@pytest.mark.slow
def test_report(arm, call, emg: Path) -> None:
    for power in (2, 3):
        assert call("solve", arm.model, arm.motion, "-p", power, "-o", f"p{power}").code == 0
    done = call("report", "p2", "p3", "--emg", emg, "-m", "map.toml")
    assert done.code == 0, done.err
    text = Path("osimopt_report.html").read_text()
    assert "p3 against p2" in text
    assert "Agreement with EMG" in text
    again = call("report", "p2")
    assert again.code == 2
    assert "--overwrite" in again.err
    assert call("report", "p2", "-o", "p2/report.html", "--title", "The arm").code == 0
    assert "<h1>The arm</h1>" in Path("p2/report.html").read_text()
    assert call("solve", arm.model, arm.motion, "-o", "p2", "--overwrite").code == 0, "a report is part of the results"


@pytest.mark.parametrize("how", ["numbers", "trial"])
@pytest.mark.slow
def test_amplitude_by_a_maximum(arm, call, emg: Path, how: str) -> None:
    trial = osimopt.read_table(emg) * 0.0 + 2.0
    write_table(trial, Path("mvc.sto"))
    done = call(
        "validate", arm.model, arm.motion, emg, "-m", "map.toml", "-o", "out", "--costs", "activation_power:3",
        "--mvc", "biceps=2,brachialis=2,triceps=2" if how == "numbers" else "mvc.sto",
    )  # fmt: skip
    assert done.code == 0, done.err
    agreement = pd.read_csv("out/agreement.csv", index_col="channel")
    assert agreement["rmse"].max() > 0.05, "amplitudes were halved"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("-m", "none.toml"), "no such file"),
        ((), "expected --mapping"),
        (("-m", "gait2392"), "channels that gait2392 has muscles for"),
        (("-m", "gait2932"), "Did you mean gait2392"),
        (("-m", "map.toml", "--costs", "activation_powr"), "a cost among"),
        (("-m", "map.toml", "--costs", "activation_power:x"), "after the colon"),
        (("-m", "map.toml", "--strides", "none.mot"), "no such file"),
        (("-m", "map.toml", "--strides-column", "vy"), "--strides with --strides-column"),
        (("-m", "map.toml", "--mvc", "biceps"), "no such file"),
        (("-m", "map.toml", "--mvc", "biceps=2"), "a maximum of each channel"),
    ],
)
def test_wrong_words(arm, call, emg: Path, words: tuple[str, ...], says: str) -> None:
    done = call("validate", arm.model, arm.motion, emg, *words, "-o", "out")
    assert done.code == 2
    assert says in " ".join(done.err.split())
    assert not Path("out").exists()


def test_report_refuses(call) -> None:
    done = call("report", "nowhere")
    assert done.code == 2
    assert "solution.json" in done.err
    assert "--emg with --mapping" in call("report", "nowhere", "-m", "arm26").err


def test_fetch(call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OSIMOPT_DATA", raising=False)
    listed = call("fetch")
    assert listed.code == 0
    assert "gait_9emg" in listed.out
    unknown = call("fetch", "walk")
    assert unknown.code == 2
    assert "walk_80muscles" in unknown.err


def test_fetch_from_a_mirror(call, real_data: Path) -> None:
    done = call("fetch", "arm26", "-o", "data", "--mirror", real_data)
    assert done.code == 0, done.err
    assert done.out.strip().endswith("data/arm26")
    assert (Path("data") / "arm26" / "arm26.osim").is_file()
