"""Problems kept on disk, in a folder the user names, so that the second cost on the same trial costs milliseconds."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError, explain
from ..files.given import Origin
from ..files.storage import sha256
from ..notices import warn
from ..problem.archive import read_with_notes, write_problem
from ..problem.problem import RedundancyProblem

#: Raised whenever the same files and options give arrays of another meaning or value: older files are then not used.
EXTRACTION = 6


def cached_path(
    folder: str | os.PathLike[str], files: Mapping[str, Origin], options: Mapping[str, Any], versions: Mapping[str, int]
) -> Path:
    """Where the problem of these files and options is kept: named by their contents and the versions that read them.

    ``versions`` are those of what the arrays are computed from, beside ``EXTRACTION``.

    Raises
    ------
    InputError
        The folder is a file; an option is not plain data.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise InputError(explain("a folder for the cache", "a file", "Choose another place.", folder))
    contents = {name: sha256(path) for name, path in files.items()}
    versions = {"extraction": EXTRACTION, **versions, **{name: version(name) for name in ("osimopt", "opensim")}}
    try:
        text = json.dumps([contents, options, versions])  # in their order: that of reserves decides the actuators'
    except TypeError as error:
        fix = "Correct it, or leave the cache out."
        raise InputError(explain("words, numbers and lists of them as options", str(error), fix)) from error
    return folder / f"{hashlib.sha256(text.encode()).hexdigest()}.npz"


def recall(path: Path) -> RedundancyProblem | None:
    """Return the problem kept there, if it can be read, and repeat its warnings."""
    try:
        problem, notes = read_with_notes(path)
    except InputError:
        return None
    for line in notes["warnings"]:
        warn(line)
    return problem


def keep(problem: RedundancyProblem, path: Path, warnings: list[str]) -> None:
    """Keep a problem; it appears whole or not at all."""
    with writing(path.parent):
        write_problem(problem, path, warnings=warnings)


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Make the folder of the cache, and raise an InputError where a file in it cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        fix = "Choose another place."
        raise InputError(explain("a folder for the cache that can be written", str(error), fix, folder)) from error


def digest(thing: Any) -> str:
    """Digest of a dataclass, or of anything it may hold: every field, every number of every array.

    Raises
    ------
    TypeError
        An object of a class without a digest.
    """
    return hashlib.sha256(_bytes_of(thing)).hexdigest()


def _bytes_of(thing: Any) -> bytes:
    """Serialize an object, its type and length first, so that different objects have different bytes."""
    if is_dataclass(thing) and not isinstance(thing, type):
        content = b"".join(_bytes_of(part) for f in fields(thing) for part in (f.name, getattr(thing, f.name)))
    elif isinstance(thing, np.ndarray) and thing.dtype.kind in "biufc":
        content = repr((thing.dtype.str, thing.shape)).encode() + thing.tobytes()
    elif isinstance(thing, Mapping):
        content = b"".join(_bytes_of(part) for item in thing.items() for part in item)
    elif isinstance(thing, (tuple, list)):
        content = b"".join(map(_bytes_of, thing))
    elif thing is None or isinstance(thing, (str, bool, int, float, np.generic)):
        content = repr(thing).encode()
    else:
        raise TypeError(f"a {type(thing).__name__} has no digest")
    return f"{type(thing).__name__} {len(content)} ".encode() + content
