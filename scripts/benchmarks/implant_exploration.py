"""Exploration: other paths, costs, exponents, tendons and weights of contact beside an instrumented implant, and EMG.

usage: python scripts/benchmarks/implant_exploration.py [DATA] [--trials ss1 ss3] [--out FOLDER] [--dynamic]

Arguments are those of implant.py. Whatever stands here was computed after the measured forces had been read, and is no
default; nothing is fitted to them either: every row is one setting for all trials. Rows are measures of −fy (RMSE, r,
bias, peaks) beside the measured total, the RMSE of the size beside it, and the mean r with EMG, in which a channel
whose muscles stay at one activation counts as 0; <trial>_channels.csv has r by channel, <trial>_muscles.csv which
forces the contact term changes most. --dynamic adds dynamic optimization, 10 s to a minute each.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from implant import SIDES, TOTAL, WEIGHT, ImplantTrial, arguments, measures, trials

import osimopt

#: Weights w of the contact force.
WEIGHTS = (0.01, 0.03, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0)
#: How problems are read, and how they are solved, by the words of the table.
SETTINGS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "default": ({}, {}),
    "OpenSim's paths": ({"geometry": "opensim"}, {}),
    "loads not filtered": ({"lowpass_loads_hz": None}, {}),
    "OpenSim's paths, loads not filtered": ({"geometry": "opensim", "lowpass_loads_hz": None}, {}),
    "whole body, residuals": ({"coordinates": None}, {}),
    "p = 1.5": ({}, {"exponent": 1.5}),
    "p = 3": ({}, {"exponent": 3.0}),
    "p = 5": ({}, {"exponent": 5.0}),
    "max a": ({}, {"cost": "min_max"}),
    "weights by volume": ({}, {"weights": "volume"}),
    "Σ F": ({}, {"cost": "sum_force", "exponent": 1.0}),
    "Σ F²": ({}, {"cost": "sum_force_squared"}),
    "Σ (F/pcsa)²": ({}, {"cost": "sum_stress_squared"}),
    "Σ (F/Mmax)³": ({}, {"cost": "sum_moment_ratio_cubed", "exponent": 3.0}),
    "true pennation": ({"gain": "corrected"}, {}),
    "passive force": ({"passive_force": True}, {}),
    "elastic tendons": ({}, {"tendon": "compliant"}),
    "activations down to 0": ({"lower": 0.0}, {}),
}
#: Settings with contact in the cost, beside those of the weights.
WITH_CONTACT: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "OpenSim's paths, w = 0.1": ({"geometry": "opensim"}, {"weight": 0.1}),
    "p = 3, w = 0.1": ({}, {"weight": 0.1, "exponent": 3.0}),
    "weights by volume, w = 0.1": ({}, {"weight": 0.1, "weights": "volume"}),
    "‖c‖², w = 0.1": ({}, {"weight": 0.1, "axes": "xyz"}),
    "activations down to 0, w = 0.1": ({"lower": 0.0}, {"weight": 0.1}),
}
#: EMG of the same trial, a share of its own maximum, tracked by excitations; the scale of each channel is free.
TRACKED: dict[str, Any] = {"weight": 1.0, "scale": (0.01, 1.0)}


def clock(trial: ImplantTrial) -> float:
    """Time in s of the C3D at which the motion starts: where its first force plate agrees best with the loads."""
    assert trial.emg is not None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plate = osimopt.read_emg(trial.emg, channels=["Fz1"], envelope=True)
    kinetics = next(trial.loads.parent.glob(trial.loads.name.replace("_loads.xml", "_kinetics.mot")))
    loads = osimopt.read_table(kinetics)
    force, time = np.abs(plate.value[:, 0]), np.asarray(plate.time)
    wanted = np.abs(loads.filter(regex="1_ground_force_vy").to_numpy()[:, 0])
    starts = [start for start in time if start + loads.index[-1] - loads.index[0] <= time[-1] + 0.1]
    known = [np.interp(start + loads.index.to_numpy() - loads.index[0], time, force) for start in starts]
    off = [np.sqrt(np.mean((one - wanted) ** 2)) for one in known]
    return float(starts[int(np.argmin(off))])


def recorded(trial: ImplantTrial) -> tuple[osimopt.Emg, osimopt.EmgMapping] | None:
    """EMG of the muscles that are recognised, on the motion's clock."""
    if trial.emg is None:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        whole = osimopt.read_emg(trial.emg)
        side = next(letter for letter, word in SIDES.items() if word == trial.part)
        mapping = osimopt.EmgMapping.preset("Rajagopal2016", whole.channels, side)
        emg = osimopt.process_emg(whole.select(list(mapping.muscles)))
    return replace(emg, time=emg.time - clock(trial)), mapping


