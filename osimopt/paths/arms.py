"""Moment arms of paths: what a unit tension does to each coordinate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..multibody.kinematics import Posture
from ..multibody.layout import layout
from ..multibody.rates import coordinates_at, to_mobilities
from ..multibody.vectors import combine, pick
from ..namespace import alike, frames_last, namespace
from ..problem.arrays import Index
from .arrangement import Arrangement
from .contact import Array
from .lines import Lines, joined
from .points import moved
from .solve import SolvedPaths


@dataclass(frozen=True, eq=False)
class Arms:
    """Moment arms ``value`` (P, T) in m, or without unit, of ``path`` (P,) about ``coordinate`` (P,), -∂length/∂q.

    The pairs are those that may have one: no others do, in any posture. In ball, free and ellipsoid joints they are
    about the speeds, as generalized forces in Simbody are; ``to_coordinates`` takes them to the coordinates.
    """

    path: Index
    coordinate: Index
    value: Array

    def dense(self, paths: int, coordinates: int) -> Array:
        """Moment arms (T, N, M), zero where there are none."""
        xp = namespace(self.value)
        number = np.full(paths * coordinates, len(self.path))
        number[self.coordinate * paths + self.path] = np.arange(len(self.path))
        none = xp.zeros_like(xp.sum(self.value, axis=0))  # whatever the value is, which may be NaN
        value = xp.concat([self.value, none[None]])[number]
        return xp.reshape(value.T, (-1, coordinates, paths))

    def of(self, path: Index, coordinate: Index) -> Array:
        """Moment arms (P, T) of some pairs, zero where there are none."""
        number = {pair: row for row, pair in enumerate(zip(self.path.tolist(), self.coordinate.tolist(), strict=True))}
        rows = np.array([number.get(pair, -1) for pair in zip(path.tolist(), coordinate.tolist(), strict=True)])
        if (rows >= 0).all():
            return pick(self.value, rows.astype(np.intp))
        none = namespace(self.value).zeros_like(self.value[:1])
        return namespace(self.value).concat([self.value, none])[rows]

    def lengthening_speed(self, paths: int, speed: Array) -> Array:
        """Speeds (T, M) in m/s at which the paths lengthen at ``speed`` (T, N)."""
        weights = (self.path == np.arange(paths)[:, None]).astype(float)
        return -combine(weights, self.value * frames_last(speed)[self.coordinate]).T


def moment_arms(arrangement: Arrangement, solved: Sequence[SolvedPaths], posture: Posture) -> Arms:
    """Moment arms of all paths, by virtue of the pulls on the bodies beyond each joint, and on points that move."""
    xp, lines = namespace(posture.positions), joined([one.lines for one in solved])
    beyond = layout(posture.multibody).beyond.astype(np.int8)
    sign = (beyond[lines.start] - beyond[lines.end]).T  # (N, L)
    found = []
    for alike_ones in _equal_rows(sign):
        rows = np.flatnonzero(sign[alike_ones[0]])
        pulled = xp.take(lines.value, alike(rows, lines.value), axis=1)
        value = xp.einsum("dct,crt->drt", posture.columns[alike_ones], pulled)
        if (sign[alike_ones[0], rows] < 0).any():
            value = value * alike(sign[alike_ones[0], rows].astype(float), value)[:, None]
        found.append(
            Arms(
                np.tile(lines.path[rows], len(alike_ones)),
                np.repeat(alike_ones, len(rows)),
                xp.reshape(value, (-1, value.shape[2])),
            )
        )
    found += _of_moving(arrangement, lines, posture)
    if not found:
        return Arms(np.zeros(0, dtype=np.intp), np.zeros(0, dtype=np.intp), 0.0 * posture.value[:0])
    return _summed(found, len(posture.multibody.coordinates))


def wrenches(solved: Sequence[SolvedPaths], tension: Array, bodies: int) -> Array:
    """Wrenches (bodies, 6, T) about ground's origin on the bodies, in N·m and N, of tensions (T, M) in N."""
    lines = joined([one.lines for one in solved])
    body = np.arange(bodies)[:, None]
    weights = (lines.start == body).astype(float) - (lines.end == body)
    return combine(weights, namespace(lines.value).moveaxis(lines.value * tension.T[lines.path], 0, 1))


