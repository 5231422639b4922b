"""Calibrations whose answer is known: true values without noise, and how often 95 % intervals contain the truth.

usage: python scripts/benchmarks/calibration_synthetic.py DATA [--replicates 200] [--few] [--noise 0.05] [--emg 0.05]

DATA holds walk_80muscles (`osimopt fetch`). Three trials are made of its walk of 80 muscles: excitations are static
solutions of p = 2, 3 and 5, each with its own co-contraction. Parameters are drawn from their priors; moments are those
of the muscles with these parameters, with noise of --noise of their range (standard deviation), and envelopes with
relative noise of --emg; both are filtered at 6 Hz, as measured moments and envelopes are. Each replicate draws
parameters and noise anew. --few calibrates fibre and tendon lengths of 8 muscles, gains and the delay only.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import osimopt
from osimopt.calibration.calibrate import _residuals, _sharing
from osimopt.calibration.fit import fit
from osimopt.calibration.identifiability import NORMAL, identify
from osimopt.calibration.parameters import USUAL
from osimopt.calibration.preparation import prepare
from osimopt.signals import lowpass

#: Cut-off in Hz of the zero-phase filters of moments and envelopes.
CUTOFF = 6.0
#: Muscles of --few.
FEW = ("soleus_r", "gasmed_r", "tibant_r", "vaslat_r", "vasmed_r", "recfem_r", "bflh_r", "semimem_r")
COORDINATES = ("knee_angle_r", "ankle_angle_r")


def smooth(random: np.random.Generator, time: Any, columns: int) -> Any:
    """(T, columns) unit noise behind a filter of CUTOFF, as moments and envelopes have gone through one."""
    rate, around = 1.0 / float(np.median(np.diff(time))), 1.0
    more = round(around * rate)
    white = random.standard_normal((len(time) + 2 * more, columns))
    low = lowpass(np.arange(len(white)) / rate, white, CUTOFF)
    return (low / low.std())[more : more + len(time)]


def trials_of(data: Path) -> tuple[Any, Any]:
    """Problems by trial, and excitations as envelopes."""
    folder = data / "walk_80muscles"
    problem = osimopt.load_problem(
        folder / "walk_80muscles_with_reserves.osim", folder / "coordinates_100hz.mot", folder / "grf_walk.xml",
        time_range=(0.5, 1.6), lowpass_hz=6.0, coordinates="right",
    )  # fmt: skip
    random, problems, emg = np.random.default_rng(0), {}, {}
    for number, power in enumerate((2.0, 3.0, 5.0)):
        level = osimopt.solve_static(problem, exponent=power, on_failure="return").activation
        phase = random.uniform(0.0, 2.0 * np.pi, level.shape[1])
        swing = 1.0 + np.sin(2.0 * np.pi * problem.time[:, None] / 1.1 * (number + 1) + phase)
        level = np.clip(np.nan_to_num(level) + 0.05 * (number + 1) * swing, 0.0, 1.0)
        problems[f"trial {number + 1}"] = problem
        wide = np.concatenate([level[:1], level, level[-1:]])
        at = np.concatenate([[problem.time[0] - 0.3], problem.time, [problem.time[-1] + 0.1]])
        emg[f"trial {number + 1}"] = osimopt.Emg(at, wide, problem.muscles, envelope=True)
    return problems, emg


def replicate(problems: Any, emg: Any, sharing: Any, seed: int, noise: float, emg_noise: float) -> dict[str, Any]:
    """Draw a truth, make data of it, calibrate, and compare."""
    random = np.random.default_rng(seed)
    first = next(iter(problems.values()))
    crossing = np.flatnonzero(first.geometry.crosses[[first.coordinates.index(c) for c in COORDINATES]].any(axis=0))
    mapping = {first.muscles[muscle]: first.muscles[muscle] for muscle in crossing}
    setup = prepare(problems, emg, mapping, COORDINATES, (), False, False)
    clean = tuple(setup.trial(name, problem, emg[name], 0.0) for name, problem in problems.items())
    residuals = _residuals(clean, setup, sharing, {}, "driven")
    unknowns = residuals.unknowns
    low, high = unknowns.bounds()
    truth = random.standard_normal(len(low))
    while ((truth <= low) | (truth >= high)).any():  # the prior within its bounds
        truth = np.where((truth <= low) | (truth >= high), random.standard_normal(len(low)), truth)
    made = []
    for trial in clean:
        moment = trial.drive(unknowns, truth).moment
        moment = moment + noise * np.ptp(moment, axis=0) * smooth(random, trial.time, moment.shape[1])
        envelopes = trial.envelopes
        wobble = np.exp(emg_noise * smooth(random, envelopes.time, len(envelopes.channels)))
        made.append(replace(trial, moment=moment, envelopes=replace(envelopes, value=envelopes.value * wobble)))
    begin = time.perf_counter()
    found = fit(_residuals(tuple(made), setup, sharing, {}, "driven"), 1, seed)
    seconds = time.perf_counter() - begin
    about = identify(found)
    off = (found.x - truth) / about.deviation
    return {
        "covered": np.abs(off) <= NORMAL, "determined": about.determined, "deviation": about.deviation,
        "at_bound": about.at_bound, "error": (found.x - truth) * unknowns.scale, "seconds": seconds,
        "kinds": [item.kind for item in unknowns.items], "log": [item.prior.log for item in unknowns.items],
    }  # fmt: skip


def main() -> None:
    """Print a line of JSON without noise, and one of all replicates, by kind of parameter."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("data", type=Path)
    arguments.add_argument("--replicates", type=int, default=200)
    arguments.add_argument("--few", action="store_true")
    arguments.add_argument("--noise", type=float, default=0.05)
    arguments.add_argument("--emg", type=float, default=0.05)
    given = arguments.parse_args()
    warnings.simplefilter("ignore")
    problems, emg = trials_of(given.data)
    sharing: dict[str, Any] = _sharing(USUAL, "rigid")
    if given.few:
        each = {name: (name,) for name in FEW}
        sharing = {"optimal_fiber_length": each, "tendon_slack_length": each, "gain": "each", "delay": "all"}
    exact = replicate(problems, emg, sharing, 1, 0.0, 0.0)
    known = exact["determined"] > 0.99
    print(json.dumps({
        "parameters": len(known), "without_noise": "determined to 1 % of the prior's variance",
        "of_them": int(known.sum()),
        "largest_error": float(np.abs(exact["error"][known]).max(initial=0.0)),
        "largest_error_of_all": float(np.abs(exact["error"]).max()), "seconds": exact["seconds"],
    }), flush=True)  # fmt: skip
    runs = [replicate(problems, emg, sharing, 100 + n, given.noise, given.emg) for n in range(given.replicates)]
    kinds = np.array(runs[0]["kinds"])
    covered, deviation, bound = (np.array([run[name] for run in runs]) for name in ("covered", "deviation", "at_bound"))
    for kind in (*dict.fromkeys(kinds), "all"):
        own = kinds == kind if kind != "all" else np.ones(len(kinds), dtype=bool)
        told = deviation[:, own] < np.sqrt(0.5)  # at least half of the information is the data's
        print(json.dumps({
            "kind": kind, "parameters": int(own.sum()), "covered": float(covered[:, own].mean()),
            "covered_of_determined": float(covered[:, own][told].mean()) if told.any() else None,
            "determined": float(told.mean()), "median_width_over_prior": float(np.median(deviation[:, own])),
            "at_bound": float(bound[:, own].mean()),
        }), flush=True)  # fmt: skip
    print(json.dumps({"replicates": len(runs), "seconds_each": float(np.median([run["seconds"] for run in runs]))}))


if __name__ == "__main__":
    main()
