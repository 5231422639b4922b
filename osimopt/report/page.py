"""Text, tables and figures as one HTML page without external resources, and the sections of a page about solutions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from ..analysis.contact_comparison import ContactComparison
from ..analysis.static_vs_dynamic import CORRELATION, SHARE, agreement
from ..emg.comparison import EmgComparison
from ..emg.metrics import lag_in_ms
from ..errors import InputError, explain, some
from ..files.storage import write_atomically
from ..solution.checks import Check, checks_of
from ..solution.reader import Result
from .solution_figures import draw_emg
from .style import paths_used

#: Cells that are coloured by their meaning.
MEANINGS = {"yes": "yes", "no": "no", "passes": "yes", "fails": "no"}
#: Cells of at most this many letters are not broken.
SHORT = 24
#: Correlations with EMG that static optimization of walking reached in a publication.
PUBLISHED = {
    "tibialis anterior": 0.67, "gastrocnemius": 0.47, "soleus": 0.60, "rectus femoris": 0.92, "vasti": 0.85,
    "gluteus maximus": 0.98,
}  # fmt: skip
PUBLISHED_SOURCE = "Front Syst Neurosci (2022) 16:785143, table 1"
#: Findings that are not folded away, and muscles named in a sentence.
SHOWN, NAMED = 8, 6

Results = Mapping[str, Result]
Comparisons = Mapping[str, EmgComparison]


@dataclass(frozen=True)
class Section:
    """A title, then optionally a note, list items, figures (SVG), a table and folded texts.

    With ``grouped``, rows with the same first cell form a group. ``quoted``: indices of rows from other publications.
    """

    title: str
    note: str = ""
    items: Sequence[str] = ()
    figures: Sequence[str] = ()
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    folded: Mapping[str, str] | None = None
    grouped: bool = False
    quoted: Sequence[int] = ()

    def styled_rows(self) -> list[tuple[str, list[tuple[str, str]]]]:
        """CSS class of each row, and its cells, each with its CSS class."""
        styled = []
        for place, row in enumerate(self.rows):
            new = self.grouped and place > 0 and row[0] != self.rows[place - 1][0]
            look = " ".join([*(["quoted"] if place in self.quoted else []), *(["group"] if new else [])])
            styled.append((look, [(cell, MEANINGS.get(cell, "short" if len(cell) <= SHORT else "")) for cell in row]))
        return styled


def number(value: float, form: str = "{:.2f}") -> str:
    """A cell of a table; a dash where the value is not finite."""
    return form.format(value) if isfinite(value) else "–"


def check_new(path: Path, overwrite: bool) -> None:
    """Raise an InputError where the page exists already and is not to be overwritten."""
    if path.exists() and not overwrite:
        fix = "Choose another name, or overwrite it with overwrite=True (--overwrite)."
        raise InputError(explain("a new file for the report", "an existing file", fix, path))


def write_page(path: Path, title: str, opening: Sequence[str], sections: Sequence[Section], verdict: str = "") -> Path:
    """Write the page; the file appears whole or not at all. ``verdict``: "good", "bad" or "" colours the opening."""
    import jinja2

    template = Path(__file__).with_suffix(".html.j2").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, undefined=jinja2.StrictUndefined)
    page = environment.from_string(template).render(title=title, opening=opening, verdict=verdict, sections=sections)
    write_atomically(path, page)
    return path


def all_checks(results: Results, compared: Comparisons) -> dict[str, list[Check]]:
    """Checks by solution; of its comparison with EMG where there is one."""
    return {
        name: list(compared[name].checks) if name in compared else checks_of(result) for name, result in results.items()
    }


def checks(results: Results, compared: Comparisons) -> Section:
    """Every check with its limit and result."""
    many = len(results) > 1
    rows = [
        [*([name] if many else []), check.name, check.found, check.limit, check.verdict, check.source]
        for name, found in all_checks(results, compared).items() for check in found
    ]  # fmt: skip
    columns = [*(["solution"] if many else []), "what", "found", "limit", "", "after"]
    note = "What must hold before forces are interpreted, or compared with anything."
    if any(comparison.curves.strides for comparison in compared.values()):
        note += " With EMG, of the frames within the strides that are compared."
    return Section("Checks", note, columns=columns, rows=rows, grouped=many)


def findings(results: Results, compared: Comparisons, measured: Mapping[str, ContactComparison]) -> Section:
    """Findings of solutions and comparisons, each sentence once; a long list is folded."""
    names: dict[str, list[str]] = {}
    for name, result in results.items():
        emg = (
            [*compared[name].clock.findings(), *compared[name].flagged(), *compared[name].notes]
            if name in compared
            else []
        )
        contact = measured[name].findings() if name in measured else []
        for line in dict.fromkeys([*result.summary.get("findings", []), *emg, *contact]):
            names.setdefault(line, []).append(name)
    lines = [f"{', '.join(which)}: {line}" if len(which) < len(results) else line for line, which in names.items()]
    folded = {f"{len(lines) - SHOWN} more": "\n".join(lines[SHOWN:])} if len(lines) > SHOWN else None
    return Section("Findings", items=lines[:SHOWN] or ["Nothing to report."], folded=folded)


def emg_sections(compared: Comparisons) -> list[Section]:
    """Agreement with EMG by channel, co-contraction of antagonists, and what EMG covers."""
    if not compared:
        return []
    many = len(compared) > 1
    rows = [
        [channel, *([name] if many else []), *_agreement_cells(comparison, channel)]
        for channel in next(iter(compared.values())).table.index
        for name, comparison in compared.items() if channel in comparison.table.index
    ]  # fmt: skip
    columns = [
        "channel", *(["solution"] if many else []), "r [95 %]", "r by stride", "lag (ms)", "r at that lag",
        "on/off agree", "onset late (ms)", "RMSE", "MAE", "flags",
    ]  # fmt: skip
    published = ", ".join(f"{muscle} {r:.2f}" for muscle, r in PUBLISHED.items())
    note = (
        "r: Pearson's, at no lag. Lag: where r is largest, from 0 to 100 ms, positive where the simulation is later. "
        "RMSE and MAE only where EMG is a share of a maximum voluntary contraction. r compares shapes only: agreement "
        f"of forces cannot be measured here. Published for static optimization of walking: {published} "
        f"({PUBLISHED_SOURCE})."
    )
    agreed = Section("Agreement with EMG", note, figures=[draw_emg(compared)], columns=columns, rows=rows, grouped=many)
    return [agreed, *_co_contraction(compared), _coverage(next(iter(compared.values())))]


def _agreement_cells(comparison: EmgComparison, channel: Any) -> list[str]:
    row = comparison.table.loc[channel]
    kinds = sorted({flag.kind for flag in comparison.flags if flag.channel == channel})
    return [
        f"{number(row['r'])} [{number(row['r_low'])}, {number(row['r_high'])}]",
        f"{number(row['r_stride_mean'])} ± {number(row['r_stride_sd'])}" if np.isfinite(row["r_stride_mean"]) else "–",
        lag_in_ms(row["lag"], row["lag_at_limit"]), number(row["r_delay"]), f"{row['concordance']:.0%}",
        _milli(row["onset_error"]), number(row["rmse"]), number(row["mae"]), ", ".join(kinds),
    ]  # fmt: skip


def _co_contraction(compared: Comparisons) -> list[Section]:
    many = len(compared) > 1
    rows = [
        [str(pair), *([name] if many else []), row["coordinate"], number(row["measured"]), number(row["simulated"]),
         f"{row['error']:+.2f}"]
        for name, comparison in compared.items() for pair, row in comparison.co_contraction.iterrows()
    ]  # fmt: skip
    columns = ["antagonists", *(["solution"] if many else []), "about", "EMG", "simulated", "error"]
    note = "Index of co-contraction: twice the common area of two curves over the sum of both, 0 (never) to 1 (always)."
    return [Section("Co-contraction", note, columns=columns, rows=rows)] if rows else []


def _coverage(comparison: EmgComparison) -> Section:
    table = comparison.coverage
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


def compared_solutions(results: Results) -> Section:
    """Forces of every other solution against the first, interpolated at the first one's times."""
    (first_name, first), *others = results.items()
    rows = []
    for name, other in others:
        force, activation = (
            np.stack([np.interp(first.time, other.time, column, left=np.nan, right=np.nan) for column in values.T], 1)
            for values in (other.muscle_force, other.activation)
        )
        known = first.solved & np.isfinite(force).all(axis=1)
        both = (first.muscle_force, force), (first.activation, activation)
        table = agreement(first.muscles, first.time, known, *both)
        worst = table.sort_values("rms_percent", ascending=False).head(NAMED)
        rows.append([
            f"{name} against {first_name}", f"{int(table['agrees'].sum())} of {len(table)}",
            number(table["correlation"].median()), f"{table['rms_percent'].median():.1f} %",
            ", ".join(f"{muscle} ({row['rms_percent']:.0f} %)" for muscle, row in worst.iterrows()),
        ])  # fmt: skip
    note = f"Forces agree where r is at least {CORRELATION} and the RMS difference at most {SHARE:.0%} of the peak."
    columns = ["solutions", "muscles agree", "median r", "median RMS (of peak)", "differ most (RMS, of peak)"]
    return Section("Comparison of the solutions", note, columns=columns, rows=rows)


