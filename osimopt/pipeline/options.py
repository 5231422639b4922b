"""SolveOptions: the method by which a problem is solved, and its options."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from ..dynamic.options import DynamicOptions
from ..errors import InputError, explain, some
from ..options import option
from ..static.options import StaticOptions


@dataclass(frozen=True, eq=False)
class SurrogateOptions:
    """A surrogate of static or dynamic optimization, and what solves the frames that it cannot."""

    folder: str | os.PathLike[str] | None = option(
        None, "Folder that osimopt train wrote.", shell=Path, flags=("--surrogate",), study=str
    )
    fallback: Literal["exact", "none"] = option(
        "exact",
        "Frames without a verified answer: exact (solved exactly; a dynamic one: by collocation) or none (NaN).",
    )
    device: str = option("cpu", "Where the network computes: cpu, cuda, cuda:0, ….", shell=str)


SolveOptions = StaticOptions | DynamicOptions | SurrogateOptions
METHODS: dict[str, type[SolveOptions]] = {
    "static": StaticOptions,
    "dynamic": DynamicOptions,
    "surrogate": SurrogateOptions,
}


def read_solve_options(given: Mapping[str, Any]) -> SolveOptions:
    """Make the options of the method ``given["method"]``, by default static.

    Raises
    ------
    InputError
        Unknown method or option.
    """
    named = dict(given)
    method = named.pop("method", "static")
    if method not in METHODS:
        raise InputError(explain(f"method among {some(METHODS)}", repr(method), "Choose one of them."))
    known = [own.name for own in fields(METHODS[method])]
    if unknown := [name for name in named if name not in known]:
        fix = "Correct the name, or leave it out."
        raise InputError(explain(f"options of the {method} method ({some(known, 20)})", some(unknown), fix))
    return METHODS[method](**named)
