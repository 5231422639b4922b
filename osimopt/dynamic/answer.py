"""What comes back from casadi's process."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Answer:
    """The last iterate of a solver, and how good it is.

    ``solved`` and ``said`` are the solver's own judgement; ``violation`` is the largest of a constraint,
    ``stationarity`` that of the first-order conditions, both scaled as the program is.
    """

    x: Array
    solved: bool
    said: str
    iterations: int
    objective: float
    violation: float
    stationarity: float
    build_seconds: float
    solve_seconds: float
