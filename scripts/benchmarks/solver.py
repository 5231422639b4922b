"""The batched solver beside DAQP (p = 2) and SLSQP (p = 3), in one run, as ratios of the time per frame.

usage: python scripts/benchmarks/solver.py [MODEL MOTION T0 T1 [--loads EXTERNAL_LOADS.xml]] [--frames 10000]
       [--repeat 5]

Without a model: a random problem of 80 muscles and 13 coordinates. A shorter motion is repeated with 1 % noise. All
times are of the solvers alone, on the same arrays, with one BLAS thread; osimopt's is the whole of ``solve_static``.
DAQP is called frame by frame through qpsolvers (``pip install osimopt[bench]``), once on the whole moment balance and
once on the rows and columns that osimopt's own reduction leaves. Medians over the repetitions, which take turns.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from threadpoolctl import threadpool_limits

import osimopt
from osimopt.problem.arrays import MuscleGeometry
from osimopt.static.reduction import Places

#: Frames that the slower solvers are given.
FEW_DAQP, FEW_SLSQP = 500, 60


def random_problem(frames: int, seed: int = 0) -> osimopt.RedundancyProblem:
    """Two legs of 5 coordinates and 37 muscles, a trunk of 3 and 6; each muscle spans one to three coordinates."""
    rng = np.random.default_rng(seed)
    arm, muscle = np.zeros((13, 80)), 0
    for rows, count in ((range(5), 37), (range(5, 10), 37), (range(10, 13), 6)):
        for _ in range(count):
            start = int(rng.integers(rows.start, rows.stop))
            span = slice(start, min(start + int(rng.integers(1, 4)), rows.stop))
            arm[span, muscle] = rng.uniform(0.01, 0.06, span.stop - span.start) * rng.choice([-1.0, 1.0])
            muscle += 1
    time_ = np.linspace(0.0, 6.0, 100)[:, None]
    phase, force = rng.uniform(0.0, 2.0 * np.pi, 80), rng.uniform(200.0, 2000.0, 80)
    activation = 0.02 + 0.25 * (1.0 + np.sin(time_ + phase)) * rng.uniform(0.2, 1.0, 80)
    arms = arm * (1.0 + 0.2 * np.sin(time_ + phase))[:, None, :]
    moment = np.einsum("tdm,tm->td", arms, force * activation)
    small = osimopt.RedundancyProblem.from_arrays(arms, force, moment, bounds=(0.01, 1.0), reserves=1.0)
    return repeated(small, frames)


def repeated(problem: osimopt.RedundancyProblem, frames: int, seed: int = 0) -> osimopt.RedundancyProblem:
    """The problem's frames over and over, each time with 1 % noise."""
    rng = np.random.default_rng(seed)
    which = np.arange(frames) % len(problem)

    def noisy(array: np.ndarray) -> np.ndarray:
        return array[which] * (1.0 + 0.01 * rng.normal(size=(frames, array.shape[1])))

    geometry = problem.geometry
    effect = problem.reserves.effect
    return replace(
        problem,
        time=0.01 * np.arange(frames),
        geometry=MuscleGeometry(
            geometry.muscles, geometry.coordinates, geometry.pair_coordinate, geometry.pair_muscle,
            noisy(geometry.moment_arms), spanned=geometry.spanned,
        ),
        max_force=np.abs(noisy(problem.max_force)),
        generalized_force=noisy(problem.generalized_force),
        passive_force=problem.passive_force[which],
        reserves=problem.reserves if len(effect) == 1 else replace(problem.reserves, effect=effect[which]),
        kinematics=None,
    )  # fmt: skip


