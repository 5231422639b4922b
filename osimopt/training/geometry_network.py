"""fit_geometry_network: a model's muscle paths, sampled in opensim's process and fitted by polynomials and networks."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ..adapters.geometry_fit import fit_samples
from ..adapters.model import read_model
from ..adapters.path_sampling import sample_paths, warn_of_left
from ..analysis.scaled_paths import check_factors, fit_bodies, join_bodies
from ..errors import InputError, explain
from ..files.storage import sha256
from ..surrogate.geometry_training import OPTIONS, WIDTH, Kind, TrainedGeometry, train_geometry
from ..surrogate.training import TrainingOptions

#: A body's model and its scale factors, by name.
Scaled = tuple[str | os.PathLike[str], Mapping[str, float]]
#: Told ("sampling" or "training", done, in all).
Progress = Callable[[str, int, int], None]

#: Order of the polynomials below networks: networks follow kinks better than high orders, which wiggle around them.
MAX_ORDER = 5


def fit_geometry_network(
    model: str | os.PathLike[str] | Any,
    motions: Sequence[str | os.PathLike[str]] = (),
    *,
    kind: Kind = "best",
    scaled: Sequence[Scaled] = (),
    tolerance: float = 1e-4,
    max_order: int = MAX_ORDER,
    postures: int = 2048,
    width: int = WIDTH,
    options: TrainingOptions = OPTIONS,
    weld: Sequence[str] = (),
    n_jobs: int | None = None,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> TrainedGeometry:
    """Fit every muscle's length and moment arms by a polynomial, and by a network what that leaves.

    Parameters
    ----------
    model
        Path of an .osim file, or a live ``opensim.Model``.
    motions
        Motion files whose range of each coordinate, and 10° (1 cm) around it, is fitted in place of the model's own.
    kind
        ``"best"``: networks for muscles whose polynomial misses the tolerance, and only where they come nearer.
        ``"network"``: for all, ``"polynomial"``: for none.
    scaled
        The same model scaled to other bodies, each a path and its scale factors by name, all the same names; those
        of ``model`` itself are 1. The surrogate is then a function of them: ``surrogate.scaled({…})``. Every fifth
        body is held out, and errors are of these. Many bodies in few postures are better than few in many: with 3
        factors, 40 in 128.
    tolerance
        Root mean square error in m that length and moment arm shall have.
    max_order
        Highest order of the polynomials.
    postures
        To fit to, of each model; a quarter more are held out, or, of scaled models, used as well.
    width, options, checkpoint
        Of the networks; see :func:`osimopt.surrogate.geometry_training.train_geometry`.
    weld
        Names of joints to weld.
    n_jobs
        Processes that sample; default 1.
    progress
        Called with ("sampling" or "training", done, in all).

    Returns
    -------
    TrainedGeometry
        ``surrogate``, for ``load_problem(geometry=…)``, and the errors of each muscle on held-out postures, beside
        those of the polynomials alone. Muscles whose moment arm is not −∂l/∂q of OpenSim's length, in any posture of
        any model, are left out and named, as by :func:`osimopt.fit_geometry`.

    Raises
    ------
    InputError, ModelError
        As :func:`osimopt.fit_geometry`; scaled models that differ in more than size, or factors that do not vary.
    """
    if max_order < 1:
        raise InputError(explain("max_order of at least 1", f"{max_order}", f"The default is {MAX_ORDER}."))
    read = [read_model(path, weld) for path in (model, *(path for path, _ in scaled))]
    conditions = check_factors([factors for _, factors in scaled])
    sampled = []
    for number, one in enumerate(read):

        def told(done: int, total: int, number: int = number) -> None:
            if progress is not None:
                progress("sampling", number * total + done, len(read) * total)

        domain, samples = sample_paths(one, motions, postures, n_jobs=n_jobs, progress=told, skip=number * postures)
        sampled.append(samples)
    if conditions:
        bodies = [dict.fromkeys(conditions, 1.0), *(dict(factors) for _, factors in scaled)]
        samples = join_bodies(read, sampled, bodies)
        polynomials = fit_bodies(samples, len(conditions), max_order)
    else:
        polynomials = fit_samples(read[0], domain, samples, tolerance, max_order, n_jobs)
    if polynomials.left:
        warn_of_left(polynomials.left)

    def moved(done: int, total: int, epoch: int, epochs: int) -> None:
        if progress is not None:
            progress("training", done * epochs + epoch, total * epochs)

    trained = train_geometry(
        polynomials, samples, kind=kind, tolerance=tolerance, width=width, options=options, conditions=conditions,
        checkpoint=checkpoint, progress=moved,
    )  # fmt: skip
    chosen = {
        "kind": kind, "tolerance": tolerance, "max_order": max_order, "postures": postures, "width": width,
        "weld": list(weld), **asdict(options),
    }  # fmt: skip
    provenance = {
        "models": [_file(one.path) for one in read],
        "factors": [dict(factors) for _, factors in scaled],
        "motions": [_file(path) for path in motions],
        "opensim": read[0].description.opensim_version,
        "options": chosen,
        "seconds_of_training": trained.seconds,
        "muscles_within_tolerance": int(trained.errors.within(tolerance).sum()),
        "errors": trained.errors.to_dict(),
    }
    return replace(trained, surrogate=replace(trained.surrogate, provenance=provenance))


def _file(path: str | os.PathLike[str]) -> dict[str, str]:
    return {"file": Path(path).name, "sha256": sha256(path)}
