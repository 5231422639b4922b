"""Muscle paths and the objects they wrap over, in plain arrays; see ``multibody.description`` for bodies and frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..multibody.description import Mask
from ..problem.arrays import Array, Index

WrapKind = Literal["cylinder", "sphere", "ellipsoid", "torus"]
WrapMethod = Literal["hybrid", "midpoint", "axial"]


@dataclass(frozen=True, eq=False)
class WrapObject:
    """An object that paths wrap over.

    ``frame`` (4, 4) is fixed on the ``body``. ``size`` in m: cylinder (radius, length), along z of the frame; sphere
    (radius,); ellipsoid (3,) radii; torus, around z, OpenSim's inner and outer radius, which are those of the tube and
    of the circle in its middle. ``axis`` 0, 1, 2 and ``sign`` -1, 1 are OpenSim's quadrant, sign 0 for all.
    """

    name: str
    kind: WrapKind
    body: int
    frame: Array
    size: Array
    axis: int
    sign: int
    active: bool = True


@dataclass(frozen=True, eq=False)
class Wrap:
    """One object of a path: its index, OpenSim's method (of ellipsoids), and the range of points, -1 for open ends.

    The range counts the points of the path from 1, as OpenSim does.
    """

    object: int
    method: WrapMethod
    first: int
    last: int


@dataclass(frozen=True, eq=False)
class Path:
    """The path of one muscle or actuator: P points in order, and the objects it wraps over, in OpenSim's order.

    ``body`` (P,), ``place`` (P, 3) m on the body. A conditional point is on the path where its ``condition`` (P,), a
    coordinate (-1: always), is within ``range`` (P, 2), both ends included; OpenSim's are 1e-5 narrower on either side,
    and it adds that. A moving point has in ``mover`` (P, 3) the coordinates of its three places (-1: the function is of
    zero), in ``mover_function`` (P, 3) functions of the model; -1 where ``place`` holds. OpenSim clamps their arguments
    to the coordinate's range: beyond it the functions are constant.
    """

    name: str
    body: Index
    place: Array
    condition: Index
    range: Array
    mover: Index
    mover_function: Index
    wraps: tuple[Wrap, ...]

    @property
    def conditional(self) -> Mask:
        """(P,) which points are on the path in some postures only."""
        return self.condition >= 0


@dataclass(frozen=True, eq=False)
class Paths:
    """All described paths: of the muscles, in the order of the model's muscles, then of other forces.

    A muscle whose path is not described has ``None``; ``asked`` says why, by its name: OpenSim has to be asked for it.
    """

    objects: tuple[WrapObject, ...]
    muscles: tuple[Path | None, ...]
    others: tuple[Path, ...]
    asked: dict[str, str]
