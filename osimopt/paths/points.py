"""Points of paths in ground, and which of them are on the path."""

from __future__ import annotations

import numpy as np

from ..multibody.functions import evaluate
from ..multibody.kinematics import Posture
from ..namespace import alike, namespace, plain
from ..problem.arrays import Index
from .arrangement import Arrangement, Bundle
from .contact import Array


def points_in_ground(arrangement: Arrangement, posture: Posture) -> tuple[Array, Index]:
    """Places (3, P, T) in m of all points, as if all of them were on their paths, and where (P,) each point is there.

    They are in the order of their bodies: to sort them would be to copy them.
    """
    xp = namespace(posture.positions)
    place, moving = alike(arrangement.place, posture.positions), arrangement.moving
    found, order = [], []
    if moving.any():
        order.append(np.flatnonzero(moving))
        body = arrangement.body[moving]
        own = moved(arrangement, order[0], posture)[0]
        turned = xp.einsum("pijt,jpt->ipt", posture.rotations[body], own)
        found.append(turned + xp.moveaxis(posture.positions[body], 1, 0))
    for body in np.unique(arrangement.body[~moving]).tolist():
        order.append(np.flatnonzero(~moving & (arrangement.body == body)))
        found.append(place[order[-1]] @ posture.rotations[body] + posture.positions[body][:, None])
    if not found:
        return xp.moveaxis(posture.positions[:0], 1, 0), np.zeros(0, dtype=np.intp)
    return xp.concat(found, axis=1), np.argsort(np.concatenate(order))


def moved(arrangement: Arrangement, rows: Array, posture: Posture) -> tuple[Array, Array]:
    """Places (3, p, T) on their bodies of the moving points ``rows`` (p,), and their slopes by their coordinates."""
    xp = namespace(posture.value)
    function, mover = arrangement.mover_function[rows], arrangement.mover[rows]
    axes = []
    for axis in range(3):
        argument = posture.value[np.maximum(mover[:, axis], 0)] * alike(mover[:, axis] >= 0, posture.value)[:, None]
        found = evaluate(posture.multibody.functions, np.maximum(function[:, axis], 0), argument)
        value, slope = (alike(arrangement.stretch[rows, axis], argument)[:, None] * part for part in found[:2])
        known = alike(function[:, axis] >= 0, value)[:, None]
        axes.append(
            (xp.where(known, value, alike(arrangement.place[rows, axis], value)[:, None]), xp.where(known, slope, 0.0))
        )
    return xp.stack([one for one, _ in axes]), xp.stack([two for _, two in axes])


def stand_ins(arrangement: Arrangement, bundle: Bundle, posture: Posture) -> Array:
    """Which point of its path is in the place of each: itself (k, m, T), or the next on the path, or else the last.

    A point that is not on the path is put on the next that is, so that it changes nothing.
    """
    value = plain(posture.value)
    count = len(bundle.points[0])
    rows = bundle.points.T
    condition = arrangement.condition[rows]
    at, within = value[np.maximum(condition, 0)], arrangement.range[rows]
    on = (condition < 0)[..., None] | ((at >= within[..., 0, None]) & (at <= within[..., 1, None]))
    taken = np.where(on, np.arange(count)[:, None, None], -1)
    for row in range(count - 2, -1, -1):
        taken[row] = np.where(taken[row] < 0, taken[row + 1], taken[row])
    for row in range(count):
        taken[row] = np.where(taken[row] < 0, taken[row - 1] if row else 0, taken[row])
    return taken
