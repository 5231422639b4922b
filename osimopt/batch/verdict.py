"""What a study amounts to in one line: how many jobs were solved, and how many of them fail a check."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

#: Between the names of checks in a row of the manifest.
BETWEEN = "; "


@dataclass(frozen=True)
class Verdict:
    """Jobs by status, jobs that fail a check, and failures by check, the most frequent first."""

    statuses: Counter[str]
    failing: int
    checks: Counter[str]

    @classmethod
    def of(cls, manifest: pd.DataFrame) -> Verdict:
        """Of the rows of a manifest."""
        names = [failed_checks(text) for text in manifest["checks_failed"]]
        checks = Counter(name for own in names for name in own)
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
    """Names in a cell of the manifest."""
    return [name for name in str(text or "").split(BETWEEN) if name]
