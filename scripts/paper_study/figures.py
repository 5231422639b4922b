"""The study's figures as SVG: figure 1 of the paper from real runs, and what its tables hide."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from osimopt.report import style
from osimopt.report.style import drawing

from .experiment import Experiment
from .measures import EDGES, spread
from .more_tables import on_whole_scale
from .plan import HYBRID, Trained
from .table import Table
from .tables import MSE, AllSets, threshold

#: s of figure 1.
SHOWN = 4.0


def objective(trained: Trained, missed: Mapping[str, Any] | None) -> str:
    """Figure 1: load, displacement and objective over time, with the moments that a network's activations miss."""
    plan = trained.plan
    shown = [plan.with_displacement, *([plan.simulation] if plan.simulation != plan.with_displacement else [])]
    rows = ["load", "displacement", "objective"]
    mosaic = [[f"{row} {column}" for column in range(len(shown))] for row in rows]
    with drawing(mosaic, (5.2 * len(shown), 6.4), "objective") as (axes, made):
        for column, name in enumerate(shown):
            one = trained.hybrid(name)
            told = trained.over_seeds(one)[0]
            time = np.asarray(told["series"]["time"])
            keep = time <= time[0] + SHOWN
            own = {key: np.asarray(values)[keep] for key, values in told["series"].items()}
            names = list(told["units"])
            _pair(axes[f"load {column}"], own, _column(names, "knee_angle moment", 0), names, f"{name}: load")
            if name == plan.with_displacement and any(other.endswith("angle") for other in names):
                place = _column(names, "knee_angle angle", 0)
                _pair(axes[f"displacement {column}"], own, place, names, f"{name}: displacement")
            else:
                _missed(axes[f"displacement {column}"], missed, keep)
            panel = axes[f"objective {column}"]
            panel.plot(own["time"], own["objective"], color=style.colour(2))
            style.label(panel, "Equation (2)", "time (s)", "objective, scale [0, 1]")
    return made.svg


def pareto(trained: Trained) -> str:
    """Errors of loads against those of displacements."""
    if not trained.parts["balance"]:
        return ""
    with drawing([["it"]], (5.2, 3.6), "pareto") as (axes, made):
        panel = axes["it"]
        points = []
        for one in trained.parts["balance"]:
            terms = [told["by_term"] for told in trained.over_seeds(one)]
            load, angle = (1e3 * float(np.median([term[key] for term in terms])) for key in ("load", "displacement"))
            if one.balance > 0.0:
                points.append((load, angle, one.balance))
        panel.semilogy([p[0] for p in points], [p[1] for p in points], "o-", color=style.colour(0))
        for load, angle, value in points:
            panel.annotate(f"λ = {value:g}", (load, angle), xytext=(5, 5), textcoords="offset points", fontsize=8)
        style.label(
            panel, "λ of equation (2), medians over seeds", "MSE of loads (1e-3)", "MSE of displacements (1e-3)"
        )
    return made.svg


def optimizers(trained: Trained, sets: AllSets) -> str:
    """Validation loss against gradient evaluations."""
    names = list(dict.fromkeys(one.dataset for one in trained.parts["optimizers"]))
    with drawing([names], (4.0 * len(names), 3.6), "optimizers") as (axes, made):
        for name in names:
            panel = axes[name]
            for place, one in enumerate(own for own in trained.parts["optimizers"] if own.dataset == name):
                for told in trained.over_seeds(one)[:1]:
                    history = told["history"]
                    panel.loglog(history["gradients"], history["validation"], **style.line(place, one.optimizer))
            panel.axhline(threshold(sets[name]), **style.BEHIND)
            style.label(panel, f"{name} (grey: threshold)", "passes over the data", "validation loss")
            panel.legend(fontsize=7)
    return made.svg


def networks(trained: Trained, table: Table) -> str:
    """Every network and what is trivial, by set: table 2."""
    names = list(trained.plan.datasets)
    with drawing([[name] for name in names], (7.4, 2.6 * len(names)), "networks") as (axes, made):
        for name in names:
            panel = axes[name]
            rows = [row for row in table.rows if row["set"] == name and "finished" not in row["who"]][::-1]
            for place, row in enumerate(rows):
                cell = row["MSE (1e-3)"]
                own = cell if isinstance(cell, dict) else {"median": cell, "p5": cell, "p95": cell}
                color = style.colour(0) if isinstance(cell, dict) else "#7F7F7F"
                panel.plot([own["p5"], own["p95"]], [place, place], color=color, lw=2.0)
                panel.plot(own["median"], place, "o" if row["who"] != "the paper" else "D", color=color, ms=5)
            panel.set_xscale("log")
            panel.set_yticks(range(len(rows)), [row["who"] for row in rows], fontsize=7)
            style.label(panel, name, "MSE (1e-3), held-out trials: median and [p5, p95] over seeds", "")
    return made.svg