def provenance(results: Results) -> Section:
    """Files with their hashes, cost, solver, versions; everything else is folded."""
    rows = []
    for name, result in results.items():
        summary = result.summary
        inputs = "; ".join(
            f"{what.replace('_', ' ')} {file.get('file')} ({str(file.get('sha256', ''))[:12]})"
            for what, file in summary.get("inputs", {}).items()
        )
        solver = summary.get("solver", {})
        tendons, paths = f"{solver.get('tendon', 'rigid')} tendons", paths_used(summary)
        parts = [summary.get("method"), solver.get("used"), tendons, paths]
        rows.append([
            name, inputs or "arrays", f"{result.formula} ({summary.get('cost', {}).get('source', '')})",
            ", ".join(filter(None, parts)),
            ", ".join(f"{what} {version}" for what, version in summary.get("versions", {}).items()),
        ])  # fmt: skip
    folded = {
        f"solution.json of {name}": json.dumps(dict(result.summary), indent=1, ensure_ascii=False, default=str)
        for name, result in results.items()
    }
    columns = ["solution", "inputs (SHA-256)", "cost", "solver", "versions"]
    return Section("Where this comes from", columns=columns, rows=rows, folded=folded)


def _milli(seconds: float) -> str:
    return f"{round(1e3 * seconds):d}" if np.isfinite(seconds) else "–"
