"""A problem as one file: extract once, solve with any cost, anywhere, without opensim."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import InputError, explain
from ..files.plain import WRONG, damaged, put_together, read_plain, write_plain
from ..notices import warn
from .arrays import Coupling, Kinematics, MuscleGeometry, MuscleParameters
from .path_record import PathRecord
from .problem import RedundancyProblem
from .reactions import JointReactions
from .reserves import ReserveActuators

#: Raised whenever a field changes its meaning: older files are then refused.
FORMAT = 1

#: What a file does not hold: the model and motion that a problem came from.
_LEFT_OUT = ("source",)
_KINDS = {
    kind.__name__: kind
    for kind in (
        RedundancyProblem, MuscleGeometry, ReserveActuators, MuscleParameters, Kinematics, Coupling, JointReactions,
    )
}  # fmt: skip
_WHAT, _FIX = "a problem written by osimopt (.npz)", "Extract the problem again."


def write_problem(problem: RedundancyProblem, path: str | os.PathLike[str], **notes: Any) -> Path:
    """Write a problem as .npz; the file appears whole or not at all.

    Parameters
    ----------
    problem
        Its ``source`` is left out: at other times the problem that is read back is a spline through its frames.
    path
        Of the file; its folder must exist.
    **notes
        Plain data that :func:`read_with_notes` gives back.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    InputError
        The folder does not exist.

    Examples
    --------
    >>> import osimopt
    >>> problem = osimopt.RedundancyProblem.from_arrays([0.05, 0.03], [500.0, 300.0], 12.0)
    >>> osimopt.write_problem(problem, "elbow.npz").name
    'elbow.npz'
    """
    return write_plain(path, {"format": FORMAT, "notes": notes}, {"problem": problem}, _LEFT_OUT)


def read_problem(path: str | os.PathLike[str]) -> RedundancyProblem:
    """Read a problem that :func:`write_problem` wrote.

    A warning, which the problem's provenance keeps, tells of muscle paths that this version of osimopt computes in
    another way: OpenSim's, in files of osimopt 0.1, or exact ones of another version.

    Parameters
    ----------
    path
        Of the .npz file. Nothing in it is executed.

    Returns
    -------
    RedundancyProblem
        The same arrays, bit by bit, without a ``source``.

    Raises
    ------
    InputError
        No such file, another kind of file, a damaged one, or one of another version of osimopt.

    Examples
    --------
    >>> import osimopt
    >>> problem = osimopt.RedundancyProblem.from_arrays([0.05, 0.03], [500.0, 300.0], 12.0)
    >>> osimopt.read_problem(osimopt.write_problem(problem, "elbow.npz"))
    <RedundancyProblem from arrays: 1 frames, 2 muscles, 1 coordinates, 0 to 0 s>
    """
    problem = read_with_notes(path)[0]
    record = PathRecord.of_problem(problem)
    if record.current:
        return problem
    made = problem.provenance.get("versions", {}).get("osimopt", "of an earlier version")
    text = (
        f"{path}: its muscle paths are {record.counted()}, by osimopt {made}, and are used as they are. Load the "
        "problem from its model for exact paths of this version."
    )
    warn(text)
    warnings = [*problem.provenance.get("warnings", []), text]
    return replace(problem, provenance={**problem.provenance, "warnings": warnings})


def read_with_notes(path: str | os.PathLike[str]) -> tuple[RedundancyProblem, dict[str, Any]]:
    """Read a problem and what was noted beside it; errors as of :func:`read_problem`."""
    header, arrays = read_plain(path, _WHAT, _FIX)
    if header.get("format") != FORMAT:
        fix = "Extract the problem again with this version."
        raise InputError(explain(f"format {FORMAT} of osimopt's problems", f"{header.get('format')}", fix, path))
    try:
        return put_together(header["problem"], "problem", arrays, _KINDS), dict(header["notes"])
    except InputError:
        raise
    except WRONG as error:
        raise damaged(error, _WHAT, _FIX, path) from error
