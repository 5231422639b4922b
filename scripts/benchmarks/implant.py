"""Joint contact forces beside those that an instrumented implant measured: the default configuration.

usage: python scripts/benchmarks/implant.py [DATA] [--trials ss1 ss3] [--joint walker_knee_l] [--part left]
                                            [--direction -y] [--total total_N] [--weight 0.1] [--figures FOLDER]

DATA is a folder as `osimopt fetch knee_implant` brings it (default: that set, from $OSIMOPT_DATA where it is there).
A trial is a measured force <patient>_<trial>_implant.csv (first column: per cent from the first to the last frame)
beside <patient>_<trial>.mot and <patient>_<trial>_loads.xml, with the model <patient>.osim and, if there is one, EMG in
a C3D file whose name ends in _<trial>.c3d. Joint and part are by default those of the side whose foot has loads.

The default configuration was written down before the measured forces were read, and nothing in it is chosen by them.
It is what the README recommends for data of this kind, and osimopt's defaults for all else:

- exact muscle paths, rigid tendons, no passive force, the model's own strengths;
- motion low-passed at 6 Hz, loads filtered like the motion (`lowpass_hz=6, lowpass_loads_hz="motion"`);
- loads of <trial>_loads.xml. They hold the reaction of the left foot only, so the left leg alone is balanced
  (`coordinates="left"`), without the residuals.xml beside the model; reserves are the default ones (1 N·m);
- sum of squared activations, static optimization, all frames of the motion.

The measured total was then taken for the axial force, and compared with −fy of walker_knee_l on tibia_l in the axes of
tibia_l (y along the shank, up), at 101 points from the first to the last frame: RMSE, r, bias (calculated less
measured), and both peaks (the largest force in the first and the second half of stance). The column's name at its
source, F_total_magnitude, says that the total is the size of the force, and the axial one medial + lateral. So the size
‖c‖ beside the total and −fy beside medial + lateral stand in the table too.

`implant_exploration.py` has what was tried afterwards, `implant_causes.py` why the model does not admit the measured
force in some frames.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import osimopt
from osimopt.adapters.loads import read_external_loads

#: How files are read; all else is osimopt's default.
READ: dict[str, Any] = {"lowpass_hz": 6.0, "lowpass_loads_hz": "motion"}
#: How they are solved.
SOLVE: dict[str, Any] = {"cost": "activation_power", "exponent": 2.0}
#: What is compared: the joint (of the side), the direction of compression, and the column of the measured size.
JOINT, DIRECTION, TOTAL = "walker_knee_{side}", "-y", "total_N"
#: The parts of the measured axial force, where they were measured.
PARTS = ("medial_N", "lateral_N")
#: Points from the first to the last frame.
POINTS = 101
#: m from the middle of the knee to the centre of each compartment, doi:10.1016/j.jbiomech.2014.12.049.
HALF = 0.02
#: Weight w of contact in the cost Σ a² + w (axial force / body weight)².
WEIGHT = 0.1
#: Share of a stride that is stance, and what the sides are called.
STANCE, SIDES = 0.62, {"l": "left", "r": "right"}


@dataclass(frozen=True, eq=False)
class ImplantTrial:
    """The files of one trial, and what is compared: a joint, a direction, the part of the body that is balanced."""

    name: str
    model: Path
    motion: Path
    loads: Path
    measured: pd.DataFrame
    emg: Path | None
    joint: str
    direction: str
    part: str

    @property
    def axis(self) -> str:
        """The axis of compression, x, y or z."""
        return self.direction[-1]

    def read(self, **changes: Any) -> osimopt.RedundancyProblem:
        """The problem in the default configuration, but for ``changes``."""
        files = {"motion": self.motion, "external_loads": self.loads}
        options = {**files, **READ, "coordinates": self.part, **changes}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return osimopt.load_problem(self.model, **options)

    def solve(self, problem: osimopt.RedundancyProblem, weight: float = 0.0, **changes: Any) -> Any:
        """The solution, with ``weight`` on the axial force."""
        contact = osimopt.Contact(self.joint, weight, axes=self.axis) if weight else None
        return osimopt.solve_static(problem, **{**SOLVE, "on_failure": "return", "contact": contact, **changes})

    def force(self, solution: Any) -> np.ndarray:
        """(101, 2) compression along the axis, and size, of the joint's force on its child, in the child's axes."""
        table = solution.joint_reactions([self.joint], on="child", frame="child")
        parts = np.stack([table.iloc[:, ["x", "y", "z"].index(axis)].to_numpy() for axis in "xyz"], axis=1)
        sign = -1.0 if self.direction.startswith("-") else 1.0
        along = sign * parts[:, "xyz".index(self.axis)]
        return at_points(solution.problem.time, np.stack([along, np.linalg.norm(parts, axis=1)], axis=1))

    def compared(self) -> dict[str, tuple[int, np.ndarray]]:
        """By the words of the table: which of ``force``, and the measured force, at 101 points."""
        total = self.measured[TOTAL].to_numpy()
        found = {f"{self.direction} : total": (0, total), "size : total": (1, total)}
        if set(PARTS) <= set(self.measured):
            found[f"{self.direction} : medial + lateral"] = (0, self.measured[list(PARTS)].to_numpy().sum(axis=1))
        return found

    def range(self, solution: Any, component: str = "", **changes: Any) -> np.ndarray:
        """(101, 2) least and greatest compression along the axis (or size) that moments and muscles allow."""
        found = osimopt.feasible_ranges(
            solution, of=self.joint, component=component or self.axis, on="child", frame="child", **changes
        )
        ends = np.stack([found.minimum, found.maximum], axis=1)
        if not component and self.direction.startswith("-"):
            ends = -ends[:, ::-1]
        return at_points(solution.problem.time, ends)


def at_points(time: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Values (T, n) at 101 times from the first to the last; frames without a value are left out."""
    known = np.isfinite(value).all(axis=1)
    wanted = np.linspace(time[0], time[-1], POINTS)
    return np.stack([np.interp(wanted, time[known], column[known]) for column in value.T], axis=1)


