"""A trial from files to a result folder: read, solve, check, write, whole or in pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..adapters.arrays import Progress
from ..adapters.load import open_trial, read_problem
from ..adapters.options import ReadOptions, Source
from ..adapters.trial import PIECE
from ..dynamic.arguments import check_arguments
from ..dynamic.cost import dynamic_cost
from ..dynamic.options import DynamicOptions
from ..dynamic.prepare import check_penalty
from ..dynamic.scheme import scheme
from ..dynamic.solution import SealedSolution
from ..dynamic.solve import solve_dynamic
from ..errors import InputError, SolverError, explain, some
from ..files.storage import read_table
from ..muscle.conversion import use_degroote_muscles
from ..notices import warn
from ..problem.costs import get_cost
from ..problem.problem import RedundancyProblem
from ..solution.folder import check_target, write_pieces
from ..solution.solution import RedundancySolution
from ..solution.summary import Summary
from ..static.options import StaticOptions
from ..static.solve import solve_static
from ..surrogate.surrogate import Surrogate
from .options import SolveOptions, SurrogateOptions, as_arguments, read_solve_options
from .read import with_networks

#: Called with (iteration, objective, largest violation of an equation) by collocation.
Iterations = Callable[[int, float, float], None]
#: Largest distance in s of an end of time_range from the motion: files print times to 6 digits.
TIME_PRECISION = 1e-6


@dataclass(frozen=True, eq=False)
class SolvedTrial:
    """Summary and provenance of a trial, and its solution where that is in one piece."""

    summary: Summary
    provenance: dict[str, Any]
    solution: RedundancySolution | None

    def findings(self) -> list[str]:
        """What a careful reader should know, in sentences."""
        return self.summary.findings() if self.solution is None else self.solution.findings()


def solve_to_folder(
    folder: Source,
    model: Any,
    motion: Source,
    external_loads: Source | None = None,
    *,
    solve: dict[str, Any] | None = None,
    cache: Source | None = None,
    frames: int = PIECE,
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
    known = {own.name for own in fields(ReadOptions)}
    if unknown := [name for name in options if name not in known]:
        raise InputError(explain(f"options of load_problem ({some(known, 20)})", some(unknown), "Rename them."))
    read = ReadOptions(model, motion, external_loads, **options)
    solved = solve_trial(
        read, read_solve_options(solve or {}), folder, cache=cache, frames=frames, overwrite=overwrite, n_jobs=n_jobs,
        reading=progress, on_piece=on_piece,
    )  # fmt: skip
    return solved.summary, solved.provenance


def solve_trial(
    read: ReadOptions,
    solve: SolveOptions,
    folder: Source,
    *,
    problem: RedundancyProblem | None = None,
    cache: Source | None = None,
    frames: int = PIECE,
    overwrite: bool = False,
    n_jobs: int | None = None,
    reading: Progress | None = None,
    solving: Iterations | None = None,
    on_piece: Callable[[RedundancySolution], None] | None = None,
) -> SolvedTrial:
    """Read a trial, solve it and write its result folder.

    Static optimization takes a motion in pieces of ``frames``, the other methods take it whole. ``problem`` is what
    ``read`` gives, where it has been read before. Other arguments are those of :func:`solve_to_folder`.

    Raises
    ------
    InputError, ModelError
        Wrong files or options, before anything is solved.
    SolverError
        Dynamic optimization failed or was stopped; nothing is written.
    """
    check_target(Path(folder).absolute(), overwrite)
    if frames < 1:
        raise InputError(explain("frames of at least 1", f"{frames}", "5000 is the default."))
    check_options(read, solve)
    network = read_surrogate(solve.folder, solve.device) if isinstance(solve, SurrogateOptions) else None
    if network is not None and network.kind == "dynamic":
        refuse_forces(read, "a dynamic surrogate")
    static = isinstance(solve, StaticOptions)
    length, problems = _problems(with_networks(read), problem, frames if static else None, cache, n_jobs, reading)
    progress = None if static else solving  # pieces are counted while they are read
    last: list[RedundancySolution] = []

    def solved(piece: RedundancyProblem) -> RedundancySolution:
        last[:] = [solve_problem(piece, solve, network=network, n_jobs=n_jobs, progress=progress)]
        if on_piece is not None:
            on_piece(last[0])
        return last[0]

    solutions = map(solved, problems)
    try:
        first = next(solutions)
        length = length if static else len(first.time)  # a mesh has its own points
        summary, provenance = write_pieces(chain([first], solutions), length, folder, overwrite=overwrite)
    except SolverError as error:
        raise SolverError(f"{error} Nothing was written.", error.solution) from None
    return SolvedTrial(summary, provenance, last[0] if len(last[0].time) == summary.frames else None)


def _problems(
    read: ReadOptions,
    problem: RedundancyProblem | None,
    frames: int | None,
    cache: Source | None,
    n_jobs: int | None,
    progress: Progress | None,
) -> tuple[int, Iterator[RedundancyProblem]]:
    """Number of frames, and problems that follow each other: of all frames at once where ``frames`` is None."""
    if problem is None and (frames is None or cache is not None):
        problem = read_problem(read, n_jobs, cache, progress)
    if problem is not None:
        return len(problem), iter([problem])
    trial = open_trial(read, n_jobs)
    return len(trial), trial.pieces(frames or len(trial), progress)


def solve_problem(
    problem: RedundancyProblem,
    solve: SolveOptions,
    *,
    network: Any = None,
    n_jobs: int | None = None,
    progress: Callable[..., None] | None = None,
) -> RedundancySolution:
    """Solve a problem by the method of these options; failed frames are NaN.

    ``network`` is the surrogate, where it has been read; ``progress`` is that of :func:`osimopt.solve_static`, or of
    :func:`osimopt.solve_dynamic`.

    Raises
    ------
    SolverError
        Collocation failed or was stopped, so that no frame has an answer.
    """
    if isinstance(solve, StaticOptions):
        return solve_static(problem, on_failure="return", progress=progress, **as_arguments(solve))
    if isinstance(solve, SurrogateOptions):
        network = network or read_surrogate(solve.folder, solve.device)
        return solve_by_surrogate(problem, network, solve.fallback, n_jobs=n_jobs, progress=progress)
    options = as_arguments(solve)
    solution = solve_dynamic(problem, **options, n_jobs=n_jobs, on_failure="return", progress=progress)
    if isinstance(solution, SealedSolution):
        raise SolverError(solution.reason, solution)
    return solution


def read_surrogate(path: Source | None, device: str = "cpu") -> Any:
    """Read the folder of a surrogate of static or dynamic optimization: :meth:`osimopt.Surrogate.load`.

    Raises
    ------
    InputError
        No folder, or a surrogate of muscle paths.
    """
    if path is None:
        raise InputError(explain("--surrogate with --method surrogate", "none", "osimopt train makes one."))
    network = Surrogate.load(path, device)
    if not hasattr(network, "solve"):
        got = f"one of {network.kind}"
        raise InputError(explain("a surrogate of static or dynamic optimization", got, "Choose another.", path))
    return network


def solve_by_surrogate(
    problem: RedundancyProblem,
    network: Any,
    fallback: Literal["exact", "none"] = "exact",
    *,
    n_jobs: int | None = None,
    progress: Iterations | None = None,
) -> RedundancySolution:
    """Solve a problem by a surrogate of static or dynamic optimization, from :func:`read_surrogate`.

    With ``fallback="exact"`` frames without a verified answer go to the exact solver, after a dynamic surrogate the
    whole motion to collocation, which begins from the surrogate's answer; where collocation fails, that answer is kept,
    with a warning. With ``"none"`` such frames are NaN. A dynamic surrogate makes the muscles De Groote's.

    Raises
    ------
    InputError
        A surrogate of other muscles or coordinates.
    """
    if network.kind != "dynamic":
        static: RedundancySolution = network.solve(problem, fallback=fallback, on_failure="return")
        return static
    problem = use_degroote_muscles(problem)
    prediction: RedundancySolution = network.solve(problem)
    if fallback == "none" or prediction.success:
        return prediction
    failed = int((~prediction.solved).sum())
    warn(f"The surrogate has no answer in {failed} of {len(problem)} frames: the motion is solved by collocation.")
    solution = solve_dynamic(problem, initial_guess=prediction, n_jobs=n_jobs, on_failure="return", progress=progress)
    if not isinstance(solution, SealedSolution):
        return solution
    text = f"{solution.reason} The surrogate's answer is kept: {failed} of {len(problem)} frames have none."
    warn(text)
    prediction.provenance["warnings"] = [*prediction.provenance.get("warnings", []), text]
    return prediction


def check_options(read: ReadOptions, solve: SolveOptions) -> None:
    """Refuse what no solve can have, before anything is read.

    Raises
    ------
    InputError
        Unknown words, numbers out of range, options that do not go together.
    """
    if isinstance(solve, StaticOptions):
        if solve.cost == "excitation_power":
            fix = "Static optimization has no excitations: choose activation_power, or --method dynamic."
            raise InputError(explain("a cost of activations or forces", "excitation_power", fix))
        get_cost(solve.cost, solve.exponent)
    elif isinstance(solve, DynamicOptions):
        if solve.muscles or solve.tendon == "compliant":
            refuse_forces(read, "compliant tendons" if solve.tendon == "compliant" else f"muscles={solve.muscles}")
        check_arguments(**as_arguments(solve))
        check_penalty(solve.tendon, solve.derivative_penalty)
        dynamic_cost(solve.cost, solve.exponent, solve.tendon)
        scheme(solve.transcription)
        _check_interval(read)


def refuse_forces(read: ReadOptions, why: str) -> None:
    """Refuse options about forces of the model's own muscles where these become De Groote's."""
    got = "passive_force=True" if read.passive_force else f"gain='{read.gain}'"
    if read.passive_force or read.gain != "opensim":
        fix = "De Groote muscles bring their own, passive force included: leave it out."
        raise InputError(explain(f"no forces of the model's own muscles with {why}", got, fix))


def _check_interval(read: ReadOptions) -> None:
    """Refuse a time_range that the motion covers in part; ends between frames and infinite ones are the motion's."""
    if read.time_range is None:
        return
    first, last = read.time_range
    time = read_table(read.motion).index.to_numpy(dtype=float)
    frame = float(np.median(np.diff(time))) if len(time) > 1 else 0.0
    if any(np.isfinite(missing) and missing > frame + TIME_PRECISION for missing in (time[0] - first, last - time[-1])):
        got, fix = f"{first:g} to {last:g} s", "Shorten time_range; inf and -inf are open ends."
        raise InputError(explain(f"time_range within {time[0]:g} to {time[-1]:g} s", got, fix, read.motion))
