"""Thelen2003Muscle: its curves, closed forms for NumPy and torch arrays and CasADi expressions.

Lengths are normalised by the optimal fibre length (fibre) or the slack length (tendon), forces by the maximum
isometric force, speeds by the maximum contraction velocity (positive while lengthening). Every curve is followed by its
slope. Parameters carry OpenSim's property names, and may be arrays.

Thelen DG. Adjustment of muscle mechanics model parameters to simulate dynamic contractions in older adults. J Biomech
Eng 125(1), 70–77, 2003. doi:10.1115/1.1531112. Docstrings note where OpenSim's class differs.
"""

from __future__ import annotations

import math

from .muscle_class import Array, MuscleClass, closed_form, namespace, where

#: Shape of the tendon's toe, and the force at its end (Thelen 2003, below eq. 5).
_TOE_SHAPE = 3.0
_TOE_FORCE = 0.33
#: Strain at the end of the toe as a share of the strain at one normalised force. The paper rounds it to 0.609; this
#: makes the slope continuous, as OpenSim does.
_TOE_SHARE = 99.0 * math.exp(3.0) / (166.0 * math.exp(3.0) - 67.0)


def active_force_length(length: Array, KshapeActive: Array) -> Array:
    """Gaussian exp(−(l − 1)² / KshapeActive)."""
    return namespace(length).exp(-((length - 1.0) ** 2) / KshapeActive)


def active_force_length_slope(length: Array, KshapeActive: Array) -> Array:
    """Slope of ``active_force_length``."""
    return -2.0 * (length - 1.0) / KshapeActive * active_force_length(length, KshapeActive)


def passive_force_length(length: Array, FmaxMuscleStrain: Array, KshapePassive: Array) -> Array:
    """(exp(k (l − 1) / e0) − 1) / (exp(k) − 1) for a stretched fibre, 1 at strain e0; zero below optimal length."""
    stretch = where(length > 1.0, length - 1.0, 0.0 * length)
    rate = KshapePassive / FmaxMuscleStrain
    return _expm1(rate * stretch) / _expm1(KshapePassive)


def passive_force_length_slope(length: Array, FmaxMuscleStrain: Array, KshapePassive: Array) -> Array:
    """Slope of ``passive_force_length``, zero at and below the optimal length."""
    rate = KshapePassive / FmaxMuscleStrain
    stretch = where(length > 1.0, length - 1.0, 0.0 * length)
    slope = rate * namespace(length).exp(rate * stretch) / _expm1(KshapePassive)
    return where(length > 1.0, slope, 0.0 * slope)


def tendon_force_length(length: Array, FmaxTendonStrain: Array) -> Array:
    """Exponential toe up to 0.33, then a line through 1 at strain FmaxTendonStrain; zero for a slack tendon."""
    strain, toe, stiffness = _tendon(length, FmaxTendonStrain)
    bent = _TOE_FORCE / math.expm1(_TOE_SHAPE) * _expm1(_TOE_SHAPE * where(strain < toe, strain, toe) / toe)
    return where(strain > toe, stiffness * (strain - toe) + _TOE_FORCE, bent)


def tendon_force_length_slope(length: Array, FmaxTendonStrain: Array) -> Array:
    """Slope of ``tendon_force_length``."""
    strain, toe, stiffness = _tendon(length, FmaxTendonStrain)
    bent = namespace(length).exp(_TOE_SHAPE * where(strain < toe, strain, toe) / toe)
    slope = where(strain > toe, stiffness, _TOE_FORCE / math.expm1(_TOE_SHAPE) * _TOE_SHAPE / toe * bent)
    return where(length > 1.0, slope, 0.0 * slope)


def _tendon(length: Array, FmaxTendonStrain: Array) -> tuple[Array, Array, Array]:
    """Strain of the stretched tendon, strain at the end of the toe, stiffness beyond it."""
    strain = where(length > 1.0, length - 1.0, 0.0 * length)
    toe = _TOE_SHARE * FmaxTendonStrain + 0.0 * strain
    return strain, toe, (1.0 - _TOE_FORCE) / (FmaxTendonStrain - toe)


