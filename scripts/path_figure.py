"""One muscle's length, moment arm and force in a motion by three kinds of path, as a figure and a table.

usage: python scripts/path_figure.py MODEL MOTION MUSCLE COORDINATE FIGURE.png [--loads XML] [--polynomials XML]
                                     [--time START END]

The kinds are OpenSim's own paths, polynomials (a FunctionBasedPathSet that was fitted to the model before), and exact
paths. Forces are those of static optimization (sum of squared activations, rigid tendons).
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import numpy as np

import osimopt

STYLES = {"OpenSim": "C3-", "polynomials": "C0--", "exact": "k-"}


def solve(given: argparse.Namespace, geometry: str | Path) -> osimopt.RedundancySolution:
    """The motion by one kind of path, without its warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        time = given.time and tuple(given.time)
        problem = osimopt.load_problem(given.model, given.motion, given.loads, time_range=time, geometry=geometry)
        return osimopt.solve_static(problem, on_failure="return")


def curves(solution: osimopt.RedundancySolution, muscle: str, coordinate: str) -> np.ndarray:
    """Length in mm, moment arm in mm and force in N (3, T)."""
    problem = solution.problem
    column, row = problem.muscles.index(muscle), problem.coordinates.index(coordinate)
    length, arm = np.asarray(problem.geometry.length)[:, column], problem.moment_arm[:, row, column]
    return np.stack([1e3 * length, 1e3 * arm, solution.muscle_force[:, column]])


def draw(file: Path, time: np.ndarray, found: dict[str, np.ndarray], muscle: str, coordinate: str) -> None:
    """Three panels over time, of common style."""
    from matplotlib import pyplot

    pyplot.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "font.size": 9})
    figure, panels = pyplot.subplots(1, 3, figsize=(9.0, 3.1), layout="constrained")
    labels = "length (mm)", "moment arm (mm)", "force (N)"
    for panel, letter, label, row in zip(panels, "abc", labels, range(3), strict=True):
        for kind, values in found.items():
            panel.plot(time, values[row], STYLES[kind], label=kind, linewidth=1.5)
        panel.set(xlabel="time (s)", ylabel=label)
        panel.set_title(letter, loc="left", fontsize=9, fontweight="bold")
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(
        handles,
        names,
        title=f"{muscle}, moment arm about {coordinate}",
        frameon=False,
        loc="outside upper center",
        ncols=len(names),
    )
    figure.savefig(file, dpi=160)


def main() -> None:
    """Read and solve the motion with each kind of path; print how they differ from the exact one, and draw them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, kind in (("model", Path), ("motion", Path), ("muscle", str), ("coordinate", str), ("figure", Path)):
        parser.add_argument(name, type=kind)
    parser.add_argument("--loads", type=Path)
    parser.add_argument("--polynomials", type=Path)
    parser.add_argument("--time", nargs=2, type=float)
    given = parser.parse_args()
    kinds = {"OpenSim": "opensim", "polynomials": given.polynomials, "exact": "exact"}
    solutions = {kind: solve(given, geometry) for kind, geometry in kinds.items() if geometry}
    found = {kind: curves(solution, given.muscle, given.coordinate) for kind, solution in solutions.items()}
    print(f"{given.muscle:12} length off (mm)  moment arm off (mm)  peak force (N)")
    for kind, values in found.items():
        off = np.nanmax(np.abs(values - found["exact"]), axis=1)
        print(f"{kind:12} {off[0]:15.2f}  {off[1]:19.2f}  {np.nanmax(values[2]):14.1f}")
    draw(given.figure, solutions["exact"].time, found, given.muscle, given.coordinate)


if __name__ == "__main__":
    main()
