"""The second trial of a model, in a process of its own: the same answers, and no OpenSim, nor a worker of any kind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import HERE, TwoLeg, run_script

import osimopt
from osimopt import RedundancyProblem, RedundancySolution

#: What a process that only reads, solves and resamples has no use for.
UNUSED = ("opensim", "loky", "casadi", "torch")
SCRIPT = f"""
import sys
import warnings

import numpy as np

import osimopt
from osimopt import isolation
from test_without_opensim import arrays

warnings.simplefilter("ignore", UserWarning)
problem = osimopt.load_problem(*sys.argv[2:], geometry="exact", reserves=1.0)
table = osimopt.muscle_table(sys.argv[2], problem.coordinates[0], n=3, geometry="exact").to_numpy()
found = arrays(problem, osimopt.solve_static(problem, on_failure="return"))
loaded = [name for name in {UNUSED} if name in sys.modules]
np.savez(sys.argv[1], loaded=loaded, pools=len(isolation._pools), table=table, **found)
"""


def arrays(problem: RedundancyProblem, solution: RedundancySolution) -> dict[str, np.ndarray]:
    """What the two processes are compared in."""
    motion = problem.kinematics
    assert motion is not None
    between = problem.resample(0.5 * (problem.time[1:] + problem.time[:-1]))
    assert between.provenance["resampling"]["by"] == "model", between.provenance["resampling"]
    found = {"activation": np.asarray(solution.activation), "reserve": np.asarray(solution.reserve_control)}
    for name, one in (("problem", problem), ("between", between)):
        assert one.kinematics is not None
        geometry = one.geometry
        parts = (geometry.moment_arms, geometry.length, one.generalized_force, one.max_force, one.passive_force)
        moving = (one.kinematics.value, one.kinematics.speed, one.kinematics.acceleration)
        found |= {f"{name} {index}": np.asarray(part) for index, part in enumerate((*parts, *moving))}
    return found


def compare(folder: Path, *files: object) -> None:
    """One trial in this process, and once more in another."""
    problem = osimopt.load_problem(*files, geometry="exact", reserves=1.0)
    table = osimopt.muscle_table(files[0], problem.coordinates[0], n=3, geometry="exact").to_numpy()
    ours = {"table": table, **arrays(problem, osimopt.solve_static(problem, on_failure="return"))}
    out, environment = folder / "again.npz", {**os.environ, "PYTHONPATH": f"{HERE.parent}{os.pathsep}{HERE}"}
    path = f"{HERE / 'adapters'}{os.pathsep}{environment['PYTHONPATH']}"
    command = [sys.executable, "-c", SCRIPT, str(out), *map(str, files)]
    done = subprocess.run(command, env={**environment, "PYTHONPATH": path}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with np.load(out) as again:
        assert not len(again["loaded"]), again["loaded"]
        assert again["pools"] == 0
        for name, array in ours.items():
            np.testing.assert_array_equal(again[name], array, err_msg=name)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_known_model_starts_no_opensim(two_leg: TwoLeg, tmp_path: Path) -> None:
    compare(tmp_path, two_leg.model, two_leg.motion, two_leg.loads)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", ["held_gimbal_prescribed", "held_ball_coupled", "chain"])
def test_prescribed_coupled_and_turning_coordinates(tmp_path: Path, name: str) -> None:
    run_script(HERE / "model_zoo.py", tmp_path, name, cwd=tmp_path)
    compare(tmp_path, tmp_path / f"{name}.osim", tmp_path / f"{name}.mot")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", ["four_bar_point", "scapula"])
def test_loops(tmp_path: Path, name: str) -> None:
    run_script(HERE / "loop_models.py", tmp_path, cwd=tmp_path)
    compare(tmp_path, tmp_path / f"{name}.osim", tmp_path / f"{name}.mot")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_walk_of_80_muscles(real_data: Path, tmp_path: Path) -> None:
    walk = real_data / "walk_80muscles"
    model, motion = walk / "walk_80muscles_with_reserves.osim", walk / "coordinates_100hz.mot"
    compare(tmp_path, model, motion, walk / "grf_walk.xml")
