"""Least and greatest distance from the origin of convex sets in space, known by their support alone.

A set Z of each frame is given by a function that maximises d · z over Z: it returns the z, and a proved upper bound h.

The least distance is found as by Gilbert, Johnson and Keerthi (1988, doi:10.1109/56.2083): the nearest point v of a
simplex of points of Z, then the point of Z furthest along −v joins the simplex. Any z of Z has ‖z‖ ≥ v · z / ‖v‖, whose
least value is proved, so that the gap is known.

The greatest distance is bracketed by an outer approximation (Horst and Tuy 1996, Global Optimization). A unit
vector u within the triangle of three directions dᵢ is a sum of them with weights w ≥ 0, so u · z ≤ Σ w h. With y from
dᵢ · y = hᵢ this is u · y, at most ‖y‖. Triangles whose bound exceeds the best point found by more than a share are
divided. (A bound from one direction within an angle ε, h / cos ε, is that of a sphere; here it is exact as soon as the
three directions have the same furthest point.)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np

from ..problem.arrays import Array, Index

#: From frames (N,) and unit vectors (N, 3): the furthest points (N, 3), what else is known of them (N, M), bounds (N,).
Support = Callable[[Index, Array], tuple[Array, Array, Array]]

#: Relative to the greatest of the points: a least distance is found when its gap is below this.
FOUND = 1e-9
#: Steps towards the least distance; ten are usual.
MOST_STEPS = 60
#: Relative to the simplex: a subset of its points is nearer only by more than this.
NEARER = 1e-12
#: Barycentric weights above minus this are within the simplex.
INSIDE = 1e-12
#: The share within which a greatest distance is bracketed, if that takes no more than so many divided triangles of a
#: frame (eight are usual); after that the coarse share, which a sphere reaches with some hundred; after the most, none.
FINE, FINE_TRIANGLES = 1e-6, 200
COARSE, MOST_TRIANGLES = 1e-2, 2000
#: A triangle is divided at its peak where the three weights are at least this share, else across its longest edge.
CENTRAL = 0.1
#: Edges of a triangle, of which the first is opposite to the last corner.
EDGES = ((0, 1), (1, 2), (2, 0))


@dataclass(frozen=True, eq=False)
class Extreme:
    """An extreme distance (F,), the point (F, 3) and what else is known of it (F, M), and a proved bound (F,)."""

    value: Array
    point: Array
    known: Array
    bound: Array


def least_norm(point: Array, known: Array, support: Support) -> Extreme:
    """Least distance from the origin, from a point (F, 3) of each set and what else is known of it (F, M)."""
    corners, weights = np.zeros((len(point), 4, 3)), np.zeros((len(point), 4))
    more = np.zeros((len(point), 4, known.shape[1]))
    corners[:, 0], more[:, 0], weights[:, 0] = point, known, 1.0
    nearest, bound = point.copy(), np.zeros(len(point))
    size = np.linalg.norm(point, axis=1)
    active = np.flatnonzero(size > 0.0)
    for _ in range(MOST_STEPS):
        length = np.linalg.norm(nearest[active], axis=1)
        active = active[length - bound[active] > FOUND * size[active]]
        if not active.size:
            break
        length = np.linalg.norm(nearest[active], axis=1)
        found, also, most = support(active, -nearest[active] / length[:, None])
        size[active] = np.maximum(size[active], np.linalg.norm(found, axis=1))
        bound[active] = np.maximum(bound[active], -most)
        free = weights[active].argmin(axis=1)  # of a point inside a tetrahedron the distance is 0: not active
        corners[active, free], more[active, free] = found, also
        held = weights[active] > 0.0
        held[np.arange(len(active)), free] = True
        weight = _nearest(corners[active], held)
        better = np.einsum("fc,fcx->fx", weight, corners[active])
        nearer = np.linalg.norm(better, axis=1) < length
        weights[active[nearer]], nearest[active[nearer]] = weight[nearer], better[nearer]
        active = active[nearer]
    value = np.linalg.norm(nearest, axis=1)
    return Extreme(value, nearest, np.einsum("fc,fcm->fm", weights, more), np.minimum(bound, value))


def _nearest(corners: Array, held: Array) -> Array:
    """Weights (F, 4) of the point nearest to the origin in the simplex of those corners (F, 4, 3) that are held."""
    best, weights = np.full(len(corners), np.inf), np.zeros(held.shape)
    for count in (1, 2, 3, 4):
        for subset in map(list, combinations(range(4), count)):
            own = np.flatnonzero(held[:, subset].all(axis=1))
            first = corners[own, subset[0]]
            edges = corners[own][:, subset[1:]] - first[:, None]
            others = -np.einsum("fxe,fx->fe", np.linalg.pinv(edges), first) if own.size else first[:, :0]
            weight = np.concatenate([1.0 - others.sum(axis=1, keepdims=True), others], axis=1)
            inside = (weight >= -INSIDE).all(axis=1)
            weight = np.maximum(weight, 0.0) / np.maximum(weight, 0.0).sum(axis=1, keepdims=True)
            distance = np.linalg.norm(np.einsum("fs,fsx->fx", weight, corners[own][:, subset]), axis=1)
            nearer = inside & (distance < best[own] * (1.0 - NEARER))
            best[own[nearer]] = distance[nearer]
            chosen = np.zeros((len(own), 4))
            chosen[:, subset] = weight
            weights[own[nearer]] = chosen[nearer]
    return weights


def greatest_norm(point: Array, known: Array, support: Support) -> Extreme:
    """Greatest distance from the origin, with a bound above it by FINE or COARSE; arguments as of least_norm."""
    best = _Furthest(point, known, support)
    frames = np.arange(len(point))
    axes = np.array([sign * axis for axis in np.eye(3) for sign in (1.0, -1.0)])
    reach = np.stack([best.along(frames, np.tile(axis, (len(point), 1))) for axis in axes], axis=1)
    for _ in range(3):  # uphill
        best.along(frames, best.direction())
    octants = [[0 + a, 2 + b, 4 + c] for a, b, c in product((0, 1), repeat=3)]
    frame = np.repeat(frames, len(octants))
    corners, height = np.tile(axes[octants], (len(point), 1, 1)), reach[:, octants].reshape(-1, 3)
    bound, divided = best.value.copy(), np.zeros(len(point), dtype=int)
    while True:
        most, weights = _peak(corners, height)
        share = np.where(divided < FINE_TRIANGLES, FINE, COARSE)
        wide = (most > (best.value * (1.0 + share))[frame]) & (most > bound[frame])
        wide &= divided[frame] < MOST_TRIANGLES
        np.maximum.at(bound, frame[~wide], most[~wide])
        if not wide.any():
            return Extreme(best.value, best.point, best.known, np.maximum(bound, best.value))
        frame, corners, height, weights = frame[wide], corners[wide], height[wide], weights[wide]
        divided += np.bincount(frame, minlength=len(point))
        parts = _parts(weights, corners)
        at = np.einsum("nc,ncx->nx", parts, corners)
        at /= np.linalg.norm(at, axis=1)[:, None]
        new = best.along(frame, at)
        frame, corners, height = _divided(frame, corners, height, parts, at, new)


def _divided(
    frame: Index, corners: Array, height: Array, parts: Array, at: Array, new: Array
) -> tuple[Index, Array, Array]:
    """Frames, corners and heights of the triangles into which points ``at`` (N, 3) of heights ``new`` divide them."""
    pieces = []
    for corner in range(3):
        own = parts[:, corner] > 0.0
        part, heights = corners[own], height[own]
        part[:, corner], heights[:, corner] = at[own], new[own]
        pieces.append((frame[own], part, heights))
    frames, triangles, heights = (np.concatenate(column) for column in zip(*pieces, strict=True))
    return frames, triangles, heights


class _Furthest:
    """The furthest points so far."""

    def __init__(self, point: Array, known: Array, support: Support) -> None:
        self.point, self.known, self.support = point.copy(), known.copy(), support
        self.value = np.linalg.norm(point, axis=1)

    def direction(self) -> Array:
        """(F, 3) unit vectors to the furthest points."""
        size = self.value[:, None]
        return np.where(size > 0.0, self.point / np.where(size > 0.0, size, 1.0), np.eye(3)[0])

    def along(self, frame: Index, direction: Array) -> Array:
        """The bounds (N,) along directions (N, 3)."""
        point, known, most = self.support(frame, direction)
        size = np.linalg.norm(point, axis=1)
        order = np.lexsort((size, frame))  # several directions may be of one frame: its furthest point is the last
        last = order[np.append(np.diff(frame[order]) != 0, True)]
        own = last[size[last] > self.value[frame[last]]]
        self.value[frame[own]], self.point[frame[own]], self.known[frame[own]] = size[own], point[own], known[own]
        return most


def _peak(corners: Array, height: Array) -> tuple[Array, Array]:
    """The most (N,) that u · z can be for a unit vector u in triangles (N, 3, 3), and weights (N, 3) of that u.

    It is ‖y‖ where y is within the triangle's cone, else the most along an edge.
    """
    y = np.linalg.solve(corners, height[:, :, None])[:, :, 0]
    weights = np.linalg.solve(np.swapaxes(corners, 1, 2), y[:, :, None])[:, :, 0]
    inside = np.asarray((weights >= 0.0).all(axis=1))
    most, at = height.max(axis=1), np.eye(3)[height.argmax(axis=1)]
    for edge in map(list, EDGES):
        ends, own = corners[:, edge], height[:, edge]
        gram = np.einsum("nix,njx->nij", ends, ends)
        pair = np.linalg.solve(gram, own[:, :, None])[:, :, 0]
        length = np.sqrt(np.maximum(np.einsum("ni,ni->n", pair, own), 0.0))
        higher = np.asarray((pair >= 0.0).all(axis=1) & (length > most))
        most = np.where(higher, length, most)
        on_edge = np.zeros((len(pair), 3))
        on_edge[:, edge] = pair
        at = np.where(higher[:, None], on_edge, at)
    return np.where(inside, np.linalg.norm(y, axis=1), most), np.where(inside[:, None], weights, at)


def _parts(weights: Array, corners: Array) -> Array:
    """Where triangles are divided, by weights (N, 3) of their corners: at the peak, or across the longest edge."""
    share = weights / weights.sum(axis=1, keepdims=True)
    lengths = np.stack([np.linalg.norm(corners[:, a] - corners[:, b], axis=1) for a, b in EDGES], axis=1)
    halves = np.array([[1.0 if corner in edge else 0.0 for corner in range(3)] for edge in EDGES])
    central = np.asarray((share > CENTRAL).all(axis=1))
    return np.where(central[:, None], weights, halves[lengths.argmax(axis=1)])
