"""Static against dynamic: the numbers of a comparison, its sentences and figures, and that both solve one problem."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT

import osimopt
from osimopt import DynamicSolution, InputError, RedundancyProblem, SolverError, Status
from osimopt.analysis import static_vs_dynamic
from osimopt.analysis.static_vs_dynamic import Comparison, agreement, compare_static_dynamic
from osimopt.report import panels as figures
from osimopt.solution.checks import PENALTY_SHARE

SCRIPT = ROOT / "scripts" / "static_vs_dynamic.py"
#: The trapezoidal rule over 400 uneven steps of a sine is off by 1e-5.
TRAPEZOID = 1e-4
PHASE = np.pi / 3
WRITTEN = {"comparison.json", "muscles.csv", "forces.png", "activations.png"}


def compared(static: np.ndarray, dynamic: np.ndarray, names: list[str] | None = None, **options: Any) -> Comparison:
    """Two sets of activations (N, M) of muscles of 100 N, over one second in uneven steps."""
    frames, muscles = static.shape
    problem = RedundancyProblem.from_arrays(
        np.full((1, muscles), 0.02), [100.0] * muscles, np.full((frames, 1), 1.0), time=uneven(frames), muscles=names
    )
    solved = osimopt.solve_static(problem)
    still = replace(solved, activation=static)
    known = {field.name: getattr(solved, field.name) for field in fields(solved)} | {"activation": dynamic}
    known["provenance"] = dict(solved.provenance)
    moving = DynamicSolution(**known, excitation=dynamic, **{"integrals": {"muscles": 1.0}, **options})
    return Comparison(still, moving, {"read": 4.0, "static": 0.5, "dynamic": 10.0})


def uneven(frames: int = 401) -> np.ndarray:
    even = np.linspace(0.0, 1.0, frames)
    return even + 0.05 * np.sin(2.0 * np.pi * even)


def wave(phase: float) -> np.ndarray:
    return 0.5 + 0.4 * np.sin(2.0 * np.pi * uneven() + phase)


# ----------------------------------------------------------------------------------------------- numbers


def test_a_shifted_sine_has_known_numbers() -> None:
    """R is cos φ, the RMS of the difference 0.4 √(1 − cos φ), whatever the steps."""
    table = compared(wave(0.0)[:, None], wave(PHASE)[:, None], ["soleus"]).table()
    row = table.loc["soleus"]
    assert row["correlation"] == pytest.approx(np.cos(PHASE), abs=TRAPEZOID)
    assert row["rms_N"] == pytest.approx(40.0 * np.sqrt(1.0 - np.cos(PHASE)), rel=TRAPEZOID)
    assert row["rms_percent"] == pytest.approx(100.0 * row["rms_N"] / 90.0, rel=TRAPEZOID)
    assert row["activation_correlation"] == pytest.approx(row["correlation"])
    assert row["activation_rms"] == pytest.approx(row["rms_N"] / 100.0)
    assert not row["agrees"]


def test_the_strongest_comes_first_and_all_impulses_are_whole() -> None:
    activation = np.stack([0.1 * wave(0.0), wave(0.0), 0.5 * wave(0.0)], axis=1)
    table = compared(activation, activation, ["weak", "strong", "middle"]).table()
    assert list(table.index) == ["strong", "middle", "weak"]
    assert table["impulse_percent"].sum() == pytest.approx(100.0)
    assert table.loc["strong", "impulse_percent"] == pytest.approx(100.0 / 1.6)


@pytest.mark.parametrize(("phase", "agrees"), [(0.0, True), (0.1, True), (0.5, False)])
def test_what_agrees(phase: float, agrees: bool) -> None:
    found = compared(wave(0.0)[:, None], wave(phase)[:, None], ["soleus"])
    assert bool(found.table()["agrees"].item()) is agrees
    said = found.answer()[1]
    assert ("Both are practically equivalent here" in said) is agrees
    assert ("They differ for soleus (r 0.88, 16 %)." in said) is not agrees


def test_the_answer_says_what_was_compared() -> None:
    """Rigid against compliant tendons is no verdict on dynamics alone."""
    found = compared(wave(0.0)[:, None], wave(0.0)[:, None])
    found.dynamic.provenance["inputs"] = {"model": {"file": "arm.osim"}, "motion": {"file": "curl.mot"}}
    sides = "static Σ a², rigid tendons; dynamic Σ a², rigid tendons"
    assert found.answer()[0].startswith(f"arm.osim; curl.mot; 0 to 1 s; {sides}: the forces of 1 of 1 muscles agree")
    assert not any("tendons differ" in line for line in found.answer())
    found.dynamic.provenance["solver"] = {"tendon": "compliant"}
    assert "rigid tendons; dynamic Σ a², compliant tendons: the forces" in found.answer()[0]
    assert "Their tendons differ too: differences are not due to dynamics alone." in found.answer()


def test_findings_say_whose_they_are() -> None:
    found = compared(np.full((401, 1), 1.0), wave(0.0)[:, None])
    told = replace(found.dynamic.problem, provenance={"warnings": ["heard once"]})
    one = replace(found, dynamic=replace(found.dynamic, problem=told))
    assert one.findings() == ["static: At their upper bound (frames): muscle_0 (401).", "dynamic: heard once"]
    both = replace(one, static=replace(found.static, problem=told))
    assert both.findings()[1:] == ["both: heard once"]


def test_a_constant_has_no_correlation_but_may_agree() -> None:
    constant = np.full((401, 1), 0.01)
    near = constant + 1e-6 * wave(0.0)[:, None]
    (row,) = compared(constant, near).table().itertuples()
    assert np.isnan(row.correlation)
    assert row.agrees
    (row,) = compared(constant, 5.0 * constant).table().itertuples()
    assert not row.agrees


def test_times_without_an_answer_are_left_out_and_said() -> None:
    found = compared(wave(0.0)[:, None], wave(PHASE)[:, None])
    gone = np.arange(401) < 10
    status, activation = found.static.status.copy(), found.static.activation.copy()
    status[gone], activation[gone] = Status.INFEASIBLE, np.nan
    left = replace(found, static=replace(found.static, status=status, activation=activation))
    row, whole = left.table().iloc[0], found.table().iloc[0]
    assert np.isfinite(row["rms_N"])
    assert row["rms_N"] != whole["rms_N"]
    assert "10 of 401 times have no static solution and are left out." in left.answer()
    assert len(found.answer()) == 3


def test_what_dynamic_costs() -> None:
    found = compared(wave(0.0)[:, None], wave(0.0)[:, None])
    assert found.ratios() == {"solve": pytest.approx(20.0), "whole": pytest.approx(14.0 / 4.5)}
    assert "took 10 s, 20 times the static one's 0.5 s; with reading (4 s), 3.1 times." in found.answer()[2]


def test_a_term_of_the_objective_that_only_one_has_is_said() -> None:
    integrals = {"muscles": 3.0, "derivative_penalty": 1.0}
    found = compared(wave(0.0)[:, None], wave(0.0)[:, None], integrals=integrals)
    (line,) = (line for line in found.answer() if "derivative penalty" in line)
    assert "is 25 % of the dynamic objective: differences are not due to dynamics alone." in line


# ------------------------------------------------------------------------------------------------ solving


@pytest.fixture(scope="module")
def problem(arm) -> RedundancyProblem:
    return osimopt.load_problem(arm.model, arm.motion, time_range=(0.2, 0.6))


@pytest.mark.parametrize("tendon", ["rigid", "compliant"])
def test_both_solve_the_same_problem(problem: RedundancyProblem, tendon: str) -> None:
    muscles = {"ignore_passive_fiber_force": True, "active_force_width_scale": 1.5}
    found = compare_static_dynamic(problem, tendon, muscles=muscles, dynamic={"mesh_interval": 0.04}, read_seconds=2.0)
    static, dynamic = found.static, found.dynamic
    assert static.success
    assert len(dynamic.mesh_edges) == 11
    assert found.seconds["read"] == 2.0
    assert static.time == pytest.approx(dynamic.time)
    assert static.problem.generalized_force == pytest.approx(dynamic.problem.generalized_force)
    for one in (static, dynamic):
        assert one.provenance["muscles"] == muscles
        assert one.provenance["solver"]["tendon"] == tendon
    if tendon == "rigid":
        assert static.problem.max_force == pytest.approx(dynamic.problem.max_force)
        assert static.problem.passive_force == pytest.approx(dynamic.problem.passive_force)
    assert found.table().loc["TRIlat", "correlation"] > 0.95
    assert found.dynamic.penalty_share < PENALTY_SHARE


def test_no_static_answer_at_all_is_an_error(problem: RedundancyProblem, monkeypatch: pytest.MonkeyPatch) -> None:
    """Single frames without one are left out, but of none nothing can be said."""

    def solve(given: Any, **options: Any) -> Any:
        return osimopt.solve_static(replace(given, generalized_force=1e6 + given.generalized_force), **options)

    monkeypatch.setattr(static_vs_dynamic, "solve_static", solve)
    arguments = {"mesh_interval": 0.1}
    bounded = replace(problem, reserves=replace(problem.reserves, lower=lowest(problem), upper=-lowest(problem)))
    with pytest.raises(SolverError, match="Static optimization: 9 of 9 frames infeasible") as caught:
        compare_static_dynamic(bounded, "rigid", dynamic=arguments)
    assert not caught.value.solution.solved.any()


def lowest(problem: RedundancyProblem) -> np.ndarray:
    return np.full(len(problem.reserves.names), -100.0)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(("tendon", "agree"), [("rigid", 78), ("compliant", 65)])
@pytest.mark.slow
def test_walking_is_practically_the_same(real_data: Path, tendon: str, agree: int) -> None:
    """80 muscles: activation and tendon dynamics change little (80 and 71 agree, with the stronger ones among them)."""
    folder = real_data / "walk_80muscles"
    if not folder.is_dir():
        pytest.skip("needs walk_80muscles in OSIMOPT_DATA")
    problem = osimopt.load_problem(
        folder / "subject_walk_scaled.osim", folder / "coordinates.sto", folder / "grf_walk.xml",
        time_range=(0.48, 1.61), weld=("mtp_r", "mtp_l"),
        geometry=folder / "subject_walk_scaled_FunctionBasedPathSet.xml",
    )  # fmt: skip
    muscles = {"ignore_passive_fiber_force": True, "active_force_width_scale": 1.5}
    table = compare_static_dynamic(problem, tendon, muscles=muscles).table()
    assert len(table) == 80
    assert table["agrees"].sum() >= agree
    assert table["agrees"].head(40).all()
    assert table.loc[["soleus_r", "soleus_l", "gasmed_r", "vaslat_l"], "correlation"].min() > 0.97


# ------------------------------------------------------------------------------------------------ figures


@pytest.mark.slow
def test_one_side_is_drawn_the_strongest_first(drawn: list[Any], tmp_path: Path) -> None:
    names = ["soleus_r", "soleus_l", "psoas_l", "trunk", "psoas_r"]
    activation = wave(0.0)[:, None] * np.array([0.2, 0.9, 0.8, 0.1, 0.3])
    found = compared(activation, 0.5 * activation, names)
    figures.draw_forces(found, tmp_path / "forces.png")
    axes = drawn[0].axes
    assert [panel.get_title("left") for panel in axes] == ["psoas_r", "soleus_r", "trunk"]
    dynamic, static = axes[0].lines
    assert (dynamic.get_label(), static.get_label()) == ("dynamic", "static")
    assert static.get_ydata().max() == pytest.approx(100.0 * activation[:, 4].max())
    assert dynamic.get_ydata().max() == pytest.approx(50.0 * activation[:, 4].max())
    assert axes[0].get_title("right") == f"r 1.00, {found.table().loc['psoas_r', 'rms_percent']:.0f} %"
    figures.draw_activations(found, tmp_path / "activations.png", ["trunk", "soleus_l"])
    assert [panel.get_title("left") for panel in drawn[1].axes] == ["trunk", "soleus_l"]
    assert len(drawn[1].axes[0].lines) == 3
    limits = [panel.get_ylim() for panel in drawn[1].axes]
    assert limits[0] == limits[1], "activations are on one scale"
    assert limits[0][0] < 0.0 < 0.9 * 0.9 < limits[0][1]


def test_a_folder_is_written_whole_and_overwritten_only_on_request(tmp_path: Path) -> None:
    found, folder = compared(wave(0.0)[:, None], wave(PHASE)[:, None], ["soleus"]), tmp_path / "out"
    figures.write_comparison(found, folder)
    assert {path.name for path in folder.iterdir()} == WRITTEN
    summary = json.loads((folder / "comparison.json").read_text(encoding="utf-8"))
    assert summary["answer"] == found.answer()
    assert summary["seconds"] == found.seconds
    assert summary["static"]["solver"]["tendon"] == "rigid"
    with pytest.raises(InputError, match="new or empty folder"):
        figures.write_comparison(found, folder)
    figures.write_comparison(found, folder, overwrite=True)
    (folder / "notes.txt").touch()
    with pytest.raises(InputError, match=r"got notes\.txt that osimopt did not write"):
        figures.write_comparison(found, folder, overwrite=True)
    assert (folder / "notes.txt").exists()


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_the_script_runs_without_arguments(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert done.returncode == 0, done.stderr
    assert "arm26.osim; arm26_elbow_flexion.mot; 0 to 1.5 s; static Σ a², compliant tendons; dynamic" in done.stdout
    folder = tmp_path / "static_vs_dynamic"
    assert {path.name for path in folder.iterdir()} == WRITTEN
    table = pd.read_csv(folder / "muscles.csv", index_col="muscle")
    assert len(table) == 6
    assert {"correlation", "rms_N", "rms_percent", "agrees"} <= set(table)
    again = run(tmp_path)
    assert again.returncode == 2
    assert again.stderr.startswith("error: ")
    assert "Choose another folder, or give overwrite=True (--overwrite)." in again.stderr


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("only.osim",), 2, "expected a model and its motion, got only only.osim"),
        (("no.osim", "no.mot"), 2, "no.mot: expected a .sto or .mot file, got no such file"),
        (("--reserves", "much"), 2, "expected a number in --reserves, got 'much'"),
        (("--reserves", "none", "--tendon", "rigid"), 1, "These moments are beyond the muscles"),
    ],
)
@pytest.mark.slow
def test_errors_of_the_script_are_one_line(tmp_path: Path, words: tuple[str, ...], code: int, says: str) -> None:
    done = run(tmp_path, *words)
    assert done.returncode == code
    assert done.stderr.startswith("error: ")
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
    assert not any(tmp_path.iterdir())


def test_one_frame_is_compared() -> None:
    """No duration to weight frames by: the forces of the frame itself count, without a division by 0."""
    forces = np.array([[100.0, 50.0]]), np.array([[100.0, 100.0]])
    table = agreement(("a", "b"), np.zeros(1), np.ones(1, dtype=bool), forces, forces)
    np.testing.assert_allclose(table.loc["b", ["rms_N", "rms_percent"]].to_numpy(dtype=float), [50.0, 50.0])
    np.testing.assert_allclose(table["impulse_percent"].sum(), 100.0)
    assert list(table["agrees"]) == [True, False]
    assert table["correlation"].isna().all()
