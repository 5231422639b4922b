"""Curves of quintic Bézier corners, as OpenSim's SmoothSegmentedFunction draws them, with straight ends.

A corner bends from one line to another. Its six control points are only four different ones, because the second and the
third coincide, and the fourth and the fifth; in Bernstein form every term is then positive and nothing cancels.
The curve is y(x) through a parameter u, so that x must be inverted: by Newton's method from a table, kept
in a bracket. Sources: Millard et al. 2013, appendix (doi:10.1115/1.4023390), and OpenSim's
SegmentedQuinticBezierToolkit, which inverts to 2e-14.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = NDArray[np.intp]

#: Cells of u in the table: straight inside them, u is right to 1e-3, and a Halley and a Newton step do the rest.
_CELLS = 32
#: A step in u below this is the last one: its square is below rounding.
_LAST_STEP = 1e-8
#: Bisection alone would need 48 from a cell of the table.
_MOST_STEPS = 60
#: Elements at a time, so that what is being worked on stays in the processor's cache.
_CHUNK = 8192


@dataclass(frozen=True, eq=False)
class Curves:
    """One curve y(x) of S corners for each of M muscles.

    ``x`` and ``y`` (M, S, 4) are the different control points, ``first_slope`` and ``last_slope`` (M,) those of
    the straight ends.
    """

    x: Array
    y: Array
    first_slope: Array
    last_slope: Array

    @cached_property
    def table(self) -> Array:
        """Abscissa at the cell bounds of every corner, (M, S · cells + 1)."""
        u = np.linspace(0.0, 1.0, _CELLS + 1)[:-1]
        inner = quintic(u, *(self.x[:, :, point, None] for point in range(4))).reshape(len(self.x), -1)
        return np.concatenate([inner, self.x[:, -1, 3:]], axis=1)

    def value(self, x: Array) -> Array:
        """Value at x (T, M); NaN at NaN."""
        before, inside, after = self._split(x)
        corners, u = self._invert(inside)
        value = quintic(u, *_points(self.y, corners)).reshape(x.shape)
        return value + self.first_slope * before + self.last_slope * after

    def evaluate(self, x: Array) -> tuple[Array, Array]:
        """Value and slope dy/dx at x (T, M); NaN at NaN."""
        before, inside, after = self._split(x)
        corners, u = self._invert(inside)
        along, up = _points(self.x, corners), _points(self.y, corners)
        slope = (quintic_slope(u, *up) / quintic_slope(u, *along)).reshape(x.shape)
        value = quintic(u, *up).reshape(x.shape) + self.first_slope * before + self.last_slope * after
        return value, np.where(before < 0.0, self.first_slope, np.where(after > 0.0, self.last_slope, slope))

    def _split(self, x: Array) -> tuple[Array, Array, Array]:
        """How far x is below the curve's domain (negative), x inside it, how far above."""
        first, last = self.table[:, 0], self.table[:, -1]
        inside = np.clip(x, first, last)
        return np.minimum(x - first, 0.0), inside, np.maximum(x - last, 0.0)

    def _invert(self, x: Array) -> tuple[Index, Array]:
        """Corner (numbered muscle · S + corner) and u of every x (T, M) inside the domain, flat."""
        muscle = np.broadcast_to(np.arange(x.shape[1]), x.shape).ravel()
        x = x.ravel()
        corners, u = np.empty(x.size, dtype=np.intp), np.empty(x.size)
        for start in range(0, x.size, _CHUNK):
            part = slice(start, start + _CHUNK)
            cell, share = self._locate(x[part], muscle[part])
            corners[part] = muscle[part] * self.x.shape[1] + cell // _CELLS
            u[part] = _solve(x[part], _points(self.x, corners[part]), cell % _CELLS, share)
        return corners, u

    def _locate(self, x: Array, muscle: Index) -> tuple[Index, Array]:
        """Cell of each x in its muscle's row of the table, and the share of it that lies below x.

        One search does it in all rows laid end to end, two apart and each scaled to 0 … 1.
        """
        first, width = self.table[:, 0], self.table[:, -1] - self.table[:, 0]
        laid, bounds = self._laid, self.table.shape[1]
        at = 2.0 * muscle + ((x - first[muscle]) / width[muscle])
        cell = np.searchsorted(laid, at, side="right") - 1
        cell = np.clip(cell, muscle * bounds, muscle * bounds + bounds - 2)
        below = laid[cell]
        return cell - muscle * bounds, np.clip((at - below) / (laid[cell + 1] - below), 0.0, 1.0)

    @cached_property
    def _laid(self) -> Array:
        first, last = self.table[:, :1], self.table[:, -1:]
        return (2.0 * np.arange(len(self.table))[:, None] + (self.table - first) / (last - first)).ravel()


