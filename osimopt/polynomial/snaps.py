"""Places where a muscle's path snaps off or over a wrap object, along one coordinate.

Plain arrays, importable in the user's process and in opensim's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from ..problem.arrays import Array, Index
from .samples import Jump

#: m; departure of the length from its neighbours' trend, or jump of the slope, beyond which a place is searched.
LIMITS = np.array([1e-4, 1e-3])
#: Bisections that decide whether a jump is one: they shrink a smooth change by 64.
BISECTIONS = 6

#: Lengths and slopes (n, 2, m) of some muscles with one coordinate at values (n,), from (values, muscles).
Probe = Callable[[Array, Index], Array]


def jumps_along(probe: Probe, posture: Array, coordinate: int, muscles: Index, steps: Array) -> Iterator[Jump]:
    """The largest jump of each muscle as one coordinate moves through ``steps``, the others as in the posture (N,)."""
    lines = probe(steps, muscles)
    rise = np.diff(lines, axis=0)
    around = np.concatenate([rise[1:2], rise, rise[-2:-1]])
    beyond = np.abs(rise - 0.5 * (around[:-2] + around[2:])) > LIMITS[:, None]
    odd = beyond.any(axis=1)
    for column, muscle in enumerate(muscles):
        jumps = [
            _close_in(probe, posture, coordinate, int(muscle), steps[i], steps[i + 1])
            for i in np.flatnonzero(odd[:, column])
        ]
        if real := [jump for jump in jumps if jump is not None]:
            yield max(real, key=lambda jump: jump.size)


def _close_in(probe: Probe, posture: Array, coordinate: int, muscle: int, low: float, high: float) -> Jump | None:
    """Bisect towards the larger half of a change; it is a jump where it does not shrink with the interval."""
    only = np.array([muscle])
    at = {x: probe(np.array([x]), only)[0, :, 0] for x in (low, high)}
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        at[middle] = probe(np.array([middle]), only)[0, :, 0]
        left, right = _changes(at[low], at[middle], middle - low), _changes(at[middle], at[high], high - middle)
        low, high = (low, middle) if (left / LIMITS).sum() > (right / LIMITS).sum() else (middle, high)
    length, arm = _changes(at[low], at[high], high - low)
    if length > LIMITS[0] or arm > LIMITS[1]:
        return Jump(muscle, coordinate, 0.5 * (low + high), float(length), float(arm), posture)
    return None


def _changes(before: Array, after: Array, step: float) -> Array:
    """Change of the length that the larger of the slopes does not explain, and change of the slope."""
    explained = np.abs([before[1], after[1]]).max() * step
    return np.array([max(abs(after[0] - before[0]) - explained, 0.0), abs(after[1] - before[1])])
