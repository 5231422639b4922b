"""Random paths in random trees: lengths of those without wrap objects, or with a sphere, against OpenSim's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import HERE, run_script
from mechanics_cases import describe

from osimopt.multibody.kinematics import posture
from osimopt.paths.arrangement import arrange
from osimopt.paths.solve import lengths, solve_paths

SEEDS = range(130, 160)
#: m; rounding of paths of some metres.
ROUNDING = 1e-11


@pytest.mark.slow
def test_fixed_moving_and_conditional_points_and_spheres(tmp_path: Path) -> None:
    cases = [f"random_{seed}" for seed in SEEDS]
    run_script(HERE / "mechanics_oracle.py", tmp_path, 20, 1.5, *cases, cwd=tmp_path)
    compared = 0
    for name in cases:
        multibody, paths = describe(tmp_path / f"{name}.osim")
        with np.load(tmp_path / f"{name}.npz") as arrays:
            q, theirs, names = arrays["q"], arrays["length"], arrays["muscles"].tolist()
        chosen = [
            path
            for path in paths.muscles
            if path is not None and all(paths.objects[wrap.object].kind == "sphere" for wrap in path.wraps)
        ]
        if not chosen:
            continue
        arrangement = arrange(paths, chosen)
        mine = lengths(arrangement, solve_paths(arrangement, posture(multibody, q)))
        columns = [names.index(path.name) for path in chosen]
        assert np.abs(mine - theirs[:, columns]).max() < ROUNDING, name
        compared += len(chosen)
    assert compared > 3 * len(SEEDS)
