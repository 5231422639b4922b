"""Accelerations as Simbody has them in OpenSim 4.6, for comparison with OpenSim's own.

The joint of a SpatialTransform (Simbody's FunctionBased mobilizer) turns about three axes, each fixed after the turns
about those before it: the second axis has the angular velocity of the first turn, the third that of the first two.
OpenSim 4.6 takes instead the angular velocity that the first *speed* gives, and that all speeds but the third give. It
is the same where each axis turns with a coordinate of its own, in order; not where one coordinate turns several, as in
the knee of Rajagopal's models.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from osimopt.multibody.kinematics import Posture, Velocity
from osimopt.multibody.layout import layout
from osimopt.multibody.vectors import apply_fixed, cross, moment_and_force


def as_opensim(posture: Posture, moving: Velocity, speed: Any) -> Velocity:
    """Changes of twists with the fault, at speeds (T, N)."""
    plan, tree = layout(posture.multibody), posture.multibody.tree
    changes = moving.changes.copy()
    rate = posture.motion.slope[plan.screw_axis] * speed.T[plan.coordinate[plan.screw_axis]]
    spin = posture.screws[:, :3] * rate[:, None]
    body, place = plan.body[plan.screw_axis], plan.place[plan.screw_axis]
    for joint in np.unique(body[place < 3]):
        if tree.backward[joint]:
            continue
        own = np.flatnonzero((body == joint) & (place < 3))
        mobility = np.unique(plan.coordinate[plan.screw_axis][body == joint])
        number = np.searchsorted(mobility, plan.coordinate[plan.screw_axis][own])
        missed = np.zeros_like(spin[0])
        for axis, taken in ((1, number == 0), (2, number != 2)):
            turned = own[place[own] == axis]
            if len(turned):
                before = spin[own[place[own] < axis]].sum(axis=0)
                missed += cross(spin[own[taken]].sum(axis=0) - before, spin[turned[0]])
        center = posture.positions[joint] + apply_fixed(posture.rotations[joint], tree.outboard[joint][:3, 3])
        changes[plan.subtree[joint]] += moment_and_force(missed, cross(center, missed))
    return replace(moving, changes=changes)