def daqp_frames(problem: osimopt.RedundancyProblem, reduced: bool) -> Callable[[], int]:
    """A call that solves the problem with DAQP and returns the number of answers."""
    from qpsolvers import solve_qp

    places = Places.of(problem)
    reduction = places.reduction(places.system(slice(None))[0])
    acts = np.any(problem.moment_arm != 0.0, axis=(0, 2)) | (problem.reserves.effect != 0.0).any(axis=(0, 2))
    rows = reduction.open_rows if reduced else acts
    columns = reduction.open_columns if reduced else np.ones(len(problem.actuators), dtype=bool)
    systems = [problem.system(frame) for frame in range(len(problem))]
    small = [(np.ascontiguousarray(A[np.ix_(rows, columns)]), b[rows]) for A, b in systems]
    lower, upper = (bound[columns] for bound in problem.bounds())
    size = int(columns.sum())
    P, q = np.eye(size), np.zeros(size)

    def run() -> int:
        answers = [solve_qp(P, q, None, None, A, b, lower, upper, solver="daqp") for A, b in small]
        return sum(answer is not None for answer in answers)

    return run


def torch_device() -> str | None:
    """An accelerator of torch, if there is one."""
    import torch

    return "cuda" if torch.cuda.is_available() else None


def seconds(call: Callable[[], object]) -> float:
    """Time of one call."""
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def per_frame(calls: dict[str, tuple[Callable[[], object], int]], repeat: int) -> dict[str, float]:
    """Median ms per frame of calls (with their number of frames) that take turns, each warmed up once."""
    for call, _ in calls.values():
        call()
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeat):
        for name, (call, frames) in calls.items():
            times[name].append(1e3 * seconds(call) / frames)
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("model", nargs="?")
    parser.add_argument("motion", nargs="?")
    parser.add_argument("start", type=float, nargs="?")
    parser.add_argument("end", type=float, nargs="?")
    parser.add_argument("--loads", default=None)
    parser.add_argument("--frames", type=int, default=10_000)
    parser.add_argument("--repeat", type=int, default=5)
    arguments = parser.parse_args()
    if arguments.model is None:
        problem = random_problem(arguments.frames)
    else:
        window = (arguments.start, arguments.end)
        one = osimopt.load_problem(arguments.model, arguments.motion, arguments.loads, time_range=window, reserves=None)
        problem = repeated(one, arguments.frames)
    few, fewer = (problem.frames(slice(0, count)) for count in (FEW_DAQP, FEW_SLSQP))

    def ours(p: float, device: str = "cpu", solver: str = "newton") -> Callable[[], osimopt.RedundancySolution]:
        subset = fewer if solver == "slsqp" else problem
        return lambda: osimopt.solve_static(subset, exponent=p, solver=solver, device=device, on_failure="return")

    with threadpool_limits(1):
        calls = {f"newton_p{p}": (ours(p), len(problem)) for p in (2, 3, 5, 10)}
        calls |= {f"daqp_p2_{name}": (daqp_frames(few, name == "reduced"), len(few)) for name in ("whole", "reduced")}
        calls["slsqp_p3"] = ours(3, solver="slsqp"), len(fewer)
        if device := torch_device():
            calls[device] = (ours(2, device), len(problem))
        ms = per_frame(calls, arguments.repeat)
        solved = {f"p{p}": float(ours(p)().solved.mean()) for p in (2, 3, 5, 10)}
    print(
        json.dumps(
            {
                "frames": len(problem),
                "muscles": len(problem.muscles),
                "ms_per_frame": {name: round(value, 4) for name, value in ms.items()},
                "solved": solved,
                "daqp_over_newton_p2": round(ms["daqp_p2_whole"] / ms["newton_p2"], 2),
                "daqp_reduced_over_newton_p2": round(ms["daqp_p2_reduced"] / ms["newton_p2"], 2),
                "slsqp_over_newton_p3": round(ms["slsqp_p3"] / ms["newton_p3"], 1),
                "device_frames_per_second": round(1e3 / ms[device]) if device else "not measured",
            },
            indent=1,
            ensure_ascii=False,
        )
    )


if __name__ == "__main__":
    main()
