"""Forces of muscles of any class: along rigid tendons, and in equilibrium with elastic ones.

On a rigid tendon, OpenSim's static optimization gives the fibre the length that a tendon at slack length leaves it and
a constant height, so that its speed is the muscle-tendon unit's times cos α; OpenSim's errors are reproduced, except
that a unit shorter than its tendon has no force.

With an elastic tendon the unknown is the fibre length along the tendon, s: F(l) s/l = tendon force at the length that s
leaves, with l = √(s² + height²). Newton's method finds it; it bisects where a step leaves the bracket or shrinks too
slowly.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np

from ..errors import InputError, ModelError, explain, some
from ..namespace import plain
from ..problem.arrays import MuscleParameters
from .degroote import DEGROOTE
from .millard import MILLARD
from .muscle_class import Array, Mask, Mechanics, MuscleClass, Values, in_one_library, in_order, pennated, ratio, where
from .thelen import THELEN

Pennation = Literal["opensim", "corrected"]

#: OpenSim alone computes their forces.
RIGID_TENDON = MuscleClass("RigidTendonMuscle", elastic_tendon=False)
MEYER = MuscleClass("MeyerFregly2016Muscle", elastic_tendon=False)
#: Every muscle class that osimopt accepts, by OpenSim's name.
CLASSES = {kind.name: kind for kind in (THELEN, MILLARD, DEGROOTE, RIGID_TENDON, MEYER)}
#: Names of the classes whose forces osimopt computes.
COMPUTED = tuple(kind.name for kind in CLASSES.values() if kind.needed)

#: Change of s, in optimal fibre lengths, at which the search ends.
_SETTLED = 1e-13
#: Bisection of the widest bracket alone needs some 50.
_MOST_STEPS = 200
#: Frames per block, so that the slowest one does not prolong the search in all.
_ROWS = 64
#: Tendon strain at which the search starts, as in OpenSim: with two equilibria it finds the same.
_FIRST_STRAIN = 0.01


def supported(parameters: MuscleParameters) -> Mask:
    """(M,) whose forces osimopt computes: the class has curves and every property it needs is a number."""
    mask = np.array([name in COMPUTED for name in parameters.classes], dtype=bool)
    for kind in CLASSES.values():
        own = np.array([name == kind.name for name in parameters.classes], dtype=bool)
        for name in kind.needed if own.any() else ():
            mask &= ~own | np.isfinite(plain(parameters.properties.get(name, np.nan)))
    return mask


def mechanics(parameters: MuscleParameters, like: Array | None = None) -> list[Mechanics]:
    """Sort muscles by class, in the library of ``like``; raises a ModelError where one is not ``supported``."""
    if not (mask := supported(parameters)).all():
        lacking = some(f"{parameters.classes[i]} '{parameters.names[i]}'" for i in np.flatnonzero(~mask))
        fix = "Leave them out (parameters.select(supported(parameters))) and take their forces from OpenSim."
        raise ModelError(explain(f"muscles of class {some(COMPUTED)} with all their properties", lacking, fix))
    if like is not None:
        parameters = in_one_library(parameters, like)[0]
    names, present = np.array(parameters.classes), [name for name in COMPUTED if name in parameters.classes]
    return [Mechanics(CLASSES[name], parameters, np.flatnonzero(names == name)) for name in present]


def rigid_tendon_gain(
    parameters: MuscleParameters, length: Array, lengthening_speed: Array, pennation: Pennation = "opensim"
) -> Array:
    """Active force (T, M) in N at activation 1 on rigid tendons.

    A tensor where one is given, with first derivatives by all but the shapes of Millard's curves.

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
        ``"corrected"`` is the force along the tendon for all classes. Either is 0 where the unit is shorter than the
        tendon; OpenSim mirrors a DeGrooteFregly fibre there.

    Raises
    ------
    InputError
        A shape is not (T, M), or ``pennation`` is neither of the two.
    ModelError
        A muscle is not ``supported``.
    """
    if pennation not in ("opensim", "corrected"):
        raise InputError(explain("pennation as 'opensim' or 'corrected'", repr(pennation), "Give one of them."))
    length, speed = in_one_library(parameters, length, lengthening_speed)[1]
    length, speed = _checked(parameters, length=length), _checked(parameters, lengthening_speed=speed)
    own, gain = mechanics(parameters, length), []
    for muscles in own:
        fiber, cosine, live = muscles.rigid_fiber(length[:, muscles.columns])
        speed_multiplier = muscles.velocity.value(speed[:, muscles.columns] * cosine / muscles.max_speed)
        multiplier = muscles.active.value(fiber / muscles.optimal) * speed_multiplier
        if pennation == "opensim" and muscles.kind.opensim_cosine is not None:
            cosine = muscles.kind.opensim_cosine(muscles, fiber)
        gain.append(where(live, muscles.max_force * multiplier * cosine, 0.0))
    return in_order(own, gain, length)


def rigid_tendon_passive(parameters: MuscleParameters, length: Array) -> Array:
    """Elastic passive force (T, M) in N along rigid tendons, for muscle-tendon units of length (T, M) in m.

    No damping; 0 where the unit is shorter than the tendon. Raises, and has derivatives, as ``rigid_tendon_gain``.
    """
    (length,) = in_one_library(parameters, length)[1]
    length = _checked(parameters, length=length)
    own, force = mechanics(parameters, length), []
    for muscles in own:
        fiber, cosine, live = muscles.rigid_fiber(length[:, muscles.columns])
        passive = muscles.max_force * muscles.passive.value(fiber / muscles.optimal) * cosine
        always = muscles.kind.shortest_active is None and not muscles.pushes
        force.append(where(live | always, passive, 0.0))
    return in_order(own, force, length)


def unlimited_fiber(parameters: MuscleParameters, length: Values) -> tuple[Values, Values]:
    """Fibre length in m and cos α, (T, M) each, on rigid tendons, for muscle-tendon units of length (T, M) in m.

    For every class without the shortest fibre and the maximum pennation that Thelen's and Millard's have: cos α is
    negative where the unit is shorter than the tendon.
    """
    height = parameters.optimal_fiber_length * np.sin(parameters.pennation_angle)
    return pennated(length - parameters.tendon_slack_length, height)


class _Drive(NamedTuple):
    """Terms that do not depend on the fibre length: normalised force = active · fal(l) + fpe(l) + drag."""

    active: Values
    drag: Values
    active_slope: Values

    @classmethod
    def of(cls, muscles: Mechanics, activation: Values, velocity: Values) -> _Drive:
        """From activation and fibre velocity (m/s); ``active_slope`` is ∂active/∂activation."""
        speed, scaled = velocity / muscles.max_speed, muscles.kind.speed_scale
        scale, widening = scaled(activation), scaled(1.0) - scaled(0.0)
        multiplier, slope = muscles.velocity.evaluate(speed / scale)
        added = multiplier - activation * slope * speed / scale**2 * widening
        return cls(activation * multiplier, muscles.damping * speed, added)


def equilibrium(
    parameters: MuscleParameters, length: Values, activation: Any, fiber_velocity: Any = 0.0
) -> tuple[Values, Values]:
    """Fibre length in m and tendon force in N, (T, M) each, at which fibre and tendon are in equilibrium.

    A tendon that is slack even at the fibre's shortest length carries no force, and a fibre of Thelen's or Millard's
    class never pushes. NaN where there is no equilibrium: for DeGrooteFregly's class, where the tendon would be slack
    or carry over five times the maximum isometric force. Where a muscle ignores tendon compliance, the tendon is rigid.

    Parameters
    ----------
    parameters
        The muscles, with their ``properties``.
    length
        Of the muscle-tendon units, (T, M) in m.
    activation, fiber_velocity
        (T, M), or a shape that broadcasts to it; the velocity in m/s along the fibre, positive while it lengthens.
        At rest the result is that of OpenSim's ``computeEquilibrium``.

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
        drive = _Drive.of(muscles, activation[own], fiber_velocity[own])
        with np.errstate(over="ignore", invalid="ignore"):  # far outside a bracket exponentials overflow
            elastic = _elastic(muscles, length[own], drive)
        rigid = _rigid(muscles, length[own], drive)
        fiber[own], force[own] = (np.where(muscles.rigid, r, e) for r, e in zip(rigid, elastic, strict=True))
    return fiber, force


