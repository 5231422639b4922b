"""Input files of a trial: their existence, the files that they name, and DataFrames in place of files."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError, explain, shown
from ..files.given import GivenTable, is_frame
from ..polynomial.files import fits_path
from .loads import GivenLoads, find_data


def numbered(name: str, values: Sequence[Any]) -> dict[str, Any]:
    """Return the items of an option with several values by name and number: ``force_set_1``, ``force_set_2``, …."""
    return {f"{name.removesuffix('s')}_{number}": value for number, value in enumerate(values, 1)}


def named_in(files: Mapping[str, Any]) -> dict[str, Path]:
    """Return the files that others name: the data of external loads, and how fitted paths were fitted.

    Raises
    ------
    InputError
        External loads whose data file does not exist.
    """
    named = {}
    if "external_loads" in files and "external_loads_data" not in files:
        named["external_loads_data"] = find_data(files["external_loads"])
    if "geometry" in files and fits_path(files["geometry"]).is_file():
        named["geometry_fit"] = fits_path(files["geometry"])
    return named


def as_table(name: str, value: Any) -> Any:
    """Return a path or GivenTable as it is, a DataFrame as GivenTable; raise an InputError for anything else."""
    if is_frame(value):
        return GivenTable(value, name)
    if not isinstance(value, (str, os.PathLike, GivenTable)):
        raise InputError(explain(f"a path or a pandas.DataFrame as {name}", shown(value), "Give the path of the file."))
    return value


def as_loads(value: Any) -> Any:
    """Return a path or GivenLoads as it is, (path, DataFrame) as GivenLoads; raise an InputError for anything else."""
    if isinstance(value, (str, os.PathLike, GivenLoads)):
        return value
    pair = value if isinstance(value, (tuple, list)) else ()
    if len(pair) != 2 or not is_frame(pair[1]) or not isinstance(pair[0], (str, os.PathLike)):
        fix = "Give (path of the XML, DataFrame), or the path alone to read the data file that the XML names."
        raise InputError(explain("external_loads as a path, or (path, DataFrame)", shown(value), fix))
    return GivenLoads(pair[0], GivenTable(pair[1], "external_loads"))


def existing(name: str, path: Any) -> Path | GivenTable:
    """Return the path of an existing file, or a GivenTable; raise an InputError for anything else."""
    if isinstance(path, GivenTable):
        return path
    if not isinstance(path, (str, os.PathLike)):
        raise InputError(explain(f"a file as {name}", repr(path), "Give its path."))
    if not Path(path).is_file():
        raise InputError(explain(f"a file as {name}", "no such file", "Check the path.", path))
    return Path(path)
