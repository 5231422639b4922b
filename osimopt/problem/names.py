"""Names by pattern, or by the side of the body."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from ..errors import InputError, check_names, explain, shown, some
from .arrays import Index

Names = str | Sequence[str]
#: Words for the sides, and the marks of each side at the end, at the beginning or in the middle of a name.
SIDES = {"left": ("left", "l"), "right": ("right", "r")}
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=^[LR])(?=[A-Z][a-z])")


def side_of(name: str) -> str | None:
    """``"left"`` or ``"right"``: soleus_l, l_soleus, knee_angle_l_beta, LeftKnee, kneeL; None where a name has neither.

    The end of a name takes precedence over its beginning, and that over its middle.
    """
    words = [word.lower() for part in re.split(r"[^A-Za-z0-9]+", name) if part for word in _CAMEL.split(part)]
    for word in (words[-1:], words[:1], words):
        sides = {side for side, marks in SIDES.items() if set(marks) & set(word)}
        if len(sides) == 1:
            return sides.pop()
    return None


def match_names(what: str, wanted: Names, known: Sequence[str], where: object = None) -> Index:
    """Indices of the known names that are wanted: by name, by a pattern such as ``"*_l"``, or by their side.

    Raises
    ------
    InputError
        A name or pattern that matches nothing, or a side that no name has.
    """
    found: set[int] = set()
    for word in check_wanted(what, wanted):
        matches = {index for index, name in enumerate(known) if name == word or fnmatchcase(name, word)}
        if not matches and word.lower() in SIDES:
            matches = {index for index, name in enumerate(known) if side_of(name) == word.lower()}
            if not matches:
                fix = f"Give names, or a pattern such as {what}=('*_x',)."
                expected = f"{what} of the {word.lower()} side, such as x_{word[0].lower()} or {word.lower()}_x"
                raise InputError(explain(expected, f"none among {some(known, 40)}", fix, where))
        if not matches and set("*?[") & set(word):
            fix = "In a pattern * stands for any letters, ? for one."
            raise InputError(explain(f"a pattern that matches {what} among {some(known, 40)}", word, fix, where))
        if not matches:
            check_names(what, [word], known, where)
        found |= matches
    return np.array(sorted(found), dtype=np.intp)


def check_wanted(what: str, wanted: Any) -> tuple[str, ...]:
    """Return the names as a tuple; raise an InputError unless they are one text or a sequence of texts."""
    words = (wanted,) if isinstance(wanted, str) else wanted
    if not isinstance(words, Sequence) or not words or not all(isinstance(word, str) and word for word in words):
        fix = f"Write for example {what}=('*_l',), or leave it out for all."
        raise InputError(explain(f"{what} as names, patterns or a side", shown(wanted), fix))
    return tuple(words)
