"""osimopt against OpenSim's StaticOptimization on the same frames, in one run, as ratios.

usage: python scripts/benchmarks/static.py MODEL MOTION T0 T1 [--loads EXTERNAL_LOADS.xml] [--repeat 3]

Whole calls, files to solution: model not loaded yet, processes up. Solvers alone: on the extracted arrays, one thread.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import osimopt
from osimopt import isolation

OPENSIM = """
import sys, time, opensim
opensim.Logger.removeFileSink(); opensim.Logger.setLevelString("error")
model, motion, start, end, loads = sys.argv[1:6]
tool = opensim.AnalyzeTool()
tool.setName("so"); tool.setModelFilename(model); tool.setCoordinatesFileName(motion); tool.setResultsDir("out")
tool.setInitialTime(float(start)); tool.setFinalTime(float(end)); tool.setLowpassCutoffFrequency(-1)
if loads: tool.setExternalLoadsFileName(loads)
analysis = opensim.StaticOptimization()
analysis.setStartTime(float(start)); analysis.setEndTime(float(end))
tool.getAnalysisSet().cloneAndAppend(analysis)
tool.printToXML("setup.xml")
begin = time.perf_counter(); opensim.AnalyzeTool("setup.xml").run(); print("seconds", time.perf_counter() - begin)
"""


def opensim_seconds(arguments: argparse.Namespace) -> float:
    """Time OpenSim's own tool in a process and a folder of its own."""
    paths = [str(Path(path).resolve()) if path else "" for path in (arguments.model, arguments.motion, arguments.loads)]
    command = [sys.executable, "-c", OPENSIM, paths[0], paths[1], str(arguments.start), str(arguments.end), paths[2]]
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "LD_LIBRARY_PATH": ""}
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return float(next(line for line in done.stdout.splitlines() if line.startswith("seconds")).split()[1])


def median_seconds(call: Callable[[], object], repeat: int) -> float:
    """Median time of a call."""
    times = []
    for _ in range(repeat):
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def main() -> None:
    """Run both sides and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("model")
    parser.add_argument("motion")
    parser.add_argument("start", type=float)
    parser.add_argument("end", type=float)
    parser.add_argument("--loads", default=None)
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()
    window = (arguments.start, arguments.end)

    def whole() -> osimopt.RedundancySolution:
        isolation.close("opensim")
        isolation.run("opensim", "osimopt.adapters.worker.session:warnings_since", subject="start-up")
        begin = time.perf_counter()
        problem = osimopt.load_problem(
            arguments.model, arguments.motion, arguments.loads, time_range=window, reserves=None
        )
        solution = osimopt.solve_static(problem)
        times.append(time.perf_counter() - begin)
        return solution

    times: list[float] = []
    for _ in range(arguments.repeat):
        solution = whole()
    ours, theirs = statistics.median(times), opensim_seconds(arguments)
    problem, alone = solution.problem, {}
    for exponent in (2, 3):
        for solver in ("newton", "slsqp"):
            seconds = median_seconds(
                lambda e=exponent, s=solver: osimopt.solve_static(problem, exponent=e, solver=s), arguments.repeat
            )
            alone[f"{solver} p={exponent}"] = round(1e3 * seconds / len(problem), 4)
    report = {
        "frames": len(problem),
        "whole_call_s": {"osimopt": round(ours, 3), "opensim": round(theirs, 3), "ratio": round(theirs / ours, 1)},
        "solver_ms_per_frame": alone,
        "newton_over_slsqp": {p: round(alone[f"slsqp p={p}"] / alone[f"newton p={p}"], 1) for p in (2, 3)},
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
