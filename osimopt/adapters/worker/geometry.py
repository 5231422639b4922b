"""Moment arms: which muscles act on which coordinates, and how, in one posture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...problem.arrays import Array, Index, acts
from ..messages import Mask, ModelKey, Pairs
from .constraints import assume, follow, jacobian
from .parts import Session
from .paths import spans, tension_arms, winding, wraps
from .session import load
from .state import set_speed

#: rad or m; the step of the finite differences of length that moment arms are compared with.
STEP = 1e-3
#: m; where moment arms by lengthening speed and by tension differ by more (rounding is 1e-11), OpenSim's is the latter.
FORCE_BASED = 1e-8
#: m; largest difference of OpenSim's moment arm and −∂l/∂q without a warning.
INCONSISTENT = 1e-3
#: Postures in which slopes of length are tried.
LENGTH_POSTURES = 4


@dataclass(frozen=True, eq=False)
class ArmPlan:
    """How to get the moment arms of the pairs that ``spanned`` (D, M) holds with few velocities.

    ``groups``: coordinates of which no muscle spans two, moved at once, and the muscles that span them; ``probed`` are
    the muscles that may have to be taken from tensions.
    """

    spanned: Mask
    groups: list[tuple[Index, Index]]
    probed: Index


def find_pairs(key: ModelKey, value: Array, muscles: Sequence[int]) -> Pairs:
    """Which of these muscles act on which coordinates: on those that their paths span.

    Muscles whose moment arm is not −∂l/∂q are named, and their moment arms taken from forces: where a path wraps over
    two objects OpenSim's can be off by a centimetre, and not vanish even about joints that the muscle does not cross,
    which are then pairs as well. ``value`` (S, N) are postures of the motion, which show it.
    """
    session = load(key)
    postures = np.array([follow(session, posture) for posture in value])
    arms, spanned, probed = _arms_in(session, postures, muscles)
    active = acts(np.nan_to_num(arms), axis=0)
    coordinate, muscle = np.nonzero(spanned | active)
    crossing = (spanned & active)[coordinate, muscle]
    return Pairs(coordinate, muscle, crossing, spanned, probed, _inconsistent(session, spanned, postures, arms))


def arms_in(key: ModelKey, value: Array, muscles: Sequence[int]) -> Array:
    """Moment arms (S, D, M) of some muscles along the model's own paths in postures (S, N), zero of the others."""
    return _arms_in(load(key), value, muscles)[0]


def _arms_in(session: Session, postures: Array, muscles: Sequence[int]) -> tuple[Array, Mask, Index]:
    """Moment arms (S, D, M), the coordinates that the muscles span, and the muscles that are taken from forces.

    Those over several wrap objects may be, anywhere; for those with one, or with moving points, both are compared.
    """
    spanned = spans(session) & np.isin(np.arange(len(session.muscles)), muscles)
    plan = make_plan(spanned, np.zeros(0, dtype=np.intp))
    doubtful = np.array([muscle for muscle in muscles if winding(session.muscles[muscle])], dtype=np.intp)
    probed = {int(muscle) for muscle in doubtful if wraps(session.muscles[muscle]) > 1}
    arms = np.zeros((len(postures), *spanned.shape))
    for posture, arm in zip(postures, arms, strict=True):
        assume(session, posture)
        to_free = jacobian(session, posture)[:, session.free()]
        arm[:] = moment_arms(session, to_free, plan)
        for muscle, tension in tension_arms(session, to_free, doubtful).items():
            if muscle in probed or np.abs(tension - arm[:, muscle]).max() > FORCE_BASED:
                probed.add(muscle)
                arm[:, muscle] = tension
    return arms, spanned, np.array(sorted(probed), dtype=np.intp)


def muscle_lengths(session: Session, muscles: Sequence[int] | Index) -> Array:
    """Lengths (m) of some muscles, in the posture that is set."""
    return np.array([session.muscles[muscle].getLength(session.state) for muscle in muscles])


def lengthening_speeds(session: Session, muscles: Sequence[int] | Index) -> Array:
    """Lengthening speeds (m) of some muscles, at the posture and the speeds that are set."""
    return np.array([session.muscles[muscle].getLengtheningSpeed(session.state) for muscle in muscles])


def make_plan(spanned: Mask, probed: Index) -> ArmPlan:
    """Group the coordinates so that no muscle spans two of a group; greedy, in their order."""
    groups: list[list[int]] = []
    for row in np.flatnonzero(spanned.any(axis=1)).tolist():
        group = next((group for group in groups if not (spanned[group].any(axis=0) & spanned[row]).any()), None)
        if group is None:
            groups.append([row])
        else:
            group.append(row)
    return ArmPlan(spanned, [(np.array(rows), np.flatnonzero(spanned[rows].any(axis=0))) for rows in groups], probed)


def moment_arms(session: Session, to_free: Array, plan: ArmPlan) -> Array:
    """Moment arms (D, M) at the posture that is set, zero where no path spans the coordinate.

    The lengthening speed at unit speed of one coordinate, the coupled ones following (``to_free``, (N, D)), is −(moment
    arm): quick, and equal to OpenSim's ``computeMomentArm`` to rounding, except for paths over several wrap objects.
    """
    session.model.realizePosition(session.state)
    by_tension = tension_arms(session, to_free, plan.probed)
    arms = np.zeros(plan.spanned.shape)
    for rows, muscles in plan.groups:
        set_speed(session, to_free[:, rows].sum(axis=1))
        others = np.array([muscle for muscle in muscles if int(muscle) not in by_tension], dtype=np.intp)
        arms[np.ix_(rows, others)] = -lengthening_speeds(session, others)
    arms[~plan.spanned] = 0.0
    for muscle, arm in by_tension.items():
        arms[:, muscle] = arm
    return arms


def _inconsistent(session: Session, spanned: Mask, postures: Array, arms: Array) -> dict[str, str]:
    """Warnings, by muscle, where OpenSim's moment arm is not the slope of its length in the motion."""
    doubtful = np.array([winding(muscle) for muscle in session.muscles])
    worst = np.zeros(spanned.shape)
    for index in np.unique(np.linspace(0, len(postures) - 1, LENGTH_POSTURES).astype(int)):
        off = np.abs(arms[index] + length_slopes(session, postures[index], spanned & doubtful))
        worst = np.fmax(worst, np.where(doubtful, off, 0.0))
    coordinates = [session.coordinates[index] for index in session.free()]
    warnings = {}
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
        warnings[name] = (
            f"OpenSim's length is no integral of its moment arm about {about} (slopes differ by up to {size:.1f} mm in "
            f"this motion): {why}."
        )
    return warnings


def length_slopes(session: Session, posture: Array, pairs: Mask, size: float = STEP) -> Array:
    """(D, M) ∂l/∂q by central differences for these pairs, dependent coordinates following; zero elsewhere."""
    slopes = np.zeros(pairs.shape)
    for row, index in enumerate(session.free()):
        muscles = np.flatnonzero(pairs[row])
        if not muscles.size:
            continue
        lengths = []
        for step in (size, -size):
            moved = posture.copy()
            moved[index] += step
            assume(session, moved)
            lengths.append(muscle_lengths(session, muscles))
        slopes[row, muscles] = (lengths[0] - lengths[1]) / (2.0 * size)
    return slopes
