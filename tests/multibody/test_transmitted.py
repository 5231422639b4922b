"""What joints transmit, in closed form."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from multibody_cases import branched, chain, four_bar, joint_reactions, states

from osimopt.errors import InputError, ModelError
from osimopt.multibody.description import Constraint
from osimopt.multibody.dynamics import about_speeds, transmitted
from osimopt.multibody.kinematics import posture, velocity
from osimopt.multibody.reactions import find_joints, refuse_undetermined, undetermined

ROUNDING = 1e-11
#: N, weight of a rod.
WEIGHT = 2.0 * 9.81


def at_rest(multibody, value: list[float]):
    at = posture(multibody, np.array([value]))
    return at, velocity(at, np.zeros((1, len(value))))


def test_a_hanging_chain_carries_the_rods_below() -> None:
    at, still = at_rest(chain([0.4, 0.3]), [0.3, -0.5])
    found = joint_reactions(at, still, ["pin1", "pin0"])[0]
    np.testing.assert_allclose(found[:, :3], [[0, WEIGHT, 0], [0, 2.0 * WEIGHT, 0]], rtol=0.0, atol=ROUNDING)
    level = 0.15 * np.sin(-0.2)  # m, from the pin to the center of the lower rod
    upper = 0.2 * np.sin(0.3) + 0.4 * np.sin(0.3) + level
    np.testing.assert_allclose(found[:, 5], [WEIGHT * level, WEIGHT * upper], rtol=0.0, atol=ROUNDING)


def test_wrenches_are_carried_to_ground() -> None:
    multibody = chain([0.4, 0.3])
    at, still = at_rest(multibody, [0.0, 0.0])
    wrench = np.zeros((1, 3, 6))
    wrench[0, 2] = [0.0, 0.0, 3.0, 10.0, 0.0, 0.0]  # N along x through ground's origin, and a moment
    found = joint_reactions(at, still, ["pin0"], wrenches=wrench)[0, 0]
    np.testing.assert_allclose(found, [-10.0, 2.0 * WEIGHT, 0.0, 0.0, 0.0, -3.0], rtol=0.0, atol=ROUNDING)


def test_a_joint_turned_backward_pushes_its_child_towards_ground() -> None:
    """The child of such a joint is the body nearer to ground, on which the reaction is the opposite."""
    multibody = branched()
    value, speed, change = states(multibody)
    at = posture(multibody, value)
    moving = velocity(at, speed, change)
    found = joint_reactions(at, moving, ["ellipsoid"])[:, 0]
    np.testing.assert_allclose(found[:, :3], -transmitted(at, moving)[3, 3:].T, rtol=0.0, atol=ROUNDING)


def test_a_held_end_shares_the_weight() -> None:
    """A level rod on a pin, its other end held by a rope: half of the weight each."""
    above, end = np.eye(4), np.eye(4)
    above[:3, 3], end[:3, 3] = [0.5, 2.0, 0.0], [0.0, -0.5, 0.0]
    multibody = replace(chain([0.5]), constraints=(Constraint("rope", "distance", (0, 1), (above, end), 2.0),))
    at, still = at_rest(multibody, [np.pi / 2])
    found = joint_reactions(at, still, ["pin0"], [0])[0, 0]
    np.testing.assert_allclose(found, [0.0, WEIGHT / 2.0, 0.0, 0.0, 0.0, 0.0], rtol=0.0, atol=ROUNDING)
    pushed = joint_reactions(at, still, ["pin0"], [0], force=np.array([[0.5 * WEIGHT * 0.5]]))[0, 0]
    np.testing.assert_allclose(pushed[:3], [0.0, WEIGHT, 0.0], rtol=0.0, atol=ROUNDING)  # the rope is slack


def test_reactions_that_constraints_leave_open_are_refused_by_joint() -> None:
    """A linkage that is held across its plane too: how much of that the pins carry cannot be known."""
    multibody = four_bar((0.2, 0.45, 0.3), 0.4)
    at, still = at_rest(multibody, [0.4, 1.2, 1.0])
    with pytest.raises(ModelError, match="got pin1, in a loop whose forces 'ring' share with joints in any way"):
        joint_reactions(at, still, ["pin1"], [1, 2])


def test_a_dead_centre_is_named_by_its_time() -> None:
    """A rope in line with the rod it holds: no moment of it, and any force."""
    above, end = np.eye(4), np.eye(4)
    above[:3, 3], end[:3, 3] = [0.5, 2.0, 0.0], [0.0, -0.5, 0.0]
    multibody = replace(chain([0.5]), constraints=(Constraint("rope", "distance", (0, 1), (above, end), 2.0),))
    in_line = np.arctan2(0.5, -2.0)
    at = posture(multibody, np.array([[np.pi / 2], [in_line], [1.0]]))
    loose = undetermined(at, find_joints(multibody), [0])
    assert loose.tolist() == [[False, True, False]]
    with pytest.raises(ModelError, match=r"got pin0, in a loop whose forces at 0\.2 s 'rope' share"):
        refuse_undetermined(multibody, ["pin0"], loose, np.array([0.1, 0.2, 0.3]))


def test_reactions_hold_the_moments_about_free_axes() -> None:
    multibody = branched()
    value, speed, change = states(multibody)
    at = posture(multibody, value)
    moving = velocity(at, speed, change)
    reaction = joint_reactions(at, moving, ["ball"])[:, 0]
    # speeds of a ball joint are along the axes of its first frame
    first = np.einsum("ijt,jk->ikt", at.rotations[1], multibody.tree.inboard[2][:3, :3])
    about = np.einsum("ikt,ti->kt", first, reaction[:, 3:])
    force = about_speeds(at, transmitted(at, moving))
    np.testing.assert_allclose(about, force[6:9], rtol=0.0, atol=ROUNDING)


def test_unknown_joints_are_refused() -> None:
    at, still = at_rest(chain([0.4]), [0.0])
    with pytest.raises(InputError, match="joints among pin0, got pin"):
        joint_reactions(at, still, ["pin"])
