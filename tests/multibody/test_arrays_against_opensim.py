"""Kinematics, dynamics, constraints and reactions against OpenSim, in random states of many models."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import HERE, run_script
from mechanics_cases import describe
from multibody_differences import Arrays, dynamics, kinematics, off, reaction
from simbody_faults import as_opensim

from osimopt.multibody.kinematics import posture, velocity

#: Share of the largest: rounding is some 1e-15.
ROUNDING = 1e-12
#: The same of moments of reactions, which are small beside those of the forces about ground's origin.
REACTIONS = 1e-10
#: Share of the largest: error of differences.
DIFFERENCES = 1e-7
#: One model of each kind of joint and a loop: the rest, and real models, take minutes.
FEW = ("own_speeds_1", "backward_free", "two_loops")
MORE = ("own_speeds_2", "functions_turn_1", "joint_weld", "joint_pin", "joint_slider", "joint_universal",
        "joint_planar", "joint_gimbal", "joint_ball", "joint_free", "joint_ellipsoid", "joint_scapulothoracic",
        "joint_custom", "backward_ball", "backward_universal", "chain", "shifts", "four_bar_point",
        "four_bar_weld", "distance", "on_line", "clavicle", "scapula",
        "held_gimbal_locked", "held_ball_prescribed", "held_ball_coupled")  # fmt: skip
DATA = Path(os.environ.get("OSIMOPT_DATA", "/nowhere"))
REAL = sorted(DATA.glob("*/*.osim"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("multibody")


def says(folder: Path, names: tuple[object, ...], states: int) -> Iterator[tuple[Path, Arrays]]:
    run_script(HERE / "multibody_oracle.py", folder, states, *names, cwd=folder)
    for name in names:
        path = Path(str(name)) if str(name).endswith(".osim") else folder / f"{name}.osim"
        with np.load(folder / f"{path.stem}.npz") as arrays:
            yield path, dict(arrays)


def compare(folder: Path, names: tuple[object, ...], states: int) -> None:
    for path, arrays in says(folder, names, states):
        found = kinematics(path, arrays) | dynamics(path, arrays)
        found.pop("as it is")
        assert not {name: size for name, size in found.items() if not size < ROUNDING}, path.stem
        assert all(size < REACTIONS for size in reaction(path, arrays).values()), path.stem


def test_few_models(folder: Path) -> None:
    compare(folder, FEW, 3)


@pytest.mark.slow
def test_more_models(folder: Path) -> None:
    compare(folder, MORE, 20)


@pytest.mark.slow
@pytest.mark.skipif(not REAL, reason="needs the models in OSIMOPT_DATA")
def test_real_models(folder: Path) -> None:
    compare(folder, tuple(REAL), 20)


def test_opensims_accelerations_are_off_where_one_coordinate_turns_several_axes(folder: Path) -> None:
    """They are not the slopes of OpenSim's own velocities; ours are."""
    compare(folder, ("one_turns_three",), 3)
    with np.load(folder / "one_turns_three.npz") as file:
        arrays = dict(file)
    at = posture(describe(folder / "one_turns_three.osim")[0], arrays["q"])
    ours, slope = velocity(at, arrays["u"]), arrays["slope"][:, 1, :3].T
    theirs = as_opensim(at, ours, arrays["u"])
    assert off(ours.changes[1, :3], slope) < DIFFERENCES
    assert off(theirs.changes[1, :3], slope) > 0.1