def measures(force: np.ndarray, measured: np.ndarray) -> dict[str, float]:
    """RMSE and bias in N, r, and both peaks in N."""
    off, half, end = force - measured, round(0.5 * STANCE * POINTS), round(STANCE * POINTS)
    return {
        "rmse": float(np.sqrt(np.mean(off**2))), "r": float(np.corrcoef(force, measured)[0, 1]),
        "bias": float(off.mean()), "peak_1": float(force[:half].max()), "peak_2": float(force[half:end].max()),
    }  # fmt: skip


def trials(given: argparse.Namespace) -> Iterator[ImplantTrial]:
    """All trials of a folder, or those that are asked for."""
    folder = given.data or osimopt.fetch("knee_implant")
    for file in sorted(folder.glob("*_implant.csv")):
        stem = file.name.removesuffix("_implant.csv")
        patient, trial = stem.split("_", 1)
        if given.trials and trial not in given.trials:
            continue
        loads = folder / f"{stem}_loads.xml"
        side = next(iter(loaded_sides(loads)))
        measured = pd.read_csv(file)
        if len(measured) != POINTS:
            place = np.linspace(0.0, 100.0, POINTS)
            measured = measured.apply(lambda column, at=measured.iloc[:, 0]: np.interp(place, at, column))  # noqa: B023
        emg = next(iter(sorted(folder.glob(f"*_{trial}.c3d"))), None)
        yield ImplantTrial(
            trial, folder / f"{patient}.osim", folder / f"{stem}.mot", loads,
            measured.rename(columns={given.total: TOTAL}), emg, given.joint or JOINT.format(side=side),
            given.direction, given.part or SIDES[side],
        )  # fmt: skip


def loaded_sides(loads: Path) -> list[str]:
    """Sides (l, r) of the bodies that loads act on."""
    bodies = (name[-1] for name in osimopt_bodies(loads))
    return [side for side in dict.fromkeys(bodies) if side in SIDES] or ["l"]


def osimopt_bodies(loads: Path) -> list[str]:
    """Names of the bodies that loads act on, but ground."""
    from xml.etree import ElementTree

    read_external_loads(loads)  # refuses what is no ExternalLoads file
    found = [(one.text or "").strip() for one in ElementTree.parse(loads).iter("applied_to_body")]
    return [name for name in found if name and name != "ground"]


def arguments(doc: str | None) -> argparse.ArgumentParser:
    """What the scripts about the implant are given."""
    made = argparse.ArgumentParser(description=(doc or "").splitlines()[0])
    made.add_argument("data", type=Path, nargs="?")
    made.add_argument("--trials", nargs="*", default=[])
    made.add_argument("--joint")
    made.add_argument("--part")
    made.add_argument("--direction", default=DIRECTION)
    made.add_argument("--total", default=TOTAL)
    return made


def row(trial: ImplantTrial, solution: Any) -> dict[str, dict[str, float]]:
    """Measures of a solution, by what is compared."""
    force = trial.force(solution)
    return {words: measures(force[:, which], known) for words, (which, known) in trial.compared().items()}


