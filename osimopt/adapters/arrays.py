"""The arrays of a problem: computed frame by frame in opensim's process, joined and completed here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import isolation
from ..data import GeneralizedForce, Kinematics, MuscleGeometry
from ..problem import RedundancyProblem
from ..reserves import ReserveActuators, choose_reserves
from .messages import FrameArrays, Pairs, Wanted
from .model import Model

Array = NDArray[np.float64]
Progress = Callable[[int, int], None]

#: Frames per call of opensim's process: about half a second of work, so that progress moves and Ctrl-C is
#: heard.
CHUNK = 100


def extract(
    model: Model, motion: Kinematics, wanted: Wanted, n_jobs: int, progress: Progress | None
) -> tuple[Pairs, list[FrameArrays], list[str]]:
    """Which muscles act where, the arrays of every chunk of frames, and what to warn of."""
    find = "osimopt.adapters.worker.geometry:find_pairs"
    for everything in (False, True):
        pairs: Pairs = isolation.run("opensim", find, model.key, motion.value, everything, subject=model.path)
        chunks = list(_chunks(model, motion, pairs, wanted, n_jobs, progress))
        if not any(chunk.missed for chunk in chunks):
            break
    warned = [*pairs.warnings, *(line for chunk in chunks for line in chunk.warnings)]
    return pairs, chunks, warned


def _chunks(
    model: Model, motion: Kinematics, pairs: Pairs, wanted: Wanted, n_jobs: int, progress: Progress | None
) -> Iterator[FrameArrays]:
    calls = []
    for start in range(0, len(motion.time), CHUNK):
        part = motion.frames(slice(start, start + CHUNK))
        calls.append((model.key, part.time, part.value, part.speed, part.acceleration, pairs, wanted))
    function = "osimopt.adapters.worker.frames:extract"
    for done, chunk in enumerate(isolation.run_many("opensim", function, calls, subject=model.path, n_jobs=n_jobs), 1):
        if progress is not None:
            progress(min(done * CHUNK, len(motion.time)), len(motion.time))
        yield chunk


def _join(chunks: Iterable[FrameArrays], name: str) -> Array:
    return np.concatenate([getattr(chunk, name) for chunk in chunks])


def assemble(
    model: Model,
    motion: Kinematics,
    pairs: Pairs,
    chunks: list[FrameArrays],
    given: GeneralizedForce | None,
    reserves: Any,
    provenance: dict[str, Any],
) -> RedundancyProblem:
    """Join the chunks, keep the coordinates that have moments, add reserves: the checked problem."""
    described = model.description
    free = [described.coordinates[index] for index in described.free]
    names = tuple(coordinate.name for coordinate in free)
    length, speed = _join(chunks, "length"), _join(chunks, "lengthening_speed")
    muscles = described.muscles
    arms = _join(chunks, "moment_arms")
    geometry = MuscleGeometry(muscles.names, names, pairs.coordinate, pairs.muscle, arms, length, speed, pairs.spanned)
    actuators = ReserveActuators.none(len(free))
    if described.actuators:
        actuators = _model_actuators(model, _join(chunks, "effect"))
    target = _join(chunks, "generalized_force") if given is None else given.value
    if given is not None and given.coordinates != names:
        keep = np.array([names.index(name) for name in given.coordinates])
        geometry, actuators = geometry.select(keep), actuators.select(keep)
        free = [free[index] for index in keep]
    gain = _join(chunks, "max_force")
    added = choose_reserves(
        reserves,
        geometry.coordinates,
        [coordinate.rotational for coordinate in free],
        geometry.served,
        np.any(actuators.effect != 0.0, axis=(0, 2)),
    )
    provenance["reserves_added"] = dict(zip(added.names, added.optimal_force.tolist(), strict=True))
    return RedundancyProblem(
        time=motion.time,
        geometry=geometry,
        max_force=gain,
        generalized_force=target,
        lower=muscles.min_control,
        upper=muscles.max_control,
        pcsa=muscles.pcsa(),
        weights=np.ones(len(muscles.names)),
        reserves=actuators + added,
        passive_force=_join(chunks, "passive_force") if chunks[0].passive_force is not None else np.zeros_like(gain),
        parameters=muscles,
        kinematics=motion,
        provenance=provenance,
    )


def _model_actuators(model: Model, effect: Array) -> ReserveActuators:
    actuators = model.description.actuators
    constant = bool(np.all(effect == effect[:1]))
    return ReserveActuators(
        names=tuple(actuator.name for actuator in actuators),
        effect=effect[:1] if constant else effect,
        optimal_force=np.array([actuator.optimal_force for actuator in actuators]),
        lower=np.array([actuator.lower for actuator in actuators]),
        upper=np.array([actuator.upper for actuator in actuators]),
        origin=("model",) * len(actuators),
    )
