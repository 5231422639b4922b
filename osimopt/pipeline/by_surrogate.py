"""A problem solved by a surrogate, and by the exact method where the surrogate has no answer."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Literal

from ..dynamic.solution import SealedSolution
from ..dynamic.solve import solve_dynamic
from ..errors import InputError, explain
from ..muscle.conversion import use_degroote_muscles
from ..notices import warn
from ..problem.problem import RedundancyProblem
from ..solution.solution import RedundancySolution
from ..surrogate.surrogate import Surrogate


def read_surrogate(path: str | os.PathLike[str], device: str = "cpu") -> Any:
    """Read the folder of a surrogate of static or dynamic optimization: :meth:`osimopt.Surrogate.load`.

    Raises
    ------
    InputError
        No such folder, or a surrogate of muscle paths.
    """
    network = Surrogate.load(path, device)
    if not hasattr(network, "solve"):
        got = f"one of {network.kind}"
        raise InputError(explain("a surrogate of static or dynamic optimization", got, "Choose another.", path))
    return network


def solve_by_surrogate(
    problem: RedundancyProblem,
    network: Any,
    fallback: Literal["exact", "none"] = "exact",
    *,
    n_jobs: int | None = None,
    progress: Callable[[int, float, float], None] | None = None,
) -> RedundancySolution:
    """Solve a problem by a surrogate of static or dynamic optimization.

    Parameters
    ----------
    problem
        As the surrogate was trained for; with a dynamic one its muscles become De Groote's.
    network
        From :func:`read_surrogate`.
    fallback
        ``"exact"``: frames without an answer go to the exact solver. After a dynamic surrogate the whole motion goes
        to collocation, which begins from the surrogate's answer. ``"none"``: such frames are NaN.
    n_jobs, progress
        As in :func:`osimopt.solve_dynamic`, of the collocation.

    Returns
    -------
    RedundancySolution
        Where collocation fails, the surrogate's answer, its frames without an answer NaN, with a warning.

    Raises
    ------
    InputError
        A surrogate of other muscles or coordinates.
    """
    if network.kind != "dynamic":
        static: RedundancySolution = network.solve(problem, fallback=fallback, on_failure="return")
        return static
    problem = use_degroote_muscles(problem)
    prediction: RedundancySolution = network.solve(problem)
    if fallback == "none" or prediction.success:
        return prediction
    failed = int((~prediction.solved).sum())
    warn(f"The surrogate has no answer in {failed} of {len(problem)} frames: the motion is solved by collocation.")
    solution = solve_dynamic(problem, initial_guess=prediction, n_jobs=n_jobs, on_failure="return", progress=progress)
    if not isinstance(solution, SealedSolution):
        return solution
    text = f"{solution.reason} The surrogate's answer is kept: {failed} of {len(problem)} frames have none."
    warn(text)
    prediction.provenance["warnings"] = [*prediction.provenance.get("warnings", []), text]
    return prediction
