"""A page about a whole study: failures first, then subjects and methods, then what muscles do on average."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..batch.aggregate import Ensemble, gather, long_table
from ..batch.journal import read_manifest
from ..batch.verdict import Verdict, failed_checks
from ..errors import InputError, explain, some
from ..files.storage import write_records
from .ensemble import Curve, muscle_groups
from .multiples import Panel, draw_panels
from .page import Section, write_page
from .solution_figures import DRAWN, SIDES

if TYPE_CHECKING:
    import pandas as pd

#: Failures in the page's table; all are in the manifest.
LISTED = 100
#: Jobs named beside a check that fails.
NAMED = 20
#: Methods that are drawn: as many as have a colour.
METHODS = 8


def write_study_report(
    folder: str | os.PathLike[str], path: str | os.PathLike[str] | None = None, *, title: str | None = None,
    overwrite: bool = False,
) -> Path:  # fmt: skip
    """Write the page of a study, and beside its manifest ``peaks.csv`` and ``curves.csv`` in long form.

    Parameters
    ----------
    folder
        Of :func:`osimopt.run_study`.
    path
        The .html file; default ``report.html`` in the folder.
    title
        Of the page.
    overwrite
        Replace an earlier page. The tables are always those of the page.

    Raises
    ------
    InputError
        No study in the folder, or a page that is there.
    """
    folder = Path(folder)
    path = folder / "report.html" if path is None else Path(path)
    table = read_manifest(folder)
    if path.exists() and not overwrite:
        fix = "Choose another name, or say overwrite=True (--overwrite)."
        raise InputError(explain("a new file for the report", "one that is there", fix, path))
    long, ensembles = gather(folder)
    write_records(long, folder / "peaks")
    write_records(long_table(ensembles), folder / "curves")
    failed = table[table["status"] != "solved"]
    verdict = Verdict.of(table)
    head = f"{len(table) - len(failed)} of {len(table)} jobs solved. In all: {verdict}."
    sections = [_failures(failed), _checks(table), _by_method(table), *(_ensemble(own) for own in ensembles)]
    return write_page(
        path, title or f"Study: {folder.resolve().name}", [head, _told(table)], [own for own in sections if own],
        "good" if verdict.good else "bad",
    )  # fmt: skip


def _told(table: pd.DataFrame) -> str:
    subjects, trials = table["subject"].nunique(), table.groupby("subject")["trial"].nunique().sum()
    hours = float(table["seconds"].sum()) / 3600.0
    attempts = int((table["attempts"] > 1).sum())
    again = f" {attempts} jobs took more than one try." if attempts else ""
    return (
        f"{subjects} subjects, {trials} trials, {table['method'].nunique()} methods; {hours:.2g} hours of work.{again}"
    )


def _failures(failed: pd.DataFrame) -> Section | None:
    if not len(failed):
        return None
    rows = [[str(row["job"]), str(row["status"]), str(row["reason"])] for _, row in failed.head(LISTED).iterrows()]
    more = f" The first {LISTED} of {len(failed)}; all are in manifest.csv." if len(failed) > LISTED else ""
    note = f"What was not solved, and why.{more}"
    return Section("Failures", note, columns=["job", "status", "reason"], rows=rows)


def _checks(table: pd.DataFrame) -> Section | None:
    """Checks that solved jobs fail, and which jobs."""
    failing = [(str(row["job"]), name) for _, row in table.iterrows() for name in failed_checks(row["checks_failed"])]
    if not failing:
        return None
    names = dict.fromkeys(name for _, name in failing)
    jobs = {name: [job for job, own in failing if own == name] for name in names}
    rows = [[name, f"{len(own)} of {len(table)}", some(own, NAMED)] for name, own in jobs.items()]
    note = "What must hold before forces are interpreted. Each job's own report has the numbers and the limits."
    return Section("Checks that fail", note, columns=["check", "jobs", "which"], rows=rows)


def _by_method(table: pd.DataFrame) -> Section:
    rows = []
    for (subject, method), own in table.groupby(["subject", "method"], sort=False):
        solved = own[own["status"] == "solved"]
        emg = own["emg_r_median"].dropna()
        rows.append([
            str(subject), str(method), f"{len(solved)} of {len(own)}", _number(solved["peak_force_N"].max(), "{:.0f}"),
            _number(solved["moment_residual_max"].max(), "{:.1g}"),
            _number(100.0 * solved["reserve_share_max"].max(), "{:.1f} %"),
            _number(solved["residual_force_N"].max(), "{:.3g}"), _number(solved["residual_moment_Nm"].max(), "{:.3g}"),
            _number(emg.median(), "{:.2f}"),
            f"{int((solved['checks_failed'] != '').sum())}", _number(own["seconds"].median(), "{:.2g}"),
        ])  # fmt: skip
    columns = [
        "subject", "method", "solved", "peak force (N)", "moments missed (N·m)", "largest reserve",
        "residual force (N)", "residual moment (N·m)", "EMG, median r", "trials with failed checks", "median s",
    ]  # fmt: skip
    note = "The worst of each column's trials. Reserves as a share of their coordinate's peak moment."
    return Section("Subjects and methods", note, columns=columns, rows=rows, grouped=True)


def _number(value: float, form: str) -> str:
    return form.format(value) if np.isfinite(value) else "–"


def _ensemble(own: Ensemble) -> Section:
    """Mean and standard deviation over trials of each group of muscles, a line per method, a figure per side."""
    methods = list(dict.fromkeys(own.methods))[:METHODS]
    groups = muscle_groups(own.muscles)
    force = {
        name: {side: own.curves[:, :, places].sum(axis=2) for side, places in sides.items()}
        for name, sides in groups.items()
    }
    peak = {name: max(float(np.nanmax(one, initial=0.0)) for one in sides.values()) for name, sides in force.items()}
    least = DRAWN * max(peak.values(), default=0.0)
    shown = sorted((name for name in groups if peak[name] >= least), key=lambda name: -peak[name])
    figures = []
    for side in sorted({side for sides in groups.values() for side in sides}, reverse=True):
        panels = []
        for name in (name for name in shown if side in force[name]):
            lines = [(one, number, _curve(force[name][side], own.methods, one)) for number, one in enumerate(methods)]
            panels.append(Panel(name, lines))
        what = f"{SIDES[side].capitalize()} side. " if side else ""
        caption = f"{what}Bands: ± one standard deviation over trials"
        figures.append(draw_panels(panels, "stride or trial (%)", "tendon force (N)", f"study {side}", caption))
    who = ", ".join(dict.fromkeys(own.subjects))
    what = "means over the strides of each trial, or the trial from first to last frame where no strides were found"
    note = f"{len(own.jobs)} jobs of {who}; {what}."
    return Section(f"Muscle forces, {len(own.muscles)} muscles", note, figures=figures)


def _curve(values: np.ndarray, methods: Sequence[str], method: str) -> Curve:
    chosen = values[[one == method for one in methods]]
    x = np.linspace(0.0, 100.0, values.shape[1])
    if not len(chosen):
        nothing = np.full(len(x), np.nan)
        return Curve(x, nothing, nothing, nothing)
    mean = chosen.mean(axis=0)
    spread = chosen.std(axis=0, ddof=1) if len(chosen) > 1 else np.full(len(x), np.nan)
    return Curve(x, mean, mean - spread, mean + spread)
