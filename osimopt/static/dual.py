"""Newton's method on the dual of a separable program, for thousands of frames at once.

    minimise Σ φ_i(y_i)   subject to   A y = b,  lower ≤ y ≤ upper          (φ strictly convex)

has as many dual unknowns λ as moments. With z = Aᵀλ the minimiser of the Lagrangian is y(λ) = clip(φ′⁻¹(z), lower,
upper), and ρ = b − A y(λ) is the gradient of the concave dual function. For every λ, y(λ) is stationary, complementary
and within bounds; Newton steps on λ, with a line search where the full step overshoots, remove ρ. A direction along
which the dual function rises without bound proves that the moments cannot be met.

Written once with the array API, for NumPy and torch. Axes: (T, D, N) frames, moments, unknowns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import array_api_compat
import numpy as np

from ..namespace import namespace

#: Arrays of NumPy or torch.
Array = Any

#: Relative; frames are done when they miss the moments by less.
TOLERANCE = 1e-12
MAX_STEPS = 100
#: Relative; a dual function that keeps rising by more than this per step is not rounding.
RISE = 1e-9
#: Where a step would have to be longer by this factor, the moments are at the limit of what can be met.
FAR = 1e9
#: Share of the diagonal that is added to a curvature: rows may be linearly dependent.
SHARE = 1e-13
#: A step length is accepted where the slope is at most this share of the initial slope, of either sign.
SLOPE_SHARE = 0.3
#: Step lengths tried at most.
SEARCHES = 60
#: Finished frames are dropped from the arrays when fewer than this share is left: dropping copies.
LEFT = 0.8


def within(array: Array, lower: Array, upper: Array) -> Array:
    """The array clipped to its bounds."""
    xp = namespace(array)
    return xp.minimum(xp.maximum(array, lower), upper)


def at_least(array: Array, least: float) -> Array:
    """The array with smaller elements raised to ``least``."""
    if isinstance(array, np.ndarray):
        return np.maximum(array, least)
    return namespace(array).clip(array, min=least)


@dataclass(frozen=True, eq=False)
class DualAnswer:
    """Solution of one block: y (T, N), multipliers λ (T, D), Newton steps (T,), and the frames proved infeasible.

    In infeasible frames, ``ray`` (T, D) is a direction d with bᵀd > max over the bounds of dᵀA y: no y meets b.
    """

    y: Array
    multipliers: Array
    steps: Array
    infeasible: Array
    ray: Array


@dataclass(frozen=True, eq=False)
class Response:
    """y = φ′⁻¹(z) before the bounds, its slope as a function of (z, y), and the response of a subset of the frames.

    A slope that is the same in all frames may be (1, N).
    """

    value: Callable[[Array], Array]
    slope: Callable[[Array, Array], Array]
    keep: Callable[[Array], Response]


@dataclass(frozen=True, eq=False)
class DualProgram:
    """The unfinished frames: data of the program, and how much (T,) a moment may be missed by."""

    A: Array
    b: Array
    lower: Array
    upper: Array
    response: Response
    allowed: Array

    def keep(self, frames: Array) -> DualProgram:
        """A subset of the frames, by mask or index."""
        return DualProgram(
            self.A[frames], self.b[frames], self.lower[frames], self.upper[frames],
            self.response.keep(frames), self.allowed[frames],
        )  # fmt: skip

    def answer(self, z: Array) -> tuple[Array, Array]:
        """The response at z, and the response clipped to the bounds."""
        free = self.response.value(z)
        return free, within(free, self.lower, self.upper)


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

    A frame is done when its moments are met, or when a step is predicted to raise the dual function by less than
    ``enough``.
    """
    xp = namespace(start)
    steps = xp.zeros_like(program.allowed)
    answer = DualAnswer(program.lower + 0.0, start + 0.0, steps, steps > 1.0, xp.zeros_like(start))
    index = _numbers(start)
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
            unbounded = _rises_without_bound(part, step[few], along[few], gained[few], slope[few])
            lost = few[unbounded]
            if lost.shape[0]:
                few, part = few[~unbounded], part.keep(~unbounded)
            length = _line_search(part, z[few], along[few], gained[few], rise[few], slope[few])[:, None]
            step[few] = length * step[few]
            z_next[few] = z[few] + length * along[few]
            free_next[few], y_next[few] = part.answer(z_next[few])
            answer.ray[index[lost]], answer.infeasible[index[lost]] = step[lost], True
            over = xp.zeros_like(working)
            over[lost], over[few[length[:, 0] > FAR]] = True, True
            working = _store(answer, index, working, over, y, multipliers, count + 1)
        multipliers, z, free, y = multipliers + step, z_next, free_next, y_next
    return answer


