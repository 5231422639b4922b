"""Metabolic rate of muscles as OpenSim's probes compute it: Umberger 2010 and Bhargava 2004.

``Umberger2010`` and ``Bhargava2004`` carry the switches and constants of OpenSim's classes by their names, with their
defaults in OpenSim 4.6. ``rate`` takes NumPy arrays or CasADi expressions. With a ``Smoothing`` the
rate has derivatives: between shortening and lengthening as in OpenSim Moco's Bhargava2004SmoothedMuscleMetabolics, by
hyperbolic tangents. Moco's tangents at the limits of power and heat (of a width of 0.1 W) are replaced: with them
dynamic optimization of a walk did not converge in 500 iterations.

Umberger BR. Stance and swing phase costs in human walking. J R Soc Interface 7(50), 1329-1340, 2010.
doi:10.1098/rsif.2010.0084. With changes that Uchida et al. (2016) made and OpenSim has as its defaults,
doi:10.1371/journal.pone.0150378.
Bhargava LJ, Pandy MG, Anderson FC. A phenomenological model for estimating metabolic energy consumption in muscle
contraction. J Biomech 37(1), 81-88, 2004. doi:10.1016/s0021-9290(03)00239-2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from . import degroote
from .contraction import Fiber, active_multiplier, fiber_state, passive_multiplier
from .muscle_class import Array, namespace, where

#: N/m² and kg/m³ of the muscle mass, and share of slow-twitch fibres: defaults of both probes.
SPECIFIC_TENSION, DENSITY, SLOW_TWITCH = 0.25e6, 1059.7, 0.5
#: W/kg; least heat rate of a muscle.
_LEAST_HEAT = 1.0
#: W/kg; largest heat rate of shortening of slow-twitch fibres (Umberger).
_FASTEST_SLOW = 100.0
#: Normalised fibre lengths at which the maintenance heat (Bhargava) bends, values there, and bends.
_BENDS = ((0.5, 1.0), (1.0, -3.0), (1.5, 2.0))
_SHORT = 0.5
#: Optimal fibre lengths over which a smooth rate rounds these bends.
_ROUND = 0.02
#: Activation to which a smooth rate rounds the power 0.6 of Umberger's activation.
_NO_ACTIVATION = 1e-3


class Smoothing(NamedTuple):
    """How a smooth rate rounds the probes' transitions.

    ``velocity`` in s/m is b of ½ + ½ tanh(b v) between shortening and lengthening, ``level`` b of the same between
    activations and between normalised lengths, which only Umberger's rate needs. ``power`` and ``heat_rate`` in W per
    kg of muscle are δ of ½ (x + √(x² + δ²)) in place of max(0, x), of the total and of the heat rate.
    """

    velocity: float = 10.0
    power: float = 5.0
    heat_rate: float = 5.0
    level: float = 20.0


#: Without any rounding.
EXACT = Smoothing(np.inf, 0.0, 0.0, np.inf)


class Effort(NamedTuple):
    """State of muscles: excitation, activation, and of their fibres (T, M each, or expressions).

    ``length`` in optimal lengths, ``velocity`` in m/s (positive lengthening), ``active`` and ``passive`` force along
    the fibre in N, and ``isometric``, the multiplier of the active force–length curve.
    """

    excitation: Array
    activation: Array
    length: Array
    velocity: Array
    active: Array
    passive: Array
    isometric: Array


class Tissue(NamedTuple):
    """Parameters of muscles (M,): mass in kg, share of slow-twitch fibres, maximum isometric force in N,
    optimal fibre length in m, and maximum contraction velocity in optimal lengths per second."""  # noqa: D205, D209

    mass: Array
    slow_twitch: Array
    strength: Array
    optimal: Array
    fastest: Array


class Smooth(NamedTuple):
    """A probe with smooth transitions."""

    probe: Umberger2010 | Bhargava2004
    smoothing: Smoothing


def on_elastic_tendon(
    excitation: Array, activation: Array, force: Array, force_rate: Array, length: Array, lengthening_speed: Array,
    fiber: Fiber, strength: Array,
) -> Effort:  # fmt: skip
    """State of De Groote muscles from the normalised force of their tendons and its rate; see ``contraction``."""
    state = fiber_state(length, lengthening_speed, force, force_rate, fiber)
    active, passive = activation * active_multiplier(state, fiber), passive_multiplier(state, fiber)
    isometric = degroote.active_force_length(state.length, fiber.active_force_width_scale)
    speed = state.velocity * fiber.fastest
    return Effort(excitation, activation, state.length, speed, strength * active, strength * passive, isometric)


def _choose(x: Array, low: Array, high: Array, steepness: float = np.inf) -> Array:
    """``low`` up to x = 0 and ``high`` above; with a finite steepness, a hyperbolic tangent between the two."""
    if steepness == np.inf:
        return where(x > 0.0, high, low)
    return low + (high - low) * (0.5 + 0.5 * namespace(x).tanh(steepness * x))


def _basal(coefficient: float, exponent: float, body_mass: float) -> float:
    return float(coefficient * body_mass**exponent)


@dataclass(frozen=True)
class Umberger2010:
    """OpenSim's Umberger2010MuscleMetabolicsProbe."""

    activation_maintenance_rate_on: bool = True
    shortening_rate_on: bool = True
    basal_rate_on: bool = True
    mechanical_work_rate_on: bool = True
    enforce_minimum_heat_rate_per_muscle: bool = True
    aerobic_factor: float = 1.5
    basal_coefficient: float = 1.2
    basal_exponent: float = 1.0
    muscle_effort_scaling_factor: float = 1.0
    use_bhargava_recruitment_model: bool = True
    include_negative_mechanical_work: bool = True
    forbid_negative_total_power: bool = True

    def basal(self, body_mass: float) -> float:
        """Basal rate in W."""
        return _basal(self.basal_coefficient, self.basal_exponent, body_mass) if self.basal_rate_on else 0.0

    def rate(self, effort: Effort, tissue: Tissue, soft: Smoothing = EXACT) -> Array:
        """Rate in W of each muscle."""
        factor = self.muscle_effort_scaling_factor
        excitation, activation = factor * effort.excitation, factor * effort.activation
        level = _choose(excitation - activation, 0.5 * (excitation + activation), excitation, soft.level)
        slow = self._slow(excitation, tissue.slow_twitch)
        stretched = effort.length - 1.0
        heat = self._maintenance(level, slow, effort.isometric, stretched, soft)
        velocity = effort.velocity
        shortening = self._shortening(level, slow, velocity / tissue.optimal, tissue.fastest, soft)
        shortening = shortening * _choose(stretched, 1.0, effort.isometric, soft.level)
        pull = _choose(effort.active, 0.0, factor * effort.active)
        work = -pull * velocity / tissue.mass
        if not self.include_negative_mechanical_work:
            work = _choose(velocity, work, 0.0, soft.velocity)
        if self.forbid_negative_total_power:
            shortening = shortening + _positive(-heat - shortening - work, soft.power)
        total = work if self.mechanical_work_rate_on else 0.0 * work
        if self.activation_maintenance_rate_on and self.shortening_rate_on:
            heat = heat + shortening
            if self.enforce_minimum_heat_rate_per_muscle:
                heat = heat + _positive(_LEAST_HEAT - heat, soft.heat_rate)
            return tissue.mass * (total + heat)
        total = total + heat if self.activation_maintenance_rate_on else total
        return tissue.mass * (total + shortening if self.shortening_rate_on else total)

    def _slow(self, excitation: Array, share: Array) -> Array:
        """Share of slow-twitch fibres among those that work: r sin / (r sin + (1 − r) (1 − cos)), by half angles."""
        if not self.use_bhargava_recruitment_model:
            return share
        xp, half = namespace(excitation), 0.25 * math.pi * excitation
        slow, fast = share * xp.cos(half), (1.0 - share) * xp.sin(half)
        none = slow + fast == 0.0  # no slow-twitch fibres and no excitation: 1 in OpenSim
        return where(none, 1.0, slow / where(none, 1.0, slow + fast))

    def _maintenance(self, level: Array, slow: Array, isometric: Array, stretched: Array, soft: Smoothing) -> Array:
        """Heat rate of activation and maintenance, W/kg."""
        power = (level**2 + (0.0 if soft is EXACT else _NO_ACTIVATION**2)) ** 0.3
        share = _choose(stretched, 1.0, 0.4 + 0.6 * isometric, soft.level)
        return self.aerobic_factor * power * (128.0 * (1.0 - slow) + 25.0) * share

    def _shortening(self, level: Array, slow: Array, speed: Array, fastest: Array, soft: Smoothing) -> Array:
        """Heat rate of shortening or lengthening at optimal length, W/kg; ``speed`` in optimal lengths per second."""
        by_slow, by_fast = 250.0 / fastest, 153.0 / fastest
        of_slow = -by_slow * speed
        of_slow = _choose(of_slow - _FASTEST_SLOW, of_slow, _FASTEST_SLOW)
        shorter = level**2 * (of_slow * slow - by_fast * speed * (1.0 - slow))
        longer = level * (4.0 if self.include_negative_mechanical_work else 0.3) * by_slow * speed
        # in m/s, as other velocities: a fibre of 0.1 m
        return self.aerobic_factor * _choose(speed, shorter, longer, 0.1 * soft.velocity)


