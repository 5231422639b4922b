"""Dynamic optimization of longer and longer stretches of a motion: time, memory; and stretch by stretch: convergence.

usage: python scripts/benchmarks/dynamic_long.py MODEL MOTION START [--loads LOADS.xml | --forces ID.sto]
       [--lowpass-moments-hz 6] [--seconds 1.25 2.5 5 10] [--stretches 10 --each 1.1]
       [--tendon rigid compliant] [--ignore-passive --width 1.5]

Prints a line of JSON for each solve: how it ended, iterations, wall seconds of solver and whole call, and the
peak memory of this process and of casadi's and opensim's together, sampled twice a second (Linux). Of a motion that is
solved in windows also the largest difference of forces near their ends, as a share of the muscle's peak.
"""

import json
import time
import warnings
from typing import Any

from common import parser, peak_memory

import osimopt


def one(problem: Any, tendon: Any, first: float, last: float, muscles: dict[str, Any] | None) -> dict[str, Any]:
    """Solve from first to last second and tell."""
    begin = time.perf_counter()
    with peak_memory() as peak:
        answer = osimopt.solve_dynamic(problem, tendon, time_range=(first, last), muscles=muscles, on_failure="return")
        seconds = time.perf_counter() - begin
    summary = {"tendon": tendon, "from": first, "to": last, "solved": answer.success, "whole_s": round(seconds, 2)}
    if not answer.success:
        return {**summary, "reason": answer.findings()[0]}
    rounds = answer.provenance["rounds"]
    checked = answer.provenance["forward_integration"]
    return {
        **summary,
        "iterations": [one["iterations"] for one in rounds],
        "windows": [one["windows"] for one in rounds],
        "differs_at_junctions": max(answer.provenance.get("windows", {}).get("differs", {}).values(), default=None),
        "solver_s": [round(one["wall_seconds"], 2) for one in rounds],
        "objective": round(answer.total_objective, 4),
        "activation_error": checked["activation_error"]["largest"],
        "force_error_share_of_peak": checked["force_error_share_of_peak"]["largest"],
        "peak_MB": peak[0] // 2**20,
    }


def main() -> None:
    """Read the motion once and solve its stretches."""
    given = parser(__doc__, end=False)
    given.add_argument("--loads", default=None)
    given.add_argument("--forces", default=None)
    given.add_argument("--lowpass-hz", type=float, default=None)
    given.add_argument("--lowpass-moments-hz", type=float, default=None)
    given.add_argument("--seconds", type=float, nargs="*", default=[])
    given.add_argument("--stretches", type=int, default=0)
    given.add_argument("--each", type=float, default=1.1)
    given.add_argument("--tendon", nargs="*", default=["rigid", "compliant"])
    given.add_argument("--width", type=float, default=None)
    given.add_argument("--ignore-passive", action="store_true")
    arguments = given.parse_args()
    warnings.simplefilter("ignore")
    muscles: dict[str, Any] = {"ignore_passive_fiber_force": True} if arguments.ignore_passive else {}
    if arguments.width is not None:
        muscles["active_force_width_scale"] = arguments.width
    start, each = arguments.start, arguments.each
    last = start + max([*arguments.seconds, each * arguments.stretches])
    problem = osimopt.load_problem(
        arguments.model, arguments.motion, arguments.loads, arguments.forces, time_range=(start, last + 0.05),
        lowpass_hz=arguments.lowpass_hz, lowpass_moments_hz=arguments.lowpass_moments_hz,
    )  # fmt: skip
    stretches = [(start, start + seconds) for seconds in arguments.seconds]
    stretches += [(start + i * each, start + (i + 1) * each) for i in range(arguments.stretches)]
    for tendon in arguments.tendon:
        for first, end in stretches:
            print(json.dumps(one(problem, tendon, round(first, 6), round(end, 6), muscles or None)), flush=True)


if __name__ == "__main__":
    main()
