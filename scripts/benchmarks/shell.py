"""osimopt from the shell against OpenSim's own tool: whole processes, one after the other in one run, as a ratio.

usage: python scripts/benchmarks/shell.py MODEL MOTION T0 T1 [--loads LOADS.xml] [--repeat 5]

`osimopt solve` with exact paths and a result folder, the model's description kept by a call before; and Python with an
AnalyzeTool, results written. Wall seconds, medians with the fastest and slowest beside them; `cpu_s` is osimopt's
processor time, which other processes on the machine disturb less.
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

from common import parser, timing
from static import OPENSIM


def timed(command: list[str], folder: Path, environment: dict[str, str]) -> tuple[float, float]:
    """Wall and processor seconds of a process."""
    before, begin = os.times(), time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    seconds, after = time.perf_counter() - begin, os.times()
    if done.returncode:
        raise SystemExit(f"{' '.join(command[:4])} … ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return seconds, after.children_user + after.children_system - before.children_user - before.children_system


def measure(arguments: argparse.Namespace, folder: Path) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """Seconds of osimopt's processes, and of OpenSim's."""
    model, motion, loads = (
        str(Path(path).resolve()) if path else "" for path in (arguments.model, arguments.motion, arguments.loads)
    )
    times = [str(arguments.start), str(arguments.end)]
    ours = [sys.executable, "-m", "osimopt", "solve", model, motion, "--time-range", *times, "--geometry", "exact"]
    ours += ["--reserves", "none", "-o", str(folder / "results"), "--overwrite", *(["-l", loads] if loads else [])]
    theirs = [sys.executable, "-c", OPENSIM, model, motion, *times, loads]
    environment = {**os.environ, "OSIMOPT_CACHE": str(folder / "cache"), "LD_LIBRARY_PATH": ""}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    environment.setdefault("PYTHONPYCACHEPREFIX", str(folder / "bytecode"))
    timed(ours, folder, environment)  # describes the model, and compiles Python's files
    rows = [(timed(ours, folder, environment), timed(theirs, folder, environment)) for _ in range(arguments.repeat)]
    return [own for own, _ in rows], [other for _, other in rows]


def main() -> None:
    """Run both sides and print one JSON object."""
    given = parser(__doc__)
    given.add_argument("--loads", default=None)
    given.add_argument("--repeat", type=int, default=5)
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = measure(given.parse_args(), Path(folder))
    report = {
        "osimopt_s": timing([wall for wall, _ in ours]),
        "osimopt_cpu_s": round(statistics.median(cpu for _, cpu in ours), 3),
        "opensim_s": timing([wall for wall, _ in theirs]),
        "times_faster": round(statistics.median(other[0] / own[0] for own, other in zip(ours, theirs, strict=True)), 1),
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
