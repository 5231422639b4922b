"""A folder of what EMG says about costs: tables, the report, and how it was done."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from ..emg.comparison import EmgComparison
from ..solution.folder import write_folder, write_json
from .page import Section
from .report import write_report

if TYPE_CHECKING:
    from ..analysis.cost_ranking import CostRanking

#: Costs whose curves are drawn: the best.
DRAWN = 3


def write_validation(ranking: CostRanking, folder: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Write ``ranking.csv``, ``agreement.csv``, ``by_stride.csv``, ``co_contraction.csv``, ``coverage.csv``,
    ``flags.csv``, ``report.html`` and ``emg.json``; return the folder, which appears whole or not at all.

    Tables have all costs, by name in their first column. The report draws the best three.

    Raises
    ------
    InputError
        The folder exists and ``overwrite`` is False, or it holds anything else.
    """  # noqa: D205

    def fill(temporary: Path) -> None:
        compared = ranking.comparisons
        ranking.table.to_csv(temporary / "ranking.csv")
        for name, part in (("agreement", "table"), ("by_stride", "by_stride"), ("co_contraction", "co_contraction")):
            joined(compared, part).to_csv(temporary / f"{name}.csv")
        first = next(iter(compared.values()))
        first.coverage.to_csv(temporary / "coverage.csv", index=False)
        flags = {name: [(flag.channel, flag.kind, flag.text) for flag in own.flags] for name, own in compared.items()}
        rows = [(name, *flag) for name, own in flags.items() for flag in own]
        pd.DataFrame(rows, columns=["cost", "channel", "kind", "text"]).to_csv(temporary / "flags.csv", index=False)
        best = [name for name in ranking.table.index if name in compared][:DRAWN]
        write_report(
            {name: ranking.solutions[name] for name in best}, temporary / "report.html",
            emg={name: compared[name] for name in best}, sections=ranking_section(ranking),
        )  # fmt: skip
        write_json(
            {"notes": list(ranking.notes), **{name: own.summary() for name, own in compared.items()}},
            temporary / "emg.json",
        )

    return write_folder(Path(folder), overwrite, fill)


def joined(compared: Mapping[str, EmgComparison], part: str) -> pd.DataFrame:
    """One table of all costs."""
    tables: dict[str, pd.DataFrame] = {name: getattr(own, part) for name, own in compared.items()}
    return pd.concat(tables, names=["cost"])


def ranking_section(ranking: CostRanking) -> list[Section]:
    """Of two costs or more."""
    if len(ranking.table) < 2:
        return []
    rows = [
        [
            name, f"{row['chosen_r']:.3f}", f"{row['judged_r']:.3f}", f"{row['behind']:.3f}",
            "–" if pd.isna(row["behind_low"]) else f"{row['behind_low']:.3f} to {row['behind_high']:.3f}",
            f"{row['failed']:.0f}" if pd.notna(row["failed"]) else "–", row["reason"],
        ] if not row["reason"] else [name, "–", "–", "–", "–", "–", row["reason"]]
        for name, row in ranking.table.iterrows()
    ]  # fmt: skip
    columns = [
        "cost", "mean r, ranked by", "mean r, held out", "behind the first", "95 %", "frames failed", "not tried"
    ]  # fmt: skip
    return [Section("Which cost agrees best with EMG", items=ranking.notes, columns=columns, rows=rows)]
