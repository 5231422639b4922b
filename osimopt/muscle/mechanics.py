"""Muscles of one class in one form: their parameters, and their curves as functions of normalised quantities."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import signature
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError, explain, some
from ..problem.arrays import MuscleParameters
from . import degroote, millard, thelen
from .bezier import Curves

Array = NDArray[np.float64]
Index = NDArray[np.intp]

THELEN, MILLARD, DEGROOTE = "Thelen2003Muscle", "Millard2012EquilibriumMuscle", "DeGrooteFregly2016Muscle"
#: SimTK's SignificantReal, below which OpenSim takes an angle or a length for zero.
TINY = np.finfo(float).eps ** (7.0 / 8.0)

_MILLARD_CURVES: dict[str, Callable[..., Curves]] = {
    "ActiveForceLengthCurve": millard.active_force_length,
    "ForceVelocityCurve": millard.force_velocity,
    "FiberForceLengthCurve": millard.passive_force_length,
    "TendonForceLengthCurve": millard.tendon_force_length,
}
#: The properties without which a class's forces cannot be computed.
NEEDED = {
    THELEN: (
        *("Af", "Flen", "FmaxMuscleStrain", "FmaxTendonStrain", "KshapeActive", "KshapePassive"),
        *("fv_linear_extrap_threshold", "maximum_pennation_angle"),
    ),
    MILLARD: (
        *(f"{curve}.{name}" for curve, build in _MILLARD_CURVES.items() for name in signature(build).parameters),
        *("maximum_pennation_angle", "fiber_damping", "ignore_tendon_compliance"),
    ),
    DEGROOTE: (
        *("active_force_width_scale", "fiber_damping", "ignore_passive_fiber_force", "ignore_tendon_compliance"),
        *("passive_fiber_strain_at_one_norm_force", "tendon_strain_at_one_norm_force"),
    ),
}


class CurvePoint(NamedTuple):
    """A function of (T, m), alone and with its slope."""

    value: Callable[[Array], Array]
    evaluate: Callable[[Array], tuple[Array, Array]]


@dataclass(frozen=True, eq=False)
class Mechanics:
    """m muscles of one class; ``columns`` (m,) says which of the model's they are, every other array is (m,).

    ``strength`` in N; ``optimal`` fibre and ``slack`` tendon length, constant ``height`` of the pennated fibre,
    ``shortest`` fibre length that the ``steepest`` pennation angle (rad) allows and, of Millard's class, the
    ``shortest_active``, all in m; ``tightest`` normalised tendon length; ``fastest`` in m/s; ``damping`` of the
    fibre in ``strength`` at the fastest speed; ``rigid`` where the model ignores tendon compliance.
    """

    kind: str
    columns: Index
    strength: Array
    optimal: Array
    slack: Array
    fastest: Array
    height: Array
    pennated: NDArray[np.bool_]
    steepest: Array
    shortest: Array
    shortest_active: Array
    tightest: Array
    damping: Array
    rigid: NDArray[np.bool_]
    active: CurvePoint
    passive: CurvePoint
    tendon: CurvePoint
    velocity: CurvePoint


def supported(parameters: MuscleParameters) -> NDArray[np.bool_]:
    """(M,) whose forces this package computes: the class is one of three and every property it needs is a number."""
    mask = np.zeros(len(parameters.names), dtype=bool)
    for kind, needed in NEEDED.items():
        mask |= np.array([name == kind for name in parameters.classes], dtype=bool) & _known(parameters, needed)
    return mask


def _known(parameters: MuscleParameters, names: tuple[str, ...]) -> NDArray[np.bool_]:
    known = np.ones(len(parameters.names), dtype=bool)
    for name in names:
        values = parameters.properties.get(name)
        known &= False if values is None else np.isfinite(values)
    return known


def mechanics(parameters: MuscleParameters) -> list[Mechanics]:
    """Sort muscles by class.

    Raises
    ------
    ModelError
        A muscle is not supported.
    """
    if not (mask := supported(parameters)).all():
        lacking = [f"{parameters.classes[i]} '{parameters.names[i]}'" for i in np.flatnonzero(~mask)]
        fix = "Leave them out (parameters.select(supported(parameters))) and take their forces from OpenSim."
        raise ModelError(explain(f"muscles of class {some(NEEDED)} with all their properties", some(lacking), fix))
    kinds = np.array(parameters.classes)
    return [_of_kind(parameters, kind, np.flatnonzero(kinds == kind)) for kind in NEEDED if kind in parameters.classes]


def _of_kind(parameters: MuscleParameters, kind: str, columns: Index) -> Mechanics:
    own = parameters.select(columns)
    p, optimal = own.properties, own.optimal_fiber_length
    none = np.zeros(columns.size)
    steepest = none + 0.5 * np.pi if kind == DEGROOTE else p["maximum_pennation_angle"]
    height = optimal * np.sin(own.pennation_angle)
    return Mechanics(
        kind=kind,
        columns=columns,
        strength=own.max_isometric_force,
        optimal=optimal,
        slack=own.tendon_slack_length,
        fastest=optimal * own.max_contraction_velocity,
        height=height,
        pennated=own.pennation_angle > np.finfo(float).eps,
        steepest=steepest,
        shortest=none if kind == DEGROOTE else np.where(steepest > TINY, height / np.sin(steepest), 0.01 * optimal),
        shortest_active=optimal * p["ActiveForceLengthCurve.min_norm_active_fiber_length"] if kind == MILLARD else none,
        tightest=_tightest(p) if kind == DEGROOTE else none + np.inf,
        damping=none if kind == THELEN else p["fiber_damping"],
        rigid=none > 0.0 if kind == THELEN else p["ignore_tendon_compliance"] > 0.0,
        **{THELEN: _thelen, MILLARD: _millard, DEGROOTE: _degroote}[kind](p),
    )


def _tightest(p: Mapping[str, Array]) -> Array:
    """Normalised length of a tendon that carries as much as OpenSim lets it."""
    strain = p["tendon_strain_at_one_norm_force"]
    return np.asarray(degroote.tendon_length(degroote.LARGEST_TENDON_FORCE, strain))


def _thelen(p: Mapping[str, Array]) -> dict[str, CurvePoint]:
    return {
        "active": _closed(thelen.active_force_length, thelen.active_force_length_slope, p),
        "passive": _closed(thelen.passive_force_length, thelen.passive_force_length_slope, p),
        "tendon": _closed(thelen.tendon_force_length, thelen.tendon_force_length_slope, p),
        "velocity": _closed(thelen.force_velocity, thelen.force_velocity_slope, p),
    }


def _degroote(p: Mapping[str, Array]) -> dict[str, CurvePoint]:
    share = np.where(p["ignore_passive_fiber_force"] > 0.0, 0.0, 1.0)
    return {
        "active": _closed(degroote.active_force_length, degroote.active_force_length_slope, p),
        "passive": _closed(degroote.passive_force_length, degroote.passive_force_length_slope, p, share),
        "tendon": _closed(degroote.tendon_force_length, degroote.tendon_force_length_slope, p),
        "velocity": _closed(degroote.force_velocity, degroote.force_velocity_slope, p),
    }


def _millard(p: Mapping[str, Array]) -> dict[str, CurvePoint]:
    curves = {}
    roles = ("active", "velocity", "passive", "tendon")
    for role, (curve, build) in zip(roles, _MILLARD_CURVES.items(), strict=True):
        drawn = build(**{name: p[f"{curve}.{name}"] for name in signature(build).parameters})
        curves[role] = CurvePoint(drawn.value, drawn.evaluate)
    return curves


def _closed(
    value: Callable[..., Any], slope: Callable[..., Any], p: Mapping[str, Array], share: Any = 1.0
) -> CurvePoint:
    """A closed form and its slope, times a share, with the properties that they ask for by name."""
    own = {name: p[name] for name in list(signature(value).parameters)[1:]}

    def evaluate(x: Array) -> tuple[Array, Array]:
        return share * value(x, **own), share * slope(x, **own)

    return CurvePoint(lambda x: share * value(x, **own), evaluate)
