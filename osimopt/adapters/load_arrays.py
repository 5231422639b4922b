"""External loads of a file at the frames of a motion, in plain arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..errors import ModelError, did_you_mean, explain, some
from ..multibody.loads import MeasuredLoads
from ..problem.arrays import Array
from .loads import LOADS, ExternalLoads, acting_forces, body_of, columns_of
from .model import read_xml

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

#: Rows from which OpenSim's ExternalForce takes a cubic spline.
FEWEST_ROWS = 4


def measured_loads(loads: ExternalLoads, bodies: Sequence[str], time: Array) -> MeasuredLoads:
    """The loads at times (T,) s within those of the file, on the ``bodies`` of a model.

    Between samples, each column follows the natural cubic spline by which OpenSim's ExternalForce interpolates it, or
    straight lines in tables of fewer than four rows. A force without a point acts at the origin of its body.

    Raises
    ------
    ModelError
        A body that the model does not have.
    """
    forces = acting_forces(read_xml(loads.rewritten or loads.path, *LOADS))
    values, labels = _interpolated(loads, time), list(loads.table.columns)

    parts = [columns_of(force) for force in forces]
    applied = [(force.findtext("applied_to_body") or "").strip().split("/")[-1] for force in forces]
    expressed = [body_of(force, "force_expressed_in_body") for force in forces]
    placed = [
        body_of(force, "point_expressed_in_body") if "point" in part else body
        for force, part, body in zip(forces, parts, applied, strict=True)
    ]
    body, frame, place = (
        np.array([_row(loads, force, name, bodies) for force, name in zip(forces, names, strict=True)], dtype=np.intp)
        for names in (applied, expressed, placed)
    )

    def sampled(kind: str) -> Array:
        found = [values[:, [labels.index(label) for label in part.get(kind, ())]] for part in parts]
        return np.array([one.T if one.size else np.zeros((3, len(time))) for one in found]).reshape(-1, 3, len(time))

    return MeasuredLoads(body, frame, place, sampled("force"), sampled("point"), sampled("torque"))


def _interpolated(loads: ExternalLoads, time: Array) -> Array:
    """All columns (T, C) of the table, as OpenSim interpolates them."""
    if len(loads.table) >= FEWEST_ROWS:
        return np.asarray(loads.spline(time))
    rows, values = loads.table.index.to_numpy(dtype=float), loads.table.to_numpy(dtype=float)
    return np.stack([np.interp(time, rows, column) for column in values.T], axis=1)


def _row(loads: ExternalLoads, force: Element, body: str, bodies: Sequence[str]) -> int:
    if body in bodies:
        return list(bodies).index(body)
    fix = did_you_mean([body], bodies, "Correct the file, or use the one of this model.")
    got = f"'{body}' in ExternalForce '{force.get('name', '')}'"
    raise ModelError(explain(f"a body of the model ({some(list(bodies), 40)})", got, fix, loads.path))