def histogram(trained: Trained) -> str:
    """Absolute errors of the hybrid, all seeds together."""
    own = [one for one in trained.parts["networks"] if one.network == HYBRID]
    with drawing([["it"]], (6.4, 3.4), "histogram") as (axes, made):
        panel = axes["it"]
        for place, one in enumerate(own):
            counts = np.sum([told["histogram"] for told in trained.over_seeds(one)], axis=0)
            panel.stairs(counts / counts.sum(), EDGES, **{**style.line(place, one.dataset), "lw": 1.6})
        panel.set_xscale("log")
        panel.set_xlim(EDGES[1], 1.0)
        style.label(panel, "Errors of the hybrid network", "absolute error, scale [0, 1]", "share of the values")
        panel.legend()
    return made.svg


def augmentation(trained: Trained, sets: AllSets) -> str:
    """MSE against the share of the trials."""
    whole = trained.parts["augmentation"]
    names = list(dict.fromkeys(one.dataset for one in whole))
    with drawing([names], (4.4 * len(names), 3.4), "augmentation") as (axes, made):
        for name in names:
            own = [one for one in whole if one.dataset == name]
            _arms(axes[name], trained, own, on_whole_scale(sets[name]))
    return made.svg


def _arms(panel: Any, trained: Trained, whole: Sequence[Experiment], read: Callable[[Any], float]) -> None:
    for place, arm in enumerate(dict.fromkeys(one.augmentation for one in whole)):
        own = [one for one in whole if one.augmentation == arm]
        shares = np.array([one.share for one in own])
        cells = [spread([MSE * read(told) for told in trained.over_seeds(one)]) for one in own]
        low, middle, high = (np.array([cell[key] for cell in cells]) for key in ("p5", "median", "p95"))
        panel.plot(100.0 * shares, middle, marker="o", ms=4.0, **style.line(place, arm))
        style.band(panel, 100.0 * shares, low, high, style.colour(place), "")
    panel.set_xscale("log")
    panel.set_yscale("log")
    style.label(panel, f"Augmentation: {whole[0].dataset}", "share of the trials (%)", "MSE (1e-3)")
    panel.legend(*_named(panel))


def tuning(found: Sequence[Any]) -> str:
    """The least loss so far against the budget."""
    with drawing([["it"]], (5.2, 3.4), "tuning") as (axes, made):
        panel = axes["it"]
        for place, method in enumerate(dict.fromkeys(one.method for one in found)):
            for number, one in enumerate(own for own in found if own.method == method):
                used, least = np.array(one.history).T
                look = style.line(place, method if number == 0 else None)
                panel.step(used, MSE * least, where="post", alpha=0.7, **{**look, "lw": 1.2})
        panel.set_yscale("log")
        style.label(panel, "Tuning, one line per seed", "passes over the data", "least validation loss (1e-3)")
        panel.legend()
    return made.svg


def _pair(panel: Any, own: Mapping[str, Any], place: int, names: Sequence[str], title: str) -> None:
    unit = {"moment": "N·m", "angle": "rad"}.get(names[place].rsplit(" ", 1)[-1], "activation")
    panel.plot(own["time"], own["asked"][:, place], **style.line(0, "asked"))
    panel.plot(own["time"], own["said"][:, place], **style.line(1, "predicted"))
    name = names[place].replace("_angle angle", " angle").replace("_angle moment", " moment").replace("_", " ")
    style.label(panel, f"{title}, {name}", "time (s)", unit)
    _beside_title(panel)


def _missed(panel: Any, missed: Mapping[str, Any] | None, keep: Any) -> None:
    if missed is None:
        style.note(panel, "No moments are known of this set.")
        return
    time, values = np.asarray(missed["time"])[keep], np.asarray(missed["moment"])[keep]
    for place, name in enumerate(("shoulder", "elbow")):
        panel.plot(time, values[:, place], **style.line(place, name))
    style.label(panel, "Moment residual", "time (s)", "N·m")
    _beside_title(panel)


def _beside_title(panel: Any) -> None:
    """The legend where no line is."""
    panel.legend(ncols=2, loc="lower right", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.1, fontsize=8)


def _named(panel: Any) -> tuple[list[Any], list[str]]:
    pairs = [(handle, name) for handle, name in zip(*panel.get_legend_handles_labels(), strict=True) if name]
    return [handle for handle, _ in pairs], [name for _, name in pairs]


def _column(names: Sequence[str], wanted: str, otherwise: int) -> int:
    return names.index(wanted) if wanted in names else otherwise
