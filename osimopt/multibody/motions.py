"""Motions whose loops close: each frame in the way of the frame before."""

from __future__ import annotations

import numpy as np

from ..namespace import alike, frames_first, frames_last, namespace
from .couplers import coupled
from .description import Multibody
from .loops import Closure, close, complete, follow, openness, reach
from .vectors import Tensor

#: m or rad; error of loops in a posture whose dependent coordinates are as measured.
NEARLY = 0.05
#: m or rad; closed postures nearer to each other than this are the same.
SAME = 1e-8


def complete_motion(
    multibody: Multibody, closure: Closure, time: Tensor, value: Tensor, rate: Tensor, acceleration: Tensor,
    before: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    """Values, rates and accelerations (T, N) of all coordinates, and ``loops.independence`` (T, N, N), of a motion.

    ``time`` (T,) in s is for messages. A loop may close in several ways: the way of the frame before is kept, of the
    first frame that of the posture ``before`` (N,), else of the posture given where it nearly closes the loops, else
    that of the model's default posture.

    Raises
    ------
    ModelError
        Loops that cannot be closed, or a singular posture, with its time.
    """
    closed = follow(multibody, closure, close_motion(multibody, closure, value, before), time)
    rate, acceleration, matrix = complete(multibody, closure, closed, rate, acceleration, time)
    return closed, rate, acceleration, matrix


def close_motion(multibody: Multibody, closure: Closure, value: Tensor, before: Tensor | None = None) -> Tensor:
    """Values (T, N) of a motion with loops closed, as ``complete_motion`` has them; as found where they do not close.

    All frames are closed at once, then once more from the frame before. Where both agree, the frame before decided.
    """
    if not multibody.constraints:
        return frames_first(coupled(multibody, frames_last(value)))
    xp, dependents = namespace(value), list(closure.dependents)
    chosen = alike(np.isin(np.arange(len(multibody.coordinates)), dependents), value)
    found = _alone(multibody, closure, value)
    first = found[:1] if before is None else before[None]
    again, closed = close(multibody, closure, xp.where(chosen, xp.concat([first, found[:-1]]), value))
    differs = closed & (xp.max(xp.abs(again - found), axis=1) > SAME)
    if not bool(xp.any(differs)):
        return found
    rows, moved = list(found), False
    for frame in range(int(xp.argmax(xp.astype(differs, xp.int64))), len(rows)):
        if not (moved or bool(differs[frame])):
            continue
        earlier = rows[frame - 1] if frame else first[0]
        posture, met = close(multibody, closure, xp.where(chosen, earlier, value[frame])[None])
        rows[frame] = posture[0] if bool(met[0]) else found[frame]
        moved = bool(xp.max(xp.abs(rows[frame] - found[frame])) > SAME)
    return xp.stack(rows)


def _alone(multibody: Multibody, closure: Closure, value: Tensor) -> Tensor:
    """Postures (T, N) closed from those given where these nearly close the loops, else as by default."""
    xp = namespace(value)
    given, closed = close(multibody, closure, value)
    near = closed & (openness(multibody, value) <= NEARLY)
    if bool(xp.all(near)):
        return given
    default, reached = reach(multibody, closure, value)
    return xp.where((near | (closed & ~reached))[:, None], given, default)
