"""A folder that keeps what has been solved of a long motion, so that an interrupted call continues there."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np

from ..errors import InputError, explain
from ..files.plain import WRONG, damaged, put_together, read_plain, write_plain
from .program import ProgramResult

#: Beginning and end of the names of its files.
PREFIX, SUFFIX = "window-", ".npz"
WHAT = "a window that solve_dynamic wrote"


class SolvedWindows:
    """Results by keys, which are hashes of all that determines them: other inputs have other keys.

    Raises
    ------
    InputError
        The path is a file, or a folder in which no file can be made.
    """

    def __init__(self, folder: Path) -> None:
        if folder.exists() and not folder.is_dir():
            raise InputError(explain("a folder as checkpoint", f"the file {folder}", "Choose another name."))
        new = not folder.exists()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            TemporaryFile(dir=folder).close()
            if new:
                folder.rmdir()  # until there is a window to keep
        except OSError as error:
            got = f"{folder}, in which none can be written ({error.strerror})"
            raise InputError(explain("a folder as checkpoint, for files", got, "Choose another one.")) from error
        self.folder = folder
        self.used: set[str] = set()

    def key(self, *inputs: Any) -> str:
        """The key of a result of these inputs, of dataclasses, arrays, numbers and texts."""
        digest = hashlib.sha256(version("osimopt").encode())
        _add(digest, inputs)
        return digest.hexdigest()[:24]

    def any(self) -> bool:
        """Whether a result is there, of these inputs or others."""
        return any(self.folder.glob(f"{PREFIX}*{SUFFIX}"))

    def read(self, key: str) -> ProgramResult | None:
        """Read the result of a key; None where it is not there.

        Raises
        ------
        InputError
            The file is damaged.
        """
        path, fix = self._path(key), "Delete it; what it holds is then solved again."
        if not path.is_file():
            return None
        header, arrays = read_plain(path, WHAT, fix)
        try:
            result: ProgramResult = put_together(header["result"], "result", arrays, {"ProgramResult": ProgramResult})
        except WRONG as error:
            raise damaged(error, WHAT, fix, path) from error
        self.used.add(key)
        return result

    def write(self, key: str, result: ProgramResult) -> None:
        """Keep a result."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_plain(self._path(key), {"file": WHAT}, {"result": result})
        self.used.add(key)

    def remove(self) -> None:
        """Delete what this run wrote or read, and the folder if nothing else is in it."""
        for key in self.used:
            self._path(key).unlink(missing_ok=True)
        with suppress(OSError):  # not empty, or another call has deleted it
            self.folder.rmdir()

    def _path(self, key: str) -> Path:
        return self.folder / f"{PREFIX}{key}{SUFFIX}"


def _add(digest: Any, value: Any) -> None:
    """Add a value to a hash, with the names of fields, so that no two inputs read alike."""
    if isinstance(value, np.ndarray):
        digest.update(f"array {value.dtype} {value.shape}".encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    elif is_dataclass(value) and not isinstance(value, type):
        digest.update(type(value).__name__.encode())
        for own in fields(value):
            digest.update(f".{own.name}".encode())
            _add(digest, getattr(value, own.name))
    elif isinstance(value, Mapping):
        digest.update(f"mapping {len(value)}".encode())
        for name, one in value.items():
            _add(digest, (str(name), one))
    elif isinstance(value, (list, tuple)):
        digest.update(f"sequence {len(value)}".encode())
        for one in value:
            _add(digest, one)
    elif hasattr(value, "to_numpy"):  # a DataFrame
        _add(digest, (value.to_numpy(), value.index.to_numpy(), [str(name) for name in value.columns]))
    elif callable(value):
        digest.update(f"function {value.__module__}.{value.__qualname__};".encode())
    elif value is None or isinstance(value, (str, bool, int, float, np.generic)):
        digest.update(f"{type(value).__name__} {value!r};".encode())
    else:
        raise TypeError(f"{type(value).__name__} has no key")  # its repr could be an address in memory
