"""Forces along a rigid tendon, as OpenSim's static optimization takes them, its faults included.

The fibre has the length that a tendon at slack length leaves it and a constant height, so that its
speed is the muscle-tendon unit's times cos α.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, explain
from ..problem.arrays import MuscleParameters
from .mechanics import DEGROOTE, MILLARD, THELEN, TINY, Mechanics, mechanics

Array = NDArray[np.float64]
Pennation = Literal["opensim", "corrected"]


def rigid_tendon_gain(
    parameters: MuscleParameters, length: Array, lengthening_speed: Array, pennation: Pennation = "opensim"
) -> Array:
    """Active force (T, M) in N at activation 1.

    Parameters
    ----------
    parameters
        The muscles, with their ``properties``.
    length, lengthening_speed
        Of the muscle-tendon units, (T, M) in m and m/s.
    pennation
        ``"opensim"`` equals ``calcInextensibleTendonActiveFiberForce(state, 1)``: Thelen's force is that along the
        tendon, DeGrooteFregly's is the fibre's (without cos α), Millard's takes cos α at a fibre length that was
        normalised but is read in metres, which makes it nearly 1 (opensim-core issue 4390).
        ``"corrected"`` is the force along the tendon of all.

    Raises
    ------
    InputError
        A shape is not (T, M), or ``pennation`` is neither of the two.
    ModelError
        A muscle is not ``supported``.
    """
    if pennation not in ("opensim", "corrected"):
        raise InputError(explain("pennation as 'opensim' or 'corrected'", repr(pennation), "Give one of them."))
    length, speed = checked(parameters, length=length), checked(parameters, lengthening_speed=lengthening_speed)
    gain = np.empty(length.shape)
    for muscles in mechanics(parameters):
        fiber, cosine, live = rigid_fiber(muscles, length[:, muscles.columns])
        multiplier = muscles.active.value(fiber / muscles.optimal)
        multiplier = multiplier * muscles.velocity.value(speed[:, muscles.columns] * cosine / muscles.fastest)
        counted = cosine if pennation == "corrected" else _cosine_of_opensim(muscles, fiber, cosine)
        gain[:, muscles.columns] = np.where(live, muscles.strength * multiplier * counted, 0.0)
    return gain


def rigid_tendon_passive(parameters: MuscleParameters, length: Array) -> Array:
    """Elastic passive force (T, M) in N along the tendon, of muscle-tendon units of length (T, M) in m.

    Without damping. Raises as ``rigid_tendon_gain``.
    """
    length = checked(parameters, length=length)
    force = np.empty(length.shape)
    for muscles in mechanics(parameters):
        fiber, cosine, live = rigid_fiber(muscles, length[:, muscles.columns])
        passive = muscles.strength * muscles.passive.value(fiber / muscles.optimal) * cosine
        # a Millard fibre at its shortest makes no force at all in OpenSim
        force[:, muscles.columns] = np.where(live | (muscles.kind != MILLARD), passive, 0.0)
    return force


def rigid_fiber(muscles: Mechanics, length: Array) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Fibre length in m, cos α, and whether the fibre is longer than its shortest; (T, m) each."""
    along = length - muscles.slack
    pennated, cosine = _pennated(along, muscles.height)
    if muscles.kind == DEGROOTE:
        return pennated, cosine, np.ones(length.shape, dtype=bool)
    fiber = np.where(along >= muscles.shortest * np.cos(muscles.steepest), pennated, muscles.shortest)
    fiber = np.where(np.isnan(along), np.nan, np.maximum(fiber, floor(muscles)))
    return fiber, pennation_cosine(muscles, fiber), ~(fiber <= floor(muscles))


def unlimited_fiber(parameters: MuscleParameters, length: Array) -> tuple[Array, Array]:
    """Fibre length in m and cos α, (T, M) each, of muscle-tendon units of length (T, M) in m, of any class.

    As ``rigid_fiber``, but without the shortest fibre and the steepest pennation that Thelen's and Millard's have:
    cos α is negative where the unit is shorter than the tendon.
    """
    height = parameters.optimal_fiber_length * np.sin(parameters.pennation_angle)
    return _pennated(length - parameters.tendon_slack_length, height)


def _pennated(along: Array, height: Array) -> tuple[Array, Array]:
    """Length in m and cos α of a fibre of constant height (m) that is so long along its tendon (m)."""
    fiber = np.hypot(along, height)
    return fiber, np.divide(along, fiber, out=np.ones_like(fiber), where=fiber > 0.0)


def floor(muscles: Mechanics) -> Array:
    """(m,) the fibre length in m below which OpenSim lets none of them be."""
    if muscles.kind == MILLARD:
        return np.maximum(TINY, np.maximum(muscles.shortest, muscles.shortest_active))
    return muscles.shortest


def pennation_cosine(muscles: Mechanics, fiber: Array) -> Array:
    """Cosine (T, m) of the angle at a fibre length (T, m): constant height, no angle steeper than the steepest."""
    sine = np.divide(muscles.height, fiber, out=np.ones_like(fiber), where=fiber > muscles.shortest)
    steep = sine >= np.sin(muscles.steepest)
    cosine = np.where(steep, np.cos(muscles.steepest), np.sqrt(np.maximum((1.0 - sine) * (1.0 + sine), 0.0)))
    return np.where(np.isnan(fiber), np.nan, np.where(muscles.pennated, cosine, 1.0))


def _cosine_of_opensim(muscles: Mechanics, fiber: Array, cosine: Array) -> Array:
    if muscles.kind == THELEN:
        return cosine
    return np.ones_like(fiber) if muscles.kind == DEGROOTE else pennation_cosine(muscles, fiber / muscles.optimal)


def checked(parameters: MuscleParameters, **named: Array) -> Array:
    """One named argument as a (T, M) array of floats."""
    (name, values), muscles = *named.items(), len(parameters.names)
    array = np.asarray(values, dtype=float)
    if array.ndim != 2 or array.shape[1] != muscles:
        raise InputError(explain(f"{name} of shape (T, {muscles})", f"{array.shape}", "One column for each muscle."))
    return array
