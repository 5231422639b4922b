"""Static against dynamic optimization of one motion: for which muscles they differ, and what dynamics cost.

Anderson and Pandy (2001), J Biomech 34(2), 153-161, doi:10.1016/S0021-9290(00)00155-X, found the two practically
equivalent for gait. Here both solve the same problem: the same De Groote muscles, passive force, reserves and times.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..dynamic.solution import DynamicSolution
from ..dynamic.solve import solve_dynamic
from ..dynamic.watch import Progress
from ..errors import SolverError, some
from ..muscle.conversion import use_degroote_muscles
from ..problem import RedundancyProblem
from ..solution import RedundancySolution
from ..static.solve import solve_static

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]
Tendon = Literal["rigid", "compliant"]

#: Two forces agree where they correlate at least so, and their RMS difference is at most this share of the peak.
CORRELATION, SHARE = 0.8, 0.10
#: Share of the dynamic objective from which on a term that the static one does not have is mentioned.
NOTEWORTHY = 0.05
#: Muscles that are named in a sentence, the strongest first.
NAMED = 12
#: Standard deviation as a share of the peak below which a signal is constant: an activation on its bound of 0.01 moves
#: with the solver's tolerance of 1e-6.
CONSTANT = 1e-3


@dataclass(frozen=True, eq=False)
class Comparison:
    """Both solutions at the same N times.

    ``seconds``: ``read``, and ``static`` and ``dynamic`` for the calls of the solvers, the latter with arrays at its
    points, guess and check. ``remarks`` say what was changed to have an answer.
    """

    static: RedundancySolution
    dynamic: DynamicSolution
    seconds: dict[str, float]
    remarks: tuple[str, ...] = ()

    def table(self) -> pd.DataFrame:
        """One row per muscle, the strongest first.

        ``peak_static_N``, ``peak_dynamic_N``, ``correlation`` (Pearson's r of the forces), ``rms_N`` (of their
        difference) and ``rms_percent`` of the greater peak; the same of activations in ``activation_correlation`` and
        ``activation_rms``; ``impulse_percent`` of all muscles' ∫ F dt (mean of both); ``agrees`` unless r is below
        0.8 or the RMS above 10 % of the peak. Times without a static answer are left out; r is NaN where a signal is
        constant.
        """
        import pandas as pd

        static, dynamic = (np.nan_to_num(one.muscle_force) for one in (self.static, self.dynamic))
        still, moving = (np.nan_to_num(one.activation) for one in (self.static, self.dynamic))
        weights = _weights(self.dynamic.time, self.static.solved & self.dynamic.solved)
        rms, impulse = _rms(weights, dynamic - static), weights @ (static + dynamic)
        peaks = static.max(axis=0), dynamic.max(axis=0)
        highest = np.maximum(*peaks)
        share = np.divide(rms, highest, out=np.zeros_like(rms), where=highest > 0.0)
        correlation = _correlation(weights, static, dynamic)
        table = pd.DataFrame(
            {
                "peak_static_N": peaks[0],
                "peak_dynamic_N": peaks[1],
                "correlation": correlation,
                "rms_N": rms,
                "rms_percent": 100.0 * share,
                "activation_correlation": _correlation(weights, still, moving),
                "activation_rms": _rms(weights, moving - still),
                "impulse_percent": 100.0 * impulse / impulse.sum(),
                "agrees": (share <= SHARE) & ~(correlation < CORRELATION),
            },
            index=pd.Index(self.dynamic.problem.muscles, name="muscle"),
        )
        return table.iloc[np.argsort(-highest, kind="stable")]

    def ratios(self) -> dict[str, float]:
        """What dynamic optimization takes in units of static: ``solve`` the calls alone, ``whole`` with reading."""
        read, static, dynamic = (self.seconds[name] for name in ("read", "static", "dynamic"))
        return {"solve": dynamic / static, "whole": (read + dynamic) / (read + static)}

    def answer(self) -> list[str]:
        """Are both practically equivalent, for which muscles not, and what does dynamic cost? In sentences."""
        table, ratios, seconds = self.table(), self.ratios(), self.seconds
        agree, differ = table[table["agrees"]], table[~table["agrees"]]
        tendons = [one.provenance["solver"]["tendon"] for one in (self.static, self.dynamic)]
        said = [
            f"Static ({tendons[0]} tendons) and dynamic optimization ({tendons[1]} tendons) agree for {len(agree)} of "
            f"{len(table)} muscles, which carry {agree['impulse_percent'].sum():.0f} % of the muscles' impulse "
            f"(r ≥ {CORRELATION} and RMS difference ≤ {100 * SHARE:.0f} % of peak; medians of all: "
            f"r {table['correlation'].median():.3f}, RMS {table['rms_percent'].median():.1f} %)."
        ]
        claim = "The practical equivalence that Anderson and Pandy (2001) found for gait"
        if differ.empty:
            said.append(f"{claim} is true here for every muscle.")
        else:
            rows = zip(differ.index, differ["correlation"], differ["rms_percent"], strict=True)
            who = some([f"{name} (r {r:.2f}, {rms:.0f} %)" for name, r, rms in rows], NAMED)
            said.append(f"{claim} is not true here for {who}.")
        said.append(
            f"Dynamic optimization took {seconds['dynamic']:.3g} s, {ratios['solve']:.3g} times the static one's "
            f"{seconds['static']:.2g} s; with reading ({seconds['read']:.2g} s), {ratios['whole']:.2g} times."
        )
        return said + self._remarks()

    def _remarks(self) -> list[str]:
        """In what the two problems differ beside dynamics."""
        said = list(self.remarks)
        if failed := int(np.sum(~self.static.solved)):
            said.append(f"{failed} of {len(self.static.time)} times have no static answer and are left out.")
        penalty = self.dynamic.integrals.get("derivative_penalty", 0.0) / self.dynamic.total_objective
        if penalty > NOTEWORTHY:
            said.append(
                f"The derivative penalty, which static optimization does not have, is {100 * penalty:.0f} % of the "
                "dynamic objective."
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
        Of the static one; by default the same, or rigid where a fibre as fast as on a rigid tendon has no equilibrium
        with a compliant one.
    muscles
        Options of :func:`osimopt.use_degroote_muscles`, for both.
    dynamic
        More arguments of :func:`osimopt.solve_dynamic`.
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
        As of the two solvers. Frames without a static answer are NaN and no error.
    """
    converted = use_degroote_muscles(problem, **(muscles or {}))
    begun = perf_counter()
    moving = solve_dynamic(converted, tendon, exponent=exponent, progress=progress, **(dynamic or {}))
    seconds = {"read": read_seconds, "dynamic": perf_counter() - begun}
    if not isinstance(moving, DynamicSolution):  # on_failure="return"
        raise SolverError(moving.reason, moving)
    at_points = converted.resample(moving.time)
    still, seconds["static"], remarks = _solve_statically(at_points, exponent, static_tendon, tendon)
    return Comparison(still, moving, seconds, remarks)


