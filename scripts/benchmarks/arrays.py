"""Paths and dynamics of a motion in arrays beside OpenSim's calls: time per frame, differences, and gradients.

usage: python scripts/benchmarks/arrays.py MODEL MOTION START END [--loads XML] [--weld JOINT ...] [--block 500]

Time in ms a frame: of arrays by one thread and by two, frames in blocks; of OpenSim's calls, as `load_problem` makes
them, in one process and in two. Differences are those of the same frames. Gradients are of a random combination of the
results of a few frames, along a random direction in what they are differentiated by, beside central differences.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from osimopt.adapters.arrays import extract
from osimopt.adapters.load import open_trial
from osimopt.adapters.load_arrays import measured_loads
from osimopt.adapters.messages import Wanted
from osimopt.adapters.options import ReadOptions
from osimopt.adapters.trial import Trial
from osimopt.isolation import run
from osimopt.multibody.description import Multibody
from osimopt.multibody.dynamics import about_speeds, inverse_dynamics, transmitted
from osimopt.multibody.kinematics import Posture, posture, velocity
from osimopt.multibody.loads import load_wrenches
from osimopt.multibody.rates import to_changes, to_coordinates, to_speeds
from osimopt.namespace import frames_first, namespace
from osimopt.paths.arms import moment_arms
from osimopt.paths.arrangement import Arrangement, arrange
from osimopt.paths.description import Paths
from osimopt.paths.solve import lengths, solve_paths
from osimopt.problem.arrays import Kinematics

#: Step of central differences, in rad, m or shares of a parameter; frames that are differentiated.
STEP, FRAMES = 1e-6, 5


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
    extract(trial.model, trial.motion.frames(slice(0, 50)), trial.pairs, wanted, jobs)
    begin = time.perf_counter()
    arrays = extract(trial.model, trial.motion, trial.pairs, wanted, jobs).arrays
    return arrays, round(1e3 * (time.perf_counter() - begin) / len(trial.motion.time), 4)


def differences(trial: Trial, ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, float]:
    """Largest differences, in m, m/s, N·m and N."""
    free, size = list(trial.model.description.free), len(trial.motion.coordinates)
    muscles = theirs["length"].shape[1]
    dense = ours["arms"].dense(ours["length"].shape[1], size)
    arms = [trial.motion.onto_free(dense[:, :, muscle]) for muscle in range(muscles)]
    pairs = trial.pairs
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


def gradients(multibody: Multibody, paths: Paths, motion: Kinematics) -> dict[str, float]:
    """Relative differences of gradients from central differences, by what they are gradients of."""
    rows = np.linspace(0, len(motion.time) - 1, FRAMES).astype(int)
    value, speed, change = (getattr(motion, name)[rows] for name in ("value", "speed", "acceleration"))
    tree, base = multibody.tree, arrange(paths)

    def by_motion(place: int) -> Callable[[Any], Any]:
        """Inverse dynamics, of which one argument is differentiated by."""

        def act(x: Any) -> Any:
            given = [like(part, x[0]) for part in (value, speed, change)]
            return inverse_dynamics(multibody, *given[:place], x[0], *given[place + 1 :])

        return act

    def with_tree(name: str) -> Callable[[Any], Any]:
        return lambda x: inverse_dynamics(
            replace(multibody, tree=replace(tree, **{name: x[0]})),
            *(like(part, x[0]) for part in (value, speed, change)),
        )

    def along(arrangement: Arrangement, at: Any) -> Any:
        return lengths(arrangement, solve_paths(arrangement, posture(multibody, at)))

    def with_paths(name: str) -> Callable[[Any], Any]:
        return lambda x: along(replace(base, **{name: x[0]}), like(value, x[0]))

    def shifted(x: Any) -> Any:
        """Lengths with objects at the places (O, 3)."""
        still, rows, last = (like(part, x[0]) for part in (base.frame, np.eye(4)[:, :3], np.eye(4)[3]))
        moved = namespace(x[0]).einsum("ai,oi,b->oab", rows, x[0] - still[:, :3, 3], last)
        return along(replace(base, frame=still + moved), like(value, x[0]))

    def arms(x: Any) -> Any:
        at = posture(multibody, x[0])
        return moment_arms(base, solve_paths(base, at), at).value

    cases: dict[str, tuple[Callable[[Any], Any], list[Any]]] = {
        **{
            f"generalized forces by {name}": (by_motion(place), [(value, speed, change)[place]])
            for place, name in enumerate(("q", "u", "u'"))
        },
        **{f"generalized forces by {name}": (with_tree(name), [getattr(tree, name)])
           for name in ("mass", "center", "inertia", "inboard", "outboard")},
        "lengths by q": (lambda x: along(base, x[0]), [value]),
        **{f"lengths by {word}": (with_paths(name), [getattr(base, name)])
           for name, word in (("place", "points"), ("size", "sizes of objects"))},
        "lengths by places of objects": (shifted, [base.frame[:, :3, 3]]),
        "moment arms by q": (arms, [value]),
    }  # fmt: skip
    return {name: directional(*case) for name, case in cases.items()}


def like(array: Any, other: Any) -> Any:
    """An array in the library of another."""
    return torch.tensor(array) if isinstance(other, torch.Tensor) else array


def directional(function: Callable[[Any], Any], arguments: list[Any]) -> float:
    """Relative difference of a derivative by autograd from a central difference, along a random direction."""
    random = np.random.default_rng(0)
    ways = [random.normal(size=one.shape) * np.where(one == 0.0, 0.0, 1.0) for one in arguments]
    leaves = [torch.tensor(one, requires_grad=True) for one in arguments]
    found = function(leaves)
    weights = random.normal(size=tuple(found.shape))
    (found * torch.tensor(weights)).sum().backward()
    slope = sum(float((one.grad * torch.tensor(way)).sum()) for one, way in zip(leaves, ways, strict=True))
    ends = [function([one + step * way for one, way in zip(arguments, ways, strict=True)]) for step in (STEP, -STEP)]
    difference = float(((ends[0] - ends[1]) * weights).sum()) / (2.0 * STEP)
    return abs(slope - difference) / abs(difference)


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
    report["gradients"] = gradients(multibody, paths, trial.motion)
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
