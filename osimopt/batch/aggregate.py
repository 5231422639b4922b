"""Results of a whole study: force curves of all trials, and peaks by subject and method in long form."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..solution.reader import Result
from .journal import DONE, read_manifest

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

#: Points of a time-normalised curve: 0 to 100 % of a trial.
POINTS = 101


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Forces (N) of the solved trials with the same muscles, over 0 to 100 % of their strides.

    ``curves`` is (J, 101, M), with the J jobs in ``jobs``. A trial without known strides counts as one.
    """

    jobs: tuple[str, ...]
    subjects: tuple[str, ...]
    methods: tuple[str, ...]
    muscles: tuple[str, ...]
    curves: Array


def gather(folder: str | os.PathLike[str]) -> tuple[pd.DataFrame, list[Ensemble]]:
    """Read every result of a study once: peaks of each muscle in long form, and curves of its forces.

    Returns
    -------
    pandas.DataFrame
        Columns job, subject, trial, method, muscle, peak_force_N, mean_force_N, impulse_Ns, peak_activation.
    list of Ensemble
        One for each set of muscles in the study.

    Raises
    ------
    InputError
        The folder has no study.
    """
    import pandas as pd

    tables, parts = [], dict[tuple[str, ...], list[tuple[Any, Array]]]()
    for row, result in solved(folder):
        tables.append(_peaks(row, result))
        parts.setdefault(result.muscles, []).append((row, _curve(row, result)))
    ensembles = [
        Ensemble(
            tuple(row["job"] for row, _ in trials), tuple(row["subject"] for row, _ in trials),
            tuple(row["method"] for row, _ in trials), muscles, np.stack([curve for _, curve in trials]),
        )
        for muscles, trials in parts.items()
    ]  # fmt: skip
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=["job"]), ensembles


def _curve(row: Any, result: Result) -> Array:
    """Force (101, M) in N: mean over the trial's strides, or the trial from its first to its last frame."""
    text = row.get("strides")
    strides = json.loads(text) if isinstance(text, str) and text else [[result.time[0], result.time[-1]]]
    times = [np.linspace(first, last, POINTS) for first, last in strides]
    each = [[np.interp(at, result.time, column) for column in result.muscle_force.T] for at in times]
    return np.asarray(np.mean(each, axis=0).T)


def _peaks(row: Any, result: Result) -> pd.DataFrame:
    """One row per muscle with its peak, mean and impulse of force and its peak activation."""
    import pandas as pd

    known = np.where(np.isfinite(result.muscle_force), result.muscle_force, 0.0)
    return pd.DataFrame({
        **{name: str(row[name]) for name in ("job", "subject", "trial", "method")}, "muscle": result.muscles,
        "peak_force_N": np.nanmax(result.muscle_force, axis=0), "mean_force_N": np.nanmean(result.muscle_force, axis=0),
        "impulse_Ns": np.trapezoid(known, result.time, axis=0), "peak_activation": np.nanmax(result.activation, axis=0),
    })  # fmt: skip


def long_table(ensembles: list[Ensemble]) -> pd.DataFrame:
    """Mean and standard deviation of force (N) over trials, by subject, method, muscle and percent."""
    import pandas as pd

    tables = []
    for ensemble in ensembles:
        for subject, method in dict.fromkeys(zip(ensemble.subjects, ensemble.methods, strict=True)):
            keep = [one == (subject, method) for one in zip(ensemble.subjects, ensemble.methods, strict=True)]
            values = ensemble.curves[keep]
            spread = values.std(axis=0, ddof=1) if len(values) > 1 else np.full(values.shape[1:], np.nan)
            tables.append(pd.DataFrame({
                "subject": subject, "method": method, "muscle": np.repeat(ensemble.muscles, POINTS),
                "percent": np.tile(np.arange(POINTS), len(ensemble.muscles)), "trials": len(values),
                "force_mean_N": values.mean(axis=0).T.ravel(), "force_sd_N": spread.T.ravel(),
            }))  # fmt: skip
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=["subject"])


def solved(folder: str | os.PathLike[str]) -> Iterator[tuple[Any, Result]]:
    """Rows of the manifest that have results, each with its result."""
    table = read_manifest(folder)
    for _, row in table[table["status"].isin(DONE)].iterrows():
        place = Path(folder) / "results" / str(row["job"])
        if (place / "solution.json").is_file():
            yield row, Result.read(place)
