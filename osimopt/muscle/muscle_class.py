"""``MuscleClass``: one object for each muscle class of OpenSim; ``Mechanics``: the muscles of one class as arrays.

``namespace`` and ``where`` let a closed-form curve be written once for NumPy, torch and CasADi.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from inspect import signature
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..namespace import alike
from ..namespace import namespace as array_api
from ..problem.arrays import MuscleParameters

#: An array of NumPy or torch, a CasADi expression, or a number.
Array = Any
Values = NDArray[np.float64]
Mask = NDArray[np.bool_]
#: Properties of muscles by OpenSim's name, (M,) each, as in ``MuscleParameters.properties``.
Properties = Mapping[str, Values]

#: SimTK's SignificantReal: OpenSim takes smaller angles and lengths for zero.
TINY = np.finfo(float).eps ** (7.0 / 8.0)


def namespace(array: Array) -> Any:
    """Return the library of an array: torch or casadi for their types, else numpy; imports neither."""
    library = type(array).__module__.partition(".")[0]
    return sys.modules[library] if library in ("torch", "casadi") else np


def where(condition: Array, yes: Array, no: Array) -> Array:
    """Choose between two expressions elementwise; both are evaluated."""
    library = namespace(condition)
    if library.__name__ == "casadi":
        return library.if_else(condition, yes, no)
    if library.__name__ == "torch":
        like = next(item for item in (yes, no) if hasattr(item, "dtype"))
        yes, no = (library.as_tensor(item, dtype=like.dtype, device=like.device) for item in (yes, no))
    return library.where(condition, yes, no)


def in_one_library(parameters: MuscleParameters, *arrays: Array) -> tuple[MuscleParameters, tuple[Array, ...]]:
    """Parameters and arrays as tensors of torch, where one of them is; else as they are."""
    own = {one.name: getattr(parameters, one.name) for one in fields(parameters) if one.type == "Array"}
    tensors = [one for one in (*arrays, *own.values(), *parameters.properties.values()) if hasattr(one, "detach")]
    if not tensors:
        return parameters, arrays

    def tensor(array: Array) -> Array:
        return alike(np.asarray(array, dtype=float), tensors[0]) if not hasattr(array, "detach") else array

    own = {name: tensor(array) for name, array in own.items()}
    properties = {name: tensor(array) for name, array in parameters.properties.items()}
    return replace(parameters, properties=properties, **own), tuple(map(tensor, arrays))


class Multiplier(NamedTuple):
    """A normalised curve as a function of (T, m) arrays: its value alone, and its value with its slope."""

    value: Callable[[Values], Values]
    evaluate: Callable[[Values], tuple[Values, Values]]


def closed_form(
    p: Properties, value: Callable[..., Any], slope: Callable[..., Any], share: Values | float = 1.0
) -> Multiplier:
    """Multiply a closed form and its slope by a share; their parameters are the properties of the same names."""
    own = {name: p[name] for name in list(signature(value).parameters)[1:]}
    return Multiplier(lambda x: share * value(x, **own), lambda x: (share * value(x, **own), share * slope(x, **own)))


@dataclass(frozen=True, eq=False)
class MuscleClass:
    """Properties of one of OpenSim's muscle classes; ``forces.CLASSES`` lists all that osimopt accepts.

    Attributes
    ----------
    name
        OpenSim's name of the class.
    curves
        Gives the active, the passive, the tendon's force–length curve and the force–velocity curve for a class's
        properties.
    needed
        Names of the properties without which forces cannot be computed, those of a curve as ``"Curve.property"``; empty
        if only OpenSim computes the forces of the class. ``maximum_pennation_angle``, ``fiber_damping`` and
        ``ignore_tendon_compliance`` act on the forces only if they are listed.
    speed_scale
        Function of activation, linear, by which the speed axis of the force–velocity curve is scaled.
    opensim_cosine
        Function of the muscles and the fibre length (m) that replaces cos α in OpenSim's rigid-tendon active force;
        None if OpenSim takes cos α.
    shortest_active
        Name of the property with a normalised fibre length below which OpenSim keeps no fibre, and at which it
        computes no force.
    longest_tendon
        Gives the normalised length of a tendon at the largest force at which OpenSim searches for an equilibrium. The
        fibres of such a class have no shortest length, can push, and have no equilibrium with a slack tendon.
    elastic_tendon
        Whether OpenSim computes an equilibrium of fibre and tendon.
    rigid_tendon
        Whether OpenSim accepts ``ignore_tendon_compliance``.
    unreadable
        Properties that OpenSim writes to a model file and refuses to read.
    degroote
        Names, where they differ, of the properties that OpenSim's conversion copies to those of a De Groote muscle;
        None if the class cannot be converted.
    dropped
        Properties without a counterpart in De Groote muscles, in words.
    """

    name: str
    curves: Callable[[Properties], tuple[Multiplier, ...]] = lambda _: ()
    needed: tuple[str, ...] = ()
    speed_scale: Callable[[Array], Array] = lambda activation: 1.0 + 0.0 * activation
    opensim_cosine: Callable[[Mechanics, Values], Values] | None = None
    shortest_active: str | None = None
    longest_tendon: Callable[[Properties], Values] | None = None
    elastic_tendon: bool = True
    rigid_tendon: bool = True
    unreadable: tuple[str, ...] = ()
    degroote: Mapping[str, str] | None = None
    dropped: str = ""

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the objects that hold properties, such as Millard's curves."""
        return tuple(dict.fromkeys(name.partition(".")[0] for name in self.needed if "." in name))


