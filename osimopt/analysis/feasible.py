"""The feasible set of each frame: all activations within bounds that meet the moments, reserves held.

Linear functions of activations are maximised over it by the simplex method, all frames at once and each from the
optimum, and what that leaves unproved is solved again by HiGHS.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..devices import Device
from ..namespace import Tensor, alike, filled, namespace, numbers, plain
from ..problem.arrays import Array, Index, acts
from ..problem.problem import RedundancyProblem
from ..static.linear import Extremum, dual_bound, maximise
from ..static.reduction import Places

#: Number of linear programs solved at once: 10 kB each for 80 muscles and 13 coordinates.
CHUNK = 1000
#: Duality gap in activation above which a program is solved again by HiGHS.
PROVED = 1e-8
#: Relative error of the moments above which a program is solved again by HiGHS.
MISSED = 1e-9
#: Weight of the columns that complete a basis where the muscles' columns do not; below that of any muscle.
LAST_RESORT = 1e-9


@dataclass(frozen=True, eq=False)
class FeasibleSet:
    """The feasible sets of a problem's frames, each with a point of it.

    Reserves are fixed at ``control`` (T, K), since free ones would allow any activation. Only actuators of coordinates
    that no muscle crosses (a floating base) follow, within their bounds.

    Attributes
    ----------
    places
        Where the moment balance may be nonzero.
    optimum
        (T, M) activations within their bounds; NaN in frames without a solution.
    control
        (T, K) of the reserves.
    """

    places: Places
    optimum: Array
    control: Array

    @classmethod
    def around(cls, problem: RedundancyProblem, activation: Array, control: Array) -> FeasibleSet:
        """The sets that hold a solution: activations (T, M) and controls (T, K)."""
        xp = namespace(activation)
        lower, upper = (alike(bound, activation) for bound in (problem.lower, problem.upper))
        return cls(Places.of(problem), xp.minimum(xp.maximum(activation, lower), upper), control)

    @property
    def problem(self) -> RedundancyProblem:
        """The problem."""
        return self.places.problem

    @cached_property
    def solved(self) -> Index:
        """Numbers of the frames with a solution."""
        return np.flatnonzero(plain(namespace(self.optimum).isfinite(self.optimum).all(axis=1)))

    @cached_property
    def together(self) -> int:
        """Linear programs to solve at once."""
        size = len(self.rows) * len(self.problem.muscles)
        return CHUNK if self.problem.device == "cpu" else Device.at(self.optimum).together(size)

    @cached_property
    def rows(self) -> Index:
        """Coordinates whose moments the muscles must meet: those on which they act.

        A coordinate is left out if no muscle crosses the joint and an actuator can compensate all moments of the small
        moment arms that OpenSim's wrapping leaves there: 0.5 N·m about a floating pelvis would fix muscles of 100 N·m.
        """
        kept, geometry, problem = [], self.problem.geometry, self.problem
        known = namespace(self.control).isfinite(self.control).all(axis=1)
        for row in np.unique(geometry.pair_coordinate).tolist():
            pairs = np.flatnonzero(geometry.pair_coordinate == row)
            muscle = geometry.pair_muscle[pairs]
            most = abs(geometry.moment_arms[:, pairs]) * problem.max_force[:, muscle]
            most = most @ alike((problem.upper - problem.lower)[muscle], most)
            able = self._able(row)
            xp = namespace(able)
            able = xp.max(able, axis=1) if able.shape[1] else filled((len(able),), 0.0, able)
            if geometry.served[row] or not bool(xp.all((able >= most)[known])):
                kept.append(row)
        return np.array(kept, dtype=np.intp)

    @cached_property
    def _alone(self) -> Array:
        """Reserves (K,) that act on one coordinate only."""
        reserves, control = self.problem.reserves, self.control
        xp, size = namespace(control), abs(reserves.effect)
        strength = plain(xp.max(alike(size, control), axis=(0, 1))) if size.shape[2] else np.zeros(0)
        scale = alike(np.where(strength > 0.0, strength, 1.0), reserves.effect)
        alone: Array = plain(acts(reserves.effect / scale, axis=0)).sum(axis=0) == 1
        return alone

    def _able(self, row: int) -> Tensor:
        """(T, K) moments that each reserve can add to a coordinate of its own, in either direction."""
        reserves, control = self.problem.reserves, self.control
        xp = namespace(control)
        lower, upper = (alike(bound, control) for bound in (reserves.lower, reserves.upper))
        room = xp.minimum(upper - control, control - lower)
        effect = xp.broadcast_to(alike(abs(reserves.effect)[:, row], control), room.shape)
        acting = (effect > 0.0) & alike(self._alone, control)
        return xp.where(acting, effect * xp.where(effect > 0.0, room, 0.0), 0.0)

    def by_activation(self, effect: Array) -> Array:
        """Effects (T, n, M) per unit activation, of effects (T, n, M + K) of activations and controls; NumPy.

        Controls are held, and those that follow, follow.
        """
        problem, muscles, frame = self.problem, len(self.problem.muscles), np.arange(len(self.problem))
        own, controls = effect[:, :, :muscles] + 0.0, effect[:, :, muscles:]
        left = set(np.unique(problem.geometry.pair_coordinate).tolist()) - set(self.rows.tolist())
        for row in sorted(left) if controls.any() else ():
            follower = plain(self._able(row)).argmax(axis=1)
            acting = np.broadcast_to(plain(problem.reserves.effect)[:, row], controls[:, 0].shape)[frame, follower]
            moved = plain(problem.geometry.moment_arm[:, row] * problem.max_force)
            share = np.where(acting != 0.0, 1.0, 0.0) / np.where(acting != 0.0, acting, 1.0)
            own -= (controls[frame, :, follower] * share[:, None])[:, :, None] * moved[:, None, :]
        return own

    def frames(self, few: Index) -> Programs:
        """The linear programs of a few frames that have a solution."""
        problem, x, size = self.problem, self.optimum[few], len(self.rows)
        xp, count = namespace(x), x.shape[1]
        A = self.places.dense(few)[:, self.rows, :count]
        largest = xp.max(xp.abs(A), axis=2, keepdims=True) if size else A[:, :, :1]
        A = A / xp.where(largest > 0.0, largest, 1.0)
        # One more column per row, fixed at 0, so that every frame has a basis.
        more = xp.broadcast_to(alike(np.eye(size), A), (len(few), size, size))
        A, x = xp.concat([A, more], axis=2), xp.concat([x, filled((len(few), size), 0.0, A)], axis=1)
        lower, upper = (alike(np.append(bound, np.zeros(size)), A) for bound in (problem.lower, problem.upper))
        return Programs(A, x, lower, upper, _basis(A, x, lower, upper, count), self.together)


@dataclass(frozen=True, eq=False)
class Programs:
    """A (F, D, M + D), a feasible x (F, M + D), bounds (M + D,) and a basis (F, D) of a few frames."""

    A: Array
    x: Array
    lower: Array
    upper: Array
    basis: Array
    together: int

    def maximise(self, frame: Array, c: Array) -> tuple[Tensor, Tensor, Tensor]:
        """The greatest cᵀa, c (N, M), in N frames by number: its value and gap (N,), and activations a (N, M)."""
        xp, count = namespace(c), c.shape[1]
        parts = []
        for first in range(0, max(1, len(c)), self.together):
            keep = slice(first, first + self.together)
            own, cost = frame[keep], c[keep]
            cost = xp.concat([cost, filled((len(cost), self.A.shape[1]), 0.0, cost)], axis=1)
            bounds = xp.broadcast_to(self.lower, cost.shape), xp.broadcast_to(self.upper, cost.shape)
            start = self.x[own]
            found = maximise(self.A[own], cost, *bounds, start, self.basis[own])
            parts.append(_proved(self.A[own], cost, *bounds, start, found))
        value, gap, x = (xp.concat(list(column)) for column in zip(*parts, strict=True))
        return value, gap, x[:, :count]


def _basis(A: Array, x: Array, lower: Array, upper: Array, muscles: int) -> Tensor:
    """Independent columns (F, D), those of muscles well inside their bounds first: QR with pivots, of all frames."""
    xp, frames = namespace(A), numbers(A.shape[0], A)
    room = xp.clip(xp.minimum(x - lower, upper - x), 1e-6, 1.0)
    room[:, muscles:] = LAST_RESORT
    left, chosen = A * room[:, None, :], list[Array]()
    for _ in range(A.shape[1]):
        size = xp.sum(left * left, axis=1)
        for column in chosen:
            size[frames, column] = -1.0
        chosen.append(xp.argmax(size, axis=1))
        pivot = left[frames, :, chosen[-1]]
        length = xp.sqrt(xp.sum(pivot * pivot, axis=1))[:, None]
        pivot = pivot / xp.where(length > 0.0, length, 1.0)
        for _ in range(2):  # the second time takes off what rounding left
            left = left - pivot[:, :, None] * xp.matmul(pivot[:, None, :], left)
    return xp.stack(chosen, axis=1) if chosen else frames[:, None][:, :0]


def _proved(
    A: Array, c: Array, lower: Array, upper: Array, start: Array, found: Extremum
) -> tuple[Array, Array, Array]:
    """Values, gaps (N,) and x (N, U); programs that rounding or cycling left unproved are solved again by HiGHS."""
    from scipy.optimize import linprog

    xp = namespace(A)
    change = xp.matmul(A, (found.x - start)[:, :, None])[:, :, 0]
    missed = xp.max(xp.abs(change), axis=1) if A.shape[1] else filled((A.shape[0],), 0.0, A)
    value, gap, solution = found.value + 0.0, xp.clip(found.bound - found.value, 0.0, None), found.x
    again = np.flatnonzero(plain((gap > PROVED) | (missed > MISSED)))
    arrays = [plain(array[again]) for array in (A, c, lower, upper, start)] if again.size else []
    for row, *one in zip(again.tolist(), *arrays, strict=True):
        A_n, c_n, low, high, x = one
        best = linprog(-c_n, A_eq=A_n, b_eq=A_n @ x, bounds=np.column_stack([low, high]), method="highs")
        if best.status == 0:
            multipliers = -np.asarray(best.eqlin.marginals)
            bound = dual_bound(*(array[None] for array in (A_n, c_n, low, high, x, multipliers)))
            value[row], gap[row] = -best.fun, max(0.0, float(bound[0] + best.fun))
            solution[row] = alike(best.x, solution)
    return value, gap, solution
