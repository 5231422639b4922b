"""Table of the moment arm and strength of every muscle over a joint's range."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ..errors import InputError, ModelError, did_you_mean, explain, some
from ..muscle.fibers import active_force, equilibrium_fibers
from ..muscle.forces import equilibrium, rigid_tendon_gain
from ..notices import warn
from ..options import check_word
from ..problem.arrays import Array, Coordinate
from ..problem.names import match_names
from .arrays import along_motion
from .completion import closed
from .exact import ExactPaths, read_exact
from .model import Model, read_model
from .options import GEOMETRIES, Geometry
from .units import describe_outside

if TYPE_CHECKING:
    import pandas as pd

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
    muscles: str | Sequence[str] | None = None,
    geometry: Geometry = "exact",
) -> pd.DataFrame:
    """Tabulate moment arm and maximum force of every muscle over one coordinate, at rest.

    Parameters
    ----------
    model
        Path of an .osim file, or a live ``opensim.Model``.
    coordinate
        Name of a free coordinate.
    n
        Number of equally spaced values over the coordinate's range in the model.
    values
        (n,) values to use instead: degrees, or m for a translation.
    pose
        Other coordinates, degrees or m, by name; those not named have the model's default.
    weld
        Names of joints to weld: their coordinates are locked at the model's defaults.
    muscles
        Names, patterns (``"*_l"``) or the side of the muscles to tabulate; by default all.
    geometry
        Muscle paths: ``"exact"``, tangent to every object that they wrap over, with forces and fibre lengths by
        osimopt's curves at these lengths; muscles that this does not cover are left to OpenSim, and a warning names
        them. ``"opensim"``: paths, forces and fibre lengths of OpenSim.

    Returns
    -------
    pandas.DataFrame
        The index is the coordinate in degrees (or m), the columns are (muscle, quantity):

        ``moment_arm`` m, −∂(muscle_tendon_length)/∂q;
        ``max_force`` N, tendon force at activation 1 in fibre–tendon equilibrium (elastic tendon, passive
        force included); ``max_moment`` N·m, moment_arm · max_force; ``max_force_active`` N, its active part
        along the tendon; ``max_force_rigid`` N, active force along a rigid tendon (as in static optimization,
        at zero speed); ``muscle_tendon_length``, ``fiber_length`` m.

        ``attrs`` holds model, coordinate, unit, pose and OpenSim's warnings. Forces and fibre lengths are NaN where
        OpenSim finds no equilibrium, with a warning; another names values or poses outside a coordinate's range in the
        model.

    Raises
    ------
    InputError, ModelError
        Wrong file; a coordinate that does not exist or is coupled, locked or prescribed; values not finite.

    Examples
    --------
    >>> import osimopt
    >>> from osimopt.datasets import arm26
    >>> table = osimopt.muscle_table(arm26().model, "r_elbow_flex", values=[60.0, 90.0])
    >>> table["BIClong"]["moment_arm"].round(4).tolist()
    [0.0405, 0.0488]
    >>> table["BIClong"]["max_force"].round().tolist()
    [625.0, 577.0]
    """
    import pandas as pd

    check_word("geometry", geometry, GEOMETRIES)
    described = read_model(model, weld)
    names = described.description.muscles.names
    chosen = range(len(names)) if muscles is None else match_names("muscles", muscles, names, described.path).tolist()
    index = _free_coordinate(described, coordinate)
    moving = described.description.coordinates[index]
    steps = _values(moving, n, values)
    posture = _pose(described, pose or {}, coordinate)
    in_model_units = np.deg2rad(steps) if moving.rotational else steps
    _warn_of_ranges(described, index, in_model_units, posture)
    paths = read_exact(described) if geometry == "exact" else None
    if paths is None or len(paths.muscles) < len(names):
        columns, warnings = described.run("describe:strengths", index, in_model_units, posture)
    else:
        columns, warnings = {name: np.full((len(steps), len(names)), np.nan) for name in UNITS}, []
    if paths is not None and paths.muscles:
        postures = np.tile(posture, (len(steps), 1))
        postures[:, index] = in_model_units
        _use_exact_paths(described, paths, index, postures, columns)
    columns["max_moment"] = columns["moment_arm"] * columns["max_force"]
    unit = "deg" if moving.rotational else "m"
    open_loops = np.isnan(columns["muscle_tendon_length"]).all(axis=1)
    if open_loops.any():
        at, loops = some([f"{value:g}" for value in steps[open_loops]], 12), some(described.description.loops)
        warn(f"At {coordinate} = {at} {unit} no posture satisfies {loops}, or it is nearly singular: NaN.")
    no_path, slack = (
        np.isnan(columns[name][~open_loops]).any(axis=0) for name in ("muscle_tendon_length", "max_force")
    )
    if lost := [names[place] for place in chosen if no_path[place]]:
        warn(f"The paths of {some(lost)} do not settle in some postures: NaN.")
    if lost := [names[place] for place in chosen if slack[place] and not no_path[place]]:
        warn(f"OpenSim finds no fibre–tendon equilibrium for {some(lost)} in some postures: NaN.")
    table = pd.DataFrame(
        {(names[place], name): columns[name][:, place] for place in chosen for name in UNITS},
        index=pd.Index(steps, name=f"{coordinate} ({unit})"),
    ).rename_axis(columns=("muscle", "quantity"))
    warnings = [*described.description.warnings, *described.description.replaced, *warnings]
    table.attrs.update(model=described.path, coordinate=coordinate, unit=unit, pose=dict(pose or {}), warnings=warnings)
    return table


def _use_exact_paths(model: Model, paths: ExactPaths, index: int, postures: Array, columns: dict[str, Array]) -> None:
    """Overwrite the columns (n, M) of the muscles with exact paths; rows in which loops do not close stay NaN.

    Raises
    ------
    ModelError
        They close in none.
    """
    motion = closed(model, postures, by_default=True)
    rows = np.flatnonzero(np.isfinite(motion.value).all(axis=1))
    if not len(rows):
        fix = "Check the values and the pose, or the constraints in the model."
        expected = "a posture that satisfies the model's constraints"
        raise ModelError(explain(expected, f"none: {some(model.description.loops)}", fix, model.path))
    along = along_motion(paths, model, motion.frames(rows))
    every = model.description.muscles
    own = np.array([every.names.index(name) for name in paths.muscles], dtype=np.intp)
    muscles, length, here = every.select(own), np.asarray(along.length), np.ix_(rows, own)
    still, active = np.zeros_like(length), np.ones_like(length)
    fibers = equilibrium_fibers(muscles, length, still, active)
    columns["muscle_tendon_length"][here], columns["fiber_length"][here] = length, fibers.length
    columns["moment_arm"][here] = along.moment_arm[:, model.description.free.index(index)]
    columns["max_force"][here] = equilibrium(muscles, length, 1.0)[1]
    columns["max_force_active"][here] = (
        active_force(muscles, fibers._replace(speed_along=still), active) * fibers.cosine
    )
    columns["max_force_rigid"][here] = rigid_tendon_gain(muscles, length, still)


def _free_coordinate(model: Model, name: str) -> int:
    """Index of a coordinate that must be free."""
    names = model.description.coordinate_names
    if name not in names:
        fix = did_you_mean([name], names, "Choose one of them.")
        raise InputError(explain(f"a coordinate among {some(names, 60)}", repr(name), fix, model.path))
    kind = model.description.coordinates[names.index(name)].kind
    if kind != "free":
        fix = "Sweep the coordinate it follows instead." if kind == "coupled" else "Free it in the model first."
        raise InputError(explain("a free coordinate", f"'{name}', which is {kind}", fix, model.path))
    return names.index(name)


def _values(coordinate: Coordinate, n: int, values: ArrayLike | None) -> Array:
    if values is not None:
        given = np.atleast_1d(np.asarray(values, dtype=float))
        if given.ndim != 1 or not given.size or not np.isfinite(given).all():
            got = f"shape {given.shape}" if given.ndim != 1 or not given.size else f"{given[~np.isfinite(given)][0]}"
            raise InputError(explain("finite values (n,) in degrees or m", got, "Correct them."))
        return given
    if n < 1:
        raise InputError(explain("n of at least 1", f"{n}", "Give a larger n."))
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
            got = f"'{name}'" + (" (it moves in this table)" if name == moving else "")
            fix = "Leave it out." if name == moving else did_you_mean([name], names, "Rename it.")
            raise InputError(explain(f"pose of coordinates among {some(names, 60)}", got, fix, model.path))
        if not np.isfinite(value):
            raise InputError(explain(f"a number for '{name}' in pose", f"{value}", "Give degrees or m.", model.path))
        index = names.index(name)
        if model.description.coordinates[index].kind != "free":
            raise InputError(explain("pose of free coordinates", f"'{name}'", "Leave it out.", model.path))
        posture[index] = np.deg2rad(value) if model.description.coordinates[index].rotational else value
    return posture


def _warn_of_ranges(model: Model, moving: int, steps: Array, posture: Array) -> None:
    """Name the coordinates whose values are outside their range."""
    values = {index: posture[[index]] for index in [moving, *model.description.free]} | {moving: steps}
    coordinates = model.description.coordinates
    if outside := [text for i, value in values.items() if (text := describe_outside(coordinates[i], value))]:
        where = f"{model.path}: outside the model's range, in values: {some(outside, 12)}"
        warn(f"{where}. Muscle paths may be wrong there.")
