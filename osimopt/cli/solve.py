"""The commands that read a motion: extract and solve."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

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
    read_reserves,
)
from .terminal import print_tally, progress, say, say_warning

if TYPE_CHECKING:
    from ..solution import RedundancySolution


class Method(StrEnum):
    """Ways to solve."""

    static = "static"


def extract(
    model: Model,
    motion: Motion,
    external_loads: Loads = None,
    generalized_force: Forces = None,
    time_range: TimeRange = None,
    lowpass_hz: Lowpass = None,
    weld: Weld = None,
    gain: Gain = "opensim",
    geometry: Geometry = "opensim",
    cache: Cache = None,
    jobs: Jobs = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write.")] = Path("osimopt_arrays"),
    overwrite: Overwrite = False,
) -> None:
    """Write moment arms, lengths, maximum forces and joint moments along a motion as .sto."""
    from .. import load_problem
    from ..results import check_target, write_arrays

    check_target(out.absolute(), overwrite)
    with progress("Reading the motion") as moved:
        problem = load_problem(
            model, motion, external_loads, generalized_force, time_range, lowpass_hz, None, tuple(weld or ()),
            False, gain, geometry, jobs, cache=cache, progress=moved,  # type: ignore[arg-type]
        )  # fmt: skip
    folder = write_arrays(problem, out, overwrite=overwrite)
    for warning in problem.provenance["warnings"]:
        say_warning(warning)
    say(f"{len(problem)} frames written to {folder}: {', '.join(sorted(path.name for path in folder.iterdir()))}")


def solve(
    model: Model,
    motion: Motion,
    external_loads: Loads = None,
    generalized_force: Forces = None,
    method: Annotated[Method, typer.Option(help="How to solve.")] = Method.static,
    cost: Annotated[
        str,
        typer.Option(
            help="activation_power, sum_force, sum_force_squared, sum_stress_squared, sum_moment_ratio_cubed, min_max."
        ),
    ] = "activation_power",
    exponent: Annotated[float, typer.Option("--exponent", "-p", help="Exponent of activation_power.")] = 2.0,
    weights: Annotated[str | None, typer.Option(help="volume: weigh each muscle by its volume.")] = None,
    tendon: Annotated[str, typer.Option(help="rigid, or compliant: tendons stretch with the force.")] = "rigid",
    solver: Annotated[str, typer.Option(help="auto, newton, slsqp, lsq_linear or highs.")] = "auto",
    device: Annotated[str, typer.Option(help="cpu, or where torch shall solve: cuda, cuda:0, ….")] = "cpu",
    time_range: TimeRange = None,
    lowpass_hz: Lowpass = None,
    reserves: Reserves = "auto",
    weld: Weld = None,
    passive_force: Passive = False,
    gain: Gain = "opensim",
    geometry: Geometry = "opensim",
    cache: Cache = None,
    jobs: Jobs = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Result folder.")] = Path("osimopt_results"),
    overwrite: Overwrite = False,
) -> None:
    """Find muscle forces along a motion and write them as a result folder.

    Long motions are read, solved and written piece by piece, in bounded memory; with --cache they are held whole.
    """
    from .. import solve_to_folder
    from ..costs import get_cost
    from ..report import figures

    get_cost(cost, exponent)
    last: list[RedundancySolution] = []

    def remember(solution: RedundancySolution) -> None:
        last[:] = [solution]

    how = {
        "cost": cost, "exponent": exponent, "weights": weights, "tendon": tendon, "solver": solver, "device": device,
    }  # fmt: skip
    with progress("Reading and solving") as moved:
        tally, provenance = solve_to_folder(
            out, model, motion, external_loads, solve=how, cache=cache, overwrite=overwrite, n_jobs=jobs,
            progress=moved, on_piece=remember, generalized_force=generalized_force, time_range=time_range,
            lowpass_hz=lowpass_hz, reserves=read_reserves(reserves), weld=tuple(weld or ()),
            passive_force=passive_force, gain=gain, geometry=geometry,
        )  # fmt: skip
    if len(last[0].time) == tally.frames:
        figures.draw_solution(last[0], out / "solution.png")
    print_tally(tally, provenance)
    say(f"\nWritten to {out.absolute()}")
    if tally.solved < tally.frames:
        raise typer.Exit(1)
