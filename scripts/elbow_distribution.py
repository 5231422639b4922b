"""The classic exercise: how do three elbow flexors share a moment, at every elbow angle, under four costs?

usage: python scripts/elbow_distribution.py [--moment 20] [--starts 10] [--out elbow_distribution.png]

Each problem is solved from several starting values; the printed spread is the largest difference between them.
"""

import argparse

import osimopt
from osimopt.analysis.distribution import share_moment
from osimopt.datasets import arm26
from osimopt.report.figures import draw_sharing

parser = argparse.ArgumentParser(description="How elbow flexors share a moment under four costs.")
parser.add_argument("--moment", type=float, default=20.0, help="N·m")
parser.add_argument("--starts", type=int, default=10, help="starting values per posture")
parser.add_argument("--out", default="elbow_distribution.png")
arguments = parser.parse_args()

table = osimopt.muscle_table(arm26().model, "r_elbow_flex")
shares = share_moment(table, arguments.moment, ("BIClong", "BICshort", "BRA"), starts=arguments.starts)
for cost, spread in shares.attrs["spread"].items():
    unique = "unique" if shares.attrs["unique"][cost] else "not unique: the split of least norm"
    print(f"{cost:24} largest difference between {arguments.starts} starts {spread:.1e} N; {unique}")
print(f"Written to {draw_sharing(shares, arguments.out)}")
