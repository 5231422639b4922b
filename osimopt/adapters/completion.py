"""Motions completed by speeds, accelerations, and the coordinates that the model determines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from .. import signals
from ..errors import InputError, did_you_mean, explain, some
from ..files.given import Origin
from ..files.series import TIME_SLACK, usable
from ..files.storage import read_columns
from ..problem.arrays import Array, Coordinate, Coupling, Kinematics
from .model import Model
from .units import either_unit

if TYPE_CHECKING:
    import pandas as pd

#: rad, and rad/s; a coordinate that stays below this is at rest at zero.
MOVED = 1e-6
#: Share of a coordinate's largest rate by which speeds may contradict the motion.
RATE = 0.01
#: Frames per call of opensim's process.
CHUNK = 2000
#: Factors between units: degrees and radians, mm and m.
DEGREES, MILLIMETRES = 180.0 / np.pi, 1000.0
#: Tolerance of a ratio of speeds, and the least correlation of speeds and slopes at which the ratio is used.
SAME, ALIKE = 0.25, 0.9
#: rad/s or m/s; slower than this, a unit makes no difference.
SLOW = 1e-3


def complete(model: Model, time: Array, value: Array, speed: Array | None, keep: slice, n_jobs: int = 1) -> Kinematics:
    """Every coordinate of the frames to keep, from (T, N) values of the free ones (and their speeds, if known).

    Derivatives are of splines through all T frames.
    """
    if speed is None:
        speed, acceleration = signals.differentiate(time, value)
    else:
        acceleration = signals.quintic_spline(time, speed, derivative=1)(time)
        if any(coordinate.turning for coordinate in model.description.coordinates):
            rate, acceleration = _rates(model, value, speed, acceleration)
            _refuse_rates(model, signals.differentiate(time, value)[0], speed, rate)
            speed = rate
    return follow(model, time[keep], value[keep], speed[keep], acceleration[keep], n_jobs)


def _rates(model: Model, value: Array, speed: Array, change: Array) -> tuple[Array, Array]:
    """Rates and accelerations (T, N) of the coordinates, from OpenSim's speeds and their changes (T, N)."""
    joints: dict[str, set[str]] = {}
    for coordinate in model.description.coordinates:
        if coordinate.turning:
            joints.setdefault(coordinate.joint, set()).add(coordinate.kind)
    if wrong := [joint for joint, kinds in joints.items() if len(kinds) > 1]:
        fix = "Their speeds are shared by all their coordinates: leave the speeds out."
        expected = "only free coordinates in joints with speeds of their own"
        raise InputError(explain(expected, f"others in {some(wrong)}", fix, model.path))
    return cast(tuple[Array, Array], model.run("kinematics:rates_of", value, speed, change))


def follow(model: Model, time: Array, value: Array, speed: Array, acceleration: Array, n_jobs: int = 1) -> Kinematics:
    """A motion (T, N) whose prescribed and coupled coordinates are replaced by those of the model."""
    value, speed, acceleration = value.copy(), speed.copy(), acceleration.copy()
    for index in model.description.of_kind("prescribed"):
        columns = model.run("describe:prescribed_values", index, time)
        value[:, index], speed[:, index], acceleration[:, index] = columns
    names = model.description.coordinate_names
    if not model.description.of_kind("coupled"):
        return Kinematics(time, names, value, speed, acceleration)
    value, speed, acceleration, slope, pairs = _coupled(model, time, value, speed, acceleration, n_jobs)
    return Kinematics(time, names, value, speed, acceleration, Coupling(pairs[0], pairs[1], slope))


def _refuse_rates(model: Model, slope: Array, given: Array, rate: Array) -> None:
    """Refuse rates of coordinates in place of OpenSim's speeds: those that equal the slope of the motion."""
    for index, coordinate in enumerate(model.description.coordinates):
        if not coordinate.turning:
            continue
        as_speed, as_rate = (float(np.abs(column[:, index] - slope[:, index]).max()) for column in (rate, given))
        if as_speed > RATE * max(1.0, float(np.abs(slope[:, index]).max())) and as_rate < 0.1 * as_speed:
            got = f"the rate of '{coordinate.name}', off the speed by up to {as_speed:.3g} rad/s"
            fix = "In a joint with speeds of its own these are angular velocities: leave the speeds out."
            raise InputError(explain("OpenSim's speeds", got, fix, model.path))


def turning_and_moved(model: Model, motion: Kinematics) -> list[str]:
    """Coordinates of joints with speeds of their own that leave zero in a motion, where the joint moves at all.

    OpenSim's tools, which take a coordinate's rate for its speed, are wrong there.
    """
    moved = (np.abs(motion.value) + np.abs(motion.speed)).max(axis=0) > MOVED
    turning = [c for c, moves in zip(model.description.coordinates, moved, strict=True) if c.turning and moves]
    joints = {c.joint for c in model.description.coordinates if c.turning and c.kind == "free"}
    return [c.name for c in turning if c.joint in joints]


def couple(model: Model, time: Array, value: Array, n_jobs: int = 1) -> Array:
    """Values (T, N) with those of coupled coordinates given by the couplers."""
    if not model.description.of_kind("coupled"):
        return value
    still = np.zeros_like(value)
    return np.asarray(_coupled(model, time, value, still, still, n_jobs)[0])


def closed(model: Model, value: Array, by_default: bool = False) -> Kinematics:
    """Postures (S, N) at rest, their dependent coordinates following; NaN where loops of bodies do not close.

    They close near the posture given, or, where ``by_default``, in the way of the model's default posture.
    """
    value, slope, pairs = model.run("kinematics:close", value, by_default)
    still, names = np.zeros_like(value), model.description.coordinate_names
    coupling = Coupling(pairs[0], pairs[1], slope) if len(pairs[0]) else None
    return Kinematics(np.zeros(len(value)), names, value, still, still, coupling)


def _coupled(
    model: Model, time: Array, value: Array, speed: Array, acceleration: Array, n_jobs: int
) -> tuple[Any, ...]:
    """Values, speeds, accelerations (T, N) by the couplers, slopes (T, P), and pairs; see ``worker.kinematics``."""
    chunks = (slice(start, start + CHUNK) for start in range(0, len(value), CHUNK))
    calls = ((time[chunk], value[chunk], speed[chunk], acceleration[chunk]) for chunk in chunks)
    if not model.description.loops:
        parts = list(model.run_many("kinematics:couple", calls, n_jobs))
    else:  # a loop closes as in the frame before: one chunk after the other
        parts, before = [], None
        for call in calls:
            parts.append(model.run("kinematics:couple", *call, before))
            before = parts[-1][0][-1]
    return *(np.concatenate([part[i] for part in parts]) for i in range(4)), parts[0][4]


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
