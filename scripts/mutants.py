"""Mutants of the limits that decide a verdict: each constant is doubled and halved, and a test must notice.

``python scripts/mutants.py [NAME …]`` runs the tests of limits in a forked process per mutant and prints the survivors.
Numbers that only steer a calculation (steps, chunks, rounds) and defaults of arguments are not in the table. All of it
takes 20 minutes.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TESTS = [
    "tests/solution/test_limits.py",
    "tests/adapters/test_input_limits.py",
    "tests/adapters/test_bandwidth.py",
    "tests/emg/test_agreement_limits.py",
    "tests/polynomial/test_polynomial.py",
]
LIMITS = {
    "solution.checks": "RESERVE_SHARE PEAK_FORCE PEAK_MOMENT COVERED BOUND_TOLERANCE LEAST_MOMENT AT_BOUND PUSH MARGIN "
    "SENSIBLE IDLE FAILED_SHARE INTEGRATION_LIMITS LOADS_ABOVE MOMENTS_ABOVE HARMONICS MOST EDGE",
    "problem.arrays": "ROUNDING",
    "problem.resampling": "TIME_SLACK SAME TOLERABLE AROUND MOST_GAIN",
    "signals": "UNIFORM_TOLERANCE REPEATED ROUNDING NOTHING MINIMUM_FRAMES",
    "dynamic.prepare": "LONGEST COARSE OPEN LEAST_MOMENT LEAST_LENGTH",
    "dynamic.solution": "ALLOWED",
    "static.proof": "ALLOWED OPTIMAL SMALL UNBOUNDED",
    "adapters.selfcheck": "INCONSISTENT",
    "adapters.forces": "MARGIN DOUBTFUL LEVER",
    "adapters.units": "SLACK_ROTATION SLACK_TRANSLATION WIDEST IMPOSSIBLE CRANK TURN SLACK MOVES SHIFTS TRAVELS "
    "COVERED LOPSIDED NOTHING FASTEST FAR FAR_JOINT",
    "emg.compare": "SUSPICIOUS GAIN EARLY MAIN MOSTLY",
    "emg.comparison": "AROUND",
    "emg.metrics": "DELAY NEAR FEWEST SHORTEST ENOUGH",
    "emg.quality": "CLIPPED FLAT HUM COPY NEGATIVE AT_ONE OUTSIDE",
    "emg.strides": "SHORTEST USUAL",
    "emg.read": "RAW_RATE SWING",
    "analysis.identify": "DETERMINED ALONG",
    "analysis.compartments": "NEAREST MOMENT",
    "analysis.feasible": "PROVED MISSED",
    "analysis.ranges": "DEMANDED",
    "analysis.static_vs_dynamic": "CORRELATION SHARE CONSTANT",
    "polynomial.fit": "SNAPPED UNUSUAL LEFT_OUT",
    "polynomial.samples": "INCONSISTENT",
    "polynomial.geometry": "SLACK",
}


def mutants(chosen: list[str]) -> Iterator[tuple[str, str, float]]:
    """Module, name and factor of each mutant."""
    for module, names in LIMITS.items():
        for name in names.split():
            if not chosen or name in chosen or module in chosen:
                yield from ((module, name, factor) for factor in (2.0, 0.5))


def scaled(value: Any, factor: float) -> Any:
    """The value, or every value of a dictionary, times the factor."""
    if isinstance(value, dict):
        return {key: scaled(one, factor) for key, one in value.items()}
    return int(value * factor) if isinstance(value, int) else value * factor


def start(module: str, name: str, factor: float) -> int:
    """Fork a process that runs the tests with the mutant; its exit code is pytest's. Return its number."""
    child = os.fork()
    if child:
        return child
    import pytest

    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    value = getattr(sys.modules[f"osimopt.{module}"], name)
    for loaded in [own for key, own in sys.modules.items() if key.startswith("osimopt")]:
        if getattr(loaded, name, None) is value:  # those that import it, too
            setattr(loaded, name, scaled(value, factor))
    os._exit(int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-m", "not slow", *TESTS])))


def survivors(todo: list[tuple[str, str, float]], jobs: int) -> list[tuple[str, str, float]]:
    """Those with which the tests pass."""
    running: dict[int, tuple[str, str, float]] = {}
    alive, waiting = [], list(reversed(todo))
    while waiting or running:
        while waiting and len(running) < jobs:
            one = waiting.pop()
            running[start(*one)] = one
        child, status = os.wait()
        one = running.pop(child)
        if os.waitstatus_to_exitcode(status) == 0:
            print(f"survives: {one[0]}.{one[1]} x {one[2]:g}", flush=True)
            alive.append(one)
    return alive


def main() -> None:
    """Run the mutants and print those that no test notices."""
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("names", nargs="*", help="constants or modules; default: all")
    given.add_argument("--jobs", type=int, default=os.cpu_count())
    arguments = given.parse_args()
    os.chdir(ROOT)
    for module in LIMITS:
        importlib.import_module(f"osimopt.{module}")
    if not survivors([("signals", "MINIMUM_FRAMES", 1.0)], 1):
        sys.exit("The tests fail without a mutant: mend them first.")
    todo = list(mutants(arguments.names))
    alive = survivors(todo, arguments.jobs)
    print(f"{len(todo)} mutants of {len({one[:2] for one in todo})} constants, {len(alive)} survive")


if __name__ == "__main__":
    main()
