"""What a value is that somebody gave, and how a message shows it."""

from __future__ import annotations

from collections.abc import Mapping, Set
from numbers import Real
from typing import Any


def is_number(value: Any) -> bool:
    """Whether this is a real number, NaN included; True and False are none."""
    return isinstance(value, Real) and not isinstance(value, bool)


def is_pair(value: Any) -> bool:
    """Whether these are two numbers, in an order."""
    if isinstance(value, (str, Mapping, Set)):
        return False
    try:
        first, last = value
    except (TypeError, ValueError):
        return False
    return is_number(first) and is_number(last)


def shown(value: Any, limit: int = 80) -> str:
    """For a message, on one line and not longer than it should be."""
    text = " ".join(repr(value).split())
    return text if len(text) <= limit else f"{text[:limit]}…"
