"""The commands that compare with EMG, write reports, and bring public data."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import InputError, explain
from .options import (
    Cache,
    Forces,
    Gain,
    Geometry,
    Jobs,
    Loads,
    Lowpass,
    Model,
    Motion,
    Overwrite,
    Passive,
    Reserves,
    TimeRange,
    Weld,
    read_assignment,
    read_geometry,
    read_reserves,
)
from .stopping import stoppable
from .terminal import print_table, progress, say, say_warning

if TYPE_CHECKING:
    from ..emg.compare import EmgComparison
    from ..emg.mapping import EmgMapping
    from ..emg.processing import EmgOptions
    from ..emg.recording import Emg
    from ..emg.strides import Strides
    from ..studies.cost_ranking import CostRanking


class Side(StrEnum):
    """Of the body."""

    r = "r"
    l = "l"  # noqa: E741


PANEL = "EMG"
MappingOption = Annotated[
    str | None,
    typer.Option(
        "--mapping", "-m", rich_help_panel=PANEL,
        help="Muscles of each channel: a TOML file with \\[channels] soleus = \\[\"soleus_r\"], or a preset: gait2392, "
        "Rajagopal2016, gait10dof18musc, arm26.",
    ),
]  # fmt: skip
SideOption = Annotated[
    Side | None,
    typer.Option(rich_help_panel=PANEL, help="Of channels that do not say it, and of the foot of --strides."),
]
StridesOption = Annotated[
    Path | None,
    typer.Option(
        "--strides", rich_help_panel=PANEL,
        help="Ground reactions (.mot, .sto): strides are from one contact of the foot of --side to its next.",
    ),
]  # fmt: skip
ColumnOption = Annotated[
    str | None, typer.Option("--strides-column", rich_help_panel=PANEL, help="Vertical force of that foot, by name.")
]
MvcOption = Annotated[
    str | None,
    typer.Option(
        "--mvc", rich_help_panel=PANEL,
        help="What maximum voluntary contractions are: the file of their trial, soleus=0.8,ta=0.5 in the units of the "
        "envelopes, or 'yes' if EMG is in shares of them already. Without, amplitudes mean nothing, and RMSE and MAE "
        "are left out.",
    ),
]  # fmt: skip
BandOption = Annotated[
    tuple[float, float], typer.Option("--band", rich_help_panel=PANEL, metavar="LOW HIGH", help="Hz, of raw EMG.")
]
EnvelopeOption = Annotated[float, typer.Option("--envelope-hz", rich_help_panel=PANEL, help="Low-pass of raw EMG, Hz.")]
NotchOption = Annotated[float | None, typer.Option("--notch", rich_help_panel=PANEL, help="Mains hum to take out, Hz.")]


def validate(
    model: Model,
    motion: Motion,
    emg: Annotated[Path, typer.Argument(help="EMG: .sto, .mot, .csv, .txt or .c3d.", show_default=False)],
    mapping: MappingOption = None,
    side: SideOption = None,
    strides: StridesOption = None,
    strides_column: ColumnOption = None,
    mvc: MvcOption = None,
    band: BandOption = (20.0, 400.0),
    notch: NotchOption = None,
    envelope_hz: EnvelopeOption = 6.0,
    costs: Annotated[
        str, typer.Option(help="Costs to rank, with an exponent where it is not their own.", metavar="NAME[:P],…")
    ] = "activation_power:2,activation_power:3",
    external_loads: Loads = None,
    generalized_force: Forces = None,
    time_range: TimeRange = None,
    lowpass_hz: Lowpass = None,
    reserves: Reserves = "auto",
    weld: Weld = None,
    passive_force: Passive = False,
    gain: Gain = "opensim",
    geometry: Geometry = "opensim",
    cache: Cache = None,
    jobs: Jobs = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write.")] = Path("osimopt_validation"),
    overwrite: Overwrite = False,
) -> None:
    """Compare static optimization with EMG, and rank costs by how well they agree with it.

    Costs are ranked by every other stride and judged by the rest. The folder has tables (.csv) and a report (.html).
    """
    from .. import load_problem, rank_costs
    from ..report.validation import write_validation
    from ..results import check_target
    from ..studies.cost_ranking import read_cost

    wanted = [name.strip() for name in costs.split(",") if name.strip()]
    for name in wanted:
        read_cost(name)
    check_target(out.absolute(), overwrite)
    recorded, mapped = _read(emg, mapping, side, mvc, band, notch, envelope_hz)
    found = _strides(strides, side, strides_column)
    with stoppable(out):
        with progress("Reading the motion") as moved:
            problem = load_problem(
                model, motion, external_loads, generalized_force, time_range, lowpass_hz, read_reserves(reserves),
                tuple(weld or ()), passive_force, gain, read_geometry(geometry), jobs, cache=cache,  # type: ignore[arg-type]
                progress=moved,
            )  # fmt: skip
        with progress("Solving") as moved:
            ranking = rank_costs(problem, recorded, mapped, wanted, strides=found or (), progress=moved)
        folder = write_validation(ranking, out, overwrite=overwrite)
    _print_ranking(ranking)
    say(f"\nWritten to {folder}: report.html and tables")
    if any(not one.success for one in ranking.solutions.values()):
        raise typer.Exit(1)


def report(
    results: Annotated[list[Path], typer.Argument(help="Result folders of one motion.", show_default=False)],
    emg: Annotated[Path | None, typer.Option(help="EMG to compare with.", rich_help_panel=PANEL)] = None,
    mapping: MappingOption = None,
    side: SideOption = None,
    strides: StridesOption = None,
    strides_column: ColumnOption = None,
    mvc: MvcOption = None,
    band: BandOption = (20.0, 400.0),
    notch: NotchOption = None,
    envelope_hz: EnvelopeOption = 6.0,
    title: Annotated[str | None, typer.Option(help="Of the page.")] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write (.html).")] = Path("osimopt_report.html"),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier report.")] = False,
) -> None:
    """Write one page about one solution, or several of one motion side by side."""
    from .. import Result, compare_emg, write_report

    if emg is None and (mapping or mvc):
        fix = "Give --emg, or leave --mapping and --mvc out."
        raise InputError(explain("--emg with --mapping or --mvc", "none", fix))
    read = [Result.read(folder) for folder in results]
    found = _strides(strides, side, strides_column)
    compared = None
    if emg is not None:
        recorded, mapped = _read(emg, mapping, side, mvc, band, notch, envelope_hz)
        compared = {one.name: compare_emg(one, recorded, mapped, strides=found or ()) for one in read}
    path = write_report(read, out, emg=compared, strides=found or (), title=title, overwrite=overwrite)
    say(f"Written to {path.absolute()}")


def fetch(
    name: Annotated[str | None, typer.Argument(help="Set to bring.", show_default=False)] = None,
    folder: Annotated[
        Path | None, typer.Option("--out", "-o", help="Where its folder is made; default a cache.")
    ] = None,
    mirror: Annotated[
        str | None,
        typer.Option(
            help="Folder or address (file://, http://) of such sets, asked first.", show_default="$OSIMOPT_DATA"
        ),
    ] = None,
) -> None:
    """Bring public models, motions, loads and EMG; without a name, list what there is."""
    from ..studies import public_data

    if name is None:
        print_table("Public data", ("name", "what"), [(one, public_data.about(one)) for one in public_data.names()])
        return
    with stoppable(folder or Path()), progress("Downloading") as moved:
        path = public_data.fetch(name, folder, mirror=mirror, progress=moved)
    say(f"{path}")


def _read(
    path: Path, mapping: str | None, side: Side | None, mvc: str | None, band: tuple[float, float], notch: float | None,
    envelope_hz: float,
) -> tuple[Emg, EmgMapping]:  # fmt: skip
    from .. import EmgMapping, EmgOptions, process_emg, read_emg

    if mapping is None:
        fix = "Give a TOML file, or a preset such as gait2392."
        raise InputError(explain("--mapping", "none", fix))
    recorded = read_emg(path, amplitude="mvc" if mvc == "yes" else "raw")
    mapped = EmgMapping.of(mapping, recorded.channels, None if side is None else side.value)
    options = EmgOptions(band, notch, envelope_hz)
    if mvc in (None, "yes"):
        return recorded if recorded.envelope else process_emg(recorded, options), mapped
    kept = [name for name in recorded.channels if name in mapped.muscles]
    maxima = _maxima(str(mvc), kept, options)
    return process_emg(recorded.select(kept), replace(options, normalise="mvc", maxima=maxima)), mapped


def _maxima(mvc: str, channels: list[str], options: EmgOptions) -> tuple[tuple[str, float], ...]:
    """Of a trial, or numbers by name."""
    from .. import read_emg
    from ..emg.processing import maxima_of

    if "=" in mvc:
        return tuple(read_assignment(word, "--mvc") for word in mvc.split(","))
    return maxima_of(read_emg(mvc, channels=channels), options)


def _strides(path: Path | None, side: Side | None, column: str | None) -> Strides | None:
    if path is None:
        if column is not None:
            raise InputError(explain("--strides with --strides-column", "none", "Give the file of loads."))
        return None
    from .. import find_strides

    found = find_strides(path, None if side is None else side.value, column)
    for note in found.notes():
        say_warning(note)
    return found


def _print_ranking(ranking: CostRanking) -> None:
    best = next(iter(ranking.comparisons[name] for name in ranking.table.index if name in ranking.comparisons))
    if len(ranking.table) > 1:
        rows = [
            (name, f"{row['chosen_r']:.3f}", f"{row['judged_r']:.3f}", f"{row['behind']:.3f}", row["reason"])
            for name, row in ranking.table.iterrows()
        ]
        print_table("Costs by mean r", ("cost", "ranked by", "held out", "behind", "not tried"), rows)
    _print_agreement(ranking.table.index[0], best)
    for line in [*best.notes, *ranking.notes]:
        say(line)
    for line in best.findings():
        if line not in best.notes:
            say_warning(line)


def _print_agreement(name: Any, compared: EmgComparison) -> None:
    rows = [
        (channel, f"{row['r']:.2f}", f"{row['r_low']:.2f}", f"{row['r_high']:.2f}", f"{1e3 * row['lag']:.0f}",
         f"{row['r_delay']:.2f}", f"{100.0 * row['concordance']:.0f}")
        for channel, row in compared.table.iterrows()
    ]  # fmt: skip
    head = ("channel", "r", "95 % from", "to", "lag ms", "r there", "on/off agree %")
    print_table(f"\nAgreement of {name} with EMG", head, rows)
