"""Try the seed paper's hybrid network, and everything else that it names, with splits, baselines and an exact solver.

usage: python scripts/surrogate_study.py OUT [--data FOLDER] [--quick] [--jobs 2]

Writes tables as CSV and OUT/study.html. Stopped, the same command goes on where it was. FOLDER holds the public data
(gait_9emg, walk_treadmill_emg; default $OSIMOPT_DATA); without them the simulated set alone is studied.
"""

import argparse
import os
import sys
from pathlib import Path

from osimopt import OsimoptError
from paper_study.plan import FULL, QUICK, TINY
from paper_study.report import write_study
from paper_study.study import run_study


def main() -> int:
    """Run the study."""
    made = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    made.add_argument("out", type=Path, help="folder to write to, and to go on from")
    made.add_argument("--data", type=Path, default=os.environ.get("OSIMOPT_DATA"), help="folder of the public data")
    size = made.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="two seeds, few epochs: under ten minutes on two cores")
    size.add_argument("--tiny", action="store_true", help="only to see that it runs: a minute")
    made.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="trainings side by side (default: cores)")
    arguments = made.parse_args()
    budget = QUICK if arguments.quick else TINY if arguments.tiny else FULL
    data = None if arguments.data is None else Path(arguments.data)
    if data is not None and not data.is_dir():
        made.error(f"--data: expected a folder, got {data}, which is none. Leave it out for the simulated set alone.")

    def say(what: str, done: int, total: int) -> None:
        print(f"\r{what}: {done} of {total}    ", end="\n" if done == total else "", file=sys.stderr, flush=True)

    try:
        found = run_study(arguments.out, data, budget, max(1, arguments.jobs), say)
        page = write_study(found, arguments.out)
    except OsimoptError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"Written to {page}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
