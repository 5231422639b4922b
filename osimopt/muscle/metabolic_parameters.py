"""Metabolics: a metabolic probe, and the parameters of muscles and body that it needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from math import isfinite
from typing import Any, Literal

import numpy as np

from ..errors import InputError, check_names, explain, shown
from ..options import check_word, is_number
from ..problem.arrays import Array, MuscleParameters
from ..problem.problem import RedundancyProblem
from .metabolics import DENSITY, PROBES, SLOW_TWITCH, SPECIFIC_TENSION, Probe, Tissue

ProbeName = Literal["umberger2010", "bhargava2004"]
#: A number for all muscles, or numbers by muscle.
ByMuscle = float | Mapping[str, float]
#: Limits that numbers in other units (N/cm², kPa or MPa; g/cm³) do not meet: N/m², kg/m³.
TENSIONS, DENSITIES = (1e4, 1e7), (100.0, 1e4)


@dataclass(frozen=True)
class Metabolics:
    """A probe, and parameters of muscles that OpenSim's probes have for each of them; see :func:`metabolic_rate`."""

    probe: Probe
    slow_twitch: ByMuscle = SLOW_TWITCH
    specific_tension: ByMuscle = SPECIFIC_TENSION
    density: float = DENSITY
    muscle_mass: Mapping[str, float] | None = None
    body_mass: float | None = None

    @classmethod
    def of(cls, probe: str, switches: Mapping[str, Any], **parameters: Any) -> Metabolics:
        """Check a probe, its switches and the parameters of muscles.

        Raises
        ------
        InputError
            Unknown names, or values out of their range.
        """
        check_word("probe", probe, tuple(PROBES))
        kinds = {own.name: own.type for own in fields(PROBES[probe])}
        check_names(f"options of {probe}", switches, tuple(kinds))
        for name, value in switches.items():
            switch = kinds[name] == "bool"
            if switch != isinstance(value, bool | np.bool_) or not (switch or (is_number(value) and isfinite(value))):
                expected = f"{name} as {'True or False' if switch else 'a finite number'}"
                raise InputError(explain(expected, shown(value), "Leave it out for OpenSim's default."))
        made = cls(PROBES[probe](**switches), **parameters)
        _check("slow_twitch", made.slow_twitch, "a share from 0 to 1", lambda value: 0.0 <= value <= 1.0)
        _check("specific_tension", made.specific_tension, *_within(*TENSIONS, "N/m² (25 N/cm² are 250000)"))
        _check("density", made.density, *_within(*DENSITIES, "kg/m³"))
        for name in ("muscle_mass", "body_mass"):
            if (value := getattr(made, name)) is not None:
                _check(name, value, "above 0 kg", lambda value: 0.0 < value < np.inf)
        return made

    def tissue(self, parameters: MuscleParameters) -> Tissue:
        """Masses and other parameters of muscles; without a given mass F0 / specific tension · density · l0."""
        names = parameters.names
        tension = _values("specific_tension", self.specific_tension, names, SPECIFIC_TENSION)
        strength, optimal = parameters.max_isometric_force, parameters.optimal_fiber_length
        mass = strength / tension * self.density * optimal
        if self.muscle_mass is not None:
            given = _values("muscle_mass", self.muscle_mass, names, np.nan)
            mass = np.where(np.isnan(given), mass, given)
        slow = _values("slow_twitch", self.slow_twitch, names, SLOW_TWITCH)
        return Tissue(mass, slow, strength, optimal, parameters.max_contraction_velocity)

    def mass_of(self, problem: RedundancyProblem) -> float | None:
        """Body mass in kg; None where it is neither given nor known from a model."""
        return self.body_mass if self.body_mass is not None else problem.provenance.get("body_mass_kg")


def _within(low: float, high: float, unit: str) -> tuple[str, Callable[[float], bool]]:
    return f"from {low:g} to {high:g} {unit}", lambda value: low <= value <= high


def _check(name: str, value: Any, expected: str, accepts: Callable[[float], bool]) -> None:
    values = list(value.values()) if isinstance(value, Mapping) else [value]
    for each in values:
        if not (is_number(each) and accepts(each)):
            raise InputError(explain(f"{name} {expected}", shown(each), "Give a number, or numbers by muscle."))


def _values(name: str, given: ByMuscle, names: tuple[str, ...], other: float) -> Array:
    """(M,) values of all muscles."""
    if not isinstance(given, Mapping):
        return np.full(len(names), float(given))
    check_names(f"{name} of muscles", given, names)
    return np.array([given.get(muscle, other) for muscle in names], dtype=float)
