"""Problems kept on disk, in a folder the user names, so that the second cost on the same trial costs milliseconds."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..archive import read_notes, read_problem, write_problem
from ..errors import InputError, explain
from ..notices import warn
from ..problem import RedundancyProblem


def cached_path(folder: str | os.PathLike[str], files: Mapping[str, Path | None], options: Mapping[str, Any]) -> Path:
    """Where the problem of these files and options is kept: named by their contents and the versions that read them."""
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise InputError(explain("a folder for the cache", "a file", "Choose another place.", folder))
    contents = {name: sha256(path) for name, path in files.items() if path is not None}
    versions = {name: version(name) for name in ("osimopt", "opensim")}
    text = json.dumps([contents, options, versions], sort_keys=True, default=str)
    return folder / f"{hashlib.sha256(text.encode()).hexdigest()}.npz"


def recall(path: Path) -> RedundancyProblem | None:
    """Return the problem kept there, if any, and repeat its warnings; a file that cannot be read is as none."""
    try:
        problem, notes = read_problem(path), read_notes(path)
    except InputError:
        return None
    for line in notes["warnings"]:
        warn(line, stacklevel=4)
    return problem


def keep(problem: RedundancyProblem, path: Path, warnings: list[str]) -> None:
    """Keep a problem; it appears whole or not at all."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        fix = "Choose another place."
        raise InputError(explain("a folder for the cache that can be made", str(error), fix, path.parent)) from error
    write_problem(problem, path, warnings=warnings)


def sha256(path: str | os.PathLike[str]) -> str:
    """Digest of a file's bytes."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
