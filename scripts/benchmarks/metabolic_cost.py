"""Metabolic rate as the objective beside effort, one stride of walking on elastic tendons: forces, W/kg, EMG.

usage: python scripts/benchmarks/metabolic_cost.py WALK [--weights 1 10] [--probe bhargava2004] [--report PAGE.html]
       [--figure FIGURE.png]

WALK is the folder walk_80muscles that `osimopt fetch` brings. Prints, by objective: whether it converged, iterations,
seconds, the mean rate of both probes in W/kg, the largest and the median difference of muscle forces from those of
effort in per cent of the muscle's strength, and the correlation of excitations with EMG (median over channels, without
and with the electromechanical delay that fits best).
"""

import argparse
import time
import warnings
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import osimopt
from osimopt.report import style
from osimopt.report.curves import muscle_groups
from osimopt.solution.metabolic import mean_over

MUSCLES = {"active_force_width_scale": 1.5, "ignore_passive_fiber_force": True}
#: N/m² by which the forces of this model's muscles were made from their areas (Rajagopal et al. 2016).
STRONG = 6e5
STRIDE = (0.48, 1.61)


def measures(solution: Any, effort: Any, emg: Any, mapping: Any) -> dict[str, Any]:
    """A row of the table."""
    strength = solution.problem.parameters.max_isometric_force
    off = 100.0 * np.sqrt(np.mean((solution.muscle_force - effort.muscle_force) ** 2, axis=0)) / strength
    worst = int(off.argmax())
    row: dict[str, Any] = {"iterations": int(solution.iterations[0])}
    for probe in ("bhargava2004", "umberger2010"):
        row[probe] = round(osimopt.metabolic_rate(solution, probe).attrs["mean_W_per_kg"], 3)
        strong = osimopt.metabolic_rate(solution, probe, specific_tension=STRONG)
        row[f"{probe}, 60 N/cm²"] = round(strong.attrs["mean_W_per_kg"], 3)
    known = solution.provenance.get("metabolic")
    row["smooth"] = round(known["smooth_mean_W_per_kg"], 3) if known else None
    row["objective"] = {name: round(value, 3) for name, value in solution.integrals.items()}
    row["force_rms_%"], row["worst"] = (
        round(float(np.median(off)), 2),
        f"{solution.problem.muscles[worst]} {off[worst]:.0f}",
    )
    row["integration_error"] = solution.provenance["rounds"][-1]["integration_error"]
    compared = osimopt.compare_emg(solution, emg, mapping)
    table = compared.table
    row["emg_r"], row["emg_r_delay"] = (round(float(table[name].median()), 3) for name in ("r", "r_delay"))
    print(table[["r", "r_delay"]].round(2).T.to_string(), flush=True)
    return row


def draw(found: dict[str, Any], path: Path) -> None:
    """Rate of the body over the stride, and mean rates of the muscle groups that use most, of all objectives."""
    with style.figure([["body", "body", "groups", "groups", "groups"]], (10.0, 3.4)) as (figure, axes):
        for number, (name, solution) in enumerate(found.items()):
            rate = osimopt.metabolic_rate(solution, "bhargava2004", specific_tension=STRONG)
            mass, colour = rate.attrs["body_mass_kg"], style.colour(number)
            label = f"{name}: {rate.attrs['mean_W_per_kg']:.2f} W/kg"
            axes["body"].plot(rate.index, rate["total"] / mass, color=colour, label=label)
            muscles = solution.problem.muscles
            sums = {
                group: mean_over(solution.time, rate.iloc[:, [*chain(*sides.values())]].sum(axis=1).to_numpy()) / mass
                for group, sides in muscle_groups(muscles).items()
            }
            if number == 0:
                order = sorted(sums, key=lambda group: -sums[group])[:12]
            place = np.arange(len(order)) + 0.8 * (number / len(found) - 0.5)
            axes["groups"].bar(place, [sums[group] for group in order], 0.8 / len(found), align="edge", color=colour)
        axes["groups"].set_xticks(range(len(order)), order, rotation=40, ha="right")
        style.label(axes["body"], "whole body, basal rate included", "time (s)", "metabolic rate (W/kg)")
        style.label(axes["groups"], "muscle groups of both sides, mean", "", "W per kg of the body")
        style.from_zero(axes["body"])
        axes["body"].legend(fontsize=8)
        figure.savefig(path, dpi=110)


def main() -> None:
    """All objectives."""
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("walk", type=Path)
    given.add_argument("--weights", nargs="*", type=float, default=[1.0, 10.0])
    given.add_argument("--probe", default="bhargava2004")
    given.add_argument("--report", type=Path)
    given.add_argument("--figure", type=Path)
    arguments = given.parse_args()
    warnings.simplefilter("ignore")
    walk = arguments.walk
    problem = osimopt.load_problem(
        walk / "subject_walk_scaled.osim", walk / "coordinates_100hz.mot", walk / "grf_walk.xml", time_range=STRIDE,
        weld=["mtp_r", "mtp_l"], geometry=walk / "subject_walk_scaled_FunctionBasedPathSet.xml",
    )  # fmt: skip
    emg = osimopt.read_emg(walk / "electromyography.sto", amplitude="own maximum")
    mapping = osimopt.EmgMapping.preset("Rajagopal2016", emg.channels, "r")
    rows, found = {}, {}
    for weight in (0.0, *arguments.weights):
        metabolic = osimopt.MetabolicCost(arguments.probe, weight, specific_tension=STRONG) if weight else None
        name = f"effort + {weight:g} rate" if weight else "effort"
        begin = time.perf_counter()
        solution = osimopt.solve_dynamic(problem, muscles=MUSCLES, metabolic=metabolic, on_failure="return")
        seconds = time.perf_counter() - begin
        if not solution.success:
            rows[name] = {"seconds": round(seconds, 1), "failure": solution.findings()[0]}
            continue
        found[name] = solution
        rows[name] = {"seconds": round(seconds, 1)} | measures(solution, found["effort"], emg, mapping)
        print(name, rows[name], flush=True)
    print(pd.DataFrame(rows).to_string(), flush=True)
    if arguments.report is not None:
        osimopt.write_report(found, arguments.report, overwrite=True)
    if arguments.figure is not None:
        draw(found, arguments.figure)


if __name__ == "__main__":
    main()
