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
#: Frames of the first block that is closed from the frame before.
FEWEST = 16


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

    All frames are closed as given, then once more from the frame before. Where one is not nearly closed as given, or
    the two disagree, the frame before decides: from there frames are closed in blocks, each once more from the frame
    before it, as far as both agree.
    """
    if not multibody.constraints:
        return frames_first(coupled(multibody, frames_last(value)))
    xp, dependents = namespace(value), list(closure.dependents)
    chosen = alike(np.isin(np.arange(len(multibody.coordinates)), dependents), value)
    found, closed = close(multibody, closure, value)
    near = closed & (openness(multibody, value) <= NEARLY)
    first = _alone(multibody, closure, value[:1]) if before is None else before[None]
    agree = near & _agree(multibody, closure, chosen, value, xp.concat([first, found[:-1]]), found)
    right = [good and sound for good, sound in zip(agree.tolist(), [True, *near.tolist()], strict=False)]
    rows, frame, size, moved = list(found), 0, FEWEST, False
    while frame < len(rows):
        if right[frame] and not moved:
            frame += 1
            continue
        block = slice(frame, min(frame + size, len(rows)))
        earlier = rows[frame - 1][None] if frame else first
        ahead, met = close(multibody, closure, xp.where(chosen, earlier, value[block]))
        met = met & _agree(multibody, closure, chosen, value[block], xp.concat([earlier, ahead[:-1]]), ahead)
        count = [*met.tolist(), False].index(False)
        ahead = ahead[:count] if count else _alone(multibody, closure, value[frame : frame + 1])
        rows[frame : frame + len(ahead)] = list(ahead)
        frame += len(ahead)
        size = 2 * size if frame == block.stop else FEWEST
        moved = bool(xp.max(xp.abs(rows[frame - 1] - found[frame - 1])) > SAME)
    return xp.stack(rows)


def _agree(
    multibody: Multibody, closure: Closure, chosen: Tensor, value: Tensor, before: Tensor, found: Tensor
) -> Tensor:
    """(T,) where loops closed as in the postures ``before`` (T, N) are as ``found`` (T, N)."""
    xp = namespace(value)
    again, closed = close(multibody, closure, xp.where(chosen, before, value))
    return closed & (xp.max(xp.abs(again - found), axis=1) <= SAME)


def _alone(multibody: Multibody, closure: Closure, value: Tensor) -> Tensor:
    """Posture (1, N) closed from that given where this nearly closes the loops, else as by default."""
    given, closed = close(multibody, closure, value)
    if bool(closed[0]) and bool(openness(multibody, value)[0] <= NEARLY):
        return given
    default, reached = reach(multibody, closure, value)
    return default if bool(reached[0]) or not bool(closed[0]) else given
