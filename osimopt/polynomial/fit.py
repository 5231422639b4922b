"""Polynomials fitted to sampled lengths and slopes together: one potential per muscle.

The basis are products of Legendre polynomials of coordinates scaled to [−1, 1], ordered by total degree. Muscles over
the same coordinates share one normal matrix, and since the terms of a lower order come first its Cholesky factor serves
every lower order too: an order takes one triangular solve. Postures that are left out for one muscle are subtracted
from the matrix. The coefficients are converted to plain powers at the end, because OpenSim's file holds these, and the
errors are measured with them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ..problem.arrays import Array, Index
from .basis import basis, graded, to_powers
from .terms import count_terms, differentiate, evaluate_terms

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
#: Share of a term's square that the terms before it must leave: equations do not determine it otherwise.
DETERMINED = 1e-12


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

    @property
    def equations(self) -> Array:
        """(1 + d, n, m) lengths, then slopes.

        A slope in m/rad and a length in m have the same weight in fits, since both have the same tolerance.
        """
        return np.concatenate([self.length[None], self.slope.transpose(1, 0, 2)])


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
    fitter = _Fitter(train, held_out, low, high, tolerance)
    found = fitter.search(range(train.length.shape[1]), max_order)
    return [
        None if one is None else fitter.potential(muscle, fitter.without_snaps(muscle, one, max_order))
        for muscle, one in enumerate(found)
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
    most = min(MAX_TERMS, int(np.isfinite(target.length).all(axis=1).sum()) // 2)

    def allowed(order: int) -> NDArray[np.bool_]:
        last = graded(len(low), order)[:, len(low) - factors :]
        return np.asarray((last.sum(axis=1) <= degree) | (factors == 0))

    while order > 1 and int(allowed(order).sum()) > most:
        order -= 1
    keep, used = allowed(order), _known(target.equations)
    design = basis(target.value, low, high, order)[:, keep].transpose(0, 2, 1)[used]
    triangle = np.asarray(np.linalg.qr(np.concatenate([design, target.equations[used]], axis=1), mode="r"))
    size = int(keep.sum())
    coefficients = np.zeros((len(keep), target.length.shape[1]))
    coefficients[keep] = np.linalg.lstsq(triangle[:size, :size], triangle[:size, size:], rcond=None)[0]
    return order, to_powers(coefficients, low, high, order)


def length_errors(potential: Potential, *targets: Target) -> Array:
    """(n,) |error| in m of the length of one muscle in the postures of all targets; NaN where it has none."""
    value, length = (np.concatenate([getattr(target, name) for target in targets]) for name in ("value", "length"))
    terms = evaluate_terms(np.ascontiguousarray(value.T), potential.order)
    return np.asarray(np.abs(potential.coefficients @ terms - length[:, 0]))


def _known(equations: Array) -> NDArray[np.bool_]:
    """(1 + d, n) which equations (1 + d, n, m) are known for all muscles; slopes only where lengths are."""
    known = np.isfinite(equations).all(axis=2)
    return np.asarray(known & known[0])


@dataclass(frozen=True, eq=False)
class _Curve:
    """One muscle's polynomial in the basis, its error in m, and which postures, fitted and held out, have snapped."""

    order: int
    coefficients: Array
    rms: float
    limit: float = np.inf
    left_out: float = 0.0


