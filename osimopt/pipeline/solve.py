"""A trial from files to a result folder: read, solve, check, write, whole or in pieces."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_args

from ..adapters.load import open_trial, read_problem
from ..adapters.options import Loads, ReadOptions, Source, Table
from ..adapters.trial import PIECE
from ..devices import Device
from ..errors import InputError, SolverError, check_names, explain
from ..files.folders import check_target
from ..isolation import Progress
from ..problem.problem import RedundancyProblem
from ..solution.folder import RESULT, write_parts, write_pieces
from ..solution.quantities import Outputs, check_outputs
from ..solution.solution import Quantity, RedundancySolution
from ..solution.summary import Summary
from ..static.options import StaticOptions
from .methods import Iterations, check_options, read_surrogate, refuse_forces, solve_problem, with_contacts
from .options import SolveOptions, SurrogateOptions, read_solve_options
from .pieces import Pieces
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
    checkpoint: Source | None = None,
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
    checkpoint
        Folder for windows of a long motion, as in :func:`osimopt.solve_dynamic`; other methods need none.
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
        read, read_solve_options(solve or {}), folder, cache=cache, checkpoint=checkpoint, frames=frames,
        outputs=outputs, overwrite=overwrite, n_jobs=n_jobs, reading=progress, on_piece=on_piece,
    )  # fmt: skip
    return solved.summary, solved.provenance


def solve_trial(
    read: ReadOptions,
    solve: SolveOptions,
    folder: Source,
    *,
    reader: Reader | None = None,
    cache: Source | None = None,
    checkpoint: Source | None = None,
    frames: int = PIECE,
    outputs: Outputs = (),
    overwrite: bool = False,
    n_jobs: int | None = None,
    reading: Progress | None = None,
    solving: Iterations | None = None,
    on_window: Progress | None = None,
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
    read = with_contacts(read, solve)
    static = isinstance(solve, StaticOptions)
    further = check_outputs(outputs, get_args(Quantity) if static else (*get_args(Quantity), "excitation"))
    if getattr(solve, "metabolic", None) is not None and "metabolic_rate" not in further:  # reports show it
        outputs = (*further, "metabolic_rate")
    device = solve.device if isinstance(solve, StaticOptions) else "cpu"
    if isinstance(solve, StaticOptions) and reader is None and cache is None:
        trial = open_trial(with_networks(read), n_jobs, device=Device.of(device))
        pieces = Pieces(trial, frames, solve, outputs, on_piece, reading)
        written = write_parts(pieces.parts, len(trial), folder, overwrite=overwrite, closing=trial.noticed)
        return SolvedTrial(*written, pieces.whole)
    network = read_surrogate(solve.folder, solve.device) if isinstance(solve, SurrogateOptions) else None
    if network is not None and network.kind == "dynamic":
        refuse_forces(read, "a dynamic surrogate")
    problem = reader(read) if reader else read_problem(with_networks(read), n_jobs, cache, reading, device)
    progress = None if static else solving
    try:
        solution = solve_problem(
            problem,
            solve,
            network=network,
            n_jobs=n_jobs,
            progress=progress,
            on_window=on_window,
            checkpoint=checkpoint,
        ).to("cpu")
        if on_piece is not None:
            on_piece(solution)
        written = write_pieces([solution], len(solution.time), folder, outputs=outputs, overwrite=overwrite)
    except SolverError as error:
        raise SolverError(f"{error} {_kept(checkpoint)}", error.solution) from None
    return SolvedTrial(*written, solution)


def _kept(checkpoint: Source | None) -> str:
    """What is left of a solve without an answer."""
    from ..dynamic.checkpoint import SolvedWindows

    if checkpoint is None or not SolvedWindows(Path(checkpoint)).any():
        return "Nothing was written."
    return f"No results were written; {checkpoint} keeps the solved windows: the same call continues there."
