"""How far to go along a step of the multipliers: the dual function is concave, so its slope falls. NumPy or torch."""

from __future__ import annotations

from typing import Any

from .gap import device_of, namespace

#: Arrays of NumPy or torch.
Array = Any

#: A length will do where the slope is at most this share of that at the start, of either sign.
SLOPE_SHARE = 0.3
#: Lengths that may be tried.
SEARCHES = 60
#: Frames that are done are dropped from the arrays when fewer than this share is left to do: dropping copies.
LEFT = 0.8


def line_search(program: Any, z: Array, along: Array, gained: Array, rise: Array, slope: Array) -> Array:
    """Lengths (T,) of a step at which the slope of the dual function, bᵀd − yᵀAᵀd, is small.

    ``program`` gives y within the bounds at z (T, N); ``along`` is Aᵀd and ``gained`` bᵀd of the step d; ``rise`` and
    ``slope`` are the slopes at lengths 0 and 1.
    """
    xp = namespace(z)
    length, index = xp.ones_like(rise), xp.arange(rise.shape[0], device=device_of(rise))
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
    """Grow by 8 while the slope at the far end still rises; then secants and means in turn."""
    xp = namespace(low)
    width = high - low
    if turn % 2:
        # Near 0 the response can be steep: the length that will do is often far below the mean.
        inner = xp.where(low > 0.0, 0.5 * (low + high), 0.2 * high)
    else:
        secant = low + width * low_slope / xp.where(high_slope < 0.0, low_slope - high_slope, 1.0)
        inner = xp.minimum(xp.maximum(secant, low + 0.02 * width), high - 0.02 * width)
    return xp.where(high_slope >= 0.0, 8.0 * high, inner)
