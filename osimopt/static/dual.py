"""Thousands of frames at once: Newton's method on the dual of a separable cost.

    minimise Σ |y_i|^p / p   subject to   A y = b,  lower ≤ y ≤ upper          (p > 1)

has as many dual unknowns λ as moments. With z = Aᵀλ the minimiser of the Lagrangian is
y(λ) = clip(sign(z) |z|^(1/(p−1)), lower, upper), and ρ = b − A y(λ) is the gradient of the concave dual function. For
every λ the answer y(λ) is stationary, complementary and within bounds; Newton's steps on λ, each with an exact line
search, remove ρ. A direction along which the dual function rises for ever proves that the moments cannot be met.

For p > 3 the response |z|^(1/(p−1)) is too steep near zero: the program is then solved by a sequence of quadratic
ones (its own second-order models, kept within the bounds), each by the same method.

Written once with the array API, for NumPy and torch. Axes: (T, D, N) frames, moments, unknowns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .gap import duality_gap, namespace, power_answer

#: Arrays of NumPy or torch.
Array = Any

#: Relative; frames whose moments are missed by less are done.
TOLERANCE = 1e-12
MAX_STEPS = 100
#: Steps of the sequence of quadratic programs for p > 3, and the relative duality gap at which it is done.
MAX_MODELS, GAP_TOLERANCE = 200, 1e-12
#: Newton steps on the power's own dual that then finish most frames, from multipliers that are nearly right.
POLISH_STEPS = 20
#: Exponents up to this are solved by Newton on the power's own dual.
LARGEST_DIRECT = 3.0
#: Relative; a dual function that rises by more than this per step, for ever, is no rounding.
RISE = 1e-9
#: A line search ends where the slope along the step has fallen to this share.
SLOPE_SHARE = 0.25


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
    """y as a function of z = Aᵀλ before the bounds, and its slope; frames can be left out by a mask."""

    value: Callable[[Array], Array]
    slope: Callable[[Array], Array]
    keep: Callable[[Array], Response]


def solve_block(A: Array, b: Array, lower: Array, upper: Array, p: float, start: Array | None = None) -> DualAnswer:
    """Solve a block of coupled moments in all frames.

    ``A`` (T, D, N), ``b`` (T, D), ``lower`` and ``upper`` (T, N); ``start`` (T, D) multipliers to start from.
    """
    xp = namespace(A)
    if p <= LARGEST_DIRECT:
        first = xp.zeros_like(b) if start is None else start
        return _newton(A, b, lower, upper, power_response(xp, p), first)
    return _by_quadratic_models(A, b, lower, upper, p)


def power_response(xp: Any, p: float) -> Response:
    """The response of |y|^p / p: sign(z) |z|^(1/(p−1))."""
    q = 1.0 / (p - 1.0)

    def slope(free: Array) -> Array:
        if p == 2.0:
            return xp.ones_like(free)
        # At y = 0 the slope is 0 (p < 2) or infinite (p > 2): the floor keeps it finite, the line search safe.
        return xp.clip(xp.abs(free), 1e-12, None) ** (2.0 - p) * q

    response = Response(lambda z: power_answer(z, p), slope, lambda mask: response)
    return response


def _quadratic_response(xp: Any, centre: Array, stiffness: Array) -> Response:
    """The response of Σ stiffness (y − centre)² / 2."""
    return Response(
        lambda z: centre + z / stiffness,
        lambda free: 1.0 / stiffness,
        lambda mask: _quadratic_response(xp, centre[mask], stiffness[mask]),
    )


def _newton(
    A: Array, b: Array, lower: Array, upper: Array, response: Response, start: Array, most: int = MAX_STEPS
) -> DualAnswer:
    """Semismooth Newton on λ in all frames at once; frames that are done drop out."""
    xp = namespace(A)
    answer = _begin(xp, b, lower, start)
    size = xp.clip(xp.max(xp.abs(b), axis=1), 1.0, None)
    active = xp.arange(b.shape[0])
    for count in range(most + 1):
        A_, b_, low, high, own = A[active], b[active], lower[active], upper[active], response.keep(active)
        z = _times(answer.multipliers[active], A_)
        free = own.value(z)
        y = xp.clip(free, low, high)
        answer.y[active] = y
        missing = b_ - xp.matmul(A_, y[:, :, None])[:, :, 0]
        todo = xp.max(xp.abs(missing), axis=1) > TOLERANCE * size[active]
        if count == most or not bool(xp.any(todo)):
            break
        active = active[todo]
        A_, b_, low, high, z, free, y, missing = (a[todo] for a in (A_, b_, low, high, z, free, y, missing))
        own = own.keep(todo)
        step = _newton_step(xp, A_, missing, xp.where(free == y, own.slope(free), xp.zeros_like(y)))
        along, gained = _times(step, A_), xp.sum(b_ * step, axis=1)
        length = _line_search(xp, _slope_along(xp, own, z, along, low, high, gained), gained)
        answer.multipliers[active] = answer.multipliers[active] + length[:, None] * step
        answer.steps[active] = answer.steps[active] + 1
        for_ever = gained - _most(xp, along, low, high) > RISE * xp.sum(xp.abs(b_ * step), axis=1)
        answer.ray[active[for_ever]] = step[for_ever]
        answer.infeasible[active[for_ever]] = True
        active = active[~for_ever]
        if active.shape[0] == 0:
            break
    return answer


def _begin(xp: Any, b: Array, lower: Array, start: Array) -> DualAnswer:
    counts = xp.sum(xp.zeros_like(b), axis=1)
    return DualAnswer(lower + 0.0, start + 0.0, counts + 0.0, counts > 1.0, xp.zeros_like(b))


def _newton_step(xp: Any, A: Array, missing: Array, slope: Array) -> Array:
    """Solve (A diag(slope) Aᵀ + a little) step = missing.

    Where every unknown that acts rests on a bound nothing curves; the little then gives a gradient step, and the line
    search its length.
    """
    curvature = xp.matmul(A * slope[:, None, :], xp.matrix_transpose(A))
    identity = xp.eye(A.shape[1], dtype=A.dtype)
    largest = xp.max(xp.sum(curvature * identity, axis=2), axis=1)
    flat = xp.max(xp.sum(A * A, axis=2), axis=1)
    little = 1e-13 * largest + xp.where(largest > 0.0, 1e-18, 1.0) * flat
    return xp.linalg.solve(curvature + little[:, None, None] * identity, missing[:, :, None])[:, :, 0]


def _slope_along(
    xp: Any, own: Response, z: Array, along: Array, low: Array, high: Array, gained: Array
) -> Callable[[Array], Array]:
    """Derivative of the dual function along a step, as a function of the length (T,); it falls."""

    def slope(length: Array) -> Array:
        y = xp.clip(own.value(z + length[:, None] * along), low, high)
        return gained - xp.sum(y * along, axis=1)

    return slope


def _most(xp: Any, along: Array, low: Array, high: Array) -> Array:
    """Largest value (T,) of Σ along · y within the bounds, infinite where an unknown is unbounded that way."""
    still = along == 0.0
    far = xp.where(along > 0.0, high, low)
    return xp.sum(xp.where(still, xp.zeros_like(along), xp.where(still, xp.zeros_like(far), far) * along), axis=1)


def _line_search(xp: Any, slope: Callable[[Array], Array], like: Array) -> Array:
    """Lengths (T,) at which a falling slope is a quarter of its start or less: 1 where that will do."""
    zero = like * 0.0
    start = slope(zero)
    low, low_slope = zero, start
    high = zero + 1.0
    high_slope = slope(high)
    wanted = SLOPE_SHARE * xp.abs(start)
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
        if not bool(xp.any(bad & (best_slope < 0.0) | bad & (low > 0.0))):
            break
        width = high - low
        secant = low + width * low_slope / xp.where(low_slope == high_slope, zero + 1.0, low_slope - high_slope)
        middle = xp.clip(secant, low + 0.05 * width, high - 0.05 * width) if turn % 2 == 0 else low + 0.5 * width
        middle_slope = slope(middle)
        rises = middle_slope > 0.0
        low, low_slope = xp.where(bad & rises, middle, low), xp.where(bad & rises, middle_slope, low_slope)
        high, high_slope = xp.where(bad & ~rises, middle, high), xp.where(bad & ~rises, middle_slope, high_slope)
        best, best_slope = xp.where(bad, middle, best), xp.where(bad, middle_slope, best_slope)
    return best


def _by_quadratic_models(A: Array, b: Array, lower: Array, upper: Array, p: float) -> DualAnswer:
    """Sequential quadratic programming: model |y|^p / p to second order at a feasible y, solve, search the way there.

    Unknowns are scaled by the largest of the p = 2 answer, from which it starts.
    """
    xp = namespace(A)
    one, zero = xp.ones_like(lower), xp.zeros_like(lower)
    answer = _newton(A, b, lower, upper, _quadratic_response(xp, zero, one), xp.zeros_like(b))
    size = xp.clip(xp.max(xp.abs(answer.y), axis=1), 1e-9, None)[:, None]
    low, high, b, y = lower / size, upper / size, b / size, answer.y / size
    answer.multipliers[...] = 0.0
    active = xp.arange(b.shape[0])[~answer.infeasible]
    for _ in range(MAX_MODELS):
        if active.shape[0] == 0:
            break
        A_, y_ = A[active], y[active]
        slope = xp.sign(y_) * xp.abs(y_) ** (p - 1.0)
        stiffness = xp.clip((p - 1.0) * xp.abs(y_) ** (p - 2.0), 1e-10, None)
        response = _quadratic_response(xp, y_ - slope / stiffness, stiffness)
        model = _newton(A_, b[active], low[active], high[active], response, answer.multipliers[active])
        way = model.y - y_
        falls = -xp.sum(slope * way, axis=1)
        descent = _descent(xp, y_, way, p)
        length = xp.clip(_line_search(xp, descent, falls), None, 1.0)
        y[active] = y_ + length[:, None] * way
        answer.multipliers[active] = model.multipliers
        answer.steps[active] = answer.steps[active] + model.steps
        gap = duality_gap(y[active], _times(model.multipliers, A_), low[active], high[active], p)
        done = gap <= GAP_TOLERANCE * xp.sum(xp.abs(y[active]) ** p, axis=1) / p
        active = active[~done]
    polished = _newton(A, b, low, high, power_response(xp, p), answer.multipliers, POLISH_STEPS)
    missed = xp.max(xp.abs(b - xp.matmul(A, polished.y[:, :, None])[:, :, 0]), axis=1)
    exact = missed <= TOLERANCE * xp.clip(xp.max(xp.abs(b), axis=1), 1.0, None)
    y[exact] = polished.y[exact]
    answer.multipliers[exact] = polished.multipliers[exact]
    answer.y[...] = y * size
    answer.multipliers[...] = answer.multipliers * size ** (p - 1.0)
    return answer


def _descent(xp: Any, y: Array, way: Array, p: float) -> Callable[[Array], Array]:
    """Minus the derivative of Σ |y|^p / p along a way, as a function of the length (T,); it falls."""

    def slope(length: Array) -> Array:
        at = y + length[:, None] * way
        return -xp.sum(xp.sign(at) * xp.abs(at) ** (p - 1.0) * way, axis=1)

    return slope


def _times(multipliers: Array, A: Array) -> Array:
    """Aᵀλ, (T, N)."""
    return namespace(A).matmul(multipliers[:, None, :], A)[:, 0, :]
