"""Polynomials fitted to sampled lengths and slopes together: one potential per muscle.

The basis are products of Legendre polynomials of coordinates scaled to [−1, 1], ordered by total degree. Muscles over
the same coordinates share one QR factorization, and since the terms of a lower order come first it serves every lower
order too: an order takes one triangular solve. The coefficients are converted to plain powers at the end, because
OpenSim's file holds these, and the errors are measured with them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray

from ..problem.arrays import Array, Index
from .terms import count_terms, differentiate, evaluate_terms, list_exponents

#: Most terms of one polynomial: with 1300 (5 coordinates, order 8) the equations of 2048 postures take 0.13 GB.
MAX_TERMS = 1300
#: Orders are raised in these stages, since most muscles need a low order and equations grow with it.
STAGES = (3, 5, 7)
#: A path has snapped where its length is further from the polynomial than this in m and this multiple of the median.
SNAPPED, UNUSUAL = 5e-4, 8.0
#: Largest share of the postures that may be left out as snapped.
LEFT_OUT = 0.2
#: Rounds of leaving out and fitting again with a low order, before the requested order.
ROUNDS, COARSE = 3, 5


@dataclass(frozen=True, eq=False)
class Target:
    """Samples of m muscles over d coordinates in n postures: value (n, d), length (n, m) and slope (n, d, m)."""

    value: Array
    length: Array
    slope: Array

    def muscles(self, keep: Sequence[int] | Index) -> Target:
        """The same for fewer muscles."""
        return Target(self.value, self.length[:, keep], self.slope[:, :, keep])

    def postures(self, keep: slice) -> Target:
        """The same for fewer postures."""
        return Target(self.value[keep], self.length[keep], self.slope[keep])


@dataclass(frozen=True, eq=False)
class Potential:
    """Polynomial of one muscle in OpenSim's terms, and its errors in m on held-out postures.

    The errors of the moment arm are those of the worst coordinate. Root mean squares are over the held-out postures in
    which the path has not snapped, maxima over all of them; ``left_out`` is the share of snapped ones among all
    postures.
    """

    order: int
    coefficients: Array
    length_rms: float
    length_max: float
    moment_arm_rms: float
    moment_arm_max: float
    left_out: float = 0.0

    @property
    def rms(self) -> float:
        """The larger root mean square error."""
        return max(self.length_rms, self.moment_arm_rms)


def fit_potentials(
    train: Target, held_out: Target, low: Array, high: Array, tolerance: float, max_order: int
) -> list[Potential | None]:
    """Fit one polynomial per muscle, of the lowest order whose errors on held-out postures are within the tolerance.

    Parameters
    ----------
    train, held_out
        The same muscles in different postures; NaN where a length or slope must not be used.
    low, high
        (d,) range of the coordinates, which is scaled to [−1, 1].
    tolerance
        Root mean square error in m of length and of moment arm about each coordinate (m/m about a translation); both
        have the same weight in the fit, too.
    max_order
        Highest order; lower where there would be more terms than half the equations, or than ``MAX_TERMS``.

    Returns
    -------
    list of Potential
        The best order for a muscle that does not reach the tolerance with any; None where the postures do not
        determine even a polynomial of order 1.
    """
    fitter = _Fitter(train, held_out, 0.5 * (high + low), 0.5 * (high - low), tolerance)
    return [
        None if potential is None else fitter.muscles([muscle]).without_snaps(potential, max_order)
        for muscle, potential in enumerate(fitter.search(max_order, np.inf))
    ]


def fit_order(
    target: Target, low: Array, high: Array, order: int, factors: int = 0, degree: int = 0
) -> tuple[int, Array]:
    """Polynomials of one order, or of a lower one that the postures determine, by least squares.

    Parameters
    ----------
    target
        m muscles. Postures and slopes that are NaN for one of them are left out: coordinates without any slope are
        fitted by lengths alone.
    low, high
        (d,) range of the coordinates, which is scaled to [−1, 1].
    order
        Highest total degree; lower where there would be more terms than half the postures, or than ``MAX_TERMS``.
    factors, degree
        The total degree in the last ``factors`` coordinates, which have few values, is at most ``degree``.

    Returns
    -------
    order, coefficients
        Coefficients are (K, m), those of excluded terms 0.
    """
    center, half = 0.5 * (high + low), 0.5 * (high - low)
    most = min(MAX_TERMS, int(np.isfinite(target.length).all(axis=1).sum()) // 2)

    def allowed(order: int) -> NDArray[np.bool_]:
        last = _graded(len(low), order)[:, len(low) - factors :]
        return np.asarray((last.sum(axis=1) <= degree) | (factors == 0))

    while order > 1 and int(allowed(order).sum()) > most:
        order -= 1
    keep = allowed(order)
    design, right = _equations(target, center, half, order)
    triangle = np.asarray(np.linalg.qr(np.concatenate([design[:, keep], right], axis=1), mode="r"))
    size = int(keep.sum())
    coefficients = np.zeros((len(keep), right.shape[1]))
    coefficients[keep] = np.linalg.lstsq(triangle[:size, :size], triangle[:size, size:], rcond=None)[0]
    return order, _to_powers(coefficients, center, half, order)


def length_errors(potential: Potential, *targets: Target) -> Array:
    """(n,) |error| in m of the length of one muscle in the postures of all targets; NaN where it has none."""
    value, length = (np.concatenate([getattr(target, name) for target in targets]) for name in ("value", "length"))
    terms = evaluate_terms(np.ascontiguousarray(value.T), potential.order)
    return np.asarray(np.abs(potential.coefficients @ terms - length[:, 0]))


@dataclass(frozen=True, eq=False)
class _Fitter:
    """Search of the order for muscles over the same coordinates, scaled by their center and half range (d,)."""

    train: Target
    held_out: Target
    center: Array
    half: Array
    tolerance: float

    def muscles(self, keep: list[int]) -> _Fitter:
        """The same for fewer muscles."""
        return replace(self, train=self.train.muscles(keep), held_out=self.held_out.muscles(keep))

    def search(self, max_order: int, limit: float) -> list[Potential | None]:
        """Potential of every muscle with the lowest order within the tolerance, or else the best one.

        Held-out postures whose length is off by more than ``limit`` in m count as snapped.
        """
        best: list[Potential | None] = [None] * self.train.length.shape[1]
        waiting, order = list(range(len(best))), 0
        length, slope = np.isfinite(self.train.length), np.isfinite(self.train.slope)
        valid = np.atleast_1d(length.all(axis=0) & slope.all(axis=(0, 1)))
        for stage in (*(stage for stage in STAGES if stage < max_order), max_order):
            together = [muscle for muscle in waiting if valid[muscle]]
            batches = [together] if together else []
            for batch in batches + [[muscle] for muscle in waiting if not valid[muscle]]:
                for column, found in self.muscles(batch).orders(order + 1, stage, limit):
                    known = best[batch[column]]
                    if known is None or (known.rms > self.tolerance and found.rms < known.rms):
                        best[batch[column]] = found
            order = stage
            waiting = [muscle for muscle in waiting if (p := best[muscle]) is None or p.rms > self.tolerance]
        return best

    def orders(self, first: int, last: int, limit: float) -> Iterator[tuple[int, Potential]]:
        """Each muscle with each order from first to last; all are valid in the same postures.

        Ends early at an order with too few equations, or with a term that they do not determine.
        """
        dimension = len(self.half)
        design, target = _equations(self.train, self.center, self.half, last)
        while last >= first and count_terms(dimension, last) > min(MAX_TERMS, len(target) // 2):
            last -= 1
        if last < first:
            return
        terms = count_terms(dimension, last)
        triangle = np.asarray(np.linalg.qr(np.concatenate([design[:, :terms], target], axis=1), mode="r"))
        value = np.ascontiguousarray(self.held_out.value.T)
        for order in range(first, last + 1):
            size = count_terms(dimension, order)
            try:
                solved = np.asarray(np.linalg.solve(triangle[:size, :size], triangle[:size, terms:]), dtype=np.float64)
            except np.linalg.LinAlgError:
                return
            powers, points = _to_powers(solved, self.center, self.half, order), evaluate_terms(value, order)
            for muscle in range(powers.shape[1]):
                yield muscle, _judge(order, powers[:, muscle], self.held_out.muscles([muscle]), points, limit)

    def without_snaps(self, first: Potential, max_order: int) -> Potential:
        """Fit one muscle again without the few postures in which its path has snapped off or over a wrap object.

        There the length differs by millimetres from that of the branch which all other postures are on.
        """
        best, limit, count = first, np.inf, len(self.train.length)
        fitted, fitted_order = np.zeros(count + len(self.held_out.length), dtype=bool), max_order
        for highest in (*[min(COARSE, max_order)] * ROUNDS, max_order, max_order):
            errors = length_errors(best, self.train, self.held_out)
            limit = max(SNAPPED, UNUSUAL * float(np.nanmedian(errors)))
            snapped = errors > limit
            if snapped.mean() > LEFT_OUT or (best is first and not snapped.any()):
                return first
            if fitted_order == highest and np.array_equal(snapped, fitted):
                continue
            length = np.where(snapped[:count, None], np.nan, self.train.length)
            kept = replace(self, train=replace(self.train, length=length))
            found = kept.search(highest, limit)[0]
            if found is None:
                return first
            best, fitted, fitted_order = found, snapped, highest
        if best.rms > max(first.rms, self.tolerance):
            return first
        errors = length_errors(best, self.train, self.held_out)
        return replace(best, left_out=float(np.mean(errors > limit)))


def _judge(order: int, coefficients: Array, held_out: Target, points: Array, limit: float) -> Potential:
    """One muscle's polynomial with its errors in held-out postures, where its terms are ``points`` (K, n)."""
    dimension = held_out.value.shape[1]
    length = np.abs(coefficients @ points - held_out.length[:, 0])
    slope = np.abs(differentiate(coefficients, dimension, order) @ points - held_out.slope[:, :, 0].T)
    known = length <= limit
    known_slope = np.isfinite(slope) & known
    if not known_slope.any(axis=1).all():
        return Potential(order, coefficients, *[float("inf")] * 4)
    length_rms = float(np.sqrt(np.mean(length[known] ** 2)))
    slope_rms = max(float(np.sqrt(np.mean(row[ok] ** 2))) for row, ok in zip(slope, known_slope, strict=True))
    return Potential(order, coefficients, length_rms, float(np.nanmax(length)), slope_rms, float(np.nanmax(slope)))