def speed_scale(activation: Array) -> Array:
    """0.25 + 0.75 a, by which activation scales the speed axis of the force–velocity curve (eq. 6)."""
    return 0.25 + 0.75 * activation


def force_velocity(speed: Array, Af: Array, Flen: Array, fv_linear_extrap_threshold: Array) -> Array:
    """Force–velocity multiplier, with the speed divided by ``speed_scale``.

    Inverse of eqs. 6 and 7: hyperbolae (1 + v) / (1 − v/Af) while shortening and (1 + k v Flen) / (1 + k v),
    k = (2 + 2/Af) / (Flen − 1), while lengthening. OpenSim adds zero force beyond the maximum shortening speed
    and, above ``fv_linear_extrap_threshold · Flen``, a tangent.
    """
    shortening = where(speed < 0.0, speed, 0.0 * speed)
    concentric = (1.0 + where(shortening > -1.0, shortening, shortening * 0.0 - 1.0)) / (1.0 - shortening / Af)
    lengthening = where(speed > 0.0, speed, 0.0 * speed)
    k, last_speed, last_force = _eccentric(Af, Flen, fv_linear_extrap_threshold)
    tangent = last_force + (lengthening - last_speed) * _eccentric_slope(last_speed, k, Flen)
    eccentric = where(lengthening < last_speed, (1.0 + k * lengthening * Flen) / (1.0 + k * lengthening), tangent)
    return where(speed < 0.0, concentric, eccentric)


def force_velocity_slope(speed: Array, Af: Array, Flen: Array, fv_linear_extrap_threshold: Array) -> Array:
    """Slope of ``force_velocity`` with the scaled speed; at rest the one of lengthening, which is larger."""
    shortening = where(speed < 0.0, speed, 0.0 * speed)
    concentric = (1.0 + 1.0 / Af) / (1.0 - shortening / Af) ** 2
    lengthening = where(speed > 0.0, speed, 0.0 * speed)
    k, last_speed, _ = _eccentric(Af, Flen, fv_linear_extrap_threshold)
    eccentric = _eccentric_slope(where(lengthening < last_speed, lengthening, last_speed + 0.0 * speed), k, Flen)
    return where(speed < 0.0, where(speed > -1.0, concentric, 0.0 * concentric), eccentric)


def _eccentric(Af: Array, Flen: Array, threshold: Array) -> tuple[Array, Array, Array]:
    """Constant k of the lengthening hyperbola; speed and force where its tangent takes over."""
    k = (2.0 + 2.0 / Af) / (Flen - 1.0)
    last_force = threshold * Flen
    return k, (last_force - 1.0) / (k * (Flen - last_force)), last_force


def _eccentric_slope(speed: Array, k: Array, Flen: Array) -> Array:
    return k * (Flen - 1.0) / (1.0 + k * speed) ** 2


def _expm1(x: Array) -> Array:
    library = namespace(x)
    return library.expm1(x) if hasattr(library, "expm1") else library.exp(x) - 1.0


THELEN = MuscleClass(
    name="Thelen2003Muscle",
    curves=lambda p: (
        closed_form(p, active_force_length, active_force_length_slope),
        closed_form(p, passive_force_length, passive_force_length_slope),
        closed_form(p, tendon_force_length, tendon_force_length_slope),
        closed_form(p, force_velocity, force_velocity_slope),
    ),
    needed=(
        *("Af", "Flen", "FmaxMuscleStrain", "FmaxTendonStrain", "KshapeActive", "KshapePassive"),
        *("fv_linear_extrap_threshold", "maximum_pennation_angle"),
    ),
    speed_scale=speed_scale,
    rigid_tendon=False,  # OpenSim 4.6: "not currently implemented"
    degroote={
        "passive_fiber_strain_at_one_norm_force": "FmaxMuscleStrain",
        "tendon_strain_at_one_norm_force": "FmaxTendonStrain",
    },
    dropped="shapes of the curves (KshapeActive, KshapePassive, Af, Flen, fv_linear_extrap_threshold)",
)
