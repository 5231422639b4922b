"""Polynomials fitted to sampled lengths and slopes together: one potential per muscle.

The basis is the products of Legendre polynomials of coordinates scaled to [−1, 1], ordered by total degree. Muscles
over the same coordinates share one QR factorization, and because the terms of a lower order come first it serves every
lower order too: an order costs a triangular solve. The coefficients are converted to plain powers at the end,
because these are what OpenSim's file holds, and the errors are measured with them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray

from .terms import count_terms, differentiate, evaluate_terms, list_exponents

Array = NDArray[np.float64]

#: Terms of one polynomial that are not exceeded: at 1300 (5 coordinates, order 8) the equations of 2048 postures take
#: 0.13 GB.
MAX_TERMS = 1300
#: Orders are raised in these stages, as most muscles are done early and equations grow with the order.
STAGES = (3, 5, 7)
#: m, and multiples of the median error: where a length is further from its polynomial, the path has snapped.
SNAPPED, UNUSUAL = 5e-4, 8.0
#: Share of the postures that may be left out as snapped.
LEFT_OUT = 0.2
#: Rounds of leaving out and fitting again with a low order, before the order asked for.
ROUNDS, COARSE = 3, 5


@dataclass(frozen=True, eq=False)
class Target:
    """What muscles over the same d coordinates do in n postures: value (n, d), length (n, m), slope (n, d, m)."""

    value: Array
    length: Array
    slope: Array

    def muscles(self, keep: NDArray[np.intp]) -> Target:
        """Fewer muscles."""
        return Target(self.value, self.length[:, keep], self.slope[:, :, keep])

    def postures(self, keep: slice) -> Target:
        """Fewer postures."""
        return Target(self.value[keep], self.length[keep], self.slope[keep])

    @property
    def complete(self) -> bool:
        """Whether nothing is NaN."""
        return bool(np.isfinite(self.length).all() and np.isfinite(self.slope).all())


@dataclass(frozen=True, eq=False)
class Potential:
    """The polynomial of one muscle in OpenSim's terms, and its errors (m) on postures that it was not fitted to.

    The moment arm's are those of the worst coordinate. Root mean squares are over the held-out postures in which the
    path has not snapped, maxima over all of them; ``left_out`` is the share of snapped ones among all postures.
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
        """The larger error."""
        return max(self.length_rms, self.moment_arm_rms)


def fit_potentials(
    train: Target, held_out: Target, low: Array, high: Array, tolerance: float, max_order: int
) -> list[Potential | None]:
    """Fit one polynomial per muscle, of the lowest order whose errors on held-out postures are within the tolerance.

    Parameters
    ----------
    train, held_out
        The same muscles in different postures; NaN where a length or slope is not to be used.
    low, high
        (d,) range of the coordinates, which is scaled to [−1, 1].
    tolerance
        Of the root mean square error of length and of moment arm about each coordinate, in m (m/m about a
        translation); both count alike in the fit, too.
    max_order
        Highest order; fewer where there would be more terms than half the equations, or than ``MAX_TERMS``.

    Returns
    -------
    list of Potential
        The best order for a muscle that does not reach the tolerance with any; None where the postures do not
        determine even a polynomial of order 1.
    """
    found = _search(train, held_out, low, high, tolerance, max_order, np.inf)
    for muscle, potential in enumerate(found):
        if potential is None:
            continue
        only = np.array([muscle])
        parts = train.muscles(only), held_out.muscles(only)
        found[muscle] = _without_snaps(potential, *parts, low, high, tolerance, max_order)
    return found


