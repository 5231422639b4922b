"""muscle_table: moment arm and strength of every muscle over a joint's range."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import isolation
from ..errors import InputError, explain, some
from ..notices import warn
from ..problem.arrays import Coordinate
from .joint_ranges import tell_outside
from .messages import Postures
from .model import Model, read_model

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

UNITS = {
    "moment_arm": "m",
    "max_force": "N",
    "max_moment": "N·m",
    "max_force_active": "N",
    "max_force_rigid": "N",
    "muscle_tendon_length": "m",
    "fiber_length": "m",
}


def muscle_table(
    model: str | os.PathLike[str] | Any,
    coordinate: str,
    n: int = 100,
    values: ArrayLike | None = None,
    pose: Mapping[str, float] | None = None,
    *,
    weld: Sequence[str] = (),
) -> pd.DataFrame:
    """Tabulate moment arm and maximum force of every muscle over one coordinate, at rest.

    Parameters
    ----------
    model
        Path of an .osim file, or a live ``opensim.Model``.
    coordinate
        Name of a free coordinate.
    n
        Number of equal steps over the coordinate's range in the model.
    values
        Values to use instead: degrees, or m for a translation.
    pose
        The other coordinates, degrees or m, by name; those not named keep the model's default.
    weld
        Names of joints to weld: their coordinates are locked at the model's defaults.

    Returns
    -------
    pandas.DataFrame
        The index is the coordinate in degrees (or m), the columns are (muscle, quantity):

        ``moment_arm`` m, −∂(muscle_tendon_length)/∂q as OpenSim computes it;
        ``max_force`` N, tendon force at activation 1 in fibre–tendon equilibrium (elastic tendon, passive
        force included); ``max_moment`` N·m, moment_arm · max_force; ``max_force_active`` N, its active part
        along the tendon; ``max_force_rigid`` N, active force along a rigid tendon (what static optimization
        uses, at zero speed); ``muscle_tendon_length``, ``fiber_length`` m.

        ``attrs`` holds model, coordinate, unit, pose and OpenSim's warnings. NaN where OpenSim finds no
        equilibrium, with a warning; another where values or pose leave a coordinate's range in the model.

    Raises
    ------
    InputError, ModelError
        Wrong file; a coordinate that does not exist or is coupled, locked or prescribed; values not finite.
    """
    read = read_model(model, weld)
    moving = _free_coordinate(read, coordinate)
    described = moving[1]
    steps = _values(described, n, values)
    posture = _pose(read, pose or {}, coordinate)
    in_model_units = np.deg2rad(steps) if described.rotational else steps
    _warn_of_ranges(read, moving[0], in_model_units, posture)
    function = "osimopt.adapters.worker.equilibrium:strengths"
    found = isolation.run("opensim", function, read.key, moving[0], in_model_units, posture, subject=read.path)
    table = _frame(read, found, steps, described)
    said = [*read.description.warnings, *found.warnings]
    unit = "deg" if described.rotational else "m"
    table.attrs.update(model=read.path, coordinate=coordinate, unit=unit, pose=dict(pose or {}), warnings=said)
    return table


def _free_coordinate(model: Model, name: str) -> tuple[int, Coordinate]:
    names = model.description.coordinate_names
    if name not in names:
        fix = "Choose one of them."
        raise InputError(explain(f"a coordinate among {some(names, 60)}", repr(name), fix, model.path))
    index = names.index(name)
    described = model.description.coordinates[index]
    if described.kind != "free":
        fix = (
            "Sweep the coordinate it follows instead." if described.kind == "coupled" else "Free it in the model first."
        )
        raise InputError(explain("a free coordinate", f"'{name}', which is {described.kind}", fix, model.path))
    return index, described


def _values(coordinate: Coordinate, n: int, values: ArrayLike | None) -> Array:
    if values is not None:
        given = np.atleast_1d(np.asarray(values, dtype=float))
        if given.ndim != 1 or not given.size or not np.isfinite(given).all():
            got = f"shape {given.shape}" if given.ndim != 1 or not given.size else "NaN or infinity"
            raise InputError(explain("finite values (n,) in degrees or m", got, "Repair them."))
        return given
    if n < 1:
        raise InputError(explain("n of at least 1", f"{n}", "Ask for more steps."))
    low, high = coordinate.range
    if not np.isfinite([low, high]).all():
        raise InputError(explain(f"a finite range of '{coordinate.name}'", f"{low} to {high}", "Give values=."))
    span = np.linspace(low, high, n)
    return np.rad2deg(span) if coordinate.rotational else span


def _pose(model: Model, pose: Mapping[str, float], moving: str) -> Array:
    names = model.description.coordinate_names
    posture = np.array([coordinate.default for coordinate in model.description.coordinates])
    for name, value in pose.items():
        if name not in names or name == moving:
            got = f"'{name}'" + (" (the one that moves)" if name == moving else "")
            raise InputError(explain(f"pose of coordinates among {some(names, 60)}", got, "Rename it.", model.path))
        if not np.isfinite(value):
            raise InputError(explain(f"a number for '{name}' in pose", f"{value}", "Give degrees or m.", model.path))
        index = names.index(name)
        if model.description.coordinates[index].kind != "free":
            raise InputError(explain("pose of free coordinates", f"'{name}'", "Leave it out.", model.path))
        posture[index] = np.deg2rad(value) if model.description.coordinates[index].rotational else value
    return posture


def _warn_of_ranges(model: Model, moving: int, steps: Array, posture: Array) -> None:
    """Name the coordinates that are asked outside their range."""
    coordinates = model.description.coordinates
    asked = [(coordinates[moving], steps)]
    asked += [(coordinates[i], posture[[i]]) for i in model.description.free if i != moving]
    if told := [text for coordinate, value in asked if (text := tell_outside(coordinate, value))]:
        warn(
            f"{model.path}: outside the model's range, in values: {some(told, 12)}. Muscle paths may be wrong there.",
            stacklevel=4,
        )


def _frame(model: Model, found: Postures, steps: Array, coordinate: Coordinate) -> pd.DataFrame:
    import pandas as pd

    columns = {**found.columns, "max_moment": found.columns["moment_arm"] * found.columns["max_force"]}
    muscles = model.description.muscles.names
    unit = "deg" if coordinate.rotational else "m"
    lost = np.isnan(columns["max_force"])
    if lost.any():
        names = [m for m, bad in zip(muscles, lost.any(axis=0), strict=True) if bad]
        warn(
            f"OpenSim finds no fibre–tendon equilibrium for {some(names)} in some postures: NaN.",
            stacklevel=3,
        )
    return pd.DataFrame(
        {(muscle, name): columns[name][:, index] for index, muscle in enumerate(muscles) for name in UNITS},
        index=pd.Index(steps, name=f"{coordinate.name} ({unit})"),
    ).rename_axis(columns=("muscle", "quantity"))
