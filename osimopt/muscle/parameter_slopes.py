"""Tendon force of muscles, and its exact derivatives by activation and by the muscle's own parameters.

Derivatives are those of the closed forms, by the chain rule; with an elastic tendon by the implicit function theorem at
the equilibrium of fibre and tendon. With x = s, the fibre length along the tendon, and F_f and F_t the forces of fibre
and tendon, F_f(s, θ) = F_t(s, θ) gives

    dF/dθ = (k_t ∂F_f/∂θ + k_f ∂F_t/∂θ) / (k_f + k_t),   k_f = ∂F_f/∂s,  k_t = −∂F_t/∂s.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..problem.arrays import MuscleParameters
from .fibers import equilibrium_speed
from .forces import activation_slope, equilibrium, mechanics
from .muscle_class import Mask, Mechanics, Values, ratio

#: Parameters that forces are differentiated by; all but the last by their logarithm as well as in their unit.
SLOPES = ("max_isometric_force", "optimal_fiber_length", "tendon_slack_length", "tendon_strain")


class TendonForces(NamedTuple):
    """``force`` (T, M) in N, and its slopes (T, M): ``by_activation``, and by the logarithm of each parameter.

    ``fiber`` (T, M) is the normalised fibre length. Force and slopes are 0 where a fibre can have none: a unit
    shorter than its tendon, a slack tendon, or no equilibrium.
    """

    force: Values
    by_activation: Values
    by_log: dict[str, Values]
    fiber: Values


class _Parts(NamedTuple):
    """A fibre at its length along the tendon: force and derivatives by that length and by ln of the optimal length."""

    force: Values
    by_along: Values
    by_log_optimal: Values


def rigid_tendon_forces(
    parameters: MuscleParameters, length: Values, lengthening_speed: Values, activation: Values
) -> TendonForces:
    """Forces along rigid tendons, active and elastic passive: muscle-tendon units of (T, M) m and m/s.

    They are affine in activation, as in static optimization: the force–velocity curve is that of full activation.

    Raises
    ------
    ModelError
        A muscle of a class whose forces osimopt does not compute.
    """
    out = _empty(length.shape)
    for muscles in mechanics(parameters):
        own = np.s_[:, muscles.columns]
        fiber, cosine, live = muscles.rigid_fiber(length[own])
        speed, level = lengthening_speed[own], activation[own]
        normalised = speed * cosine / muscles.max_speed
        velocity, slope = muscles.velocity.evaluate(normalised)
        active, active_slope = muscles.active.evaluate(fiber / muscles.optimal)
        passive, passive_slope = muscles.passive.evaluate(fiber / muscles.optimal)
        sine = np.where(muscles.pennated & live, ratio(muscles.height + 0.0 * fiber, fiber, 0.0), 0.0)
        pull = level * active * velocity + passive
        # a change of the length along the tendon, and of the height with the optimal length
        by_length = (level * active_slope * velocity + passive_slope) / muscles.optimal
        turned = level * active * slope * speed / muscles.max_speed  # by the cosine
        by_along = by_length * cosine**2 + (pull + turned * cosine) * ratio(sine**2, fiber, 0.0)
        shrunk = by_length * (fiber * sine**2 - fiber) - level * active * slope * normalised
        by_optimal = shrunk * cosine - (pull + turned * cosine) * cosine * sine**2
        strength = np.where(live, muscles.max_force + 0.0 * fiber, 0.0)
        out.force[own], out.by_activation[own] = strength * pull * cosine, strength * active * velocity * cosine
        out.by_log["max_isometric_force"][own] = strength * pull * cosine
        out.by_log["optimal_fiber_length"][own] = strength * by_optimal
        out.by_log["tendon_slack_length"][own] = -strength * by_along * muscles.slack
        out.fiber[own] = fiber / muscles.optimal
    return out


def elastic_tendon_forces(
    parameters: MuscleParameters, length: Values, lengthening_speed: Values, activation: Values
) -> TendonForces:
    """Forces of fibres in equilibrium with elastic tendons, at the speed that a rigid tendon leaves the fibre.

    Arguments and errors are those of ``rigid_tendon_forces``. A muscle that ignores tendon compliance has the rigid
    tendon's force.
    """
    speed = equilibrium_speed(parameters, length, lengthening_speed)
    fiber, force = equilibrium(parameters, length, activation, speed)
    by_activation = activation_slope(parameters, length, activation, fiber, speed)
    rigid = rigid_tendon_forces(parameters, length, lengthening_speed, activation)
    out = _empty(length.shape)
    for muscles in mechanics(parameters):
        own = np.s_[:, muscles.columns]
        along = np.sqrt(np.maximum(fiber[own] ** 2 - muscles.height**2, 0.0))
        level = activation[own]
        parts = _fiber(muscles, along, level, speed[own], _turning(muscles, length[own], lengthening_speed[own]))
        stretched = (length[own] - along) / muscles.slack
        _, slope = muscles.tendon.evaluate(stretched)
        strength = muscles.max_force
        stiff, by_slack = strength * slope / muscles.slack, -strength * slope * stretched
        # the curve is one of strain over its strain at one normalised force, for every class
        by_strain = -strength * slope * (stretched - 1.0)
        taut = np.isfinite(force[own]) & (force[own] > 0.0) & (muscles.pushes | (fiber[own] > muscles.floor))
        taut &= (parts.force != 0.0) & ~muscles.rigid
        share_tendon = np.where(taut, ratio(stiff, stiff + parts.by_along, 0.0), 0.0)
        share_fiber = np.where(taut, 1.0 - share_tendon, 0.0)
        # with rigid tendons the speed depends on the slack length, too
        by_turn = _turn_by_slack(muscles, length[own], lengthening_speed[own], along, level, speed[own])
        elastic = {
            "max_isometric_force": np.where(taut, force[own], 0.0),
            "optimal_fiber_length": share_tendon * parts.by_log_optimal,
            "tendon_slack_length": share_fiber * by_slack + share_tendon * by_turn,
            "tendon_strain": share_fiber * by_strain,
        }
        stiffened: Mask = np.broadcast_to(muscles.rigid, along.shape)
        for name, values in elastic.items():
            out.by_log[name][own] = np.where(stiffened, rigid.by_log[name][own], np.nan_to_num(values))
        out.force[own] = np.where(stiffened, rigid.force[own], np.nan_to_num(force[own]))
        out.by_activation[own] = np.where(stiffened, rigid.by_activation[own], np.nan_to_num(by_activation[own]))
        out.fiber[own] = fiber[own] / muscles.optimal
    return out


def _empty(shape: tuple[int, ...]) -> TendonForces:
    zeros = [np.zeros(shape) for _ in range(3 + len(SLOPES))]
    return TendonForces(zeros[0], zeros[1], dict(zip(SLOPES, zeros[3:], strict=True)), zeros[2])


def _fiber(muscles: Mechanics, along: Values, level: Values, speed: Values, turning: Values) -> _Parts:
    """The fibre's force along the tendon; ``turning`` is d ln(speed) / d ln(optimal length)."""
    fiber = np.hypot(along, muscles.height)
    cosine, sine = ratio(along, fiber, 1.0), ratio(muscles.height + 0.0 * fiber, fiber, 0.0)
    scale, normalised = muscles.kind.speed_scale(level), speed / muscles.max_speed
    velocity, slope = muscles.velocity.evaluate(normalised / scale)
    active, active_slope = muscles.active.evaluate(fiber / muscles.optimal)
    passive, passive_slope = muscles.passive.evaluate(fiber / muscles.optimal)
    pull = level * active * velocity + passive + muscles.damping * normalised
    by_length = (level * active_slope * velocity + passive_slope) / muscles.optimal
    by_along = muscles.max_force * (by_length * cosine**2 + pull * ratio(sine**2, fiber, 0.0))
    by_speed = level * active * slope / scale + muscles.damping
    grown = by_length * (fiber * sine**2 - fiber) + by_speed * normalised * (turning - 1.0)
    by_log_optimal = muscles.max_force * (grown * cosine - pull * cosine * sine**2)
    return _Parts(muscles.max_force * pull * cosine, by_along, by_log_optimal)


