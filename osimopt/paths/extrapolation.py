"""Differential equations of second order without damping, solved by Störmer's steps and extrapolation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..namespace import namespace
from .contact import Array

State = tuple[Array, ...]
#: Numbers of steps that one extrapolation has: the error is of the order of the step to twice their number.
COUNTS = (1, 2, 3, 4, 5, 6, 7)


def extrapolate(
    stage: Callable[[State, Array, Array], State],
    state: State,
    duration: Array,
    pieces: int,
    counts: tuple[int, ...] = COUNTS,
) -> State:
    """The state after a duration (n,), cut into pieces.

    All numbers of steps run beside each other, in lanes (k, n). ``stage`` takes the state (..., k, n) and two times
    (k, n): velocities change by both of them, places by the first with the old velocities and by the second with the
    new ones. Such steps are symmetric in time: their error is a series in the square of their size.
    """
    xp = namespace(duration)
    number, lane = np.arange(max(counts) + 1)[:, None], np.array(counts)
    shares = [np.where(place, 0.5 / lane, 0.0) for place in ((number > 0) & (number <= lane), number < lane)]
    ratio = lane[:, None] ** 2 / np.where(lane[:, None] == lane, np.inf, lane[:, None] ** 2 - lane**2)
    weight = np.prod(np.where(ratio == 0, 1.0, ratio), axis=1)
    before, after, weights = (
        xp.asarray(one, dtype=duration.dtype, device=duration.device)[..., None] for one in (*shares, weight)
    )
    step = duration / pieces
    for _ in range(pieces):
        lanes = tuple(values[..., None, :] + 0 * weights for values in state)
        for index in range(before.shape[0]):
            lanes = stage(lanes, before[index] * step, after[index] * step)
        state = tuple(xp.sum(weights * values, axis=-2) for values in lanes)
    return state
