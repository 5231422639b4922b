"""The time axis of direct collocation: transcription schemes, meshes of intervals, and their refinement.

All transcriptions are collocation methods. On an interval of duration h the rate is the polynomial through its values f
at the collocation points c, and the state is the integral of that polynomial, so that at every point i

    x_i - x_0 - h Σ_q B_iq f_q = 0,    B_iq = ∫₀^{c_i} ℓ_q(s) ds

with ℓ the Lagrange polynomials of the collocation points. The integral of a cost is h Σ_q b_q · cost_q, where b is the
last row of B. Points 0 and 1 give the trapezoidal rule; 0, ½ and 1 give Hermite-Simpson (in its Lobatto IIIA form);
Radau points give Legendre-Gauss-Radau.

Kelly M. An introduction to trajectory optimization. SIAM Review 59(4), 849-904, 2017. doi:10.1137/16M1062569.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.polynomial import Polynomial, legendre
from numpy.typing import NDArray

from ..errors import InputError, did_you_mean, explain
from ..problem.arrays import Array, Index

RADAU = "legendre-gauss-radau"
#: Number of Legendre-Gauss-Radau points where the name gives none, and the largest number.
RADAU_POINTS, MOST_RADAU_POINTS = 3, 9
#: Times closer than this, in s, are the same (files print them to 6-8 digits).
SAME = 1e-9
#: Largest number of pieces that one refinement divides an interval into.
MOST_PIECES = 4


def linear(time: NDArray[Any], known: NDArray[Any], values: Array) -> Array:
    """Columns of ``values`` (T, N) at other times, linear between the ``known`` times (T,)."""
    found = np.empty((len(time), values.shape[1]))
    for column, samples in enumerate(values.T):
        found[:, column] = np.interp(time, known, samples)
    return found


@dataclass(frozen=True, eq=False)
class Scheme:
    """Points of an interval, on [0, 1].

    ``collocation`` (C,) are the points where the differential equation holds; the last is 1. ``order`` is the order of
    the error at the end of the interval for a smooth solution.
    """

    name: str
    collocation: Array
    order: int

    @cached_property
    def points(self) -> Array:
        """(P,) collocation points and 0."""
        return self.collocation if self.collocation[0] == 0.0 else np.concatenate([[0.0], self.collocation])

    @cached_property
    def collocated(self) -> Index:
        """(C,) indices of the collocation points among the points."""
        return np.arange(len(self.points) - len(self.collocation), len(self.points))

    @cached_property
    def lagrange(self) -> tuple[Polynomial, ...]:
        """(C,) Lagrange polynomials ℓ: 1 at one collocation point and 0 at the others."""
        basis = []
        for point in self.collocation:
            others = self.collocation[self.collocation != point]
            product = Polynomial.fromroots(others) if others.size else Polynomial([1.0])
            basis.append(product / np.prod(point - others))
        return tuple(basis)

    @cached_property
    def integrals(self) -> Array:
        """(P - 1, C) matrix B, one row for each point after the first."""
        antiderivatives = [polynomial.integ() for polynomial in self.lagrange]
        return np.array([[whole(point) - whole(0.0) for whole in antiderivatives] for point in self.points[1:]])

    @property
    def weights(self) -> Array:
        """(C,) quadrature weights over the interval."""
        return np.asarray(self.integrals[-1])


def scheme(transcription: str) -> Scheme:
    """Look up a transcription by name.

    Raises
    ------
    InputError
        Unknown name.
    """
    if transcription == "trapezoidal":
        return Scheme(transcription, np.array([0.0, 1.0]), 2)
    if transcription == "hermite-simpson":
        return Scheme(transcription, np.array([0.0, 0.5, 1.0]), 4)
    match = re.fullmatch(rf"{RADAU}(-(\d))?", str(transcription))
    count = int(match[2] or RADAU_POINTS) if match else 0
    if not 1 <= count <= MOST_RADAU_POINTS:
        known = f"'trapezoidal', 'hermite-simpson', '{RADAU}' or '{RADAU}-1' to '-{MOST_RADAU_POINTS}'"
        meant = did_you_mean([transcription], ("trapezoidal", "hermite-simpson", RADAU), "")
        fix = f"{meant} Choose one of them.".strip()
        raise InputError(explain(f"transcription {known}", repr(transcription), fix))
    return Scheme(f"{RADAU}-{count}", _radau(count), 2 * count - 1)


def _radau(count: int) -> Array:
    """Radau points on (0, 1], 1 included: the roots of P_(n-1) + P_n on [-1, 1], mirrored and mapped to [0, 1]."""
    coefficients = np.zeros(count + 1)
    coefficients[-2:] = 1.0
    points = np.sort(0.5 * (1.0 - np.sort(legendre.legroots(coefficients))))
    points[-1] = 1.0
    return np.asarray(points)


@dataclass(frozen=True, eq=False)
class Mesh:
    """n intervals between ``edges`` (n + 1,) in s, with the points of a scheme in each; neighbours share a point.

    N = n (P - 1) + 1 points in all.
    """

    scheme: Scheme
    edges: Array

    @classmethod
    def uniform(cls, scheme: Scheme, first: float, last: float, interval: float) -> Mesh:
        """Equal intervals no longer than ``interval`` (s)."""
        if interval > last - first + SAME:
            fix = "Give a shorter interval: 0.02 s is the default."
            raise InputError(explain(f"mesh_interval up to the motion's {last - first:g} s", f"{interval:g} s", fix))
        count = int(np.ceil((last - first) / interval - SAME))
        return cls(scheme, np.linspace(first, last, count + 1))

    def __len__(self) -> int:
        """Return the number of intervals."""
        return len(self.edges) - 1

    def summary(self) -> dict[str, float | int] | list[float]:
        """Edges (s) as plain data: first, last and count of equal intervals, all edges of other meshes."""
        if np.ptp(self.durations) <= SAME:
            return {"first": float(self.edges[0]), "last": float(self.edges[-1]), "count": len(self.edges)}
        return [float(edge) for edge in self.edges]

    @cached_property
    def durations(self) -> Array:
        """(n,) s."""
        return np.diff(self.edges)

    @cached_property
    def points(self) -> Index:
        """(n, P) indices of each interval's points among the N."""
        per = len(self.scheme.points) - 1
        return np.arange(len(self))[:, None] * per + np.arange(per + 1)

    @cached_property
    def time(self) -> Array:
        """(N,) s, increasing."""
        inner = self.edges[:-1, None] + self.durations[:, None] * self.scheme.points[:-1]
        return np.append(inner.ravel(), self.edges[-1])

    @cached_property
    def collocation(self) -> Index:
        """(n, C) indices of each interval's collocation points among the N."""
        return self.points[:, self.scheme.collocated]

    @cached_property
    def quadrature(self) -> Array:
        """(N,) weights in s: ∫ y dt is Σ quadrature · y."""
        weights = np.zeros(len(self.time))
        np.add.at(weights, self.collocation, self.durations[:, None] * self.scheme.weights)
        return weights

    def interpolate(self, time: Array, values: Array) -> Array:
        """Values (N, …) at times (T,) within the mesh, by the polynomials through the collocation points."""
        interval = np.clip(np.searchsorted(self.edges, time, side="right") - 1, 0, len(self) - 1)
        share = (time - self.edges[interval]) / self.durations[interval]
        basis = np.stack([polynomial(share) for polynomial in self.scheme.lagrange], axis=1)
        return np.asarray(np.einsum("tc,tc...->t...", basis, values[self.collocation[interval]]))


