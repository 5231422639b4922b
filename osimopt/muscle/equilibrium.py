"""Fibre–tendon equilibrium: the fibre length at which a fibre and its tendon pull equally, and what activation adds.

The unknown is the fibre's length along the tendon, s: F(l) s/l = tendon force at the length that s leaves, with
l = √(s² + height²). Newton's method, which bisects where a step leaves the bracket or shrinks too slowly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, explain
from ..problem.arrays import MuscleParameters
from . import thelen
from .mechanics import DEGROOTE, THELEN, Mechanics, mechanics
from .rigid import checked, floor, pennation_cosine, rigid_fiber

Array = NDArray[np.float64]

#: Change of s, in optimal fibre lengths, at which it is settled.
_SETTLED = 1e-13
#: Bisection of the widest bracket alone needs some 50.
_MOST_STEPS = 200
#: Frames at a time, so that the slowest of them does not hold up all.
_ROWS = 64
#: The tendon strain at which the search starts, as OpenSim's does: with two equilibria it finds the same.
_FIRST_STRAIN = 0.01


@dataclass(frozen=True, eq=False)
class _Drive:
    """What is known before the fibre's length is: normalised force = active · fal(l) + fpe(l) + drag."""

    active: Array
    drag: Array
    active_slope: Array


def equilibrium(
    parameters: MuscleParameters, length: Array, activation: Any, fiber_velocity: Any = 0.0
) -> tuple[Array, Array]:
    """Fibre length in m and tendon force in N, (T, M) each.

    Parameters
    ----------
    parameters
        The muscles, with their ``properties``.
    length
        Of the muscle-tendon units, (T, M) in m.
    activation, fiber_velocity
        (T, M), or what broadcasts to it; the velocity in m/s along the fibre, positive while it lengthens.
        At rest this is what OpenSim's ``computeEquilibrium`` finds.

    A tendon that is slack even at the fibre's shortest length carries nothing, a fibre of Thelen's or Millard's
    class never pushes. NaN where there is no equilibrium: of DeGrooteFregly's class, where the tendon would be slack
    or carry over five times the maximum isometric force. Where a muscle ignores tendon compliance, the tendon is rigid.

    Raises
    ------
    InputError
        A shape does not fit.
    ModelError
        A muscle is not ``supported``.
    """
    length, activation, fiber_velocity = _inputs(parameters, length, activation, fiber_velocity)
    fiber, force = np.full(length.shape, np.nan), np.full(length.shape, np.nan)
    for muscles in mechanics(parameters):
        own = np.s_[:, muscles.columns]
        drive = _drive(muscles, activation[own], fiber_velocity[own])
        with np.errstate(over="ignore", invalid="ignore"):  # far outside a bracket exponentials overflow
            elastic = _solve(muscles, length[own], drive)
        rigid = _rigid(muscles, length[own], drive)
        fiber[own], force[own] = (np.where(muscles.rigid, r, e) for r, e in zip(rigid, elastic, strict=True))
    return fiber, force


def activation_slope(
    parameters: MuscleParameters, length: Array, activation: Any, fiber_length: Array, fiber_velocity: Any = 0.0
) -> Array:
    """∂(tendon force)/∂(activation) in N, (T, M), at the equilibrium that ``equilibrium`` found.

    By the implicit function theorem; zero where the tendon is slack. Raises as ``equilibrium``.
    """
    length, activation, fiber_velocity = _inputs(parameters, length, activation, fiber_velocity)
    fiber_length = checked(parameters, fiber_length=fiber_length)
    slope = np.empty(length.shape)
    for muscles in mechanics(parameters):
        own = np.s_[:, muscles.columns]
        drive, fiber = _drive(muscles, activation[own], fiber_velocity[own]), fiber_length[own]
        along = np.sqrt(np.maximum(fiber**2 - muscles.height**2, 0.0))
        along = np.where(muscles.rigid, np.copysign(along, length[own] - muscles.slack), along)
        pull, stiffness = _fiber(muscles, along, drive)
        added = muscles.active.value(fiber / muscles.optimal) * drive.active_slope * muscles.strength
        added = added * _ratio(along, fiber, 1.0)
        tendon = _tendon(muscles, length[own] - along)[1]
        share = np.where(muscles.rigid, 1.0, _ratio(tendon, tendon + stiffness, 0.0))
        free = (fiber > floor(muscles)) & ((pull != 0.0) | (muscles.kind == DEGROOTE))
        slope[own] = np.where(np.isnan(fiber), np.nan, np.where(free, added * share, 0.0))
    return slope


def _inputs(parameters: MuscleParameters, length: Array, activation: Any, velocity: Any) -> tuple[Array, Array, Array]:
    length = checked(parameters, length=length)
    try:
        activation, velocity = (np.broadcast_to(np.asarray(x, float), length.shape) for x in (activation, velocity))
    except ValueError:
        got = f"{np.shape(activation)} and {np.shape(velocity)}"
        expected = f"activation and fiber_velocity of a shape that broadcasts to {length.shape}"
        raise InputError(explain(expected, got, "Give one column for each muscle.")) from None
    return length, activation, velocity


