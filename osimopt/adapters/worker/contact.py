"""Forces of the model that press on the ground, as measured ground reactions do."""

from __future__ import annotations

from typing import Any

import opensim

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
