"""Fibres of muscles at their activation: length, velocity, direction, and the two forces in them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..problem.arrays import MuscleParameters
from .forces import equilibrium, mechanics, supported, unlimited_fiber
from .muscle_class import Values, ratio


class Fibers(NamedTuple):
    """Fibres, (T, M) each: ``length`` in m, ``cosine`` of the pennation angle, and ``speed_along`` the tendon in m/s.

    The latter is the rate of the length along the tendon, length · cos α; with the fibre's constant height the fibre
    lengthens at ``velocity`` = speed_along · cos α.
    """

    length: Values
    cosine: Values
    speed_along: Values

    @property
    def velocity(self) -> Values:
        """(T, M) m/s along the fibre, positive while it lengthens."""
        return self.speed_along * self.cosine


def rigid_fibers(parameters: MuscleParameters, length: Values, lengthening_speed: Values) -> Fibers:
    """Fibres on rigid tendons, from (T, M) lengths (m) and lengthening speeds (m/s) of the muscle-tendon units.

    A fibre of Thelen's or Millard's class that would be shorter than OpenSim lets it be stays at that length; that of
    another class is unknown (NaN) where its unit is shorter than the tendon.
    """
    fiber, cosine = unlimited_fiber(parameters, length)
    speed = np.array(lengthening_speed, dtype=float)
    known = np.flatnonzero(supported(parameters))
    for muscles in mechanics(parameters.select(known)):
        own = np.s_[:, known[muscles.columns]]
        fiber[own], cosine[own], live = muscles.rigid_fiber(length[own])
        speed[own] = np.where(live, speed[own], 0.0)
        if muscles.pushes:
            fiber[own], cosine[own], speed[own] = (np.where(live, x[own], np.nan) for x in (fiber, cosine, speed))
    return Fibers(fiber, cosine, speed)


def equilibrium_speed(parameters: MuscleParameters, length: Values, lengthening_speed: Values) -> Values:
    """Fibre velocity (T, M) in m/s at which fibre and tendon are in equilibrium: as if tendons were rigid."""
    return np.asarray(lengthening_speed * np.maximum(unlimited_fiber(parameters, length)[1], 0.0))


def equilibrium_fibers(
    parameters: MuscleParameters, length: Values, lengthening_speed: Values, activation: Values
) -> Fibers:
    """Fibres in equilibrium with elastic tendons at an activation (T, M), at ``equilibrium_speed``.

    A slack tendon has its slack length; its fibre does not shorten at that speed: NaN, as is the
    speed of a fibre at the shortest length that OpenSim lets it have. Raises as ``equilibrium``.
    """
    velocity = equilibrium_speed(parameters, length, lengthening_speed)
    slack = rigid_fibers(parameters, length, lengthening_speed)
    fiber, force = equilibrium(parameters, length, activation, velocity)
    fiber, cosine, speed = np.where(np.isnan(fiber), slack.length, fiber), slack.cosine, slack.speed_along
    for muscles in mechanics(parameters):
        own = np.s_[:, muscles.columns]
        along = np.sqrt(np.maximum(fiber[own] ** 2 - muscles.height**2, 0.0))
        taut = (force[own] > 0.0) & (muscles.pushes | (fiber[own] > muscles.floor))
        elastic = ratio(along, fiber[own], 1.0)
        moving = np.where(taut, ratio(velocity[own], elastic, np.nan), np.nan)
        cosine[own] = np.where(muscles.rigid, cosine[own], elastic)
        speed[own] = np.where(muscles.rigid, speed[own], moving)
    return Fibers(fiber, cosine, speed)


def fibers_under(
    parameters: MuscleParameters, length: Values, force: Values, normalized_length: Any, normalized_velocity: Any
) -> Fibers:
    """Fibres of De Groote muscles whose elastic tendons carry ``force`` (T, M) in N, from their normalised states.

    ``length`` (T, M) is that of the muscle-tendon units in m. The cosine of the pennation angle is negative where the
    tendon, stretched by ``force``, is longer than the unit.
    """
    optimal = parameters.optimal_fiber_length
    fiber = optimal * np.asarray(normalized_length)
    velocity = optimal * parameters.max_contraction_velocity * np.asarray(normalized_velocity)
    cosine = np.empty(fiber.shape)
    for muscles in mechanics(parameters):
        own = np.s_[:, muscles.columns]
        along = np.sqrt(np.maximum(fiber[own] ** 2 - muscles.height**2, 0.0))
        with np.errstate(over="ignore"):  # a short tendon stretched to the length of the whole unit
            forwards = force[own] <= muscles.tendon_force(length[own])[0]
        cosine[own] = ratio(np.where(forwards, along, -along), fiber[own], 1.0)
    return Fibers(fiber, cosine, ratio(velocity, cosine, np.nan))


def active_force(parameters: MuscleParameters, fibers: Fibers, activation: Values) -> Values:
    """Active force (T, M) in N along the fibre; none at the shortest length that OpenSim lets a fibre have."""
    force = np.empty(activation.shape)
    for muscles in mechanics(parameters):
        own = np.s_[:, muscles.columns]
        level, speed = activation[own], fibers.velocity[own] / muscles.max_speed
        multiplier = muscles.active.value(fibers.length[own] / muscles.optimal)
        multiplier = multiplier * muscles.velocity.value(speed / muscles.kind.speed_scale(level))
        active = muscles.pushes | (fibers.length[own] > muscles.floor)
        force[own] = np.where(active, muscles.max_force * level * multiplier, 0.0 * speed)
    return force


def elastic_force(parameters: MuscleParameters, fibers: Fibers) -> Values:
    """Elastic part (T, M) in N of the passive force along the fibre; NaN where a muscle is not ``supported``."""
    force, known = np.full(fibers.length.shape, np.nan), np.flatnonzero(supported(parameters))
    for muscles in mechanics(parameters.select(known)):
        own = np.s_[:, known[muscles.columns]]
        force[own] = muscles.max_force * muscles.passive.value(fibers.length[own] / muscles.optimal)
    return force


def isometric_multiplier(parameters: MuscleParameters, length: Values) -> Values:
    """Active force–length curve (T, M) at normalised fibre lengths; NaN where a muscle is not ``supported``."""
    multiplier, known = np.full(length.shape, np.nan), np.flatnonzero(supported(parameters))
    for muscles in mechanics(parameters.select(known)):
        own = known[muscles.columns]
        multiplier[:, own] = muscles.active.value(length[:, own])
    return multiplier
