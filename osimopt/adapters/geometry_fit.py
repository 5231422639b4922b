"""A model's muscle paths, sampled and fitted by polynomials."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import InputError, ModelError, explain, some
from ..isolation import Progress
from ..notices import warn
from ..options import check_word
from ..polynomial.fit import SNAPPED, Potential, Target, fit_potentials, length_errors
from ..polynomial.geometry import MusclePolynomial, PolynomialGeometry
from ..polynomial.muscle_paths import Fit, flag_missed
from ..polynomial.samples import Jump, PathSamples
from ..polynomial.snaps import Line
from ..problem.arrays import Array, Index
from ..problem.path_record import PathRecord
from . import exact_sampling
from .cache import digest
from .exact import ExactPaths, read_exact
from .mechanics import identity
from .model import Model, read_model
from .options import GEOMETRIES, Geometry
from .path_sampling import Domain, sample_paths, warn_of_left

#: m; root mean square error of lengths and moment arms that is asked of fits.
TOLERANCE = 1e-4
#: Highest order of polynomials, and by the number of coordinates where it is another.
ORDER, HIGHEST = 9, {1: 12, 2: 12}
#: Lines through the range, and steps of each, on which jumps are searched.
LINES, STEPS = 5, 61
#: m; root mean square error of a moment arm beyond which a muscle keeps its exact path, unless the tolerance is larger.
ARM = 1e-3
#: Largest share of the postures in which the exact path of a muscle with a polynomial may have snapped.
SNAPS = 0.01
#: Number of postures, those where the polynomial of a muscle is worst, through which further lines go.
WORST = 2


def fit_geometry(
    model: str | os.PathLike[str] | Any,
    motions: Sequence[str | os.PathLike[str]] = (),
    *,
    tolerance: float = TOLERANCE,
    max_order: int | None = None,
    postures: int = 2048,
    weld: Sequence[str] = (),
    geometry: Geometry = "exact",
    n_jobs: int | None = None,
    progress: Progress | None = None,
) -> PolynomialGeometry:
    """Fit every muscle's length and moment arms by one polynomial of the coordinates that it spans.

    Lengths, and the moment arms of tensions along the paths, are sampled in quasi-random postures, coupled coordinates
    following, and fitted together; the order is raised from 1 until both errors, on postures held out, are within the
    tolerance. A muscle that misses the tolerance keeps its best order and is flagged.

    A muscle whose exact path no polynomial follows gets none, and a warning names it: off by more than the tolerance in
    length, or 1 mm in moment arm, or with a path that snaps in more than 1 % of the postures. Problems use its exact
    path. Of OpenSim's paths, those get no polynomial whose moment arm differs from −∂l/∂q of OpenSim's length by more
    than 1 mm in any posture, as where a path touches two wrap objects; problems use OpenSim's path for these.

    Parameters
    ----------
    model
        Path of an .osim file, or a live ``opensim.Model``.
    motions
        Motion files: the fit is made for their range of each coordinate and 10° (1 cm) around it, instead of the
        model's whole range of motion. A narrower range gives smaller errors, and fewer places where paths snap.
    tolerance
        Largest root mean square error in m of length and moment arm.
    max_order
        Highest order; default 9, and 12 over one or two coordinates, where terms are few. There are never more terms
        than half the equations.
    postures
        Number of postures to fit to; a quarter more are held out.
    weld
        Names of joints to weld: their coordinates are locked at the model's defaults.
    geometry
        Paths to fit: ``"exact"``, tangent to every object that they wrap over, or ``"opensim"``. Muscles that the
        former does not cover keep OpenSim's, and a warning names them.
    n_jobs
        Processes that sample; default 1.
    progress
        Called with (postures done, postures in all).

    Returns
    -------
    PolynomialGeometry
        ``to_dataframe()`` lists errors and flags: tolerance missed; places where a path snaps over a wrap object, which
        no polynomial follows; muscles that keep their exact path, as in ``missed``, or OpenSim's, as in ``left``.

    Raises
    ------
    InputError, ModelError
        Wrong files or options; a muscle over a prescribed coordinate; a range that is not finite; a muscle whose
        path the postures do not determine; no muscle that can be fitted.

    Examples
    --------
    >>> import osimopt
    >>> from osimopt.datasets import arm26
    >>> arm = arm26()
    >>> geometry = osimopt.fit_geometry(arm.model, [arm.motion], tolerance=1e-3, postures=128)
    >>> geometry.to_dataframe()["moment_arm_rms_mm"].round(1).to_dict()
    {'TRIlong': 0.6, 'TRIlat': 0.6, 'TRImed': 0.6, 'BIClong': 0.2, 'BICshort': 0.2, 'BRA': 0.6}
    """
    if not tolerance > 0.0:
        raise InputError(explain("a tolerance in m above 0", f"{tolerance}", "The default is 1e-4."))
    if max_order is not None and max_order < 1:
        raise InputError(explain("max_order of at least 1", f"{max_order}", "Leave it out for 9, or 12."))
    check_word("geometry", geometry, GEOMETRIES)
    read = read_model(model, weld)
    exact = read_exact(read) if geometry == "exact" else None
    domain, samples = sample_paths(read, motions, postures, n_jobs, progress, exact=exact)
    if samples.left:
        warn_of_left(samples.left)
    return leave_missed(read, fit_samples(read, domain, samples, tolerance, max_order, n_jobs, exact), tolerance)


def fit_samples(
    model: Model,
    domain: Domain,
    samples: PathSamples,
    tolerance: float = TOLERANCE,
    max_order: int | None = None,
    n_jobs: int | None = None,
    exact: ExactPaths | None = None,
) -> PolynomialGeometry:
    """The polynomials of paths that were sampled before; see :func:`fit_geometry`."""
    left, samples = samples.left, samples.consistent()
    potentials, doubtful = _fit(model, samples, tolerance, max_order)
    jumps = _find_jumps(model, exact, domain, samples, doubtful, n_jobs or 1)
    polynomials = []
    for muscle, (name, potential) in enumerate(zip(samples.muscles, potentials, strict=True)):
        spanned = np.flatnonzero(samples.spans[:, muscle])
        errors = (potential.length_rms, potential.length_max, potential.moment_arm_rms, potential.moment_arm_max)
        along = [jumps[name, index] for index in spanned.tolist() if (name, index) in jumps]
        flags = _flags(model, potential, tolerance, spanned, along)
        fit = Fit(domain.low[spanned], domain.high[spanned], *errors, potential.left_out, flags)
        paths = tuple(samples.coordinate_paths[index] for index in spanned)
        path = samples.muscle_paths[muscle]
        polynomials.append(MusclePolynomial(path, paths, potential.order, potential.coefficients, fit))
    return PolynomialGeometry(tuple(polynomials), left, record_of(model, exact))


def leave_missed(model: Model, geometry: PolynomialGeometry, tolerance: float) -> PolynomialGeometry:
    """Leave muscles to their exact paths where the fit is off by more than the tolerance, or a moment arm by 1 mm.

    A warning names them. Fits to OpenSim's paths stay as they are.

    Raises
    ------
    ModelError
        No muscle is left with a polynomial.
    """
    missed, limit = dict[str, Fit](), max(ARM, tolerance)
    for name, fit in geometry.fits.items():
        why = []
        if not fit.length_rms <= tolerance:
            why.append(f"length off by {1e3 * fit.length_rms:.2g} mm (rms)")
        if not fit.moment_arm_rms <= limit:
            why.append(f"moment arm off by {1e3 * fit.moment_arm_rms:.2g} mm (rms)")
        if fit.left_out > SNAPS:
            why.append(f"path snaps in {100.0 * fit.left_out:.2g} % of the postures")
        if why and geometry.record.geometry.get(name) == "exact":
            missed[name] = replace(fit, flags=(f"Left to its exact path: {', '.join(why)}.", *fit.flags))
    if not missed:
        return geometry
    kept = [name for name in geometry.muscles if name not in missed]
    texts = [f"{name} ({fit.flags[0].removeprefix('Left to its exact path: ')[:-1]})" for name, fit in missed.items()]
    if not kept:
        fix = "Raise the order or the tolerance, give motions, or use geometry='exact' itself."
        expected = f"a muscle that polynomials follow within {1e3 * tolerance:g} mm (moment arm {1e3 * limit:g} mm)"
        raise ModelError(explain(expected, f"none: {some(texts)}", fix, model.path))
    warn(f"Left to their exact paths, which no polynomial follows: {some(texts, 12)}.")
    return replace(geometry.select(kept), missed=missed)


def record_of(model: Model, exact: ExactPaths | None) -> PathRecord:
    """Which paths of a model are fitted."""
    own = () if exact is None else exact.muscles
    geometry = {name: "exact" if name in own else "opensim" for name in model.description.muscles.names}
    return PathRecord(geometry, description=digest(identity(model.key)))


def _fit(
    model: Model, samples: PathSamples, tolerance: float, max_order: int | None
) -> tuple[list[Potential], dict[int, Array]]:
    """Every muscle's polynomial, and the postures in which a doubtful one is worst."""
    potentials: dict[int, Potential] = {}
    doubtful: dict[int, Array] = {}
    for members, spanned in samples.groups():
        parts, highest = samples.targets(members, spanned), max_order or HIGHEST.get(len(spanned), ORDER)
        fitted = fit_potentials(*parts, samples.low[spanned], samples.high[spanned], tolerance, highest)
        for column, (muscle, potential) in enumerate(zip(members.tolist(), fitted, strict=True)):
            if potential is None:
                about = some(model.description.coordinates[index].name for index in spanned)
                got = f"a polynomial of {about} that they leave undetermined"
                fix = "Use more postures, or give motions in which these coordinates move."
                where = f"{model.path}, muscle '{samples.muscles[muscle]}'"
                raise ModelError(explain("postures that determine the muscle's path", got, fix, where))
            alone = [part.muscles(np.array([column])) for part in parts]
            potentials[muscle] = potential
            doubtful[muscle] = _doubtful(potential, alone, samples.value, tolerance)
    return [potentials[muscle] for muscle in sorted(potentials)], doubtful


