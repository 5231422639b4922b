"""A trial from files to a result folder: read, solve, check, write, whole or in pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from itertools import chain
from typing import Any, get_args

from ..adapters.load import open_trial, read_problem
from ..adapters.options import Loads, ReadOptions, Source, Table
from ..adapters.trial import PIECE
from ..devices import Device
from ..errors import InputError, SolverError, check_names, explain
from ..files.folders import check_target
from ..isolation import Progress
from ..problem.problem import RedundancyProblem
from ..solution.folder import RESULT, write_pieces
from ..solution.quantities import Outputs, check_outputs
from ..solution.solution import Quantity, RedundancySolution
from ..solution.summary import Summary
from ..static.options import StaticOptions
from .methods import Iterations, check_options, read_surrogate, refuse_forces, solve_problem
from .options import SolveOptions, SurrogateOptions, read_solve_options
from .read import with_networks

Reader = Callable[[ReadOptions], RedundancyProblem]


@dataclass(frozen=True, eq=False)
class SolvedTrial:
    """Summary and provenance of a trial, and its solution where that is in one piece."""

    summary: Summary
    provenance: dict[str, Any]
    solution: RedundancySolution | None


def solve_to_folder(
    folder: Source,
    model: Any,
    motion: Table,
    external_loads: Loads | None = None,
    *,
    solve: dict[str, Any] | None = None,
    cache: Source | None = None,
    frames: int = PIECE,
    outputs: Outputs = (),
    overwrite: bool = False,
    n_jobs: int | None = None,
    progress: Progress | None = None,
    on_piece: Callable[[RedundancySolution], None] | None = None,
    **options: Any,
) -> tuple[Summary, dict[str, Any]]:
    """Find muscle forces along a motion of any length and write them, by static optimization in bounded memory.

    Parameters
    ----------
    folder
        Result folder, as :meth:`RedundancySolution.write` writes it; it appears when all is solved.
    model, motion, external_loads, options
        As in :func:`osimopt.load_problem`.
    solve
        ``method`` ("static", "dynamic" or "surrogate") and arguments of :func:`osimopt.solve_static` or
        :func:`osimopt.solve_dynamic`, or the ``folder`` of a surrogate, as ``{"exponent": 3}``. By default static.
    cache
        Folder that keeps the problem, as in :func:`osimopt.load_problem`; then all of it is held at once.
    frames
        How many are held at a time by static optimization. The other methods hold the whole motion.
    outputs
        Names of further quantities to write, of those of :meth:`osimopt.RedundancySolution.to_dataframe`, or ``"all"``.
    overwrite
        Replace an earlier result folder.
    n_jobs, progress
        As in :func:`osimopt.load_problem`.
    on_piece
        Called with the solution of each piece.

    Returns
    -------
    Summary, dict
        Counts, peaks and findings of all frames, and their provenance. Failed frames are NaN in the files.

    Raises
    ------
    InputError, ModelError
        Wrong files or options, before anything is solved.
    SolverError
        Dynamic optimization failed or was stopped; nothing is written.

    Examples
    --------
    >>> import osimopt
    >>> from osimopt.datasets import arm26
    >>> arm = arm26()
    >>> summary, provenance = osimopt.solve_to_folder("out", arm.model, arm.motion, time_range=(0.2, 0.4), frames=10)
    >>> summary.frames, summary.solved, provenance["cost"]["name"]
    (21, 21, 'activation_power')
    """
    check_names("options of load_problem", options, [own.name for own in fields(ReadOptions)])
    read = ReadOptions(model, motion, external_loads, **options)
    solved = solve_trial(
        read, read_solve_options(solve or {}), folder, cache=cache, frames=frames, outputs=outputs, overwrite=overwrite,
        n_jobs=n_jobs, reading=progress, on_piece=on_piece,
    )  # fmt: skip
    return solved.summary, solved.provenance


def solve_trial(
    read: ReadOptions,
    solve: SolveOptions,
    folder: Source,
    *,
    reader: Reader | None = None,
    cache: Source | None = None,
    frames: int = PIECE,
    outputs: Outputs = (),
    overwrite: bool = False,
    n_jobs: int | None = None,
    reading: Progress | None = None,
    solving: Iterations | None = None,
    on_piece: Callable[[RedundancySolution], None] | None = None,
) -> SolvedTrial:
    """Read a trial, solve it and write its result folder.

    Static optimization takes a motion in pieces of ``frames``, the other methods take it whole. ``reader`` reads
    the whole problem in place of :func:`osimopt.load_problem`. Other arguments are those of :func:`solve_to_folder`.

    Raises
    ------
    InputError, ModelError
        Wrong files or options, before anything is solved.
    SolverError
        Dynamic optimization failed or was stopped; nothing is written.
    """
    check_target(folder, RESULT, overwrite)
    if frames < 1:
        raise InputError(explain("frames of at least 1", f"{frames}", "5000 is the default."))
    check_options(read, solve)
    static = isinstance(solve, StaticOptions)
    check_outputs(outputs, get_args(Quantity) if static else (*get_args(Quantity), "excitation"))
    network = read_surrogate(solve.folder, solve.device) if isinstance(solve, SurrogateOptions) else None
    if network is not None and network.kind == "dynamic":
        refuse_forces(read, "a dynamic surrogate")
    device = solve.device if isinstance(solve, StaticOptions) else "cpu"
    length, problems = _problems(read, reader, frames if static else None, cache, n_jobs, reading, device)
    progress = None if static else solving  # pieces are counted while they are read
    last: list[RedundancySolution] = []

    def solved(piece: RedundancyProblem) -> RedundancySolution:
        last[:] = [solve_problem(piece, solve, network=network, n_jobs=n_jobs, progress=progress).to("cpu")]
        if on_piece is not None:
            on_piece(last[0])
        return last[0]

    solutions = map(solved, problems)
    try:
        first = next(solutions)
        length = length if static else len(first.time)  # a mesh has its own points
        summary, provenance = write_pieces(
            chain([first], solutions), length, folder, outputs=outputs, overwrite=overwrite
        )
    except SolverError as error:
        raise SolverError(f"{error} Nothing was written.", error.solution) from None
    return SolvedTrial(summary, provenance, last[0] if len(last[0].time) == summary.frames else None)


def _problems(
    read: ReadOptions,
    reader: Reader | None,
    frames: int | None,
    cache: Source | None,
    n_jobs: int | None,
    progress: Progress | None,
    device: str,
) -> tuple[int, Iterator[RedundancyProblem]]:
    """Number of frames, and problems that follow each other: of all frames at once where ``frames`` is None."""
    if reader is None and frames is not None and cache is None:
        trial = open_trial(with_networks(read), n_jobs, device=Device.of(device))
        return len(trial), trial.pieces(frames, progress)
    problem = reader(read) if reader else read_problem(with_networks(read), n_jobs, cache, progress, device)
    return len(problem), iter([problem])
