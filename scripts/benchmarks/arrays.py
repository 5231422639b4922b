"""Paths and dynamics of a motion in arrays beside OpenSim's calls: time per frame, and differences.

usage: python scripts/benchmarks/arrays.py MODEL MOTION START END [--loads XML] [--weld JOINT ...] [--block 500]

Time in ms a frame: of arrays by one thread and by two, frames in blocks; of OpenSim's calls, as `load_problem` makes
them, in one process and in two. Differences are those of the same frames. `gradients.py` prints derivatives.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from osimopt.adapters.arrays import extract
from osimopt.adapters.load import open_trial
from osimopt.adapters.load_arrays import measured_loads
from osimopt.adapters.messages import Wanted
from osimopt.adapters.options import ReadOptions
from osimopt.adapters.trial import Trial
from osimopt.isolation import run
from osimopt.multibody.description import Multibody
from osimopt.multibody.dynamics import about_speeds, transmitted
from osimopt.multibody.kinematics import Posture, posture, velocity
from osimopt.multibody.loads import load_wrenches
from osimopt.multibody.rates import to_changes, to_coordinates, to_speeds
from osimopt.namespace import frames_first
from osimopt.paths.arms import moment_arms
from osimopt.paths.arrangement import Arrangement, arrange
from osimopt.paths.solve import lengths, solve_paths
from osimopt.problem.arrays import Kinematics


def solved(trial: Trial, motion: Kinematics, multibody: Multibody, arrangement: Arrangement) -> dict[str, Any]:
    """Lengths (T, M), lengthening speeds, moment arms about speeds, and generalized forces (T, D) of a motion."""
    at = posture(multibody, motion.value)
    speed = to_speeds(multibody, motion.value, motion.speed)
    strands = solve_paths(arrangement, at)
    arms = moment_arms(arrangement, strands, at)
    found = {"length": lengths(arrangement, strands), "arms": arms}
    found["speed"] = arms.lengthening_speed(len(arrangement.names), speed)
    return found | {"force": dynamics(trial, motion, multibody, at)}


def dynamics(trial: Trial, motion: Kinematics, multibody: Multibody, at: Posture | None = None) -> Any:
    """Generalized forces (T, D) about the free coordinates, with external loads."""
    at = posture(multibody, motion.value) if at is None else at
    speed = to_speeds(multibody, motion.value, motion.speed)
    moving = velocity(at, speed, to_changes(multibody, motion.value, motion.speed, motion.acceleration))
    wrenches = None
    if trial.loads is not None:
        wrenches = frames_first(load_wrenches(measured_loads(trial.loads, multibody.tree.bodies, motion.time), at))
    about = frames_first(about_speeds(at, transmitted(at, moving, wrenches)))
    about = to_coordinates(multibody, motion.value, np.ascontiguousarray(about))
    return motion.onto_free(about)[:, list(trial.model.description.free)]


def fastest(work: Callable[[Kinematics], Any], motion: Kinematics, block: int, repeats: int) -> dict[str, float]:
    """Least times in ms a frame of several runs over all blocks, by one thread and two, and that of the processor."""
    frames, found = len(motion.time), dict[str, float]()
    parts = [motion.frames(slice(start, start + block)) for start in range(0, frames, block)]
    for name, threads, clock in (
        ("1 thread", 1, time.perf_counter),
        ("2 threads", 2, time.perf_counter),
        ("1 thread, of the processor", 1, time.process_time),
    ):
        least = np.inf
        for _ in range(repeats):
            begin = clock()
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(work, parts))
            least = min(least, clock() - begin)
        found[name] = round(1e3 * float(least) / frames, 4)
    return found


def by_opensim(trial: Trial, jobs: int) -> tuple[dict[str, Any], float]:
    """The arrays that OpenSim's calls give, and ms a frame."""
    wanted = Wanted(tuple(range(len(trial.model.description.muscles.names))), True, False)
    extract(trial.model, trial.motion.frames(slice(0, 50)), trial.extraction.choice.pairs, wanted, jobs)
    begin = time.perf_counter()
    arrays = extract(trial.model, trial.motion, trial.extraction.choice.pairs, wanted, jobs).arrays
    return arrays, round(1e3 * (time.perf_counter() - begin) / len(trial.motion.time), 4)


def differences(trial: Trial, ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, float]:
    """Largest differences, in m, m/s, N·m and N."""
    free, size = list(trial.model.description.free), len(trial.motion.coordinates)
    muscles = theirs["length"].shape[1]
    dense = ours["arms"].dense(ours["length"].shape[1], size)
    arms = [trial.motion.onto_free(dense[:, :, muscle]) for muscle in range(muscles)]
    pairs = trial.extraction.choice.pairs
    own = np.stack([arms[m][:, free[c]] for c, m in zip(pairs.coordinate, pairs.muscle, strict=True)], axis=1)
    force = theirs["generalized_force"]
    found = {
        "length_m": (ours["length"][:, :muscles], theirs["length"]),
        "lengthening_speed_m_s": (ours["speed"][:, :muscles], theirs["lengthening_speed"]),
        "moment_arm_m": (own, theirs["moment_arms"]),
        "generalized_force_N_m": (ours["force"], force),
    }
    worst = {name: float(np.abs(one - other).max()) for name, (one, other) in found.items()}
    return worst | {"generalized_force_relative": worst["generalized_force_N_m"] / float(np.abs(force).max())}


def main() -> None:
    """Run the benchmark and print JSON."""
    made = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    made.add_argument("model")
    made.add_argument("motion")
    made.add_argument("start", type=float)
    made.add_argument("end", type=float)
    made.add_argument("--loads")
    made.add_argument("--weld", nargs="*", default=[])
    made.add_argument("--block", type=int, default=500)
    made.add_argument("--repeats", type=int, default=10)
    given = made.parse_args()
    options = ReadOptions(
        given.model, given.motion, given.loads, weld=tuple(given.weld), time_range=(given.start, given.end)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trial = open_trial(options, n_jobs=2)
    multibody, paths = run(
        "opensim", "osimopt.adapters.worker.mechanics:describe_mechanics", trial.model.key, subject=given.model
    )
    arrangement = arrange(paths)
    report: dict[str, Any] = {"frames": len(trial.motion.time), "muscles": len(paths.muscles), "asked": multibody.asked}
    works = {
        "dynamics": lambda part: dynamics(trial, part, multibody),
        "paths and dynamics": lambda part: solved(trial, part, multibody, arrangement),
    }
    report["arrays_ms_a_frame"] = {
        name: fastest(work, trial.motion, given.block, given.repeats) for name, work in works.items()
    }
    theirs, one = by_opensim(trial, 1)
    report["opensim_ms_a_frame"] = {"1 process": one, "2 processes": by_opensim(trial, 2)[1]}
    report["differences"] = differences(trial, solved(trial, trial.motion, multibody, arrangement), theirs)
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
