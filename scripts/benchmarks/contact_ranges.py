"""Feasible ranges of the contact force of every joint: time, brackets, and HiGHS on single components.

usage: python scripts/benchmarks/contact_ranges.py MODEL MOTION START END [--loads FILE] [--programs 20]
"""

import time
from pathlib import Path

import numpy as np
from common import parser, read
from scipy.optimize import linprog

import osimopt
from osimopt.problem.reactions import reactions_of


def by_highs(solution: osimopt.RedundancySolution, joint: str, frame: int, rows: np.ndarray) -> tuple[float, float]:
    """Least and greatest axial force in one frame, in the child's axes, reserves held."""
    problem, muscles = solution.problem, len(solution.problem.muscles)
    constant, effect = reactions_of(problem, [joint]).affine(problem, joint, frame="child").by_unknowns(problem)
    A, b = problem.system(frame)
    control = solution.reserve_control[frame]
    b, A = (b - A[:, muscles:] @ control)[rows], A[rows, :muscles]
    size = np.abs(A).max(axis=1)
    cost = effect[frame, 1, :muscles]
    at, scale = constant[frame, 1] + effect[frame, 1, muscles:] @ control, np.abs(cost).max() or 1.0
    bounds = np.column_stack([problem.lower, problem.upper])
    ends = [linprog(s * cost / scale, A_eq=A / size[:, None], b_eq=b / size, bounds=bounds) for s in (1.0, -1.0)]
    return at + scale * ends[0].fun, at - scale * ends[1].fun


def main() -> None:
    """Print a line for each joint."""
    arguments = parser(__doc__)
    arguments.add_argument("--loads", type=Path)
    arguments.add_argument("--programs", type=int, default=20)
    given = arguments.parse_args()
    options = {"external_loads": given.loads, "reserves": None}
    problem = read(given.model, given.motion, given.start, given.end, **options).with_reactions()
    solution = osimopt.solve_static(problem)
    known = problem.reactions
    assert known is not None
    crossed = np.flatnonzero(problem.geometry.served)
    rng = np.random.default_rng(0)
    print(f"{len(problem)} frames, {len(problem.muscles)} muscles; N\n")
    print(f"{'joint':18}{'y: s':>7}{'norm: s':>9}{'least':>8}{'own':>8}{'greatest':>10}{'bracket':>10}{'HiGHS':>10}")
    for joint in known.joints:
        begin = time.process_time()
        axial = osimopt.feasible_ranges(solution, of=joint, component="y")
        middle = time.process_time()
        norm = osimopt.feasible_ranges(solution, of=joint)
        end = time.process_time()
        differences = []
        for frame in rng.integers(len(problem), size=given.programs).tolist():
            low, high = by_highs(solution, joint, frame, crossed)
            differences += [abs(axial.minimum[frame] - low), abs(axial.maximum[frame] - high)]
        bracket = max(np.nanmax(norm.upper_bound - norm.maximum), np.nanmax(norm.minimum - norm.lower_bound))
        means = (np.nanmean(values) for values in (norm.minimum, norm.optimum, norm.maximum))
        least, own, greatest = means
        print(f"{joint:18}{middle - begin:7.2f}{end - middle:9.2f}{least:8.0f}{own:8.0f}{greatest:10.0f}", end="")
        print(f"{bracket:10.1e}{max(differences, default=0.0):10.1e}", flush=True)


if __name__ == "__main__":
    main()
