"""osimopt against OpenSim's StaticOptimization on the same frames, in one run, as ratios.

usage: python scripts/benchmarks/static.py MODEL MOTION T0 T1 [--loads LOADS.xml] [--paths PATHS.xml] [--process]

Whole calls, files to solution, of three geometries: exact paths (the default), OpenSim's paths, and, with --paths,
those polynomials (osimopt fit-geometry makes them). The model is described and checked already, as after the first call
with it; no problem is cached; where OpenSim is asked its processes are up. Medians of wall times and of the process's
CPU times, with the fastest and slowest beside them; OpenSim's tool runs before and after. With --process also a whole
process from the shell against OpenSim's own process.
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


def whole_calls(arguments: argparse.Namespace, geometry: str) -> dict[str, Any]:
    """Frames, and seconds of whole calls, of this process's CPU in them, and of the solving."""
    totals, used, solving = [], [], []
    for _ in range(arguments.repeat + 1):
        if geometry != "exact":
            start_processes(count_jobs(None, MOST_JOBS))
        begin, before = time.perf_counter(), time.process_time()
        problem = osimopt.load_problem(
            arguments.model, arguments.motion, arguments.loads, time_range=(arguments.start, arguments.end),
            reserves=None, geometry=geometry,
        )  # fmt: skip
        solution = osimopt.solve_static(problem)
        totals.append(time.perf_counter() - begin)
        used.append(time.process_time() - before)
        solving.append(solution.provenance["solve_seconds"])
    seconds = {"whole_s": totals, "cpu_s": used, "solving_s": solving}  # the first call imports and describes
    return {"frames": len(problem), **{name: timing(own[1:]) for name, own in seconds.items()}}


def whole_process(command: list[str], repeat: int) -> list[float]:
    """Seconds of whole processes, each in a folder of its own; the first is left out."""
    seconds = []
    for _ in range(repeat + 1):
        with tempfile.TemporaryDirectory() as folder:
            begin = time.perf_counter()
            subprocess.run(command, cwd=folder, capture_output=True, check=True)
            seconds.append(time.perf_counter() - begin)
    return seconds[1:]


def from_the_shell(arguments: argparse.Namespace) -> list[float]:
    """Seconds of ``osimopt solve`` as a process."""
    files = [str(Path(path).resolve()) for path in (arguments.model, arguments.motion)]
    loads = ["--external-loads", str(Path(arguments.loads).resolve())] if arguments.loads else []
    span = ["--time-range", str(arguments.start), str(arguments.end)]
    command = [sys.executable, "-m", "osimopt", "solve", *files, *loads, *span, "--reserves", "none", "--out", "out"]
    return whole_process(command, arguments.repeat)


def measured(arguments: argparse.Namespace) -> dict[str, Any]:
    """What osimopt needs, by geometry."""
    geometries = {"exact paths": "exact", "OpenSim's paths": "opensim", "polynomial paths": arguments.paths}
    wanted = {name: one for name, one in geometries.items() if one is not None and name not in arguments.without}
    report: dict[str, Any] = {"cores": count_jobs(None, MOST_JOBS)}
    report["geometries"] = {name: whole_calls(arguments, geometry) for name, geometry in wanted.items()}
    if arguments.process:
        report["process_s"] = timing(from_the_shell(arguments))
    return report


def main() -> None:
    """Run both sides and print one JSON object."""
    given = parser(__doc__)
    given.add_argument("--loads", default=None)
    given.add_argument("--paths", default=None)
    given.add_argument("--repeat", type=int, default=5)
    given.add_argument("--process", action="store_true", help="measure whole processes from the shell too")
    given.add_argument("--without", action="append", default=[], help="a geometry that is not measured, by its name")
    given.add_argument("--once", action="store_true", help="run OpenSim before osimopt only, not after it too")
    arguments = given.parse_args()
    theirs, processes = [], []
    for _ in range(1 if arguments.once else 2):  # before and after: machines drift
        begin = time.perf_counter()
        theirs.append(opensim_seconds(arguments))
        processes.append(time.perf_counter() - begin)
        if len(theirs) == 1:
            report = measured(arguments)
    report["opensim_s"] = [round(seconds, 2) for seconds in theirs]
    for found in report["geometries"].values():
        found["times_faster"] = round(statistics.mean(theirs) / found["whole_s"]["median"], 1)
    if "process_s" in report:
        report["opensim_process_s"] = [round(seconds, 2) for seconds in processes]
        report["process_times_faster"] = round(statistics.mean(processes) / report["process_s"]["median"], 1)
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
