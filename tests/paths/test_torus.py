"""Paths through rings against closed forms, against the tube's limit, a cylinder, and their own geodesic equations."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from osimopt.paths.contact import Touch
from osimopt.paths.cylinder import wrap_cylinder
from osimopt.paths.torus import wrap_torus

Array = NDArray[np.float64]
#: m: rounding, in paths of 0.2 m.
ROUNDING = 1e-13
#: Relative, of central differences of lengths with steps of 1e-5.
DIFFERENCES = 1e-6


def pairs(count: int, seed: int = 0) -> tuple[Array, Array, Array]:
    """Points on both sides of rings."""
    rng = np.random.default_rng(seed)
    size = np.stack([rng.uniform(0.005, 0.012, count), rng.uniform(0.03, 0.05, count)])
    start, end = (rng.uniform(-0.06, 0.06, (3, count)) for _ in range(2))
    start[2], end[2] = rng.uniform(0.03, 0.1, count), -rng.uniform(0.03, 0.1, count)
    return start, end, size


def free(count: int) -> tuple[Array, Array]:
    return np.zeros(count, dtype=int), np.zeros(count, dtype=int)


def total(start: Array, end: Array, contact: Touch) -> Array:
    return np.linalg.norm(contact.first - start, axis=0) + contact.arc + np.linalg.norm(contact.last - end, axis=0)


def test_in_a_plane_through_the_axis_the_path_is_a_circle() -> None:
    tube, ring = 0.01, 0.04
    start, end = np.array([[0.05], [0.0], [0.06]]), np.array([[0.045], [0.0], [-0.05]])
    contact = wrap_torus(start, end, np.array([[tube], [ring]]), *free(1))
    ends = [np.array([point[0, 0] - ring, point[2, 0]]) for point in (start, end)]
    straight = [np.sqrt(one @ one - tube**2) for one in ends]
    angle = 2 * np.pi - (np.arctan2(ends[0][1], ends[0][0]) - np.arctan2(ends[1][1], ends[1][0]))
    angle -= sum(np.arctan2(one, tube) for one in straight)
    np.testing.assert_allclose(contact.arc[0], tube * angle, atol=ROUNDING)
    np.testing.assert_allclose(total(start, end, contact)[0], sum(straight) + tube * angle, atol=ROUNDING)
    assert contact.first[0, 0] < ring  # on the inner side


def test_a_tube_around_a_wide_ring_is_a_cylinder() -> None:
    count, wide = 50, 1e6
    rng = np.random.default_rng(3)
    start, end = (rng.uniform(-0.05, 0.05, (3, count)) for _ in range(2))
    start[2], end[2] = rng.uniform(0.03, 0.1, count), -rng.uniform(0.03, 0.1, count)
    size = np.stack([np.full(count, 0.02), np.full(count, wide)])
    shift = np.array([[wide], [0.0], [0.0]])
    contact = wrap_torus(start + shift, end + shift, size, *free(count))
    turned = [np.stack([-point[0], -point[2], point[1]]) for point in (start, end)]
    cylinder = wrap_cylinder(
        *turned, np.stack([size[0], np.full(count, 1e3)]), np.zeros(count, int), np.ones(count, int)
    )
    assert np.array_equal(contact.on, cylinder.on)
    assert np.sum(contact.on) > 20
    np.testing.assert_allclose(contact.arc, cylinder.arc, atol=1e-6)  # the ring bends by 0.1 m in 1e6


def test_paths_are_tangent_on_the_tube_and_keep_clairauts_constant() -> None:
    start, end, size = pairs(1000)
    contact = wrap_torus(start, end, size, *free(1000))
    on = contact.on
    assert np.sum(on) > 300
    assert not np.any(np.isnan(contact.arc))
    assert np.all(contact.arc[on] >= 0)
    turning = []
    for point, place, side in ((start, contact.first, 1), (end, contact.last, -1)):
        ring = np.hypot(place[0], place[1])
        np.testing.assert_allclose((np.hypot(ring - size[1], place[2]) - size[0])[on], 0, atol=ROUNDING)
        center = np.stack([place[0] / ring * size[1], place[1] / ring * size[1], 0 * ring])
        way = side * (place - point) / np.linalg.norm(place - point, axis=0)
        np.testing.assert_allclose(np.sum((place - center) * way, axis=0)[on], 0, atol=ROUNDING)
        turning.append(place[0] * way[1] - place[1] * way[0])
    np.testing.assert_allclose(turning[0][on], turning[1][on], atol=1e-12)
    turned = wrap_torus(end, start, size, *free(1000))
    np.testing.assert_allclose(total(start, end, contact)[on], total(end, start, turned)[on], atol=1e-12)


def test_the_length_is_stationary_in_the_places_of_contact() -> None:
    """Its slope by the end is the direction of the pull: central differences of lengths solved again."""
    start, end, size = pairs(200)
    contact = wrap_torus(start, end, size, *free(200))
    on = contact.on
    pull = (end - contact.last) / np.linalg.norm(end - contact.last, axis=0)
    for axis in range(3):
        step = 1e-5 * np.eye(3)[axis][:, None]
        there, back = (wrap_torus(start, end + side * step, size, *free(200)) for side in (1, -1))
        both = on & there.on & back.on
        slope = (total(start, end + step, there) - total(start, end - step, back)) / 2e-5
        np.testing.assert_allclose(slope[both], pull[axis][both], atol=1e-6)
        assert np.sum(both) > 50


def test_where_it_wraps() -> None:
    """A line through the hole does not; one through the tube, or beside the ring, is pulled into the hole."""
    size = np.array([[0.01], [0.04]]) * np.ones(4)
    start = np.array([[0.0, 0.0, 0.1], [0.04, 0.0, 0.1], [0.06, 0.0, 0.05], [0.04, 0.0, 0.005]]).T
    end = np.array([[0.01, 0.0, -0.1], [0.045, 0.0, -0.1], [0.06, 0.0, -0.05], [0.04, 0.0, -0.1]]).T
    contact = wrap_torus(start, end, size, *free(4))
    assert contact.on.tolist() == [False, True, True, False]
    assert contact.inside.tolist() == [False, False, False, True]
    quadrant = wrap_torus(start, end, size, np.zeros(4, int), -np.ones(4, int))
    assert quadrant.on.tolist() == [False, False, False, False]


def test_torch_gives_the_same_numbers_and_their_gradients() -> None:
    numbers = pairs(40)
    axis, sign = free(40)
    contact = wrap_torus(*numbers, axis, sign)
    tensors = [torch.from_numpy(one).requires_grad_() for one in numbers]
    other = wrap_torus(*tensors, torch.from_numpy(axis), torch.from_numpy(sign))
    np.testing.assert_allclose(other.arc.detach().numpy(), contact.arc, atol=ROUNDING)
    on = torch.from_numpy(contact.on)
    weights = np.random.default_rng(2).normal(size=(3, 40))
    value = torch.sum(other.arc[on]) + torch.sum((torch.from_numpy(weights) * (other.first - 2 * other.last))[:, on])
    slopes = torch.autograd.grad(value, tensors)
    for index, slope in enumerate(slopes):
        direction = np.random.default_rng(index).normal(size=numbers[index].shape) * 0.03
        change = []
        for step in (-1e-5, 1e-5):
            found = wrap_torus(
                *(one + (step * direction if k == index else 0) for k, one in enumerate(numbers)), axis, sign
            )
            places = np.sum((weights * (found.first - 2 * found.last))[:, contact.on])
            change.append(np.sum(found.arc[contact.on]) + places)
        expected, got = (change[1] - change[0]) / 2e-5, float(torch.sum(slope * torch.from_numpy(direction)))
        assert abs(got - expected) < DIFFERENCES * max(abs(expected), 0.03 * float(slope.norm()))


def test_a_path_that_is_not_found_changes_no_other() -> None:
    """Around the side of a narrow ring the path would leave the tube in between: NaN, alone."""
    start, end, size = pairs(30)
    contact = wrap_torus(start, end, size, *free(30))
    hard = [np.array([[0.03646147, 0.05514409, 0.04392377]]).T, np.array([[0.04256694, -0.04188704, -0.05069963]]).T]
    wide = np.array([[0.01832177], [0.03550705]])
    together = wrap_torus(
        np.concatenate([start, hard[0]], axis=1), np.concatenate([end, hard[1]], axis=1),
        np.concatenate([size, wide], axis=1), *free(31),
    )  # fmt: skip
    assert np.isnan(together.arc[30])
    np.testing.assert_allclose(together.arc[:30], contact.arc, atol=ROUNDING)


def test_a_path_along_the_rings_plane_turns_over_the_tube() -> None:
    """In a plane through the axis: the two tangents and the arc between, over the top or below."""
    tube, ring = 0.01, 0.04
    start, end = np.array([[0.1], [0.0], [0.002]]), np.array([[0.0], [0.0], [0.001]])
    contact = wrap_torus(start, end, np.array([[tube], [ring]]), *free(1))
    ends = [np.array([point[0, 0] - ring, point[2, 0]]) for point in (start, end)]
    straight = [np.sqrt(one @ one - tube**2) for one in ends]
    angle = np.arctan2(ends[1][1], ends[1][0]) - np.arctan2(ends[0][1], ends[0][0])
    arcs = [tube * (one - sum(np.arctan2(two, tube) for two in straight)) for one in (angle, 2 * np.pi - angle)]
    assert np.min(np.abs(contact.arc[0] - arcs)) < ROUNDING
