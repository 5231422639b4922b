"""The objects that paths wrap over, in ground."""

from __future__ import annotations

import numpy as np

from ..multibody.kinematics import Posture
from ..namespace import alike, namespace
from .arrangement import Arrangement, Bundle
from .contact import Array
from .turns import Obstacle

#: Rotations (O, 3, 3, T) and origins (3, O, T) m of objects in ground, and where (all objects,) each of them is there.
ObjectFrames = tuple[Array, Array, Array]


def object_frames(arrangement: Arrangement, posture: Posture) -> ObjectFrames:
    """The frames of all objects that paths wrap over."""
    xp, none = namespace(posture.positions), np.zeros(0, dtype=np.intp)
    objects, body = (
        np.concatenate([none, *(getattr(bundle, name).reshape(-1) for bundle in arrangement.bundles)])
        for name in ("objects", "object_body")
    )
    objects, first = np.unique(objects, return_index=True)
    body = body[first]
    number = np.zeros(len(arrangement.frame), dtype=np.intp)
    number[objects] = np.arange(len(objects))
    frame, base = alike(arrangement.frame[objects], posture.positions), posture.rotations[body]
    turn = xp.matmul(xp.moveaxis(frame[:, None, :3, :3], 2, 3), base)  # (O, i, k, T): twice as fast as einsum
    origin = xp.einsum("mijt,mj->imt", base, frame[:, :3, 3]) + xp.moveaxis(posture.positions[body], 1, 0)
    return turn, origin, number


def obstacle(
    arrangement: Arrangement, bundle: Bundle, index: int, frames: ObjectFrames | None, taken: Array
) -> Obstacle:
    """One object of each path of a bundle, ``index`` of W; ``taken`` (k, m, T) as in ``SolvedPaths``."""
    assert frames is not None
    turn, origin, number = frames
    xp, own, size = namespace(origin), bundle.objects[:, index], origin.shape[-1]
    place = alike(number[own], origin)

    def spread(array: Array) -> Array:
        """(…, m) as (…, n)."""
        wide = xp.broadcast_to(alike(array, origin)[..., None], (*array.shape, size))
        return xp.reshape(wide, (*array.shape[:-1], -1))

    first, last = bundle.ranges[:, index, :, None].transpose(1, 0, 2)
    before = np.arange(len(taken) - 1)[:, None, None]
    allowed = (taken[:-1] == before) & (before >= first) & (taken[1:] > before) & (taken[1:] <= last)
    allowed = np.array(np.broadcast_to(allowed, (*allowed.shape[:2], size))).reshape(len(allowed), -1)
    return Obstacle(
        bundle.kinds[index],
        xp.reshape(xp.moveaxis(turn[number[own]], 0, 2), (3, 3, -1)),
        xp.reshape(xp.take(origin, place, axis=1), (3, -1)),
        spread(arrangement.size[own].T),
        spread(arrangement.axis[own]),
        spread(arrangement.sign[own]),
        alike(allowed, origin),
    )
