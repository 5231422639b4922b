"""The commands that read a motion: extract, solve, predict, and run, which stands in for OpenSim's AnalyzeTool."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from ..adapters.options import ReadOptions
from ..emg.processing import EmgOptions
from ..errors import InputError, explain
from ..muscle.tendons import read_tendon
from ..options import declared, option
from ..pipeline.options import METHODS, SolveOptions, SurrogateOptions
from ..static.options import StaticOptions
from .emg import PANELS as EMG_PANELS
from .emg import RecordingOptions, TrackingOptions
from .options import (
    REACTIONS,
    Cache,
    Figure,
    Jobs,
    Model,
    Motion,
    Outputs,
    Overwrite,
    chosen,
    flags_of,
    read_options,
    takes,
)
from .terminal import (
    draw,
    iterations,
    objective_and_mesh,
    print_solution,
    print_summary,
    progress,
    say,
    say_warning,
    stoppable,
)

Method = StrEnum("Method", ["static", "dynamic", "surrogate"])
Gain = StrEnum("Gain", ["opensim", "corrected"])
How = Annotated[
    Method,
    typer.Option(
        help="static: frame by frame; dynamic: the whole interval, with activation dynamics; surrogate: as "
        "a network was trained for, finished by the exact solver or by collocation."
    ),
]


@dataclass(frozen=True)
class MuscleOptions:
    """Options of De Groote's muscles, which Python takes as ``muscles=``."""

    active_force_width_scale: float | None = option(
        None, "Make muscles De Groote's, with active_force_width_scale (1 or more).", shell=float,
        flags=("--active-width",),
    )  # fmt: skip
    ignore_passive_fiber_force: bool = option(
        False, "Make muscles De Groote's, with ignore_passive_fiber_force.", shell=bool,
        flags=("--no-passive-fiber-force",),
    )  # fmt: skip


@dataclass(frozen=True)
class ContactOptions:
    """Contact forces in the cost, which Python takes as ``contact=`` of a method; that of reading has the flag."""

    joint_contact: str | None = option(None, declared(StaticOptions)["contact"][1].help, shell=str)


#: Options about recordings that only comparisons with EMG have.
STRIDES = ("strides", "strides_column")
#: Options about EMG, of dynamic optimization.
EMG = (TrackingOptions, RecordingOptions, EmgOptions)
#: Headings in the help of flags that only one method has.
PANELS = (
    EMG_PANELS
    | dict.fromkeys(declared(MuscleOptions), "Options of --method dynamic")
    | {
        name: f"Options of --method {method}"
        for method, kind in METHODS.items()
        for name in declared(kind)
        if method != "static"
        and not any(name in declared(other) for other in (ReadOptions, *METHODS.values()) if other is not kind)
    }
)


@takes(ReadOptions, leave=("reserves", "passive_force", *REACTIONS))
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


@takes(
    *METHODS.values(), MuscleOptions, ContactOptions, TrackingOptions, RecordingOptions, EmgOptions, ReadOptions,
    leave=STRIDES, panels=PANELS,
)  # fmt: skip
def solve(
    model: Model,
    motion: Motion,
    method: How = Method.static,
    cache: Cache = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            help="Folder that keeps the windows of a long motion as they are solved; the same command continues there.",
            rich_help_panel=PANELS["transcription"],
        ),
    ] = None,
    jobs: Jobs = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Result folder.")] = Path("osimopt_results"),
    outputs: Outputs = "",
    figure: Figure = False,
    overwrite: Overwrite = False,
    **options: Any,
) -> None:
    """Find muscle forces along a motion and write them as a result folder; print what must hold before they are used.

    Static: long motions are read, solved and written piece by piece, in bounded memory; with --cache they are held
    whole. Dynamic: a long motion is solved in windows that overlap, and an answer is written only where all have one.
    """
    how = solve_options(method.value, options)
    read = read_options(model, motion, options)
    if checkpoint is not None and method != Method.dynamic:
        fix = "Leave it out, or solve with --method dynamic."
        raise InputError(explain(f"no --checkpoint with --method {method.value}", f"{checkpoint}", fix))
    _solve(
        read, how, out, figure, cache=cache, checkpoint=checkpoint, n_jobs=jobs, outputs=outputs, overwrite=overwrite
    )


@takes(ReadOptions)
def predict(
    surrogate: Annotated[Path, typer.Argument(help="Folder that osimopt train wrote.", show_default=False)],
    model: Model,
    motion: Motion,
    device: Annotated[str, typer.Option(help=declared(SurrogateOptions)["device"][1].help)] = "cpu",
    cache: Cache = None,
    jobs: Jobs = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Result folder.")] = Path("osimopt_predicted"),
    outputs: Outputs = "",
    figure: Figure = False,
    overwrite: Overwrite = False,
    **options: Any,
) -> None:
    """Find muscle forces with a surrogate alone: frames without a verified answer are NaN, and exit code 1.

    osimopt solve --method surrogate leaves those to the exact solver; after a dynamic surrogate, the whole motion to
    collocation, which begins from the surrogate's answer.
    """
    how = SurrogateOptions(surrogate, "none", device)
    read = read_options(model, motion, options)
    _solve(read, how, out, figure, cache=cache, n_jobs=jobs, outputs=outputs, overwrite=overwrite)


