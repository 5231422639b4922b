"""Σ |y_i|^p / p over a block of coupled moments, for every p > 1, by Newton's method on its dual.

p = 2 is one Newton solve. Otherwise its answer (unknowns scaled so that the largest is 1) starts the power's own: the
multipliers that fit it best are close. For p > 2 the response z^(1/(p−1)) is infinitely steep at zero: the power is
made quadratic for |y| < δ, and δ falls from stage to stage to where z drowns in rounding. What rounding, enlarged by
the steep response, then misses of the moments is removed by a quadratic model about y(λ), within the bounds. The
duality gap, which knows nothing of δ, decides.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from .dual import (
    SHARE,
    TOLERANCE,
    DualAnswer,
    DualProgram,
    Response,
    act,
    newton,
    quadratic_response,
    solve_regularised,
    times,
)
from .gap import TINY, at_least, duality_gap, namespace, power, power_answer

#: Arrays of NumPy or torch.
Array = Any

#: z at the last δ, for unknowns of size 1: rounding of z is about 1e-15.
EDGE = 1e-11
#: The curvature at zero falls at most by this from one δ to the next.
SHRINK = 1e-5
#: Exponents beyond LARGE start from the answer of the exponent RATIO times smaller, those below SMALL from the answer
#: of twice the distance to 1.
LARGE, RATIO, SMALL = 10.0, 1.25, 1.15
#: Stages end where a step promises less than this, the last one less than that, relative to the cost.
ROUGHLY, EXACTLY = 1e-3, 1e-16
#: Relative duality gap at which a frame is done.
GAP = 1e-10
#: The last stage is repeated from a better start with more and more added to the diagonal: of 10,000 random frames one
#: in a thousand, with rows that depend on each other, stalls without.
SHARES = (SHARE, 1e-10, 1e-7, 1e-5)
#: Newton steps of one stage.
STAGE_STEPS = 60


def solve_block(A: Array, b: Array, lower: Array, upper: Array, p: float, start: Array | None = None) -> DualAnswer:
    """Solve a block of coupled moments in all frames.

    ``A`` (T, D, N), ``b`` (T, D), ``lower`` and ``upper`` (T, N); ``start`` (T, D) multipliers to start from, NaN in
    frames without.
    """
    xp = namespace(A)
    square = DualProgram(A, b, lower, upper, quadratic_response(), allowed_residual(b))
    cold = least_norm(A, b)
    warm = xp.all(xp.isfinite(cold if start is None else start), axis=1)
    if p == 2.0:
        return newton(square, cold if start is None else xp.where(warm[:, None], start, cold))
    answer = newton(square, cold)
    state = _State(square, answer, p, xp.full_like(square.allowed, xp.inf))
    active, last = xp.nonzero(~answer.infeasible)[0], last_delta(p)
    if start is not None:
        known = active[warm[active]]
        answer.y[known] = square.keep(known).answer(power_answer(times(start[known], A[known]), p))[1]
        state.turn(known, p, last, EXACTLY, start[known])
        active = active[state.gap[active] > GAP]
    for exponent, delta in _stages(p):
        state.turn(active, exponent, delta, EXACTLY if (exponent, delta) == (p, last) else ROUGHLY)
    for share in SHARES:
        active = active[state.gap[active] > GAP]
        state.turn(active, p, last, EXACTLY, share=share)
    return answer


def allowed_residual(b: Array) -> Array:
    """What (T,) of the moments a finished frame may miss."""
    return TOLERANCE * at_least(namespace(b).max(namespace(b).abs(b), axis=1), 1.0)


def least_norm(A: Array, b: Array) -> Array:
    """Multipliers (T, D) of p = 2 without bounds."""
    xp = namespace(A)
    curvature = xp.matmul(A, xp.matrix_transpose(A))
    return solve_regularised(curvature, 1e-12, b)


def power_response(p: float, delta: float) -> Response:
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


def last_delta(p: float) -> float:
    """The smallest δ: below it z drowns in rounding."""
    return max(float(EDGE ** (1.0 / (p - 1.0))), 1e-30)


def _stages(p: float) -> list[tuple[float, float]]:
    """Exponents and δ on the way to p: the curvature δ^(p−2) at zero falls by equal factors, of SHRINK at most."""
    last = last_delta(p)
    if p > LARGE or p < SMALL:
        return [*_stages(p / RATIO if p > LARGE else 2.0 * p - 1.0), (p, last)]
    count = max(1, math.ceil((p - 2.0) * math.log(last) / math.log(SHRINK) - 1e-9))
    return [(p, last if turn == count else last ** (turn / count)) for turn in range(1, count + 1)]


@dataclass(frozen=True, eq=False)
class _State:
    """What is known of a block's frames: the best answer yet and its relative gap (T,)."""

    square: DualProgram
    answer: DualAnswer
    p: float
    gap: Array

    def turn(
        self, active: Array, p: float, delta: float, enough: float, begin: Array | None = None, share: float = SHARE
    ) -> None:
        """One Newton solve of the active frames with exponent p, quadratic below δ; better answers are kept."""
        if not active.shape[0]:
            return
        xp, answer = namespace(self.gap), self.answer
        size = at_least(xp.max(xp.abs(answer.y[active]), axis=1), 1e-9)[:, None]
        square = self.square.keep(active)
        program = DualProgram(
            square.A, square.b / size, square.lower / size, square.upper / size,
            power_response(p, delta), square.allowed / size[:, 0],
        )  # fmt: skip
        first = _fit(program, answer.y[active] / size, p, delta, share) if begin is None else begin / size ** (p - 1.0)
        found = newton(program, first, STAGE_STEPS, enough / p, share)
        z = times(found.multipliers, program.A)
        met = meet(program, found.y, z, p, delta, share)
        answer.steps[active] = answer.steps[active] + found.steps + met.steps
        good = xp.max(xp.abs(program.b - act(program.A, met.y)), axis=1) <= program.allowed
        if p == self.p:
            cost = xp.sum(power(at_least(xp.abs(met.y), TINY), p), axis=1) / p
            gap = duality_gap(met.y, z, program.lower, program.upper, p) / at_least(cost, TINY)
            good = good & (gap < self.gap[active])
            self.gap[active[good]] = gap[good]
        kept = active[good]
        answer.y[kept] = xp.minimum(xp.maximum(met.y * size, square.lower), square.upper)[good]
        answer.multipliers[kept] = (found.multipliers * size ** (p - 1.0))[good]


