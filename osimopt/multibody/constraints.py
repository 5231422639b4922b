"""Constraints between bodies: by how much they are missed, and how speeds change that.

The errors p of a constraint are those of Simbody. Each of its rows is a wrench W about ground's origin on the second
body, and its opposite on the first, per unit multiplier: ṗ = Σ W · (twist of the second less that of the first).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..namespace import alike, namespace
from ..problem.arrays import Index
from .description import Constraint
from .kinematics import Posture, Velocity
from .layout import layout
from .vectors import (
    Tensor,
    acceleration_at,
    apply_fixed,
    apply_transposed,
    cross,
    distance,
    dot,
    moment_and_force,
    velocity_at,
)


@dataclass(frozen=True, eq=False)
class ConstraintRows:
    """R rows of all constraints of a model: errors (R, T) in m or rad, wrenches (R, 6, T).

    ``number`` (R,) are the constraints they belong to, ``first`` and ``second`` (R,) their bodies.
    """

    errors: Tensor
    wrenches: Tensor
    number: Index
    first: Index
    second: Index


def constraint_rows(posture: Posture) -> ConstraintRows:
    """Errors and wrenches of a model's constraints."""
    xp, constraints = namespace(posture.positions), posture.multibody.constraints
    found = [_rows(posture, constraint) for constraint in constraints]
    number = np.concatenate([np.full(errors.shape[0], i) for i, (errors, _) in enumerate(found)] or [_NONE])
    ends = np.array([constraint.bodies for constraint in constraints], dtype=np.intp).reshape(-1, 2)[number]
    none = posture.positions[:0, 0]
    errors = xp.concat([none, *(errors for errors, _ in found)])
    wrenches = xp.concat([xp.concat([none] * 6)[:, None].reshape(0, 6, none.shape[1]), *(rows for _, rows in found)])
    return ConstraintRows(errors, wrenches, number, ends[:, 0], ends[:, 1])


def constraint_jacobian(posture: Posture, rows: ConstraintRows) -> Tensor:
    """Change (R, N, T) of the errors per unit speed."""
    beyond = posture.beyond.astype(float)
    moves = alike(beyond[rows.second] - beyond[rows.first], posture.columns)
    product = namespace(posture.columns).einsum("rct,nct->rnt", rows.wrenches, posture.columns)
    return product * moves[:, :, None]


def constraint_bias(posture: Posture, still: Velocity) -> Tensor:
    """Second derivative (R, T) of the errors at speeds that do not change; ``still`` are the bodies' twists at them."""
    xp, constraints = namespace(posture.positions), posture.multibody.constraints
    none = posture.positions[:0, 0]
    return xp.concat([none, *(_bias(posture, still, constraint) for constraint in constraints)])


_NONE = np.zeros(0, dtype=np.intp)


def _ends(posture: Posture, constraint: Constraint) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Rotations (3, 3, T) and places (3, T) in ground of the two frames."""
    xp, found = namespace(posture.positions), []
    for body, frame in zip(constraint.bodies, constraint.frames, strict=True):
        rotation, fixed = posture.rotations[body], alike(frame, posture.positions)
        found.append(xp.einsum("ijt,jk->ikt", rotation, fixed[:3, :3]))
        found.append(posture.positions[body] + apply_fixed(rotation, fixed[:3, 3]))
    return found[0], found[1], found[2], found[3]


def _ancestor(posture: Posture, constraint: Constraint) -> int:
    """The body farthest from ground that both bodies are on, or beyond."""
    one, other = constraint.bodies
    subtree = layout(posture.multibody).subtree
    return int(np.flatnonzero(subtree[:, one] & subtree[:, other]).max())


def _axes(posture: Posture, constraint: Constraint, first: Tensor) -> tuple[Tensor, int]:
    """Directions (3, n, T) of the rows of places, and the body they are fixed on."""
    if constraint.kind == "line":
        return first[:, :2], constraint.bodies[0]
    ancestor = _ancestor(posture, constraint)
    return posture.rotations[ancestor], ancestor


def _rows(posture: Posture, constraint: Constraint) -> tuple[Tensor, Tensor]:
    """Errors (n, T) and wrenches (n, 6, T) of one constraint."""
    xp = namespace(posture.positions)
    first, here, second, there = _ends(posture, constraint)
    gap = there - here
    if constraint.kind == "distance":
        long = distance(here, there)
        direction = gap / long
        return (long - constraint.number)[None], moment_and_force(cross(there, direction), direction)[None]
    axes, _ = _axes(posture, constraint, first)
    force = xp.moveaxis(axes, 1, 0)
    place = moment_and_force(cross(there[None], force), force)
    errors = xp.einsum("int,it->nt", axes, gap)
    if constraint.kind != "weld":
        return errors, place
    pairs = [(second[:, i], first[:, (i + 1) % 3]) for i in range(3)]
    turned = xp.stack([dot(one, other) for one, other in pairs])
    torque = xp.stack([cross(one, other) for one, other in pairs])
    turn = moment_and_force(torque, xp.zeros_like(torque))
    return xp.concat([turned, errors]), xp.concat([turn, place])


def _bias(posture: Posture, still: Velocity, constraint: Constraint) -> Tensor:
    """Second derivatives (n, T) of one constraint's errors."""
    xp = namespace(posture.positions)
    first, here, second, there = _ends(posture, constraint)
    one, other = constraint.bodies
    u, v, a, b = still.twists[one], still.twists[other], still.changes[one], still.changes[other]
    if constraint.kind == "distance":
        apart = velocity_at(v, there) - velocity_at(u, here)
        faster = acceleration_at(v, b, there) - acceleration_at(u, a, here)
        long = distance(here, there)
        direction = (there - here) / long
        return (dot(faster, direction) + (dot(apart, apart) - dot(apart, direction) ** 2) / long)[None]
    axes, body = _axes(posture, constraint, first)
    apart = velocity_at(v - u, there)
    faster = acceleration_at(v, b, there) - acceleration_at(u, a, there)
    faster = faster - 2.0 * cross(still.twists[body][:3], apart)
    places = apply_transposed(axes, faster)
    if constraint.kind != "weld":
        return places
    spin, turns = v[:3] - u[:3], []
    for index in range(3):
        x, y = second[:, index], first[:, (index + 1) % 3]
        change = cross(cross(v[:3], x), y) - cross(cross(u[:3], y), x)
        turns.append(dot(b[:3] - a[:3], cross(x, y)) + dot(spin, change))
    return xp.concat([xp.stack(turns), places])
