"""Where on the time axis the unknowns are: intervals, their points, and the polynomials between them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from numbers import Real

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, explain
from .scheme import Scheme

Array = NDArray[np.float64]
Index = NDArray[np.intp]

#: Times closer than this, in s, are the same (files print them to 6-8 digits).
SAME = 1e-9


@dataclass(frozen=True, eq=False)
class Mesh:
    """n intervals between ``edges`` (n + 1,) in s, with the points of a scheme in each; neighbours share a point.

    N = n (P - 1) + 1 points in all.
    """

    scheme: Scheme
    edges: Array

    @classmethod
    def uniform(cls, scheme: Scheme, first: float, last: float, interval: float) -> Mesh:
        """Equal intervals, none longer than ``interval`` (s)."""
        if not (isinstance(interval, Real) and not isinstance(interval, bool) and 0.0 < interval < np.inf):
            raise InputError(explain("a positive mesh_interval in s", f"{interval!r}", "0.02 is the default."))
        if interval > last - first + SAME:
            fix = "Give a shorter interval: 0.02 s is the default."
            raise InputError(explain(f"mesh_interval up to the motion's {last - first:g} s", f"{interval:g} s", fix))
        count = int(np.ceil((last - first) / interval - SAME))
        return cls(scheme, np.linspace(first, last, count + 1))

    def __len__(self) -> int:
        """Return the number of intervals."""
        return len(self.edges) - 1

    def told(self) -> dict[str, float | int] | list[float]:
        """What a result says of the edges (s): first, last and count where they are even, else every one."""
        if np.ptp(self.durations) <= SAME:
            return {"first": float(self.edges[0]), "last": float(self.edges[-1]), "count": len(self.edges)}
        return [float(edge) for edge in self.edges]

    @cached_property
    def durations(self) -> Array:
        """(n,) s."""
        return np.diff(self.edges)

    @cached_property
    def points(self) -> Index:
        """(n, P) which of the N points each interval has."""
        per = len(self.scheme.points) - 1
        return np.arange(len(self))[:, None] * per + np.arange(per + 1)

    @cached_property
    def time(self) -> Array:
        """(N,) s, increasing."""
        inner = self.edges[:-1, None] + self.durations[:, None] * self.scheme.points[:-1]
        return np.append(inner.ravel(), self.edges[-1])

    @cached_property
    def collocation(self) -> Index:
        """(n, C) which points each interval collocates."""
        return self.points[:, self.scheme.collocated]

    @cached_property
    def quadrature(self) -> Array:
        """(N,) s: ∫ y dt is Σ quadrature · y."""
        weights = np.zeros(len(self.time))
        np.add.at(weights, self.collocation, self.durations[:, None] * self.scheme.weights)
        return weights

    def controls_at(self, time: Array, values: Array) -> Array:
        """Polynomials through the collocation points of values (N, …), at times (T,) within the mesh."""
        interval, share = self._locate(time)
        basis = np.stack([polynomial(share) for polynomial in self.scheme.lagrange], axis=1)
        return np.asarray(np.einsum("tc,tc...->t...", basis, values[self.collocation[interval]]))

    def states_at(self, time: Array, states: Array, rates: Array) -> Array:
        """State polynomials at times (T,): the state at the interval's start and the integral of its rates (N, …)."""
        interval, share = self._locate(time)
        whole = [polynomial.integ() for polynomial in self.scheme.lagrange]
        basis = np.stack([w(share) - w(0.0) for w in whole], axis=1) * self.durations[interval][:, None]
        gained = np.einsum("tc,tc...->t...", basis, rates[self.collocation[interval]])
        return np.asarray(states[self.points[interval, 0]] + gained)

    def _locate(self, time: Array) -> tuple[Index, Array]:
        """Interval of each time, and where in it on [0, 1]."""
        interval = np.clip(np.searchsorted(self.edges, time, side="right") - 1, 0, len(self) - 1)
        return interval, (time - self.edges[interval]) / self.durations[interval]
