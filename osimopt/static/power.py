"""Σ |y_i|^p / p over a block of coupled moments, for every p > 1, by Newton's method on its dual.

p = 2 is one Newton solve. For other p its solution, with unknowns scaled so that the largest is 1, is the start: the
multipliers that fit it best are close. For p > 2 the response z^(1/(p−1)) is infinitely steep at zero. The power is
made quadratic for |y| < δ, and δ falls from stage to stage until z is within rounding. The moments that are then missed
by rounding, amplified by the steep response, are met by a quadratic model about y(λ) within the bounds. The duality
gap, which does not depend on δ, decides whether a frame is done.

Written with the array API, for NumPy and torch. Axes: (T, D, N) frames, moments, unknowns. Exponents are one number, or
an array (N,) with 2 for some unknowns (``exponents.py``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from ..namespace import namespace
from .dual import (
    SHARE,
    TOLERANCE,
    DualAnswer,
    DualProgram,
    Response,
    act,
    at_least,
    newton,
    quadratic_response,
    solve_regularised,
    times,
    within,
)
from .exponents import Exponents, exponent_of, simplest, units_of

#: Arrays of NumPy or torch.
Array = Any

#: z at the last δ, for unknowns of size 1: rounding of z is about 1e-15.
EDGE = 1e-11
#: The curvature at zero falls at most by this factor from one δ to the next.
SHRINK = 1e-5
#: Exponents above LARGE start from the solution of the exponent RATIO times smaller, those below SMALL from the
#: solution of twice the distance to 1.
LARGE, RATIO, SMALL = 10.0, 1.25, 1.15
#: Predicted relative decrease of the cost at which a stage ends, and at which the last stage ends.
ROUGHLY, EXACTLY = 1e-3, 1e-16
#: Relative duality gap at which a frame is done.
GAP = 1e-10
#: The last stage is repeated from a better start with a larger share added to the diagonal: of 10,000 random frames,
#: one in a thousand, with linearly dependent rows, stalls without.
SHARES = (SHARE, 1e-10, 1e-7, 1e-5)
#: Newton steps of one stage.
STAGE_STEPS = 60
#: Differences below this share of y° use the curvature bound; above it, cancellation is small.
NEAR = 0.01
#: Smaller sizes are raised to this before a power is taken: 0 to a negative power is infinite.
TINY = 1e-150


def solve_block(A: Array, b: Array, lower: Array, upper: Array, p: Exponents, start: Array | None = None) -> DualAnswer:
    """Solve a block of coupled moments in all frames.

    ``A`` (T, D, N), ``b`` (T, D), ``lower`` and ``upper`` (T, N); ``start`` (T, D) multipliers to start from, NaN in
    frames without.
    """
    xp, p = namespace(A), simplest(p, A)
    main = exponent_of(p)
    square = _square(A, b, lower, upper)
    curvature = xp.matmul(A, xp.matrix_transpose(A))
    cold = solve_regularised(curvature, 1e-12, b)  # multipliers of p = 2 without bounds
    warm = xp.all(xp.isfinite(cold if start is None else start), axis=1)
    if main == 2.0:
        return newton(square, cold if start is None else xp.where(warm[:, None], start, cold))
    answer = newton(square, cold)
    state = _State(square, answer, p, xp.full_like(square.allowed, xp.inf))
    active, last = xp.nonzero(~answer.infeasible)[0], _last_delta(main)
    if start is not None:
        known = active[warm[active]]
        answer.y[known] = square.keep(known).answer(power_answer(times(start[known], A[known]), p))[1]
        state.turn(known, main, last, EXACTLY, start[known])
        active = active[state.gap[active] > GAP]
    for exponent, delta in _stages(main):
        state.turn(active, exponent, delta, EXACTLY if (exponent, delta) == (main, last) else ROUGHLY)
    for share in SHARES:
        active = active[state.gap[active] > GAP]
        state.turn(active, main, last, EXACTLY, share=share)
    return answer


def repaired(A: Array, b: Array, lower: Array, upper: Array, p: Exponents, y: Array, multipliers: Array) -> Array:
    """Solution y (T, N) of a block, corrected within the bounds where it misses the moments by more than rounding.

    The power's own curvature gives the correction of least cost; where it is too steep, a plain square is used.
    Moments that cannot be met stay missed.
    """
    xp, program, p = namespace(y), _square(A, b, lower, upper), simplest(p, A)
    main = exponent_of(p)
    for delta in (max(_last_delta(main), 1e-6), 1.0):
        missed = xp.max(xp.abs(b - act(A, y)), axis=1) > 2.0 * program.allowed
        if not bool(xp.any(missed)):
            break
        few = xp.nonzero(missed)[0]
        part, size = program.keep(few), _size(y[few], p)
        divided, units = _divided(part, size, p), units_of(size, p)
        z = times(multipliers[few], divided.A) / size ** (main - 1.0)
        met = units * _meet(divided, y[few] / units, z, p, delta).y
        y = y + 0.0
        y[few] = within(met, part.lower, part.upper)
    return y


def duality_gap(y: Array, z: Array, lower: Array, upper: Array, p: Exponents) -> Array:
    """Gap (T,) between a feasible y and the dual value at λ, z = Aᵀλ, as a sum of nonnegative terms.

    With y° = y(λ) each unknown adds D(y, y°) + (φ′(y°) − z)(y − y°), φ = |y|^p / p: the Bregman distance, and a term
    that is zero inside the bounds and positive on them.
    """
    best = within(power_answer(z, p), lower, upper)
    terms = bregman(y, best, p) + at_least((power_slope(best, p) - z) * (y - best), 0.0)
    return namespace(y).sum(terms, axis=1)


def bregman(y: Array, origin: Array, p: Exponents) -> Array:
    """φ(y) − φ(y°) − φ′(y°)(y − y°) of φ = |y|^p / p, element by element: never negative, never too small.

    For p = 2 it is half the square of the difference. For other p, where the difference is small against y°, half its
    square times the larger of the two curvatures is an upper bound without cancellation.
    """
    xp = namespace(y)
    change = y - origin
    if isinstance(p, float) and p == 2.0:
        return 0.5 * change * change
    here, there = (power(at_least(xp.abs(at), TINY), p - 2.0) for at in (y, origin))
    plain = (here * y * y - there * origin * origin) / p - there * origin * change
    bound = (0.5 * (p - 1.0)) * xp.maximum(here, there) * change * change
    return xp.where(xp.abs(change) < NEAR * xp.abs(origin), bound, at_least(plain, 0.0))


def power(size: Array, exponent: Exponents) -> Array:
    """``size ** exponent`` for 0 < size ≤ 1e250, through the logarithm, which is faster."""
    xp, one = namespace(size), isinstance(exponent, float)
    if one and exponent in (0.5, 1.0, 2.0):
        return xp.sqrt(size) if exponent == 0.5 else size if exponent == 1.0 else size * size
    logarithm = exponent * xp.log(size)
    return xp.exp(logarithm if one and abs(exponent) < 2.0 else -at_least(-logarithm, -575.0))


def power_slope(y: Array, p: Exponents) -> Array:
    """Slope of |y|^p / p."""
    if isinstance(p, float) and p == 2.0:
        return y
    return namespace(y).sign(y) * power(at_least(namespace(y).abs(y), TINY), p - 1.0)


def power_answer(z: Array, p: Exponents) -> Array:
    """The y at which the slope of |y|^p / p is z: sign(z) |z|^(1/(p−1))."""
    if isinstance(p, float) and p == 2.0:
        return z
    xp = namespace(z)
    size = xp.abs(z)
    return xp.where(size > TINY, xp.sign(z) * power(at_least(size, TINY), 1.0 / (p - 1.0)), 0.0)


def _power_response(p: Exponents, delta: float) -> Response:
    """The response of |y|^p / p, made linear for |y| < δ."""
    q, edge, slope = 1.0 / (p - 1.0), delta ** (p - 1.0), delta ** (2.0 - p)

    def value(z: Array) -> Array:
        xp = namespace(z)
        size = at_least(xp.abs(z), edge)
        return xp.where(size > edge, xp.sign(z) * power(size, q), slope * z)

    def slope_of(z: Array, y: Array) -> Array:
        xp = namespace(z)
        far = xp.abs(z) > edge
        return xp.where(far, q * y / xp.where(far, z, 1.0), slope)

    response = Response(value, slope_of, lambda frames: response)
    return response


def _last_delta(p: float) -> float:
    """The smallest δ: below it z is within rounding."""
    return max(float(EDGE ** (1.0 / (p - 1.0))), 1e-30)


def _stages(p: float) -> list[tuple[float, float]]:
    """Exponents and δ on the way to p: the curvature δ^(p−2) at zero falls by equal factors, of SHRINK at most."""
    last = _last_delta(p)
    if p > LARGE or p < SMALL:
        return [*_stages(p / RATIO if p > LARGE else 2.0 * p - 1.0), (p, last)]
    count = max(1, math.ceil((p - 2.0) * math.log(last) / math.log(SHRINK) - 1e-9))
    return [(p, last if turn == count else last ** (turn / count)) for turn in range(1, count + 1)]


@dataclass(frozen=True, eq=False)
class _State:
    """The best solution of a block's frames so far, and its relative gap (T,)."""

    square: DualProgram
    answer: DualAnswer
    p: Exponents
    gap: Array

    def turn(
        self, active: Array, main: float, delta: float, enough: float, begin: Array | None = None, share: float = SHARE
    ) -> None:
        """One Newton solve of the active frames with this exponent, quadratic below δ; better solutions are kept."""
        if not active.shape[0]:
            return
        xp, answer, last = namespace(self.gap), self.answer, exponent_of(self.p)
        p = main if isinstance(self.p, float) else xp.where(self.p == 2.0, 2.0, main)
        square, size = self.square.keep(active), _size(answer.y[active], p)
        program, units = replace(_divided(square, size, p), response=_power_response(p, delta)), units_of(size, p)
        y, price = answer.y[active] / units, size ** (main - 1.0)
        first = _fit(program, y, p, delta, share) if begin is None else begin / price
        found = newton(program, first, STAGE_STEPS, enough / main, share)
        z = times(found.multipliers, program.A)
        met = _meet(program, found.y, z, p, delta, share)
        answer.steps[active] = answer.steps[active] + found.steps + met.steps
        good = xp.max(xp.abs(program.b - act(program.A, met.y)), axis=1) <= program.allowed
        if main == last:
            cost = cost_of(met.y, p)
            gap = duality_gap(met.y, z, program.lower, program.upper, p) / at_least(cost, TINY)
            good = good & (gap < self.gap[active])
            self.gap[active[good]] = gap[good]
        kept = active[good]
        answer.y[kept] = within(met.y * units, square.lower, square.upper)[good]
        answer.multipliers[kept] = (found.multipliers * price)[good]


