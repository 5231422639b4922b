"""The mathematics of the library that an array belongs to, so that a closed form is written once."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

#: An array of NumPy or torch, a CasADi expression, or a number.
Array = Any


def namespace(array: Array) -> Any:
    """Torch or casadi where the array is theirs, else numpy; never imports one that is not loaded."""
    library = type(array).__module__.partition(".")[0]
    return sys.modules[library] if library in ("torch", "casadi") else np


def where(condition: Array, yes: Array, no: Array) -> Array:
    """One of two expressions, element by element; both are evaluated."""
    library = namespace(condition)
    if library.__name__ == "casadi":
        return library.if_else(condition, yes, no)
    if library.__name__ == "torch":
        like = next(item for item in (yes, no) if hasattr(item, "dtype"))
        yes, no = (library.as_tensor(item, dtype=like.dtype) for item in (yes, no))
    return library.where(condition, yes, no)
