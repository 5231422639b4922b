"""What exact paths and dynamics change in a motion: lengths, moment arms, joint moments and muscle forces.

usage: python scripts/exact_paths.py MODEL MOTION [--loads XML | --moments STO] [--weld JOINT ...] [--lowpass-hz HZ]
                                     [--time START END] [--polynomials XML] [--csv FILE] [--page NAME]

The motion is read twice, with OpenSim's paths and dynamics (geometry="opensim") and with those of arrays ("exact"), and
both are solved by static optimization (sum of squared activations, rigid tendons). A row is a muscle whose length
differs by more than 0.1 mm, or whose force differs by more than 5 N in any frame, the largest difference of force
first. With --polynomials a column has the peaks with these fitted paths. --page prints, after the tables, the rows of
docs/migration_0.2.md under the name of the walk.
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
#: Muscles of a walk on the page.
PAGE = 6


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
            "at_s": opensim.time[np.nan_to_num(np.abs(forces[1] - forces[0])).argmax(axis=0)],
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


def page(name: str, table: pd.DataFrame, solutions: list[osimopt.RedundancySolution]) -> list[str]:
    """Rows of a walk: how many muscles differ, and those whose forces differ most."""
    problem = solutions[0].problem
    off = np.abs(solutions[1].problem.generalized_force - problem.generalized_force).max(axis=0)
    worst = int(off.argmax())
    length = table[["opensim_too_short_mm", "opensim_too_long_mm"]].max(axis=1)
    share = table["force_N"] / table[["peak_opensim_N", "peak_exact_N"]].max(axis=1)
    summed = [float(np.nanmax(np.nansum(one.muscle_force, axis=1))) for one in solutions]
    rows = [
        f"| `{name}` | {len(problem.muscles)} | {int((length > 1e3 * LENGTH).sum())} | {int((length > 1.0).sum())} | "
        f"{int(((table['force_N'] > FORCE) & (share > 0.01)).sum())} | {int((share > 0.1).sum())} | "
        f"{off[worst]:.2g} ({problem.coordinates[worst]}) | {summed[0]:.0f} | {summed[1]:.0f} |"
    ]
    for muscle, row in table.head(PAGE).iterrows():
        short, long = row["opensim_too_short_mm"], row["opensim_too_long_mm"]
        side = f"{short:.1f} short" if short >= long else f"{long:.1f} long"
        rows.append(
            f"| `{name}` | {muscle} | {side} | {row['frames_beyond_1_mm_percent']:.0f} | {row['moment_arm_mm']:.1f} | "
            f"{row['peak_opensim_N']:.0f} | {row['peak_exact_N']:.0f} | {row['force_N']:.0f} at {row['at_s']:.2f} |"
        )
    return rows


def solved(given: argparse.Namespace, geometry: str | Path) -> osimopt.RedundancySolution:
    """Read the motion with some paths, and solve it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        problem = osimopt.load_problem(
            given.model, given.motion, given.loads, generalized_force=given.moments, weld=tuple(given.weld),
            lowpass_hz=given.lowpass_hz, time_range=given.time and tuple(given.time), geometry=geometry,
        )  # fmt: skip
        return osimopt.solve_static(problem, on_failure="return")


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
    parser.add_argument("--polynomials", type=Path)
    parser.add_argument("--csv", type=Path)
    parser.add_argument("--page")
    given = parser.parse_args()
    solutions = [solved(given, geometry) for geometry in ("opensim", "exact")]
    table = compare(*solutions)
    if given.polynomials is not None:
        peaks = np.nanmax(solved(given, given.polynomials).muscle_force, axis=0)
        table["peak_polynomials_N"] = pd.Series(peaks, index=solutions[0].problem.muscles)
    print(f"{given.model.name}: {len(solutions[0].time)} frames, solved {[int(one.solved.sum()) for one in solutions]}")
    print(table.round(2).to_string())
    print(moments(*(one.problem for one in solutions)).round(3).to_string())
    if given.csv is not None:
        table.to_csv(given.csv)
    if given.page:
        print("\n".join(page(given.page, table, solutions)))


if __name__ == "__main__":
    main()
