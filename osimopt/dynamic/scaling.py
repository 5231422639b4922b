"""A program as fatrop's elimination can bear it: the start within the bounds, and reserves in units of their own.

In every stage fatrop eliminates as many controls as there are equations, first those with the largest coefficients.
A muscle at its bound has a curvature of 1e8 and more in the barrier problem, which every control that is eliminated by
way of it spreads over the others, squared: a reserve of 1 N·m among muscles of 100 N·m makes the matrix look
indefinite when the barrier parameter comes to 1e-7, and the iterations creep. In units in which its coefficient is the
largest the reserve itself is eliminated: 28 iterations in place of no convergence in 150 (0.2 s of a walk with 80
muscles, Hermite-Simpson, rigid tendons).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from .layout import Layout
from .program import Program

Array = NDArray[np.float64]

#: Largest coefficient of a reserve, in equations whose muscles have coefficients up to about 10.
LEADING = 100.0
#: How far from its bounds an unknown begins, as a share of their distance and, at most, of max(1, |bound|).
FAR, NEAR = 1e-2, 1e-5


def reserve_units(program: Program, layout: Layout) -> Array:
    """(x,) units of the unknowns: those of reserves such that LEADING is their largest coefficient, others 1.

    Reserves whose cost is not a power that scales (an odd one is rounded off at zero) keep their unit.
    """
    units = np.ones(len(program.start))
    reserve = layout.reserve.ravel()
    largest = np.asarray(abs(program.linear[program.lower == program.upper][:, reserve]).max(axis=0).todense()).ravel()
    units[reserve] = LEADING / np.where(largest > 0.0, largest, LEADING)
    for group in program.groups:
        if group.kind != "magnitude" or group.exponent % 2.0 != 0.0:
            units[group.variables] = 1.0
    return units


def in_units(program: Program, units: Array) -> Program:
    """The same with unknowns x / units."""
    powers = [
        units[group.variables[:, 0]] ** group.exponent if group.kind == "magnitude" else np.ones(len(group.variables))
        for group in program.groups
    ]
    return replace(
        program,
        cost=program.cost * np.concatenate(powers),
        linear_cost=program.linear_cost * units,
        linear=(program.linear @ sparse.diags(units)).tocsc(),
        least=program.least / units,
        most=program.most / units,
        start=program.start / units,
    )


def within(program: Program, near: bool) -> Program:
    """With a start away from the bounds, further unless it is ``near`` the solution.

    The solver would move slack variables only; what they are slacks of then is not theirs from the beginning.
    """
    share = NEAR if near else FAR
    room = share * (program.most - program.least)
    least, most = (
        bound + sign * np.minimum(share * np.maximum(1.0, abs(np.where(known, bound, 0.0))), np.where(known, room, 0.0))
        for bound, sign in ((program.least, 1.0), (program.most, -1.0))
        for known in (np.isfinite(bound),)
    )
    return replace(program, start=np.clip(program.start, least, most))
