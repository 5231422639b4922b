"""The whole study: data, trainings, tuning, timing and tables, from where it was stopped."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from osimopt.files.storage import write_atomically

from . import datasets, more_tables, tables
from .dual import dual
from .finish import Asked
from .plan import Budget, Plan, Trained, train_all
from .speed import measure
from .table import Table
from .tuning import LONGEST, METHODS, Tuned, as_experiment, tuned
from .verdicts import verdicts
from .windows import Sets
from .workers import sets_of, side_by_side, train_in

#: Told what is done, and (done, in all) of it.
Say = Callable[[str, int, int], None]


@dataclass(frozen=True, eq=False)
class Findings:
    """Everything that was measured."""

    trained: Trained
    sets: Mapping[str, Sets]
    tuned: list[Tuned]
    of_tuned: Mapping[Tuned, dict[str, Any]]
    duals: list[dict[str, Any]]
    speed: dict[str, Any]
    missed: dict[str, Any]
    spent: dict[str, float] = field(default_factory=dict)

    def tables(self) -> dict[str, Table]:
        """By name."""
        trained, sets = self.trained, self.sets
        made = [
            tables.datasets(sets), tables.accuracy(trained, sets, self.duals), tables.optimizers(trained, sets),
            tables.noise(trained), tables.generalisation(trained, self.duals), more_tables.balance(trained),
            more_tables.constraints(trained), more_tables.augmentation(trained, sets),
            more_tables.tuning(self.tuned, trained, self.of_tuned), more_tables.imputation(sets),
            more_tables.cost(self.speed),
        ]  # fmt: skip
        by_name = {table.name: table for table in made}
        return {**by_name, "verdicts": verdicts(trained, by_name, self.speed)}


def run_study(folder: Path, data: Path | None, budget: Budget, jobs: int = 1, say: Say | None = None) -> Findings:
    """Do the study, or what is left of it, and write its tables.

    Parameters
    ----------
    folder
        For data sets, results (one file each), tables as CSV, and ``study.json``.
    data
        The public data; without them the simulated set alone is studied.
    budget
        ``plan.FULL``, ``plan.QUICK``, or any other.
    jobs
        Trainings side by side.
    say
        Called with what is being done, and how far it is.
    """
    begun = time.perf_counter()
    folder.mkdir(parents=True, exist_ok=True)
    found = _find(folder, data, budget, jobs, say or (lambda *_: None))
    for table in found.tables().values():
        table.write(folder)
    found = replace(found, spent=_spent(found, time.perf_counter() - begun))
    write_atomically(folder / "study.json", json.dumps(_told(found), indent=2) + "\n")
    return found


def _find(folder: Path, data: Path | None, budget: Budget, jobs: int, say: Say) -> Findings:
    names = tuple(budget.simulation if name == "simulation" else name for name in datasets.available(data))
    plan, sets = Plan(budget, names), {}
    for place, name in enumerate((*names, *(["simulation, 25 times"] if budget.large else []))):
        say("data sets", place + 1, len(names) + bool(budget.large))
        sets[name] = sets_of(name, folder, data)
    train = train_in(folder, data, jobs, lambda done, total: say("trainings", done, total))
    trained = train_all(plan, train)
    found = _tune(plan, folder, data, jobs, say)
    like = {one: as_experiment(one, trained.hybrid(plan.simulation)) for one in found}
    retrained = train(list(like.values()))
    duals = _duals(plan, folder, jobs, say)
    say("what answers cost", 1, 1)
    own, problems = sets[plan.simulation], datasets.problems(folder / "sets")
    speed = measure(folder / "speed.json", own, problems, budget.networks, budget.weights)
    of_tuned = {one: retrained[like[one]] for one in found}
    return Findings(trained, sets, found, of_tuned, duals, speed, _missed(trained, sets, problems))


def _duals(plan: Plan, folder: Path, jobs: int, say: Say) -> list[dict[str, Any]]:
    calls = [(plan.simulation, folder, seed, plan.budget.epochs) for seed in range(plan.budget.seeds)]
    return side_by_side(_dual, calls, jobs, lambda done, total: say("networks for the dual", done, total))


def _dual(name: str, folder: Path, seed: int, epochs: int) -> dict[str, Any]:
    path = folder / "dual" / f"{epochs}_{seed}.json"
    return dual(path, sets_of(name, folder, None), datasets.problems(folder / "sets"), seed, epochs)


def _tune(plan: Plan, folder: Path, data: Path | None, jobs: int, say: Say) -> list[Tuned]:
    longest = min(LONGEST, max(2, plan.budget.tuning // 4))
    calls = [
        (method, plan.simulation, folder, data, plan.budget.tuning, seed, longest)
        for method in METHODS
        for seed in range(plan.budget.seeds)
    ]
    return side_by_side(_tuned, calls, jobs, lambda done, total: say("tuning", done, total))


def _tuned(method: Any, name: str, folder: Path, data: Path | None, budget: int, seed: int, longest: int) -> Tuned:
    return tuned(method, sets_of(name, folder, data), budget, seed, longest, folder / "tuning")


def _missed(trained: Trained, sets: Mapping[str, Any], problems: Path) -> dict[str, Any]:
    """Moments that the hybrid's activations miss over the first test trial, for figure 1."""
    name = trained.plan.simulation
    series, test = trained.over_seeds(trained.hybrid(name))[0]["series"], sets[name].test
    first = test.pick(np.flatnonzero(test.trial == test.trial[0])[: len(series["time"])])
    asked = Asked.of(first, problems)
    said = np.clip(np.asarray(series["said"]), asked.problem.lower, asked.problem.upper)
    return {"time": series["time"], "moment": asked.missed(said).tolist()}


def _spent(found: Findings, seconds: float) -> dict[str, float]:
    """How long the trainings that tables use took, whenever they were run."""
    results = list(found.trained.results.values())
    results += [told for told in found.of_tuned.values() if told not in results]
    return {
        "trainings": len(results),
        "training_hours": sum(told["seconds"] for told in results) / 3600.0,
        "last_run_hours": seconds / 3600.0,
    }


def _told(found: Findings) -> dict[str, Any]:
    plan = found.trained.plan
    packages = {name: version(name) for name in ("osimopt", "opensim", "torch", "numpy", "scipy")}
    return {
        "budget": {**asdict(plan.budget), "large": dict(plan.budget.large)}, "sets": plan.datasets,
        "machine": found.speed["machine"], "spent": found.spent, "platform": platform.platform(), "packages": packages,
    }  # fmt: skip