class Mechanics:
    """m muscles of one class; ``columns`` (m,) are their indices in the model, every other array is (m,).

    ``max_force`` in N; ``optimal`` fibre and ``slack`` tendon length, constant ``height`` of the pennated fibre,
    ``shortest`` fibre length at the ``max_pennation`` angle (rad), and ``floor``, the fibre length below which OpenSim
    keeps no fibre, in m; ``max_speed`` in m/s; ``damping`` of the fibre in ``max_force`` at ``max_speed``; ``rigid``
    where the model ignores tendon compliance; ``pushes``, for all of them, where fibres can push and have no
    shortest length.
    """

    def __init__(self, kind: MuscleClass, parameters: MuscleParameters, columns: NDArray[np.intp]) -> None:
        own = parameters.select(columns)
        p = {name: own.properties[name] for name in kind.needed}
        optimal, none = own.optimal_fiber_length, 0.0 * own.optimal_fiber_length
        sin = namespace(optimal).sin
        self.kind, self.columns = kind, columns
        self.max_force, self.optimal, self.slack = own.max_isometric_force, optimal, own.tendon_slack_length
        self.max_speed = optimal * own.max_contraction_velocity
        self.height = optimal * sin(own.pennation_angle)
        self.pennated = own.pennation_angle > np.finfo(float).eps
        self.max_pennation = p.get("maximum_pennation_angle", none + 0.5 * np.pi)
        self.damping = p.get("fiber_damping", none)
        self.rigid = p.get("ignore_tendon_compliance", none) > 0.0
        self.active, self.passive, self.tendon, self.velocity = kind.curves(p)
        self.pushes = kind.longest_tendon is not None
        self.longest_tendon = none + np.inf if kind.longest_tendon is None else kind.longest_tendon(p)
        steep = self.max_pennation > TINY
        limited = where(steep, self.height / sin(where(steep, self.max_pennation, 1.0)), 0.01 * optimal)
        self.floor = self.shortest = none if self.pushes else limited
        if kind.shortest_active is not None:
            active = optimal * p[kind.shortest_active]
            longer = where(active > self.shortest, active, self.shortest)
            self.floor = where(longer > TINY, longer, TINY)

    def cosine(self, fiber: Array) -> Array:
        """Return cos α (T, m) at a fibre length (T, m) in m: constant height, no angle above ``max_pennation``."""
        xp, inside = namespace(fiber), fiber > self.shortest
        sine = where(inside, self.height / where(inside, fiber, 1.0), 1.0)
        steep = sine >= xp.sin(self.max_pennation)
        flat = where(steep, 0.0, sine)  # the root has no slope at a right angle
        square = (1.0 - flat) * (1.0 + flat)
        cosine = where(steep, xp.cos(self.max_pennation), xp.sqrt(where(square > 0.0, square, 0.0)))
        return where(xp.isnan(fiber), np.nan, where(self.pennated, cosine, 1.0))

    def rigid_fiber(self, length: Array) -> tuple[Array, Array, Array]:
        """Fibre length in m, cos α, and whether the fibre can have force, on a tendon at slack length.

        It has none up to ``floor``, nor where the unit is shorter than the tendon: there OpenSim mirrors the fibres
        that ``pushes`` marks, and they would push.
        """
        along = length - self.slack
        fiber, cosine = pennated(along, self.height)
        if self.pushes:
            return fiber, cosine, ~(along <= 0.0)
        xp = namespace(along)
        fiber = where(along >= self.shortest * xp.cos(self.max_pennation), fiber, self.shortest)
        fiber = where(xp.isnan(along), np.nan, where(fiber > self.floor, fiber, self.floor))
        return fiber, self.cosine(fiber), ~(fiber <= self.floor)

    def fiber_force(self, along: Values, active: Values, drag: Values) -> tuple[Values, Values]:
        """Fibre force along the tendon in N and its slope in N/m at a fibre length along the tendon in m.

        The normalised force of the fibre is active · fal(l) + fpe(l) + drag.
        """
        fiber = np.hypot(along, self.height)
        cosine, sine = ratio(along, fiber, 1.0), ratio(self.height + 0.0 * fiber, fiber, 0.0)
        multiplier, multiplier_slope = self.active.evaluate(fiber / self.optimal)
        passive, passive_slope = self.passive.evaluate(fiber / self.optimal)
        force = self.max_force * (active * multiplier + passive + drag)
        stiffness = self.max_force / self.optimal * (active * multiplier_slope + passive_slope)
        slope = stiffness * cosine**2 + ratio(force, fiber, 0.0) * sine**2
        slack = (force < 0.0) & (not self.pushes)
        return np.where(slack, 0.0, force * cosine), np.where(slack, 0.0, slope)

    def tendon_force(self, length: Values) -> tuple[Values, Values]:
        """Tendon force in N and stiffness in N/m at a tendon length in m."""
        force, slope = self.tendon.evaluate(length / self.slack)
        return self.max_force * force, self.max_force * slope / self.slack


