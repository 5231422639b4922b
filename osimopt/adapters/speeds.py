"""Speeds of the coordinates from a file of speeds or of states, in the units that fit the motion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .. import signals
from ..errors import InputError, did_you_mean, explain, some
from ..files.given import Origin
from ..files.series import TIME_SLACK, usable
from ..files.storage import read_columns
from ..problem.arrays import Array, Coordinate
from .model import Model
from .units import either_unit

if TYPE_CHECKING:
    import pandas as pd

#: Factors between units: degrees and radians, mm and m.
DEGREES, MILLIMETRES = 180.0 / np.pi, 1000.0
#: Tolerance of a ratio of speeds, and the least correlation of speeds and slopes at which the ratio is used.
SAME, ALIKE = 0.25, 0.9
#: rad/s or m/s; slower than this, a unit makes no difference.
SLOW = 1e-3


def read_speeds(path: Origin, model: Model, span: tuple[float, float]) -> pd.DataFrame:
    """Table of the speeds of the free coordinates, from a file of speeds or of states, in the units of its header.

    Rows away from the ``span`` of the frames that cannot be used are left out (:func:`usable`).
    """
    table = read_columns(path)
    named = [_speed_of(label) for label in table.columns]
    free = [model.description.coordinates[index].name for index in model.description.free]
    if missing := [name for name in free if name not in named]:
        got = f"none for {some(missing, 12)} (it has {some(table.columns)})"
        others = [label for label, name in zip(table.columns, named, strict=True) if name not in free]
        fix = did_you_mean(others, [f"{name}_u" for name in missing], "", found=True)
        fix = f"{fix} Name the columns <coordinate>_u or /jointset/<joint>/<coordinate>/speed.".strip()
        raise InputError(explain("the speed of every free coordinate", got, fix, path))
    return usable(table.set_axis(named, axis="columns").loc[:, [name in free for name in named]], free, path, span)


def speeds_of(table: pd.DataFrame, model: Model, time: Array, value: Array, path: object) -> Array:
    """(T, N) speeds of the free coordinates from a table of ``read_speeds``, zero for the others.

    Speeds that contradict the slopes of the motion, (T, N) rad and m, are refused.
    """
    times = table.index.to_numpy(dtype=float)
    if len(times) != len(time) or np.abs(times - time).max() > TIME_SLACK:
        got = f"{len(times)} rows from {times[0]:g} to {times[-1]:g} s"
        fix = "Write both from one motion, or leave the speeds out."
        raise InputError(explain(f"speeds at the motion's {len(time)} times", got, fix, path))
    speed = np.zeros((len(time), len(model.description.coordinates)))
    rate = signals.differentiate(time, value)[0]
    for index in model.description.free:
        coordinate = model.description.coordinates[index]
        column = table[coordinate.name].to_numpy(dtype=float)
        speed[:, index] = _to_si(coordinate, column, rate[:, index], bool(table.attrs["in_degrees"]), path)
    return speed


def _to_si(coordinate: Coordinate, column: Array, rate: Array, in_degrees: bool, path: object) -> Array:
    """A column in rad/s or m/s by the header; refused where it is the motion's slope, (T,), in another unit."""
    declared = np.deg2rad(column) if in_degrees and coordinate.rotational else column
    if coordinate.turning:  # its speed is not its rate
        return declared
    if in_degrees and coordinate.rotational and not coordinate.converted:
        return _of_either_unit(coordinate, column, rate, path)
    factor = DEGREES if coordinate.rotational else MILLIMETRES
    for ratio in (factor, 1.0 / factor):
        if _is_ratio(ratio, declared, rate):
            largest = f"{np.abs(declared).max():.3g} {'rad/s' if coordinate.rotational else 'm/s'}"
            got = f"'{coordinate.name}' up to {largest}, {1.0 / ratio:.3g} times those of the motion"
            fix = "Correct inDegrees in the header, or write the speeds in m/s."
            raise InputError(explain("the speeds of the motion", got, fix, path))
    return declared


def _of_either_unit(coordinate: Coordinate, column: Array, rate: Array, path: object) -> Array:
    """Speeds of an angle that OpenSim leaves in radians in files of degrees, in the unit that fits the motion."""
    if np.abs(column).max() < SLOW or _is_ratio(1.0, column, rate):
        return column
    if _is_ratio(1.0 / DEGREES, column, rate):
        return np.deg2rad(column)
    got = f"speeds up to {np.abs(column).max():.3g} in such a file, which may be degrees or radians per second"
    raise either_unit(coordinate, got, path)


def _is_ratio(ratio: float, speed: Array, rate: Array) -> bool:
    """Whether the motion's slope is this many times the given speed: by least squares, where the two correlate."""
    power = float(speed @ speed)
    if np.sqrt(power / len(speed)) < SLOW or np.sqrt(float(rate @ rate) / len(rate)) < SLOW:
        return False
    alike = float(speed @ rate) / np.sqrt(power * float(rate @ rate))
    return alike > ALIKE and abs(float(speed @ rate) / power / ratio - 1.0) < SAME


def _speed_of(label: str) -> str:
    """The coordinate of a column of speeds, ``knee_u`` or ``/jointset/knee/knee/speed``."""
    return label.split("/")[-2] if label.endswith("/speed") else label.removesuffix("_u") if label[-2:] == "_u" else ""
