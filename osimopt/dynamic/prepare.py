"""Weights and De Groote muscles of a problem, and checks of the problem against conditions and mesh."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..errors import InputError, check_names, explain, shown, some
from ..muscle.conversion import use_degroote_muscles
from ..muscle.degroote import not_degroote
from ..muscle.forces import unlimited_fiber
from ..muscle.muscle_class import Mask
from ..muscle.tendons import Tendons, compliant
from ..notices import collect_warnings, warn
from ..problem.arrays import Array
from ..problem.problem import RedundancyProblem
from .mesh import SAME, Mesh, linear
from .objective import Conditions

#: Normalised fibre lengths beyond which the muscles' curves are not valid (OpenSim bounds its fibres there).
LONGEST = 1.8
#: Share of a coordinate's peak moment by which it may differ from straight lines between the points without a warning.
COARSE = 0.05
#: Share of its range over the interval by which a moment or a length may differ between the ends without a warning.
OPEN = 0.05
#: Ranges that count at least (N·m or N, and m): smaller ones are noise.
LEAST_MOMENT, LEAST_LENGTH = 1.0, 1e-3


def prepared(
    problem: RedundancyProblem,
    tendon: Tendons,
    weights: ArrayLike | Mapping[str, float] | str | None,
    muscles: Mapping[str, Any] | None,
    conditions: Conditions,
    mesh: Mesh,
) -> tuple[RedundancyProblem, Mask]:
    """The problem with its weights and, where needed, De Groote muscles; and (M,) which tendons are elastic.

    Warnings are added to the provenance.
    """
    with collect_warnings() as messages:
        if weights is not None:
            problem = _weighted(problem, weights)
        wanted = compliant(tendon, problem.muscles)
        other = problem.parameters is not None and not_degroote(problem.parameters)
        if muscles is not None or (wanted.any() and other):
            problem = use_degroote_muscles(problem, **(muscles or {}))
        elastic = wanted & ~_switched(problem, "ignore_tendon_compliance")
        if elastic.any() and not elastic.all():  # forces along rigid tendons, of De Groote's muscles too
            known = {"muscles": problem.provenance.get("muscles", {})}
            problem = use_degroote_muscles(problem)
            problem = replace(problem, provenance=problem.provenance | known)
        warn_of_switches(problem, wanted)
        check_fibers(problem, elastic, mesh)
        check_conditions(problem, conditions, elastic, mesh)
        warn_of_coarse_mesh(problem, mesh)
        if conditions.periodic:
            warn_of_open_ends(problem, conditions, mesh)
    known = problem.provenance.get("warnings", [])
    return replace(problem, provenance={**problem.provenance, "warnings": [*known, *messages]}), elastic


def _weighted(problem: RedundancyProblem, weights: ArrayLike | Mapping[str, float] | str) -> RedundancyProblem:
    try:
        return problem.with_weights(weights)
    except InputError:
        raise
    except (TypeError, ValueError):
        fix = "Example: {'soleus_r': 2.0}; other muscles keep their weights."
        expected = "weights as numbers, one for each muscle or by name, or 'volume'"
        raise InputError(explain(expected, shown(weights), fix)) from None


def _switched(problem: RedundancyProblem, name: str) -> Mask:
    """(M,) muscles whose property of this name is true."""
    properties = {} if problem.parameters is None else problem.parameters.properties
    return np.asarray(properties.get(name, np.zeros(len(problem.muscles))) > 0.0)


def warn_of_switches(problem: RedundancyProblem, compliant: Mask) -> None:
    """Warn that ignore_tendon_compliance of the model is applied and ignore_activation_dynamics is not."""
    rigid = compliant & _switched(problem, "ignore_tendon_compliance")
    if rigid.any():
        names = some(np.array(problem.muscles)[rigid], 12)
        warn(f"Tendons are rigid where muscles ignore_tendon_compliance: {names}.")
    if (instant := _switched(problem, "ignore_activation_dynamics")).any():
        names = some(np.array(problem.muscles)[instant])
        warn(f"Activation dynamics were applied although the model has ignore_activation_dynamics: {names}.")


def check_fibers(problem: RedundancyProblem, elastic: Mask, mesh: Mesh) -> None:
    """Refuse muscles whose fibre on a tendon at slack length is beyond the range of its curves.

    Beyond that range only the passive force is wrong (exponential: 300 times the strength at 2.4 optimal lengths).
    Where passive force is ignored the muscle produces no force but that of damping, and a warning is given. A unit
    shorter than its tendon has no force, which is a finding of the solution.

    Raises
    ------
    InputError
        Names the muscles, with their fibre lengths and the times.
    """
    first, last = np.searchsorted(problem.time, [mesh.time[0] + SAME, mesh.time[-1] - SAME]).tolist()
    problem = problem.frames(slice(max(0, first - 1), last + 1))  # one frame more on either side
    parameters, length = problem.parameters, problem.geometry.length
    if parameters is None or length is None:
        return
    optimal = parameters.optimal_fiber_length
    fiber = np.where(length > parameters.tendon_slack_length, unlimited_fiber(parameters, length)[0] / optimal, 0.0)
    long, worst = fiber > LONGEST, fiber.argmax(axis=0)

    def named(bad: Mask) -> str:
        muscles = np.flatnonzero(bad.any(axis=0)).tolist()
        lengths = (f"{problem.muscles[m]} {fiber[worst[m], m]:.2f} at {problem.time[worst[m]]:g} s" for m in muscles)
        return f"{some(lengths)} (in optimal fibre lengths)"

    repair = "Check the motion's units, and these muscles' optimal_fiber_length and tendon_slack_length"
    # passive_force has the fibres' damping too, whether elastic force is ignored or not
    ignored = parameters.properties.get("ignore_passive_fiber_force", 0.0 * optimal) > 0.0
    passive = ~ignored & ((problem.passive_force != 0.0).any(axis=0) | elastic)
    if (stiff := long & passive).any():
        fix = f"{repair}, or ignore their passive force: muscles={{'ignore_passive_fiber_force': {{name: True}}}}."
        expected = f"fibres up to {LONGEST} optimal lengths on a rigid tendon"
        raise InputError(explain(expected, named(stiff), fix))
    if long.any():
        warn(
            f"Fibres beyond {LONGEST} optimal lengths on a rigid tendon, which produce no force: "
            f"{named(long)}. {repair}."
        )


def check_conditions(problem: RedundancyProblem, conditions: Conditions, elastic: Mask, mesh: Mesh) -> None:
    """Refuse muscles of ``periodic`` and ``emg`` that the problem does not have, and EMG shorter than the mesh.

    A periodic muscle and its follower must both have elastic or both have rigid tendons.
    """
    if isinstance(conditions.periodic, Mapping):
        mapping = conditions.periodic
        check_names("periodic muscles", (name for pair in mapping.items() for name in pair), problem.muscles)
        starts = [mapping.get(name, name) for name in problem.muscles]
        if twice := [name for name in problem.muscles if starts.count(name) > 1]:
            fix = "Map left to right and right to left."
            raise InputError(explain("periodic as a mapping onto every muscle", f"{some(twice)} twice", fix))
        unlike = elastic != elastic[conditions.follower(problem)]
        if unlike.any():
            got = some(f"{name} and {mapping[name]}" for name in np.array(problem.muscles)[unlike] if name in mapping)
            fix = "Give both the same word in tendon=."
            raise InputError(explain("periodic muscles with tendons of one kind", f"rigid and elastic: {got}", fix))
    if conditions.emg is not None:
        conditions.emg.rows(problem.muscles)
        conditions.emg.check(mesh.time)


def warn_of_coarse_mesh(problem: RedundancyProblem, mesh: Mesh) -> None:
    """Warn where moments between the points of the mesh differ from straight lines by more than 5 % of the peak."""
    inside = (problem.time >= mesh.time[0]) & (problem.time <= mesh.time[-1])
    time, served = problem.time[inside], np.flatnonzero(problem.geometry.served)
    if len(time) < 2 * len(mesh.time) or not served.size:
        return
    moment = problem.generalized_force[inside][:, served]
    difference = np.abs(moment - linear(time, mesh.time, linear(mesh.time, time, moment))).max(axis=0)
    share = difference / np.maximum(1.0, np.abs(moment).max(axis=0))
    worst = int(share.argmax())
    if share[worst] > COARSE:
        name = problem.coordinates[served[worst]]
        warn(
            f"The mesh is coarse for this motion: between its points the moment of {name} differs from a straight line "
            f"by up to {difference[worst]:.3g} {problem.unit(name)} ({share[worst]:.0%} of its peak). Shorten "
            "mesh_interval, filter the motion (lowpass_hz), or let the mesh be refined (mesh_tolerance)."
        )


def warn_of_open_ends(problem: RedundancyProblem, conditions: Conditions, mesh: Mesh) -> None:
    """Warn where moments or lengths at the end differ from those at the start by more than 5 % of their range.

    Equal states at both ends cannot produce different moments. A mapping of muscles does not tell which coordinates
    correspond, so only lengths are compared then.
    """
    between = (problem.time > mesh.time[0]) & (problem.time < mesh.time[-1])
    time = np.concatenate([mesh.time[:1], problem.time[between], mesh.time[-1:]])
    open_ends = []
    served = np.flatnonzero(problem.geometry.served)
    if served.size and not isinstance(conditions.periodic, Mapping):
        moment = linear(time, problem.time, problem.generalized_force[:, served])
        names = [problem.coordinates[row] for row in served]
        gap, extent = moment[-1] - moment[0], np.maximum(LEAST_MOMENT, np.ptp(moment, axis=0))
        open_ends += _open("moments", gap, extent, names, [f"{{:.3g}} {problem.unit(name)}" for name in names])
    if problem.geometry.length is not None:
        length, follower = linear(time, problem.time, problem.geometry.length), conditions.follower(problem)
        extent = np.maximum(LEAST_LENGTH, np.maximum(np.ptp(length, axis=0), np.ptp(length[:, follower], axis=0)))
        gap = length[-1, follower] - length[0]
        open_ends += _open("lengths", 1e3 * gap, 1e3 * extent, problem.muscles, ["{:.2g} mm"] * len(gap))
    if open_ends:
        warn(
            f"The motion does not end as it begins ({time[0]:g} to {time[-1]:g} s), but periodic= makes the states of "
            f"its muscles equal. The ends differ in {' and '.join(open_ends)}, as shares of their ranges. Choose a "
            "time_range of whole cycles, or leave periodic= out."
        )


def _open(what: str, gap: Array, extent: Array, names: Sequence[str], form: Sequence[str]) -> list[str]:
    share = np.abs(gap) / extent
    worst = [row for row in np.argsort(-share).tolist() if share[row] > OPEN]
    named = [f"{names[row]} by {share[row]:.0%} ({form[row].format(abs(gap[row]))})" for row in worst]
    return [f"the {what} of {some(named, 4)}"] if worst else []
