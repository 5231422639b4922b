"""A model in plain arrays: described by OpenSim once, and kept in a file by the model's hash."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import is_dataclass, replace
from pathlib import Path
from typing import Any

from .. import isolation
from ..errors import InputError, explain
from ..files.packages import version
from ..files.plain import WRONG, damaged, put_together, read_plain, write_plain
from ..multibody import description as bodies
from ..paths import description as paths
from ..problem import arrays
from . import messages
from .cache import digest, keep_in, model_folder
from .messages import Described, ModelKey

#: Raised whenever a field of a description changes its meaning or its values: older files are then refused.
FORMAT = 6
#: Parts of the identity of a description that are not the model's.
VERSIONS = "osimopt", "opensim", "format"

_WHAT, _FIX = "a description of a model written by osimopt (.npz)", "Remove the file: the model is described again."
_KINDS = {
    name: part
    for module in (bodies, paths, arrays, messages)
    for name, part in vars(module).items()
    if isinstance(part, type) and is_dataclass(part)
}
#: Descriptions by the hash of the model, for the life of the process.
_known: dict[str, Described] = {}
#: Files that hold one of them.
_kept: set[Path] = set()


def read_described(key: ModelKey, folder: str | os.PathLike[str] | None = None) -> Described:
    """Describe a model; from this process or the folder of descriptions (:func:`.cache.model_folder`), else by OpenSim.

    A file in the folder that is damaged, or of another version, is written anew.

    Raises
    ------
    ModelError
        OpenSim refuses the model, or osimopt does.
    InputError
        The folder cannot be written, or a file of the model changes meanwhile.
    """
    of = identity(key)
    name, kept = digest(of), _file(of, folder)
    if name in _known and (kept is None or (kept in _kept and kept.exists())):
        return _known[name]
    recalled = None if kept is None else _recall(kept, key)
    found = _known.get(name) or recalled or _alike(key, folder) or _ask(key)
    if kept is not None:
        if recalled is None:
            keep_in(kept.parent, lambda: write_description(found, key, kept))
        _kept.add(kept)
    return _known.setdefault(name, found)


def _file(of: Mapping[str, str], folder: str | os.PathLike[str] | None) -> Path | None:
    """File of a description, named by the model alone: a newer version replaces what an older one left there."""
    place = model_folder(folder)
    model = {part: value for part, value in of.items() if part not in VERSIONS}
    return None if place is None else place / f"model-{digest(model)}.npz"


def _alike(key: ModelKey, folder: str | os.PathLike[str] | None) -> Described | None:
    """What is known of the same model with or without its contact with the ground, where it has none."""
    other = replace(key, contact=not key.contact)
    of = identity(other)
    kept = _file(of, folder)
    found = _known.get(digest(of)) or (None if kept is None else _recall(kept, other))
    return None if found is None or found.description.contact else found


def _ask(key: ModelKey) -> Described:
    """The description by OpenSim."""
    found: Described = isolation.run(
        "opensim", "osimopt.adapters.worker.mechanics:describe_whole", key, subject=key.path
    )
    return found


def identity(key: ModelKey) -> dict[str, str]:
    """What a description depends on, in words: contents of the model's files, how they are loaded, versions."""
    kinds = "force set", "included file"
    others = [
        f"{kind} {number}"
        for kind, files in zip(kinds, (key.force_sets, key.included), strict=True)
        for number, _ in enumerate(files, 1)
    ]
    return {
        **dict(zip(("model", *others), key.stamps, strict=True)),
        "replace_force_set": str(key.replace_force_set),
        "welds": ", ".join(key.weld),
        "contact": str(key.contact),
        **{name: version(name) for name in ("osimopt", "opensim")},
        "format": str(FORMAT),
    }


def write_description(described: Described, key: ModelKey, path: str | os.PathLike[str]) -> Path:
    """Write the description of a model; the file appears whole or not at all.

    Raises
    ------
    InputError
        The folder does not exist.
    """
    return write_plain(path, {"of": identity(key)}, {"described": described}, joined=True)


def read_description(path: str | os.PathLike[str], key: ModelKey) -> Described:
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
        described: Described = put_together(header["described"], "described", arrays, _KINDS)
    except WRONG as error:
        raise damaged(error, _WHAT, _FIX, path) from error
    return described


def _short(text: Any) -> str:
    """The beginning of a hash, or a text; "none" where there is none."""
    return str(text)[:12] or "none"


def _recall(path: Path, key: ModelKey) -> Described | None:
    """The description kept there, if it can be read and is of this model and version."""
    try:
        return read_description(path, key)
    except InputError:
        return None
