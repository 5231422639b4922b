"""A program as fatrop's elimination can bear it: the start within the bounds, some unknowns in units of their own.

In every stage fatrop eliminates as many controls as there are equations, first those with the largest coefficients.
A muscle at its bound has a curvature of 1e8 and more in the barrier problem, which every control that is eliminated by
way of it spreads over the others, squared: with a reserve of 1 N·m among muscles of 100 N·m the matrix looks indefinite
when the barrier parameter comes to 1e-7, and iterations creep. In units in which their coefficients are the largest,
reserves and rates of tendon force are eliminated themselves, that are rarely at their bounds. 0.2 s of a walk with 80
muscles, Hermite-Simpson: 19 iterations with rigid tendons in place of none that converged, 34 with compliant tendons
in place of 139.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from .layout import Layout
from .program import Program

Array = NDArray[np.float64]

#: Largest coefficient of what is to be eliminated, where muscles have coefficients up to about 10.
LEADING = 100.0
#: Reserves with coefficients below keep their unit: to eliminate what is that weak makes a curvature of 1e9 itself.
FAINT = 5e-3
#: How far from its bounds an unknown begins, as a share of their distance and, at most, of max(1, |bound|).
FAR, NEAR = 1e-2, 1e-5


def leading_units(program: Program, layout: Layout) -> Array:
    """(x,) units of the unknowns: of reserves and force rates so that LEADING is their largest coefficient, else 1."""
    units = np.ones(len(program.start))
    equations = abs(program.linear[program.lower == program.upper])
    for unknowns, least in ((layout.reserve.ravel(), FAINT), (layout.force_rate.ravel(), 0.0)):
        if unknowns.size:
            largest = equations[:, unknowns].max(axis=0).toarray().ravel()
            units[unknowns] = LEADING / np.where(largest > least, largest, LEADING)
    return units


def in_units(program: Program, units: Array) -> Program:
    """The same with unknowns x / units."""
    return replace(
        program,
        groups=tuple(replace(group, units=units[group.variables]) for group in program.groups),
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
