"""From files to a checked problem: the front door of the adapters."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from .. import isolation
from ..errors import some
from ..files.storage import sha256
from ..notices import hear
from ..polynomial.paths import MusclePaths
from ..problem.problem import RedundancyProblem
from .arrays import Progress
from .cache import cached_path, keep, recall
from .forces import read_generalized_force
from .loads import read_external_loads
from .model import Model, describe, identify
from .motion import choose_frames, read_motion, read_motion_table
from .polynomials import read_polynomials, warn_of_range
from .request import Contact, Gain, Request
from .selfcheck import check_model
from .trial import PIECE, Trial, count_jobs


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
    gain: Gain = "opensim",
    geometry: str | os.PathLike[str] | MusclePaths = "opensim",
    n_jobs: int | None = None,
    *,
    cache: str | os.PathLike[str] | None = None,
    speeds: str | os.PathLike[str] | None = None,
    force_sets: Sequence[str | os.PathLike[str]] = (),
    replace_force_set: bool = False,
    contact: Contact = "auto",
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
        Names of joints to weld: their coordinates are locked at the model's defaults.
    passive_force
        Add the elastic passive fibre force at a rigid tendon to the muscles' forces (OpenSim's static
        optimization leaves it out).
    gain
        ``"opensim"``: maximum force is ``calcInextensibleTendonActiveFiberForce`` at activation 1, the active
        fibre force along a rigid tendon at the frame's length and speed. ``"corrected"``: the same with the pennation
        that OpenSim gets wrong for Millard's and De Groote's muscles put right. ``"isometric"``:
        max_isometric_force in every frame.
    geometry
        ``"opensim"``: the model's own paths. ``"polynomial"``: polynomials fitted to them now in the range of this
        motion (half a minute for 80 muscles); their moment arms are exactly −∂l/∂q. The path of a
        FunctionBasedPathSet, or a :class:`PolynomialGeometry` of :func:`fit_geometry`: those. So for any other
        ``osimopt.polynomial.MusclePaths``, as the geometry surrogate's networks. Muscles that have no path in it keep
        the model's own, and a warning names them.
    n_jobs
        Processes that share the frames; default as many as there are cores and work for.
    cache
        Folder in which the problem is kept, under a name made from the contents of all files, the options and the
        versions: the same call reads it back in milliseconds. What the check of the model found is kept there too,
        once for all motions of a model. None keeps nothing.
    speeds
        .sto with the speeds of the free coordinates (``<coordinate>_u`` or ``/jointset/…/speed``) at the motion's
        times, which are then not derived from the motion; a states file may be given as both.
    force_sets, replace_force_set
        ForceSet files (.xml) whose forces join the model's own, or take their place.
    contact
        Forces of the model itself that press on the ground (contact, and bushings between ground and a model with a
        free base): ``"on"``, ``"off"``, or ``"auto"``: off where external_loads are given, which measured the same.
        A warning names them.
    progress
        Called with (frames done, frames in all).

    Returns
    -------
    RedundancyProblem
        SI units; coordinates are the free ones in multibody-tree order; activation bounds are the
        muscles' min_control and max_control. Its ``source`` computes the arrays at other times (``resample``), unless
        it was read back from the cache.

    Raises
    ------
    InputError, ModelError
        Wrong files, before anything is solved.
    """
    request = Request(
        model, motion, external_loads, generalized_force, time_range, lowpass_hz, reserves, weld, passive_force,
        gain, geometry, speeds, force_sets, replace_force_set, contact,
    )  # fmt: skip
    return load_request(request, n_jobs, cache, progress)