def _equal_rows(sign: NDArray[np.int8]) -> list[Index]:
    """Rows that are equal and not zero, together."""
    kinds: dict[bytes, list[int]] = {}
    for row in np.flatnonzero(sign.any(axis=1)).tolist():
        kinds.setdefault(sign[row].tobytes(), []).append(row)
    return [np.array(rows) for rows in kinds.values()]


def about_coordinates(arms: Arms, posture: Posture) -> Arms:
    """The same pairs about the coordinates, of which those of ball, free and ellipsoid joints differ from the speeds.

    Raises
    ------
    ModelError
        Gimbal lock.
    """
    multibody = posture.multibody
    if not layout(multibody).turning:
        return arms
    paths, place = np.unique(arms.path, return_inverse=True)
    size = len(multibody.coordinates)
    number = np.full((size, len(paths)), -1)
    number[arms.coordinate, place] = np.arange(len(arms.path))
    xp = namespace(arms.value)
    columns = xp.concat([arms.value, xp.zeros_like(posture.value[:1])])[number]
    columns = coordinates_at(multibody, posture.value, columns)
    return Arms(arms.path, arms.coordinate, columns[arms.coordinate, place])


def _of_moving(arrangement: Arrangement, lines: Lines, posture: Posture) -> list[Arms]:
    """What tensions do to the coordinates that points of paths move with."""
    ends = np.unique(np.concatenate([lines.first, lines.last]))
    rows = ends[ends >= 0]
    rows = rows[arrangement.moving[rows]]
    if not len(rows):
        return []
    xp = namespace(posture.value)
    _, slope = moved(arrangement, rows, posture)
    pulls, path = [], []
    for row in rows.tolist():
        away, onto = np.flatnonzero(lines.first == row), np.flatnonzero(lines.last == row)
        pulls.append(xp.sum(lines.value[3:, away], axis=1) - xp.sum(lines.value[3:, onto], axis=1))
        path.append(lines.path[np.concatenate([away, onto])[0]])
    pull = xp.einsum("pijt,pit->jpt", posture.rotations[arrangement.body[rows]], xp.stack(pulls))
    found = []
    for axis in range(3):
        known = np.flatnonzero(arrangement.mover[rows, axis] >= 0)
        value = pull[axis, known] * slope[axis, known]
        found.append(Arms(np.array(path)[known], arrangement.mover[rows[known], axis], value))
    return [part for one in found if len(one.path) for part in _about_speeds(one, posture)]


def _about_speeds(arms: Arms, posture: Posture) -> list[Arms]:
    """The same about speeds, where those of ball, free and ellipsoid joints are not the rates of coordinates."""
    multibody = posture.multibody
    tree = multibody.tree
    own = np.unique(np.concatenate([tree.joint_coordinate[list(layout(multibody).turning)].reshape(-1), [-1]]))
    if not np.isin(arms.coordinate, own).any():
        return [arms]
    size, parts = len(multibody.coordinates), []
    for row, path in enumerate(arms.path):
        force = combine((arms.coordinate[row] == np.arange(size)[:, None]).astype(float), arms.value[row : row + 1])
        about = frames_last(to_mobilities(multibody, posture.value.T, force.T))
        parts.append(Arms(np.full(size, path), np.arange(size), about))
    return parts


def _summed(parts: list[Arms], coordinates: int) -> Arms:
    """One value for each pair, in the order of paths, then coordinates."""
    path, coordinate = (np.concatenate([getattr(one, name) for one in parts]) for name in ("path", "coordinate"))
    value = namespace(parts[0].value).concat([one.value for one in parts])
    pairs, first, place = np.unique(path * coordinates + coordinate, return_index=True, return_inverse=True)
    xp, more = namespace(value), np.setdiff1d(np.arange(len(path)), first)
    found, filled = value[first], xp.concat([value[more], xp.zeros_like(value[:1])])
    waiting = np.arange(len(more))
    while len(waiting):  # one part of each pair at a time: a sum over all pairs would spread a NaN
        own, one = np.unique(place[more[waiting]], return_index=True)
        row = np.full(len(pairs), len(more))
        row[own] = waiting[one]
        found = found + filled[row]
        waiting = np.delete(waiting, one)
    return Arms(pairs // coordinates, pairs % coordinates, found)
