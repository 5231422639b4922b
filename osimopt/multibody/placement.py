"""A model in motion, and frames and numbers of the forces that act on it; components first, frames last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ..namespace import alike, namespace
from .description import ForceLaw
from .vectors import Tensor, apply_fixed, cross, moment_and_force


class Placed(Protocol):
    """Where bodies are: ``rotations`` (B, 3, 3, T) and ``positions`` (B, 3, T) m take places in them to ground."""

    @property
    def rotations(self) -> Tensor: ...  # noqa: D102

    @property
    def positions(self) -> Tensor: ...  # noqa: D102


@dataclass(frozen=True, eq=False)
class MotionState:
    """T frames of a model in state.

    ``time`` (T,) s; ``value`` and ``speed`` (N, T) of the coordinates, the second as the joints have it; ``rotations``
    (B, 3, 3, T) and ``positions`` (B, 3, T) m of the bodies in ground; ``twists`` (B, 6, T) of the bodies.
    """

    time: Tensor
    value: Tensor
    speed: Tensor
    rotations: Tensor
    positions: Tensor
    twists: Tensor


def number(law: ForceLaw, name: str, like: Tensor) -> Tensor:
    """A parameter of a force, as an array of the library of ``like``."""
    return alike(law.numbers[name], like)


def pose(bodies: Placed, law: ForceLaw, end: int) -> tuple[Tensor, Tensor]:
    """Orientation (3, 3, T) and origin (3, T) m, in ground, of a frame of a force."""
    rotation, position = bodies.rotations[law.bodies[end]], bodies.positions[law.bodies[end]]
    frame = alike(law.frames, rotation)[end]
    turned = namespace(rotation).einsum("ijt,jk->ikt", rotation, frame[:3, :3])
    return turned, position + apply_fixed(rotation, frame[:3, 3])


def wrench(place: Tensor, force: Tensor, torque: Tensor | None = None) -> Tensor:
    """Wrench (6, T) of a force (3, T) at a place (3, T) in ground, and of a torque (3, T)."""
    moment = cross(place, force)
    return moment_and_force(moment if torque is None else moment + torque, force)


def line(between: Tensor) -> tuple[Tensor, Tensor]:
    """Length (T,) and direction (3, T) of a vector (3, T)."""
    xp = namespace(between)
    length = xp.sqrt(xp.sum(between**2, axis=0))
    return length, between / length
