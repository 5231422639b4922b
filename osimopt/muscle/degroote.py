"""DeGrooteFregly2016Muscle: its curves, closed forms for NumPy and torch arrays and CasADi expressions.

Lengths are normalised by the optimal fibre length (fibre) or the slack length (tendon), forces by the maximum
isometric force, speeds by the maximum contraction velocity (positive while lengthening). Every curve is followed by its
slope. Parameters carry OpenSim's property names, and may be arrays.

De Groote F, Kinney AL, Rao AV, Fregly BJ. Evaluation of direct collocation optimal control problem formulations for
solving the muscle redundancy problem. Ann Biomed Eng 44(10), 2922–2936, 2016. doi:10.1007/s10439-016-1591-9 (its
supplement). The constants are those of OpenSim's class, which changed some: the active curve passes through (1, 1), the
force–velocity curve through (−1, 0) and (0, 1), the tendon's through (1, 0), the passive one through (0.2, 0).
"""

from __future__ import annotations

import math

import numpy as np

from ..problem.arrays import MuscleParameters
from .muscle_class import Array, MuscleClass, Properties, closed_form, namespace, where

#: b1 … b4 of the three bells of the active force–length curve.
_BELLS = (
    (0.8150671134243542, 1.055033428970575, 0.162384573599574, 0.063303448465465),
    (0.433004984392647, 0.716775413397760, -0.029947116970696, 0.200356847296188),
    (0.1, 1.0, 0.353553390593274, 0.0),
)
#: d1 … d4 of the force–velocity curve.
_D1, _D2, _D3, _D4 = -0.3211346127989808, -8.149, -0.374, 0.8825327733249912
#: Limit of asinh(|d2 v + d3|): the inverse returns no speed beyond 1350 maximum contraction velocities.
_STEEPEST = 10.0
#: Of ``damped_force_velocity_inverse``: maximum number of steps, size of the last one (convergence is cubic), and the
#: number that replaces 0 as a divisor.
_MOST_STEPS, _LAST_STEP, _TINY = 20, 1e-6, 1e-300
#: Shape of the passive curve, and the fibre length at which it is zero.
_PASSIVE_SHAPE = 4.0
_SHORTEST_FIBER = 0.2
#: c1 = c3 of the tendon's curve (c2 = 1).
_TENDON_SCALE = 0.2
#: OpenSim searches for an equilibrium between a normalised tendon force of 0 and this one.
_LARGEST_TENDON_FORCE = 5.0
#: Every property of the class, with its default in OpenSim 4.6.
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


def active_force_length(length: Array, active_force_width_scale: Array) -> Array:
    """Sum of three bells b1 exp(−½ (x − b2)² / (b3 + b4 x)²), x = 1 + (l − 1) / active_force_width_scale."""
    exp = namespace(length).exp
    x = 1.0 + (length - 1.0) / active_force_width_scale
    return sum(b1 * exp(-0.5 * ((x - b2) / (b3 + b4 * x)) ** 2) for b1, b2, b3, b4 in _BELLS)


def active_force_length_slope(length: Array, active_force_width_scale: Array) -> Array:
    """Slope of ``active_force_length``."""
    exp = namespace(length).exp
    x = 1.0 + (length - 1.0) / active_force_width_scale
    slope = 0.0
    for b1, b2, b3, b4 in _BELLS:
        width = b3 + b4 * x
        slope = slope - b1 * exp(-0.5 * ((x - b2) / width) ** 2) * (x - b2) * (b3 + b4 * b2) / width**3
    return slope / active_force_width_scale


def passive_force_length(length: Array, passive_fiber_strain_at_one_norm_force: Array) -> Array:
    """(exp(4 (l − 1) / e0) − o) / (exp(4) − o), 1 at strain e0, o such that it is zero at 0.2 (negative below)."""
    exponent, offset = _passive(length, passive_fiber_strain_at_one_norm_force)
    return (namespace(length).exp(exponent) - offset) / (math.exp(_PASSIVE_SHAPE) - offset)


def passive_force_length_slope(length: Array, passive_fiber_strain_at_one_norm_force: Array) -> Array:
    """Slope of ``passive_force_length``."""
    exponent, offset = _passive(length, passive_fiber_strain_at_one_norm_force)
    rate = _PASSIVE_SHAPE / passive_fiber_strain_at_one_norm_force
    return rate * namespace(length).exp(exponent) / (math.exp(_PASSIVE_SHAPE) - offset)


def _passive(length: Array, strain: Array) -> tuple[Array, Array]:
    exp = namespace(strain).exp
    return _PASSIVE_SHAPE * (length - 1.0) / strain, exp(_PASSIVE_SHAPE * (_SHORTEST_FIBER - 1.0) / strain)


