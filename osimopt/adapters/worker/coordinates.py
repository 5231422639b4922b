"""Coordinates of a model, their functions and places in OpenSim's state; the forces that press on the ground."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import opensim

from ...problem.arrays import Array

#: Arguments in rad or m at which functions of axes are evaluated, and how exactly an identity must hold.
PROBES, IDENTITY = np.linspace(-4.0, 4.0, 9), 1e-9
#: Axes of a SpatialTransform: three rotations, then three translations.
AXES, ROTATIONS = 6, 3
#: Rounding error of zeros and ones in N.
ROUNDING = 1e-12
#: Classes whose contact is between geometries that their parameters name.
_BY_GEOMETRY = {"HuntCrossleyForce", "ElasticFoundationForce"}
#: Contact classes whose other side is the ground by definition.
_ON_GROUND = {
    "ExponentialContactForce",
    "MeyerFregly2016Force",
    "AckermannVanDenBogert2010Force",
    "EspositoMiller2018Force",
}
#: Contact classes with a socket to each side, which leads to a ContactGeometry or a frame.
_BY_SOCKET = {"SmoothSphereHalfSpaceForce", "Smith2018ArticularContactForce"}
#: Forces between two frames that push as well as pull: between a body and the ground of a model with a free base they
#: stand for a floor.
_BETWEEN_FRAMES = {"BushingForce", "ExpressionBasedBushingForce", "FunctionBasedBushingForce"}


def evaluate(function: Any, at: Any) -> float:
    """Value of an OpenSim function at arguments (n,)."""
    return float(function.calcValue(opensim.Vector.createFromMat(at)))


def derivative(function: Any, at: Any, *arguments: int) -> float:
    """Derivative of an OpenSim function at (n,), by these arguments: one for a slope, two for a second derivative."""
    return float(function.calcDerivative(_order(*arguments), opensim.Vector.createFromMat(at)))


@lru_cache
def _order(*arguments: int) -> Any:
    order = opensim.StdVectorInt()
    for index in arguments:
        order.append(index)
    return order


def is_rotational(coordinate: Any) -> bool:
    """Whether a coordinate is an angle.

    In a CustomJoint, a coordinate that moves only rotation axes is an angle and one that moves only translation axes is
    not, whatever their functions (OpenSim calls both "Coupled" where these are no identities). One that moves both, as
    a knee angle that shifts the shank, is of the type of the axis that it moves by the identity; an angle where there
    is none.
    """
    custom = opensim.CustomJoint.safeDownCast(coordinate.getJoint())
    enumerated = bool(coordinate.getMotionType() != opensim.Coordinate.Translational)
    if custom is None:
        return enumerated
    moved = _moved_by(custom.getSpatialTransform(), coordinate.getName())
    turns, shifts = ([axis for axis in moved if (axis < ROTATIONS) == kind] for kind in (True, False))
    if not (turns and shifts):
        return bool(turns) if moved else enumerated
    plain_turns, plain_shifts = (any(moved[axis] for axis in axes) for axes in (turns, shifts))
    return enumerated if plain_turns and plain_shifts else not plain_shifts


def _moved_by(transform: Any, name: str) -> dict[int, bool]:
    """Axes that a coordinate moves, and whether its function there is the identity, perhaps shifted or reversed."""
    moved = {}
    for index in range(AXES):
        axis = transform.getTransformAxis(index)
        names = axis.getCoordinateNames()
        arguments = [names.getValue(i) for i in range(names.size())]
        if name not in arguments or not axis.hasFunction():
            continue
        at = np.full((len(PROBES), len(arguments)), 0.3)
        at[:, arguments.index(name)] = PROBES
        change = np.diff([evaluate(axis.getFunction(), row) for row in at])
        if np.abs(change).max() > 0.0:
            moved[index] = bool(np.nanmax(np.abs(np.abs(change) - np.diff(PROBES))) < IDENTITY)
    return moved


def places_in_q(state: Any, coordinates: list[Any]) -> list[int]:
    """Index of each coordinate in q: a joint with more q than u has places that no coordinate uses."""
    before = opensim.Vector(state.getQ())
    places = []
    for coordinate in coordinates:
        locked = coordinate.getLocked(state)
        if locked:
            coordinate.setLocked(state, False)
        old = coordinate.getValue(state)
        was = state.getQ().to_numpy().copy()
        coordinate.setValue(state, old + 1.0, False)
        places.append(int(np.argmax(np.abs(state.getQ().to_numpy() - was))))
        coordinate.setValue(state, old, False)
        if locked:
            coordinate.setLocked(state, True)
    state.setQ(before)
    return places


def places_in_u(state: Any, coordinates: list[Any]) -> list[int]:
    """Index of each coordinate's speed in u."""
    before = opensim.Vector(state.getU())
    for index, coordinate in enumerate(coordinates):
        coordinate.setSpeedValue(state, float(index + 1))
    order = state.getU().to_numpy().round().astype(int).tolist()
    state.setU(before)
    return [order.index(index + 1) for index in range(len(coordinates))]


