"""External loads: forces and torques that were measured, as wrenches on bodies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ..namespace import alike, namespace
from ..problem.arrays import Index
from .placement import Placed, wrench
from .vectors import Tensor, apply


@dataclass(frozen=True, eq=False)
class MeasuredLoads:
    """L loads at T frames.

    Each acts on ``body`` (L,); ``force`` and ``torque`` (L, 3, T) in N and N·m are expressed in the body ``frame``
    (L,), the ``point`` (L, 3, T) in m in the body ``place`` (L,).
    """

    body: Index
    frame: Index
    place: Index
    force: Tensor
    point: Tensor
    torque: Tensor

    def moved(self, change: Callable[[Tensor], Tensor]) -> MeasuredLoads:
        """The same loads, their arrays changed."""
        arrays = {name: change(getattr(self, name)) for name in ("force", "point", "torque")}
        return replace(self, **arrays)


def load_wrenches(loads: MeasuredLoads, bodies: Placed) -> Tensor:
    """Wrenches (B, 6, T) about ground's origin on the bodies."""
    like = bodies.positions
    force, point, torque = (alike(part, like) for part in (loads.force, loads.point, loads.torque))
    turn = bodies.rotations[loads.frame]
    place = bodies.positions[loads.place] + apply(bodies.rotations[loads.place], point)
    acting = wrench(place, apply(turn, force), apply(turn, torque))
    on = (np.arange(len(like))[:, None] == loads.body[None, :]).astype(float)
    return namespace(like).einsum("bl,lct->bct", alike(on, like), acting)
