"""The arrays of a motion: computed frame by frame in opensim's process, joined here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, cast

import numpy as np

from ..errors import ModelError, explain, some
from ..isolation import Progress, counted
from ..muscle.forces import rigid_tendon_gain, rigid_tendon_passive
from ..namespace import alike, filled, namespace, plain
from ..polynomial.muscle_paths import MusclePaths
from ..problem.arrays import Array, Index, Kinematics, MuscleGeometry, MuscleParameters
from ..problem.reserves import ReserveActuators
from .following import following
from .messages import ForceRecord, FrameArrays, Pairs, Wanted
from .model import Model

#: Frames per call of opensim's process: 0.1 s of work, so that progress is shown, Ctrl-C takes effect, and two
#: processes finish together.
CHUNK = 50
#: Postures of the motion in which moment arms are tried.
POSTURES = 8


def find_pairs(model: Model, postures: Kinematics, muscles: Sequence[int]) -> Pairs:
    """Which of these muscles act on which coordinates; see ``worker.geometry``."""
    if not muscles:
        none = np.zeros(0, dtype=np.intp)
        spanned = np.zeros((len(model.description.free), len(model.description.muscles.names)), dtype=bool)
        return Pairs(none, none, none.astype(bool), spanned, none, {})
    return cast(Pairs, model.run("geometry:find_pairs", postures.value, muscles))


def rows_of_postures(frames: int) -> Index:
    """Frames of a motion in which moment arms are tried."""
    return np.unique(np.linspace(0, frames - 1, POSTURES).astype(np.intp))


def extract(
    model: Model, motion: Kinematics, pairs: Pairs, wanted: Wanted, n_jobs: int, progress: Progress | None = None
) -> FrameArrays:
    """The arrays of all frames.

    Raises
    ------
    ModelError
        A muscle's lengthening speed contradicts its moment arms.
    """
    calls = ((motion.frames(slice(start, start + CHUNK)), pairs, wanted) for start in range(0, len(motion.time), CHUNK))
    chunks: list[FrameArrays] = []
    chunks += counted(model.run_many("frames:extract", calls, n_jobs), CHUNK, len(motion.time), progress)
    if unexplained := {name for chunk in chunks for name in chunk.unexplained}:
        fix = "Their paths depend on more than their attachments show: please report this model."
        raise ModelError(explain("lengthening speeds that moment arms explain", some(unexplained), fix, model.path))
    arrays = {name: np.concatenate([chunk.arrays[name] for chunk in chunks]) for name in chunks[0].arrays}
    return FrameArrays(arrays, (), [line for chunk in chunks for line in chunk.warnings])


def model_geometry(model: Model, pairs: Pairs, muscles: Sequence[int], arrays: dict[str, Array]) -> MuscleGeometry:
    """Geometry of these muscles along the model's own paths, from extracted arrays."""
    free = tuple(model.description.coordinates[index].name for index in model.description.free)
    return MuscleGeometry(
        tuple(model.description.muscles.names[index] for index in muscles),
        free,
        pairs.coordinate,
        np.searchsorted(muscles, pairs.muscle),
        arrays["moment_arms"],
        arrays["length"],
        arrays["lengthening_speed"],
        np.isin(np.arange(len(free)), pairs.coordinate[pairs.crossing]),
        pairs.crossing,
    )


def along_motion(paths: MusclePaths, model: Model, motion: Kinematics) -> MuscleGeometry:
    """Moment arms about the free coordinates, those about coupled ones added to the coordinates that they follow."""
    given = paths.evaluate(motion.coordinates, motion.value, motion.speed)
    rows = np.array([motion.coordinates.index(name) for name in given.coordinates], dtype=np.intp)
    free = np.array(model.description.free, dtype=np.intp)
    followed = following(rows[given.pair_coordinate], given.pair_muscle, free, len(motion.coordinates), motion.coupling)
    slopes = None if motion.coupling is None else motion.coupling.slope.T
    crossing = followed.any(given.crosses[given.pair_coordinate, given.pair_muscle])
    served = np.isin(np.arange(len(free)), followed.coordinate[crossing])
    return MuscleGeometry(
        given.muscles, tuple(motion.coordinates[index] for index in free), followed.coordinate, followed.acting,
        followed.apply(given.moment_arms.T, slopes).T, given.length, given.lengthening_speed, served, crossing,
    )  # fmt: skip


