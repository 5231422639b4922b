"""Where the length of a path jumps along a motion: off an object, over a conditional point, to another side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..multibody.description import Multibody
from ..multibody.kinematics import posture
from ..problem.arrays import Array, Index
from .arms import moment_arms
from .arrangement import Arrangement
from .solve import SolvedPaths, lengths, solve_paths

#: m; a length that changes by more at one posture jumps.
JUMP = 1e-6
#: m; lengths that change by more than the moment arms at both frames say may have jumped between them. Frames of a
#: motion at 100 Hz differ by a tenth of this.
SURPRISE = 1e-4
#: States (…, S), lengths (…) in m and moment arms (…, N).
Found = tuple[Any, Array, Array]
#: States (T, M, S) of paths (``path_states``), lengths (T, M) in m, and what of the changes (T - 1, M) of these is not
#: explained by the moment arms at both frames.
Seen = tuple[Any, Array, Array]
#: Halvings of the time between two frames.
HALVINGS = 40


@dataclass(frozen=True, eq=False)
class PathJump:
    """A length that jumps by ``size`` m, at ``share`` of the way from ``frame`` to the next, at ``value`` (N,)."""

    path: str
    frame: int
    share: float
    value: Array
    size: float


def find_jumps(
    multibody: Multibody, arrangement: Arrangement, value: Array, seen: Seen | None = None, least: float = JUMP
) -> list[PathJump]:
    """Jumps of all paths along a motion ``value`` (T, N), in the order of frames.

    Between frames coordinates are linear in time. A path that leaves its state and returns to it between two frames
    is not seen. ``seen`` is what is known of the motion; ``least`` is the smallest jump in m that is looked for.
    """
    if len(value) < 2:
        return []
    if seen is None:
        state, length, arms = _solved(multibody, arrangement, value)
        seen = state, length, _surprise(length[:-1], length[1:], arms[:-1], arms[1:], value[:-1], value[1:])
    state, length, surprise = seen
    changed = (state[1:] != state[:-1]).any(axis=2)
    if least > JUMP:  # smaller ones are not wanted: most states change without a jump
        changed &= ~(np.abs(surprise) <= 0.5 * least)
    frame, path = np.nonzero(changed | ~(np.abs(surprise) <= max(SURPRISE, 0.5 * least)))
    known = np.isfinite(length[frame, path]) & np.isfinite(length[frame + 1, path])
    frame, path = frame[known], path[known]
    if not len(frame):
        return []
    jumping, place = np.unique(path, return_inverse=True)
    share, size = _bisect(multibody, arrangement.select(jumping), value, frame, place)
    return [
        PathJump(
            arrangement.names[path[row]],
            int(frame[row]),
            float(share[row]),
            _between(value, frame, share)[row],
            float(size[row]),
        )
        for row in np.flatnonzero(np.abs(size) > least)
    ]


def _bisect(
    multibody: Multibody, arrangement: Arrangement, value: Array, frame: Index, path: Index
) -> tuple[Array, Array]:
    """Where (E,) between two frames the state of a path changes, and by how much (E,) the length does."""
    ends = [np.zeros(len(frame)), np.ones(len(frame))]
    found = [_at(multibody, arrangement, _between(value, frame, end), path) for end in ends]
    for _ in range(HALVINGS if len(frame) else 0):
        middle = 0.5 * (ends[0] + ends[1])
        new = _at(multibody, arrangement, _between(value, frame, middle), path)
        at = [_between(value, frame, end) for end in (ends[0], middle, ends[1])]
        differs = [(one[0] != new[0]).any(axis=1) for one in found]
        before = _surprise(found[0][1], new[1], found[0][2], new[2], at[0], at[1])
        after = _surprise(new[1], found[1][1], new[2], found[1][2], at[1], at[2])
        early = np.where(differs[0] | differs[1], differs[0], np.abs(before) > np.abs(after))
        ends = [np.where(early, ends[0], middle), np.where(early, middle, ends[1])]
        found = [_chosen(early, found[0], new), _chosen(early, new, found[1])]
    return ends[1], found[1][1] - found[0][1]


def _chosen(early: Array, one: Found, two: Found) -> Found:
    wide = early[:, None]
    return np.where(wide, one[0], two[0]), np.where(early, one[1], two[1]), np.where(wide, one[2], two[2])


def _at(multibody: Multibody, arrangement: Arrangement, value: Array, path: Index) -> Found:
    """States (E, S), lengths (E,) and moment arms (E, N) of one path in each posture (E, N)."""
    rows = np.arange(len(value))
    state, length, arms = _solved(multibody, arrangement, value)
    return state[rows, path], length[rows, path], arms[rows, path]


def _solved(multibody: Multibody, arrangement: Arrangement, value: Array) -> Found:
    """States (T, M, S), lengths (T, M) and moment arms (T, M, N)."""
    there = posture(multibody, value)
    solved = solve_paths(arrangement, there)
    arms = moment_arms(arrangement, solved, there).dense(len(arrangement.names), value.shape[1])
    return path_states(solved), lengths(arrangement, solved), arms.transpose(0, 2, 1)


def path_states(solved: Sequence[SolvedPaths]) -> Index:
    """States (T, M, S) of solved paths: which points they lead over, which objects they touch, and after which point.

    Between two frames of the same state a path does not jump.
    """
    frames, paths = solved[0].length.shape[-1], sum(len(one.bundle.rows) for one in solved)
    width = max(len(one.taken) + 2 * len(one.touched) for one in solved)
    state = np.zeros((frames, paths, width), dtype=np.intp)
    for one in solved:
        shape = (-1, len(one.bundle.rows), frames)
        parts = [one.taken, one.touched, np.where(one.touched, one.segment, -1)]
        whole = np.concatenate([np.broadcast_to(part, (len(part), *shape[1:])) for part in parts])
        state[:, one.bundle.rows, : len(whole)] = whole.transpose(2, 1, 0)
    return state


def _between(value: Array, frame: Index, share: Array) -> Array:
    return np.asarray(value[frame] + share[:, None] * (value[frame + 1] - value[frame]))


def _surprise(one: Array, two: Array, arm_one: Array, arm_two: Array, at_one: Array, at_two: Array) -> Array:
    """What of a change of length moment arms at both ends do not explain; ``at`` lacks the axis of paths, if any."""
    way = at_two - at_one
    way = way[:, None] if arm_one.ndim > way.ndim else way
    return np.asarray(two - one + 0.5 * ((arm_one + arm_two) * way).sum(axis=-1))