@dataclass(frozen=True)
class Bhargava2004:
    """OpenSim's Bhargava2004MuscleMetabolicsProbe, with constants in W/kg that OpenSim has for each muscle.

    The piecewise linear dependence of the maintenance heat on the normalised fibre length is OpenSim's default.
    """

    activation_rate_on: bool = True
    maintenance_rate_on: bool = True
    shortening_rate_on: bool = True
    basal_rate_on: bool = True
    mechanical_work_rate_on: bool = True
    enforce_minimum_heat_rate_per_muscle: bool = True
    use_force_dependent_shortening_prop_constant: bool = False
    basal_coefficient: float = 1.2
    basal_exponent: float = 1.0
    muscle_effort_scaling_factor: float = 1.0
    include_negative_mechanical_work: bool = True
    forbid_negative_total_power: bool = True
    activation_constant_slow_twitch: float = 40.0
    activation_constant_fast_twitch: float = 133.0
    maintenance_constant_slow_twitch: float = 74.0
    maintenance_constant_fast_twitch: float = 111.0

    def basal(self, body_mass: float) -> float:
        """Basal rate in W."""
        return _basal(self.basal_coefficient, self.basal_exponent, body_mass) if self.basal_rate_on else 0.0

    def rate(self, effort: Effort, tissue: Tissue, soft: Smoothing = EXACT) -> Array:
        """Rate in W of each muscle."""
        factor = self.muscle_effort_scaling_factor
        xp, angle = namespace(effort.excitation), 0.5 * math.pi * factor * effort.excitation
        slow, fast = tissue.slow_twitch * xp.sin(angle), (1.0 - tissue.slow_twitch) * (1.0 - xp.cos(angle))
        activating = self.activation_constant_slow_twitch * slow + self.activation_constant_fast_twitch * fast
        maintaining = self.maintenance_constant_slow_twitch * slow + self.maintenance_constant_fast_twitch * fast
        maintaining = maintaining * _length_dependence(effort.length, 0.0 if soft is EXACT else _ROUND)
        velocity, active = effort.velocity, factor * effort.active
        shortening = -self._proportion(effort, active + effort.passive, tissue, soft) * velocity / tissue.mass
        work = -active * velocity / tissue.mass
        if not self.include_negative_mechanical_work:
            work = _choose(velocity, work, 0.0, soft.velocity)
        if self.forbid_negative_total_power:
            shortening = shortening + _positive(-activating - maintaining - shortening - work, soft.power)
        parts = (
            (activating, self.activation_rate_on), (maintaining, self.maintenance_rate_on),
            (shortening, self.shortening_rate_on),
        )  # fmt: skip
        heat = sum((part for part, on in parts if on), 0.0 * work)
        if self.enforce_minimum_heat_rate_per_muscle and all(on for _, on in parts):
            heat = heat + _positive(_LEAST_HEAT - heat, soft.heat_rate)
        return tissue.mass * (heat + work if self.mechanical_work_rate_on else heat)

    def _proportion(self, effort: Effort, force: Array, tissue: Tissue, soft: Smoothing) -> Array:
        """Heat of shortening per length, N."""
        if not self.use_force_dependent_shortening_prop_constant:
            return _choose(effort.velocity, 0.25 * force, 0.0, soft.velocity)
        activation = self.muscle_effort_scaling_factor * effort.activation
        isometric = activation * effort.isometric * tissue.strength
        return _choose(effort.velocity, 0.16 * isometric + 0.18 * force, 0.157 * force, soft.velocity)


Probe = Umberger2010 | Bhargava2004
PROBES: dict[str, type[Probe]] = {"umberger2010": Umberger2010, "bhargava2004": Bhargava2004}


def _length_dependence(length: Array, rounding: float) -> Array:
    """0.5 up to a length of 0.5, 1 at 1, 0 from 1.5 on, linear between; ``rounding`` replaces max(0, x)."""
    total = _SHORT + 0.0 * length
    for at, bend in _BENDS:
        total = total + bend * _positive(length - at, rounding)
    return total


def _positive(x: Array, rounding: float) -> Array:
    """max(0, x), rounded near 0."""
    return 0.5 * (x + (x**2 + rounding**2) ** 0.5)
