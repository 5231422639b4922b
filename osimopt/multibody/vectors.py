"""Vectors (…, 3, T) and spatial vectors (…, 6, T) of many frames, NumPy or torch.

A spatial vector has an angular and a linear part and is about the origin of ground: a twist is the angular velocity of
a body and the velocity of its point that is there, a wrench a moment about that point and a force.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..namespace import alike, namespace
from ..problem.arrays import Array, Index

#: Arrays of NumPy or torch.
Tensor = Any


def cross(one: Tensor, other: Tensor) -> Tensor:
    """Cross product of vectors (…, 3, T)."""
    x, y, z = (one[..., i, :] for i in range(3))
    u, v, w = (other[..., i, :] for i in range(3))
    return namespace(one).stack([y * w - z * v, z * u - x * w, x * v - y * u], axis=-2)


def dot(one: Tensor, other: Tensor) -> Tensor:
    """Scalar product (…, T) of vectors (…, n, T)."""
    return namespace(one).einsum("...it,...it->...t", one, other)


def distance(one: Tensor, other: Tensor) -> Tensor:
    """Distance (…, T) between points (…, 3, T)."""
    return namespace(one).sqrt(dot(other - one, other - one))


def apply(matrix: Tensor, vector: Tensor) -> Tensor:
    """Matrices (…, 3, 3, T) times vectors (…, 3, T)."""
    return namespace(matrix).einsum("...ijt,...jt->...it", matrix, vector)


def apply_transposed(matrix: Tensor, vector: Tensor) -> Tensor:
    """Transposed matrices (…, 3, 3, T) times vectors (…, 3, T)."""
    return namespace(matrix).einsum("...jit,...jt->...it", matrix, vector)


def apply_fixed(matrix: Tensor, fixed: Tensor) -> Tensor:
    """Matrices (…, 3, 3, T) times vectors (…, 3) that are the same in all frames."""
    return namespace(matrix).einsum("...ijt,...j->...it", matrix, fixed)


def compose(one: Tensor, other: Tensor) -> Tensor:
    """Products of matrices (…, 3, 3, T)."""
    return namespace(one).einsum("...ijt,...jkt->...ikt", one, other)


def moment_and_force(moment: Tensor, force: Tensor) -> Tensor:
    """Spatial vectors (…, 6, T) of an angular and a linear part (…, 3, T)."""
    return namespace(moment).concat([moment, force], axis=-2)


def cross_twist(twist: Tensor, other: Tensor) -> Tensor:
    """Change of twists (…, 6, T) that are fixed in bodies which move by ``twist``."""
    spin, shift = twist[..., :3, :], twist[..., 3:, :]
    turned = cross(spin, other[..., :3, :])
    return moment_and_force(turned, cross(spin, other[..., 3:, :]) + cross(shift, other[..., :3, :]))


def velocity_at(twist: Tensor, point: Tensor) -> Tensor:
    """Velocity (…, 3, T) of the points of bodies that are at ``point`` (…, 3, T) in ground."""
    return twist[..., 3:, :] + cross(twist[..., :3, :], point)


def acceleration_at(twist: Tensor, change: Tensor, point: Tensor) -> Tensor:
    """Acceleration (…, 3, T) of these points, from twists and their changes (…, 6, T)."""
    return velocity_at(change, point) + cross(twist[..., :3, :], velocity_at(twist, point))


def combine(weights: Array, things: Tensor) -> Tensor:
    """Sums Σ_j weights[i, j] things[j], with weights (I, J) and things (J, …)."""
    shape = things.shape[1:]
    flat = namespace(things).reshape(things, (things.shape[0], math.prod(shape)))
    return namespace(things).reshape(alike(weights, things) @ flat, (len(weights), *shape))


def pick(things: Tensor, places: Index) -> Tensor:
    """Rows of an array; the array itself, where these are all of them in order."""
    return things if len(places) == things.shape[0] and (places == np.arange(len(places))).all() else things[places]


def join(parts: Sequence[Tensor]) -> Tensor:
    """Arrays one after the other; the array itself, where it is one."""
    return parts[0] if len(parts) == 1 else namespace(*parts).concat(list(parts))
