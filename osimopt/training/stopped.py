"""The folder of a training that was stopped: with which options it goes on, and what is removed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ..errors import InputError, explain, some
from ..files.folders import made
from ..files.storage import write_atomically
from ..surrogate.folder import CHECKPOINT

#: File with the options.
OPTIONS = "options.json"
#: Folders of solutions, which other options of training alone do not change, and of the network's checkpoint.
SOLUTIONS, WEIGHTS = "solutions", "weights"


@contextmanager
def continued(
    folder: Path, data: Mapping[str, Any], training: Mapping[str, Any], *, overwrite: bool = False
) -> Iterator[bool]:
    """Give whether a stopped training goes on; at the end of the block the folder is removed.

    After an error or Ctrl-C it stays, if there is something in it to go on from. ``data`` are the options, by the name
    that the user gave, that determine what is trained on, ``training`` all others.

    Parameters
    ----------
    folder
        Of the stopped training, if any.
    data, training
        Plain data by name.
    overwrite
        Begin anew with other options; solutions are kept, if only options of ``training`` differ.

    Raises
    ------
    InputError
        The folder is of other options.
    """
    ours = json.loads(json.dumps({"data": data, "training": training}, default=str))
    _check(folder, ours, overwrite)
    goes_on = worth_keeping(folder)
    with made(folder):
        folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / OPTIONS, json.dumps(ours, indent=2) + "\n")
    try:
        yield goes_on
    except BaseException:
        if not worth_keeping(folder):
            _clear(folder)
        raise
    _clear(folder)


def worth_keeping(folder: Path) -> bool:
    """Whether there is a solution or a checkpoint in a folder."""
    return any(folder.glob(f"**/{CHECKPOINT}")) or any(folder.glob(f"{SOLUTIONS}/*_[0-9][0-9][0-9][0-9].npz"))


def _check(folder: Path, ours: dict[str, dict[str, Any]], overwrite: bool) -> None:
    """Refuse the folder of other options, or remove what these change."""
    if not worth_keeping(folder):
        _clear(folder)
        return
    theirs = _read(folder / OPTIONS)
    differences = {part: _differences(theirs.get(part, {}), ours[part]) for part in ours}
    if not any(differences.values()):
        return
    if not overwrite:
        kept = not differences["data"] and (folder / SOLUTIONS).is_dir()
        anew = "to train anew on the solutions in it" if kept else "to begin anew"
        fix = f"Give the same options to go on, or --overwrite {anew}, or delete this folder."
        got = some([one for part in differences.values() for one in part], 8)
        raise InputError(explain("the options of the training that was stopped", got, fix, folder))
    _clear(folder, solutions=bool(differences["data"]))


def _clear(folder: Path, solutions: bool = True) -> None:
    """Remove what a training wrote, and the folder if nothing else is in it."""
    for name in (WEIGHTS, *((SOLUTIONS,) if solutions else ())):
        shutil.rmtree(folder / name, ignore_errors=True)
    for name in (OPTIONS, CHECKPOINT):
        (folder / name).unlink(missing_ok=True)
    with suppress(OSError):  # not empty, or not there
        folder.rmdir()


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _differences(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> list[str]:
    """By how ours differ from theirs; files are pairs of a name and a hash."""
    found = []
    for name, value in ours.items():
        before = theirs.get(name)
        if before == value:
            continue
        if name == "files":
            known = {tuple(one) for one in before or ()}
            other = [one[0] for one in value if tuple(one) not in known]
            found.append(f"other files or contents ({some(other or [one[0] for one in before or ()])})")
        else:
            found.append(f"{name} {value!r} in place of {before!r}")
    return found
