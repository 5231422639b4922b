"""The commands that read a motion: extract and solve."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import InputError, explain
from . import dynamic
from . import surrogate as by_network
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
from .terminal import print_summary, progress, say, say_warning, stoppable

if TYPE_CHECKING:
    from ..solution.solution import RedundancySolution


class Method(StrEnum):
    """Ways to solve."""

    static = "static"
    dynamic = "dynamic"
    surrogate = "surrogate"


How = Annotated[
    Method,
    typer.Option(
        help="static: frame by frame; dynamic: the whole interval, with activation dynamics; surrogate: as "
        "a network was trained for, finished by the exact solver or by collocation."
    ),
]
Cost = Annotated[
    str | None,
    typer.Option(
        help="activation_power, sum_force, sum_force_squared, sum_stress_squared, sum_moment_ratio_cubed, min_max; "
        "dynamic has excitation_power too.",
        show_default="activation_power; dynamic: excitation_power",
    ),
]
Exponent = Annotated[float, typer.Option("--exponent", "-p", help="Exponent of activation_power and excitation_power.")]
Weights = Annotated[str | None, typer.Option(help="volume: weigh each muscle by its volume.")]
Tendon = Annotated[
    str | None,
    typer.Option(help="rigid, or compliant: tendons stretch with the force.", show_default="rigid; dynamic: compliant"),
]
Solver = Annotated[str, typer.Option(help="auto; static: newton, slsqp, lsq_linear or highs; dynamic: ipopt.")]
Device = Annotated[
    str | None, typer.Option(help="static only: cpu, or where torch shall solve: cuda, cuda:0, ….", show_default="cpu")
]
Out = Annotated[Path, typer.Option("--out", "-o", help="Result folder.")]


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
    contact: Contact = "auto",
    cache: Cache = None,
    jobs: Jobs = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write.")] = Path("osimopt_arrays"),
    overwrite: Overwrite = False,
) -> None:
    """Write moment arms, lengths, maximum forces and joint moments along a motion as .sto."""
    from ..adapters.load import load_problem
    from ..solution.folder import check_target, write_arrays

    check_target(out.absolute(), overwrite)
    with stoppable(out), progress("Reading the motion") as moved:
        problem = load_problem(
            model, motion, external_loads, generalized_force, time_range, lowpass_hz, None, tuple(weld or ()),
            False, gain, read_geometry(geometry), jobs, cache=cache, contact=contact, progress=moved,  # type: ignore[arg-type]
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
    method: How = Method.static,
    cost: Cost = None,
    exponent: Exponent = 2.0,
    weights: Weights = None,
    tendon: Tendon = None,
    solver: Solver = "auto",
    device: Device = None,
    surrogate: by_network.SurrogateFolder = None,
    mesh_interval: dynamic.MeshInterval = None,
    transcription: dynamic.Transcription = None,
    mesh_tolerance: dynamic.MeshTolerance = None,
    max_refinements: dynamic.MaxRefinements = None,
    max_iterations: dynamic.MaxIterations = None,
    initial_guess: dynamic.InitialGuess = None,
    derivative_penalty: dynamic.DerivativePenalty = None,
    time_constants: dynamic.TimeConstants = None,
    initial_activation: dynamic.InitialActivation = None,
    periodic: dynamic.Periodic = False,
    active_width: dynamic.ActiveWidth = None,
    no_passive_fiber_force: dynamic.NoPassive = False,
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
    out: Out = Path("osimopt_results"),
    overwrite: Overwrite = False,
) -> None:
    """Find muscle forces along a motion and write them as a result folder; print what must hold before they are used.

    Static: long motions are read, solved and written piece by piece, in bounded memory; with --cache they are held
    whole. Dynamic: the motion is one problem, and an answer is written only where there is one.
    """
    dynamically: dict[str, Any] = {
        "mesh_interval": mesh_interval, "transcription": transcription, "mesh_tolerance": mesh_tolerance,
        "max_refinements": max_refinements, "max_iterations": max_iterations, "initial_guess": initial_guess,
        "derivative_penalty": derivative_penalty, "time_constants": time_constants,
        "initial_activation": initial_activation, "periodic": periodic or None,
        "active_width": active_width, "no_passive_fiber_force": no_passive_fiber_force or None,
    }  # fmt: skip
    both = {"cost": cost, "exponent": exponent, "weights": weights, "tendon": tendon, "solver": solver}
    only = {
        Method.static: {"device": device},
        Method.dynamic: dynamically,
        Method.surrogate: {"surrogate": surrogate, "device": device},
    }
    own = _own(method, only)
    read: dict[str, Any] = {
        "model": model, "motion": motion, "external_loads": external_loads, "cache": cache, "n_jobs": jobs,
        "generalized_force": generalized_force, "time_range": time_range, "lowpass_hz": lowpass_hz,
        "reserves": read_reserves(reserves), "weld": tuple(weld or ()), "passive_force": passive_force, "gain": gain,
        "geometry": read_geometry(geometry), "contact": contact,
    }  # fmt: skip
    with stoppable(out):
        SOLVERS[method](out, overwrite, read, {k: v for k, v in {**both, **own}.items() if v is not None})


def _own(method: Method, only: dict[Method, dict[str, Any]]) -> dict[str, Any]:
    """The method's own options; others' are refused."""
    for other, options in only.items():
        for name, value in options.items():
            if value is not None and name not in only[method]:
                option = "--" + name.replace("_", "-")
                fix = f"Leave it out, or solve with --method {other.value}."
                raise InputError(explain(f"no {option} with --method {method.value}", f"{value}", fix))
    return only[method]


def _solve_static(out: Path, overwrite: bool, read: dict[str, Any], how: dict[str, Any]) -> None:
    from ..pipeline.long_motion import solve_to_folder
    from ..problem.costs import get_cost
    from ..report import figures

    if how.get("cost") == "excitation_power":
        fix = "Static optimization knows no excitations: choose activation_power, or --method dynamic."
        raise InputError(explain("a cost of activations or forces", "excitation_power", fix))
    get_cost(how.get("cost", "activation_power"), how["exponent"])
    last: list[RedundancySolution] = []

    def remember(solution: RedundancySolution) -> None:
        last[:] = [solution]

    with progress("Reading and solving") as moved:
        tally, provenance = solve_to_folder(
            out, solve=how, overwrite=overwrite, progress=moved, on_piece=remember, **read
        )
    if len(last[0].time) == tally.frames:
        figures.draw_solution(last[0], out / "solution.png")
    print_summary(tally, provenance)
    say(f"\nWritten to {out.absolute()}")
    if tally.solved < tally.frames:
        raise typer.Exit(1)


def _solve_by_surrogate(out: Path, overwrite: bool, read: dict[str, Any], how: dict[str, Any]) -> None:
    usual = {"exponent": 2.0, "solver": "auto"}
    for name in ("cost", "exponent", "weights", "tendon", "solver"):
        if how.get(name) != usual.get(name):
            fix = "It is that of the surrogate's training: leave it out."
            raise InputError(explain(f"no --{name} with --method surrogate", f"{how[name]}", fix))
    by_network.solve_to_folder(out, overwrite, read, how)


SOLVERS = {
    Method.static: _solve_static,
    Method.dynamic: dynamic.solve_to_folder,
    Method.surrogate: _solve_by_surrogate,
}