def corner(start: Array, first_slope: Array, end: Array, last_slope: Array, curviness: Array) -> Array:
    """Control points (2, 4, …) of a corner from a point (2, …) to another, tangent to a line in each.

    ``curviness`` from 0 (close to the chord) to 1 (close to the lines). Where the lines are parallel, as
    OpenSim has it, they are taken to meet half-way.
    """
    parallel = np.abs(first_slope - last_slope) <= np.sqrt(np.finfo(float).eps)
    difference = np.where(parallel, 1.0, first_slope - last_slope)
    crossing = (end[1] - start[1] - end[0] * last_slope + start[0] * first_slope) / difference
    x = np.where(parallel, 0.5 * (start[0] + end[0]), crossing)
    meeting = np.array([x, (x - end[0]) * last_slope + end[1]])
    share = 0.1 + 0.8 * curviness
    return np.stack([start, start + share * (meeting - start), end + share * (meeting - end), end], axis=1)


def quintic(u: Array, p0: Array, p1: Array, p2: Array, p3: Array) -> Array:
    """Quintic Bézier polynomial of the control values p0, p1, p1, p2, p2, p3."""
    v = 1.0 - u
    uu, vv = u * u, v * v
    ends = vv * vv * v * p0 + uu * uu * u * p3
    return ends + 5.0 * u * v * (vv * (v + 2.0 * u) * p1 + uu * (2.0 * v + u) * p2)


def quintic_slope(u: Array, p0: Array, p1: Array, p2: Array, p3: Array) -> Array:
    """Its derivative with respect to u."""
    uu, vv = u * u, (1.0 - u) * (1.0 - u)
    return 5.0 * (vv * vv * (p1 - p0) + 6.0 * uu * vv * (p2 - p1) + uu * uu * (p3 - p2))


def quintic_bend(u: Array, p0: Array, p1: Array, p2: Array, p3: Array) -> Array:
    """Its second derivative with respect to u."""
    v = 1.0 - u
    return 20.0 * (3.0 * u * v * (v - u) * (p2 - p1) + u * u * u * (p3 - p2) - v * v * v * (p1 - p0))


def _points(points: Array, flat: Index) -> list[Array]:
    """The four control values of the corners numbered muscle · S + corner."""
    return [points[:, :, point].ravel()[flat] for point in range(4)]


def _solve(x: Array, points: list[Array], cell: Index, share: Array) -> Array:
    """The u at which the corners' abscissa is x: a Halley and a Newton step; where they do not settle, in a bracket."""
    u = (cell + share) / _CELLS
    error, slope = quintic(u, *points) - x, quintic_slope(u, *points)
    u = u - error * slope / (slope * slope - 0.5 * error * quintic_bend(u, *points))
    u = np.clip(u, 0.0, 1.0)
    step = (quintic(u, *points) - x) / quintic_slope(u, *points)
    u = np.clip(u - step, 0.0, 1.0)
    hard = np.flatnonzero(~(np.abs(step) < _LAST_STEP) & ~np.isnan(x))
    if hard.size:
        u[hard] = _bracketed(x[hard], [values[hard] for values in points], cell[hard] / _CELLS)
    return u


def _bracketed(x: Array, points: list[Array], low: Array) -> Array:
    """The same by Newton's method that bisects where a step would leave the bracket, which starts as the cell."""
    # a hair wider than the cell, because the search for it was rounded
    low, high = np.maximum(low - 1e-6, 0.0), np.minimum(low + 1.0 / _CELLS + 1e-6, 1.0)
    u = 0.5 * (low + high)
    for _ in range(_MOST_STEPS):
        error, slope = quintic(u, *points) - x, quintic_slope(u, *points)
        low, high = np.where(error < 0.0, u, low), np.where(error < 0.0, high, u)
        tried = u - error / np.where(slope > 0.0, slope, np.nan)
        tried = np.where((tried >= low) & (tried <= high), tried, 0.5 * (low + high))
        u, step = tried, np.abs(tried - u)
        if step.max() < _LAST_STEP:
            break
    return u
