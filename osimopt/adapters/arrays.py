"""The arrays of a motion: computed frame by frame in opensim's process, joined here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import isolation
from ..errors import ModelError, explain, some
from ..problem.arrays import Kinematics, MuscleGeometry
from ..problem.reserves import ReserveActuators
from .messages import FrameArrays, Pairs, Wanted
from .model import Model

Array = NDArray[np.float64]
Progress = Callable[[int, int], None]

#: Frames per call of opensim's process: a tenth of a second of work, so that progress moves, Ctrl-C is heard, and
#: two processes finish together.
CHUNK = 50
#: Postures of the motion in which moment arms are tried.
POSTURES = 8


@dataclass(frozen=True, eq=False)
class Extracted:
    """What OpenSim says of a motion; axes as in ``osimopt.problem.arrays``.

    ``geometry`` is of the muscles wanted, None where none is; ``max_force`` and ``passive_force`` are of the muscles
    asked for. ``actuators`` are those of the model that are no muscles.
    """

    geometry: MuscleGeometry | None
    max_force: Array
    passive_force: Array
    generalized_force: Array | None
    actuators: ReserveActuators
    warnings: list[str]


def find_pairs(model: Model, motion: Kinematics, muscles: Sequence[int]) -> Pairs:
    """Which of these muscles act on which coordinates; see ``worker.geometry``."""
    function = "osimopt.adapters.worker.geometry:find_pairs"
    rows = np.unique(np.linspace(0, len(motion.value) - 1, POSTURES).astype(int))
    pairs: Pairs = isolation.run("opensim", function, model.key, motion.value[rows], muscles, subject=model.path)
    return pairs


def extract(
    model: Model, motion: Kinematics, pairs: Pairs, wanted: Wanted, n_jobs: int, progress: Progress | None
) -> Extracted:
    """The arrays of all frames.

    Raises
    ------
    ModelError
        A muscle lengthens otherwise than its moment arms say.
    """
    chunks = list(_chunks(model, motion, pairs, wanted, n_jobs, progress))
    if unexplained := {name for chunk in chunks for name in chunk.unexplained}:
        fix = "Their paths depend on more than their attachments show: please report this model."
        raise ModelError(explain("lengthening speeds that moment arms explain", some(unexplained), fix, model.path))
    coordinates = tuple(model.description.coordinates[index].name for index in model.description.free)
    geometry = None
    if wanted.muscles:
        geometry = MuscleGeometry(
            tuple(model.description.muscles.names[index] for index in wanted.muscles),
            coordinates,
            pairs.coordinate,
            np.searchsorted(wanted.muscles, pairs.muscle),
            _join(chunks, "moment_arms"),
            _join(chunks, "length"),
            _join(chunks, "lengthening_speed"),
            pairs.served,
        )
    return Extracted(
        geometry,
        _join(chunks, "max_force"),
        _join(chunks, "passive_force"),
        _join(chunks, "generalized_force") if wanted.generalized_force else None,
        _model_actuators(model, [chunk.effect for chunk in chunks]),
        [line for chunk in chunks for line in chunk.warnings],
    )


def _chunks(
    model: Model, motion: Kinematics, pairs: Pairs, wanted: Wanted, n_jobs: int, progress: Progress | None
) -> Iterator[FrameArrays]:
    starts = range(0, len(motion.time), CHUNK)
    calls = ((model.key, motion.frames(slice(start, start + CHUNK)), pairs, wanted) for start in starts)
    function = "osimopt.adapters.worker.frames:extract"
    for done, chunk in enumerate(isolation.run_many("opensim", function, calls, subject=model.path, n_jobs=n_jobs), 1):
        if progress is not None:
            progress(min(done * CHUNK, len(motion.time)), len(motion.time))
        yield chunk


def _join(chunks: Sequence[FrameArrays], name: str) -> Array:
    return np.concatenate([getattr(chunk, name) for chunk in chunks])


def _model_actuators(model: Model, effects: list[Any]) -> ReserveActuators:
    actuators = model.description.actuators
    constant = all(
        np.array_equal(effect[:1], effects[0][:1]) and bool(np.all(effect == effect[:1])) for effect in effects
    )
    return ReserveActuators(
        names=tuple(actuator.name for actuator in actuators),
        effect=effects[0][:1] if constant else np.concatenate(effects),
        optimal_force=np.array([actuator.optimal_force for actuator in actuators]),
        lower=np.array([actuator.lower for actuator in actuators]),
        upper=np.array([actuator.upper for actuator in actuators]),
        origin=("model",) * len(actuators),
    )
