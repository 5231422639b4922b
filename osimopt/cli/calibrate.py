"""``osimopt calibrate``: personal muscles of a study's subjects."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import InputError, OsimoptError, explain
from .terminal import print_table, progress, say, say_error, say_warning, stoppable

if TYPE_CHECKING:
    from ..calibration.calibration import Calibration, Judged


def calibrate(
    study: Annotated[Path | None, typer.Argument(help="Study file (.toml).", show_default=False)] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder to write.", show_default="<name>_calibration beside the study"),
    ] = None,
    judge: Annotated[
        list[str] | None, typer.Option(help="Trials (a pattern) that judge, instead of the study's.")
    ] = None,
    subject: Annotated[list[str] | None, typer.Option(help="Calibrate these subjects only.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Leave out subjects that have results.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace earlier results.")] = False,
) -> None:
    """Calibrate muscles of each subject from its trials with EMG, and judge them on trials that are held out.

    The study is that of osimopt batch (osimopt batch --init writes an example): subjects, motions, loads, emg, and
    a table emg with a mapping; a table calibration has further options. OUT/<subject> holds calibrated.osim,
    calibration.json, tables and report.html. Exit code 1 if a subject failed.
    """
    from ..batch.calibrating import people_of
    from ..batch.study import StudyCalibration, read_study
    from ..errors import check_names
    from ..report.calibration_page import FILES, write_calibration

    if study is None:
        raise InputError(explain("a study file (.toml)", "none", "osimopt batch --init writes an example."))
    read = read_study(study)
    options = read.calibration or StudyCalibration()
    if judge:
        options = options.model_copy(update={"judge": tuple(judge)})
    read = read.model_copy(update={"calibration": options})
    people = list(people_of(read))
    check_names("subjects", subject or (), [one.name for one in people])
    root = out or study.absolute().parent / f"{read.name}_calibration"
    failed = 0
    for person in people:
        folder = root / person.name
        if (subject and person.name not in subject) or (resume and (folder / FILES[0]).is_file()):
            continue
        try:
            with stoppable(folder), progress(f"Calibrating {person.name}") as moved:
                found, judged = person.calibrate(options, moved)
                write_calibration(found, folder, model=person.model, judged=judged, overwrite=overwrite or resume)
        except OsimoptError as error:
            failed += 1
            say_error(f"{person.name}: {error}")
            continue
        _print(person.name, found, judged)
        say(f"Written to {folder.absolute()}: report.html, calibrated.osim and tables\n")
    if failed:
        raise typer.Exit(1 if len(people) > 1 else 2)


def _print(name: str, found: Calibration, judged: Judged | None) -> None:
    """Errors of moments, side by side, and findings."""
    rows: list[tuple[object, ...]] = []
    tables: dict[str, Any] = {"calibrated on": found.moments}
    if judged is not None:
        tables["held out"] = judged.moments
    for what, table in tables.items():
        for at, row in table.iterrows():
            cells = (f"{row['rmse']:.1f}", f"{row['nrmse']:.1%}", f"{row['r']:.2f}", f"{row['nrmse_before']:.1%}")
            rows.append((*map(str, at), what, *cells))
    head = ("trial", "coordinate", "", "RMSE N·m", "of range", "r", "before")
    print_table(f"{name}: EMG-driven moments, calibrated and before (fitted gains only)", head, rows)
    determined = int((found.table["determined"] >= 0.5).sum())
    say(f"{determined} of {len(found.table)} parameters are determined by the data more than by their priors.")
    if judged is None:
        say_warning("No trial was held out: errors are those of the calibration itself. --judge TRIAL judges.")
    for line in found.findings():
        say_warning(line)
