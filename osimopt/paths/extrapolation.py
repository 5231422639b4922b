"""Differential equations of second order without damping, solved by Störmer's steps and extrapolation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..namespace import namespace
from .contact import Array

State = tuple[Array, ...]
#: The most steps of a lane: the error is of the order of the step to twice their number.
LANES = 7


def extrapolate(
    stage: Callable[[State, Array, Array], State], state: State, duration: Array, pieces: int, lanes: int = LANES
) -> State:
    """The state after a duration (n,), cut into pieces.

    Each piece is followed in 1, 2, ... steps, in lanes (k, n) beside each other, from which the limit of small steps
    is extrapolated. ``stage`` takes the state (..., k, n) and two times (k, n): velocities change by both of them,
    places by the first with the old velocities and by the second with the new ones. Such steps are symmetric in time:
    their error is a series in the square of their size.
    """
    xp = namespace(duration)
    number = np.arange(1, lanes + 1)
    square = number[:, None] ** 2 - number**2
    weights = np.prod(np.where(square == 0, 1.0, number[:, None] ** 2 / np.where(square == 0, 1, square)), axis=1)
    shares, later = (
        xp.asarray(one, dtype=duration.dtype, device=duration.device)[:, None] for one in (0.5 / number, number > 1)
    )
    half = shares * (duration / pieces)
    for _ in range(pieces):
        moved = stage(tuple(values[..., None, :] for values in state), 0.0 * half, half)
        ended = []
        for lane in range(lanes):  # the first lane that is left has one more half step
            before = half[lane:]
            moved = stage(moved, before, before * later[: lanes - lane])
            ended.append([weights[lane] * values[..., 0, :] for values in moved])
            moved = tuple(values[..., 1:, :] for values in moved)
        state = tuple(sum(parts) for parts in zip(*ended, strict=True))
    return state
