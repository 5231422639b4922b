"""What is asked of the adapters: which files, which options."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from ..errors import InputError, explain, some
from ..polynomial.files import fits_path
from ..polynomial.paths import MusclePaths
from ..problem.reserves import ReserveActuators
from .cache import digest
from .loads import find_data
from .model import as_file

Source = str | os.PathLike[str]
Gain = Literal["opensim", "corrected", "isometric"]
Contact = Literal["auto", "on", "off"]


@dataclass(frozen=True, eq=False)
class Request:
    """The arguments of :func:`osimopt.load_problem`; a live model becomes a file."""

    model: Any
    motion: Source
    external_loads: Source | None = None
    generalized_force: Source | None = None
    time_range: tuple[float, float] | None = None
    lowpass_hz: float | None = None
    reserves: Any = "auto"
    weld: Sequence[str] = ()
    passive_force: bool = False
    gain: Gain = "opensim"
    geometry: Source | MusclePaths = "opensim"
    speeds: Source | None = None
    force_sets: Sequence[Source] = ()
    replace_force_set: bool = False
    contact: Contact = "auto"

    def __post_init__(self) -> None:
        if self.external_loads is not None and self.generalized_force is not None:
            fix = "A file of generalized forces already contains the loads: leave external_loads out."
            raise InputError(explain("external_loads or generalized_force", "both", fix))
        for name, value, allowed in (("gain", self.gain, get_args(Gain)), ("contact", self.contact, get_args(Contact))):
            if value not in allowed:
                raise InputError(explain(f"{name} among {some(allowed)}", repr(value), "Choose one of them."))
        if isinstance(self.force_sets, (str, os.PathLike)):
            fix = f"Write force_sets=({str(self.force_sets)!r},)."
            raise InputError(explain("force_sets as a sequence of files", repr(self.force_sets), fix))
        object.__setattr__(self, "model", as_file(self.model))

    def files(self) -> dict[str, Path | None]:
        """Every file that is read, by what it is.

        Raises
        ------
        InputError
            One of them is not there, or is no path.
        """
        geometry = None if self._own_paths() else self.geometry
        files: dict[str, Any] = {
            "model": self.model,
            "motion": self.motion,
            "external_loads": self.external_loads,
            "external_loads_data": None,
            "generalized_force": self.generalized_force,
            "speeds": self.speeds,
            "geometry": geometry,
            **{f"force_set_{number}": path for number, path in enumerate(_listed(self.force_sets), 1)},
        }
        found = {name: None if path is None else _existing(name, path) for name, path in files.items()}
        if (loads := found["external_loads"]) is not None:
            found["external_loads_data"] = find_data(loads)
        if (paths := found["geometry"]) is not None and fits_path(paths).is_file():
            found["geometry_fit"] = fits_path(paths)
        return found

    def options(self) -> dict[str, Any]:
        """Everything else that decides what comes out, in plain data."""
        geometry = self.geometry if self._own_paths() else "file"
        if isinstance(self.geometry, MusclePaths):
            geometry = f"{len(self.geometry.muscles)} {self.geometry.kind}, sha256 {digest(self.geometry)}"
        reserves = self.reserves
        if isinstance(reserves, ReserveActuators):
            reserves = f"{len(reserves.names)} actuators, sha256 {digest(reserves)}"
        options = {
            "time_range": self.time_range,
            "lowpass_hz": self.lowpass_hz,
            "reserves": reserves,
            "weld": _listed(self.weld),
            "passive_force": self.passive_force,
            "replace_force_set": self.replace_force_set,
            "contact": self.contact,
            "gain": self.gain,
            "geometry": geometry,
        }
        return {name: _plain(value) for name, value in options.items()}

    def contact_acts(self) -> bool:
        """Whether forces of the model that press on the ground act: not beside measured ones, unless asked for."""
        return self.contact == "on" or (self.contact == "auto" and self.external_loads is None)

    def _own_paths(self) -> bool:
        """Whether the geometry is no file."""
        given = self.geometry
        return isinstance(given, MusclePaths) or (isinstance(given, str) and given in ("opensim", "polynomial"))


def _existing(name: str, path: Any) -> Path:
    what = f"a file as {name}"
    if not isinstance(path, (str, os.PathLike)):
        raise InputError(explain(what, repr(path), "Give its path."))
    if not Path(path).is_file():
        raise InputError(explain(what, "no such file", "Check the path.", path))
    return Path(path)


def _listed(names: Any) -> list[Any]:
    """One name is no sequence of letters."""
    return [names] if isinstance(names, (str, os.PathLike)) else list(names)


def _plain(value: Any) -> Any:
    """NumPy's numbers and arrays as Python's, tuples as lists; what is unknown as it is."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_plain(item) for item in value]
    if isinstance(value, np.bool_):
        return bool(value)
    return float(value) if isinstance(value, Real) and not isinstance(value, (bool, int)) else value
