"""Models described in plain arrays, for the tests of multibody and paths."""

from __future__ import annotations

import os
from functools import cache

from osimopt.adapters.mechanics import read_described
from osimopt.adapters.model import identify
from osimopt.multibody.description import Multibody
from osimopt.paths.description import Paths


@cache
def describe(path: str | os.PathLike[str]) -> tuple[Multibody, Paths]:
    """The mechanics and paths of the model in a file, as OpenSim's process describes them."""
    described = read_described(identify(path))
    return described.multibody, described.paths
