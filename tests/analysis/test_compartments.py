"""Medial and lateral forces: closed forms, action and reaction, and models that cannot tell."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import osimopt
from osimopt import Compartments, InputError, ModelError, RedundancyProblem, RedundancySolution, feasible_ranges
from osimopt.problem.reactions import JointReactions

Array = NDArray[np.float64]
#: N of some hundred.
EXACT = 1e-9
#: 40 mm apart, 30 mm below the joint's centre.
MEDIAL, LATERAL = (0.0, -0.03, 0.02), (0.0, -0.03, -0.02)


def knee(wrench: Array, muscles: int = 3, seed: int = 0) -> RedundancyProblem:
    """A knee that transmits wrenches (T, 6) and what its muscles add; its tibia lies anywhere."""
    rng = np.random.default_rng(seed)
    wrench = np.atleast_2d(np.asarray(wrench, dtype=float))
    frames = len(wrench)
    problem = RedundancyProblem.from_arrays(
        np.full((frames, 1, muscles), 0.04), np.full(muscles, 500.0), np.full((frames, 1), 15.0)
    )
    effect = rng.normal(size=(frames, 6, muscles)) * np.array([1.0, 1.0, 1.0, 0.03, 0.03, 0.03])[:, None]
    known = JointReactions.from_arrays("knee", wrench, effect, problem.muscles, 700.0)
    turned = np.linalg.qr(rng.normal(size=(frames, 3, 3)))[0]
    turned *= np.linalg.det(turned)[:, None, None]
    axes = np.stack([np.broadcast_to(np.eye(3), turned.shape), turned], axis=1)[:, None]
    place, origin = rng.normal(size=(2, frames, 1, 2, 3))
    place[:, :, 1] = origin[:, :, 1]  # the joint's frame on the tibia is the tibia's
    known = replace(known, bodies=(("femur", "tibia"),), rotation=axes, place=place, origin=origin)
    return replace(problem, reactions=known)


def alone(wrench: Array, seed: int = 0) -> RedundancySolution:
    """The solution of a knee whose muscles do nothing; wrenches (T, 6) are on the tibia, in its axes."""
    problem = knee(wrench, seed=seed)
    known = problem.reactions
    assert known is not None
    axes = known.rotation[:, 0, 1]
    both = np.atleast_2d(wrench).reshape(-1, 2, 3)
    constant = np.einsum("tij,tkj->tki", axes, both).reshape(-1, 1, 6)
    known = replace(known, constant=constant, effect=1e-12 * known.effect)
    return osimopt.solve_static(replace(problem, reactions=known))


def at(point: tuple[float, float, float], force: tuple[float, float, float]) -> Array:
    """Wrench (6,) about the origin of a force at a point."""
    return np.concatenate([force, np.cross(point, force)])


@pytest.mark.parametrize(
    ("wrench", "medial", "lateral"),
    [
        (at(MEDIAL, (0.0, -700.0, 0.0)), 700.0, 0.0),
        (at(LATERAL, (0.0, -700.0, 0.0)), 0.0, 700.0),
        (at((0.0, 0.0, 1e-6), (0.0, -700.0, 0.0)), 350.0175, 349.9825),
        (at((0.5, 0.4, 0.01), (0.0, -700.0, 0.0)), 525.0, 175.0),  # wherever along its line, and before the knee
        (at((0.0, 0.0, 0.06), (0.0, -100.0, 0.0)), 200.0, -100.0),  # beyond the condyle
        (at(MEDIAL, (0.0, -700.0, 0.0)) + at((0.3, -0.03, 0.7), (0.0, 0.0, 250.0)), 700.0, 0.0),  # shear midway
        (at(MEDIAL, (0.0, -700.0, 0.0)) + at((0.0, 0.1, 0.2), (90.0, 0.0, 0.0)), 700.0, 0.0),  # to the front
        (np.array([0.0, 0.0, 0.0, 4.0, 0.0, 0.0]), 100.0, -100.0),  # a moment of 40 mm · 100 N
        (at(MEDIAL, (0.0, -700.0, 0.0)) + np.array([0.0, 0.0, 0.0, 0.0, 9.0, 7.0]), 700.0, 0.0),  # in other planes
    ],
)
def test_closed_forms(wrench: Array, medial: float, lateral: float) -> None:
    found = osimopt.compartment_forces(alone(wrench), "knee", MEDIAL, LATERAL, body="tibia")
    np.testing.assert_allclose(found.to_numpy(), [[medial, lateral, medial + lateral]], atol=1e-7)


def test_the_sum_is_the_axial_force_and_the_moment_that_of_the_joint() -> None:
    """Both forces, and the shear midway, have the force and frontal moment of the joint about any point."""
    rng = np.random.default_rng(2)
    wrench = rng.normal(size=(6, 6)) * [300.0, 900.0, 200.0, 20.0, 9.0, 12.0]
    medial, lateral, axis = (0.01, -0.02, 0.025), (-0.01, -0.03, -0.02), (0.1, 1.0, 0.05)
    found = osimopt.compartment_forces(alone(wrench), "knee", medial, lateral, "tibia", axis).to_numpy()
    up = np.asarray(axis) / np.linalg.norm(axis)
    np.testing.assert_allclose(found[:, 0] + found[:, 1], found[:, 2], atol=EXACT)
    np.testing.assert_allclose(found[:, 2], -wrench[:, :3] @ up, atol=1e-7)
    middle = 0.5 * (np.asarray(medial) + np.asarray(lateral))
    for force, reaction in zip(found, wrench, strict=True):
        shear = reaction[:3] - (reaction[:3] @ up) * up
        parts = [(medial, -force[0] * up), (lateral, -force[1] * up), (middle, shear)]
        moment = sum(np.cross(point, one) for point, one in parts)
        np.testing.assert_allclose(sum(one for _, one in parts), reaction[:3], atol=1e-7)
        normal = np.cross(np.asarray(lateral) - medial, up)
        assert normal @ moment == pytest.approx(normal @ reaction[3:], abs=1e-8)


def test_on_either_body_the_forces_are_the_same() -> None:
    """Action is reaction: the femur's centres, where the tibia's are, with the axis reversed."""
    problem = knee(np.random.default_rng(3).normal(size=(1, 6)) * 100.0)
    known = problem.reactions
    assert known is not None
    solution = osimopt.solve_static(problem)
    tibia = osimopt.compartment_forces(solution, "knee", MEDIAL, LATERAL, "tibia")

    def by_femur(point: tuple[float, float, float]) -> Array:
        ground = known.origin[0, 0, 1] + known.rotation[0, 0, 1] @ point
        return np.asarray(known.rotation[0, 0, 0].T @ (ground - known.origin[0, 0, 0]))

    up = known.rotation[0, 0, 0].T @ known.rotation[0, 0, 1] @ (0.0, -1.0, 0.0)
    femur = osimopt.compartment_forces(solution, "knee", by_femur(MEDIAL), by_femur(LATERAL), "femur", up)
    np.testing.assert_allclose(femur.to_numpy(), tibia.to_numpy(), atol=1e-7)


def test_ranges_of_a_compartment_hold_its_force() -> None:
    solution = osimopt.solve_static(knee(np.array([[0.0, -300.0, 0.0, 1.0, 0.0, 0.0]] * 4), muscles=6, seed=5))
    split = Compartments("knee", MEDIAL, LATERAL, "tibia")
    own = osimopt.compartment_forces(solution, "knee", MEDIAL, LATERAL, "tibia")
    for name in ("medial", "lateral"):
        found = feasible_ranges(solution, of=split, component=name)
        np.testing.assert_allclose(found.optimum, own[name], atol=1e-7)
        assert (found.minimum < own[name]).all()
        for activation, end in ((found.lowest, found.minimum), (found.highest, found.maximum)):
            again = replace(solution, activation=activation)
            np.testing.assert_allclose(
                osimopt.compartment_forces(again, "knee", MEDIAL, LATERAL, "tibia")[name], end, atol=1e-6
            )
    with pytest.raises(InputError, match=r"'medial' or 'lateral'.*norm"):
        feasible_ranges(solution, of=split)


def test_a_planar_joint_or_a_free_one_cannot_tell() -> None:
    flat = at((0.3, 0.2, 0.0), (40.0, -700.0, 0.0))
    with pytest.raises(ModelError, match=r"knee.*beside 701 N"):
        osimopt.compartment_forces(alone(flat), "knee", MEDIAL, LATERAL, "tibia")
    problem = knee(np.array([[0.0, -700.0, 0.0, 5.0, 0.0, 0.0]] * 3))
    known = problem.reactions
    assert known is not None
    axes, arm = known.rotation[:, 0, 1], problem.moment_arm[:, 0]
    effect = known.effect + 0.0
    effect[:, :, 3:] = np.einsum("ti,tm->tmi", axes[:, :, 0], -arm)  # what muscles do about x is what is balanced
    free = osimopt.solve_static(replace(problem, reactions=replace(known, effect=effect)))
    with pytest.raises(ModelError, match="actuators and springs of its own coordinates"):
        osimopt.compartment_forces(free, "knee", MEDIAL, LATERAL, "tibia")
    with pytest.raises(ModelError, match="actuators and springs of its own coordinates"):
        feasible_ranges(free, of=Compartments("knee", MEDIAL, LATERAL, "tibia"), component="medial")


def test_wrong_centres_and_bodies_are_refused() -> None:
    with pytest.raises(InputError, match=r"0\.001 m.*0\.0, 0\.4, 0\.0"):
        Compartments("knee", (0.0, 0.4, 0.0), (0.0, 0.2, 0.0), "tibia")
    with pytest.raises(InputError, match="three numbers as lateral"):
        Compartments("knee", MEDIAL, (0.0, 0.2), "tibia")
    with pytest.raises(InputError, match="three numbers as axis"):
        Compartments("knee", MEDIAL, LATERAL, "tibia", (0.0, 0.0, 0.0))
    solution = osimopt.solve_static(knee(np.ones(6)))
    with pytest.raises(InputError, match=r"femur, tibia.*patella"):
        osimopt.compartment_forces(solution, "knee", MEDIAL, LATERAL, "patella")
    with pytest.raises(InputError, match="joint"):
        osimopt.compartment_forces(solution, "hip", MEDIAL, LATERAL, "tibia")


def test_joints_between_bodies() -> None:
    """A tray welded to the tibia, a reversed knee, a patella beside it, and a loop."""
    problem = knee(np.ones(6))
    known = problem.reactions
    assert known is not None
    chain = {"hip": ("pelvis", "femur"), "knee": ("tray", "femur"), "patella": ("femur", "patella")}
    chain["weld"] = ("tray", "tibia")

    def between(one: str, other: str) -> tuple[str, ...]:
        names = ("constant", "rotation", "place", "origin")
        same = {name: np.repeat(getattr(known, name), len(chain), axis=1) for name in names}
        carried = replace(known, joints=tuple(chain), bodies=tuple(chain.values()), **same)
        return osimopt.joints_between(replace(problem, reactions=carried), one, other)

    assert between("femur", "tibia") == ("knee", "weld")
    assert between("tibia", "pelvis") == ("weld", "knee", "hip")
    with pytest.raises(InputError, match="talus"):
        between("femur", "talus")
    chain["ankle"] = ("foot", "talus")
    with pytest.raises(ModelError, match="one chain of joints from femur to talus, got none"):
        between("femur", "talus")
    chain["tendon"] = ("patella", "tibia")
    with pytest.raises(ModelError, match=r"patella, tendon and knee, weld|knee, weld and patella, tendon"):
        between("femur", "tibia")


@pytest.mark.slow
def test_walk(real_data: Path) -> None:
    """The knee of a walk: most of it medial in stance; the hip leaves the frontal moment to muscles."""
    folder = real_data / "walk_80muscles"
    files = [folder / name for name in ("walk_80muscles_with_reserves.osim", "coordinates_100hz.mot", "grf_walk.xml")]
    problem = osimopt.load_problem(*files, time_range=(0.49, 1.61), reserves=None)
    solution = osimopt.solve_static(problem.frames(slice(None, None, 10)))
    assert osimopt.joints_between(solution.problem, "femur_l", "tibia_l") == ("walker_knee_l",)
    found = osimopt.compartment_forces(solution, "walker_knee_l", MEDIAL, LATERAL, "tibia_l")
    axial = -solution.joint_reactions("walker_knee_l", frame="child").to_numpy()[:, 1]
    np.testing.assert_allclose(found["total"], axial, atol=1e-8)
    np.testing.assert_allclose(found["medial"] + found["lateral"], axial, atol=1e-8)
    loaded = found[found["total"] > 1000.0]
    assert (loaded["medial"] > loaded["lateral"]).mean() > 0.8
    with pytest.raises(ModelError, match="actuators and springs of its own coordinates"):
        osimopt.compartment_forces(solution, "hip_l", MEDIAL, LATERAL, "femur_l")
