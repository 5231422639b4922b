"""Which muscles have elastic tendons: one word for all, or words by patterns of their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, Literal, get_args

import numpy as np

from ..errors import InputError, explain, shown, some
from .muscle_class import Mask

Tendon = Literal["rigid", "compliant"]
#: A word for all muscles, or a mapping from names or patterns (as of ``fnmatch``) to words; the first pattern that
#: matches a name counts.
Tendons = Tendon | Mapping[str, Tendon]


def check_tendon(tendon: Any) -> None:
    """Raise an InputError unless ``tendon`` is 'rigid', 'compliant', or a mapping from patterns to these words."""
    words = get_args(Tendon)
    fix = "Give one word, or for example {'soleus*': 'compliant', '*': 'rigid'}; the first matching pattern counts."
    if isinstance(tendon, Mapping):
        wrong = {name: word for name, word in tendon.items() if not (isinstance(name, str) and word in words)}
        if not tendon or wrong:
            raise InputError(explain("a mapping of tendon from names to rigid or compliant", shown(wrong), fix))
    elif not (isinstance(tendon, str) and tendon in words):
        raise InputError(explain(f"tendon among {', '.join(words)}, or a mapping to these", shown(tendon), fix))


def compliant(tendon: Tendons, names: Sequence[str]) -> Mask:
    """(M,) which muscles are to have elastic tendons.

    Raises
    ------
    InputError
        As ``check_tendon``; no pattern matches a muscle, or a pattern is the first that matches for none.
    """
    check_tendon(tendon)
    if isinstance(tendon, str):
        return np.full(len(names), tendon == "compliant")
    first = [next((key for key in tendon if fnmatchcase(name, key)), None) for name in names]
    if left := [name for name, key in zip(names, first, strict=True) if key is None]:
        fix = "Add '*' as the last pattern, for all others."
        raise InputError(explain("a tendon for every muscle", f"none for {some(left)}", fix))
    if idle := [key for key in tendon if key not in first]:
        fix = f"Remove or correct the pattern, or move it up: the first match counts. Muscles are {some(names, 100)}."
        raise InputError(explain("patterns of tendon that each choose a muscle", f"no muscle for {some(idle)}", fix))
    return np.array([tendon[key] == "compliant" for key in first if key is not None], dtype=bool)


def tendon_text(tendon: Tendons) -> str:
    """Format as on the command line: rigid, compliant, or pattern=word,…."""
    return tendon if isinstance(tendon, str) else ",".join(f"{name}={word}" for name, word in tendon.items())


def read_tendon(text: str) -> Any:
    """Read rigid, compliant, or pattern=word,…; ``check_tendon`` judges the words."""
    if "=" not in text:
        return text
    pairs = [part.partition("=") for part in text.split(",")]
    return {name.strip(): word.strip() for name, _, word in pairs}
