"""A problem at the points of a mesh, with the dynamics of its muscles."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, explain, some
from ..muscle.contraction import Fiber
from ..muscle.forces import unlimited_fiber
from ..notices import warn
from ..problem.problem import RedundancyProblem
from .mesh import Mesh

Array = NDArray[np.float64]

#: Time constants in s and smoothing of activation dynamics where the model does not say: OpenSim's defaults of
#: DeGrooteFregly2016Muscle.
ACTIVATION, DEACTIVATION, SMOOTHING = 0.015, 0.060, 0.1
#: Normalised fibre lengths beyond which the muscles' curves mean nothing (OpenSim bounds its fibres there).
LONGEST = 1.8


@dataclass(frozen=True, eq=False)
class Nodes:
    """``problem`` has the N times of ``mesh``.

    ``dynamics`` (3, M): activation and deactivation time constants in s and smoothing; ``fiber`` what contraction
    needs, None with rigid tendons.
    """

    mesh: Mesh
    problem: RedundancyProblem
    dynamics: Array
    fiber: Fiber | None

    @classmethod
    def of(
        cls, problem: RedundancyProblem, mesh: Mesh, compliant: bool, time_constants: tuple[float, float] | None
    ) -> Nodes:
        """Resample a problem at the points of a mesh."""
        at = replace(problem.resample(mesh.time), time=mesh.time)
        return cls(mesh, at, _dynamics(problem, time_constants), _fiber(problem) if compliant else None)


def strength(problem: RedundancyProblem) -> Array:
    """(M,) N; maximum isometric forces, or the largest there are in a problem from arrays."""
    if problem.parameters is None:
        return np.asarray(problem.max_force.max(axis=0))
    return problem.parameters.max_isometric_force


def _fiber(problem: RedundancyProblem) -> Fiber:
    if problem.parameters is None:
        fix = "Use osimopt.load_problem, or tendon='rigid'."
        raise InputError(explain("a problem from a model for tendon='compliant'", "one from arrays", fix))
    return Fiber.of(problem.parameters)


def _dynamics(problem: RedundancyProblem, time_constants: tuple[float, float] | None) -> Array:
    properties = {} if problem.parameters is None else problem.parameters.properties
    names = ("activation_time_constant", "deactivation_time_constant", "activation_dynamics_smoothing")
    rows = []
    for name, default in zip(names, (ACTIVATION, DEACTIVATION, SMOOTHING), strict=True):
        own = properties.get(name, np.full(len(problem.muscles), np.nan))
        rows.append(np.where(np.isfinite(own), own, default))
    if time_constants is not None:
        rows[0][:], rows[1][:] = time_constants
    bad = ~((rows[0] > 0.0) & (rows[1] > 0.0))
    if bad.any():
        got = f"0 or less for {some(np.array(problem.muscles)[bad])}"
        raise InputError(explain("positive activation time constants in s", got, "Give time_constants=(0.015, 0.060)."))
    return np.array(rows)


def check_fibers(problem: RedundancyProblem, passive: NDArray[np.bool_]) -> None:
    """Refuse muscles whose fibre, on a tendon at slack length, would have no length or one beyond its curves.

    Beyond them only the ``passive`` (M,) force of a muscle is absurd (exponential, 300 times the strength at 2.4
    optimal lengths); where it is left out the muscle can do nothing, which is warned of.

    Raises
    ------
    InputError
        They are named, with how long their fibres would be and when.
    """
    parameters, length = problem.parameters, problem.geometry.length
    if parameters is None or length is None:
        return
    optimal = parameters.optimal_fiber_length
    along = length - parameters.tendon_slack_length
    fiber = unlimited_fiber(parameters, length)[0] / optimal

    def told(bad: NDArray[np.bool_], values: Array, frames: NDArray[np.intp]) -> str:
        muscles = np.flatnonzero(bad.any(axis=0)).tolist()
        when = (f"{problem.muscles[m]} {values[frames[m], m]:.2f} at {problem.time[frames[m]]:g} s" for m in muscles)
        return f"{some(when)} (in optimal fibre lengths)"

    repair = "Check the motion's units, and these muscles' optimal_fiber_length and tendon_slack_length"
    if (short := along <= 0.0).any():
        got = told(short, along / optimal, along.argmin(axis=0))
        expected = "muscles longer than their tendon_slack_length, which leaves a fibre some length along the tendon"
        raise InputError(explain(expected, got, f"{repair}, or leave them out of the model."))
    long, worst = fiber > LONGEST, fiber.argmax(axis=0)
    if (absurd := long & passive).any():
        fix = f"{repair}, or leave out their passive force: muscles={{'ignore_passive_fiber_force': {{name: True}}}}."
        expected = f"fibres up to {LONGEST} optimal lengths on a rigid tendon"
        raise InputError(explain(expected, told(absurd, fiber, worst), fix))
    if long.any():
        warn(
            f"Fibres beyond {LONGEST} optimal lengths on a rigid tendon, which can do nothing: "
            f"{told(long, fiber, worst)}. {repair}.",
            stacklevel=5,
        )
