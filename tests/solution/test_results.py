"""Result folders: content, what OpenSim makes of it, overwriting, and that half a folder is never seen."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import osimopt
from osimopt import InputError, RedundancyProblem, RedundancySolution, SolverError, solve_static
from osimopt.adapters.table import UNITS
from osimopt.dynamic.solution import DynamicSolution, SealedSolution
from osimopt.files.storage import read_table
from osimopt.solution import contents
from osimopt.solution import folder as results
from osimopt.solution.findings import Finding
from osimopt.solution.folder import read_summary, write_arrays, write_muscle_table, write_result

FILES = {
    "activation.sto",
    "muscle_force.sto",
    "reserve_force.sto",
    "generalized_force.sto",
    "status.csv",
    "solution.json",
}
#: Numbers are printed with at least 16 digits.
PRINTED = 1e-15

READ_WITH_OPENSIM = """
import json
import sys
import numpy as np
import opensim as osim
osim.Logger.setLevelString("off")
osim.Logger.removeFileSink()
found = {}
for path in sys.argv[1:]:
    table = osim.TimeSeriesTable(path)
    storage = osim.Storage(path)
    found[path] = {
        "time": list(table.getIndependentColumn()),
        "labels": list(table.getColumnLabels()),
        "values": table.getMatrix().to_numpy().tolist(),
        "in_degrees": storage.isInDegrees(),
        "storage": [storage.getSize(), storage.getColumnLabels().getSize()],
    }
print(json.dumps(found))
"""


def read_with_opensim(*paths: Path) -> list[dict[str, Any]]:
    """What OpenSim's TimeSeriesTable and Storage find in files."""
    command = [sys.executable, "-c", READ_WITH_OPENSIM, *map(str, paths)]
    environment = {**os.environ, "LD_LIBRARY_PATH": ""}
    done = subprocess.run(
        command, cwd=paths[0].parent, env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout).values())


FOUR = (5.0, 900.0, 10.0, -900.0)  # N·m


def solve(reserves: float | None = None, moments: tuple[float, ...] = FOUR) -> RedundancySolution:
    """Three elbow flexors; 900 N·m is out of their reach."""
    problem = RedundancyProblem.from_arrays(
        [0.05, 0.04, 0.03],
        [1000.0, 500.0, 800.0],
        np.array(moments)[:, None],
        time=0.5 + 0.01 * np.arange(len(moments)),
        muscles=["BRA", "BIClong", "BICshort"],
        coordinates=["elbow"],
    )
    if reserves is not None:
        problem = problem.with_reserves(reserves, bounds=(-1.0, 1.0))
    return solve_static(problem, on_failure="return")


@pytest.fixture(scope="module")
def solution() -> RedundancySolution:
    """Frames 1 and 3 have failed."""
    found = solve(reserves=0.5)
    assert [status.ok for status in found.status] == [True, False, True, False]
    return found


@pytest.fixture(scope="module")
def arm_problem(arm) -> RedundancyProblem:
    return osimopt.load_problem(arm.model, arm.motion, time_range=(0.0, 0.05), lowpass_hz=6.0)


# ----------------------------------------------------------------------------------------------- content


def test_folder_holds_the_solution(solution, tmp_path: Path) -> None:
    folder = solution.write(tmp_path / "result")
    assert folder == tmp_path / "result"
    assert {path.name for path in folder.iterdir()} == FILES
    for quantity in ("activation", "muscle_force", "reserve_force"):
        expected = solution.to_dataframe(quantity)
        table = read_table(folder / f"{quantity}.sto")
        pd.testing.assert_frame_equal(table, expected, rtol=PRINTED, atol=0.0, check_flags=False)
        assert not table.attrs["in_degrees"]


