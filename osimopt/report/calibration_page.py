"""write_calibration: a folder about a calibration: tables, JSON, the calibrated model and a page."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..adapters.calibrated_model import write_calibrated_model
from ..calibration.calibration import Calibration, Judged
from ..calibration.identifiability import DETERMINED
from ..calibration.parameters import KINDS
from ..calibration.trial import CalibrationTrial
from ..files.folders import new_folder, write_json
from . import style
from .curves import Axis, Panel, draw_panels
from .page import Section, number, write_page

#: Files of write_calibration; the first is always there.
FILES = (
    "calibration.json", "parameters.csv", "muscles.csv", "moments.csv", "combinations.csv", "judged_moments.csv",
    "judged_channels.csv", "calibrated.osim", "report.html",
)  # fmt: skip
#: Names of parameters in figures and tables.
WORDS = {
    "max_isometric_force": "maximum isometric force", "optimal_fiber_length": "optimal fibre length",
    "tendon_slack_length": "tendon slack length", "tendon_strain": "tendon strain at one normalised force",
    "gain": "gain of EMG", "shape": "shape of EMG to activation", "delay": "delay of EMG",
}  # fmt: skip
#: Combinations of parameters on the page.
COMBINATIONS = 12
#: Inches of a row and of the width of the figure of parameters.
ROW, WIDTH = 0.16, 7.5


def write_calibration(
    calibration: Calibration,
    folder: str | os.PathLike[str],
    *,
    model: str | os.PathLike[str] | Any = None,
    judged: Judged | None = None,
    overwrite: bool = False,
) -> Path:
    """Write what a calibration found, and what it shows on other trials.

    ``calibration.json`` (settings, findings, all tables), ``parameters.csv`` (with intervals), ``muscles.csv`` (values
    before and after), ``moments.csv``, ``combinations.csv``, ``report.html``; with ``judged``, ``judged_moments.csv``
    and ``judged_channels.csv``; with ``model``, ``calibrated.osim``.

    Parameters
    ----------
    calibration : Calibration
        From :func:`osimopt.calibrate`.
    folder : path-like
        The folder to write; it appears whole or not at all.
    model : path-like or opensim.Model, optional
        The model of the trials, to be written with the calibrated muscles.
    judged : Judged, optional
        From :meth:`osimopt.Calibration.judge`.
    overwrite : bool, default False
        Replace an earlier calibration.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    InputError
        The folder exists and ``overwrite`` is False, or it holds other files.
    ModelError
        ``model`` has not the calibrated muscles.

    Examples
    --------
    >>> import osimopt
    >>> from osimopt.datasets import arm26
    >>> arm = arm26()
    >>> problem = osimopt.load_problem(arm.model, arm.motion, time_range=(0.2, 0.8))
    >>> activation = osimopt.solve_static(problem).activation  # stands for EMG of all muscles
    >>> emg = osimopt.Emg(problem.time, activation, problem.muscles, envelope=True)
    >>> mapping = {name: name for name in problem.muscles}
    >>> found = osimopt.calibrate(problem, emg, mapping, ["gain", "max_isometric_force"], starts=1)
    >>> folder = osimopt.write_calibration(found, "calibrated", model=arm.model)
    >>> (folder / "calibrated.osim").is_file()
    True
    """
    tables = {
        "parameters": calibration.table, "muscles": calibration.parameters(), "moments": calibration.moments,
        "combinations": calibration.combinations,
    }  # fmt: skip
    if judged is not None:
        tables |= {"judged_moments": judged.moments, "judged_channels": judged.channels}
    with new_folder(folder, FILES, overwrite=overwrite) as temporary:
        for name, table in tables.items():
            table.to_csv(temporary / f"{name}.csv", index=name != "combinations")
        values = calibration.model_values()
        if model is not None and values:
            write_calibrated_model(model, values, temporary / "calibrated.osim")
        rows = {name: table.reset_index().to_dict("records") for name, table in tables.items()}
        write_json(
            {"findings": calibration.findings(), **calibration.provenance, "tables": rows},
            temporary / "calibration.json",
        )
        opening = [str(calibration).strip("<>"), *_judgement(calibration, judged)]
        write_page(temporary / "report.html", "Calibrated muscles", opening, calibration_sections(calibration, judged))
    return Path(folder).absolute()


def calibration_sections(calibration: Calibration, judged: Judged | None = None) -> list[Section]:
    """Findings, moments, parameters with their priors, and what the data determine."""
    trials = calibration.best.residuals.trials
    rows = _rows(calibration.moments, "calibrated on") + ([] if judged is None else _rows(judged.moments, "held out"))
    columns = ["trial", "coordinate", "", "RMSE (N·m)", "of the range", "r", "before (N·m)", "of the range", "r"]
    note = (
        "Moments that follow from EMG alone (EMG-driven), against those of inverse dynamics. Before: the model's own "
        "muscles, with one fitted gain per channel."
    )
    figures = [_draw_moments(calibration, trials, "calibrated on")]
    if judged is not None:
        figures.append(_draw_moments(calibration, judged.trials, "held out"))
    sections = [
        Section("Findings", items=calibration.findings() or ["Nothing to report."]),
        Section("EMG-driven moments", note, figures=figures, columns=columns, rows=rows),
    ]
    if judged is not None and len(judged.channels):
        table: Any = judged.channels
        cells = [[*map(str, at), number(row["r"]), number(row["r_before"])] for at, row in table.iterrows()]
        text = "r of a channel's envelope with its muscles' activation where it is left out and the others assist."
        sections.append(Section("Channels left out", text, columns=["trial", "channel", "r", "before"], rows=cells))
    return [*sections, _parameters(calibration), _combinations(calibration)]


def _judgement(calibration: Calibration, judged: Judged | None) -> list[str]:
    if judged is None:
        return ["Judged on no other trial: errors of moments are those of the calibration itself."]
    after, before = judged.moments["nrmse"].mean(), judged.moments["nrmse_before"].mean()
    text = f"EMG-driven moments miss {before:.1%} of their range before, {after:.1%} after"
    return [f"On trials that were held out, {text}."]


def _rows(table: Any, what: str) -> list[list[str]]:
    """Errors of moments, calibrated and before."""
    rows = []
    for at, row in table.iterrows():
        cells = [*map(str, at), what]
        for suffix in ("", "_before"):
            cells += [number(row[f"rmse{suffix}"], "{:.1f}"), f"{row[f'nrmse{suffix}']:.1%}", number(row[f"r{suffix}"])]
        rows.append(cells)
    return rows


def _draw_moments(calibration: Calibration, trials: Sequence[CalibrationTrial], what: str) -> str:
    """Measured moments and those by EMG, before and after, of every trial and coordinate."""
    panels, axis = [], Axis()
    for trial in trials:
        driven = [trial.drive(fit.residuals.unknowns, fit.x).moment for fit in (calibration.best, calibration.baseline)]
        for row, coordinate in enumerate(calibration.setup.coordinates):
            named = {"inverse dynamics": trial.moment, "calibrated": driven[0], "generic, fitted gains": driven[1]}
            order = {"inverse dynamics": 6, "calibrated": 0, "generic, fitted gains": 1}
            lines = [(name, order[name], axis.curve(trial.time, value[:, row])) for name, value in named.items()]
            panels.append(Panel(coordinate, lines, subtitle=f"{trial.name}, {what}"))
    return draw_panels(
        panels, axis.label, "moment (N·m)", f"Moments, {what}", "EMG-driven moments, trials " + what, from_zero=False
    )


def _parameters(calibration: Calibration) -> Section:
    table: Any = calibration.table
    rows = [
        [WORDS[kind], name, row["unit"], *(number(row[c], "{:.4g}") for c in ("nominal", "value", "low", "high")),
         f"{row['determined']:.0%}", "yes" if row["at_bound"] else ""]
        for (kind, name), row in table.iterrows()
    ]  # fmt: skip
    columns = ["parameter", "of", "unit", "model", "calibrated", "95 % from", "to", "determined", "at a bound"]
    note = (
        "Intervals: 95 %. Determined: share of the information that is the data's, not the prior's; what is below "
        f"{DETERMINED:.0%} stays near its prior. In the figure, grey: the prior's 95 %."
    )
    return Section("Parameters", note, figures=[_draw_parameters(table)], columns=columns, rows=rows, grouped=True)


def _draw_parameters(table: Any) -> str:
    """Calibrated values with intervals, in standard deviations of their priors."""
    kinds = list(dict.fromkeys(table.index.get_level_values(0)))
    heights = [0.5 + ROW * int((table.index.get_level_values(0) == kind).sum()) for kind in kinds]
    size = (WIDTH, 0.4 + sum(heights))
    ratios = {"height_ratios": heights}
    with style.drawing([[kind] for kind in kinds], size, "Calibrated parameters", gridspec_kw=ratios) as (axes, made):
        for kind in kinds:
            own, at = table.loc[[kind]], axes[kind]
            place = np.arange(len(own))
            ends = [own[c].to_numpy() for c in ("prior_low", "prior_high", "value", "low", "high")]
            low, high, *shown = (np.log(np.maximum(v, 1e-12)) if KINDS[kind].prior.log else v for v in ends)
            middle, half = 0.5 * (low + high), np.maximum(0.25 * (high - low), 1e-12)
            value, start, end = ((one - middle) / half for one in shown)
            at.axvspan(-2.0, 2.0, color="#D0D0D0", alpha=0.4, lw=0.0)
            known = (own["determined"] >= DETERMINED).to_numpy()
            for sure, name in ((True, "determined by the data"), (False, "stays near the prior")):
                on = known == sure
                color = style.colour(0) if sure else "#888888"
                at.hlines(place[on], start[on], end[on], color=color, lw=1.6)
                at.plot(value[on], place[on], "o", ms=3.5, color=color, label=name)
            at.set_yticks(place, [str(name) for name in own.index.get_level_values(1)], fontsize=6.5)
            at.set_ylim(len(own) - 0.4, -0.6)
            at.set_title(WORDS[kind], fontsize=9)
            at.tick_params(axis="x", labelsize=7)
        axes[kinds[-1]].set_xlabel("standard deviations of the prior, from its middle", fontsize=8)
        axes[kinds[0]].legend(fontsize=7, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return made.svg


def _combinations(calibration: Calibration) -> Section:
    table = calibration.combinations.head(COMBINATIONS)
    rows = [
        [number(row["singular_value"], "{:.3g}"), f"{row['from_data']:.1%}", str(row["members"])]
        for _, row in table.iterrows()
    ]
    note = (
        "Combinations of parameters (in standard deviations of their priors), the best determined first: singular "
        "value of the sensitivity, share of information from the data, and the largest members."
    )
    return Section("What the data determine", note, columns=["singular value", "from data", "members"], rows=rows)