def main() -> None:
    """The default configuration, and the same with contact in the cost."""
    parser = arguments(__doc__)
    parser.add_argument("--weight", type=float, default=WEIGHT)
    parser.add_argument("--figures", type=Path)
    given = parser.parse_args()
    rows, drawn = {}, []
    for trial in trials(given):
        problem = trial.read()
        solutions = {"default": trial.solve(problem), f"w = {given.weight:g}": trial.solve(problem, given.weight)}
        for name, solution in solutions.items():
            for words, found in row(trial, solution).items():
                solved = f"{int(solution.solved.sum())}/{len(problem)}"
                rows[trial.name, name, words] = {**found, "solved": solved, "gap": worst_gap(solution)}
        band = trial.range(solutions["default"])
        for words, (which, known) in trial.compared().items():
            if which == 0:
                inside = (known >= band[:, 0]) & (known <= band[:, 1])
                below, above = known < band[:, 0], known > band[:, 1]
                print(f"{trial.name} {words}: {100 * inside.mean():.0f} % within the feasible range, "
                      f"{100 * below.mean():.0f} % below, {100 * above.mean():.0f} % above")  # fmt: skip
        for name, solution in solutions.items():
            print(f"{trial.name} {name}, compartments {2e3 * HALF:.0f} mm apart: {compartments(trial, solution)}")
        again = osimopt.compare_contact(
            solutions["default"], trial.measured, {TOTAL: "axial"}, joint=trial.joint, direction=trial.direction
        ).table
        print(f"{trial.name} default by compare_contact, at the frames:", again.round(3).to_string(), sep="\n")
        drawn.append((trial, {name: trial.force(one) for name, one in solutions.items()}, band))
        for words, (_, known) in trial.compared().items():
            rows[trial.name, "measured", words] = {**measures(known, known), "solved": "", "gap": 0.0}
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis(["trial", "solution", "compared"])
    print(table.round({"rmse": 0, "r": 3, "bias": 0, "peak_1": 0, "peak_2": 0}).to_string())
    if given.figures:
        figure(drawn, given.figures / "implant.png")


def compartments(trial: ImplantTrial, solution: Any) -> dict[str, dict[str, float]]:
    """Measures of medial and lateral force (exploration): centres beside the joint's frame, as Lerner et al. (2015)."""
    if not set(PARTS) <= set(trial.measured) or "knee" not in trial.joint:
        return {}
    side = trial.joint[-1]
    inward = HALF if side == "l" else -HALF
    found = osimopt.compartment_forces(solution, trial.joint, (0, 0, inward), (0, 0, -inward), f"tibia_{side}")
    force = at_points(solution.problem.time, found[["medial", "lateral"]].to_numpy())
    known = trial.measured[list(PARTS)].to_numpy()
    names = ("medial", "lateral")
    return {
        name: {key: round(value, 2) for key, value in measures(own, seen).items()}
        for name, own, seen in zip(names, force.T, known.T, strict=True)
    }


def worst_gap(solution: Any) -> float:
    """Largest proved bound on the distance of the objective from its optimum, as a share of it."""
    gap = getattr(solution, "gap", None)
    if gap is None:
        return float("nan")
    return float(np.nanmax(np.asarray(gap) / np.maximum(1e-12, np.abs(np.asarray(solution.objective)))))


def figure(drawn: list[tuple[ImplantTrial, dict[str, np.ndarray], np.ndarray]], place: Path) -> None:
    """Calculated and measured forces of each trial, and the range that moments and muscles allow."""
    import matplotlib.pyplot as plt

    made, axes = plt.subplots(1, len(drawn), figsize=(4.2 * len(drawn), 3.2), sharey=True, squeeze=False)
    at = np.linspace(0.0, 100.0, POINTS)
    for one, (trial, forces, band) in zip(axes[0], drawn, strict=True):
        one.fill_between(at, band[:, 0], band[:, 1], color="0.85", label="feasible range", linewidth=0)
        for (name, force), color in zip(forces.items(), ("tab:red", "tab:blue"), strict=True):
            one.plot(at, force[:, 0], color=color, label=name, linewidth=1.3)
        one.plot(at, trial.measured[TOTAL], color="black", label="measured", linewidth=1.3)
        one.set(title=trial.name, xlabel="% from the first to the last frame", ylim=(0, 3500), xlim=(0, 100))
    axes[0, 0].set_ylabel("compression of the knee, N")
    axes[0, -1].legend(fontsize=7, loc="upper right")
    made.tight_layout()
    place.parent.mkdir(parents=True, exist_ok=True)
    made.savefig(place, dpi=110)


if __name__ == "__main__":
    main()
