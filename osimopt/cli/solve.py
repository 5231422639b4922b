"""The commands that read a motion: extract, solve and predict."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from ..adapters.options import ReadOptions
from ..errors import InputError, explain
from ..options import declared
from ..pipeline.options import METHODS, SolveOptions, SurrogateOptions
from ..static.options import StaticOptions
from . import dynamic
from .options import Cache, Jobs, Model, Motion, Overwrite, read_options, takes
from .terminal import print_summary, progress, say, say_warning, stoppable


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
#: Flags for the options of De Groote's muscles, which Python takes as ``muscles=``.
DEGROOTE = {"active_width": "active_force_width_scale", "no_passive_fiber_force": "ignore_passive_fiber_force"}
#: Headings in the help of flags that only one method has.
PANELS = {
    name: f"Options of --method {method}"
    for method, kind in METHODS.items()
    for name in declared(kind)
    if method != "static" and not any(name in declared(other) for other in METHODS.values() if other is not kind)
}
_muscles = {"rich_help_panel": "Options of --method dynamic"}
ActiveWidth = Annotated[
    float | None, typer.Option(help="Make muscles De Groote's, with active_force_width_scale (1 or more).", **_muscles)
]
NoPassive = Annotated[
    bool,
    typer.Option(
        "--no-passive-fiber-force", help="Make muscles De Groote's, with ignore_passive_fiber_force.", **_muscles
    ),
]


@takes(ReadOptions, leave=("reserves", "passive_force"))
def extract(
    model: Model,
    motion: Motion,
    cache: Cache = None,
    jobs: Jobs = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write.")] = Path("osimopt_arrays"),
    overwrite: Overwrite = False,
    **options: Any,
) -> None:
    """Write moment arms, lengths, maximum forces and joint moments along a motion as .sto."""
    from ..adapters.load import read_problem
    from ..files.folders import check_target
    from ..pipeline.read import with_networks
    from ..solution.folder import ARRAYS, write_arrays

    check_target(out, ARRAYS, overwrite)
    read = with_networks(read_options(model, motion, {**options, "reserves": "none"}))
    with stoppable(out), progress("Reading the motion") as moved:
        problem = read_problem(read, jobs, cache, moved)
        folder = write_arrays(problem, out, overwrite=overwrite)
    for warning in problem.provenance["warnings"]:
        say_warning(warning)
    say(f"{len(problem)} frames written to {folder}: {', '.join(sorted(path.name for path in folder.iterdir()))}")


@takes(*METHODS.values(), ReadOptions, panels=PANELS)
def solve(
    model: Model,
    motion: Motion,
    method: How = Method.static,
    active_width: ActiveWidth = None,
    no_passive_fiber_force: NoPassive = False,
    cache: Cache = None,
    jobs: Jobs = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Result folder.")] = Path("osimopt_results"),
    overwrite: Overwrite = False,
    **options: Any,
) -> None:
    """Find muscle forces along a motion and write them as a result folder; print what must hold before they are used.

    Static: long motions are read, solved and written piece by piece, in bounded memory; with --cache they are held
    whole. Dynamic: the motion is one problem, and an answer is written only where there is one.
    """
    muscles = {"active_width": active_width, "no_passive_fiber_force": no_passive_fiber_force or None}
    given = {name: value for name, value in muscles.items() if value is not None}
    how = solve_options(method.value, {**given, **options})
    _solve(read_options(model, motion, options), how, out, cache=cache, n_jobs=jobs, overwrite=overwrite)


@takes(ReadOptions)
def predict(
    surrogate: Annotated[Path, typer.Argument(help="Folder that osimopt train wrote.", show_default=False)],
    model: Model,
    motion: Motion,
    device: Annotated[str, typer.Option(help=declared(SurrogateOptions)["device"][1].help)] = "cpu",
    cache: Cache = None,
    jobs: Jobs = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Result folder.")] = Path("osimopt_predicted"),
    overwrite: Overwrite = False,
    **options: Any,
) -> None:
    """Find muscle forces with a surrogate alone: frames without a verified answer are NaN, and exit code 1.

    osimopt solve --method surrogate leaves those to the exact solver; after a dynamic surrogate, the whole motion to
    collocation, which begins from the surrogate's answer.
    """
    how = SurrogateOptions(surrogate, "none", device)
    _solve(read_options(model, motion, options), how, out, cache=cache, n_jobs=jobs, overwrite=overwrite)


def solve_options(method: str, given: Mapping[str, Any]) -> SolveOptions:
    """Make the options of a method from the flags that were given; those of other methods are refused.

    Raises
    ------
    InputError
        The first flag that is not the method's.
    """
    kind = METHODS[method]
    options: dict[str, Any] = {}
    muscles: dict[str, Any] = {}
    for name, value in given.items():
        if name in declared(kind):
            options[name] = value
        elif name in DEGROOTE and method == "dynamic":
            muscles[DEGROOTE[name]] = value
        elif name not in declared(ReadOptions):
            others = [other for other, its in METHODS.items() if name in declared(its)] or ["dynamic"]
            flag = {"folder": "--surrogate"}.get(name, "--" + name.replace("_", "-"))
            fix = f"Leave it out, or solve with --method {' or '.join(others)}."
            raise InputError(explain(f"no {flag} with --method {method}", f"{value}", fix))
    if muscles:
        options["muscles"] = muscles
    return kind(**options)


def _solve(read: ReadOptions, how: SolveOptions, out: Path, **options: Any) -> None:
    """Solve a trial, draw and print it; exit code 1 where frames have no answer."""
    from ..pipeline.solve import solve_trial
    from ..report import figures

    with stoppable(out), ExitStack() as line:
        static = isinstance(how, StaticOptions)
        reading = line.enter_context(progress("Reading and solving" if static else "Reading the motion"))
        shown: list[Any] = []

        def solving(iteration: int, objective: float, violation: float) -> None:
            if not shown:  # one line at a time
                line.pop_all().close()
                shown.append(line.enter_context(dynamic.iterations()))
            shown[0](iteration, objective, violation)

        solved = solve_trial(read, how, out, reading=reading, solving=solving, **options)
        line.close()
        if solved.solution is not None:
            figures.draw_solution(solved.solution, out / "solution.png")
        print_summary(solved.summary, solved.provenance, dynamic.objective_and_mesh(solved.solution))
        say(f"\nWritten to {out.absolute()}")
    if solved.summary.solved < solved.summary.frames:
        raise typer.Exit(1)
