"""Postures of a model: where all bodies are, and how each speed moves them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import InputError, explain
from ..namespace import alike, frames_last, namespace
from .description import Mask, Multibody
from .joints import Motion, across, coordinates_of, own_change, own_columns
from .layout import Layout, layout
from .vectors import Tensor, apply, combine, compose, cross, cross_twist, moment_and_force


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
    motion: Motion
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
    motion = across(multibody, plan, value)
    rotations, positions = _walk(multibody, motion)
    bases, origins = _first_frames(multibody, rotations, positions)
    centers = origins + apply(bases, motion.position)  # of the second frames
    screws = _screws(multibody, plan, motion, bases, centers)
    columns = _columns(multibody, plan, motion, screws, bases, origins)
    own = bases[list(plan.turning)]
    return Posture(multibody, value, rotations, positions, columns, plan.beyond, motion, screws, own)


def velocity(posture: Posture, speed: Tensor, change: Tensor | None = None) -> Velocity:
    """Twists of all bodies at speeds (T, N), and their changes at changes of the speeds (T, N), zero if not given.

    Speeds are rates of coordinates but in ball, free and ellipsoid joints: see ``rates``.
    """
    speed = _frames(posture.multibody, "speeds", speed)
    change = namespace(speed).zeros_like(speed) if change is None else _frames(posture.multibody, "changes", change)
    plan, motion = layout(posture.multibody), posture.motion
    axis, xp = plan.screw_axis, namespace(speed)
    moved, slope = plan.coordinate[axis], motion.slope[axis]
    rate = slope * speed[moved]
    faster = slope * change[moved] + motion.curvature[axis] * speed[moved] ** 2
    twists, changes = [posture.screws * rate[:, None]], [posture.screws * faster[:, None]]
    for number, body in enumerate(plan.turning):
        own = coordinates_of(posture.multibody, body)
        columns = posture.columns[own]
        twists.append(xp.einsum("nct,nt->ct", columns, speed[own])[None])
        linear = apply(posture.bases[number], _own_change(posture, body, speed[own]))
        pushed = moment_and_force(xp.zeros_like(linear), linear)
        changes.append((xp.einsum("nct,nt->ct", columns, change[own]) + pushed)[None])
    twist = xp.concat(twists)
    carried = cross_twist(combine(plan.before, twist), twist)
    return Velocity(combine(plan.moves, twist), combine(plan.moves, xp.concat(changes) + carried))


def _own_change(posture: Posture, body: int, speed: Tensor) -> Tensor:
    tree = posture.multibody.tree
    found = own_change(tree.kind[body], posture.motion.rotation[body], tree.radii[body], speed)
    return -found if tree.backward[body] else found


def _frames(multibody: Multibody, what: str, array: Tensor) -> Tensor:
    """An array (T, N) as (N, T)."""
    if array.ndim != 2 or array.shape[1] != len(multibody.coordinates):
        expected = f"{what} of shape (frames, {len(multibody.coordinates)})"
        raise InputError(explain(expected, str(tuple(array.shape)), "Give one column for each coordinate of the model."))
    return frames_last(array)


def _walk(multibody: Multibody, motion: Motion) -> tuple[Tensor, Tensor]:
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


def _first_frames(multibody: Multibody, rotations: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
    """The frames in ground by which joints are defined: fixed on the parent, of backward joints on the body."""
    tree, xp = multibody.tree, namespace(positions)
    fixed = np.where(tree.backward, np.arange(len(tree.parent)), np.maximum(tree.parent, 0))
    back = alike(tree.backward, positions)[:, None, None]
    frame = xp.where(back, alike(tree.outboard, positions), alike(tree.inboard, positions))
    base = rotations[fixed]
    origins = positions[fixed] + xp.einsum("bijt,bj->bit", base, frame[:, :3, 3])
    return xp.einsum("bijt,bjk->bikt", base, frame[:, :3, :3]), origins


def _screws(multibody: Multibody, plan: Layout, motion: Motion, bases: Tensor, centers: Tensor) -> Tensor:
    """Twists (S, 6, T) per unit rate of the axes' functions: about an axis, or along one."""
    xp, axis = namespace(bases), plan.screw_axis
    body, turns = plan.body[axis], plan.place[axis] < 3
    direction = apply(bases[body], motion.direction[axis])
    if (back := multibody.tree.backward[body]).any():
        direction = direction * alike(np.where(back, -1.0, 1.0), direction)[:, None, None]
    turned, shifted = np.flatnonzero(turns), np.flatnonzero(~turns)
    order = np.argsort(np.concatenate([turned, shifted]))
    about = moment_and_force(direction[turned], cross(centers[body[turned]], direction[turned]))
    along = direction[shifted]
    return xp.concat([about, moment_and_force(xp.zeros_like(along), along)])[order]


def _columns(
    multibody: Multibody, plan: Layout, motion: Motion, screws: Tensor, bases: Tensor, origins: Tensor
) -> Tensor:
    """Twists (N, 6, T) per unit speed."""
    tree, xp = multibody.tree, namespace(screws)
    axis, size = plan.screw_axis, len(multibody.coordinates)
    parts = [screws * motion.slope[axis][:, None]]
    numbers = [plan.coordinate[axis]]
    for body in plan.turning:
        own = own_columns(tree.kind[body], motion.rotation[body], motion.position[body], tree.radii[body])
        spin, shift = (xp.einsum("ijt,njt->nit", bases[body], part) for part in (own[:, :3], own[:, 3:]))
        shift = shift + cross(origins[body][None], spin)
        twist = moment_and_force(spin, shift)
        parts.append(-twist if tree.backward[body] else twist)
        numbers.append(coordinates_of(multibody, body))
    number = np.concatenate(numbers)
    return combine((number[None, :] == np.arange(size)[:, None]).astype(float), xp.concat(parts))
