"""Postures of a model: where all bodies are, and how each speed moves them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import InputError, explain
from ..namespace import alike, frames_last, namespace
from .description import Mask, Multibody
from .joints import JointMotion, coordinates_of, joint_motion, own_change, own_columns
from .layout import TreeLayout, layout
from .vectors import Tensor, apply, apply_fixed, combine, compose, cross, cross_twist, join, moment_and_force, pick


@dataclass(frozen=True, eq=False)
class Posture:
    """Postures of T frames; components first, frames last.

    ``rotations`` (B, 3, 3, T) and ``positions`` (B, 3, T) in m take places in bodies to places in ground. ``columns``
    (N, 6, T) are the twists about ground's origin (angular velocity; velocity of the point that is there) which a unit
    speed gives to all bodies beyond its joint; ``beyond`` (B, N) says which bodies those are. So the Jacobian of a body
    is ``beyond[body][:, None, None] * columns``, and wrenches about ground's origin (moment; force) have the
    generalized forces ``columns`` times the sum of those on bodies beyond.
    """

    multibody: Multibody
    value: Tensor
    rotations: Tensor
    positions: Tensor
    columns: Tensor
    beyond: Mask
    motion: JointMotion
    screws: Tensor  # (S, 6, T) twists per unit rate of the axes' functions
    bases: Tensor  # (J, 3, 3, T) first frames of the joints with speeds of their own


@dataclass(frozen=True, eq=False)
class Velocity:
    """Twists (B, 6, T) of the bodies about ground's origin, and their changes, at speeds and changes of speeds."""

    twists: Tensor
    changes: Tensor


def posture(multibody: Multibody, value: Tensor) -> Posture:
    """Postures at coordinates ``value`` (T, N) in rad and m.

    Raises
    ------
    InputError
        Another number of coordinates.
    ModelError
        A joint is not described in arrays.
    """
    value = _frames(multibody, "coordinates", value)
    plan = layout(multibody)
    motion = joint_motion(multibody, plan, value)
    rotations, positions = _walk(multibody, motion)
    tree, xp = multibody.tree, namespace(positions)
    back = alike(tree.backward, positions)[:, None, None]
    frames = xp.where(back, alike(tree.outboard, positions), alike(tree.inboard, positions))
    screws = _screws(multibody, plan, motion, rotations, positions, frames)
    own = list(plan.turning)
    bases = xp.einsum("bijt,bjk->bikt", rotations[plan.fixed[own]], frames[own, :3, :3])
    columns = _columns(multibody, plan, motion, screws, bases, rotations, positions, frames)
    return Posture(multibody, value, rotations, positions, columns, plan.beyond, motion, screws, bases)


def velocity(posture: Posture, speed: Tensor, change: Tensor | None = None) -> Velocity:
    """Twists of all bodies at speeds (T, N), and their changes at changes of the speeds (T, N), zero if not given.

    Speeds are rates of coordinates but in ball, free and ellipsoid joints: see ``rates``.
    """
    speed = _frames(posture.multibody, "speeds", speed)
    change = namespace(speed).zeros_like(speed) if change is None else _frames(posture.multibody, "changes", change)
    plan, motion = layout(posture.multibody), posture.motion
    axis, xp = plan.screw_axis, namespace(speed)
    moved, slope = plan.coordinate[axis], pick(motion.slope, axis)
    rate = slope * speed[moved]
    faster = slope * change[moved] + pick(motion.curvature, axis) * speed[moved] ** 2
    twists, changes = [posture.screws * rate[:, None]], [posture.screws * faster[:, None]]
    for number, body in enumerate(plan.turning):
        own = coordinates_of(posture.multibody, body)
        columns = posture.columns[own]
        twists.append(xp.einsum("nct,nt->ct", columns, speed[own])[None])
        linear = apply(posture.bases[number], _own_change(posture, body, speed[own]))
        pushed = moment_and_force(xp.zeros_like(linear), linear)
        changes.append((xp.einsum("nct,nt->ct", columns, change[own]) + pushed)[None])
    twist = join(twists)
    carried = cross_twist(combine(plan.before, twist), twist)
    return Velocity(combine(plan.moves, twist), combine(plan.moves, join(changes) + carried))


def _own_change(posture: Posture, body: int, speed: Tensor) -> Tensor:
    tree = posture.multibody.tree
    found = own_change(tree.kind[body], posture.motion.rotation[body], tree.radii[body], speed)
    return -found if tree.backward[body] else found


