"""The command that uses a surrogate, and what ``osimopt solve --method surrogate`` has of its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
from .stopping import stoppable
from .terminal import print_tally, progress, say, say_error, say_warning

if TYPE_CHECKING:
    from ..problem.problem import RedundancyProblem
    from ..solution.solution import RedundancySolution

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
    from .. import Surrogate, load_problem, use_degroote_muscles
    from ..report import figures
    from ..solution.folder import check_target
    from ..solution.summary import Tally

    if how.get("surrogate") is None:
        fix = "osimopt train makes one."
        raise InputError(explain("--surrogate with --method surrogate", "none", fix))
    check_target(out.absolute(), overwrite)
    network = Surrogate.load(how["surrogate"], how.get("device") or "cpu")
    if not hasattr(network, "solve"):
        got = f"one of {network.kind}"
        raise InputError(
            explain("a surrogate of static or dynamic optimization", got, "Choose another.", how["surrogate"])
        )
    dynamic = network.kind == "dynamic"
    if dynamic:
        refuse_forces(read, "compliant")
    with progress("Reading the motion") as moved:
        problem = load_problem(**read, progress=moved)
    fallback = how.get("fallback", "exact")
    solution = (
        _solve_dynamic(network, use_degroote_muscles(problem), fallback)
        if dynamic
        else network.solve(problem, fallback=fallback, on_failure="return")
    )
    folder = solution.write(out, overwrite=overwrite)
    figures.draw_solution(solution, folder / "solution.png")
    print_tally(Tally.of(solution), solution.provenance, findings=solution.findings())
    say(f"\nWritten to {folder}")
    if not solution.success:
        raise typer.Exit(1)


def _solve_dynamic(network: Any, problem: RedundancyProblem, fallback: str) -> RedundancySolution:
    """What the network says; with ``"exact"``, and frames that do not hold, by collocation from there."""
    from .. import SealedSolution, solve_dynamic

    prediction: RedundancySolution = network.solve(problem)
    if fallback == "none" or prediction.success:
        return prediction
    failed = int((~prediction.solved).sum())
    say_warning(f"{failed} of {len(problem)} frames do not hold: solving by collocation from the others.")
    with iterations() as moved:
        solution = solve_dynamic(problem, initial_guess=prediction, on_failure="return", progress=moved)
    if isinstance(solution, SealedSolution):
        say_error(f"{solution.reason} What the surrogate says is written instead.")
        return prediction
    return solution