def find_turning(model: Any, state: Any, place: list[int], mobility: list[int]) -> list[list[int]]:
    """Coordinates whose rates are not their speeds, by joint: where N is no identity in a posture without symmetry."""
    before = opensim.Vector(state.getQ())
    tilted = np.zeros(state.getNQ())
    tilted[place] = 0.3 + (0.1 * np.arange(len(place))) % 0.5
    state.setQ(opensim.Vector.createFromMat(tilted))
    model.realizePosition(state)
    rates = np.stack([rates_of_speed(model, state, index)[place] for index in mobility], axis=1)
    state.setQ(before)
    linked = np.abs(rates - np.eye(len(place))) > ROUNDING
    joints: list[list[int]] = []
    for index in np.flatnonzero(linked.any(axis=0) | linked.any(axis=1)).tolist():
        known = next((joint for joint in joints if linked[joint, index].any() or linked[index, joint].any()), None)
        if known is None:
            joints.append([index])
        else:
            known.append(index)
    return joints


def rates_of_speed(model: Any, state: Any, mobility: int) -> Array:
    """Rates q̇ (NQ,) of one speed u = 1: a column of N, in the posture that is realized."""
    unit, out = opensim.Vector(state.getNU(), 0.0), opensim.Vector(state.getNQ(), 0.0)
    unit.set(mobility, 1.0)
    model.getMatterSubsystem().multiplyByN(state, False, unit, out)
    return np.array(out.to_numpy())


def presses_on_ground(model: Any, force: Any, free_base: bool) -> bool:
    """Whether a force of a model presses a body on the ground."""
    kind = force.getConcreteClassName()
    if kind in _ON_GROUND:
        return True
    if kind in _BY_GEOMETRY:
        return any(_is_ground(geometry.getFrame()) for geometry in _geometries(model, force))
    if kind in _BY_SOCKET or (kind in _BETWEEN_FRAMES and free_base):
        return any(_is_ground(frame) for frame in _connected(force))
    if kind == "ExpressionBasedPointToPointForce" and free_base:
        between = opensim.ExpressionBasedPointToPointForce.safeDownCast(force)
        return "ground" in (between.get_body1().split("/")[-1], between.get_body2().split("/")[-1])
    return False


def _geometries(model: Any, force: Any) -> list[Any]:
    """The contact geometries that a force's parameters name; Python can read these as text only."""
    known = {geometry.getName(): geometry for geometry in model.getContactGeometrySet()}
    listed = force.getPropertyByName("contact_parameters").getValueAsObject(0).getPropertyByName("objects")
    parameters = [listed.getValueAsObject(index) for index in range(listed.size())]
    texts = [parameter.getPropertyByName("geometry").toString().strip("()") for parameter in parameters]
    words = [word for text in texts for word in text.split()]
    return [known[name] for word in words if (name := word.split("/")[-1]) in known]


def _connected(force: Any) -> list[Any]:
    """Frames at the ends of a force's sockets."""
    frames = []
    for name in force.getSocketNames():
        end = force.getConnectee(name)
        geometry = opensim.ContactGeometry.safeDownCast(end)
        frame = opensim.PhysicalFrame.safeDownCast(end) if geometry is None else geometry.getFrame()
        if frame is not None:
            frames.append(frame)
    return frames


def _is_ground(frame: Any) -> bool:
    return bool(frame.findBaseFrame().getName() == "ground")
