"""A page about a whole study: failures first, then subjects and methods, then mean muscle forces."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..batch.journal import CONTACT_BW, CONTACT_N, DONE, Verdict, failed_checks, read_manifest
from ..errors import some
from ..files.storage import write_records
from ..problem.arrays import Array
from ..solution.reader import Result
from .curves import SIDES, Curve, Panel, draw_panels, drawn_groups, side_of
from .page import Section, check_new, number, write_page
from .style import MOST_LINES

if TYPE_CHECKING:
    import pandas as pd

#: Points of a time-normalised curve: 0 to 100 % of a trial.
POINTS = 101

#: Failures in the page's table; all are in the manifest.
LISTED = 100
#: Jobs named beside a check that fails.
NAMED = 20


def write_study_report(
    folder: str | os.PathLike[str], path: str | os.PathLike[str] | None = None, *, title: str | None = None,
    overwrite: bool = False,
) -> Path:  # fmt: skip
    """Write the page of a study, and ``peaks.csv`` and ``curves.csv`` in long form beside its manifest.

    Parameters
    ----------
    folder
        Folder that :func:`osimopt.run_study` wrote.
    path
        The .html file; default ``report.html`` in the folder.
    title
        Title of the page; default the folder's name.
    overwrite
        Replace an existing page. The tables are always replaced.

    Raises
    ------
    InputError
        The folder has no study, or the page exists.
    """
    folder = Path(folder)
    path = folder / "report.html" if path is None else Path(path)
    table = read_manifest(folder)
    check_new(path, overwrite)
    peaks, ensembles = gather(folder)
    write_records(peaks, folder / "peaks")
    write_records(long_table(ensembles), folder / "curves")
    failed = table[table["status"] != "solved"]
    verdict = Verdict.of(table)
    opening = [f"{len(table) - len(failed)} of {len(table)} jobs solved. In all: {verdict}.", _extent(table)]
    sections = [*_failures(failed), *_checks(table), _by_method(table), *_contact(table), *map(_ensemble, ensembles)]
    title = title or f"Study: {folder.resolve().name}"
    return write_page(path, title, opening, sections, "good" if verdict.good else "bad")


def _extent(table: pd.DataFrame) -> str:
    subjects, methods = table["subject"].nunique(), table["method"].nunique()
    trials = table.groupby("subject")["trial"].nunique().sum()
    hours = float(table["seconds"].sum()) / 3600.0
    repeated = int((table["attempts"] > 1).sum())
    again = f" {repeated} jobs took more than one try." if repeated else ""
    return f"{subjects} subjects, {trials} trials, {methods} methods; {hours:.2g} hours of work.{again}"


def _failures(failed: pd.DataFrame) -> list[Section]:
    rows = [[str(row[name]) for name in ("job", "status", "reason")] for _, row in failed.head(LISTED).iterrows()]
    more = f" The first {LISTED} of {len(failed)}; all are in manifest.csv." if len(failed) > LISTED else ""
    note = f"Jobs that were not solved, with their reasons.{more}"
    return [Section("Failures", note, columns=["job", "status", "reason"], rows=rows)] if rows else []


def _checks(table: pd.DataFrame) -> list[Section]:
    """Checks that jobs fail, and which jobs."""
    jobs: dict[str, list[str]] = {}
    for job, names in zip(table["job"], table["checks_failed"], strict=True):
        for name in failed_checks(names):
            jobs.setdefault(name, []).append(str(job))
    rows = [[name, f"{len(which)} of {len(table)}", some(which, NAMED)] for name, which in jobs.items()]
    note = "What must hold before forces are interpreted. Each job's own report has the numbers and the limits."
    return [Section("Checks that fail", note, columns=["check", "jobs", "which"], rows=rows)] if rows else []


def _by_method(table: pd.DataFrame) -> Section:
    rows = []
    for (subject, method), group in table.groupby(["subject", "method"], sort=False):
        solved = group[group["status"] == "solved"]
        rows.append([
            str(subject), str(method), f"{len(solved)} of {len(group)}", number(solved["peak_force_N"].max(), "{:.0f}"),
            number(solved["moment_residual_max"].max(), "{:.1g}"),
            number(100.0 * solved["reserve_share_max"].max(), "{:.1f} %"),
            number(solved["residual_force_N"].max(), "{:.3g}"), number(solved["residual_moment_Nm"].max(), "{:.3g}"),
            number(group["emg_r_median"].dropna().median()),
            f"{int((solved['checks_failed'] != '').sum())}", number(group["seconds"].median(), "{:.2g}"),
        ])  # fmt: skip
    columns = [
        "subject", "method", "solved", "peak force (N)", "moments missed (N·m)", "largest reserve",
        "residual force (N)", "residual moment (N·m)", "EMG, median r", "trials with failed checks", "median s",
    ]  # fmt: skip
    note = "The worst of each column's trials. Reserves as a share of their coordinate's peak moment."
    return Section("Subjects and methods", note, columns=columns, rows=rows, grouped=True)


def _contact(table: pd.DataFrame) -> list[Section]:
    """Peak forces through joints, by subject and method: mean and standard deviation over trials, and the largest."""
    rows = []
    for joint in (name.removeprefix(CONTACT_N) for name in map(str, table) if name.startswith(CONTACT_N)):
        for (subject, method), group in table.groupby(["subject", "method"], sort=False):
            newtons, weights = (group[what + joint].dropna() for what in (CONTACT_N, CONTACT_BW))
            if len(newtons):
                row = [number(values.mean(), form) for values, form in ((newtons, "{:.0f}"), (weights, "{:.2f}"))]
                spread = number(newtons.std(), "{:.0f}")
                rows.append([joint, str(subject), str(method), f"{len(newtons)}", row[0], spread, row[1],
                             number(newtons.max(), "{:.0f}"), number(weights.max(), "{:.2f}")])  # fmt: skip
    columns = [
        "joint", "subject", "method", "trials", "mean (N)", "± SD", "mean (BW)", "largest (N)", "largest (BW)",
    ]  # fmt: skip
    note = "Peaks of the size of the force through a joint, over trials; in N and in body weights of the model."
    return [Section("Joint contact forces", note, columns=columns, rows=rows, grouped=True)] if rows else []


def _ensemble(ensemble: Ensemble) -> Section:
    """Mean and standard deviation over trials of each group of muscles, a line per method, a figure per side."""
    method = ensemble.rows["method"]
    methods = method.unique()[:MOST_LINES].tolist()
    groups = drawn_groups(ensemble.muscles, ensemble.curves)
    figures = []
    for side in sorted({side_of(name) for name in ensemble.muscles}, reverse=True):
        panels = []
        for group, parts in ((group, sides[side]) for group, sides in groups.items() if side in sides):
            force = ensemble.curves[:, :, parts].sum(axis=2)
            lines = [(name, number, _curve(force[method == name])) for number, name in enumerate(methods)]
            panels.append(Panel(group, lines))
        what = f"{SIDES[side].capitalize()} side. " if side else ""
        caption = f"{what}Bands: ± one standard deviation over trials"
        figures.append(draw_panels(panels, "stride or trial (%)", "tendon force (N)", f"study {side}", caption))
    who = ", ".join(ensemble.rows["subject"].unique())
    what = "means over the strides of each trial, or the trial from first to last frame where no strides were found"
    note = f"{len(ensemble.rows)} jobs of {who}; {what}."
    return Section(f"Muscle forces, {len(ensemble.muscles)} muscles", note, figures=figures)


def _curve(values: Array) -> Curve:
    """Mean and standard deviation of the values (J, N) of jobs."""
    mean = values.mean(axis=0)
    spread = values.std(axis=0, ddof=1) if len(values) > 1 else np.full(len(mean), np.nan)
    return Curve(np.linspace(0.0, 100.0, len(mean)), mean, mean - spread, mean + spread)


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Forces (N) of the solved trials with the same muscles, over 0 to 100 % of their strides.

    ``curves`` is (J, 101, M), with the J jobs in ``rows`` of the manifest. A trial without known strides counts as one.
    """

    rows: pd.DataFrame
    muscles: tuple[str, ...]
    curves: Array


