"""Quantities of a solution that are computed on demand, with the names of OpenSim's muscle outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from inspect import cleandoc
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

import numpy as np

from ..errors import InputError, check_names, explain, shown
from ..muscle.fibers import Fibers, active_force, elastic_force, rigid_fibers
from ..muscle.metabolic_parameters import Metabolics
from ..muscle.muscle_class import ratio
from ..problem.arrays import Array
from .effort import rate_of

if TYPE_CHECKING:
    from ..problem.arrays import Kinematics, MuscleParameters
    from ..problem.problem import RedundancyProblem
    from .solution import RedundancySolution

Function = TypeVar("Function", bound=Callable[..., Any])
#: Names of quantities, ``"all"``, or one text of names separated by commas.
Outputs = str | Sequence[str]


class MusclesInMotion:
    """Lengths, speeds and forces of the muscles of a solution, (T, M); ``force`` is the tendon force in N."""

    def __init__(self, solution: RedundancySolution) -> None:
        self.solution, self.problem, self.force = solution, solution.problem, solution.muscle_force

    @property
    def parameters(self) -> MuscleParameters:
        """Parameters of the muscles; ``quantity_of`` has checked that they are known."""
        return cast("MuscleParameters", self.problem.parameters)

    @property
    def length(self) -> Array:
        """Length of the muscle-tendon units, m."""
        return np.asarray(self.problem.geometry.length)

    @property
    def speed(self) -> Array:
        """Lengthening speed of the muscle-tendon units, m/s."""
        return np.asarray(self.problem.geometry.lengthening_speed)

    @cached_property
    def fibers(self) -> Fibers:
        """Fibres of the solution's own model of muscles."""
        rigid, elastic = rigid_fibers(self.parameters, self.length, self.speed), self.solution.elastic_fibers()
        if elastic is None:
            return rigid
        return Fibers(*(np.where(self.solution.elastic, *both) for both in zip(elastic, rigid, strict=True)))

    @cached_property
    def active_along(self) -> Array:
        """Active force along the tendon, N: what activation multiplies."""
        active = self.problem.max_force * self.solution.activation
        if not self.solution.elastic.any():
            return active
        elastic = active_force(self.parameters, self.fibers, self.solution.activation) * self.fibers.cosine
        return np.where(self.solution.elastic, np.where(np.isnan(self.fibers.length), 0.0, elastic), active)

    @property
    def passive_along(self) -> Array:
        """All other force along the tendon, N."""
        return np.where(self.solution.elastic, self.force - self.active_along, self.problem.passive_force)

    def in_fiber(self, along: Array) -> Array:
        """Force along the fibre, N, from its component along the tendon; NaN where cos α is 0."""
        return ratio(along, self.fibers.cosine, np.nan)

    @property
    def elastic(self) -> Array:
        """Conservative part of the passive force along the fibre, N; all of it where osimopt has no curve."""
        passive = self.in_fiber(self.passive_along)
        elastic = elastic_force(self.parameters, self.fibers)
        return np.where(self.passive_along == 0.0, 0.0, np.where(np.isnan(elastic), passive, elastic))

    @property
    def angular_velocity(self) -> Array:
        """Rate of the pennation angle, rad/s: −v tan α / l."""
        length, cosine, _ = self.fibers
        tangent = ratio(np.sqrt((1.0 - cosine) * (1.0 + cosine)), cosine, np.nan)
        return -ratio(self.fibers.velocity * tangent, length, np.nan)

    @property
    def power(self) -> Array:
        """Power of the muscle-tendon unit on the skeleton, W."""
        return -self.force * self.speed


class Derived(NamedTuple):
    """Unit of a quantity, the arrays of the problem that it needs, its values (T, M), and a note for the docstring."""

    unit: str
    needs: tuple[str, ...]
    values: Callable[[MusclesInMotion], Array]
    more: str = ""