def in_order(muscles: list[Mechanics], parts: list[Array], like: Array) -> Array:
    """One array (T, M) of those of the classes; without any, one of the shape of ``like``."""
    if not parts:
        return 0.0 * like
    order, xp = np.argsort(np.concatenate([one.columns for one in muscles])), array_api(like)
    return xp.take(xp.concat(parts, axis=1), alike(order, like), axis=1)


def pennated(along: Array, height: Array) -> tuple[Array, Array]:
    """Length in m and cos α of a fibre of constant height (m) from its length along the tendon (m)."""
    nothing = (along == 0.0) & (height == 0.0)  # the root has no slope there
    safe = where(nothing, 1.0, along)
    size = namespace(along).hypot(safe, height)
    fiber = where(nothing, 0.0, size)
    return fiber, where(fiber > 0.0, along / size, 1.0)


def ratio(numerator: Values, denominator: Values, at_zero: float) -> Values:
    """Divide, with ``at_zero`` where the denominator is zero."""
    return np.divide(numerator, denominator, out=np.full_like(denominator, at_zero), where=denominator != 0.0)


def newton_step(x: Values, error: Values, slope: Values, low: Values, high: Values) -> tuple[Values, ...]:
    """Newton's step towards the zero of a rising function, bisecting where it leaves the bracket.

    Returns x, the bracket's two ends and the size of the step.
    """
    xp = array_api(x)
    low, high = xp.where(error < 0.0, x, low), xp.where(error < 0.0, high, x)
    tried = x - error / xp.where(slope > 0.0, slope, np.nan)
    tried = xp.where((tried >= low) & (tried <= high), tried, 0.5 * (low + high))
    return tried, low, high, xp.abs(tried - x)
