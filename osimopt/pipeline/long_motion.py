"""Motions too long for memory: read, solved and written piece by piece."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from ..adapters.arrays import Progress
from ..adapters.load import load_request, open_trial
from ..adapters.request import Request
from ..adapters.trial import PIECE
from ..errors import InputError, explain, some
from ..solution.folder import check_target, write_pieces
from ..solution.solution import RedundancySolution
from ..solution.summary import Summary
from ..static.solve import solve_static


def solve_to_folder(
    folder: str | os.PathLike[str],
    model: Any,
    motion: str | os.PathLike[str],
    external_loads: str | os.PathLike[str] | None = None,
    *,
    solve: dict[str, Any] | None = None,
    cache: str | os.PathLike[str] | None = None,
    frames: int = PIECE,
    overwrite: bool = False,
    n_jobs: int | None = None,
    progress: Progress | None = None,
    on_piece: Callable[[RedundancySolution], None] | None = None,
    **options: Any,
) -> tuple[Summary, dict[str, Any]]:
    """Find muscle forces along a motion of any length, in bounded memory.

    Parameters
    ----------
    folder
        Result folder, as :meth:`RedundancySolution.write` writes it; it appears when all is solved.
    model, motion, external_loads, options
        As in :func:`osimopt.load_problem`.
    solve
        Arguments of :func:`osimopt.solve_static`, as ``{"exponent": 3}``.
    cache
        Folder that keeps the problem, as in :func:`osimopt.load_problem`; then all of it is held at once.
    frames
        How many are held at a time.
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
    """
    known = {field.name for field in fields(Request)}
    if unknown := [name for name in options if name not in known]:
        raise InputError(explain(f"options of load_problem ({some(known, 20)})", some(unknown), "Rename them."))
    if frames < 1:
        raise InputError(explain("frames of at least 1", f"{frames}", "5000 is the default."))
    check_target(Path(folder).absolute(), overwrite)
    request = Request(model, motion, external_loads, **options)
    if cache is None:
        trial = open_trial(request, n_jobs)
        length, pieces = len(trial), trial.pieces(frames, progress)
    else:
        problem = load_request(request, n_jobs, cache, progress)
        length, pieces = len(problem), iter([problem])

    def solutions() -> Iterator[RedundancySolution]:
        for piece in pieces:
            solution = solve_static(piece, **{"on_failure": "return", **(solve or {})})
            if on_piece is not None:
                on_piece(solution)
            yield solution

    return write_pieces(solutions(), length, folder, overwrite=overwrite)