MOTION, FIBER = ("length", "speed"), ("length", "speed", "parameters")
#: Quantities that do not depend on the solution, and are known in failed frames too.
KNOWN = ("muscle_tendon_length", "muscle_tendon_velocity", "joint_power")
#: By name, which is also that of a file.
DERIVED = {
    "muscle_tendon_length": Derived("m", ("length",), lambda own: own.length),
    "muscle_tendon_velocity": Derived(
        "m/s", MOTION, lambda own: own.speed, "positive while it lengthens, as are those of fibres"
    ),
    "fiber_length": Derived("m", FIBER, lambda own: own.fibers.length),
    "normalized_fiber_length": Derived(
        "optimal fibre lengths", FIBER, lambda own: own.fibers.length / own.parameters.optimal_fiber_length
    ),
    "fiber_velocity": Derived("m/s", FIBER, lambda own: own.fibers.velocity, "along the fibre"),
    "normalized_fiber_velocity": Derived(
        "maximum contraction velocities", FIBER, lambda own: own.fibers.velocity / _fastest(own.parameters)
    ),
    "pennation_angle": Derived("rad", FIBER, lambda own: np.arccos(own.fibers.cosine)),
    "pennation_angular_velocity": Derived("rad/s", FIBER, lambda own: own.angular_velocity),
    "tendon_length": Derived("m", FIBER, lambda own: own.length - own.fibers.length * own.fibers.cosine),
    "tendon_force": Derived("N", (), lambda own: own.force, "the same as muscle_force"),
    "fiber_force": Derived("N", FIBER, lambda own: own.in_fiber(own.force), "along the fibre: tendon force / cos α"),
    "active_fiber_force": Derived("N", FIBER, lambda own: own.in_fiber(own.active_along), "along the fibre"),
    "passive_fiber_force": Derived(
        "N", FIBER, lambda own: own.in_fiber(own.passive_along), "along the fibre: elastic and damping force"
    ),
    "active_fiber_force_along_tendon": Derived(
        "N", FIBER, lambda own: own.active_along, "tendon force − passive_fiber_force_along_tendon"
    ),
    "passive_fiber_force_along_tendon": Derived(
        "N", FIBER, lambda own: own.passive_along, "zero where the solution has no passive force"
    ),
    "fiber_active_power": Derived(
        "W", FIBER, lambda own: -(own.in_fiber(own.force) - own.elastic) * own.fibers.velocity,
        "of active and damping force: −force · fiber_velocity",
    ),
    "fiber_passive_power": Derived("W", FIBER, lambda own: -own.elastic * own.fibers.velocity, "of elastic force"),
    "tendon_power": Derived(
        "W", FIBER, lambda own: -own.force * (own.speed - own.fibers.speed_along), "−tendon force · tendon velocity"
    ),
    "muscle_power": Derived(
        "W", MOTION, lambda own: own.power, "−tendon force · muscle_tendon_velocity: power of fibre and tendon"
    ),
    "muscle_work": Derived(
        "J", MOTION, lambda own: Work.of(own.solution.time, own.power).done,
        "integral of muscle_power from the first frame, trapezoidal",
    ),
    "metabolic_rate": Derived(
        "W", FIBER, lambda own: rate_of(own, Metabolics.of("umberger2010", {})),
        "by Umberger's probe with OpenSim's defaults; osimopt.metabolic_rate has others, and the whole body's",
    ),
    "joint_power": Derived(
        "W", ("kinematics",), lambda own: _joint_power(own.problem),
        "generalized force · speed by coordinate: net power of muscles and reserves",
    ),
}  # fmt: skip


def listed(function: Function) -> Function:
    """Write the quantities into a method's docstring, in place of ``{quantities}``."""
    if function.__doc__ is not None:  # python -OO removes docstrings
        lines = [f"    {name:<33} {own.unit}{own.more and f', {own.more}'}" for name, own in DERIVED.items()]
        function.__doc__ = cleandoc(function.__doc__).replace("    {quantities}", "\n".join(lines))
    return function


