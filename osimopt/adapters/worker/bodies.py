"""The tree of bodies and joints of a model, from OpenSim's components."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import opensim

from ...multibody.description import Asked, JointKind, Tree
from ...problem.arrays import Array
from .coordinates import evaluate
from .functions import IDENTITY, NotDescribedError, Rows
from .parts import Session

#: Ends of the directions of joints that turn or shift along axes of their frames: (rotations, translations), by
#: coordinate, as rows of the identity.
ON_AXES: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "WeldJoint": ((), ()),
    "PinJoint": ((2,), ()),
    "SliderJoint": ((), (0,)),
    "UniversalJoint": ((0, 1), ()),
    "GimbalJoint": ((0, 1, 2), ()),
    "PlanarJoint": ((2,), (0, 1)),
}
#: Joints of kinds of their own.
CURVED: dict[str, JointKind] = {"BallJoint": "ball", "FreeJoint": "free", "EllipsoidJoint": "ellipsoid"}
#: kg; OpenSim ignores the inertia of lighter bodies.
MASSLESS = 2.0**-52


@dataclass(eq=False)
class Link:
    """One body, and the joint between it and its parent; see ``Tree``."""

    body: str
    parent: int
    joint: str
    kind: JointKind = "axes"
    backward: bool = False
    inboard: Array = field(default_factory=lambda: np.eye(4))
    outboard: Array = field(default_factory=lambda: np.eye(4))
    axes: Array = field(default_factory=lambda: np.concatenate([np.eye(3), np.eye(3)]))
    axis_function: list[int] = field(default_factory=lambda: [-1] * 6)
    axis_coordinate: list[int] = field(default_factory=lambda: [-1] * 6)
    joint_coordinate: list[int] = field(default_factory=lambda: [-1] * 6)
    radii: Array = field(default_factory=lambda: np.ones(3))
    mass: float = 0.0
    center: Array = field(default_factory=lambda: np.zeros(3))
    inertia: Array = field(default_factory=lambda: np.zeros((3, 3)))


def describe_tree(session: Session, rows: Rows, asked: list[Asked]) -> Tree:
    """Bodies and joints, every parent before its children; a joint that is not described has frames of NaN."""
    names = [coordinate.getAbsolutePathString() for coordinate in session.coordinates]
    bodies = {body.getName(): body for body in session.model.getBodyList()}
    links, waiting = [Link("ground", -1, "")], list(session.model.getJointList())
    known = {"ground": 0}
    while waiting:
        ready = [joint for joint in waiting if known.keys() & set(_ends(joint))]
        if not ready:
            raise RuntimeError("joints that are not connected with ground")
        for joint in ready:
            inner, outer = sorted(_ends(joint), key=lambda name: name not in known)
            link = Link(outer, known[inner], joint.getName(), backward=inner != _ends(joint)[0])
            _weigh(link, bodies[outer])
            _connect(link, joint)
            try:
                links += _moved(link, joint, names, rows, len(links))
            except NotDescribedError as error:
                asked.append(Asked("joint", joint.getName(), str(error)))
                link.inboard = np.full((4, 4), np.nan)
                links.append(link)
            known[outer] = len(links) - 1
        waiting = [joint for joint in waiting if joint not in ready]
    return _arrays(links)


def frame_of(transform: Any) -> Array:
    """Matrix (4, 4) of an OpenSim transform."""
    matrix = np.eye(4)
    for row in range(3):
        matrix[row, :3] = [transform.R().get(row, column) for column in range(3)]
        matrix[row, 3] = transform.p().get(row)
    return matrix


def base_frame(frame: Any) -> tuple[str, Array]:
    """The body that a frame is fixed on, and the frame in it (4, 4)."""
    return frame.findBaseFrame().getName(), frame_of(frame.findTransformInBaseFrame())


def _ends(joint: Any) -> tuple[str, str]:
    """Bodies of a joint's parent and child frame."""
    parent, child = (frame.findBaseFrame().getName() for frame in (joint.getParentFrame(), joint.getChildFrame()))
    return parent, child


def _weigh(link: Link, body: Any) -> None:
    link.mass, link.center = body.getMass(), body.getMassCenter().to_numpy()
    if link.mass > MASSLESS:
        inertia = body.get_inertia()
        xx, yy, zz, xy, xz, yz = (inertia.get(index) for index in range(6))
        link.inertia = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])


def _connect(link: Link, joint: Any) -> None:
    """Set the frames of a joint, the one on its parent in the tree first."""
    parent, child = (base_frame(frame)[1] for frame in (joint.getParentFrame(), joint.getChildFrame()))
    link.inboard, link.outboard = (child, parent) if link.backward else (parent, child)


