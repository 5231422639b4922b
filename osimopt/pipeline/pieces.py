"""Pieces of a motion, which are read, solved and made text one after the other, or by several processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from .. import isolation
from ..adapters.exact_differences import PathFindings
from ..adapters.extraction import NeedsOpenSimError
from ..adapters.trial import Trial
from ..devices import CPU
from ..isolation import Progress
from ..notices import collect_warnings, warn
from ..solution.contents import PIECE, Part, part_of
from ..solution.quantities import Outputs
from ..solution.solution import RedundancySolution
from ..static.options import StaticOptions
from .methods import solve_problem

#: Frames after the first piece for which processes are started, each of which takes a second for it.
LONG = 10_000


@dataclass(eq=False)
class Pieces:
    """A motion to be solved by static optimization, ``frames`` at a time, by several processes where it is long.

    ``on_piece`` is called with the solution of each piece; then there are no other processes. ``done`` are the frames
    whose parts have been given, ``whole`` the solution where it is in one piece.
    """

    trial: Trial
    frames: int
    solve: StaticOptions
    outputs: Outputs
    on_piece: Callable[[RedundancySolution], None] | None = None
    progress: Progress | None = None
    done: int = 0
    whole: RedundancySolution | None = None

    def __str__(self) -> str:
        """Return what errors name: the piece that is waited for."""
        return f"{self.trial.model.path}, frames from {self.trial.motion.time[self.done]:g} s on"

    def parts(self, folder: Path) -> Iterator[Part]:
        """What each piece adds to the result folder, in order; other processes leave their rows in ``folder``.

        The first piece decides what all have in common: reserves, pairs, whether OpenSim is needed. Where it is not,
        other processes do the rest. The parts are the same, bit by bit.

        Raises
        ------
        SolverError
            A process died.
        """
        long = self._may_be_shared()
        if long:
            isolation.prepare("frames", f"{__name__}:warm_up", (), self.trial.n_jobs)
        before: Part | None = None
        while self.done < len(self.trial):
            for problem in self.trial.pieces(self.frames, self.progress, self.done):
                solution = solve_problem(problem, self.solve).to("cpu")
                if self.on_piece is not None:
                    self.on_piece(solution)
                self.whole = solution if len(problem) == len(self.trial) else None
                part = part_of(solution, self.outputs, before)
                before = replace(part, rows={})
                self.done += len(problem)
                yield part
                if long and self.trial.extraction.by_arrays and part.work is None:
                    break
            if self.done < len(self.trial):
                del problem, solution, part  # several hundred MB, for as long as the others work
                yield from self._by_processes(folder)
                long = False  # the rest needs OpenSim

    def _may_be_shared(self) -> bool:
        """Whether other processes may do pieces."""
        alone = self.on_piece is not None or self.trial.n_jobs == 1 or self.trial.device != CPU
        return not alone and len(self.trial) - self.frames >= LONG and self.trial.extraction.chain is not None

    def _next(self, start: int) -> slice:
        return slice(start, min(start + self.frames, len(self.trial)))

    def _by_processes(self, folder: Path) -> Iterator[Part]:
        """The parts that follow, up to one for which OpenSim is needed."""
        starts = range(self.done, len(self.trial), self.frames)
        calls = ((self.trial.piece(self._next(start)), self.solve, self.outputs, folder) for start in starts)
        name = f"{__name__}:solve_piece"
        try:
            for found in isolation.run_many("frames", name, calls, subject=self, n_jobs=self.trial.n_jobs):
                if found is None:
                    break
                self.trial.extraction.findings.join(found.noticed)
                for text in found.warnings:
                    warn(text)
                self.done = self._next(self.done).stop
                if self.progress is not None:
                    self.progress(self.done, len(self.trial))
                yield found.part
        finally:
            if self.done < len(self.trial):
                isolation.close("frames")  # they would go on, and write into the folder
                for start in starts[(self.done - starts.start) // self.frames :]:
                    for path in folder.glob(f"*{PIECE}{float(self.trial.motion.time[start])!r}"):
                        path.unlink()  # of a piece that was quicker than the one for which OpenSim is needed


@dataclass(frozen=True, eq=False)
class Found:
    """What a process gives back of a piece."""

    part: Part
    noticed: PathFindings
    warnings: list[str]


def warm_up() -> None:
    """Import what a piece needs."""
    from ..static import solve  # noqa: F401


def solve_piece(trial: Trial, solve: StaticOptions, outputs: Outputs, folder: Path) -> Found | None:
    """Solve the piece of a trial (:meth:`Trial.piece`), its rows as files in a folder; None if OpenSim is needed."""
    with collect_warnings() as warnings:
        try:
            problem = trial.own_frames()
        except NeedsOpenSimError:
            return None
        part = part_of(solve_problem(problem, solve), outputs)
    return Found(part.moved(folder), trial.extraction.findings, warnings)
