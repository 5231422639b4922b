"""What a dynamic surrogate is worth: its errors, as a start of collocation, and a thousand variants of a stride.

usage: python scripts/benchmarks/dynamic_surrogate.py MODEL MOTION START END -g MOMENTS.sto --surrogate FOLDER
           [--stride 1.2] [--variants 1000] [--by-collocation 10]

FOLDER is what osimopt train --kind dynamic wrote on other times of the motion than START to END, which is cut into
strides. Each is solved by collocation from the static guess and from the surrogate's answer: forces of the first are
what the surrogate is compared with. Then the first stride is answered with other muscles (osimopt's draw_muscles, seeds
(1, 0), (1, 1), …) by the surrogate, decoding and checks included, and some of them by collocation.
"""

import json
import time
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import parser, told

import osimopt
from osimopt.dynamic.solution import DynamicSolution
from osimopt.problem import RedundancyProblem
from osimopt.studies.dynamic_data import draw_muscles
from osimopt.studies.dynamic_plans import MARGIN
from osimopt.surrogate.dynamic import DynamicSurrogate

#: s of motion that are read around a stride, for the splines between frames; s between frames of the surrogate.
AROUND, STEP = 0.3, 0.01
#: Share of its strength that a muscle's peak counts as at least.
IDLE = 0.05


def stride_of(problem: RedundancyProblem, start: float, end: float) -> RedundancyProblem:
    """A stride and what is around it, with De Groote muscles."""
    inside = (problem.time >= start - AROUND) & (problem.time <= end + AROUND)
    return osimopt.use_degroote_muscles(problem.frames(np.flatnonzero(inside)))


def share_of_peak(found: Any, exact: Any, strength: Any) -> Any:
    """(M,) root mean square error of forces (T, M), in shares of the muscles' peaks."""
    peak = np.maximum(exact.max(axis=0), IDLE * strength)
    return np.sqrt(np.mean((found - exact) ** 2, axis=0)) / peak


def as_start(surrogate: DynamicSurrogate, problem: RedundancyProblem, start: float, end: float) -> dict[str, Any]:
    """Accuracy on a stride, and iterations and seconds of collocation from either start."""
    around, window = stride_of(problem, start, end), (start, end)
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
    by_muscle = share_of_peak(found.muscle_force[inside], exact.muscle_force[inside], parameters.max_isometric_force)
    static = osimopt.solve_static(exact.problem, on_failure="return").muscle_force
    of_static = share_of_peak(static[inside], exact.muscle_force[inside], parameters.max_isometric_force)
    return {
        "force_share_of_peak": {"mean": float(by_muscle.mean()), "worst": float(by_muscle.max())},
        "static_share_of_peak": {"mean": float(of_static.mean()), "worst": float(of_static.max())},
        "activation_rmse": float(np.sqrt(np.mean((found.activation - exact.activation)[inside] ** 2))),
    }


def monte_carlo(
    surrogate: DynamicSurrogate, problem: RedundancyProblem, start: float, end: float, count: int, solved: int
) -> dict[str, Any]:
    """Seconds for ``count`` variants by the surrogate and for ``solved`` of them by collocation."""
    around = stride_of(problem, start, end)
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
        share = share_of_peak(
            variants.muscle_force[number][inside],
            answer.muscle_force[at][inside],
            muscles[number].max_isometric_force,
        )
        errors.append(float(share.mean()))
    one = float(np.median(exact)) if exact else float("nan")
    return {
        "variants": count,
        "surrogate_s": told(seconds),
        "collocation_of_one_s": told(exact) if exact else None,
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
    made.add_argument("--strides", type=int, default=5)
    made.add_argument("--variants", type=int, default=1000)
    made.add_argument("--by-collocation", type=int, default=10)
    arguments = made.parse_args()
    surrogate = osimopt.Surrogate.load(arguments.surrogate)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        problem = osimopt.load_problem(
            Path(arguments.model), Path(arguments.motion), time_range=(arguments.start, arguments.end),
            generalized_force=arguments.generalized_force, external_loads=arguments.loads, lowpass_hz=6.0,
        )  # fmt: skip
        last = arguments.end - AROUND - arguments.stride
        starts = np.round(np.linspace(arguments.start + AROUND, last, arguments.strides), 2).tolist()
        strides = [as_start(surrogate, problem, start, start + arguments.stride) for start in starts]
        report = {
            "strides": strides,
            "variants": monte_carlo(
                surrogate, problem, starts[0], starts[0] + arguments.stride, arguments.variants,
                arguments.by_collocation,
            ),
        }  # fmt: skip
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
