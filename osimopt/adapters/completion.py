"""Motions completed: speeds, accelerations, and the coordinates that the model itself decides."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import isolation, signals
from ..errors import InputError, explain, some
from ..problem.arrays import Coupling, Kinematics
from .model import Model

Array = NDArray[np.float64]

#: rad, and rad/s; a coordinate that stays below this stands still at zero.
MOVED = 1e-6
#: Share of a coordinate's largest rate by which speeds may contradict the motion.
RATE = 0.01
#: Frames per call of opensim's process.
CHUNK = 2000


def complete(model: Model, time: Array, value: Array, speed: Array | None, keep: slice, n_jobs: int = 1) -> Kinematics:
    """Every coordinate of the frames to keep, from (T, N) values of the free ones (and their speeds, if known).

    Derivatives are those of splines through all T frames.
    """
    if speed is None:
        speed, acceleration = signals.differentiate(time, value)
    else:
        acceleration = signals.quintic_spline(time, speed, derivative=1)(time)
        if any(coordinate.turning for coordinate in model.description.coordinates):
            given = speed
            speed, acceleration = _rates(model, value, speed, acceleration)
            _refuse_rates(model, signals.differentiate(time, value)[0], given, speed)
    return follow(model, time[keep], value[keep], speed[keep], acceleration[keep], n_jobs)


def _rates(model: Model, value: Array, speed: Array, change: Array) -> tuple[Array, Array]:
    """Rates and accelerations (T, N) of the coordinates, of OpenSim's speeds and their changes (T, N)."""
    joints: dict[str, set[str]] = {}
    for coordinate in model.description.coordinates:
        if coordinate.turning:
            joints.setdefault(coordinate.joint, set()).add(coordinate.kind)
    if wrong := [joint for joint, kinds in joints.items() if len(kinds) > 1]:
        fix = "Their speeds are shared by all their coordinates: leave the speeds out."
        raise InputError(explain("joints with speeds of their own wholly free", some(wrong), fix, model.path))
    function = "osimopt.adapters.worker.state:rates_of"
    found: tuple[Array, Array] = isolation.run("opensim", function, model.key, value, speed, change, subject=model.path)
    return found


def follow(model: Model, time: Array, value: Array, speed: Array, acceleration: Array, n_jobs: int = 1) -> Kinematics:
    """A motion (T, N) whose prescribed and coupled coordinates are those that the model itself decides."""
    value, speed, acceleration = value.copy(), speed.copy(), acceleration.copy()
    for index in model.description.of_kind("prescribed"):
        function = "osimopt.adapters.worker.describe:prescribed_values"
        columns = isolation.run("opensim", function, model.key, index, time, subject=model.path)
        value[:, index], speed[:, index], acceleration[:, index] = columns
    names = model.description.coordinate_names
    if not model.description.of_kind("coupled"):
        return Kinematics(time, names, value, speed, acceleration)
    parts = list(_coupled(model, value, speed, acceleration, n_jobs))
    value, speed, acceleration, slope = (np.concatenate([part[i] for part in parts]) for i in range(4))
    dependent, independent = parts[0][4]
    return Kinematics(time, names, value, speed, acceleration, Coupling(dependent, independent, slope))


def _refuse_rates(model: Model, slope: Array, given: Array, rate: Array) -> None:
    """Refuse rates of coordinates in the place of OpenSim's speeds: they fit the slope of the motion, and these not."""
    for index, coordinate in enumerate(model.description.coordinates):
        if not coordinate.turning:
            continue
        as_speed, as_rate = (float(np.abs(own[:, index] - slope[:, index]).max()) for own in (rate, given))
        if as_speed > RATE * max(1.0, float(np.abs(slope[:, index]).max())) and as_rate < 0.1 * as_speed:
            got = f"the rate of '{coordinate.name}', off the speed by up to {as_speed:.3g} rad/s"
            fix = "In a joint with speeds of its own these are angular velocities: leave the speeds out."
            raise InputError(explain("OpenSim's speeds", got, fix, model.path))


def turning_and_moved(model: Model, motion: Kinematics) -> list[str]:
    """Coordinates of joints with speeds of their own that leave zero in a motion, where the joint moves at all.

    There OpenSim's tools, which take a coordinate's rate for its speed, are wrong.
    """
    moved = (np.abs(motion.value) + np.abs(motion.speed)).max(axis=0) > MOVED
    joints = {c.joint for c in model.description.coordinates if c.turning and c.kind == "free"}
    coordinates = zip(model.description.coordinates, moved, strict=True)
    return [c.name for c, own in coordinates if c.turning and c.joint in joints and own]


def couple(model: Model, value: Array, n_jobs: int = 1) -> Array:
    """Values (T, N) with those of coupled coordinates as the couplers have them."""
    if not model.description.of_kind("coupled"):
        return value
    still = np.zeros_like(value)
    return np.concatenate([part[0] for part in _coupled(model, value, still, still, n_jobs)])


def _coupled(model: Model, value: Array, speed: Array, acceleration: Array, n_jobs: int) -> Iterator[Any]:
    chunks = (slice(start, start + CHUNK) for start in range(0, len(value), CHUNK))
    calls = ((model.key, value[chunk], speed[chunk], acceleration[chunk]) for chunk in chunks)
    function = "osimopt.adapters.worker.couplers:couple"
    return isolation.run_many("opensim", function, calls, subject=model.path, n_jobs=n_jobs)
