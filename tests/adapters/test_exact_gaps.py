"""What the arrays cannot do (geometry="exact") goes to OpenSim by name: joints, couplers, points inside objects."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from conftest import HERE, run_script

from osimopt import RedundancyProblem, load_problem, solve_static

#: The same numbers, rounded differently; m, and of the largest.
ROUNDING = 1e-12
WINDOW = (0.24, 0.30)

pytestmark = pytest.mark.usefixtures("short_self_check")


@pytest.fixture(scope="module")
def gaps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gaps")
    run_script(HERE / "gap_models.py", folder, cwd=folder)
    return folder


def read(folder: Path, name: str, geometry: str) -> tuple[RedundancyProblem, list[str]]:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        problem = load_problem(
            folder / f"{name}.osim", folder / f"{name}.mot", time_range=WINDOW, geometry=geometry, n_jobs=1
        )
    return problem, [str(one.message) for one in said]


@pytest.mark.parametrize("name", ["gap", "gap_coupled"])
def test_a_joint_that_is_not_described(gaps: Path, name: str) -> None:
    """Paths across it and inverse dynamics are OpenSim's; those on either side are exact, also of a moved body."""
    (ours, said), (theirs, _) = (read(gaps, name, geometry) for geometry in ("exact", "opensim"))
    left = {muscle for muscle, kind in ours.provenance["geometry"].items() if kind == "opensim"}
    assert left == {"m_ActiveForceLengthCurve", "across"}
    assert any("m_ActiveForceLengthCurve (it spans the joint 'joint_1', which" in line for line in said)
    assert any("OpenSim computes the generalized forces, because of: joint 'joint_1' (its fun" in line for line in said)
    assert np.array_equal(ours.generalized_force, theirs.generalized_force)
    assert np.abs(ours.geometry.moment_arm - theirs.geometry.moment_arm).max() < ROUNDING
    assert np.abs(np.asarray(ours.geometry.length) - np.asarray(theirs.geometry.length)).max() < ROUNDING
    solution = solve_static(ours)
    assert solution.provenance["self_check"]["solution"]["largest_difference"]["accelerations"] < 1e-9
