"""The README's example runs as it stands, and says nothing that is not true."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

README = (Path(__file__).resolve().parent.parent / "README.md").read_text(encoding="utf-8")
DOCS = Path(__file__).resolve().parent.parent / "docs"


def test_python_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(blocks) == 5
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
    assert "no findings" in capsys.readouterr().out
    assert (tmp_path / "elbow_flexion" / "muscle_force.sto").is_file()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "table", "heading"),
    [
        ("joint_reactions.md", "joint_reactions.sto", "Joint contact forces"),
        ("metabolic_cost.md", "metabolic_rate.sto", "Metabolic rate"),
    ],
)
def test_examples_of_pages_run(
    page: str, table: str, heading: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL):
        exec(compile(block, page, "exec"), names)
    assert (tmp_path / "elbow" / table).is_file()
    assert heading in (tmp_path / "elbow.html").read_text(encoding="utf-8")


def run_blocks(page: str, names: dict[str, Any]) -> list[str]:
    """Run the Python blocks of a page one after the other, as a reader pastes them."""
    blocks: list[str] = re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)
    for block in blocks:
        exec(compile(block, page, "exec"), names)
    return blocks


def test_examples_of_synergies_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert len(run_blocks("synergies.md", {})) == 2
    assert "Activations follow 2 synergies of left" in capsys.readouterr().out


def test_examples_of_dynamic_optimization_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Effort with tracked EMG is more than without."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    assert len(run_blocks("dynamic.md", names)) == 2
    assert "'muscles'" in capsys.readouterr().out
    assert set(names["tracked"].emg_scale) == {"biceps", "brachialis"}
    assert names["tracked"].integrals["muscles"] > names["solution"].integrals["muscles"]
    assert set(names["agreement"].table.index) == {"biceps", "brachialis"}


def test_examples_of_calibration_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert len(run_blocks("calibration.md", {})) == 1
    assert "rmse_before" in capsys.readouterr().out
    assert (tmp_path / "calibrated" / "calibrated.osim").is_file()


def test_example_is_short() -> None:
    example = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert example is not None
    assert sum(bool(line.strip()) for line in example[1].splitlines()) <= 12


@pytest.mark.parametrize("command", ["info", "table", "extract", "solve", "run", "fit-geometry", "train"])
def test_commands_exist(command: str) -> None:
    from osimopt.cli import make_app

    assert f"osimopt {command}" in README
    names = {registered.callback.__name__ for registered in make_app().registered_commands if registered.callback}
    assert command.replace("-", "_") in names