def activation_slope(
    parameters: MuscleParameters, length: Values, activation: Any, fiber_length: Values, fiber_velocity: Any = 0.0
) -> Values:
    """∂(tendon force)/∂(activation) in N, (T, M), at the equilibrium that ``equilibrium`` found.

    By the implicit function theorem; zero where the tendon is slack. Raises as ``equilibrium``.
    """
    length, activation, fiber_velocity = _inputs(parameters, length, activation, fiber_velocity)
    fiber_length = _checked(parameters, fiber_length=fiber_length)
    slope = np.empty(length.shape)
    for muscles in mechanics(parameters):
        own = np.s_[:, muscles.columns]
        drive, fiber = _Drive.of(muscles, activation[own], fiber_velocity[own]), fiber_length[own]
        along = np.sqrt(np.maximum(fiber**2 - muscles.height**2, 0.0))
        along = np.where(muscles.rigid, np.copysign(along, length[own] - muscles.slack), along)
        pull, stiffness = muscles.fiber_force(along, drive.active, drive.drag)
        added = muscles.active.value(fiber / muscles.optimal) * drive.active_slope * muscles.max_force
        added = added * ratio(along, fiber, 1.0)
        tendon = muscles.tendon_force(length[own] - along)[1]
        share = np.where(muscles.rigid, 1.0, ratio(tendon, tendon + stiffness, 0.0))
        free = (fiber > muscles.floor) & ((pull != 0.0) | muscles.pushes)
        free &= ~muscles.rigid | (along > 0.0)
        slope[own] = np.where(np.isnan(fiber), np.nan, np.where(free, added * share, 0.0))
    return slope


