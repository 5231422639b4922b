"""Agreement with EMG of static (p = 2, p = 3) and dynamic (elastic tendons) optimization on the public walking data.

usage: python scripts/benchmarks/emg_agreement.py DATA OUT [--sets walk_80muscles walk_treadmill_emg gait_9emg]
       [--strides 10]

DATA holds what `osimopt fetch` brings. For every set OUT/<set>.csv has one row per channel and method, and
OUT/<set>.html is the report. Static optimization has all strides; of the two long sets --strides many, evenly spread,
are solved dynamically too, each with 0.3 s before and after it, which are then left out, and a table of all methods is
of these alone.
"""

import argparse
import time
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import osimopt

#: s on either side of a stride that dynamic optimization is given to settle in.
AROUND = 0.3
#: s of the stance that the treadmill data come with an answer for.
STANCE = (10.9, 11.7)
#: Points per s at which strides are joined.
RATE = 100.0

#: Model, motion, loads or moments, cut-off, EMG, its amplitude, mapping, loads that strides are found by, side, times.
SETS: dict[str, dict[str, Any]] = {
    "walk_80muscles": {
        "model": "walk_80muscles_with_reserves.osim", "motion": "coordinates_100hz.mot",
        "read": {"external_loads": "grf_walk.xml", "time_range": (0.49, 1.61)}, "emg": "electromyography.sto",
        "amplitude": "own maximum", "preset": "Rajagopal2016", "side": "r", "strides": None,
    },
    "walk_treadmill_emg": {
        "model": "Rajagopal_scaled_Sub1_gasAvoid.osim", "motion": "results_ik.sto",
        "read": {"generalized_force": "results_id.sto", "lowpass_hz": 6.0}, "emg": "EMG_allMuscles.sto",
        "amplitude": "mvc", "preset": "Rajagopal2016", "side": "l", "strides": "walking_baseline1_forces.mot",
    },
    "walk_treadmill_emg, one stance": {
        "model": "Rajagopal_scaled_Sub1_gasAvoid.osim", "motion": "results_ik.sto",
        "read": {"generalized_force": "results_id.sto", "lowpass_hz": 6.0, "time_range": STANCE},
        "emg": "EMG_allMuscles.sto", "amplitude": "mvc", "preset": "Rajagopal2016", "side": "l", "strides": None,
    },
    "gait_9emg": {
        "model": "gait2392.osim", "motion": "ik.sto",
        "read": {"generalized_force": "id.sto", "lowpass_hz": 6.0, "lowpass_moments_hz": 6.0}, "emg": "emgFilt.sto",
        "amplitude": "mvc", "preset": "gait2392", "side": "r", "strides": "XLD.mot",
    },
}  # fmt: skip
FILES = ("external_loads", "generalized_force")


def dynamic(problem: Any, strides: Sequence[tuple[float, float]]) -> osimopt.Result:
    """Strides solved one by one, as one result; NaN where one failed, and between them."""
    begin, parts = time.perf_counter(), []
    for first, last in strides or [(float(problem.time[0]), float(problem.time[-1]))]:
        around = AROUND if strides else 0.0
        span = max(first - around, float(problem.time[0])), min(last + around, float(problem.time[-1]))
        answer = osimopt.solve_dynamic(problem, time_range=span, on_failure="return")
        if not answer.success:
            print(f"  {first:.2f} to {last:.2f} s: {answer.findings()[0]}")
            continue
        parts.append((first, last, osimopt.Result.of(answer)))
    print(f"  dynamic: {time.perf_counter() - begin:.0f} s, {len(parts)} of {max(len(strides), 1)} solved", flush=True)
    return joined(parts)


def joined(parts: Sequence[tuple[float, float, osimopt.Result]]) -> osimopt.Result:
    """Parts of one motion, each at even times from its first to its last second; NaN after each ends it."""
    columns: dict[str, list[Any]] = {name: [] for name in ("activation", "muscle_force", "excitation")}
    forces: dict[str, list[Any]] = {name: [] for name in ("generalized_force", "carried")}
    times = []
    for first, last, one in parts:
        time_ = np.arange(int(first * RATE), int(last * RATE) + 3) / RATE
        times.append(time_)
        for name, kept in {**columns, **forces}.items():
            values = getattr(one, name)
            at = np.stack([np.interp(time_, one.time, own) for own in values.T], axis=1)
            if name in columns:
                at[-1] = np.nan
            kept.append(at)
    arrays = {name: np.concatenate(kept) for name, kept in {**columns, **forces}.items()}
    return replace(
        parts[0][2],
        name="dynamic",
        time=np.concatenate(times),
        solved=np.ones(sum(map(len, times)), dtype=bool),
        geometry=None,
        **arrays,
    )


def main() -> None:
    """All sets, all methods."""
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("data", type=Path)
    given.add_argument("out", type=Path)
    given.add_argument("--sets", nargs="*", default=list(SETS), choices=list(SETS))
    given.add_argument("--strides", type=int, default=10, help="solved dynamically; 0: none")
    arguments = given.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    warnings.simplefilter("ignore")
    for name in arguments.sets:
        own, place = SETS[name], arguments.data / name.split(",")[0]
        read = {key: place / value if key in FILES else value for key, value in own["read"].items()}
        problem = osimopt.load_problem(place / own["model"], place / own["motion"], **read)
        emg = osimopt.read_emg(place / own["emg"], amplitude=own["amplitude"])
        mapping = osimopt.EmgMapping.preset(own["preset"], emg.channels, own["side"])
        found = (
            osimopt.find_strides(place / own["strides"], own["side"], motion=place / own["motion"]).times
            if own["strides"]
            else ()
        )
        few = np.linspace(1, len(found) - 2, arguments.strides).astype(int) if found else []
        some = [found[place] for place in few]
        results = {f"p = {p}": osimopt.solve_static(problem, exponent=p, on_failure="return") for p in (2, 3)}
        everywhere = {method: osimopt.compare_emg(one, emg, mapping, strides=found) for method, one in results.items()}
        tell(f"{name}, all strides", everywhere, arguments.out / f"{name}_all.csv")
        if not arguments.strides:
            continue
        results["dynamic"] = dynamic(problem, some)
        compared = {method: osimopt.compare_emg(one, emg, mapping, strides=some) for method, one in results.items()}
        tell(f"{name}, {len(some) or 'no'} strides", compared, arguments.out / f"{name}.csv")
        osimopt.write_report(results, arguments.out / f"{name}.html", emg=compared, overwrite=True)


def tell(title: str, compared: dict[str, osimopt.EmgComparison], path: Path) -> None:
    """Print and write the tables of all methods."""
    table = pd.concat({method: one.table for method, one in compared.items()}, names=["method"])
    table.to_csv(path)
    shown = table[["r", "r_low", "r_high", "lag", "lag_at_limit", "r_delay", "lag_anywhere"]].round(3)
    print(title, shown.to_string(), sep="\n", flush=True)
    for method, one in compared.items():
        print(f"  {method}: {'; '.join(one.notes)}", flush=True)


if __name__ == "__main__":
    main()
