"""Dataclasses of arrays as one file: NumPy's .npz of the arrays, and a text ``header`` (JSON) with everything else.

Nothing in such a file is executed, and it gives back the same numbers, bit by bit.
"""

from __future__ import annotations

import io
import json
import math
import os
from collections.abc import Collection, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, explain
from .storage import write_atomically

#: Word for the class of a part in files of osimopt before its paths in arrays.
_OLD = "kind"
Arrays = dict[str, NDArray[Any]]
#: What a damaged file may raise where its parts are put together.
WRONG = (KeyError, TypeError, ValueError, AttributeError)


def write_plain(
    path: str | os.PathLike[str],
    header: Mapping[str, Any],
    parts: Mapping[str, Any],
    left_out: Collection[str] = (),
    joined: bool = False,
) -> Path:
    """Write dataclasses (``parts``, by name) beside plain data (``header``); the file appears whole or not at all.

    ``left_out`` are names of fields that are not written. Where asked for, arrays of one type are ``joined``: a
    thousand small ones are then read in a few milliseconds instead of a hundred. Numbers and texts of classes that JSON
    does not know become texts.

    Raises
    ------
    InputError
        The folder does not exist.
    """
    arrays: Arrays = {}
    plain = {**header, **{name: _take_apart(part, name, arrays, left_out) for name, part in parts.items()}}
    if joined:
        plain["joined"], arrays = _join(arrays)
    buffer = io.BytesIO()
    np.savez(buffer, header=np.array(json.dumps(plain, default=str)), **arrays)  # type: ignore[arg-type]
    write_atomically(Path(path), buffer.getvalue())
    return Path(path)


def read_plain(path: str | os.PathLike[str], what: str, fix: str) -> tuple[dict[str, Any], Arrays]:
    """Header and arrays of a file, checked against their checksums; messages say ``what`` it should be.

    Raises
    ------
    InputError
        No such file, another kind of file, or a damaged one.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        got = "no such file" if isinstance(error, FileNotFoundError) else f"one that cannot be read ({error.strerror})"
        raise InputError(explain(what, got, "Check the path.", path)) from error
    try:
        file = np.load(io.BytesIO(content), allow_pickle=False)
        arrays = {name: file[name] for name in getattr(file, "files", ())}
        header = dict(json.loads(str(arrays.pop("header", "{}"))))
        arrays = _split(header["joined"], arrays) if "joined" in header else arrays
    except Exception as error:  # a flipped byte makes zipfile and NumPy raise anything from EOFError to RuntimeError
        raise damaged(error, what, fix, path) from error
    if not header:
        raise InputError(explain(what, "a file without osimopt's header", "Check the path.", path))
    return header, arrays


def _join(arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
    """Type and shape of arrays by name, and the values of all of a type in one array."""
    kinds = {name: (str(array.dtype), array.shape) for name, array in arrays.items()}
    values: dict[str, list[NDArray[Any]]] = {}
    for array in arrays.values():
        values.setdefault(str(array.dtype), []).append(array.ravel())
    return kinds, {kind: np.concatenate(parts) for kind, parts in values.items()}


def _split(kinds: Mapping[str, Any], values: Arrays) -> Arrays:
    """The arrays that were joined."""
    arrays, used = {}, dict.fromkeys(values, 0)
    for name, (kind, shape) in kinds.items():
        start, used[kind] = used[kind], used[kind] + math.prod(shape)
        arrays[name] = values[kind][start : used[kind]].reshape(shape)
    return arrays


def damaged(error: Exception, what: str, fix: str, path: object) -> InputError:
    """Error of a file that cannot be read."""
    got = f"a file of another kind, or a damaged one ({type(error).__name__}: {error})"
    return InputError(explain(what, got, fix, path))


def put_together(plain: Mapping[str, Any], name: str, arrays: Arrays, kinds: Mapping[str, type]) -> Any:
    """The dataclass, one of ``kinds`` by its name, that was written as a part."""
    kind = kinds[plain["class" if "class" in plain else _OLD]]
    keys = {field.name: f"{name}.{field.name}" for field in fields(kind)}
    parts = {field: arrays[key] for field, key in keys.items() if key in arrays}
    for field, value in plain.items():
        if not isinstance(value, str):
            parts[field] = _whole(value, f"{name}.{field}", arrays, kinds)
    return kind(**parts)


def _take_apart(part: Any, name: str, arrays: Arrays, left_out: Collection[str] = ()) -> dict[str, Any]:
    """Describe a dataclass in plain data; its arrays go to ``arrays``."""
    plain: dict[str, Any] = {"class": type(part).__name__}
    for field in fields(part):
        value, key = getattr(part, field.name), f"{name}.{field.name}"
        if isinstance(value, np.ndarray):
            arrays[key] = value
        elif field.name not in left_out:
            plain[field.name] = _plain(value, key, arrays)
    return plain


def _plain(value: Any, key: str, arrays: Arrays) -> dict[str, Any]:
    """Describe what a field or a tuple holds."""
    if is_dataclass(value):
        return _take_apart(value, key, arrays)
    if isinstance(value, np.ndarray):
        arrays[key] = value
        return {"array": key}
    if isinstance(value, dict) and any(isinstance(item, np.ndarray) for item in value.values()):
        arrays |= {f"{key}.{name}": item for name, item in value.items()}
        return {"keys": list(value)}
    if isinstance(value, tuple) and any(is_dataclass(item) or isinstance(item, np.ndarray) for item in value):
        return {"items": [_plain(item, f"{key}.{index}", arrays) for index, item in enumerate(value)]}
    return {"value": value}


def _whole(value: Mapping[str, Any], key: str, arrays: Arrays, kinds: Mapping[str, type]) -> Any:
    """What was described."""
    if "class" in value or _OLD in value:
        return put_together(value, key, arrays, kinds)
    if "array" in value:
        return arrays[value["array"]]
    if "keys" in value:
        return {name: arrays[f"{key}.{name}"] for name in value["keys"]}
    if "items" in value:
        return tuple(_whole(item, f"{key}.{index}", arrays, kinds) for index, item in enumerate(value["items"]))
    return _as_tuples(value["value"])


def _as_tuples(item: Any) -> Any:
    """What JSON gives back, its lists as tuples."""
    return tuple(map(_as_tuples, item)) if isinstance(item, list) else item
