"""Paths over ellipsoids against closed forms, a chain of points made as short as it can be, and OpenSim's decisions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from path_chain import shortest_on_ellipsoid

from osimopt.paths.contact import Touch
from osimopt.paths.ellipsoid import wrap_ellipsoid
from osimopt.paths.ellipsoid_start import leading_point, nearest_point

Array = NDArray[np.float64]
#: m: rounding, in paths of 0.2 m.
ROUNDING = 1e-13
#: m, of the independent minimiser: what its extrapolation leaves.
CHAIN = 1e-8
#: m, of a path from the end to the start: what the geodesics' extrapolation leaves.
BACK = 1e-11
#: Relative, of central differences of lengths with steps of 1e-5.
DIFFERENCES = 1e-6


def pairs(count: int, ratio: float, seed: int = 5, far: float = 4.0) -> tuple[Array, Array, Array]:
    """Random ellipsoids of about 3 cm, whose radii differ by up to a ratio, and points around them."""
    rng = np.random.default_rng(seed)
    size = 0.03 * np.exp(rng.uniform(-0.5, 0.5, (3, count)) * np.log(ratio))
    points = []
    for _ in range(2):
        point = rng.normal(size=(3, count))
        points.append(size * point / np.linalg.norm(point, axis=0) * np.exp(rng.uniform(0.02, np.log(far), count)))
    return points[0], points[1], size


def free(count: int) -> tuple[Array, Array]:
    return np.zeros(count, dtype=int), np.zeros(count, dtype=int)


def total(start: Array, end: Array, contact: Touch) -> Array:
    return np.linalg.norm(contact.first - start, axis=0) + contact.arc + np.linalg.norm(contact.last - end, axis=0)


def test_a_sphere_has_great_circles() -> None:
    start, end, size = pairs(500, 1.0)
    contact = wrap_ellipsoid(start, end, size, *free(500))
    on, radius = contact.on, size[0]
    near, far = (np.sqrt(np.sum(point**2, axis=0) - radius**2) for point in (start, end))
    cosine = np.sum(start * end, axis=0) / np.linalg.norm(start, axis=0) / np.linalg.norm(end, axis=0)
    angle = np.arccos(cosine) - np.arctan2(near, radius) - np.arctan2(far, radius)
    np.testing.assert_allclose(total(start, end, contact)[on], (near + far + radius * angle)[on], atol=ROUNDING)
    assert np.sum(on) > 100
    assert np.array_equal(np.isnan(contact.arc), np.zeros(500, dtype=bool))
    assert np.array_equal(np.isnan(contact.first[0]), ~on)


def test_in_a_plane_of_symmetry_the_path_is_an_ellipse() -> None:
    start, end, size = (
        np.array([[-0.05], [0.0], [0.01]]),
        np.array([[0.05], [0.0], [0.005]]),
        np.array([[0.03, 0.05, 0.02]]).T,
    )
    contact = wrap_ellipsoid(start, end, size, np.array([2]), np.array([1]))
    parameter = np.linspace(
        *(np.arctan2(one[2, 0] / 0.02, one[0, 0] / 0.03) for one in (contact.first, contact.last)), 2001
    )
    speed = np.hypot(0.03 * np.sin(parameter), 0.02 * np.cos(parameter))
    weights = np.where(np.arange(2001) % 2, 4 / 3, 2 / 3)  # Simpson's
    weights[[0, -1]] /= 2
    np.testing.assert_allclose(contact.arc[0], weights @ speed * abs(parameter[1] - parameter[0]), atol=1e-12)
    np.testing.assert_allclose(contact.first[1], 0.0, atol=ROUNDING)


@pytest.mark.parametrize("ratio", [1.5, 3.0])
def test_no_chain_of_points_is_shorter(ratio: float) -> None:
    start, end, size = pairs(20, ratio)
    contact = wrap_ellipsoid(start, end, size, *free(20))
    lengths, middle = total(start, end, contact), (contact.first + contact.last) / size
    for pair in np.flatnonzero(contact.on)[1:3]:
        guess = middle[:, pair] / np.linalg.norm(middle[:, pair])
        chain = shortest_on_ellipsoid(start[:, pair], end[:, pair], size[:, pair], guess)
        assert abs(chain - lengths[pair]) < CHAIN


def test_paths_are_tangent_on_the_surface_and_turn_back_to_front() -> None:
    start, end, size = pairs(2000, 4.0)
    contact = wrap_ellipsoid(start, end, size, *free(2000))
    on = contact.on
    for point, contacts in ((start, contact.first), (end, contact.last)):
        np.testing.assert_allclose(np.sum((contacts / size) ** 2, axis=0)[on], 1.0, atol=1e-12)
        normal = contacts / size**2
        way = (contacts - point) / np.linalg.norm(contacts - point, axis=0)
        np.testing.assert_allclose(
            np.sum(normal * way, axis=0)[on] / np.linalg.norm(normal, axis=0)[on], 0.0, atol=1e-9
        )
    turned = wrap_ellipsoid(end, start, size, *free(2000))
    same = np.abs(total(start, end, contact) - total(end, start, turned))[on]
    assert np.mean(same < BACK) > 0.995  # two paths of nearly one length may change places


@pytest.mark.parametrize("ratio", [1.0, 2.5])
def test_quadrants_choose_the_side(ratio: float) -> None:
    start, end, size = pairs(100, ratio)
    rng = np.random.default_rng(1)
    axis, sign = rng.integers(0, 3, 100), rng.choice([-1, 1], 100)
    one, other, either = (wrap_ellipsoid(start, end, size, axis, side) for side in (sign, -sign, 0 * sign))
    lengths = [total(start, end, contact)[either.on] for contact in (one, other, either)]
    assert not np.any(np.isnan(lengths))
    apart = np.abs(np.stack(lengths[:2]) - lengths[2])
    np.testing.assert_allclose(np.min(apart, axis=0), 0.0, atol=1e-12)  # without quadrant it is on one of both sides
    assert np.mean(np.max(apart, axis=0) > 1e-6) > 0.01


def test_the_point_that_opensim_leads_over_is_nearest_and_in_the_quadrant() -> None:
    start, end, size = pairs(300, 2.0)
    point = 0.5 * size * np.random.default_rng(4).uniform(-1, 1, (3, 300))
    found = nearest_point(point, size)
    np.testing.assert_allclose(np.sum((found / size) ** 2, axis=0), 1.0, atol=1e-12)
    across = np.cross(found - point, found / size**2, axis=0) * size[0]
    assert np.mean(np.linalg.norm(across, axis=0) < 1e-6 * np.linalg.norm(found - point, axis=0)) > 0.9
    on = wrap_ellipsoid(start, end, size, *free(300)).on
    for axis in range(3):
        over = leading_point(start, end, size, np.full(300, axis), np.ones(300, dtype=int))
        assert np.all(over[axis, on] > -1e-9)


def test_where_it_wraps_is_as_in_opensim() -> None:
    """The straight line crosses between the points; no point is inside."""
    size = np.array([[0.03, 0.02, 0.04]]).T * np.ones(5)
    start = np.array([[-0.1, 0.0, 0.01], [-0.1, 0.0, 0.041], [-0.1, 0.0, 0.0], [0.05, 0.0, 0.0], [0.01, 0.0, 0.0]]).T
    end = np.array([[0.1, 0.0, 0.01], [0.1, 0.0, 0.041], [-0.05, 0.001, 0.0], [0.1, 0.02, 0.0], [0.1, 0.0, 0.0]]).T
    contact = wrap_ellipsoid(start, end, size, *free(5))
    assert contact.on.tolist() == [True, False, False, False, False]
    assert contact.inside.tolist() == [False, False, False, False, True]
    np.testing.assert_array_equal(contact.arc[1:], 0.0)


def test_torch_gives_the_same_numbers_and_their_gradients() -> None:
    numbers = pairs(60, 2.0)
    axis, sign = free(60)
    contact = wrap_ellipsoid(*numbers, axis, sign)
    tensors = [torch.from_numpy(one).requires_grad_() for one in numbers]
    other = wrap_ellipsoid(*tensors, torch.from_numpy(axis), torch.from_numpy(sign))
    np.testing.assert_allclose(other.arc.detach().numpy(), contact.arc, atol=ROUNDING)
    on = torch.from_numpy(contact.on)
    straight = [(a - b)[:, on].norm(dim=0) for a, b in ((other.first, tensors[0]), (other.last, tensors[1]))]
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(2, 3, 60))
    # a length, and any function of the places of contact
    lengths = torch.sum(straight[0] + straight[1] + other.arc[on])
    places = torch.sum((torch.from_numpy(weights[0]) * other.first + torch.from_numpy(weights[1]) * other.last)[:, on])
    for value, number in ((lengths, 0), (places, 1)):
        slopes = torch.autograd.grad(value, tensors, retain_graph=True)
        for index, slope in enumerate(slopes):
            direction = rng.normal(size=numbers[index].shape) * 0.03
            change = []
            for step in (-1e-5, 1e-5):
                moved = [one + (step * direction if k == index else 0) for k, one in enumerate(numbers)]
                found = wrap_ellipsoid(*moved, axis, sign)
                assert np.array_equal(found.on, contact.on)
                if number:
                    change.append(np.sum((weights[0] * found.first + weights[1] * found.last)[:, contact.on]))
                else:
                    change.append(np.sum(total(moved[0], moved[1], found)[contact.on]))
            expected = (change[1] - change[0]) / 2e-5
            got = float(torch.sum(slope * torch.from_numpy(direction)))
            assert abs(got - expected) < DIFFERENCES * max(abs(expected), np.linalg.norm(slope) * 0.03)


def test_where_points_touch_the_surface() -> None:
    """A start on the ellipsoid is its own point of contact."""
    start, end, size = pairs(200, 2.0)
    start = start / np.linalg.norm(start / size, axis=0) * (1 + 1e-12)
    contact = wrap_ellipsoid(start, end, size, *free(200))
    assert np.sum(contact.on) > 50
    np.testing.assert_allclose(contact.first[:, contact.on], start[:, contact.on], atol=1e-6)
    assert not np.any(np.isnan(contact.arc))


def test_lines_through_the_center_have_a_path() -> None:
    start = 0.1 * np.eye(3)
    for size in (np.full((3, 3), 0.03), np.array([[0.03], [0.02], [0.025]]) * np.ones(3)):
        contact = wrap_ellipsoid(start, -start, size, *free(3))
        lengths = total(start, -start, contact)
        assert not np.any(np.isnan(lengths))
    around = 2 * np.sqrt(0.1**2 - 0.03**2) + 0.03 * (np.pi - 2 * np.arccos(0.3))
    np.testing.assert_allclose(
        total(start, -start, wrap_ellipsoid(start, -start, np.full((3, 3), 0.03), *free(3))), around, atol=ROUNDING
    )