@pytest.mark.parametrize("reserves", [0.5, None], ids=["with reserves", "without"])
@pytest.mark.parametrize("moments", [(5.0, 10.0), (5.0, 900.0, 10.0)], ids=["solved", "one failed"])
@pytest.mark.slow
def test_opensim_opens_every_sto(tmp_path: Path, reserves: float | None, moments: tuple[float, ...]) -> None:
    """Its TimeSeriesTable gives back every number and NaN.

    Its older Storage ends, without a word, at the first row with NaN: so its size is compared where every frame
    was solved.
    """
    solution = solve(reserves, moments)
    folder = solution.write(tmp_path / "result")
    quantities = ("activation", "muscle_force", "reserve_force")
    found = read_with_opensim(*(folder / f"{quantity}.sto" for quantity in quantities))
    for quantity, theirs in zip(quantities, found, strict=True):
        ours = solution.to_dataframe(quantity)
        assert theirs["labels"] == list(ours.columns)
        assert theirs["time"] == pytest.approx(solution.time.tolist())
        assert theirs["in_degrees"] is False
        values = np.reshape(theirs["values"], ours.shape)
        assert values == pytest.approx(ours.to_numpy(), rel=1e-12, nan_ok=True)
        if solution.success:
            assert theirs["storage"] == [len(ours), ours.shape[1] + 1]


def test_status_has_a_row_per_frame(solution, tmp_path: Path) -> None:
    table = pd.read_csv(solution.write(tmp_path / "result") / "status.csv")
    assert table["time"].tolist() == pytest.approx(solution.time.tolist())
    assert table["status"].tolist() == [status.name.lower() for status in solution.status]
    assert table["objective"].notna().tolist() == solution.solved.tolist()
    assert table["moment_residual"][solution.solved].max() < 1e-6
    assert table["moment_residual"][~solution.solved].isna().all()
    terms = [column for column in table if column.startswith("objective_")]
    total = table[terms].sum(axis=1).to_numpy()
    assert total[solution.solved] == pytest.approx(solution.objective[solution.solved])
    assert "elbow" in table["detail"][1]
    assert {"unique", "iterations", "worst_coordinate"} <= set(table.columns)


def test_summary_is_strict_json_and_counts(solution, tmp_path: Path) -> None:
    folder = solution.write(tmp_path / "result")

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    summary = json.loads((folder / "solution.json").read_text(encoding="utf-8"), parse_constant=refuse)
    assert summary == read_summary(folder)
    assert summary["frames"] == 4
    assert sum(summary["status"].values()) == 4
    assert summary["status"]["solved"] == 2
    assert summary["moment_residual_max"] < 1e-6
    assert set(summary["peak_force_N"]) == {"BRA", "BIClong", "BICshort"}
    assert summary["cost"]["exponent"] == 2.0
    assert summary["findings"] == solution.findings()


def test_summary_can_be_traced_to_its_inputs(arm, arm_problem, tmp_path: Path) -> None:
    summary = read_summary(solve_static(arm_problem).write(tmp_path / "result"))
    for name, path in (("model", arm.model), ("motion", arm.motion)):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        assert summary["inputs"][name] == {"file": path.name, "sha256": digest}
    assert {"osimopt", "opensim", "numpy", "scipy", "python"} <= set(summary["versions"])
    assert summary["versions"]["osimopt"] == osimopt.__version__
    options = summary["options"]
    assert options["lowpass_hz"] == 6.0
    assert options["time_range"] == [0.0, 0.05]
    assert options["reserves"] == "auto"
    assert summary["reserves_added"] == {"reserve_r_shoulder_elev": 1.0, "reserve_r_elbow_flex": 1.0}
    assert summary["solver"]["used"] == "newton"
    assert summary["solve_seconds"] >= 0.0
    assert str(arm.model.parent) not in json.dumps(summary)  # paths of a private disk are nobody's business


def test_nothing_solved_is_written_too(tmp_path: Path) -> None:
    solution = solve(moments=(900.0, 901.0))
    assert not solution.solved.any()
    folder = solution.write(tmp_path / "result")
    summary = read_summary(folder)
    assert summary["moment_residual_max"] is None
    assert summary["objective_mean"] is None
    assert summary["status"].get("solved", 0) == 0
    assert read_table(folder / "muscle_force.sto").isna().all(axis=None)


