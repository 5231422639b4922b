"""Watching a solve in another process: what it says of its iterations, and how it is stopped."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Self

#: (iteration, objective, largest violation of a constraint) of all parts that have begun; the count is the largest.
Progress = Callable[[int, float, float], None]


class Watch:
    """A folder for each part of a problem, in which its process writes a line per iteration; see ``worker.solve``.

    The first Ctrl-C asks all parts to end after their current iteration; a second one is not waited for.
    """

    def __init__(self, parts: int, progress: Progress | None) -> None:
        self._root = Path(tempfile.mkdtemp(prefix="osimopt-dynamic-"))
        self.folders = [self._root / str(number) for number in range(parts)]
        for folder in self.folders:
            folder.mkdir()
        self._progress = progress
        self._told = -1
        self.stopped = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._root, ignore_errors=True)

    def tick(self) -> None:
        """Tell of new iterations: of all parts that have begun together, the count of the one furthest on."""
        if self._progress is None:
            return
        latest = [_last_line(folder / "progress") for folder in self.folders]
        known = [line for line in latest if line is not None]
        if not known:
            return
        count = max(int(line[0]) for line in known)
        if count > self._told:
            self._told = count
            self._progress(count, sum(line[1] for line in known), max(line[2] for line in known))

    def interrupted(self) -> bool:
        """Ask for an end."""
        if self.stopped:
            return False
        self.stopped = True
        for folder in self.folders:
            (folder / "stop").touch()
        return True


def _last_line(path: Path) -> tuple[float, ...] | None:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    words = lines[-1].split() if lines else []
    return tuple(float(word) for word in words) if len(words) == 3 else None
