"""What ``osimopt solve --method dynamic`` has of its own: options, progress and summary."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from ..errors import InputError, explain
from .terminal import messages, print_tally, progress, say, say_error

if TYPE_CHECKING:
    from ..dynamic.solution import DynamicSolution

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
InitialGuess = Annotated[str | None, _option("static or midpoint.", show_default="static")]
DerivativePenalty = Annotated[
    float | None, _option("Weight of ∫ Σ (dF/dt)² dt, F being normalised tendon force.", show_default="0.01")
]
Periodic = Annotated[bool, _option("States at the end equal those at the start.", "--periodic")]
ActiveWidth = Annotated[
    float | None, _option("Make muscles De Groote's, with active force–length curves this much wider (1 or more).")
]
NoPassive = Annotated[
    bool, _option("Make muscles De Groote's, without passive fibre force.", "--no-passive-fiber-force")
]


def solve_to_folder(out: Path, overwrite: bool, read: Mapping[str, Any], how: Mapping[str, Any]) -> None:
    """Read, solve, write, draw and print; exit code 1 where there is no answer, after saying why.

    ``read`` are the arguments of ``load_problem``, ``how`` those of ``solve_dynamic``, but for ``active_width`` and
    ``no_passive_fiber_force``.
    """
    from .. import SealedSolution, load_problem, solve_dynamic
    from ..dynamic.cost import EXCITATION_POWER, dynamic_cost
    from ..dynamic.scheme import scheme
    from ..report import figures
    from ..results import check_target

    options = dict(how)
    muscles = _muscles(options.pop("active_width", None), options.pop("no_passive_fiber_force", None))
    tendon = options.setdefault("tendon", "compliant")
    if muscles or tendon == "compliant":
        _refuse_forces(read, tendon)
    dynamic_cost(options.get("cost", EXCITATION_POWER.name), options["exponent"], tendon)
    scheme(options.get("transcription", "hermite-simpson"))
    check_target(out.absolute(), overwrite)
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


def _refuse_forces(read: Mapping[str, Any], tendon: str) -> None:
    """Forces of the model's own muscles are not used where its muscles become De Groote's."""
    got = "--passive-force" if read["passive_force"] else f"--gain {read['gain']}"
    if read["passive_force"] or read["gain"] != "opensim":
        why = "--tendon compliant" if tendon == "compliant" else "--active-width or --no-passive-fiber-force"
        fix = "De Groote muscles bring their own, passive force included: leave it out."
        raise InputError(explain(f"no forces of the model's own muscles with {why}", got, fix))


@contextmanager
def iterations() -> Iterator[Callable[[int, float, float], None]]:
    """Give a callback (iteration, objective, violation) that moves a line on stderr, where that is a terminal."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=messages, transient=True, disable=not messages.is_terminal) as line:
        task = line.add_task("Solving (Ctrl-C stops)", total=None)

        def moved(iteration: int, objective: float, violation: float) -> None:
            at = f"iteration {iteration}, objective {objective:.6g}, equations missed by {violation:.1e}"
            line.update(task, description=f"Solving: {at} (Ctrl-C stops)")

        yield moved


def print_dynamic(solution: DynamicSolution) -> None:
    """The summary of any solution, and what dynamic optimization adds to it."""
    from ..tally import Tally

    more = [_objective(solution), _mesh(solution)]
    if (check := solution.check) is not None:
        more.append(
            f"Forward integration of the excitations: activations within {check.activation_error.max():.2g}, tendon "
            f"forces within {100.0 * check.force_error.max():.2g} % of their peaks."
        )
    print_tally(Tally.of(solution), solution.provenance, more, solution.findings())


def _objective(solution: DynamicSolution) -> str:
    terms = [f"{name.replace('_', ' ')} {value:.5g}" for name, value in solution.integrals.items()]
    return f"Objective {solution.total_objective:.6g}: {', '.join(terms)}."


def _mesh(solution: DynamicSolution) -> str:
    rounds, name = solution.provenance["rounds"], solution.provenance["mesh"]["transcription"]
    counts = " → ".join(str(one["intervals"]) for one in rounds)
    last = rounds[-1]
    steps = sum(one["iterations"] for one in rounds)
    parts = f", {last['parts']} parts solved beside each other" if last["parts"] > 1 else ""
    return f"Mesh: {counts} intervals, {name}, {last['points']} points; {steps} iterations{parts}."
