"""From a motion to forces on a device: torch's CPU stands for it, NumPy judges, a guard watches for copies."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from device_guard import on_the_device

import osimopt
from osimopt import RedundancyProblem, load_problem, solve_static

#: Relative to the largest: the same formulas in another library.
EQUAL = 1e-12
#: Frames, a number that no other axis of the two legs has.
FRAMES = 53

pytestmark = pytest.mark.usefixtures("short_self_check")


@pytest.fixture(scope="module")
def options(two_leg) -> dict[str, Any]:
    return {
        "model": two_leg.model, "motion": two_leg.motion, "external_loads": two_leg.loads, "geometry": "exact",
        "time_range": (0.15, 0.67), "lowpass_hz": 6.0, "n_jobs": 1,
    }  # fmt: skip


@pytest.fixture(scope="module")
def ours(options: dict[str, Any]) -> RedundancyProblem:
    return load_problem(**options)


@pytest.fixture(scope="module")
def theirs(options: dict[str, Any]) -> RedundancyProblem:
    with on_the_device(FRAMES) as uploaded:
        problem = load_problem(**options, device="torch")
    # value, speed, acceleration and slopes of the motion, then forces, points and torques of the loads
    assert [shape[0] for shape in uploaded] == [FRAMES] * 4 + [2] * 3
    return problem


def same(one: np.ndarray, other: Any) -> None:
    found = np.asarray(other)
    np.testing.assert_allclose(found, one, rtol=0.0, atol=EQUAL * np.nanmax(np.abs(one), initial=1e-300))


def test_a_problem_is_computed_on_the_device_without_a_copy(ours: RedundancyProblem, theirs: RedundancyProblem) -> None:
    assert (len(ours), ours.device, theirs.device) == (FRAMES, "cpu", "torch")
    for name in ("moment_arms", "length", "lengthening_speed"):
        same(getattr(ours.geometry, name), getattr(theirs.geometry, name))
    for name in ("max_force", "passive_force", "generalized_force"):
        same(getattr(ours, name), getattr(theirs, name))
    same(ours.reserves.effect, theirs.reserves.effect)
    assert theirs.provenance["warnings"] == ours.provenance["warnings"]


@pytest.mark.parametrize(("exponent", "reserves"), [(2.0, True), (3.0, True), (1.5, True), (2.0, False)])
def test_forces_are_computed_on_the_device_without_a_copy(
    ours: RedundancyProblem, theirs: RedundancyProblem, exponent: float, reserves: bool
) -> None:
    """Without reserves no frame can be solved: status, NaN and text are the same, too."""
    ours, theirs = (replace(one, source=None) for one in (ours, theirs))
    if not reserves:
        ours, theirs = (one.frames(slice(0, 5)).with_reserves(None) for one in (ours, theirs))
    expected = solve_static(ours, exponent=exponent, on_failure="return")
    if reserves:
        with on_the_device(FRAMES):
            there = solve_static(theirs, exponent=exponent)
    else:
        there = solve_static(theirs, exponent=exponent, on_failure="return")
    found = there.to("cpu")
    assert (found.status == expected.status).all()
    assert found.detail == expected.detail
    for name in ("activation", "reserve_control", "muscle_force", "objective"):
        same(getattr(expected, name), getattr(found, name))


def test_files_are_those_of_numpy(options: dict[str, Any], tmp_path) -> None:
    read = {name: value for name, value in options.items() if name != "n_jobs"}
    for name in ("cpu", "torch"):
        osimopt.solve_to_folder(tmp_path / name, **read, solve={"device": name}, frames=20, n_jobs=1)
    forces = [osimopt.read_table(tmp_path / name / "muscle_force.sto") for name in ("cpu", "torch")]
    same(forces[0].to_numpy(), forces[1].to_numpy())


def test_other_geometries_are_put_on_the_device(two_leg) -> None:
    files = {"model": two_leg.model, "motion": two_leg.motion, "external_loads": two_leg.loads}
    problem = load_problem(**files, geometry="opensim", time_range=(0.2, 0.25), device="torch", n_jobs=1)
    assert problem.device == "torch"
    assert solve_static(problem).to("cpu").success


@pytest.mark.parametrize("device", ["cuda:99", "abacus", 3])
def test_a_device_that_is_not_there_is_refused_before_files_are_read(device: Any) -> None:
    with pytest.raises(osimopt.InputError, match="expected device among"):
        load_problem("no.osim", "no.mot", device=device)
    with pytest.raises(osimopt.InputError, match="expected device among"):
        osimopt.solve_to_folder("out", "no.osim", "no.mot", solve={"device": device})
