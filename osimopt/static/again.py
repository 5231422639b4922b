"""A frame whose answer was not proved, solved again in other ways until one is, or the moments are proved too much."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from ..costs import Cost
from ..problem import RedundancyProblem
from ..solution import Status
from .frame import Frame, InfeasibleError, acting
from .framewise import Found, describe_shortfall, solve_reduced
from .interior import interior
from .linear import attainable
from .nonlinear import fitting_multipliers
from .proof import prove

Array = NDArray[np.float64]

#: What the interior point adds to the diagonal of its systems, in turn: less is more exact, more is more robust.
SHARES = (1e-14, 1e-12)


@dataclass(frozen=True, eq=False)
class _Try:
    """Unknowns (U,), multipliers (D,), iterations, and whether it may stand without proof."""

    x: Array
    multipliers: Array
    iterations: int
    stands: bool
    how: str


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
            sure = bool(proof.certified[0])
            if sure or (attempt.stands and proof.feasible[0] and found.status[frame] is not Status.SOLVED):
                found.x[frame], found.iterations[frame] = attempt.x, attempt.iterations
                found.status[frame] = Status.SOLVED
                found.detail[frame] = f"Solved by {attempt.how}: newton did not come to rest."
            if sure:
                found.gap[frame] = unit * proof.gap[0]
                found.activation_error[frame] = proof.activation_error[0]
                found.multipliers[frame] = unit * attempt.multipliers
                return
    except InfeasibleError as error:
        found.status[frame] = Status.INFEASIBLE
        found.detail[frame] = describe_shortfall(problem, error.shortfall)
    except ArithmeticError as error:
        found.detail.setdefault(frame, str(error))
    if found.status[frame] is Status.SOLVED:
        found.detail[frame] += " Not certified."


def _tries(whole: Frame, cost: Cost, scale: Array, suspect: bool) -> Iterator[_Try]:
    """An interior point; the same for the nearest moments that can be met; then slsqp.

    Raises
    ------
    InfeasibleError
        Those moments are proved to be too far.
    """
    if not suspect:
        yield from _interior(whole, cost, scale)
    near = attainable(whole)[0]
    yield from _interior(near, cost, scale)
    try:
        answer, _ = solve_reduced(near, cost, "slsqp", scale, None)
    except (InfeasibleError, ArithmeticError):
        return
    fitted = fitting_multipliers(whole.A, whole.lower, whole.upper, cost.exponent, scale, answer.y)
    yield _Try(answer.y, fitted, answer.iterations, answer.converged, "slsqp")


def _interior(frame: Frame, cost: Cost, scale: Array) -> Iterator[_Try]:
    """With all effects, and without those that are rounding: moments may be met with the ones or the others only."""
    s = np.where(scale > 0.0, scale, 1.0)
    A = acting(frame)
    ways = (frame, replace(frame, A=A)) if (A != frame.A).any() else (frame,)
    for share, one in product(SHARES, ways):
        y, multipliers, steps, met = interior(one.scaled(s), cost.exponent, share)
        yield _Try(y / s, multipliers, steps, met, "an interior-point method")
