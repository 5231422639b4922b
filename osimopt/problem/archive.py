"""A problem as one file: extract once, solve with any cost, anywhere, without opensim.

The file is NumPy's .npz: arrays by name, and a text ``header`` (JSON) with everything else. Nothing in it is executed.
"""

from __future__ import annotations

import io
import json
import os
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, explain
from ..files.storage import write_atomically
from .arrays import Coupling, Kinematics, MuscleGeometry, MuscleParameters
from .problem import RedundancyProblem
from .reserves import ReserveActuators

#: Raised whenever a field changes its meaning: older files are then refused.
FORMAT = 1

#: What a file does not hold: the model and motion that a problem came from.
_LEFT_OUT = ("source",)
_PARTS = {kind.__name__: kind for kind in (MuscleGeometry, ReserveActuators, MuscleParameters, Kinematics, Coupling)}
_WHAT = "a problem written by osimopt (.npz)"

Arrays = dict[str, NDArray[Any]]


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
    arrays: Arrays = {}
    header = {"format": FORMAT, "problem": _take_apart(problem, "problem", arrays), "notes": notes}
    buffer = io.BytesIO()
    np.savez(buffer, header=np.array(json.dumps(header, default=str)), **arrays)  # type: ignore[arg-type]
    write_atomically(Path(path), buffer.getvalue())
    return Path(path)


def read_problem(path: str | os.PathLike[str]) -> RedundancyProblem:
    """Read a problem that :func:`write_problem` wrote.

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
    return read_with_notes(path)[0]


def read_with_notes(path: str | os.PathLike[str]) -> tuple[RedundancyProblem, dict[str, Any]]:
    """Read a problem and what was noted beside it; errors as of :func:`read_problem`."""
    header, arrays = _unpack(path)
    try:
        return RedundancyProblem(**_put_together(header["problem"], "problem", arrays)), dict(header["notes"])
    except InputError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(error, path) from error


def _take_apart(part: Any, name: str, arrays: Arrays) -> dict[str, Any]:
    """Describe a dataclass in plain data; its arrays go to ``arrays``."""
    plain: dict[str, Any] = {"kind": type(part).__name__}
    for field in fields(part):
        if field.name in _LEFT_OUT:
            continue
        value, key = getattr(part, field.name), f"{name}.{field.name}"
        if isinstance(value, np.ndarray):
            arrays[key] = value
        elif is_dataclass(value):
            plain[field.name] = _take_apart(value, key, arrays)
        elif isinstance(value, dict) and any(isinstance(item, np.ndarray) for item in value.values()):
            arrays |= {f"{key}.{name}": item for name, item in value.items()}
            plain[field.name] = {"keys": list(value)}
        else:
            plain[field.name] = {"value": value}
    return plain


def _put_together(plain: dict[str, Any], name: str, arrays: Arrays) -> dict[str, Any]:
    """Arguments of the dataclass that was taken apart."""
    parts: dict[str, Any] = {}
    for field, value in plain.items():
        key = f"{name}.{field}"
        if field == "kind":
            continue
        if "kind" in value:
            parts[field] = _PARTS[value["kind"]](**_put_together(value, key, arrays))
        elif "keys" in value:
            parts[field] = {name: arrays[f"{key}.{name}"] for name in value["keys"]}
        else:
            item = value["value"]
            parts[field] = tuple(item) if isinstance(item, list) else item
    parts |= {key.removeprefix(f"{name}."): array for key, array in arrays.items() if key.rpartition(".")[0] == name}
    return parts


def _unpack(path: str | os.PathLike[str]) -> tuple[dict[str, Any], Arrays]:
    """Header and arrays of the file, read and checked against their checksums."""
    if not Path(path).is_file():
        raise InputError(explain(_WHAT, "no such file", "Check the path.", path))
    try:
        file = np.load(io.BytesIO(Path(path).read_bytes()), allow_pickle=False)
        arrays = {name: file[name] for name in getattr(file, "files", ())}
        header = dict(json.loads(str(arrays.pop("header", "{}"))))
    except Exception as error:  # a flipped byte makes zipfile and NumPy raise anything from EOFError to RuntimeError
        raise _damaged(error, path) from error
    if not header:
        raise InputError(explain(_WHAT, "a file without osimopt's header", "Check the path.", path))
    if header.get("format") != FORMAT:
        fix = "Extract the problem again with this version."
        raise InputError(explain(f"format {FORMAT} of osimopt's problems", f"{header.get('format')}", fix, path))
    return header, arrays


def _damaged(error: Exception, path: object) -> InputError:
    got = f"a file of another kind, or a damaged one ({type(error).__name__}: {error})"
    return InputError(explain(_WHAT, got, "Extract the problem again.", path))
