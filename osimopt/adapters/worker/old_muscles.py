"""Muscles of classes that osimopt has no curves for, replaced in a model by those of a class that it has.

OpenSim's deprecated classes come from SIMM. Their curves are splines or formulas of their own; those of
Millard2012EquilibriumMuscle are fitted to them, and Thelen2003Muscle takes the parameters of its predecessor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import opensim

from ...errors import some
from ...muscle import millard, thelen
from ...problem.arrays import Array
from .coordinates import evaluate

#: Fibre lengths at which curves are compared, in optimal lengths; strains of tendons; speeds in maximum speeds.
LENGTHS, STRAINS, SPEEDS = np.linspace(0.4, 1.7, 131), np.linspace(0.0, 0.15, 301), np.linspace(-1.0, 1.0, 101)
#: Damping of fibres without any, in maximum isometric forces at maximum speed: with less, OpenSim changes the slopes.
DAMPING = 0.01
#: Parameters that are fitted, of each of Millard's curves: start, lower and upper bounds. Stiffness is in units of
#: 1 / strain, which OpenSim wants it to exceed.
FITTED: dict[str, tuple[tuple[float, ...], ...]] = {
    "ActiveForceLengthCurve": ((0.44, 0.73, 1.81, 0.86), (0.1, 0.6, 1.3, 0.0), (0.55, 0.93, 2.2, 1.5)),
    "FiberForceLengthCurve": ((0.0, 0.5, 0.1, 1.2, 0.7), (-0.5, 0.2, 0.001, 0.1, 0.0), (0.15, 1.0, 0.9, 6.0, 1.0)),
    "TendonForceLengthCurve": ((0.05, 0.3, 0.5, 0.5), (0.01, 0.02, 0.05, 0.0), (0.15, 1.5, 0.95, 1.0)),
    "ForceVelocityCurve": (
        (0.25, 5.0, 0.1, 1.4, 0.6, 0.9), (0.05, 1.2, 0.001, 1.2, 0.0, 0.0), (0.9, 12.0, 0.15, 2.0, 1.0, 1.0)
    ),
}  # fmt: skip
CURVES: Mapping[str, Callable[..., millard.BezierCurves]] = {
    "ActiveForceLengthCurve": millard.active_force_length,
    "FiberForceLengthCurve": millard.passive_force_length,
    "TendonForceLengthCurve": millard.tendon_force_length,
    "ForceVelocityCurve": millard.force_velocity,
}
WORDS = {
    "ActiveForceLengthCurve": "active force–length",
    "FiberForceLengthCurve": "passive force–length",
    "TendonForceLengthCurve": "tendon",
    "ForceVelocityCurve": "force–velocity",
}
Losses = dict[str, float]


def replace_muscles(model: Any) -> list[str]:
    """Replace muscles of the classes in ``REPLACED``; returns what was replaced, and by how much each curve changed."""
    if not any(force.getConcreteClassName() in REPLACED for force in list(model.getForceSet())):
        return []
    losses: dict[str, dict[str, Losses]] = {}
    forces = []
    for force in model.getForceSet():
        kind = force.getConcreteClassName()
        if kind in REPLACED:
            muscle, changed = _convert(opensim.Muscle.safeDownCast(force), *REPLACED[kind][:2])
            losses.setdefault(kind, {})[force.getName()] = changed
            forces.append(muscle)
        else:
            forces.append(force.clone())
    remove_forces(model)  # OpenSim's set(index, force) ends the process
    for force in forces:
        model.addForce(force)
    model.finalizeFromProperties()
    return [_describe(kind, changed) for kind, changed in losses.items()]


def remove_forces(model: Any) -> None:
    """Empty the ForceSet, one by one: its clearAndDestroy leaves the groups with pointers to what is gone."""
    forces = model.updForceSet()
    for index in reversed(range(forces.getSize())):
        forces.remove(index)


def _describe(kind: str, losses: dict[str, Losses]) -> str:
    """What was replaced, and the largest difference of each curve among the muscles."""
    target, _, lost = REPLACED[kind]
    largest: Losses = {}
    for changed in losses.values():
        largest = {word: max(size, largest.get(word, 0.0)) for word, size in changed.items()}
    sizes = "; ".join(f"{word} {size:.2g}" for word, size in largest.items())
    return (
        f"{kind} was replaced by {target}, since osimopt has no curves for the former ({some(losses)}). Largest "
        f"differences of the curves, in maximum isometric forces and for fibres of {LENGTHS[0]:g} to {LENGTHS[-1]:g} "
        f"optimal lengths: {sizes or 'none'}. Not represented: {lost}."
    )


def _convert(old: Any, target: str, change: Callable[[Any, Any], Losses]) -> tuple[Any, Losses]:
    """Copy the properties that both classes have, and then change those that differ."""
    new = getattr(opensim, target)()
    new.setName(old.getName())
    for index in range(new.getNumProperties()):
        name = new.getPropertyByIndex(index).getName()
        if old.hasProperty(name) and name != "ignore_tendon_compliance":
            new.updPropertyByName(name).assign(old.getPropertyByName(name))
    changed = change(old, new)
    new.setMinControl(max(new.getMinControl(), new.get_minimum_activation()))
    new.finalizeFromProperties()  # raises here, where the muscle is not yet the model's
    return new, changed


def _number(old: Any, name: str) -> float:
    return float(opensim.PropertyHelper.getValueDouble(old.getPropertyByName(name)))


def _same_millard(old: Any, new: Any) -> Losses:
    """An acceleration muscle has the curves of the equilibrium muscle, and its time constants in a part of it."""
    activation = opensim.Millard2012AccelerationMuscle.safeDownCast(old).get_MuscleFirstOrderActivationDynamicModel()
    new.set_activation_time_constant(activation.get_activation_time_constant())
    new.set_deactivation_time_constant(activation.get_deactivation_time_constant())
    return {}


def _thelen(old: Any, new: Any) -> Losses:
    new.set_max_contraction_velocity(_number(old, "Vmax"))
    k, strain, af, top, damping = (
        _number(old, name) for name in ("KshapePassive", "FmaxMuscleStrain", "Af", "Flen", "damping")
    )
    lengths = LENGTHS[1.0 + strain >= LENGTHS]
    passive = np.exp(k * ((lengths - 1.0) / strain - 1.0))
    slope = (2.0 + 2.0 / af) / (top - 1.0)
    shortening, lengthening = np.minimum(SPEEDS, 0.0), np.maximum(SPEEDS, 0.0)
    force = (1.0 + shortening * (1.0 + damping)) / (1.0 - shortening / af)
    force = np.where(SPEEDS < 0.0, force, (1.0 + lengthening * (slope * top + damping)) / (1.0 + slope * lengthening))
    ours = thelen.force_velocity(SPEEDS, af, top, 0.95)
    slow = force < 0.95 * top
    return {
        WORDS["FiberForceLengthCurve"]: _largest(passive - thelen.passive_force_length(lengths, strain, k)),
        WORDS["ForceVelocityCurve"]: _largest((force - ours)[slow]),
    }


def _simm(old: Any, new: Any) -> Losses:
    """Fit Millard's curves to those of Schutte's and Delp's muscles; 1 / time_scale is their maximum speed.

    Schutte's force–velocity relation is Hill's beside a damper; its passive force is exponential where no curve is
    given.
    """
    scale, first, second = (_number(old, name) for name in ("time_scale", "activation1", "activation2"))
    new.set_activation_time_constant(scale / (first + second))
    new.set_deactivation_time_constant(scale / second)
    new.set_max_contraction_velocity(1.0 / scale)
    new.set_default_fiber_length(new.get_optimal_fiber_length())
    samples = {
        "ActiveForceLengthCurve": (LENGTHS, np.maximum(_values(old, "active_force_length_curve", LENGTHS), 0.0)),
        "TendonForceLengthCurve": (1.0 + STRAINS, _values(old, "tendon_force_length_curve", STRAINS)),
    }
    passive = _values(old, "passive_force_length_curve", LENGTHS)
    if old.hasProperty("damping"):
        new.set_fiber_damping(_number(old, "damping"))
        if old.getPropertyByName("passive_force_length_curve").getValueIsDefault():
            passive = np.exp(8.0 * (LENGTHS - 1.0) - 4.0)
        velocity = np.where(SPEEDS < 0.0, _hill(np.minimum(SPEEDS, 0.0)), _stretched(np.maximum(SPEEDS, 0.0)))
    else:
        new.set_fiber_damping(DAMPING)
        velocity = _values(old, "force_velocity_curve", SPEEDS)
    samples |= {"FiberForceLengthCurve": (LENGTHS, np.maximum(passive, 0.0)), "ForceVelocityCurve": (SPEEDS, velocity)}
    losses = {}
    for curve, (x, y) in samples.items():
        below = y <= 1.0 if curve in ("FiberForceLengthCurve", "TendonForceLengthCurve") else np.ones(len(x), bool)
        parameters, losses[WORDS[curve]] = _fit(curve, x[below].tobytes(), y[below].tobytes())
        part = getattr(new, f"upd_{curve}")()
        for name, value in zip(_names(curve), parameters, strict=True):
            getattr(part, f"set_{name}")(value)
    return losses


def _hill(speed: Array) -> Array:
    """Shortening in Schutte's muscle, as multiple of the isometric force."""
    return (1.0 + speed) / (1.0 - speed / 0.15)


