"""The commands, each a thin call of the library."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import InputError, explain
from .terminal import print_solution, print_table, progress, say, say_warning

if TYPE_CHECKING:
    from ..problem import RedundancyProblem

Model = Annotated[Path, typer.Argument(help="Model (.osim).", show_default=False)]
Motion = Annotated[Path, typer.Argument(help="Motion (.mot, .sto).", show_default=False)]
Loads = Annotated[Path | None, typer.Option("--external-loads", "-l", help="ExternalLoads (.xml): ground reactions.")]
Forces = Annotated[
    Path | None,
    typer.Option("--generalized-force", "-g", help="Moments (.sto) of OpenSim's InverseDynamicsTool instead."),
]
TimeRange = Annotated[tuple[float, float] | None, typer.Option(help="First and last time in s.", metavar="START END")]
Lowpass = Annotated[float | None, typer.Option(help="Cutoff in Hz of the zero-phase low-pass on the motion.")]
Weld = Annotated[list[str] | None, typer.Option(help="Joint to hold in the model's default pose; may be repeated.")]
Reserves = Annotated[
    str,
    typer.Option(help="auto, none (as OpenSim's tool), a number (N·m), or coordinate=N·m,… for single ones."),
]
Passive = Annotated[bool, typer.Option("--passive-force", help="Add passive fibre force (OpenSim leaves it out).")]
Jobs = Annotated[int, typer.Option("--jobs", "-j", help="Processes that read the frames.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an earlier result folder.")]


class Method(StrEnum):
    """Ways to solve."""

    static = "static"


def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write.")] = Path("osimopt_demo"),
    overwrite: Overwrite = False,
) -> None:
    """Solve an elbow flexion with the arm that comes with osimopt, and draw it."""
    from .. import load_problem, muscle_table, solve_static
    from ..datasets import arm26
    from ..report import figures
    from ..results import check_target
    from ..studies.distribution import share_moment

    check_target(out.absolute(), overwrite)
    example = arm26()
    elbow = muscle_table(example.model, "r_elbow_flex")
    shares = share_moment(elbow, 20.0, ("BIClong", "BICshort", "BRA"))
    with progress("Reading the motion") as moved:
        problem = load_problem(example.model, example.motion, progress=moved)
    with progress("Solving") as moved:
        solution = solve_static(problem, progress=moved)
    folder = solution.write(out, overwrite=overwrite)
    figures.draw_table(elbow, folder / "elbow_muscles.png")
    figures.draw_sharing(shares, folder / "elbow_sharing.png")
    figures.draw_solution(solution, folder / "solution.png")
    print_solution(solution)
    say(f"\nWritten to {folder}:")
    for path in sorted(folder.iterdir()):
        say(f"  {path.name:22} {_DEMO_FILES.get(path.name, '')}")


_DEMO_FILES = {
    "elbow_muscles.png": "moment arm, maximum force and moment of each muscle over the elbow's range",
    "elbow_sharing.png": "how four cost functions share 20 N·m among the elbow flexors",
    "solution.png": "muscle forces, activations and moments of the motion",
    "activation.sto": "activations; opens in OpenSim, as the next two",
    "muscle_force.sto": "tendon forces in N",
    "reserve_force.sto": "what reserve actuators produced, in N·m",
    "status.csv": "one row per frame: status, moment residual, objective",
    "solution.json": "versions, input hashes, options, statistics, findings",
}


def info(model: Model, weld: Weld = None) -> None:
    """Show what a model is made of: coordinates, muscles, actuators, other forces."""
    from ..adapters.model import read_model

    described = read_model(model, tuple(weld or ())).description
    muscles = described.muscles
    say(f"{described.name}: {len(muscles.names)} muscles, {len(described.coordinates)} coordinates "
        f"({len(described.free)} free), OpenSim {described.opensim_version}\n")  # fmt: skip
    rows: list[tuple[object, ...]] = []
    for c in described.coordinates:
        factor, unit = (57.29577951308232, "deg") if c.rotational else (1.0, "m")
        low, high, default = (f"{factor * value:.4g}" for value in (*c.range, c.default))
        rows.append((c.name, c.joint, c.kind, low, high, default, unit))
    print_table("Coordinates", ("name", "joint", "kind", "min", "max", "default", "unit"), rows)
    columns = (
        muscles.max_isometric_force,
        muscles.optimal_fiber_length,
        muscles.tendon_slack_length,
        muscles.pennation_angle,
    )
    rows = [
        (
            name,
            kind,
            f"{f:.1f}",
            f"{1000 * fiber:.1f}",
            f"{1000 * tendon:.1f}",
            f"{57.29577951308232 * angle:.1f}",
        )
        for name, kind, f, fiber, tendon, angle in zip(muscles.names, muscles.classes, *columns, strict=True)
    ]
    print_table("\nMuscles", ("name", "class", "max isometric N", "fibre mm", "tendon mm", "pennation deg"), rows)
    if described.actuators:
        rows = [(a.name, a.kind, f"{a.optimal_force:g}", f"{a.lower:g}", f"{a.upper:g}") for a in described.actuators]
        print_table("\nActuators", ("name", "class", "optimal force", "min control", "max control"), rows)
    if described.other_forces:
        print_table("\nOther forces (they stay in the moment balance)", ("name", "class"), described.other_forces)
    for name in described.switched_off:
        say_warning(f"{name} is switched off in the model (appliesForce false) and left out.")
    for warning in described.warnings:
        say_warning(warning)


def table(
    model: Model,
    coordinate: Annotated[str, typer.Argument(help="Coordinate to sweep.", show_default=False)],
    n: Annotated[int, typer.Option(help="Steps over the coordinate's range.")] = 100,
    values: Annotated[str | None, typer.Option(help="Values instead, as 0,45,90 (degrees or m).")] = None,
    pose: Annotated[
        list[str] | None, typer.Option(help="Another coordinate, as hip_flexion_r=30; may be repeated.")
    ] = None,
    weld: Weld = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for .mot, .csv and figure.")] = None,
) -> None:
    """Tabulate moment arm, maximum force and maximum moment of every muscle over a joint's range."""
    from .. import muscle_table
    from ..report import figures
    from ..results import write_muscle_table

    steps = None if values is None else [_number(word, "--values") for word in values.split(",")]
    posed = dict(_assignment(word, "--pose") for word in pose or [])
    swept = muscle_table(model, coordinate, n, steps, posed, weld=tuple(weld or ()))
    rows = []
    for muscle in dict.fromkeys(swept.columns.get_level_values(0)):
        one = swept[muscle]
        if one["moment_arm"].abs().max() > 1e-6:
            best = one["max_moment"].abs().idxmax()
            arm, force, moment = one.loc[best, ["moment_arm", "max_force", "max_moment"]]
            rows.append((muscle, f"{moment:.2f}", f"{best:.1f}", f"{100 * arm:.2f}", f"{force:.1f}"))
    rows.sort(key=lambda row: -abs(float(row[1])))
    unit = swept.attrs["unit"]
    title = f"Largest moment of each muscle about {coordinate}, and where"
    print_table(title, ("muscle", "moment N·m", f"at {unit}", "arm cm", "max force N"), rows)
    if out is not None:
        folder = write_muscle_table(swept, out)
        figures.draw_table(swept, folder / "table.png")
        say(f"\nWritten to {folder}: {', '.join(sorted(path.name for path in folder.iterdir()))}")


