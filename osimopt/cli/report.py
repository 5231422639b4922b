"""The commands that write reports and fetch public data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ..emg.processing import EmgOptions
from ..errors import InputError, explain
from .batch import print_verdict
from .emg import PANELS, RecordingOptions
from .options import takes
from .terminal import print_table, progress, say, stoppable


@takes(RecordingOptions, EmgOptions, panels=PANELS)
def report(
    results: Annotated[
        list[Path], typer.Argument(help="Result folders of one motion, or a study.", show_default=False)
    ],
    emg: Annotated[Path | None, typer.Option(help="EMG to compare with.", rich_help_panel=PANELS["emg"])] = None,
    title: Annotated[str | None, typer.Option(help="Title of the page.")] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="File to write.", show_default="osimopt_report.html; report.html of a study"),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier report.")] = False,
    **given: Any,
) -> None:
    """Write one page about one solution, or several of one motion side by side; or about a whole study.

    For a study's folder (osimopt batch) it also writes peaks.csv and curves.csv, in long form for statistics.
    """
    from ..batch.journal import read_manifest
    from ..emg.compare import compare_emg
    from ..report.batch import write_study_report
    from ..report.report import write_report
    from ..solution.reader import Result

    recording = RecordingOptions.of(given)
    if len(results) == 1 and (results[0] / "manifest.csv").is_file():
        if emg is not None or recording.strides is not None:
            got, fix = "--strides" if emg is None else "--emg", "Name these files in the study file."
            raise InputError(explain("no --emg or --strides with a study", got, fix))
        path = write_study_report(results[0], out, title=title, overwrite=overwrite)
        print_verdict(read_manifest(results[0]))
        say(f"Written to {path.absolute()}, peaks.csv and curves.csv to {results[0].absolute()}")
        return
    if emg is None and (recording.mapping or recording.mvc):
        fix = "Give --emg, or leave --mapping and --mvc out."
        raise InputError(explain("--emg with --mapping or --mvc", "none", fix))
    read = [Result.read(folder) for folder in results]
    found = recording.find_strides()
    compared = None
    if emg is not None:
        recorded, mapped = recording.read(emg, given)
        compared = {one.name: compare_emg(one, recorded, mapped, strides=found) for one in read}
    out = out or Path("osimopt_report.html")
    path = write_report(read, out, emg=compared, strides=found, title=title, overwrite=overwrite)
    say(f"Written to {path.absolute()}")


def fetch(
    name: Annotated[str | None, typer.Argument(help="Data set to fetch.", show_default=False)] = None,
    folder: Annotated[Path | None, typer.Option("--out", "-o", help="Parent folder; default a cache.")] = None,
    mirror: Annotated[
        str | None,
        typer.Option(
            help="Folder or address (file://, http://) with data sets, tried first.", show_default="$OSIMOPT_DATA"
        ),
    ] = None,
) -> None:
    """Fetch public models, motions, loads and EMG; without a name, list the data sets."""
    from ..datasets import fetch as public_data

    if name is None:
        print_table("Public data", ("name", "what"), [(one, public_data.about(one)) for one in public_data.names()])
        return
    with stoppable(folder or Path()), progress("Downloading") as moved:
        path = public_data.fetch(name, folder, mirror=mirror, progress=moved)
    say(f"{path}")
