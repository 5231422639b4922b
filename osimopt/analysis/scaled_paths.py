"""Muscle paths of one model scaled to several bodies, as functions of coordinates and scale factors.

A body is one point in the space of scale factors, however many postures it is sampled in. So bodies are split, not
postures, and the degree of polynomials in the factors is what the number of bodies determines.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from math import comb
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..adapters.model import Model
from ..errors import InputError, ModelError, explain, some, unlike
from ..polynomial.fit import fit_order
from ..polynomial.geometry import Fit, MusclePolynomial, PolynomialGeometry
from ..polynomial.samples import PathSamples

Array = NDArray[np.float64]

#: Every so many bodies one is held out.
HOLD_OUT = 5
#: Bodies for each term in the scale factors, and the highest degree in them: bodies differ by a tenth or two.
PER_TERM, HIGHEST = 1.5, 3


def check_factors(scaled: Sequence[Mapping[str, float]]) -> tuple[str, ...]:
    """Names of the scale factors of scaled models; none without any.

    Raises
    ------
    InputError
        Other names than of the first, values that are not positive or all 1, or too few models to determine a
        polynomial of degree 1.
    """
    if not scaled:
        return ()
    names = tuple(scaled[0])
    if not names or any(set(factors) != set(names) for factors in scaled):
        got = "; ".join(some(factors) if factors else "none" for factors in scaled)
        raise InputError(explain("the same scale factors of every scaled model", got, "Name them alike."))
    for name in names:
        values = [float(factors[name]) for factors in scaled]
        if not all(np.isfinite(value) and value > 0.0 for value in values) or all(value == 1.0 for value in values):
            fix = "Scale some models otherwise, or leave the factor out."
            raise InputError(explain(f"positive factors '{name}' that are not all 1", f"{values}", fix))
    least = math.ceil(PER_TERM * (1 + len(names)) * HOLD_OUT / (HOLD_OUT - 1))
    if len(scaled) < least:
        fix = "Scale the model to more bodies."
        raise InputError(explain(f"at least {least} scaled models for {len(names)} factors", f"{len(scaled)}", fix))
    return names


def join_bodies(
    models: Sequence[Model], sampled: Sequence[PathSamples], factors: Sequence[Mapping[str, float]]
) -> PathSamples:
    """Samples of several bodies in one, their scale factors as last coordinates, whose slopes are not known.

    Held out is every fifth body, in all of its postures.

    Raises
    ------
    ModelError
        A model has other muscles or coordinates.
    """
    first, names = sampled[0], tuple(factors[0])
    for model, other in zip(models, sampled, strict=True):
        if (other.muscle_paths, other.coordinate_paths) != (first.muscle_paths, first.coordinate_paths):
            expected = f"the muscles and coordinates of {Path(models[0].path).name}"
            fix = "Give the same model, scaled."
            wanted, own = ([*one.muscle_paths, *one.coordinate_paths] for one in (first, other))
            raise ModelError(explain(expected, unlike(wanted, own), fix, model.path))
    spans = np.any([other.spans for other in sampled], axis=0)
    spans = np.vstack([spans, np.ones((len(names), spans.shape[1]), dtype=bool)])
    bodies = np.array([[float(own[name]) for name in names] for own in factors])
    held_out = np.arange(len(models)) % HOLD_OUT == HOLD_OUT - 1
    order = [*np.flatnonzero(~held_out).tolist(), *np.flatnonzero(held_out).tolist()]
    parts = [_with_factors(sampled[body], bodies[body], spans) for body in order]
    value, length, slope = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    low, high = (
        np.concatenate([of([getattr(other, name) for other in sampled], axis=0), of(bodies, axis=0)])
        for of, name in ((np.min, "low"), (np.max, "high"))
    )
    fitted = sum(len(other.value) for other, out in zip(sampled, held_out, strict=True) if not out)
    mismatch = np.max([other.mismatch for other in sampled], axis=0)
    paths = (*first.coordinate_paths, *names)
    return PathSamples(first.muscle_paths, paths, spans, low, high, value, length, slope, fitted, mismatch)


def _with_factors(samples: PathSamples, body: Array, spans: NDArray[np.bool_]) -> tuple[Array, Array, Array]:
    """Value, length and slope of one body, for the pairs that any body has."""
    known = {pair: column for column, pair in enumerate(zip(*np.nonzero(samples.spans), strict=True))}
    columns = [known.get(pair, -1) for pair in zip(*np.nonzero(spans), strict=True)]
    slope = np.hstack([samples.slope, np.full((len(samples.slope), 1), np.nan)])[:, columns]
    return np.hstack([samples.value, np.broadcast_to(body, (len(slope), len(body)))]), samples.length, slope


def fit_bodies(samples: PathSamples, factors: int, order: int) -> PolynomialGeometry:
    """Polynomials of coordinates and of as many scale factors, the last coordinates of :func:`join_bodies`.

    Muscles that are inconsistent in any body have none.
    """
    left, samples = samples.left, samples.consistent()
    bodies = len(np.unique(samples.value[: samples.fitted, -factors:], axis=0))
    degree = max(d for d in range(1, HIGHEST + 1) if d == 1 or PER_TERM * comb(factors + d, d) <= bodies)
    polynomials: dict[int, MusclePolynomial] = {}
    for members, own in samples.groups():
        train, _ = samples.targets(members, own)
        low, high = samples.low[own], samples.high[own]
        reached, coefficients = fit_order(train, low, high, order, factors, degree)
        paths = tuple(samples.coordinate_paths[index] for index in own)
        for column, muscle in enumerate(members.tolist()):
            fit = Fit(low, high, math.nan, math.nan, math.nan, math.nan)
            path = samples.muscle_paths[muscle]
            polynomials[muscle] = MusclePolynomial(path, paths, reached, coefficients[:, column].copy(), fit)
    return PolynomialGeometry(tuple(polynomials[muscle] for muscle in sorted(polynomials)), left)
