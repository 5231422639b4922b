"""Options about EMG, how EMG is read, and ``osimopt validate``, which compares costs with it."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..adapters.options import ReadOptions
from ..errors import InputError, explain
from . import options
from .terminal import print_table, progress, say, say_warning, stoppable

if TYPE_CHECKING:
    from ..analysis.cost_ranking import CostRanking
    from ..emg.mapping import EmgMapping
    from ..emg.recording import Emg
    from ..emg.strides import Strides


class Side(StrEnum):
    """Side of the body."""

    r = "r"
    l = "l"  # noqa: E741


PANEL = "EMG"
MAPPING = (
    'Muscles of each channel: a TOML file with \\[channels] soleus = \\["soleus_r"], or a preset: gait2392, '
    "Rajagopal2016, gait10dof18musc, arm26."
)
MVC = (
    "Maximum voluntary contractions: the file of their trial, soleus=0.8,ta=0.5 in the unit of the envelopes, or 'yes' "
    "if EMG is in shares of them already. Without it there are no RMSE and MAE."
)
_option = partial(typer.Option, rich_help_panel=PANEL)
Mapping = Annotated[str | None, _option("--mapping", "-m", help=MAPPING)]
SideOf = Annotated[Side | None, _option(help="Side of channels whose names have none, and of the foot of --strides.")]
StridesFrom = Annotated[Path | None, _option("--strides", help="Ground reactions (.mot, .sto): contacts start strides")]
StridesColumn = Annotated[str | None, _option("--strides-column", help="Name of the vertical force of that foot.")]
Mvc = Annotated[str | None, _option("--mvc", help=MVC)]
Band = Annotated[tuple[float, float], _option("--band", metavar="LOW HIGH", help="Band-pass of raw EMG, Hz.")]
EnvelopeHz = Annotated[float, _option("--envelope-hz", help="Low-pass of raw EMG, Hz.")]
Notch = Annotated[float | None, _option("--notch", help="Frequency of mains hum to remove, Hz.")]


def read_recording(
    path: Path, mapping: str | None, side: Side | None, mvc: str | None, band: tuple[float, float], notch: float | None,
    envelope_hz: float,
) -> tuple[Emg, EmgMapping]:  # fmt: skip
    """EMG as envelopes, normalised as --mvc says, and the muscles of its channels."""
    from ..emg.mapping import EmgMapping
    from ..emg.processing import EmgOptions, maxima_of, process_emg
    from ..emg.read import read_emg

    if mapping is None:
        raise InputError(explain("--mapping", "none", "Give a TOML file, or a preset such as gait2392."))
    recorded = read_emg(path, amplitude="mvc" if mvc == "yes" else "raw")
    mapped = EmgMapping.of(mapping, recorded.channels, side)
    filters = EmgOptions(band, notch, envelope_hz)
    if mvc in (None, "yes"):
        return recorded if recorded.envelope else process_emg(recorded, filters), mapped
    kept = [name for name in recorded.channels if name in mapped.muscles]
    if "=" in str(mvc):
        maxima = tuple(options.read_assignment(word, "--mvc") for word in str(mvc).split(","))
    else:
        maxima = maxima_of(read_emg(str(mvc), channels=kept), filters)
    return process_emg(recorded.select(kept), replace(filters, normalise="mvc", maxima=maxima)), mapped


def read_strides(path: Path | None, side: Side | None, column: str | None) -> Strides | tuple[()]:
    """Strides of the foot, with a warning about those that are left out; none without a file."""
    if path is None:
        if column is not None:
            raise InputError(explain("--strides with --strides-column", "none", "Give the file of loads."))
        return ()
    from ..emg.strides import find_strides

    found = find_strides(path, None if side is None else side.value, column)
    for note in found.notes():
        say_warning(note)
    return found


@options.takes(ReadOptions)
def validate(
    model: options.Model,
    motion: options.Motion,
    emg: Annotated[Path, typer.Argument(help="EMG: .sto, .mot, .csv, .txt or .c3d.", show_default=False)],
    mapping: Mapping = None,
    side: SideOf = None,
    strides: StridesFrom = None,
    strides_column: StridesColumn = None,
    mvc: Mvc = None,
    band: Band = (20.0, 400.0),
    notch: Notch = None,
    envelope_hz: EnvelopeHz = 6.0,
    costs: Annotated[
        str,
        typer.Option(help="Costs to rank, with an exponent where it can be chosen.", metavar="NAME[:P],…"),
    ] = "activation_power:2,activation_power:3",
    cache: options.Cache = None,
    jobs: options.Jobs = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write.")] = Path("osimopt_validation"),
    overwrite: options.Overwrite = False,
    **reading: Any,
) -> None:
    """Compare static optimization with EMG, and rank costs by how well they agree with it.

    Costs are ranked by every other stride and judged by the rest. The folder has tables (.csv) and a report (.html).
    """
    from ..adapters.load import read_problem
    from ..analysis.cost_ranking import rank_costs, read_cost
    from ..files.folders import check_target
    from ..pipeline.read import with_networks
    from ..report.report import VALIDATION, write_validation

    wanted = [name.strip() for name in costs.split(",") if name.strip()]
    for name in wanted:
        read_cost(name)
    check_target(out, VALIDATION, overwrite)
    recorded, mapped = read_recording(emg, mapping, side, mvc, band, notch, envelope_hz)
    found = read_strides(strides, side, strides_column)
    read = options.read_options(model, motion, reading)
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
        (channel, f"{row['r']:.2f}", f"{row['r_low']:.2f}", f"{row['r_high']:.2f}", f"{1e3 * row['lag']:.0f}",
         f"{row['r_delay']:.2f}", f"{100.0 * row['concordance']:.0f}")
        for channel, row in best.table.iterrows()
    ]  # fmt: skip
    head = ("channel", "r", "95 % from", "to", "lag ms", "r there", "on/off agree %")
    print_table(f"\nAgreement of {ranking.table.index[0]} with EMG", head, rows)
    for line in [*best.notes, *ranking.notes]:
        say(line)
    for line in best.findings():
        if line not in best.notes:
            say_warning(line)
