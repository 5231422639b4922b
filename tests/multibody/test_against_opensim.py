"""Kinematics, dynamics, constraints and reactions against OpenSim, in random states of many models."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import HERE, run_script
from mechanics_cases import describe
from simbody_faults import as_opensim

from osimopt.multibody import reactions
from osimopt.multibody.constraints import constraint_bias, constraint_jacobian, constraint_rows
from osimopt.multibody.dynamics import about_speeds, inverse_dynamics, mass_matrix, transmitted
from osimopt.multibody.kinematics import Posture, posture, velocity
from osimopt.multibody.rates import drift, to_rates

#: Shares of the largest: of transforms, Jacobians and constraints, of forces, and of moments of reactions, which are
#: small beside those of the forces about ground's origin.
TIGHT, FORCES, REACTIONS = 1e-12, 1e-12, 1e-10
#: Share of the largest: error of differences.
DIFFERENCES = 1e-7
#: One model of each kind of joint and a loop: the rest, and real models, take minutes.
FEW = ("own_speeds_1", "own_speeds_2", "backward_free", "functions_turn_1", "two_loops")
MORE = ("joint_weld", "joint_pin", "joint_slider", "joint_universal", "joint_planar", "joint_gimbal", "joint_ball",
        "joint_free", "joint_ellipsoid", "joint_scapulothoracic", "joint_custom", "backward_ball", "backward_universal",
        "chain", "shifts", "four_bar_point", "four_bar_weld", "distance", "on_line", "clavicle", "scapula",
        "held_gimbal_locked", "held_ball_prescribed", "held_ball_coupled")  # fmt: skip
DATA = Path(os.environ.get("OSIMOPT_DATA", "/nowhere"))
REAL = sorted(DATA.glob("*/*.osim"))
Arrays = dict[str, np.ndarray]


def near(one: np.ndarray, other: np.ndarray, share: float) -> None:
    size = np.abs(other).max(initial=0.0)
    np.testing.assert_allclose(one, other, rtol=0.0, atol=share * (size if size > 0.0 else 1.0))


def compare(path: Path, says: Arrays) -> None:
    """Everything but reactions, at random coordinates, speeds and changes of speeds."""
    multibody, _ = describe(path)
    tree = multibody.tree
    bodies = [tree.bodies.index(name) for name in says["bodies"]]
    at = posture(multibody, says["q"])
    rotation, place = (np.moveaxis(part, -1, 0)[:, bodies] for part in (at.rotations, at.positions))
    near(rotation, says["transform"][..., :3, :3], TIGHT)
    near(place, says["transform"][..., :3, 3], TIGHT)
    moving = as_opensim(at, velocity(at, says["u"], says["falling"]), says["u"])
    twist, change = (np.moveaxis(part, -1, 0)[:, bodies] for part in (moving.twists, moving.changes))
    linear = twist[..., 3:] + np.cross(twist[..., :3], place)
    near(np.concatenate([twist[..., :3], linear], axis=-1), says["velocity"], TIGHT)
    faster = change[..., 3:] + np.cross(change[..., :3], place) + np.cross(twist[..., :3], linear)
    falls = ~np.isnan(says["falling"]).any(axis=1)
    near(np.concatenate([change[..., :3], faster], axis=-1)[falls], says["acceleration"][falls], FORCES)
    columns = np.moveaxis(at.columns * at.beyond[:, :, None, None], -1, 0)[:, bodies]
    linear = columns[..., 3:] + np.cross(columns[..., :3], place[:, :, None])
    near(np.concatenate([columns[..., :3], linear], axis=-1).swapaxes(-1, -2), says["jacobian"], TIGHT)
    near(mass_matrix(at), says["mass"], FORCES)
    near(to_rates(multibody, says["q"], says["u"]), says["rate"], TIGHT)
    near(drift(multibody, says["q"], says["u"]), says["drift"], TIGHT)
    wrench = np.zeros((len(place), len(tree.bodies), 6))
    moment, force = says["wrench"][..., :3], says["wrench"][..., 3:]
    wrench[:, bodies] = np.concatenate([moment + np.cross(place, force), force], axis=-1)
    near(_opensims_force(at, says), says["force"], FORCES)
    weightless = posture(replace(multibody, gravity=np.zeros(3)), says["q"])
    near(_opensims_force(weightless, says, wrench), says["loaded"], FORCES)
    if "G" in says:
        rows = constraint_rows(at)
        near(rows.errors.T, says["error"], TIGHT)
        near(np.moveaxis(constraint_jacobian(at, rows), -1, 0), says["G"], TIGHT)
        near(constraint_bias(at, as_opensim(at, velocity(at, says["u"]), says["u"])).T, says["bias"], FORCES)


def _opensims_force(at: Posture, says: Arrays, wrench: np.ndarray | None = None) -> np.ndarray:
    """Inverse dynamics with OpenSim's accelerations of joints of which one coordinate turns several axes."""
    moving = velocity(at, says["u"], says["change"])
    ours = about_speeds(at, transmitted(at, moving, wrench)).T
    if wrench is None:
        near(inverse_dynamics(at.multibody, says["q"], says["u"], says["change"]), ours, TIGHT)
    return about_speeds(at, transmitted(at, as_opensim(at, moving, says["u"]), wrench)).T