def cost_of(y: Array, p: Exponents) -> Array:
    """Σ |y|^p / p of each frame (T,)."""
    xp = namespace(y)
    terms = power(at_least(xp.abs(y), TINY), p)
    return xp.sum(terms, axis=1) / p if isinstance(p, float) else xp.sum(terms / p, axis=1)


def _square(A: Array, b: Array, lower: Array, upper: Array) -> DualProgram:
    """The program of p = 2; a finished frame misses its moments by TOLERANCE at most."""
    allowed = TOLERANCE * at_least(namespace(b).max(namespace(b).abs(b), axis=1), 1.0)
    return DualProgram(A, b, lower, upper, quadratic_response(), allowed)


def _size(y: Array, p: Exponents) -> Array:
    """The largest unknown of each frame (T, 1); a square counts as the power of the same cost."""
    xp = namespace(y)
    size = xp.abs(y)
    if not isinstance(p, float):
        size = size ** (p / exponent_of(p))
    return at_least(xp.max(size, axis=1), 1e-9)[:, None]


def _divided(program: DualProgram, size: Array, p: Exponents) -> DualProgram:
    """The program in y / size^(p/q), ``size`` (T, 1)."""
    units, A = units_of(size, p), program.A
    lower, upper = (array / units for array in (program.lower, program.upper))
    A = A if isinstance(p, float) else A * (units / size)[:, None, :]
    return DualProgram(A, program.b / size, lower, upper, program.response, program.allowed / size[:, 0])


