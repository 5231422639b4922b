"""A trial's arrays and solutions, compared with what other ways of computing give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..namespace import plain
from ..problem.arrays import Array, GeneralizedForce, Kinematics, MuscleGeometry
from ..solution.solution import RedundancySolution
from .bandwidth import moments_above
from .exact import ExactPaths
from .exact_bench import Bench, set_up
from .exact_check import check_dynamics, check_paths
from .exact_solution import check_exact_solution
from .extraction import Extraction, ModelFor
from .messages import Claims
from .polynomials import compare_paths
from .selfcheck import Missing, check_solution, check_trial, spread


@dataclass(eq=False)
class TrialCheck:
    """How exact paths and dynamics are compared with other arrays, and all else with OpenSim.

    ``kept`` are the last frames in which exact paths and dynamics were compared.
    """

    extraction: Extraction
    kept: Bench | None = field(default=None, init=False)

    def arrays(
        self, motion: Kinematics, geometry: MuscleGeometry, gain: Array, target: Array | None, model_for: ModelFor
    ) -> tuple[dict[str, Any], list[str]]:
        """Compare three frames of a motion; returns the differences by what was compared, and warnings.

        ``target`` (T, D) are generalized forces, None where they are given.
        """
        found, model, checks = self.extraction, self.extraction.model, dict[str, Any]()
        few, choice, names = spread(len(motion.time)), found.choice, model.description.muscles.names
        frames, moments = motion.frames(few), None if target is None else plain(target[few])
        along = geometry.frames(few).moved(plain)
        if found.exact is not None:
            own = [i for i in choice.acting if names[i] in found.exact.muscles]
            if own:
                checks["paths"] = check_paths(self.bench(frames), model, along, own)
        if found.dynamics is not None and moments is not None:
            checks["dynamics"] = check_dynamics(self.bench(frames), model, moments)
        if found.dynamics is not None and not choice.by_model:
            return checks, []
        moments = None if found.dynamics is not None else moments
        model, claims = model_for(frames), Claims(None, None, None, moments)
        if not choice.given:
            gain_by_opensim = plain(gain[few]) if found.options.gain == "opensim" else None
            claims = Claims(choice.pairs, along.moment_arms, gain_by_opensim, moments)
        checks["trial"] = check_trial(model, frames, claims, found.n_jobs, choice.acting)
        if found.fitted is None or found.pulling is not None:
            return checks, []
        others = [i for i in choice.acting if names[i] in found.fitted.muscles]
        return checks, compare_paths(model, frames, along.moment_arm, others)

    def noise(self, moments: GeneralizedForce, motion: Kinematics, left: Sequence[str]) -> list[str]:
        """Warnings of noise in the moments of inverse dynamics, but for those on coordinates that are left out."""
        options = self.extraction.options
        own = [row for row, name in enumerate(moments.coordinates) if name not in left]
        value = moments.value[:, own]
        if options.lowpass_hz is None:  # with a filter, no values are needed
            value = plain(value)
        kept = GeneralizedForce(moments.time, tuple(moments.coordinates[row] for row in own), value)
        return moments_above(options, motion, self.extraction.model, kept, given=False)

    def solution(self, solution: RedundancySolution, missing: Sequence[Missing], model_for: ModelFor) -> dict[str, Any]:
        """Put the forces of a solution back on the model; returns the differences, or why nothing was checked.

        By arrays where these give the dynamics, else by OpenSim. ``missing`` functions give the generalized forces on
        coordinates that a part of the body leaves out.

        Raises
        ------
        ModelError
            They do not give the motion's accelerations.
        """
        found, model = self.extraction, self.extraction.model
        if not found.moments:
            return {"not_checked": "moments from a file"}
        known = np.isin(solution.time, found.motion.time)
        if solution.problem.source is None and not known.any():
            return {"not_checked": "splines between the frames of the motion"}
        among = known if known.any() else ~known
        if found.dynamics is not None:
            return check_exact_solution(solution, among, model, self.bench, missing)
        fitted = (*found.choice.given, *model.description.within)
        return check_solution(solution, among, model_for, fitted, missing, found.exact)

    def bench(self, motion: Kinematics) -> Bench:
        """Frames in which exact paths and dynamics are compared; the last ones are kept."""
        found, paths = self.extraction, self.extraction.exact
        if paths is None:
            assert found.dynamics is not None
            paths = ExactPaths(found.dynamics.multibody, found.dynamics.paths, (), {})
        if self.kept is None or self.kept.paths.muscles != paths.muscles or not self.kept.motion.same(motion):
            free = np.array(found.model.description.free, dtype=np.intp)
            self.kept = set_up(paths, found.dynamics, motion, free)
        return self.kept
