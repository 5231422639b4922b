"""One motion solved statically and dynamically with the same muscles: do the forces agree, and what does dynamic cost?

usage: python scripts/static_vs_dynamic.py [MODEL MOTION] [--external-loads XML] [--time-range START END]
       [--weld JOINT ...] [--geometry PATHS.xml] [--reserves 1] [--tendon compliant] [--out FOLDER] [--overwrite]

Both have De Groote's muscles, with the passive force and the width of the active curve that the options give them.
Without a model: the arm that comes with osimopt. Exit code 1: no answer, 2: wrong input; nothing is written.
"""

import argparse
import sys
import warnings
from pathlib import Path
from time import perf_counter

import osimopt
from osimopt.analysis.static_vs_dynamic import Comparison, compare_static_dynamic
from osimopt.cli.options import read_reserves
from osimopt.cli.terminal import say_error, say_warning
from osimopt.datasets import arm26
from osimopt.errors import InputError, OsimoptError, SolverError, explain
from osimopt.files.folders import check_target
from osimopt.report.panels import COMPARISON, write_comparison

TENDONS = ("rigid", "compliant")
#: Muscles in the printed table, the strongest first; all are in muscles.csv.
LISTED = 20


def arguments_given() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Static against dynamic optimization of one motion.")
    parser.add_argument("model", nargs="?", help="model (.osim) and motion (.mot, .sto); default: the arm26 example")
    parser.add_argument("motion", nargs="?")
    parser.add_argument("--external-loads", metavar="XML")
    parser.add_argument("--time-range", nargs=2, type=float, metavar=("START", "END"), help="s")
    parser.add_argument("--lowpass-hz", type=float, metavar="HZ", help="of the motion, as OpenSim's")
    parser.add_argument("--weld", nargs="*", default=(), metavar="JOINT")
    parser.add_argument(
        "--geometry", default="exact", help="exact, opensim, polynomial, or a FunctionBasedPathSet (.xml)"
    )
    parser.add_argument("--reserves", default="auto", help="auto, none, N·m, or coordinate=N·m,…")
    parser.add_argument("--tendon", choices=TENDONS, default="compliant", help="of both; default compliant")
    parser.add_argument("--static-tendon", choices=TENDONS, help="of static optimization; default: that of --tendon")
    parser.add_argument("--passive-force", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--active-width", type=float, help="1 or more, scale of the active force-length curve's width")
    parser.add_argument("--mesh-interval", type=float, default=0.02, help="s; default 0.02")
    parser.add_argument("--derivative-penalty", type=float, help="of compliant tendons; default: follows from the cost")
    parser.add_argument("--out", type=Path, default=Path("static_vs_dynamic"), metavar="FOLDER")
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier comparison")
    return parser.parse_args()


def compare(arguments: argparse.Namespace) -> Comparison:
    """Read the motion and solve it both ways."""
    if (arguments.model is None) != (arguments.motion is None):
        raise InputError(explain("a model and its motion", f"only {arguments.model}", "Give both, or neither."))
    check_target(arguments.out, COMPARISON, arguments.overwrite)
    model, motion = arguments.model or arm26().model, arguments.motion or arm26().motion
    muscles: dict[str, object] = {} if arguments.passive_force else {"ignore_passive_fiber_force": True}
    if arguments.active_width is not None:
        muscles["active_force_width_scale"] = arguments.active_width
    dynamic: dict[str, object] = {"mesh_interval": arguments.mesh_interval, "on_failure": "return"}
    if arguments.derivative_penalty is not None:
        dynamic["derivative_penalty"] = arguments.derivative_penalty
    begun = perf_counter()
    problem = osimopt.load_problem(
        model, motion, arguments.external_loads, time_range=arguments.time_range, lowpass_hz=arguments.lowpass_hz,
        reserves=read_reserves(arguments.reserves), weld=arguments.weld, geometry=arguments.geometry,
    )  # fmt: skip
    return compare_static_dynamic(
        problem,
        arguments.tendon,
        arguments.static_tendon,
        muscles=muscles,
        dynamic=dynamic,
        read_seconds=perf_counter() - begun,
    )


def main() -> None:
    """Compare, write, print; an error is one line."""
    arguments = arguments_given()
    warnings.showwarning = lambda message, *_, **__: say_warning(str(message))
    try:
        comparison = compare(arguments)
        folder = write_comparison(comparison, arguments.out, overwrite=arguments.overwrite)
    except OsimoptError as error:
        say_error(str(error))
        sys.exit(1 if isinstance(error, SolverError) else 2)
    table = comparison.table()
    print(table.head(LISTED).round(3).to_string())
    if len(table) > LISTED:
        print(f"({len(table) - LISTED} more in muscles.csv)")
    print("", *comparison.findings(), "", *comparison.answer(), f"Written to {folder}", sep="\n")


if __name__ == "__main__":
    main()
