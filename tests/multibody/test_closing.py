"""Coordinates that couplers and loops determine, against closed forms and differences."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from multibody_cases import branched, chain, coupled, four_bar, functions, states

from osimopt.errors import ModelError
from osimopt.multibody.constraints import constraint_bias, constraint_jacobian, constraint_rows
from osimopt.multibody.description import Asked, Constraint
from osimopt.multibody.functions import evaluate
from osimopt.multibody.kinematics import posture, velocity
from osimopt.multibody.loops import SINGULAR, close, complete, find_closure, follow, independence
from osimopt.multibody.motions import close_motion, complete_motion
from osimopt.multibody.rates import to_accelerations, to_rates

ROUNDING = 1e-11
#: Error of differences, as a share of the largest.
DIFFERENCES = 1e-7
RODS, BASE = (0.2, 0.45, 0.3), 0.4
START = np.array([0.4, 1.2, 1.0])


def closed_form(first: np.ndarray) -> np.ndarray:
    """The angles (T, 3) of a four-bar linkage, from those of the first rod: by the cosine rule, one of two ways."""
    (_a, b, c), (x, y) = RODS, (RODS[0] * np.sin(first), -RODS[0] * np.cos(first))
    away = np.hypot(BASE - x, -y)
    inner = np.arccos((b**2 + away**2 - c**2) / (2.0 * b * away))
    to_end = np.arctan2(-y, BASE - x)
    second = to_end - inner + np.pi / 2.0  # of a rod that points along -y at zero
    tip = x + b * np.sin(second), y - b * np.cos(second)
    third = np.arctan2(-tip[1], BASE - tip[0]) + np.pi / 2.0
    return np.stack([first, second - first, third - second], axis=1)


def linkage():
    multibody = four_bar(RODS, BASE)
    return multibody, find_closure(multibody, [0], [1, 2], START)


def test_a_linkage_closes_as_in_closed_form() -> None:
    multibody, closure = linkage()
    first = np.linspace(-0.5, 0.5, 21)
    value = np.stack([first, np.full(21, START[1]), np.full(21, START[2])], axis=1)
    found = close_motion(multibody, closure, value)
    np.testing.assert_allclose(found, closed_form(first), rtol=0.0, atol=ROUNDING)


def test_rates_and_accelerations_are_slopes_of_the_closed_form() -> None:
    multibody, closure = linkage()
    time = np.linspace(0.0, 1.0, 9)
    angle, rate = 0.4 * np.sin(3.0 * time), 1.2 * np.cos(3.0 * time)
    given = [np.stack([part, 0.0 * time, 0.0 * time], axis=1) for part in (angle, rate, -3.6 * np.sin(3.0 * time))]
    given[0][:, 1:] = START[1:]
    value, speed, faster, matrix = complete_motion(multibody, closure, time, *given)
    step = 1e-3
    later = [closed_form(0.4 * np.sin(3.0 * (time + steps * step))) for steps in (-2, -1, 0, 1, 2)]
    slope = (8.0 * (later[3] - later[1]) - later[4] + later[0]) / (12.0 * step)
    curve = (16.0 * (later[1] + later[3]) - 30.0 * later[2] - later[0] - later[4]) / (12.0 * step**2)
    np.testing.assert_allclose(value, later[2], rtol=0.0, atol=ROUNDING)
    np.testing.assert_allclose(speed, slope, rtol=0.0, atol=DIFFERENCES)
    np.testing.assert_allclose(faster, curve, rtol=0.0, atol=DIFFERENCES * 100.0)
    np.testing.assert_allclose(matrix[:, :, 0] * rate[:, None], speed, rtol=0.0, atol=ROUNDING)
    assert not matrix[:, :, 1:].any()


def test_the_frame_before_decides_in_which_way_a_loop_closes() -> None:
    """Given in the other way from the middle on, the motion stays in the way of its first frame."""
    multibody, closure = linkage()
    first = np.linspace(-0.5, 0.5, 15)
    value = closed_form(first)
    other = value.copy()
    mirrored, closed = close(multibody, closure, np.stack([first, value[:, 1] + 2.2, value[:, 2] - 4.0], axis=1))
    assert closed.all()
    assert np.abs(mirrored - value).max() > 1.0
    other[7:] = mirrored[7:]
    np.testing.assert_allclose(close_motion(multibody, closure, other), value, rtol=0.0, atol=ROUNDING)
    kept = close_motion(multibody, closure, other[7:], before=mirrored[6])
    np.testing.assert_allclose(kept, mirrored[7:], rtol=0.0, atol=ROUNDING)


def test_couplers() -> None:
    multibody = coupled(chain([0.3, 0.2, 0.1]), 2, 0, -0.7)
    value, rate, acceleration = states(multibody)
    closure = find_closure(multibody, [0, 1], [2], np.zeros(3))
    found = complete_motion(multibody, closure, np.arange(4.0), value, rate, acceleration)
    x, slope, curvature = (-0.7 * part[0] for part in evaluate(functions(), np.array([1]), value[None, :, 0]))
    np.testing.assert_allclose(found[0][:, 2], x, rtol=0.0, atol=ROUNDING)
    np.testing.assert_allclose(found[1][:, 2], slope * rate[:, 0], rtol=0.0, atol=ROUNDING)
    expected = slope * acceleration[:, 0] + curvature * rate[:, 0] ** 2
    np.testing.assert_allclose(found[2][:, 2], expected, rtol=0.0, atol=ROUNDING)
    np.testing.assert_allclose(found[3][:, 2, 0], slope, rtol=0.0, atol=ROUNDING)


@pytest.mark.parametrize("kind", ["weld", "distance", "line"])
def test_jacobian_and_bias_are_slopes_of_the_errors(kind: str) -> None:
    """Of errors that are functions of the posture; those of points and welds count places otherwise where open."""
    random = np.random.default_rng(4)
    ends = tuple(np.eye(4) for _ in range(2))
    for end in ends:
        end[:3, 3] = random.uniform(-0.2, 0.2, 3)
    multibody = replace(branched(), constraints=(Constraint("held", kind, (4, 3), ends, 0.3),))
    value, speed, change = states(multibody)
    rows = 3 if kind == "weld" else None  # its angles
    at = posture(multibody, value)
    gradient = constraint_jacobian(at, constraint_rows(at))[:rows]
    bias = constraint_bias(at, velocity(at, speed))[:rows]
    rate, faster = to_rates(multibody, value, speed), to_accelerations(multibody, value, speed, change)

    def errors(time: float) -> np.ndarray:
        return constraint_rows(posture(multibody, value + time * rate + 0.5 * time**2 * faster)).errors[:rows]

    step = 1e-3
    one, two, three, four, five = (errors(steps * step) for steps in (-2, -1, 0, 1, 2))
    slope = (8.0 * (four - two) - five + one) / (12.0 * step)
    curve = (16.0 * (four + two) - 30.0 * three - one - five) / (12.0 * step**2)
    np.testing.assert_allclose(np.einsum("rnt,tn->rt", gradient, speed), slope, rtol=0.0, atol=1e-7)
    found = np.einsum("rnt,tn->rt", gradient, change) + bias
    np.testing.assert_allclose(found, curve, rtol=0.0, atol=1e-5)


def test_loops_that_cannot_be_closed_are_refused_by_constraint_and_time() -> None:
    multibody, closure = linkage()
    value = np.stack([START, START])
    longer = replace(multibody, constraints=(replace(multibody.constraints[0], frames=_beyond_reach(multibody)),))
    with pytest.raises(ModelError, match=r"got none at 0\.5 s: PointConstraint 'ring' is missed by 0\.\d+ m"):
        follow(longer, closure, value, np.array([0.5, 0.6]))
    with pytest.raises(ModelError, match="got none in frame 0: PointConstraint 'ring' is missed"):
        find_closure(longer, [0], [1, 2], START)


def _beyond_reach(multibody):
    far, end = (frame.copy() for frame in multibody.constraints[0].frames)
    far[0, 3] = 1.2
    return far, end


def test_singular_postures_are_refused() -> None:
    """A parallelogram that lies flat, where the first rod does not determine the others."""
    multibody = four_bar((0.2, 0.4, 0.2), 0.4)
    closure = find_closure(multibody, [0], [1, 2], np.array([0.0, np.pi / 2, np.pi / 2]))
    flat = np.array([[np.pi / 2, 0.0, np.pi]])
    near = follow(multibody, closure, flat - [[0.02, -0.02, 0.02]])
    assert np.isfinite(independence(multibody, closure, near)).all()
    with pytest.raises(
        ModelError, match="singular one in frame 0, in which PointConstraint 'ring' does not determine q1, q2"
    ):
        independence(multibody, closure, flat)
    assert SINGULAR == 1e3


def test_constraints_that_are_not_described_are_refused() -> None:
    """Also beside loops that are: their null space would be of too few constraints."""
    gear = (Asked("coupler", "gear", "its function is of 2 coordinates"),)
    with pytest.raises(ModelError, match="got q1, and not in arrays coupler 'gear' "):
        find_closure(replace(chain([0.3, 0.2]), asked=gear), [0], [1], np.zeros(2))
    multibody, _ = linkage()
    with pytest.raises(ModelError, match="got q1, q2, and not in arrays coupler 'gear' "):
        find_closure(replace(multibody, asked=gear), [0], [1, 2], START)


def test_a_frame_that_is_not_known_does_not_spoil_the_others() -> None:
    multibody, closure = linkage()
    value = closed_form(np.array([0.1, 0.2, 0.3]))
    value[1, 0] = np.nan
    found = close_motion(multibody, closure, value)
    rate, _, _ = complete(multibody, closure, found, np.ones((3, 3)), np.ones((3, 3)))
    np.testing.assert_array_equal(np.isfinite(rate).all(axis=1), [True, False, True])
    np.testing.assert_allclose(found[2], closed_form(np.array([0.3]))[0], rtol=0.0, atol=ROUNDING)
