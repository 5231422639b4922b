"""Muscles of other classes as De Groote muscles, converted as OpenSim converts them.

``ModOpReplaceMusclesWithDeGrooteFregly2016`` calls ``DeGrooteFregly2016Muscle::replaceMuscles``, which copies what both
classes have a name for and leaves the rest at the new class's default. The options are those of its sibling operators,
which OpenSim applies to every De Groote muscle, converted or not. Two differences: OpenSim 4.6 refuses a model that
already has De Groote muscles, which stay as they are here; and options can differ between muscles here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, ModelError, explain, some
from ..problem.arrays import MuscleParameters
from .changes import changes_of_classes, changes_of_options
from .mechanics import DEGROOTE, MILLARD, NEEDED, THELEN

Array = NDArray[np.float64]
Setting = float | Mapping[str, float] | None
Switch = bool | Mapping[str, bool] | None

#: A De Groote muscle's numbers and their defaults in OpenSim 4.6.
DEFAULTS = {
    "activation_time_constant": 0.015,
    "deactivation_time_constant": 0.060,
    "activation_dynamics_smoothing": 0.1,
    "default_activation": 0.5,
    "default_normalized_tendon_force": 0.5,
    "ignore_activation_dynamics": 0.0,
    "ignore_tendon_compliance": 0.0,
    "ignore_passive_fiber_force": 0.0,
    "active_force_width_scale": 1.0,
    "fiber_damping": 0.0,
    "passive_fiber_strain_at_one_norm_force": 0.6,
    "tendon_strain_at_one_norm_force": 0.049,
}
_SAME = {
    name: name
    for name in (
        *("activation_time_constant", "deactivation_time_constant", "default_activation"),
        *("ignore_activation_dynamics", "ignore_tendon_compliance"),
    )
}
#: Where each class has a De Groote muscle's numbers; the others get its defaults (Thelen's has no damping).
_CARRIED = {
    THELEN: {
        **_SAME,
        "passive_fiber_strain_at_one_norm_force": "FmaxMuscleStrain",
        "tendon_strain_at_one_norm_force": "FmaxTendonStrain",
    },
    MILLARD: {
        **_SAME,
        "fiber_damping": "fiber_damping",
        "passive_fiber_strain_at_one_norm_force": "FiberForceLengthCurve.strain_at_one_norm_force",
        "tendon_strain_at_one_norm_force": "TendonForceLengthCurve.strain_at_one_norm_force",
    },
}
_SWITCH: tuple[str, None] = ("True or False", None)
#: The options: what each may be, in words and, but for switches, as a test of a number.
OPTIONS: dict[str, tuple[str, Callable[[float], bool] | None]] = {
    "ignore_passive_fiber_force": _SWITCH,
    "active_force_width_scale": ("a number ≥ 1", lambda number: 1.0 <= number < np.inf),
    "tendon_strain_at_one_norm_force": ("a number above 0", lambda number: 0.0 < number < np.inf),
    "fiber_damping": ("a number ≥ 0", lambda number: 0.0 <= number < np.inf),
    "passive_fiber_strain_at_one_norm_force": ("a number above 0", lambda number: 0.0 < number < np.inf),
    "ignore_tendon_compliance": _SWITCH,
}


def degroote_parameters(
    parameters: MuscleParameters, **options: Setting | Switch
) -> tuple[MuscleParameters, list[str]]:
    """Every muscle as a DeGrooteFregly2016Muscle, and what that changed, in sentences with numbers.

    Thelen2003Muscle and Millard2012EquilibriumMuscle keep strength, lengths, pennation, contraction velocity, bounds of
    control, time constants and the strains of fibre and tendon at one normalised force; Millard's keep their damping.
    De Groote muscles stay.

    Parameters
    ----------
    parameters
        The muscles, with their ``properties``.
    ignore_passive_fiber_force
        True leaves the elastic passive force out, not the damping (``ModOpIgnorePassiveFiberForcesDGF``).
    active_force_width_scale
        Width of the active force–length curve, ≥ 1. It replaces what a muscle has, as
        ``ModOpScaleActiveFiberForceCurveWidthDGF`` does in spite of its name.
    tendon_strain_at_one_norm_force, passive_fiber_strain_at_one_norm_force
        Strains, > 0 (``ModOpPassiveFiberStrainAtOneNormForceDGF``; OpenSim has no operator for the tendon's).
    fiber_damping
        Force in maximum isometric forces at the maximum contraction velocity, ≥ 0 (``ModOpFiberDampingDGF``).
    ignore_tendon_compliance
        True makes tendons rigid (``ModOpIgnoreTendonCompliance``).

    Every option is one value for all muscles, or a mapping from muscle to value, the others keeping what the conversion
    gives; ``None`` leaves all.

    Raises
    ------
    InputError
        An option is unknown, is no such value, or names a muscle that is not there.
    ModelError
        A muscle is of another class, or lacks a property that is carried over.
    """
    if unknown := options.keys() - OPTIONS.keys():
        raise InputError(explain(f"options among {', '.join(OPTIONS)}", some(sorted(unknown)), "Rename them."))
    plain = _converted(parameters)
    given = {name: _read(name, value, parameters.names) for name, value in options.items() if value is not None}
    changed = {name: np.where(np.isnan(own), plain.properties[name], own) for name, own in given.items()}
    final = replace(plain, properties={**plain.properties, **changed})
    return final, changes_of_classes(parameters, final) + changes_of_options(plain, given)


def _converted(parameters: MuscleParameters) -> MuscleParameters:
    classes = np.array(parameters.classes)
    if (other := ~np.isin(classes, list(NEEDED))).any():
        got = some(f"{parameters.classes[i]} '{parameters.names[i]}'" for i in np.flatnonzero(other))
        fix = "Make them one of these in the model, or leave them out (parameters.select)."
        raise ModelError(explain(f"muscles of class {some(NEEDED)}", got, fix))
    count, p = classes.size, parameters.properties
    properties = {}
    for name, default in DEFAULTS.items():
        values = np.array(p[name], dtype=float) if name in p else np.full(count, np.nan)
        for kind, carried in _CARRIED.items():
            own = classes == kind
            values[own] = p.get(carried[name], np.full(count, np.nan))[own] if name in carried else default
        unknown = np.isnan(values)
        if unknown.any() and "strain" in name:
            got = f"none of {some(np.array(parameters.names)[unknown])}"
            raise ModelError(explain(f"{name} of every muscle", got, "Take the parameters from a model."))
        properties[name] = np.where(unknown, default, values)
    return replace(parameters, classes=(DEGROOTE,) * count, properties=properties)


def _read(name: str, value: Any, names: tuple[str, ...]) -> Array:
    """One option as (M,), NaN where it says nothing."""
    by_name = value if isinstance(value, Mapping) else dict.fromkeys(names, value)
    if unknown := [muscle for muscle in by_name if muscle not in names]:
        raise InputError(explain(f"{name} of {some(names, 100)}", some(unknown), "Rename them."))
    words, accepts = OPTIONS[name]
    for muscle, one in by_name.items():
        switch = isinstance(one, (bool, np.bool_))
        if not (switch if accepts is None else isinstance(one, Real) and not switch and accepts(float(one))):
            where = f"{name} of '{muscle}'" if isinstance(value, Mapping) else name
            fix = "None, or a muscle left out of a mapping, keeps what the conversion gives."
            raise InputError(explain(f"{words}, or a mapping from muscles to that", repr(one), fix, where))
    return np.array([float(by_name.get(muscle, np.nan)) for muscle in names])
