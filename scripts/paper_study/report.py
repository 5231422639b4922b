"""The study of the seed paper as a page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from osimopt.report.page import Section, write_page

from . import figures
from .study import Findings
from .table import Table

TITLE = "A published network for muscle redundancy, tried with splits, baselines and an exact solver"


def write_study(found: Findings, folder: Path) -> Path:
    """Write ``study.html``: tables 1 to 6 and figure 1 of the paper, and what else was measured."""
    trained, made = found.trained, found.tables()
    drawn = {
        "table2_accuracy": [
            figures.objective(trained, found.missed), figures.networks(trained, made["table2_accuracy"]),
            figures.histogram(trained),
        ],
        "table3_4_optimizers": [figures.optimizers(trained, found.sets)],
        "balance": [figures.pareto(trained)],
        "augmentation": [figures.augmentation(trained, found.sets)],
        "tuning": [figures.tuning(found.tuned)],
    }  # fmt: skip
    first = ["verdicts", *(name for name in made if name != "verdicts")]
    sections = [section(made[name], drawn.get(name, [])) for name in first]
    return write_page(folder / "study.html", TITLE, _opening(found), sections)


def section(table: Table, figures: Sequence[str] = ()) -> Section:
    """A table of the study, the paper's own rows in grey."""
    cells = table.cells()
    quoted = [place for place, row in enumerate(cells) if "the paper" in row[:2]]
    grouped = len({row[0] for row in cells}) < len(cells)
    return Section(
        table.title, table.note, figures=figures, columns=table.columns, rows=cells, grouped=grouped, quoted=quoted
    )


def _opening(found: Findings) -> list[str]:
    plan, spent, machine = found.trained.plan, found.spent, found.speed["machine"]
    budget = plan.budget
    lacking = [name for name in ("gait", "emg", "running") if name not in plan.datasets]
    without = f" Without the public data, {', '.join(lacking)} were left out." if lacking else ""
    return [
        "Bian (2025, doi:10.62617/mcb1271) proposes a hybrid of convolutions, LSTM and self-attention for optimization "
        "problems of biomechanics. Its tables name no split, no baseline, no units and no seeds. Here every system "
        "that it names is tried on data whose origin is known, next to its own figures.",
        f"Cells are medians with the 5th and 95th percentile over seeds (here {budget.seeds}), on trials that nothing "
        f"was learned from. Networks have about {budget.weights:,} weights and {budget.epochs} epochs, at the best of "
        f"as many learning rates each (here {len(budget.rates)}).{without}",
        f"Trainings: {spent['trainings']:.0f}, {spent['training_hours']:.2g} hours in all, on {machine['processor']}, "
        f"{machine['cores']} cores, without a GPU; Python {machine['python']}.",
    ]
