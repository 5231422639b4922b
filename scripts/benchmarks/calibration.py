"""Calibrations on public walks, each judged on data that it was not calibrated on.

usage: python scripts/benchmarks/calibration.py DATA OUT [--sets knee_implant gait_9emg walk_treadmill_emg]

DATA holds what `osimopt fetch` brings. OUT/<set>.csv has the moments (RMSE, nRMSE, r; before: the generic model with
one fitted gain per channel), OUT/<set>_channels.csv r of each channel where it is left out and the others assist.

knee_implant: calibrated on one walk, judged on the other, both ways, with default settings (left knee and ankle). The
files of the implant are not read until all is calculated: the script copies the other ones into a folder of its own,
works there, and compares afterwards. Contact forces are those of EMG-assisted solutions of the whole left leg, and of
Σ a², with generic muscles (fitted gains), calibrated ones, and ones calibrated with passive=0.05.
gait_9emg and walk_treadmill_emg: calibrated on the first half of the strides, judged on the second.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import osimopt

#: Sample of the EMG that is time 0 of the motion (vertical forces agree), by trial of the implant.
FIRST = {"ss1": 70, "ss3": 80}
READ = {"lowpass_hz": 6.0, "lowpass_loads_hz": "motion"}
#: Models, moments, EMG and mapping of the two long walks, whose moments are filtered like their motion.
LONG: dict[str, dict[str, Any]] = {
    "gait_9emg": {
        "model": "gait2392.osim", "motion": "ik.sto", "moments": "id.sto", "emg": "emgFilt.sto", "amplitude": "mvc",
        "preset": "gait2392", "side": "r", "halves": ((1.0, 30.0), (30.0, 60.0)), "coordinates": None, "shift": 0.0,
    },
    "walk_treadmill_emg": {
        "model": "Rajagopal_scaled_Sub1_gasAvoid.osim", "motion": "results_ik.sto", "moments": "results_id.sto",
        "emg": "EMG_allMuscles.sto", "amplitude": "mvc", "preset": "Rajagopal2016", "side": "l",
        "halves": ((1.0, 30.0), (30.0, 59.5)), "coordinates": ("knee_angle_l", "ankle_angle_l"), "shift": 0.0,
    },
}  # fmt: skip


def implant(data: Path, out: Path) -> None:
    """Both walks of the patient, calibrated and judged without the implant's files; contact forces afterwards."""
    place = data / "knee_implant"
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for path in place.iterdir():
            if not path.name.endswith("_implant.csv"):
                shutil.copy(path, work)
        found = {}
        for fitted, judged in (("ss1", "ss3"), ("ss3", "ss1")):
            found[fitted, judged] = one_way(work, out, fitted, judged)
    for (_, judged), forces in found.items():  # all is calculated: only now is the measured force read
        measured = pd.read_csv(place / f"GC5_{judged}_implant.csv")["total_N"].to_numpy()
        for name, force in forces.items():
            at = np.interp(np.linspace(0.0, 1.0, len(measured)), np.linspace(0.0, 1.0, len(force)), force)
            error, r = np.sqrt(np.mean((at - measured) ** 2)), np.corrcoef(at, measured)[0, 1]
            print(f"  {judged}, {name}: RMSE {error:.0f} N, r {r:.2f}", flush=True)