def agreement(solution: Any, emg: tuple[osimopt.Emg, osimopt.EmgMapping] | None) -> pd.Series:
    """Correlation by EMG channel, through activation dynamics."""
    if emg is None:
        return pd.Series(dtype=float)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return osimopt.compare_emg(solution, *emg).table["r"]


def problem_of(trial: ImplantTrial, read: dict[str, Any]) -> osimopt.RedundancyProblem:
    """The problem with other settings than the default ones; ``lower`` bounds activations."""
    problem = trial.read(**{name: value for name, value in read.items() if name != "lower"})
    return replace(problem, lower=np.full(len(problem.muscles), read["lower"])) if "lower" in read else problem


def solved(trial: ImplantTrial, problem: Any, solve: dict[str, Any]) -> Any:
    """A solution with other settings than the default ones."""
    weight, axes = solve.get("weight", 0.0), solve.get("axes", trial.axis)
    options = {name: value for name, value in solve.items() if name not in ("weight", "axes")}
    contact = osimopt.Contact(trial.joint, weight, axes=axes) if weight else None
    if options.get("cost") == "min_max":
        return osimopt.solve_static(problem, cost="min_max", on_failure="return", contact=contact)
    return trial.solve(problem, contact=contact, **options)


def dynamic(trial: ImplantTrial, emg: Any) -> dict[str, Callable[[], Any]]:
    """Dynamic optimization of the default problem, by the words of the table."""
    problem, contact = trial.read(), osimopt.Contact(trial.joint, 0.1, axes=trial.axis)
    jobs: dict[str, dict[str, Any]] = {
        "dynamic, rigid tendons": {"tendon": "rigid"},
        "dynamic, rigid tendons, w = 0.1": {"tendon": "rigid", "contact": contact},
        "dynamic, elastic tendons": {"muscles": {"ignore_passive_fiber_force": True}},
        "dynamic, elastic tendons, w = 0.1": {"muscles": {"ignore_passive_fiber_force": True}, "contact": contact},
        "dynamic, elastic tendons, passive force": {},
    }
    if emg is not None:
        envelope = emg[0].to_dataframe()
        muscles = {muscle: channel for channel, own in emg[1].muscles.items() for muscle in own}
        tracked = osimopt.EmgTracking((envelope / envelope.max()).clip(lower=0.0), muscles, **TRACKED)
        jobs["dynamic, rigid tendons, EMG tracked"] = {"tendon": "rigid", "emg": tracked}
        jobs["dynamic, rigid tendons, EMG tracked, w = 0.1"] = {"tendon": "rigid", "emg": tracked, "contact": contact}
    return {
        words: lambda options=options: osimopt.solve_dynamic(problem, on_failure="return", **options)
        for words, options in jobs.items()
    }


def changed(trial: ImplantTrial, weight: float) -> pd.DataFrame:
    """Root mean square change of each muscle's force in N by the contact term, in the whole body.

    ``crosses`` says whether the muscle crosses the joint: whether its force changes what the joint transmits beyond
    the moments. Of the other leg, which is not balanced with all of its loads, only the change has a meaning.
    """
    problem = trial.read(coordinates=None)
    without, beside = trial.solve(problem), trial.solve(problem, weight)
    off = np.sqrt(np.nanmean((beside.muscle_force - without.muscle_force) ** 2, axis=0))
    knee = [name for name in problem.coordinates if name.startswith("knee_angle")]
    arms = np.abs(problem.geometry.moment_arm[:, [problem.coordinates.index(name) for name in knee]])
    table = {
        "change": off,
        "peak_without": np.nanmax(without.muscle_force, axis=0),
        "peak_with": np.nanmax(beside.muscle_force, axis=0),
        "crosses": arms.max(axis=(0, 1)) > 0.0,
    }
    return pd.DataFrame(table, index=list(problem.muscles)).sort_values("change", ascending=False)


