"""Springs, limits, bushings, ligaments and actuators beside OpenSim's, each alone on bodies that float freely."""

from __future__ import annotations

import pickle
import warnings
from typing import Any

import numpy as np
import pytest
from conftest import HERE, run_script

from osimopt.adapters.load_arrays import measured_loads
from osimopt.adapters.loads import read_external_loads
from osimopt.multibody.actuators import ALONG_PATH, ON_COORDINATE, effects
from osimopt.multibody.actuators import ON_BODIES as BY_ACTUATORS
from osimopt.multibody.forces import ALONG_PATHS, ON_BODIES, ON_COORDINATES, applied_forces
from osimopt.multibody.loads import load_wrenches
from osimopt.multibody.placement import MotionState

#: Of the largest: the same law, rounded differently.
SAME = 1e-12
#: Of the largest: the same spline, solved for in another way.
SPLINED = 1e-10
ACTUATORS = (
    "path_actuator", "coordinate_actuator", "actuator_of_free_joint", "activated", "torque_ground", "torque_body",
    "point", "point_in_body", "point_in_ground", "between", "between_in_ground",
)  # fmt: skip
LOADS = (
    "plates", "in_bodies", "without_point", "torques", "unnamed_frames", "paths_of_bodies",
    *(f"{rows}_rows" for rows in (1, 2, 3, 4, 5, 7, 8, 9)),
)  # fmt: skip
FORCES = (
    "limit_angle", "limit_coupled", "limit_shift", "spring_angle", "spring_of_free_joint", "limit_of_free_joint",
    "bushing",
    "bushing_on_ground", "bushing_in_offset_frames", "bushing_of_functions", "point_to_point",
    "point_to_point_in_offset_frames", "prescribed", "prescribed_point_in_ground", "prescribed_in_body",
    "prescribed_in_offset", "prescribed_without_point", "prescribed_torque", "path_spring", "ligament", "blankevoort",
    "blankevoort_without_toe",
)  # fmt: skip


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("forces")
    run_script(HERE / "forces_oracle.py", folder, cwd=folder)
    return pickle.loads((folder / "judged.pickle").read_bytes())


def turns(angles: np.ndarray) -> np.ndarray:
    """Body-fixed x-y-z rotations (3, 3, T) by angles (T, 3)."""
    found = np.broadcast_to(np.eye(3)[:, :, None], (3, 3, len(angles)))
    for axis in range(3):
        one, other = (axis + 1) % 3, (axis + 2) % 3
        turn = np.zeros((3, 3, len(angles)))
        turn[axis, axis] = 1.0
        turn[one, one] = turn[other, other] = np.cos(angles[:, axis])
        turn[one, other], turn[other, one] = -np.sin(angles[:, axis]), np.sin(angles[:, axis])
        found = np.einsum("ijt,jkt->ikt", found, turn)
    return found


def state_of(case: dict[str, Any]) -> MotionState:
    """The bodies a and b in closed form; ground and the bodies on other joints are not used."""
    multibody = case["described"][0]
    count, frames = len(multibody.tree.bodies), len(case["time"])
    rotations = np.broadcast_to(np.eye(3)[:, :, None], (count, 3, 3, frames)).copy()
    positions, twists = np.zeros((count, 3, frames)), np.zeros((count, 6, frames))
    for name in "ab":
        body, first = multibody.tree.bodies.index(name), multibody.coordinates.index(f"{name}_rx")
        rotations[body] = turns(case["value"][:, first : first + 3])
        positions[body] = case["value"][:, first + 3 : first + 6].T
        spin, speed = case["speed"][:, first : first + 3].T, case["speed"][:, first + 3 : first + 6].T
        twists[body] = np.concatenate([spin, speed - np.cross(spin, positions[body], axis=0)])
    return MotionState(case["time"], case["value"].T, case["speed"].T, rotations, positions, twists)


def about_speeds(case: dict[str, Any], state: MotionState, wrenches: np.ndarray) -> np.ndarray:
    """Generalized forces (N, T) of wrenches (B, 6, T) about ground's origin on the bodies a and b."""
    multibody = case["described"][0]
    found = np.zeros_like(state.value)
    for name in "ab":
        body, first = multibody.tree.bodies.index(name), multibody.coordinates.index(f"{name}_rx")
        moment, force = wrenches[body, :3], wrenches[body, 3:]
        found[first : first + 3] = moment - np.cross(state.positions[body], force, axis=0)
        found[first + 3 : first + 6] = force
    return found


