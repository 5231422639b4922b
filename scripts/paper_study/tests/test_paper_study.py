"""The whole study on its smallest budget: plan, resume, tables, page, and the script."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from conftest import ROOT

from osimopt.report.page import write_page
from paper_study import experiment, plan, tuning
from paper_study.experiment import Experiment
from paper_study.last_frame import NETWORKS as KNOWN
from paper_study.plan import FULL, HYBRID, MIDDLE, NETWORKS, QUICK, TINY, Plan, lowest
from paper_study.report import section, write_study
from paper_study.study import run_study
from paper_study.table import Table, number, over, told
from paper_study.tables import passes_to

from .test_paper_sets import recordings

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("paper_study.gan.STEPS", 20)
        patch.setattr("paper_study.measures.CALLS", 20)
        write_study(run_study(folder, recordings(tmp_path_factory.mktemp("data")), TINY), folder)
    return folder


class Page(HTMLParser):
    """Counts tags, and collects what a page would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.fetched += [
            str(value) for name, value in attrs if name in ("src", "href") and not str(value).startswith("#")
        ]


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_table_is_there_and_full(study: Path) -> None:
    tables = {path.stem: read(path) for path in study.glob("*.csv")}
    assert {f"table{number}" for number in (1, 2, 5, 6)} <= {name.split("_")[0] for name in tables}
    assert {"table3_4_optimizers", "constraints", "augmentation", "tuning", "imputation", "cost", "verdicts"} <= set(
        tables
    )
    who = {row["who"] for row in tables["table2_accuracy"]}
    assert {"the paper", "mean", "persistence", "linear extrapolation", "ridge", "mlp", HYBRID} <= who
    finished = next(row for row in tables["table2_accuracy"] if "finished" in row["who"])
    assert 0.0 <= float(finished["MSE (1e-3)"]) < 1e-15
    assert {row["optimizer"] for row in tables["table3_4_optimizers"]} == set(MIDDLE)
    unseen = {row["unseen"] for row in tables["table6_generalisation"]}
    assert unseen == {"trial", "task", "subject", "model", "leg"}
    assert {row["set"] for row in tables["table2_accuracy"]} == {"gait", "emg", "running", "simulation, tiny"}
    held = {row["bounds"]: float(row["largest violation of a bound"]) for row in tables["constraints"]}
    assert held["by construction"] <= 1e-6
    assert {row["added"] for row in tables["augmentation"]} == {"none", "gan", "physics"}
    assert {row["method"] for row in tables["tuning"]} >= set(tuning.METHODS)
    assert any("OpenSim" in row["what"] for row in tables["cost"])


def test_the_page_needs_nothing_else(study: Path) -> None:
    text = (study / "study.html").read_text(encoding="utf-8")
    page = Page()
    page.feed(text)
    assert set(page.fetched) <= {"data:,"}
    assert not re.search(r"@import|url\((?!#)", text)
    assert page.tags.count("table") == 12
    assert page.tags.count("svg") >= 6
    assert "script" not in page.tags
    told = json.loads((study / "study.json").read_text())
    assert told["budget"]["seeds"] == 1
    assert 0 < told["spent"]["trainings"] <= len(list((study / "results").glob("*.json")))


def test_it_goes_on_where_it_was(study: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in study.glob("*.csv")}
    for module, name in ((experiment, "_run"), (tuning, "tune")):
        monkeypatch.setattr(module, name, None)  # nothing is done twice
    run_study(study, recordings(tmp_path), TINY)
    assert {path.name: path.read_bytes() for path in study.glob("*.csv")} == before


def test_names_are_shown_as_text(tmp_path: Path) -> None:
    table = Table("it", "<b>", "a & b", [{"who": "<script>alert(1)</script>", "value": 1.0}])
    text = write_page(tmp_path / "page.html", "<u>", ["<i>"], [section(table, ["<svg></svg>"])]).read_text("utf-8")
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    assert "<svg></svg>" in text
    assert not re.search("<[iub]>", text)


@pytest.mark.parametrize("budget", [FULL, QUICK, TINY])
def test_tuning_is_the_same_for_all(budget: plan.Budget) -> None:
    made = Plan(budget, ("gait", budget.simulation))
    sweep = made.network_sweep()
    counts = {(one.dataset, one.network): 0 for one in sweep}
    for one in sweep:
        counts[one.dataset, one.network] += 1
    assert set(counts.values()) == {len(budget.rates)}
    by_optimizer = made.optimizer_sweep()
    assert {one.optimizer for one in by_optimizer} == set(MIDDLE)
    assert {one.network for one in by_optimizer} == {HYBRID}
    assert len(by_optimizer) == 2 * len(MIDDLE) * len(budget.steps)
    assert len({one.name for one in (*sweep, *by_optimizer)}) == len({*sweep, *by_optimizer})
    assert set(NETWORKS) == set(KNOWN)
    assert FULL.seeds == 5


def test_the_best_rate_is_by_validation() -> None:
    made = Plan(QUICK, ("gait",))
    sweep = [Experiment("gait", "mlp", learning_rate=rate) for rate in (1e-3, 3e-3, 1e-2)]
    losses = {sweep[0]: [3.0, 1.0, 2.0], sweep[1]: [0.9, 0.8], sweep[2]: [5.0, 4.0]}
    results = {one: {"history": {"validation": own}} for one, own in losses.items()}
    assert made.best(sweep, results) == [sweep[1]]
    assert lowest(results[sweep[0]]) == 1.0


def test_passes_to_a_threshold() -> None:
    history = {"history": {"gradients": [1.0, 2.0, 3.0], "validation": [0.5, 0.1, 0.2]}}
    assert passes_to(history, 0.1) == 2.0
    assert passes_to(history, 0.05) is None


def test_cells() -> None:
    assert told(over([{"x": value} for value in (1.0, 2.0, 3.0)], lambda row: row["x"], 10.0)) == "20 [11, 29]"
    assert [number(value) for value in (0.0, 12345.0, 0.25, 1e-9, float("nan"), 1e7)] == [
        "0", "12345", "0.25", "1.00e-09", "–", "1.00e+07",
    ]  # fmt: skip
    assert told(None) == "–"


def test_the_script(tmp_path: Path) -> None:
    script = ROOT / "scripts" / "surrogate_study.py"

    def call(*arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, str(script), *map(str, arguments)], capture_output=True, text=True)

    assert "--quick" in call("--help").stdout
    wrong = call(tmp_path, "--data", tmp_path / "nowhere")
    assert wrong.returncode == 2
    assert "nowhere, which is none" in wrong.stderr
    assert call().returncode == 2
