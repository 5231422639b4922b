"""Static against dynamic optimization of one motion: which muscle forces agree, and how long each takes.

Anderson and Pandy (2001), J Biomech 34(2), 153-161, doi:10.1016/S0021-9290(00)00155-X, found the two practically
equivalent for walking, comparing a dynamic solution of least metabolic energy with static solutions of least Σ a² for
its moments. Here both solve the same problem: the same moments, De Groote muscles, passive force, reserves, exponent
and times.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import SolverError, some
from ..problem.arrays import Array
from ..problem.problem import RedundancyProblem
from ..solution.checks import PENALTY_SHARE
from ..solution.solution import RedundancySolution
from ..solution.summary import Summary
from ..static.solve import solve_static

if TYPE_CHECKING:
    import pandas as pd

    from ..dynamic.program import Progress
    from ..dynamic.solution import DynamicSolution

Tendon = Literal["rigid", "compliant"]

#: Two forces agree if their correlation is at least this, and their RMS difference at most this share of the peak.
CORRELATION, SHARE = 0.8, 0.10
#: Standard deviation, as a share of the peak, up to which a signal is constant: an activation at its bound of 0.01
#: varies with the solver's tolerance of 1e-6.
CONSTANT = 1e-3
#: Number of muscles named in a sentence, the strongest first.
NAMED = 12


@dataclass(frozen=True, eq=False)
class Comparison:
    """Static and dynamic solution at the same N times.

    ``seconds`` are the durations of reading (``read``) and of both solvers (``static``, ``dynamic``); the latter
    includes arrays at its points, initial guess and check.
    """

    static: RedundancySolution
    dynamic: DynamicSolution
    seconds: dict[str, float]

    def table(self) -> pd.DataFrame:
        """One row per muscle, as :func:`agreement` returns it; times without a static solution are left out."""
        static, dynamic = self.static, self.dynamic
        known, names = static.solved & dynamic.solved, dynamic.problem.muscles
        forces = static.muscle_force, dynamic.muscle_force
        return agreement(names, dynamic.time, known, forces, (static.activation, dynamic.activation))

    def ratios(self) -> dict[str, float]:
        """Duration of dynamic over static optimization: ``solve`` of the solvers alone, ``whole`` with reading."""
        read, static, dynamic = (self.seconds[name] for name in ("read", "static", "dynamic"))
        return {"solve": dynamic / static, "whole": (read + dynamic) / (read + static)}

    def files(self) -> list[str]:
        """Names of the model and the motion, if known."""
        inputs = self.dynamic.provenance.get("inputs", {})
        return [inputs[name]["file"] for name in ("model", "motion") if name in inputs]

    def sides(self) -> list[str]:
        """Cost and tendons of static and of dynamic optimization, in words."""
        return [
            f"{name} {one.provenance['cost']['formula']}, {one.provenance['solver']['tendon']} tendons"
            for name, one in (("static", self.static), ("dynamic", self.dynamic))
        ]

    def answer(self) -> list[str]:
        """Sentences: inputs and methods, muscles that agree and that do not, durations, and remarks."""
        table, ratios, seconds, time = self.table(), self.ratios(), self.seconds, self.dynamic.time
        agree, differ = table[table["agrees"]], table[~table["agrees"]]
        compared = [*self.files(), f"{time[0]:g} to {time[-1]:g} s", *self.sides()]
        verdict = "Both are practically equivalent here, as Anderson and Pandy (2001) found for walking."
        if not differ.empty:
            rows = zip(differ.index, differ["correlation"], differ["rms_percent"], strict=True)
            names = some([f"{name} (r {r:.2f}, {percent:.0f} %)" for name, r, percent in rows], NAMED)
            verdict = f"They differ for {names}. For walking Anderson and Pandy (2001) found both equivalent."
        return [
            f"{'; '.join(compared)}: the forces of {len(agree)} of {len(table)} muscles agree, which carry "
            f"{agree['impulse_percent'].sum():.0f} % of the muscles' impulse (r ≥ {CORRELATION} and RMS difference "
            f"≤ {100 * SHARE:.0f} % of peak; medians of all: r {table['correlation'].median():.3f}, "
            f"RMS {table['rms_percent'].median():.1f} %).",
            verdict,
            f"Dynamic optimization took {seconds['dynamic']:.3g} s, {ratios['solve']:.3g} times the static one's "
            f"{seconds['static']:.2g} s; with reading ({seconds['read']:.2g} s), {ratios['whole']:.2g} times.",
            *self._remarks(),
        ]

    def findings(self) -> list[str]:
        """Findings about the two solutions, each with the names of its solutions."""
        static, dynamic = (Summary.of(solution).entries() for solution in (self.static, self.dynamic))
        both = [f"{'both' if one in dynamic else 'static'}: {one.text}" for one in static]
        return both + [f"dynamic: {one.text}" for one in dynamic if one not in static]

    def _remarks(self) -> list[str]:
        """Differences of the two problems other than dynamics."""
        remarks, tendons = [], {one.provenance["solver"]["tendon"] for one in (self.static, self.dynamic)}
        if len(tendons) > 1:
            remarks.append("Their tendons differ too: differences are not due to dynamics alone.")
        if failed := int(np.sum(~self.static.solved)):
            remarks.append(f"{failed} of {len(self.static.time)} times have no static solution and are left out.")
        penalty = self.dynamic.integrals.get("derivative_penalty", 0.0) / self.dynamic.total_objective
        if penalty > PENALTY_SHARE:
            remarks.append(
                f"The derivative penalty, which static optimization does not have, is {100 * penalty:.0f} % of the "
                "dynamic objective: differences are not due to dynamics alone. Reduce derivative_penalty to see its "
                "effect."
            )
        return remarks


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
    problem : RedundancyProblem
        From :func:`osimopt.load_problem`.
    tendon : {"rigid", "compliant"}
        Tendons of the dynamic solution.
    static_tendon : {"rigid", "compliant"}, optional
        Tendons of the static solution; default ``tendon``.
    muscles : mapping, optional
        Options of :func:`osimopt.use_degroote_muscles`, for both.
    dynamic : mapping, optional
        Further arguments of :func:`osimopt.solve_dynamic`.
    exponent : float
        Exponent p of both costs, ∫ Σ e^p dt and Σ a^p.
    read_seconds : float
        Duration of reading the problem in s, which counts for both.
    progress : callable, optional
        As in :func:`osimopt.solve_dynamic`.

    Returns
    -------
    Comparison
        Both solutions at the points of the dynamic solution's mesh.

    Raises
    ------
    InputError, SolverError
        As the two solvers raise them. Frames without a static solution are NaN; an error is raised if all are.
    """
    from ..dynamic.solution import DynamicSolution
    from ..dynamic.solve import solve_dynamic
    from ..muscle.conversion import use_degroote_muscles

    converted = use_degroote_muscles(problem, **(muscles or {}))
    begun = perf_counter()
    moving = solve_dynamic(converted, tendon, exponent=exponent, progress=progress, **(dynamic or {}))
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


