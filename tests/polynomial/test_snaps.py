"""Jumps along lines: found where lengths or slopes are given with a step of known place and size."""

from __future__ import annotations

import numpy as np
import pytest

from osimopt.polynomial.snaps import LIMITS, Line, jumps_along
from osimopt.problem.arrays import Array, Index

#: rad; where muscle 1 snaps along coordinate 0, and how exactly bisections place it on 41 steps over 2 rad.
PLACE, NEAR = 0.234, 0.05 / 64
STEPS = np.linspace(-1.0, 1.0, 41)


def paths(postures: Array, muscles: Index, size: float) -> tuple[Array, Array]:
    """Lengths (n,) and slopes (n, 2) of muscles: 0 is smooth, 1 jumps at the place, 2 has a kink in its length."""
    one, two = postures.T
    kind = muscles % 3
    beyond = np.where(one > PLACE, 1.0, 0.0)
    length = 0.3 + 0.05 * np.sin(one) + 0.02 * two + np.where(kind == 1, size * beyond, 0.0)
    length += np.where(kind == 2, 1e-3 * np.maximum(one - PLACE, 0.0), 0.0)
    slope = 0.05 * np.cos(one) + np.where(kind == 2, 0.5e-3 * beyond, 0.0)
    return length, np.stack([slope, np.full(len(one), 0.02)], axis=1)


def find(lines: list[Line], size: float) -> list:
    def probe(postures: Array, coordinates: Index, muscles: Index) -> Array:
        length, slope = paths(postures, muscles, size)
        return np.stack([length, slope[np.arange(len(length)), coordinates]], axis=1)

    swept = [
        np.stack([probe(o.postures, np.full(41, o.coordinate), np.full(41, m)) for m in o.muscles], axis=2)
        for o in lines
    ]
    return jumps_along(lines, swept, probe)


def test_jumps_of_several_lines_at_once() -> None:
    every = np.arange(3)
    lines = [Line(np.array([0.0, 0.4]), 0, every, STEPS), Line(np.array([0.5, 0.0]), 1, every, STEPS)]
    lines += [Line(np.array([9.0, -0.7]), 0, np.array([4]), STEPS)]  # muscle 4 is as muscle 1
    found = find(lines, 3e-3)
    assert [(jump.muscle, jump.coordinate) for jump in found] == [(1, 0), (4, 0)]
    for jump, line in zip(found, (lines[0], lines[2]), strict=True):
        assert jump.value == pytest.approx(PLACE, abs=NEAR)
        assert jump.length == pytest.approx(3e-3, abs=0.05 * NEAR)
        assert jump.posture is line.posture


@pytest.mark.parametrize(("size", "found"), [(1.1 * LIMITS[0], 1), (0.9 * LIMITS[0], 0)])
def test_the_smallest_jump(size: float, found: int) -> None:
    assert len(find([Line(np.zeros(2), 0, np.arange(3), STEPS)], size)) == found


def test_nothing_to_find() -> None:
    assert find([], 1.0) == find([Line(np.zeros(2), 1, np.arange(3), STEPS)], 1.0) == []