def load_request(
    request: Request,
    n_jobs: int | None = None,
    cache: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> RedundancyProblem:
    """Read what is asked for, or read it back from the cache."""
    kept = None if cache is None else cached_path(cache, request.files(), request.options())
    if kept is not None and (problem := recall(kept)) is not None:
        return problem
    trial = open_trial(request, n_jobs, cache)
    problem = trial.problem(progress)
    if kept is not None:
        keep(problem, kept, trial.heard)
    return problem


def open_trial(request: Request, n_jobs: int | None = None, cache: str | os.PathLike[str] | None = None) -> Trial:
    """Read and check everything that is asked for, without extracting anything yet.

    What the check of the model found is kept in the cache.
    """
    with hear() as heard:
        table = read_motion_table(request.motion)
        time = table.index.to_numpy(dtype=float)
        time = time[choose_frames(time, request.time_range, request.motion)]
        jobs = count_jobs(n_jobs, len(time))
        loads = None if request.external_loads is None else read_external_loads(request.external_loads)
        if loads is not None:
            loads.check_covers(time)
        attached = None if loads is None else (loads.path, loads.at(time[:PIECE]))
        key = identify(
            request.model, request.weld, attached, request.force_sets, request.replace_force_set, request.contact_acts()
        )
        isolation.prepare("opensim", "osimopt.adapters.worker.session:warm_up", (key,), jobs)
        model = describe(key)
        motion = read_motion(
            request.motion, model, request.lowpass_hz, request.time_range, request.speeds, table=table, n_jobs=jobs
        )
        given = None
        if request.generalized_force is not None:
            given = read_generalized_force(request.generalized_force, model, motion)
        polynomials = read_polynomials(request.geometry, model, request.motion, jobs)
        if polynomials is not None:
            warn_of_range(polynomials, motion, request.motion)
    provenance = _provenance(model, request, heard)
    provenance["self_check"] = {"model": check_model(model, float(motion.time[0]), jobs, cache)}
    return Trial(
        model, motion, loads, given, polynomials, request.gain, request.passive_force, request.reserves, jobs, heard,
        provenance,
    )  # fmt: skip


def _provenance(model: Model, request: Request, heard: list[str]) -> dict[str, Any]:
    said = [*model.description.warnings, *heard]
    if model.description.switched_off:
        said.append(f"Switched off in the model and left out: {some(model.description.switched_off, 40)}")
    said += _contact(model, request)
    if model.description.within:
        said.append(
            f"{some(model.description.within, 12)}: OpenSim lets no force act between a moving point and its neighbour "
            "on the same body, although their distance changes; its moment arm is not used, -dl/dq is."
        )
    if _unsupported(model, request):
        said.append("No ground reactions were given: the free base is held by residual actuators alone.")
    coordinates = [model.description.coordinates[index] for index in model.description.free]
    given = {name: Path(path) for name, path in request.files().items() if path is not None}
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
        "options": request.options(),
        "units": {coordinate.name: coordinate.unit for coordinate in coordinates},
        "switched_off": list(model.description.switched_off),
        "turning": [coordinate.name for coordinate in coordinates if coordinate.turning],
        "floating": [coordinate.name for coordinate in coordinates if coordinate.floating],
        "warnings": list(dict.fromkeys(said)),
    }


def _unsupported(model: Model, request: Request) -> bool:
    """Whether a model with a free base touches nothing: no loads, no moments from a file, no contact of its own."""
    free_base = any(model.description.coordinates[index].floating for index in model.description.free)
    touching = any("External" in kind for _, kind in model.description.other_forces)
    touching |= bool(model.description.contact) and request.contact_acts()
    return free_base and not touching and request.external_loads is None and request.generalized_force is None


def _contact(model: Model, request: Request) -> list[str]:
    """What became of the model's own forces on the ground, where loads were measured too."""
    if not model.description.contact or request.external_loads is None:
        return []
    names = some([f"{name} ({kind})" for name, kind in model.description.contact], 12)
    if request.contact_acts():
        return [f"Both the model's own forces on the ground and the external loads act: {names}."]
    return [
        f"Switched off, because external loads were given: {names}, which press on the ground. contact='on' keeps them."
    ]
