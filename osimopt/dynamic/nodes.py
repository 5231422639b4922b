"""A problem at the points of a mesh, and its unknowns there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, explain, some
from ..muscle.contraction import Fiber
from ..problem.arrays import Array, Index
from ..problem.contact import Contact
from ..problem.extension import contact_controls
from ..problem.problem import RedundancyProblem
from .contact import balance_of
from .mesh import Mesh

#: Defaults of activation dynamics where the model has no values: activation and deactivation time constants (s) and
#: smoothing of OpenSim's DeGrooteFregly2016Muscle.
DYNAMICS = {
    "activation_time_constant": 0.015,
    "deactivation_time_constant": 0.060,
    "activation_dynamics_smoothing": 0.1,
}


@dataclass(frozen=True, eq=False)
class Nodes:
    """A mesh and ``problem`` at its N times.

    ``dynamics`` (3, M): activation and deactivation time constants in s, and smoothing. ``fiber``: parameters of fibre
    and tendon; None with rigid tendons. ``elastic`` (M,): which tendons are elastic, by default all if ``fiber`` is
    known. ``extension``: the problem with rows of contact forces, where these cost or are limited.
    """

    mesh: Mesh
    problem: RedundancyProblem
    dynamics: Array
    fiber: Fiber | None
    elastic: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=bool))
    extension: RedundancyProblem | None = None

    def __post_init__(self) -> None:
        """Make ``elastic`` one value per muscle."""
        if not self.elastic.size:
            every = np.full(len(self.problem.muscles), self.fiber is not None)
            object.__setattr__(self, "elastic", every)

    @classmethod
    def of(
        cls,
        problem: RedundancyProblem,
        mesh: Mesh,
        elastic: NDArray[np.bool_] | bool,
        time_constants: tuple[float, float] | None,
        contacts: Sequence[Contact] = (),
    ) -> Nodes:
        """Resample a problem at the points of a mesh."""
        at = replace(problem.resample(mesh.time), time=mesh.time)
        extension = balance_of(at, contacts) if contacts else None
        elastic = np.array(np.broadcast_to(elastic, len(problem.muscles)))
        fiber = Fiber.of(problem.parameters) if elastic.any() and problem.parameters is not None else None
        return cls(mesh, at, _dynamics(problem, time_constants), fiber, elastic, extension)

    @property
    def balance(self) -> RedundancyProblem:
        """The problem whose rows hold: with those of contact forces, which are its last reserves."""
        return self.problem if self.extension is None else self.extension

    def frames(self, mesh: Mesh, points: slice) -> Nodes:
        """Some of the points, which are those of another mesh."""
        few = self.extension and self.extension.frames(points)
        return replace(self, mesh=mesh, problem=self.problem.frames(points), extension=few)

    def within(self, points: slice) -> Nodes:
        """Whole intervals of the mesh, from their first to their last point."""
        per = len(self.mesh.scheme.points) - 1
        edges = self.mesh.edges[points.start // per : (points.stop - 1) // per + 1]
        return self.frames(Mesh(self.mesh.scheme, edges), points)

    def bare(self) -> Nodes:
        """Without what only findings and files need, to be sent to another process."""
        few: dict[str, Any] = {"source": None, "kinematics": None, "reactions": None, "provenance": {}}
        extension = self.extension and replace(self.extension, **few)
        return replace(self, problem=replace(self.problem, **few), extension=extension)

    def completed(self, unknowns: Unknowns) -> Unknowns:
        """With the contact forces of the muscle forces and reserves."""
        if self.extension is None:
            return unknowns
        control, force = unknowns.reserve[:, : len(self.problem.reserves.names)], force_of(self, unknowns)
        return replace(unknowns, reserve=np.hstack([control, contact_controls(self.extension, force, control)]))

    def fibers(self, muscles: Index) -> Fiber:
        """Parameters of muscles with elastic tendons."""
        if self.fiber is None:
            raise ValueError("all tendons are rigid")
        return Fiber(*(values[muscles] for values in self.fiber))


def force_of(nodes: Nodes, unknowns: Unknowns) -> Array:
    """(N, M) tendon forces in N."""
    rigid = nodes.problem.max_force * unknowns.activation + nodes.problem.passive_force
    return np.where(nodes.elastic, strength(nodes.problem) * unknowns.force, rigid)


def strength(problem: RedundancyProblem) -> Array:
    """(M,) N: maximum isometric forces, or the largest max_force of a problem from arrays."""
    if problem.parameters is None:
        return np.asarray(problem.max_force.max(axis=0))
    return problem.parameters.max_isometric_force


def _dynamics(problem: RedundancyProblem, time_constants: tuple[float, float] | None) -> Array:
    properties = {} if problem.parameters is None else problem.parameters.properties
    rows = np.array([np.full(len(problem.muscles), default) for default in DYNAMICS.values()])
    for row, name in zip(rows, DYNAMICS, strict=True):
        known = properties.get(name, np.nan * row)
        row[:] = np.where(np.isfinite(known), known, row)
    if time_constants is not None:
        rows[:2] = np.array(time_constants, dtype=float)[:, None]
    bad = ~(rows[:2] > 0.0).all(axis=0)
    if bad.any():
        got = f"0 or less for {some(np.array(problem.muscles)[bad])}"
        raise InputError(explain("positive activation time constants in s", got, "Give time_constants=(0.015, 0.060)."))
    return rows


@dataclass(frozen=True, eq=False)
class IndependentPart:
    """Indices of muscles, coordinates, reserves, EMG channels and synergies that are independent of all others."""

    muscles: Index
    coordinates: Index
    reserves: Index
    channels: Index
    synergies: Index


@dataclass(frozen=True, eq=False)
class Layout:
    """Positions in x of a part's unknowns: (N, m) of muscles, (N, k) of reserves, (N, 1) of the largest activation.

    x is sorted by point. ``elastic`` are the part's muscles with elastic tendons, as positions among its muscles; only
    they have ``force`` and ``force_rate``. ``largest`` is empty unless the cost is the largest activation, ``synergy``
    (N, s) unless excitations follow synergies. ``scale`` has one entry per EMG channel, at the end of x.
    """

    part: IndependentPart
    elastic: Index
    size: int
    scale: Index
    activation: Index
    excitation: Index
    force: Index
    force_rate: Index
    reserve: Index
    largest: Index
    synergy: Index

    @classmethod
    def of(cls, part: IndependentPart, nodes: Nodes, largest: bool) -> Layout:
        """Lay out the unknowns of a part."""
        points, muscles = len(nodes.mesh.time), part.muscles.size
        elastic = np.flatnonzero(nodes.elastic[part.muscles])
        widths = (
            muscles, muscles, elastic.size, elastic.size, part.reserves.size, int(largest), part.synergies.size,
        )  # fmt: skip
        starts = np.concatenate([[0], np.cumsum(widths)])
        first = np.arange(points)[:, None] * starts[-1]
        blocks = [first + start + np.arange(width) for start, width in zip(starts[:-1], widths, strict=True)]
        size = points * int(starts[-1])
        scale = size + np.arange(part.channels.size)
        return cls(part, elastic, size + scale.size, scale, *blocks)

    @property
    def in_tendon(self) -> Index:
        """The problem's muscles that have ``force``."""
        return self.part.muscles[self.elastic]

    def blocks(self) -> list[tuple[str, Index, Index]]:
        """Fields of ``Unknowns`` that have points: name, positions in x, and columns of the part."""
        return [
            ("activation", self.activation, self.part.muscles),
            ("excitation", self.excitation, self.part.muscles),
            ("force", self.force, self.in_tendon),
            ("force_rate", self.force_rate, self.in_tendon),
            ("reserve", self.reserve, self.part.reserves),
        ]


