"""External loads low-passed as wrenches: each force together with its moment about a fixed point."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np

from ..errors import InputError, explain
from ..files.series import refuse_gaps
from ..files.storage import write_atomically
from ..files.table import Table
from ..problem.arrays import Array
from ..signals import lowpass
from .loads import LOADS, USED, ExternalLoads, acting_forces, axes_of, body_of, columns_of
from .model import parse_xml, scratch_folder

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element


#: m; a point of application that moves by less is fixed.
STILL = 1e-9
OPTION = "lowpass_loads_hz"
#: Beginnings of the new columns, after the number of the force.
PREFIXES = {"force": "force_v", "point": "point_p", "torque": "torque_"}


def lowpass_loads(loads: ExternalLoads, cutoff_hz: float | None) -> ExternalLoads:
    """Low-pass the force of each ExternalForce and its moment about a fixed point, as the motion is low-passed.

    A centre of pressure is a moment divided by a force. It is not filtered: it has large errors where the force is
    small, and a filtered one does not give the moment of the filtered force. Instead the force F and the moment
    T + (p - c) × F about a fixed point c are filtered over the whole file; the filtered force is applied at c, with the
    filtered moment as its torque. The filter is linear, so that the wrench does not depend on c. The mean of p weighted
    by F² is used, about which the moments are small. Forces without a point still act at the origin of their body.

    Parameters
    ----------
    loads
        As read; they are returned unchanged where ``cutoff_hz`` is None.
    cutoff_hz
        Of :func:`osimopt.signals.lowpass`.

    Returns
    -------
    ExternalLoads
        With filtered columns at the times of the file, and a new XML for OpenSim that names these columns.

    Raises
    ------
    InputError
        NaN in a column that acts, a cutoff beyond half the sampling rate, or a point that moves in another body than
        the one its force is expressed in: the moment then depends on the motion.

    References
    ----------
    Bisseling & Hof (2006), doi:10.1016/j.jbiomech.2005.07.021; Bezodis et al. (2013),
    doi:10.1016/j.gaitpost.2013.02.015
    """
    if cutoff_hz is None:
        return loads
    document, columns = parse_xml(loads.path, LOADS[1]), dict[str, Array]()
    applied: dict[str, list[tuple[str, str, str]]] = {"force": [], "torque": []}
    for number, force in enumerate(acting_forces(document), 1):
        for kind, value in _wrench(force, loads).items():
            prefix = f"{number}_{PREFIXES[kind]}"
            axes = axes_of(prefix)
            columns |= zip(axes, value.T, strict=True)
            _name(force, f"{kind}_identifier", prefix)
            if kind in applied:
                applied[kind].append(axes)
    if not columns:
        return loads
    _remove_others(document)
    _name(next(part for part in document.iter() if part.find("objects") is not None), "datafile", USED)
    table = _filtered(loads.table, columns, cutoff_hz)
    by_kind = {kind: tuple(axes) for kind, axes in applied.items()}
    return replace(loads, table=table, applied=by_kind, rewritten=_write(document, loads.path))


def _wrench(force: Element, loads: ExternalLoads) -> dict[str, Array]:
    """Arrays (T, 3) of one ExternalForce by kind: force in N, torque about the fixed point in N·m, fixed point in m."""
    table = loads.table  # OpenSim takes the columns in the order of the file, whatever their last letters
    columns = {kind: [label for label in table.columns if label in axes] for kind, axes in columns_of(force).items()}
    refuse_gaps(table[[label for labels in columns.values() for label in labels]], loads.data)
    given = {kind: table[labels].to_numpy(dtype=float) for kind, labels in columns.items()}
    if "force" not in given or "point" not in given:
        return {kind: value for kind, value in given.items() if kind != "point"}
    size = np.sum(given["force"] ** 2, axis=1)
    if not size.any():
        return {**given, "point": np.zeros_like(given["point"])}
    centre = size @ given["point"] / size.sum()
    lever = np.where(size[:, None] > 0.0, given["point"] - centre, 0.0)
    frames = {part: body_of(force, f"{part}_expressed_in_body") for part in ("force", "point")}
    if frames["force"] != frames["point"] and np.abs(lever).max() > STILL:
        got = f"a force in {frames['force']} and a point that moves in {frames['point']}"
        fix = f"Express both in one body, or leave {OPTION} out."
        where = f"{loads.path}, ExternalForce '{force.get('name')}'"
        raise InputError(explain(f"force and point in one body, with {OPTION}", got, fix, where))
    moment = given.get("torque", 0.0) + np.cross(lever, given["force"])
    return {"force": given["force"], "point": np.tile(centre, (len(size), 1)), "torque": moment}


def _filtered(table: Table, columns: Mapping[str, Array], cutoff_hz: float) -> Table:
    """The columns at the table's times, all but the fixed points low-passed."""
    moving = [label for label in columns if PREFIXES["point"] not in label]
    smooth = lowpass(
        table.index.to_numpy(dtype=float), np.stack([columns[one] for one in moving], 1), cutoff_hz, OPTION
    )
    filtered = {**columns, **dict(zip(moving, smooth.T, strict=True))}
    return Table(np.stack(list(filtered.values()), axis=1), table.index, filtered)


def _name(part: Element, tag: str, identifier: str) -> None:
    found = part.find(tag)
    (ElementTree.SubElement(part, tag) if found is None else found).text = identifier


def _remove_others(document: Element) -> None:
    """Remove forces that are switched off: OpenSim looks for their columns too."""
    acting = acting_forces(document)
    for parent in list(document.iter()):
        for force in [child for child in parent.findall("ExternalForce") if child not in acting]:
            parent.remove(force)


def _write(document: Element, path: Path) -> Path:
    """Write the XML for OpenSim; its name is a hash of its contents."""
    text = ElementTree.tostring(document, encoding="unicode")
    target = scratch_folder() / f"{path.stem}-{hashlib.sha256(text.encode()).hexdigest()[:16]}.xml"
    if not target.exists():
        write_atomically(target, text)
    return target
