"""How joints move: the frame of the outer body in that of the inner, and the screws about which it moves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..namespace import alike, filled, namespace
from .description import Multibody
from .functions import evaluate
from .layout import TURNING, TreeLayout
from .vectors import Tensor, apply_fixed, compose, cross, join, moment_and_force, pick

#: Axes of joints with speeds of their own: x, y, z, of rotations and translations.
XYZ = np.concatenate([np.eye(3), np.eye(3)])


@dataclass(frozen=True, eq=False)
class JointMotion:
    """B joints in the frames by which they are defined, before any of them is turned backward.

    ``rotation`` (B, 3, 3, T) and ``position`` (B, 3, T) are of the second frame in the first, ``direction`` (A, 3, T)
    of each axis that has a function, in the first frame. ``slope`` and ``curvature`` (A, T) are of these functions.
    """

    rotation: Tensor
    position: Tensor
    direction: Tensor
    slope: Tensor
    curvature: Tensor


def joint_motion(multibody: Multibody, plan: TreeLayout, value: Tensor) -> JointMotion:
    """The motion of all joints at coordinates ``value`` (N, T)."""
    xp, tree = namespace(value), multibody.tree
    zero = xp.zeros_like(value[:1]) if value.shape[0] else filled((1, value.shape[1]), 0.0, value)
    argument = (
        pick(value, plan.coordinate) if (plan.coordinate >= 0).all() else xp.concat([value, zero])[plan.coordinate]
    )
    angle, slope, curvature = evaluate(multibody.functions, plan.function, argument)
    numbers = xp.concat([angle, value, zero])
    own = np.array([kind in TURNING for kind in tree.kind], dtype=bool)
    axes = alike(tree.axes, value)
    if own.any():
        axes = xp.where(alike(own, value)[:, None, None], alike(XYZ, value), axes)
    rotation, directions = _rotate(plan, axes, numbers)
    position = xp.einsum("bsc,bst->bct", axes[:, 3:], numbers[plan.shift])
    if "ellipsoid" in tree.kind:
        curved = np.array([kind == "ellipsoid" for kind in tree.kind], dtype=float)[:, None]
        radii = alike(curved, value) * alike(tree.radii, value)
        position = position + radii[:, :, None] * rotation[:, :, 2]
    return JointMotion(rotation, position, _of_axes(plan, axes, directions, value.shape[1]), slope, curvature)


def _rotate(plan: TreeLayout, axes: Tensor, numbers: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Rotations (B, 3, 3, T), and the directions (n, 3, T) of the first, second and third axes of all bodies."""
    xp, frames = namespace(numbers), numbers.shape[1]
    one = xp.broadcast_to(alike(np.eye(3), numbers)[None, :, :, None], (1, 3, 3, frames))
    counts = [len(bodies) for bodies, _, _ in plan.turns]
    bodies, places, angles = (np.concatenate([turn[i] for turn in plan.turns]) for i in range(3))
    axis = axes[bodies, places]
    turned = _about(axis, numbers[angles])
    place, rotations, directions = np.zeros(len(plan.shift), dtype=np.intp), [one], list[Tensor]()
    before, start = np.zeros(len(plan.shift), dtype=np.intp), 0
    for order, count in enumerate(counts):
        own = slice(start, start + count)
        turn = turned[own]
        if order:
            outer = rotations[-1][before[bodies[own]]]
            directions.append(apply_fixed(outer, axis[own]))
            turn = compose(outer, turn)
        else:
            directions.append(xp.broadcast_to(axis[own, :, None], (count, 3, frames)))
        before[bodies[own]] = np.arange(count)
        place[bodies[own]] = 1 + start + np.arange(count)
        start += count
        rotations.append(turn)
    return xp.concat(rotations)[place], directions


def _about(axis: Tensor, angle: Tensor) -> Tensor:
    """Rotation matrices (n, 3, 3, T) about unit vectors (n, 3), by angles (n, T)."""
    xp, count = namespace(angle), len(angle)
    along = axis[:, :, None] * axis[:, None, :]
    still, x, y, z = xp.zeros_like(axis[:, 0]), axis[:, 0], axis[:, 1], axis[:, 2]
    rows = [xp.stack(row, axis=-1) for row in ((still, -z, y), (z, still, -x), (-y, x, still))]
    parts = xp.stack([along, alike(np.eye(3), angle) - along, xp.stack(rows, axis=1)], axis=-1)
    weights = xp.stack([xp.ones_like(angle), xp.cos(angle), xp.sin(angle)], axis=1)
    return xp.reshape(xp.reshape(parts, (count, 9, 3)) @ weights, (count, 3, 3, angle.shape[1]))


def _of_axes(plan: TreeLayout, axes: Tensor, directions: list[Tensor], frames: int) -> Tensor:
    """Directions (A, 3, T) of the axes with functions: of rotations as they are turned, of translations as they are."""
    shifted = np.flatnonzero(plan.place >= 3)
    fixed = axes[plan.body[shifted], plan.place[shifted]]
    parts = [*directions, namespace(axes).broadcast_to(fixed[:, :, None], (len(shifted), 3, frames))]
    return pick(join(parts), plan.directed)


def own_columns(kind: str, rotation: Tensor, position: Tensor, radii: Tensor) -> Tensor:
    """Twists (3 or 6, 6, T) per unit speed of a joint with speeds of its own, in and about its first frame.

    Its speeds are an angular velocity, and that of the second frame's origin where it is free.
    """
    xp = namespace(rotation)
    unit = [xp.zeros_like(position) + alike(axis, position)[:, None] for axis in np.eye(3)]
    still = xp.zeros_like(position)
    normal, columns = rotation[:, 2], []
    for axis in unit:
        shift = cross(position, axis)  # of the point that is at the first frame's origin
        if kind == "ellipsoid":
            shift = shift + alike(radii, position)[:, None] * cross(axis, normal)
        columns.append(moment_and_force(axis, shift))
    if kind == "free":
        columns += [moment_and_force(still, axis) for axis in unit]
    return xp.stack(columns)


def own_change(kind: str, rotation: Tensor, radii: Tensor, speed: Tensor) -> Tensor:
    """Linear acceleration (3, T), in the first frame, that these twists have at constant speeds; they do not turn."""
    spin, normal = speed[:3], rotation[:, 2]
    if kind == "ball":
        return namespace(speed).zeros_like(spin)
    if kind == "free":
        return -cross(spin, speed[3:])
    size = alike(radii, speed)[:, None]
    turned = cross(spin, normal)
    return size * cross(spin, turned) - cross(spin, size * turned)


def coordinates_of(multibody: Multibody, body: int) -> Any:
    """Coordinates (3,) or (6,) of the joint above a body that has speeds of its own."""
    found = multibody.tree.joint_coordinate[body]
    return found[found >= 0]
