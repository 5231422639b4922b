"""Thousands of frames at once: Newton's method on the dual of a separable program.

    minimise Σ φ_i(y_i)   subject to   A y = b,  lower ≤ y ≤ upper          (φ strictly convex)

has as many dual unknowns λ as moments. With z = Aᵀλ the minimiser of the Lagrangian is y(λ) = clip(φ′⁻¹(z), lower,
upper), and ρ = b − A y(λ) is the gradient of the concave dual function. For every λ the answer y(λ) is stationary,
complementary and within bounds; Newton's steps on λ, with a line search where the full step overshoots, remove ρ. A
direction along which the dual function rises for ever proves that the moments cannot be met.

Written once with the array API, for NumPy and torch. Axes: (T, D, N) frames, moments, unknowns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .gap import device_of, namespace
from .search import LEFT, SLOPE_SHARE, line_search

#: Arrays of NumPy or torch.
Array = Any

#: Relative; frames whose moments are missed by less are done.
TOLERANCE = 1e-12
MAX_STEPS = 100
#: Relative; a dual function that rises by more than this per step, for ever, is no rounding.
RISE = 1e-9
#: A step that must be longer by more finds no hold: the moments are at the limit of what can be met.
FAR = 1e9
#: Share of the diagonal that is added to a curvature: rows may depend on each other.
SHARE = 1e-13


@dataclass(frozen=True, eq=False)
class DualAnswer:
    """Answers of one block: y (T, N), multipliers λ (T, D), Newton steps (T,), and the frames proved infeasible.

    ``ray`` (T, D) is, in those, a direction d with bᵀd > max over the bounds of dᵀA y: no y can meet b.
    """

    y: Array
    multipliers: Array
    steps: Array
    infeasible: Array
    ray: Array


@dataclass(frozen=True, eq=False)
class Response:
    """y = φ′⁻¹(z) before the bounds, its slope as a function of (z, y), and the same of some of the frames.

    A slope that is the same in all frames may be (1, N).
    """

    value: Callable[[Array], Array]
    slope: Callable[[Array, Array], Array]
    keep: Callable[[Array], Response]


@dataclass(frozen=True, eq=False)
class DualProgram:
    """The frames still at work: data of the program, and how much (T,) of a moment may be missed."""

    A: Array
    b: Array
    lower: Array
    upper: Array
    response: Response
    allowed: Array

    def keep(self, frames: Array) -> DualProgram:
        """Some of the frames, by a mask or by their numbers."""
        return DualProgram(
            self.A[frames], self.b[frames], self.lower[frames], self.upper[frames],
            self.response.keep(frames), self.allowed[frames],
        )  # fmt: skip

    def answer(self, z: Array) -> tuple[Array, Array]:
        """What the response gives, and the same within the bounds."""
        xp = namespace(z)
        free = self.response.value(z)
        return free, xp.minimum(xp.maximum(free, self.lower), self.upper)


def quadratic_response(centre: Array | None = None, compliance: Array | None = None) -> Response:
    """The response of Σ (y − centre)² / (2 compliance); ``None`` for 0 and 1."""
    if centre is None or compliance is None:
        plain = Response(lambda z: z, lambda z, y: namespace(z).ones_like(z[:1]), lambda frames: plain)
        return plain
    return Response(
        lambda z: centre + z * compliance,
        lambda z, y: compliance,
        lambda frames: quadratic_response(centre[frames], compliance[frames]),
    )


def newton(
    program: DualProgram, start: Array, most: int = MAX_STEPS, enough: float = 0.0, share: float = SHARE
) -> DualAnswer:
    """Semismooth Newton on λ in all frames at once, from ``start`` (T, D).

    A frame is done when its moments are met, or when a step promises to raise the dual function by less than
    ``enough``.
    """
    xp = namespace(start)
    answer = _begin(program, start)
    index = xp.arange(start.shape[0], device=device_of(start))
    working = xp.ones_like(answer.infeasible)
    multipliers, z = start, times(start, program.A)
    free, y = program.answer(z)
    for count in range(most + 1):
        missing = program.b - act(program.A, y)
        ready = working & (xp.max(xp.abs(missing), axis=1) <= program.allowed) if count < most else working
        working = _store(answer, index, working, ready, y, multipliers, count)
        left = int(xp.count_nonzero(working))
        if not left:
            break
        if left < LEFT * working.shape[0]:
            program, index = program.keep(working), index[working]
            multipliers, z, free, y, missing = (a[working] for a in (multipliers, z, free, y, missing))
            working = working[working]
        step = _newton_step(program, z, free, y, missing, share)
        rise = xp.vecdot(step, missing)
        if enough:
            working = _store(answer, index, working, working & (rise <= 2.0 * enough), y, multipliers, count)
        along, gained = times(step, program.A), xp.vecdot(step, program.b)
        z_next = z + along
        free_next, y_next = program.answer(z_next)
        slope = gained - xp.vecdot(along, y_next)
        rough = working & (xp.abs(slope) > SLOPE_SHARE * rise)
        if bool(xp.any(rough)):
            few = xp.nonzero(rough)[0]
            part = program.keep(few)
            for_ever = _rises_for_ever(part, step[few], along[few], gained[few], slope[few])
            lost = few[for_ever]
            if lost.shape[0]:
                few, part = few[~for_ever], part.keep(~for_ever)
            length = line_search(part, z[few], along[few], gained[few], rise[few], slope[few])[:, None]
            step[few] = length * step[few]
            z_next[few] = z[few] + length * along[few]
            free_next[few], y_next[few] = part.answer(z_next[few])
            answer.ray[index[lost]], answer.infeasible[index[lost]] = step[lost], True
            over = xp.zeros_like(working)
            over[lost], over[few[length[:, 0] > FAR]] = True, True
            working = _store(answer, index, working, over, y, multipliers, count + 1)
        multipliers, z, free, y = multipliers + step, z_next, free_next, y_next
    return answer


def _begin(program: DualProgram, start: Array) -> DualAnswer:
    xp = namespace(start)
    nothing = xp.zeros_like(program.allowed)
    return DualAnswer(program.lower + 0.0, start + 0.0, nothing, nothing > 1.0, xp.zeros_like(start))


def _store(answer: DualAnswer, index: Array, working: Array, ready: Array, y: Array, at: Array, count: int) -> Array:
    """Keep what is ready, and return which frames are not."""
    if not bool(namespace(y).any(ready)):
        return working
    frames = index[ready]
    answer.y[frames], answer.multipliers[frames], answer.steps[frames] = y[ready], at[ready], float(count)
    return working & ~ready


def _newton_step(program: DualProgram, z: Array, free: Array, y: Array, missing: Array, share: float) -> Array:
    """Solve A diag(slope inside the bounds) Aᵀ step = missing.

    A row on which every unknown rests on a bound does not curve; there the slope beyond the bounds gives a gradient
    step, and the line search its length.
    """
    xp, A = namespace(missing), program.A
    slope = program.response.slope(z, free)
    curvature = xp.matmul(A * (slope * (free == y))[:, None, :], xp.matrix_transpose(A))
    diagonal = _diagonal(curvature)
    flat = xp.any(diagonal <= 0.0, axis=1)
    if bool(xp.any(flat)):
        own = diagonal[flat]
        beyond = xp.sum(A[flat] ** 2 * (slope if slope.shape[0] == 1 else slope[flat])[:, None, :], axis=2)
        diagonal[flat] = xp.where(own > 0.0, own, xp.where(beyond > 0.0, beyond, 1.0))
    return solve_regularised(curvature, share, missing)


def solve_regularised(curvature: Array, share: float, right: Array) -> Array:
    """Solve curvature · x = right, frame by frame, with a share of its diagonal added to it (1 where that is zero)."""
    xp = namespace(right)
    diagonal = _diagonal(curvature)
    diagonal += xp.where(diagonal > 0.0, share * diagonal, 1.0)
    return xp.linalg.solve(curvature, right[:, :, None])[:, :, 0]


def _diagonal(matrices: Array) -> Array:
    """The diagonals (T, D) of fresh matrices (T, D, D), as a view."""
    frames, size = matrices.shape[:2]
    return matrices.reshape(frames, size * size)[:, :: size + 1]


def _rises_for_ever(program: DualProgram, step: Array, along: Array, gained: Array, slope: Array) -> Array:
    """In which frames (T,) no y within its bounds balances the moments along a step: bᵀd > max dᵀA y."""
    xp = namespace(along)
    still = along == 0.0
    far = xp.where(along > 0.0, program.upper, program.lower)
    most = xp.sum(xp.where(still, 0.0, xp.where(still, 0.0, far) * along), axis=1)
    return (slope > 0.0) & (gained - most > RISE * xp.sum(xp.abs(program.b * step), axis=1))


def times(multipliers: Array, A: Array) -> Array:
    """Aᵀλ, (T, N)."""
    return namespace(A).matmul(multipliers[:, None, :], A)[:, 0, :]


def act(A: Array, y: Array) -> Array:
    """A y, (T, D)."""
    return namespace(A).matmul(A, y[:, :, None])[:, :, 0]