def _stiffness(y: Array, p: float, delta: float) -> tuple[Array, Array]:
    """Slope and curvature of the power at y, made quadratic for |y| < δ."""
    xp = namespace(y)
    size = xp.abs(y)
    curvature = power(at_least(size, delta), p - 2.0)
    return curvature * y, xp.where(size > delta, (p - 1.0) * curvature, curvature)


def _fit(program: DualProgram, y: Array, p: float, delta: float, share: float) -> Array:
    """Multipliers (T, D) that a quadratic model about y asks for, if the same unknowns stay on their bounds."""
    xp = namespace(y)
    slope, stiffness = _stiffness(y, p, delta)
    inside = (y > program.lower) & (y < program.upper)
    compliance = xp.where(inside, 1.0 / stiffness, 0.0)
    curvature = xp.matmul(program.A * compliance[:, None, :], xp.matrix_transpose(program.A))
    right = act(program.A, compliance * slope) + program.b - act(program.A, y)
    return solve_regularised(curvature, 0.1 * share, right)


def meet(program: DualProgram, y: Array, z: Array, p: float, delta: float, share: float = SHARE) -> DualAnswer:
    """The y that meets the moments within the bounds at least cost, as a quadratic model about y, z has it."""
    slope, stiffness = _stiffness(y, p, delta)
    compliance = 1.0 / stiffness
    response = quadratic_response(y + (z - slope) * compliance, compliance)
    near = DualProgram(program.A, program.b, program.lower, program.upper, response, program.allowed)
    return newton(near, namespace(y).zeros_like(program.b), STAGE_STEPS, 0.0, share)
