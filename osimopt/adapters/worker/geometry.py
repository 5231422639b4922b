"""Moment arms: which muscles act on which coordinates, and how, in one posture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...problem.arrays import acts
from ..messages import ModelKey, Pairs
from .couplers import follow, jacobian
from .paths import spans, tension_arms, winding, wraps
from .session import Session, load
from .state import set_posture, set_speed

Array = NDArray[np.float64]
Index = NDArray[np.intp]

#: rad or m; the step of the finite differences of length that moment arms are compared with.
STEP = 1e-3
#: m; where lengthening speed and tension give moment arms further apart than rounding (1e-11), OpenSim's is the latter.
FORCE_BASED = 1e-8
#: m; OpenSim's moment arm and −∂l/∂q may differ by this much before it is said.
INCONSISTENT = 1e-3
#: Postures in which slopes of length are tried.
LENGTH_POSTURES = 4


@dataclass(frozen=True, eq=False)
class ArmPlan:
    """How to get the moment arms of the pairs with few velocities.

    ``groups``: free coordinates of which no muscle spans two, moved at once, and for each the (pair, muscle) to ask;
    ``probed`` are the muscles that may have to be taken from tensions, ``probed_pairs`` their (pair, row, muscle).
    """

    size: int
    groups: list[tuple[list[int], list[tuple[int, Any]]]]
    probed: Index
    probed_pairs: list[tuple[int, int, int]]


def find_pairs(key: ModelKey, value: Array, muscles: Sequence[int]) -> Pairs:
    """Which of these muscles act on which coordinates: on those that their paths span.

    Muscles whose moment arm is not −∂l/∂q are named, and taken from forces: where a path wraps over two objects
    OpenSim's can be off by a centimetre, and not vanish even about joints that the muscle does not cross, which are
    then pairs as well. ``value`` (S, N) are postures of the motion, which show it.
    """
    session = load(key)
    postures = np.array([follow(session, posture.copy()) for posture in value])
    arms, spanned, probed = _arms_in(session, postures, muscles)
    active = acts(np.nan_to_num(arms), axis=0)
    coordinate, muscle = np.nonzero(spanned | active)
    served = np.asarray((spanned & active).any(axis=1))
    return Pairs(coordinate, muscle, served, spanned, probed, _inconsistent(session, spanned, postures, arms))


def arms_in(key: ModelKey, value: Array, muscles: Sequence[int]) -> Array:
    """Moment arms (S, D, M) of some muscles along the model's own paths in postures (S, N), zero of the others."""
    return _arms_in(load(key), value, muscles)[0]


def _arms_in(session: Session, postures: Array, muscles: Sequence[int]) -> tuple[Array, NDArray[np.bool_], Index]:
    """Moment arms (S, D, M), what the muscles span, and those of them that are taken from forces."""
    spanned = spans(session) & np.isin(np.arange(len(session.muscles)), muscles)
    coordinate, muscle = np.nonzero(spanned)
    plan = make_plan(session, coordinate, muscle, spanned, np.zeros(0, dtype=np.intp))
    arms = np.zeros((len(postures), *spanned.shape))
    arms[:, coordinate, muscle] = [_try(session, posture, plan) for posture in postures]
    return arms, spanned, _take_from_forces(session, postures, arms, muscles)


def make_plan(session: Session, coordinate: Index, muscle: Index, spanned: NDArray[np.bool_], probed: Index) -> ArmPlan:
    """Group the free coordinates so that no muscle spans two of a group; greedy, in their order."""
    by_row: dict[int, list[tuple[int, Any]]] = {}
    probed_pairs = []
    for pair, (row, own) in enumerate(zip(coordinate.tolist(), muscle.tolist(), strict=True)):
        if own in probed:
            probed_pairs.append((pair, row, own))
        if spanned[row, own]:
            by_row.setdefault(row, []).append((pair, session.muscles[own]))
    groups: list[tuple[list[int], list[tuple[int, Any]]]] = []
    taken: list[NDArray[np.bool_]] = []
    for row, asked in by_row.items():
        place = next((i for i, muscles in enumerate(taken) if not (muscles & spanned[row]).any()), len(groups))
        if place == len(groups):
            groups.append(([], []))
            taken.append(np.zeros_like(spanned[row]))
        groups[place][0].append(row)
        groups[place][1].extend(asked)
        taken[place] = taken[place] | spanned[row]
    return ArmPlan(len(coordinate), groups, probed, probed_pairs)