@dataclass(eq=False)
class _Fitter:
    """Search of the order for muscles over the same coordinates; terms of the highest order so far are kept."""

    train: Target
    held_out: Target
    low: Array
    high: Array
    tolerance: float
    order: int = -1
    terms: tuple[Array, Array] = field(init=False)
    normal: Array = field(init=False)
    equations: Array = field(init=False)
    expected: Array = field(init=False)

    def __post_init__(self) -> None:
        self.equations, self.expected = self.train.equations, self.held_out.equations

    def raise_to(self, order: int) -> None:
        """Make terms (1 + d, K, n) and the normal matrix (K, K) of an order, unless those of a higher one are known."""
        if order > self.order:
            fitted, held_out = (basis(one.value, self.low, self.high, order) for one in (self.train, self.held_out))
            self.order, self.terms, self.normal = order, (fitted, held_out), sum(part @ part.T for part in fitted)

    def search(
        self, muscles: Sequence[int], max_order: int, limit: float = np.inf, snapped: Array | None = None
    ) -> list[_Curve | None]:
        """Each muscle's curve of the lowest order within the tolerance, or else the best one.

        Fitted postures that have ``snapped`` (n,) are not used; held-out ones count as snapped whose length is off by
        more than ``limit`` in m.
        """
        best, waiting, first = dict[int, _Curve](), list(muscles), 1
        valid = np.isfinite(self.equations).all(axis=(0, 1))
        for stage in (*(stage for stage in STAGES if stage < max_order), max_order):
            together = [muscle for muscle in waiting if valid[muscle]]
            batches = [together] if together else []
            for batch in batches + [[muscle] for muscle in waiting if not valid[muscle]]:
                for order, coefficients in self._orders(batch, first, stage, snapped):
                    errors = self._rms(batch, coefficients, limit)
                    for muscle, own, rms in zip(batch, coefficients.T, errors.tolist(), strict=True):
                        known = best.get(muscle)
                        if known is None or (known.rms > self.tolerance and rms < known.rms):
                            best[muscle] = _Curve(order, own, rms, limit)
            first = stage + 1
            waiting = [muscle for muscle in waiting if muscle not in best or best[muscle].rms > self.tolerance]
            if not waiting:
                break
        return [best.get(muscle) for muscle in muscles]

    def _orders(self, muscles: list[int], first: int, last: int, snapped: Array | None) -> Iterator[tuple[int, Array]]:
        """Coefficients (K, m) of each order from first to last; all muscles are known in the same postures.

        Ends early at an order with too few equations, or with a term that they do not determine.
        """
        from scipy.linalg import solve_triangular

        equations = self.equations[:, :, muscles]
        used, dimension = _known(equations), len(self.low)
        if snapped is not None:
            used = used & ~snapped
        while last >= first and count_terms(dimension, last) > min(MAX_TERMS, used.sum() // 2):
            last -= 1
        if last < first:
            return
        self.raise_to(last)
        size = count_terms(dimension, last)
        terms = self.terms[0][:, :size]
        normal = self.normal[:size, :size]
        if not used.all():
            few = 2 * used.sum() < used.size
            parts = sum(part[:, own] @ part[:, own].T for part, own in zip(terms, used if few else ~used, strict=True))
            normal = parts if few else normal - parts
        known = np.where(used[:, :, None], equations, 0.0)
        right = sum(part @ own for part, own in zip(terms, known, strict=True))
        scale = np.sqrt(np.diag(normal))
        scale = 1.0 / np.where(scale > 0.0, scale, 1.0)
        normal, right = normal * scale * scale[:, None], right * scale[:, None]
        last, factor = self._factor(normal, first, last)
        lower = solve_triangular(factor, right[: len(factor)], lower=True)
        for order in range(first, last + 1):
            size = count_terms(dimension, order)
            solved = solve_triangular(factor[:size, :size].T, lower[:size], lower=False)
            missed = right[:size] - normal[:size, :size] @ solved
            for trans in (0, 1):
                missed = solve_triangular(factor[:size, :size], missed, lower=True, trans=trans)
            yield order, (solved + missed) * scale[:size, None]

    def _factor(self, normal: Array, first: int, last: int) -> tuple[int, Array]:
        """The last order that the equations determine, and its Cholesky factor."""
        for order in range(last, first - 1, -1):
            size = count_terms(len(self.low), order)
            try:
                factor = np.linalg.cholesky(normal[:size, :size])
            except np.linalg.LinAlgError:
                continue
            if (np.diag(factor) ** 2 > DETERMINED).all():
                return order, factor
        return first - 1, normal[:0, :0]

    def _rms(self, muscles: list[int], coefficients: Array, limit: float) -> Array:
        """Root mean square errors (m,), the larger of length and moment arm, in held-out postures."""
        found = self.terms[1][:, : len(coefficients)].transpose(0, 2, 1) @ coefficients
        errors = np.abs(found - self.expected[:, :, muscles])
        known = np.isfinite(errors) & (errors[0] <= limit)
        count = known.sum(axis=1)
        square = np.where(known, errors, 0.0) ** 2
        mean = np.where(count > 0, square.sum(axis=1) / np.maximum(count, 1), np.inf)
        return np.asarray(np.sqrt(mean.max(axis=0)))

    def _length_errors(self, muscle: int, curve: _Curve) -> Array:
        """(n,) |error| in m of the length in all postures, fitted and held out."""
        size = len(curve.coefficients)
        found = np.concatenate([curve.coefficients @ terms[0, :size] for terms in self.terms])
        length = np.concatenate([self.equations[0, :, muscle], self.expected[0, :, muscle]])
        return np.asarray(np.abs(found - length))

    def without_snaps(self, muscle: int, first: _Curve, max_order: int) -> _Curve:
        """Fit one muscle again without the few postures in which its path has snapped off or over a wrap object.

        There the length differs by millimetres from that of the branch which all other postures are on.
        """
        best, limit, count = first, np.inf, len(self.train.length)
        fitted, fitted_order = np.zeros(count + len(self.held_out.length), dtype=bool), max_order
        for highest in (*[min(COARSE, max_order)] * ROUNDS, max_order, max_order):
            errors = self._length_errors(muscle, best)
            limit = max(SNAPPED, UNUSUAL * float(np.nanmedian(errors)))
            snapped = errors > limit
            if snapped.mean() > LEFT_OUT or (best is first and not snapped.any()):
                return first
            if fitted_order == highest and np.array_equal(snapped, fitted):
                continue
            (found,) = self.search([muscle], highest, limit, snapped[:count])
            if found is None:
                return first
            best, fitted, fitted_order = found, snapped, highest
        if best.rms > max(first.rms, self.tolerance):
            return first
        return replace(best, left_out=float(np.mean(self._length_errors(muscle, best) > limit)))

    def potential(self, muscle: int, curve: _Curve) -> Potential:
        """A curve in plain powers, with its errors."""
        powers = to_powers(curve.coefficients[:, None], self.low, self.high, curve.order)[:, 0]
        return _judge(curve, powers, self.held_out.muscles([muscle]))


def _judge(curve: _Curve, coefficients: Array, held_out: Target) -> Potential:
    """One muscle's polynomial with its errors in held-out postures."""
    dimension, order = held_out.value.shape[1], curve.order
    points = evaluate_terms(np.ascontiguousarray(held_out.value.T), order)
    length = np.abs(coefficients @ points - held_out.length[:, 0])
    slope = np.abs(differentiate(coefficients, dimension, order) @ points - held_out.slope[:, :, 0].T)
    known = length <= curve.limit
    known_slope = np.isfinite(slope) & known
    if not known_slope.any(axis=1).all():
        return Potential(order, coefficients, *[float("inf")] * 4, left_out=curve.left_out)
    length_rms = float(np.sqrt(np.mean(length[known] ** 2)))
    slope_rms = max(float(np.sqrt(np.mean(row[ok] ** 2))) for row, ok in zip(slope, known_slope, strict=True))
    largest = float(np.nanmax(length)), float(np.nanmax(slope))
    return Potential(order, coefficients, length_rms, largest[0], slope_rms, largest[1], curve.left_out)
