"""Forces and actuators of a model other than muscles, as laws in plain numbers; the rest is named, with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import opensim

from ...multibody.description import Asked, ForceLaw
from ...problem.arrays import Array
from .bodies import base_frame
from .functions import NotDescribedError
from .parts import Session
from .path_description import Describer

#: Sockets and properties by which forces name what they connect.
_SOCKETS = {
    "BushingForce": ("frame1", "frame2"),
    "FunctionBasedBushingForce": ("frame1", "frame2"),
    "PointToPointSpring": ("body1", "body2"),
    "PrescribedForce": ("frame",),
}
_BODIES = {"PointActuator": ("body",), "PointToPointActuator": ("bodyA", "bodyB"), "TorqueActuator": ("bodyA", "bodyB")}
_ON_COORDINATE = {
    "ActivationCoordinateActuator",
    "CoordinateActuator",
    "CoordinateLimitForce",
    "SpringGeneralizedForce",
}
_ALONG_PATH = {"Blankevoort1991Ligament", "Ligament", "PathActuator", "PathSpring"}
#: Functions in the order of ``ForceLaw.functions``; those of a FunctionSet are three or none.
_FUNCTIONS = {
    "FunctionBasedBushingForce": (
        *(f"m_{axis}_theta_{axis}_function" for axis in "xyz"),
        *(f"f_{axis}_delta_{axis}_function" for axis in "xyz"),
    ),
    "Ligament": ("force_length_curve",),
}
_FUNCTION_SETS = {"PrescribedForce": ("ForceFunctions", "PointFunctions", "TorqueFunctions")}
LAWS = {*_SOCKETS, *_BODIES, *_ON_COORDINATE, *_ALONG_PATH}
#: Numbers of a CoordinateLimitForce per degree of an angle, and in degrees.
_PER_DEGREE = ("upper_stiffness", "lower_stiffness", "damping")
_IN_DEGREES = ("upper_limit", "lower_limit", "transition")
#: Why a class has no law here.
NO_LAW = {
    **{
        f"ExpressionBased{what}Force": "its law is a text" for what in ("Bushing", "Coordinate", "Path", "PointToPoint")
    },
    "ElasticFoundationForce": "contact of surfaces",
    "ExponentialContactForce": "contact with friction, which has states",
    "ExternalForce": "external loads are read from their own files",
    "HuntCrossleyForce": "contact of surfaces",
    "MeyerFregly2016Force": "contact of surfaces",
    "SmoothSphereHalfSpaceForce": "contact of surfaces",
}


def describe_forces(
    session: Session, describer: Describer, asked: list[Asked]
) -> tuple[tuple[ForceLaw, ...], tuple[ForceLaw, ...]]:
    """Laws of the forces that act, and of the actuators; those without one are ``asked``."""

    def laws(forces: Sequence[Any]) -> tuple[ForceLaw, ...]:
        found = []
        for force in forces:
            try:
                found.append(_law(session, force, describer))
            except NotDescribedError as reason:
                asked.append(Asked("force", force.getName(), f"{force.getConcreteClassName()}: {reason}"))
        return tuple(found)

    return laws(_acting(session)), laws(session.actuators)


def _acting(session: Session) -> list[Any]:
    """Forces other than muscles and actuators that are switched on; external loads are read from their own files."""
    passive = [force for force in session.forces if opensim.Actuator.safeDownCast(force) is None]
    acting = [force for force in passive if force.appliesForce(session.state)]
    loaded = session.key.loads is not None
    return [force for force in acting if not (loaded and force.getConcreteClassName() == "ExternalForce")]


def _law(session: Session, force: Any, describer: Describer) -> ForceLaw:
    kind = force.getConcreteClassName()
    if kind not in LAWS:
        raise NotDescribedError(NO_LAW.get(kind, "a class that osimopt does not know"))
    own = getattr(opensim, kind).safeDownCast(force)
    placed = [base_frame(frame) for frame in _frames(session, own, kind)]
    return ForceLaw(
        name=force.getName(),
        kind=kind,
        bodies=tuple(describer.bodies.index(body) for body, _ in placed),
        frames=np.array([frame for _, frame in placed]).reshape(-1, 4, 4),
        coordinate=_coordinate(session, own) if kind in _ON_COORDINATE else -1,
        path=describer.other(force.getName(), own.getPath()) if kind in _ALONG_PATH else -1,
        functions=_functions(own, kind, describer),
        numbers=_numbers(session, own, kind),
    )


def _frames(session: Session, force: Any, kind: str) -> list[Any]:
    sockets = [opensim.PhysicalFrame.safeDownCast(force.getConnectee(name)) for name in _SOCKETS.get(kind, ())]
    if kind == "PointToPointSpring":  # its points are on the bodies, whatever offset the frames have there
        sockets = [opensim.PhysicalFrame.safeDownCast(frame.findBaseFrame()) for frame in sockets]
    names = [_text(force, name).split("/")[-1] for name in _BODIES.get(kind, ())]
    model = session.model
    return sockets + [model.getGround() if n == "ground" else model.getBodySet().get(n) for n in names]


def _coordinate(session: Session, force: Any) -> int:
    names = [coordinate.getName() for coordinate in session.coordinates]
    return names.index(_text(force, "coordinate").split("/")[-1])


def _text(force: Any, name: str) -> str:
    return str(opensim.PropertyHelper.getValueString(force.getPropertyByName(name)))


def _functions(force: Any, kind: str, describer: Describer) -> tuple[int, ...]:
    rows = [describer.rows.add(getattr(force, f"get_{name}")()) for name in _FUNCTIONS.get(kind, ())]
    for name in _FUNCTION_SETS.get(kind, ()):
        functions = getattr(force, f"get{name}")()
        given = [functions.get(index) for index in range(functions.getSize())]
        rows += [describer.rows.add(function) for function in given] if len(given) == len("xyz") else [-1] * len("xyz")
    return tuple(rows)


def _numbers(session: Session, force: Any, kind: str) -> dict[str, Array]:
    """All numbers, vectors and switches of a force by OpenSim's names, in SI units."""
    read = {
        "double": opensim.PropertyHelper.getValueDouble,
        "bool": opensim.PropertyHelper.getValueBool,
        "Vec3": lambda found: [opensim.PropertyHelper.getValueVec3(found, index) for index in range(3)],
    }
    found = [force.getPropertyByIndex(index) for index in range(force.getNumProperties())]
    known = [one for one in found if one.getTypeName() in read and one.size() == 1 and one.getName() != "appliesForce"]
    numbers = {one.getName(): np.array(read[one.getTypeName()](one), dtype=float) for one in known}
    if kind == "CoordinateLimitForce" and _in_degrees(session.coordinates[_coordinate(session, force)]):
        numbers |= {name: np.rad2deg(numbers[name]) for name in _PER_DEGREE}
        numbers |= {name: np.deg2rad(numbers[name]) for name in _IN_DEGREES}
    return numbers


def _in_degrees(coordinate: Any) -> bool:
    """Whether OpenSim takes the limits of a coordinate in degrees: not those of a "Coupled" one, though an angle."""
    return bool(coordinate.getMotionType() == opensim.Coordinate.Rotational)