def explore(trial: ImplantTrial, with_dynamic: bool) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One row a setting: measures, and r by EMG channel."""
    emg = recorded(trial)
    total = trial.measured[TOTAL].to_numpy()
    jobs: dict[str, Callable[[], Any]] = {}
    weighted = {f"w = {weight:g}": ({}, {"weight": weight}) for weight in WEIGHTS}
    problems: dict[str, Any] = {}
    for words, (read, solve) in {**SETTINGS, **WITH_CONTACT, **weighted}.items():
        problem = problems.setdefault(str(read), problem_of(trial, read))
        jobs[words] = lambda problem=problem, solve=solve: solved(trial, problem, solve)
    if with_dynamic:
        jobs |= dynamic(trial, emg)
    rows, channels = {}, {}
    for words, job in jobs.items():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                solution = job()
                force = trial.force(solution)
        except osimopt.OsimoptError as error:
            print(f"{trial.name} {words}: {str(error).splitlines()[0][:200]}", flush=True)
            continue
        own = agreement(solution, emg)
        share = float(np.mean(np.asarray(solution.solved))) if hasattr(solution, "solved") else 1.0
        rows[words] = {
            **measures(force[:, 0], total), "rmse_size": measures(force[:, 1], total)["rmse"],
            "emg_r": float(own.fillna(0.0).mean()) if len(own) else np.nan, "solved": share,
        }  # fmt: skip
        channels[words] = own
        print(trial.name, words, {name: round(value, 3) for name, value in rows[words].items()}, flush=True)
    return pd.DataFrame.from_dict(rows, orient="index"), pd.DataFrame(channels).T


def figure(tables: dict[str, pd.DataFrame], place: Path) -> None:
    """RMSE and mean r with EMG over w."""
    import matplotlib.pyplot as plt

    made, axes = plt.subplots(1, 2, figsize=(7.2, 2.8))
    for (trial, table), color in zip(tables.items(), ("tab:blue", "tab:orange", "tab:green"), strict=False):
        at = [0.005, *WEIGHTS]
        rows = table.loc[["default", *(f"w = {weight:g}" for weight in WEIGHTS)]]
        for one, name in zip(axes, ("rmse", "emg_r"), strict=True):
            one.semilogx(at[1:], rows[name].iloc[1:], "o-", color=color, label=trial, markersize=3, linewidth=1.2)
            one.axhline(rows[name].iloc[0], color=color, linestyle=":", linewidth=1)
    axes[0].set(xlabel="w", ylabel="RMSE of compression, N", ylim=(0, None))
    axes[1].set(xlabel="w", ylabel="mean r with EMG")
    axes[0].legend(frameon=False, fontsize=8, title="dotted: w = 0", title_fontsize=7)
    made.tight_layout()
    made.savefig(place, dpi=110)


def main() -> None:
    """All settings, all trials."""
    parser = arguments(__doc__)
    parser.add_argument("--out", type=Path, default=Path("implant_exploration"))
    parser.add_argument("--dynamic", action="store_true")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    tables = {}
    for trial in trials(given):
        tables[trial.name], channels = explore(trial, given.dynamic)
        tables[trial.name].to_csv(given.out / f"{trial.name}.csv")
        channels.to_csv(given.out / f"{trial.name}_channels.csv")
        muscles = changed(trial, WEIGHT)
        muscles.to_csv(given.out / f"{trial.name}_muscles.csv")
        print(muscles.round(1).head(24).to_string(), flush=True)
        other = [name for name in muscles.index if name[-1] != trial.joint[-1]]
        print("largest change of another side's muscle, N:", muscles.loc[other, "change"].max())
        known = tables[trial.name].dropna()
        order = known.loc[[name for name in SETTINGS if name in known.index], ["rmse", "emg_r"]]
        print(trial.name, order.round(3).sort_values("emg_r", ascending=False).to_string(), sep="\n")
        print("rank correlation of r with EMG and −RMSE over the settings without contact:",
              round(float(order["emg_r"].corr(-order["rmse"], method="spearman")), 2))  # fmt: skip
        print(channels.round(2).T.to_string(), flush=True)
    figure(tables, given.out / "implant_weight.png")


if __name__ == "__main__":
    main()