def _solve_statically(
    problem: RedundancyProblem, exponent: float, asked: Tendon | None, default: Tendon
) -> tuple[RedundancySolution, float, tuple[str, ...]]:
    """The solution, the seconds it took, and what is to be said of it."""
    tendon = asked or default
    remarks: tuple[str, ...] = ()
    while True:
        begun = perf_counter()
        try:
            solution = solve_static(problem, exponent=exponent, tendon=tendon, on_failure="return")
        except SolverError as error:
            if asked or tendon == "rigid":
                raise
            tendon, remarks = "rigid", (f"Static optimization has rigid tendons here: {error}",)
            continue
        return solution, perf_counter() - begun, remarks


def _weights(time: Array, known: NDArray[np.bool_]) -> Array:
    """(N,) of the trapezoidal rule, of sum 1, and 0 where nothing is known."""
    steps = np.diff(time)
    weights = np.zeros(len(time))
    weights[:-1] += steps
    weights[1:] += steps
    weights *= known
    return np.asarray(weights / max(weights.sum(), np.finfo(float).tiny))


def _rms(weights: Array, values: Array) -> Array:
    """(M,) root of the mean square over time of (N, M)."""
    return np.asarray(np.sqrt(weights @ values**2))


def _correlation(weights: Array, one: Array, other: Array) -> Array:
    """(M,) Pearson's r over time of (N, M); NaN where a signal is constant."""
    spreads = []
    for values in (one, other):
        spread = _rms(weights, values - weights @ values)
        spreads.append(np.where(spread > CONSTANT * np.abs(values).max(axis=0, initial=0.0), spread, np.nan))
    together = weights @ ((one - weights @ one) * (other - weights @ other))
    return np.asarray(together / (spreads[0] * spreads[1]))
