"""State of the muscles of a solution as metabolic probes need it, and their rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..muscle.fibers import isometric_multiplier
from ..muscle.metabolic_parameters import Metabolics
from ..muscle.metabolics import Effort
from ..problem.arrays import Array

if TYPE_CHECKING:
    from .quantities import MusclesInMotion


def effort_of(own: MusclesInMotion) -> Effort:
    """State of the muscles of a solution.

    A fibre whose length or velocity is unknown, as that of a slack tendon, is taken to have no force and no velocity.
    """
    solution, parameters = own.solution, own.parameters
    length, velocity = own.fibers.length / parameters.optimal_fiber_length, own.fibers.velocity
    known = np.isfinite(length) & np.isfinite(velocity)
    length, velocity = np.where(np.isfinite(length), length, 0.0), np.where(known, velocity, 0.0)
    active, passive = (np.where(known, own.in_fiber(along), 0.0) for along in (own.active_along, own.passive_along))
    excitation = getattr(solution, "excitation", solution.activation)
    return Effort(
        excitation, solution.activation, length, velocity, active, passive, isometric_multiplier(parameters, length)
    )


def rate_of(own: MusclesInMotion, metabolics: Metabolics) -> Array:
    """Rate (T, M) in W."""
    effort, tissue = effort_of(own), metabolics.tissue(own.parameters)
    return np.asarray(metabolics.probe.rate(effort, tissue))
