"""Which differences of forces are named, and in what order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import osimopt
from osimopt.pipeline.exact_forces import force_differences
from osimopt.solution.checks import FORCE_DIFFERS, FORCE_SHARE
from osimopt.solution.status import Status


@pytest.fixture(scope="module")
def solution() -> osimopt.RedundancySolution:
    """Forces of 50 N and of 500 N."""
    problem = osimopt.RedundancyProblem.from_arrays(
        [0.05, 0.05], [100.0, 1000.0], [[27.5], [27.5], [27.5]], muscles=["weak", "strong"]
    )
    found = osimopt.solve_static(problem)
    return replace(found, activation=np.full((3, 2), 0.5))


def moved(solution: osimopt.RedundancySolution, frame: int, muscle: int, newtons: float) -> osimopt.RedundancySolution:
    activation = solution.activation.copy()
    activation[frame, muscle] += newtons / solution.problem.max_force[frame, muscle]
    return replace(solution, activation=activation)


@pytest.mark.parametrize(("muscle", "limit"), [(0, FORCE_DIFFERS), (1, FORCE_SHARE * 500.0)])
def test_the_limits_are_a_newton_and_a_hundredth_of_the_peak(
    solution: osimopt.RedundancySolution, muscle: int, limit: float
) -> None:
    assert force_differences(solution, moved(solution, 1, muscle, -0.999 * limit)) == {}
    ((name, (newtons, time)),) = force_differences(solution, moved(solution, 1, muscle, -1.001 * limit)).items()
    assert (name, time) == (solution.problem.muscles[muscle], solution.time[1])
    assert newtons == pytest.approx(-1.001 * limit)


def test_the_largest_comes_first_and_failed_frames_do_not_count(solution: osimopt.RedundancySolution) -> None:
    other = moved(moved(moved(solution, 0, 0, 20.0), 1, 1, -30.0), 2, 1, 400.0)
    status = solution.status.copy()
    status[2] = Status.INFEASIBLE
    assert list(force_differences(solution, other)) == ["strong", "weak"]
    found = force_differences(solution, replace(other, status=status))
    assert list(found) == ["strong", "weak"]
    assert found["strong"] == pytest.approx((-30.0, solution.time[1]))
    assert force_differences(solution, replace(other, status=np.full(3, Status.INFEASIBLE, dtype=object))) == {}
