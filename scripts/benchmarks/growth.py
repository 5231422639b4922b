"""How the cost of static optimization grows with frames and with muscles, as a figure.

usage: python scripts/benchmarks/growth.py OUT.png TRIAL [TRIAL ...] [--most 1000000] [--repeat 3]

TRIAL is NAME,MODEL,MOTION,START,END[,LOADS.xml or MOMENTS.sto]. Frames grow by repeating the first trial, its moments
scaled a little; solved in pieces, as osimopt solve does. Muscles grow from trial to trial. Medians, one thread.
"""

import argparse
import json
import statistics
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import osimopt
from osimopt.adapters.trial import PIECE
from osimopt.report import style


def load(trial: str) -> tuple[str, osimopt.RedundancyProblem, float]:
    """Name, problem and seconds of reading it, the model loaded and one process."""
    name, model, motion, start, end, *rest = trial.split(",")
    given: dict[str, Any] = {}
    if rest:
        given["external_loads" if rest[0].endswith(".xml") else "generalized_force"] = rest[0]
    seconds = []
    for _ in range(3):
        begin = time.perf_counter()
        window = (float(start), float(end))
        problem = osimopt.load_problem(model, motion, time_range=window, n_jobs=1, **given)
        seconds.append(time.perf_counter() - begin)
    return name, problem, statistics.median(seconds)


def piece(problem: osimopt.RedundancyProblem, first: int, frames: int) -> osimopt.RedundancyProblem:
    """Frames of the trial repeated, from the first on."""
    rows = (first + np.arange(frames)) % len(problem)
    scale = 1.0 + 1e-3 * np.sin(0.1 * (first + np.arange(frames)))[:, None]
    geometry = problem.geometry
    effect = problem.reserves.effect
    return replace(
        problem,
        time=np.arange(first, first + frames, dtype=float),
        geometry=replace(geometry, moment_arms=geometry.moment_arms[rows], length=None, lengthening_speed=None),
        max_force=problem.max_force[rows],
        generalized_force=problem.generalized_force[rows] * scale,
        passive_force=problem.passive_force[rows],
        reserves=replace(problem.reserves, effect=effect if len(effect) == 1 else effect[rows]),
        kinematics=None,
    )


def solve(problem: osimopt.RedundancyProblem, frames: int) -> float:
    """Seconds of solving so many frames; making them is not counted."""
    total = 0.0
    for first in range(0, frames, PIECE):
        part = piece(problem, first, min(PIECE, frames - first))
        begin = time.perf_counter()
        osimopt.solve_static(part)
        total += time.perf_counter() - begin
    return total


def draw(report: dict[str, Any], path: Path) -> None:
    """Time against frames, and time per frame against muscles."""
    with style.figure([["frames", "muscles"]], (7.2, 3.2)) as (drawn, axes):
        frames = np.array([row["frames"] for row in report["frames"]], dtype=float)
        seconds = np.array([row["solve_s"] for row in report["frames"]])
        one = axes["frames"]
        one.loglog(frames, seconds, "o-", color=style.colour(0), label="measured")
        one.loglog(frames, seconds[-1] * frames / frames[-1], color="0.6", lw=1.0, ls="--", label="proportional")
        style.label(one, f"Solving, {report['muscles'][0]['muscles']} muscles", "frames", "time (s)")
        one.legend()
        other = axes["muscles"]
        muscles = [row["muscles"] for row in report["muscles"]]
        for index, (key, text) in enumerate((("extract_ms", "reading and extracting"), ("solve_ms", "solving"))):
            other.semilogy(muscles, [row[key] for row in report["muscles"]], "o", color=style.colour(index), label=text)
        style.label(other, "Per frame", "muscles", "time (ms)")
        other.set_xlim(0.0, 1.1 * max(muscles))
        other.legend()
        style.save(drawn, path)


def main() -> None:
    """Measure, draw, print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("out", type=Path)
    parser.add_argument("trials", nargs="+")
    parser.add_argument("--most", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()
    trials = [load(trial) for trial in arguments.trials]
    largest = trials[0][1]
    solve(largest, len(largest))
    report: dict[str, Any] = {"frames": [], "muscles": []}
    sizes = [10**power for power in range(2, 7) if 10**power <= arguments.most]
    for frames in sizes:
        times = [solve(largest, frames) for _ in range(arguments.repeat if frames < 10**5 else 1)]
        report["frames"].append({"frames": frames, "solve_s": round(statistics.median(times), 4)})
    for name, problem, seconds in trials:
        times = [solve(problem, 1000) for _ in range(arguments.repeat)]
        report["muscles"].append(
            {
                "trial": name,
                "muscles": len(problem.muscles),
                "coordinates": len(problem.coordinates),
                "extract_ms": round(1e3 * seconds / len(problem), 3),
                "solve_ms": round(statistics.median(times), 4),
            }
        )
    draw(report, arguments.out)
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