def pull(case: dict[str, Any], state: MotionState, tension: np.ndarray) -> np.ndarray:
    """Wrenches of a tension (T,) along the straight path between the points of the oracle."""
    bodies = [case["described"][0].tree.bodies.index(name) for name in "ab"]
    places = np.array([[0.1, 0.2, -0.1], [0.05, -0.1, 0.2]])
    points = [
        state.positions[b] + np.einsum("ijt,j->it", state.rotations[b], p) for b, p in zip(bodies, places, strict=True)
    ]
    between = points[1] - points[0]
    force = tension * between / np.linalg.norm(between, axis=0)
    wrenches = np.zeros_like(state.twists)
    for body, point, part in zip(bodies, points, (force, -force), strict=True):
        wrenches[body] = np.concatenate([np.cross(point, part, axis=0), part])
    return wrenches


@pytest.mark.parametrize("name", FORCES)
def test_force(judged: dict[str, Any], name: str) -> None:
    case = judged[name]
    state, path = state_of(case), case["path"].T
    multibody, paths = case["described"]
    assert not multibody.asked
    count = len(paths.muscles) + len(paths.others)
    length, speed = (np.broadcast_to(part, (count, len(part))) for part in path)
    found = applied_forces(multibody, state, length, speed)
    total = found.generalized + about_speeds(case, state, found.wrenches)
    for tension in found.tension.values():
        total = total + about_speeds(case, state, pull(case, state, tension))
    theirs = case["force"].T
    assert np.abs(theirs).max() > 1.0
    np.testing.assert_allclose(total, theirs, rtol=0.0, atol=SAME * np.abs(theirs).max())


@pytest.mark.parametrize("name", ACTUATORS)
def test_actuator(judged: dict[str, Any], name: str) -> None:
    case = judged[name]
    state, (multibody, paths) = state_of(case), case["described"]
    assert not multibody.asked
    columns, beyond = (
        np.zeros((len(state.value), 6, len(case["time"]))),
        np.zeros((len(state.positions), len(state.value)), bool),
    )
    for body in "ab":
        number, first = multibody.tree.bodies.index(body), multibody.coordinates.index(f"{body}_rx")
        beyond[number, first : first + 6] = True
        for axis, unit in enumerate(np.eye(3)):
            turned = np.broadcast_to(unit[:, None], state.positions[number].shape)
            columns[first + axis] = np.concatenate([turned, np.cross(state.positions[number], turned, axis=0)])
            columns[first + 3 + axis, 3:] = turned
    along = about_speeds(case, state, pull(case, state, np.ones(len(case["time"]))))
    found = effects(multibody, state, columns, beyond, {len(paths.muscles): along})
    theirs = case["force"].T
    assert np.abs(theirs).max() > 1.0
    np.testing.assert_allclose(found[:, 0], theirs, rtol=0.0, atol=SAME * np.abs(theirs).max())


@pytest.mark.parametrize("name", LOADS)
def test_external_loads(judged: dict[str, Any], name: str) -> None:
    case = judged[name]
    state, theirs = state_of(case), case["force"].T
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of forces without a point
        loads = read_external_loads(case["file"])
    measured = measured_loads(loads, case["described"][0].tree.bodies, case["time"])
    found = about_speeds(case, state, load_wrenches(measured, state))
    assert np.abs(theirs).max() > 1.0
    np.testing.assert_allclose(found, theirs, rtol=0.0, atol=SPLINED * np.abs(theirs).max())


def test_every_class_of_forces_is_described_or_left_to_opensim_or_refused(judged: dict[str, Any]) -> None:
    found = judged["classes"]
    parts = [found[name] for name in ("described", "asked", "refused")]
    assert sorted(found["all"]) == sorted(name for part in parts for name in part)
    known = {*ON_COORDINATES, *ON_BODIES, *ALONG_PATHS, *BY_ACTUATORS, *ON_COORDINATE, *ALONG_PATH}
    assert found["described"] == known
