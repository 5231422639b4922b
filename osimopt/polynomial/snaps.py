"""Places where a muscle's path snaps off or over a wrap object, along one coordinate.

Plain arrays, importable in the user's process and in opensim's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..problem.arrays import Array, Index
from .samples import Jump

#: m; departure of the length from its neighbours' trend, or jump of the slope, beyond which a place is searched.
LIMITS = np.array([1e-4, 1e-3])
#: Bisections that decide whether a jump is one: they shrink a smooth change by 64.
BISECTIONS = 6

#: Lengths and slopes (n, 2), from postures (n, N), the coordinate (n,) of each slope, and the muscle (n,).
Probe = Callable[[Array, Index, Index], Array]


@dataclass(frozen=True, eq=False)
class Line:
    """One coordinate that moves through ``steps`` (s,), the others as in a posture (N,), and the muscles (m,)."""

    posture: Array
    coordinate: int
    muscles: Index
    steps: Array

    @property
    def postures(self) -> Array:
        """(s, N), one at each step."""
        moved = np.tile(self.posture, (len(self.steps), 1))
        moved[:, self.coordinate] = self.steps
        return moved


def jumps_along(lines: Sequence[Line], found: Sequence[Array], probe: Probe) -> list[Jump]:
    """The largest jump of each muscle along each line, where lengths and slopes (s, 2, m) were ``found``."""
    line, step, column = np.concatenate([np.zeros((3, 0), dtype=np.intp), *map(_odd, range(len(lines)), found)], axis=1)
    if not len(line):
        return []
    posture = np.stack([lines[row].posture for row in line])
    coordinate = np.array([lines[row].coordinate for row in line])
    muscle = np.array([lines[row].muscles[place] for row, place in zip(line, column, strict=True)])
    low, high = (np.array([lines[row].steps[i] for row, i in zip(line, step + k, strict=True)]) for k in (0, 1))
    at_low, at_high = (
        np.array([found[row][i, :, place] for row, i, place in zip(line, step + k, column, strict=True)])
        for k in (0, 1)
    )
    for _ in range(BISECTIONS):  # towards the larger half of a change; it is a jump where it does not shrink
        middle = 0.5 * (low + high)
        posture[np.arange(len(posture)), coordinate] = middle
        at_middle = probe(posture, coordinate, muscle)
        left, right = _changes(at_low, at_middle, middle - low), _changes(at_middle, at_high, high - middle)
        early = (left / LIMITS).sum(axis=1) > (right / LIMITS).sum(axis=1)
        low, high = np.where(early, low, middle), np.where(early, middle, high)
        at_low, at_high = (
            np.where(early[:, None], one, two) for one, two in ((at_low, at_middle), (at_middle, at_high))
        )
    size = _changes(at_low, at_high, high - low)
    largest: dict[tuple[int, int], Jump] = {}
    for row in np.flatnonzero((size > LIMITS).any(axis=1)).tolist():
        length, arm = size[row].tolist()
        place = float(0.5 * (low[row] + high[row]))
        own = lines[line[row]]
        jump = Jump(int(muscle[row]), own.coordinate, place, length, arm, own.posture)
        known = largest.setdefault((int(line[row]), jump.muscle), jump)
        if jump.size > known.size:
            largest[int(line[row]), jump.muscle] = jump
    return list(largest.values())


def _odd(number: int, found: Array) -> Index:
    """(3, E) the number of a line, and steps and columns after which lengths or slopes (s, 2, m) change oddly."""
    rise = np.diff(found, axis=0)
    around = np.concatenate([rise[1:2], rise, rise[-2:-1]])
    beyond = np.abs(rise - 0.5 * (around[:-2] + around[2:])) > LIMITS[:, None]
    step, column = np.nonzero(beyond.any(axis=1))
    return np.stack([np.full(len(step), number), step, column])


def _changes(before: Array, after: Array, step: Array) -> Array:
    """(n, 2) change of the length that the larger of the slopes does not explain, and change of the slope."""
    explained = np.maximum(np.abs(before[:, 1]), np.abs(after[:, 1])) * step
    length = np.maximum(np.abs(after[:, 0] - before[:, 0]) - explained, 0.0)
    return np.stack([length, np.abs(after[:, 1] - before[:, 1])], axis=1)
