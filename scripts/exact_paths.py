"""What exact paths and dynamics change in a motion: lengths, moment arms, joint moments and muscle forces.

usage: python scripts/exact_paths.py MODEL MOTION [--loads XML | --moments STO] [--weld JOINT ...] [--lowpass-hz HZ]
                                     [--time START END] [--csv FILE]

The motion is read twice, with OpenSim's paths and dynamics and with those of arrays (geometry="exact"), and both are
solved by static optimization (sum of squared activations, rigid tendons). A row is a muscle whose length differs by
more than 0.1 mm, or whose force differs by more than 5 N in any frame, the largest difference of force first.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

import osimopt

#: m, and N: smaller differences are not listed.
LENGTH, FORCE = 1e-4, 5.0


def compare(opensim: osimopt.RedundancySolution, exact: osimopt.RedundancySolution) -> pd.DataFrame:
    """One row a muscle: by how much OpenSim's length is too short or long (mm), other differences, and peak forces."""
    theirs, ours = opensim.problem.geometry, exact.problem.geometry
    short = 1e3 * (np.asarray(ours.length) - np.asarray(theirs.length))
    arms = 1e3 * np.abs(ours.moment_arm - theirs.moment_arm).max(axis=(0, 1))
    forces = opensim.muscle_force, exact.muscle_force
    gain = opensim.problem.max_force, exact.problem.max_force
    table = pd.DataFrame(
        {
            "opensim_too_short_mm": short.max(axis=0),
            "opensim_too_long_mm": -short.min(axis=0),
            "frames_beyond_1_mm_percent": 100.0 * (np.abs(short) > 1.0).mean(axis=0),
            "moment_arm_mm": arms,
            "max_force_N": np.abs(gain[1] - gain[0]).max(axis=0),
            "peak_opensim_N": np.nanmax(forces[0], axis=0),
            "peak_exact_N": np.nanmax(forces[1], axis=0),
            "force_N": np.nanmax(np.abs(forces[1] - forces[0]), axis=0),
        },
        index=pd.Index(opensim.problem.muscles, name="muscle"),
    )
    listed = (np.abs(short).max(axis=0) > 1e3 * LENGTH) | (table["force_N"] > FORCE)
    return table[listed].sort_values("force_N", ascending=False)


def moments(opensim: osimopt.RedundancyProblem, exact: osimopt.RedundancyProblem) -> pd.DataFrame:
    """One row a coordinate: peak generalized force and largest difference, N·m or N."""
    off = np.abs(exact.generalized_force - opensim.generalized_force).max(axis=0)
    peak = np.abs(opensim.generalized_force).max(axis=0)
    table = pd.DataFrame({"peak": peak, "difference": off}, index=pd.Index(opensim.coordinates, name="coordinate"))
    return table[off > 1e-3].sort_values("difference", ascending=False)


def main() -> None:
    """Read the motion twice, solve it twice, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("motion", type=Path)
    parser.add_argument("--loads", type=Path)
    parser.add_argument("--moments", type=Path)
    parser.add_argument("--lowpass-hz", type=float)
    parser.add_argument("--weld", nargs="*", default=[])
    parser.add_argument("--time", nargs=2, type=float)
    parser.add_argument("--csv", type=Path)
    given = parser.parse_args()
    solutions = []
    for geometry in ("opensim", "exact"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            problem = osimopt.load_problem(
                given.model, given.motion, given.loads, generalized_force=given.moments, weld=tuple(given.weld),
                lowpass_hz=given.lowpass_hz, time_range=given.time and tuple(given.time), geometry=geometry,
            )  # fmt: skip
            solutions.append(osimopt.solve_static(problem, on_failure="return"))
    table = compare(*solutions)
    print(f"{given.model.name}: {len(solutions[0].time)} frames, solved {[int(one.solved.sum()) for one in solutions]}")
    print(table.round(2).to_string())
    print(moments(*(one.problem for one in solutions)).round(3).to_string())
    if given.csv is not None:
        table.to_csv(given.csv)


if __name__ == "__main__":
    main()