def compare_reactions(path: Path, says: Arrays, monkeypatch: pytest.MonkeyPatch) -> None:
    """In free fall from postures in which loops are closed.

    OpenSim gives a joint whose parent is farther from ground the reaction of another: that above its child. Where
    constraints leave a reaction open it gives the one of least multipliers, which are refused here.
    """
    multibody, _ = describe(path)
    monkeypatch.setattr(reactions, "_refuse_loose", lambda *_: None)
    at = posture(multibody, says["reacting_at"])
    speed = says["reacting_speed"]
    moving = as_opensim(at, velocity(at, speed, says["reacting_change"]), speed)
    backward = {name for name, back in zip(multibody.tree.joints, multibody.tree.backward, strict=True) if back}
    names = [str(name) for name in says["joints"] if name not in backward]
    free = np.flatnonzero(~says["held"]).tolist()
    found = reactions.joint_reactions(at, moving, names, free)
    expected = says["reacting_reaction"][:, [list(says["joints"]).index(name) for name in names]]
    assert len(found)
    near(found[..., 3:], expected[..., 3:], FORCES)
    near(found[..., :3], expected[..., :3], REACTIONS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("multibody")


def says(folder: Path, names: tuple[object, ...], states: int) -> list[tuple[Path, Arrays]]:
    run_script(HERE / "multibody_oracle.py", folder, states, *names, cwd=folder)
    found = []
    for name in names:
        path = Path(str(name)) if str(name).endswith(".osim") else folder / f"{name}.osim"
        with np.load(folder / f"{path.stem}.npz") as arrays:
            found.append((path, dict(arrays)))
    return found


def test_few_models(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path, arrays in says(folder, FEW, 3):
        compare(path, arrays)
        compare_reactions(path, arrays, monkeypatch)


@pytest.mark.slow
def test_more_models(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path, arrays in says(folder, MORE, 20):
        compare(path, arrays)
        compare_reactions(path, arrays, monkeypatch)


@pytest.mark.slow
@pytest.mark.skipif(not REAL, reason="needs the models in OSIMOPT_DATA")
def test_real_models(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path, arrays in says(folder, tuple(REAL), 20):
        compare(path, arrays)
        compare_reactions(path, arrays, monkeypatch)


def test_opensims_accelerations_are_off_where_one_coordinate_turns_several_axes(folder: Path) -> None:
    """They are not the slopes of OpenSim's own velocities; ours are."""
    ((path, arrays),) = says(folder, ("one_turns_three",), 3)
    compare(path, arrays)
    at = posture(describe(path)[0], arrays["q"])
    ours = velocity(at, arrays["u"])
    theirs = as_opensim(at, ours, arrays["u"])
    slope = arrays["slope"][:, 1, :3].T
    near(ours.changes[1, :3], slope, DIFFERENCES)
    assert np.abs(theirs.changes[1, :3] - slope).max() > 0.1 * np.abs(slope).max()
