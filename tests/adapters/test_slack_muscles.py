"""Muscles of every class shorter than their tendons, as models, motions and tables have them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import HERE, run_script

import osimopt


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("slack")
    run_script(HERE / "slack_model.py", folder, cwd=folder)
    return folder


def test_muscles_shorter_than_their_tendons_have_no_force(folder: Path) -> None:
    """OpenSim mirrors the fibres of two of the four classes there; the self-check of a trial allows for it."""
    problem, exact = (
        osimopt.load_problem(
            folder / "slack.osim", folder / "motion.sto", reserves=1.0, passive_force=True, geometry=geometry
        )
        for geometry in ("opensim", "exact")
    )
    short = np.asarray(problem.geometry.length)[:, 0] < 0.25
    assert 20 < short.sum() < 50
    np.testing.assert_array_equal(problem.max_force[short], 0.0)
    np.testing.assert_array_equal(problem.passive_force[short], 0.0)
    long = np.asarray(problem.geometry.length)[:, 0] > 0.3
    assert (problem.max_force[long] > 50.0).all()
    assert problem.provenance["self_check"]["trial"]["largest_difference"]["maximum forces"] < 1e-6
    for name in ("max_force", "passive_force"):
        np.testing.assert_allclose(getattr(exact, name), getattr(problem, name), rtol=1e-6, atol=1e-6)
    solution = osimopt.solve_static(exact)
    np.testing.assert_array_equal(solution.muscle_force[short], 0.0)
    (text,) = [text for text in solution.findings() if text.startswith("Shorter than their tendons")]
    assert all(f"{name} ({short.sum()} frames from 0.3" in text for name in problem.muscles)


def test_tables_have_no_force_there(folder: Path) -> None:
    with pytest.warns(UserWarning, match="no fibre–tendon equilibrium for DeGrooteFregly2016Muscle"):
        table = osimopt.muscle_table(folder / "slack.osim", "length", values=[0.22, 0.24, 0.36], geometry="opensim")
    for muscle in ("Thelen2003Muscle", "Millard2012EquilibriumMuscle", "DeGrooteFregly2016Muscle", "RigidTendonMuscle"):
        force = table[muscle, "max_force_rigid"].to_numpy()
        assert force[0] == force[1] == 0.0
        assert force[2] > 500.0
