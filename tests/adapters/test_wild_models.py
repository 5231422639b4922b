"""Moments of models that gave wrong answers in the wild, against values found without osimopt."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import HERE, run_script

import osimopt

#: N·m; the right values are given to four digits.
DIGITS = 2e-3
#: N·m and m; the same leg below a welded pelvis, and below a free one that holds still.
TWIN = 1e-6


@pytest.fixture(scope="module")
def wild(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wild")
    run_script(HERE / "wild_models.py", folder, cwd=folder)
    return folder


def moment(problem: osimopt.RedundancyProblem, coordinate: str, time: float) -> float:
    frame = int(np.abs(problem.time - time).argmin())
    return float(problem.generalized_force[frame, problem.coordinates.index(coordinate)])


@pytest.mark.parametrize("name", ["plain", "scaled"])
def test_translations_in_a_multiplier(wild: Path, name: str) -> None:
    """−3.160 N·m by OpenSim's InverseDynamicsTool; as degrees, a pelvis at 0.95 m would be at 0.017 m: −97.5 N·m."""
    problem = osimopt.load_problem(
        wild / f"{name}.osim", wild / f"{name}.mot", wild / "loads.xml", time_range=(0.1, 0.5)
    )
    assert moment(problem, "knee_angle", 0.3) == pytest.approx(-3.1597, abs=DIGITS)
    assert [problem.unit(c) for c in ("pelvis_tilt", "pelvis_tx", "pelvis_ty")] == ["N·m", "N", "N"]
    added = dict(zip(problem.reserves.names, problem.reserves.optimal_force, strict=True))
    assert added["residual_pelvis_tx"] == 50.0
    assert added["residual_pelvis_tilt"] == 250.0


def test_a_translation_is_swept_in_m(wild: Path) -> None:
    table = osimopt.muscle_table(wild / "scaled.osim", "pelvis_ty", values=[0.9, 1.0])
    assert table.attrs["unit"] == "m"
    assert table.index.tolist() == [0.9, 1.0]


def test_coordinates_below_a_free_joint(wild: Path) -> None:
    """−8.8125 and 0.2818 N·m by OpenSim's InverseDynamicsTool of the welded pelvis; by the index of speeds −4.37."""
    problems = [
        osimopt.load_problem(wild / f"{name}.osim", wild / f"{name}.mot", time_range=(0.1, 0.4))
        for name in ("hinge", "floating")
    ]
    for problem in problems:
        assert moment(problem, "knee", 0.25) == pytest.approx(-8.8125, abs=DIGITS)
        assert moment(problem, "ankle", 0.25) == pytest.approx(0.2818, abs=DIGITS)
    hinge, floating = problems
    rows = [floating.coordinates.index(name) for name in hinge.coordinates]
    np.testing.assert_allclose(floating.moment_arm[:, rows], hinge.moment_arm, atol=TWIN)
    assert np.ptp(floating.moment_arm[:, rows[0], 0]) > 1e-3


@pytest.mark.parametrize(
    ("name", "right"),
    [("ball", (4.0843, 1.8295, 4.2388)), ("free", (4.0843, 1.8295, 4.2388)), ("ellipsoid", (4.0824, 1.8305, 4.2387))],
)
def test_joints_with_speeds_of_their_own(wild: Path, name: str, right: tuple[float, float, float]) -> None:
    """By u = N⁻¹ q̇ and Newton-Euler of a Gimbal twin; where rates are taken for speeds: 3.707, −1.460, 3.174 N·m."""
    problem = osimopt.load_problem(wild / f"{name}.osim", wild / f"{name}.mot", time_range=(0.1, 0.4))
    for coordinate, value in zip(("rx", "ry", "rz"), right, strict=True):
        assert moment(problem, coordinate, 0.25) == pytest.approx(value, abs=DIGITS)
    geometry = problem.geometry
    assert geometry.length is not None
    assert geometry.lengthening_speed is not None
    slope = np.gradient(geometry.length, problem.time, axis=0)[2:-2]
    assert np.abs(slope - geometry.lengthening_speed[2:-2]).max() < 1e-3  # m/s, what differences of frames leave
