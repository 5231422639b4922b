"""Muscle paths of one model scaled to several bodies, as functions of coordinates and scale factors.

A body is one point in the space of scale factors, however many postures it is sampled in. Therefore bodies are held
out, not postures, and the number of bodies determines the degree of polynomials in the factors.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..adapters.model import Model
from ..errors import InputError, ModelError, explain, some, unlike
from ..polynomial.fixed_order import fit_order
from ..polynomial.geometry import MusclePolynomial, PolynomialGeometry
from ..polynomial.muscle_paths import Fit
from ..polynomial.samples import PathSamples
from ..problem.arrays import Array

#: One of this many bodies is held out.
HOLD_OUT = 5
#: Bodies for each term in the scale factors, and the highest degree in them, as bodies differ by 10 or 20 %.
PER_TERM, HIGHEST = 1.5, 3


def check_factors(scaled: Sequence[Mapping[str, float]]) -> tuple[str, ...]:
    """Names of the scale factors of scaled models; empty without any.

    Raises
    ------
    InputError
        Names that differ between models, values that are not positive or all 1, or too few models to determine a
        polynomial of degree 1.
    """
    if not scaled:
        return ()
    names = tuple(scaled[0])
    if not names or any(set(factors) != set(names) for factors in scaled):
        got = "; ".join(some(factors) if factors else "none" for factors in scaled)
        fix = "Use the same names for every model."
        raise InputError(explain("the same scale factors of every scaled model", got, fix))
    for name in names:
        values = [float(factors[name]) for factors in scaled]
        if not all(np.isfinite(value) and value > 0.0 for value in values) or all(value == 1.0 for value in values):
            fix = "Scale some models differently, or leave the factor out."
            raise InputError(explain(f"positive factors '{name}' that are not all 1", f"{values}", fix))
    least = math.ceil(PER_TERM * (1 + len(names)) * HOLD_OUT / (HOLD_OUT - 1))
    if len(scaled) < least:
        fix = "Scale the model to more bodies."
        raise InputError(explain(f"at least {least} scaled models for {len(names)} factors", f"{len(scaled)}", fix))
    return names


def join_bodies(
    models: Sequence[Model], sampled: Sequence[PathSamples], factors: Sequence[Mapping[str, float]]
) -> PathSamples:
    """Join the samples of several bodies, with scale factors as last coordinates, whose slopes are not known.

    Every fifth body is held out, in all of its postures.

    Raises
    ------
    ModelError
        A model has other muscles or coordinates than the first.
    """
    first, names = sampled[0], tuple(factors[0])
    for model, other in zip(models, sampled, strict=True):
        if (other.muscle_paths, other.coordinate_paths) != (first.muscle_paths, first.coordinate_paths):
            expected = f"the muscles and coordinates of {Path(models[0].path).name}"
            fix = "Give the same model, scaled."
            names_of = [[*one.muscle_paths, *one.coordinate_paths] for one in (first, other)]
            raise ModelError(explain(expected, unlike(*names_of), fix, model.path))
    spans = np.any([other.spans for other in sampled], axis=0)
    spans = np.vstack([spans, np.ones((len(names), spans.shape[1]), dtype=bool)])
    bodies = np.array([[float(body[name]) for name in names] for body in factors])
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
    """Value, length and slope of one body for the pairs of all bodies, NaN for those it lacks."""
    known = {pair: column for column, pair in enumerate(zip(*np.nonzero(samples.spans), strict=True))}
    columns = [known.get(pair, -1) for pair in zip(*np.nonzero(spans), strict=True)]
    slope = np.hstack([samples.slope, np.full((len(samples.slope), 1), np.nan)])[:, columns]
    return np.hstack([samples.value, np.broadcast_to(body, (len(slope), len(body)))]), samples.length, slope


def fit_bodies(samples: PathSamples, factors: int, order: int) -> PolynomialGeometry:
    """Polynomials of coordinates and of ``factors`` scale factors, the last coordinates of :func:`join_bodies`.

    Muscles whose length is no integral of their moment arm in some body are left out.
    """
    left, samples = samples.left, samples.consistent()
    bodies = len(np.unique(samples.value[: samples.fitted, -factors:], axis=0))
    degree = max(d for d in range(1, HIGHEST + 1) if d == 1 or PER_TERM * math.comb(factors + d, d) <= bodies)
    polynomials: dict[int, MusclePolynomial] = {}
    for members, spanned in samples.groups():
        low, high = samples.low[spanned], samples.high[spanned]
        train, _ = samples.targets(members, spanned)
        reached, coefficients = fit_order(train, low, high, order, factors, degree)
        paths = tuple(samples.coordinate_paths[index] for index in spanned)
        fit = Fit(low, high, math.nan, math.nan, math.nan, math.nan)
        for muscle, column in zip(members.tolist(), coefficients.T, strict=True):
            polynomials[muscle] = MusclePolynomial(samples.muscle_paths[muscle], paths, reached, column.copy(), fit)
    return PolynomialGeometry(tuple(polynomials[muscle] for muscle in sorted(polynomials)), left)