def _moved(link: Link, joint: Any, names: list[str], rows: Rows, count: int) -> list[Link]:
    """The link with the motion of its joint; of a scapulothoracic joint, two of them."""
    kind = joint.getConcreteClassName()
    own = [names.index(joint.get_coordinates(i).getAbsolutePathString()) for i in range(joint.numCoordinates())]
    if kind == "CustomJoint":
        _transform(link, opensim.CustomJoint.safeDownCast(joint), own, rows)
    elif kind in ON_AXES:
        turns, shifts = ON_AXES[kind]
        link.axes[: len(turns)], link.axes[3 : 3 + len(shifts)] = np.eye(3)[list(turns)], np.eye(3)[list(shifts)]
        used = [*range(len(turns)), *range(3, 3 + len(shifts))]
        for axis, coordinate in zip(used, own, strict=True):
            link.axis_coordinate[axis], link.axis_function[axis] = coordinate, rows.append(IDENTITY)
    elif kind in CURVED:
        link.kind, link.joint_coordinate[: len(own)] = CURVED[kind], own
        if kind == "EllipsoidJoint":
            link.radii = opensim.EllipsoidJoint.safeDownCast(joint).get_radii_x_y_z().to_numpy()
    elif kind == "ScapulothoracicJoint":
        if link.backward:
            raise NotDescribedError("it is a ScapulothoracicJoint whose parent is farther from ground")
        return _scapula(link, opensim.ScapulothoracicJoint.safeDownCast(joint), own, rows, count)
    else:
        raise NotDescribedError(f"it is of class {kind}")
    return [link]


def _transform(link: Link, joint: Any, own: list[int], rows: Rows) -> None:
    """A SpatialTransform, whose axes know their coordinates by name."""
    by_name = {joint.get_coordinates(index).getName(): coordinate for index, coordinate in enumerate(own)}
    for index in range(6):
        part = joint.getSpatialTransform().getTransformAxis(index)
        names = [part.getCoordinateNames().getValue(i) for i in range(part.getCoordinateNames().size())]
        direction = part.getAxis().to_numpy()
        link.axes[index] = direction / np.linalg.norm(direction)
        if not part.hasFunction() or (not names and evaluate(part.getFunction(), np.zeros(1)) == 0.0):
            continue
        if len(names) > 1:
            raise NotDescribedError(f"its axis {index + 1} has a function of {len(names)} coordinates")
        link.axis_function[index] = rows.add(part.getFunction())
        link.axis_coordinate[index] = by_name[names[0]] if names else -1


def _scapula(link: Link, joint: Any, own: list[int], rows: Rows, count: int) -> list[Link]:
    """A massless body on an ellipsoid, its frames turned by a right angle about z, and the scapula on a pin in it."""
    turn = np.eye(4)
    turn[:2, :2] = [[0.0, -1.0], [1.0, 0.0]]
    x, y, z = joint.get_thoracic_ellipsoid_radii_x_y_z().to_numpy()
    middle = Link("", link.parent, link.joint, "ellipsoid", inboard=link.inboard @ turn, outboard=turn)
    middle.radii, middle.joint_coordinate[:3] = np.array([y, x, z]), own[:3]
    direction, place = joint.get_scapula_winging_axis_direction(), np.eye(4)
    place[:2, 3] = [joint.get_scapula_winging_axis_origin(index) for index in range(2)]
    link.parent, link.inboard, link.outboard = count, place, link.outboard @ place
    link.axes[0] = [-np.sin(direction), np.cos(direction), 0.0]
    link.axis_coordinate[0], link.axis_function[0] = own[3], rows.append(IDENTITY)
    return [middle, link]


def _arrays(links: list[Link]) -> Tree:
    def column(name: str, kind: type = float) -> Any:
        return np.array([getattr(link, name) for link in links], dtype=kind)

    return Tree(
        bodies=tuple(link.body for link in links),
        parent=column("parent", np.intp),
        joints=tuple(link.joint for link in links),
        kind=tuple(link.kind for link in links),
        backward=column("backward", bool),
        inboard=column("inboard"),
        outboard=column("outboard"),
        axes=column("axes"),
        axis_function=column("axis_function", np.intp),
        axis_coordinate=column("axis_coordinate", np.intp),
        joint_coordinate=column("joint_coordinate", np.intp),
        radii=column("radii"),
        mass=column("mass"),
        center=column("center"),
        inertia=column("inertia"),
    )
