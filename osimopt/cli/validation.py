"""The command that compares costs with EMG."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .emg import Band, EnvelopeHz, Mapping, Mvc, Notch, SideOf, StridesColumn, StridesFrom, read_recording, read_strides
from .options import (
    Cache,
    Contact,
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
    read_geometry,
    read_reserves,
)
from .stopping import stoppable
from .terminal import print_table, progress, say, say_warning

if TYPE_CHECKING:
    from ..analysis.cost_ranking import CostRanking
    from ..emg.comparison import EmgComparison


def validate(
    model: Model,
    motion: Motion,
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
    contact: Contact = "auto",
    cache: Cache = None,
    jobs: Jobs = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write.")] = Path("osimopt_validation"),
    overwrite: Overwrite = False,
) -> None:
    """Compare static optimization with EMG, and rank costs by how well they agree with it.

    Costs are ranked by every other stride and judged by the rest. The folder has tables (.csv) and a report (.html).
    """
    from ..adapters.load import load_problem
    from ..analysis.cost_ranking import rank_costs, read_cost
    from ..report.report import write_validation
    from ..solution.folder import check_target

    wanted = [name.strip() for name in costs.split(",") if name.strip()]
    for name in wanted:
        read_cost(name)
    check_target(out.absolute(), overwrite)
    recorded, mapped = read_recording(emg, mapping, side, mvc, band, notch, envelope_hz)
    found = read_strides(strides, side, strides_column)
    with stoppable(out):
        with progress("Reading the motion") as moved:
            problem = load_problem(
                model, motion, external_loads, generalized_force, time_range, lowpass_hz, read_reserves(reserves),
                tuple(weld or ()), passive_force, gain, read_geometry(geometry), jobs,  # type: ignore[arg-type]
                cache=cache, contact=contact, progress=moved,  # type: ignore[arg-type]
            )  # fmt: skip
        with progress("Solving") as moved:
            ranking = rank_costs(problem, recorded, mapped, wanted, strides=found or (), progress=moved)
        folder = write_validation(ranking, out, overwrite=overwrite)
    _print_ranking(ranking)
    say(f"\nWritten to {folder}: report.html and tables")
    if any(not one.success for one in ranking.solutions.values()):
        raise typer.Exit(1)


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
