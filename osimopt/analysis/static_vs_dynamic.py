"""Static against dynamic optimization of one motion: for which muscles they differ, and what dynamics cost.

Anderson and Pandy (2001), J Biomech 34(2), 153-161, doi:10.1016/S0021-9290(00)00155-X, found the two practically
equivalent for walking, a dynamic solution of least metabolic energy beside static ones of least Σ a² with its moments.
Here both solve the same problem: the same moments, De Groote muscles, passive force, reserves, exponent and times.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..dynamic.program import Progress
from ..dynamic.solution import DynamicSolution
from ..dynamic.solve import solve_dynamic
from ..errors import SolverError, some
from ..muscle.conversion import use_degroote_muscles
from ..problem.problem import RedundancyProblem
from ..solution.solution import RedundancySolution
from ..solution.summary import Summary
from ..static.solve import solve_static
from .agreement import CORRELATION, SHARE, agreement

if TYPE_CHECKING:
    import pandas as pd

Tendon = Literal["rigid", "compliant"]

#: Share of the dynamic objective from which on a term that the static one does not have is mentioned.
NOTEWORTHY = 0.05
#: Weight of that penalty unless asked otherwise. With solve_dynamic's own 0.01 it is a quarter of the objective of a
#: walk of 80 muscles, of which 51 agree; with 1e-3 71 do, with 1e-4 73.
PENALTY = 1e-3
#: Muscles that are named in a sentence, the strongest first.
NAMED = 12


@dataclass(frozen=True, eq=False)
class Comparison:
    """Both solutions at the same N times.

    ``seconds``: ``read``, and ``static`` and ``dynamic`` for the calls of the solvers, the latter with arrays at its
    points, guess and check.
    """

    static: RedundancySolution
    dynamic: DynamicSolution
    seconds: dict[str, float]

    def table(self) -> pd.DataFrame:
        """One row per muscle, the strongest first.

        As :func:`agreement` has them; times without a static answer are left out.
        """
        static, dynamic = self.static, self.dynamic
        known, names = static.solved & dynamic.solved, dynamic.problem.muscles
        forces = static.muscle_force, dynamic.muscle_force
        return agreement(names, dynamic.time, known, forces, (static.activation, dynamic.activation))

    def ratios(self) -> dict[str, float]:
        """What dynamic optimization takes in units of static: ``solve`` the calls alone, ``whole`` with reading."""
        read, static, dynamic = (self.seconds[name] for name in ("read", "static", "dynamic"))
        return {"solve": dynamic / static, "whole": (read + dynamic) / (read + static)}

    def files(self) -> list[str]:
        """Names of the model and the motion, as far as they are known."""
        inputs = self.dynamic.provenance.get("inputs", {})
        return [inputs[name]["file"] for name in ("model", "motion") if name in inputs]

    def sides(self) -> list[str]:
        """Cost and tendons of static and of dynamic optimization, in words."""
        return [
            f"{name} {one.provenance['cost']['formula']}, {one.provenance['solver']['tendon']} tendons"
            for name, one in (("static", self.static), ("dynamic", self.dynamic))
        ]

    def answer(self) -> list[str]:
        """What was compared, for which muscles both agree and for which not, and what dynamic costs. In sentences."""
        table, ratios, seconds, time = self.table(), self.ratios(), self.seconds, self.dynamic.time
        agree, differ = table[table["agrees"]], table[~table["agrees"]]
        what = [*self.files(), f"{time[0]:g} to {time[-1]:g} s", *self.sides()]
        said = [
            f"{'; '.join(what)}: the forces of {len(agree)} of {len(table)} muscles agree, which carry "
            f"{agree['impulse_percent'].sum():.0f} % of the muscles' impulse (r ≥ {CORRELATION} and RMS difference "
            f"≤ {100 * SHARE:.0f} % of peak; medians of all: r {table['correlation'].median():.3f}, "
            f"RMS {table['rms_percent'].median():.1f} %)."
        ]
        if differ.empty:
            said.append("Both are practically equivalent here, as Anderson and Pandy (2001) found for walking.")
        else:
            rows = zip(differ.index, differ["correlation"], differ["rms_percent"], strict=True)
            who = some([f"{name} (r {r:.2f}, {percent:.0f} %)" for name, r, percent in rows], NAMED)
            said.append(f"They differ for {who}. For walking Anderson and Pandy (2001) found both equivalent.")
        said.append(
            f"Dynamic optimization took {seconds['dynamic']:.3g} s, {ratios['solve']:.3g} times the static one's "
            f"{seconds['static']:.2g} s; with reading ({seconds['read']:.2g} s), {ratios['whole']:.2g} times."
        )
        return said + self._remarks()

    def findings(self) -> list[str]:
        """What a careful reader should know of either solution, each with whose it is."""
        static, dynamic = (Summary.of(solution).entries() for solution in (self.static, self.dynamic))
        both = [f"{'both' if one in dynamic else 'static'}: {one.text}" for one in static]
        return both + [f"dynamic: {one.text}" for one in dynamic if one not in static]

    def _remarks(self) -> list[str]:
        """In what the two problems differ beside dynamics."""
        said, tendons = [], {one.provenance["solver"]["tendon"] for one in (self.static, self.dynamic)}
        if len(tendons) > 1:
            said.append("Their tendons differ too: what differs is not of dynamics alone.")
        if failed := int(np.sum(~self.static.solved)):
            said.append(f"{failed} of {len(self.static.time)} times have no static answer and are left out.")
        penalty = self.dynamic.integrals.get("derivative_penalty", 0.0) / self.dynamic.total_objective
        if penalty > NOTEWORTHY:
            said.append(
                f"The derivative penalty, which static optimization does not have, is {100 * penalty:.0f} % of the "
                "dynamic objective: what differs is not of dynamics alone. A smaller derivative_penalty shows what is."
            )
        return said


def compare_static_dynamic(
    problem: RedundancyProblem,
    tendon: Tendon = "compliant",
    static_tendon: Tendon | None = None,
    *,
    muscles: Mapping[str, Any] | None = None,
    dynamic: Mapping[str, Any] | None = None,
    exponent: float = 2,
    read_seconds: float = 0.0,
    progress: Progress | None = None,
) -> Comparison:
    """Solve a motion dynamically, and statically at the points of its mesh.

    Parameters
    ----------
    problem
        From :func:`osimopt.load_problem`.
    tendon
        Of the dynamic solution.
    static_tendon
        Of the static one; by default the same.
    muscles
        Options of :func:`osimopt.use_degroote_muscles`, for both.
    dynamic
        More arguments of :func:`osimopt.solve_dynamic`, whose ``derivative_penalty`` is 1e-3 here, since static
        optimization has none.
    exponent
        Of both costs: ∫ Σ e^p dt and Σ a^p.
    read_seconds
        What reading the problem took, which counts for both.
    progress
        As in :func:`osimopt.solve_dynamic`.

    Returns
    -------
    Comparison
        At the points of the dynamic solution's mesh.

    Raises
    ------
    InputError, SolverError
        As of the two solvers. Frames without a static answer are NaN and no error, as long as one has an answer.
    """
    converted = use_degroote_muscles(problem, **(muscles or {}))
    begun = perf_counter()
    options = {**({"derivative_penalty": PENALTY} if tendon == "compliant" else {}), **(dynamic or {})}
    moving = solve_dynamic(converted, tendon, exponent=exponent, progress=progress, **options)
    seconds = {"read": read_seconds, "dynamic": perf_counter() - begun}
    if not isinstance(moving, DynamicSolution):  # on_failure="return"
        raise SolverError(moving.reason, moving)
    at_points = converted.resample(moving.time)
    begun = perf_counter()
    still = solve_static(at_points, exponent=exponent, tendon=static_tendon or tendon, on_failure="return")
    seconds["static"] = perf_counter() - begun
    if not still.solved.any():
        raise SolverError(f"Static optimization: {still.findings()[0]}", still)
    return Comparison(still, moving, seconds)