def one_way(work: Path, out: Path, fitted: str, judged: str) -> dict[str, np.ndarray]:
    """Calibrate on one walk, judge on the other; size of the knee's force there, by method."""
    problems, emg, shift = {}, {}, {}
    for trial in (fitted, judged):
        problems[trial] = osimopt.load_problem(
            work / "GC5.osim", work / f"GC5_{trial}.mot", work / f"GC5_{trial}_loads.xml", coordinates="left",
            joint_reactions=["walker_knee_l"], **READ,
        )  # fmt: skip
        emg[trial] = osimopt.read_emg(work / f"PS_ngait_og_{trial}.c3d")
        shift[trial] = -float(emg[trial].time[FIRST[trial]])  # the C3D is a part of a longer recording
    mapping = osimopt.EmgMapping.preset("Rajagopal2016", emg[fitted].channels, "l")
    begin = time.perf_counter()
    found = osimopt.calibrate({fitted: problems[fitted]}, {fitted: emg[fitted]}, mapping, shift={fitted: shift[fitted]})
    print(f"knee_implant, {fitted} to {judged}: {time.perf_counter() - begin:.1f} s, {found}", flush=True)
    tell(f"knee_implant_{fitted}", found, {judged: problems[judged]}, {judged: emg[judged]}, shift[judged], out)
    relaxed = osimopt.calibrate(
        {fitted: problems[fitted]}, {fitted: emg[fitted]}, mapping, shift={fitted: shift[fitted]}, passive=0.05
    )
    moments = relaxed.judge({judged: problems[judged]}, {judged: emg[judged]}, shift[judged]).moments
    print(f"with passive=0.05: mean nRMSE {moments['nrmse'].mean():.3f}", flush=True)
    default = osimopt.solve_static(problems[judged], on_failure="return")
    forces = {"generic, no passive forces, Σ a²": size_of(default)}
    generic = replace(found, best=found.baseline)
    for name, one in (("generic", generic), ("calibrated", found), ("calibrated, passive=0.05", relaxed)):
        new = one.problem(problems[judged])
        solutions = {
            "EMG-assisted": one.solve(problems[judged], emg[judged], shift[judged]),
            "Σ a²": osimopt.solve_static(new, on_failure="return"),
        }
        for method, solution in solutions.items():
            forces[f"{name}, {method}"] = size_of(solution)
    return forces


def size_of(solution: Any) -> np.ndarray:
    """Size of the knee's force in every frame, interpolated over failed ones."""
    table = solution.joint_reactions(["walker_knee_l"], on="child", frame="child")
    force = np.linalg.norm(table.iloc[:, :3].to_numpy(), axis=1)
    solved = np.isfinite(force)
    return np.interp(np.arange(len(force)), np.flatnonzero(solved), force[solved])


def half(data: Path, out: Path, name: str) -> None:
    """First half against second."""
    own, place = LONG[name], data / name
    emg = osimopt.read_emg(place / own["emg"], amplitude=own["amplitude"])
    mapping = osimopt.EmgMapping.preset(own["preset"], emg.channels, own["side"])
    problems = [
        osimopt.load_problem(
            place / own["model"], place / own["motion"], generalized_force=place / own["moments"], lowpass_hz=6.0,
            lowpass_moments_hz=6.0, time_range=span,
        ) for span in own["halves"]
    ]  # fmt: skip
    begin = time.perf_counter()
    found = osimopt.calibrate(problems[0], emg, mapping, coordinates=own["coordinates"], shift=own["shift"])
    print(f"{name}: {time.perf_counter() - begin:.1f} s, {found}", flush=True)
    tell(name, found, {"second half": problems[1]}, {"second half": emg}, own["shift"], out)


def tell(name: str, found: Any, problems: Any, emg: Any, shift: float, out: Path) -> None:
    """Print and write what the calibration shows on other data."""
    moments, channels, _ = found.judge(problems, emg, shift)
    whole = pd.concat({"calibrated on": found.moments, "judged on": moments}, names=["data"])
    whole.to_csv(out / f"{name}.csv")
    channels.to_csv(out / f"{name}_channels.csv")
    print(whole.round(3).to_string())
    print(channels.round(3).to_string())
    print(json.dumps({"mean_nrmse": float(moments["nrmse"].mean()), "before": float(moments["nrmse_before"].mean()),
                      "mean_r_left_out": float(channels["r"].mean()), "before_r": float(channels["r_before"].mean()),
                      "determined": int((found.table["determined"] >= 0.5).sum()), "of": len(found.table),
                      "findings": found.findings()[:3]}, ensure_ascii=False), flush=True)  # fmt: skip


def main() -> None:
    """All sets."""
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("data", type=Path)
    given.add_argument("out", type=Path)
    given.add_argument("--sets", nargs="*", default=["knee_implant", *LONG], choices=["knee_implant", *LONG])
    arguments = given.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    warnings.simplefilter("ignore")
    for name in arguments.sets:
        if name == "knee_implant":
            implant(arguments.data, arguments.out)
        else:
            half(arguments.data, arguments.out, name)


if __name__ == "__main__":
    main()
