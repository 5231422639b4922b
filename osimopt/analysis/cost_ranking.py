"""rank_costs: costs ranked by agreement with EMG on one half of the strides and tested on the other."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..emg.compare import compare_emg
from ..emg.comparison import ChannelCurves, EmgComparison
from ..emg.mapping import EmgMapping
from ..emg.metrics import ENOUGH, interval, pearson, pieces_of, r_at
from ..emg.recording import Emg
from ..emg.strides import Strides
from ..errors import InputError, OsimoptError, explain
from ..problem.arrays import Index
from ..problem.contact import Contact, read_contacts
from ..problem.costs import COSTS, get_cost
from ..problem.problem import RedundancyProblem
from ..solution.solution import RedundancySolution
from ..static.solve import solve_static

if TYPE_CHECKING:
    import pandas as pd

#: Costs that are ranked by default.
USUAL = (
    "activation_power:1.5", "activation_power:2", "activation_power:3", "activation_power:5", "sum_force_squared",
    "sum_stress_squared", "sum_moment_ratio_cubed", "min_max",
)  # fmt: skip
#: Offsets in s of EMG's clock over which rankings are reported.
OFFSETS = tuple(float(value) for value in np.round(np.linspace(-0.1, 0.1, 11), 3))


@dataclass(frozen=True, eq=False, repr=False)
class CostRanking:
    """Costs by agreement with EMG.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per cost, the best first: mean r over channels on the strides that costs are ranked by (``chosen_r``)
        and on the others (``judged_r``); how far the latter is below that of the first cost (``behind``) with its 95 %
        interval (``behind_low``, ``behind_high``); number of frames without a solution (``failed``). Costs that could
        not be solved or compared have NaN and a ``reason``.
    solutions, comparisons : dict
        Solution and comparison of each cost, over all strides.
    by_offset : pandas.DataFrame
        Mean r over channels and all strides of each cost (columns), if EMG were this many s later (index, ± 0.1 s):
        which cost agrees best can turn with the clock.
    channels : tuple of str
        Channels that count; copies of other channels and empty ones do not.
    notes : tuple of str
        Remarks on the ranking.
    """

    table: pd.DataFrame
    solutions: Mapping[str, RedundancySolution]
    comparisons: Mapping[str, EmgComparison]
    by_offset: pd.DataFrame
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
    shift: float = 0.0,
    progress: Callable[[int, int], None] | None = None,
) -> CostRanking:
    """Solve a trial with several costs and rank them by how well activations agree with EMG.

    Costs are ranked by the mean correlation over channels in every other stride, and tested on the remaining strides.
    With fewer than six strides all data serve both purposes, which ``notes`` states.

    Parameters
    ----------
    problem : RedundancyProblem
        Problem with T frames and M muscles.
    emg, mapping, strides, shift
        As in :func:`osimopt.compare_emg`.
    costs : sequence of str
        Names of costs, with an exponent where it is not the default: ``"activation_power:3"``; with weights of contact
        forces: ``"activation_power:2+walker_knee_l=0.1+walker_knee_r=0.1"`` (:class:`osimopt.Contact`).
    progress : callable, optional
        Called with (costs done, number of costs).

    Returns
    -------
    CostRanking
        The table of costs, the best first, with their solutions and comparisons.

    Raises
    ------
    InputError
        Unknown or repeated costs, or no cost that can be solved and compared; where all fail alike, that error itself.

    Examples
    --------
    >>> import numpy as np, osimopt
    >>> time = np.arange(301) / 100.0
    >>> moment = 12.0 + 8.0 * np.sin(2.0 * np.pi * time)
    >>> arms = np.stack([0.05 + 0.02 * np.sin(3.0 * time), 0.03 - 0.01 * np.cos(5.0 * time)], axis=1)[:, None]
    >>> problem = osimopt.RedundancyProblem.from_arrays(arms, [900.0, 600.0], moment, time=time)
    >>> activation = osimopt.solve_static(problem, exponent=3).activation
    >>> emg = osimopt.Emg(time, activation, ("a", "b"), envelope=True)
    >>> mapping = {"a": "muscle_0", "b": "muscle_1"}
    >>> osimopt.rank_costs(problem, emg, mapping, ["min_max", "activation_power:3"]).table.index[0]
    'activation_power:3'
    """
    import pandas as pd

    wanted = {name: read_terms(name) for name in costs}
    if len(wanted) < len(costs) or not wanted:
        raise InputError(explain("each cost once", ", ".join(costs) or "none", "Give at least one, without repeats."))
    solutions, comparisons, reasons, errors = {}, {}, {}, []
    for done, (name, (cost, exponent, contact)) in enumerate(wanted.items()):
        try:
            solutions[name] = solve_static(problem, cost, exponent=exponent, contact=contact, on_failure="return")
            comparisons[name] = compare_emg(solutions[name], emg, mapping, strides=strides, shift=shift)
        except OsimoptError as error:
            solutions.pop(name, None)
            reasons[name] = str(error)
            errors.append(error)
        if progress is not None:
            progress(done + 1, len(wanted))
    if not comparisons and len(set(reasons.values())) == 1:
        raise errors[0]  # of the input, not of a cost
    if not comparisons:
        name, reason = next(iter(reasons.items()))
        fix = "Correct the input, or choose other costs."
        raise InputError(explain("a cost that can be solved and compared", f"for {name}: {reason}", fix))
    first = next(iter(comparisons.values()))
    copies = {flag.channel for flag in first.flags if flag.kind in ("duplicate", "empty")}
    channels = tuple(name for name in first.curves.channels if name not in copies)
    curves = {name: comparison.curves for name, comparison in comparisons.items()}
    held_out = len(first.curves.strides) >= 2 * ENOUGH
    table = _rank(curves, channels, held_out)
    lost = {name: int((~solutions[name].solved).sum()) for name in table.index}
    table = table.assign(failed=pd.Series(lost), reason="")
    for name, reason in reasons.items():
        table.loc[name, "reason"] = reason
    offsets = _by_offset({name: curves[name] for name in table.index if name in curves}, channels)
    notes = (*_notes(table, len(first.curves.strides) if held_out else 0, copies), *_turns(offsets))
    return CostRanking(table, solutions, comparisons, offsets, channels, (*first.clock.findings(), *notes))


def read_terms(text: str) -> tuple[str, float, tuple[Contact, ...]]:
    """Name and exponent of a cost, and its contact forces, from ``name:exponent+joint=weight+…``."""
    cost, *contacts = text.split("+")
    return *read_cost(cost), read_contacts(",".join(contacts) or None)


def read_cost(text: str) -> tuple[str, float]:
    """Name and exponent of a cost from ``name`` or ``name:exponent``."""
    name, colon, power = text.partition(":")
    try:
        exponent = float(power) if colon else 2.0
    except ValueError:
        fix = "Write activation_power:3, or one of " + ", ".join(COSTS) + "."
        raise InputError(explain("a number after the colon of a cost", repr(text), fix)) from None
    get_cost(name, exponent)
    return name, exponent


def _rank(curves: Mapping[str, ChannelCurves], channels: Sequence[str], held_out: bool) -> pd.DataFrame:
    """Table of :class:`CostRanking`, tested on every other stride if ``held_out``."""
    import pandas as pd

    some_curves = next(iter(curves.values()))
    pieces, _ = pieces_of(len(some_curves.time), some_curves.rate, some_curves.strides)
    choose, judge = (pieces[::2], pieces[1::2]) if held_out else (pieces, pieces)
    judging = np.concatenate(judge)
    chosen = {name: _mean_r(one, channels, np.concatenate(choose)) for name, one in curves.items()}
    order = sorted(curves, key=lambda name: -chosen[name])
    rows = {}
    for name in order:

        def behind(keep: Index, name: str = name) -> float:
            return _mean_r(curves[order[0]], channels, keep) - _mean_r(curves[name], channels, keep)

        enough = len(judge) >= ENOUGH and name != order[0]
        low, high = interval(behind, judge) if enough else (np.nan, np.nan)
        rows[name] = {
            "chosen_r": chosen[name], "judged_r": _mean_r(curves[name], channels, judging), "behind": behind(judging),
            "behind_low": low, "behind_high": high,
        }  # fmt: skip
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("cost")


def _mean_r(curves: ChannelCurves, channels: Sequence[str], keep: Index) -> float:
    """Mean over channels of r at no lag, over some samples; a constant channel counts as 0."""
    columns = [curves.channels.index(name) for name in channels]
    each = [pearson(curves.simulated[keep, column], curves.measured[keep, column]) for column in columns]
    return float(np.mean(np.nan_to_num(each)))


def _by_offset(curves: Mapping[str, ChannelCurves], channels: Sequence[str]) -> pd.DataFrame:
    """Mean r of each cost, with EMG later by each of OFFSETS."""
    import pandas as pd

    rows = {}
    for name, one in curves.items():
        columns = [one.channels.index(channel) for channel in channels]
        pairs = list(zip(one.simulated[:, columns].T, one.measured[:, columns].T, strict=True))
        rows[name] = [
            float(np.mean([np.nan_to_num(r_at(a, b, round(offset * one.rate))) for a, b in pairs]))
            for offset in OFFSETS
        ]
    return pd.DataFrame(rows, index=pd.Index(OFFSETS, name="offset"))


def _turns(by_offset: pd.DataFrame) -> list[str]:
    """Which cost is best where, if that turns with the clock."""
    best = by_offset.idxmax(axis=1)
    runs = best.groupby((best != best.shift()).cumsum())
    if by_offset.shape[1] < 2 or len(runs) < 2:
        return []
    ends = [(name.iloc[0], 1e3 * float(name.index[0]), 1e3 * float(name.index[-1])) for _, name in runs]
    text = ", ".join(f"{name} from {low:+.0f} to {high:+.0f} ms" for name, low, high in ends)
    return [f"Which cost agrees best turns with the clock of EMG: {text}."]


def _notes(table: pd.DataFrame, strides: int, copies: set[str]) -> tuple[str, ...]:
    """Remarks on a ranking by half of the strides (0: none were held out)."""
    notes = [
        f"Ranked by the mean r of {(strides + 1) // 2} strides, judged on the other {strides // 2}."
        if strides
        else "Too few strides to hold half of them out: costs are judged by the same data that they are ranked by."
    ]
    if copies:
        notes.append(f"Not counted, as copies of other channels or empty: {', '.join(sorted(copies))}.")
    others = table[table["reason"] == ""].iloc[1:]
    if near := others.index[~(others["behind_low"] > 0.0)].tolist():
        notes.append(f"Not distinguishable from the first: {', '.join(near)}.")
    if ahead := others.index[others["behind_high"] < 0.0].tolist():
        notes.append(f"Better than the first on the strides that were held out: {', '.join(ahead)}.")
    return tuple(notes)
