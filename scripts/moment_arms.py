"""Moment arms and maximum forces over a joint's range, as a table and a figure.

usage: python scripts/moment_arms.py [MODEL COORDINATE] [--out FOLDER]
"""

import argparse

import osimopt
from osimopt.datasets import arm26
from osimopt.report.figures import draw_table
from osimopt.solution.folder import write_muscle_table

parser = argparse.ArgumentParser(description="Moment arms and maximum forces over a joint's range.")
parser.add_argument("model", nargs="?", default=arm26().model)
parser.add_argument("coordinate", nargs="?", default="r_elbow_flex")
parser.add_argument("--out", default="moment_arms")
arguments = parser.parse_args()

table = osimopt.muscle_table(arguments.model, arguments.coordinate)
folder = write_muscle_table(table, arguments.out)
draw_table(table, folder / "table.png")
print(table.xs("moment_arm", axis="columns", level="quantity").describe().loc[["min", "max"]].T.round(4))
print(f"Written to {folder}")
