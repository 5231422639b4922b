"""How sure is a muscle force? What the moments alone allow, what uncertain parameters leave, and what it hangs on.

usage: python scripts/feasible_forces.py [MODEL MOTION] [--external-loads XML] [--muscle NAME] [--samples 300]
       [--out FOLDER]

The derivative is the change in N of the muscle's peak force per percent of each muscle's strength.
"""

import argparse
from pathlib import Path

import numpy as np

import osimopt
from osimopt.datasets import arm26
from osimopt.report.panels import draw_ranges, draw_uncertainty

SPREAD = {"max_isometric_force": 0.1, "optimal_fiber_length": 0.05, "tendon_slack_length": 0.02, "moment_arm": 0.05}

parser = argparse.ArgumentParser(description="Feasible ranges, uncertainty and derivatives of muscle forces.")
parser.add_argument("model", nargs="?", default=arm26().model)
parser.add_argument("motion", nargs="?", default=arm26().motion)
parser.add_argument("--external-loads")
parser.add_argument("--muscle", help="whose force to differentiate; default the strongest")
parser.add_argument("--samples", type=int, default=300)
parser.add_argument("--out", type=Path, default=Path("feasible_forces"))
arguments = parser.parse_args()
arguments.out.mkdir(parents=True, exist_ok=True)

problem = osimopt.load_problem(arguments.model, arguments.motion, arguments.external_loads)
solution = osimopt.solve_static(problem, on_failure="return")

ranges = osimopt.feasible_ranges(solution)
print("Forces in N at the peak of each muscle, and what the moments alone would allow there:")
print(ranges.summary().sort_values("optimum", ascending=False).head(12).round(2).to_string())

bands = osimopt.propagate_uncertainty(problem, SPREAD, samples=arguments.samples, nominal=solution)
print(f"\nThe same under {arguments.samples} draws of {', '.join(f'{n} ±{100 * s:g} %' for n, s in SPREAD.items())}:")
print(bands.summary().sort_values("nominal", ascending=False).head(12).round(1).to_string())
for finding in bands.findings():
    print(finding)

muscle = arguments.muscle or str(ranges.summary()["optimum"].idxmax())
column = problem.muscles.index(muscle)
peak = int(np.nanargmax(solution.muscle_force[:, column]))
slope = osimopt.sensitivity(solution, slice(peak, peak + 1)).jacobian("max_force", "muscle_force", [muscle])[0, 0]
percent = 0.01 * slope * problem.max_force[peak]
print(f"\nOne percent more strength changes the force of {muscle} at {problem.time[peak]:g} s by")
for index in np.argsort(-np.abs(percent))[:6]:
    print(f"  {percent[index]:+8.2f} N   ({problem.muscles[index]})")

draw_ranges(ranges, arguments.out / "feasible_ranges.png")
draw_uncertainty(bands, arguments.out / "uncertainty.png")
print(f"Written to {arguments.out}")
