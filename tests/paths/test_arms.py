"""Moment arms of points that move, come and go, across every kind of joint: the slope of the length."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import HERE, run_script
from mechanics_cases import describe

from osimopt.multibody.kinematics import posture
from osimopt.multibody.rates import to_coordinates
from osimopt.paths.arms import Arms, _summed, moment_arms
from osimopt.paths.arrangement import Arrangement, arrange
from osimopt.paths.contact import Touch
from osimopt.paths.jumps import find_jumps
from osimopt.paths.solve import lengths, points_inside, solve_paths
from osimopt.paths.sphere import wrap_sphere
from osimopt.paths.wraps import WRAPS

CASES = ("points_gimbal", "points_by_ball", "wraps_free", "own_speeds_1")
#: m, of central differences of fourth order.
SLOPE = 1e-9


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("zoo")
    run_script(HERE / "mechanics_oracle.py", folder, 6, 0.5, *CASES, cwd=folder)
    return folder


def length(path: Path, arrangement: Arrangement, value: np.ndarray) -> np.ndarray:
    return lengths(arrangement, solve_paths(arrangement, posture(describe(path)[0], value)))


@pytest.mark.parametrize("case", CASES)
def test_moment_arms_are_slopes(zoo: Path, case: str) -> None:
    path, value = zoo / f"{case}.osim", np.load(zoo / f"{case}.npz")["q"]
    multibody, paths = describe(path)
    arrangement = arrange(paths)
    there = posture(multibody, value)
    arms = moment_arms(arrangement, solve_paths(arrangement, there), there).dense(
        len(arrangement.names), value.shape[1]
    )
    assert np.isfinite(arms).all()
    about = np.stack([to_coordinates(multibody, value, arms[..., path]) for path in range(arms.shape[2])], axis=2)
    step, size = 2e-4, value.shape[1]
    ways = step * np.array([-2.0, -1.0, 1.0, 2.0])[:, None, None, None] * np.eye(size)[:, None]
    moved = length(path, arrangement, (value + ways).reshape(-1, size)).reshape(4, size, len(value), -1)
    slope = np.einsum("s,sntm->tnm", np.array([1.0, -8.0, 8.0, -1.0]) / (12.0 * step), moved)
    error = np.abs(about + slope).max(axis=1)
    assert np.median(error.max(axis=1)) < SLOPE
    assert (error > SLOPE).sum() <= 1  # a posture beside a jump


def test_a_point_that_comes_and_goes_is_a_jump(zoo: Path) -> None:
    """The point of `conditional_away` is on the path from 2 to 3 rad of the knee."""
    path = zoo / "points_gimbal.osim"
    multibody, paths = describe(path)
    arrangement = arrange(paths)
    knee = next(row for row, name in enumerate(multibody.coordinates) if name.endswith("knee"))
    value = np.zeros((11, len(multibody.coordinates)))
    value[:, knee] = np.linspace(1.9, 2.11, 11)
    jumps = find_jumps(multibody, arrangement, value)
    assert sorted(jump.path for jump in jumps) == ["conditional_away", "conditional_there"]
    for jump in jumps:
        edge = 2.0 + (1e-5 if jump.path == "conditional_there" else -1e-5)
        assert jump.value[knee] == pytest.approx(edge, abs=1e-9)
        column = arrangement.names.index(jump.path)
        around = jump.value + 1e-8 * np.eye(len(jump.value))[knee] * np.array([[-1.0], [1.0]])
        sides = length(path, arrangement, around)[:, column]
        assert jump.size == pytest.approx(sides[1] - sides[0], abs=1e-7)
        assert abs(jump.size) > 1e-4


def test_a_point_inside_an_object_is_said(zoo: Path) -> None:
    """OpenSim does not wrap there: the path is straight."""
    multibody, paths = describe(zoo / "wraps_free.osim")
    path = next(one for one in paths.muscles if one and one.name == "over_sphere")
    own = paths.objects[path.wraps[0].object]
    value = np.load(zoo / "wraps_free.npz")["q"]
    inside = replace(
        path, place=np.where([[True], [False]], own.frame[:3, 3], path.place), body=np.array([own.body, path.body[1]])
    )
    arrangement = arrange(paths, [path, inside])
    there = posture(multibody, value)
    (solved,) = solve_paths(arrangement, there)
    said = points_inside(solved)
    assert said[0, 1].all()
    assert not solved.touched[0, 1].any()
    assert not said[0, 0].any()
    straight = np.linalg.norm(solved.place[:, 1, 1] - solved.place[:, 0, 1], axis=0)
    np.testing.assert_allclose(solved.length[1], straight)


def test_a_geodesic_that_is_not_found_is_never_a_straight_path(zoo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(*arguments: np.ndarray) -> Touch:
        found = wrap_sphere(*arguments)
        return replace(found, first=np.nan * found.first, last=np.nan * found.last, arc=np.where(found.on, np.nan, 0.0))

    multibody, paths = describe(zoo / "wraps_free.osim")
    chosen = [one for one in paths.muscles if one and one.name in ("over_sphere", "over_two")]
    arrangement, there = arrange(paths, chosen), posture(multibody, np.load(zoo / "wraps_free.npz")["q"])
    before = [one.touched.copy() for one in solve_paths(arrangement, there)]
    monkeypatch.setitem(WRAPS, "sphere", lost)
    for touched, one in zip(before, solve_paths(arrangement, there), strict=True):
        sphere = touched[one.bundle.kinds.index("sphere")]
        assert np.isnan(one.length[sphere]).all()
        assert np.isfinite(one.length[~sphere]).all()


def test_a_path_without_a_length_spoils_no_other() -> None:
    """Neither where pairs have no moment arm, nor where a moving point adds to one."""
    arms = Arms(np.array([0, 1]), np.array([0, 1]), np.array([[np.nan], [2.0]]))
    np.testing.assert_array_equal(arms.dense(2, 2)[0], [[np.nan, 0.0], [0.0, 2.0]])
    more = Arms(np.array([1, 1]), np.array([1, 1]), np.array([[3.0], [4.0]]))
    np.testing.assert_array_equal(_summed([arms, more], 2).value, [[np.nan], [9.0]])
    none = Arms(np.zeros(0, dtype=np.intp), np.zeros(0, dtype=np.intp), np.zeros((0, 3)))
    np.testing.assert_array_equal(none.dense(1, 2), np.zeros((3, 2, 1)))
