"""Actuators of a model other than muscles: what each does at control 1, in the posture alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..namespace import alike, filled, namespace
from .description import ForceLaw, Mask, Multibody
from .placement import Placed, line, number, pose, wrench
from .vectors import Tensor, apply_fixed

ON_COORDINATE = ("ActivationCoordinateActuator", "CoordinateActuator")
ALONG_PATH = ("PathActuator",)


def _torque(law: ForceLaw, bodies: Placed) -> list[Tensor]:
    """A torque on the first body, and its opposite on the second."""
    axis = _unit(number(law, "axis", bodies.positions))
    torque = _turned(law, bodies, axis, bool(law.numbers["torque_is_global"]))
    on_first = wrench(0.0 * torque, 0.0 * torque, torque)
    return [on_first, -on_first]


def _point(law: ForceLaw, bodies: Placed) -> list[Tensor]:
    direction = _unit(number(law, "direction", bodies.positions))
    force = _turned(law, bodies, direction, bool(law.numbers["force_is_global"]))
    return [wrench(_place(law, bodies, 0, "point", bool(law.numbers["point_is_global"])), force)]


def _between_points(law: ForceLaw, bodies: Placed) -> list[Tensor]:
    """Forces that push two points apart."""
    fixed = bool(law.numbers["points_are_global"])
    first, second = (_place(law, bodies, end, f"point{name}", fixed) for end, name in enumerate("AB"))
    force = line(first - second)[1]
    return [wrench(first, force), wrench(second, -force)]


def _unit(vector: Tensor) -> Tensor:
    return vector / namespace(vector).sqrt(namespace(vector).sum(vector**2))


def _turned(law: ForceLaw, bodies: Placed, vector: Tensor, in_ground: bool) -> Tensor:
    """A vector (3,) of ground or of the first body, in ground (3, T)."""
    if in_ground:
        return namespace(vector).zeros_like(bodies.positions[0]) + vector[:, None]
    return apply_fixed(pose(bodies, law, 0)[0], vector)


def _place(law: ForceLaw, bodies: Placed, end: int, name: str, in_ground: bool) -> Tensor:
    """A point of ground or of a body, in ground (3, T)."""
    point = number(law, name, bodies.positions)
    if in_ground:
        return namespace(point).zeros_like(bodies.positions[0]) + point[:, None]
    rotation, origin = pose(bodies, law, end)
    return origin + apply_fixed(rotation, point)


#: Wrenches (6, T) on the bodies that an actuator connects, at a force of 1 N or a torque of 1 N·m.
ON_BODIES: dict[str, Callable[[ForceLaw, Placed], list[Tensor]]] = {
    "PointActuator": _point,
    "PointToPointActuator": _between_points,
    "TorqueActuator": _torque,
}


def effects(multibody: Multibody, bodies: Placed, columns: Tensor, beyond: Mask, arms: dict[int, Tensor]) -> Tensor:
    """Generalized forces (N, K, T) about speeds of the K actuators, each at control 1.

    ``columns`` (N, 6, T) and ``beyond`` (B, N) are those of a posture; ``arms`` (N, T) m, by path, what a tension of
    1 N along it does.
    """
    xp, size = namespace(columns), len(multibody.coordinates)
    found = []
    for law in multibody.actuators:
        if law.kind in ON_COORDINATE:
            one = alike((np.arange(size) == law.coordinate).astype(float), columns)
            effect = xp.zeros_like(columns[:, 0]) + one[:, None]
        elif law.kind in ALONG_PATH:
            effect = arms[law.path]
        else:
            parts = zip(law.bodies, ON_BODIES[law.kind](law, bodies), strict=True)
            effect = sum(_about_speeds(columns, beyond[body], part) for body, part in parts)
        found.append(number(law, "optimal_force", columns) * effect)
    return xp.stack(found, axis=1) if found else filled((size, 0, columns.shape[-1]), 0.0, columns)


def _about_speeds(columns: Tensor, beyond: Mask, wrench_: Tensor) -> Tensor:
    """Generalized forces (N, T) of a wrench (6, T) on the body of which ``beyond`` (N,) says what moves it."""
    return alike(beyond.astype(float), columns)[:, None] * namespace(columns).einsum("nct,ct->nt", columns, wrench_)
