"""fit_geometry_network: muscle paths of a model, sampled by OpenSim and fitted by polynomials and networks."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ..adapters.exact import ExactPaths, read_exact
from ..adapters.geometry_fit import fit_samples, leave_missed, record_of
from ..adapters.model import Model, read_model
from ..adapters.options import GEOMETRIES, Geometry
from ..adapters.path_sampling import Domain, sample_paths, warn_of_left
from ..analysis.scaled_paths import check_factors, fit_bodies, join_bodies
from ..errors import InputError, explain
from ..files.storage import sha256
from ..options import check_word
from ..polynomial.samples import PathSamples
from ..surrogate.geometry_training import OPTIONS, WIDTH, Kind, TrainedGeometry, train_geometry
from ..surrogate.training import TrainingOptions

#: A body's model and its scale factors, by name.
Scaled = tuple[str | os.PathLike[str], Mapping[str, float]]
#: Called with ("sampling" or "training", done, in all).
Progress = Callable[[str, int, int], None]

#: Order of polynomials with networks: networks follow kinks better than high orders, which oscillate around them.
MAX_ORDER = 5


def fit_geometry_network(
    model: str | os.PathLike[str] | Any, motions: Sequence[str | os.PathLike[str]] = (), *, kind: Kind = "best",
    scaled: Sequence[Scaled] = (), tolerance: float = 1e-4, max_order: int = MAX_ORDER, postures: int = 2048,
    width: int = WIDTH, options: TrainingOptions = OPTIONS, weld: Sequence[str] = (),
    geometry: Geometry = "exact", n_jobs: int | None = None,
    checkpoint: Path | None = None, progress: Progress | None = None,
) -> TrainedGeometry:  # fmt: skip
    """Fit each muscle's length and moment arms by a polynomial, and the residual of the polynomial by a network.

    The moment arms are the exact derivatives of the lengths (method after [1]_).

    Parameters
    ----------
    model
        Path of an .osim file, or a live ``opensim.Model``.
    motions
        Motion files whose range of each coordinate, and 10° (1 cm) around it, is fitted instead of the model's range.
    kind
        ``"best"``: networks for muscles whose polynomial exceeds the tolerance, if they have a smaller error.
        ``"network"``: for all muscles, ``"polynomial"``: for none.
    scaled
        The same model scaled to other bodies, each a path and its scale factors by name, with the same names in all;
        those of ``model`` are 1. The surrogate is then a function of them: ``surrogate.scaled({…})``. Every fifth
        body is held out, and errors are of these. Many bodies in few postures are better than few bodies in many:
        with 3 factors, 40 in 128.
    tolerance
        Largest root mean square error of length and of moment arm, in m.
    max_order
        Highest order of the polynomials.
    postures
        Number to fit to for each model; a quarter more are held out or, for scaled models, used as well.
    width
        Units of each of a network's two layers.
    options
        ``osimopt.surrogate.training.TrainingOptions`` of the networks.
    weld
        Names of joints to weld.
    geometry
        Paths to fit: ``"exact"`` or ``"opensim"``, as for :func:`osimopt.fit_geometry`.
    n_jobs
        Processes that sample; default 1.
    checkpoint
        Folder from which an interrupted training continues.
    progress
        Called with ("sampling" or "training", done, in all).

    Returns
    -------
    TrainedGeometry
        ``surrogate`` for ``load_problem(geometry=…)``, and the errors of each muscle on held-out postures, with those
        of the polynomials alone. Muscles whose moment arm is not −∂l/∂q of OpenSim's length, in any posture of any
        model, are left out with a warning, as by :func:`osimopt.fit_geometry`.

    Raises
    ------
    InputError, ModelError
        As :func:`osimopt.fit_geometry`; scaled models that differ in more than size, or factors that do not vary.
    SolverError
        No loss of the training is finite.

    References
    ----------
    .. [1] Van Wouwe T, Hicks J, Delp S, Liu KC. A simulation framework to determine optimal strength training and
       musculoskeletal geometry for sprinting and distance running. PLoS Comput Biol 20(2), e1011410, 2024.
       doi:10.1371/journal.pcbi.1011410

    Examples
    --------
    >>> import osimopt
    >>> from osimopt.datasets import arm26
    >>> arm = arm26()
    >>> fitted = osimopt.fit_geometry_network(arm.model, [arm.motion], postures=128)
    >>> list(fitted.to_dataframe().columns[:2])
    ['network', 'length_rms_mm']
    >>> problem = osimopt.load_problem(arm.model, arm.motion, geometry=fitted.surrogate)
    """
    if max_order < 1:
        raise InputError(explain("max_order of at least 1", f"{max_order}", f"The default is {MAX_ORDER}."))
    check_word("geometry", geometry, GEOMETRIES)
    read = [read_model(path, weld) for path in (model, *(path for path, _ in scaled))]
    conditions = check_factors([factors for _, factors in scaled])
    exact = [read_exact(model) if geometry == "exact" else None for model in read]
    sampled = _sample(read, exact, motions, postures, n_jobs, progress)
    if conditions:
        bodies = [dict.fromkeys(conditions, 1.0), *(dict(factors) for _, factors in scaled)]
        samples = join_bodies(read, [samples for _, samples in sampled], bodies)
        polynomials = replace(fit_bodies(samples, len(conditions), max_order), record=record_of(read[0], exact[0]))
    else:
        ((domain, samples),) = sampled
        polynomials = fit_samples(read[0], domain, samples, tolerance, max_order, n_jobs, exact[0])
    if polynomials.left:
        warn_of_left(polynomials.left)

    def trained_epochs(done: int, total: int, epoch: int, epochs: int) -> None:
        if progress is not None:
            progress("training", done * epochs + epoch, total * epochs)

    trained = train_geometry(
        polynomials, samples, kind=kind, tolerance=tolerance, width=width, options=options, conditions=conditions,
        checkpoint=checkpoint, progress=trained_epochs,
    )  # fmt: skip
    used = {
        "kind": kind, "tolerance": tolerance, "max_order": max_order, "postures": postures, "width": width,
        "weld": list(weld), "geometry": geometry, **asdict(options),
    }  # fmt: skip
    provenance = _provenance(read, scaled, motions, used, trained)
    left = leave_missed(read[0], trained.surrogate.polynomials, tolerance)
    surrogate = replace(trained.surrogate.keep_networks(left.muscles), polynomials=left, provenance=provenance)
    return replace(trained, surrogate=surrogate)


def _sample(
    models: Sequence[Model], exact: Sequence[ExactPaths | None], motions: Sequence[str | os.PathLike[str]],
    postures: int, n_jobs: int | None,
    progress: Progress | None,
) -> list[tuple[Domain, PathSamples]]:  # fmt: skip
    """Sample the paths of each model, all in different postures."""
    sampled = []
    for number, (model, paths) in enumerate(zip(models, exact, strict=True)):

        def report(done: int, total: int, number: int = number) -> None:
            if progress is not None:
                progress("sampling", number * total + done, len(models) * total)

        sampled.append(sample_paths(model, motions, postures, n_jobs, report, number * postures, paths))
    return sampled


def _provenance(
    models: Sequence[Model], scaled: Sequence[Scaled], motions: Sequence[str | os.PathLike[str]],
    options: dict[str, Any], trained: TrainedGeometry,
) -> dict[str, Any]:  # fmt: skip
    def files(paths: Iterable[str | os.PathLike[str]]) -> list[dict[str, str]]:
        return [{"file": Path(path).name, "sha256": sha256(path)} for path in paths]

    return {
        "models": files(model.path for model in models),
        "factors": [dict(factors) for _, factors in scaled],
        "motions": files(motions),
        "opensim": models[0].description.opensim_version,
        "options": options,
        "seconds_of_training": trained.seconds,
        "muscles_within_tolerance": int(trained.errors.within(options["tolerance"]).sum()),
        "errors": trained.errors.to_dict(),
    }