def _stiffness(y: Array, p: Exponents, delta: float) -> tuple[Array, Array]:
    """Slope and curvature of the power at y, made quadratic for |y| < δ."""
    xp = namespace(y)
    size = xp.abs(y)
    curvature = power(at_least(size, delta), p - 2.0)
    return curvature * y, xp.where(size > delta, (p - 1.0) * curvature, curvature)


def _fit(program: DualProgram, y: Array, p: Exponents, delta: float, share: float) -> Array:
    """Multipliers (T, D) of a quadratic model about y, if the same unknowns stay on their bounds."""
    xp = namespace(y)
    slope, stiffness = _stiffness(y, p, delta)
    inside = (y > program.lower) & (y < program.upper)
    compliance = xp.where(inside, 1.0 / stiffness, 0.0)
    curvature = xp.matmul(program.A * compliance[:, None, :], xp.matrix_transpose(program.A))
    right = act(program.A, compliance * slope) + program.b - act(program.A, y)
    return solve_regularised(curvature, 0.1 * share, right)


def _meet(program: DualProgram, y: Array, z: Array, p: Exponents, delta: float, share: float = SHARE) -> DualAnswer:
    """The y that meets the moments within the bounds at least cost, by a quadratic model about y and z."""
    slope, stiffness = _stiffness(y, p, delta)
    compliance = 1.0 / stiffness
    near = replace(program, response=quadratic_response(y + (z - slope) * compliance, compliance))
    return newton(near, namespace(y).zeros_like(program.b), STAGE_STEPS, 0.0, share)