def agreement(
    muscles: Sequence[str],
    time: Array,
    known: NDArray[np.bool_],
    forces: tuple[Array, Array],
    activations: tuple[Array, Array],
) -> pd.DataFrame:
    """Compare the forces (N, M) in N and activations (N, M) of two solutions at the same times.

    Times may be unevenly spaced, as on a collocation mesh: means are weighted by the trapezoidal rule.

    Returns
    -------
    pandas.DataFrame
        One row per muscle, the strongest first: ``peak_static_N``, ``peak_dynamic_N``, ``correlation`` (Pearson's r of
        the forces), ``rms_N`` (of their difference) and ``rms_percent`` of the greater peak; the same of activations in
        ``activation_correlation`` and ``activation_rms``; ``impulse_percent`` of all muscles' ∫ F dt (mean of both);
        ``agrees`` unless r is below 0.8 or the RMS difference above 10 % of the peak. Only times that are ``known``
        (N,) count; r is NaN where a signal is constant.
    """
    import pandas as pd

    weights = (np.diff(time, prepend=time[0]) + np.diff(time, append=time[-1])) * known
    if len(time) == 1:
        weights = known.astype(float)
    weights = weights / max(weights.sum(), np.finfo(float).tiny)
    static, dynamic, still, moving = (np.where(known[:, None], values, 0.0) for values in (*forces, *activations))
    difference, impulse = _rms(weights, dynamic - static), weights @ (static + dynamic)
    peaks = static.max(axis=0), dynamic.max(axis=0)
    highest = np.maximum(*peaks)
    share = difference / np.where(highest > 0.0, highest, 1.0)
    correlation = _correlation(weights, static, dynamic)
    columns = {
        "peak_static_N": peaks[0], "peak_dynamic_N": peaks[1], "correlation": correlation, "rms_N": difference,
        "rms_percent": 100.0 * share,
        "activation_correlation": _correlation(weights, still, moving),
        "activation_rms": _rms(weights, moving - still),
        "impulse_percent": 100.0 * impulse / (impulse.sum() or 1.0),
        "agrees": (share <= SHARE) & ~(correlation < CORRELATION),
    }  # fmt: skip
    table = pd.DataFrame(columns, index=pd.Index(muscles, name="muscle"))
    return table.iloc[np.argsort(-highest, kind="stable")]


def _rms(weights: Array, values: Array) -> Array:
    """(M,) root of the weighted mean square over time of (N, M)."""
    return np.asarray(np.sqrt(weights @ values**2))


def _correlation(weights: Array, one: Array, other: Array) -> Array:
    """(M,) Pearson's r over time of (N, M); NaN where a signal is constant."""
    spreads = []
    for values in (one, other):
        spread = _rms(weights, values - weights @ values)
        spreads.append(np.where(spread > CONSTANT * np.abs(values).max(axis=0, initial=0.0), spread, np.nan))
    together = weights @ ((one - weights @ one) * (other - weights @ other))
    return np.asarray(together / (spreads[0] * spreads[1]))
