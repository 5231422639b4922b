"""Whether wrong inputs still give wrong answers: the tests by kind, random problems, cost of the checks, as one table.

usage: python scripts/benchmarks/right_answers.py [--frames 20000] [--before TREE --walk FOLDER] [--suite]

--before and --walk time whole calls of 113 and 1,121 frames of a walk of 80 muscles against an earlier checkout
(whole_call.py); FOLDER holds walk_80muscles_with_reserves.osim, coordinates_100hz.mot, coordinates_1000hz.mot and
grf_walk.xml. --suite times `make test`.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
#: Tests by kind of wrong input, as pytest selects them.
KINDS = {
    "certificates, feasibility": "test_proof.py test_static_properties.py",
    "angles and translations, joints with other speeds": "test_wild_models.py",
    "times, units, absurd moments": "test_times_and_units.py",
    "class defaults of other files": "test_read_order.py",
    "path lengths and moment arms": "test_two_wraps.py",
    "contact beside loads, rounding as a reserve": "test_contact_and_loads.py",
    "forces handed to JointReaction": "test_joint_reaction.py",
    "self-check": "test_self_check.py",
    "every class of joint, function, muscle, point and wrap": "test_model_matrix.py",
    "options that name files; lines of a study": "test_batch_run.py test_batch_report.py",
}


def tests(files: str) -> str:
    """Last line of pytest about some files."""
    command = [sys.executable, "-m", "pytest", "-q", "-n", "auto", *(f"tests/{name}" for name in files.split())]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip().splitlines()[-1].strip("= ")


def random_problems(frames: int) -> str:
    """The table of random_problems.py."""
    command = [sys.executable, str(HERE / "random_problems.py"), "--frames", str(frames)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.rstrip()


def whole_call(before: Path, walk: Path, motion: str, start: float, end: float) -> str:
    """Ratio of a whole call to that of the earlier version, and what is done once per model."""
    files = [walk / "walk_80muscles_with_reserves.osim", walk / motion, start, end]
    more = ["--before", before, "--loads", walk / "grf_walk.xml"]
    command = [sys.executable, HERE / "whole_call.py", *files, *more]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    once = found["now"]["first_call_more_s"]["median"] - found["before"]["first_call_more_s"]["median"]
    return f"{found['frames']} frames: {found['ratio']} times as long; {once:.1f} s more once per model"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--frames", type=int, default=20_000)
    parser.add_argument("--before", type=Path)
    parser.add_argument("--walk", type=Path)
    parser.add_argument("--suite", action="store_true")
    arguments = parser.parse_args()
    for kind, files in KINDS.items():
        print(f"{kind:58} {tests(files)}", flush=True)
    print(random_problems(arguments.frames), flush=True)
    if arguments.before and arguments.walk:
        for motion, start, end in (("coordinates_100hz.mot", 0.48, 1.60), ("coordinates_1000hz.mot", 0.48, 1.60)):
            print(whole_call(arguments.before, arguments.walk, motion, start, end), flush=True)
    if arguments.suite:
        begin = time.perf_counter()
        done = subprocess.run(["make", "test"], cwd=ROOT, capture_output=True, text=True, check=False)
        print(f"make test: {time.perf_counter() - begin:.0f} s: {done.stdout.strip().splitlines()[-1].strip('= ')}")


if __name__ == "__main__":
    main()
