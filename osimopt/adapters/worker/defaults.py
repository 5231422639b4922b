"""OpenSim's class defaults, kept as they were when the process began.

A file with <defaults>, a model or a ForceSet, changes them for the life of the process: every file that is read later
and leaves a property out would get the value of another file.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import opensim

#: What makes a file able to change defaults: a section of its own, or other files that it includes.
_MARKS = (b"<defaults", b" file=")


@contextmanager
def reading(path: str) -> Iterator[None]:
    """Read a file in here: it finds the defaults untouched, and leaves them so."""
    content = Path(path).read_bytes()
    if not any(mark in content for mark in _MARKS):  # copies of all classes take 25 ms
        yield
        return
    pristine = _pristine()
    try:
        yield
    finally:
        for instance in pristine:
            opensim.OpenSimObject.registerType(instance)


@lru_cache(maxsize=1)
def _pristine() -> list[Any]:
    """Copies of the default instances of all classes, before any file changed them."""
    names = opensim.ArrayStr()
    opensim.OpenSimObject.getRegisteredTypenames(names)
    known = [opensim.OpenSimObject.getDefaultInstanceOfType(names.get(index)) for index in range(names.getSize())]
    return [instance.clone() for instance in known if instance is not None]