def _doubtful(potential: Potential, parts: Sequence[Target], postures: Array, tolerance: float) -> Array:
    """The postures (W, N) where an inaccurate polynomial is worst: the path may have snapped there."""
    errors = np.nan_to_num(np.concatenate([length_errors(potential, part) for part in parts]))
    if potential.rms <= tolerance and not potential.left_out and errors.max() < SNAPPED:
        return postures[:0]
    return np.asarray(postures[np.argsort(-errors)[:WORST]])


def _find_jumps(
    model: Model,
    exact: ExactPaths | None,
    domain: Domain,
    samples: PathSamples,
    doubtful: dict[int, Array],
    n_jobs: int,
) -> dict[tuple[str, int], Jump]:
    """The largest jump of each muscle along each coordinate, by the muscle's name and the coordinate's index.

    Each coordinate is swept with the others at their defaults and in a few other postures, for all muscles that span
    it; and in the worst postures of those whose polynomials are doubtful.
    """
    names, spans = model.description.muscles.names, samples.spans
    number = np.array([names.index(name) for name in samples.muscles], dtype=np.intp)
    middle = np.clip(domain.default, domain.low, domain.high)
    postures = np.concatenate([middle[None], domain.postures(LINES - 1)])
    lines = list[Line]()
    for index in np.flatnonzero(spans.any(axis=1)).tolist():
        steps = np.linspace(domain.low[index], domain.high[index], STEPS)
        lines += [Line(posture, index, number[spans[index]], steps) for posture in postures]
        worse = [muscle for muscle in doubtful if spans[index, muscle]]
        lines += [Line(posture, index, number[[muscle]], steps) for muscle in worse for posture in doubtful[muscle]]
    found = list[Jump]()
    if exact is not None:
        own = np.flatnonzero(exact_sampling.is_exact(exact, model))
        found += exact_sampling.find_jumps(exact, model, _only(lines, own))
        lines = _only(lines, np.setdiff1d(np.arange(len(names)), own))
    calls = [(lines[start : start + LINES],) for start in range(0, len(lines), LINES)]
    if calls:
        found += [jump for jumps in model.run_many("sampling:find_jumps", calls, n_jobs) for jump in jumps]
    found.reverse()  # the last of equal keys stays: the largest, and of equal ones the first found
    return {(names[jump.muscle], jump.coordinate): jump for jump in sorted(found, key=lambda jump: jump.size)}