def _store(answer: DualAnswer, index: Array, working: Array, ready: Array, y: Array, at: Array, count: int) -> Array:
    """Store the frames that are ready, and return which are still working."""
    if not bool(namespace(y).any(ready)):
        return working
    frames = index[ready]
    answer.y[frames], answer.multipliers[frames], answer.steps[frames] = y[ready], at[ready], float(count)
    return working & ~ready


def _newton_step(program: DualProgram, z: Array, free: Array, y: Array, missing: Array, share: float) -> Array:
    """Solve A diag(slope inside the bounds) Aᵀ step = missing.

    A row on which every unknown is on a bound has no curvature; there the slope beyond the bounds gives a gradient
    step, and the line search gives its length.
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
    """Solve curvature · x = right in each frame; a share of the diagonal is added to it, 1 where the diagonal is 0."""
    xp = namespace(right)
    diagonal = _diagonal(curvature)
    diagonal += xp.where(diagonal > 0.0, share * diagonal, 1.0)
    return xp.linalg.solve(curvature, right[:, :, None])[:, :, 0]


def _numbers(array: Array) -> Array:
    """0, 1, … for the frames of an array, on its device."""
    return namespace(array).arange(array.shape[0], device=array_api_compat.device(array))


def _diagonal(matrices: Array) -> Array:
    """The diagonals (T, D) of fresh matrices (T, D, D), as a view."""
    frames, size = matrices.shape[:2]
    return matrices.reshape(frames, size * size)[:, :: size + 1]


def _rises_without_bound(program: DualProgram, step: Array, along: Array, gained: Array, slope: Array) -> Array:
    """Frames (T,) in which no y within its bounds balances the moments along a step d: bᵀd > max dᵀA y."""
    xp = namespace(along)
    still = along == 0.0
    far = xp.where(along > 0.0, program.upper, program.lower)
    most = xp.sum(xp.where(still, 0.0, xp.where(still, 0.0, far) * along), axis=1)
    return (slope > 0.0) & (gained - most > RISE * xp.sum(xp.abs(program.b * step), axis=1))


def times(multipliers: Array, A: Array) -> Array:
    """Aᵀλ (T, N)."""
    return namespace(A).matmul(multipliers[:, None, :], A)[:, 0, :]


def act(A: Array, y: Array) -> Array:
    """A y (T, D)."""
    return namespace(A).matmul(A, y[:, :, None])[:, :, 0]


def _line_search(program: DualProgram, z: Array, along: Array, gained: Array, rise: Array, slope: Array) -> Array:
    """Lengths (T,) of a step at which the slope of the dual function, bᵀd − yᵀAᵀd, is small.

    The function is concave, so its slope falls. ``along`` is Aᵀd and ``gained`` bᵀd of the step d; ``rise`` and
    ``slope`` are the slopes at lengths 0 and 1.
    """
    xp = namespace(z)
    length, index = xp.ones_like(rise), _numbers(rise)
    low, low_slope, high, high_slope = xp.zeros_like(rise), rise, xp.ones_like(rise), slope
    for turn in range(SEARCHES):
        at = _next_length(low, low_slope, high, high_slope, turn)
        slope = gained - xp.vecdot(along, program.answer(z + at[:, None] * along)[1])
        length[index] = at
        bad = xp.abs(slope) > SLOPE_SHARE * xp.abs(rise)
        left = int(xp.count_nonzero(bad))
        if not left:
            break
        unbounded, rises = high_slope >= 0.0, slope > 0.0
        low, low_slope = (
            xp.where(unbounded, above, xp.where(rises, new, below))
            for below, above, new in ((low, high, at), (low_slope, high_slope, slope))
        )
        onto = unbounded | ~rises
        high, high_slope = xp.where(onto, at, high), xp.where(onto, slope, high_slope)
        if left < LEFT * bad.shape[0]:
            program, index = program.keep(bad), index[bad]
            z, along, gained, rise = (array[bad] for array in (z, along, gained, rise))
            low, low_slope, high, high_slope = (array[bad] for array in (low, low_slope, high, high_slope))
    return length


def _next_length(low: Array, low_slope: Array, high: Array, high_slope: Array, turn: int) -> Array:
    """Grow by 8 while the slope at the far end is positive; then take secants and means in turn."""
    xp = namespace(low)
    width = high - low
    if turn % 2:
        # Near 0 the response can be steep: the accepted length is often far below the mean.
        inner = xp.where(low > 0.0, 0.5 * (low + high), 0.2 * high)
    else:
        secant = low + width * low_slope / xp.where(high_slope < 0.0, low_slope - high_slope, 1.0)
        inner = xp.minimum(xp.maximum(secant, low + 0.02 * width), high - 0.02 * width)
    return xp.where(high_slope >= 0.0, 8.0 * high, inner)
