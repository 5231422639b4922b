"""Sections of a report: checks, findings, agreement with EMG, of solutions with each other, provenance."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..analysis.static_vs_dynamic import CORRELATION, SHARE, agreement
from ..emg.comparison import EmgComparison
from ..errors import some
from ..solution.checks import Check, checks_of
from ..solution.reader import Result
from . import solution_figures as figures
from .page import Section

if TYPE_CHECKING:
    import pandas as pd

#: What static optimization of walking was found to reach, muscle by muscle, as a yardstick for a reader.
PUBLISHED = {
    "tibialis anterior": 0.67, "gastrocnemius": 0.47, "soleus": 0.60, "rectus femoris": 0.92, "vasti": 0.85,
    "gluteus maximus": 0.98,
}  # fmt: skip
PUBLISHED_SOURCE = "Front Syst Neurosci (2022) 16:785143, table 1"
#: Findings shown before the rest is folded away, and muscles named in a row.
SHOWN, NAMED = 8, 6

Results = Mapping[str, Result]
Compared = Mapping[str, EmgComparison]


def all_checks(results: Results, compared: Compared) -> dict[str, list[Check]]:
    """By solution: those of its comparison, where there is one."""
    return {name: list(compared[name].gates) if name in compared else checks_of(own) for name, own in results.items()}


def checks(results: Results, compared: Compared) -> Section:
    """Every check, and whether it passes."""
    many = len(results) > 1
    rows = [
        [*([name] if many else []), check.name, check.found, check.limit, check.verdict, check.source]
        for name, own in all_checks(results, compared).items() for check in own
    ]  # fmt: skip
    columns = [*(["solution"] if many else []), "what", "found", "limit", "", "after"]
    note = "What must hold before forces are interpreted, or compared with anything."
    if any(own.curves.strides for own in compared.values()):
        note += " With EMG, of the frames within the strides that are compared."
    return Section("Checks", note, columns=columns, rows=rows, grouped=many)


def findings(results: Results, compared: Compared) -> Section:
    """What solutions and comparisons have to say, each sentence once; a long list is folded."""
    said: dict[str, list[str]] = {}
    for name, result in results.items():
        own = list(result.summary.get("findings", [])) + (
            [*compared[name].flagged(), *compared[name].notes] if name in compared else []
        )
        for line in dict.fromkeys(own):
            said.setdefault(line, []).append(name)
    many = len(results) > 1
    lines = [f"{', '.join(who)}: {line}" if many and len(who) < len(results) else line for line, who in said.items()]
    rest = {f"{len(lines) - SHOWN} more": "\n".join(lines[SHOWN:])} if len(lines) > SHOWN else None
    return Section("Findings", items=lines[:SHOWN] or ["Nothing to report."], folded=rest)


def emg(compared: Compared) -> list[Section]:
    """Curves and a table, antagonists, and what has EMG."""
    if not compared:
        return []
    rows = [
        [channel, *([name] if len(compared) > 1 else []), *_agreement_cells(own, channel)]
        for channel in next(iter(compared.values())).table.index
        for name, own in compared.items() if channel in own.table.index
    ]  # fmt: skip
    columns = [
        "channel", *(["solution"] if len(compared) > 1 else []), "r [95 %]", "r by stride", "lag (ms)", "r at that lag",
        "on/off agree", "onset late (ms)", "RMSE", "MAE", "flags",
    ]  # fmt: skip
    published = ", ".join(f"{muscle} {r:.2f}" for muscle, r in PUBLISHED.items())
    note = (
        "r: Pearson's, at no lag. Lag: where r is largest, from 0 to 100 ms, positive where the simulation is later. "
        "RMSE and MAE only where EMG is a share of a maximum voluntary contraction. r says that shapes agree; nothing "
        f"measured here says that forces do. Published for static optimization of walking: {published} "
        f"({PUBLISHED_SOURCE})."
    )
    sections = [
        Section("Agreement with EMG", note, figures=[figures.emg(compared)], columns=columns, rows=rows,
                grouped=len(compared) > 1)
    ]  # fmt: skip
    return sections + _co_contraction(compared) + [_coverage(next(iter(compared.values())))]


def _agreement_cells(own: EmgComparison, channel: Any) -> list[str]:
    row = own.table.loc[channel]
    kinds = sorted({flag.kind for flag in own.flags if flag.channel == channel})
    return [
        f"{_two(row['r'])} [{_two(row['r_low'])}, {_two(row['r_high'])}]",
        f"{_two(row['r_stride_mean'])} ± {_two(row['r_stride_sd'])}" if np.isfinite(row["r_stride_mean"]) else "–",
        _milli(row["lag"]), _two(row["r_delay"]), f"{row['concordance']:.0%}", _milli(row["onset_error"]),
        _two(row["rmse"]), _two(row["mae"]), ", ".join(kinds),
    ]  # fmt: skip


def _co_contraction(compared: Compared) -> list[Section]:
    rows = [
        [str(pair), *([name] if len(compared) > 1 else []), row["coordinate"], _two(row["measured"]),
         _two(row["simulated"]), f"{row['error']:+.2f}"]
        for name, own in compared.items() for pair, row in own.co_contraction.iterrows()
    ]  # fmt: skip
    if not rows:
        return []
    columns = ["antagonists", *(["solution"] if len(compared) > 1 else []), "about", "EMG", "simulated", "error"]
    note = "Index of co-contraction: twice the common area of two curves over the sum of both, 0 (never) to 1 (always)."
    return [Section("Co-contraction", note, columns=columns, rows=rows)]


def _coverage(own: EmgComparison) -> Section:
    table = own.coverage
    without = [str(name) for name in table[table["channel"] == ""]["muscle"]]
    unused = [str(name) for name in table[table["muscle"] == ""]["channel"]]
    mapped = table[(table["channel"] != "") & (table["muscle"] != "")]
    items = [f"{len(mapped)} muscles are compared with {mapped['channel'].nunique()} channels."]
    if unused:
        items.append(f"Channels without a muscle: {some(unused, NAMED)}.")
    folded = {
        "Muscles of each channel": "\n".join(f"{row['channel']}: {row['muscle']}" for _, row in mapped.iterrows()),
        f"{len(without)} muscles without EMG": ", ".join(without),
    }
    return Section("What EMG covers", items=items, folded=folded)


def beside(results: Results) -> Section:
    """Every other solution against the first, at the first's times."""
    first_name, first = next(iter(results.items()))
    rows = []
    for name, other in list(results.items())[1:]:
        table = agreement_of(first, other)
        worst = table.sort_values("rms_percent", ascending=False).head(NAMED)
        told = ", ".join(f"{muscle} ({row['rms_percent']:.0f} %)" for muscle, row in worst.iterrows())
        rows.append([
            f"{name} against {first_name}", f"{int(table['agrees'].sum())} of {len(table)}",
            _two(table["correlation"].median()), f"{table['rms_percent'].median():.1f} %", told,
        ])  # fmt: skip
    note = f"Forces agree where r is at least {CORRELATION} and the RMS difference at most {SHARE:.0%} of the peak."
    columns = ["solutions", "muscles agree", "median r", "median RMS (of peak)", "differ most (RMS, of peak)"]
    return Section("The solutions beside each other", note, columns=columns, rows=rows)


