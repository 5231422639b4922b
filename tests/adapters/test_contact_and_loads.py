"""A model's own contact beside measured ground reactions: named, and off unless it is asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import HERE, run_script

from osimopt import InputError, load_problem, solve_static

#: N; what standing still leaves of the weight: 35 kg × the rounding of gravity in the model, 9.80665 m/s².
BALANCED = 0.1

#: Contact of surfaces has no law in arrays: OpenSim computes the generalized forces, and is named for it.
pytestmark = pytest.mark.filterwarnings("ignore:.*OpenSim computes the generalized forces, because of. force")


@pytest.fixture(scope="module")
def hopper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hopper")
    run_script(HERE / "hopper.py", folder, cwd=folder)
    return folder


def vertical(problem) -> float:
    return float(problem.generalized_force[3, problem.coordinates.index("ty")])


def test_loads_take_the_place_of_contact(hopper: Path) -> None:
    problem = load_problem(hopper / "hopper.osim", hopper / "stand.mot", hopper / "loads.xml", time_range=(0.1, 0.4))
    assert abs(vertical(problem)) < BALANCED
    said = [line for line in problem.provenance["warnings"] if "contact" in line]
    assert len(said) == 1
    assert "Switched off" in said[0]
    assert "SmoothSphereHalfSpaceForce" in said[0]


def test_contact_acts_without_loads_and_where_it_is_asked_for(hopper: Path) -> None:
    model, motion, loads, times = hopper / "hopper.osim", hopper / "stand.mot", hopper / "loads.xml", (0.1, 0.4)
    alone, without = (
        load_problem(model, motion, time_range=times),
        load_problem(model, motion, contact="off", time_range=times),
    )
    both = load_problem(model, motion, loads, contact="on", time_range=times)
    pushes = vertical(without) - vertical(alone)
    assert pushes > 1.0
    np.testing.assert_allclose(vertical(both), -pushes, atol=BALANCED)
    assert any("both" in line.lower() and "contact" in line for line in both.provenance["warnings"])


def test_only_what_presses_on_the_ground_is_off(hopper: Path) -> None:
    problem = load_problem(hopper / "planar.osim", hopper / "stand.mot", hopper / "loads.xml", time_range=(0.1, 0.2))
    (said,) = [line for line in problem.provenance["warnings"] if line.startswith("Switched off")]
    assert any("because of: force 'hunt_knee'" in line for line in problem.provenance["warnings"])
    for name, off in {"contact": True, "hunt_ground": True, "bushing_ground": True, "hunt_knee": False,
                      "bushing_knee": False}.items():  # fmt: skip
        assert (name in said) == off, name


def test_rounding_serves_nothing(hopper: Path) -> None:
    """A cable between pelvis and leg acts on the knee alone: the base needs residual actuators."""
    problem = load_problem(hopper / "planar.osim", hopper / "stand.mot", hopper / "loads.xml", time_range=(0.1, 0.2))
    cable = problem.reserves.effect[:, :, problem.reserves.names.index("cable")]
    base = [problem.coordinates.index(name) for name in ("tilt", "tx", "ty")]
    assert 0.0 < np.abs(cable[:, base]).max() < 1e-9, "the case has lost its rounding"
    added = {
        name for name, kind in zip(problem.reserves.names, problem.reserves.origin, strict=True) if kind != "model"
    }
    assert added == {"residual_tilt", "residual_tx", "residual_ty"}
    assert solve_static(problem).success


def test_a_choice_that_is_none(hopper: Path) -> None:
    with pytest.raises(InputError, match=r"contact \(of the model with the ground\) among auto, on, off, got 'maybe'"):
        load_problem(hopper / "hopper.osim", hopper / "stand.mot", contact="maybe")  # type: ignore[arg-type]
