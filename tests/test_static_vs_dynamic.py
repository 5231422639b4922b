"""Static against dynamic: the numbers of a comparison, its sentences and figures, and that both solve one problem."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import osimopt
from osimopt import DynamicSolution, RedundancyProblem, SolverError, Status
from osimopt.report import comparison as figures
from osimopt.report import style
from osimopt.studies import static_vs_dynamic
from osimopt.studies.static_vs_dynamic import Comparison, compare_static_dynamic

SCRIPT = Path(__file__).resolve().parent.parent / "scripts" / "static_vs_dynamic.py"
#: The trapezoidal rule over 400 uneven steps of a sine is off by 1e-5.
TRAPEZOID = 1e-4
PHASE = np.pi / 3


def compared(static: np.ndarray, dynamic: np.ndarray, names: list[str] | None = None, **options: Any) -> Comparison:
    """Two sets of activations (N, M) of muscles of 100 N, over one second in uneven steps."""
    frames, muscles = static.shape
    problem = RedundancyProblem.from_arrays(
        np.full((1, muscles), 0.02), [100.0] * muscles, np.full((frames, 1), 1.0), time=uneven(frames), muscles=names
    )
    solved = osimopt.solve_static(problem)
    solved.provenance["solver"]["tendon"] = "rigid"
    still = replace(solved, activation=static)
    known = {field.name: getattr(solved, field.name) for field in fields(solved)} | {"activation": dynamic}
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
    assert ("true here for every muscle" in said) is agrees
    assert ("soleus (r 0.88, 16 %)" in said) is not agrees


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
    assert "10 of 401 times have no static answer and are left out." in left.answer()
    assert len(found.answer()) == 3


def test_what_dynamic_costs() -> None:
    found = compared(wave(0.0)[:, None], wave(0.0)[:, None])
    assert found.ratios() == {"solve": pytest.approx(20.0), "whole": pytest.approx(14.0 / 4.5)}
    assert "took 10 s, 20 times the static one's 0.5 s; with reading (4 s), 3.1 times." in found.answer()[2]


def test_a_term_of_the_objective_that_only_one_has_is_said() -> None:
    integrals = {"muscles": 3.0, "derivative_penalty": 1.0}
    found = compared(wave(0.0)[:, None], wave(0.0)[:, None], integrals=integrals)
    assert any("derivative penalty" in line and "25 %" in line for line in found.answer())


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
    assert not found.remarks


def test_static_without_equilibrium_has_rigid_tendons(
    problem: RedundancyProblem, monkeypatch: pytest.MonkeyPatch
) -> None:
    def solve(given: Any, *, tendon: str, exponent: float, on_failure: str) -> Any:
        if tendon == "compliant":
            raise SolverError("BRA has no fibre-tendon equilibrium.")
        return osimopt.solve_static(given, tendon=tendon, exponent=exponent, on_failure=on_failure)

    monkeypatch.setattr(static_vs_dynamic, "solve_static", solve)
    coarse = {"mesh_interval": 0.1}
    found = compare_static_dynamic(problem, dynamic=coarse)
    assert found.static.provenance["solver"]["tendon"] == "rigid"
    assert found.answer()[0].startswith("Static (rigid tendons) and dynamic optimization (compliant tendons)")
    assert "Static optimization has rigid tendons here: BRA has no" in found.answer()[3]
    with pytest.raises(SolverError, match="BRA"):
        compare_static_dynamic(problem, static_tendon="compliant", dynamic=coarse)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_walking_on_rigid_tendons_is_practically_the_same(real_data: Path) -> None:
    """80 muscles: activation dynamics alone change little, the ends of the interval apart."""
    folder = real_data / "walk_80muscles"
    if not folder.is_dir():
        pytest.skip("needs walk_80muscles in OSIMOPT_DATA")
    problem = osimopt.load_problem(
        folder / "subject_walk_scaled.osim", folder / "coordinates.sto", folder / "grf_walk.xml",
        time_range=(0.48, 1.61), weld=("mtp_r", "mtp_l"),
        geometry=folder / "subject_walk_scaled_FunctionBasedPathSet.xml",
    )  # fmt: skip
    muscles = {"ignore_passive_fiber_force": True, "active_force_width_scale": 1.5}
    table = compare_static_dynamic(problem, "rigid", muscles=muscles).table()
    assert len(table) == 80
    assert table["agrees"].sum() >= 75
    assert table.loc[["soleus_r", "soleus_l", "gasmed_r", "vaslat_l"], "correlation"].min() > 0.99


# ------------------------------------------------------------------------------------------------ figures


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The figures that are saved, in order."""
    kept: list[Any] = []
    save = style.save
    monkeypatch.setattr(style, "save", lambda figure, path: kept.append(figure) or save(figure, path))
    return kept


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


def test_the_script_runs_without_arguments(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, SCRIPT], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "The practical equivalence that Anderson and Pandy (2001) found for gait" in done.stdout
    folder = tmp_path / "static_vs_dynamic"
    assert {path.name for path in folder.iterdir()} == {"muscles.csv", "forces.png", "activations.png"}
    table = pd.read_csv(folder / "muscles.csv", index_col="muscle")
    assert len(table) == 6
    assert {"correlation", "rms_N", "rms_percent", "agrees"} <= set(table)