def _checked(parameters: MuscleParameters, **named: Array) -> Any:
    """Return one named argument as a (T, M) array of floats."""
    (name, values), muscles = *named.items(), len(parameters.names)
    array = values if hasattr(values, "detach") else np.asarray(values, dtype=float)
    if array.ndim != 2 or array.shape[1] != muscles:
        raise InputError(explain(f"{name} of shape (T, {muscles})", f"{array.shape}", "One column for each muscle."))
    return array


def _inputs(
    parameters: MuscleParameters, length: Values, activation: Any, velocity: Any
) -> tuple[Values, Values, Values]:
    length = _checked(parameters, length=length)
    try:
        activation, velocity = (np.broadcast_to(np.asarray(x, float), length.shape) for x in (activation, velocity))
    except ValueError:
        got = f"{np.shape(activation)} and {np.shape(velocity)}"
        expected = f"activation and fiber_velocity of a shape that broadcasts to {length.shape}"
        raise InputError(explain(expected, got, "Give one column for each muscle.")) from None
    return length, activation, velocity


def _rigid(muscles: Mechanics, length: Values, drive: _Drive) -> tuple[Values, Values]:
    """Fibre length and tendon force on rigid tendons."""
    fiber, cosine, live = muscles.rigid_fiber(length)
    force = muscles.fiber_force(fiber * cosine, drive.active, drive.drag)[0]
    return fiber, np.where(np.isnan(length), np.nan, np.where(live, force, 0.0))


def _elastic(muscles: Mechanics, length: Values, drive: _Drive) -> tuple[Values, Values]:
    """Fibre length and tendon force on elastic tendons."""
    shortest, longest = _bracket(muscles, length)
    tense = _residual(muscles, length, shortest, drive)[0] >= 0.0
    end = _residual(muscles, length, longest, drive)[0]
    along = np.clip(length - (1.0 + _FIRST_STRAIN) * muscles.slack, shortest, longest)
    along = np.where(tense, shortest, np.where(end == 0.0, longest, along))
    settled = tense | ~(end > 0.0)
    for row in np.array_split(np.arange(len(length)), max(1, len(length) // _ROWS)):
        part = _Drive(*(values[row] for values in drive))
        along[row] = _newton(muscles, length[row], part, along[row], (shortest[row], longest[row]), settled[row])
    if muscles.pushes:
        along = np.where(tense | (end < 0.0) | (length < muscles.slack), np.nan, along)
    return np.hypot(along, muscles.height), muscles.tendon_force(length - along)[0]


def _bracket(muscles: Mechanics, length: Values) -> tuple[Values, Values]:
    """Bounds of s: from the shortest fibre or the longest tendon to a tendon at its slack length."""
    if muscles.pushes:
        shortest = np.maximum(length - muscles.slack * muscles.longest_tendon, 0.0)
    else:
        lowest = muscles.floor + 0.0 * length
        shortest = lowest * muscles.cosine(lowest)
    return shortest, np.maximum(length - muscles.slack, shortest)


def _newton(
    muscles: Mechanics, length: Values, drive: _Drive, along: Values, bounds: tuple[Values, Values], settled: Any
) -> Values:
    """Find the s at which the residual vanishes, between bounds at which its signs differ."""
    low, high = bounds
    before = high - low
    for _ in range(_MOST_STEPS):
        residual, slope = _residual(muscles, length, along, drive)
        low, high = np.where(residual < 0.0, along, low), np.where(residual < 0.0, high, along)
        step = ratio(residual, slope, np.inf)
        tried = along - step
        slow = (tried < low) | (tried > high) | (2.0 * np.abs(step) > before) | ~np.isfinite(tried)
        tried = np.where(slow, 0.5 * (low + high), tried)
        tried = np.where(settled | (residual == 0.0), along, tried)
        before, along = np.abs(tried - along), tried
        settled = settled | (before <= _SETTLED * muscles.optimal)
        if settled.all():
            return along
    return np.where(settled, along, np.nan)


def _residual(muscles: Mechanics, length: Values, along: Values, drive: _Drive) -> tuple[Values, Values]:
    """Fibre force minus tendon force in N, and its slope with s."""
    pull, stiffness = muscles.fiber_force(along, drive.active, drive.drag)
    tendon, other = muscles.tendon_force(length - along)
    return pull - tendon, stiffness + other
