"""Watching a solve in another process: what it says of its iterations, and how it is stopped."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Self

#: (iteration, objective, largest violation of a constraint) of all parts that have begun; the count is the largest.
#: Every round, which are the windows of a long motion, the whole and each finer mesh, begins with iteration 0.
Progress = Callable[[int, float, float], None]


class Watch:
    """A folder for each part of a problem, in which its process writes a line per iteration; see ``worker.solve``.

    The first Ctrl-C asks all parts to end after their current iteration; a second one is not waited for. So does an
    exception of ``progress``, which is kept as ``raised`` for when they have ended.
    """

    def __init__(self, parts: int, progress: Progress | None) -> None:
        self._root = Path(tempfile.mkdtemp(prefix="osimopt-dynamic-"))
        self.folders = [self._root / str(number) for number in range(parts)]
        for folder in self.folders:
            folder.mkdir()
        self._progress = progress
        self._told = -1
        self.stopped = False
        self.raised: Exception | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._root, ignore_errors=True)

    def tick(self) -> None:
        """Tell of the first iteration and of new ones: of all parts that have begun, the count of the furthest on."""
        if self._progress is None or self.raised is not None:
            return
        known = [lines for folder in self.folders if (lines := _lines(folder / "progress"))]
        if not known:
            return
        if self._told < 0:
            self._tell([lines[0] for lines in known])
        self._tell([lines[-1] for lines in known])

    def _tell(self, lines: list[tuple[float, ...]]) -> None:
        count = max(int(line[0]) for line in lines)
        if count <= self._told or self._progress is None or self.raised is not None:
            return
        self._told = count
        try:
            self._progress(count, sum(line[1] for line in lines), max(line[2] for line in lines))
        except Exception as error:
            self.raised = error
            self.interrupted()

    def interrupted(self) -> bool:
        """Ask for an end."""
        if self.stopped:
            return False
        self.stopped = True
        for folder in self.folders:
            (folder / "stop").touch()
        return True


def _lines(path: Path) -> list[tuple[float, ...]]:
    """All whole lines."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    except OSError:
        return []
    return [tuple(float(word) for word in line.split()) for line in lines]
