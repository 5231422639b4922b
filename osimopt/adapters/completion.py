"""Motions completed by speeds, accelerations, and the coordinates that the model determines.

By arrays, where all that determines coordinates is described in them; else by OpenSim.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import cast

import numpy as np

from .. import signals
from ..errors import InputError, ModelError, explain, some
from ..multibody.couplers import coupled_motion
from ..multibody.functions import evaluate
from ..multibody.loops import Closure, close, determined, find_closure, independence, reach
from ..multibody.motions import complete_motion
from ..multibody.rates import refuse_lock, to_accelerations, to_rates
from ..problem.arrays import Array, Coupling, Index, Kinematics
from .messages import Described
from .model import Model

#: rad, and rad/s; a coordinate that stays below this is at rest at zero.
MOVED = 1e-6
#: Share of a coordinate's largest rate by which speeds may contradict the motion.
RATE = 0.01
#: Frames in which loops are closed at once, or by one call of OpenSim's process.
CHUNK = 2000
#: Values, speeds and accelerations (T, N) of all coordinates, and slopes (T, P) of the pairs of coupled ones.
Completed = tuple[Array, Array, Array, Array]


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
    """Rates and accelerations (T, N) of the coordinates, from their speeds and the changes of these (T, N)."""
    joints: dict[str, set[str]] = {}
    for coordinate in model.description.coordinates:
        if coordinate.turning:
            joints.setdefault(coordinate.joint, set()).add(coordinate.kind)
    if wrong := [joint for joint, kinds in joints.items() if len(kinds) > 1]:
        fix = "Their speeds are shared by all their coordinates: leave the speeds out."
        expected = "only free coordinates in joints with speeds of their own"
        raise InputError(explain(expected, f"others in {some(wrong)}", fix, model.path))
    multibody = model.described.multibody
    if multibody.gaps("joint"):
        return cast(tuple[Array, Array], model.run("kinematics:rates_of", value, speed, change))
    return to_rates(multibody, value, speed), to_accelerations(multibody, value, speed, change)


def follow(model: Model, time: Array, value: Array, speed: Array, acceleration: Array, n_jobs: int = 1) -> Kinematics:
    """A motion (T, N) whose prescribed and coupled coordinates are replaced by those of the model."""
    value, speed, acceleration = value.copy(), speed.copy(), acceleration.copy()
    for index in model.description.of_kind("prescribed"):
        value[:, index], speed[:, index], acceleration[:, index] = _prescribed(model, index, time)
    names = model.description.coordinate_names
    if not model.description.coupling:
        return Kinematics(time, names, value, speed, acceleration)
    *motion, slopes = _coupled(model, time, value, speed, acceleration, n_jobs)
    return Kinematics(time, names, *motion, Coupling(*_pairs(model), slopes))


def _prescribed(model: Model, index: int, time: Array) -> tuple[Array, ...]:
    """Value, speed and acceleration (T,) of a prescribed coordinate."""
    multibody = model.described.multibody
    row = multibody.prescribed[index : index + 1]
    if row[0] < 0:
        return cast(tuple[Array, ...], model.run("describe:prescribed_values", index, time))
    return tuple(part[0] for part in evaluate(multibody.functions, row, time[None]))


def _pairs(model: Model) -> tuple[Index, Index]:
    """Coupled coordinates and the free ones that they may follow (P,)."""
    dependent, independent = np.array(model.description.coupling, dtype=np.intp).reshape(-1, 2).T
    return dependent, independent


@lru_cache(maxsize=8)
def _closure(described: Described) -> Closure | None:
    """What constraints determine in the model; None where something of it is not described in arrays."""
    multibody, model = described.multibody, described.description
    if multibody.gaps("constraint", "coupler") or (model.loops and multibody.gaps("joint")):
        return None
    return find_closure(multibody, list(model.free), model.of_kind("coupled"), multibody.values)


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
    if not model.description.coupling:
        return value
    still = np.zeros_like(value)
    return _coupled(model, time, value, still, still, n_jobs)[0]


def closed(model: Model, value: Array, by_default: bool = False) -> Kinematics:
    """Postures (S, N) at rest, their dependent coordinates following; NaN where loops of bodies do not close.

    They close near the posture given, or, where ``by_default``, in the way of the model's default posture.
    """
    still, names, time = np.zeros_like(value), model.description.coordinate_names, np.zeros(len(value))
    if not model.description.coupling:
        return Kinematics(time, names, value, still, still)
    closure, multibody = _closure(model.described), model.described.multibody
    if closure is None:
        value, slopes, _ = model.run("kinematics:close", value, by_default)
    elif not multibody.constraints:
        value, _, _, slopes = _by_couplers(model, value, still, still)
    else:
        found, closes = (reach if by_default else close)(multibody, closure, value)
        closes[closes] = determined(multibody, closure, found[closes])
        value, slopes = np.full(value.shape, np.nan), np.full((len(value), len(_pairs(model)[0])), np.nan)
        value[closes] = found[closes]
        slopes[closes] = independence(multibody, closure, found[closes])[:, *_pairs(model)]
    return Kinematics(time, names, value, still, still, Coupling(*_pairs(model), slopes))


def _coupled(model: Model, time: Array, value: Array, speed: Array, acceleration: Array, n_jobs: int) -> Completed:
    """The motion (T, N), coupled coordinates following the others."""
    closure, multibody = _closure(model.described), model.described.multibody
    if closure is not None and not multibody.constraints:
        return _by_couplers(model, value, speed, acceleration)
    chunks = (slice(start, start + CHUNK) for start in range(0, len(value), CHUNK))
    calls = ((time[chunk], value[chunk], speed[chunk], acceleration[chunk]) for chunk in chunks)
    if not model.description.loops:
        parts = [part[:4] for part in model.run_many("kinematics:couple", calls, n_jobs)]
    else:  # a loop closes as in the frame before: one chunk after the other
        parts, before = [], None
        for call in calls:
            parts.append(_by_loops(model, closure, *call, before))
            before = parts[-1][0][-1]
    value, speed, acceleration, slopes = (np.concatenate(column) for column in zip(*parts, strict=True))
    return value, speed, acceleration, slopes


def _by_couplers(model: Model, value: Array, speed: Array, acceleration: Array) -> Completed:
    parts = (np.ascontiguousarray(part.T) for part in (value, speed, acceleration))
    *motion, slopes = coupled_motion(model.described.multibody, *parts)
    columns = [slopes[pair] for pair in model.description.coupling]
    value, speed, acceleration, slope = (np.stack(rows, axis=1) for rows in (*motion, columns))
    return value, speed, acceleration, slope


def _by_loops(
    model: Model, closure: Closure | None, time: Array, value: Array, speed: Array, acceleration: Array,
    before: Array | None,
) -> Completed:  # fmt: skip
    """One chunk of frames, from the posture ``before`` (N,)."""
    if closure is None:
        return cast(Completed, model.run("kinematics:couple", time, value, speed, acceleration, before)[:4])
    with _named(model):
        refuse_lock(model.described.multibody, value, time)
        *motion, matrix = complete_motion(model.described.multibody, closure, time, value, speed, acceleration, before)
    return *motion, matrix[:, *_pairs(model)]


@contextmanager
def _named(model: Model) -> Iterator[None]:
    """Name the model's file in errors about its mechanics."""
    try:
        yield
    except ModelError as error:
        raise ModelError(f"{model.path}: {error}") from None
