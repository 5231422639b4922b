"""Joint reactions of a motion: the time they add to load_problem, and that of one solution's reactions.

usage: python scripts/benchmarks/joint_reactions.py MODEL MOTION START END [--loads FILE.xml]

Process times, medians of five, with and without the reactions in turn.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import statistics
import time
from collections.abc import Callable
from typing import Any

import common
import numpy as np

REPEATS = 5


def seconds(call: Callable[[], Any]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def main() -> None:
    arguments = common.parser(__doc__)
    arguments.add_argument("--loads")
    given = arguments.parse_args()

    def read(**options: Any) -> Any:
        files = {"external_loads": given.loads, "n_jobs": 1}
        return common.read(given.model, given.motion, given.start, given.end, **files, **options)

    problem = read(joint_reactions="all")  # and the model is described
    times = [(seconds(lambda: read(joint_reactions="all")), seconds(read)) for _ in range(REPEATS)]
    carrying, bare = (statistics.median(column) for column in zip(*times, strict=True))
    known, random = problem.reactions, np.random.default_rng(0)
    force = random.uniform(0.0, 1000.0, problem.max_force.shape)
    control = np.zeros((len(problem), len(problem.reserves.names)))
    one = statistics.median(seconds(lambda: known.transmitted(problem, force, control)) for _ in range(3 * REPEATS))
    print(f"{len(problem)} frames, {len(known.joints)} joints, {len(known.pair_joint)} pairs with muscles")
    print(f"load_problem {bare:.3f} s, with joint_reactions='all' {carrying:.3f} s ({carrying / bare - 1.0:+.0%})")
    print(f"reactions of a solution {1e3 * one:.1f} ms")


if __name__ == "__main__":
    main()