@pytest.mark.parametrize(
    "cost",
    ["activation_power", "sum_force", "sum_force_squared", "sum_stress_squared", "sum_moment_ratio_cubed", "min_max"],
)
def test_every_cost_can_be_written(tmp_path: Path, cost: str) -> None:
    solved = solve_static(solve(moments=(5.0, 10.0)).problem, cost)
    summary = read_summary(solved.write(tmp_path / "result"))
    assert summary["cost"]["name"] == cost


def test_an_open_time_range_can_be_written(arm, tmp_path: Path) -> None:
    """To the end of the file: infinity has no place in JSON, but it is a fair option."""
    problem = osimopt.load_problem(arm.model, arm.motion, time_range=(1.45, np.inf))
    folder = solve_static(problem).write(tmp_path / "result")
    assert read_summary(folder)["frames"] == 6
    write_arrays(problem, tmp_path / "arrays")


def test_read_summary_of_another_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"solution\.json"):
        read_summary(tmp_path)


# ---------------------------------------------------------------------------------------------- dynamic


class Suspicious:
    """A check that has something to say."""

    def entries(self) -> list[Finding]:
        return [Finding("note", values={"text": "Integration of BRA is off."})]


def dynamic(fibers: bool) -> DynamicSolution:
    """What dynamic optimization knows beside a static solution; the numbers are arbitrary."""
    static = solve(reserves=0.5, moments=(5.0, 10.0))
    known = {field.name: getattr(static, field.name) for field in fields(static)}
    lengths = 1.0 + 0.1 * static.activation
    more = {"normalized_fiber_length": lengths, "normalized_fiber_velocity": -0.1 * lengths} if fibers else {}
    return DynamicSolution(
        **known, excitation=0.5 * static.activation, integrals={"muscles": 2.0}, check=Suspicious(), **more
    )


@pytest.mark.parametrize("fibers", [False, True], ids=["from arrays", "from a model"])
def test_a_dynamic_solution_has_more_files(tmp_path: Path, fibers: bool) -> None:
    solution = dynamic(fibers)
    more = {"excitation", "normalized_fiber_length", "normalized_fiber_velocity"} if fibers else {"excitation"}
    assert set(solution.quantities) == {"activation", "muscle_force", "reserve_force", *more}
    folder = solution.write(tmp_path / "result")
    assert {path.name for path in folder.iterdir()} == FILES | {f"{name}.sto" for name in more}
    for quantity in more:
        table = read_table(folder / f"{quantity}.sto")
        assert table.to_numpy() == pytest.approx(getattr(solution, quantity), rel=PRINTED)
        assert list(table) == list(solution.problem.muscles)
    assert len(read_with_opensim(*folder.glob("*.sto"))) == 4 + len(more)
    write_result(solve(moments=(5.0,)), folder, overwrite=True)
    assert {path.name for path in folder.iterdir()} == FILES


def test_findings_of_a_solution_itself_are_written_once(tmp_path: Path) -> None:
    solution = dynamic(fibers=False)
    summary = read_summary(solution.write(tmp_path / "result"))
    assert summary["findings"] == solution.findings()
    assert summary["findings"].count("Integration of BRA is off.") == 1
    later = replace(solution, problem=replace(solution.problem, time=solution.time + 1.0))
    results.write_pieces([solution, later], 2 * len(solution.time), tmp_path / "twice")
    assert read_summary(tmp_path / "twice")["findings"].count("Integration of BRA is off.") == 1


def test_a_sealed_solution_is_not_written(tmp_path: Path) -> None:
    sealed = SealedSolution(dynamic(fibers=True), "Stopped by the user after 3 iterations.")
    for write in (lambda folder: sealed.write(folder), lambda folder: write_result(sealed, folder)):
        with pytest.raises(SolverError, match="Stopped by the user"):
            write(tmp_path / "result")
    assert not any(tmp_path.iterdir())


# ------------------------------------------------------------------------------------------- overwriting


def test_parents_are_made_and_an_empty_folder_is_filled(solution, tmp_path: Path) -> None:
    target = tmp_path / "a" / "b"
    target.mkdir(parents=True)
    assert {path.name for path in solution.write(target).iterdir()} == FILES
    assert {path.name for path in solution.write(tmp_path / "c" / "d" / "e").iterdir()} == FILES