def extract(
    model: Model,
    motion: Motion,
    external_loads: Loads = None,
    generalized_force: Forces = None,
    time_range: TimeRange = None,
    lowpass_hz: Lowpass = None,
    weld: Weld = None,
    jobs: Jobs = 1,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write.")] = Path("osimopt_arrays"),
    overwrite: Overwrite = False,
) -> None:
    """Write moment arms, lengths, maximum forces and joint moments along a motion as .sto."""
    from ..results import check_target, write_arrays

    check_target(out.absolute(), overwrite)
    problem = _load(model, motion, external_loads, generalized_force, time_range, lowpass_hz, weld, jobs, "none", False)
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
    solver: Annotated[str, typer.Option(help="auto, newton, slsqp, lsq_linear or highs.")] = "auto",
    time_range: TimeRange = None,
    lowpass_hz: Lowpass = None,
    reserves: Reserves = "auto",
    weld: Weld = None,
    passive_force: Passive = False,
    jobs: Jobs = 1,
    out: Annotated[Path, typer.Option("--out", "-o", help="Result folder.")] = Path("osimopt_results"),
    overwrite: Overwrite = False,
) -> None:
    """Find muscle forces along a motion and write them as a result folder."""
    from .. import solve_static
    from ..costs import get_cost
    from ..report import figures
    from ..results import check_target

    check_target(out.absolute(), overwrite)
    get_cost(cost, exponent)
    problem = _load(
        model,
        motion,
        external_loads,
        generalized_force,
        time_range,
        lowpass_hz,
        weld,
        jobs,
        reserves,
        passive_force,
    )
    with progress("Solving") as moved:
        solution = solve_static(problem, cost, exponent, solver=solver, on_failure="return", progress=moved)  # type: ignore[arg-type]
    folder = solution.write(out, overwrite=overwrite)
    figures.draw_solution(solution, folder / "solution.png")
    print_solution(solution)
    say(f"\nWritten to {folder}")
    if not solution.success:
        raise typer.Exit(1)


def _load(
    model: Path,
    motion: Path,
    external_loads: Path | None,
    generalized_force: Path | None,
    time_range: tuple[float, float] | None,
    lowpass_hz: float | None,
    weld: list[str] | None,
    jobs: int,
    reserves: str,
    passive_force: bool,
) -> RedundancyProblem:
    from .. import load_problem

    with progress("Reading the motion") as moved:
        return load_problem(
            model, motion, external_loads, generalized_force, time_range, lowpass_hz, _reserves(reserves),
            tuple(weld or ()), passive_force, n_jobs=jobs, progress=moved,
        )  # fmt: skip


def _reserves(text: str) -> Any:
    if text in ("auto", "none"):
        return None if text == "none" else text
    if "=" in text:
        return dict(_assignment(word, "--reserves") for word in text.split(","))
    return _number(text, "--reserves")


def _assignment(text: str, option: str) -> tuple[str, float]:
    name, equals, value = text.partition("=")
    if not equals:
        raise InputError(explain(f"{option} name=number", f"'{text}'", "Write for example hip_flexion_r=30."))
    return name.strip(), _number(value, option)


def _number(text: str, option: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InputError(explain(f"a number in {option}", f"'{text}'", "Use a decimal point.")) from None
