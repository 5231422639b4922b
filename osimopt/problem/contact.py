"""Contact: a joint's contact force as a term of the cost and as a constraint, by rows beside the moments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError, explain, shown
from ..namespace import Tensor, alike, filled, namespace
from .arrays import Array, MuscleGeometry
from .reactions import Frame, On, reactions_of
from .reserves import ReserveActuators

if TYPE_CHECKING:
    from .problem import RedundancyProblem

#: Weight of a component that is bounded but costs nothing: too little to move any activation.
FREE = 1e-8


@dataclass(frozen=True)
class Contact:
    """The contact force c of a joint in the cost, as w (c / body weight)² for each of some components, and its limits.

    Parameters
    ----------
    joint : str
        The joint.
    weight : float, default 0.0
        w, beside Σ aᵖ: at w = 1 a contact force of one body weight costs as much as a muscle at full activation.
    axes : str, default "xyz"
        Components that cost: all for ‖c‖², ``"y"`` for the one along the y axis (axial in a tibia).
    lower, upper : mapping, optional
        Limits in N of components, as ``{"y": -2000.0}``.
    cone : sequence of (3,), optional
        Normals n of a polyhedral cone: n · c ≥ 0.
    on : "child" | "parent", default "child"
        Body on which the force acts.
    frame : "ground" | "parent" | "child", default "child"
        Its axes.
    """

    joint: str
    weight: float = 0.0
    axes: str = "xyz"
    lower: Mapping[str, float] | None = None
    upper: Mapping[str, float] | None = None
    cone: Sequence[Sequence[float]] = ()
    on: On = "child"
    frame: Frame = "child"

    def rows(self) -> list[tuple[str, Array, float, float, float]]:
        """Name, direction (3,), weight, and limits in N, of each row that the problem needs."""
        found = []
        for number, axis in enumerate("xyz"):
            low, high = ((limits or {}).get(axis, end) for limits, end in ((self.lower, -np.inf), (self.upper, np.inf)))
            weight = self.weight if axis in self.axes else 0.0
            if weight or np.isfinite([low, high]).any():
                found.append((f"{self.joint}_f{axis}", np.eye(3)[number], weight, float(low), float(high)))
        for number, normal in enumerate(self.cone):
            found.append((f"{self.joint}_cone{number}", np.asarray(normal, dtype=float), 0.0, 0.0, np.inf))
        return found


def extended(problem: RedundancyProblem, contacts: Sequence[Contact]) -> RedundancyProblem:
    """The problem with a row for each component of contact forces c: C (forces) − c = −c₀, with c as a further reserve.

    So every solver, certificate and derivative of the moment balance holds for contact forces too. A reserve's control
    is √w c / body weight, so that its square is the term of the cost. Its rows come after the coordinates, its unknowns
    after the reserves.
    """
    geometry, xp = problem.geometry, namespace(problem.max_force)
    frames, muscles = len(problem), len(problem.muscles)
    arms, effects, targets, known = [], [], [], []
    for contact in contacts:
        carried = reactions_of(problem, [contact.joint])
        affine = carried.affine(problem, contact.joint, contact.on, contact.frame)
        for name, direction, weight, low, high in contact.rows():
            along = alike(direction, problem.max_force)
            column = xp.einsum("c,tcu->tu", along, affine.effect[:, :3])
            arms.append(column[:, :muscles])
            effects.append(column[:, muscles:])
            targets.append(-xp.matmul(affine.constant[:, :3], along))
            unit = carried.body_weight / np.sqrt(weight or FREE)
            known.append((name, unit, low / unit, high / unit))
    if not known:
        raise InputError(explain("a weight, limits or a cone of contact forces", shown(contacts), "Give one."))
    names, units, lower, upper = (list(column) for column in zip(*known, strict=True))
    count = len(names)
    own = xp.broadcast_to(problem.reserves.effect, (frames, *problem.reserves.effect.shape[1:]))
    none = filled((frames, own.shape[1], count), 0.0, problem.max_force)
    above = xp.concat([alike(own, problem.max_force), none], axis=2)
    below = xp.stack(effects, axis=1)
    free = xp.broadcast_to(alike(-np.diag(units), problem.max_force), (frames, count, count))
    effect = xp.concat([above, xp.concat([below, free], axis=2)], axis=1)
    pairs = np.arange(count * muscles)
    more = MuscleGeometry(
        geometry.muscles, tuple(names), pairs // muscles, pairs % muscles,
        xp.reshape(xp.stack(arms, axis=1), (frames, count * muscles)),
    )  # fmt: skip
    old = problem.reserves
    return replace(
        problem,
        geometry=_beside(geometry, more),
        generalized_force=xp.concat([problem.generalized_force, xp.stack(targets, axis=1)], axis=1),
        reserves=ReserveActuators(
            old.names + tuple(names), effect, np.append(old.optimal_force, units), np.append(old.lower, lower),
            np.append(old.upper, upper), old.origin + ("contact",) * count,
        ),
        source=None,
    )  # fmt: skip


def _beside(geometry: MuscleGeometry, more: MuscleGeometry) -> MuscleGeometry:
    """A geometry with further rows."""
    xp, first = namespace(geometry.moment_arms), len(geometry.coordinates)
    marks: dict[str, Any] = {}
    if geometry.spanned is not None:
        marks["spanned"] = np.append(geometry.spanned, np.ones(len(more.coordinates), dtype=bool))
    if geometry.crossing is not None:
        marks["crossing"] = np.append(geometry.crossing, np.ones(len(more.pair_muscle), dtype=bool))
    return replace(
        geometry,
        coordinates=geometry.coordinates + more.coordinates,
        pair_coordinate=np.append(geometry.pair_coordinate, first + more.pair_coordinate),
        pair_muscle=np.append(geometry.pair_muscle, more.pair_muscle),
        moment_arms=xp.concat([geometry.moment_arms, more.moment_arms], axis=1),
        **marks,
    )


def contact_controls(balance: RedundancyProblem, activation: Array, control: Array) -> Tensor:
    """(T, C) controls of contact forces by activations (T, M) and the other controls (T, K) of an extended problem."""
    xp, own = namespace(activation), list(balance.reserves.origin).index("contact")
    force = balance.max_force * activation + balance.passive_force
    rows = len(balance.coordinates) - len(balance.reserves.names) + own
    through = xp.einsum("tdk,tk->td", balance.reserves.effect[:, rows:, :own], control)
    found = balance.geometry.moments(force)[:, rows:] + through - balance.generalized_force[:, rows:]
    return found / alike(balance.reserves.optimal_force[own:], activation)
