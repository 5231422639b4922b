"""SolveOptions: the method by which a problem is solved, and its options."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ..dynamic.options import DynamicOptions
from ..errors import check_names
from ..options import check_word, declared, option
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
    check_word("method", method, METHODS)
    check_names(f"options of the {method} method", named, declared(METHODS[method]))
    return METHODS[method](**named)
