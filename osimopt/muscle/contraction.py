"""Contraction of De Groote muscles on elastic tendons: from tendon force and its rate to the fibre, and back.

The state is the tendon force F, normalised by the maximum isometric force. It determines the tendon length; the rest of
the muscle-tendon length is the fibre's (of constant height), and the rate of F determines the fibre velocity:

    F = (a · fal(l) · fv(v) + s · fpe(l) + β v) cos α

with activation a, normalised fibre length l and velocity v, fibre damping β, and s = 0 where passive force is ignored.
These are the implicit tendon dynamics of OpenSim's DeGrooteFregly2016Muscle.

OpenSim's equations do not apply where the unit is shorter than its tendon: cos α is negative there. Here the force of a
fibre shorter than 0.1 optimal lengths along its tendon fades: it is multiplied by a share g, which has two continuous
derivatives and falls from 1 to 0 at 0.02 optimal lengths. The force of a slack tendon decays with a time constant τ:

    F + (1 − g) τ dF/dt = g · (a · fal(l) · fv(v) + s · fpe(l) + β v) cos α,    τ = 1 ms

The right side does not decrease with fibre length or velocity, so that F and its rate are unique.
Fading changes isometric forces by less than the force of a fibre of 0.1 optimal lengths along its tendon: 0.4 % of its
strength, 0.7 % with a pennation angle of 25°; with active_force_width_scale = 1.5, 2.6 % and 9 %. Functions take NumPy
or torch arrays or CasADi expressions.

De Groote F, Kinney AL, Rao AV, Fregly BJ. Ann Biomed Eng 44(10), 2922-2936, 2016. doi:10.1007/s10439-016-1591-9.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..problem.arrays import MuscleParameters
from . import degroote
from .muscle_class import Array, namespace, where

#: Lengths of a fibre along its tendon, in optimal fibre lengths: below the first its force fades; up to the second the
#: force is 0 and the length unknown.
FADES, _LEAST_ALONG = 0.1, 0.02
#: Time constant in s of the decay of the force of a slack tendon.
_RELAXES = 0.001


class Fiber(NamedTuple):
    """Parameters of each muscle in the equations, (M,) or numbers.

    ``optimal`` fibre length, ``slack`` length of the tendon and constant ``height`` of the fibre in m, ``fastest``
    fibre velocity in m/s, shapes of the curves, ``passive_share`` 0 where passive force is ignored, and ``damping``.
    """

    optimal: Array
    slack: Array
    height: Array
    fastest: Array
    active_force_width_scale: Array
    passive_fiber_strain_at_one_norm_force: Array
    passive_share: Array
    tendon_strain_at_one_norm_force: Array
    damping: Array

    @classmethod
    def of(cls, parameters: MuscleParameters) -> Fiber:
        """Take them from De Groote muscles."""
        p, optimal = parameters.properties, parameters.optimal_fiber_length
        return cls(
            optimal,
            parameters.tendon_slack_length,
            optimal * np.sin(parameters.pennation_angle),
            optimal * parameters.max_contraction_velocity,
            p["active_force_width_scale"],
            p["passive_fiber_strain_at_one_norm_force"],
            degroote.passive_share(p),
            p["tendon_strain_at_one_norm_force"],
            p["fiber_damping"],
        )


class FiberState(NamedTuple):
    """Normalised fibre ``length`` and ``velocity``, cosine of the pennation angle.

    ``taut`` is the share g of its force that remains as the fibre fades, ``loss`` the normalised (1 − g) τ dF/dt.
    """

    length: Array
    velocity: Array
    cosine: Array
    taut: Array = 1.0
    loss: Array = 0.0


def fiber_state(length: Array, lengthening_speed: Array, force: Array, force_rate: Array, fiber: Fiber) -> FiberState:
    """The fibre at a muscle-tendon length (m) and speed (m/s), normalised tendon force and its rate (1/s)."""
    strain = fiber.tendon_strain_at_one_norm_force
    stretch = degroote.tendon_length(force, strain)
    tendon_speed = fiber.slack * force_rate / degroote.tendon_force_length_slope(stretch, strain)
    along, taut = _taut(length - fiber.slack * stretch, fiber)
    normalised, cosine = _pennated(along, fiber)
    velocity = (lengthening_speed - tendon_speed) * cosine / fiber.fastest
    return FiberState(normalised, velocity, cosine, taut, (1.0 - taut) * _RELAXES * force_rate)


def _taut(along: Array, fiber: Fiber) -> tuple[Array, Array]:
    """Length of a fibre along its tendon (m), not below the least, and the share of its force that it has."""
    share = along / fiber.optimal
    z = (share - _LEAST_ALONG) / (FADES - _LEAST_ALONG)
    z = where(z > 0.0, where(z < 1.0, z, 1.0), 0.0)
    return where(share > _LEAST_ALONG, along, _LEAST_ALONG * fiber.optimal), z**3 * (10.0 - z * (15.0 - 6.0 * z))


def _pennated(along: Array, fiber: Fiber) -> tuple[Array, Array]:
    """Normalised length and cos α of a fibre from its length along the tendon (m)."""
    length = namespace(along).sqrt(along**2 + fiber.height**2)
    return length / fiber.optimal, along / length


def passive_multiplier(state: FiberState, fiber: Fiber) -> Array:
    """Elastic and damping force along the fibre, normalised."""
    elastic = degroote.passive_force_length(state.length, fiber.passive_fiber_strain_at_one_norm_force)
    return state.taut * (fiber.passive_share * elastic + fiber.damping * state.velocity)


def active_multiplier(state: FiberState, fiber: Fiber) -> Array:
    """Active force along the fibre at activation 1, normalised."""
    isometric = degroote.active_force_length(state.length, fiber.active_force_width_scale)
    return state.taut * isometric * degroote.force_velocity(state.velocity)


def imbalance(activation: Array, force: Array, state: FiberState, fiber: Fiber) -> Array:
    """Normalised tendon force minus the fibre's along the tendon: zero where the two are in equilibrium."""
    pull = activation * active_multiplier(state, fiber) + passive_multiplier(state, fiber)
    return force + state.loss - pull * state.cosine


def tendon_force_rate(activation: Array, force: Array, length: Array, lengthening_speed: Array, fiber: Fiber) -> Array:
    """Rate of the normalised tendon force (1/s) at which ``imbalance`` is zero: the explicit form of the equations.

    NumPy arrays of shapes that broadcast; activation above 0, force above -0.2, length in m, lengthening speed in m/s.
    The result is finite for every such input: a fibre is never faster than 1350 maximum contraction velocities.
    """
    strain = fiber.tendon_strain_at_one_norm_force
    stretch = degroote.tendon_length(force, strain)
    along, taut = _taut(length - fiber.slack * stretch, fiber)
    normalised, cosine = _pennated(along, fiber)
    active = activation * degroote.active_force_length(normalised, fiber.active_force_width_scale)
    elastic = degroote.passive_force_length(normalised, fiber.passive_fiber_strain_at_one_norm_force)
    stiffness = degroote.tendon_force_length_slope(stretch, strain) / fiber.slack
    loss = (1.0 - taut) * _RELAXES * stiffness  # by tendon speed
    load = (force + loss * lengthening_speed) / cosine - taut * fiber.passive_share * elastic
    damping = taut * fiber.damping + loss * fiber.fastest / cosine**2
    velocity = degroote.damped_force_velocity_inverse(taut * active, damping, load)
    return stiffness * (lengthening_speed - velocity * fiber.fastest / cosine)
