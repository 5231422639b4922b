"""osimopt's dynamic optimization against OpenSim's MocoInverse on the same motion and mesh, in one run, as ratios.

usage: python scripts/benchmarks/dynamic.py MODEL MOTION T0 T1 --loads LOADS.xml --paths PATHS.xml [--weld JOINT ...]

Both sides: De Groote muscles without passive force, active curves of width 1.5, polynomial paths, reserves of 1 N·m,
residual actuators of 250 N·m and 50 N where no muscle acts, Hermite-Simpson, excitations squared. Whole calls, files to
solution; processes are up, no model is loaded. Medians of ours, with the fastest and slowest beside them.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from common import parser, start_processes, timing

import osimopt
from osimopt import isolation

#: Weight of Σ (dF/dt)² in MocoInverse, whose initial activations equal its excitations.
MOCO_PENALTY = 0.01
MUSCLES = {"active_force_width_scale": 1.5, "ignore_passive_fiber_force": True}
MOCO = """
import json, os, sys, time
import opensim as osim
model, motion, start, end, loads, paths, tendon, mesh, tolerance, out = sys.argv[1:11]
os.chdir(os.path.dirname(out))  # where MocoInverse puts a file while it solves
osim.Logger.removeFileSink(); osim.Logger.setLevelString("error")
begin = time.perf_counter()
steps = osim.ModelProcessor(model)
steps.append(osim.ModOpAddExternalLoads(loads))
welded = osim.StdVectorString()
for joint in sys.argv[11:]:
    welded.append(joint)
steps.append(osim.ModOpReplaceJointsWithWelds(welded))
steps.append(osim.ModOpAddResiduals(250.0, 50.0, 1.0))
if tendon == "rigid":
    steps.append(osim.ModOpIgnoreTendonCompliance())
steps.append(osim.ModOpReplaceMusclesWithDeGrooteFregly2016())
steps.append(osim.ModOpIgnorePassiveFiberForcesDGF())
steps.append(osim.ModOpScaleActiveFiberForceCurveWidthDGF(1.5))
if tendon == "compliant":
    steps.append(osim.ModOpUseImplicitTendonComplianceDynamicsDGF())
steps.append(osim.ModOpReplacePathsWithFunctionBasedPaths(paths))
steps.append(osim.ModOpAddReserves(1.0))
inverse = osim.MocoInverse()
inverse.setModel(steps)
inverse.setKinematics(osim.TableProcessor(motion))
inverse.set_initial_time(float(start)); inverse.set_final_time(float(end)); inverse.set_mesh_interval(float(mesh))
inverse.set_kinematics_allow_extra_columns(True)
if float(tolerance) > 0.0:
    inverse.set_convergence_tolerance(float(tolerance)); inverse.set_constraint_tolerance(float(tolerance))
whole = inverse.solve()
total = time.perf_counter() - begin
solution = whole.getMocoSolution()
sealed = not solution.success()
if sealed:
    solution.unseal()
