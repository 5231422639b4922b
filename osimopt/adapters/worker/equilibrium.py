"""What each muscle can do in given postures: moment arms, lengths and forces at full activation, at rest."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...muscle import CLASSES
from ..messages import ModelKey, Postures
from .couplers import follow, jacobian
from .geometry import find_pairs, make_plan, moment_arms
from .session import Session, load, warnings_since
from .state import set_posture, set_speed

Array = NDArray[np.float64]

#: Postures in which it is found out how to ask for moment arms.
TRIED = 8


def strengths(key: ModelKey, coordinate: int, values: Array, pose: Array) -> Postures:
    """Sweep one free coordinate over values, the others posed; ``osimopt.muscle_table`` says what the columns mean."""
    session = load(key)
    columns: dict[str, list[Any]] = {name: [] for name in Postures.COLUMNS}
    postures = np.tile(pose, (len(values), 1))
    postures[:, coordinate] = values
    postures = np.array([follow(session, posture) for posture in postures])
    arms = _Arms(session, coordinate, postures)
    for posture in postures:
        set_posture(session, 0.0, posture)
        columns["moment_arm"].append(arms.at(posture))
        set_speed(session, np.zeros(len(posture)))
        forces = [_forces(session, muscle) for muscle in session.muscles]
        for name, row_of_muscles in zip(Postures.COLUMNS[1:], zip(*forces, strict=True), strict=True):
            columns[name].append(list(row_of_muscles))
    return Postures({name: np.array(rows) for name, rows in columns.items()}, warnings_since())


class _Arms:
    """Moment arms of all muscles about one coordinate, as frames of a motion have them.

    Not ``computeMomentArm``: beside prescribed coordinates that move, it takes their speed for the muscle's.
    """

    def __init__(self, session: Session, coordinate: int, postures: Array) -> None:
        self._session, self._row = session, session.free().index(coordinate)
        few = postures[np.unique(np.linspace(0, len(postures) - 1, TRIED).astype(int))]
        pairs = find_pairs(session.key, few, range(len(session.muscles)))
        own = pairs.coordinate == self._row
        self._muscle = pairs.muscle[own]
        self._plan = make_plan(session, pairs.coordinate[own], self._muscle, pairs.spanned, pairs.probed)

    def at(self, posture: Array) -> Array:
        """(M,), in the posture (N,) that is set."""
        arms = np.zeros(len(self._session.muscles))
        to_free = jacobian(self._session, posture)[:, self._session.free()]
        arms[self._muscle] = moment_arms(self._session, to_free, self._plan)
        return arms


def _forces(session: Session, muscle: Any) -> tuple[float, float, float, float, float]:
    """Length, fibre length, tendon force, its active part, rigid-tendon active force; NaN without equilibrium."""
    state = session.state
    length = muscle.getLength(state)
    rigid = muscle.calcInextensibleTendonActiveFiberForce(state, 1.0)
    if not CLASSES[muscle.getConcreteClassName()].elastic_tendon:
        fiber = float(np.hypot(length - muscle.get_tendon_slack_length(), _height(muscle)))
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


def _height(muscle: Any) -> float:
    return float(muscle.get_optimal_fiber_length() * np.sin(muscle.get_pennation_angle_at_optimal()))
