"""Ctrl-C: what a command leaves behind, and says."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from .terminal import say_error


@contextmanager
def stoppable(out: Path) -> Iterator[None]:
    """Leave no empty folders for a result that was not written to ``out``; at Ctrl-C say so, exit code 130."""
    folder = out.absolute()
    new = [one for one in (folder, *folder.parents) if not one.exists()]
    before = _identity(folder)
    try:
        yield
    except BaseException as error:
        for one in new:
            with contextlib.suppress(OSError):  # not empty, or not made
                one.rmdir()
        if not isinstance(error, KeyboardInterrupt):
            raise
        written = "Nothing was written." if _identity(folder) == before else f"Results are in {folder}."
        say_error(f"Stopped by the user. {written}")
        raise typer.Exit(130) from None


def _identity(folder: Path) -> int | None:
    """What a folder has that another one in its place has not."""
    return folder.stat().st_ino if folder.exists() else None
