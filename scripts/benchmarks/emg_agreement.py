"""Agreement with EMG of static (p = 2, p = 3) and dynamic (elastic tendons) optimization on the public walking data.

usage: python scripts/benchmarks/emg_agreement.py DATA OUT [--sets walk_80muscles walk_treadmill_emg gait_9emg]
       [--seconds 60]

DATA holds what `osimopt fetch` brings. For every set OUT/<set>.csv has one row per channel and method, OUT/<set>.html
the report, and OUT/<set>_<method> the result folders, which are read back where they are there already. --seconds cuts
the dynamic solutions of the two long sets.
"""

import argparse
import time
import warnings
from pathlib import Path
from typing import Any

import pandas as pd

import osimopt

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
    "gait_9emg": {
        "model": "gait2392.osim", "motion": "ik.sto", "read": {"generalized_force": "id.sto", "lowpass_hz": 6.0},
        "emg": "emgFilt.sto", "amplitude": "mvc", "preset": "gait2392", "side": "r", "strides": "XLD.mot",
    },
}  # fmt: skip
FILES = ("external_loads", "generalized_force")


def solved(problem: Any, method: str, seconds: float, folder: Path) -> osimopt.Result:
    """Solve, write and read back; or read back what is there."""
    if not (folder / "solution.json").is_file():
        begin = time.perf_counter()
        if method == "dynamic":
            end = min(float(problem.time[-1]), float(problem.time[0]) + seconds)
            answer: Any = osimopt.solve_dynamic(problem, time_range=(float(problem.time[0]), end))
        else:
            answer = osimopt.solve_static(problem, exponent=float(method[-1]), on_failure="return")
        print(f"  {method}: {time.perf_counter() - begin:.1f} s", flush=True)
        answer.write(folder)
    return osimopt.Result.read(folder)


def main() -> None:
    """All sets, all methods."""
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("data", type=Path)
    given.add_argument("out", type=Path)
    given.add_argument("--sets", nargs="*", default=list(SETS), choices=list(SETS))
    given.add_argument("--seconds", type=float, default=60.0)
    arguments = given.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    warnings.simplefilter("ignore")
    for name in arguments.sets:
        own, place = SETS[name], arguments.data / name
        read = {key: place / value if key in FILES else value for key, value in own["read"].items()}
        problem = osimopt.load_problem(place / own["model"], place / own["motion"], **read)
        emg = osimopt.read_emg(place / own["emg"], amplitude=own["amplitude"])
        mapping = osimopt.EmgMapping.preset(own["preset"], emg.channels, own["side"])
        strides = osimopt.find_strides(place / own["strides"], own["side"]) if own["strides"] else ()
        results, compared = {}, {}
        for method in ("p = 2", "p = 3", "dynamic"):
            folder = arguments.out / f"{name}_{method.replace(' = ', '')}"
            try:
                results[method] = solved(problem, method, arguments.seconds, folder)
            except osimopt.SolverError as error:
                print(f"  {method}: {error}")
                continue
            compared[method] = osimopt.compare_emg(results[method], emg, mapping, strides=strides)
        table = pd.concat({method: one.table for method, one in compared.items()}, names=["method"])
        table.to_csv(arguments.out / f"{name}.csv")
        print(name, table[["r", "r_low", "r_high", "lag", "r_delay", "lag_anywhere"]].round(3).to_string(), sep="\n")
        osimopt.write_report(results, arguments.out / f"{name}.html", emg=compared, strides=strides, overwrite=True)


if __name__ == "__main__":
    main()
