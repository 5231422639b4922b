"""Generalized forces from a file, as OpenSim's InverseDynamicsTool writes them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, explain, some
from ..files.storage import read_series
from ..notices import warn
from ..problem.arrays import GeneralizedForce, Kinematics
from ..signals import quintic_spline
from .completion import turning_and_moved
from .loads import TIME_SLACK
from .model import Model

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

#: First line of the file that ``osimopt extract`` writes, whose labels are the bare coordinates.
OWN_TITLE = "generalized_force"


def read_generalized_force(path: str | os.PathLike[str], model: Model, motion: Kinematics) -> GeneralizedForce:
    """Read net joint moments for the frames of a motion.

    Columns are ``<coordinate>_moment`` or ``<coordinate>_force`` (OpenSim's own). The bare coordinate name or its path
    is taken too, with a warning, unless the file says that it holds coordinates: a motion has the same names.

    Moments of coupled coordinates are projected onto the coordinates they follow. Free coordinates without a column are
    left out of the balance, with a warning. Times that differ from the motion's are interpolated by the quintic spline,
    with a warning.

    Raises
    ------
    InputError
        Not one coordinate found, a motion instead of moments, NaN, times that do not increase or do not cover
        the motion.
    """
    table = read_series(path)
    time = table.index.to_numpy(dtype=float)
    names = model.description.coordinate_names
    columns = {_coordinate_of(str(label), names): label for label in table.columns}
    twice = [name for name in columns if [_coordinate_of(str(c), names) for c in table.columns].count(name) > 1]
    if twice:
        raise InputError(explain("one column per coordinate", f"two for {some(twice)}", "Remove one.", path))
    free = [names[index] for index in model.description.free]
    found = [name for name in free if name in columns]
    if not found:
        fix = "Give the .sto that OpenSim's InverseDynamicsTool wrote for this model."
        raise InputError(explain("columns like 'knee_angle_r_moment'", some(table.columns), fix, path))
    _refuse_a_motion(path, table, [str(columns[name]) for name in found])
    _refuse_speeds(path, turning_and_moved(model, motion))
    if absent := [name for name in free if name not in columns]:
        warn(f"{path}: no column for {some(absent, 12)}; their balance is left out.", stacklevel=3)
    everything = np.zeros((len(time), len(names)))
    for index, name in enumerate(names):
        if name in columns:
            everything[:, index] = table[columns[name]]
    at_frames = _at(motion.time, time, everything, path)
    if not np.isfinite(at_frames).all():
        frame, index = np.argwhere(~np.isfinite(at_frames))[0]
        got = f"NaN in '{columns[names[index]]}' at {motion.time[frame]:g} s"
        raise InputError(explain("numbers in every frame", got, "Fill the gaps or choose a time_range.", path))
    keep = [names.index(name) for name in found]
    return GeneralizedForce(motion.time, tuple(found), motion.onto_free(at_frames)[:, keep])


def _refuse_speeds(path: str | os.PathLike[str], turning: list[str]) -> None:
    """Refuse OpenSim's own moments where its InverseDynamicsTool takes rates of coordinates for speeds."""
    if not turning or _title(path) == OWN_TITLE:
        return
    got = f"a file for a motion of {some(turning)}, whose joint has speeds of its own"
    fix = (
        "OpenSim's InverseDynamicsTool takes the rates of such coordinates for its speeds and is wrong for the whole "
        "model: leave generalized_force out, or give what 'osimopt extract' wrote."
    )
    raise InputError(explain("generalized forces about coordinates", got, fix, path))


def _title(path: str | os.PathLike[str]) -> str:
    with Path(path).open(encoding="utf-8-sig") as lines:
        return lines.readline().strip()


def _refuse_a_motion(path: str | os.PathLike[str], table: pd.DataFrame, labels: list[str]) -> None:
    """Coordinates in degrees would pass for moments of plausible size; only the header and the labels tell."""
    bare = [label for label in labels if not label.endswith(("_moment", "_force", "/moment", "/force"))]
    title = _title(path)
    if not bare or title == OWN_TITLE:
        return
    signs = {
        "inDegrees=yes": table.attrs["in_degrees"],
        f"the title '{title}'": title.lower().removeprefix("name ") in ("coordinates", "states"),
        f"a label '{bare[0]}'": bare[0].endswith("/value"),
    }
    if told := [sign for sign, seen in signs.items() if seen]:
        got = f"columns named like coordinates ({some(bare)}) in a file with {told[0]}"
        fix = "Give the .sto of OpenSim's InverseDynamicsTool; if these are moments, add _moment to their labels."
        raise InputError(explain("generalized forces", got, fix, path))
    warn(
        f"{path}: {some(bare)} are taken as generalized forces in N·m or N, though their labels do not end in _moment "
        "or _force. Is it not a motion?",
        stacklevel=4,
    )


def _coordinate_of(label: str, names: tuple[str, ...]) -> str:
    parts = [part for part in label.split("/") if part not in ("", "value", "moment", "force")]
    last = parts[-1] if parts else ""
    for suffix in ("", "_moment", "_force"):
        if last.endswith(suffix) and last[: len(last) - len(suffix)] in names:
            return last[: len(last) - len(suffix)]
    return f"?{label}"


def _at(wanted: Array, time: Array, value: Array, path: object) -> Array:
    if wanted[0] < time[0] - TIME_SLACK or wanted[-1] > time[-1] + TIME_SLACK:
        got = f"frames from {wanted[0]:g} to {wanted[-1]:g} s"
        raise InputError(explain(f"frames within its {time[0]:g} to {time[-1]:g} s", got, "Choose a time_range.", path))
    nearest = np.clip(np.searchsorted(time, wanted), 1, len(time) - 1)
    nearest -= (wanted - time[nearest - 1]) < (time[nearest] - wanted)
    if np.all(np.abs(time[nearest] - wanted) <= TIME_SLACK):
        return np.asarray(value[nearest])
    if not np.isfinite(value).all():
        fix = "Fill the gaps, or give them at the motion's own times."
        raise InputError(explain("numbers at every time, to interpolate", "NaN", fix, path))
    warn(f"{path}: its times are not the motion's; interpolated by a quintic spline.", stacklevel=4)
    return np.asarray(quintic_spline(time, value)(wanted))