def join_muscles(parts: Sequence[MuscleGeometry], muscles: Sequence[str]) -> MuscleGeometry:
    """One geometry of these muscles from several of different muscles about the same coordinates.

    Muscles that none of them has are without moment arms; their lengths are 0.
    """
    if len(parts) == 1 and parts[0].muscles == tuple(muscles):
        return parts[0]
    number = {name: index for index, name in enumerate(muscles)}
    columns = [np.array([number[name] for name in part.muscles], dtype=np.intp) for part in parts]
    coordinate = np.concatenate([part.pair_coordinate for part in parts])
    muscle = np.concatenate([column[part.pair_muscle] for part, column in zip(parts, columns, strict=True)])
    crossing = np.concatenate([part.crosses[part.pair_coordinate, part.pair_muscle] for part in parts])
    order = np.lexsort((muscle, coordinate))
    like = next((part.moment_arms for part in parts if not isinstance(part.moment_arms, np.ndarray)), None)
    like = parts[0].moment_arms if like is None else like
    arms = namespace(like).concat([alike(part.moment_arms, like) for part in parts], axis=1)
    length, speed = (filled((len(arms), len(muscles)), 0.0, arms) for _ in range(2))
    for part, column in zip(parts, columns, strict=True):
        length[:, column], speed[:, column] = alike(part.length, like), alike(part.lengthening_speed, like)
    served = np.any([part.served for part in parts], axis=0)
    return MuscleGeometry(
        tuple(muscles), parts[0].coordinates, coordinate[order], muscle[order], arms[:, order], length,
        speed, served, crossing[order],
    )  # fmt: skip


def muscle_forces(
    muscles: MuscleParameters,
    geometry: MuscleGeometry,
    arrays: dict[str, Array],
    acting: Sequence[int],
    by_model: Sequence[int],
    kind: Literal["opensim", "corrected", "isometric"],
    passive_too: bool,
) -> tuple[Array, Array]:
    """Gain and passive force (T, M) in N of the muscles that act: those ``by_model`` as extracted."""
    length, speed, xp = geometry.length, geometry.lengthening_speed, namespace(geometry.length)
    assert length is not None
    assert speed is not None
    others, asked = np.setdiff1d(acting, by_model), np.array(by_model, dtype=np.intp)
    gain, passive = (filled(tuple(length.shape), 0.0, length) for _ in range(2))
    for name, force in {"max_force": gain, "passive_force": passive}.items() if asked.size else ():
        if force is gain or passive_too:
            taut = ~(length[:, asked] <= alike(muscles.tendon_slack_length[asked], length))
            force[:, asked] = xp.where(taut, alike(arrays[name], length), 0.0)
    if kind == "isometric":
        gain[:] = alike(muscles.max_isometric_force, length)
    else:
        gain[:, others] = rigid_tendon_gain(muscles.select(others), length[:, others], speed[:, others], kind)
    if passive_too:
        passive[:, others] = rigid_tendon_passive(muscles.select(others), length[:, others])
    return gain, passive


def model_actuators(model: Model, effect: Array) -> ReserveActuators:
    """The model's actuators, whose effect (T, D, K) has one frame where it is constant."""
    actuators = model.description.actuators
    return ReserveActuators(
        names=tuple(actuator.name for actuator in actuators),
        effect=plain(effect[:1]) if (effect == effect[:1]).all() else effect,
        optimal_force=np.array([actuator.optimal_force for actuator in actuators]),
        lower=np.array([actuator.lower for actuator in actuators]),
        upper=np.array([actuator.upper for actuator in actuators]),
        origin=("model",) * len(actuators),
    )


def refuse_lost(model: Model, time: Array, muscles: Sequence[str], length: Array) -> None:
    """Refuse paths without a length (T, M) in some frame, by the first of them."""
    for frame, muscle in np.argwhere(np.isnan(length))[:1].tolist():
        got = f"none for {muscles[muscle]} at {time[frame]:g} s"
        raise ModelError(explain("paths with a length in every frame", got, "Use geometry='opensim'.", model.path))


def refuse_unknown(model: Model, motion: Kinematics, force: Array) -> None:
    """Refuse generalized forces (T, D) of OpenSim's that are not numbers, with the forces of the model that are not."""
    unknown = ~np.isfinite(force).all(axis=1)
    if not unknown.any():
        return
    frame = int(unknown.argmax())
    names = unknown_forces(model, motion.frames(slice(frame, frame + 1)))
    got = f"NaN or infinity at {motion.time[frame]:g} s, by {some(names) or 'none of its forces alone'}"
    fix = "Correct these forces, or switch them off; a CoordinateLimitForce has NaN where a stiffness is 0."
    raise ModelError(explain("numbers as the forces of the model", got, fix, model.path))


def unknown_forces(model: Model, motion: Kinematics) -> list[str]:
    """Names of the forces for which OpenSim has no number in some frame of a motion."""
    records = read_force_records(model, motion)
    return [one.name for one in records if one.values is not None and not np.isfinite(one.values).all()]


def read_force_records(model: Model, motion: Kinematics) -> list[ForceRecord]:
    """Record all forces that a model applies along a motion, in OpenSim's order, without those switched off."""
    return cast(list[ForceRecord], model.run("frames:force_records", motion))


def frames_in_ground(model: Model, motion: Kinematics, names: Sequence[str]) -> dict[str, tuple[str, Array]]:
    """By name or path of frames of a model, their own names, and their axes and origins in ground (T, 3, 4).

    Raises
    ------
    InputError
        The model has no such frame.
    """
    return cast(dict[str, tuple[str, Array]], model.run("reactions:frames_in_ground", motion, tuple(names)))


def joint_names(model: Model) -> list[str]:
    """Names of the joints of a model, in OpenSim's order."""
    return cast(list[str], model.run("reactions:joint_names"))
