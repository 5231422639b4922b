"""Twins of a problem in other sizes: against OpenSim's ``Model.scale`` read anew, and closed forms."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import HERE, TwoLeg, run_script

import osimopt
from osimopt import InputError
from osimopt.adapters.twin import BodyScale, model_bodies, twin
from osimopt.problem.problem import RedundancyProblem

#: Of the largest value of an array.
ROUNDING, FILES = 1e-12, 1e-5  # OpenSim multiplies fibres by lengths of paths that have not converged
#: Coordinates of the two-leg model with springs and limits, which stay as they are.
SPRINGS = {"knee_angle_r", "knee_angle_l", "lumbar_extension", "ankle_angle_r", "ankle_angle_l"}


@pytest.fixture(scope="module")
def elbow(arm: Any) -> RedundancyProblem:
    return osimopt.load_problem(arm.model, arm.motion, time_range=(0.2, 0.6))


def assert_same(one: RedundancyProblem, other: RedundancyProblem, near: float) -> None:
    for name, mine, theirs in (
        *((n, getattr(one, n), getattr(other, n)) for n in ("max_force", "generalized_force", "passive_force")),
        *((n, getattr(one.geometry, n), getattr(other.geometry, n)) for n in ("length", "lengthening_speed")),
        ("moment arms", one.moment_arm, other.moment_arm),
        *((n, getattr(one.parameters, n), getattr(other.parameters, n))
          for n in ("max_isometric_force", "optimal_fiber_length", "tendon_slack_length")),
    ):  # fmt: skip
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=near * max(np.abs(theirs).max(), 1e-9), err_msg=name)


def test_a_twin_of_the_same_size_is_the_problem(elbow: RedundancyProblem, two_leg: TwoLeg) -> None:
    legs = osimopt.load_problem(two_leg.model, two_leg.motion, external_loads=two_leg.loads)
    for problem in (elbow, elbow.frames(slice(5, 12)), legs, legs.frames(slice(3, 9))):
        found = twin(problem, BodyScale())
        assert_same(found, problem, ROUNDING)
        assert found.reserves.names == problem.reserves.names
        assert found.source is None


def test_as_opensim_scales_the_model(arm: Any, elbow: RedundancyProblem, tmp_path: Path) -> None:
    """An even size with the masses kept; OpenSim 4.6 scales, and the scaled model is described and loaded anew."""
    run_script(HERE / "scale_oracle.py", tmp_path, "even", arm.model, cwd=tmp_path)
    theirs = osimopt.load_problem(tmp_path / "arm26_scaled.osim", arm.motion, time_range=(0.2, 0.6))
    ours = twin(elbow, BodyScale(size=1.13))
    assert_same(ours, theirs, FILES)
    assert np.abs(ours.generalized_force / elbow.generalized_force - 1.0).max() > 0.1


def test_loads_and_translations_as_of_a_scaled_model(two_leg: TwoLeg, tmp_path: Path) -> None:
    """OpenSim's scaled model with pelvis and pressure centres multiplied in its files; the same forces."""
    size, mass = 1.13, 1.4
    run_script(HERE / "scale_oracle.py", tmp_path, "even", two_leg.model, cwd=tmp_path)
    motion, loads = osimopt.read_table(two_leg.motion), osimopt.read_table(two_leg.grf)
    motion[[name for name in motion.columns if name.startswith("pelvis_t") and name[-1] in "xyz"]] *= size
    loads[[name for name in loads.columns if "_p" in name or "torque" in name]] *= size
    theirs = osimopt.load_problem(tmp_path / "two_leg_scaled.osim", motion, external_loads=(two_leg.loads, loads))
    problem = osimopt.load_problem(two_leg.model, two_leg.motion, external_loads=two_leg.loads)
    ours = twin(problem, BodyScale(size=size))
    assert_same(ours, theirs, FILES)
    assert np.abs(ours.generalized_force / problem.generalized_force - 1.0).max() > 0.1
    heavy = twin(problem, BodyScale(size=size, mass=mass))
    springs = np.abs(heavy.generalized_force - mass * ours.generalized_force).max(axis=0) > 1e-9
    assert {name for name, spring in zip(ours.coordinates, springs, strict=True) if spring} <= SPRINGS


def test_moments_of_a_file_by_mass_and_size(arm: Any, elbow: RedundancyProblem, tmp_path: Path) -> None:
    import pandas as pd

    names = [f"{name}_moment" for name in elbow.coordinates]
    table = pd.DataFrame(elbow.generalized_force, index=pd.Index(elbow.time, name="time"), columns=names)
    given = osimopt.load_problem(arm.model, arm.motion, generalized_force=table, time_range=(0.2, 0.6))
    found = twin(given, BodyScale(size=1.1, mass=1.3))
    np.testing.assert_allclose(found.generalized_force, 1.43 * given.generalized_force, rtol=1e-12)


def test_a_part_and_single_segments(elbow: RedundancyProblem) -> None:
    part = elbow.part([elbow.coordinates[1]])
    longer = {name: 1.1 if "ulna" in name or "forearm" in name else 1.0 for name in model_bodies(elbow)}
    assert 1.1 in longer.values()
    found, whole = (twin(one, BodyScale(segments=longer)) for one in (part, elbow))
    assert found.coordinates == part.coordinates
    assert found.muscles == part.muscles
    np.testing.assert_allclose(found.moment_arm, whole.part([elbow.coordinates[1]]).moment_arm, rtol=1e-12)
    assert np.abs(found.moment_arm - part.moment_arm).max() > 1e-4
    assert found.provenance["twin"]["segments"] == longer


def test_what_has_no_twin_is_refused(arm: Any, elbow: RedundancyProblem) -> None:
    with pytest.raises(InputError, match=r"a problem with its model, to vary sizes.*--geometry exact"):
        twin(replace(elbow, source=None), BodyScale(1.1))
    by_opensim = osimopt.load_problem(arm.model, arm.motion, geometry="opensim", time_range=(0.2, 0.3))
    with pytest.raises(InputError, match="exact muscle paths and moments"):
        twin(by_opensim, BodyScale(1.1))
    with pytest.raises(InputError, match="consecutive frames"):
        twin(elbow.frames(slice(0, None, 2)), BodyScale(1.1))
    with pytest.raises(InputError, match=r"bodies among ground.*got tail"):
        twin(elbow, BodyScale(segments={"tail": 1.1}))
    for wrong in (0.0, -1.0, float("nan"), float("inf"), "1"):
        with pytest.raises(InputError, match="a factor above 0 for size"):
            BodyScale(wrong)  # type: ignore[arg-type]
