"""Every cost, exponent, tendon and transcription converges on built models, to the optimum of its program."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from osimopt import load_problem, solve_dynamic, use_degroote_muscles
from osimopt.dynamic.mesh import RADAU
from osimopt.problem.problem import RedundancyProblem
from osimopt.solution.checks import PENALTY_SHARE

pytestmark = pytest.mark.filterwarnings("ignore:The mesh is coarse for this motion:UserWarning")
TRANSCRIPTIONS = ("trapezoidal", "hermite-simpson", RADAU)
POWERS = [(cost, p) for cost in ("excitation_power", "activation_power") for p in (1.5, 2.0, 3.0, 10.0)]
FIXED = ("sum_force", "sum_force_squared", "sum_stress_squared", "sum_moment_ratio_cubed", "min_max")
COSTS = POWERS + [(cost, 2.0) for cost in FIXED]
#: What an objective may be above that of a solve from another start at a tenth of the tolerance, relative.
OPTIMAL = 1e-4
#: Largest number of iterations of a solve; 105 were needed.
MOST = 200


@pytest.fixture(scope="module")
def problems(arm: Any, two_leg: Any) -> dict[str, RedundancyProblem]:
    bent = load_problem(arm.model, arm.motion, time_range=(0.2, 0.6), reserves=1.0)
    walk = load_problem(two_leg.model, two_leg.motion, two_leg.loads)
    models = {"arm": use_degroote_muscles(bent, fiber_damping=0.01), "two_leg": use_degroote_muscles(walk)}
    return {name: replace(problem, source=None) for name, problem in models.items()}


def converges(problem: RedundancyProblem, **options: Any) -> Any:
    """Solve; the share of the penalty is small, and the report of forward integration names the mesh if any."""
    solution = solve_dynamic(problem, mesh_interval=0.04, **options)
    assert solution.success
    assert solution.iterations[0] <= MOST
    assert solution.penalty_share < PENALTY_SHARE
    last = solution.provenance["rounds"][-1]
    assert last["violation"] < 2e-6
    assert last["stationarity"] < 2e-6
    return solution


@pytest.mark.parametrize(("cost", "exponent"), [("min_max", 2.0), ("sum_force", 2.0)])
def test_the_hardest_costs(problems: dict[str, RedundancyProblem], cost: str, exponent: float) -> None:
    converges(problems["arm"], cost=cost, exponent=exponent)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["arm", "two_leg"])
@pytest.mark.parametrize("tendon", ["rigid", "compliant"])
@pytest.mark.parametrize("transcription", TRANSCRIPTIONS)
@pytest.mark.parametrize(("cost", "exponent"), COSTS)
def test_every_cost(
    problems: dict[str, RedundancyProblem], model: str, tendon: str, transcription: str, cost: str, exponent: float
) -> None:
    converges(problems[model], cost=cost, exponent=exponent, tendon=tendon, transcription=transcription)


@pytest.mark.slow
@pytest.mark.parametrize(("cost", "exponent"), COSTS)
def test_another_start_finds_nothing_better(problems: dict[str, RedundancyProblem], cost: str, exponent: float) -> None:
    """With rigid tendons; a local optimum or an early stop would differ."""
    options: dict[str, Any] = {"cost": cost, "exponent": exponent, "tendon": "rigid"}
    solution = converges(problems["arm"], **options)
    other = converges(problems["arm"], initial_guess="midpoint", tolerance=1e-7, **options)
    assert solution.total_objective <= other.total_objective * (1.0 + OPTIMAL)
    assert np.isfinite(solution.check.force_error).all()
