"""Generalized forces and effects of actuators by arrays beside OpenSim's calls, in models with forces of every kind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import HERE, run_script

from osimopt import RedundancyProblem, load_problem

#: Of the largest: the same numbers, rounded differently.
SAME = 1e-12
NAMES = ("passive_gimbal", "passive_ball", "actuators_ball", "loaded_free")


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("zoo")
    run_script(HERE / "model_zoo.py", folder, *NAMES, cwd=folder)
    return folder


def problem(zoo: Path, name: str, geometry: str) -> RedundancyProblem:
    loads = zoo / f"{name}_loads.xml"
    return load_problem(
        zoo / f"{name}.osim", zoo / f"{name}.mot", loads if loads.exists() else None, geometry=geometry,
        time_range=(0.1, 0.16),
    )  # fmt: skip


@pytest.mark.parametrize(
    "name", [name if name == "passive_gimbal" else pytest.param(name, marks=pytest.mark.slow) for name in NAMES]
)
def test_exact_forces(zoo: Path, name: str) -> None:
    ours, theirs = (problem(zoo, name, geometry) for geometry in ("exact", "opensim"))
    for one, other in (
        (ours.generalized_force, theirs.generalized_force),
        (ours.reserves.effect, theirs.reserves.effect),
    ):
        np.testing.assert_allclose(one, other, rtol=0.0, atol=SAME * np.abs(other).max())
