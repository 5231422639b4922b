"""Why a model does not admit the contact force that an implant measured: how each assumption moves the least one.

usage: python scripts/benchmarks/implant_causes.py [DATA] [--trials ss1 ss3] [--out FILE]

Arguments are those of implant.py. In the default configuration the measured force is, in some stretches, below the
least one that moments and muscles allow; no rule of sharing can mend that. For each stretch and each assumption: how
far out the measured force still is at most (N, negative: inside), by how much the least force moves where it was
farthest out, and how many of 101 points are out. All of this was looked for after the measured forces had been read.

- "another foot on the plate": a centre of pressure behind the heel is that of two feet. The force of the other one is
  what brings the rest to the centre that another trial has in the foot at the same per cent; it acts at the plate's
  edge (x = 0) in the direction of the force on the plate where that foot mostly stands. The implant is not used.
- "motion cut before the next heel strike": the foot lands again before the file ends, on no plate. Its deceleration is
  in the motion, filtered into the swing, and the force that causes it is not in the loads.
"""

from __future__ import annotations

import re
import tempfile
import textwrap
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from implant import POINTS, READ, TOTAL, ImplantTrial, arguments, measures, trials

import osimopt
from osimopt.problem.reactions import reactions_of

#: Hz, N·m, m, ms, share of mass: what is tried.
CUTOFFS, MOMENTS, CENTRES, SHIFTS, LIGHTER = (8.0, 10.0, 12.0, 15.0, 20.0), (-1.0, 1.0), (-0.01, 0.01), (-50, 50), 0.8
#: Points between two stretches that are taken for one.
NEAR = 2
#: Share of what a run reaches on either side below which it is divided.
VALLEY = 0.25
#: Share of its largest speed below which the heel has landed.
LANDED = 0.5
#: Share of the trial up to which a centre of pressure behind the heel is that of a heel strike.
EARLY = 0.05
#: Seconds before the landing at which the motion is cut.
BEFORE = 0.005


def least(trial: ImplantTrial, problem: Any, **solve: Any) -> np.ndarray:
    """(101,) least force that the moments allow."""
    return trial.range(trial.solve(problem, **solve))[:, 0]


def stretches(over: np.ndarray) -> list[slice]:
    """Runs of points where ``over`` is positive, those that are near each other as one."""
    found: list[list[int]] = []
    for point in np.flatnonzero(over > 0.0).tolist():
        if found and point - found[-1][1] <= NEAR + 1:
            found[-1][1] = point
        else:
            found.append([point, point])
    return [part for first, last in found for part in divided(np.maximum(over, 0.0), first, last)]


def divided(over: np.ndarray, first: int, last: int) -> list[slice]:
    """A run in two where it nearly ends between: below a share ``VALLEY`` of what it reaches before and after."""
    for point in np.argsort(over[first + 1 : last]) + first + 1:
        if over[point] < VALLEY * min(over[first:point].max(), over[point + 1 : last + 1].max()):
            return [*divided(over, first, int(point) - 1), *divided(over, int(point), last)]
    return [slice(first, last + 1)]


