"""What is asked of the adapters: which files, which options."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from ..errors import InputError, explain, some
from ..polynomial.geometry import PolynomialGeometry
from .loads import find_data
from .model import as_file

Source = str | os.PathLike[str]
Gain = Literal["opensim", "corrected", "isometric"]


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
    geometry: Source | PolynomialGeometry = "opensim"
    speeds: Source | None = None
    force_sets: Sequence[Source] = ()
    replace_force_set: bool = False

    def __post_init__(self) -> None:
        if self.external_loads is not None and self.generalized_force is not None:
            fix = "A file of generalized forces already contains the loads: leave external_loads out."
            raise InputError(explain("external_loads or generalized_force", "both", fix))
        if self.gain not in get_args(Gain):
            raise InputError(explain(f"gain among {some(get_args(Gain))}", repr(self.gain), "Choose one of them."))
        object.__setattr__(self, "model", as_file(self.model))

    def files(self) -> dict[str, Path | None]:
        """Every file that is read, by what it is."""
        own_paths = isinstance(self.geometry, PolynomialGeometry) or self.geometry in ("opensim", "polynomial")
        files: dict[str, Source | None] = {
            "model": self.model,
            "motion": self.motion,
            "external_loads": self.external_loads,
            "external_loads_data": None if self.external_loads is None else find_data(self.external_loads),
            "generalized_force": self.generalized_force,
            "speeds": self.speeds,
            "geometry": None if own_paths else self.geometry,  # type: ignore[dict-item]
            **{f"force_set_{number}": path for number, path in enumerate(self.force_sets, 1)},
        }
        return {name: None if path is None else Path(path) for name, path in files.items()}

    def options(self) -> dict[str, Any]:
        """Everything else that decides what comes out, in plain data."""
        geometry = self.geometry if self.geometry in ("opensim", "polynomial") else "file"
        if isinstance(self.geometry, PolynomialGeometry):
            numbers = b"".join(muscle.coefficients.tobytes() for muscle in self.geometry.polynomials)
            geometry = f"polynomials {hashlib.sha256(numbers).hexdigest()[:16]}"
        return {
            "time_range": self.time_range,
            "lowpass_hz": self.lowpass_hz,
            "reserves": dict(self.reserves) if isinstance(self.reserves, Mapping) else self.reserves,
            "weld": list(self.weld),
            "passive_force": self.passive_force,
            "replace_force_set": self.replace_force_set,
            "gain": self.gain,
            "geometry": geometry,
        }
