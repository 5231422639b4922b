"""External loads of a file at the frames of a motion, in plain arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..errors import ModelError, did_you_mean, explain, some
from ..multibody.loads import MeasuredLoads
from ..problem.arrays import Array, Index
from .loads import LOADS, ExternalLoads, acting_forces, body_of, columns_of
from .model import read_xml

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

#: Labels of the columns x, y and z.
Axes = tuple[str, str, str]
#: Rows from which OpenSim's ExternalForce takes a cubic spline.
FEWEST_ROWS = 4


def check_bodies(loads: ExternalLoads, bodies: Sequence[str]) -> None:
    """Refuse loads on ``bodies`` that a model does not have, or in their axes.

    Raises
    ------
    ModelError
        A body that the model does not have; of a force that is switched off, only what it is applied to.
    """
    for force in read_xml(loads.path, *LOADS).iterfind(".//objects/ExternalForce"):
        _row(loads, force, body_of(force, "applied_to_body", ""), bodies)
    _places(loads, bodies)


def measured_loads(loads: ExternalLoads, bodies: Sequence[str], time: Array) -> MeasuredLoads:
    """The loads at times (T,) s within those of the file, on the ``bodies`` of a model.

    Between samples, each column follows the natural cubic spline by which OpenSim's ExternalForce interpolates it, or
    straight lines in tables of fewer than four rows. A force without a point acts at the origin of its body.

    Raises
    ------
    ModelError
        A body that the model does not have.
    """
    parts, (body, frame, place) = _places(loads, bodies)
    values, labels = _interpolated(loads, time), list(loads.table.columns)

    def sampled(kind: str) -> Array:
        found = [values[:, [labels.index(label) for label in part.get(kind, ())]] for part in parts]
        return np.array([one.T if one.size else np.zeros((3, len(time))) for one in found]).reshape(-1, 3, len(time))

    return MeasuredLoads(body, frame, place, sampled("force"), sampled("point"), sampled("torque"))


def _places(loads: ExternalLoads, bodies: Sequence[str]) -> tuple[list[dict[str, Axes]], list[Index]]:
    """Columns of each force that acts, and the bodies on which, and in whose axes, forces and points are."""
    forces = acting_forces(read_xml(loads.rewritten or loads.path, *LOADS))
    parts = [columns_of(force) for force in forces]
    applied = [body_of(force, "applied_to_body", "") for force in forces]
    expressed = [body_of(force, "force_expressed_in_body") for force in forces]
    placed = [
        body_of(force, "point_expressed_in_body") if "point" in part else body
        for force, part, body in zip(forces, parts, applied, strict=True)
    ]
    return parts, [
        np.array([_row(loads, force, name, bodies) for force, name in zip(forces, names, strict=True)], dtype=np.intp)
        for names in (applied, expressed, placed)
    ]


def _interpolated(loads: ExternalLoads, time: Array) -> Array:
    """All columns (T, C) of the table, as OpenSim interpolates them."""
    if len(loads.table) >= FEWEST_ROWS:
        return np.asarray(loads.spline(time))
    rows, values = loads.table.index.to_numpy(dtype=float), loads.table.to_numpy(dtype=float)
    return np.stack([np.interp(time, rows, column) for column in values.T], axis=1)


def _row(loads: ExternalLoads, force: Element, body: str, bodies: Sequence[str]) -> int:
    if body and body in bodies:
        return list(bodies).index(body)
    bodies = [name for name in bodies if name]  # OpenSim makes scapulothoracic joints of two, with a body in between
    fix = did_you_mean([body], bodies, "Correct the file, or use the one of this model.")
    got = f"'{body}' in ExternalForce '{force.get('name', '')}'"
    raise ModelError(explain(f"a body of the model ({some(bodies, 40)})", got, fix, loads.path))
