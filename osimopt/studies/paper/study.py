"""The whole study: data, trainings, tuning, timing, tables, figures and the page, from where it was stopped."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from ...tables import write_atomically
from . import figures, more_tables, tables
from .datasets import available
from .finish import Asked
from .page import Section, write_page
from .plan import HYBRID, Budget, Plan, Trained, train_all
from .speed import measure
from .table import Table
from .tuning import LONGEST, METHODS, Tuned, as_experiment, tuned
from .verdicts import verdicts
from .workers import problems_of, sets_of, side_by_side, train_in

#: Told what is done, and (done, in all) of it.
Say = Callable[[str, int, int], None]


def run_study(folder: Path, data: Path | None, budget: Budget, jobs: int = 1, say: Say | None = None) -> Path:
    """Do the study, or what is left of it, and write tables and page.

    Parameters
    ----------
    folder
        For data sets, results (one file each), tables as CSV, and ``study.html``.
    data
        The public data; without them the simulated set alone is studied.
    budget
        ``plan.FULL``, ``plan.QUICK``, or any other.
    jobs
        Trainings side by side.
    say
        Called with what is being done, and how far it is.

    Returns
    -------
    Path
        The page.
    """
    say, begun = say or (lambda *_: None), time.perf_counter()
    folder.mkdir(parents=True, exist_ok=True)
    names = tuple(budget.simulation if name == "simulation" else name for name in available(data))
    plan = Plan(budget, names)
    sets = {}
    for place, name in enumerate((*names, *(["simulation, 25 times"] if budget.large else []))):
        say("data sets", place, len(names) + bool(budget.large))
        sets[name] = sets_of(name, folder, data)
    train = train_in(folder, data, jobs, lambda done, total: say("trainings", done, total))
    trained = train_all(plan, train)
    found = _tune(plan, folder, data, jobs, say)
    hybrid = next(one for one in trained.parts["networks"] if one.dataset == plan.simulation and one.network == HYBRID)
    like = {one: as_experiment(one, hybrid) for one in found}
    retrained = train(list(like.values()))
    say("what answers cost", 0, 1)
    own = sets[plan.simulation]
    problems = problems_of(plan.simulation, folder)
    if problems is None:
        raise ValueError("simulated sets have problems")
    speed = measure(folder / "speed.json", own, problems, budget.networks, budget.weights)
    made = _tables(trained, sets, found, {one: retrained[like[one]] for one in found}, speed)
    for table in made.values():
        table.write(folder)
    missed = _missed(trained, sets, problems)
    spent = _spent(folder, time.perf_counter() - begun)
    write_atomically(folder / "study.json", json.dumps(_told(plan, speed, spent), indent=2) + "\n")
    return write_page(folder / "study.html", _opening(plan, trained, speed, spent), [
        Section(made["verdicts"]),
        Section(made["table1_datasets"]),
        Section(made["table2_accuracy"], [
            figures.objective(trained, missed), figures.networks(trained, sets), figures.histogram(trained)
        ]),
        Section(made["table3_4_optimizers"], [figures.optimizers(trained, sets)]),
        Section(made["table5_noise"]),
        Section(made["table6_generalisation"]),
        Section(made["balance"], [figures.pareto(trained)]),
        Section(made["constraints"]),
        Section(made["augmentation"], [figures.augmentation(trained)]),
        Section(made["tuning"], [figures.tuning(found)]),
        Section(made["imputation"]),
        Section(made["cost"]),
    ])  # fmt: skip


def _tables(
    trained: Trained, sets: Mapping[str, Any], found: Sequence[Tuned], of_tuned: Mapping[Tuned, Any],
    speed: Mapping[str, Any],
) -> dict[str, Table]:  # fmt: skip
    made = [
        tables.datasets(sets), tables.accuracy(trained, sets), tables.optimizers(trained, sets), tables.noise(trained),
        tables.generalisation(trained), more_tables.balance(trained), more_tables.constraints(trained),
        more_tables.augmentation(trained), more_tables.tuning(found, trained, of_tuned), more_tables.imputation(sets),
        more_tables.cost(speed),
    ]  # fmt: skip
    by_name = {table.name: table for table in made}
    return {**by_name, "verdicts": verdicts(trained, by_name, speed)}


def _tune(plan: Plan, folder: Path, data: Path | None, jobs: int, say: Say) -> list[Tuned]:
    longest = min(LONGEST, max(2, plan.budget.tuning // 4))
    calls = [
        (method, plan.simulation, folder, data, plan.budget.tuning, seed, longest)
        for method in METHODS
        for seed in range(plan.budget.seeds)
    ]
    return side_by_side(_tuned, calls, jobs, lambda done, total: say("tuning", done, total))


def _tuned(method: Any, name: str, folder: Path, data: Path | None, budget: int, seed: int, longest: int) -> Tuned:
    import torch

    torch.set_num_threads(1)
    return tuned(method, sets_of(name, folder, data), budget, seed, longest, folder / "tuning")


def _missed(trained: Trained, sets: Mapping[str, Any], problems: Path) -> dict[str, Any]:
    """Moments that the hybrid's activations miss over the first test trial, for figure 1."""
    name = trained.plan.simulation
    one = next(own for own in trained.parts["networks"] if own.dataset == name and own.network == HYBRID)
    series, test = trained.over_seeds(one)[0]["series"], sets[name].test
    first = test.pick(np.flatnonzero(test.trial == test.trial[0])[: len(series["time"])])
    asked = Asked.of(first, problems)
    said = np.clip(np.asarray(series["said"]), asked.problem.lower, asked.problem.upper)
    return {"time": series["time"], "moment": asked.missed(said).tolist()}


def _spent(folder: Path, seconds: float) -> dict[str, float]:
    """How long trainings took, whenever they were run."""
    results = [json.loads(path.read_text("utf-8")) for path in (folder / "results").glob("*.json")]
    return {
        "trainings": len(results),
        "training_hours": sum(told["seconds"] for told in results) / 3600.0,
        "last_run_hours": seconds / 3600.0,
    }


def _told(plan: Plan, speed: Mapping[str, Any], spent: Mapping[str, float]) -> dict[str, Any]:
    packages = {name: version(name) for name in ("osimopt", "opensim", "torch", "numpy", "scipy")}
    return {
        "budget": {**asdict(plan.budget), "large": dict(plan.budget.large)}, "sets": plan.datasets,
        "machine": speed["machine"], "spent": spent, "platform": platform.platform(), "packages": packages,
    }  # fmt: skip


def _opening(plan: Plan, trained: Trained, speed: Mapping[str, Any], spent: Mapping[str, float]) -> list[str]:
    budget, machine = plan.budget, speed["machine"]
    lacking = [name for name in ("gait", "emg", "running") if name not in plan.datasets]
    without = f" Without the public data, {', '.join(lacking)} were left out." if lacking else ""
    return [
        "Bian (2025, doi:10.62617/mcb1271) proposes a hybrid of convolutions, LSTM and self-attention for optimization "
        "problems of biomechanics. Its tables name no split, no baseline, no units and no seeds. Here every system "
        "that it names is tried on data whose origin is known, next to its own figures.",
        f"Every cell is the median over {budget.seeds} seeds with the 5th and 95th percentile, on trials that nothing "
        f"was learned from. Networks have about {budget.weights:,} weights, {len(budget.rates)} learning rates each to "
        f"choose from, and {budget.epochs} epochs.{without}",
        f"{spent['trainings']:.0f} trainings of {spent['training_hours']:.1f} hours in all, on {machine['processor']}, "
        f"{machine['cores']} cores, without a GPU; Python {machine['python']}.",
    ]