def heel(trial: ImplantTrial, **read: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Times (T,), places (T, 3) and axes (T, 3, 3) of the calcaneus, whose origin is at the heel."""
    problem = trial.read(**read)
    foot = reactions_of(problem, [f"subtalar_{trial.joint[-1]}"])
    return problem.time, foot.origin[:, 0, 1], foot.rotation[:, 0, 1]


def lands(trial: ImplantTrial) -> float | None:
    """Time in s at which the heel stops in the last fifth of the motion, None if it does not."""
    time, place, _ = heel(trial, lowpass_hz=None, lowpass_loads_hz=None)
    speed = np.gradient(place[:, 0], time)
    late = np.flatnonzero(time > time[0] + 0.8 * (time[-1] - time[0]))
    slow = late[speed[late] < LANDED * speed.max()]
    return float(time[slow[0]]) if slow.size else None


def loads_of(trial: ImplantTrial) -> pd.DataFrame:
    """The table of the loads."""
    return osimopt.read_table(trial.loads.parent / trial.loads.name.replace("_loads.xml", "_kinetics.mot"))


def columns(plate: int, kind: str) -> list[str]:
    """Names of the three columns of a plate's force (v) or centre of pressure (p)."""
    return [f"{plate}_ground_force_{kind}{axis}" for axis in "xyz"]


def centre_in_foot(trial: ImplantTrial, at: np.ndarray) -> np.ndarray:
    """(n, 3) m, centre of pressure in the foot, at shares of the trial."""
    time, place, axes = heel(trial, lowpass_hz=None, lowpass_loads_hz=None)
    loads = loads_of(trial)
    centre = np.stack([np.interp(time, loads.index, loads[name]) for name in columns(1, "p")], axis=1)
    inside = np.einsum("tij,ti->tj", axes, centre - place)
    return interpolated((time - time[0]) / (time[-1] - time[0]), inside, at)


def interpolated(at: np.ndarray, value: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Values (T, …) at other places."""
    flat = value.reshape(len(value), -1)
    return np.stack([np.interp(wanted, at, column) for column in flat.T], axis=1).reshape(-1, *value.shape[1:])


def behind_the_heel(trial: ImplantTrial) -> tuple[float, float]:
    """How far (m) the centre of pressure is behind the heel at most, while the force exceeds 100 N, and until when."""
    loads = loads_of(trial)
    end = float(loads.index[-1])
    share = np.asarray(loads.index) / end
    pressed = (loads[columns(1, "v")[1]].to_numpy() > 100.0) & (share < 0.3)
    inside = centre_in_foot(trial, share)[:, 0]
    behind = pressed & (inside < 0.0)
    return float(-inside[pressed].min()), float(share[behind].max()) if behind.any() else 0.0


def without_other_foot(trial: ImplantTrial, known: ImplantTrial, until: float = 0.155) -> tuple[pd.DataFrame, float]:
    """Loads without what the other foot does on plate 1 up to a share of the stride, and its largest force in N."""
    loads = loads_of(trial).copy()
    time, place, axes = heel(trial, lowpass_hz=None, lowpass_loads_hz=None)
    rows = np.flatnonzero(np.asarray(loads.index) <= time[0] + until * (time[-1] - time[0]))
    when = np.asarray(loads.index)[rows]
    own = centre_in_foot(known, (when - time[0]) / (time[-1] - time[0]))
    wanted = interpolated(time, place, when) + np.einsum("tij,tj->ti", interpolated(time, axes, when), own)
    force, centre, beside = (loads[columns(*one)].to_numpy()[rows] for one in ((1, "v"), (1, "p"), (2, "v")))
    share = np.clip((wanted[:, 0] - centre[:, 0]) / wanted[:, 0], 0.0, 1.0)
    other = force[:, 1] * share
    standing = np.flatnonzero(beside[:, 1] > 100.0)[-1]
    slope = beside[np.minimum(np.arange(len(rows)), standing)]
    left = force - other[:, None] * slope / slope[:, 1:2]
    across = loads[columns(2, "p")[2]].to_numpy()[rows][np.minimum(np.arange(len(rows)), standing)]
    there = (force[:, 1] * centre[:, 2] - other * across) / np.maximum(left[:, 1], 1.0)
    loads.loc[loads.index[rows], columns(1, "v")] = left
    loads.loc[loads.index[rows], columns(1, "p")[0]] = wanted[:, 0]
    loads.loc[loads.index[rows], columns(1, "p")[2]] = np.where(left[:, 1] > 20.0, there, wanted[:, 2])
    return loads, float(other.max())


def lighter(trial: ImplantTrial, folder: Path) -> ImplantTrial:
    """The trial with a lighter shank."""
    side, text = trial.joint[-1], trial.model.read_text(encoding="utf-8")
    pattern = rf'(<Body name="tibia_{side}">.*?<mass>)([^<]+)(</mass>)'
    text = re.sub(pattern, lambda found: f"{found[1]}{float(found[2]) * LIGHTER}{found[3]}", text, count=1, flags=re.S)
    (folder / trial.model.name).write_text(text, encoding="utf-8")
    return replace(trial, model=folder / trial.model.name)


def cases(trial: ImplantTrial, every: list[ImplantTrial], folder: Path) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Assumptions, in words, and the problem with another one."""
    problem = trial.read()
    knee = problem.coordinates.index(f"knee_angle_{trial.joint[-1]}")
    zero = np.zeros(len(problem.muscles))
    yield "activations down to 0", lambda: replace(problem, lower=zero)
    for hz in CUTOFFS:
        yield f"motion and loads low-passed at {hz:g} Hz", lambda hz=hz: trial.read(lowpass_hz=hz)
    yield "loads not filtered", lambda: trial.read(lowpass_loads_hz=None)
    yield "nothing filtered", lambda: trial.read(lowpass_hz=None, lowpass_loads_hz=None)
    for moment in MOMENTS:
        more = np.zeros(problem.generalized_force.shape)
        more[:, knee] = moment
        changed = problem.generalized_force + more
        yield f"knee moment {moment:+g} N·m (a reserve)", lambda new=changed: replace(problem, generalized_force=new)
    for away in CENTRES:
        loads = loads_of(trial)
        loads[columns(1, "p")[0]] += away
        yield (
            f"centre of pressure {1e3 * away:+g} mm forward",
            lambda new=loads: trial.read(external_loads=(trial.loads, new)),
        )
    yield f"shank of {LIGHTER:g} times the mass", lambda: lighter(trial, folder).read()
    yield "passive force", lambda: trial.read(passive_force=True)
    yield "true pennation", lambda: trial.read(gain="corrected")
    yield (
        "hip not balanced",
        lambda: trial.read(coordinates=[problem.coordinates[knee], "ankle_angle_" + trial.joint[-1]]),
    )
    for words, made in put_right(trial, every).items():
        yield words, lambda made=made: made
        yield f"{words}, and activations down to 0", lambda made=made: replace(made, lower=zero)


def put_right(trial: ImplantTrial, every: list[ImplantTrial]) -> dict[str, osimopt.RedundancyProblem]:
    """Problems in which what the files contradict is put right, by words."""
    found = {}
    if (landing := lands(trial)) is not None:
        motion = osimopt.read_table(trial.motion)
        cut = motion[motion.index < landing - BEFORE]
        found[f"motion cut before the next heel strike ({landing:.3f} s)"] = trial.read(motion=cut)
    others = [one for one in every if one.name != trial.name and behind_the_heel(one)[1] < EARLY]
    if behind_the_heel(trial)[1] > EARLY and others:
        loads, most = without_other_foot(trial, others[0])
        found[f"without another foot's {most:.0f} N"] = trial.read(external_loads=(trial.loads, loads))
    return found


def examine(trial: ImplantTrial, every: list[ImplantTrial], folder: Path) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """One row an assumption, three columns a stretch; and the measured force and some of the least ones (101,)."""
    total, problem = trial.measured[TOTAL].to_numpy(), trial.read()
    base = least(trial, problem)
    found, end = stretches(base - total), float(problem.time[-1] - problem.time[0])
    rows: dict[str, dict[str, float]] = {}
    curves = {"measured": total, "least": base}
    for words, make in [("default", lambda: problem), *cases(trial, every, folder)]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            changed = make()
            low = least(trial, changed)
        points = np.linspace(0.0, end, POINTS)
        known = points <= float(changed.time[-1] - problem.time[0]) + 1e-9
        if not known.all():
            low = np.interp(points, np.linspace(0.0, float(changed.time[-1] - changed.time[0]), POINTS), low)
        if "down to 0" in words:
            curves[f"least, {words}"] = np.where(known, low, np.nan)
        rows[words] = {"below %": 100.0 * float(np.mean((low > total)[known]))}
        for one in found:
            at, inside = f"{one.start}-{one.stop - 1} %", known[one]
            worst = one.start + int((base - total)[one].argmax())
            out = (low - total)[one][inside]
            moved = (low - base)[worst] if known[worst] else np.nan
            rows[words] |= {f"{at} out N": out.max() if out.size else np.nan, f"{at} moved N": moved,
                            f"{at} points": float((out > 0).sum())}  # fmt: skip
    for late in SHIFTS:
        measured = np.interp(np.linspace(0.0, end, POINTS) - 1e-3 * late, np.linspace(0.0, end, POINTS), total)
        rows[f"measured force {late:+d} ms later"] = {"below %": 100.0 * float(np.mean(base > measured))}
        for one in found:
            out, at = (base - measured)[one], f"{one.start}-{one.stop - 1} %"
            rows[f"measured force {late:+d} ms later"] |= {
                f"{at} out N": out.max(),
                f"{at} points": float((out > 0).sum()),
            }
    return pd.DataFrame.from_dict(rows, orient="index"), curves


def figure(tables: dict[str, dict[str, np.ndarray]], place: Path) -> None:
    """The measured force, and the least ones under several assumptions."""
    import matplotlib.pyplot as plt

    made, axes = plt.subplots(1, len(tables), figsize=(4.2 * len(tables), 3.2), sharey=True, squeeze=False)
    for one, (trial, curves) in zip(axes[0], tables.items(), strict=True):
        for (words, force), color in zip(curves.items(), ("black", "tab:red", "tab:orange", "tab:blue"), strict=False):
            label = textwrap.fill(words, 30)
            one.plot(np.linspace(0.0, 100.0, POINTS), force, color=color, label=label, linewidth=1.3)
        one.set(title=trial, xlabel="% from the first to the last frame", xlim=(0, 100), ylim=(-100, 2900))
        one.legend(frameon=False, fontsize=6, loc="upper right")
    axes[0, 0].set_ylabel("compression of the knee, N")
    made.tight_layout()
    made.savefig(place, dpi=110)


def window(trial: ImplantTrial, problem: Any, weight: float) -> str:
    """Measures of a solution, and its RMSE without a period of the filter at both ends."""
    total, force = trial.measured[TOTAL].to_numpy(), trial.force(trial.solve(problem, weight))[:, 0]
    share = (problem.time[-1] - problem.time[0]) / (trial.read().time[-1] - trial.read().time[0])
    points = np.linspace(0.0, 1.0, POINTS)
    if share < 0.999:  # a motion that was cut
        force, total = np.interp(points, points * share, force), np.where(points <= share, total, np.nan)
    at, period = points * (trial.read().time[-1] - trial.read().time[0]), 1.0 / READ["lowpass_hz"]
    middle = (at > period) & (at < at[-1] - period) & np.isfinite(total)
    known = np.isfinite(total)
    kept = {name: round(value, 3) for name, value in measures(force[known], total[known]).items()}
    return f"{kept}; without {period:.2f} s at both ends RMSE {np.sqrt(np.mean((force - total)[middle] ** 2)):.0f} N"


def main() -> None:
    """All trials; then the measures with what the files contradict put right."""
    parser = arguments(__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--figure", type=Path)
    given = parser.parse_args()
    every, tables, drawn = list(trials(given)), {}, {}
    for trial in every:
        behind, until = behind_the_heel(trial)
        print(f"{trial.name}: centre of pressure {1e3 * behind:.0f} mm behind the heel, until {100 * until:.0f} %; "
              f"heel lands again at {lands(trial)} s")  # fmt: skip
        with tempfile.TemporaryDirectory() as folder:
            tables[trial.name], curves = examine(trial, every, Path(folder))
        print(tables[trial.name].round(0).to_string(), flush=True)
        drawn[trial.name] = curves
        for words, problem in {"default": trial.read(), **put_right(trial, every)}.items():
            for bound in (0.01, 0.0):
                own = replace(problem, lower=np.full(len(problem.muscles), bound))
                for weight in (0.0, 0.1):
                    print(f"{trial.name} {words}, a ≥ {bound:g}, w = {weight:g}: {window(trial, own, weight)}")
    if given.figure:
        figure(drawn, given.figure)
    if given.out:
        pd.concat(tables).to_csv(given.out)


if __name__ == "__main__":
    main()
