"""One object between two points: tangent, the shortest way on its side, and where OpenSim wraps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import HERE, run_script
from mechanics_cases import describe

from osimopt.multibody.kinematics import posture
from osimopt.paths.arrangement import arrange
from osimopt.paths.contact import Touch
from osimopt.paths.cylinder import wrap_cylinder
from osimopt.paths.solve import lengths, solve_paths
from osimopt.paths.sphere import wrap_sphere

WRAPPERS = {"cylinder": (wrap_cylinder, 2), "sphere": (wrap_sphere, 1)}
#: Directions of unit length, and m at sizes of 1 m: rounding of some operations.
ROUNDING = 1e-12
#: m: a sphere's length against OpenSim's, which finds the same points by other formulas.
SPHERE = 1e-8
#: m: OpenSim's path over a cylinder is another one, hence longer, but for rounding.
LONGER = 1e-9


def random_cases(kind: str, count: int = 4000) -> tuple[np.ndarray, ...]:
    random = np.random.default_rng(2)
    start, end = random.normal(size=(2, 3, count))
    size = np.abs(random.normal(size=(2, count))) * np.array([[0.5], [20.0]])
    axis, sign = random.integers(0, 3, count), random.integers(-1, 2, count)
    return start, end, size[: WRAPPERS[kind][1]], axis, sign


def of(kind: str, *cases: np.ndarray) -> Touch:
    return WRAPPERS[kind][0](*cases)


def outward(kind: str, point: np.ndarray) -> np.ndarray:
    """Unit normals of the surface."""
    normal = point * (np.array([[1.0], [1.0], [0.0]]) if kind == "cylinder" else 1.0)
    return normal / np.linalg.norm(normal, axis=0)


def geodesic(kind: str, contact: Touch, direction: np.ndarray, on: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the geodesics from the first points end, and their directions there, in closed form."""
    first, arc = contact.first[:, on], contact.arc[on]
    if kind == "sphere":
        radius = np.linalg.norm(first, axis=0)
        turn = arc / radius
        return (
            np.cos(turn) * first + np.sin(turn) * radius * direction,
            np.cos(turn) * direction - np.sin(turn) * first / radius,
        )
    radius = np.hypot(first[0], first[1])
    turn = arc * (first[0] * direction[1] - first[1] * direction[0]) / radius**2

    def turned(vector: np.ndarray) -> np.ndarray:
        x, y, z = vector
        return np.array([np.cos(turn) * x - np.sin(turn) * y, np.sin(turn) * x + np.cos(turn) * y, z])

    end = turned(first)
    end[2] += arc * direction[2]
    return end, turned(direction)


@pytest.mark.parametrize("kind", WRAPPERS)
def test_the_path_goes_straight_into_a_geodesic_and_out_of_it(kind: str) -> None:
    start, end, size, axis, sign = random_cases(kind)
    contact = of(kind, start, end, size, axis, sign)
    on = contact.on
    assert 0.05 < on.mean() < 0.6
    arriving = contact.first[:, on] - start[:, on]
    arriving /= np.linalg.norm(arriving, axis=0)
    leaving = end[:, on] - contact.last[:, on]
    leaving /= np.linalg.norm(leaving, axis=0)
    assert np.abs((arriving * outward(kind, contact.first[:, on])).sum(axis=0)).max() < ROUNDING
    place, direction = geodesic(kind, contact, arriving, on)
    assert np.abs(place - contact.last[:, on]).max() < ROUNDING
    assert np.abs(direction - leaving).max() < ROUNDING


@pytest.mark.parametrize("kind", WRAPPERS)
def test_without_a_quadrant_it_is_the_short_way(kind: str) -> None:
    start, end, size, axis, sign = random_cases(kind)
    contact = of(kind, start, end, size, axis, 0 * sign)
    radius = np.broadcast_to(size[0], contact.arc.shape)
    first, last = (outward(kind, one[:, contact.on]) for one in (contact.first, contact.last))
    turn = np.arctan2(np.linalg.norm(np.cross(first, last, axis=0), axis=0), (first * last).sum(axis=0))
    rise = contact.last[2] - contact.first[2] if kind == "cylinder" else 0.0 * contact.arc
    assert contact.arc[contact.on] == pytest.approx(np.hypot(radius[contact.on] * turn, rise[contact.on]), abs=1e-9)


@pytest.mark.parametrize("kind", WRAPPERS)
def test_a_wrap_begins_with_no_length(kind: str) -> None:
    """Where the line just misses, touches and just crosses the surface."""
    start, end = np.array([[-1.0, 0.0, 0.0]] * 3).T, np.array([[1.0, 0.0, 0.0]] * 3).T
    offset = 0.3 + np.array([1e-12, 0.0, -1e-12])
    start[1], end[1] = offset, offset
    size = np.array([[0.3] * 3, [1.0] * 3])[: WRAPPERS[kind][1]]
    contact = of(kind, start, end, size, np.zeros(3, dtype=int), np.zeros(3, dtype=int))
    assert contact.on.tolist()[::2] == [False, True]
    assert np.all((contact.arc >= 0.0) & (contact.arc < 1e-5))  # grows as the root of the depth


@pytest.mark.parametrize("kind", WRAPPERS)
def test_a_point_inside_does_not_wrap(kind: str) -> None:
    start, end = np.array([[0.1], [0.0], [0.0]]), np.array([[2.0], [0.1], [0.0]])
    size = np.array([[0.3], [1.0]])[: WRAPPERS[kind][1]]
    contact = of(kind, start, end, size, np.zeros(1, dtype=int), np.zeros(1, dtype=int))
    assert contact.inside.all()
    assert not contact.on.any()
    assert contact.arc == 0.0


@pytest.mark.parametrize("kind", WRAPPERS)
def test_torch_agrees(kind: str) -> None:
    cases = random_cases(kind)
    ours, theirs = of(kind, *cases), of(kind, *(torch.as_tensor(one) for one in cases))
    for one, two in zip(vars(ours).values(), vars(theirs).values(), strict=True):
        np.testing.assert_allclose(two.numpy(), one, rtol=0.0, atol=ROUNDING)


@pytest.fixture(scope="module")
def wrapped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wraps")
    run_script(HERE / "wrap_oracle.py", folder, 48, 5, "cylinder", "sphere", cwd=folder)
    return folder


def test_the_same_paths_wrap_as_in_opensim(wrapped: Path) -> None:
    """All quadrants and ranges of points; spheres to rounding, cylinders never longer than OpenSim's."""
    multibody, paths = describe(wrapped / "wraps.osim")
    theirs = np.load(wrapped / "wraps.npz")
    arrangement = arrange(paths)
    solved = solve_paths(arrangement, posture(multibody, theirs["q"]))
    ours = lengths(arrangement, solved)
    turns = np.zeros(ours.shape, dtype=int)
    for one in solved:
        turns[:, one.bundle.rows] = one.touched.sum(axis=0).T
    assert np.array_equal(turns, theirs["turns"])
    assert 0.2 < turns.mean() < 0.8
    sphere = np.array([paths.objects[path.wraps[0].object].kind == "sphere" for path in paths.muscles if path])
    longer = ours - theirs["length"]
    assert longer[:, ~sphere].max() < LONGER
    backward = longer[:, sphere] > 0.1  # m: OpenSim counts what is more than half a turn as negative
    assert np.abs(longer[:, sphere][~backward]).max() < SPHERE
    assert 0 < backward.sum() < 0.1 * backward.size
