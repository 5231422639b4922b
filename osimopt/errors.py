"""The errors osimopt raises, and the one form their messages have.

Every exception of a library underneath is caught and re-thrown as one of these, so a user's script needs
one ``except osimopt.OsimoptError``. Wrong input raises before any solving. Messages read
*where: expected – got – do this*.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any

#: Letters of a name that suggest a longer one which contains them: elbow, r_elbow_flex.
PART = 4


class OsimoptError(Exception):
    """Base of everything osimopt raises on purpose."""


class InputError(OsimoptError, ValueError):
    """An invalid file or argument."""


class ModelError(OsimoptError):
    """A model that OpenSim refuses, or that uses something osimopt does not support."""


class SolverError(OsimoptError):
    """Frames could not be solved, or a numerical process died; ``solution`` holds the frames that were."""

    def __init__(self, message: str, solution: Any = None) -> None:
        super().__init__(message)
        self.solution = solution


class MissingDependencyError(OsimoptError, ImportError):
    """An optional package is required."""


class ConfigError(InputError):
    """An invalid study or setup file."""


def explain(expected: str, got: str, fix: str, where: object = None) -> str:
    """Compose a message in the common form: *where: expected – got – do this*."""
    prefix = f"{where}: " if where is not None else ""
    return f"{prefix}expected {expected}, got {got}. {fix}"


def shown(value: Any, limit: int = 80) -> str:
    """Representation of a value on one line, cut to a length."""
    text = " ".join(repr(value).split())
    return text if len(text) <= limit else f"{text[:limit]}…"


def some(names: Any, limit: int = 6) -> str:
    """List names for a message, the first few in full and the rest as a count."""
    listed = [str(name) for name in names]
    head = ", ".join(listed[:limit])
    return head if len(listed) <= limit else f"{head} and {len(listed) - limit} more"


def unlike(expected: Sequence[str], got: Sequence[str]) -> str:
    """How a sequence of names differs from the one expected: its length, or its first other name."""
    if len(got) != len(expected):
        return f"{len(got)} of {len(expected)} names"
    number = next((i for i, (one, other) in enumerate(zip(expected, got, strict=True), 1) if one != other), 0)
    return f"'{got[number - 1]}' as name {number} in place of '{expected[number - 1]}'" if number else "the same names"


def did_you_mean(wrong: Iterable[object], known: Iterable[object], otherwise: str, found: bool = False) -> str:
    """Suggest known names that are similar to wrong ones, whatever their case; ``otherwise`` is returned if none is.

    ``found`` says that the wrong names are those in a file, of which any may be meant: only very similar names are then
    suggested, each with the wrong name, even if there is one. Names that differ only in their side (r, l) are not
    suggested.
    """
    names, by_case = [str(name) for name in wrong], {str(name).lower(): str(name) for name in known}
    close: dict[str, str] = {}
    for name in names:
        fitting = [one for one in by_case if not _of_other_side(one, name.lower())]
        similar = get_close_matches(name.lower(), fitting, n=1, cutoff=0.85 if found else 0.6)
        if not (similar or found) and len(name) >= PART:
            similar = [one for one in fitting if name.lower() in one][:1]
        if similar:
            close[name] = by_case[similar[0]]
    if not close:
        return otherwise
    single = len(names) == 1 and not found
    suggested = close.values() if single else [f"{own} instead of {name}" for name, own in close.items()]
    return f"Did you mean {some(suggested)}?"


def _of_other_side(one: str, other: str) -> bool:
    """Whether two names differ in nothing but r and l."""
    words = list(zip(one.split("_"), other.split("_"), strict=False))
    different = {frozenset(pair) for pair in words if len(set(pair)) > 1}
    return one.count("_") == other.count("_") and different == {frozenset("rl")}


def check_names(what: str, names: Iterable[str], known: Iterable[str], where: object = None) -> None:
    """Raise an InputError that lists the names which are not among the known ones, with a similar one of these."""
    allowed = list(dict.fromkeys(known))
    if unknown := [name for name in dict.fromkeys(names) if name not in allowed]:
        fix = did_you_mean(unknown, allowed, "Check the names.")
        raise InputError(explain(f"{what} among {some(allowed, 100)}", some(unknown), fix, where))
