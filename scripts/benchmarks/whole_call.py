"""Two versions of osimopt side by side: whole calls, files to solution, in one run, as a ratio.

usage: python scripts/benchmarks/whole_call.py MODEL MOTION T0 T1 --before TREE [--loads LOADS.xml] [--rounds 5]

TREE is a checkout of the earlier version (git worktree add). Processes are up, the model is not loaded and nothing is
cached; what a version does once per model is timed by itself, as the first call less the others. Rounds alternate.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from common import parser, timing

CALLS = 4
CODE = """
import sys, time, warnings
warnings.simplefilter("ignore")
import osimopt
from osimopt import isolation
model, motion, loads, start, end, calls = sys.argv[1:7]
for _ in range(int(calls)):
    isolation.close("opensim")
    isolation.prepare("opensim", "osimopt.adapters.worker.session:warnings_since", (), 2)
    time.sleep(2.0)
    begin = time.perf_counter()
    problem = osimopt.load_problem(model, motion, loads or None, time_range=(float(start), float(end)))
    osimopt.solve_static(problem, on_failure="return")
    print("seconds", time.perf_counter() - begin, len(problem))
"""


def seconds(tree: Path, arguments: argparse.Namespace) -> tuple[list[float], int]:
    """Seconds of the calls of one version in a process of its own, and the frames."""
    paths = [str(Path(path).resolve()) if path else "" for path in (arguments.model, arguments.motion, arguments.loads)]
    command = [sys.executable, "-c", CODE, *paths, str(arguments.start), str(arguments.end), str(CALLS + 1)]
    environment = {**os.environ, "PYTHONPATH": str(tree.resolve())}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, cwd=tree)
    rows = [line.split() for line in done.stdout.splitlines() if line.startswith("seconds")]
    return [float(row[1]) for row in rows], int(rows[0][2])


def main() -> None:
    """Run both versions in turn and print one JSON object."""
    given = parser(__doc__)
    given.add_argument("--before", type=Path, required=True)
    given.add_argument("--loads", default=None)
    given.add_argument("--rounds", type=int, default=5)
    arguments = given.parse_args()
    trees = {"before": arguments.before, "now": Path(__file__).resolve().parents[2]}
    calls: dict[str, list[float]] = {name: [] for name in trees}
    firsts: dict[str, list[float]] = {name: [] for name in trees}
    frames = 0
    for _ in range(arguments.rounds):
        for name, tree in trees.items():
            found, frames = seconds(tree, arguments)
            firsts[name].append(found[0] - statistics.median(found[1:]))
            calls[name] += found[1:]
    medians = {name: statistics.median(own) for name, own in calls.items()}
    report = {
        "frames": frames,
        **{name: {"whole_s": timing(own), "first_call_more_s": timing(firsts[name])} for name, own in calls.items()},
        "ratio": round(medians["now"] / medians["before"], 3),
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
