"""What OpenSim knows of the forces on bodies: of unit tensions and actuators, and beside them in a motion."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import opensim

from ...errors import InputError, ModelError, did_you_mean, explain, some
from ...problem.arrays import Array, Kinematics
from ..messages import BodyForces, ModelKey, Pulls
from .bodies import base_frame, frame_of
from .parts import Session
from .paths import moving_coordinates, path_bodies
from .session import load
from .state import set_posture, set_speed, to_accelerations

#: A tension of 1 N.
UNIT = 1.0


def body_forces(key: ModelKey, motion: Kinematics) -> BodyForces:
    """How bodies move, and what acts on them beside gravity, muscles and actuators, in the frames of a motion."""
    session = load(key)
    model, state, matter = session.model, session.state, session.model.getMatterSubsystem()
    bodies = [model.getGround(), *model.getBodyList()]
    places = [int(body.getMobilizedBodyIndex()) for body in bodies]
    rows: dict[str, list[Any]] = {}
    for frame in _frames(session, motion):
        udot = opensim.Vector.createFromMat(to_accelerations(session, motion.acceleration[frame]))
        changes = opensim.VectorOfSpatialVec()
        matter.calcBodyAccelerationFromUDot(state, udot, changes)
        forces, weights = model.getRigidBodyForces(state), model.getGravityBodyForces(state)
        row = {
            "pose": [frame_of(body.getTransformInGround(state))[:3] for body in bodies],
            "velocity": [_pair(body.getVelocityInGround(state)) for body in bodies],
            "acceleration": [_pair(changes.get(index)) for index in places],
            "applied": [_pair(forces.get(index)) - _pair(weights.get(index)) for index in places],
            "generalized": model.getMobilityForces(state).to_numpy()[session.mobility],
        }
        for name, values in row.items():
            rows.setdefault(name, []).append(values)
    arrays = {name: np.array(values, dtype=float) for name, values in rows.items()}
    frames = {
        joint.getName(): np.array(
            [base_frame(end)[1][:3, 3] for end in (joint.getParentFrame(), joint.getChildFrame())]
        )
        for joint in list(model.getJointList())
    }
    return BodyForces(tuple(body.getName() for body in bodies), frames, **arrays)


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
    touched, moving = [sorted(path_bodies(path)) for path in paths], [_movers(session, path) for path in paths]
    none, size = opensim.SpatialVec(opensim.Vec3(0.0), opensim.Vec3(0.0)), _count_bodies(session)
    found = _Rows(session)
    for frame in range(len(motion.time)):
        set_posture(session, motion.time[frame], motion.value[frame])
        session.model.realizePosition(session.state)
        found.begin()
        for index, path, own, movers in zip(muscles, paths, touched, moving, strict=True):
            on_bodies, on_speeds = opensim.VectorOfSpatialVec(size, none), opensim.Vector(session.state.getNU(), 0.0)
            path.addInEquivalentForces(session.state, UNIT, on_bodies, on_speeds)
            name = session.muscles[index].getName()
            for body in own:
                found.add(name, body, on_bodies.get(body))
            for coordinate in movers:
                found.move(name, coordinate, on_speeds.get(session.mobility[coordinate]))
    return found.pulls()


def actuator_pulls(key: ModelKey, motion: Kinematics) -> Pulls:
    """Wrenches and generalized forces of the model's actuators at control 1, in the frames of a motion."""
    session = load(key)
    model, state, found = session.model, session.state, _Rows(session)
    names = [coordinate.getName() for coordinate in session.coordinates]
    for _ in _frames(session, motion):
        before = model.getRigidBodyForces(state), model.getMobilityForces(state).to_numpy()
        before = opensim.VectorOfSpatialVec(before[0]), before[1].copy()
        found.begin()
        for actuator in session.actuators:
            name = actuator.getName()
            if on_coordinate := opensim.CoordinateActuator.safeDownCast(actuator):
                own = names.index(on_coordinate.getCoordinate().getName())
                found.move(name, own, actuator.getOptimalForce())
                continue
            actuator.setOverrideActuation(state, actuator.getOptimalForce())
            model.realizeDynamics(state)
            forces, about = model.getRigidBodyForces(state), model.getMobilityForces(state).to_numpy() - before[1]
            for body in found.bodies:
                found.add(name, body, forces.get(body), before[0].get(body))
            for coordinate, mobility in enumerate(session.mobility):
                found.move(name, coordinate, float(about[mobility]))
            actuator.setOverrideActuation(state, 0.0)
    return found.pulls()


