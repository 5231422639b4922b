"""The frames of bodies, one posture at a time and step by step: a reference that shares no code with osimopt."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from osimopt.multibody.description import Functions, Multibody

Array = NDArray[Any]


def value(functions: Functions, row: int, x: float) -> float:
    """One function at one argument."""
    if row < 0:
        return 0.0
    piece = int(sum(one <= x for one in functions.breaks[row]))
    from_origin = x - functions.origin[row, piece]
    powers = enumerate(functions.coefficients[row, piece])
    amplitude, frequency, phase = functions.sine[row]
    return float(sum(c * from_origin**p for p, c in powers) + amplitude * math.sin(frequency * x + phase))


def turn(axis: Array, angle: float) -> Array:
    """Rodrigues' rotation (4, 4)."""
    x, y, z = axis
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    matrix = np.eye(4)
    matrix[:3, :3] += math.sin(angle) * cross + (1.0 - math.cos(angle)) * cross @ cross
    return matrix


def motion(model: Multibody, body: int, q: Array) -> Array:
    """The outer frame of a joint in its inner frame (4, 4)."""
    tree, matrix = model.tree, np.eye(4)
    own = [q[index] for index in tree.joint_coordinate[body] if index >= 0]
    if tree.kind[body] == "axes":
        coordinates = tree.axis_coordinate[body]
        at = [q[index] if index >= 0 else 0.0 for index in coordinates]
        amounts = [value(model.functions, row, x) for row, x in zip(tree.axis_function[body], at, strict=True)]
        for axis, amount in zip(tree.axes[body][:3], amounts[:3], strict=True):
            matrix = matrix @ turn(axis, amount)
        matrix[:3, 3] = tree.axes[body][3:].T @ amounts[3:]
    else:
        for axis, angle in zip(np.eye(3), own[:3], strict=True):
            matrix = matrix @ turn(axis, angle)
        if tree.kind[body] == "free":
            matrix[:3, 3] = own[3:]
        if tree.kind[body] == "ellipsoid":
            matrix[:3, 3] = tree.radii[body] * matrix[:3, 2]
    return np.linalg.inv(matrix) if tree.backward[body] else matrix


def frames(model: Multibody, q: Array) -> Array:
    """(B, 4, 4) of all bodies in ground, in one posture (N,)."""
    tree, found = model.tree, [np.eye(4)]
    for body in range(1, len(tree.bodies)):
        joint = tree.inboard[body] @ motion(model, body, q) @ np.linalg.inv(tree.outboard[body])
        found.append(found[tree.parent[body]] @ joint)
    return np.array(found)
