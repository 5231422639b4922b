"""Kinematics and dynamics of trees against closed forms, differences and each other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from multibody_cases import branched, chain, frame, states

from osimopt.errors import InputError, ModelError
from osimopt.multibody.description import Asked
from osimopt.multibody.dynamics import inverse_dynamics, mass_matrix
from osimopt.multibody.kinematics import posture, velocity
from osimopt.multibody.rates import (
    drift,
    to_accelerations,
    to_changes,
    to_coordinates,
    to_mobilities,
    to_rates,
    to_speeds,
)

#: Share of the largest: rounding.
ROUNDING = 1e-12
#: Share of the largest: error of differences of fourth order, and their step in s.
DIFFERENCES, STEP = 1e-8, 1e-3


def slope(function, step: float = STEP):
    return (8.0 * (function(step) - function(-step)) - function(2.0 * step) + function(-2.0 * step)) / (12.0 * step)


def near(one: np.ndarray, other: np.ndarray, share: float) -> None:
    np.testing.assert_allclose(one, other, rtol=0.0, atol=share * np.abs(other).max())


def motion(multibody, value, speed, change):
    """Coordinates a time later, whose speeds and their changes now are those given."""
    rate, faster = to_rates(multibody, value, speed), to_accelerations(multibody, value, speed, change)
    return lambda time: value + time * rate + 0.5 * time**2 * faster


def test_double_pendulum_in_closed_form() -> None:
    (a, b), mass, inertia, g = (0.5, 0.3), 2.0, 0.05, 9.81
    multibody = chain([a, b], mass, inertia)
    value, speed, change = states(multibody, 7)
    force = inverse_dynamics(multibody, value, speed, change)
    (p, q), (u, v), (du, dv) = value.T, speed.T, change.T
    # Lagrange's equations with the angles p and p + q from the vertical
    m11 = mass * (a / 2) ** 2 + inertia + mass * a**2
    m22 = mass * (b / 2) ** 2 + inertia
    m12 = mass * a * b / 2 * np.cos(q)
    h = mass * a * b / 2 * np.sin(q)
    w, dw = u + v, du + dv
    outer = m12 * du + m22 * dw + h * u**2 + mass * g * b / 2 * np.sin(p + q)
    inner = m11 * du + m12 * dw - h * w**2 + mass * g * 1.5 * a * np.sin(p)
    near(force, np.stack([inner + outer, outer], axis=1), ROUNDING)


@pytest.mark.parametrize("seed", range(3))
def test_twists_are_slopes_of_postures_and_their_changes_slopes_of_twists(seed: int) -> None:
    multibody = branched(seed)
    value, speed, change = states(multibody)
    moving = velocity(posture(multibody, value), speed, change)
    later = motion(multibody, value, speed, change)

    def speeds_at(time: float) -> np.ndarray:
        rate = to_rates(multibody, value, speed) + time * to_accelerations(multibody, value, speed, change)
        return to_speeds(multibody, later(time), rate)

    at = posture(multibody, value)
    point = np.array([0.1, -0.2, 0.3])
    places = slope(lambda t: posture(multibody, later(t)).positions)
    turned = slope(lambda t: np.einsum("bijt,j->bit", posture(multibody, later(t)).rotations, point))
    arm = np.einsum("bijt,j->bit", at.rotations, point)
    spin, shift = moving.twists[:, :3], moving.twists[:, 3:]
    near(np.cross(spin, arm, axis=1), turned, DIFFERENCES)
    near(shift + np.cross(spin, at.positions, axis=1), places, DIFFERENCES)
    near(moving.changes, slope(lambda t: velocity(posture(multibody, later(t)), speeds_at(t)).twists), DIFFERENCES)


def test_columns_are_twists_of_the_bodies_beyond() -> None:
    multibody = branched()
    value, speed, _ = states(multibody)
    at = posture(multibody, value)
    twists = np.einsum("bn,nct,tn->bct", at.beyond, at.columns, speed)
    near(twists, velocity(at, speed).twists, ROUNDING)


def test_mass_matrix_and_bias_are_inverse_dynamics() -> None:
    multibody = branched()
    value, speed, change = states(multibody)
    mass = mass_matrix(posture(multibody, value))
    bias = inverse_dynamics(multibody, value, speed, np.zeros_like(change))
    force = inverse_dynamics(multibody, value, speed, change)
    near(np.einsum("tij,tj->ti", mass, change) + bias, force, ROUNDING)
    near(mass, mass.transpose(0, 2, 1), ROUNDING)
    assert (np.linalg.eigvalsh(mass) > 0.0).all()


@pytest.mark.parametrize("seed", range(3))
def test_power_of_the_forces_is_the_slope_of_the_energy(seed: int) -> None:
    multibody = branched(seed)
    value, speed, change = states(multibody)
    force = inverse_dynamics(multibody, value, speed, change)
    later = motion(multibody, value, speed, change)
    rates = to_rates(multibody, value, speed), to_accelerations(multibody, value, speed, change)

    def energy(time: float) -> np.ndarray:
        at = posture(multibody, later(time))
        now = to_speeds(multibody, later(time), rates[0] + time * rates[1])
        kinetic = 0.5 * np.einsum("ti,tij,tj->t", now, mass_matrix(at), now)
        place = at.positions + np.einsum("bijt,bj->bit", at.rotations, multibody.tree.center)
        return kinetic - np.einsum("b,i,bit->t", multibody.tree.mass, multibody.gravity, place)

    near((force * speed).sum(axis=1), slope(energy), DIFFERENCES)
    about = to_coordinates(multibody, value, force)
    near((about * rates[0]).sum(axis=1), (force * speed).sum(axis=1), ROUNDING)
    near(to_mobilities(multibody, value, about), force, ROUNDING)


def test_wrenches_do_work_on_the_bodies_they_act_on() -> None:
    multibody = branched()
    value, speed, change = states(multibody)
    wrench = np.random.default_rng(5).normal(size=(len(value), 6, 6))
    power = np.einsum("tbc,bct->t", wrench, velocity(posture(multibody, value), speed).twists)
    less = inverse_dynamics(multibody, value, speed, change) - inverse_dynamics(multibody, value, speed, change, wrench)
    near((less * speed).sum(axis=1), power, ROUNDING)


def test_speeds_and_rates_are_each_others_inverse() -> None:
    multibody = branched()
    value, speed, change = states(multibody)
    rate = to_rates(multibody, value, speed)
    near(to_speeds(multibody, value, rate), speed, ROUNDING)
    faster = to_accelerations(multibody, value, speed, change)
    near(to_changes(multibody, value, rate, faster), change, ROUNDING)
    slopes = slope(lambda t: to_rates(multibody, value + t * rate, speed))
    near(drift(multibody, value, speed), slopes, DIFFERENCES)


def test_a_joint_turned_backward_moves_as_its_inverse() -> None:
    """Two bodies in space: fixed on one another either way, their joint is the same."""
    multibody = branched()
    tree = multibody.tree
    forward = replace(multibody, tree=replace(tree, backward=np.zeros(6, dtype=bool)))
    value, _, _ = states(multibody)
    both = [posture(one, value) for one in (multibody, forward)]

    def across(at, body: int) -> np.ndarray:
        matrix = np.zeros((4, 4, len(value)))
        parent = tree.parent[body]
        matrices = []
        for one, fixed in ((parent, tree.inboard[body]), (body, tree.outboard[body])):
            matrix = np.tile(np.eye(4)[:, :, None], (1, 1, len(value)))
            matrix[:3, :3], matrix[:3, 3] = at.rotations[one], at.positions[one]
            matrices.append(matrix.transpose(2, 0, 1) @ fixed)
        return np.linalg.inv(matrices[0]) @ matrices[1]

    for body in (3, 5):
        near(across(both[0], body) @ across(both[1], body), np.stack([np.eye(4)] * len(value)), ROUNDING)


def test_a_frame_that_is_not_known_does_not_spoil_the_others() -> None:
    multibody = branched()
    value, speed, change = states(multibody)
    spoilt = value.copy()
    spoilt[1, 13] = np.nan
    force = inverse_dynamics(multibody, spoilt, speed, change)
    assert np.isnan(force[1]).any()
    np.testing.assert_array_equal(
        np.delete(force, 1, 0), np.delete(inverse_dynamics(multibody, value, speed, change), 1, 0)
    )


def test_no_frames_and_no_coordinates() -> None:
    multibody = branched()
    assert inverse_dynamics(multibody, *(np.zeros((0, 16)),) * 3).shape == (0, 16)
    alone = chain([])
    assert inverse_dynamics(alone, *(np.zeros((3, 0)),) * 3).shape == (3, 0)


def test_arrays_of_other_shapes_are_refused() -> None:
    multibody = branched()
    value, speed, change = states(multibody)
    with pytest.raises(InputError, match=r"coordinates of shape \(frames, 16\), got \(4, 15\)"):
        inverse_dynamics(multibody, value[:, :-1], speed, change)
    with pytest.raises(InputError, match=r"wrenches of shape \(4, 6, 6\), got \(4, 5, 6\)"):
        inverse_dynamics(multibody, value, speed, change, np.zeros((4, 5, 6)))


def test_joints_that_are_not_described_are_refused_by_name() -> None:
    asked = Asked("joint", "custom", "it is a ScrewJoint"), Asked("force", "spring", "its law")
    multibody = replace(branched(), asked=asked)
    with pytest.raises(ModelError, match=r"got joint 'custom' \(it is a ScrewJoint\)\. Use geometry='opensim'"):
        posture(multibody, np.zeros((1, 16)))


@pytest.mark.parametrize(("from_lock", "refused"), [(0.571, True), (0.575, False)])
def test_gimbal_lock_is_refused_by_joint_and_frame(from_lock: float, refused: bool) -> None:
    """The condition number 200 of N is 2 · atan(1/200) = 0.573° from the lock."""
    multibody = branched()
    value, speed, _ = states(multibody)
    value[2, 7] = np.deg2rad(90.0 - from_lock)
    if not refused:
        assert np.isfinite(to_rates(multibody, value, speed)).all()
        return
    with pytest.raises(ModelError, match=r"ball joint 'ball' at q6 .*, q7 89\.43°, q8 .*, in frame 2 \(of 0 to 3\)"):
        to_rates(multibody, value, speed)
    assert np.isfinite(inverse_dynamics(multibody, value, speed, speed)).all()  # about speeds, no angle is needed


def test_a_coordinate_that_moves_nothing() -> None:
    multibody = chain([0.4, 0.3])
    idle = replace(multibody, coordinates=("q0", "q1", "idle"), values=np.zeros(3))
    value, speed, change = states(idle)
    at = posture(idle, value)
    assert not at.beyond[:, 2].any()
    force = inverse_dynamics(idle, value, speed, change)
    near(force[:, :2], inverse_dynamics(multibody, value[:, :2], speed[:, :2], change[:, :2]), ROUNDING)
    assert not force[:, 2].any()


def test_frames_are_right_handed() -> None:
    assert np.linalg.det(frame(np.random.default_rng(3))[:3, :3]) == pytest.approx(1.0)
