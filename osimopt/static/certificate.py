"""How far an answer can be from the optimum, proved frame by frame.

An answer y(λ) misses the moments; where that is more than rounding it is repaired first, at least cost and within the
bounds. A frame whose repair still misses them is left uncertified. For the repaired ỹ, which misses b by ρ, and any λ,
P(ỹ) − P* is at most Σ_i [φ(ỹ_i) − φ(y°_i) − z_i (ỹ_i − y°_i)] − λᵀρ, with y° = y(λ), z = Aᵀλ: a sum of terms that are
never negative, computed without cancellation, and what rounding leaves of the moments, priced by λ (where λ is
thousands, 1e-12 N·m are worth 1e-9): counted without sign.

From the gap follows how far each activation can be from its optimum: by the strong convexity of |y|^p / p within the
bounds of the muscles, and, for p > 2, unknown by unknown, because the optimum's own sum is at most the gap too.

Written with the array API, for NumPy and torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .dual import Program, act, quadratic_response, times
from .gap import TINY, at_least, duality_gap, namespace, power, power_answer, power_slope
from .power import allowed_residual, last_delta, meet

#: Arrays of NumPy or torch.
Array = Any

#: A repaired answer may miss the moments by this many times what a solved one may: the gap counts it.
FEASIBLE = 100.0


@dataclass(frozen=True, eq=False)
class Certificate:
    """Of a block's frames (T,): repaired y (T, N), duality gap, bound on the error of any unknown, and validity."""

    y: Array
    gap: Array
    error: Array
    valid: Array


def certify(
    A: Array, b: Array, lower: Array, upper: Array, p: float, y: Array, multipliers: Array, scale: Array, muscles: Any
) -> Certificate:
    """Repair a block's answer y (T, N) where that is needed, and bound its distance from the optimum.

    ``muscles`` says of which unknowns the error is wanted; it is counted in x = y / ``scale`` (T, N).
    """
    xp = namespace(A)
    z = times(multipliers, A)
    allowed = allowed_residual(b)
    repaired = _repaired(Program(A, b, lower, upper, quadratic_response(), allowed), y, z, p)
    rest = b - act(A, repaired)
    missed = xp.max(xp.abs(rest), axis=1)
    gap = duality_gap(repaired, z, lower, upper, p) + xp.sum(xp.abs(multipliers * rest), axis=1)
    feasible = missed <= FEASIBLE * allowed
    if not repaired[:1, muscles].shape[1]:
        return Certificate(repaired, gap, xp.zeros_like(gap), feasible)
    low, high, s = lower[:, muscles], upper[:, muscles], scale[:, muscles]
    error = distance_bound(gap, p, at_least(xp.min(low, axis=1), 0.0), xp.max(xp.maximum(xp.abs(low), high), axis=1))
    error = error[:, None] if p <= 2.0 else _each(gap, p, error, repaired[:, muscles], z[:, muscles], low, high)
    return Certificate(repaired, gap, xp.max(error / s, axis=1), feasible)


def _repaired(program: Program, y: Array, z: Array, p: float) -> Array:
    """The answer with its moments met where it missed them, if that can be.

    The power's own curvature repairs at least cost; where it is too steep for that, a plain square does.
    """
    xp = namespace(y)
    repaired = y
    for delta in (max(last_delta(p), 1e-6), 1.0):
        missed = xp.max(xp.abs(program.b - act(program.A, repaired)), axis=1) > 2.0 * program.allowed
        if not bool(xp.any(missed)):
            break
        few = xp.nonzero(missed)[0]
        part = program.keep(few)
        size = at_least(xp.max(xp.abs(y[few]), axis=1), 1e-9)[:, None]
        sized = Program(
            part.A, part.b / size, part.lower / size, part.upper / size, part.response, part.allowed / size[:, 0]
        )
        met = size * meet(sized, y[few] / size, z[few] / size ** (p - 1.0), p, delta).y
        repaired = repaired + 0.0
        repaired[few] = xp.minimum(xp.maximum(met, part.lower), part.upper)
    return repaired


def distance_bound(gap: Array, p: float, smallest: Array, largest: Array) -> Array:
    """Bound (T,) on ‖ỹ − y*‖ (in the p-norm where p > 2) of unknowns with smallest ≤ |y| ≤ largest, from the gap.

    p = 2: √(2 gap). p > 2: (p 2^(p−2) gap)^(1/p), or √(2 gap / ((p−1) smallest^(p−2))) where that is less.
    p < 2: √(2 gap / ((p−1) largest^(p−2))).
    """
    xp = namespace(gap)
    if p <= 2.0:
        return xp.sqrt(2.0 * gap / ((p - 1.0) * largest ** (p - 2.0)))
    anywhere = (p * 2.0 ** (p - 2.0) * gap) ** (1.0 / p)
    stiffness = (p - 1.0) * smallest ** (p - 2.0)
    away = xp.sqrt(2.0 * gap / xp.where(stiffness > 0.0, stiffness, 1.0))
    return xp.where(stiffness > 0.0, xp.minimum(anywhere, away), anywhere)


def _each(gap: Array, p: float, all_: Array, y: Array, z: Array, lower: Array, upper: Array) -> Array:
    """Bound (T, N) on |ỹ_i − y*_i| for p > 2, at most ``all_`` (T,).

    With y° = y(λ), both ỹ and y* have D(y, y°) + (φ′(y°) − z)(y − y°) ≤ gap in every unknown. So |y* − y°| is at most
    gap / |φ′(y°) − z| on a bound, and at most r = √(2 gap / ((p−1) (|y°|/2)^(p−2))) where r ≤ |y°|/2.
    """
    xp = namespace(y)
    best = xp.minimum(xp.maximum(power_answer(z, p), lower), upper)
    pressed = xp.abs(power_slope(best, p) - z)
    half = at_least(0.5 * xp.abs(best), TINY)
    near = xp.sqrt(2.0 * gap[:, None] / ((p - 1.0) * at_least(power(half, p - 2.0), TINY)))
    reach = xp.where(near <= half, near, xp.inf)
    onto = (best == lower) | (best == upper)
    reach = xp.where(onto, xp.minimum(reach, gap[:, None] / at_least(pressed, TINY)), reach)
    return xp.minimum(all_[:, None], reach + xp.abs(y - best))