def agreement_of(first: Result, other: Result) -> pd.DataFrame:
    """Forces and activations of two results, the other's brought to the first's times by straight lines."""

    def brought(values: Any) -> Any:
        columns = [np.interp(first.time, other.time, column, left=np.nan, right=np.nan) for column in values.T]
        return np.stack(columns, axis=1)

    force, activation = brought(other.muscle_force), brought(other.activation)
    known = first.solved & np.isfinite(force).all(axis=1)
    return agreement(first.muscles, first.time, known, (first.muscle_force, force), (first.activation, activation))


def provenance(results: Results) -> Section:
    """Files with their hashes, cost, solver, versions; everything else is folded."""
    rows = []
    for name, result in results.items():
        summary = result.summary
        inputs = "; ".join(
            f"{what.replace('_', ' ')} {own.get('file')} ({str(own.get('sha256', ''))[:12]})"
            for what, own in summary.get("inputs", {}).items()
        )
        solver = summary.get("solver", {})
        how = ", ".join(
            filter(None, [summary.get("method"), solver.get("used"), f"{solver.get('tendon', 'rigid')} tendons"])
        )
        versions = ", ".join(f"{what} {own}" for what, own in summary.get("versions", {}).items())
        rows.append(
            [name, inputs or "arrays", f"{result.formula} ({summary.get('cost', {}).get('source', '')})", how, versions]
        )
    folded = {
        f"solution.json of {name}": json.dumps(dict(result.summary), indent=1, ensure_ascii=False, default=str)
        for name, result in results.items()
    }
    columns = ["solution", "inputs (SHA-256)", "cost", "solver", "versions"]
    return Section("Where this comes from", columns=columns, rows=rows, folded=folded)


def _two(value: float) -> str:
    return f"{value:.2f}" if np.isfinite(value) else "–"


def _milli(seconds: float) -> str:
    return f"{round(1e3 * seconds):d}" if np.isfinite(seconds) else "–"
