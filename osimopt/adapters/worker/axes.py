"""Whether a coordinate is an angle or a translation, by what its joint does with it."""

from __future__ import annotations

from typing import Any

import numpy as np
import opensim

#: Where functions of axes are asked, in rad or m, and by how much an identity may differ there.
PROBES, IDENTITY = np.linspace(-4.0, 4.0, 9), 1e-9
#: Axes of a SpatialTransform: three rotations, then three translations.
AXES, ROTATIONS = 6, 3


def is_rotational(coordinate: Any) -> bool:
    """Whether a coordinate is an angle.

    Of a CustomJoint: one that only turns is, one that only shifts is not, whatever functions its axes have (OpenSim
    calls both "Coupled" where these are no identities). One that does both, as a knee's angle that shifts the shank, is
    what the axis that it moves by itself says; an angle where none does.
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


def is_converted(coordinate: Any) -> bool:
    """Whether OpenSim's tools convert a coordinate's columns between degrees and radians."""
    return bool(coordinate.getMotionType() == opensim.Coordinate.Rotational)


def _moved_by(transform: Any, name: str) -> dict[int, bool]:
    """Axes that a coordinate moves, and whether it does so by itself: by the identity, perhaps shifted or reversed."""
    moved = {}
    for index in range(AXES):
        axis = transform.getTransformAxis(index)
        names = axis.getCoordinateNames()
        arguments = [names.getValue(i) for i in range(names.size())]
        if name not in arguments or not axis.hasFunction():
            continue
        values = _values(axis.getFunction(), len(arguments), arguments.index(name))
        change = np.diff(values)
        if np.abs(change).max() > 0.0:
            moved[index] = bool(np.nanmax(np.abs(np.abs(change) - np.diff(PROBES))) < IDENTITY)
    return moved


def _values(function: Any, size: int, place: int) -> Any:
    """Values of a function of ``size`` arguments along one of them."""
    values = []
    for probe in PROBES:
        arguments = np.full(size, 0.3)
        arguments[place] = probe
        values.append(function.calcValue(opensim.Vector.createFromMat(arguments)))
    return np.array(values)
