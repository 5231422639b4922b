"""One motion solved statically and dynamically with the same muscles: do the forces agree, and what does dynamic cost?

usage: python scripts/static_vs_dynamic.py [MODEL MOTION] [--external-loads XML] [--time-range START END]
       [--weld JOINT ...] [--geometry PATHS.xml] [--reserves 1] [--tendon compliant] [--out FOLDER]

Both have De Groote's muscles, with the passive force and the width of the active curve that the options give them.
"""

import argparse
from pathlib import Path
from time import perf_counter

import osimopt
from osimopt.cli.options import read_reserves
from osimopt.datasets import arm26
from osimopt.report.comparison import draw_activations, draw_forces
from osimopt.studies.static_vs_dynamic import compare_static_dynamic

TENDONS = ("rigid", "compliant")

parser = argparse.ArgumentParser(description="Static against dynamic optimization of one motion.")
parser.add_argument("model", nargs="?", default=arm26().model)
parser.add_argument("motion", nargs="?", default=arm26().motion)
parser.add_argument("--external-loads")
parser.add_argument("--time-range", nargs=2, type=float, metavar=("START", "END"), help="s")
parser.add_argument("--lowpass-hz", type=float)
parser.add_argument("--weld", nargs="*", default=())
parser.add_argument("--geometry", default="opensim", help="opensim, polynomial, or a FunctionBasedPathSet (.xml)")
parser.add_argument("--reserves", type=read_reserves, default="auto", help="auto, none, N·m, or coordinate=N·m,…")
parser.add_argument("--tendon", choices=TENDONS, default="compliant")
parser.add_argument("--static-tendon", choices=TENDONS, help="default: that of --tendon, where it has an answer")
parser.add_argument("--passive-force", action=argparse.BooleanOptionalAction, default=True)
parser.add_argument("--active-width", type=float, help="1 or more, scale of the active force-length curve's width")
parser.add_argument("--mesh-interval", type=float, default=0.02, help="s")
parser.add_argument("--derivative-penalty", type=float, default=0.01)
parser.add_argument("--out", type=Path, default=Path("static_vs_dynamic"))
arguments = parser.parse_args()
arguments.out.mkdir(parents=True, exist_ok=True)

muscles: dict[str, object] = {} if arguments.passive_force else {"ignore_passive_fiber_force": True}
if arguments.active_width is not None:
    muscles["active_force_width_scale"] = arguments.active_width

begun = perf_counter()
problem = osimopt.load_problem(
    arguments.model, arguments.motion, arguments.external_loads, time_range=arguments.time_range,
    lowpass_hz=arguments.lowpass_hz, reserves=arguments.reserves, weld=arguments.weld, geometry=arguments.geometry,
)  # fmt: skip
comparison = compare_static_dynamic(
    problem,
    arguments.tendon,
    arguments.static_tendon,
    muscles=muscles,
    dynamic={"mesh_interval": arguments.mesh_interval, "derivative_penalty": arguments.derivative_penalty},
    read_seconds=perf_counter() - begun,
)
table = comparison.table()
table.to_csv(arguments.out / "muscles.csv")
draw_forces(comparison, arguments.out / "forces.png")
draw_activations(comparison, arguments.out / "activations.png")
print(table.head(20).round(3).to_string())
static, dynamic = comparison.static.findings(), comparison.dynamic.findings()
for finding in dict.fromkeys(static + dynamic):
    who = "both" if finding in static and finding in dynamic else "static" if finding in static else "dynamic"
    print(f"{who}: {finding}")
print("", *comparison.answer(), f"Written to {arguments.out}", sep="\n")
