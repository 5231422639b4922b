"""Bodies of other sizes: against OpenSim's `Model.scale`, closed forms, and the derivatives by the factors."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import HERE, run_script
from mechanics_cases import describe
from multibody_cases import CURVED, IDENTITY, branched, four_bar

from osimopt.errors import InputError
from osimopt.multibody.constraints import constraint_rows
from osimopt.multibody.description import CoordinateCoupler, Multibody
from osimopt.multibody.dynamics import inverse_dynamics
from osimopt.multibody.kinematics import posture
from osimopt.multibody.scaling import scale_bodies
from osimopt.paths.arms import moment_arms
from osimopt.paths.arrangement import arrange
from osimopt.paths.scaling import scale_paths
from osimopt.paths.solve import lengths, solve_paths

#: m, and shares of the largest: rounding.
ROUNDING = 1e-12
#: Share of the derivative, by central differences of fourth order.
SLOPE, STEP = 1e-6, 1e-4
DATA = Path(os.environ.get("OSIMOPT_DATA", "/nowhere"))
REAL = sorted(DATA.glob("*/*.osim"))
#: Scaled unevenly they are as OpenSim's but for inertia.
FEW = ("points_gimbal", "wraps_free")
MORE = ("joint_ellipsoid", "functions_turn_1", "backward_free", "passive_ball", "joint_custom", "joint_universal",
        "joint_planar", "joint_free", "twin_free", "own_speeds_2", "backward_ball", "held_ball_coupled", "chain",
        "points_ball", "wraps_gimbal", "actuators_ball", "passive_gimbal")  # fmt: skip
#: Scaled evenly only: OpenSim refuses other factors for the first; the origins of winging axes are in a turned frame.
EVEN = ("coupled_shift", "joint_scapulothoracic", "own_speeds_1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scaled")


def compare(folder: Path, names: tuple[object, ...], how: str) -> None:
    """The same model from OpenSim, described anew, and scaled here."""
    folder = folder / how  # descriptions are kept by path
    folder.mkdir(exist_ok=True)
    run_script(HERE / "scale_oracle.py", folder, how, *names, cwd=folder)
    for name in names:
        path = Path(str(name)) if str(name).endswith(".osim") else folder / f"{name}.osim"
        multibody, paths = describe(path)
        theirs, their_paths = describe(folder / f"{path.stem}_scaled.osim")
        with np.load(folder / f"{path.stem}.npz") as arrays:
            known = dict(zip(arrays["bodies"].tolist(), arrays["factors"], strict=True))
        factors = np.array([known.get(body, np.ones(3)) for body in multibody.tree.bodies])
        ours = scale_bodies(multibody, factors)
        value = np.random.default_rng(2).uniform(-0.6, 0.6, (10, len(multibody.coordinates)))
        one, other = posture(ours, value), posture(theirs, value)
        parts = {part: (getattr(one, part), getattr(other, part)) for part in ("positions", "rotations", "columns")}
        parts["center"] = ours.tree.center, theirs.tree.center
        if how == "even":
            parts["inertia"] = ours.tree.inertia, theirs.tree.inertia
        couplers = zip(ours.couplers, theirs.couplers, strict=True)
        parts["couplers"] = tuple(zip(*((one.scale, two.scale) for one, two in couplers), strict=True)) or ((), ())
        for law, same in zip((*ours.forces, *ours.actuators), (*theirs.forces, *theirs.actuators), strict=True):
            parts[f"frames of {law.name}"] = law.frames, same.frames
        arrangement, theirs_too = scale_paths(multibody, arrange(paths), factors), arrange(their_paths)
        for part in ("place", "size", "frame"):
            parts[part] = getattr(arrangement, part), getattr(theirs_too, part)
        parts["lengths"] = (
            lengths(arrangement, solve_paths(arrangement, one)),
            lengths(theirs_too, solve_paths(theirs_too, other)),
        )
        for part, (mine, his) in parts.items():
            np.testing.assert_allclose(mine, his, rtol=0.0, atol=ROUNDING, err_msg=f"{path.stem}: {part}")


def test_few_models_are_as_opensim_scales_them(folder: Path) -> None:
    compare(folder, FEW, "uneven")


@pytest.mark.slow
def test_more_models_are_as_opensim_scales_them(folder: Path) -> None:
    compare(folder, MORE, "uneven")
    compare(folder, (*FEW, *MORE, *EVEN), "even")


@pytest.mark.slow
@pytest.mark.skipif(not REAL, reason="needs the models in OSIMOPT_DATA")
def test_real_models_are_as_opensim_scales_them(folder: Path) -> None:
    compare(folder, tuple(REAL), "uneven")
    compare(folder, tuple(REAL), "even")


def test_factors_of_one_change_nothing() -> None:
    multibody = branched()
    scaled = scale_bodies(multibody, np.ones((6, 3)))
    for name in ("inboard", "outboard", "axes", "radii", "center", "inertia"):
        np.testing.assert_allclose(getattr(scaled.tree, name), getattr(multibody.tree, name), rtol=1e-15, atol=1e-16)


def test_a_loop_that_is_scaled_evenly_stays_closed() -> None:
    multibody = four_bar((0.2, 0.45, 0.3), 0.4)
    value = np.array([[0.4, 1.2, 1.0], [0.1, -0.3, 0.7]])
    before = constraint_rows(posture(multibody, value)).errors
    after = constraint_rows(
        posture(scale_bodies(multibody, np.full((len(multibody.tree.bodies), 3), 1.3)), value)
    ).errors
    np.testing.assert_allclose(after, 1.3 * before, atol=ROUNDING)


def test_a_coupled_translation_grows_with_the_parent_of_its_joint() -> None:
    """One coordinate is a translation itself, one by a function, and one turns and shifts."""
    multibody = branched()
    names, function = multibody.coordinates, np.array(multibody.tree.axis_function)
    function[4] = [-1, -1, -1, IDENTITY, CURVED, -1]
    coordinate = np.array(multibody.tree.axis_coordinate)
    coordinate[4] = [-1, -1, -1, 12, 13, -1]
    tree = replace(multibody.tree, axis_function=function, axis_coordinate=coordinate)
    couplers = tuple(CoordinateCoupler(names[at], at, 0, CURVED, 2.0) for at in (12, 13, 15))
    factors = np.random.default_rng(9).uniform(0.8, 1.2, (6, 3))
    scaled = scale_bodies(replace(multibody, tree=tree, couplers=couplers), factors)
    axis, parent = multibody.tree.axes[4, 3], factors[2]
    expected = [2.0 * np.linalg.norm(parent * axis), 2.0, 2.0]
    np.testing.assert_allclose([one.scale for one in scaled.couplers], expected, rtol=1e-14)
    np.testing.assert_array_equal(scaled.tree.axes[4, 3], axis)
    np.testing.assert_allclose(
        scaled.tree.axes[4, 4],
        multibody.tree.axes[4, 4] * np.linalg.norm(parent * multibody.tree.axes[4, 4]),
        rtol=1e-14,
    )


def test_inertia_is_that_of_the_masses_where_they_are_put() -> None:
    random = np.random.default_rng(6)
    multibody = branched()
    places, masses = random.normal(size=(9, 3)), random.uniform(0.1, 1.0, 9)
    factors = random.uniform(0.7, 1.4, (6, 3))

    def about_center(at: Any) -> Any:
        away = at - masses @ at / masses.sum()
        return np.einsum("p,pij->ij", masses, np.einsum("pk,pk->p", away, away)[:, None, None] * np.eye(3)
                         - away[:, :, None] * away[:, None, :])  # fmt: skip

    inertia = np.array(multibody.tree.inertia)
    inertia[4] = about_center(places)
    scaled = scale_bodies(replace(multibody, tree=replace(multibody.tree, inertia=inertia)), factors)
    np.testing.assert_allclose(scaled.tree.inertia[4], about_center(places * factors[4]), rtol=1e-13)


def test_derivatives_of_dynamics_by_factors() -> None:
    multibody = branched()
    random = np.random.default_rng(8)
    state = [random.uniform(-0.6, 0.6, (3, len(multibody.coordinates))) for _ in range(3)]

    def force(factors: Any) -> Any:
        given = [torch.tensor(one) if isinstance(factors, torch.Tensor) else one for one in state]
        return inverse_dynamics(scale_bodies(multibody, factors), *given)

    slopes(force, random.uniform(0.8, 1.2, (6, 3)))


@pytest.mark.parametrize("case", FEW)
def test_derivatives_of_paths_by_factors(folder: Path, case: str) -> None:
    written = folder / "uneven"
    if not (written / f"{case}.osim").exists():
        written.mkdir(exist_ok=True)
        run_script(HERE / "scale_oracle.py", written, "uneven", case, cwd=written)
    multibody, paths = describe(written / f"{case}.osim")
    arrangement = arrange(paths, [one for one in paths.muscles if one and one.name != "over_torus"])
    value = np.random.default_rng(5).uniform(-0.3, 0.3, (3, len(multibody.coordinates)))
    factors = np.random.default_rng(6).uniform(0.9, 1.1, (len(multibody.tree.bodies), 3))

    def both(factors: Any) -> Any:
        there, own = scaled_posture(multibody, value, factors), scale_paths(multibody, arrangement, factors)
        solved = solve_paths(own, there)
        arms = moment_arms(own, solved, there).value
        return [lengths(own, solved), arms]

    slopes(lambda x: both(x)[0], factors)
    slopes(lambda x: both(x)[1], factors)


def scaled_posture(multibody: Multibody, value: Any, factors: Any) -> Any:
    at = torch.tensor(value) if isinstance(factors, torch.Tensor) else value
    return posture(scale_bodies(multibody, factors), at)


def slopes(function: Callable[[Any], Any], at: np.ndarray) -> None:
    """The gradient along a random direction, beside differences."""
    leaf = torch.tensor(at, requires_grad=True)
    found = function(leaf)
    weights = np.random.default_rng(3).normal(size=tuple(found.shape))
    (found * torch.tensor(weights)).sum().backward()
    way = np.random.default_rng(4).normal(size=at.shape)
    twice, once, back, far = ((function(at + s * STEP * way) * weights).sum() for s in (2, 1, -1, -2))
    difference = (8.0 * (once - back) - twice + far) / (12.0 * STEP)
    assert float((leaf.grad.numpy() * way).sum()) == pytest.approx(difference, rel=SLOPE)


@pytest.mark.parametrize(("factors", "got"), [(np.ones((5, 3)), r"\(5, 3\)"), (-np.ones((6, 3)), "-1")])
def test_factors_that_cannot_be(factors: np.ndarray, got: str) -> None:
    with pytest.raises(InputError, match=f"factors.*got {got}"):
        scale_bodies(branched(), factors)
