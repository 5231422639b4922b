"""What ``osimopt solve --method dynamic`` has of its own: options, progress and summary."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from ..errors import InputError, explain
from .terminal import messages, print_summary, progress, say, say_error

if TYPE_CHECKING:
    from ..dynamic.solution import DynamicSolution

#: s by which an end of the interval may be beyond the next frame: files print times to 6 digits.
BESIDE = 1e-6
PANEL = "Options of --method dynamic"


def _option(text: str, *names: str, **options: Any) -> Any:
    return typer.Option(*names, help=text, rich_help_panel=PANEL, **options)


MeshInterval = Annotated[float | None, _option("Longest interval of the mesh in s.", show_default="0.02")]
Transcription = Annotated[
    str | None, _option("trapezoidal, hermite-simpson or legendre-gauss-radau.", show_default="hermite-simpson")
]
MeshTolerance = Annotated[
    float | None,
    _option("Refine the mesh until integrating an interval misses activation and normalised force by no more."),
]
MaxRefinements = Annotated[int | None, _option("Refinements at most.", show_default="5")]
MaxIterations = Annotated[int | None, _option("Iterations at most on each mesh.", show_default="500")]
InitialGuess = Annotated[str | None, _option("static or midpoint.", show_default="static")]
DerivativePenalty = Annotated[
    float | None,
    _option("Weight of ∫ Σ (dF/dt)² dt, F being normalised tendon force; compliant tendons only.", show_default="0.01"),
]
TimeConstants = Annotated[
    tuple[float, float] | None,
    _option("Activation and deactivation time constants in s.", metavar="ACT DEACT", show_default="the muscles' own"),
]
InitialActivation = Annotated[
    str | None,
    _option(
        "Activations at the start: paid (the cost treats them as held constant before), "
        "equal (to excitations, as MocoInverse) or free.",
        show_default="paid",
    ),
]
Periodic = Annotated[bool, _option("States at the end equal those at the start.", "--periodic")]
ActiveWidth = Annotated[float | None, _option("Make muscles De Groote's, with active_force_width_scale (1 or more).")]
NoPassive = Annotated[
    bool, _option("Make muscles De Groote's, with ignore_passive_fiber_force.", "--no-passive-fiber-force")
]


def solve_to_folder(out: Path, overwrite: bool, read: Mapping[str, Any], how: Mapping[str, Any]) -> None:
    """Read, solve, write, draw and print; exit code 1 where there is no answer, after saying why.

    ``read`` are the arguments of ``load_problem``, ``how`` those of ``solve_dynamic``, but for ``active_width`` and
    ``no_passive_fiber_force``.
    """
    from ..adapters.load import load_problem
    from ..dynamic.solution import SealedSolution
    from ..dynamic.solve import solve_dynamic
    from ..report import figures
    from ..solution.folder import check_target

    options = dict(how)
    muscles = _muscles(options.pop("active_width", None), options.pop("no_passive_fiber_force", None))
    tendon = options.setdefault("tendon", "compliant")
    if muscles or tendon == "compliant":
        refuse_forces(read, tendon)
    _refuse_options(options)
    check_target(out.absolute(), overwrite)
    _refuse_time_range(read["motion"], read["time_range"])
    with progress("Reading the motion") as moved:
        problem = load_problem(**read, progress=moved)
    with iterations() as moved_on:
        solution = solve_dynamic(
            problem, **options, muscles=muscles or None, n_jobs=read["n_jobs"], on_failure="return", progress=moved_on
        )
    if isinstance(solution, SealedSolution):
        say_error(f"{solution.reason} Nothing was written.")
        raise typer.Exit(1)
    folder = solution.write(out, overwrite=overwrite)
    figures.draw_solution(solution, folder / "solution.png")
    print_dynamic(solution)
    say(f"\nWritten to {folder}")
    if not solution.success:
        raise typer.Exit(1)


def _muscles(active_width: float | None, without_passive: bool | None) -> dict[str, Any]:
    """Options of :func:`osimopt.use_degroote_muscles` that were given."""
    given = {"active_force_width_scale": active_width, "ignore_passive_fiber_force": without_passive}
    return {name: value for name, value in given.items() if value is not None}


def refuse_forces(read: Mapping[str, Any], tendon: str) -> None:
    """Forces of the model's own muscles are not used where its muscles become De Groote's."""
    got = "--passive-force" if read["passive_force"] else f"--gain {read['gain']}"
    if read["passive_force"] or read["gain"] != "opensim":
        why = "--tendon compliant" if tendon == "compliant" else "--active-width or --no-passive-fiber-force"
        fix = "De Groote muscles bring their own, passive force included: leave it out."
        raise InputError(explain(f"no forces of the model's own muscles with {why}", got, fix))


def _refuse_options(options: Mapping[str, Any]) -> None:
    """What ``solve_dynamic`` would refuse, before the motion is read."""
    from ..dynamic.arguments import check_arguments
    from ..dynamic.cost import EXCITATION_POWER, dynamic_cost
    from ..dynamic.prepare import check_penalty
    from ..dynamic.scheme import scheme

    check_arguments(**options)
    check_penalty(options["tendon"], options.get("derivative_penalty", 0.0))
    dynamic_cost(options.get("cost", EXCITATION_POWER.name), options["exponent"], options["tendon"])
    scheme(options.get("transcription", "hermite-simpson"))


def _refuse_time_range(motion: Path, time_range: tuple[float, float] | None) -> None:
    """A part of the interval is no answer to the whole; ends between frames and infinite ones are what there is."""
    if time_range is None:
        return
    from ..files.storage import read_table

    time = read_table(motion).index.to_numpy(dtype=float)
    frame = float(np.median(np.diff(time))) if len(time) > 1 else 0.0
    beyond = (time[0] - time_range[0], time_range[1] - time[-1])
    if any(np.isfinite(lacking) and lacking > frame + BESIDE for lacking in beyond):
        got, fix = f"{time_range[0]:g} to {time_range[1]:g} s", "Shorten time_range; inf and -inf are open ends."
        raise InputError(explain(f"time_range within {time[0]:g} to {time[-1]:g} s", got, fix, motion))


@contextmanager
def iterations() -> Iterator[Callable[[int, float, float], None]]:
    """Give a callback (iteration, objective, violation) that moves a line on stderr, where that is a terminal.

    A round is a mesh, or the windows of a long motion before it; each begins with iteration 0.
    """
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=messages, transient=True, disable=not messages.is_terminal) as line:
        task = line.add_task("Solving (Ctrl-C stops)", total=None)
        rounds = 0

        def moved(iteration: int, objective: float, violation: float) -> None:
            nonlocal rounds
            rounds += iteration == 0
            at = f"iteration {iteration}, objective {objective:.6g}, equations missed by {violation:.1e}"
            line.update(task, description=f"Solving, round {rounds}: {at} (Ctrl-C stops)")

        yield moved


def print_dynamic(solution: DynamicSolution) -> None:
    """The summary of any solution, and what dynamic optimization adds to it."""
    from ..solution.summary import Summary

    more = [_objective(solution), _mesh(solution), *_integrated(solution)]
    print_summary(Summary.of(solution), solution.provenance, more, solution.findings())


def _integrated(solution: DynamicSolution) -> list[str]:
    """How far forward integration departs; where it failed, a finding says so."""
    check = solution.check
    if check is None or not (np.isfinite(check.activation_error).all() and np.isfinite(check.force_error).all()):
        return []
    return [
        f"Forward integration of the excitations: activations within {check.activation_error.max(initial=0.0):.2g}, "
        f"tendon forces within {100.0 * check.force_error.max(initial=0.0):.2g} % of their peaks."
    ]


def _objective(solution: DynamicSolution) -> str:
    terms = [f"{name.replace('_', ' ')} {value:.5g}" for name, value in solution.integrals.items()]
    return f"Objective {solution.total_objective:.6g}: {', '.join(terms)}."


def _mesh(solution: DynamicSolution) -> str:
    rounds, name = solution.provenance["rounds"], solution.provenance["mesh"]["transcription"]
    whole = [one for one in rounds if one["windows"] == 1]
    counts = " → ".join(str(one["intervals"]) for one in whole)
    last, steps = whole[-1], sum(one["iterations"] for one in rounds)
    ahead = [one for one in rounds if one["windows"] > 1]
    first = "".join(f", {one['iterations']} of them in {one['windows']} windows that went ahead" for one in ahead)
    parts = f"; {last['parts']} parts solved beside each other" if last["parts"] > 1 else ""
    return f"Mesh: {counts} intervals, {name}, {last['points']} points; {steps} iterations{first}{parts}."
