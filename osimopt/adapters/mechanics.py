"""A model's mechanics and paths in plain arrays: described by OpenSim once, and kept in a file by the model's hash."""

from __future__ import annotations

import os
from dataclasses import is_dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .. import isolation
from ..errors import InputError, explain
from ..files.plain import WRONG, damaged, put_together, read_plain, write_plain
from ..files.storage import sha256
from ..multibody import description as bodies
from ..multibody.description import Multibody
from ..paths import description as paths
from ..paths.description import Paths
from .cache import digest, writing
from .messages import ModelKey

#: Raised whenever a field of a description changes its meaning or its values: older files are then refused.
FORMAT = 3

_WHAT, _FIX = "a description of a model written by osimopt (.npz)", "Remove the file: the model is described again."
_KINDS = {
    name: part
    for module in (bodies, paths)
    for name, part in vars(module).items()
    if isinstance(part, type) and is_dataclass(part)
}
#: Descriptions by the hash of the model, for the life of the process.
_known: dict[str, tuple[Multibody, Paths]] = {}


def read_mechanics(key: ModelKey, folder: str | os.PathLike[str] | None = None) -> tuple[Multibody, Paths]:
    """Mechanics and paths of a model; from this process or ``folder``, where they were kept, else from OpenSim.

    A file in the folder that is damaged, or of another version, is written anew.

    Raises
    ------
    ModelError
        OpenSim refuses the model, or osimopt does.
    InputError
        The folder cannot be written.
    """
    name = digest(identity(key))
    if name not in _known:
        kept = None if folder is None else Path(folder) / f"mechanics-{name}.npz"
        found = None if kept is None else _recall(kept, key)
        if found is None:
            worker = "osimopt.adapters.worker.mechanics:describe_mechanics"
            multibody, described = found = isolation.run("opensim", worker, key, subject=key.path)
            if kept is not None:
                with writing(kept.parent):
                    write_description(multibody, described, key, kept)
        _known[name] = found
    return _known[name]


def identity(key: ModelKey) -> dict[str, str]:
    """What a description depends on, in words: contents of the model's files, how they are loaded, versions."""
    sets = {f"force set {number}": sha256(Path(file)) for number, file in enumerate(key.force_sets, 1)}
    return {
        "model": sha256(Path(key.path)),
        **sets,
        "replace_force_set": str(key.replace_force_set),
        "welds": ", ".join(key.weld),
        "contact": str(key.contact),
        "opensim": version("opensim"),
        "format": str(FORMAT),
    }


def write_description(multibody: Multibody, described: Paths, key: ModelKey, path: str | os.PathLike[str]) -> Path:
    """Write the description of a model; the file appears whole or not at all.

    Raises
    ------
    InputError
        The folder does not exist.
    """
    return write_plain(path, {"of": identity(key)}, {"multibody": multibody, "paths": described}, joined=True)


def read_description(path: str | os.PathLike[str], key: ModelKey) -> tuple[Multibody, Paths]:
    """Read the description of a model, the same numbers bit by bit.

    Raises
    ------
    InputError
        No such file, another kind of file, a damaged one, one of another version of osimopt's format or of OpenSim, or
        of another model or the same with other force sets or welds.
    """
    header, arrays = read_plain(path, _WHAT, _FIX)
    expected, found = identity(key), dict(header.get("of", {}))
    for part in ("format", *expected, *found):
        if found.get(part) != expected.get(part):
            wanted, got = (f"{part} {_short(one.get(part))}" for one in (expected, found))
            raise InputError(explain(f"a description with {wanted}", got, _FIX, path))
    try:
        multibody, described = (put_together(header[part], part, arrays, _KINDS) for part in ("multibody", "paths"))
    except WRONG as error:
        raise damaged(error, _WHAT, _FIX, path) from error
    return multibody, described


def _short(text: Any) -> str:
    """The beginning of a hash, or a text; "none" where there is none."""
    return str(text)[:12] or "none"


def _recall(path: Path, key: ModelKey) -> tuple[Multibody, Paths] | None:
    """The description kept there, if it can be read and is of this model and version."""
    try:
        return read_description(path, key)
    except InputError:
        return None
