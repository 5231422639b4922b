"""A frame whose answer was not proved, solved again in other ways until one is, or the moments are proved too much."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from ..problem.costs import Cost
from ..problem.problem import RedundancyProblem
from ..solution.solution import Status
from .frame import Frame, InfeasibleError, acting
from .framewise import Found, describe_shortfall
from .interior import interior, interior_within
from .linear import attainable
from .proof import ALLOWED, prove

Array = NDArray[np.float64]

#: What the interior point adds to the diagonal of its systems, in turn: less is more exact, more is more robust.
SHARES = (1e-14, 1e-12)
#: Of what moments may be missed by: kept for rounding, in turn.
KEPT = (2e-7, 1e-2)


@dataclass(frozen=True, eq=False)
class _Try:
    """Unknowns (U,), multipliers (D,) and iterations."""

    x: Array
    multipliers: Array
    iterations: int


def solve_again(
    found: Found, problem: RedundancyProblem, frame: int, cost: Cost, scale: Array, unit: float, suspect: bool
) -> None:
    """Solve one frame and record it; ``suspect`` where newton believes that the moments cannot be met."""
    one = problem.frames(slice(frame, frame + 1))
    whole = Frame.of(*problem.system(frame), *problem.bounds())
    found.status[frame], found.multipliers[frame] = Status.NOT_CONVERGED, np.nan
    try:
        for attempt in _tries(whole, cost, scale, suspect):
            proof = prove(one, cost.exponent, scale[None], attempt.x[None], attempt.multipliers[None])
            if proof.certified[0]:
                found.x[frame], found.iterations[frame] = attempt.x, attempt.iterations
                found.status[frame] = Status.SOLVED
                found.detail[frame] = "Solved by an interior-point method: newton did not come to rest."
                found.gap[frame] = unit * proof.gap[0]
                found.activation_error[frame] = proof.activation_error[0]
                found.multipliers[frame] = unit * attempt.multipliers
                return
        found.detail[frame] = "No answer was proved to be within 1e-6 of the least cost."
    except InfeasibleError as error:
        found.status[frame] = Status.INFEASIBLE
        found.detail[frame] = describe_shortfall(problem, error.shortfall)


def _tries(whole: Frame, cost: Cost, scale: Array, suspect: bool) -> Iterator[_Try]:
    """An interior point; for the nearest moments that can be met; and within what moments may miss.

    Raises
    ------
    InfeasibleError
        Those moments are proved to be too far.
    """
    if not suspect:
        yield from _interior(whole, cost, scale)
    near = attainable(whole)[0]
    yield from _interior(near, cost, scale)
    s = np.where(scale > 0.0, scale, 1.0)
    allowed = ALLOWED * max(1.0, float(np.abs(whole.b).max(initial=0.0)))
    for kept in KEPT:
        y, multipliers, steps, _ = interior_within(whole.scaled(s), cost.exponent, (1.0 - kept) * allowed)
        yield _Try(y / s, multipliers, steps)


def _interior(frame: Frame, cost: Cost, scale: Array) -> Iterator[_Try]:
    """With all effects, and without those that are rounding: moments may be met with the ones or the others only."""
    s = np.where(scale > 0.0, scale, 1.0)
    A = acting(frame)
    ways = (frame, replace(frame, A=A)) if (A != frame.A).any() else (frame,)
    for share, one in product(SHARES, ways):
        y, multipliers, steps, _ = interior(one.scaled(s), cost.exponent, share)
        yield _Try(y / s, multipliers, steps)
