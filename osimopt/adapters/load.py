"""From files to a checked problem: the front door of the adapters."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .. import isolation
from ..data import GeneralizedForce, Kinematics, MuscleGeometry
from ..errors import InputError, explain, some
from ..problem import RedundancyProblem
from ..reserves import ReserveActuators, choose_reserves
from .forces import read_generalized_force
from .loads import read_external_loads
from .messages import FrameArrays, Pairs, Wanted
from .model import Model, read_model
from .motion import read_motion

Array = NDArray[np.float64]
Progress = Callable[[int, int], None]

#: Frames per call of opensim's process: about half a second of work, so that progress moves and Ctrl-C is
#: heard.
CHUNK = 100


def load_problem(
    model: str | os.PathLike[str] | Any,
    motion: str | os.PathLike[str],
    external_loads: str | os.PathLike[str] | None = None,
    generalized_force: str | os.PathLike[str] | None = None,
    time_range: tuple[float, float] | None = None,
    lowpass_hz: float | None = None,
    reserves: Literal["auto"] | float | Mapping[str, float] | None = "auto",
    weld: Sequence[str] = (),
    passive_force: bool = False,
    gain: Literal["opensim"] = "opensim",
    geometry: Literal["opensim"] = "opensim",
    n_jobs: int | None = None,
    *,
    progress: Progress | None = None,
) -> RedundancyProblem:
    """Read a model and a motion into a problem: moment arms, maximum forces and the moments to be met.

    Parameters
    ----------
    model
        Path of an .osim file, or a live ``opensim.Model``.
    motion
        .mot or .sto with the free coordinates; units by its header.
    external_loads
        ExternalLoads XML (ground reactions). The moments then come from inverse dynamics.
    generalized_force
        A .sto of OpenSim's InverseDynamicsTool instead; not both. With neither, inverse dynamics without
        loads.
    time_range
        First and last time in s of the frames to keep; derivatives still use the whole file.
    lowpass_hz
        Cutoff of the zero-phase low-pass on the free coordinates (OpenSim's filter); None for none.
    reserves
        What acts beside the muscles and the actuators found in the model. ``"auto"``: unbounded
        residual actuators (250 N·m, 50 N) where neither a muscle nor an actuator of the model acts, and
        reserves of 1 N·m on every other coordinate without an actuator. A number: reserves of that many N·m
        instead. A mapping: reserves on the coordinates named. ``None``: none, as OpenSim's tool does.
    weld
        Names of joints to replace by welds.
    passive_force
        Add the elastic passive fibre force at a rigid tendon to the muscles' forces (OpenSim's static
        optimization leaves it out).
    gain
        ``"opensim"``: maximum force is ``calcInextensibleTendonActiveFiberForce`` at activation 1, the active
        fibre force along a rigid tendon at the frame's length and speed.
    geometry
        ``"opensim"``: the model's own paths.
    n_jobs
        Processes that share the frames; default 1.
    progress
        Called with (frames done, frames in all).

    Returns
    -------
    RedundancyProblem
        SI units; coordinates are the free ones in multibody-tree order; activation bounds are the
        muscles' min_control and max_control.

    Raises
    ------
    InputError, ModelError
        Wrong files, before anything is solved.
    """
    _check_options(external_loads, generalized_force, gain, geometry, n_jobs)
    loads = None if external_loads is None else read_external_loads(external_loads)
    read = read_model(model, weld, loads)
    if passive_force:
        read = read.with_rigid_tendons()
    kinematics = read_motion(motion, read, lowpass_hz, time_range)
    if loads is not None:
        loads.check_covers(kinematics.time)
    given = None if generalized_force is None else read_generalized_force(generalized_force, read, kinematics)
    pairs, arrays, warned = _extract(read, kinematics, Wanted(given is None, passive_force), n_jobs or 1, progress)
    files = {
        "model": read.path,
        "motion": motion,
        "external_loads": external_loads,
        "generalized_force": generalized_force,
    }
    options = {
        "time_range": time_range,
        "lowpass_hz": lowpass_hz,
        "reserves": reserves if isinstance(reserves, (str, float, int)) or reserves is None else dict(reserves),
        "weld": list(weld),
        "passive_force": passive_force,
        "gain": gain,
        "geometry": geometry,
    }
    provenance = _provenance(read, files, options, warned)
    return _assemble(read, kinematics, pairs, arrays, given, reserves, provenance)


def _check_options(loads: Any, forces: Any, gain: str, geometry: str, n_jobs: int | None) -> None:
    if loads is not None and forces is not None:
        fix = "A file of generalized forces already contains the loads: leave external_loads out."
        raise InputError(explain("external_loads or generalized_force", "both", fix))
    if gain != "opensim":
        raise InputError(explain("gain='opensim'", repr(gain), "It is the only one so far."))
    if geometry != "opensim":
        raise InputError(explain("geometry='opensim'", repr(geometry), "It is the only one so far."))
    if n_jobs is not None and (not isinstance(n_jobs, int) or n_jobs < 1):
        raise InputError(explain("n_jobs of at least 1, or None", repr(n_jobs), "Give a number of processes."))


def _extract(
    model: Model, motion: Kinematics, wanted: Wanted, n_jobs: int, progress: Progress | None
) -> tuple[Pairs, list[FrameArrays], list[str]]:
    frames = "osimopt.adapters.worker.frames"
    pairs: Pairs = isolation.run("opensim", f"{frames}:find_pairs", model.key, motion.value, subject=model.path)
    warned = list(pairs.warnings)
    calls = []
    for start in range(0, len(motion.time), CHUNK):
        part = motion.frames(slice(start, start + CHUNK))
        calls.append((model.key, part.time, part.value, part.speed, part.acceleration, pairs, wanted))
    chunks: list[FrameArrays] = []
    for chunk in isolation.run_many("opensim", f"{frames}:extract", calls, subject=model.path, n_jobs=n_jobs):
        chunks.append(chunk)
        if progress is not None:
            progress(min(len(chunks) * CHUNK, len(motion.time)), len(motion.time))
        warned += chunk.warnings
    return pairs, chunks, warned


def _join(chunks: Iterable[FrameArrays], name: str) -> Array:
    return np.concatenate([getattr(chunk, name) for chunk in chunks])


def _assemble(
    model: Model,
    motion: Kinematics,
    pairs: Pairs,
    chunks: list[FrameArrays],
    given: GeneralizedForce | None,
    reserves: Any,
    provenance: dict[str, Any],
) -> RedundancyProblem:
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


def _provenance(model: Model, files: Mapping[str, Any], options: dict[str, Any], warned: list[str]) -> dict[str, Any]:
    said = [*model.description.warnings, *warned]
    if model.description.switched_off:
        said.append(f"Switched off in the model and left out: {some(model.description.switched_off, 40)}")
    given = {name: Path(path) for name, path in files.items() if path is not None}
    return {
        "source": "opensim",
        "versions": {
            "osimopt": version("osimopt"),
            "opensim": model.description.opensim_version,
            "numpy": version("numpy"),
            "scipy": version("scipy"),
            "python": platform.python_version(),
        },
        "inputs": {name: {"file": path.name, "sha256": sha256(path)} for name, path in given.items()},
        "options": options,
        "warnings": list(dict.fromkeys(said)),
    }


def sha256(path: Path) -> str:
    """Digest of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
