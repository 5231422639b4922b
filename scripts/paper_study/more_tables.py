"""What the paper names and does not measure: λ, constraints, augmentation, tuning, gaps, and what answers cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from . import printed
from .measures import spread
from .plan import Trained
from .preprocessing import Cleaning, Pipeline, imputation_errors
from .table import Row, Table, at, over
from .tables import DUAL, MSE, AllSets
from .tuning import METHODS, Tuned
from .windows import Sets

#: Shares of the values that are masked, and how many of them in a row.
MASKED, BURSTS = (0.05, 0.1, 0.2), (1, 5)


def balance(trained: Trained) -> Table:
    """The two terms of equation (2) as λ varies."""
    rows = []
    for one in trained.parts["balance"]:
        results = trained.over_seeds(one)
        rows.append({
            "set": one.dataset, "λ": one.balance,
            "MSE of loads (1e-3)": over(results, at("by_term", "load"), MSE),
            "MSE of displacements (1e-3)": over(results, at("by_term", "displacement"), MSE),
        })  # fmt: skip
    return Table("balance", "λ of equation (2)", (
        "Loads are moments and displacements are angles, both on the scale [0, 1], so that λ has no unit. At 0 "
        "angles are not asked for at all."
    ), rows)  # fmt: skip


def constraints(trained: Trained) -> Table:
    """Equations (3) and (7)."""
    own = trained.hybrid(trained.plan.simulation)
    rows = []
    for one in (own, *trained.parts["constraints"]):
        results = trained.over_seeds(one)
        rows.append({
            "bounds": "by construction" if one.bounded else "not held", "λ of equation (7)": one.penalty,
            "largest violation of a bound": over(results, at("violation")),
            "MSE (1e-3)": over(results, at("test", "mse"), MSE),
            "MSE, other subject (1e-3)": over(results, at("unseen", "subject", "mse"), MSE),
            "moments missed (N·m)": over(results, at("finished", "test", "moment_missed_rms")),
        })  # fmt: skip
    return Table("constraints", "Equations (3) and (7) on the simulation set", (
        "The paper names no way to hold its constraints. Here activations are put within their bounds by the "
        "network's last layer, whatever it says, under noise too; violations are on the scale [0, 1]. That a moment "
        "is met is another constraint, which no network here holds: only finishing exactly does."
    ), rows)  # fmt: skip


def augmentation(trained: Trained, sets: AllSets) -> Table:
    """Nothing, a generative network, or the model."""
    rows = []
    for one in trained.parts["augmentation"]:
        results, whole = trained.over_seeds(one), on_whole_scale(sets[one.dataset])
        added = [told["augmentation"] for told in results if told["augmentation"]]
        rows.append({
            "set": one.dataset, "share of the trials": one.share, "windows": over(results, at("windows")),
            "added": one.augmentation,
            "windows added": over(added, at("added")),
            "moments missed by what is added (N·m)": over(added, lambda told: told.get("moment_missed_rms")),
            "MSE (1e-3)": over(results, whole, MSE),
        })  # fmt: skip
    return Table("augmentation", "Augmentation", (
        "All arms take as many steps; of six blocks of the gait set one is the least share. The generative "
        "network learns from the same share of the windows and is asked for windows that end near theirs; physics "
        "draws motions and loads anew and solves them exactly, of which there is no end where the model is known. "
        "The solver's own pairs miss moments by about 0.02 N·m, which its reserve carries."
    ), rows)  # fmt: skip


def tuning(found: Sequence[Tuned], trained: Trained, results: Mapping[Tuned, dict[str, Any]]) -> Table:
    """Three ways to look for settings."""
    rows: list[Row] = []
    for method in METHODS:
        own = [one for one in found if one.method == method]
        networks = [str(one.settings["network"]) for one in own]
        rows.append({
            "method": method, "trials": spread([len(one.history) for one in own]),
            "validation loss (1e-3)": spread([MSE * one.value for one in own]),
            "MSE of its network (1e-3)": spread([MSE * results[one]["test"]["mse"] for one in own]),
            "networks chosen": ", ".join(f"{name} ({networks.count(name)})" for name in dict.fromkeys(networks)),
        })  # fmt: skip
    hybrid = trained.hybrid(trained.plan.simulation)
    own_results = trained.over_seeds(hybrid)
    rows.append({
        "method": "none: the hybrid as everywhere else",
        "MSE of its network (1e-3)": over(own_results, at("test", "mse"), MSE),
    })  # fmt: skip
    return Table("tuning", "Automatic tuning on the simulation set", (
        f"Every method may make {trained.plan.budget.tuning} passes over the training set for each seed; what it finds "
        "is then trained like everything else. The controller is a policy gradient over the choices."
    ), rows)  # fmt: skip


def imputation(sets: AllSets) -> Table:
    """Neighbours against straight lines."""
    rows = []
    for name in (name for name in sets if "25 times" not in name):
        pipeline = Pipeline.of(sets[name].training, Cleaning(imputation="knn"))
        scaled = pipeline.scaling.inputs(sets[name].test)
        for share in MASKED:
            for burst in BURSTS:
                told = imputation_errors(scaled, pipeline.frames, share, burst, 0)
                rows.append({
                    "set": name, "missing (%)": 100.0 * share, "in a row": burst,
                    "linear interpolation": told["linear"], "nearest neighbours": told["knn"],
                    "better": min(told, key=lambda kind: told[kind]).replace("knn", "neighbours"),
                })  # fmt: skip
    return Table("imputation", "Filling gaps", (
        "Root mean square error on the scale [0, 1] where values of the test windows are masked. Neighbours are the "
        "five training frames that are most like the signals that are left. Lines, which are better in most rows, are "
        "the default."
    ), rows)  # fmt: skip


def cost(speed: Mapping[str, Any]) -> Table:
    """What an answer costs."""
    solvers = speed["solvers"]
    paper = " / ".join(f"{row[3]:g}" for row in printed.ACCURACY.values())
    rows: list[Row] = [{"what": f"the paper: its network, by set ({', '.join(printed.ACCURACY)})", "one (ms)": paper}]
    for name, told in speed["networks"].items():
        rows.append({
            "what": f"network: {name}", "one (ms)": told["median_ms"], "p99 (ms)": told["p99_ms"],
            "each of many (ms)": told["batch_ms"], "moments met": "no",
        })  # fmt: skip
    finished, dual = speed["finished"], speed["dual"]
    rows += [
        {"what": DUAL, "one (ms)": dual["median_ms"], "p99 (ms)": dual["p99_ms"],
         "each of many (ms)": dual["batch_ms"], "moments met": "no"},
        {"what": "to finish a network's answer exactly, on top", "one (ms)": finished["median_ms"],
         "p99 (ms)": finished["p99_ms"], "each of many (ms)": finished["batch_ms"], "moments met": "yes"},
        {"what": "osimopt, batched Newton, no network", "one (ms)": solvers["batched, one frame"],
         "each of many (ms)": solvers["batched"], "moments met": "yes"},
        {"what": "osimopt, collocation (dynamic), per frame", "each of many (ms)": solvers["collocation"],
         "moments met": "yes"},
        {"what": "SciPy's SLSQP, frame by frame", "each of many (ms)": solvers["scipy"], "moments met": "yes"},
        {"what": "osimopt, files to solution", "each of many (ms)": solvers["osimopt, files to solution"],
         "moments met": "yes"},
        {"what": "OpenSim's StaticOptimization, files to solution",
         "each of many (ms)": solvers["opensim, files to solution"], "moments met": "to its tolerance"},
    ]  # fmt: skip
    scipy = solvers["scipy"]
    rows = [{**row, "times faster than SciPy": _times(scipy, row.get("each of many (ms)"))} for row in rows]
    machine = speed["machine"]
    return Table("cost", "What an answer costs", (
        f"On {machine['processor']}, {machine['cores']} cores, one thread for networks, scaling and filling of gaps "
        f"included; solvers on the arm's example motion of {solvers['frames']} frames, without and (files to solution) "
        "with reading the model. Medians of five. The paper's claim of 40 % names nothing that it is faster than."
    ), rows)  # fmt: skip


def on_whole_scale(sets: Sets) -> Callable[[Any], float]:
    """Reads the MSE on the scale of the whole training set, whatever share of it a network was scaled by."""
    scaling = Pipeline.of(sets.training).scaling
    span = dict(zip(sets.training.targets, scaling.target_range.tolist(), strict=True))
    return lambda told: sum((off / span[name]) ** 2 for name, off in told["units"].items()) / len(span)


def _times(scipy: float, own: float | None) -> float | None:
    return None if own is None else scipy / own
