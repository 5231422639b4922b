"""Vectors in arrays whose first axis has the three components."""

from __future__ import annotations

from ..namespace import namespace
from .contact import Array


def dot(one: Array, other: Array) -> Array:
    """Scalar products of vectors whose components come first."""
    return one[0] * other[0] + one[1] * other[1] + one[2] * other[2]  # a third of the time of a sum over axis 0


def cross(one: Array, other: Array) -> Array:
    """Cross products."""
    xp = namespace(one)
    return xp.stack([one[i] * other[j] - one[j] * other[i] for i, j in ((1, 2), (2, 0), (0, 1))])


def norm(vector: Array) -> Array:
    """Their lengths."""
    return namespace(vector).sqrt(dot(vector, vector))


def unit(vector: Array) -> Array:
    """Vectors of length 1."""
    return vector / norm(vector)
