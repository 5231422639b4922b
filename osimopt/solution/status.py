"""Whether a frame has an answer: its status, and the residuals and bounds that decide it, computed from the problem."""

from __future__ import annotations

from enum import Enum

import numpy as np
from numpy.typing import NDArray

from ..namespace import Tensor, alike, filled, namespace, plain
from ..problem.arrays import Array
from ..problem.problem import RedundancyProblem
from .checks import BOUND_TOLERANCE, LEAST_MOMENT
from .summary import carried


class Status(Enum):
    """Outcome of one frame; the value is a sentence with its meaning and a remedy.

    Examples
    --------
    >>> import osimopt
    >>> problem = osimopt.RedundancyProblem.from_arrays([0.05, 0.03], [500.0, 300.0], [[12.0], [40.0]])
    >>> solution = osimopt.solve_static(problem, on_failure="return")
    >>> [status.name for status in solution.status]
    ['SOLVED', 'INFEASIBLE']
    >>> solution.status == osimopt.Status.SOLVED
    array([ True, False])
    """

    SOLVED = "Solved: moments and bounds hold."
    INFEASIBLE = (
        "No activations within their bounds give these moments. Check units and loads, add reserves (reserves='auto' "
        "gives a coordinate without muscles a residual actuator), or strengthen the muscles that end on their upper "
        "bound."
    )
    NOT_CONVERGED = (
        "The solver stopped before it converged. Try another solver= or initial_guess=, or an exponent nearer to 2."
    )
    RESIDUAL = "The solver claimed success, but its answer misses the moments. Raise tolerance= or try another solver=."
    OUT_OF_BOUNDS = "The solver claimed success, but its answer violates the bounds. Try another solver=."

    UNFINISHED = "The whole interval has no solution; the values are the solver's last iterate."

    @property
    def ok(self) -> bool:
        """Whether the frame has an answer."""
        return self is Status.SOLVED

    @property
    def rank(self) -> int:
        """Where it stands in the order of its declaration."""
        return list(Status).index(self)


def moment_residual(problem: RedundancyProblem, activation: Array, control: Array) -> Tensor:
    """(T, D) R (max_force · a + passive_force) + effect e − τ."""
    force = problem.max_force * activation + problem.passive_force
    return carried(problem, control) - problem.generalized_force + problem.geometry.moments(force)


def judge(
    problem: RedundancyProblem, x: Array, status: NDArray[np.object_], tolerance: float, detail: dict[int, str]
) -> tuple[Array, Array, NDArray[np.object_]]:
    """Split (T, M + K) unknowns, check them against the problem, blank failed frames.

    A frame claimed solved is downgraded where a moment is missed by more than
    ``tolerance`` · max(1 N·m, its largest moment) or a bound is passed by more than 1e-9.
    """
    count, xp = len(problem.muscles), namespace(x)
    activation, control = x[:, :count] + 0.0, x[:, count:] + 0.0
    lower, upper = (alike(bound, x) for bound in problem.bounds())
    allowed = tolerance * xp.clip(_largest(problem.generalized_force), LEAST_MOMENT, None)
    missed = _largest(moment_residual(problem, activation, control))
    outside = _largest(xp.clip(xp.maximum(lower - x, x - upper), 0.0, None))
    checked = np.array(status, dtype=object)
    claimed = checked == Status.SOLVED
    unmet = claimed & ~plain(missed <= allowed)
    checked[unmet] = Status.RESIDUAL
    checked[claimed & ~unmet & ~plain(outside <= BOUND_TOLERANCE)] = Status.OUT_OF_BOUNDS
    for frame in np.flatnonzero(unmet).tolist():
        detail[frame] = f"Missed by {missed[frame]:.2g} N·m, allowed {allowed[frame]:.2g}."
    failed = checked != Status.SOLVED
    if failed.any():
        activation[failed], control[failed] = np.nan, np.nan
    return activation, control, checked


def _largest(array: Array) -> Tensor:
    """The largest absolute value (T,) of an array (T, N), 0 without any."""
    xp = namespace(array)
    return xp.max(xp.abs(array), axis=1) if array.shape[1] else filled((array.shape[0],), 0.0, array)
