"""``osimopt validate``, ``report`` and ``fetch``: agreement of costs with EMG, reports of results, public data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..adapters.options import ReadOptions
from ..emg.metrics import lag_in_ms
from ..emg.processing import EmgOptions
from ..errors import InputError, explain
from ..options import declared, option
from . import options
from .batch import print_verdict
from .emg import PANELS as EMG_PANELS
from .emg import RecordingOptions
from .terminal import print_table, progress, say, say_warning, stoppable

if TYPE_CHECKING:
    from ..analysis.contact_comparison import ContactComparison
    from ..analysis.cost_ranking import CostRanking
    from ..emg.strides import Strides
    from ..solution.reader import Result


Unit = StrEnum("Unit", {"N": "N", "kN": "kN", "BW": "BW", "percent": "%BW"})


@dataclass(frozen=True)
class MeasuredOptions:
    """A measured contact force, and what its columns are."""

    measured_contact: Path | None = option(
        None, "Measured contact force (.sto, .mot, .csv): first column time in s, or per cent of a stride.", shell=Path
    )
    contact_joint: str | None = option(None, "Joint of that force, as walker_knee_l.", shell=str)
    contact_columns: str | None = option(
        None, "Its columns: med+lat=axial,F=norm,… or the name of that of the axial force.", shell=str
    )
    contact_unit: Unit | None = option(None, "Their unit (default N): body weights, or per cent of it.", shell=Unit)

    def compare(self, results: list[Result], strides: Strides | tuple[()]) -> dict[str, ContactComparison] | None:
        """The comparison of each result; None without a file."""
        from ..analysis.compare_contact import compare_contact

        if self.measured_contact is None:
            if given := [name for name in ("joint", "columns", "unit") if getattr(self, f"contact_{name}") is not None]:
                got = f"--contact-{given[0]} alone"
                raise InputError(explain("--measured-contact FILE", got, "Give the file of the measured force."))
            return None
        if self.contact_joint is None or self.contact_columns is None:
            got = f"--measured-contact {self.measured_contact} without them"
            fix = "Write for example --contact-joint walker_knee_l --contact-columns med+lat=axial."
            raise InputError(explain("--contact-joint and --contact-columns with --measured-contact", got, fix))
        words = [word.strip() for word in self.contact_columns.split(",")]
        pairs = [word.rpartition("=") for word in words]
        columns = {column.strip(): what.strip() for column, equals, what in pairs if equals} or words[0]
        if isinstance(columns, dict) and len(columns) < len(words):
            fix = "Write for example med+lat=axial,F=norm."
            raise InputError(explain("--contact-columns column=component", f"'{self.contact_columns}'", fix))
        known = {"joint": self.contact_joint, "unit": self.contact_unit or "N", "strides": strides}
        return {one.name: compare_contact(one, self.measured_contact, columns, **known) for one in results}  # type: ignore[arg-type]


#: Headings in the help of the flags about EMG and about contact forces.
PANELS = EMG_PANELS | dict.fromkeys(declared(MeasuredOptions), "Measured contact force")


@options.takes(RecordingOptions, EmgOptions, ReadOptions, panels=PANELS)
def validate(
    model: options.Model,
    motion: options.Motion,
    emg: Annotated[Path, typer.Argument(help="EMG: .sto, .mot, .csv, .txt or .c3d.", show_default=False)],
    costs: Annotated[
        str, typer.Option(help="Costs to rank, with an exponent where it can be chosen.", metavar="NAME[:P],…")
    ] = "activation_power:2,activation_power:3",
    cache: options.Cache = None,
    jobs: options.Jobs = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write.")] = Path("osimopt_validation"),
    overwrite: options.Overwrite = False,
    **given: Any,
) -> None:
    """Compare static optimization with EMG, and rank costs by how well they agree with it.

    Costs are ranked by every other stride and judged by the rest. The folder has tables (.csv) and a report (.html).
    """
    from ..adapters.load import read_problem
    from ..analysis.cost_ranking import rank_costs, read_terms
    from ..files.folders import check_target
    from ..pipeline.read import with_networks
    from ..report.report import VALIDATION, write_validation

    wanted = [name.strip() for name in costs.split(",") if name.strip()]
    for name in wanted:
        read_terms(name)
    check_target(out, VALIDATION, overwrite)
    recording = RecordingOptions(**options.chosen(RecordingOptions, given))
    recorded, mapped = recording.read(emg, given)
    found, read = recording.find_strides(motion), options.read_options(model, motion, given)
    with stoppable(out):
        with progress("Reading the motion") as moved:
            problem = read_problem(with_networks(read), jobs, cache, moved)
        with progress("Solving") as moved:
            ranking = rank_costs(problem, recorded, mapped, wanted, strides=found, progress=moved)
        folder = write_validation(ranking, out, overwrite=overwrite)
    _print_ranking(ranking)
    say(f"\nWritten to {folder}: report.html and tables")
    if any(not one.success for one in ranking.solutions.values()):
        raise typer.Exit(1)


def _print_ranking(ranking: CostRanking) -> None:
    """Mean r of each cost, and the agreement of the best by channel."""
    best = next(iter(ranking.comparisons[name] for name in ranking.table.index if name in ranking.comparisons))
    if len(ranking.table) > 1:
        rows: list[tuple[Any, ...]] = [
            (name, *(f"{row[column]:.3f}" for column in ("chosen_r", "judged_r", "behind")), row["reason"])
            for name, row in ranking.table.iterrows()
        ]
        print_table("Costs by mean r", ("cost", "ranked by", "held out", "behind", "not tried"), rows)
    rows = [
        (channel, f"{row['r']:.2f}", f"{row['r_low']:.2f}", f"{row['r_high']:.2f}",
         lag_in_ms(row["lag"], row["lag_at_limit"]), f"{row['r_delay']:.2f}", f"{100.0 * row['concordance']:.0f}")
        for channel, row in best.table.iterrows()
    ]  # fmt: skip
    head = ("channel", "r", "95 % from", "to", "lag ms", "r there", "on/off agree %")
    print_table(f"\nAgreement of {ranking.table.index[0]} with EMG", head, rows)
    for line in [*best.notes, *ranking.notes]:
        say(line)
    for line in best.findings():
        if line not in best.notes:
            say_warning(line)


@options.takes(RecordingOptions, EmgOptions, MeasuredOptions, panels=PANELS)
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

    recording = RecordingOptions(**options.chosen(RecordingOptions, given))
    measured = MeasuredOptions(**options.chosen(MeasuredOptions, given))
    if len(results) == 1 and (results[0] / "manifest.csv").is_file():
        if emg is not None or recording.strides is not None or measured.measured_contact is not None:
            got = "--emg" if emg is not None else "--strides" if recording.strides is not None else "--measured-contact"
            fix = "Give result folders, or name EMG and loads in the study file."
            raise InputError(explain("no --emg, --strides or --measured-contact with a study", got, fix))
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
    contact = measured.compare(read, found)
    out = out or Path("osimopt_report.html")
    path = write_report(read, out, emg=compared, contact=contact, strides=found, title=title, overwrite=overwrite)
    for name, one in (contact or {}).items():
        for line in one.agreement():
            say(f"{name}: {one.joint}, {line}.")
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
