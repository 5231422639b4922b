"""Paths that are tangent to two objects at once: lengths, moment arms, and their gradients."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import HERE, run_script
from mechanics_cases import describe
from scipy.optimize import minimize
from scipy.spatial.transform import Rotation

from osimopt.multibody.kinematics import posture
from osimopt.paths.arms import moment_arms, wrenches
from osimopt.paths.arrangement import Arrangement, arrange
from osimopt.paths.cylinder import wrap_cylinder
from osimopt.paths.jumps import find_jumps
from osimopt.paths.several_wraps import settle
from osimopt.paths.solve import SolvedPaths, lengths, solve_paths
from osimopt.paths.turns import Obstacle, slide

#: m, of OpenSim's geodesics over both cylinders: length, and moment arm.
LENGTH, ARM = 1e-6, 1e-5
#: m, of central differences of re-solved lengths.
SLOPE = 1e-9
#: m: a minimiser stops where the length is flat.
FLAT = 1e-9
#: Share of paths over two cylinders with random quadrants that are found.
FOUND = 0.98
#: Of gradients against central differences.
GRADIENT = 1e-6


@pytest.fixture(scope="module")
def knee(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("knee")
    run_script(HERE / "scholz_oracle.py", folder, cwd=folder)
    return folder


class Solved:
    """The paths of a model in postures."""

    def __init__(self, path: Path, value: Any, arrangement: Arrangement | None = None) -> None:
        self.multibody, self.paths = describe(path)
        self.arrangement = arrangement or arrange(self.paths)
        there = posture(self.multibody, value)
        self.strands: list[SolvedPaths] = solve_paths(self.arrangement, there)
        self.length = lengths(self.arrangement, self.strands)
        size = len(self.arrangement.names), value.shape[1]
        self.arms = moment_arms(self.arrangement, self.strands, there)
        self.arm = self.arms.dense(*size)
        self.wrenches = wrenches(self.strands, 0.0 * self.length + 1.0, len(self.multibody.tree.bodies))
        self.columns, self.beyond = there.columns, there.beyond


def test_opensims_geodesics_agree(knee: Path) -> None:
    judge = np.load(knee / "scholz.npz")
    solved = Solved(knee / "knee.osim", judge["angle"][:, None])
    touched = solved.strands[0].touched[:, 0]
    assert touched.all(axis=0).sum() > 10
    assert (touched.sum(axis=0) == 1).sum() > 10
    assert np.abs(solved.length[:, 0] - judge["length"]).max() < LENGTH
    assert np.abs(solved.arm[:, 0, 0] - judge["moment_arm"]).max() < ARM
    assert np.abs(solved.arm[:, 0, 0] - judge["slope"]).max() < ARM


@pytest.mark.parametrize("angle", [0.0, -0.3])
def test_no_path_over_both_cylinders_is_shorter(knee: Path, angle: float) -> None:
    """Two single wraps that meet in a point between the cylinders: the best such point, by an independent minimiser."""
    solved = Solved(knee / "knee.osim", np.array([[angle]]))
    strands, there = solved.strands[0], posture(solved.multibody, np.array([[angle]]))
    shank, condyles = (solved.paths.objects[row] for row in strands.bundle.objects[0])
    assert (shank.name, condyles.name) == ("shank", "condyles")

    def over(cylinder: Any, start: np.ndarray, end: np.ndarray) -> float:
        turn, origin = there.rotations[cylinder.body, ..., 0], there.positions[cylinder.body, :, 0]
        turn, origin = turn @ cylinder.frame[:3, :3], origin + turn @ cylinder.frame[:3, 3]
        ends = [(turn.T @ (one - origin))[:, None] for one in (start, end)]
        found = wrap_cylinder(*ends, cylinder.size[:, None], np.array([cylinder.axis]), np.array([cylinder.sign]))
        assert found.on.all()
        straight = np.linalg.norm(found.first - ends[0]) + np.linalg.norm(ends[1] - found.last)
        return float(found.arc[0] + straight)

    ends, nodes = strands.place[:, :2, 0, 0].T, strands.place[:, 2:, 0, 0].T
    middle = 0.5 * (nodes[3] + nodes[0])  # where the path has left the condyles, and is not at the shank yet
    across = np.linalg.svd((nodes[0] - nodes[3])[None])[2][1:]

    def length(x: np.ndarray) -> float:
        point = middle + 1e-2 * x @ across
        return over(condyles, ends[0], point) + over(shank, point, ends[1])

    found = minimize(length, np.array([0.3, -0.2]), method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-15})
    assert found.fun == pytest.approx(solved.length[0, 0], abs=FLAT)
    assert np.abs(found.x).max() < 1e-3


def test_the_moment_arm_is_the_slope_of_the_length(knee: Path) -> None:
    value, step = np.linspace(-1.3, 0.1, 24)[:, None], 1e-4
    solved = Solved(knee / "knee.osim", value)
    lengths_ = [Solved(knee / "knee.osim", value + shift * step).length for shift in (-2, -1, 1, 2)]
    slope = (lengths_[0] - 8.0 * lengths_[1] + 8.0 * lengths_[2] - lengths_[3]) / (12.0 * step)
    assert np.abs(solved.arm[:, 0] + slope).max() < SLOPE
    speed = np.ones_like(value)
    assert np.abs(solved.arms.lengthening_speed(2, speed) - slope).max() < SLOPE


def test_pulls_on_bodies_do_what_the_moment_arms_say(knee: Path) -> None:
    solved = Solved(knee / "knee.osim", np.linspace(-1.3, 0.1, 5)[:, None])
    assert np.abs(solved.wrenches.sum(axis=0)).max() < 1e-12
    moment = np.einsum("nct,bct,bn->tn", solved.columns, solved.wrenches, solved.beyond)
    np.testing.assert_allclose(moment, solved.arm.sum(axis=2), atol=1e-13)


def test_a_posture_does_not_depend_on_its_neighbours(knee: Path) -> None:
    value = np.linspace(-1.3, 0.1, 24)[:, None]
    together = Solved(knee / "knee.osim", value).length
    alone = np.concatenate([Solved(knee / "knee.osim", value[row : row + 1]).length for row in range(24)])
    np.testing.assert_allclose(alone, together, rtol=0.0, atol=1e-14)


def test_gradients_by_posture_points_and_objects(knee: Path) -> None:
    """Of lengths and of moment arms, over one and over both cylinders."""
    multibody, paths = describe(knee / "knee.osim")
    plain, value = arrange(paths), np.array([[-1.2], [-0.35], [0.0]])
    random = np.random.default_rng(1)
    weights = random.normal(size=(3, 2)), random.normal(size=(3, 1, 2))
    ways = {name: random.normal(size=getattr(plain, name).shape) for name in ("place", "frame", "size")}
    ways["frame"][:, 3] = 0.0
    ways["value"] = random.normal(size=value.shape)

    def both(name: str, shift: Any, cast: Any) -> list[Any]:
        base = {"value": value, **{own: getattr(plain, own) for own in ("place", "frame", "size")}}
        moved = {own: cast(array) for own, array in base.items()}
        moved[name] = moved[name] + shift * cast(ways[name])
        there = posture(multibody, moved.pop("value"))
        own = replace(plain, **moved)
        strands = solve_paths(own, there)
        found = lengths(own, strands), moment_arms(own, strands, there).dense(2, 1)
        return [(one * cast(weight)).sum() for one, weight in zip(found, weights, strict=True)]

    for name in ways:
        shift = torch.zeros((), dtype=torch.float64, requires_grad=True)
        exact = [
            torch.autograd.grad(one, shift, retain_graph=True)[0].item() for one in both(name, shift, torch.as_tensor)
        ]
        step = 1e-6
        numeric = [
            (a - b) / (2.0 * step) for a, b in zip(*(both(name, way, np.asarray) for way in (step, -step)), strict=True)
        ]
        np.testing.assert_allclose(exact, numeric, rtol=GRADIENT)


def test_paths_that_do_not_jump_have_no_jumps(knee: Path) -> None:
    multibody, paths = describe(knee / "knee.osim")
    assert find_jumps(multibody, arrange(paths), np.linspace(-1.3, 0.1, 30)[:, None]) == []


def crossed_quadrants(seed: int, count: int) -> tuple[list[Obstacle], np.ndarray]:
    """Paths of two points over two cylinders, whose quadrants may contradict each other."""
    random = np.random.default_rng(seed)
    points = np.stack(
        [random.normal(size=(3, count)) * 0.02 + np.array([[x], [0.0], [0.0]]) for x in (-0.2, 0.2)], axis=1
    )
    obstacles = []
    for x in (-0.05, 0.05):
        turn = np.moveaxis(Rotation.from_rotvec(0.2 * random.normal(size=(count, 3))).as_matrix(), 0, -1)
        center = random.normal(size=(3, count)) * 0.01 + np.array([[x], [0.0], [0.0]])
        size = np.stack([random.uniform(0.02, 0.04, count), np.full(count, 1.0), np.zeros(count)])
        axis, sign = np.full(count, 1), random.choice([-1, 1], count)
        obstacles.append(Obstacle("cylinder", turn, center, size, axis, sign, np.ones((1, count), dtype=bool)))
    return obstacles, points


def test_paths_are_tangent_also_where_quadrants_contradict_each_other() -> None:
    """Every path that is found is stationary: no place of contact is better when it is slid between its neighbours."""
    obstacles, points = crossed_quadrants(1, 300)
    turns, settled, contested = settle(obstacles, points)
    assert settled.mean() > FOUND
    assert 0 < contested.sum() < 0.2 * len(contested)
    for index, turn in enumerate(turns):
        again = slide(obstacles[index], points, turn, turns[:index] + turns[index + 1 :])
        on = turn.on & settled
        assert again.on[on].all()
        assert (turn.arc[on] >= 0.0).all()
        for name in ("first", "last"):
            assert np.abs(getattr(again, name) - getattr(turn, name))[:, on].max() < FLAT