def _turning(muscles: Mechanics, length: Values, lengthening_speed: Values) -> Values:
    """Derivative d ln(cos α) / d ln(optimal length) of a fibre on a rigid tendon: − sin² α, 0 where it has no speed."""
    along = length - muscles.slack
    return np.where(along > 0.0, -(muscles.height**2) / np.maximum(along**2 + muscles.height**2, 1e-300), 0.0)


def _turn_by_slack(
    muscles: Mechanics, length: Values, lengthening_speed: Values, along: Values, level: Values, speed: Values
) -> Values:
    """∂F_f / ∂ln(slack length) at a fixed fibre length: the speed follows the rigid tendon's cosine."""
    rigid = length - muscles.slack
    size = np.hypot(rigid, muscles.height)
    turned = np.where(rigid > 0.0, -muscles.slack * ratio(muscles.height**2 + 0.0 * size, size**3, 0.0), 0.0)
    fiber = np.hypot(along, muscles.height)
    scale, normalised = muscles.kind.speed_scale(level), speed / muscles.max_speed
    slope = muscles.velocity.evaluate(normalised / scale)[1]
    active = muscles.active.value(fiber / muscles.optimal)
    by_speed = level * active * slope / scale + muscles.damping
    change = by_speed * lengthening_speed * turned / muscles.max_speed
    return np.asarray(muscles.max_force * change * ratio(along, fiber, 1.0))
