"""What muscles do to bodies in OpenSim: the resultants of the forces at the points of their paths."""

from __future__ import annotations

from typing import Any

import numpy as np
import opensim

from ...errors import ModelError, explain, some
from ...problem.arrays import Array, Kinematics
from ..messages import ModelKey, Pulls
from .parts import Session
from .paths import moving_coordinates, path_bodies
from .session import load
from .state import set_posture

#: A unit tension.
UNIT = 1.0


def pulls(key: ModelKey, motion: Kinematics, muscles: tuple[int, ...]) -> Pulls:
    """Wrenches of unit tensions along OpenSim's paths on the bodies, in the frames of a motion.

    They are those that OpenSim applies (``addInEquivalentForces``): without forces between two points on one body, and
    with a generalized force where a coordinate moves a point.

    Raises
    ------
    ModelError
        A muscle whose path has no points.
    """
    session = load(key)
    paths = [_with_points(session, index) for index in muscles]
    bodies = {int(body.getMobilizedBodyIndex()): body for body in session.model.getBodyList()}
    touched = [sorted(path_bodies(path) - {0}) for path in paths]
    moving = [_movers(session, path) for path in paths]
    size = _count_bodies(session)
    none = opensim.SpatialVec(opensim.Vec3(0.0), opensim.Vec3(0.0))
    about, origin, moved = [], [], []
    for frame in range(len(motion.time)):
        set_posture(session, motion.time[frame], motion.value[frame])
        session.model.realizePosition(session.state)
        places = {index: body.getPositionInGround(session.state).to_numpy() for index, body in bodies.items()}
        row: list[Array] = []
        pushed: list[float] = []
        for path, own, movers in zip(paths, touched, moving, strict=True):
            on_bodies = opensim.VectorOfSpatialVec(size, none)
            on_speeds = opensim.Vector(session.state.getNU(), 0.0)
            path.addInEquivalentForces(session.state, UNIT, on_bodies, on_speeds)
            for index in own:
                both = on_bodies.get(index)
                row += [both.get(0).to_numpy(), both.get(1).to_numpy()]
            pushed += [on_speeds.get(session.mobility[coordinate]) for coordinate in movers]
        about.append(row)
        origin.append([places[index] for own in touched for index in own])
        moved.append(pushed)
    wrench = np.array(about).reshape(len(motion.time), -1, 6)
    wrench[..., :3] += np.cross(np.array(origin), wrench[..., 3:])
    return Pulls(
        tuple(session.muscles[index].getName() for index, own in zip(muscles, touched, strict=True) for _ in own),
        tuple(bodies[index].getName() for own in touched for index in own),
        wrench,
        tuple(session.muscles[index].getName() for index, own in zip(muscles, moving, strict=True) for _ in own),
        tuple(coordinate for own in moving for coordinate in own),
        np.array(moved, dtype=float),
    )


def _count_bodies(session: Session) -> int:
    """Number of Simbody's bodies, more than the model's where OpenSim cuts loops."""
    system = opensim.Matrix()
    session.model.realizePosition(session.state)
    session.model.getMatterSubsystem().calcSystemJacobian(session.state, system)
    return int(system.nrow()) // 6


def _with_points(session: Session, muscle: int) -> Any:
    """The path of a muscle; one without points is refused."""
    path = opensim.GeometryPath.safeDownCast(session.muscles[muscle].getPath())
    if path is None:
        without = [one for one in session.muscles if opensim.GeometryPath.safeDownCast(one.getPath()) is None]
        got = some([f"{one.getPath().getConcreteClassName()} of '{one.getName()}'" for one in without])
        fix = (
            "OpenSim lets such a path push coordinates alone, and its joint reactions lack what the muscle presses: "
            "use the model that has the muscle's points."
        )
        expected = "muscle paths with points on the bodies, for joint reactions"
        raise ModelError(explain(expected, got, fix, session.key.path))
    return path


def _movers(session: Session, path: Any) -> list[int]:
    """The coordinates that move points of a path."""
    names = [coordinate.getName() for coordinate in session.coordinates]
    return sorted(names.index(name) for name in moving_coordinates(path))