def fit_order(
    target: Target, low: Array, high: Array, order: int, factors: int = 0, degree: int = 0
) -> tuple[int, Array]:
    """Polynomials of one order, or of a lower one that the postures determine, by least squares.

    Parameters
    ----------
    target
        m muscles. Postures and slopes that are NaN for one of them are left out, so that coordinates whose slopes are
        not known at all are fitted by lengths alone.
    low, high
        (d,) range of the coordinates, which is scaled to [−1, 1].
    order
        Highest total degree; fewer where there would be more terms than half the postures, or than ``MAX_TERMS``.
    factors, degree
        The last ``factors`` coordinates have few values, which determine no more than a total degree of ``degree``.

    Returns
    -------
    order, coefficients
        Coefficients are (K, m), those of terms that were left out 0.
    """
    dimension = len(low)
    center, half = 0.5 * (high + low), 0.5 * (high - low)
    most = min(MAX_TERMS, int(np.isfinite(target.length).all(axis=1).sum()) // 2)
    while order > 1 and int(_allowed(dimension, order, factors, degree).sum()) > most:
        order -= 1
    keep = _allowed(dimension, order, factors, degree)
    design, right = _equations(target, center, half, order)
    triangle = np.asarray(np.linalg.qr(np.concatenate([design[:, keep], right], axis=1), mode="r"))
    size = int(keep.sum())
    coefficients = np.zeros((len(keep), right.shape[1]))
    coefficients[keep] = np.linalg.lstsq(triangle[:size, :size], triangle[:size, size:], rcond=None)[0]
    return order, _to_powers(coefficients, center, half, order)


def _allowed(dimension: int, order: int, factors: int, degree: int) -> NDArray[np.bool_]:
    """(K,) which of the graded terms are of no more than a degree in the last coordinates."""
    last = _graded(dimension, order)[:, dimension - factors :]
    return np.asarray((last.sum(axis=1) <= degree) | (factors == 0))


def length_errors(potential: Potential, target: Target) -> Array:
    """(n,) |error| of the length of one muscle (m) in postures; NaN where it has none."""
    terms = evaluate_terms(np.ascontiguousarray(target.value.T), potential.order)
    return np.asarray(np.abs(potential.coefficients @ terms - target.length[:, 0]))


def _without_snaps(
    first: Potential, train: Target, held_out: Target, low: Array, high: Array, tolerance: float, max_order: int
) -> Potential:
    """Fit one muscle again without the postures, few, in which its path has snapped off or over a wrap object.

    There the length is by millimetres another than the one of the branch that all other postures are on.
    """
    best, limit = first, np.inf
    fitted, fitted_order = np.zeros(len(train.length) + len(held_out.length), dtype=bool), max_order
    for highest in (*[min(COARSE, max_order)] * ROUNDS, max_order, max_order):
        errors = np.concatenate([length_errors(best, train), length_errors(best, held_out)])
        limit = max(SNAPPED, UNUSUAL * float(np.nanmedian(errors)))
        snapped = errors > limit
        if snapped.mean() > LEFT_OUT or (best is first and not snapped.any()):
            return first
        if fitted_order == highest and np.array_equal(snapped, fitted):
            continue
        length = np.where(snapped[: len(train.length), None], np.nan, train.length)
        kept = Target(train.value, length, train.slope)
        found = _search(kept, held_out, low, high, tolerance, highest, limit)[0]
        if found is None:
            return first
        best = found
        fitted, fitted_order = snapped, highest
    if best.rms > max(first.rms, tolerance):
        return first
    errors = np.concatenate([length_errors(best, train), length_errors(best, held_out)])
    return replace(best, left_out=float(np.mean(errors > limit)))


def _search(
    train: Target, held_out: Target, low: Array, high: Array, tolerance: float, max_order: int, limit: float
) -> list[Potential | None]:
    """The lowest order that reaches the tolerance, or the best one, of every muscle."""
    best: list[Potential | None] = [None] * train.length.shape[1]
    waiting, order = list(range(len(best))), 0
    complete = [train.muscles(np.array([m])).complete for m in waiting]
    for stage in (*(s for s in STAGES if s < max_order), max_order):
        together = [[m for m in waiting if complete[m]]] if any(complete[m] for m in waiting) else []
        for batch in [*together, *([m] for m in waiting if not complete[m])]:
            parts = train.muscles(np.array(batch)), held_out.muscles(np.array(batch))
            for column, found in _raise_order(*parts, low, high, order + 1, stage, limit):
                known = best[batch[column]]
                if known is None or (known.rms > tolerance and found.rms < known.rms):
                    best[batch[column]] = found
        order = stage
        waiting = [m for m in waiting if (p := best[m]) is None or p.rms > tolerance]
    return best


def _raise_order(
    train: Target, held_out: Target, low: Array, high: Array, first: int, last: int, limit: float
) -> Iterator[tuple[int, Potential]]:
    """Each muscle with each order from first to last, of muscles that are valid in the same postures.

    Ends early at an order that has too few equations, or a term that they leave open.
    """
    dimension = len(low)
    center, half = 0.5 * (high + low), 0.5 * (high - low)
    design, target = _equations(train, center, half, last)
    while last >= first and count_terms(dimension, last) > min(MAX_TERMS, len(target) // 2):
        last -= 1
    if last < first:
        return
    terms = count_terms(dimension, last)
    triangle = np.asarray(np.linalg.qr(np.concatenate([design[:, :terms], target], axis=1), mode="r"))
    points = evaluate_terms(np.ascontiguousarray(held_out.value.T), last)
    for order in range(first, last + 1):
        size = count_terms(dimension, order)
        try:
            solved = np.asarray(np.linalg.solve(triangle[:size, :size], triangle[:size, terms:]), dtype=np.float64)
        except np.linalg.LinAlgError:
            return
        powers = _to_powers(solved, center, half, order)
        for muscle in range(train.length.shape[1]):
            yield muscle, _judge(powers[:, muscle], held_out, muscle, order, points, last, limit)


def _equations(train: Target, center: Array, half: Array, order: int) -> tuple[Array, Array]:
    """Rows of every length and slope that is there, in the scaled basis, and their right-hand sides.

    A slope in m/rad and a length in m weigh alike: a tenth of a millimetre of either is what is asked for.
    """
    scaled = (train.value - center) / half
    posture = np.all(np.isfinite(train.length), axis=1)
    used = np.stack([posture, *(posture & np.all(np.isfinite(train.slope), axis=2).T)])
    design = _basis(scaled, half, order)
    target = np.concatenate([train.length[None], train.slope.transpose(1, 0, 2)])
    return design[used], target[used]


def _graded(dimension: int, order: int) -> NDArray[np.intp]:
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


def _judge(
    coefficients: Array, held_out: Target, muscle: int, order: int, points: Array, last: int, limit: float
) -> Potential:
    """Errors of one muscle's polynomial on held-out postures; ``points`` are the terms of order ``last`` there.

    Postures whose length is off by more than ``limit`` count as snapped.
    """
    dimension = held_out.value.shape[1]
    inside = list_exponents(dimension, last).sum(axis=1) <= order
    values = points[inside]
    length = np.abs(coefficients @ values - held_out.length[:, muscle])
    slope = np.abs(differentiate(coefficients, dimension, order) @ values - held_out.slope[:, :, muscle].T)
    known = length <= limit
    known_slope = np.isfinite(slope) & known
    if not known_slope.any(axis=1).all():
        return Potential(order, coefficients, *[float("inf")] * 4)
    return Potential(
        order,
        coefficients,
        float(np.sqrt(np.mean(length[known] ** 2))),
        float(np.nanmax(length)),
        max(float(np.sqrt(np.mean(row[ok] ** 2))) for row, ok in zip(slope, known_slope, strict=True)),
        float(np.nanmax(slope)),
    )
