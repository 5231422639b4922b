"""The extended problem: contact forces as further rows of the moment balance, and as further reserves.

So every solver, certificate and derivative of the moment balance holds for contact forces too. Rows of contact forces
come after the coordinates, their unknowns after the reserves, in the same order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import sqrt
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..namespace import Tensor, alike, filled, namespace, plain
from .arrays import Array, MuscleGeometry
from .contact import Contact, carrying, rows_of
from .reactions import JointReactions
from .reserves import ReserveActuators

if TYPE_CHECKING:
    from .problem import RedundancyProblem

#: Weight of a component that is limited but costs nothing, for solvers; certificates and objectives do not count it.
FREE = 1e-8
#: Origin of the unknowns of contact forces among the reserves: of those that cost, and of those only limited.
COSTING, LIMITED = "contact", "limit"


def contact_reserves(problem: RedundancyProblem) -> NDArray[np.bool_]:
    """(K,) which reserves of an extended problem are contact forces: the last ones."""
    return np.array([origin in (COSTING, LIMITED) for origin in problem.reserves.origin], dtype=bool)


def contact_unknowns(problem: RedundancyProblem) -> NDArray[np.bool_]:
    """(M + K,) which unknowns of an extended problem are contact forces: the last ones."""
    return np.append(np.zeros(len(problem.muscles), dtype=bool), contact_reserves(problem))


def moment_rows(problem: RedundancyProblem) -> int:
    """How many rows of an extended problem are moments: the first ones."""
    return len(problem.coordinates) - int(contact_reserves(problem).sum())


def extended(
    problem: RedundancyProblem, contacts: Sequence[Contact], trace: float = FREE, newtons: float = 1.0
) -> RedundancyProblem:
    """The problem with a row for each component of contact forces c: C (forces) − c = −c₀, with c as a further reserve.

    A reserve's control is √w c / body weight, so that its square is the term of the cost. Unknowns that cost nothing
    have w = ``trace`` and the origin ``"limit"``. Rows are in units of ``newtons``: in body weights they leave what is
    allowed to be missed, a share of the largest number, to the moments.
    """
    xp, like, old = namespace(problem.max_force), problem.max_force, problem.reserves
    rows, carried, muscles = rows_of(contacts), carrying(problem, contacts), len(problem.muscles)
    names, count = _once([row.name for row in rows], problem), len(rows)
    constant, passing = _components(problem, contacts, carried, newtons)
    units = np.array([carried.body_weight / sqrt(row.weight or trace) for row in rows])
    own = alike(old.effect, like)
    own = xp.broadcast_to(own, (len(problem), *own.shape[1:]))
    none = filled((len(problem), own.shape[1], count), 0.0, like)
    unknown = xp.broadcast_to(alike(-np.diag(units) / newtons, like), (len(problem), count, count))
    moments, forces = xp.concat([own, none], axis=2), xp.concat([passing[:, :, muscles:], unknown], axis=2)
    reserves = ReserveActuators(
        old.names + names,
        xp.concat([moments, forces], axis=1),
        np.append(old.optimal_force, units),
        np.append(old.lower, [row.lower for row in rows] / units),
        np.append(old.upper, [row.upper for row in rows] / units),
        old.origin + tuple(COSTING if row.weight else LIMITED for row in rows),
    )
    known = {**problem.provenance.get("units", {}), **dict.fromkeys(names, "N")}
    return replace(
        problem,
        geometry=_beside(problem.geometry, names, passing[:, :, :muscles]),
        generalized_force=xp.concat([problem.generalized_force, -constant], axis=1),
        reserves=reserves,
        provenance={**problem.provenance, "units": known},
        source=None,
    )


def contact_controls(whole: RedundancyProblem, force: Array, control: Array) -> Tensor:
    """(T, C) controls of contact forces in an extended problem, of tendon forces (T, M) and other controls (T, K)."""
    xp, rows, count = namespace(force), slice(moment_rows(whole), None), control.shape[1]
    effect = alike(whole.reserves.effect, force)[:, rows]
    through = xp.matmul(effect[:, :, :count], control[:, :, None])[:, :, 0]
    found = whole.geometry.moments(force)[:, rows] + through - whole.generalized_force[:, rows]
    return found / alike(-np.diagonal(plain(effect[0, :, count:])), force)


def _components(
    problem: RedundancyProblem, contacts: Sequence[Contact], carried: JointReactions, newtons: float
) -> tuple[Tensor, Tensor]:
    """Components of contact forces in ``newtons``: (T, C) without forces, and (T, C, M + K) per unit of forces."""
    xp, constant, effect = namespace(problem.max_force), [], []
    for contact in contacts:
        affine = carried.affine(problem, contact.joint, contact.on, contact.frame)
        for row in contact.rows():
            along = alike(row.direction / newtons, problem.max_force)
            constant.append(xp.matmul(affine.constant[:, :3], along))
            effect.append(xp.einsum("c,tcu->tu", along, affine.effect[:, :3]))
    return xp.stack(constant, axis=1), xp.stack(effect, axis=1)


def _once(names: Sequence[str], problem: RedundancyProblem) -> tuple[str, ...]:
    """The names, with numbers where one stands twice, as of two frames of the same joint."""
    taken, found = {*problem.coordinates, *problem.reserves.names}, []
    for name in names:
        free = next(own for own in (name, *(f"{name}_{k}" for k in range(2, 99 + len(names)))) if own not in taken)
        taken.add(free)
        found.append(free)
    return tuple(found)


def _beside(geometry: MuscleGeometry, names: tuple[str, ...], arm: Array) -> MuscleGeometry:
    """A geometry with further rows, of dense moment arms (T, C, M)."""
    xp, first = namespace(arm), len(geometry.coordinates)
    row, muscle = np.nonzero(plain((arm != 0.0).any(axis=0)))
    marks: dict[str, Any] = {}
    if geometry.spanned is not None:
        marks["spanned"] = np.append(geometry.spanned, np.ones(len(names), dtype=bool))
    if geometry.crossing is not None:
        marks["crossing"] = np.append(geometry.crossing, np.ones(len(muscle), dtype=bool))
    return replace(
        geometry,
        coordinates=geometry.coordinates + names,
        pair_coordinate=np.append(geometry.pair_coordinate, first + row),
        pair_muscle=np.append(geometry.pair_muscle, muscle),
        moment_arms=xp.concat([geometry.moment_arms, arm[:, row, muscle]], axis=1),
        **marks,
    )
