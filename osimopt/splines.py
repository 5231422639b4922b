"""Natural interpolating splines, bit by bit those of ``scipy.interpolate``, whose import takes 0.3 s.

The equations and their solution are SciPy's: values of B-splines by de Boor's recursion, and LAPACK's banded solver.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class BSpline:
    """Knots ``t`` (n + k + 1,), coefficients ``c`` (n, …) and the degree ``k``; calling it gives its values."""

    t: Array
    c: Array
    k: int

    def __call__(self, times: Any) -> Array:
        """Values (…, N) at times (…); beyond the knots those of the first and last polynomial."""
        times = np.asarray(times, dtype=float)
        flat = times.ravel()
        left = _interval(self.t, flat, self.k)
        basis = _basis(self.t, flat, left, self.k, 0)
        rows = self.c.reshape(len(self.c), -1)
        found = np.zeros((len(flat), rows.shape[1]))
        for own, weight in enumerate(basis):
            found += rows[left - self.k + own] * weight[:, None]
        return found.reshape(times.shape + self.c.shape[1:])

    def derivative(self, order: int = 1) -> BSpline:
        """Its derivative of an order, which is a spline of lower degree."""
        if order == 0:
            return self
        width = (self.t[self.k + 1 : -1] - self.t[1 : -self.k - 1]).reshape(-1, *(1,) * (self.c.ndim - 1))
        slope = (self.c[1:] - self.c[:-1]) * self.k / width
        return BSpline(self.t[1:-1], slope, self.k - 1).derivative(order - 1)


def natural_spline(time: Array, value: Array, degree: int) -> BSpline:
    """BSpline of odd degree through samples (T, …) whose derivatives above half its degree are zero at both ends.

    Raises
    ------
    ValueError
        Samples or times that are not finite, or times that do not increase.
    """
    x, y = (np.asarray_chkfinite(array, dtype=float) for array in (time, value))
    if len(x) != len(y) or (np.diff(x) <= 0.0).any():
        raise ValueError(f"expected {len(y)} times that increase")
    knots = np.concatenate([[x[0]] * degree, x, [x[-1]] * degree])
    count, orders = len(knots) - degree - 1, range((degree + 1) // 2, degree)
    band = np.zeros((3 * degree + 1, count), order="F")  # LAPACK's; its first rows are for the factors
    _fill(band, knots, x, len(orders), degree, 0)
    for row, order in enumerate(orders):
        _fill(band, knots, x[:1], row, degree, order)
        _fill(band, knots, x[-1:], count - len(orders) + row, degree, order)
    right = np.zeros((count, int(np.prod(y.shape[1:]))))
    right[len(orders) : count - len(orders)] = y.reshape(len(y), -1)
    if not right.size:
        return BSpline(knots, np.zeros((count, *y.shape[1:])), degree)
    *_, found, failed = _solver()(degree, degree, band, right, overwrite_ab=True, overwrite_b=True)
    if failed:
        raise np.linalg.LinAlgError("the samples determine no spline")
    return BSpline(knots, np.ascontiguousarray(found).reshape(count, *y.shape[1:]), degree)


def _fill(band: Array, knots: Array, x: Array, first: int, degree: int, order: int) -> None:
    """Write equations: the B-splines' values at x, or derivatives of an order, in rows from ``first`` on."""
    left, rows = _interval(knots, x, degree), first + np.arange(len(x))
    for own, values in enumerate(_basis(knots, x, left, degree, order)):
        columns = left - degree + own
        band[2 * degree + rows - columns, columns] = values


def _interval(knots: Array, x: Array, degree: int) -> NDArray[np.intp]:
    """Index of the last knot at or before each x, of those that an interval of the spline begins with."""
    return np.clip(np.searchsorted(knots, x, side="right") - 1, degree, len(knots) - degree - 2)


def _basis(knots: Array, x: Array, left: NDArray[np.intp], degree: int, order: int) -> Array:
    """(degree + 1, N) values, or derivatives of an order, of the B-splines that are not zero at x (N,)."""
    found = np.zeros((degree + 1, len(x)))
    found[0] = 1.0
    for step in range(1, degree + 1):
        lower = found[:step].copy()
        found[0] = 0.0
        for own in range(1, step + 1):
            after, before = knots[left + own], knots[left + own - step]
            if step <= degree - order:
                share = lower[own - 1] / (after - before)
                found[own - 1] += share * (after - x)
                found[own] = share * (x - before)
            else:
                share = step * lower[own - 1] / (after - before)
                found[own - 1] -= share
                found[own] = share
    return found


@cache
def _solver() -> Callable[..., Any]:
    """LAPACK's dgbsv as SciPy has it, without the packages around it, whose import takes 0.15 s."""
    import scipy

    spec = PathFinder.find_spec("_flapack", [f"{folder}/linalg" for folder in scipy.__path__])
    if spec is None or spec.loader is None:
        from scipy.linalg.lapack import dgbsv
    else:
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        dgbsv = module.dgbsv
    return dgbsv  # type: ignore[no-any-return]