def _fastest(parameters: MuscleParameters) -> Array:
    """Maximum contraction velocities (M,) in m/s."""
    return parameters.optimal_fiber_length * parameters.max_contraction_velocity


def _joint_power(problem: RedundancyProblem) -> Array:
    """Generalized force times speed (T, D) in W; ``quantity_of`` has checked that there is a motion."""
    motion = cast("Kinematics", problem.kinematics)
    places = [motion.coordinates.index(name) for name in problem.coordinates]
    return np.asarray(problem.generalized_force * motion.speed[:, places])


@dataclass(frozen=True, eq=False)
class Work:
    """Work ``done`` (T, M) in J since the first frame, by the trapezoidal rule; NaN from a failed frame on."""

    time: Array
    power: Array
    done: Array

    @classmethod
    def of(cls, time: Array, power: Array, before: Work | None = None) -> Work:
        """Integrate power (T, M) in W; ``before`` is the work of the preceding piece of the motion."""
        if before is None:
            times, powers, start = time, power, 0.0 * power[0]
        else:
            times, powers = np.append(before.time[-1], time), np.vstack([before.power[-1], power])
            start = before.done[-1]
        steps = 0.5 * (powers[1:] + powers[:-1]) * np.diff(times)[:, None]
        done = start + np.cumsum(np.vstack([np.zeros((1, power.shape[1])), steps]), axis=0)
        return cls(time, power, done[-len(time) :])


def quantity_of(solution: RedundancySolution, name: str) -> Array:
    """Values of one of the ``DERIVED``: (T, M), of ``joint_power`` (T, D).

    Raises
    ------
    InputError
        The problem does not have what the quantity needs.
    """
    check_known(solution, name)
    values = DERIVED[name].values(solution.muscles_in_motion) + 0.0  # turns -0.0 into 0.0
    return values if name in KNOWN else np.where(np.isnan(solution.activation), np.nan, values)


def check_known(solution: RedundancySolution, name: str) -> None:
    """Refuse a quantity that needs what the problem does not have."""
    if lacking := [what for what in DERIVED[name].needs if not _has(solution.problem)[what]]:
        words = {"length": "muscle lengths", "speed": "lengthening speeds", "parameters": "muscle parameters"}
        got = f"a problem without {words.get(lacking[0], lacking[0])}"
        fix = "Make the problem with osimopt.load_problem."
        raise InputError(explain(f"a problem read from a model for '{name}'", got, fix))


def _has(problem: RedundancyProblem) -> dict[str, bool]:
    arrays: dict[str, Any] = {
        "length": problem.geometry.length, "speed": problem.geometry.lengthening_speed,
        "parameters": problem.parameters, "kinematics": problem.kinematics,
    }  # fmt: skip
    return {name: value is not None for name, value in arrays.items()}


def check_outputs(outputs: Outputs, written: Iterable[str]) -> tuple[str, ...]:
    """Names of the quantities to write; ``written`` are accepted too, as every result folder has them.

    Raises
    ------
    InputError
        A name is neither among ``DERIVED`` nor ``written``.
    """
    names = _names(outputs)
    check_names("outputs", names, ("all", *DERIVED, *written))
    return tuple(name for name in DERIVED if name in names or "all" in names)


def outputs_of(solution: RedundancySolution, outputs: Outputs) -> tuple[str, ...]:
    """Names of the quantities to write beside ``solution.quantities``; "all" are those that the problem allows."""
    names, named, has = check_outputs(outputs, solution.quantities), _names(outputs), _has(solution.problem)
    possible = [name for name in names if name in named or all(has[what] for what in DERIVED[name].needs)]
    return tuple(name for name in possible if name not in solution.quantities)


def _names(outputs: Outputs) -> list[str]:
    given = outputs.split(",") if isinstance(outputs, str) else outputs
    if not (isinstance(given, list | tuple) and all(isinstance(name, str) for name in given)):
        raise InputError(explain("outputs as names of quantities, or 'all'", shown(outputs), "Give a tuple of names."))
    return [name.strip() for name in given if name.strip()]
