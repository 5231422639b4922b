"""Versions of installed packages, each read once in a process."""

from __future__ import annotations

from functools import cache
from importlib import metadata


@cache
def version(name: str) -> str:
    """The version of an installed package."""
    return metadata.version(name)
