"""What a dynamic surrogate is worth: its errors, as a start of collocation, and a thousand variants of a stride.

usage: python scripts/benchmarks/dynamic_surrogate.py MODEL MOTION START END -g MOMENTS.sto --surrogate FOLDER
           [--stride 1.2] [--around 0.3] [--strides 5] [--variants 1000] [--by-collocation 10]

FOLDER is what osimopt train --kind dynamic wrote on other times of the motion than START to END, which is cut into
strides, each with AROUND s of motion in sight before and after it. Each is solved by collocation from the static guess
and from the surrogate's answer: forces of the first are what the surrogate is compared with. Then the first stride is
answered with other muscles (osimopt's draw_muscles, seeds (1, 0), (1, 1), …) by the surrogate, decoding and checks
included, and some of them by collocation.
"""

import json
import time
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from common import parser, read, timing

import osimopt
from osimopt.dynamic.solution import DynamicSolution
from osimopt.problem.problem import RedundancyProblem
from osimopt.surrogate.dynamic import DynamicSurrogate
from osimopt.training.dynamic_surrogate import share_of_peak
from osimopt.training.training_data import draw_muscles
from osimopt.training.windows import MARGIN

#: s between frames of the surrogate.
STEP = 0.01


def stride_of(problem: RedundancyProblem, start: float, end: float, around: float) -> RedundancyProblem:
    """A stride and what is around it, with De Groote muscles."""
    inside = (problem.time >= start - around - 1e-9) & (problem.time <= end + around + 1e-9)
    return osimopt.use_degroote_muscles(problem.frames(np.flatnonzero(inside)))


def as_start(surrogate: DynamicSurrogate, around: RedundancyProblem, start: float, end: float) -> dict[str, Any]:
    """Accuracy on a stride of a motion, and iterations and seconds of collocation from either start."""
    window = (start, end)
    begin = time.perf_counter()
    times = np.linspace(start, end, round((end - start) / STEP) + 1)
    guess = surrogate.solve(around, times=times)
    row: dict[str, Any] = {"start_s": start, "surrogate_s": time.perf_counter() - begin}
    row["frames_that_hold"] = float(guess.solved.mean())
    for name, initial in (("static", "static"), ("surrogate", guess)):
        begin = time.perf_counter()
        solution = osimopt.solve_dynamic(around, time_range=window, initial_guess=initial, n_jobs=1)
        row[f"from_{name}"] = {
            "iterations": solution.provenance["rounds"][-1]["iterations"],
            "seconds": time.perf_counter() - begin,
            "objective": solution.total_objective,
        }
        if name == "static":
            row |= _errors(surrogate.solve(around, times=times, tolerance=np.inf), solution)
    row["from_surrogate"]["seconds"] += row["surrogate_s"]
    return row


def _errors(found: Any, exact: DynamicSolution) -> dict[str, Any]:
    parameters = exact.problem.parameters
    if parameters is None:
        raise SystemExit("A problem from a model has parameters.")
    inside = (exact.time >= exact.time[0] + MARGIN) & (exact.time <= exact.time[-1] - MARGIN)
    static = osimopt.solve_static(exact.problem, on_failure="return").muscle_force
    found_force, static_force, right = (
        [force[inside] / parameters.max_isometric_force] for force in (found.muscle_force, static, exact.muscle_force)
    )
    return {
        "force_share_of_peak": share_of_peak(found_force, right),
        "static_share_of_peak": share_of_peak(static_force, right),
        "activation_rmse": float(np.sqrt(np.mean((found.activation - exact.activation)[inside] ** 2))),
    }


def monte_carlo(
    surrogate: DynamicSurrogate, around: RedundancyProblem, start: float, end: float, count: int, solved: int
) -> dict[str, Any]:
    """Seconds for ``count`` variants by the surrogate and for ``solved`` of them by collocation."""
    stride = around.resample(np.arange(start, end + 1e-9, surrogate.network.step))
    if around.parameters is None:
        raise SystemExit("A problem from a model has parameters.")
    muscles = [draw_muscles(around.parameters, (1, number)) for number in range(count)]
    surrogate.solve_variants(stride, muscles[:10])
    seconds = []
    for _ in range(3):
        begin = time.perf_counter()
        variants = surrogate.solve_variants(stride, muscles)
        seconds.append(time.perf_counter() - begin)
    exact, errors = [], []
    for number in range(solved):
        own = osimopt.use_degroote_muscles(replace(around, parameters=muscles[number]))
        begin = time.perf_counter()
        try:
            answer = osimopt.solve_dynamic(own, time_range=(start, end))
        except osimopt.SolverError as error:
            print(f"variant {number}: {error}")
            continue
        exact.append(time.perf_counter() - begin)
        at = np.searchsorted(answer.time, variants.time - 1e-6)
        inside = slice(round(MARGIN / surrogate.network.step), -round(MARGIN / surrogate.network.step))
        strength = muscles[number].max_isometric_force
        share = share_of_peak(
            [variants.muscle_force[number][inside] / strength], [answer.muscle_force[at][inside] / strength]
        )
        errors.append(share["mean"])
    one = float(np.median(exact)) if exact else float("nan")
    return {
        "variants": count,
        "surrogate_s": timing(seconds),
        "collocation_of_one_s": timing(exact) if exact else None,
        "ratio": one * count / float(np.median(seconds)),
        "force_share_of_peak": float(np.mean(errors)) if errors else None,
        "frames_that_hold": float(variants.solved.mean()),
        "frames_beyond_training": float(variants.outside.mean()),
        "threads": torch.get_num_threads(),
    }


def main() -> None:
    """Run the benchmark and print JSON."""
    made = parser(__doc__)
    made.add_argument("--generalized-force", "-g")
    made.add_argument("--loads")
    made.add_argument("--surrogate", required=True)
    made.add_argument("--stride", type=float, default=1.2)
    made.add_argument("--around", type=float, default=0.3)
    made.add_argument("--strides", type=int, default=5)
    made.add_argument("--variants", type=int, default=1000)
    made.add_argument("--by-collocation", type=int, default=10)
    arguments = made.parse_args()
    surrogate = osimopt.Surrogate.load(arguments.surrogate)
    problem = read(
        arguments.model, arguments.motion, arguments.start, arguments.end,
        generalized_force=arguments.generalized_force, external_loads=arguments.loads, lowpass_hz=6.0,
    )  # fmt: skip
    last = arguments.end - arguments.around - arguments.stride
    starts = np.round(np.linspace(arguments.start + arguments.around, last, arguments.strides), 2).tolist()
    ends = [start + arguments.stride for start in starts]
    motions = [stride_of(problem, start, end, arguments.around) for start, end in zip(starts, ends, strict=True)]
    cases = list(zip(motions, starts, ends, strict=True))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        report = {
            "strides": [as_start(surrogate, *case) for case in cases],
            "variants": monte_carlo(surrogate, *cases[0], arguments.variants, arguments.by_collocation),
        }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
