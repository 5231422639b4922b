"""fit_geometry_network: a model's muscle paths, sampled in opensim's process and fitted by polynomials and networks."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..adapters.cache import sha256
from ..adapters.geometry_fit import fit_samples, tell_mismatch
from ..adapters.model import Model, read_model
from ..adapters.path_sampling import sample_paths
from ..errors import InputError, ModelError, explain, some
from ..polynomial.fit import fit_order
from ..polynomial.geometry import Fit, MusclePolynomial, PolynomialGeometry
from ..polynomial.samples import PathSamples
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
        of ``model`` itself are 1. The surrogate is then a function of them: ``surrogate.scaled({…})``.
    tolerance
        Root mean square error in m that length and moment arm shall have.
    max_order
        Highest order of the polynomials.
    postures
        To fit to, of each model; a quarter more are held out.
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
        those of the polynomials alone. The target is −∂l/∂q of OpenSim's lengths, which for paths over several wrap
        objects is not OpenSim's moment arm: flags name these muscles.

    Raises
    ------
    InputError, ModelError
        As :func:`osimopt.fit_geometry`; scaled models that differ in more than size, or factors that do not vary.
    """
    if max_order < 1:
        raise InputError(explain("max_order of at least 1", f"{max_order}", f"The default is {MAX_ORDER}."))
    read = [read_model(path, weld) for path in (model, *(path for path, _ in scaled))]
    conditions = _conditions(scaled)
    sampled = []
    for number, one in enumerate(read):

        def told(done: int, total: int, number: int = number) -> None:
            if progress is not None:
                progress("sampling", number * total + done, len(read) * total)

        domain, samples = sample_paths(one, motions, postures, n_jobs=n_jobs, progress=told, skip=number * postures)
        sampled.append(samples)
    if conditions:
        factors = [dict.fromkeys(conditions, 1.0), *(dict(factors) for _, factors in scaled)]
        samples = _join(read, sampled, factors)
        polynomials = _fit_over_factors(samples, max_order)
    else:
        polynomials = fit_samples(read[0], domain, samples, tolerance, max_order, n_jobs)

    def moved(done: int, total: int, epoch: int, epochs: int) -> None:
        if progress is not None:
            progress("training", done * epochs + epoch, total * epochs)

    trained = train_geometry(
        polynomials, samples, kind=kind, tolerance=tolerance, width=width, options=options, conditions=conditions,
        checkpoint=checkpoint, progress=moved,
    )  # fmt: skip
    told_of = {
        "kind": kind,
        "models": [{"file": Path(one.path).name, "sha256": sha256(one.path)} for one in read],
        "factors": [dict(factors) for _, factors in scaled],
        "motions": [{"file": Path(path).name, "sha256": sha256(path)} for path in motions],
        "opensim": read[0].description.opensim_version,
        "options": {
            "tolerance": tolerance, "max_order": max_order, "postures": postures, "width": width, "weld": list(weld),
            **asdict(options),
        },
        "seconds_of_training": trained.seconds,
        "muscles_within_tolerance": int(trained.errors.within(tolerance).sum()),
        "errors": trained.errors.to_dict(),
    }  # fmt: skip
    return replace(trained, surrogate=replace(trained.surrogate, provenance=told_of))


def _conditions(scaled: Sequence[Scaled]) -> tuple[str, ...]:
    """Names of the scale factors."""
    if not scaled:
        return ()
    names = tuple(scaled[0][1])
    if not names or any(set(factors) != set(names) for _, factors in scaled):
        got = "; ".join(some(factors) if factors else "none" for _, factors in scaled)
        raise InputError(explain("the same scale factors of every scaled model", got, "Name them alike."))
    for name in names:
        values = [float(factors[name]) for _, factors in scaled]
        if not all(np.isfinite(value) and value > 0.0 for value in values) or all(value == 1.0 for value in values):
            fix = "Scale some models otherwise, or leave the factor out."
            raise InputError(explain(f"positive factors '{name}' that are not all 1", f"{values}", fix))
    return names


def _join(
    models: Sequence[Model], sampled: Sequence[PathSamples], factors: Sequence[Mapping[str, float]]
) -> PathSamples:
    """Samples of several bodies in one, scale factors as coordinates without known slopes."""
    first, names = sampled[0], tuple(factors[0])
    for model, other in zip(models, sampled, strict=True):
        if (other.muscle_paths, other.coordinate_paths) != (first.muscle_paths, first.coordinate_paths):
            got = "other ones, or another order"
            raise ModelError(
                explain(f"the muscles and coordinates of {Path(models[0].path).name}", got, "Scale it.", model.path)
            )
    spans = np.any([other.spans for other in sampled], axis=0)
    spans = np.vstack([spans, np.ones((len(names), spans.shape[1]), dtype=bool)])
    keys = list(zip(*np.nonzero(spans), strict=True))
    parts = []
    for other, own in zip(sampled, factors, strict=True):
        known = {key: column for column, key in enumerate(zip(*np.nonzero(other.spans), strict=True))}
        columns = [known.get(key, -1) for key in keys]
        slope = np.hstack([other.slope, np.full((len(other.slope), 1), np.nan)])[:, columns]
        own_factors = np.broadcast_to([float(own[name]) for name in names], (len(slope), len(names)))
        parts.append((np.hstack([other.value, own_factors]), other.length, slope))
    fitted = [slice(None, other.fitted) for other in sampled]
    held_out = [slice(other.fitted, None) for other in sampled]
    cut = [(part, rows) for side in (fitted, held_out) for part, rows in zip(parts, side, strict=True)]
    value, length, slope = (np.concatenate([part[i][rows] for part, rows in cut]) for i in range(3))
    each = np.array([[float(own[name]) for name in names] for own in factors])
    return PathSamples(
        first.muscle_paths, (*first.coordinate_paths, *names), spans,
        np.concatenate([np.min([other.low for other in sampled], axis=0), each.min(axis=0)]),
        np.concatenate([np.max([other.high for other in sampled], axis=0), each.max(axis=0)]),
        value, length, slope, sum(other.fitted for other in sampled),
        np.max([other.mismatch for other in sampled], axis=0),
    )  # fmt: skip


def _fit_over_factors(samples: PathSamples, order: int) -> PolynomialGeometry:
    """Polynomials of coordinates and scale factors."""
    polynomials: dict[int, MusclePolynomial] = {}
    for members, own in samples.groups():
        train, _ = samples.targets(members, own)
        low, high = samples.low[own], samples.high[own]
        paths = tuple(samples.coordinate_paths[index] for index in own)
        for column, muscle in enumerate(members.tolist()):
            reached, coefficients = fit_order(train.muscles(np.array([column])), low, high, order)
            flags = tell_mismatch(samples.mismatch[muscle])
            fit = Fit(low, high, math.nan, math.nan, math.nan, math.nan, flags=flags)
            polynomials[muscle] = MusclePolynomial(samples.muscle_paths[muscle], paths, reached, coefficients, fit)
    return PolynomialGeometry(tuple(polynomials[muscle] for muscle in sorted(polynomials)))
