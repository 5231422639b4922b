"""Static optimization with synergies: activations a = lower + W h with h ≥ 0, the same convex costs.

An interior-point method finds h and the controls of the reserves. For certificates and linear costs the problem is
extended: rows a − W h = lower, and h as further reserves that cost nothing, so that the certificate of any other
solution holds for these too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import InputError, explain
from ..problem.arrays import Array, Index
from ..problem.costs import Cost, exponents
from ..problem.problem import RedundancyProblem
from ..problem.reserves import ReserveActuators
from ..problem.synergies import Synergies
from ..solution.status import Status
from .frame import Frame, InfeasibleError
from .frames import Answers, Progress, solve_frames, unit_of_cost
from .interior import solve_again
from .linear import highs, shortfall
from .proof import prove
from .reduced import ReducedProgram, solve_reduced

#: Origin of h among the reserves of an extended problem.
ORIGIN = "synergy"
#: Frames solved at once: a few MB.
CHUNK = 128
#: The detail of a frame where neither an optimum nor infeasibility was proved.
UNPROVED = "No solution with these synergies was proved to be within 1e-6 of the least cost."
#: Exponents of a cost that cannot be determined apart from those of squares and powers.
Powers = float | Array


def check_synergies(synergies: Synergies | None, solver: str, device: str, problem: RedundancyProblem) -> None:
    """Refuse names that the problem does not have, other solvers and other devices.

    Raises
    ------
    InputError
        The first of them.
    """
    if synergies is None:
        return
    synergies.rows(problem.muscles)
    if solver != "auto":
        raise InputError(explain("solver='auto' with synergies", f"{solver!r}", "Leave it out."))
    if device != "cpu" or problem.device != "cpu":
        got = repr(device if device != "cpu" else problem.device)
        raise InputError(explain("device='cpu' with synergies", got, "Leave it out, or give problem.to('cpu')."))


def solve_following(
    problem: RedundancyProblem, cost: Cost, scale: Array, synergies: Synergies, progress: Progress
) -> Answers:
    """Solve all frames with muscles that follow synergies; ``scale`` (T, U) as :func:`osimopt.static.frames.newton`."""
    from threadpoolctl import threadpool_limits

    whole, count = with_rows(problem, synergies), len(problem.actuators)
    costs = np.concatenate([scale, np.zeros((len(problem), len(synergies.names)))], axis=1)
    if cost.linear:
        found = solve_frames(whole, cost, highs, costs, None, progress)
    else:
        found, unit = Answers.none(whole), unit_of_cost(problem, cost)
        with threadpool_limits(1):  # matrices this small gain nothing from BLAS threads
            for first in range(0, len(problem), CHUNK):
                keep = np.arange(first, min(first + CHUNK, len(problem)))
                _solve_part(found, problem, whole, exponents(problem, cost), costs, synergies, keep)
                if progress is not None:
                    progress(int(keep[-1]) + 1, len(problem))
        found.gap = found.gap * unit
    following = synergies.rows(problem.muscles)
    found.x[:, following] = problem.lower[following] + found.x[:, count:] @ synergies.weights.T
    return replace(found, x=found.x[:, :count])


def with_rows(problem: RedundancyProblem, synergies: Synergies) -> RedundancyProblem:
    """The problem with a row a − W h = lower for each muscle that follows synergies, and h as further reserves.

    Rows are in units of the largest moment. Muscles without force have arms of 0 and a force of 1 N: their rows need
    one.
    """
    unit = max(1.0, float(np.abs(problem.generalized_force).max(initial=0.0)))
    own, geometry, old = synergies.rows(problem.muscles), problem.geometry, problem.reserves
    target = problem.generalized_force - geometry.moments(problem.passive_force)
    able = problem.max_force > 0.0
    force = np.where(able, problem.max_force, 1.0)
    arms = np.where(able[:, geometry.pair_muscle], geometry.moment_arms, 0.0)
    names = tuple(f"{problem.muscles[muscle]} (synergies)" for muscle in own)
    first, rows, further = len(problem.coordinates), len(own), len(synergies.names)
    known: dict[str, Any] = {
        name: np.append(marks, np.ones(rows, dtype=bool))
        for name in ("spanned", "crossing")
        if (marks := getattr(geometry, name)) is not None
    }
    own_rows = replace(
        geometry,
        coordinates=geometry.coordinates + names,
        pair_coordinate=np.append(geometry.pair_coordinate, first + np.arange(rows)),
        pair_muscle=np.append(geometry.pair_muscle, own),
        moment_arms=np.hstack([arms, unit / force[:, own]]),
        **known,
    )
    effect = np.zeros((len(old.effect), first + rows, len(old.names) + further))
    effect[:, :first, : len(old.names)] = old.effect
    effect[:, first:, len(old.names) :] = -unit * synergies.weights
    reserves = ReserveActuators(
        old.names + tuple(f"{name} (synergy)" for name in synergies.names),
        effect,
        np.append(old.optimal_force, np.ones(further)),
        np.append(old.lower, np.zeros(further)),
        np.append(old.upper, synergies.most(problem)),
        old.origin + (ORIGIN,) * further,
    )
    offset = np.broadcast_to(unit * problem.lower[own], (len(problem), rows))
    return replace(
        problem, geometry=own_rows, max_force=force, passive_force=np.zeros_like(force), reserves=reserves,
        generalized_force=np.hstack([target, offset]), reactions=None, source=None,
    )  # fmt: skip


def _solve_part(
    found: Answers, problem: RedundancyProblem, whole: RedundancyProblem, p: Powers, costs: Array,
    synergies: Synergies, keep: Index,
) -> None:  # fmt: skip
    """Solve and certify some frames; those without a certificate are failed, or proved infeasible."""
    few, extended = problem.frames(keep), whole.frames(keep)
    x, multipliers, steps = _interior(few, extended, p, costs[keep, : len(problem.actuators)], synergies)
    powers = p if isinstance(p, float) else np.append(p, np.full(len(synergies.names), 2.0))
    proof = prove(extended, powers, costs[keep], x, multipliers)
    found.x[keep], found.iterations[keep] = x, steps
    found.gap[keep] = np.where(proof.certified, proof.gap, np.nan)
    found.activation_error[keep] = np.where(proof.certified, proof.activation_error, np.nan)
    found.status[keep[proof.certified]] = Status.SOLVED
    rows = len(problem.coordinates)
    for index in np.flatnonzero(~proof.certified).tolist():
        _solve_again(found, extended, int(keep[index]), index, powers, costs[keep[index]], rows)


def _solve_again(
    found: Answers, whole: RedundancyProblem, frame: int, index: int, p: Powers, scale: Array, rows: int
) -> None:
    """Solve one frame by the method of single frames, which knows of infeasible ones; ``rows`` are of moments."""
    try:
        answer = solve_again(whole, index, p, scale, suspect=True)
    except InfeasibleError:
        one = Frame.at(whole, index)
        found.refuse(whole, frame, shortfall(one, np.arange(len(one.b)) < rows))
        return
    if answer is None:
        found.detail[frame] = UNPROVED
        return
    found.x[frame], _, found.iterations[frame], proof = answer
    found.gap[frame], found.activation_error[frame] = proof.gap[0], proof.activation_error[0]
    found.status[frame] = Status.SOLVED


@dataclass(frozen=True, eq=False)
class _Unknowns:
    """Actuators x = c + V v within limits C v ≤ k, from the synergies and from what is free.

    ``active`` (S',) are the synergies that may act, ``capped`` the muscles of the synergies' rows whose upper bounds
    are the last limits.
    """

    V: Array
    c: Array
    C: Array
    k: Array
    start: Array
    active: Index
    capped: Index

    @classmethod
    def of(cls, problem: RedundancyProblem, lower: Array, upper: Array, synergies: Synergies) -> _Unknowns:
        """With the bounds (U,) of the actuators; those whose bounds are equal are no unknowns."""
        own, most = synergies.rows(problem.muscles), synergies.most(problem)
        active = np.flatnonzero(most > 0.0)
        weights = synergies.weights[:, active]
        direct = np.setdiff1d(np.flatnonzero(upper > lower), own)
        count = active.size + direct.size
        V, c = np.zeros((len(lower), count)), np.where(upper > lower, 0.0, lower)
        V[np.ix_(own, np.arange(active.size))], c[own] = weights, lower[own]
        V[direct, active.size + np.arange(direct.size)] = 1.0
        capped = np.flatnonzero(weights.any(axis=1))
        low, high = np.isfinite(lower[direct]), np.isfinite(upper[direct])
        unit, single = np.eye(count), active.size + np.arange(direct.size)
        C = np.vstack([-unit[: active.size], -unit[single[low]], unit[single[high]], V[own[capped]]])
        room = (upper - lower)[own[capped]]
        k = np.concatenate([np.zeros(active.size), -lower[direct[low]], upper[direct[high]], room])
        ends = np.where(low, lower[direct], np.where(high, upper[direct] - 2.0, -1.0))
        middle = 0.5 * (ends + np.where(high, upper[direct], ends + 2.0))
        start = np.concatenate([0.5 * most[active] / max(1, active.size), middle])
        return cls(V, c, C, k, start, active, capped)


def _interior(
    problem: RedundancyProblem, whole: RedundancyProblem, p: Powers, scale: Array, synergies: Synergies
) -> tuple[Array, Array, Index]:
    """Unknowns (T, U + S) and multipliers (T, D + m) of the extended problem ``whole``, and steps (T,)."""
    A, b = problem.systems(slice(None))
    lower, upper = problem.bounds()
    count, own = len(lower), synergies.rows(problem.muscles)
    powers = np.full(count, p) if isinstance(p, float) else p
    split = np.flatnonzero((lower < 0.0) & (scale > 0.0).any(axis=0) & (powers != 2.0))
    ends = ((lower, upper), (upper, lower))
    low, high = (np.concatenate([bound, np.maximum(-other[split], 0.0)]) for bound, other in ends)
    low[split], high[split] = np.maximum(low[split], 0.0), np.maximum(high[split], 0.0)
    both = np.append(np.arange(count), split)
    A = np.concatenate([A, -A[:, :, split]], axis=2)
    at = _Unknowns.of(problem, low, high, synergies)
    answer = solve_reduced(ReducedProgram(A, b, scale[:, both], powers[both], at.V, at.c, at.C, at.k, at.start))
    y = at.c + answer.v @ at.V.T
    x = y[:, :count]
    x[:, split] -= y[:, count:]
    h = np.zeros((len(x), len(synergies.names)))
    h[:, at.active] = np.maximum(answer.v[:, : at.active.size], 0.0)
    slope = np.where(scale > 0.0, scale, 0.0) ** powers * np.sign(x) * np.abs(x) ** (powers - 1.0)
    slope[:, own[at.capped]] += answer.pressure[:, len(at.k) - at.capped.size :]
    pulled = (answer.multipliers[:, None, :] @ A[:, :, own])[:, 0]
    unit = whole.geometry.moment_arms[:, -len(own) :] * whole.max_force[:, own]
    held = (slope[:, own] - pulled) / unit
    return np.hstack([np.clip(x, lower, upper), h]), np.hstack([answer.multipliers, held]), answer.steps
