"""Misspelt names: every reader suggests the correct name, and no name that would change the result."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import osimopt
from osimopt import InputError, OsimoptError, load_problem, muscle_table, solve_static
from osimopt.datasets import Example
from osimopt.emg.mapping import EmgMapping
from osimopt.errors import did_you_mean
from osimopt.files.storage import read_table, write_table
from osimopt.pipeline.options import read_solve_options


@pytest.mark.parametrize(
    ("wrong", "advice"),
    [
        (["knee_angel_r"], "Did you mean knee_angle_r?"),
        (["KNEE_ANGLE_R"], "Did you mean knee_angle_r?"),
        (["knee_angel_r", "hip"], "Did you mean knee_angle_r instead of knee_angel_r?"),
        (["hip"], "Rename it."),
        (["knee"], "Did you mean knee_angle_r?"),
        (["knee_angle_l"], "Rename it."),
    ],
)
def test_the_advice(wrong: list[str], advice: str) -> None:
    assert did_you_mean(wrong, ["knee_angle_r", "lumbar_bending"], "Rename it.") == advice


def test_a_column_of_another_joint_is_no_advice() -> None:
    """It would be renamed, and move the wrong joint."""
    others = ["subtalar_angle_r", "time_percent", "knee_angel_r"]
    meant = "Did you mean knee_angle_r instead of knee_angel_r?"
    assert did_you_mean(others, ["mtp_angle_r", "knee_angle_r"], "", found=True) == meant


def rename(arm: Example, folder: Path, label: str, old: str = "r_elbow_flex", suffix: str = "") -> Path:
    table = read_table(arm.motion).rename(columns={old: label})
    if suffix:
        table = table.add_suffix(suffix)
    return write_table(table, folder / "renamed.mot", in_degrees=not suffix)


CALLS: dict[str, Callable[[Example, Path], object]] = {
    "r_elbow_flex instead of r_elbow_flx": lambda arm, folder: load_problem(
        arm.model, rename(arm, folder, "r_elbow_flx")
    ),
    "r_elbow": lambda arm, _: load_problem(arm.model, arm.motion, weld=("r_elbo",)),
    "r_elbow_flex": lambda arm, _: load_problem(arm.model, arm.motion, reserves={"r_elbow_flx": 1.0}),
    "r_shoulder_elev": lambda arm, _: muscle_table(arm.model, "r_elbow_flex", pose={"r_shoulder_elv": 1.0}),
    "BIClong": lambda arm, _: solve_static(small(arm), weights={"BIClng": 1.0}),
    "sum_force": lambda arm, _: solve_static(small(arm), "sum_forc"),
    "static": lambda *_: read_solve_options({"method": "statc"}),
    "exponent": lambda *_: read_solve_options({"exponnt": 3}),
    "isometric": lambda arm, _: load_problem(arm.model, arm.motion, gain="isometrc"),  # type: ignore[arg-type]
    "arm26": lambda *_: EmgMapping.preset("arm_26", ["biceps"]),
    "BICshort": lambda *_: EmgMapping({"b": ("BICshrt",)}).check(["b"], ["BIClong", "BICshort"]),
    "muscle_force": lambda arm, _: solve_static(small(arm)).to_dataframe("muscle_forces"),
}


def small(arm: Example) -> osimopt.RedundancyProblem:
    return osimopt.RedundancyProblem.from_arrays([0.04, 0.03], [600.0, 400.0], [5.0, 6.0], muscles=["BIClong", "BRA"])


@pytest.mark.parametrize("meant", CALLS)
def test_a_letter_that_is_wrong(arm: Example, tmp_path: Path, meant: str) -> None:
    with pytest.raises(OsimoptError) as caught:
        CALLS[meant](arm, tmp_path)
    assert f"Did you mean {meant}?" in str(caught.value)
    assert "weld=(" not in str(caught.value)


def test_moments_and_speeds(arm: Example, tmp_path: Path) -> None:
    moments = rename(arm, tmp_path, "r_elbow_flx", suffix="_moment")
    with pytest.warns(
        UserWarning, match=r"balance is left out\. Did you mean r_elbow_flex_moment instead of r_elbow_flx_moment"
    ):
        load_problem(arm.model, arm.motion, generalized_force=moments, time_range=(0.2, 0.25))
    speeds = rename(arm, tmp_path, "r_elbow_flx", suffix="_u")
    with pytest.raises(InputError, match=r"Did you mean r_elbow_flex_u instead of r_elbow_flx_u\? Name the columns"):
        load_problem(arm.model, arm.motion, speeds=speeds)


def test_welding_is_the_last_remedy(arm: Example, two_leg, tmp_path: Path) -> None:
    table = read_table(arm.motion)
    path = write_table(table[["r_shoulder_elev"]], tmp_path / "less.mot", in_degrees=True)
    with pytest.raises(
        InputError, match=r"or, only if they do not move, .*\(muscles act on r_elbow\): weld=\('r_elbow',\)"
    ):
        load_problem(arm.model, path)
    table = read_table(two_leg.motion)
    free = write_table(table.drop(columns="pelvis_tx"), tmp_path / "base.mot", in_degrees=True)
    with pytest.raises(InputError, match=r"weld their joints, on which no muscle acts: weld="):
        load_problem(two_leg.model, free)
    assert np.isfinite(table.to_numpy()).all()
