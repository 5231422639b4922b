"""Muscle paths: which coordinates they span, and the moment arms that a tension along them has."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import opensim

from ...errors import ModelError, explain
from ...problem.arrays import Array, Index
from ..messages import Mask
from .parts import Session
from .state import to_speeds


def spans(session: Session) -> Mask:
    """(D, M) which free coordinates each muscle's length can depend on, by how its path is attached.

    A path depends on the coordinates of the joints between the bodies of its points and wrap objects, on those that
    move its points, and on those that drive them through couplers.
    """
    from_ground = _coordinates_from_ground(session)
    names = [coordinate.getName() for coordinate in session.coordinates]
    spanned = np.zeros((len(names), len(session.muscles)), dtype=bool)
    for muscle, component in enumerate(session.muscles):
        path = component.getPath()
        if winding := opensim.GeometryPath.safeDownCast(path):
            reached = [from_ground[body] for body in path_bodies(winding)]
            everywhere = set(names).intersection(*reached)
            moving = moving_coordinates(winding)
            _refuse_turning(session, component, moving)
            driving = set().union(*reached) - everywhere | moving
        else:
            given = opensim.FunctionBasedPath.safeDownCast(path)
            driving = {place.split("/")[-1] for place in given.getCoordinatePaths()}
        spanned[:, muscle] = [name in driving for name in names]
    for coupler in reversed(session.couplers):
        spanned[list(coupler.independents)] |= spanned[coupler.dependent]
    for dependent, others in session.loops.driving.items() if session.loops else ():
        spanned[list(others)] |= spanned[[dependent, *others]].any(axis=0)  # around the loop either way
    return np.asarray(spanned[session.free()])


def _coordinates_from_ground(session: Session) -> dict[int, set[str]]:
    """By mobilized body: names of the coordinates between it and ground."""
    joints = []
    for joint in session.model.getJointList():
        ends = joint.getParentFrame().getMobilizedBodyIndex(), joint.getChildFrame().getMobilizedBodyIndex()
        names = {joint.get_coordinates(i).getName() for i in range(joint.numCoordinates())}
        joints.append((int(ends[0]), int(ends[1]), names))
    known: dict[int, set[str]] = {0: set()}
    while True:
        grown = len(known)
        for one, other, names in joints:
            for near, far in ((one, other), (other, one)):
                if near in known and far not in known:
                    known[far] = known[near] | names
        if len(known) == grown:
            return known


def path_bodies(path: Any) -> set[int]:
    """Mobilized bodies that a path has points or wrap objects on."""
    frames = [point.getParentFrame() for point in path.getPathPointSet()]
    frames += [wrap.getWrapObject().getFrame() for wrap in path.getWrapSet()]
    return {int(frame.getMobilizedBodyIndex()) for frame in frames}


def moving_coordinates(path: Any) -> set[str]:
    """Names of the coordinates that move points of a path on their bodies."""
    moving = [opensim.MovingPathPoint.safeDownCast(point) for point in path.getPathPointSet()]
    return {
        axis.getName()
        for point in moving
        if point is not None
        for axis in (point.getXCoordinate(), point.getYCoordinate(), point.getZCoordinate())
    }


def _refuse_turning(session: Session, muscle: Any, moving: set[str]) -> None:
    """Refuse points moved by a coordinate whose speed is not its rate: OpenSim moves them by the speed."""
    turning = {session.coordinates[index].getName() for joint in session.turning for index in joint}
    if wrong := sorted(moving & turning):
        got = f"'{wrong[0]}' moving a point of '{muscle.getName()}'"
        fix = "OpenSim takes its speed for its rate there: replace the joint by a CustomJoint, or fix the point."
        expected = "MovingPathPoints of coordinates whose speeds are their rates"
        raise ModelError(explain(expected, got, fix, session.key.path))


def wraps(muscle: Any) -> int:
    """How many objects a muscle may wrap over."""
    path = opensim.GeometryPath.safeDownCast(muscle.getPath())
    return 0 if path is None else int(path.getWrapSet().getSize())


def pulls_within(muscle: Any) -> bool:
    """Whether a point that moves on its body has a neighbour there.

    OpenSim lets no force act between two points on one body, although their distance changes: its moment arm is
    not −∂l/∂q, which conserves energy.
    """
    path = opensim.GeometryPath.safeDownCast(muscle.getPath())
    points = [] if path is None else list(path.getPathPointSet())
    moves = [opensim.MovingPathPoint.safeDownCast(point) is not None for point in points]
    if not any(moves):
        return False
    bodies = [int(point.getParentFrame().getMobilizedBodyIndex()) for point in points]
    pairs = zip(pairwise(bodies), pairwise(moves), strict=True)
    return any(one == other and (first or second) for (one, other), (first, second) in pairs)


def winding(muscle: Any) -> bool:
    """Whether a muscle wraps over anything or moves its points; if not, its path is a chain of fixed points."""
    path = opensim.GeometryPath.safeDownCast(muscle.getPath())
    return path is not None and bool(path.getWrapSet().getSize() or moving_coordinates(path))


def tension_arms(session: Session, to_free: Array, probed: Any) -> dict[int, Array]:
    """Moment arms (D,) of some muscles, as generalized forces of a unit tension along their path.

    Equal to OpenSim's ``computeMomentArm`` to rounding, except for moving points (``pulls_within``), and with its
    error: for a wrap point that a later pass moved, OpenSim takes the direction of pull from the old place and applies
    it at the new one (0.1 to 0.4 mm of moment arm on a gastrocnemius, also about joints it does not cross). A muscle
    with several wrap objects that touches fewer than two now has no such point, and is omitted. The posture must
    be realized.
    """
    found = {int(muscle): _waypoints(session, session.muscles[muscle]) for muscle in probed}
    found = {muscle: points for muscle, points in found.items() if points}
    if not found:
        return {}
    waypoints = list(found.values())
    body = np.array([point[0] for points in waypoints for point in points])
    place, applied = (np.array([point[i] for points in waypoints for point in points]) for i in (1, 2))
    first = np.cumsum([0, *(len(points) for points in waypoints)])
    moves = np.array([point[3] is not None for points in waypoints for point in points])
    pull = _pulls(body, place, first, moves)
    arm = applied - _origins(session, body)
    force = np.concatenate([_cross(arm, pull), pull], axis=1)
    system = opensim.Matrix()
    session.model.getMatterSubsystem().calcSystemJacobian(session.state, system)
    rows = system.to_numpy().reshape(-1, 6, len(session.mobility))[body]
    generalized = np.einsum("pi,piu->pu", force, rows)
    moving = (motion for points in waypoints for *_, motion in points)
    for index, (mobility, slope) in ((i, motion) for i, motion in enumerate(moving) if motion is not None):
        generalized[index, mobility] += slope @ pull[index]
    total = np.add.reduceat(generalized, first[:-1], axis=0)[:, session.mobility]
    return dict(zip(found, total @ to_speeds(session, to_free), strict=True))


def _pulls(body: Index, place: Array, first: Index, moves: Mask) -> Array:
    """Force (P, 3) of a unit tension at each point; neighbours on one body pull each other only where one moves."""
    way = np.diff(place, axis=0)
    length = np.sqrt((way * way).sum(axis=1))
    apart = (body[1:] != body[:-1]) | moves[1:] | moves[:-1]
    apart[first[1:-1] - 1] = False  # from the last point of one muscle to the first of the next
    way *= (apart / np.where(apart, length, 1.0))[:, None]
    pull = np.zeros_like(place)
    pull[:-1] = way
    pull[1:] -= way
    return pull


def _cross(a: Array, b: Array) -> Array:
    """Cross products by row; ``np.cross`` costs ten times as much on arrays this small."""
    (ax, ay, az), (bx, by, bz) = a.T, b.T
    return np.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], axis=1)


def _origins(session: Session, body: Index) -> Array:
    """Origins (P, 3) of mobilized bodies in ground."""
    bodies, used = _bodies_by_index(session), set(body.tolist()) - {0}
    places = {0: np.zeros(3), **{i: bodies[i].getPositionInGround(session.state).to_numpy() for i in used}}
    return np.array([places[index] for index in body.tolist()])


@lru_cache(maxsize=2)
def _bodies_by_index(session: Session) -> dict[int, Any]:
    return {int(body.getMobilizedBodyIndex()): body for body in session.model.getBodyList()}


def _waypoints(session: Session, muscle: Any) -> list[tuple[int, Array, Array, Any]]:
    """By point of the path: body, place for the direction of pull, place where it applies (in ground), its motion."""
    state = session.state
    current = muscle.getGeometryPath().getCurrentPath(state)
    path = [current.get(index) for index in range(current.getSize())]
    winds = [point.getWrapObject() is not None for point in path]
    if wraps(muscle) > 1 and sum(winds) < 4:
        return []
    points = []
    for point, on_wrap in zip(path, winds, strict=True):
        frame = point.getParentFrame()
        applied = place = point.getLocationInGround(state).to_numpy()
        if on_wrap:
            here = point.getLocation(state)
            inside = opensim.Vec3(here.get(0), here.get(1), here.get(2))
            applied = frame.findStationLocationInGround(state, inside).to_numpy()
        motion = None if place is not applied else _motion(session, point, frame)
        points.append((int(frame.getMobilizedBodyIndex()), place, applied, motion))
    return points


def _motion(session: Session, point: Any, frame: Any) -> tuple[int, Array] | None:
    """For a moving point: the speed that moves it and its motion per unit of that, in ground."""
    mover = opensim.MovingPathPoint.safeDownCast(point)
    if mover is None:
        return None
    slope = frame.expressVectorInGround(session.state, mover.getdPointdQ(session.state)).to_numpy()
    names = [coordinate.getName() for coordinate in session.coordinates]
    return session.mobility[names.index(mover.getXCoordinate().getName())], slope