def _equations(train: Target, center: Array, half: Array, order: int) -> tuple[Array, Array]:
    """Rows of every known length and slope in the scaled basis, and their right-hand sides.

    A slope in m/rad and a length in m have the same weight, since both have the same tolerance.
    """
    scaled = (train.value - center) / half
    posture = np.all(np.isfinite(train.length), axis=1)
    used = np.stack([posture, *(posture & np.all(np.isfinite(train.slope), axis=2).T)])
    design = _basis(scaled, half, order)
    target = np.concatenate([train.length[None], train.slope.transpose(1, 0, 2)])
    return design[used], target[used]


def _graded(dimension: int, order: int) -> Index:
    """(K, dimension) exponents by total degree, so that the terms of a lower order come first."""
    exponents = list_exponents(dimension, order)
    return exponents[np.argsort(exponents.sum(axis=1), kind="stable")]


def _basis(scaled: Array, half: Array, order: int) -> Array:
    """(1 + d, n, K): products of Legendre polynomials, and their derivatives with respect to each coordinate."""
    dimension = scaled.shape[1]
    degrees = _graded(dimension, order)
    values = legendre.legvander(scaled.T, order)
    slopes = values[:, :, : order or 1] @ legendre.legder(np.eye(order + 1)) / half[:, None, None]
    columns = np.ones((1 + dimension, len(scaled), len(degrees)))
    for variable in range(dimension):
        for part in range(1 + dimension):
            factor = slopes if part == 1 + variable else values
            columns[part] *= factor[variable][:, degrees[:, variable]]
    return columns


def _to_powers(coefficients: Array, center: Array, half: Array, order: int) -> Array:
    """From graded products of Legendre polynomials of (q − center)/half to powers of q in OpenSim's order, (K, m)."""
    dimension = len(center)
    cube = np.zeros((*[order + 1] * dimension, coefficients.shape[1]))
    cube[tuple(_graded(dimension, order).T)] = coefficients
    for variable in range(dimension):
        line = np.polynomial.Polynomial([-center[variable] / half[variable], 1.0 / half[variable]])
        rows = np.zeros((order + 1, order + 1))
        for degree in range(order + 1):
            powers = np.polynomial.Polynomial(legendre.leg2poly(np.eye(order + 1)[degree]))(line).coef
            rows[degree, : len(powers)] = powers
        cube = np.moveaxis(np.tensordot(rows, cube, axes=(0, variable)), 0, variable)
    return np.asarray(cube[tuple(list_exponents(dimension, order).T)])
