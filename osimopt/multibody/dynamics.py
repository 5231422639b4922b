"""Inverse dynamics by Newton and Euler, and the mass matrix, of all frames at once.

Equations of motion are about ground's origin: Featherstone (2008), Rigid Body Dynamics Algorithms,
doi:10.1007/978-1-4899-7560-7.
"""

from __future__ import annotations

import numpy as np

from ..errors import InputError, explain
from ..namespace import alike, frames_first, frames_last, namespace
from .description import Multibody
from .kinematics import Posture, Velocity, posture, velocity
from .layout import layout
from .placement import Placed
from .vectors import (
    Tensor,
    acceleration_at,
    apply,
    apply_fixed,
    apply_transposed,
    combine,
    cross,
    moment_and_force,
)

#: Frames of NumPy arrays that are computed at once: the arrays of more do not stay in the cache.
PIECE = 200


def inverse_dynamics(
    multibody: Multibody, value: Tensor, speed: Tensor, change: Tensor, wrenches: Tensor | None = None
) -> Tensor:
    """Generalized forces (T, N) about the speeds that move a model as given, beside gravity and ``wrenches``.

    Parameters
    ----------
    multibody : Multibody
    value, speed, change : array (T, N)
        Coordinates, speeds, and changes of the speeds, of NumPy or torch. Speeds are rates of coordinates but in ball,
        free and ellipsoid joints (``rates.to_speeds``).
    wrenches : array (T, B, 6), optional
        Moment about ground's origin in N·m and force in N on each body, in ground's axes.

    Raises
    ------
    InputError
        Arrays of other shapes.
    ModelError
        A joint that is not described in arrays.

    Examples
    --------
    >>> force = inverse_dynamics(multibody, value, speed, change)  # doctest: +SKIP
    """
    count = len(value)
    if count <= PIECE or not isinstance(value, np.ndarray):
        at = posture(multibody, value)
        return frames_first(about_speeds(at, transmitted(at, velocity(at, speed, change), wrenches)))
    pieces = [slice(start, start + PIECE) for start in range(0, count, PIECE)]
    parts = ((value[one], speed[one], change[one], None if wrenches is None else wrenches[one]) for one in pieces)
    return np.concatenate([inverse_dynamics(multibody, *part) for part in parts])


def mass_matrix(posture: Posture) -> Tensor:
    """Mass matrices (T, N, N) about the speeds, by composite rigid bodies."""
    plan, columns, xp = layout(posture.multibody), posture.columns, namespace(posture.columns)
    mass, moment, inertia = _composite(posture)
    joint = plan.joint
    spin, shift = columns[:, :3], columns[:, 3:]
    force = mass[joint][:, None] * shift - cross(moment[joint], spin)
    turn = apply(inertia[joint], spin) + cross(moment[joint], shift)
    product = xp.einsum("ict,jct->ijt", columns, moment_and_force(turn, force))
    inner = plan.subtree[joint][:, joint]  # (i, j): j is at or beyond the joint of i
    both = xp.where(alike(inner, product)[:, :, None], product, xp.moveaxis(product, 0, 1))
    related = alike((inner | inner.T).astype(float), product)[:, :, None]
    return frames_first(both * related)


def transmitted(posture: Posture, moving: Velocity, wrenches: Tensor | None = None) -> Tensor:
    """Wrenches (B, 6, T) about ground's origin that pass through the joint above each body, on it.

    They are what the bodies beyond the joint need for their motion, less gravity and the ``wrenches`` (T, B, 6) there.
    """
    needed = needed_by_bodies(posture.multibody, posture, moving)
    if wrenches is not None:
        shape = (posture.value.shape[1], len(posture.multibody.tree.parent), 6)
        if tuple(wrenches.shape) != shape:
            fix = "Give a moment about ground's origin and a force for every frame and body, ground first."
            raise InputError(explain(f"wrenches of shape {shape}", str(tuple(wrenches.shape)), fix))
        needed = needed - frames_last(wrenches)
    return combine(layout(posture.multibody).subtree.astype(float), needed)


def about_speeds(posture: Posture, through: Tensor) -> Tensor:
    """Generalized forces (N, T) about the speeds of wrenches (B, 6, T) that pass through the joints above bodies."""
    joint = layout(posture.multibody).joint
    return namespace(through).einsum("nct,nct->nt", posture.columns, through[joint])


def needed_by_bodies(multibody: Multibody, bodies: Placed, moving: Velocity) -> Tensor:
    """Wrenches (B, 6, T) that each body alone needs for its motion, beside gravity."""
    tree, rotations, xp = multibody.tree, bodies.rotations, namespace(bodies.positions)
    mass, center, inertia, gravity = (
        alike(part, bodies.positions) for part in (tree.mass, tree.center, tree.inertia, multibody.gravity)
    )
    place = bodies.positions + apply_fixed(rotations, center)
    force = mass[:, None, None] * (acceleration_at(moving.twists, moving.changes, place) - gravity[:, None])
    spin = apply_transposed(rotations, moving.twists[:, :3])
    faster = apply_transposed(rotations, moving.changes[:, :3])
    momentum, change = (xp.einsum("bij,bjt->bit", inertia, part) for part in (spin, faster))
    moment = apply(rotations, change + cross(spin, momentum))
    return moment_and_force(moment + cross(place, force), force)


def _composite(posture: Posture) -> tuple[Tensor, Tensor, Tensor]:
    """Mass (B, T), first moment (B, 3, T), inertia about ground's origin (B, 3, 3, T) of all bodies beyond a joint."""
    tree, xp = posture.multibody.tree, namespace(posture.positions)
    subtree = layout(posture.multibody).subtree.astype(float)
    mass, center, inertia = (alike(part, posture.positions) for part in (tree.mass, tree.center, tree.inertia))
    place = posture.positions + apply_fixed(posture.rotations, center)
    turned = xp.einsum("bijt,bjk->bikt", posture.rotations, inertia)
    turned = xp.einsum("bikt,bjkt->bijt", turned, posture.rotations)
    square = xp.einsum("bit,bit->bt", place, place)[:, None, None] * alike(np.eye(3), place)[:, :, None]
    shifted = square - place[:, :, None] * place[:, None]
    weights = mass[:, None] * xp.ones_like(place[:, 0])
    return (
        combine(subtree, weights),
        combine(subtree, mass[:, None, None] * place),
        combine(subtree, turned + mass[:, None, None, None] * shifted),
    )
