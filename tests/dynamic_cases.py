"""A small problem of dynamic optimization that several files of tests solve."""

from __future__ import annotations

from typing import Any

import numpy as np

from osimopt import solve_dynamic
from osimopt.problem.problem import RedundancyProblem

#: IPOPT's tolerance, and how exact activations are then where the objective is not flat.
FINE, NEAR = 1e-8, 1e-5
NAMES = ("biceps", "brachialis", "triceps")


def elbow(duration: float = 1.0, reserves: float | None = 1.0) -> RedundancyProblem:
    """Three muscles about one joint, whose moment changes its sign."""
    time = np.linspace(0.0, duration, 101)
    moment = 10.0 + 20.0 * np.sin(2.0 * np.pi * time / duration)
    return RedundancyProblem.from_arrays(
        [[0.05, 0.03, -0.025]],
        [800.0, 1200.0, 1000.0],
        moment,
        [16.0, 30.0, 20.0],
        time=time,
        muscles=NAMES,
        reserves=reserves,
    )


def solved(problem: RedundancyProblem | None = None, **options: Any) -> Any:
    given: dict[str, Any] = {"tendon": "rigid", "mesh_interval": 0.04, "tolerance": FINE}
    return solve_dynamic(elbow() if problem is None else problem, **(given | options))
