"""What a study has done so far: a line per job that ended, kept as it ends, and the manifest that is made of them."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError, explain
from ..files.storage import write_records

if TYPE_CHECKING:
    import pandas as pd

JOURNAL, MANIFEST, LOCK = "journal.jsonl", "manifest", "running.lock"
#: First columns of the manifest; what else rows have follows.
FIRST = (
    "job", "subject", "trial", "method", "status", "reason", "frames", "frames_solved", "moment_residual_max",
    "reserve_share_max", "reserve_coordinate", "residual_force_N", "residual_moment_Nm", "checks_failed", "findings",
    "peak_force_N", "objective_mean", "emg_r_median", "start", "end", "read_s", "solve_s", "seconds", "peak_mb",
    "attempts", "strides", "inputs", "key",
)  # fmt: skip


class Journal:
    """Rows of a study's folder by job; the last of a job counts.

    ``add`` has a row on the disk before it returns. A line that was cut by a power failure is no row.
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
            The disk is full, or the folder gone: the study cannot go on.
        """
        line = json.dumps(dict(row), default=str, ensure_ascii=False)
        try:
            with self.path.open("ab") as file:
                start = b"\n" if file.tell() and not self._ends_whole() else b""
                file.write(start + line.encode("utf-8") + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise _no_room("journal", error, self.path) from None
        self.rows[str(row["job"])] = dict(row)

    def _ends_whole(self) -> bool:
        with self.path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"


def write_manifest(folder: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write ``manifest.csv`` and, with pyarrow at hand, ``manifest.parquet``; each appears whole or not at all.

    Raises
    ------
    InputError
        No room for them: the journal has every row all the same.
    """
    import pandas as pd

    columns = [*FIRST, *dict.fromkeys(name for row in rows for name in row if name not in FIRST)]
    try:
        write_records(pd.DataFrame.from_records(list(rows), columns=columns), folder / MANIFEST)
    except OSError as error:
        raise _no_room("manifest", error, folder) from None


def _no_room(what: str, error: OSError, path: Path) -> InputError:
    fix = "Make room, then go on with --resume: nothing that was done is lost."
    return InputError(explain(f"room for the study's {what}", f"{error.strerror or error}", fix, path))


def read_manifest(folder: str | os.PathLike[str]) -> pd.DataFrame:
    """The manifest of a study's folder, one row per job.

    Raises
    ------
    InputError
        No study has run there.
    """
    import pandas as pd

    path = Path(folder) / f"{MANIFEST}.csv"
    if not path.is_file():
        raise InputError(explain("a study's folder with manifest.csv", "none", "Run osimopt batch first.", folder))
    text = ["job", "subject", "trial", "method", "status", "reason", "reserve_coordinate", "checks_failed", "key"]
    table = pd.read_csv(path, keep_default_na=False, na_values=[""], dtype=dict.fromkeys(text, str))
    table = table.reindex(columns=[*FIRST, *(name for name in table.columns if name not in FIRST)])  # of older versions
    return table.fillna(dict.fromkeys(text, ""))  # a trial may be called nan