def moment_arms(session: Session, to_free: Array, plan: ArmPlan) -> Array:
    """Moment arms (P,) of the planned pairs at the posture that is set.

    The lengthening speed at unit speed of one coordinate, the coupled ones following (``to_free``, (N, D)), is −(moment
    arm): quick, and equal to OpenSim's ``computeMomentArm`` to rounding, but for paths over several wrap objects.
    """
    arms = np.zeros(plan.size)
    for rows, asked in plan.groups:
        set_speed(session, to_free[:, rows].sum(axis=1))
        for pair, muscle in asked:
            arms[pair] = -muscle.getLengtheningSpeed(session.state)
    if plan.probed_pairs:
        session.model.realizePosition(session.state)
        by_muscle = tension_arms(session, to_free, plan.probed)
        for pair, row, muscle in plan.probed_pairs:
            if muscle in by_muscle:
                arms[pair] = by_muscle[muscle][row]
    return arms


def _take_from_forces(session: Session, postures: Array, arms: Array, muscles: Sequence[int]) -> Index:
    """Replace the moment arms (S, D, M) of muscles whose quick one is another than OpenSim's own; return those muscles.

    Those over several wrap objects may be, anywhere; those with one, or with moving points, are tried.
    """
    doubtful = np.array([muscle for muscle in muscles if winding(session.muscles[muscle])], dtype=np.intp)
    probed = {int(muscle) for muscle in doubtful if wraps(session.muscles[muscle]) > 1}
    for index, posture in enumerate(postures):
        set_posture(session, 0.0, posture)
        session.model.realizePosition(session.state)
        to_free = jacobian(session, posture)[:, session.free()]
        for muscle, tension in tension_arms(session, to_free, doubtful).items():
            if muscle in probed or np.abs(tension - arms[index, :, muscle]).max() > FORCE_BASED:
                probed.add(muscle)
                arms[index, :, muscle] = tension
    return np.array(sorted(probed), dtype=np.intp)


def _try(session: Session, posture: Array, plan: ArmPlan) -> Array:
    set_posture(session, 0.0, posture)
    return moment_arms(session, jacobian(session, posture)[:, session.free()], plan)


def _inconsistent(session: Session, spanned: NDArray[np.bool_], postures: Array, arms: Array) -> list[str]:
    """Sentences about muscles whose OpenSim moment arm is not the slope of their length in the motion."""
    doubtful = np.array([winding(muscle) for muscle in session.muscles])
    worst = np.zeros(spanned.shape)
    for index in np.unique(np.linspace(0, len(postures) - 1, LENGTH_POSTURES).astype(int)):
        off = np.abs(arms[index] + length_slopes(session, postures[index], spanned & doubtful))
        worst = np.fmax(worst, np.where(doubtful, off, 0.0))
    coordinates = [session.coordinates[index] for index in session.free()]
    said = []
    for muscle in np.flatnonzero(worst.max(axis=0) > INCONSISTENT):
        row = int(np.argmax(worst[:, muscle]))
        name, about, size = session.muscles[muscle].getName(), coordinates[row].getName(), 1e3 * worst[row, muscle]
        why = (
            "the path is not the shortest one over its wrap object, so that neither is exact; the moment arm, of a "
            "tension along the path, is used"
        )
        if wraps(session.muscles[muscle]) > 1:
            why = (
                "the length over several wrap objects is wrong by millimetres, and with it fibre length and maximum "
                "force; the moment arm, of a tension along the path, is right to 0.4 mm and is used"
            )
        said.append(
            f"{name}: OpenSim's length is no integral of its moment arm about {about} (slopes differ by up to "
            f"{size:.1f} mm in this motion): {why}."
        )
    return said


def length_slopes(session: Session, posture: Array, asked: NDArray[np.bool_]) -> Array:
    """(D, M) ∂l/∂q by central differences where asked, coupled coordinates following; zero elsewhere."""
    slopes = np.zeros(asked.shape)
    for row, index in enumerate(session.free()):
        muscles = np.flatnonzero(asked[row])
        if not muscles.size:
            continue
        lengths = []
        for step in (STEP, -STEP):
            moved = posture.copy()
            moved[index] += step
            set_posture(session, 0.0, follow(session, moved))
            session.model.realizePosition(session.state)
            lengths.append(np.array([session.muscles[muscle].getLength(session.state) for muscle in muscles]))
        slopes[row, muscles] = (lengths[0] - lengths[1]) / (2.0 * STEP)
    return slopes
