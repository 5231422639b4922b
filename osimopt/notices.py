"""Warnings that are given at once and also collected, so that a result can carry them."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_texts: ContextVar[list[str] | None] = ContextVar("osimopt_texts", default=None)


def warn(text: str) -> None:
    """Give a warning at the line that called osimopt; the innermost ``collect_warnings`` keeps its text."""
    texts = _texts.get()
    if texts is not None:
        texts.append(text)
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(f"{__package__}."):
        level, frame = level + 1, frame.f_back
    warnings.warn(text, stacklevel=level)


@contextmanager
def collect_warnings() -> Iterator[list[str]]:
    """Collect the texts of the warnings given inside."""
    texts: list[str] = []
    token = _texts.set(texts)
    try:
        yield texts
    finally:
        _texts.reset(token)
