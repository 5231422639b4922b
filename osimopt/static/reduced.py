"""Frames whose unknowns are fewer than their actuators, by a primal-dual interior-point method, all frames at once.

    minimise Σ_j |s_j x_j|^p_j / p_j   subject to   x = c + V v,  A x = b,  C v ≤ k,

as of muscles that follow a few synergies. V, c and C are the same in all frames. Unknowns that cost and may be negative
are split in two, but where p_j = 2, so that no step crosses the kink of a power at 0. Steps are those of Mehrotra's
predictor and corrector (1992, doi:10.1137/0802028). Exponents other than 2 start from the solution of squares.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..problem.arrays import Array, Index

Mask = NDArray[np.bool_]

#: A frame is done at this complementarity and unbalanced slope relative to the cost, and this relative missed moment.
COMPLEMENTARY, STATIONARY, MET = 1e-14, 1e-11, 1e-13
#: Largest number of steps; share of the distance to a bound in one step.
STEPS, NEARLY = 120, 0.995
#: Exponents are approached in factors of this at most.
RATIO = 1.8
#: Complementarity falls in a step to this share of the unbalanced slope at least, and rises by this factor at most.
LAG, GROWTH = 0.1, 10.0
#: Share of the way from the solution of squares back to the middle of the bounds at which other exponents start.
BACK = 0.05
#: Relative; added to the diagonals of a system: rows may be linearly dependent.
SHARE = 1e-15
#: Smaller actuators are raised to this before a power is taken.
TINY = 1e-14
#: Steps without progress after which a frame ends.
PATIENCE = 12


@dataclass(frozen=True, eq=False)
class ReducedProgram:
    """Frames (T,) of the program: A (T, D, U), b (T, D), scale (T, U), p (U,), V (U, N), c (U,), C (L, N), k (L,).

    ``start`` (N,) is inside all limits.
    """

    A: Array
    b: Array
    scale: Array
    p: Array
    V: Array
    c: Array
    C: Array
    k: Array
    start: Array


@dataclass(frozen=True, eq=False)
class ReducedAnswer:
    """v (T, N), λ (T, D), multipliers z (T, L) of the limits, steps (T,), and which frames (T,) converged."""

    v: Array
    multipliers: Array
    pressure: Array
    steps: Index
    converged: Mask


def solve_reduced(program: ReducedProgram) -> ReducedAnswer:
    """Solve all frames; where p differs from 2, first with squares."""
    start = np.broadcast_to(program.start, (len(program.b), len(program.start)))
    if (program.p == 2.0).all():
        return _Walk.of(program, start).run()
    steps, begin = np.zeros(len(program.b), dtype=np.intp), start
    for power in _stages(float(program.p[program.p != 2.0][0])):
        stage = replace(program, p=np.where(program.p == 2.0, 2.0, power))
        answer = _Walk.of(stage, begin).run()
        steps, near = steps + answer.steps, np.isfinite(answer.v).all(axis=1, keepdims=True)
        begin = np.where(near, (1.0 - BACK) * answer.v + BACK * start, start)
    return replace(answer, steps=steps)


def _stages(p: float) -> list[float]:
    """Exponents on the way from 2 to p, each at most RATIO times the one before."""
    count = max(1, int(np.ceil(np.log(p / 2.0) / np.log(RATIO))))
    return [2.0 * (p / 2.0) ** (turn / count) for turn in range(count + 1)]


@dataclass(eq=False)
class _Walk:
    """Iterates: v, λ, slack s = k − C v and pressure z; costs are in ``unit`` (T,), rows of A in their ``size``."""

    program: ReducedProgram
    A: Array
    b: Array
    size: Array
    weight: Array
    unit: Array
    v: Array
    multipliers: Array
    slack: Array
    pressure: Array

    @classmethod
    def of(cls, program: ReducedProgram, start: Array) -> _Walk:
        """At a start (T, N) inside the limits."""
        A = program.A @ program.V
        size = np.maximum(np.abs(A).max(axis=2, initial=0.0), 1e-300)
        size = np.where(size > 1e-299, size, 1.0)
        b = (program.b - program.A @ program.c) / size
        x = np.maximum(np.abs(program.c + start @ program.V.T), TINY)
        weight = np.where(program.scale > 0.0, program.scale, 0.0) ** program.p
        unit = np.maximum((weight * x**program.p / program.p).sum(axis=1), 1e-300)
        slack = program.k - start @ program.C.T
        walk = cls(
            program, A / size[:, :, None], b, size, weight / unit[:, None], unit, start + 0.0, np.zeros_like(b), slack,
            np.zeros_like(slack),
        )  # fmt: skip
        walk._begin()
        return walk

    def _begin(self) -> None:
        """Multipliers, and unknowns without limits, of a step as if there were no limits; and pressures of that size.

        Pressures that are small beside the slopes to come would make all further steps short.
        """
        program, unlimited = self.program, ~self.program.C.any(axis=0)
        slope, curvature = self._slopes(slice(None), self.v)
        matrix = np.swapaxes(program.V[None] * curvature[:, :, None], 1, 2) @ program.V
        diagonal = np.einsum("tii->ti", matrix)
        diagonal += np.where(unlimited, 1e-12, 1.0) * np.maximum(diagonal.max(axis=1, keepdims=True), 1e-12)
        missed = self.b - (self.A @ self.v[:, :, None])[:, :, 0]
        dv, self.multipliers = _factored(matrix, self.A)(-slope @ program.V, missed)
        self.v[:, unlimited] += dv[:, unlimited]
        slope, _ = self._slopes(slice(None), self.v)
        wrong = np.abs(slope @ program.V - _pulled(self.A, self.multipliers))[:, ~unlimited]
        most = np.maximum(wrong.max(axis=1, initial=0.0), 1e-3)[:, None]
        self.pressure = most * np.median(self.slack, axis=1, keepdims=True) / self.slack

    def _slopes(self, rows: slice | Index, v: Array) -> tuple[Array, Array]:
        """Slope and curvature (T, U) of the cost of each actuator."""
        program = self.program
        x = program.c + v @ program.V.T
        size, weight = np.maximum(np.abs(x), TINY), self.weight[rows]
        curvature = weight * (program.p - 1.0) * size ** (program.p - 2.0)
        return np.sign(x) * weight * size ** (program.p - 1.0), curvature

    def run(self) -> ReducedAnswer:
        """Step until every frame is done or makes no progress."""
        frames = len(self.b)
        steps, done = np.zeros(frames, dtype=np.intp), np.zeros(frames, dtype=bool)
        active, best, waited = np.arange(frames), np.full(frames, np.inf), np.zeros(frames, dtype=np.intp)
        kept = (self.v.copy(), self.multipliers.copy(), self.pressure.copy())
        with np.errstate(all="ignore"):
            for _ in range(STEPS):
                error = self._error(active)
                better = error < 0.9 * best[active]
                for own, now in zip(kept, (self.v, self.multipliers, self.pressure), strict=True):
                    own[active[better]] = now[active[better]]
                waited[active] = np.where(better, 0, waited[active] + 1)
                best[active] = np.where(better, error, best[active])
                done[active[error <= 1.0]] = True
                active = active[~done[active] & (waited[active] < PATIENCE)]
                if not active.size:
                    break
                self._step(active)
                steps[active] += 1
        v, multipliers, pressure = kept
        unit = self.unit[:, None]
        return ReducedAnswer(v, multipliers * unit / self.size, pressure * unit, steps, done)

    def _error(self, rows: Index) -> Array:
        """(T,) the largest of all errors, in units of what is allowed; infinite where numbers are not finite."""
        v, program, A = self.v[rows], self.program, self.A[rows]
        slope, _ = self._slopes(rows, v)
        x = np.abs(program.c + v @ program.V.T)
        cost = np.maximum((np.abs(slope) * x).sum(axis=1), 1e-300)
        pull = slope @ program.V
        wrong = pull - _pulled(A, self.multipliers[rows]) + self.pressure[rows] @ program.C
        share = np.abs(wrong * np.maximum(np.abs(v), 1e-6)).sum(axis=1) / cost
        largest = np.maximum(np.abs(self.b[rows]).max(axis=1, initial=0.0), 1e-3)
        missed = np.abs(self.b[rows] - (A @ v[:, :, None])[:, :, 0]).max(axis=1, initial=0.0)
        gap = (self.slack[rows] * self.pressure[rows]).sum(axis=1) / cost
        error = np.maximum(np.maximum(gap / COMPLEMENTARY, share / STATIONARY), missed / largest / MET)
        return np.where(np.isfinite(error), error, np.inf)

    def _step(self, rows: Index) -> None:
        """One step of the active frames."""
        program, A, v = self.program, self.A[rows], self.v[rows]
        slack, pressure = self.slack[rows], self.pressure[rows]
        slope, curvature = self._slopes(rows, v)
        ratio = pressure / slack
        matrix = np.swapaxes(program.V[None] * curvature[:, :, None], 1, 2) @ program.V
        matrix += np.swapaxes(program.C[None] * ratio[:, :, None], 1, 2) @ program.C
        wrong = slope @ program.V - _pulled(A, self.multipliers[rows]) + pressure @ program.C
        missed = self.b[rows] - (A @ v[:, :, None])[:, :, 0]
        solve = _factored(matrix, A)
        mu = (slack * pressure).sum(axis=1) / max(1, slack.shape[1])

        def moved(target: Array) -> tuple[Array, Array, Array, Array]:
            change = target / slack - pressure
            dv, turn = solve(-wrong - change @ program.C, missed)
            fall = -(dv @ program.C.T)
            return dv, turn, fall, change - ratio * fall

        dv, turn, fall, more = moved(np.zeros_like(slack))
        length = np.minimum(_reach(slack, fall), _reach(pressure, more))[:, None]
        ahead = ((slack + length * fall) * (pressure + length * more)).sum(axis=1) / max(1, slack.shape[1])
        aim = np.clip((ahead / mu) ** 3, 0.0, 1.0) * mu
        lag = np.abs(wrong * v).sum(axis=1) / max(1, slack.shape[1])  # slopes of powers change on the way
        aim = np.minimum(np.maximum(aim, LAG * lag), GROWTH * mu)
        dv, turn, fall, more = moved(aim[:, None] - fall * more)
        length = np.minimum(_reach(slack, fall), _reach(pressure, more))[:, None]
        self.v[rows] = v + length * dv
        self.multipliers[rows] += length * turn
        self.slack[rows], self.pressure[rows] = slack + length * fall, pressure + length * more


def _factored(matrix: Array, A: Array) -> Callable[[Array, Array], tuple[Array, Array]]:
    """The solution (dv, dλ) of matrix dv − Aᵀ dλ = first, A dv = second; matrices (T, N, N), A (T, D, N)."""
    frames, count, rows = len(A), A.shape[2], A.shape[1]
    whole = np.zeros((frames, count + rows, count + rows))
    whole[:, :count, :count], whole[:, :count, count:], whole[:, count:, :count] = matrix, -np.swapaxes(A, 1, 2), A
    diagonal = np.einsum("tii->ti", whole)
    diagonal[:, :count] += SHARE * np.maximum(diagonal[:, :count], 1.0)
    diagonal[:, count:] += SHARE
    inverse = np.linalg.inv(whole)

    def solve(first: Array, second: Array) -> tuple[Array, Array]:
        right = np.concatenate([first, second], axis=1)[:, :, None]
        found = inverse @ right
        found += inverse @ (right - whole @ found)  # the inverse alone would lose digits
        return found[:, :count, 0], found[:, count:, 0]

    return solve


def _pulled(A: Array, multipliers: Array) -> Array:
    """Aᵀλ (T, N)."""
    return np.asarray((multipliers[:, None, :] @ A)[:, 0])


def _reach(value: Array, change: Array) -> Array:
    """(T,) the share of a change after which every value is still positive."""
    falls = np.where(change < 0.0, -value / np.where(change < 0.0, change, -1.0), np.inf)
    return np.asarray(np.minimum(1.0, NEARLY * falls.min(axis=1, initial=np.inf)))
