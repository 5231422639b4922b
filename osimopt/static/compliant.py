"""Static optimization with compliant tendons: force is not affine in activation, and is linearised at the solution.

In every frame the fibre is in static equilibrium with its tendon, which gives a tendon force F(a). A problem with
max_force = F′(aₖ) and passive_force = F(aₖ) − F′(aₖ) aₖ is solved for aₖ₊₁, until activations no longer change. Then
the moments hold for F(a) itself, and the solution meets the first-order conditions of the nonlinear program. That
program is not convex: there is no certificate, and no proof of infeasibility.

A tendon cannot be pushed. A De Groote fibre that shortens as fast as on a rigid tendon would push it where damping
exceeds the active force (with OpenSim's damping of 0.01, at 0.46 maximum speeds and 0.84 optimal lengths: below an
activation of 0.018), or beyond its maximum speed, where it cannot pull at any activation. The tendon is then slack and
F(a) = 0, which is the limit of F(a) from above that activation. OpenSim looks for an equilibrium at this speed only,
between 0 and 5 maximum isometric forces, and finds none (``computeEquilibrium`` raises). With the explicit form of its
tendon dynamics, which omits damping, force settles there at 0.0025 maximum isometric forces at an activation of 0.01.
Where F(a) = 0, F′(a) = 0 too, and a muscle that is slack too early would stay slack: fibres may push until activations
are near the solution. Frames without equilibrium for another reason fail: the model does not fit them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, explain, some
from ..muscle.fibers import equilibrium_speed
from ..muscle.forces import COMPUTED, activation_slope, equilibrium, supported
from ..problem.arrays import Array, MuscleParameters
from ..problem.problem import RedundancyProblem
from ..solution.solution import RedundancySolution
from ..solution.status import Status

Mask = NDArray[np.bool_]

#: Activations that change by less have converged: the force error is then F″/2 · 1e-20.
SETTLED = 1e-10
#: Activations that change by less are near enough to decide which fibres would push.
NEAR = 1e-3
MOST_ROUNDS = 100
#: Smallest step length; a frame that overshoots halves its step length.
SHORTEST = 1.0 / 16.0
#: Activations at which forces are linearised first, in turn until a solution is found.
FIRST = (0.1, 0.4, 0.8, 0.02)


@dataclass(frozen=True, eq=False)
class _Forces:
    """Tendon force in N and its slope with activation, (T, M); 0 where there is no equilibrium (``lost``).

    Where the tendon is ``slack`` because the fibre would push it, force and slope are those of the pushing fibre.
    """

    force: Array
    slope: Array
    slack: Mask
    lost: Mask

    @classmethod
    def at(cls, problem: RedundancyProblem, activation: Array, speed: Array, elastic: Mask) -> _Forces:
        """Forces at these activations and speeds (m/s), as the problem has them where tendons are not ``elastic``."""
        force, slope = problem.max_force * activation + problem.passive_force, problem.max_force.copy()
        slack, lost = np.zeros(force.shape, dtype=bool), np.zeros(force.shape, dtype=bool)
        parameters, length, _ = model_of(problem)
        parameters, own = parameters.select(elastic), np.s_[:, elastic]
        found = cls._of_fibers(parameters, length[own], activation[own], speed[own])
        force[own], slope[own], slack[own], lost[own] = found
        return cls(force, slope, slack, lost)

    @staticmethod
    def _of_fibers(
        parameters: MuscleParameters, length: Array, activation: Array, speed: Array
    ) -> tuple[Array, Array, Mask, Mask]:
        """Force, slope, slack and lost of fibres on elastic tendons; units shorter than these have no force."""
        force, slope = _force_and_slope(parameters, length, activation, speed)
        known = np.isfinite(force) & np.isfinite(slope)
        if known.all():
            return force, slope, ~known, ~known
        pull, rise = _force_and_slope(_on_rigid_tendons(parameters), length, activation, speed)
        slack = ~known & (pull <= 0.0)
        force, slope = (np.where(known, a, np.where(slack, b, 0.0)) for a, b in ((force, pull), (slope, rise)))
        return force, slope, slack & (length > parameters.tendon_slack_length), ~known & ~slack

    def linear(self, problem: RedundancyProblem, activation: Array, firm: Mask) -> RedundancyProblem:
        """The problem with these forces, affine in activation; in ``firm`` frames (T,) no fibre pushes."""
        zero = self.slack & firm[:, None]
        force, slope = np.where(zero, 0.0, self.force), np.where(zero, 0.0, self.slope)
        return replace(problem, max_force=slope, passive_force=force - slope * activation)


def solve_compliant(
    problem: RedundancyProblem,
    solve: Callable[[RedundancyProblem, Array | None], RedundancySolution],
    guess: Array | None,
    elastic: Mask,
) -> RedundancySolution:
    """Solve with fibres and ``elastic`` tendons (M,) in equilibrium; ``solve`` solves an affine problem from a guess.

    The solution's problem is the last linear one, so that its forces are F(a). Frames in which a muscle has no
    equilibrium fail, and their ``detail`` names it; that of a solved frame names the muscles with slack tendons.

    Raises
    ------
    InputError
        The problem was not read from a model, or has a muscle class that osimopt does not support.
    """
    speed = _fiber_speed(problem, elastic)
    at = np.clip(np.full(problem.max_force.shape, FIRST[0]), problem.lower, problem.upper)
    tried = np.zeros(len(problem), dtype=int)
    step, moved_before = np.ones(len(problem)), np.full(len(problem), np.inf)
    forces, firm = _Forces.at(problem, at, speed, elastic), np.zeros(len(problem), dtype=bool)
    solution = solve(forces.linear(problem, at, firm), guess)
    for _ in range(MOST_ROUNDS):
        found = solution.solved & ~forces.lost.any(axis=1)
        change = np.where(found[:, None], solution.activation - at, 0.0)
        moved = np.abs(change).max(axis=1, initial=0.0)
        stuck = ~found & (tried + 1 < len(FIRST))
        if ((moved <= SETTLED) & firm & ~stuck).all():
            break
        step = np.clip(np.where(moved > moved_before, 0.5, 2.0) * step, SHORTEST, 1.0)
        moved_before = moved
        firm |= moved <= NEAR
        at = at + step[:, None] * change
        tried += stuck
        at[stuck] = np.clip(np.array(FIRST)[tried[stuck], None], problem.lower, problem.upper)
        start = None if solution.multipliers is None else np.nan_to_num(solution.multipliers)
        forces = _Forces.at(problem, at, speed, elastic)
        solution = solve(forces.linear(problem, at, firm), start)
    return _without_proof(solution, forces, (moved > SETTLED) | ~firm)


def refuse_compliant(solution: RedundancySolution, what: str) -> None:
    """Raise for a solution with compliant tendons or synergies.

    ``what`` needs forces that are affine in activation, and knows no muscles that are tied to others.
    """
    if solution.synergies is not None:
        fix = "Solve without synergies."
        raise InputError(explain(f"a solution without synergies for {what}", solution.synergies.text(), fix))
    if solution.provenance.get("solver", {}).get("tendon", "rigid") != "rigid":
        fix = "Solve with tendon='rigid'."
        raise InputError(explain(f"a solution with rigid tendons for {what}", "a solution with compliant tendons", fix))


def model_of(problem: RedundancyProblem) -> tuple[MuscleParameters, Array, Array]:
    """Muscle parameters, and lengths (m) and lengthening speeds (m/s) (T, M), of a problem read from a model."""
    parameters, geometry = problem.parameters, problem.geometry
    if parameters is None or geometry.length is None or geometry.lengthening_speed is None:
        fix = "Use osimopt.load_problem, or tendon='rigid'."
        raise InputError(explain("a problem from a model for tendon='compliant'", "a problem from arrays", fix))
    return parameters, geometry.length, geometry.lengthening_speed


def _fiber_speed(problem: RedundancyProblem, elastic: Mask | bool = True) -> Array:
    """Speed (T, M) in m/s of the fibres as if tendons were rigid; those with ``elastic`` ones have to be supported."""
    parameters, length, speed = model_of(problem)
    if (unknown := ~supported(parameters) & elastic).any():
        got = some(np.array(parameters.names)[unknown])
        fix = "Use tendon='rigid'."
        raise InputError(explain(f"muscles of class {some(COMPUTED)} for tendon='compliant'", got, fix))
    return equilibrium_speed(parameters, length, speed)


def _force_and_slope(
    parameters: MuscleParameters, length: Array, activation: Array, speed: Array
) -> tuple[Array, Array]:
    fiber, force = equilibrium(parameters, length, activation, speed)
    return force, np.maximum(activation_slope(parameters, length, activation, fiber, speed), 0.0)


def _on_rigid_tendons(parameters: MuscleParameters) -> MuscleParameters:
    rigid = np.ones(len(parameters.names))
    return replace(parameters, properties={**parameters.properties, "ignore_tendon_compliance": rigid})


def _without_proof(solution: RedundancySolution, forces: _Forces, unsettled: Mask) -> RedundancySolution:
    """Remove the certificate, which holds for the linear problem only, and mark unsolved frames as failed."""
    lost: Mask = np.any(forces.lost, axis=1)
    slack: Mask = np.any(forces.slack, axis=1)
    failed = unsettled | ~solution.solved | lost
    status = solution.status.copy()
    status[failed] = Status.NOT_CONVERGED
    names, detail = np.array(solution.problem.muscles), {}
    for frame in np.flatnonzero(failed | slack).tolist():
        if lost[frame]:
            detail[frame] = (
                f"No fibre-tendon equilibrium of {some(names[forces.lost[frame]])}. Check optimal_fiber_length and "
                "tendon_slack_length against the motion, or use tendon='rigid'."
            )
        elif not failed[frame]:
            detail[frame] = f"Slack tendons, as fibres shorten too fast: {some(names[forces.slack[frame]])}."
        elif unsettled[frame]:
            detail[frame] = "Activations did not converge with the stretch of the tendons."
        else:
            missed = f"Forces linearised at {len(FIRST)} activations in turn could not meet the moments. "
            detail[frame] = missed + solution.detail.get(frame, "")

    def blank(values: Array) -> Array:
        return np.where(failed.reshape(-1, *[1] * (values.ndim - 1)), np.nan, values)

    return replace(
        solution,
        activation=blank(solution.activation),
        reserve_control=blank(solution.reserve_control),
        status=status,
        objective=blank(solution.objective),
        objective_terms={name: blank(term) for name, term in solution.objective_terms.items()},
        gap=None,
        activation_error=None,
        multipliers=None if solution.multipliers is None else blank(solution.multipliers),
        detail=detail,
    )
