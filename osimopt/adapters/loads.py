"""ExternalLoads files, checked before opensim sees them."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, explain, some
from ..tables import check_times, read_table
from .xml import read_xml

#: s; motion and load files print times to 6-8 digits.
TIME_SLACK = 1e-6


@dataclass(frozen=True)
class ExternalLoads:
    """An ExternalLoads XML and the table it refers to."""

    path: Path
    data: Path
    time_range: tuple[float, float]

    def check_covers(self, time: NDArray[np.float64]) -> None:
        """Refuse frames for which there are no loads."""
        first, last = self.time_range
        if time[0] < first - TIME_SLACK or time[-1] > last + TIME_SLACK:
            got = f"frames from {time[0]:g} to {time[-1]:g} s"
            fix = "Choose a time_range inside it, or the loads of this trial."
            raise InputError(explain(f"frames within the loads' {first:g} to {last:g} s", got, fix, self.data))


def read_external_loads(path: str | os.PathLike[str]) -> ExternalLoads:
    """Check an ExternalLoads XML: its data file exists (beside it, or as an absolute path) and holds every column."""
    return check_external_loads(find_external_loads(path))


def find_external_loads(path: str | os.PathLike[str]) -> ExternalLoads:
    """Find the data file of an ExternalLoads XML, not yet read."""
    path = Path(path).resolve()
    element = read_xml(path, "ExternalLoads", "an ExternalLoads file (.xml)")
    name = (element.findtext("datafile") or "").strip()
    if not name:
        raise InputError(explain("a <datafile>", "none", "Name the .mot with the forces.", path))
    candidates = [path.parent / name, Path(name)]
    data = next((candidate for candidate in candidates if candidate.is_file()), None)
    if data is None:
        fix = f"Put it into {path.parent} or correct <datafile>."
        raise InputError(explain("the <datafile> it names", f"no file '{name}'", fix, path))
    return ExternalLoads(path, data.resolve(), (np.nan, np.nan))


def check_external_loads(loads: ExternalLoads) -> ExternalLoads:
    """Read the data and check that they hold every column, and numbers."""
    element = read_xml(loads.path, "ExternalLoads", "an ExternalLoads file (.xml)")
    table = read_table(loads.data)
    _check_columns(loads.path, loads.data, element, list(table.columns))
    time = table.index.to_numpy(dtype=float)
    check_times(time, loads.data)
    if not np.isfinite(table.to_numpy()).all():
        column = table.columns[~np.isfinite(table.to_numpy()).all(axis=0)][0]
        raise InputError(explain("numbers", f"NaN in column '{column}'", "Fill the gaps.", loads.data))
    return replace(loads, time_range=(float(time[0]), float(time[-1])))


def _check_columns(path: Path, data: Path, element, columns: list[str]) -> None:  # type: ignore[no-untyped-def]
    for force in element.iter("ExternalForce"):
        for tag in ("force_identifier", "point_identifier", "torque_identifier"):
            identifier = (force.findtext(tag) or "").strip()
            axes = [identifier + axis for axis in ("x", "y", "z")]
            missing = [axis for axis in axes if axis not in columns]
            if identifier not in ("", "Unassigned") and missing:
                where = f"{path}, ExternalForce '{force.get('name')}'"
                got = f"no {some(missing)} in {data.name} (it has {some(columns)})"
                raise InputError(explain(f"columns for <{tag}> '{identifier}'", got, "Correct the identifier.", where))