def gather(folder: str | os.PathLike[str]) -> tuple[pd.DataFrame, list[Ensemble]]:
    """Read every result of a study once: peaks of each muscle in long form, and curves of its forces.

    Returns
    -------
    pandas.DataFrame
        Columns job, subject, trial, method, muscle, peak_force_N, mean_force_N, impulse_Ns, peak_activation.
    list of Ensemble
        One for each set of muscles in the study.

    Raises
    ------
    InputError
        The folder has no study.
    """
    import pandas as pd

    tables, parts = [], dict[tuple[str, ...], list[tuple[Any, Array]]]()
    manifest = read_manifest(folder)
    for job, row in manifest[manifest["status"].isin(DONE)].iterrows():
        place = Path(folder) / "results" / str(row["job"])
        if (place / "solution.json").is_file():
            result = Result.read(place)
            tables.append(_peaks(row, result))
            parts.setdefault(result.muscles, []).append((job, _trial_curve(row, result)))
    ensembles = [
        Ensemble(manifest.loc[[job for job, _ in trials]].reset_index(drop=True), muscles,
                 np.stack([curve for _, curve in trials]))
        for muscles, trials in parts.items()
    ]  # fmt: skip
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=["job"]), ensembles


def _trial_curve(row: Any, result: Result) -> Array:
    """Force (101, M) in N: mean over the trial's strides, or the trial from its first to its last frame."""
    text = row.get("strides")
    strides = json.loads(text) if isinstance(text, str) and text else [[result.time[0], result.time[-1]]]
    times = [np.linspace(first, last, POINTS) for first, last in strides]
    each = [[np.interp(at, result.time, column) for column in result.muscle_force.T] for at in times]
    return np.asarray(np.mean(each, axis=0).T)


def _peaks(row: Any, result: Result) -> pd.DataFrame:
    """One row per muscle with its peak, mean and impulse of force and its peak activation."""
    import pandas as pd

    known = np.where(np.isfinite(result.muscle_force), result.muscle_force, 0.0)
    return pd.DataFrame({
        **{name: str(row[name]) for name in ("job", "subject", "trial", "method")}, "muscle": result.muscles,
        "peak_force_N": np.nanmax(result.muscle_force, axis=0), "mean_force_N": np.nanmean(result.muscle_force, axis=0),
        "impulse_Ns": np.trapezoid(known, result.time, axis=0), "peak_activation": np.nanmax(result.activation, axis=0),
    })  # fmt: skip


def long_table(ensembles: list[Ensemble]) -> pd.DataFrame:
    """Mean and standard deviation of force (N) over trials, by subject, method, muscle and percent."""
    import pandas as pd

    tables = []
    for ensemble in ensembles:
        for (subject, method), group in ensemble.rows.groupby(["subject", "method"], sort=False):
            values = ensemble.curves[group.index]
            spread = values.std(axis=0, ddof=1) if len(values) > 1 else np.full(values.shape[1:], np.nan)
            tables.append(pd.DataFrame({
                "subject": subject, "method": method, "muscle": np.repeat(ensemble.muscles, POINTS),
                "percent": np.tile(np.arange(POINTS), len(ensemble.muscles)), "trials": len(values),
                "force_mean_N": values.mean(axis=0).T.ravel(), "force_sd_N": spread.T.ravel(),
            }))  # fmt: skip
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=["subject"])
