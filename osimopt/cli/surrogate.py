"""The command that uses a surrogate, and what ``osimopt solve --method surrogate`` has of its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import InputError, explain
from .dynamic import iterations, refuse_forces
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
from .terminal import print_summary, progress, say, stoppable

PANEL = "Options of --method surrogate"
Folder = Annotated[Path, typer.Argument(help="Folder that osimopt train wrote.", show_default=False)]
SurrogateFolder = Annotated[
    Path | None, typer.Option("--surrogate", help="Folder that osimopt train wrote.", rich_help_panel=PANEL)
]


def predict(
    surrogate: Folder,
    model: Model,
    motion: Motion,
    external_loads: Loads = None,
    generalized_force: Forces = None,
    device: Annotated[str, typer.Option(help="Where the network computes: cpu, cuda, ….")] = "cpu",
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
    out: Annotated[Path, typer.Option("--out", "-o", help="Result folder.")] = Path("osimopt_predicted"),
    overwrite: Overwrite = False,
) -> None:
    """Find muscle forces with a surrogate alone: frames that it cannot answer for are NaN, and exit code 1.

    osimopt solve --method surrogate leaves those to the exact solver; after a dynamic surrogate, the whole motion to
    collocation, which begins from what it says.
    """
    read: dict[str, Any] = {
        "model": model, "motion": motion, "external_loads": external_loads, "generalized_force": generalized_force,
        "time_range": time_range, "lowpass_hz": lowpass_hz, "reserves": read_reserves(reserves),
        "weld": tuple(weld or ()), "passive_force": passive_force, "gain": gain, "cache": cache,
        "geometry": read_geometry(geometry), "contact": contact,
        "n_jobs": jobs,
    }  # fmt: skip
    with stoppable(out):
        solve_to_folder(out, overwrite, read, {"surrogate": surrogate, "device": device, "fallback": "none"})


def solve_to_folder(out: Path, overwrite: bool, read: Mapping[str, Any], how: Mapping[str, Any]) -> None:
    """Read, solve by a surrogate, write, draw and print; exit code 1 where frames have no answer."""
    from ..adapters.load import load_problem
    from ..pipeline.by_surrogate import read_surrogate, solve_by_surrogate
    from ..report import figures
    from ..solution.folder import check_target
    from ..solution.summary import Summary

    if how.get("surrogate") is None:
        fix = "osimopt train makes one."
        raise InputError(explain("--surrogate with --method surrogate", "none", fix))
    check_target(out.absolute(), overwrite)
    network = read_surrogate(how["surrogate"], how.get("device") or "cpu")
    if network.kind == "dynamic":
        refuse_forces(read, "compliant")
    with progress("Reading the motion") as moved:
        problem = load_problem(**read, progress=moved)
    with iterations() as moved_on:
        solution = solve_by_surrogate(problem, network, how.get("fallback", "exact"), progress=moved_on)
    folder = solution.write(out, overwrite=overwrite)
    figures.draw_solution(solution, folder / "solution.png")
    print_summary(Summary.of(solution), solution.provenance, findings=solution.findings())
    say(f"\nWritten to {folder}")
    if not solution.success:
        raise typer.Exit(1)
