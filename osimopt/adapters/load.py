"""From files to a checked problem."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from .. import isolation
from ..devices import CPU, Device
from ..errors import ModelError, explain, some
from ..files.packages import version
from ..files.series import frame_times
from ..files.storage import sha256
from ..multibody.gaps import without_gaps
from ..multibody.rates import refuse_lock
from ..multibody.reactions import find_joints
from ..notices import collect_warnings, warn
from ..polynomial.muscle_paths import MusclePaths
from ..problem.arrays import Kinematics
from ..problem.path_record import PATHS, PathRecord
from ..problem.problem import RedundancyProblem
from ..problem.reactions import chosen_joints
from .array_check import refuse_wrong_arrays
from .bandwidth import remarks
from .cache import cached_path, digest, keep, recall
from .exact import ExactPaths, read_exact
from .exact_differences import model_differences
from .exact_dynamics import ExactDynamics, read_dynamics
from .exact_reactions import reacting_joints
from .forces import read_generalized_force
from .load_arrays import check_bodies
from .load_places import forces_beside
from .loads import ExternalLoads, read_external_loads
from .mechanics import FORMAT, identity
from .model import Model, describe, identify
from .motion import choose_frames, read_motion, read_motion_table
from .options import ReadOptions, Source
from .part import left_out, unloaded_side
from .polynomials import compare_exact, fitted_to, read_polynomials, warn_of_range
from .selfcheck import check_model
from .trial import PIECE, Trial
from .wrenches import lowpass_loads

#: Frames of a motion for which another process is started (0.2 s of work), and the most processes by default.
FRAMES_PER_JOB, MOST_JOBS = 100, 8
#: Of what exact paths and dynamics are computed from.
VERSIONS = {"description": FORMAT, "paths": PATHS}


def read_problem(
    options: ReadOptions,
    n_jobs: int | None = None,
    cache: Source | None = None,
    progress: isolation.Progress | None = None,
    device: str = "cpu",
) -> RedundancyProblem:
    """Read a model and a motion into a problem on a device, or read the problem back from the cache."""
    place = Device.of(device)
    kept = None if cache is None else cached_path(cache, options.files(), options.settings(), VERSIONS)
    if kept is not None and (problem := recall(kept)) is not None:
        return problem.to(device)
    trial = open_trial(options, n_jobs, cache, place)
    problem = trial.problem(progress)
    if kept is not None:
        keep(problem.to("cpu"), kept, trial.warnings)
    return problem


def open_trial(
    options: ReadOptions, n_jobs: int | None = None, cache: Source | None = None, device: Device = CPU
) -> Trial:
    """Read and check all files, without extracting anything yet; the cache keeps the check of the model."""
    with collect_warnings() as warnings:
        table = read_motion_table(options.motion)
        time = frame_times(table)
        time = time[choose_frames(time, options.time_range, options.motion)]
        jobs = isolation.count_jobs(n_jobs, min(MOST_JOBS, 1 + len(time) // FRAMES_PER_JOB))
        loads = measured = None
        cutoff = options.cutoff("lowpass_loads_hz")
        if options.external_loads is not None:
            loads = read_external_loads(options.external_loads, time, cutoff)
            loads.check_covers(time)
            measured, loads = loads, lowpass_loads(loads, cutoff)
        key = identify(
            options.model, options.weld, loads is not None, options.force_sets, options.replace_force_set,
            options.contact_acts(),
        )  # fmt: skip
        attach = None if loads is None else partial(loads.attached, time=time[:PIECE])
        if options.geometry != "exact":  # OpenSim loads the model while it is described
            loaded = key if attach is None else attach(key)
            isolation.prepare("opensim", "osimopt.adapters.worker.session:warm_up", (loaded,), jobs)
        model = replace(describe(key, cache), attach=attach)
        if loads is not None:
            check_bodies(loads, model.described.multibody.tree.bodies)
        if not model.description.free:
            fix = "Unlock those that the motion moves."
            raise ModelError(explain("a model with a free coordinate", "all of them locked or driven", fix, model.path))
        if model.description.dropped:
            names = some(model.description.dropped, 12)
            why = "the model or an earlier force set has forces of these names"
            warn(f"{options.model}: left out, since {why}: {names}.")
        left = left_out(options, model)
        multibody, _ = without_gaps(model.described.multibody)
        if options.joint_reactions is not None:
            chosen_joints(options.joint_reactions, find_joints(multibody).names, model.path)
        motion = read_motion(
            options.motion, model, options.lowpass_hz, options.time_range, options.speeds, table=table, n_jobs=jobs,
            left=left, moving=options.generalized_force is None or options.left_out == "residuals",
        )  # fmt: skip
        assumed = [name for name in left if name not in table.columns]
        if options.coordinates is None or options.left_out == "residuals":
            left = ()  # they may be balanced, by residual actuators if not by muscles
        moments = options.generalized_force
        cutoff = options.cutoff("lowpass_moments_hz")
        given = None if moments is None else read_generalized_force(moments, model, motion, left, cutoff)
        joints = None
        if options.joint_reactions is not None:
            determined = model.description.of_kind("coupled")
            joints = reacting_joints(multibody, options.joint_reactions, motion, determined)
        paths, exact, dynamics = _paths(options, model, motion, loads, jobs)
    provenance = _provenance(model, options, warnings, left)
    provenance["warnings"] += remarks(options, frame_times(table), motion, model, loads, given)
    if measured is not None and not assumed:
        provenance["warnings"] += forces_beside(motion, model.described.multibody, model.described.paths, measured)
    checked = check_model(model, jobs, cache)
    provenance["self_check"] = {"model": checked}
    provenance["warnings"] += fitted_to(paths)
    if isinstance(record := getattr(paths, "record", None), PathRecord):
        provenance["fitted_to"] = record.plain()
    if exact is not None:
        refuse_wrong_arrays(model, checked)
        differences = model_differences(checked, exact, dynamics if given is None else None)
        provenance |= differences.plain()
        provenance["warnings"] += differences.texts()
    return Trial(
        model, motion, loads, given, paths, dynamics, options, jobs, warnings, provenance, left, assumed, exact,
        device, joints,
    )  # fmt: skip


def _paths(
    options: ReadOptions, model: Model, motion: Kinematics, loads: ExternalLoads | None, jobs: int
) -> tuple[MusclePaths | None, ExactPaths | None, ExactDynamics | None]:
    """Muscle paths and inverse dynamics in place of OpenSim's, as far as the geometry asks for them.

    Beside fitted paths these are the exact paths to which they were fitted, if they were.
    """
    if options.geometry == "exact":
        own = read_exact(model, motion)
        return own, own, read_dynamics(model, loads)
    paths, exact = read_polynomials(options.geometry, model, options.motion, jobs, motion)
    if paths is not None:
        warn_of_range(paths, motion, options.motion)
    if paths is None or exact is None:
        return paths, None, None
    refuse_lock(exact.multibody, motion.value, motion.time)
    for text in compare_exact(paths, exact, model, motion):
        warn(text)
    return paths, exact, read_dynamics(model, loads)


def _provenance(model: Model, options: ReadOptions, given: list[str], left: Sequence[str]) -> dict[str, Any]:
    warnings = [*model.description.warnings, *given]
    if model.description.switched_off:
        warnings.append(f"Switched off in the model and left out: {some(model.description.switched_off, 40)}")
    warnings += [*_contact(model, options), *unloaded_side(model, options)]
    if model.description.within:
        warnings.append(
            f"{some(model.description.within, 12)}: OpenSim lets no force act between a moving point and its neighbour "
            "on the same body, although their distance changes; its moment arm is not used, -dl/dq is."
        )
    if _unsupported(model, options):
        base = {coordinate.name for coordinate in model.description.coordinates if coordinate.floating}
        alone = "the free base is held by residual actuators alone."
        by_muscles = options.coordinates is None and options.muscles is not None
        if base <= set(left) or (by_muscles and options.left_out == "ignore"):
            alone = "the free base is not balanced, so that no residual shows whether they are missing."
        warnings.append(f"No ground reactions were given: {alone}")
    coordinates = [model.description.coordinates[index] for index in model.description.free]
    return {
        "source": "opensim",
        "versions": {
            "osimopt": version("osimopt"),
            "opensim": model.description.opensim_version,
            "numpy": version("numpy"),
            "scipy": version("scipy"),
            "python": platform.python_version(),
        },
        "inputs": {name: {"file": path.name, "sha256": sha256(path)} for name, path in options.files().items()},
        "options": options.settings(),
        "path_version": PATHS,
        "description": digest(identity(model.key)),
        "body_mass_kg": float(model.described.multibody.tree.mass.sum()),
        "units": {coordinate.name: coordinate.unit for coordinate in coordinates},
        "switched_off": list(model.description.switched_off),
        "turning": [coordinate.name for coordinate in coordinates if coordinate.turning],
        "floating": [coordinate.name for coordinate in coordinates if coordinate.floating],
        "warnings": list(dict.fromkeys(warnings)),
    }


def _unsupported(model: Model, options: ReadOptions) -> bool:
    """Whether a model with a free base has no loads, no moments from a file and no contact with the ground."""
    free_base = any(model.description.coordinates[index].floating for index in model.description.free)
    touching = any("External" in kind for _, kind in model.description.other_forces)
    touching |= bool(model.description.contact) and options.contact_acts()
    return free_base and not touching and options.external_loads is None and options.generalized_force is None


def _contact(model: Model, options: ReadOptions) -> list[str]:
    """Warning about the model's own forces on the ground, where external loads are given too."""
    if not model.description.contact or options.external_loads is None:
        return []
    names = some([f"{name} ({kind})" for name, kind in model.description.contact], 12)
    if options.contact_acts():
        return [f"Both the model's own forces on the ground and the external loads act: {names}."]
    return [
        f"Switched off, because external loads were given: {names}, which press on the ground. contact='on' keeps them."
    ]