def test_relative_folders_are_below_here(solution, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert solution.write("result") == tmp_path / "result"


def test_an_earlier_result_is_kept_unless_asked(solution, tmp_path: Path) -> None:
    folder = solution.write(tmp_path / "result")
    (folder / "solution.png").touch()
    with pytest.raises(InputError, match=r"new or empty folder.*overwrite"):
        write_result(solution, folder)
    assert (folder / "solution.png").exists()
    write_result(solve(moments=(5.0,)), folder, overwrite=True)
    assert {path.name for path in folder.iterdir()} == FILES
    assert read_summary(folder)["frames"] == 1
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_is_not_ours_is_never_overwritten(solution, tmp_path: Path, overwrite: bool) -> None:
    folder = tmp_path / "thesis"
    folder.mkdir()
    (folder / "chapter1.tex").write_text("years of work")
    with pytest.raises(InputError, match="thesis"):
        write_result(solution, folder, overwrite=overwrite)
    with pytest.raises(InputError, match=r"chapter1\.tex"):
        write_result(solution, folder / "chapter1.tex", overwrite=overwrite)
    assert (folder / "chapter1.tex").read_text() == "years of work"
    assert list(tmp_path.iterdir()) == [folder]


def test_own_files_in_a_result_folder_are_never_overwritten(solution, tmp_path: Path) -> None:
    folder = solution.write(tmp_path / "result")
    for name in ("notes.txt", "plots", "moment_arm.sto"):
        mine = folder / name
        mine.mkdir() if name == "plots" else mine.write_text("mine")
        with pytest.raises(
            InputError, match=rf"result: expected nothing but results .*, got {name} that osimopt did not"
        ):
            write_result(solution, folder, overwrite=True)
        assert mine.exists()
        mine.rmdir() if name == "plots" else mine.unlink()
    (folder / ".DS_Store").touch()
    write_result(solution, folder, overwrite=True)


# ------------------------------------------------------------------------------------------------ crashes


def crash(*_: object, **__: object) -> None:
    raise OSError("disk full")


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_crash_while_filling_leaves_what_was_there(
    solution, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, overwrite: bool
) -> None:
    folder = tmp_path / "result"
    if overwrite:
        solution.write(folder)
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.setattr(results, "write_json", crash)
    with pytest.raises(OSError, match="disk full"):
        solution.write(folder, overwrite=overwrite)
    assert sorted(tmp_path.rglob("*")) == before


def test_ctrl_c_while_filling_leaves_nothing(solution, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(contents, "frame_table", stop)
    with pytest.raises(KeyboardInterrupt):
        solution.write(tmp_path / "result")
    assert not any(tmp_path.iterdir())


def test_a_crash_while_swapping_keeps_the_old_result(solution, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new folder cannot take its place: then the old one must be back in it."""
    folder = solution.write(tmp_path / "result")
    replace: Callable[..., Path] = Path.replace
    refused: list[Path] = []

    def refuse_new(self: Path, target: Path) -> Path:
        if target == folder and not refused:
            refused.append(self)
            raise OSError("disk full")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", refuse_new)
    with pytest.raises(OSError, match="disk full"):
        solve(moments=(5.0,)).write(folder, overwrite=True)
    assert folder.is_dir(), "the old result is gone"
    assert read_summary(folder)["frames"] == 4
    assert list(tmp_path.iterdir()) == [folder]


def test_an_old_result_that_cannot_be_put_back_is_kept(
    solution, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = solution.write(tmp_path / "result")
    replace: Callable[..., Path] = Path.replace

    def refuse(self: Path, target: Path) -> Path:
        if target == folder:
            raise OSError("disk gone")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(InputError, match=r"disk gone\. The earlier results now lie in ") as refused:
        solve(moments=(5.0,)).write(folder, overwrite=True)
    (old,) = tmp_path.glob(".result.*/old")
    assert str(old) in str(refused.value)
    assert read_summary(old)["frames"] == 4


# ------------------------------------------------------------------------------------------ other folders


def test_arrays_of_a_model(arm_problem, tmp_path: Path) -> None:
    folder = write_arrays(arm_problem, tmp_path / "arrays")
    expected = {
        "max_force": arm_problem.max_force,
        "generalized_force": arm_problem.generalized_force,
        "muscle_tendon_length": arm_problem.geometry.length,
        "lengthening_speed": arm_problem.geometry.lengthening_speed,
        "coordinates": arm_problem.kinematics.value,
    }
    names = {*(f"{name}.sto" for name in expected), "moment_arm.sto", "arrays.json"}
    assert {path.name for path in folder.iterdir()} == names
    for name, values in expected.items():
        table = read_table(folder / f"{name}.sto")
        assert table.to_numpy() == pytest.approx(values, rel=PRINTED)
        assert table.index.to_numpy() == pytest.approx(arm_problem.time)
    arms = read_table(folder / "moment_arm.sto")
    for label in arms:
        muscle, coordinate = label.split("/")
        row, column = arm_problem.coordinates.index(coordinate), arm_problem.muscles.index(muscle)
        assert arms[label].to_numpy() == pytest.approx(arm_problem.moment_arm[:, row, column], rel=PRINTED)
    summary = json.loads((folder / "arrays.json").read_text())
    assert summary["frames"] == 6
    assert summary["inputs"]["model"]["file"] == "arm26.osim"
    assert len(read_with_opensim(*folder.glob("*.sto"))) == 6


def test_arrays_without_a_model_have_no_lengths(solution, tmp_path: Path) -> None:
    folder = write_arrays(solution.problem, tmp_path / "arrays")
    assert {path.name for path in folder.iterdir()} == {
        "moment_arm.sto",
        "max_force.sto",
        "generalized_force.sto",
        "arrays.json",
    }


def test_arrays_follow_the_same_rules_of_overwriting(solution, tmp_path: Path) -> None:
    folder = write_arrays(solution.problem, tmp_path / "arrays")
    with pytest.raises(InputError, match="overwrite"):
        write_arrays(solution.problem, folder)
    write_arrays(solution.problem.frames(slice(0, 1)), folder, overwrite=True)
    assert json.loads((folder / "arrays.json").read_text())["frames"] == 1


def test_muscle_table(arm, tmp_path: Path) -> None:
    table = osimopt.muscle_table(arm.model, "r_elbow_flex", values=[0.0, 45.0, 90.0])
    folder = write_muscle_table(table, tmp_path / "table")
    quantities = list(dict.fromkeys(table.columns.get_level_values("quantity")))
    assert {path.name for path in folder.iterdir()} == {*(f"{name}.mot" for name in quantities), "table.csv"}
    for quantity in quantities:
        written = read_table(folder / f"{quantity}.mot")
        assert written.attrs["in_degrees"]
        assert written.index.tolist() == [0.0, 1.0, 2.0]
        assert written["r_elbow_flex"].tolist() == [0.0, 45.0, 90.0]
        muscles = table.xs(quantity, axis=1, level="quantity")
        assert written[list(muscles)].to_numpy() == pytest.approx(muscles.to_numpy(), rel=PRINTED)
    again = pd.read_csv(folder / "table.csv", header=[0, 1], index_col=0)
    assert again.to_numpy() == pytest.approx(table.to_numpy(), rel=PRINTED)
    (theirs,) = read_with_opensim(folder / "max_force.mot")
    assert theirs["labels"] == ["r_elbow_flex", *table.columns.get_level_values("muscle").unique()]
    assert theirs["in_degrees"] is True


def test_muscle_table_overwrites_its_own_when_asked(arm, tmp_path: Path) -> None:
    table = osimopt.muscle_table(arm.model, "r_elbow_flex", values=[90.0])
    folder = write_muscle_table(table, tmp_path / "table")
    with pytest.raises(InputError, match="new or empty folder"):
        write_muscle_table(table, folder)
    (folder / "table.png").touch()
    write_muscle_table(table, folder, overwrite=True)
    assert not (folder / "table.png").exists()
    assert len(list(folder.iterdir())) == len(UNITS) + 1
