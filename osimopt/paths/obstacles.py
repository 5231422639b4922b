"""The objects that paths wrap over, in ground."""

from __future__ import annotations

import numpy as np

from ..multibody.kinematics import Posture
from ..namespace import alike, namespace, numbers
from .arrangement import Arrangement, Bundle
from .contact import Array
from .turns import Obstacle

#: Rotations (3, 3, O, T) and origins (3, O, T) m of objects in ground, and where (all objects,) each of them is there.
ObjectFrames = tuple[Array, Array, Array]


def object_frames(arrangement: Arrangement, posture: Posture) -> ObjectFrames | None:
    """The frames of all objects that paths wrap over; None where there are none."""
    wrapping = [bundle for bundle in arrangement.bundles if bundle.kinds]
    if not wrapping:
        return None
    xp = namespace(posture.positions)
    objects, first = np.unique(np.concatenate([one.objects.reshape(-1) for one in wrapping]), return_index=True)
    body = np.concatenate([one.object_body.reshape(-1) for one in wrapping])[first]
    number = np.zeros(len(arrangement.frame), dtype=np.intp)
    number[objects] = np.arange(len(objects))
    frame, base = alike(arrangement.frame[objects], posture.positions), posture.rotations[body]
    turn = xp.einsum("mijt,mjk->ikmt", base, frame[:, :3, :3])
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

    first, last = alike(bundle.ranges[:, index, :, None].transpose(1, 0, 2), taken)
    before = numbers(len(taken) - 1, taken)[:, None, None]
    allowed = (taken[:-1] == before) & (before >= first) & (taken[1:] > before) & (taken[1:] <= last)
    allowed = xp.broadcast_to(alike(allowed, origin), (*allowed.shape[:2], size))
    return Obstacle(
        bundle.kinds[index],
        xp.reshape(xp.take(turn, place, axis=2), (3, 3, -1)),
        xp.reshape(xp.take(origin, place, axis=1), (3, -1)),
        spread(arrangement.size[own].T),
        spread(arrangement.axis[own]),
        spread(arrangement.sign[own]),
        xp.reshape(allowed, (len(allowed), -1)),
    )
