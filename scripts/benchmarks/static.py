"""osimopt against OpenSim's StaticOptimization on the same frames, in one run, as ratios.

usage: python scripts/benchmarks/static.py MODEL MOTION T0 T1 [--loads LOADS.xml] [--paths PATHS.xml] [--repeat 5]

Whole calls, files to solution: model not loaded yet, nothing cached, processes up. With --paths also with those
polynomial paths (osimopt fit-geometry makes them). Medians, with the fastest and slowest beside them.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from common import parser, start_processes, timing

import osimopt
from osimopt.adapters.load import MOST_JOBS
from osimopt.isolation import count_jobs

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


def whole_calls(arguments: argparse.Namespace, geometry: str) -> tuple[list[float], list[float], int]:
    """Seconds of each whole call, of the solving in it, and the frames."""
    totals, solving = [], []
    for _ in range(arguments.repeat + 1):
        start_processes(count_jobs(None, MOST_JOBS))
        begin = time.perf_counter()
        problem = osimopt.load_problem(
            arguments.model, arguments.motion, arguments.loads, time_range=(arguments.start, arguments.end),
            reserves=None, geometry=geometry,
        )  # fmt: skip
        solution = osimopt.solve_static(problem)
        totals.append(time.perf_counter() - begin)
        solving.append(solution.provenance["solve_seconds"])
    return totals[1:], solving[1:], len(problem)  # the first call imports SciPy and pandas


def main() -> None:
    """Run both sides and print one JSON object."""
    given = parser(__doc__)
    given.add_argument("--loads", default=None)
    given.add_argument("--paths", default=None)
    given.add_argument("--repeat", type=int, default=5)
    given.add_argument("--once", action="store_true", help="run OpenSim before osimopt only, not after it too")
    arguments = given.parse_args()
    theirs = [opensim_seconds(arguments)]
    report: dict[str, Any] = {"cores": count_jobs(None, MOST_JOBS)}
    for name, geometry in (("exact paths", "opensim"), ("polynomial paths", arguments.paths)):
        if geometry is not None:
            totals, solving, frames = whole_calls(arguments, geometry)
            report |= {"frames": frames, name: {"whole_s": timing(totals), "solving_s": timing(solving)}}
    if not arguments.once:
        theirs.append(opensim_seconds(arguments))  # before and after: machines drift
    report["opensim_s"] = [round(seconds, 2) for seconds in theirs]
    for name in ("exact paths", "polynomial paths"):
        if name in report:
            report[name]["times_faster"] = round(statistics.mean(theirs) / report[name]["whole_s"]["median"], 1)
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
