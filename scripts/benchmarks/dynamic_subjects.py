"""How far a dynamic surrogate serves other bodies: forces, frames that hold, and iterations of collocation from it.

usage: python scripts/benchmarks/dynamic_subjects.py MODEL MOTION START END [-g MOMENTS.sto] [--loads LOADS.xml]
           --surrogate FOLDER [--coordinates NAME …] [--weld JOINT …] [--bodies SIZE,STRENGTH …] [--elastic]

FOLDER is what osimopt train --kind dynamic wrote, on this model or on another with the same muscles. Every body, size 1
and strength 1 being the model's own, is solved by collocation from START + 0.3 to END - 0.3 s, from the static guess
and from the surrogate's answer; forces of the first are what the surrogate and static optimization are compared with,
as a share of peak over the muscles. Motion, loads and moments are low-passed at 6 Hz. Segments differ by 2 % more,
masses are size³, strengths times size².
"""

import json
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from common import parser, read

import osimopt
from osimopt.adapters.twin import BodyScale, model_bodies, twin
from osimopt.problem.problem import RedundancyProblem
from osimopt.surrogate.dynamic import DynamicSurrogate
from osimopt.training.dynamic_surrogate import share_of_peak
from osimopt.training.subjects import stronger
from osimopt.training.windows import MARGIN

#: s of motion in sight before and after what is solved; standard deviation of the logarithms of segments' sizes.
AROUND, SEGMENT = 0.3, 0.02
#: Sizes and strengths: within the default ranges of training, then beyond.
BODIES = (
    "1,1",
    "1.05,1.15",
    "0.95,0.9",
    "1.08,0.85",
    "0.92,1.25",
    "0.8,1",
    "1.2,1",
    "0.7,1",
    "1.3,1",
    "1,0.6",
    "1,1.8",
)


def body(problem: RedundancyProblem, size: float, strength: float, seed: int) -> RedundancyProblem:
    """The motion of another body; the model's own for size 1 and strength 1."""
    if (size, strength) == (1.0, 1.0):
        return problem
    random = np.random.default_rng(seed)
    segments = {name: float(np.exp(SEGMENT * random.standard_normal())) for name in model_bodies(problem)}
    return stronger(twin(problem, BodyScale(size, size**3, segments)), strength * size**2)


def judged(surrogate: DynamicSurrogate, problem: RedundancyProblem) -> dict[str, Any]:
    """Errors, flags, iterations and seconds for a body."""
    window = (float(problem.time[0]) + AROUND, float(problem.time[-1]) - AROUND)
    begin = time.perf_counter()
    exact = osimopt.solve_dynamic(problem, time_range=window, n_jobs=1)
    by_collocation = time.perf_counter() - begin
    begin = time.perf_counter()
    checked = surrogate.solve(problem, times=exact.time)
    by_surrogate = time.perf_counter() - begin
    found = surrogate.solve(problem, times=exact.time, tolerance=np.inf)
    again = osimopt.solve_dynamic(problem, time_range=window, n_jobs=1, initial_guess=found)
    static = osimopt.solve_static(exact.problem, on_failure="return").muscle_force
    inside = (exact.time >= window[0] + MARGIN) & (exact.time <= window[1] - MARGIN)
    assert exact.problem.parameters is not None
    strength = exact.problem.parameters.max_isometric_force
    own, without, right = ([force[inside] / strength] for force in (found.muscle_force, static, exact.muscle_force))
    measured = surrogate.bodies.measure(exact.problem.parameters)
    return {
        "measured_size": measured[0], "measured_strength": measured[1], "force": share_of_peak(own, right),
        "static": share_of_peak(without, right)["mean"], "frames_that_hold": float(checked.solved[inside].mean()),
        "frames_beyond_training": float(checked.outside.mean()),
        "iterations": [one.provenance["rounds"][-1]["iterations"] for one in (exact, again)],
        "objective": [exact.total_objective, again.total_objective],
        "collocation_s": by_collocation, "surrogate_s": by_surrogate,
    }  # fmt: skip


def main() -> None:
    """Run the benchmark and print a line of JSON for each body."""
    made = parser(__doc__)
    made.add_argument("--generalized-force", "-g")
    made.add_argument("--loads")
    made.add_argument("--surrogate", required=True)
    made.add_argument("--coordinates", nargs="*")
    made.add_argument("--weld", nargs="*", default=())
    made.add_argument("--bodies", nargs="*", default=BODIES)
    made.add_argument("--elastic", action="store_true", help="all tendons, whatever the model says")
    arguments = made.parse_args()
    warnings.simplefilter("ignore")
    filtered = {"lowpass_loads_hz": 6.0 if arguments.loads else None,
                "lowpass_moments_hz": 6.0 if arguments.generalized_force else None}  # fmt: skip
    problem = read(
        arguments.model, Path(arguments.motion), arguments.start, arguments.end, lowpass_hz=6.0,
        generalized_force=arguments.generalized_force, external_loads=arguments.loads, weld=arguments.weld,
        coordinates=arguments.coordinates, **filtered,
    )  # fmt: skip
    surrogate = osimopt.Surrogate.load(arguments.surrogate)
    elastic = {"ignore_tendon_compliance": False} if arguments.elastic else {}
    for number, text in enumerate(arguments.bodies):
        size, strength = map(float, text.split(","))
        own = osimopt.use_degroote_muscles(body(problem, size, strength, number), **elastic)
        try:
            row = judged(surrogate, own)
        except osimopt.OsimoptError as error:
            row = {"failed": str(error)}
        print(json.dumps({"size": size, "strength": strength, **row}), flush=True)


if __name__ == "__main__":
    main()
