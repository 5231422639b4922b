"""An answer that misses the moments by more than rounding, repaired at least cost and within the bounds.

Written with the array API, for NumPy and torch.
"""

from __future__ import annotations

from typing import Any

from .dual import DualProgram, act, quadratic_response, times
from .gap import at_least, namespace
from .power import allowed_residual, last_delta, meet

#: Arrays of NumPy or torch.
Array = Any


def repaired(A: Array, b: Array, lower: Array, upper: Array, p: float, y: Array, multipliers: Array) -> Array:
    """A block's answer y (T, N) with its moments met where it missed them, if that can be.

    The power's own curvature repairs at least cost; where it is too steep for that, a plain square does.
    """
    xp, z = namespace(y), None
    program = DualProgram(A, b, lower, upper, quadratic_response(), allowed_residual(b))
    for delta in (max(last_delta(p), 1e-6), 1.0):
        missed = xp.max(xp.abs(b - act(A, y)), axis=1) > 2.0 * program.allowed
        if not bool(xp.any(missed)):
            break
        z = times(multipliers, A) if z is None else z
        few = xp.nonzero(missed)[0]
        part = program.keep(few)
        size = at_least(xp.max(xp.abs(y[few]), axis=1), 1e-9)[:, None]
        sized = DualProgram(
            part.A, part.b / size, part.lower / size, part.upper / size, part.response, part.allowed / size[:, 0]
        )
        met = size * meet(sized, y[few] / size, z[few] / size ** (p - 1.0), p, delta).y
        y = y + 0.0
        y[few] = xp.minimum(xp.maximum(met, part.lower), part.upper)
    return y