def tendon_force_length(length: Array, tendon_strain_at_one_norm_force: Array) -> Array:
    """0.2 (exp(k (l − 1)) − 1), k = ln(6) / tendon_strain_at_one_norm_force; negative for a slack tendon."""
    rate = tendon_rate(tendon_strain_at_one_norm_force)
    return _TENDON_SCALE * namespace(length).exp(rate * (length - 1.0)) - _TENDON_SCALE


def tendon_force_length_slope(length: Array, tendon_strain_at_one_norm_force: Array) -> Array:
    """Slope of ``tendon_force_length``."""
    rate = tendon_rate(tendon_strain_at_one_norm_force)
    return _TENDON_SCALE * rate * namespace(length).exp(rate * (length - 1.0))


def tendon_length(force: Array, tendon_strain_at_one_norm_force: Array) -> Array:
    """Inverse of ``tendon_force_length``."""
    return 1.0 + namespace(force).log(force / _TENDON_SCALE + 1.0) / tendon_rate(tendon_strain_at_one_norm_force)


def _tendon_at(force: float, tendon_strain_at_one_norm_force: Array) -> Array:
    return tendon_length(force + 0.0 * tendon_strain_at_one_norm_force, tendon_strain_at_one_norm_force)


def tendon_rate(tendon_strain_at_one_norm_force: Array) -> Array:
    """Exponential rate k of the tendon's curve (kT in the paper)."""
    return math.log(1.0 / _TENDON_SCALE + 1.0) / tendon_strain_at_one_norm_force


def force_velocity(speed: Array) -> Array:
    """d1 asinh(d2 v + d3) + d4: 0 at −1, 1 at rest, negative where the fibre shortens faster than −1."""
    return _D1 * namespace(speed).arcsinh(_D2 * speed + _D3) + _D4


def force_velocity_slope(speed: Array) -> Array:
    """Slope of ``force_velocity``."""
    return _D1 * _D2 / namespace(speed).sqrt((_D2 * speed + _D3) ** 2 + 1.0)


def damped_force_velocity_inverse(active: Array, damping: Array, load: Array) -> Array:
    """Find the normalised speed v at which active · fv(v) + damping · v = load; NumPy arrays only.

    ``active`` and ``damping`` ≥ 0, and not both 0. In u = asinh(d2 v + d3) this is p u + q sinh(u) = r with p, q ≥ 0.
    Halley's method starts at the smaller of the upper bounds r / (p + q) and ln(1 + 2 r / q).
    """
    p, q = -_D1 * active, -damping / _D2 + 0.0 * active
    r = active * _D4 - load - damping * _D3 / _D2
    size = np.abs(r)
    u = np.minimum(size / (p + q), _STEEPEST)
    if np.any(damping):
        u = np.minimum(u, np.log1p(2.0 * size / np.maximum(q, _TINY)))
        for _ in range(_MOST_STEPS):
            grown = np.exp(u)
            bent, slope = 0.5 * q * (grown - 1.0 / grown), p + 0.5 * q * (grown + 1.0 / grown)
            short = p * u + bent - size
            step = short / (slope - 0.5 * short * bent / slope)
            u = np.minimum(u - step, _STEEPEST)
            if np.abs(step).max(initial=0.0) < _LAST_STEP:
                break
    return (np.copysign(np.sinh(u), r) - _D3) / _D2


def passive_share(p: Properties) -> Array:
    """(M,) 0 where passive force is ignored, else 1."""
    ignored = p["ignore_passive_fiber_force"]
    return where(ignored > 0.0, 0.0 * ignored, 1.0)


DEGROOTE = MuscleClass(
    name="DeGrooteFregly2016Muscle",
    curves=lambda p: (
        closed_form(p, active_force_length, active_force_length_slope),
        closed_form(p, passive_force_length, passive_force_length_slope, passive_share(p)),
        closed_form(p, tendon_force_length, tendon_force_length_slope),
        closed_form(p, force_velocity, force_velocity_slope),
    ),
    needed=(
        *("active_force_width_scale", "fiber_damping", "ignore_passive_fiber_force", "ignore_tendon_compliance"),
        *("passive_fiber_strain_at_one_norm_force", "tendon_strain_at_one_norm_force"),
    ),
    opensim_cosine=lambda _, fiber: namespace(fiber).ones_like(fiber),  # OpenSim's force is the fibre's
    longest_tendon=lambda p: _tendon_at(_LARGEST_TENDON_FORCE, p["tendon_strain_at_one_norm_force"]),
    unreadable=("optimal_force",),
    degroote={},
)


def not_degroote(parameters: MuscleParameters) -> list[str]:
    """Names of the muscles of other classes."""
    pairs = zip(parameters.names, parameters.classes, strict=True)
    return [name for name, kind in pairs if kind != DEGROOTE.name]
