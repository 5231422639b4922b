"""Rows of a study's jobs: the journal of those that ended, the manifest made of them, and a verdict on all of them."""

from __future__ import annotations

import contextlib
import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError, explain
from ..files.storage import write_records

if TYPE_CHECKING:
    import pandas as pd

JOURNAL, MANIFEST, LOCK = "journal.jsonl", "manifest", "running.lock"
#: Statuses of jobs that have results; ``resume`` does not repeat them.
DONE = ("solved", "partly")
#: Separator of the names of checks in a row.
BETWEEN = "; "
#: Columns of the peak force through a joint, in N and in body weights: these, and the joint's name.
CONTACT_N, CONTACT_BW = "contact_N ", "contact_BW "
#: First columns of the manifest; other entries of rows follow.
FIRST = (
    "job", "subject", "trial", "method", "status", "reason", "frames", "frames_solved", "moment_residual_max",
    "reserve_share_max", "reserve_coordinate", "residual_force_N", "residual_moment_Nm", "checks_failed", "findings",
    "peak_force_N", "objective_mean", "emg_r_median", "start", "end", "read_s", "solve_s", "seconds", "peak_mb",
    "attempts", "strides", "inputs", "geometry", "description", "geometry_asked", "versions", "key",
)  # fmt: skip
#: Columns of text: a trial may be called nan.
TEXT = (
    "job", "subject", "trial", "method", "status", "reason", "reserve_coordinate", "checks_failed", "geometry",
    "description", "geometry_asked", "versions", "key",
)  # fmt: skip


class Journal:
    """Rows of a study's folder by job; the last row of a job counts.

    ``add`` returns once the row is on the disk. A line that a power failure cut is not a row.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / JOURNAL
        self.rows: dict[str, dict[str, Any]] = {}
        if self.path.is_file():
            for line in self.path.read_text(encoding="utf-8", errors="replace").splitlines():
                with contextlib.suppress(ValueError, TypeError, KeyError):
                    row = json.loads(line)
                    self.rows[str(row["job"])] = row

    def add(self, row: Mapping[str, Any]) -> None:
        """Append a row.

        Raises
        ------
        InputError
            The disk is full or the folder was removed.
        """
        line = json.dumps(dict(row), default=str, ensure_ascii=False)
        try:
            with self.path.open("a+b") as file:
                end = file.seek(0, os.SEEK_END)
                file.seek(max(0, end - 1))
                start = b"" if file.read(1) in (b"", b"\n") else b"\n"
                file.write(start + line.encode("utf-8") + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise _no_space("journal", error, self.path) from None
        self.rows[str(row["job"])] = dict(row)


def write_manifest(folder: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write ``manifest.csv`` and, with pyarrow installed, ``manifest.parquet``; each appears whole or not at all.

    Raises
    ------
    InputError
        No space for them. The journal still has every row.
    """
    import pandas as pd

    columns = [*FIRST, *dict.fromkeys(name for row in rows for name in row if name not in FIRST)]
    try:
        write_records(pd.DataFrame.from_records(list(rows), columns=columns), folder / MANIFEST)
    except OSError as error:
        raise _no_space("manifest", error, folder) from None


def _no_space(what: str, error: OSError, path: Path) -> InputError:
    fix = "Free space, then continue with --resume: no finished job is lost."
    return InputError(explain(f"space for the study's {what}", f"{error.strerror or error}", fix, path))


def read_manifest(folder: str | os.PathLike[str]) -> pd.DataFrame:
    r"""Read the manifest of a study's folder.

    Parameters
    ----------
    folder
        Folder that :func:`osimopt.run_study` wrote.

    Returns
    -------
    pandas.DataFrame
        One row per job with, among others, ``job``, ``status`` (solved, partly, failed, wrong input, crashed, timeout
        or memory), ``reason``, ``frames``, ``moment_residual_max`` (N·m), ``checks_failed`` and ``seconds``; of
        each joint whose reactions were asked for, its peak force as ``contact_N <joint>`` and, in body weights,
        ``contact_BW <joint>``.

    Raises
    ------
    InputError
        The folder has no manifest.csv.

    Examples
    --------
    >>> import osimopt
    >>> from osimopt.datasets import arm26
    >>> arm = arm26()
    >>> toml = f'subjects = [{{name = "S1", model = "{arm.model}", motions = "{arm.motion}", time_range = [0.2, 0.4]}}]'
    >>> with open("study.toml", "w") as file:
    ...     _ = file.write(toml + '\nmethods = [{name = "p2"}, {name = "p3", exponent = 3}]')
    >>> manifest = osimopt.read_manifest(osimopt.run_study("study.toml"))
    >>> list(manifest["status"]), list(manifest["frames_solved"])
    (['solved', 'solved'], [21, 21])
    """
    import pandas as pd

    path = Path(folder) / f"{MANIFEST}.csv"
    if not path.is_file():
        raise InputError(explain("a study's folder with manifest.csv", "no such file", "Run osimopt batch.", folder))
    table = pd.read_csv(path, keep_default_na=False, na_values=[""], dtype=dict.fromkeys(TEXT, str))
    table = table.reindex(columns=[*FIRST, *(name for name in table.columns if name not in FIRST)])  # of older versions
    return table.fillna(dict.fromkeys(TEXT, ""))


@dataclass(frozen=True)
class Verdict:
    """Number of jobs by status, of jobs that fail a check, and of failures by check, the most frequent first."""

    statuses: Counter[str]
    failing: int
    checks: Counter[str]

    @classmethod
    def of(cls, manifest: pd.DataFrame) -> Verdict:
        """Verdict on the rows of a manifest."""
        names = [failed_checks(text) for text in manifest["checks_failed"]]
        checks = Counter(name for failed in names for name in failed)
        return cls(Counter(manifest["status"].tolist()), sum(map(bool, names)), checks)

    @property
    def good(self) -> bool:
        """Whether every job was solved and passes every check."""
        return set(self.statuses) <= {"solved"} and not self.failing

    def __str__(self) -> str:
        """``12 solved, 12 fail a check (largest reserve 12, residual moment 3)``."""
        parts = [f"{count} {status}" for status, count in self.statuses.most_common()] or ["no jobs"]
        if self.failing:
            each = ", ".join(f"{name} {count}" for name, count in self.checks.most_common())
            parts.append(f"{self.failing} {'fails' if self.failing == 1 else 'fail'} a check ({each})")
        return ", ".join(parts)


def failed_checks(text: object) -> list[str]:
    """Names of checks in a cell of the manifest."""
    return [name for name in str(text or "").split(BETWEEN) if name]
