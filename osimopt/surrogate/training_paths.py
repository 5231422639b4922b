"""Whether a surrogate was trained with the muscle paths of the problem that it is to solve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..notices import warn
from ..problem.path_record import PathRecord
from ..problem.problem import RedundancyProblem


def paths_of(problems: Sequence[RedundancyProblem]) -> dict[str, Any]:
    """Record the paths that a surrogate is trained with, for its provenance."""
    return PathRecord.joined(map(PathRecord.of_problem, problems)).plain()


def other_paths(provenance: Mapping[str, Any], problem: RedundancyProblem) -> list[str]:
    """Warn, and return a sentence, where the problem has other paths than those of training by ``provenance``.

    A surrogate without a record is of osimopt before 0.2.0, and was trained with OpenSim's paths.
    """
    if "paths" not in provenance and not any(provenance.get("trials", ())):
        return []  # trained on plain arrays
    trained = PathRecord.read(provenance.get("paths", {}))
    differences = trained.differences(PathRecord.of_problem(problem))
    if not differences:
        return []
    kinds = sorted(set(trained.geometry.values())) or ["opensim"]
    remedy = f", or load the problem with geometry='{kinds[0]}'" if kinds in (["exact"], ["opensim"]) else ""
    text = f"The surrogate was trained with other muscle paths: {'; '.join(differences)}. Train it anew{remedy}."
    warn(text)
    return [text]
