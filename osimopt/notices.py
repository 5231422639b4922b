"""Warnings that are given at once and also kept, so that a result can carry them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_heard: ContextVar[list[str] | None] = ContextVar("osimopt_heard", default=None)


def warn(text: str, stacklevel: int = 2) -> None:
    """Warn, and tell whoever is listening in this thread."""
    heard = _heard.get()
    if heard is not None:
        heard.append(text)
    warnings.warn(text, stacklevel=stacklevel + 1)


@contextmanager
def hear() -> Iterator[list[str]]:
    """Collect the texts of the warnings given inside."""
    heard: list[str] = []
    token = _heard.set(heard)
    try:
        yield heard
    finally:
        _heard.reset(token)