def _stretched(speed: Array) -> Array:
    """Lengthening in Schutte's muscle, as multiple of the isometric force."""
    slope = 0.13 * 0.15 / 1.15
    return (1.4 * speed + slope) / (speed + slope)


def _values(old: Any, name: str, x: Array) -> Array:
    function = opensim.Function.safeDownCast(old.getPropertyByName(name).getValueAsObject())
    return np.array([evaluate(function, x[row : row + 1]) for row in range(len(x))])


def _names(curve: str) -> list[str]:
    """Properties of one of Millard's curves."""
    return [name.partition(".")[2] for name in millard.MILLARD.needed if name.startswith(f"{curve}.")]


@lru_cache(maxsize=64)
def _fit(curve: str, x: bytes, y: bytes) -> tuple[tuple[float, ...], float]:
    """Least squares: the properties of a curve, and its largest difference from the samples."""
    from scipy.optimize import least_squares

    where, wanted = np.frombuffer(x), np.frombuffer(y)

    def difference(free: Array) -> Array:
        values = [np.array([value]) for value in _properties(curve, free)]
        return np.asarray(CURVES[curve](*values).value(where[:, None])[:, 0] - wanted)

    start, low, high = FITTED[curve]
    found = least_squares(difference, start, bounds=(low, high), x_scale=np.maximum(np.abs(start), 0.05))
    return tuple(map(float, _properties(curve, found.x))), _largest(found.fun)


