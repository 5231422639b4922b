"""Paths of muscles and other forces, and the objects that they wrap over, from OpenSim's components."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import opensim

from ...paths.description import Path, Paths, Wrap, WrapKind, WrapMethod, WrapObject
from ...problem.arrays import Array
from .bodies import base_frame, frame_of
from .functions import NotDescribedError, Rows
from .parts import Session

KINDS: dict[str, WrapKind] = {
    "WrapCylinder": "cylinder",
    "WrapSphere": "sphere",
    "WrapEllipsoid": "ellipsoid",
    "WrapTorus": "torus",
}
POINTS = ("PathPoint", "ConditionalPathPoint", "MovingPathPoint")
#: rad or m by which OpenSim widens the ranges of conditional points.
WIDENED = 1e-5


@dataclass(eq=False)
class Describer:
    """Describes paths of one model; an object that several paths wrap over is described once."""

    session: Session
    bodies: tuple[str, ...]
    rows: Rows
    objects: list[WrapObject] = field(default_factory=list)
    known: dict[str, int] = field(default_factory=dict)
    others: list[Path] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Names of coordinates, by which points refer to them."""
        self.coordinates = [one.getAbsolutePathString() for one in self.session.coordinates]

    def path(self, name: str, path: Any) -> Path:
        """One path.

        Raises
        ------
        NotDescribedError
            Its class, a point or an object of it cannot be represented.
        """
        winding = opensim.GeometryPath.safeDownCast(path)
        if winding is None:
            raise NotDescribedError(f"its path is of class {path.getConcreteClassName()}")
        points = list(winding.getPathPointSet())
        size = len(points)
        body, place = np.zeros(size, dtype=np.intp), np.zeros((size, 3))
        condition, within = np.full(size, -1), np.tile([-np.inf, np.inf], (size, 1))
        mover, mover_function = np.full((size, 3), -1), np.full((size, 3), -1)
        for row, point in enumerate(points):
            if (kind := point.getConcreteClassName()) not in POINTS:
                raise NotDescribedError(f"its point '{point.getName()}' is of class {kind}")
            on, frame = base_frame(point.getParentFrame())
            body[row] = self.bodies.index(on)
            if moving := opensim.MovingPathPoint.safeDownCast(point):
                mover[row], mover_function[row], place[row] = self._moving(moving, frame)
                continue
            place[row] = frame[:3, :3] @ opensim.PathPoint.safeDownCast(point).get_location().to_numpy() + frame[:3, 3]
            if conditional := opensim.ConditionalPathPoint.safeDownCast(point):
                condition[row] = self.coordinates.index(conditional.getCoordinate().getAbsolutePathString())
                within[row] = conditional.get_range(0) - WIDENED, conditional.get_range(1) + WIDENED
        wraps = tuple(self._wrap(wrap) for wrap in winding.getWrapSet())
        return Path(name, body, place, condition, within, mover, mover_function, wraps)

    def other(self, name: str, path: Any) -> int:
        """Index, among all paths, of the path of a force that is no muscle."""
        self.others.append(self.path(name, path))
        return len(self.session.muscles) + len(self.others) - 1

    def _moving(self, point: Any, frame: Array) -> tuple[list[int], list[int], Array]:
        """Coordinates, functions and constant parts of the place of a moving point."""
        if not np.array_equal(frame, np.eye(4)):
            raise NotDescribedError(f"its MovingPathPoint '{point.getName()}' is in an offset frame")
        movers, functions = [], []
        for letter in "xyz":
            function = getattr(point, f"get_{letter}_location")()
            movers.append(-1)
            within = None
            if getattr(point, f"has{letter.upper()}Coordinate")():
                coordinate = getattr(point, f"get{letter.upper()}Coordinate")()
                movers[-1] = self.coordinates.index(coordinate.getAbsolutePathString())
                within = coordinate.getRangeMin(), coordinate.getRangeMax()  # OpenSim clamps the argument
            functions.append(self.rows.add(function, within))
        return movers, functions, np.zeros(3)

    def _wrap(self, wrap: Any) -> Wrap:
        found = wrap.getWrapObject()
        if found is None:
            raise NotDescribedError(f"its wrap object '{wrap.getWrapObjectName()}' is missing")
        key = found.getAbsolutePathString()
        if key not in self.known:
            self.objects.append(self._object(found))
            self.known[key] = len(self.objects) - 1
        method: WrapMethod = wrap.getMethodName().lower()
        return Wrap(self.known[key], method, wrap.get_range(0), wrap.get_range(1))

    def _object(self, found: Any) -> WrapObject:
        kind = found.getConcreteClassName()
        if kind not in KINDS:
            raise NotDescribedError(f"it wraps over an object of class {kind}")
        on, frame = base_frame(found.getFrame())
        quadrant = found.get_quadrant().lower()
        sign = 0 if quadrant in ("all", "unassigned") else -1 if quadrant.startswith("-") else 1
        axis = "xyz".index(quadrant[-1]) if sign else 0
        own = getattr(opensim, kind).safeDownCast(found)
        size = np.array(_size(kind, own), dtype=float)
        within = frame @ frame_of(found.getTransform())
        index = self.bodies.index(on)
        return WrapObject(found.getName(), KINDS[kind], index, within, size, axis, sign, found.get_active())


def _size(kind: str, own: Any) -> Any:
    if kind == "WrapCylinder":
        return own.get_radius(), own.get_length()
    if kind == "WrapSphere":
        return (own.get_radius(),)
    return own.getRadii().to_numpy() if kind == "WrapEllipsoid" else (own.getInnerRadius(), own.getOuterRadius())


def describe_paths(describer: Describer, asked: dict[str, str]) -> Paths:
    """All paths: of the muscles, then of the forces that ``describer.other`` was given; ``asked`` is of the latter."""
    muscles: list[Path | None] = []
    for muscle in describer.session.muscles:
        try:
            muscles.append(describer.path(muscle.getName(), muscle.getPath()))
        except NotDescribedError as error:
            muscles.append(None)
            asked[muscle.getName()] = str(error)
    return Paths(tuple(describer.objects), tuple(muscles), tuple(describer.others), asked)
