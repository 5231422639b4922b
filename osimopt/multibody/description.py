"""A model's mechanics in plain arrays, as OpenSim's process describes them once per model.

B bodies (ground is body 0), N coordinates in the order of the model's coordinate set, F functions. SI units, radians.
A frame is a matrix (4, 4) that takes positions in it to positions in the body that it is fixed on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..problem.arrays import Array, Index

Mask = NDArray[np.bool_]

#: How a joint moves. ``axes``: the six axes of an OpenSim SpatialTransform, of which Pin, Slider, Universal, Gimbal,
#: Planar and Weld joints are special cases; its speeds are the rates of its coordinates. In the others they are an
#: angular velocity (``free``: and a velocity) in the joint's inboard frame, its angles are body-fixed x-y-z, and an
#: ``ellipsoid`` keeps its outboard frame on an ellipsoid.
JointKind = Literal["axes", "ball", "free", "ellipsoid"]
ConstraintKind = Literal["point", "weld", "distance", "line"]
#: Parts of a model that may not be described; "force" is of actuators, too, "coordinate" a prescribed one's function.
PartKind = Literal["joint", "coordinate", "coupler", "constraint", "force"]


@dataclass(frozen=True, eq=False)
class Functions:
    """F functions of one argument, each a polynomial in pieces plus a sine.

    Where b(k-1) <= x < b(k), f(x) = Σ_p coefficients[k, p] (x - origin[k])^p + amplitude sin(frequency x + phase); the
    first piece has no lower and the last no upper end. ``breaks`` is (F, K), its unused ends infinite, ``origin``
    (F, K + 1), ``coefficients`` (F, K + 1, P), ``sine`` (F, 3): amplitude, frequency, phase.
    """

    breaks: Array
    origin: Array
    coefficients: Array
    sine: Array


@dataclass(frozen=True, eq=False)
class Tree:
    """Bodies and the joint between each and its parent, the body one step nearer to ground, which comes before it.

    ``kind`` and ``joints`` (B,) are of the joint above each body. ``inboard`` (B, 4, 4) is its frame fixed on the
    parent, ``outboard`` (B, 4, 4) on the body. ``backward`` (B,) marks joints that OpenSim defines from the outer body
    to the inner: their motion, between the same two frames, is inverted. ``axes`` (B, 6, 3) are directions of three
    rotations, about body-fixed axes one after the other, then of three translations, in the joint's frame;
    ``axis_function`` (B, 6) are rows of the functions, -1 for zero; ``axis_coordinate`` (B, 6) coordinates, -1 for a
    function of nothing (of zero). ``joint_coordinate`` (B, 6) are the coordinates of ball, free and ellipsoid joints,
    in order, then -1. ``radii`` (B, 3) in m are those of ellipsoid joints. A joint that is not described (see
    ``Multibody.asked``) has an inboard frame of NaN. Ground has parent -1. Bodies that are not the model's (OpenSim
    makes scapulothoracic joints of two) have the name ``""`` and no mass.
    """

    bodies: tuple[str, ...]
    parent: Index
    joints: tuple[str, ...]
    kind: tuple[JointKind, ...]
    backward: Mask
    inboard: Array
    outboard: Array
    axes: Array
    axis_function: Index
    axis_coordinate: Index
    joint_coordinate: Index
    radii: Array
    mass: Array  # (B,) kg
    center: Array  # (B, 3) m, center of mass in the body
    inertia: Array  # (B, 3, 3) kg·m² about the center of mass, in the body's axes


@dataclass(frozen=True, eq=False)
class CoordinateCoupler:
    """A coordinate that follows another: value(dependent) = scale · function(value(independent))."""

    name: str
    dependent: int
    independent: int
    function: int
    scale: float


@dataclass(frozen=True, eq=False)
class Constraint:
    """A constraint between two bodies: frames (4, 4) fixed on each.

    ``point``: their origins coincide; ``weld``: the frames coincide; ``distance``: the origins are ``number`` m apart;
    ``line``: the origin of the second is on the line through that of the first along its z axis.
    """

    name: str
    kind: ConstraintKind
    bodies: tuple[int, int]
    frames: tuple[Array, Array]
    number: float = 0.0


@dataclass(frozen=True, eq=False)
class ForceLaw:
    """A force of the model other than muscles, or an actuator, by its OpenSim class ``kind``.

    ``bodies`` and ``frames`` (n, 4, 4) are what it connects, ``coordinate`` the one it acts on, ``path`` the index of
    the path it pulls along (of the muscles, then ``Paths.others``), ``functions`` rows of the functions in the order of
    OpenSim's properties (-1: none), ``numbers`` its parameters by the names of OpenSim's properties, in SI units and
    radians.
    """

    name: str
    kind: str
    bodies: tuple[int, ...] = ()
    frames: Array = field(default_factory=lambda: np.zeros((0, 4, 4)))
    coordinate: int = -1
    path: int = -1
    functions: tuple[int, ...] = ()
    numbers: dict[str, Array] = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    """A part of a model that is not described, and why: OpenSim has to be asked for it."""

    kind: PartKind
    name: str
    why: str


@dataclass(frozen=True, eq=False)
class Multibody:
    """What multibody dynamics and muscle paths need of a model.

    ``gravity`` (3,) is in m/s². ``values`` (N,) are default values, with which loops are closed; ``prescribed`` (N,)
    rows of the functions of time that prescribe coordinates, -1 for the others. ``asked`` are the joints, prescribed
    coordinates, couplers, constraints, forces and actuators that are not described.
    """

    coordinates: tuple[str, ...]
    values: Array
    tree: Tree
    functions: Functions
    prescribed: Index
    couplers: tuple[CoordinateCoupler, ...]
    constraints: tuple[Constraint, ...]
    forces: tuple[ForceLaw, ...]
    actuators: tuple[ForceLaw, ...]
    gravity: Array
    asked: tuple[Asked, ...] = ()

    def gaps(self, *kinds: PartKind) -> list[str]:
        """Parts of these kinds that are not described, with the reasons, for a message."""
        return [f"{one.kind} '{one.name}' ({one.why})" for one in self.asked if one.kind in kinds]