def joint_names(key: ModelKey) -> list[str]:
    """Names of the joints of a model, in OpenSim's order."""
    return [joint.getName() for joint in load(key).model.getJointSet()]


def frames_in_ground(key: ModelKey, motion: Kinematics, names: tuple[str, ...]) -> dict[str, tuple[str, Array]]:
    """By name or path of frames: their own names, and their axes and origins in ground (T, 3, 4).

    Raises
    ------
    InputError
        The model has no such frame.
    """
    session = load(key)
    model, parts = session.model, list(session.model.getComponentsList())
    frames = [frame for part in parts if (frame := opensim.Frame.safeDownCast(part)) is not None]
    by_name: dict[str, Any] = {}
    for frame in sorted(frames, key=lambda frame: frame.getAbsolutePathString().count("/"), reverse=True):
        by_name[frame.getName()] = by_name[frame.getAbsolutePathString()] = frame
    if unknown := [name for name in names if name not in by_name]:
        bodies = ["ground", *(body.getName() for body in model.getBodyList())]
        fix = did_you_mean(unknown, by_name, "Name a body, a frame of the model by its path, parent or child.")
        raise InputError(explain(f"frames among {some(bodies, 12)}", some(unknown), fix, key.path))
    found: dict[str, list[Array]] = {name: [] for name in names}
    for frame in range(len(motion.time)):
        set_posture(session, motion.time[frame], motion.value[frame])
        model.realizePosition(session.state)
        for name in names:
            found[name].append(frame_of(by_name[name].getTransformInGround(session.state))[:3])
    return {name: (by_name[name].getName(), np.array(poses)) for name, poses in found.items()}


class _Rows:
    """Wrenches about ground's origin, as they are found frame by frame: the same of each frame, in the same order."""

    def __init__(self, session: Session) -> None:
        bodies = {int(body.getMobilizedBodyIndex()): body for body in session.model.getBodyList()}
        self.session, self.bodies = session, {0: session.model.getGround(), **bodies}
        self.names: list[tuple[str, str]] = []
        self.movers: list[tuple[str, int]] = []
        self.rows: list[list[Array]] = []
        self.origins: list[list[Array]] = []
        self.moved: list[list[float]] = []

    def begin(self) -> None:
        """Begin a frame, in the posture that is set."""
        state = self.session.state
        self.names, self.movers = [], []
        self.places = {index: body.getPositionInGround(state).to_numpy() for index, body in self.bodies.items()}
        for rows in (self.rows, self.origins, self.moved):
            rows.append([])

    def add(self, source: str, body: int, wrench: Any, less: Any = None) -> None:
        """Add a wrench about a body's own origin."""
        self.names.append((source, self.bodies[body].getName()))
        self.rows[-1].append(_pair(wrench) if less is None else _pair(wrench) - _pair(less))
        self.origins[-1].append(self.places[body])

    def move(self, source: str, coordinate: int, force: float) -> None:
        """Add a generalized force about the speed of a coordinate."""
        self.movers.append((source, coordinate))
        self.moved[-1].append(force)

    def pulls(self) -> Pulls:
        """What was found, without what is zero in all frames."""
        count = len(self.rows)
        wrench, origin = np.array(self.rows).reshape(count, -1, 6), np.array(self.origins).reshape(count, -1, 3)
        wrench[..., :3] += np.cross(origin, wrench[..., 3:])
        moved = np.array(self.moved, dtype=float).reshape(count, -1)
        return Pulls(tuple(self.names), wrench, tuple(self.movers), moved)


def _frames(session: Session, motion: Kinematics) -> Iterator[int]:
    """The frames of a motion, each set in the state and its forces realized."""
    for frame in range(len(motion.time)):
        set_posture(session, motion.time[frame], motion.value[frame])
        set_speed(session, motion.speed[frame])
        session.model.realizeDynamics(session.state)
        yield frame


def _pair(vector: Any) -> Array:
    """The six numbers of a spatial vector, its angular part first."""
    return np.concatenate([vector.get(0).to_numpy(), vector.get(1).to_numpy()])


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