@dataclass(frozen=True, eq=False)
class Unknowns:
    """Activation, excitation, normalised tendon force and its rate (N, M), reserve control (N, K), EMG scale (C,).

    Muscles with rigid tendons have a force and a rate of 0 here. Contact forces in body weights are further reserves.
    """

    activation: Array
    excitation: Array
    force: Array
    force_rate: Array
    reserve: Array
    scale: Array

    def series(self) -> dict[str, Array]:
        """All arrays whose axis 0 is the points."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name != "scale"}

    def on_points(self, change: Callable[[Array], Array]) -> Unknowns:
        """Apply a function to each array whose axis 0 is the points."""
        return Unknowns(**{name: change(values) for name, values in self.series().items()}, scale=self.scale)

    def frames(self, points: slice) -> Unknowns:
        """Those of some of the points."""
        return self.on_points(lambda values: values[points])

    def moved(self, old: Mesh, new: Mesh, problem: RedundancyProblem) -> Unknowns:
        """The same on another mesh; activations and excitations are clipped, as polynomials can leave the bounds."""
        moved = self.on_points(lambda values: old.interpolate(new.time, values))
        bounds = problem.lower, problem.upper
        return replace(
            moved, activation=np.clip(moved.activation, *bounds), excitation=np.clip(moved.excitation, *bounds)
        )

    def into(self, layout: Layout) -> Array:
        """Vector x of a part."""
        x = np.zeros(layout.size)
        for name, at, columns in layout.blocks():
            x[at] = getattr(self, name)[:, columns]
        if layout.largest.size:
            muscles = self.activation[:, layout.part.muscles]
            x[layout.largest] = 1.1 * np.max(muscles, axis=1, initial=0.1, keepdims=True)
        x[layout.scale] = self.scale[layout.part.channels]
        return x

    def updated(self, solutions: Iterable[tuple[Layout, Array]]) -> Unknowns:
        """With the values of parts that were solved."""
        new = Unknowns(*(getattr(self, field.name).copy() for field in fields(self)))
        for layout, x in solutions:
            for name, at, columns in layout.blocks():
                getattr(new, name)[:, columns] = x[at]
            new.scale[layout.part.channels] = x[layout.scale]
        return new
