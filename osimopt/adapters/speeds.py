"""Speeds of the coordinates from a file of their own."""

from __future__ import annotations

import os

import numpy as np
from numpy.typing import NDArray

from .. import signals
from ..errors import InputError, explain, some
from ..files.storage import read_series
from ..problem.arrays import Coordinate
from .model import Model

Array = NDArray[np.float64]

#: s; times of two files that differ by less are the same.
TIME_SLACK = 1e-6
#: What numbers in another unit are too large or too small by: degrees for radians, mm for m.
DEGREES, MILLIMETRES = 180.0 / np.pi, 1000.0
#: By how much a ratio may differ from these, and the least correlation at which one means anything.
SAME, ALIKE = 0.25, 0.9
#: rad/s or m/s; slower than this, a unit makes no difference.
SLOW = 1e-3


def read_speeds(path: str | os.PathLike[str], model: Model, time: Array, value: Array) -> Array:
    """(T, N) speeds of the free coordinates, zero for the others, from a file of speeds or of states.

    Their units are those of the header, and must be those of the motion, (T, N) rad and m: its slopes show it.
    """
    table = read_series(path)
    own = table.index.to_numpy(dtype=float)
    if len(own) != len(time) or np.abs(own - time).max() > TIME_SLACK:
        got = f"{len(own)} rows from {own[0]:g} to {own[-1]:g} s"
        fix = "Write both from one motion, or leave the speeds out."
        raise InputError(explain(f"speeds at the motion's {len(time)} times", got, fix, path))
    labels = {_speed_of(label): label for label in table.columns}
    speed = np.zeros((len(time), len(model.description.coordinates)))
    free = [model.description.coordinates[index] for index in model.description.free]
    if missing := [coordinate.name for coordinate in free if coordinate.name not in labels]:
        got = f"none for {some(missing, 12)} (it has {some(table.columns)})"
        fix = "Name the columns <coordinate>_u or /jointset/<joint>/<coordinate>/speed."
        raise InputError(explain("the speed of every free coordinate", got, fix, path))
    rate = signals.differentiate(time, value)[0]
    for index, coordinate in zip(model.description.free, free, strict=True):
        column = table[labels[coordinate.name]].to_numpy()
        if not np.isfinite(column).all():
            got = f"NaN in '{labels[coordinate.name]}'"
            raise InputError(explain("numbers in every frame", got, "Fill the gap or cut the file.", path))
        speed[:, index] = _to_si(coordinate, column, rate[:, index], bool(table.attrs["in_degrees"]), path)
    return speed


def _to_si(coordinate: Coordinate, column: Array, rate: Array, in_degrees: bool, path: object) -> Array:
    """A column in rad/s or m/s, by the header unless it is the motion's slope, (T,), in another unit."""
    declared = np.deg2rad(column) if in_degrees and coordinate.rotational else column
    if coordinate.turning:  # its speed is no rate
        return declared
    if in_degrees and coordinate.rotational and not coordinate.converted:
        return _of_either_unit(coordinate, column, rate, path)
    factor = DEGREES if coordinate.rotational else MILLIMETRES
    for ratio in (factor, 1.0 / factor):
        if _is_ratio(ratio, declared, rate):
            unit = "rad/s" if coordinate.rotational else "m/s"
            largest = f"{np.abs(declared).max():.3g} {unit}"
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
    expected = f"one unit for '{coordinate.name}', which OpenSim's tools leave in radians in files with inDegrees=yes"
    got = f"speeds up to {np.abs(column).max():.3g} in such a file, which may be degrees or radians per second"
    raise InputError(explain(expected, got, "Write the whole file in radians, with inDegrees=no.", path))


def _is_ratio(ratio: float, speed: Array, rate: Array) -> bool:
    """Whether the motion's slope is this many times the given speed: by least squares, where the two are alike."""
    power = float(speed @ speed)
    if np.sqrt(power / len(speed)) < SLOW or np.sqrt(float(rate @ rate) / len(rate)) < SLOW:
        return False
    alike = float(speed @ rate) / np.sqrt(power * float(rate @ rate))
    return alike > ALIKE and abs(float(speed @ rate) / power / ratio - 1.0) < SAME


def _speed_of(label: str) -> str:
    """The coordinate of a column of speeds, ``knee_u`` or ``/jointset/knee/knee/speed``."""
    return label.split("/")[-2] if label.endswith("/speed") else label.removesuffix("_u") if label[-2:] == "_u" else ""
