"""A problem as one file: extract once, solve with any cost, anywhere, without opensim.

The file is NumPy's .npz: arrays by name, and a text ``header`` (JSON) with everything else. Nothing in it is executed.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .data import Coupling, Kinematics, MuscleGeometry, MuscleParameters
from .errors import InputError, explain
from .problem import RedundancyProblem
from .reserves import ReserveActuators
from .tables import write_atomically

#: Raised whenever a field changes its meaning: older files are then refused.
FORMAT = 1

_PARTS = {kind.__name__: kind for kind in (MuscleGeometry, ReserveActuators, MuscleParameters, Kinematics, Coupling)}


def write_problem(problem: RedundancyProblem, path: str | os.PathLike[str], **notes: Any) -> Path:
    """Write a problem as .npz; the file appears whole or not at all.

    ``notes`` are plain data that :func:`read_notes` gives back.
    """
    arrays: dict[str, NDArray[Any]] = {}
    header = {"format": FORMAT, "problem": _take_apart(problem, "problem", arrays), "notes": notes}
    buffer = io.BytesIO()
    np.savez(buffer, header=np.array(json.dumps(header, default=str)), **arrays)  # type: ignore[arg-type]
    write_atomically(Path(path), buffer.getvalue())
    return Path(path)


def read_problem(path: str | os.PathLike[str]) -> RedundancyProblem:
    """Read a problem that :func:`write_problem` wrote.

    Raises
    ------
    InputError
        No such file, another kind of file, or one of another version of osimopt.
    """
    with _open(path) as file:
        header = _header(file, path)
        parts = _put_together(header["problem"], "problem", file)
    return RedundancyProblem(**parts)


def read_notes(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read what was noted beside a problem."""
    with _open(path) as file:
        notes: dict[str, Any] = _header(file, path)["notes"]
    return notes


def _take_apart(thing: Any, name: str, arrays: dict[str, NDArray[Any]]) -> dict[str, Any]:
    """Describe a dataclass in plain data; its arrays go to ``arrays``."""
    told: dict[str, Any] = {"kind": type(thing).__name__}
    for field in fields(thing):
        value, own = getattr(thing, field.name), f"{name}.{field.name}"
        if isinstance(value, np.ndarray):
            arrays[own] = value
        elif is_dataclass(value):
            told[field.name] = _take_apart(value, own, arrays)
        elif isinstance(value, dict) and any(isinstance(item, np.ndarray) for item in value.values()):
            arrays |= {f"{own}.{key}": item for key, item in value.items()}
            told[field.name] = {"keys": list(value)}
        else:
            told[field.name] = {"value": value}
    return told


def _put_together(told: dict[str, Any], name: str, file: Any) -> dict[str, Any]:
    """Arguments of the dataclass that was taken apart."""
    parts: dict[str, Any] = {}
    for field, value in told.items():
        own = f"{name}.{field}"
        if field == "kind":
            continue
        if "kind" in value:
            parts[field] = _PARTS[value["kind"]](**_put_together(value, own, file))
        elif "keys" in value:
            parts[field] = {key: file[f"{own}.{key}"] for key in value["keys"]}
        else:
            plain = value["value"]
            parts[field] = tuple(plain) if isinstance(plain, list) else plain
    parts |= {key.removeprefix(f"{name}."): file[key] for key in file.files if key.rpartition(".")[0] == name}
    return parts


def _open(path: str | os.PathLike[str]) -> Any:
    if not Path(path).is_file():
        raise InputError(explain("a problem written by osimopt (.npz)", "no such file", "Check the path.", path))
    try:
        file = np.load(io.BytesIO(Path(path).read_bytes()), allow_pickle=False)
    except (ValueError, EOFError, OSError, zipfile.BadZipFile):
        file = None
    if file is None or "header" not in getattr(file, "files", ()):
        raise InputError(explain("a problem written by osimopt (.npz)", "another file", "Check the path.", path))
    return file


def _header(file: Any, path: object) -> dict[str, Any]:
    header: dict[str, Any] = json.loads(str(file["header"]))
    if header.get("format") != FORMAT:
        fix = "Extract the problem again with this version."
        raise InputError(explain(f"format {FORMAT} of osimopt's problems", f"{header.get('format')}", fix, path))
    return header