solution.write(out)
print("MOCO " + json.dumps({
    "success": not sealed, "whole_s": total, "solver_s": solution.getSolverDuration(),
    "iterations": solution.getNumIterations(), "objective": solution.getObjective(),
    "effort": solution.getObjectiveTerm("excitation_effort"),
}))
"""


def moco(arguments: argparse.Namespace, tendon: str, tolerance: float) -> tuple[dict[str, Any], Any]:
    """Run MocoInverse in a process of its own; its numbers, and its solution as a table."""
    given = (arguments.model, arguments.motion, arguments.loads, arguments.paths)
    model, motion, loads, paths = (str(Path(path).resolve()) for path in given)
    with tempfile.TemporaryDirectory() as folder:
        out = str(Path(folder) / "solution.sto")
        numbers = [str(value) for value in (arguments.start, arguments.end)]
        command = [
            sys.executable, "-c", MOCO, model, motion, *numbers, loads, paths, tendon, str(arguments.mesh),
            str(tolerance), out, *arguments.weld,
        ]  # fmt: skip
        environment = {**os.environ, "LD_LIBRARY_PATH": ""}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        line = next(line for line in done.stdout.splitlines() if line.startswith("MOCO "))
        return json.loads(line.removeprefix("MOCO ")), osimopt.read_table(out)


def ours(arguments: argparse.Namespace, tendon: Any) -> tuple[float, Any]:
    """Seconds from files to solution, and the solution; a fresh process with opensim, another with casadi."""
    start_processes(2)
    isolation.close("casadi")
    isolation.prepare("casadi", "osimopt.dynamic.worker.solve:warm_up", (), 2)
    time.sleep(2.0)
    begin = time.perf_counter()
    problem = osimopt.load_problem(
        arguments.model, arguments.motion, arguments.loads, time_range=(arguments.start, arguments.end),
        weld=arguments.weld, geometry=arguments.paths,
    )  # fmt: skip
    penalty = MOCO_PENALTY if tendon != "rigid" else 0.0
    solution = osimopt.solve_dynamic(
        problem, tendon, mesh_interval=arguments.mesh, muscles=MUSCLES, initial_activation="equal",
        derivative_penalty=penalty,
    )  # fmt: skip
    return time.perf_counter() - begin, solution


def differences(solution: Any, table: Any) -> dict[str, Any]:
    """Excitations of both, muscle by muscle: root mean square over all, and the muscles that differ most."""
    muscles = solution.problem.muscles
    theirs = np.stack([np.interp(solution.time, table.index, table[f"/forceset/{name}"]) for name in muscles], axis=1)
    rms = np.sqrt(np.mean((solution.excitation - theirs) ** 2, axis=0))
    order = np.argsort(-rms)
    return {
        "rms": round(float(np.sqrt(np.mean(rms**2))), 4),
        "median_muscle": round(float(np.median(rms)), 4),
        "worst_muscles": {muscles[i]: round(float(rms[i]), 3) for i in order[:6]},
    }


def one_tendon(arguments: argparse.Namespace, tendon: str) -> dict[str, Any]:
    """Both sides with one kind of tendon."""
    runs = [ours(arguments, tendon) for _ in range(arguments.repeat + 1)][1:]
    solution = runs[0][1]
    rounds = [run[1].provenance["rounds"] for run in runs]
    mine: dict[str, Any] = {
        "whole_s": timing([seconds for seconds, _ in runs]),
        "solve_dynamic_s": timing([run[1].provenance["solve_seconds"] for run in runs]),
        "solver_s": timing([sum(one["wall_seconds"] for one in each) for each in rounds]),
        "iterations": [one["iterations"] for one in rounds[0]],
        "objective": solution.provenance["objective"],
        "effort": solution.integrals["muscles"] + solution.integrals["reserves"],
        "forward_integration": solution.provenance["forward_integration"],
    }
    report: dict[str, Any] = {"osimopt": mine}
    if not arguments.alone:
        numbers, table = moco(arguments, tendon, 0.0)
        report |= {
            "moco": numbers,
            "times_faster_whole": round(numbers["whole_s"] / mine["whole_s"]["median"], 1),
            "times_faster_solver": round(numbers["solver_s"] / mine["solver_s"]["median"], 1),
            "effort_above_moco_percent": round(100.0 * (mine["effort"] / numbers["effort"] - 1.0), 2),
            "excitation_difference": differences(solution, table),
        }
        for tolerance in arguments.tolerance:
            numbers, table = moco(arguments, tendon, tolerance)
            report[f"moco at tolerance {tolerance:g}"] = {
                **numbers, "excitation_difference": differences(solution, table),
            }  # fmt: skip
    return report


def main() -> None:
    """Run both sides and print one JSON object for each kind of tendon."""
    given = parser(__doc__)
    given.add_argument("--loads", required=True)
    given.add_argument("--paths", required=True, help="polynomial paths: osimopt fit-geometry makes them")
    given.add_argument("--weld", nargs="*", default=[])
    given.add_argument("--mesh", type=float, default=0.02)
    given.add_argument("--tendon", nargs="*", default=["rigid", "compliant"])
    given.add_argument("--repeat", type=int, default=5)
    given.add_argument("--alone", action="store_true", help="without MocoInverse")
    given.add_argument("--tolerance", type=float, nargs="*", default=[], help="run MocoInverse at these too")
    arguments = given.parse_args()
    warnings.simplefilter("ignore")
    for tendon in arguments.tendon:
        print(json.dumps({tendon: one_tendon(arguments, tendon)}, indent=2), flush=True)


if __name__ == "__main__":
    main()