@dataclass
class Refinement:
    """Limits of refinement: ``tolerance`` of an interval's error (None keeps the mesh), and a number of ``rounds``."""

    tolerance: float | None
    rounds: int
    done: int = field(default=0, init=False)

    def finer(self, mesh: Mesh, error: Array) -> Mesh | None:
        """Divide the intervals whose error is above the tolerance; None where there is none, or no round is left.

        The error of an interval falls with its duration to the power order + 1 for smooth controls, which gives the
        number of pieces. It falls more slowly where controls meet their bounds; another round then follows.
        """
        if self.tolerance is None or self.done >= self.rounds or (error <= self.tolerance).all():
            return None
        self.done += 1
        error = np.where(np.isnan(error), np.inf, error)  # integration failed
        needed = (error / self.tolerance) ** (1.0 / (mesh.scheme.order + 1))
        pieces = np.where(error > self.tolerance, np.clip(np.ceil(needed), 2, MOST_PIECES), 1).astype(int)
        edges = [
            np.linspace(first, last, count + 1)[:-1]
            for first, last, count in zip(mesh.edges[:-1], mesh.edges[1:], pieces, strict=True)
        ]
        return Mesh(mesh.scheme, np.append(np.concatenate(edges), mesh.edges[-1]))

    def unmet(self, mesh: Mesh, error: Array) -> str | None:
        """Describe the intervals whose error is still above the tolerance; None where there is none."""
        if self.tolerance is None or (error <= self.tolerance).all():
            return None
        worst = int(np.nan_to_num(error, nan=np.inf).argmax())
        return (
            f"mesh_tolerance {self.tolerance:g} was not reached after {self.done} refinements: "
            f"{int(np.sum(~(error <= self.tolerance)))} of {len(mesh)} intervals have larger errors, the largest "
            f"{error[worst]:.2g} from {mesh.edges[worst]:g} to {mesh.edges[worst + 1]:g} s. Raise max_refinements, or "
            "shorten mesh_interval."
        )
