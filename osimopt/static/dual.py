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

#: Arrays of NumPy or torch.
Array = Any

#: Relative; frames whose moments are missed by less are done.
TOLERANCE = 1e-12
MAX_STEPS = 100
#: Relative; a dual function that rises by more than this per step, for ever, is no rounding.
RISE = 1e-9
#: A step is taken whole where the slope at its end is at most this share of that at its start, of either sign; a
#: line search ends there.
SLOPE_SHARE = 0.5
#: Finished frames are dropped from the arrays when fewer than this share of them is left to do: dropping copies.
LEFT = 0.7


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
    """y = φ′⁻¹(z) before the bounds, its slope as a function of (z, y), and the same of some of the frames."""

    value: Callable[[Array], Array]
    slope: Callable[[Array, Array], Array]
    keep: Callable[[Array], Response]


@dataclass(frozen=True, eq=False)
class Program:
    """The frames still at work: data of the program, and how much (T,) of a moment may be missed."""

    A: Array
    b: Array
    lower: Array
    upper: Array
    response: Response
    allowed: Array

    def keep(self, frames: Array) -> Program:
        """Some of the frames, by a mask or by their numbers."""
        return Program(
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
        plain = Response(lambda z: z, lambda z, y: namespace(z).ones_like(z), lambda frames: plain)
        return plain
    return Response(
        lambda z: centre + z * compliance,
        lambda z, y: compliance,
        lambda frames: quadratic_response(centre[frames], compliance[frames]),
    )


def newton(program: Program, start: Array, most: int = MAX_STEPS, enough: float = 0.0) -> DualAnswer:
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
        step = _newton_step(program, missing, free == y, program.response.slope(z, free))
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
            lost = few[_rises_for_ever(part, step[few], along[few], gained[few], slope[few])]
            length = _line_search(part, z[few], along[few], gained[few], rise[few], slope[few])[:, None]
            step[few] = length * step[few]
            z_next[few] = z[few] + length * along[few]
            free_next[few], y_next[few] = part.answer(z_next[few])
            if lost.shape[0]:
                answer.ray[index[lost]], answer.infeasible[index[lost]] = step[lost], True
                refuted = xp.zeros_like(working)
                refuted[lost] = True
                working = _store(answer, index, working, refuted, y, multipliers, count + 1)
        multipliers, z, free, y = multipliers + step, z_next, free_next, y_next
    return answer


def _begin(program: Program, start: Array) -> DualAnswer:
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


def _newton_step(program: Program, missing: Array, inside: Array, slope: Array) -> Array:
    """Solve A diag(slope inside the bounds) Aᵀ step = missing.

    A row on which every unknown rests on a bound does not curve; there the slope beyond the bounds gives a gradient
    step, and the line search its length.
    """
    xp, A = namespace(missing), program.A
    curvature = xp.matmul(A * (slope * inside)[:, None, :], xp.matrix_transpose(A))
    flat = xp.any(xp.linalg.diagonal(curvature) <= 0.0, axis=1)
    if bool(xp.any(flat)):
        beyond = xp.sum(A[flat] ** 2 * slope[flat][:, None, :], axis=2)
        own = xp.linalg.diagonal(curvature[flat])
        more = xp.where(own > 0.0, 0.0, xp.where(beyond > 0.0, beyond, 1.0))
        curvature[flat] = curvature[flat] + _diagonal(more)
    return solve_regularised(curvature, 1e-13, missing)


def solve_regularised(curvature: Array, share: float, right: Array) -> Array:
    """Solve curvature · x = right, frame by frame, with a share of its diagonal added (of 1 where that is zero)."""
    xp = namespace(right)
    diagonal = xp.linalg.diagonal(curvature)
    little = xp.where(diagonal > 0.0, share * diagonal, 1.0)
    return xp.linalg.solve(curvature + _diagonal(little), right[:, :, None])[:, :, 0]


def _diagonal(values: Array) -> Array:
    """Diagonal matrices (T, D, D) of values (T, D)."""
    identity = namespace(values).eye(values.shape[1], dtype=values.dtype, device=device_of(values))
    return values[:, :, None] * identity


def _rises_for_ever(program: Program, step: Array, along: Array, gained: Array, slope: Array) -> Array:
    """In which frames (T,) no y within its bounds balances the moments along a step: bᵀd > max dᵀA y."""
    xp = namespace(along)
    still = along == 0.0
    far = xp.where(along > 0.0, program.upper, program.lower)
    most = xp.sum(xp.where(still, 0.0, xp.where(still, 0.0, far) * along), axis=1)
    return (slope > 0.0) & (gained - most > RISE * xp.sum(xp.abs(program.b * step), axis=1))


def _line_search(program: Program, z: Array, along: Array, gained: Array, rise: Array, slope_at_one: Array) -> Array:
    """Lengths (T,) of a step at which the falling slope of the dual function is a share of its start or less."""
    xp = namespace(z)

    def slope(length: Array) -> Array:
        return gained - xp.vecdot(along, program.answer(z + length[:, None] * along)[1])

    low, low_slope = xp.zeros_like(rise), rise
    high, high_slope = xp.ones_like(rise), slope_at_one
    wanted = SLOPE_SHARE * xp.abs(rise)
    for _ in range(40):
        grow = high_slope > wanted
        if not bool(xp.any(grow)):
            break
        low, low_slope = xp.where(grow, high, low), xp.where(grow, high_slope, low_slope)
        high = xp.where(grow, 8.0 * high, high)
        high_slope = slope(high)
    best, best_slope = high, high_slope
    for turn in range(60):
        bad = xp.abs(best_slope) > wanted
        if not bool(xp.any(bad & ((best_slope < 0.0) | (low > 0.0)))):
            break
        width = high - low
        secant = low + width * low_slope / xp.where(low_slope == high_slope, 1.0, low_slope - high_slope)
        inner = xp.minimum(xp.maximum(secant, low + 0.05 * width), high - 0.05 * width)
        middle = inner if turn % 2 == 0 else low + 0.5 * width
        middle_slope = slope(middle)
        rises = middle_slope > 0.0
        low, low_slope = xp.where(bad & rises, middle, low), xp.where(bad & rises, middle_slope, low_slope)
        high, high_slope = xp.where(bad & ~rises, middle, high), xp.where(bad & ~rises, middle_slope, high_slope)
        best, best_slope = xp.where(bad, middle, best), xp.where(bad, middle_slope, best_slope)
    return best


def times(multipliers: Array, A: Array) -> Array:
    """Aᵀλ, (T, N)."""
    return namespace(A).matmul(multipliers[:, None, :], A)[:, 0, :]


def act(A: Array, y: Array) -> Array:
    """A y, (T, D)."""
    return namespace(A).matmul(A, y[:, :, None])[:, :, 0]
