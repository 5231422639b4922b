"""What is kept on disk: problems in a folder that the user names, descriptions of models in one by default.

The second cost on a trial then costs milliseconds, and the second trial of a model starts no OpenSim.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError, explain, shown
from ..files.given import Origin
from ..files.packages import version
from ..files.storage import sha256
from ..notices import warn
from ..problem.archive import read_with_notes, write_problem
from ..problem.problem import RedundancyProblem

#: Raised whenever the same files and options give arrays of another meaning or value: older files are then not used.
EXTRACTION = 6
#: Environment variable with the folder of the descriptions of models; empty: none is kept.
FOLDER = "OSIMOPT_CACHE"


def model_folder(named: str | os.PathLike[str] | None = None) -> Path | None:
    """Folder of the descriptions and checks of models: that ``named``, of $OSIMOPT_CACHE, or the user's cache folder.

    None where nothing is kept. Removing the folder, or a file in it, costs one description by OpenSim per model.
    """
    chosen = os.environ.get(FOLDER) if named is None else named
    if chosen is None:
        return _user_folder()
    return None if chosen == "" else as_folder(chosen)


def as_folder(named: str | os.PathLike[str]) -> Path:
    """The folder of a cache; ``~`` is the user's home.

    Raises
    ------
    InputError
        It is no path, or a file.
    """
    if not isinstance(named, (str, os.PathLike)) or not str(named).strip():
        fix = "Give its path, or leave the cache out."
        raise InputError(explain("a folder for the cache", shown(named), fix))
    folder = Path(named).expanduser()
    with suppress(PermissionError):  # nothing may be looked up there: said when something is to be kept
        if folder.exists() and not folder.is_dir():
            raise InputError(explain("a folder for the cache that can be written", "a file", _remedy(folder), folder))
    return folder


def _user_folder() -> Path | None:
    """The user's cache folder; None for users without a home."""
    import platformdirs

    folder = platformdirs.user_cache_path("osimopt")
    return folder if folder.is_absolute() else None


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
    folder = as_folder(folder)
    contents = {name: sha256(path) for name, path in files.items()}
    packages = {name: version(name) for name in ("osimopt", "opensim")}
    made_by = {"extraction": EXTRACTION, **versions, **packages}
    try:
        text = json.dumps([contents, options, made_by])  # in their order: that of reserves decides the actuators'
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
    keep_in(path.parent, lambda: write_problem(problem, path, warnings=warnings))


def keep_in(folder: Path, write: Callable[[], object]) -> None:
    """Make the folder of a cache, and write a file into it.

    Where that fails an InputError says so, except in the user's cache folder, which nobody named: nothing is kept then.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write()
    except OSError as error:
        if folder != _user_folder():
            got, fix = f"{type(error).__name__}: {error.strerror}", _remedy(folder)
            raise InputError(explain("a folder for the cache that can be written", got, fix, folder)) from error


def _remedy(folder: Path) -> str:
    """What to do about a folder that cannot be used."""
    named = os.environ.get(FOLDER)
    if named and Path(named).expanduser() == folder:
        return f"Set {FOLDER} to another folder, or to nothing, so that nothing is kept."
    return "Choose another place."


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
