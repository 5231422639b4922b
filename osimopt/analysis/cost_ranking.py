"""rank_costs: which cost agrees best with EMG, by one half of the strides, judged on the other."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..emg import metrics
from ..emg.channel import ChannelCurves
from ..emg.compare import compare_emg
from ..emg.comparison import EmgComparison
from ..emg.intervals import ENOUGH, interval, pieces_of
from ..emg.mapping import EmgMapping
from ..emg.recording import Emg
from ..emg.strides import Strides
from ..errors import InputError, OsimoptError, explain
from ..problem.costs import COSTS, get_cost
from ..problem.problem import RedundancyProblem
from ..solution.solution import RedundancySolution
from ..static.solve import solve_static

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

#: What is tried unless asked otherwise.
USUAL = (
    "activation_power:1.5", "activation_power:2", "activation_power:3", "activation_power:5", "sum_force_squared",
    "sum_stress_squared", "sum_moment_ratio_cubed", "min_max",
)  # fmt: skip


@dataclass(frozen=True, eq=False, repr=False)
class CostRanking:
    """Costs by agreement with EMG.

    Attributes
    ----------
    table
        One row per cost, the best first: mean r over channels on the strides it was chosen by (``chosen_r``) and on
        the others (``judged_r``), how far the latter is behind the first cost's (``behind``) with its 95 % interval
        (``behind_low``, ``behind_high``), frames without an answer (``failed``). Costs that could not be tried have
        NaN and a ``reason``.
    solutions, comparisons
        By cost: over all strides.
    channels
        That count: without copies of others.
    notes
        Sentences.
    """

    table: pd.DataFrame
    solutions: Mapping[str, RedundancySolution]
    comparisons: Mapping[str, EmgComparison]
    channels: tuple[str, ...]
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        """Return one line."""
        return f"<CostRanking of {len(self.table)} costs, {self.table.index[0]} first>"


def rank_costs(
    problem: RedundancyProblem,
    emg: Emg | str | os.PathLike[str],
    mapping: EmgMapping | Mapping[str, str | Sequence[str]] | str | os.PathLike[str],
    costs: Sequence[str] = USUAL,
    *,
    strides: Strides | Sequence[tuple[float, float]] = (),
    progress: Callable[[int, int], None] | None = None,
) -> CostRanking:
    """Solve a trial with several costs and rank them by how well activations agree with EMG.

    Every other stride is what costs are ranked by, the rest is what the ranking is judged by. Without three strides for
    each, nothing is held out, which the notes say.

    Parameters
    ----------
    problem, emg, mapping, strides
        As of :func:`osimopt.compare_emg`.
    costs
        Names, with an exponent where it is not their own: ``"activation_power:3"``.
    progress
        Called with (costs done, costs).

    Raises
    ------
    InputError
        Unknown costs, one of them twice, or none that could be solved.
    """
    import pandas as pd

    wanted = {name: read_cost(name) for name in costs}
    if len(wanted) < len(costs) or not wanted:
        raise InputError(explain("each cost once", ", ".join(costs) or "none", "Leave one out."))
    solutions, comparisons, reasons = {}, {}, {}
    for done, (name, (cost, exponent)) in enumerate(wanted.items()):
        try:
            solutions[name] = solve_static(problem, cost, exponent=exponent, on_failure="return")
            comparisons[name] = compare_emg(solutions[name], emg, mapping, strides=strides)
        except OsimoptError as error:
            solutions.pop(name, None)
            reasons[name] = str(error)
        if progress is not None:
            progress(done + 1, len(wanted))
    if not comparisons:
        raise InputError(explain("a cost that can be solved and compared", next(iter(reasons.values())), ""))
    first = next(iter(comparisons.values()))
    copies = {flag.channel for flag in first.flags if flag.kind in ("duplicate", "empty")}
    channels = tuple(name for name in first.curves.channels if name not in copies)
    curves = {name: own.curves for name, own in comparisons.items()}
    table, held_out = _ranked(curves, channels)
    lost = {name: int((~solutions[name].solved).sum()) for name in table.index}
    table = table.assign(failed=pd.Series(lost), reason="")
    for name, reason in reasons.items():
        table.loc[name, "reason"] = reason
    return CostRanking(table, solutions, comparisons, channels, _notes(table, curves, held_out, copies))


def read_cost(text: str) -> tuple[str, float]:
    """``name`` or ``name:exponent``."""
    name, colon, power = text.partition(":")
    try:
        exponent = float(power) if colon else 2.0
    except ValueError:
        fix = "Write activation_power:3, or one of " + ", ".join(COSTS) + "."
        raise InputError(explain("a number after the colon of a cost", repr(text), fix)) from None
    get_cost(name, exponent)
    return name, exponent


def _ranked(curves: Mapping[str, ChannelCurves], channels: Sequence[str]) -> tuple[pd.DataFrame, bool]:
    """See :class:`CostRanking`; and whether strides were held out."""
    import pandas as pd

    any_curves = next(iter(curves.values()))
    pieces, _ = pieces_of(len(any_curves.time), any_curves.rate, any_curves.strides)
    held_out = len(any_curves.strides) >= 2 * ENOUGH
    choose, judge = (pieces[::2], pieces[1::2]) if held_out else (pieces, pieces)
    choosing, judging = np.concatenate(choose), np.concatenate(judge)
    chosen = {name: mean_r(own, channels, choosing) for name, own in curves.items()}
    order = sorted(curves, key=lambda name: -chosen[name])
    rows = {}
    for name in order:
        own, best = curves[name], curves[order[0]]

        def behind(keep: NDArray[np.intp], own: ChannelCurves = own, best: ChannelCurves = best) -> float:
            return mean_r(best, channels, keep) - mean_r(own, channels, keep)

        enough = len(judge) >= ENOUGH and name != order[0]
        low, high = interval(behind, judge) if enough else (np.nan, np.nan)
        rows[name] = {
            "chosen_r": chosen[name], "judged_r": mean_r(own, channels, judging), "behind": behind(judging),
            "behind_low": low, "behind_high": high,
        }  # fmt: skip
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("cost"), held_out


def mean_r(curves: ChannelCurves, channels: Sequence[str], keep: NDArray[np.intp]) -> float:
    """Mean over channels of r at no lag, at some of the samples; a channel that does not vary counts as 0."""
    places = [curves.channels.index(name) for name in channels]
    each = [metrics.pearson(curves.simulated[keep, place], curves.measured[keep, place]) for place in places]
    return float(np.mean(np.nan_to_num(each)))


def _notes(
    table: pd.DataFrame, curves: Mapping[str, ChannelCurves], held_out: bool, copies: set[str]
) -> tuple[str, ...]:
    strides = len(next(iter(curves.values())).strides)
    said = [
        f"Ranked by the mean r of {(strides + 1) // 2} strides, judged on the other {strides // 2}."
        if held_out
        else "Too few strides to hold half of them out: costs are judged by what they were ranked by."
    ]
    if copies:
        said.append(f"Not counted, as copies of other channels or empty: {', '.join(sorted(copies))}.")
    tried = table[table["reason"] == ""]
    near = [name for name in tried.index[1:] if not tried.loc[name, "behind_low"] > 0.0]
    if near:
        said.append(f"These cannot be told from the first: {', '.join(near)}.")
    ahead = [name for name in tried.index[1:] if tried.loc[name, "behind_high"] < 0.0]
    if ahead:
        said.append(f"On the strides that were held out these are better than the first: {', '.join(ahead)}.")
    return tuple(said)
