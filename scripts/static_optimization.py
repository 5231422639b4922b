"""Muscle forces along a motion under several costs, compared in one table.

usage: python scripts/static_optimization.py [MODEL MOTION] [--external-loads XML] [--out FOLDER]
"""

import argparse
from pathlib import Path

import pandas as pd

import osimopt
from osimopt.datasets import arm26
from osimopt.problem.costs import COSTS
from osimopt.report.figures import draw_solution

parser = argparse.ArgumentParser(description="Muscle forces along a motion under several costs.")
parser.add_argument("model", nargs="?", default=arm26().model)
parser.add_argument("motion", nargs="?", default=arm26().motion)
parser.add_argument("--external-loads")
parser.add_argument("--out", type=Path, default=Path("static_optimization"))
arguments = parser.parse_args()

problem = osimopt.load_problem(arguments.model, arguments.motion, arguments.external_loads)
peaks = {}
for cost in COSTS:
    solution = osimopt.solve_static(problem, cost, on_failure="return")
    folder = solution.write(arguments.out / cost)
    draw_solution(solution, folder / "solution.png")
    peaks[cost] = solution.to_dataframe("muscle_force").max()
    for finding in solution.findings():
        print(f"{cost}: {finding}")
print(pd.DataFrame(peaks).round(1).to_string())
print(f"Written to {arguments.out}")
