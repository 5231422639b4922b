"""A loaded model and its parts, and the constraints between its coordinates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...problem.arrays import Array
from ..messages import ModelKey


@dataclass(frozen=True, eq=False)
class Coupler:
    """One CoordinateCouplerConstraint: dependent = scale · function(independents)."""

    name: str
    dependent: int
    independents: tuple[int, ...]
    function: Any
    scale: float


@dataclass(frozen=True, eq=False)
class Loops:
    """Constraints other than couplers: they close loops of bodies, as do joints beyond those of a tree.

    ``constraints`` are OpenSim's components, ``state`` one in which nothing but the loops is constrained: no couplers,
    no locked or prescribed coordinates. ``posture`` (N,) is the model's default, with all loops closed. ``driving``
    are, by coordinate that the loops determine, the free coordinates in the same loop.
    """

    constraints: tuple[Any, ...]
    state: Any
    posture: Array
    driving: dict[int, tuple[int, ...]]

    @property
    def dependents(self) -> list[int]:
        """Coordinates that the loops determine."""
        return list(self.driving)

    @property
    def coordinates(self) -> set[int]:
        """All coordinates in loops."""
        return set(self.driving).union(*self.driving.values())


@dataclass(frozen=True, eq=False)
class Session:
    """A loaded model and its parts, in the order of the model's coordinate set and force set.

    ``place`` and ``mobility`` are where each coordinate stands in q and u; ``turning`` the coordinates, by joint, whose
    rates are not their speeds (``worker.state``); ``dropped`` are the forces of force sets whose name another has,
    ``replaced`` says which muscles are not those of the file; ``loops`` is None where couplers are the only
    constraints.
    """

    key: ModelKey
    model: Any
    state: Any
    coordinates: list[Any]
    place: list[int]
    mobility: list[int]
    turning: list[list[int]]
    muscles: list[Any]
    actuators: list[Any]
    forces: list[Any]
    contact: list[Any]
    switched_off: list[str]
    couplers: list[Coupler]
    inverse_dynamics: Any
    warnings: list[str]
    dropped: list[str]
    replaced: list[str]
    loops: Loops | None = None

    @property
    def closed(self) -> Loops:
        """The loops, of a model that has some."""
        if self.loops is None:
            raise ValueError("the model has no loops of bodies")
        return self.loops

    def dependents(self) -> set[int]:
        """Indices of the coordinates that constraints determine."""
        return {coupler.dependent for coupler in self.couplers} | set(self.loops.driving if self.loops else ())

    def free(self) -> list[int]:
        """Indices of the coordinates that are neither locked, prescribed nor dependent, in multibody-tree order."""
        known = self.dependents()
        free = [i for i, c in enumerate(self.coordinates) if i not in known and not c.isConstrained(self.state)]
        return sorted(free, key=lambda i: self.mobility[i])

    def driven(self) -> bool:
        """Whether the model moves a coordinate itself, by a function of time."""
        return any(coordinate.isPrescribed(self.state) for coordinate in self.coordinates)