def _only(lines: Sequence[Line], muscles: Index) -> list[Line]:
    """The lines with some of their muscles, those that have any."""
    kept = [replace(line, muscles=np.intersect1d(line.muscles, muscles)) for line in lines]
    return [line for line in kept if len(line.muscles)]


def _flags(model: Model, potential: Potential, tolerance: float, spanned: Index, jumps: list[Jump]) -> tuple[str, ...]:
    flags = []
    if potential.rms > tolerance:
        flags.append(flag_missed(tolerance))
    if potential.left_out:
        flags.append(f"Snapped, and left out, in {100.0 * potential.left_out:.2g} % of the postures.")
    for jump in jumps:
        others = [_place(model, index, jump.posture[index]) for index in spanned if index != jump.coordinate]
        at = f"{_place(model, jump.coordinate, jump.value)}{' with ' if others else ''}{', '.join(others)}"
        flags.append(f"Snaps by {1e3 * jump.length:.1f} mm (moment arm {1e3 * jump.moment_arm:.1f} mm) at {at}.")
    return tuple(flags)


def _place(model: Model, index: int, value: float) -> str:
    coordinate = model.description.coordinates[index]
    size = f"{np.rad2deg(value):.1f}°" if coordinate.rotational else f"{value:.4g} m"
    return f"{coordinate.name} {size}"
