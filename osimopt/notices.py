"""Warnings that are given at once and also kept, so that a result can carry them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_texts: ContextVar[list[str] | None] = ContextVar("osimopt_texts", default=None)


def warn(text: str, stacklevel: int = 2) -> None:
    """Give a warning, and keep its text for the innermost ``hear`` of this thread."""
    texts = _texts.get()
    if texts is not None:
        texts.append(text)
    warnings.warn(text, stacklevel=stacklevel + 1)


@contextmanager
def hear() -> Iterator[list[str]]:
    """Collect the texts of the warnings given inside."""
    texts: list[str] = []
    token = _texts.set(texts)
    try:
        yield texts
    finally:
        _texts.reset(token)