def _drive(muscles: Mechanics, activation: Array, velocity: Array) -> _Drive:
    speed = velocity / muscles.fastest
    scale = thelen.speed_scale(activation) if muscles.kind == THELEN else np.ones_like(activation)
    multiplier, slope = muscles.velocity.evaluate(speed / scale)
    widening = thelen.speed_scale(1.0) - thelen.speed_scale(0.0) if muscles.kind == THELEN else 0.0
    added = multiplier - activation * slope * speed / scale**2 * widening
    return _Drive(activation * multiplier, muscles.damping * speed, added)


def _solve(muscles: Mechanics, length: Array, drive: _Drive) -> tuple[Array, Array]:
    """Fibre length and tendon force of elastic tendons."""
    shortest, longest = _bracket(muscles, length)
    tense = _residual(muscles, length, shortest, drive)[0] >= 0.0
    end = _residual(muscles, length, longest, drive)[0]
    along = np.clip(length - (1.0 + _FIRST_STRAIN) * muscles.slack, shortest, longest)
    along = np.where(tense, shortest, np.where(end == 0.0, longest, along))
    settled = tense | ~(end > 0.0)
    for row in np.array_split(np.arange(len(length)), max(1, len(length) // _ROWS)):
        part = _Drive(drive.active[row], drive.drag[row], drive.active_slope[row])
        bounds = shortest[row], longest[row]
        along[row] = _newton(muscles, length[row], part, along[row], bounds, settled[row])
    if muscles.kind == DEGROOTE:
        along = np.where(tense | (end < 0.0) | (length < muscles.slack), np.nan, along)
    return np.hypot(along, muscles.height), _tendon(muscles, length - along)[0]


def _bracket(muscles: Mechanics, length: Array) -> tuple[Array, Array]:
    """Where s can be: from the fibre's shortest or the tendon's longest to a tendon at its slack length."""
    longest = length - muscles.slack
    if muscles.kind == DEGROOTE:
        shortest = np.maximum(length - muscles.slack * muscles.tightest, 0.0)
        return shortest, np.maximum(longest, shortest)
    lowest = floor(muscles) + 0.0 * length
    shortest = lowest * pennation_cosine(muscles, lowest)
    return shortest, np.maximum(longest, shortest)


def _newton(
    muscles: Mechanics, length: Array, drive: _Drive, along: Array, bounds: tuple[Array, Array], settled: Any
) -> Array:
    """The s at which the residual vanishes, between bounds at which its signs differ."""
    low, high = bounds
    before = high - low
    for _ in range(_MOST_STEPS):
        residual, slope = _residual(muscles, length, along, drive)
        low, high = np.where(residual < 0.0, along, low), np.where(residual < 0.0, high, along)
        step = _ratio(residual, slope, np.inf)
        tried = along - step
        slow = (tried < low) | (tried > high) | (2.0 * np.abs(step) > before) | ~np.isfinite(tried)
        tried = np.where(slow, 0.5 * (low + high), tried)
        tried = np.where(settled | (residual == 0.0), along, tried)
        before, along = np.abs(tried - along), tried
        settled = settled | (before <= _SETTLED * muscles.optimal)
        if settled.all():
            return along
    return np.where(settled, along, np.nan)


def _residual(muscles: Mechanics, length: Array, along: Array, drive: _Drive) -> tuple[Array, Array]:
    """Fibre's minus tendon's force in N, and its slope with s."""
    (pull, stiffness), (tendon, other) = _fiber(muscles, along, drive), _tendon(muscles, length - along)
    return pull - tendon, stiffness + other


def _fiber(muscles: Mechanics, along: Array, drive: _Drive) -> tuple[Array, Array]:
    """The fibre's force along the tendon in N, and its slope with s in N/m."""
    fiber = np.hypot(along, muscles.height)
    cosine, sine = _ratio(along, fiber, 1.0), _ratio(muscles.height + 0.0 * fiber, fiber, 0.0)
    active, active_slope = muscles.active.evaluate(fiber / muscles.optimal)
    passive, passive_slope = muscles.passive.evaluate(fiber / muscles.optimal)
    force = muscles.strength * (drive.active * active + passive + drive.drag)
    stiffness = muscles.strength / muscles.optimal * (drive.active * active_slope + passive_slope)
    slope = stiffness * cosine**2 + _ratio(force, fiber, 0.0) * sine**2
    pushes = (force < 0.0) & (muscles.kind != DEGROOTE)
    return np.where(pushes, 0.0, force * cosine), np.where(pushes, 0.0, slope)


def _tendon(muscles: Mechanics, length: Array) -> tuple[Array, Array]:
    """Tendon force in N and stiffness in N/m at a tendon length in m."""
    force, slope = muscles.tendon.evaluate(length / muscles.slack)
    return muscles.strength * force, muscles.strength * slope / muscles.slack


def _rigid(muscles: Mechanics, length: Array, drive: _Drive) -> tuple[Array, Array]:
    """Fibre length and tendon force of rigid tendons."""
    fiber, cosine, live = rigid_fiber(muscles, length)
    force = _fiber(muscles, fiber * cosine, drive)[0]
    return fiber, np.where(np.isnan(length), np.nan, np.where(live, force, 0.0))


def _ratio(numerator: Array, denominator: Array, otherwise: float) -> Array:
    return np.divide(numerator, denominator, out=np.full_like(denominator, otherwise), where=denominator != 0.0)
