"""``osimopt demo``, ``info`` and ``table``: a demonstration, the contents of a model, the strength of its muscles."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from ..errors import InputError, explain
from .options import Figure, Model, Overwrite, PathsOf, Weld, read_assignment, read_number
from .terminal import draw, print_solution, print_table, progress, say, say_warning

if TYPE_CHECKING:
    from ..adapters.options import Geometry

#: Degrees per radian.
DEGREES = 57.29577951308232
#: What the files of the demonstration are.
DEMO_FILES = {
    "elbow_muscles.png": "moment arm, maximum force and moment of each muscle over the elbow's range",
    "elbow_sharing.png": "how four cost functions share 20 N·m among the elbow flexors",
    "solution.png": "muscle forces, activations and moments of the motion",
    "report.html": "all of it on one page for a browser, checks first",
    "activation.sto": "activations, for OpenSim",
    "muscle_force.sto": "tendon forces in N",
    "actuator_force.sto": "forces of all actuators, as OpenSim's JointReaction takes them",
    "reserves.xml": "the reserve actuators that were added, for OpenSim",
    "coordinates.sto": "the motion, in rad and m",
    "speeds.sto": "speeds of the motion, in rad/s and m/s",
    "reserve_force.sto": "moments of the reserve actuators, in N·m",
    "generalized_force.sto": "required joint moments, in N·m",
    "status.csv": "one row per frame: status, moment residual, objective",
    "solution.json": "versions, input hashes, options, statistics, findings",
}


def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write.")] = Path("osimopt_demo"),
    overwrite: Overwrite = False,
) -> None:
    """Solve an elbow flexion of the arm that comes with osimopt, and draw it."""
    from ..adapters.table import muscle_table
    from ..analysis.distribution import share_moment
    from ..datasets import arm26
    from ..files.folders import check_target
    from ..pipeline.read import load_problem
    from ..report.report import write_report
    from ..solution.folder import RESULT
    from ..static.solve import solve_static

    check_target(out, RESULT, overwrite)
    example = arm26()
    elbow = muscle_table(example.model, "r_elbow_flex")
    shares = share_moment(elbow, 20.0, ("BIClong", "BICshort", "BRA"))
    with progress("Reading the motion") as moved:
        problem = load_problem(example.model, example.motion, progress=moved)
    with progress("Solving") as moved:
        solution = solve_static(problem, progress=moved)
    folder = solution.write(out, overwrite=overwrite)
    draw("table", folder / "elbow_muscles.png", elbow)
    draw("sharing", folder / "elbow_sharing.png", shares)
    draw("solution", folder / "solution.png", solution)
    write_report(solution, folder / "report.html")
    print_solution(solution)
    say(f"\nWritten to {folder}:")
    for path in sorted(folder.iterdir()):
        say(f"  {path.name:22} {DEMO_FILES.get(path.name, '')}")


def info(model: Model, weld: Weld = None) -> None:
    """Show what a model is made of: coordinates, muscles, actuators, other forces."""
    from ..adapters.model import read_model

    described = read_model(model, tuple(weld or ())).description
    muscles = described.muscles
    say(f"{described.name}: {len(muscles.names)} muscles, {len(described.coordinates)} coordinates "
        f"({len(described.free)} free), OpenSim {described.opensim_version}\n")  # fmt: skip
    rows: list[tuple[object, ...]] = []
    for c in described.coordinates:
        factor, unit = (DEGREES, "deg") if c.rotational else (1.0, "m")
        rows.append((c.name, c.joint, c.kind, *(f"{factor * value:.4g}" for value in (*c.range, c.default)), unit))
    print_table("Coordinates", ("name", "joint", "kind", "min", "max", "default", "unit"), rows)
    columns = [
        1.0 * muscles.max_isometric_force, 1000.0 * muscles.optimal_fiber_length, 1000.0 * muscles.tendon_slack_length,
        DEGREES * muscles.pennation_angle,
    ]  # fmt: skip
    numbers = [[f"{value:.1f}" for value in values] for values in zip(*columns, strict=True)]
    rows = [(*names, *values) for *names, values in zip(muscles.names, muscles.classes, numbers, strict=True)]
    print_table("\nMuscles", ("name", "class", "max isometric N", "fibre mm", "tendon mm", "pennation deg"), rows)
    if described.actuators:
        rows = [(a.name, a.kind, f"{a.optimal_force:g}", f"{a.lower:g}", f"{a.upper:g}") for a in described.actuators]
        print_table("\nActuators", ("name", "class", "optimal force", "min control", "max control"), rows)
    if described.other_forces:
        print_table("\nOther forces (they stay in the moment balance)", ("name", "class"), described.other_forces)
    off = [f"{name} is switched off in the model (appliesForce false) and left out." for name in described.switched_off]
    for warning in [*off, *described.warnings]:
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
    geometry: PathsOf = "exact",
    muscles: Annotated[
        list[str] | None,
        typer.Option(help="Muscles to tabulate, by name, pattern (*_l) or side (left, right); may be repeated."),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for .mot and .csv.")] = None,
    figure: Figure = False,
    overwrite: Overwrite = False,
) -> None:
    """Tabulate moment arm, maximum force and maximum moment of every muscle over a joint's range."""
    from ..adapters.table import muscle_table
    from ..files.folders import check_target
    from ..solution.folder import TABLE, write_muscle_table

    if figure and out is None:
        raise InputError(explain("--out with --figure", "none", "Give the folder for the figure."))
    if out is not None:
        check_target(out, TABLE, overwrite)
    steps = None if values is None else [read_number(word, "--values") for word in values.split(",")]
    posed = dict(read_assignment(word, "--pose") for word in pose or [])
    paths = cast("Geometry", geometry)
    swept = muscle_table(model, coordinate, n, steps, posed, weld=tuple(weld or ()), muscles=muscles, geometry=paths)
    rows = []
    for muscle in dict.fromkeys(swept.columns.get_level_values(0)):
        one = swept[muscle]
        if one["moment_arm"].abs().max() > 1e-6:
            best = one["max_moment"].abs().idxmax()
            arm, force, moment = one.loc[best, ["moment_arm", "max_force", "max_moment"]]
            rows.append((muscle, f"{moment:.2f}", f"{best:.1f}", f"{100 * arm:.2f}", f"{force:.1f}"))
    rows.sort(key=lambda row: -abs(float(row[1])))
    if rows:
        head = ("muscle", "moment N·m", f"at {swept.attrs['unit']}", "arm cm", "max force N")
        print_table(f"Largest moment of each muscle about {coordinate}, and where", head, rows)
    else:
        say(f"No muscle acts on {coordinate}: every moment arm is 0.")
    if out is not None:
        folder = write_muscle_table(swept, out, overwrite=overwrite)
        if figure:
            draw("table", folder / "table.png", swept)
        say(f"\nWritten to {folder}: {', '.join(sorted(path.name for path in folder.iterdir()))}")