def solve_options(method: str, given: Mapping[str, Any]) -> SolveOptions:
    """Make the options of a method from the flags that were given; those of other methods are refused.

    Raises
    ------
    InputError
        The first flag that is not the method's.
    """
    kind = METHODS[method]
    muscles = chosen(MuscleOptions, given) if method == "dynamic" else {}
    options, pressing = chosen(kind, given), chosen(ContactOptions, given) if "contact" in declared(kind) else {}
    measured = {name: value for one in EMG for name, value in chosen(one, given).items() if method == "dynamic"}
    for name, value in given.items():
        if name not in {**options, **muscles, **pressing, **measured, **declared(ReadOptions)}:
            declaration = "contact" if name in declared(ContactOptions) else name
            others = [other for other, its in METHODS.items() if declaration in declared(its)] or ["dynamic"]
            its = declared(METHODS[others[0]]) | {
                each: known for one in (MuscleOptions, ContactOptions, *EMG) for each, known in declared(one).items()
            }
            fix = f"Leave it out, or solve with --method {' or '.join(others)}."
            raise InputError(explain(f"no {flags_of(name, its[name][1])[0]} with --method {method}", f"{value}", fix))
    if muscles:
        options["muscles"] = muscles
    if pressing:
        options["contact"] = pressing["joint_contact"]
    if measured:
        recording = RecordingOptions(**chosen(RecordingOptions, given))
        options["emg"] = TrackingOptions(**chosen(TrackingOptions, given)).tracking(recording, given)
    if "tendon" in options:
        options["tendon"] = read_tendon(options["tendon"])
    return kind(**options)


def _solve(read: ReadOptions, how: SolveOptions, out: Path, figure: bool, **options: Any) -> None:
    """Solve a trial, print it and, if asked, draw it; exit code 1 where frames have no answer."""
    from ..pipeline.solve import solve_trial

    with stoppable(out), ExitStack() as line:
        static = isinstance(how, StaticOptions)
        reading = line.enter_context(progress("Reading and solving" if static else "Reading the motion"))
        shown: list[Any] = []

        def solving(*numbers: float) -> None:
            if not shown:  # one line at a time
                line.pop_all().close()
                shown.append(line.enter_context(iterations()))
            shown[0](*numbers)

        solved = solve_trial(read, how, out, reading=reading, solving=solving, on_window=solving, **options)
        line.close()
        print_summary(solved.summary, solved.provenance, objective_and_mesh(solved.solution))
        if figure and solved.solution is not None:
            draw("solution", out / "solution.png", solved.solution)
        elif figure:
            say_warning(
                "No figure was drawn: a motion this long is solved in pieces. osimopt report draws its results."
            )
        say(f"\nWritten to {out.absolute()}")
    if solved.summary.solved < solved.summary.frames:
        raise typer.Exit(1)


def run(
    setup: Annotated[
        Path,
        typer.Argument(
            help="Setup file (.xml) of an AnalyzeTool: StaticOptimization, JointReaction.", show_default=False
        ),
    ],
    results: Annotated[Path | None, typer.Option(help="Folder to write to, not the setup file's own.")] = None,
    gain: Annotated[Gain, typer.Option(help="Maximum force as OpenSim has it, or its pennation corrected.")] = (
        Gain.opensim
    ),
    exponent: Annotated[float | None, typer.Option("--exponent", "-p", help="Not the setup file's own.")] = None,
    geometry: Annotated[str, typer.Option(help=declared(ReadOptions)["geometry"][1].help)] = "opensim",
    compare: Annotated[
        bool, typer.Option(help="Solve with exact paths, too, and name the muscles whose forces these change.")
    ] = True,
) -> None:
    """Run static optimization and joint reactions of a setup file of OpenSim, and write the files that OpenSim writes.

    A JointReaction gets the forces that are solved for, or those of its forces_file. Muscle paths are OpenSim's, unless
    asked for; muscles whose forces exact paths change are named. Results of an earlier run are replaced, as by OpenSim.
    """
    from ..pipeline.opensim_tool import run_setup
    from ..solution.solution import RedundancySolution

    with progress("Running the setup file") as moved:
        solution = run_setup(
            setup, results, gain.value,  # type: ignore[arg-type]
            exponent=exponent, geometry=geometry, compare=compare, progress=moved,
        )  # fmt: skip
    if isinstance(solution, RedundancySolution):
        print_solution(solution)
    else:
        say(f"Reactions of the forces of a file in {len(solution.time)} frames.")
        for text in solution.findings():
            say_warning(text)
    files = [Path(name) for name in solution.provenance["files"]]
    say(f"\nWritten to {files[0].parent}:")
    for file in files:
        say(f"  {file.name}")
    if not solution.success:
        say_warning("Failed frames are nan: OpenSim's GUI shows these files up to the first of them.")
        raise typer.Exit(1)
