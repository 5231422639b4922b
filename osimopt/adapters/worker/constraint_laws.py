"""Prescribed coordinates, couplers and constraints in plain numbers; what cannot be written so is named, with why."""

from __future__ import annotations

from typing import Any

import numpy as np
import opensim

from ...multibody.description import Asked, Constraint, ConstraintKind, CoordinateCoupler
from ...problem.arrays import Array, Index
from .bodies import base_frame
from .functions import NotDescribedError, Rows
from .parts import Session

#: By class: kind, sockets and properties of the places. OpenSim takes a place as one in the body, whatever offset the
#: frame of the socket has there; of a WeldConstraint it takes the frames.
KINDS: dict[str, tuple[ConstraintKind, tuple[str, str], tuple[str, str]]] = {
    "PointConstraint": ("point", ("body_1", "body_2"), ("location_body_1", "location_body_2")),
    "ConstantDistanceConstraint": ("distance", ("body_1", "body_2"), ("location_body_1", "location_body_2")),
    "PointOnLineConstraint": ("line", ("line_body", "follower_body"), ("point_on_line", "point_on_follower")),
}


def describe_prescribed(session: Session, rows: Rows, asked: list[Asked]) -> Index:
    """Rows (N,) of the functions of time that prescribe coordinates, -1 for the others."""
    found = np.full(len(session.coordinates), -1, dtype=np.intp)
    for index, coordinate in enumerate(session.coordinates):
        if index in session.dependents() or not coordinate.isPrescribed(session.state):
            continue
        try:
            found[index] = rows.add(coordinate.getPrescribedFunction())
        except NotDescribedError as error:
            asked.append(Asked("coordinate", coordinate.getName(), str(error)))
    return found


def describe_couplers(session: Session, rows: Rows, asked: list[Asked]) -> tuple[CoordinateCoupler, ...]:
    """The couplers that are enforced, each after those that its independent coordinate follows."""
    found = []
    for coupler in session.couplers:
        try:
            if len(coupler.independents) != 1:
                raise NotDescribedError(f"its function is of {len(coupler.independents)} coordinates")
            row = rows.add(coupler.function)
            found.append(CoordinateCoupler(coupler.name, coupler.dependent, *coupler.independents, row, coupler.scale))
        except NotDescribedError as error:
            asked.append(Asked("coupler", coupler.name, str(error)))
    return tuple(found)


def describe_constraints(session: Session, bodies: tuple[str, ...], asked: list[Asked]) -> tuple[Constraint, ...]:
    """The constraints between bodies that are enforced."""
    found = []
    for part in session.loops.constraints if session.loops else ():
        kind = part.getConcreteClassName()
        if kind == "WeldConstraint":
            own = opensim.WeldConstraint.safeDownCast(part)
            ends = [base_frame(frame) for frame in (own.getFrame1(), own.getFrame2())]
            found.append(_constraint(own, "weld", ends, bodies))
        elif kind in KINDS:
            own = getattr(opensim, kind).safeDownCast(part)
            means, sockets, places = KINDS[kind]
            names = [_body(own, socket) for socket in sockets]
            frames = [_at(getattr(own, f"get_{place}")().to_numpy()) for place in places]
            if means == "line":
                frames[0][:3, :3] = _along(own.get_line_direction_vec().to_numpy())
            number = own.get_constant_distance() if means == "distance" else 0.0
            found.append(_constraint(own, means, list(zip(names, frames, strict=True)), bodies, number))
        else:
            asked.append(Asked("constraint", part.getName(), f"it is of class {kind}"))
    return tuple(found)


def _constraint(
    part: Any, kind: ConstraintKind, ends: list[tuple[str, Array]], bodies: tuple[str, ...], number: float = 0.0
) -> Constraint:
    (one, in_one), (other, in_other) = ends
    return Constraint(part.getName(), kind, (bodies.index(one), bodies.index(other)), (in_one, in_other), number)


def _body(part: Any, socket: str) -> str:
    return str(opensim.PhysicalFrame.safeDownCast(part.getConnectee(socket)).findBaseFrame().getName())


def _at(place: Array) -> Array:
    frame = np.eye(4)
    frame[:3, 3] = place
    return frame


def _along(direction: Array) -> Array:
    """Axes (3, 3) of which z has a direction."""
    z = direction / np.linalg.norm(direction)
    x = np.cross(z, np.eye(3)[np.argmin(np.abs(z))])  # as Simbody chooses it
    x = x / np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z], axis=1)