def _properties(curve: str, free: Array) -> tuple[float, ...]:
    """All properties of a curve from those that are fitted."""
    if curve == "FiberForceLengthCurve":
        zero, one, low, more, curviness = free
        return zero, one, low / (one - zero), (1.0 + more) / (one - zero), curviness
    if curve == "TendonForceLengthCurve":
        strain, more, toe, curviness = free
        return strain, (1.0 + more) / strain, toe, curviness
    if curve == "ForceVelocityCurve":
        near, isometric, last, highest, concentric, eccentric = free
        return 0.0, near, isometric, 0.0, last, highest, concentric, eccentric
    return *free, 0.0  # OpenSim takes this for the least active force of fibres with damping


def _largest(difference: Array) -> float:
    return float(np.abs(difference).max(initial=0.0))


#: By class: the class that replaces it, what changes its properties, and what is not represented beside the curves.
REPLACED: dict[str, tuple[str, Callable[[Any, Any], Losses], str]] = {
    "Thelen2003Muscle_Deprecated": ("Thelen2003Muscle", _thelen, "its damping, and Vmax0: the new class has Vmax / 4"),
    "Schutte1993Muscle_Deprecated": (
        "Millard2012EquilibriumMuscle", _simm, "forces of shorter fibres, and activations below 0.01"
    ),
    "Delp1990Muscle_Deprecated": (
        "Millard2012EquilibriumMuscle", _simm, "its mass, forces of shorter fibres, and activations below 0.01"
    ),
    "Millard2012AccelerationMuscle": (
        "Millard2012EquilibriumMuscle", _same_millard, "its mass, dampers and compressive springs"
    ),
}  # fmt: skip
