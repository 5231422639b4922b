"""ExternalLoads files, checked before opensim sees them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError, did_you_mean, explain, some
from ..files.given import GivenTable
from ..files.series import ROWS_OF_LOADS, TIME_SLACK, usable
from ..files.storage import read_columns, sha256, write_table
from ..files.table import Table
from ..notices import warn
from ..problem.arrays import Array
from ..signals import natural_cubic_spline
from .messages import ModelKey
from .model import find_file, parse_xml, read_xml, scratch_folder

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element


#: Samples that a natural cubic spline needs.
FEWEST_FRAMES = 8
#: Rows that a part of the loads has beyond its times: a second interpolation looks at 30.
KEPT = 40
#: Identifiers that name no columns.
UNSET = ("", "Unassigned")
#: Elements that hold ExternalForces, and what messages call the file.
LOADS = (("ExternalLoads", "ForceSet"), "an ExternalLoads file (.xml)")
#: Name of the table of low-passed loads in a result folder.
USED = "external_loads.sto"
#: The first version of documents in which OpenSim reads an ExternalForce.
VERSION = 20301
_KINDS = ("force", "point", "torque")


@dataclass(frozen=True, eq=False)
class ExternalLoads:
    """An ExternalLoads XML and the table it refers to; ``applied`` are the columns of the forces and of the torques.

    By kind ("force", "torque"): the columns (x, y, z) of each ExternalForce that acts. ``rewritten`` is the XML that
    names the columns of the table, where they are not those of the file ``data``.
    """

    path: Path
    data: Path | GivenTable
    time_range: tuple[float, float]
    table: Table
    applied: Mapping[str, tuple[tuple[str, str, str], ...]]
    rewritten: Path | None = None

    def largest(self, kind: str) -> float:
        """Largest sum of the magnitudes of all forces (N) or torques (N·m) at one time."""
        return self._largest[kind]

    @cached_property
    def _largest(self) -> dict[str, float]:
        found = {}
        for kind, applied in self.applied.items():
            sizes = [np.linalg.norm(self.table[list(axes)].to_numpy(), axis=1) for axes in applied]
            found[kind] = float(np.sum(sizes, axis=0).max(initial=0.0))
        return found

    def within(self, start: float, end: float) -> ExternalLoads:
        """The same between two times in s, in few bytes: with the splines through all rows, bit by bit."""
        first, last = np.searchsorted(self.table.index.to_numpy(), [start, end])
        cut, spline = replace(self, table=self.table.rows(slice(max(first - KEPT, 0), last + KEPT))), self.spline
        first, last = np.clip(np.searchsorted(spline.t, [start, end], "right") - 1, spline.k, len(spline.c) - 1)
        knots = spline.t[first - spline.k : last + spline.k + 2]
        shorter = type(spline)(knots, spline.c[first - spline.k : last + 1], spline.k)
        cut.__dict__.update(_largest=self._largest, spline=shorter)
        return cut

    def check_covers(self, time: Array) -> None:
        """Refuse frames for which there are no loads."""
        first, last = self.time_range
        if time[0] < first - TIME_SLACK or time[-1] > last + TIME_SLACK:
            got = f"frames from {time[0]:g} to {time[-1]:g} s"
            fix = "Choose a time_range inside it, or the loads of this trial."
            raise InputError(explain(f"frames within the loads' {first:g} to {last:g} s", got, fix, self.data))

    def at(self, time: Array) -> Path:
        """Write the loads as sampled at the frames of a motion, for OpenSim to read; for a few frames, all of them.

        OpenSim interpolates each column by a natural cubic spline and takes 15 ms for one of 5,000 samples, in every
        process. Sampled by the same spline at the frames, the values there are the same, and the file small.
        """
        sampled = FEWEST_FRAMES <= len(time) < len(self.table)
        if not sampled:
            if self.rewritten is None and isinstance(self.data, Path) and self.table.attrs["as_opensim"]:
                return self.data
            time = self.table.index.to_numpy(dtype=float)  # OpenSim would read other numbers from the file itself
        path = self._sampled_path(time)
        if not path.exists():
            values = self.spline(time) if sampled else self.table.to_numpy(dtype=float)
            write_table(Table(values, time, self.table.columns), path, name=self.data.stem)
        return path

    def attached(self, key: ModelKey, time: Array) -> ModelKey:
        """A model with these loads at the frames (T,) s of a motion, whose file is written (:meth:`at`)."""
        data = self.at(time)
        read = None if self.rewritten is None else str(self.rewritten)
        stamps = sha256(self.path), sha256(data)
        return replace(key, loads_stamps=stamps, loads=str(self.path), loads_data=str(data), loads_read=read)

    def as_used(self) -> tuple[str, Table] | None:
        """XML and table of low-passed loads, the XML naming the table as ``USED``; None where the file is used."""
        if self.rewritten is None:
            return None
        return self.rewritten.read_text(encoding="utf-8"), self.table

    def forget(self, time: Array) -> None:
        """Remove the file that ``at`` wrote."""
        self._sampled_path(time).unlink(missing_ok=True)

    def _sampled_path(self, time: Array) -> Path:
        digest = hashlib.sha256(self._content + time.tobytes()).hexdigest()[:16]
        return scratch_folder() / f"{self.data.stem}-{digest}.sto"

    @cached_property
    def _content(self) -> bytes:
        labels = "\t".join(map(str, self.table.columns)).encode()
        return labels + hashlib.sha256(self.table.index.to_numpy().tobytes() + self.table.to_numpy().tobytes()).digest()

    @cached_property
    def spline(self) -> Any:
        """Natural cubic spline through the rows, of all columns at once."""
        return natural_cubic_spline(self.table.index.to_numpy(), self.table.to_numpy())


@dataclass(frozen=True)
class GivenLoads:
    """An ExternalLoads XML, and a table in place of the file that it names."""

    path: str | os.PathLike[str]
    data: GivenTable


def read_external_loads(
    path: str | os.PathLike[str] | GivenLoads, time: Array | None = None, lowpass_hz: float | None = None
) -> ExternalLoads:
    """Check an ExternalLoads XML: its data file exists (beside it, or as an absolute path) and has every column.

    Forces that are switched off, and those without a point of application, are named in a warning; so are columns that
    no force uses, and rows away from the frames (T,) ``time`` s that cannot be used (:func:`usable`).

    Raises
    ------
    InputError
        Anything but ExternalForces, one that OpenSim refuses, columns that are missing or hold NaN.
    """
    given = path if isinstance(path, GivenLoads) else None
    path = Path(path.path if isinstance(path, GivenLoads) else path).resolve()
    data = find_data(path) if given is None else given.data
    table = read_columns(data)
    forces = _forces(path)
    for force in forces:
        _check_columns(path, data, force, list(table.columns))
    _warn_of_forces(path, forces)
    columns = [columns_of(force) for force in forces if not _is_off(force)]
    used, named = _labels(columns), _labels(map(columns_of, forces))
    span = None if time is None else (float(time[0]), float(time[-1]))
    table = usable(table, used, data, span, rows=ROWS_OF_LOADS, lowpass_hz=lowpass_hz)
    if absent := [name for name in named if name not in table.columns]:  # OpenSim wants those of idle forces too
        table = table.replaced(dict.fromkeys(absent, 0.0))
    applied = {kind: tuple(own[kind] for own in columns if kind in own) for kind in ("force", "torque")}
    return ExternalLoads(path, data, (float(table.index[0]), float(table.index[-1])), table, applied)


def find_data(path: str | os.PathLike[str]) -> Path:
    """Find the file with the forces that an ExternalLoads XML names."""
    path = Path(path).resolve()
    name = (read_xml(path, *LOADS).findtext("datafile") or "").strip()
    if not name:
        raise InputError(explain("a <datafile>", "none", "Name the .mot with the forces.", path))
    data = find_file(name, path.parent, Path())
    if data is None:
        fix = f"Put it into {path.parent} or correct <datafile>."
        raise InputError(explain("the <datafile> it names", f"no file '{name}'", fix, path))
    return data


def _forces(path: Path) -> list[Element]:
    """The ExternalForces that OpenSim reads; anything that it refuses is refused here by name."""
    loads = read_xml(path, *LOADS)
    if _text(loads, "external_loads_model_kinematics_file"):
        warn(f"{path}: external_loads_model_kinematics_file is not used, as in OpenSim 4: points are where they are.")
    objects = loads.find("objects")
    parts = [] if objects is None else list(objects)
    if others := [f"{part.tag} '{part.get('name', '')}'" for part in parts if part.tag != "ExternalForce"]:
        fix = "Move other forces into the model or a force set; convert old files with the OpenSim that wrote them."
        raise InputError(explain("an ExternalForce, and nothing else, in <objects>", some(others), fix, path))
    version = parse_xml(path, LOADS[1]).get("Version", "")
    if parts and not (version.isdigit() and int(version) >= VERSION):
        got = f"version '{version}'" if version else "no version"
        fix = 'Write <OpenSimDocument Version="40000"> around <ExternalLoads>.'
        raise InputError(explain(f"an OpenSimDocument of version {VERSION} or later", got, fix, path))
    if others := [force.get("name", "") for force in loads.iter("ExternalForce") if force not in parts]:
        warn(f"{path}: left out: {some(others)}, which OpenSim does not read outside of <objects>.")
    elif not parts:
        warn(f"{path}: no ExternalForce in <objects>: no load acts.")
    for force in parts:
        set_ = columns_of(force).keys()
        where = f"{path}, ExternalForce '{force.get('name', '')}'"
        if not set_ & {"force", "torque"}:
            fix = "Name the columns: ground_force_v for ground_force_vx, ground_force_vy, ground_force_vz."
            raise InputError(explain("a <force_identifier> or a <torque_identifier>", "neither", fix, where))
        if "point" in set_ and "force" not in set_:
            got = f"only <point_identifier> '{_text(force, 'point_identifier')}'"
            fix = "Add the force's identifier, or leave that of its point out."
            raise InputError(explain("a <force_identifier> beside a <point_identifier>", got, fix, where))
    return parts


def _labels(columns: Iterable[Mapping[str, tuple[str, str, str]]]) -> list[str]:
    """Labels of the columns of several forces, each label once."""
    return list(dict.fromkeys(label for own in columns for axes in own.values() for label in axes))


def acting_forces(loads: Element) -> list[Element]:
    """The ExternalForce elements that are not switched off."""
    return [force for force in loads.iterfind(".//objects/ExternalForce") if not _is_off(force)]


def columns_of(force: Element) -> dict[str, tuple[str, str, str]]:
    """Columns (x, y, z) of the ``force``, ``point`` and ``torque`` of an ExternalForce, as far as it has them."""
    names = {kind: _text(force, f"{kind}_identifier") for kind in _KINDS}
    return {kind: axes_of(name) for kind, name in names.items() if name not in UNSET}


def body_of(force: Element, tag: str, default: str = "ground") -> str:
    """Body of an ExternalForce by its plain name, or the default where none is given."""
    return _text(force, tag).split("/")[-1] or default


def _text(force: Element, tag: str) -> str:
    return (force.findtext(tag) or "").strip()


def axes_of(identifier: str) -> tuple[str, str, str]:
    """Labels of the columns x, y and z of an identifier."""
    return f"{identifier}x", f"{identifier}y", f"{identifier}z"


def _check_columns(path: Path, data: Path | GivenTable, force: Element, columns: list[str]) -> None:
    for tag in (f"{kind}_identifier" for kind in _KINDS):
        identifier = _text(force, tag)
        missing = [axis for axis in axes_of(identifier) if axis not in columns]
        if identifier not in UNSET and missing:
            where = f"{path}, ExternalForce '{force.get('name')}'"
            got = f"no {some(missing)} in {data.name} (it has {some(columns)})"
            known = [label[:-1] for label in columns if {label[:-1] + axis for axis in "xyz"} <= set(columns)]
            fix = did_you_mean([identifier], known, "Correct the identifier.")
            raise InputError(explain(f"columns for <{tag}> '{identifier}'", got, fix, where))


def _is_off(force: Element) -> bool:
    return _text(force, "appliesForce").lower() in ("false", "0") or _text(force, "isDisabled").lower() in ("true", "1")


def _warn_of_forces(path: Path, forces: list[Element]) -> None:
    """Name forces that OpenSim ignores, and those that it applies at the origin of their body."""
    if off := [force.get("name") for force in forces if _is_off(force)]:
        warn(f"{path}: {some(off, 12)} switched off (appliesForce false) and left out.")
    nowhere = [
        f"{force.get('name')} (on {_text(force, 'applied_to_body')})"
        for force in forces
        if not _is_off(force)
        and _text(force, "force_identifier") not in UNSET
        and _text(force, "point_identifier") in UNSET
    ]
    if nowhere:
        warn(
            f"{path}: no point_identifier for {some(nowhere, 12)}: the force acts at the origin of the body, not at a "
            "centre of pressure."
        )


def loaded_bodies(loads: str | os.PathLike[str] | GivenLoads) -> list[str]:
    """Names of the bodies that the forces of an ExternalLoads XML act on."""
    path = Path(loads.path if isinstance(loads, GivenLoads) else loads).resolve()
    forces = acting_forces(read_xml(path, *LOADS))
    return list(dict.fromkeys(body_of(force, "applied_to_body") for force in forces))
