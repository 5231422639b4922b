"""Strength of each muscle in given postures: moment arms, lengths and forces at full activation, at rest."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...muscle import CLASSES
from ...problem.arrays import Array
from ..messages import ModelKey
from .geometry import find_pairs, make_plan, moment_arms
from .session import Session, load, warnings_since
from .state import assume, follow, jacobian, set_speed

#: Postures from which the way to compute moment arms is chosen.
TRIED = 8
#: Names of the results of ``_forces``, in order.
FORCES = ("muscle_tendon_length", "fiber_length", "max_force", "max_force_active", "max_force_rigid")


def strengths(key: ModelKey, coordinate: int, values: Array, pose: Array) -> tuple[dict[str, Array], list[str]]:
    """Columns (n, M) of ``osimopt.muscle_table`` and OpenSim's warnings, at n values of one free coordinate.

    Moment arms are those of frames of a motion, not ``computeMomentArm``: beside prescribed coordinates that move, that
    takes their speed for the muscle's.
    """
    session = load(key)
    postures = np.tile(pose, (len(values), 1))
    postures[:, coordinate] = values
    postures = np.array([follow(session, posture) for posture in postures])
    few = postures[np.unique(np.linspace(0, len(postures) - 1, TRIED).astype(int))]
    pairs = find_pairs(key, few, range(len(session.muscles)))
    row = session.free().index(coordinate)
    acting = pairs.muscle[pairs.coordinate == row]
    only = np.arange(len(pairs.spanned)) == row
    plan = make_plan(pairs.spanned & only[:, None], pairs.probed)
    arms, forces = np.zeros((len(postures), len(session.muscles))), []
    for posture, row_of_arms in zip(postures, arms, strict=True):
        assume(session, posture)
        row_of_arms[acting] = moment_arms(session, jacobian(session, posture)[:, session.free()], plan)[row, acting]
        set_speed(session, np.zeros(len(posture)))
        forces.append([_forces(session, muscle) for muscle in session.muscles])
    columns = dict(zip(FORCES, np.moveaxis(np.array(forces), 2, 0), strict=True))
    return {"moment_arm": arms, **columns}, warnings_since()


def _forces(session: Session, muscle: Any) -> tuple[float, float, float, float, float]:
    """Length, fibre length, tendon force, its active part, rigid-tendon active force; NaN without equilibrium."""
    state = session.state
    length = muscle.getLength(state)
    rigid = muscle.calcInextensibleTendonActiveFiberForce(state, 1.0)
    if not CLASSES[muscle.getConcreteClassName()].elastic_tendon:
        height = muscle.get_optimal_fiber_length() * np.sin(muscle.get_pennation_angle_at_optimal())
        fiber = float(np.hypot(length - muscle.get_tendon_slack_length(), height))
        return length, fiber, rigid + muscle.getPassiveFiberForceAlongTendon(state), rigid, rigid
    try:
        muscle.setActivation(state, 1.0)
        session.model.realizeVelocity(state)
        muscle.computeEquilibrium(state)
        session.model.realizeDynamics(state)
        fiber = muscle.getFiberLength(state)
        tendon = muscle.getTendonForce(state)
        active = muscle.getActiveFiberForceAlongTendon(state)
    except RuntimeError:
        return length, np.nan, np.nan, np.nan, rigid
    return length, fiber, tendon, active, rigid
