"""What exact muscle paths change in the muscle forces of OpenSim's static optimization."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import OsimoptError, some
from ..problem.arrays import Array
from ..solution.checks import FORCE_DIFFERS, FORCE_SHARE
from ..solution.findings import MUSCLES
from ..solution.solution import RedundancySolution


def compare_with_exact(
    solution: RedundancySolution, solve_exact: Callable[[], RedundancySolution]
) -> tuple[dict[str, Any], str]:
    """Solve with exact paths, too; what a provenance keeps of the differences, and a sentence about them.

    Nothing is raised: where there is no solution to compare with, the sentence says why. Warnings of ``solve_exact``
    are not given, as those of the solution were.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            exact = solve_exact()
    except Exception as error:  # the files of the run do not depend on it
        why = str(error) if isinstance(error, OsimoptError) else f"{type(error).__name__}: {error}"
        return {"not_compared": why}, f"Forces were not compared with those of exact paths: {why}"
    found = force_differences(solution, exact)
    left = [name for name, kind in exact.provenance["geometry"].items() if kind != "exact"]
    missing = int((solution.solved & ~exact.solved).sum())
    return {"force_N_at_s": found, "without_exact_path": left}, _sentence(found, left, missing)


def force_differences(solution: RedundancySolution, other: RedundancySolution) -> dict[str, tuple[float, float]]:
    """By muscle: by how much its force in the other solution differs most, in N, and the time of that in s.

    The largest comes first. Differences below ``FORCE_DIFFERS`` and ``FORCE_SHARE`` of the muscle's peak are left out,
    and so are frames that one of the two has not solved.
    """
    both = solution.solved & other.solved
    if not both.any():
        return {}
    time, mine, theirs = solution.time[both], solution.muscle_force[both], other.muscle_force[both]
    apart = theirs - mine
    worst = np.abs(apart).argmax(axis=0)
    size: Array = np.take_along_axis(apart, worst[None], axis=0)[0]
    limit = np.maximum(FORCE_DIFFERS, FORCE_SHARE * np.maximum(mine, theirs).max(axis=0))
    names = solution.problem.muscles
    order = sorted(np.flatnonzero(np.abs(size) > limit).tolist(), key=lambda muscle: -abs(size[muscle]))
    return {names[muscle]: (float(size[muscle]), float(time[worst[muscle]])) for muscle in order}


def _sentence(found: dict[str, tuple[float, float]], left: list[str], missing: int) -> str:
    limit = f"{FORCE_DIFFERS:g} N and {FORCE_SHARE:.0%} of the peak"
    listed = some([f"{name} ({size:+.3g} N at {time:.4g} s)" for name, (size, time) in found.items()], MUSCLES)
    text = f"Exact muscle paths change no force by more than {limit}."
    if found:
        text = f"Exact muscle paths (--geometry exact) change {len(found)} forces by more than {limit}: {listed}."
    if left:
        text += f" Without an exact path, which osimopt takes from OpenSim: {some(left, MUSCLES)}."
    return text + (f" With exact paths {missing} more frames have no answer." if missing else "")
