"""Motions too long for memory: read, solved and written piece by piece."""

from __future__ import annotations

import os
from typing import Any

from ..adapters.arrays import Progress
from ..adapters.load import open_trial
from ..adapters.request import Request
from ..adapters.trial import PIECE
from ..results import write_pieces
from ..static.solve import solve_static
from ..tally import Tally


def solve_to_folder(
    folder: str | os.PathLike[str],
    model: Any,
    motion: str | os.PathLike[str],
    external_loads: str | os.PathLike[str] | None = None,
    *,
    solve: dict[str, Any] | None = None,
    frames: int = PIECE,
    overwrite: bool = False,
    n_jobs: int | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Tally:
    """Find muscle forces along a motion of any length, in bounded memory.

    Parameters
    ----------
    folder
        Result folder, as :meth:`RedundancySolution.write` writes it; it appears when all is solved.
    model, motion, external_loads, options
        As in :func:`osimopt.load_problem`.
    solve
        Arguments of :func:`osimopt.solve_static`, as ``{"exponent": 3}``.
    frames
        How many are held at a time.
    overwrite
        Replace an earlier result folder.
    n_jobs, progress
        As in :func:`osimopt.load_problem`.

    Returns
    -------
    Tally
        Counts, peaks and findings of all frames. Failed frames are NaN in the files.
    """
    trial = open_trial(Request(model, motion, external_loads, **options), n_jobs)
    how = {"on_failure": "return", **(solve or {})}
    solutions = (solve_static(problem, **how) for problem in trial.pieces(frames, progress))
    return write_pieces(solutions, len(trial), folder, overwrite=overwrite)
