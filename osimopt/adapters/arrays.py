"""The arrays of a motion: computed frame by frame in opensim's process, joined here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import ModelError, explain, some
from ..problem.arrays import Array, Kinematics, MuscleGeometry
from ..problem.reserves import ReserveActuators
from .messages import ForceRecord, FrameArrays, Pairs, Wanted
from .model import Model

Progress = Callable[[int, int], None]

#: Frames per call of opensim's process: a tenth of a second of work, so that progress moves, Ctrl-C takes effect, and
#: two processes finish together.
CHUNK = 50
#: Postures of the motion in which moment arms are tried.
POSTURES = 8


@dataclass(frozen=True, eq=False)
class Extracted:
    """Arrays that OpenSim computes along a motion; axes as in ``osimopt.problem.arrays``.

    ``geometry`` is of the muscles wanted, None where there are none; ``max_force`` and ``passive_force`` are of the
    muscles whose gains are wanted. ``actuators`` are those of the model that are no muscles.
    """

    geometry: MuscleGeometry | None
    max_force: Array
    passive_force: Array
    generalized_force: Array | None
    actuators: ReserveActuators
    warnings: list[str]


def find_pairs(model: Model, motion: Kinematics, muscles: Sequence[int]) -> Pairs:
    """Which of these muscles act on which coordinates; see ``worker.geometry``."""
    rows = np.unique(np.linspace(0, len(motion.value) - 1, POSTURES).astype(int))
    pairs: Pairs = model.run("geometry:find_pairs", motion.value[rows], muscles)
    return pairs


def extract(
    model: Model, motion: Kinematics, pairs: Pairs, wanted: Wanted, n_jobs: int, progress: Progress | None
) -> Extracted:
    """The arrays of all frames.

    Raises
    ------
    ModelError
        A muscle's lengthening speed contradicts its moment arms.
    """
    calls = ((motion.frames(slice(start, start + CHUNK)), pairs, wanted) for start in range(0, len(motion.time), CHUNK))
    chunks: list[FrameArrays] = []
    for chunk in model.run_many("frames:extract", calls, n_jobs):
        chunks.append(chunk)
        if progress is not None:
            progress(min(len(chunks) * CHUNK, len(motion.time)), len(motion.time))
    if unexplained := {name for chunk in chunks for name in chunk.unexplained}:
        fix = "Their paths depend on more than their attachments show: please report this model."
        raise ModelError(explain("lengthening speeds that moment arms explain", some(unexplained), fix, model.path))
    arrays = {name: np.concatenate([chunk.arrays[name] for chunk in chunks]) for name in chunks[0].arrays}
    geometry = None
    if wanted.muscles:
        geometry = MuscleGeometry(
            tuple(model.description.muscles.names[index] for index in wanted.muscles),
            tuple(model.description.coordinates[index].name for index in model.description.free),
            pairs.coordinate,
            np.searchsorted(wanted.muscles, pairs.muscle),
            arrays["moment_arms"],
            arrays["length"],
            arrays["lengthening_speed"],
            pairs.served,
        )
    return Extracted(
        geometry,
        arrays["max_force"],
        arrays["passive_force"],
        arrays["generalized_force"] if wanted.generalized_force else None,
        _model_actuators(model, arrays["effect"]),
        [line for chunk in chunks for line in chunk.warnings],
    )


def _model_actuators(model: Model, effect: Array) -> ReserveActuators:
    """The model's actuators, whose effect (T, D, K) has one frame where it is constant."""
    actuators = model.description.actuators
    return ReserveActuators(
        names=tuple(actuator.name for actuator in actuators),
        effect=effect[:1] if np.all(effect == effect[:1]) else effect,
        optimal_force=np.array([actuator.optimal_force for actuator in actuators]),
        lower=np.array([actuator.lower for actuator in actuators]),
        upper=np.array([actuator.upper for actuator in actuators]),
        origin=("model",) * len(actuators),
    )


def read_force_records(model: Model, motion: Kinematics) -> list[ForceRecord]:
    """Record all forces that a model applies along a motion, in OpenSim's order, without those switched off."""
    records: list[ForceRecord] = model.run("frames:force_records", motion)
    return records