def _frames(multibody: Multibody, what: str, array: Tensor) -> Tensor:
    """An array (T, N) as (N, T)."""
    if array.ndim != 2 or array.shape[1] != len(multibody.coordinates):
        expected = f"{what} of shape (frames, {len(multibody.coordinates)})"
        fix = "Give one column for each coordinate of the model."
        raise InputError(explain(expected, str(tuple(array.shape)), fix))
    return frames_last(array)


def _walk(multibody: Multibody, motion: JointMotion) -> tuple[Tensor, Tensor]:
    """Rotations (B, 3, 3, T) and positions (B, 3, T) of all bodies, each from its parent's."""
    tree, xp = multibody.tree, namespace(motion.position)
    back = tree.backward.nonzero()[0]
    rotation, position = motion.rotation, motion.position
    if len(back):
        turned = xp.einsum("bijt->bjit", rotation[back])
        place = np.arange(len(tree.parent))
        place[back] = len(place) + np.arange(len(back))
        rotation = xp.concat([rotation, turned])[place]
        position = xp.concat([position, -apply(turned, position[back])])[place]
    inboard, outboard = alike(tree.inboard, position), alike(tree.outboard, position)
    first = xp.einsum("bij,bjkt->bikt", inboard[:, :3, :3], rotation)
    turns = xp.einsum("bijt,bkj->bikt", first, outboard[:, :3, :3])
    shifts = xp.einsum("bij,bjt->bit", inboard[:, :3, :3], position) + inboard[:, :3, 3:]
    shifts = shifts - xp.einsum("bijt,bj->bit", turns, outboard[:, :3, 3])
    still = xp.zeros_like(motion.position[0])
    rotations = [xp.broadcast_to(alike(np.eye(3), still)[:, :, None], (3, 3, still.shape[1]))]
    positions = [still]
    for body, parent in enumerate(tree.parent[1:].tolist(), start=1):
        rotations.append(compose(rotations[parent], turns[body]))
        positions.append(positions[parent] + apply(rotations[parent], shifts[body]))
    return xp.stack(rotations), xp.stack(positions)


def _screws(
    multibody: Multibody, plan: TreeLayout, motion: JointMotion, rotations: Tensor, positions: Tensor, frames: Tensor
) -> Tensor:
    """Twists (S, 6, T) per unit rate of the axes' functions: about an axis, or along one."""
    xp, axis, turned = namespace(positions), plan.screw_axis, plan.rotating
    body = plan.body[axis]
    direction = xp.einsum("sij,sjt->sit", frames[body, :3, :3], pick(motion.direction, axis))
    direction = apply(rotations[plan.fixed[body]], direction)
    if (back := multibody.tree.backward[body]).any():
        direction = direction * alike(np.where(back, -1.0, 1.0), direction)[:, None, None]
    place = frames[:, :3, 3:] + xp.einsum("bij,bjt->bit", frames[:, :3, :3], motion.position)
    centers = positions[plan.fixed] + apply(rotations[plan.fixed], place)  # of the second frames
    about, along = direction[:turned], direction[turned:]
    spin = xp.concat([about, xp.zeros_like(along)])
    return moment_and_force(spin, xp.concat([cross(centers[body[:turned]], about), along]))


def _columns(
    multibody: Multibody, plan: TreeLayout, motion: JointMotion, screws: Tensor, bases: Tensor, rotations: Tensor,
    positions: Tensor, frames: Tensor,
) -> Tensor:  # fmt: skip
    """Twists (N, 6, T) per unit speed."""
    tree, xp = multibody.tree, namespace(screws)
    parts = [screws * pick(motion.slope, plan.screw_axis)[:, None]]
    for number, body in enumerate(plan.turning):
        own = own_columns(tree.kind[body], motion.rotation[body], motion.position[body], tree.radii[body])
        spin, shift = (xp.einsum("ijt,njt->nit", bases[number], part) for part in (own[:, :3], own[:, 3:]))
        fixed = plan.fixed[body]
        origin = positions[fixed] + apply_fixed(rotations[fixed], frames[body, :3, 3])
        twist = moment_and_force(spin, shift + cross(origin[None], spin))
        parts.append(-twist if tree.backward[body] else twist)
    return combine(plan.adds, join(parts))
