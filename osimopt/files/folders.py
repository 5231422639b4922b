"""Result folders: each appears whole or not at all, and replaces nothing but an earlier one of its kind."""

from __future__ import annotations

import glob
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError, explain, some

#: Files that file managers leave in folders.
LITTER = (".DS_Store", "Thumbs.db", "desktop.ini")


@contextmanager
def new_folder(path: str | os.PathLike[str], own: Sequence[str], *, overwrite: bool = False) -> Iterator[Path]:
    """Give a temporary folder to fill, and rename it at the end of the block; after an error nothing has changed.

    ``own`` are the names of all files that are ever written into a folder of this kind; the first is in each.
    """
    folder = Path(path).absolute()
    check_target(folder, own, overwrite)
    with made(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        yield temporary
        temporary.chmod(0o755)
        _swap(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _swap(fresh: Path, folder: Path) -> None:
    """Put a folder in the place of another, or of none; if that fails the old one stays, or the error locates it."""
    if not folder.exists():
        fresh.replace(folder)
        return
    retired = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.")) / "old"
    folder.replace(retired)
    try:
        fresh.replace(folder)
    except BaseException as error:
        try:
            retired.replace(folder)
        except OSError:
            fix = f"The earlier results now lie in {retired}: rename that folder to have them back, and try again."
            raise InputError(explain("the new results in the place of the old", str(error), fix, folder)) from error
        shutil.rmtree(retired.parent, ignore_errors=True)
        raise
    shutil.rmtree(retired.parent, ignore_errors=True)


def clear_unfinished(folder: Path) -> None:
    """Remove the unfinished folders that killed processes left beside this result folder."""
    for left in folder.parent.glob(f".{glob.escape(folder.name)}.*"):
        shutil.rmtree(left, ignore_errors=True)


def check_target(path: str | os.PathLike[str], own: Sequence[str], overwrite: bool) -> None:
    """Refuse a folder with files, unless ``overwrite`` is True and ``own`` names all of them; see ``new_folder``."""
    folder = Path(path).absolute()
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not overwrite:
        fix = "Choose another folder, or give overwrite=True (--overwrite)."
        raise InputError(explain("a new or empty folder for the results", "one with files in it", fix, folder))
    found = [] if folder.is_file() else sorted(path.name for path in folder.iterdir())
    if own[0] not in found:
        fix = "Choose another folder: this one holds something else."
        raise InputError(
            explain(f"an earlier result folder to overwrite, with {own[0]}", "a folder without it", fix, folder)
        )
    if others := [name for name in found if name not in (*own, *LITTER)]:
        fix = "Move what is not a result away, or choose another folder."
        got = f"{some(others, 1)} that osimopt did not write"
        raise InputError(explain("nothing but results in the folder to overwrite", got, fix, folder))


@contextmanager
def made(folder: Path) -> Iterator[None]:
    """Refuse a folder that cannot be made, for the OSError of the block."""
    try:
        yield
    except OSError as error:
        raise InputError(explain("a folder that can be made", str(error), "Choose another place.", folder)) from error


def write_json(content: dict[str, Any], path: Path) -> None:
    """Write plain data as JSON: numpy's numbers and paths as their text, infinities as words."""
    text = json.dumps(_plain(content), indent=2, ensure_ascii=False, default=str, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def _plain(content: Any) -> Any:
    """The same with infinities and NaN, which JSON does not have, as words."""
    if isinstance(content, dict):
        return {str(key): _plain(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [_plain(value) for value in content]
    return str(content) if isinstance(content, float) and not np.isfinite(content) else content
