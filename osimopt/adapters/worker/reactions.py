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
    paths, names = [_with_points(session, index) for index in muscles], [session.muscles[i].getName() for i in muscles]
    touched, moving = [sorted(path_bodies(path)) for path in paths], [_movers(session, path) for path in paths]
    none, size = opensim.SpatialVec(opensim.Vec3(0.0), opensim.Vec3(0.0)), _count_bodies(session)
    found = _Rows(
        session,
        [(name, body) for name, own in zip(names, touched, strict=True) for body in own],
        [(name, coordinate) for name, own in zip(names, moving, strict=True) for coordinate in own],
    )
    for frame in range(len(motion.time)):
        set_posture(session, motion.time[frame], motion.value[frame])
        session.model.realizePosition(session.state)
        parts, moved = list[Array](), list[float]()
        for path, own, movers in zip(paths, touched, moving, strict=True):
            on_bodies, on_speeds = opensim.VectorOfSpatialVec(size, none), opensim.Vector(session.state.getNU(), 0.0)
            path.addInEquivalentForces(session.state, UNIT, on_bodies, on_speeds)
            for body in own:
                wrench = on_bodies.get(body)
                parts += [wrench.get(0).to_numpy(), wrench.get(1).to_numpy()]
            moved += [on_speeds.get(session.mobility[coordinate]) for coordinate in movers]
        found.add(parts, moved)
    return found.pulls()


def actuator_pulls(key: ModelKey, motion: Kinematics) -> Pulls:
    """Wrenches and generalized forces of the model's actuators at control 1, in the frames of a motion."""
    session = load(key)
    model, state, mobility = session.model, session.state, session.mobility
    names = [coordinate.getName() for coordinate in session.coordinates]
    on_coordinate, others = dict[str, tuple[int, float]](), dict[str, Any]()
    for actuator in session.actuators:
        if own := opensim.CoordinateActuator.safeDownCast(actuator):
            on_coordinate[own.getName()] = names.index(own.getCoordinate().getName()), own.getOptimalForce()
        else:
            others[actuator.getName()] = actuator
    bodies = [0, *(int(body.getMobilizedBodyIndex()) for body in model.getBodyList())]
    about = [(name, coordinate) for name, (coordinate, _) in on_coordinate.items()]
    about += [(name, coordinate) for name in others for coordinate in range(len(names))]
    found = _Rows(session, [(name, body) for name in others for body in bodies], about)
    for _ in _frames(session, motion):
        forces, pushes = model.getRigidBodyForces(state), model.getMobilityForces(state).to_numpy()[mobility]
        before = [_pair(forces.get(body)) for body in bodies]
        parts, moved = list[Array](), [force for _, force in on_coordinate.values()]
        for actuator in others.values():
            actuator.setOverrideActuation(state, actuator.getOptimalForce())
            model.realizeDynamics(state)
            forces = model.getRigidBodyForces(state)
            parts += [_pair(forces.get(body)) - less for body, less in zip(bodies, before, strict=True)]
            moved += (model.getMobilityForces(state).to_numpy()[mobility] - pushes).tolist()
            actuator.setOverrideActuation(state, 0.0)
        found.add(parts, moved)
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
    """Wrenches ``on`` bodies and generalized forces ``about`` coordinates, by source, found frame by frame."""

    def __init__(self, session: Session, on: list[tuple[str, int]], about: list[tuple[str, int]]) -> None:
        bodies = {int(body.getMobilizedBodyIndex()): body for body in session.model.getBodyList()}
        self.state, self.bodies = session.state, {0: session.model.getGround(), **bodies}
        self.on, self.about = on, about
        self.parts: list[Array] = []
        self.moved: list[list[float]] = []
        self.origins: list[list[Array]] = []

    def add(self, parts: list[Array], moved: list[float]) -> None:
        """Add the frame that is set in the state: moments about the bodies' origins and forces, and what pushes."""
        self.parts.append(np.concatenate(parts) if parts else np.zeros(0))
        self.moved.append(moved)
        self.origins.append([body.getPositionInGround(self.state).to_numpy() for body in self.bodies.values()])

    def pulls(self) -> Pulls:
        """What was found, with moments about ground's origin."""
        count, order = len(self.parts), list(self.bodies)
        wrench = np.array(self.parts).reshape(count, -1, 6)
        origin = np.array(self.origins)[:, [order.index(body) for _, body in self.on]].reshape(count, -1, 3)
        wrench[..., :3] += np.cross(origin, wrench[..., 3:])
        names = tuple((source, self.bodies[body].getName()) for source, body in self.on)
        return Pulls(names, wrench, tuple(self.about), np.array(self.moved, dtype=float).reshape(count, -1))


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
